//! Comparisons of values. Values of two kinds, such as a text and a number, have none: the engine's answer would always
//! be the same, whichever is meant.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

use crate::prompt::null::is_null;

/// Compares two values with `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` or `not in`. Null equals empty text.
///
/// # Errors
/// If a text is compared with a number or a boolean, and if something can contain nothing.
pub(super) fn compare(sign: &str, one: &Value, other: &Value) -> Result<bool, Error> {
    match sign {
        "==" => return equal(sign, one, other),
        "!=" => return Ok(!equal(sign, one, other)?),
        "in" => return contains(one, other),
        "not in" => return Ok(!contains(one, other)?),
        _ => {}
    }
    match (is_null(one), is_null(other), one.kind(), other.kind()) {
        (true, _, _, ValueKind::Number) | (_, true, ValueKind::Number, _) => {
            return Err(invalid(format!(
                "`{sign}` compares null with a number; write `| default(0)` after what is null"
            )));
        }
        _ => check(sign, one, other)?,
    }
    Ok(match sign {
        "<" => one < other,
        "<=" => one <= other,
        ">" => one > other,
        _ => one >= other,
    })
}

/// Refuses to order a list that has two of texts, numbers and booleans.
///
/// # Errors
/// If it has both.
pub(super) fn check_items(name: &str, items: &[Value]) -> Result<(), Error> {
    let first = |kind| items.iter().find(|item| item.kind() == kind && !is_null(item));
    for (kind, other) in [
        (ValueKind::String, ValueKind::Number),
        (ValueKind::String, ValueKind::Bool),
        (ValueKind::Bool, ValueKind::Number),
    ] {
        if let (Some(one), Some(other)) = (first(kind), first(other)) {
            check(name, one, other)?;
        }
    }
    Ok(())
}

fn equal(sign: &str, one: &Value, other: &Value) -> Result<bool, Error> {
    match (is_null(one), is_null(other)) {
        (true, true) => Ok(true),
        (true, false) => Ok(other.as_str() == Some("")),
        (false, true) => Ok(one.as_str() == Some("")),
        (false, false) => check(sign, one, other).map(|()| one == other),
    }
}

fn contains(item: &Value, container: &Value) -> Result<bool, Error> {
    if is_null(container) {
        return Ok(false);
    }
    if let Some(text) = container.as_str() {
        check("in", item, container)?;
        return match item.as_str() {
            Some(part) => Ok(text.contains(part)),
            None if is_null(item) => Ok(true),
            None => Err(invalid(format!("`in` looks for a text in a text, not for {}", noun(item)))),
        };
    }
    if !matches!(container.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable) {
        return Err(invalid(format!("`in` takes a text, a list or a mapping, not {}", noun(container))));
    }
    let mut first_error = None;
    for one in container.try_iter()? {
        if one.kind() == ValueKind::Invalid {
            return Err(invalid(one.to_string()));
        }
        match equal("in", item, &one) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(false), Err)
}

/// Refuses a text beside a number or a boolean, and a mapping such as `now` beside any of them, in lists as well.
fn check(sign: &str, one: &Value, other: &Value) -> Result<(), Error> {
    use ValueKind::{Bool, Iterable, Map, Number, Seq, String};
    match (one.kind(), other.kind()) {
        (String, Number) | (Number, String) => Err(invalid(format!(
            "`{sign}` compares a text with a number; write `| int` or `| float` after the text, or the number in \
             quotes"
        ))),
        (String, Bool) | (Bool, String) => {
            Err(invalid(format!("`{sign}` compares a text with a boolean; write `true` and `false` without quotes")))
        }
        (Map, String | Number | Bool) | (String | Number | Bool, Map) => Err(invalid(format!(
            "`{sign}` compares a mapping with a text, a number or a boolean; name the part that is meant, such as \
             `now.date`, or `labels | map(attribute='name')` in a list"
        ))),
        // Whether something is true has no order among numbers.
        (Bool, Number) | (Number, Bool) if !matches!(sign, "==" | "!=" | "in") => {
            Err(invalid(format!("`{sign}` compares a boolean with a number; write `| int` after the boolean")))
        }
        (Map, Map) => one.try_iter()?.try_for_each(|key| match (one.get_item(&key)?, other.get_item(&key)?) {
            (_, other) if other.is_undefined() => Ok(()),
            (one, other) => equal(sign, &one, &other).map(drop),
        }),
        (Seq | Iterable, Seq | Iterable) => {
            one.try_iter()?.zip(other.try_iter()?).try_for_each(|(one, other)| equal(sign, &one, &other).map(drop))
        }
        _ => Ok(()),
    }
}

/// What a value is, for people.
pub(super) fn noun(value: &Value) -> String {
    noun_of(&value.kind().to_string()).to_owned()
}

/// What the engine calls a kind of value, for people.
pub(super) fn noun_of(kind: &str) -> &str {
    match kind {
        "string" => "a text",
        "number" => "a number",
        "bool" => "a boolean",
        "sequence" | "iterable" => "a list",
        "map" => "a mapping",
        "none" | "undefined" => "nothing",
        "value" => "the value",
        other => other,
    }
}

fn invalid(reason: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}
