//! The environment and the workflow run of this step, as templates see it.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::{Map, Value};

use crate::order::json_object;

/// The environment, read once when the process starts.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    unreadable: Vec<String>,
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self { variables: variables.into_iter().collect(), unreadable: Vec::new() }
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(variables: T) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let name = name.to_string_lossy().into_owned();
            match value.into_string() {
                Ok(value) => drop(environment.variables.insert(name, value)),
                Err(_) => environment.unreadable.push(name),
            }
        }
        environment
    }
}

impl Environment {
    /// The names of variables whose values are not valid UTF-8.
    pub fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// A variable's value; an empty one counts as absent, as the runner itself treats it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All variables whose names begin with the prefix, without the prefix.
    pub fn beginning_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.variables.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }
}

/// The properties of the `github` context that the runner also sets in the environment as `GITHUB_…`,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/variables>. A template reaches nothing else of
/// the environment, `GITHUB_TOKEN` least of all.
pub const PROPERTIES: [&str; 29] = [
    "action",
    "action_ref",
    "action_repository",
    "actor",
    "actor_id",
    "api_url",
    "base_ref",
    "event_name",
    "graphql_url",
    "head_ref",
    "job",
    "ref",
    "ref_name",
    "ref_protected",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "run_attempt",
    "run_id",
    "run_number",
    "server_url",
    "sha",
    "triggering_actor",
    "workflow",
    "workflow_ref",
    "workflow_sha",
    "workspace",
];

/// The workflow run of this step, as templates see it.
#[derive(Debug, Clone, Default)]
pub struct Context {
    github: Map<String, Value>,
    inputs: Option<Map<String, Value>>,
    boundary: String,
}

impl Context {
    /// The context from the environment, the event's payload, and the workflow's inputs where the user passes them.
    /// Without those the inputs are those of the dispatch.
    pub fn new(environment: &Environment, event: Option<Value>, inputs: Option<Map<String, Value>>) -> Self {
        let mut github = Map::new();
        for (name, value) in environment.beginning_with("GITHUB_") {
            let name = name.to_ascii_lowercase();
            if PROPERTIES.contains(&name.as_str()) {
                // This one property is a boolean in the `github` context.
                let value = if name == "ref_protected" { Value::Bool(value == "true") } else { value.into() };
                github.insert(name, value);
            }
        }
        let dispatched = event.as_ref().and_then(|event| event["inputs"].as_object()).map(typed);
        if let Some(event) = event {
            github.insert("event".to_owned(), event);
        }
        Self { github, inputs: inputs.or(dispatched), boundary: String::new() }
    }

    /// The same, with a random word that marks where text from outside begins and ends.
    pub fn fenced_by(mut self, boundary: String) -> Self {
        self.boundary = boundary;
        self
    }

    /// The word of [`Self::fenced_by`]. Without one, no text from outside can be shown.
    pub fn boundary(&self) -> Option<&str> {
        Some(self.boundary.as_str()).filter(|boundary| !boundary.is_empty())
    }

    /// The `github` context.
    pub fn github(&self) -> &Map<String, Value> {
        &self.github
    }

    /// The `inputs` context: those that the user passed, or those of a dispatch.
    pub fn inputs(&self) -> Option<&Map<String, Value>> {
        self.inputs.as_ref()
    }

    /// A property of the `github` context that is a text and not empty.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.github.get(name).and_then(Value::as_str).filter(|value| !value.is_empty())
    }

    /// What identifies the repository of the workflow: its id, which a new name does not change, or else its name.
    pub fn origin(&self) -> String {
        let id = self.property("repository_id").map(str::to_owned);
        id.unwrap_or_else(|| self.property("repository").unwrap_or_default().to_ascii_lowercase())
    }

    /// The page of this workflow run.
    pub fn run_url(&self) -> Option<String> {
        let server = self.property("server_url")?;
        let repository = self.property("repository")?;
        Some(format!("{server}/{repository}/actions/runs/{}", self.property("run_id")?))
    }
}

/// The inputs of a dispatch with booleans as booleans, as in the `inputs` context of Actions. In the event's payload
/// all are texts, and `"false"` is true in a condition,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/contexts#inputs-context>.
fn typed(inputs: &Map<String, Value>) -> Map<String, Value> {
    let typed = |value: &Value| match value.as_str() {
        Some("true") => Value::Bool(true),
        Some("false") => Value::Bool(false),
        _ => value.clone(),
    };
    json_object(&mut inputs.iter().map(|(name, value)| (name.clone(), typed(value))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_listed_properties_are_taken_from_the_environment() {
        let environment = environment(&[
            ("GITHUB_REPOSITORY", "octo/app"),
            ("GITHUB_HEAD_REF", ""),
            ("GITHUB_REF_PROTECTED", "true"),
            ("GITHUB_TOKEN", "ghs_x"),
            ("GITHUB_ENV", "/tmp/env"),
            ("SECRET", "x"),
        ]);
        let context = Context::new(&environment, None, None);
        let expected = json!({"repository": "octo/app", "head_ref": "", "ref_protected": true});
        assert_eq!(Value::Object(context.github().clone()), expected);
        assert_eq!(context.property("head_ref"), None);
    }

    #[test]
    fn inputs_are_passed_or_dispatched() {
        let event = json!({"inputs": {"version": "1.10", "dry": "false"}});
        let dispatched = Context::new(&Environment::default(), Some(event.clone()), None);
        assert_eq!(dispatched.inputs(), json!({"version": "1.10", "dry": false}).as_object());
        assert_eq!(dispatched.github()["event"]["inputs"]["dry"], "false");
        let passed = json!({"version": "2.0"}).as_object().cloned();
        let called = Context::new(&Environment::default(), Some(event), passed.clone());
        assert_eq!(called.inputs(), passed.as_ref());
        assert_eq!(Context::new(&Environment::default(), Some(json!({})), None).inputs(), None);
    }

    #[test]
    fn run_has_a_page() {
        let context = Context::new(
            &environment(&[
                ("GITHUB_SERVER_URL", "https://github.com"),
                ("GITHUB_REPOSITORY", "octo/app"),
                ("GITHUB_RUN_ID", "17"),
            ]),
            None,
            None,
        );
        assert_eq!(context.run_url().as_deref(), Some("https://github.com/octo/app/actions/runs/17"));
    }
}
