//! Template in, prompt out.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use minijinja::machinery::parse;
use minijinja::value::{Enumerator, Kwargs, Object, Value, ValueKind};
use minijinja::{ErrorKind, State, filters};
use serde_json::{Map, Value as Json};

use crate::actions::context::{Context, PROPERTIES};
use crate::actions::host::time_zone;
use crate::actions::trusted_paths::is_trusted;
use crate::github::repository::Repository;
use crate::prompt::budget::{Budget, FENCED_BYTE, MAX_STEP_INSTRUCTIONS, MAX_VALUE_BYTES, TIME, TIME_ZONE, whole};
use crate::prompt::fence::{Fences, Untrusted};
use crate::prompt::sample::Sample;
use crate::prompt::{explain, null, sandbox, syntax, taint};
use crate::text::{cut, is_invisible};

/// The most bytes of a template, and of a prompt made from one. GitHub publishes no limit for prompts; an issue's
/// text, the longest thing people write there, ends at a quarter of it.
pub const MAX_BYTES: usize = 256 * 1024;
/// The longest reason of `skip`, in characters: two lines of a log.
const MAX_REASON: usize = 300;
/// How many characters of a value an error shows; a time with its zone has fewer.
const MAX_SHOWN: usize = 40;

/// A template as the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What errors call it: the file's path, or `prompt`.
    pub name: String,
    /// Its text.
    pub source: String,
}

/// What a template makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rendered {
    /// The prompt.
    Prompt(String),
    /// Nothing: the template calls `skip` with this reason.
    Skipped(String),
}

/// Why a template cannot be rendered. Its `Display` names file, line and column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// It shows text that an outsider can write, at these places, and none is allowed.
    #[error(
        "the template shows text that an outsider can write, and `untrusted: refuse` allows none; leave it out, or write \
         `untrusted: fence`\n{0}"
    )]
    Untrusted(String),
    /// Nothing is left of it once it is rendered. This is its name.
    #[error("{0}: the prompt is empty; write what the agent should do")]
    Empty(String),
    /// It has a mistake, or makes too much.
    #[error("{0}")]
    Invalid(String),
}

impl From<String> for RenderError {
    fn from(why: String) -> Self {
        Self::Invalid(why)
    }
}

/// The values that a template can use.
pub struct Scope<'a> {
    /// The run: `github` and `inputs`.
    pub context: &'a Context,
    /// The user's own values: `vars`. They are made up where the template is only tried and they are not known.
    pub vars: Option<&'a Map<String, Json>>,
    /// The repository of the task: `target`.
    pub target: &'a Repository,
    /// The name of the entry in the list of repositories: `target.entry`.
    pub entry: Option<&'a str>,
    /// The pull request that the task follows up on: `pull_request`. All its texts are untrusted.
    pub pull_request: Option<&'a Json>,
    /// The time of the run: `now`.
    pub now: Timestamp,
    /// The time zone of `now` and of the filter `date`.
    pub zone: &'a TimeZone,
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
        null::mapping(&mut names.map(|name| match github.get(name).filter(|_| name != "event") {
            Some(value) => (name.into(), null::value(value)),
            None => (name.into(), Sample::value(self.now)),
        }))
    }

    fn vars(&self) -> Value {
        match self.vars {
            Some(vars) if self.samples => {
                null::mapping(&mut vars.iter().map(|(name, value)| (name.as_str().into(), Sample::or(value, self.now))))
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
            ("entry", self.entry.unwrap_or_default().to_owned()),
        ];
        let mut names = vec![
            ("github", self.github()),
            ("vars", self.vars()),
            ("target", null::mapping(&mut target.into_iter().map(|(name, text)| (name.into(), text.into())))),
            ("now", Value::from_object(Time(self.now.to_zoned(self.zone.clone())))),
        ];
        match self.pull_request {
            _ if self.samples => names.push((taint::PULL_REQUEST, Sample::value(self.now))),
            Some(pull) => names.push((taint::PULL_REQUEST, null::value(pull))),
            None => {}
        }
        if self.samples {
            names.push(("inputs", Sample::value(self.now)));
        } else if let Some(inputs) = self.context.inputs() {
            names.push(("inputs", values_of(inputs)));
        }
        null::mapping(&mut names.into_iter().map(|(name, value)| (name.into(), value)))
    }
}

