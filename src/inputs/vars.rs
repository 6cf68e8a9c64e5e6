//! The user's own variables: the mapping behind `{{ vars.* }}`.

use serde_json::{Map, Value};

use crate::order::json_object;
use crate::yaml::compose;
use crate::yaml::compose::{Fault, Kind, Node};

/// The most bytes of YAML that an input can have; Linux takes no more in one variable of the environment.
const MAX_BYTES: usize = 131_072;

/// Reads a YAML mapping, and so JSON too.
///
/// # Errors
/// As for [`read`], and where the text is not a mapping.
pub fn parse(text: &str) -> Result<Map<String, Value>, String> {
    match read(text, MAX_BYTES)? {
        Value::Object(mapping) => Ok(mapping),
        _ => Err("is not a mapping; write `name: value` on each line, or a JSON object".to_owned()),
    }
}

/// Reads YAML of at most `max` bytes.
///
/// The spelling of a value does not decide its type: a whole number is a number, unless it begins with a zero or a
/// plus, and any other number is the text as it was written. YAML reads `1.10` as the number 1.1 and `no` as a
/// boolean, and neither is meant in `version: 1.10`. `true` and `false` are booleans; nothing after the colon is an
/// empty text.
///
/// # Errors
/// A sentence with line and column, where the text is not YAML, or far too large once its aliases are expanded.
pub fn read(text: &str, max: usize) -> Result<Value, String> {
    if text.len() > max {
        return Err(format!("has {} bytes; at most {max} are read", text.len()));
    }
    let problem = |fault: Fault| format!("is not valid YAML. {fault}");
    let (node, duplicates) = compose::parse(text).map_err(problem)?;
    match duplicates.into_iter().next() {
        Some(duplicate) => Err(problem(duplicate)),
        None => Ok(resolve(node)),
    }
}

/// A value as it was written.
fn resolve(node: Node) -> Value {
    let value = match node.kind {
        Kind::Mapping(entries) => {
            return Value::Object(json_object(&mut entries.into_iter().map(|(key, value)| (key.name, resolve(value)))));
        }
        Kind::List(items) => return Value::Array(items.into_iter().map(resolve).collect()),
        Kind::Scalar(value) => value,
    };
    match &value {
        Value::Bool(truth) if !node.written.eq_ignore_ascii_case(&truth.to_string()) => node.written.into(),
        Value::Number(number) if number.is_f64() || number.to_string() != node.written => node.written.into(),
        Value::Null if node.written.is_empty() => "".into(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::yaml::compose::bomb;

    use super::*;

    #[test]
    fn values_keep_their_spelling() {
        let read = parse(
            "version: 1.10\ncountry: no\ncount: 12\nratio: 1.5\nagreed: true\nday: 2026-11-20\nzip: 0123\n\
             nothing:\nvoid: ~\nnested:\n  list: [1.20, 'x', yes]\nnotes: |\n  one\n  two\nquoted: \"1\"\n",
        )
        .unwrap();
        assert_eq!(
            Value::Object(read),
            json!({
                "version": "1.10", "country": "no", "count": 12, "ratio": "1.5", "agreed": true, "day": "2026-11-20",
                "zip": "0123", "nothing": "", "void": null, "nested": {"list": ["1.20", "x", "yes"]},
                "notes": "one\ntwo\n", "quoted": "1"
            })
        );
    }

    #[test]
    fn alias_keeps_spelling() {
        let read = parse("first: &v 1.10\nsecond: *v\n").unwrap();
        assert_eq!(Value::Object(read), json!({"first": "1.10", "second": "1.10"}));
    }

    #[test]
    fn json_is_yaml_too() {
        let read = parse("{\n  \"a\": {\"b\": [1, \"zwö\", 1.10, false, null]}\n}").unwrap();
        assert_eq!(Value::Object(read), json!({"a": {"b": [1, "zwö", "1.10", false, null]}}));
    }

    #[test]
    fn non_mapping_is_refused_with_place() {
        assert!(parse("- a\n").unwrap_err().contains("is not a mapping"));
        assert!(parse("just text").unwrap_err().contains("is not a mapping"));
        let broken = parse("a: 1\n b: [x\n").unwrap_err();
        assert!(broken.contains("line 2, column 3"), "{broken}");
        let twice = parse("a: 1\na: 2\n").unwrap_err();
        assert!(twice.contains("duplicate") && twice.contains("line 2"), "{twice}");
    }

    #[test]
    fn growing_text_is_refused() {
        assert!(parse(&bomb()).is_err());
        assert!(parse(&"a".repeat(MAX_BYTES + 1)).unwrap_err().contains("at most 131072"));
    }

    #[test]
    fn spelling_does_not_decide_the_type() {
        for text in
            ["1.9", "1.10", "2.0", "1e3", "1.0e10", ".5", "-1.5", "+7", "007", "-0", "0x1F", "18446744073709551616"]
        {
            assert_eq!(parse(&format!("a: {text}")).unwrap()["a"], json!(text));
        }
        for text in ["0", "7", "-7", "123456789012"] {
            assert_eq!(parse(&format!("a: {text}")).unwrap()["a"], json!(text.parse::<i64>().unwrap()));
        }
    }
}
