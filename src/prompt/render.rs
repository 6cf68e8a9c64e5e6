//! Template in, prompt out.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::machinery::parse;
use minijinja::value::{Enumerator, Object, Value, ValueKind};
use minijinja::{ErrorKind, State, filters};
use serde_json::{Map, Value as Json};

use crate::actions::context::{Context, PROPERTIES};
use crate::actions::trusted_paths::is_trusted;
use crate::github::repository::Repository;
use crate::prompt::fence::{Fences, Untrusted};
use crate::prompt::sample::Sample;
use crate::prompt::{explain, null, sandbox, syntax, taint};

/// The most bytes of a template, and of a prompt made from one. GitHub publishes no limit for prompts; an issue's
/// text, the longest thing people write there, ends at a quarter of it.
pub const MAX_BYTES: usize = 256 * 1024;

/// A template as the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What errors call it: the file's path, or `prompt`.
    pub name: String,
    /// Its text.
    pub source: String,
}

/// The values that a template can use.
pub struct Scope<'a> {
    /// The run: `github` and `inputs`.
    pub context: &'a Context,
    /// The user's own values: `vars`. They are made up where the template is only tried and they are not known.
    pub vars: Option<&'a Map<String, Json>>,
    /// The repository of the task: `target`.
    pub target: &'a Repository,
    /// The time of the run: `now`.
    pub now: Timestamp,
    /// What is done with text that an outsider can write.
    pub untrusted: Untrusted,
    /// Whether the template is only tried: the event and the inputs, which differ from run to run, are made up.
    pub samples: bool,
}

impl Scope<'_> {
    /// The `github` context.
    fn github(&self) -> Value {
        let github = self.context.github();
        if !self.samples {
            return values_of(github);
        }
        let names = PROPERTIES.iter().copied().chain(["event"]);
        Value::from_pairs(names.map(|name| match github.get(name).filter(|_| name != "event") {
            Some(value) => (name, null::value(value)),
            None => (name, Sample::value(self.now)),
        }))
    }

    fn vars(&self) -> Value {
        match self.vars {
            Some(vars) if self.samples => {
                Value::from_pairs(vars.iter().map(|(name, value)| (name.as_str(), Sample::or(value, self.now))))
            }
            Some(vars) => values_of(vars),
            None => Sample::value(self.now),
        }
    }

    fn value(&self) -> Value {
        let target = [
            ("owner", self.target.owner().to_owned()),
            ("name", self.target.name().to_owned()),
            ("full_name", self.target.to_string()),
        ];
        let mut names = vec![
            ("github", self.github()),
            ("vars", self.vars()),
            ("target", Value::from_pairs(target)),
            ("now", Value::from_object(Now(self.now))),
        ];
        if self.samples {
            names.push(("inputs", Sample::value(self.now)));
        } else if let Some(inputs) = self.context.inputs() {
            names.push(("inputs", values_of(inputs)));
        }
        Value::from_pairs(names)
    }
}

/// A mapping for a template.
fn values_of(mapping: &Map<String, Json>) -> Value {
    Value::from_pairs(mapping.iter().map(|(name, value)| (name.as_str(), null::value(value))))
}

/// The time of the run, in UTC. A template can show it as it is, in parts, or by the filter `date`.
#[derive(Debug)]
struct Now(Timestamp);

impl Now {
    const PARTS: [&str; 9] = ["date", "time", "year", "month", "day", "hour", "minute", "weekday", "week"];
}

