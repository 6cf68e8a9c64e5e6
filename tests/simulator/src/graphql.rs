//! The GraphQL endpoint.
//!
//! Queries and answers are held against `schema/github.graphql`: the part of GitHub's published schema that is answered
//! here. What it lacks is an unknown field.

use std::cell::RefCell;
use std::sync::LazyLock;

use apollo_compiler::resolvers::{Execution, FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::{JsonMap, JsonValue};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::clock::Moment;
use crate::graphql_pulls::Graph;
use crate::handler::Caller;
use crate::request::Request;
use crate::world::World;

static SCHEMA: LazyLock<Result<Valid<Schema>, String>> = LazyLock::new(|| {
    let schema = include_str!("../schema/github.graphql");
    Schema::parse_and_validate(schema, "github.graphql").map_err(|why| why.to_string())
});

/// The most records that a connection gives at a time,
/// <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api#node-limit>.
const MAX_RECORDS: usize = 100;

/// What separates GitHub's type of an error from its message, until the answer is complete.
const TYPE_END: char = '\u{1f}';

/// What the executor puts before the message of a field's error.
const RESOLVER_ERROR: &str = "resolver error: ";

/// The types of errors that refuse a query as a whole.
const REFUSING: [&str; 3] = ["MISSING_PAGINATION_BOUNDARIES", "EXCESSIVE_PAGINATION", "ARGUMENT_LIMIT"];

/// The error of a field, with GitHub's type for it.
pub(crate) fn typed_error(kind: &str, message: &str) -> FieldError {
    FieldError { message: format!("{kind}{TYPE_END}{message}") }
}

/// What a field resolves to.
pub(crate) enum Resolved<'w> {
    Leaf(Value),
    Object(Object<'w>),
    List(Vec<Result<Resolved<'w>, FieldError>>),
}

/// What a field resolves to, or its error.
pub(crate) type Field<'w> = Result<Resolved<'w>, FieldError>;

/// A field that is a scalar, an enum's value or null.
pub(crate) fn leaf<'w>(value: impl Into<Value>) -> Field<'w> {
    Ok(Resolved::Leaf(value.into()))
}

/// Resolves the field of this name with these arguments; nothing if there is none.
type Resolve<'w> = Box<dyn Fn(&str, &JsonMap) -> Option<Field<'w>> + 'w>;

/// An object of the schema.
pub(crate) struct Object<'w> {
    kind: &'static str,
    resolve: Resolve<'w>,
}

impl<'w> Object<'w> {
    pub(crate) fn new(kind: &'static str, resolve: impl Fn(&str, &JsonMap) -> Option<Field<'w>> + 'w) -> Object<'w> {
        Object { kind, resolve: Box::new(resolve) }
    }

    /// An object whose fields are all at hand.
    pub(crate) fn plain(kind: &'static str, fields: Value) -> Object<'w> {
        Object::new(kind, move |name, _| fields.get(name).map(|value| leaf(value.clone())))
    }

    pub(crate) fn resolve(&self, name: &str, arguments: &JsonMap) -> Option<Field<'w>> {
        (self.resolve)(name, arguments)
    }

    pub(crate) fn field(self) -> Field<'w> {
        Ok(Resolved::Object(self))
    }
}

impl<'w> Resolved<'w> {
    fn value<'a>(self) -> ResolvedValue<'a>
    where
        'w: 'a,
    {
        match self {
            Resolved::Leaf(value) => ResolvedValue::leaf(JsonValue::from(value)),
            Resolved::Object(object) => ResolvedValue::object(object),
            Resolved::List(items) => {
                ResolvedValue::List(Box::new(items.into_iter().map(|item| item.map(Resolved::value))))
            }
        }
    }
}

impl ObjectValue for Object<'_> {
    fn type_name(&self) -> &str {
        self.kind
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Result<ResolvedValue<'a>, FieldError> {
        match self.resolve(info.field_name(), info.arguments()) {
            Some(field) => field.map(Resolved::value),
            None => Err(self.unknown_field_error(info)),
        }
    }
}