/// A mapping for a template.
fn values_of(mapping: &Map<String, Json>) -> Value {
    null::mapping(&mut mapping.iter().map(|(name, value)| (name.as_str().into(), null::value(value))))
}

/// A time. A template can show it as it is, in parts, or by the filter `date`.
#[derive(Debug)]
struct Time(Zoned);

impl Time {
    const PARTS: [&str; 9] = ["date", "time", "year", "month", "day", "hour", "minute", "weekday", "week"];
}

impl Object for Time {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let time = &self.0;
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
        let format = if *self.0.time_zone() == TimeZone::UTC { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
        write!(f, "{}", self.0.strftime(format))
    }
}

fn invalid(why: impl Into<String>) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::InvalidOperation, why.into())
}

/// The time that a filter takes, in its own zone if it is a [`Time`]: `now`, or a text such as
/// `github.event.issue.created_at`. `None` for no value.
fn time_of(state: &mut State, filter: &str, value: &Value, zone: &TimeZone) -> Result<Option<Zoned>, minijinja::Error> {
    // The engine names what is undefined where a filter needs a text.
    let text = Value::from_function(filters::string).call(state, std::slice::from_ref(value))?;
    match value.downcast_object_ref::<Time>() {
        Some(time) => Ok(Some(time.0.clone())),
        None if null::is_null(value) => Ok(None),
        None => match text.to_string().parse::<Timestamp>() {
            Ok(time) => Ok(Some(time.to_zoned(zone.clone()))),
            Err(_) => {
                let text = cut(&text.to_string(), MAX_SHOWN);
                Err(invalid(format!("`{filter}` takes `now` or a text such as `2026-11-20T08:00:00Z`, not `{text}`")))
            }
        },
    }
}

/// The filter `date`: a time in the format of `strftime`, <https://docs.rs/jiff/latest/jiff/fmt/strtime/index.html>, in
/// the zone of the step or in another one. No time is empty text.
fn date(
    state: &mut State,
    value: &Value,
    (format, other): (&str, Option<&str>),
    zone: &TimeZone,
) -> Result<String, minijinja::Error> {
    let Some(mut time) = time_of(state, "date", value, zone)? else {
        return Ok(String::new());
    };
    if let Some(name) = other {
        let other = time_zone(name).map_err(|why| invalid(format!("the time zone `{name}` {why}")))?;
        time = time.with_time_zone(other);
    }
    jiff::fmt::strtime::format(format, &time)
        .map_err(|error| invalid(format!("`{format}` is not a format for `date`, such as `%Y-%m-%d`: {error}")))
}

