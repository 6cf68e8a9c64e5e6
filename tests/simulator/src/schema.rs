//! The published schema of the request that starts a task.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

/// Compiled once for all simulators of the process.
static CREATE_REQUEST: LazyLock<Result<Validator, String>> = LazyLock::new(|| {
    let schema: Value =
        serde_json::from_str(include_str!("../schema/create_request.json")).map_err(|why| why.to_string())?;
    jsonschema::validator_for(&schema).map_err(|why| why.to_string())
});

/// The fields that the schema names.
const FIELDS: [&str; 6] = ["prompt", "model", "custom_agent", "create_pull_request", "base_ref", "head_ref"];

/// Why this body cannot start a task; nothing if it can.
pub(crate) fn violations(body: &Value) -> Vec<String> {
    match &*CREATE_REQUEST {
        Ok(validator) => {
            validator.iter_errors(body).map(|error| format!("`{}`: {error}", error.instance_path())).collect()
        }
        Err(why) => vec![format!("the schema itself is broken: {why}")],
    }
}

/// The fields of this body that the schema does not name. It does not forbid them either, but a
/// client that sends one has an option that does nothing.
pub(crate) fn unknown_fields(body: &Value) -> Vec<String> {
    body.as_object()
        .into_iter()
        .flat_map(|fields| fields.keys())
        .filter(|name| !FIELDS.contains(&name.as_str()))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{unknown_fields, violations};

    #[test]
    fn body_is_held_against_the_schema() {
        assert!(violations(&json!({"prompt": "Do it", "create_pull_request": true})).is_empty());
        assert_eq!(violations(&json!({"model": 7})).len(), 2);
        assert_eq!(unknown_fields(&json!({"prompt": "x", "event_content": "x"})), ["event_content"]);
    }
}