/// A connection of this many records. `extra` has its fields beside nodes, page and count.
pub(crate) fn connection<'w>(
    kind: &'static str,
    total: usize,
    arguments: &JsonMap,
    extra: Value,
    node: impl Fn(usize) -> Field<'w> + 'w,
) -> Field<'w> {
    let number = |name: &str| arguments.get(name).and_then(JsonValue::as_u64).and_then(|it| usize::try_from(it).ok());
    let cursor = |name: &str| arguments.get(name).and_then(JsonValue::as_str).and_then(position);
    let (first, last) = (number("first"), number("last"));
    let mut begin = cursor("after").unwrap_or(0).min(total);
    let mut end = cursor("before").map_or(total, |before| before.saturating_sub(1)).clamp(begin, total);
    if let Some(first) = first {
        end = end.min(begin.saturating_add(first));
    }
    if let Some(last) = last {
        begin = begin.max(end.saturating_sub(last));
    }
    Object::new(kind, move |name, _| {
        Some(match name {
            "totalCount" => leaf(total),
            "nodes" | "pageInfo" if first.is_none() && last.is_none() => Err(typed_error(
                "MISSING_PAGINATION_BOUNDARIES",
                &format!("You must provide a `first` or `last` value to properly paginate the `{kind}`."),
            )),
            "nodes" | "pageInfo" if first.max(last).is_some_and(|asked| asked > MAX_RECORDS) => Err(typed_error(
                "EXCESSIVE_PAGINATION",
                &format!("Requesting more than {MAX_RECORDS} records on the `{kind}` exceeds the limit."),
            )),
            "nodes" => Ok(Resolved::List((begin..end).map(&node).collect())),
            "pageInfo" => Object::plain(
                "PageInfo",
                json!({
                    "hasNextPage": end < total,
                    "hasPreviousPage": begin > 0,
                    "startCursor": (begin < end).then(|| cursor_of(begin + 1)),
                    "endCursor": (begin < end).then(|| cursor_of(end)),
                }),
            )
            .field(),
            _ => return extra.get(name).map(|value| leaf(value.clone())),
        })
    })
    .field()
}

/// The cursor of a record, counted from one.
fn cursor_of(position: usize) -> String {
    STANDARD.encode(format!("cursor:{position}"))
}

fn position(cursor: &str) -> Option<usize> {
    let bytes = STANDARD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("cursor:")?.parse().ok()
}

impl World {
    pub(crate) fn graphql(&mut self, now: Moment, caller: &Caller, request: &Request) -> Answer {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(text) = body.get("query").and_then(Value::as_str) else {
            self.report_unexpected("POST /graphql: no query in the body");
            return Answer::error(400, "A query attribute must be specified and must be a string.");
        };
        let hour = *self.rate_limiter.hour(&caller.account, "graphql", now);
        let denied = RefCell::default();
        let graph = Graph { world: self, now, caller, hour, denied: &denied };
        match answer(&graph, text, body.get("variables")) {
            Ok((data, errors)) => {
                let bugs: Vec<String> =
                    errors.iter().filter(|error| error.get("type").is_none()).map(Value::to_string).collect();
                if !bugs.is_empty() {
                    self.report_unexpected(format!("POST /graphql: {}", bugs.join("; ")));
                }
                let mut whole = json!({"data": data});
                if !errors.is_empty() {
                    whole["errors"] = Value::Array(errors);
                }
                Answer::json(200, &whole)
            }
            Err(errors) => {
                self.report_unexpected(format!("POST /graphql: {}: {text}", json!(errors)));
                Answer::json(200, &json!({"errors": errors}))
            }
        }
    }
}

/// The data and the errors of fields; or the errors that refuse the query as a whole.
fn answer(graph: &Graph<'_>, text: &str, variables: Option<&Value>) -> Result<(Value, Vec<Value>), Vec<Value>> {
    let refused = |message: String| vec![json!({"message": message})];
    let schema = SCHEMA.as_ref().map_err(|why| refused(why.clone()))?;
    let document = ExecutableDocument::parse_and_validate(schema, text, "query.graphql").map_err(|why| {
        why.errors.iter().map(|diagnostic| json!({"message": diagnostic.error.to_string()})).collect::<Vec<_>>()
    })?;
    let variables = match JsonValue::from(variables.cloned().unwrap_or_default()) {
        JsonValue::Object(variables) => variables,
        _ => JsonMap::new(),
    };
    let query = graph.query();
    let done = Execution::new(schema, &document)
        .raw_variable_values(&variables)
        .execute_sync(&query)
        .map_err(|why| refused(why.to_graphql_error(&document.sources).message))?;
    let denied = graph.denied.take();
    let denied = denied.into_iter().map(|(at, error)| (json!({"path": ["nodes", at]}), error.message));
    let others = done.errors.iter().map(|error| {
        (serde_json::to_value(error).unwrap_or_default(), error.message.trim_start_matches(RESOLVER_ERROR).to_owned())
    });
    let errors: Vec<Value> = denied
        .chain(others)
        .map(|(mut shown, message)| {
            if let Some((kind, message)) = message.split_once(TYPE_END) {
                shown["message"] = message.into();
                shown["type"] = if kind == "SAML" { "FORBIDDEN" } else { kind }.into();
                if shown["type"] == "FORBIDDEN" {
                    shown["extensions"] = json!({"saml_failure": kind == "SAML"});
                }
            }
            shown
        })
        .collect();
    if errors.iter().any(|error| REFUSING.iter().any(|kind| error["type"] == *kind)) {
        return Err(errors);
    }
    Ok((serde_json::to_value(&done.data).unwrap_or_default(), errors))
}