/// The filter `add`: a time that is later, or earlier where the numbers are negative. Days, weeks and months are those of
/// the calendar. No time stays no time.
fn add(state: &mut State, value: &Value, shift: &Kwargs, zone: &TimeZone) -> Result<Value, minijinja::Error> {
    type Unit = (&'static str, fn(Span, i64) -> Result<Span, jiff::Error>);
    // The largest first, each with a sign of its own: a month from now and a day before that.
    const UNITS: [Unit; 6] = [
        ("years", Span::try_years),
        ("months", Span::try_months),
        ("weeks", Span::try_weeks),
        ("days", Span::try_days),
        ("hours", Span::try_hours),
        ("minutes", Span::try_minutes),
    ];
    let is_unit = |name: &&str| UNITS.iter().any(|(unit, _)| unit == name);
    if shift.args().next().is_none() || !shift.args().all(|name| is_unit(&name)) {
        let other = shift.args().find(|name| !is_unit(name)).unwrap_or("nothing");
        return Err(invalid(format!("`add` takes `{}`, not `{other}`", UNITS.map(|(unit, _)| unit).join("`, `"))));
    }
    let Some(mut time) = time_of(state, "add", value, zone)? else {
        return Ok(null::null());
    };
    for (unit, span) in UNITS.iter().filter(|(unit, _)| shift.has(unit)) {
        let amount: Value = shift.get(unit)?;
        if amount.downcast_object_ref::<Sample>().is_some() {
            return Ok(amount);
        }
        let Ok(number) = i64::try_from(amount.clone()) else {
            let amount = cut(&format!("{amount:?}"), MAX_SHOWN);
            return Err(invalid(format!("`add` takes whole numbers, and `{unit}` is `{amount}`")));
        };
        let moved = span(Span::new(), number).and_then(|span| time.checked_add(span));
        time = moved.map_err(|error| invalid(format!("`{unit}={number}` leads to no time: {error}")))?;
    }
    Ok(Value::from_object(Time(time)))
}

/// The filter that puts a text into a fence. Numbers, booleans and no value need none.
fn fenced(fences: &Fences, budget: &Budget, value: Value) -> Result<Value, minijinja::Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None | ValueKind::Bool | ValueKind::Number => Ok(value),
        _ if null::is_null(&value) => Ok(value),
        _ => {
            let text = value.to_string();
            budget.count(whole(text.len()).saturating_mul(FENCED_BYTE));
            fences.put(&text).map(Value::from).ok_or_else(|| {
                invalid(format!("the texts from outside have more than {MAX_BYTES} bytes together; show fewer of them"))
            })
        }
    }
}

/// The work that the templates of a step take together. Each has bounds of its own, which add up to hours with many
/// repositories.
#[derive(Debug, Default)]
pub struct StepBudget(Cell<u64>);

impl StepBudget {
    /// Whether nothing more is to be rendered.
    pub fn is_spent(&self) -> bool {
        self.0.get() >= MAX_STEP_INSTRUCTIONS
    }

    /// Why only `done` of all prompts are rendered, as a predicate of the template.
    pub fn exhausted(done: usize, all: usize) -> String {
        format!(
            "takes too much to render: the {} million instructions that a step has for all its prompts are used up after \
             {done} of {all}. Loop, sort or show less in the template, or split the list with `command: plan`",
            MAX_STEP_INSTRUCTIONS / 1_000_000
        )
    }

    /// Makes a prompt. Text that an outsider can write is in a fence, or left out.
    ///
    /// # Errors
    /// A message that names file, line and column, shows the line, and lists the names that are near an unknown one.
    pub fn render(&self, template: &Template, scope: &Scope<'_>) -> Result<Rendered, RenderError> {
        let budget = Budget::new();
        let rendered = render_alone(template, scope, &budget);
        // A rendering that took too long is not to be followed by another one that does.
        let spent = if rendered.is_ok() { budget.spent() } else { u64::MAX };
        self.0.set(self.0.get().saturating_add(spent));
        rendered.unwrap_or_else(|reason| Err(format!("{}: {reason}", template.name).into()))
    }
}

/// Makes the only prompt of a step, see [`StepBudget::render`].
///
/// # Errors
/// The same.
pub fn render(template: &Template, scope: &Scope<'_>) -> Result<Rendered, RenderError> {
    StepBudget::default().render(template, scope)
}

/// The outer error is about a rendering that did not end.
fn render_alone(
    template: &Template,
    scope: &Scope<'_>,
    budget: &Arc<Budget>,
) -> Result<Result<Rendered, RenderError>, String> {
    if template.source.len() > MAX_BYTES {
        return Ok(Err(too_large(template, "template", template.source.len()).into()));
    }
    // What the rendering needs is its own, since a rendering that takes too long is left behind.
    let given = Given {
        values: scope.value(),
        untrusted: scope.untrusted,
        zone: scope.zone.clone(),
        tries: scope.samples,
        boundary: scope.context.boundary().map(str::to_owned),
    };
    let (of, budget) = (template.clone(), Arc::clone(budget));
    sandbox::run(move || render_bounded(&of, given, &budget))
}

