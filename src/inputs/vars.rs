//! The user's own variables: the mapping behind `{{ vars.* }}`.

use serde_json::{Map, Value};

use crate::yaml::compose;
use crate::yaml::compose::{Fault, Kind, Node};

/// The most bytes of YAML that an input can have; the runner cannot pass on more in one variable of the environment.
const MOST_BYTES: usize = 131_072;

/// Reads a YAML mapping, and so JSON too.
///
/// # Errors
/// As for [`read`], and where the text is no mapping.
pub fn parse(text: &str) -> Result<Map<String, Value>, String> {
    match read(text, MOST_BYTES)? {
        Value::Object(mapping) => Ok(mapping),
        _ => Err("is not a mapping; write `name: value` on each line, or a JSON object".to_owned()),
    }
}

/// Reads YAML of at most so many bytes.
///
/// Values keep the spelling they were written in: YAML reads `1.10` as the number 1.1 and `no` as a boolean, which is
/// not what the author of `version: 1.10` means. Whole numbers and `true`/`false` stay what they are, so that
/// templates can calculate and ask; nothing after the colon is an empty text.
///
/// # Errors
/// A sentence with line and column, where the text is no YAML, or far too large once its aliases are written out.
pub fn read(text: &str, most: usize) -> Result<Value, String> {
    if text.len() > most {
        return Err(format!("has {} bytes; at most {most} are read", text.len()));
    }
    let fault = |fault: Fault| {
        format!("is not valid YAML: {} at line {}, column {}", fault.why, fault.place.line, fault.place.column)
    };
    let (node, faults) = compose::parse(text).map_err(fault)?;
    if let Some(twice) = faults.into_iter().next() {
        return Err(fault(twice));
    }
    Ok(resolve(node))
}

/// A value in the spelling that it was written in.
fn resolve(node: Node) -> Value {
    let value = match node.kind {
        Kind::Mapping(entries) => {
            return Value::Object(entries.into_iter().map(|(key, value)| (key.name, resolve(value))).collect());
        }
        Kind::List(items) => return Value::Array(items.into_iter().map(resolve).collect()),
        Kind::Scalar(value) => value,
    };
    match &value {
        Value::Bool(truth) if !node.written.eq_ignore_ascii_case(&truth.to_string()) => node.written.into(),
        Value::Number(number) if number.to_string() != node.written => node.written.into(),
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
                "version": "1.10", "country": "no", "count": 12, "ratio": 1.5, "agreed": true, "day": "2026-11-20",
                "zip": "0123", "nothing": "", "void": null, "nested": {"list": ["1.20", "x", "yes"]},
                "notes": "one\ntwo\n", "quoted": "1"
            })
        );
    }

    #[test]
    fn an_alias_keeps_the_spelling_of_what_it_stands_for() {
        let read = parse("first: &v 1.10\nsecond: *v\n").unwrap();
        assert_eq!(Value::Object(read), json!({"first": "1.10", "second": "1.10"}));
    }

    #[test]
    fn json_is_yaml_too() {
        let read = parse("{\n  \"a\": {\"b\": [1, \"zwö\", 1.10, false, null]}\n}").unwrap();
        assert_eq!(Value::Object(read), json!({"a": {"b": [1, "zwö", "1.10", false, null]}}));
    }

    #[test]
    fn what_is_no_mapping_is_refused_with_a_place() {
        assert!(parse("- a\n").unwrap_err().contains("is not a mapping"));
        assert!(parse("just text").unwrap_err().contains("is not a mapping"));
        let broken = parse("a: 1\n b: [x\n").unwrap_err();
        assert!(broken.contains("line 2, column 3"), "{broken}");
        let twice = parse("a: 1\na: 2\n").unwrap_err();
        assert!(twice.contains("duplicate") && twice.contains("line 2"), "{twice}");
    }

    #[test]
    fn a_text_that_grows_without_measure_is_refused() {
        assert!(parse(&bomb()).is_err());
        assert!(parse(&"a".repeat(MOST_BYTES + 1)).unwrap_err().contains("at most 131072"));
    }
}