impl Object for Now {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let time = self.0.to_zoned(TimeZone::UTC);
        Some(match key.as_str()? {
            "date" => time.strftime("%Y-%m-%d").to_string().into(),
            "time" => time.strftime("%H:%M").to_string().into(),
            "year" => time.year().into(),
            "month" => time.month().into(),
            "day" => time.day().into(),
            "hour" => time.hour().into(),
            "minute" => time.minute().into(),
            "weekday" => time.weekday().to_monday_one_offset().into(),
            "week" => time.date().iso_week_date().week().into(),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&Self::PARTS)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// The filter `date`: a time in the format of `strftime`, <https://docs.rs/jiff/latest/jiff/fmt/strtime/index.html>.
/// It takes `now`, or a text such as `github.event.issue.created_at`. No time is empty text.
fn date(state: &mut State, value: &Value, format: &str) -> Result<String, minijinja::Error> {
    // The engine names what is undefined where a filter needs a text.
    let text = Value::from_function(filters::string).call(state, std::slice::from_ref(value))?;
    let invalid = |why: String| minijinja::Error::new(ErrorKind::InvalidOperation, why);
    let time = match value.downcast_object_ref::<Now>() {
        Some(now) => now.0,
        None if null::is_null(value) => return Ok(String::new()),
        None => text.to_string().parse().map_err(|_| {
            invalid(format!("`date` takes `now` or a text such as `2026-11-20T08:00:00Z`, not `{text}`"))
        })?,
    };
    jiff::fmt::strtime::format(format, &time.to_zoned(TimeZone::UTC))
        .map_err(|error| invalid(format!("`{format}` is not a format for `date`, such as `%Y-%m-%d`: {error}")))
}

/// The filter that puts a text into a fence. Numbers, booleans and no value need none.
fn fenced(fences: &Fences, value: Value) -> Result<Value, minijinja::Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None | ValueKind::Bool | ValueKind::Number => Ok(value),
        _ if null::is_null(&value) => Ok(value),
        _ => fences.put(&value.to_string()).map(Value::from).ok_or_else(|| {
            let why = format!("the texts from outside have more than {MAX_BYTES} bytes together; show fewer of them");
            minijinja::Error::new(ErrorKind::InvalidOperation, why)
        }),
    }
}

/// Makes the prompt. Text that an outsider can write is in a fence, or left out.
///
/// # Errors
/// A message that names file, line and column, shows the line, and lists the names that are near an unknown one.
pub fn render(template: &Template, scope: &Scope<'_>) -> Result<String, String> {
    if template.source.len() > MAX_BYTES {
        return Err(too_large(template, "template", template.source.len()));
    }
    // What the rendering needs is its own, since a rendering that takes too long is left behind.
    let (of, values, untrusted, tries) = (template.clone(), scope.value(), scope.untrusted, scope.samples);
    let boundary = scope.context.boundary().map(str::to_owned);
    sandbox::run(move || render_bounded(&of, values, untrusted, tries, boundary))
        .unwrap_or_else(|reason| Err(format!("{}: {reason}", template.name)))
}

fn render_bounded(
    template: &Template,
    values: Value,
    untrusted: Untrusted,
    tries: bool,
    boundary: Option<String>,
) -> Result<String, String> {
    let name = template.name.as_str();
    syntax::check(&template.source).map_err(|problem| explain::at(template, problem.range, &problem.reason))?;
    let guarded = taint::guard(name, &template.source, is_trusted);
    if untrusted == Untrusted::Refuse && !guarded.places.is_empty() {
        return Err(explain::refusal(template, &guarded));
    }
    if let Some(range) = guarded.formats.first() {
        let reason = "a text that an outsider can write cannot be a format; write `'%s' | format(…)` around it";
        return Err(explain::at(template, range.clone(), reason));
    }
    let fences = Arc::new(Fences::new(MAX_BYTES));
    let mut environment = sandbox::environment(&sandbox::Budget::new());
    environment.add_filter("date", date);
    let of_filter = Arc::clone(&fences);
    environment.add_filter(taint::FILTER, move |value: Value| fenced(&of_filter, value));
    let explained = |error| explain::explain(&error, template, &guarded, &values);
    let tree = parse(&guarded.source, name, syntax::config()).map_err(explained)?;
    if let Some(problem) = syntax::large_constant(&tree, sandbox::MAX_VALUE_BYTES) {
        let range = guarded.origin(problem.range.start)..guarded.origin(problem.range.end);
        return Err(explain::at(template, range, &problem.reason));
    }
    let rendered = sandbox::render(&environment, (name, &guarded.source), &tree, values.clone(), tries);
    let rendered = rendered.map_err(explained)?;
    if rendered.trim().is_empty() {
        return Err(format!("{name}: the prompt is empty; write what the agent should do"));
    }
    let Some(boundary) = boundary.as_deref().or_else(|| fences.is_empty().then_some("")) else {
        return Err(format!("{name}: the boundary for untrusted text is missing"));
    };
    fences.around(&rendered, boundary).map_err(|bytes| too_large(template, "prompt", bytes))
}

fn too_large(template: &Template, what: &str, bytes: usize) -> String {
    format!("{}: the {what} has {bytes} bytes, and at most {MAX_BYTES} are sent; shorten it", template.name)
}

#[cfg(test)]
mod tests;