/// What a rendering has of its scope.
struct Given {
    values: Value,
    untrusted: Untrusted,
    zone: TimeZone,
    tries: bool,
    boundary: Option<String>,
}

fn render_bounded(template: &Template, given: Given, budget: &Arc<Budget>) -> Result<Rendered, RenderError> {
    let Given { values, untrusted, zone, tries, boundary } = given;
    let name = template.name.as_str();
    syntax::check(&template.source).map_err(|problem| explain::at(template, problem.range, &problem.reason))?;
    let guarded = taint::guard(name, &template.source, is_trusted);
    if untrusted == Untrusted::Refuse && !guarded.places.is_empty() {
        return Err(RenderError::Untrusted(explain::untrusted_places(template, &guarded)));
    }
    if let Some((range, reason)) = guarded.refused.first() {
        return Err(explain::at(template, range.clone(), reason).into());
    }
    let fences = Arc::new(Fences::new(MAX_BYTES));
    let mut environment = sandbox::environment(budget);
    let (of_filter, of_date) = (zone.clone(), Arc::clone(budget));
    environment.add_filter("date", move |state: &mut State, value: &Value, format: &str, other: Option<&str>| {
        of_date.count(if other.is_some() { TIME_ZONE } else { TIME });
        date(state, value, (format, other), &of_filter)
    });
    let of_add = Arc::clone(budget);
    environment.add_filter("add", move |state: &mut State, value: &Value, shift: Kwargs| {
        of_add.count(TIME);
        add(state, value, &shift, &zone)
    });
    let (of_filter, of_fence) = (Arc::clone(&fences), Arc::clone(budget));
    environment.add_filter(taint::FILTER, move |value: Value| fenced(&of_filter, &of_fence, value));
    let skipped = Arc::new(OnceLock::new());
    let of_function = Arc::clone(&skipped);
    environment.add_function(taint::SKIP, move |args: &[Value]| match args {
        // A template that is only tried continues, so that the rest of it is tried as well.
        [reason] if tries => Ok(reason.clone()),
        [reason] if reason.as_str().is_some_and(|reason| !reason.trim().is_empty()) => {
            let _ = of_function.set(cut(reason.as_str().unwrap_or_default().trim(), MAX_REASON));
            Err(invalid("skipped"))
        }
        _ => Err(invalid("`skip` takes the reason as a text, such as `skip(\"no command\")`")),
    });
    let explained = |error| explain::explain(&error, template, &guarded, &values);
    let tree = parse(&guarded.source, name, syntax::config()).map_err(explained)?;
    if let Some(problem) = syntax::large_constant(&tree, MAX_VALUE_BYTES) {
        let range = guarded.origin(problem.range.start)..guarded.origin(problem.range.end);
        return Err(explain::at(template, range, &problem.reason).into());
    }
    let rendered = sandbox::render(&environment, (name, &guarded.source), &tree, values.clone(), tries, budget);
    if let Some(reason) = skipped.get() {
        return Ok(Rendered::Skipped(reason.clone()));
    }
    let rendered = rendered.map_err(explained)?;
    // A made-up value and a fenced text are characters of private use here.
    let has_others = tries || !fences.is_empty();
    if rendered.chars().all(|c| c.is_whitespace() || !has_others && is_invisible(c)) {
        return Err(RenderError::Empty(name.to_owned()));
    }
    let Some(boundary) = boundary.as_deref().or_else(|| fences.is_empty().then_some("")) else {
        return Err(format!("{name}: the boundary for untrusted text is missing").into());
    };
    let prompt = fences.around(&rendered, boundary).map_err(|bytes| too_large(template, "prompt", bytes))?;
    Ok(Rendered::Prompt(prompt))
}

fn too_large(template: &Template, what: &str, bytes: usize) -> String {
    format!("{}: the {what} has {bytes} bytes, and at most {MAX_BYTES} are sent; shorten it", template.name)
}

#[cfg(test)]
mod tests;
