//! Null of an event, of inputs and of variables, which a template sees as empty text.
//!
//! The engine marks texts that need no escaping. Nothing is escaped in a prompt, so an empty text with that mark is
//! null: filters and operators take it for a text, and `default`, `is none` and `tojson` for null.

use minijinja::value::{DynObject, Serde, Value, ValueKind};
use serde_json::Value as Json;

/// A value of JSON for a template.
pub(super) fn value(json: &Json) -> Value {
    match json {
        Json::Null => null(),
        Json::Array(items) => items.iter().map(value).collect::<Vec<_>>().into(),
        Json::Object(entries) => mapping(&mut entries.iter().map(|(name, it)| (name.as_str().into(), value(it)))),
        other => Value::from(Serde(other)),
    }
}

/// A mapping. One function for all, because each kind of iterator would be sorted by a sort of its own.
pub(super) fn mapping(entries: &mut dyn Iterator<Item = (Value, Value)>) -> Value {
    Value::from_pairs(entries)
}

/// Null as empty text.
pub(super) fn null() -> Value {
    Value::from_safe_string(String::new())
}

/// Whether a value is null, or the `none` of a template.
pub(super) fn is_null(value: &Value) -> bool {
    value.is_none() || value.is_safe() && value.as_str() == Some("")
}

/// The same value, with the engine's own null in it.
pub(super) fn restored(value: &Value) -> Value {
    let entries = || value.as_object().and_then(DynObject::try_iter_pairs).into_iter().flatten();
    match value.kind() {
        _ if is_null(value) => Value::from(()),
        ValueKind::Map if !value.is_kwargs() => mapping(&mut entries().map(|(key, it)| (key, restored(&it)))),
        ValueKind::Seq => value.try_iter().into_iter().flatten().map(|item| restored(&item)).collect::<Vec<_>>().into(),
        _ => value.clone(),
    }
}
