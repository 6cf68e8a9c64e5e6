//! Template in, prompt out.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value as Json};

use crate::actions::context::{Context, PROPERTIES};
use crate::actions::trusted_paths::is_trusted;
use crate::github::repository::Repository;
use crate::prompt::fence::{Fences, Untrusted};
use crate::prompt::sample::Sample;
use crate::prompt::taint;
use crate::prompt::taint::Guarded;
use crate::text::cut;

/// The most bytes of a template, and of a prompt made from one. GitHub publishes no limit for prompts; an issue's
/// text, the longest thing people write there, ends at a quarter of it.
pub const MOST_BYTES: usize = 256 * 1024;
/// How many instructions a template may take; a loop over ten thousand items takes a hundredth of it.
const FUEL: u64 = 10_000_000;
/// How deep macros, blocks and recursive loops may go into one another. Each level takes up to 20 kilobytes of the
/// stack, and Windows has 1 megabyte for the main thread.
const DEEPEST: usize = 40;
/// How many characters of a line an error shows.
const WINDOW: usize = 160;

/// A template as the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What errors call it: the file's path, or `prompt`.
    pub name: String,
    /// Its text.
    pub source: String,
}

/// What a template can speak of.
pub struct Scope<'a> {
    /// The run: `github` and `inputs`.
    pub context: &'a Context,
    /// The user's own values: `vars`. They are made up where the template is only tried and nobody knows them.
    pub vars: Option<&'a Map<String, Json>>,
    /// The repository that the task is for: `target`.
    pub target: &'a Repository,
    /// The time of the run: `now`.
    pub now: Timestamp,
    /// What is done with text that an outsider can write.
    pub untrusted: Untrusted,
    /// Whether the template is only tried: what another run would know of its event and its inputs is made up.
    pub samples: bool,
}

impl Scope<'_> {
    /// The `github` context.
    fn github(&self) -> Value {
        let github = self.context.github();
        if !self.samples {
            return Value::from(Serde(github));
        }
        let names = PROPERTIES.iter().copied().chain(["event"]);
        Value::from_pairs(names.map(|name| match github.get(name).filter(|_| name != "event") {
            Some(value) => (name, Value::from(Serde(value))),
            None => (name, self.sample()),
        }))
    }

    fn sample(&self) -> Value {
        Value::from_object(Sample { now: self.now, deep: 0 })
    }

    fn value(&self) -> Value {
        let target = [
            ("owner", self.target.owner().to_owned()),
            ("name", self.target.name().to_owned()),
            ("full_name", self.target.to_string()),
        ];
        let mut names = vec![
            ("github", self.github()),
            ("vars", self.vars.map_or_else(|| self.sample(), |vars| Value::from(Serde(vars)))),
            ("target", Value::from_pairs(target)),
            ("now", Value::from_object(Now(self.now))),
        ];
        if self.samples {
            names.push(("inputs", self.sample()));
        } else if let Some(inputs) = self.context.inputs() {
            names.push(("inputs", Value::from(Serde(inputs))));
        }
        Value::from_pairs(names)
    }
}

/// The time of the run, which a template can show as it is, in parts, or by the filter `date`.
#[derive(Debug)]
struct Now(Timestamp);

impl Object for Now {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let format = match key.as_str()? {
            "date" => "%Y-%m-%d",
            "time" => "%H:%M",
            "year" => "%Y",
            "month" => "%m",
            "day" => "%d",
            _ => return None,
        };
        Some(self.0.strftime(format).to_string().into())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["date", "time", "year", "month", "day"])
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// The filter `date`: a time in the format of `strftime`, <https://docs.rs/jiff/latest/jiff/fmt/strtime/index.html>.
/// It takes `now`, or a text such as `github.event.issue.created_at`.
fn date(value: &Value, format: &str) -> Result<String, minijinja::Error> {
    let invalid = |why: String| minijinja::Error::new(ErrorKind::InvalidOperation, why);
    let time = match value.downcast_object_ref::<Now>() {
        Some(now) => now.0,
        None => value.to_string().parse().map_err(|_| {
            invalid(format!("`date` takes `now` or a text such as `2026-11-20T08:00:00Z`, and `{value}` is neither"))
        })?,
    };
    jiff::fmt::strtime::format(format, &time.to_zoned(TimeZone::UTC))
        .map_err(|error| invalid(format!("`{format}` is no format for `date`, write for example `%Y-%m-%d`: {error}")))
}

/// The filter that puts a text behind a fence. Numbers, booleans and nothing at all need none.
fn behind(fences: &Fences, value: Value) -> Result<Value, minijinja::Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None | ValueKind::Bool | ValueKind::Number => Ok(value),
        _ => fences.put(&value.to_string()).map(Value::from).ok_or_else(|| {
            let why = format!("the texts from outside have more than {MOST_BYTES} bytes together; show fewer of them");
            minijinja::Error::new(ErrorKind::InvalidOperation, why)
        }),
    }
}

/// Makes the prompt. Text that an outsider can write stands in it inside a fence, or not at all.
///
/// # Errors
/// A message that names file, line and column, shows the line, and where a name is unknown the names that are near.
pub fn render(template: &Template, scope: &Scope<'_>) -> Result<String, String> {
    let too_large = |what: &str, bytes: usize| {
        format!("{}: the {what} has {bytes} bytes, and at most {MOST_BYTES} are sent; shorten it", template.name)
    };
    if template.source.len() > MOST_BYTES {
        return Err(too_large("template", template.source.len()));
    }
    // A line that holds nothing but a tag leaves no empty line behind.
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap_or_default();
    let guarded = taint::guard(&template.name, &template.source, syntax.clone(), is_trusted);
    if scope.untrusted == Untrusted::Refuse && !guarded.places.is_empty() {
        return Err(refusal(template, &guarded));
    }
    let boundary = scope.context.boundary();
    let scope = scope.value();
    let fences = Arc::new(Fences::new(MOST_BYTES));
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(syntax);
    // What minijinja calls `debug` shows its own insides, which says nothing to an agent.
    environment.remove_global("debug");
    environment.add_filter("date", date);
    let behind_these = Arc::clone(&fences);
    environment.add_filter(taint::FILTER, move |value: Value| behind(&behind_these, value));
    // A file's name says nothing about what the agent reads, and `.html` or `.json` would be escaped otherwise.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // Values look as they do in Actions, where `true` is no `True` and nothing is no `None`.
    environment.set_formatter(|out, state, value| match value.kind() {
        ValueKind::None => Ok(()),
        ValueKind::Bool => Ok(write!(out, "{}", value.is_true())?),
        _ => minijinja::escape_formatter(out, state, value),
    });
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEEPEST);
    let rendered = environment
        .render_named_str(&template.name, &guarded.source, scope.clone())
        .map_err(|error| explain(&error, template, &guarded, &scope))?;
    if rendered.trim().is_empty() {
        return Err(format!("{}: the prompt is empty; write what the agent is to do", template.name));
    }
    let Some(boundary) = boundary.or_else(|| fences.is_empty().then_some("")) else {
        return Err(format!("{}: nothing marks where text from outside begins and ends", template.name));
    };
    fences.around(&rendered, boundary).map_err(|bytes| too_large("prompt", bytes))
}

/// Why a template is refused that shows text from outside, with each place.
fn refusal(template: &Template, guarded: &Guarded) -> String {
    let places = guarded.places.iter().map(|range| {
        let before = template.source.get(..range.start).unwrap_or_default();
        let shown = template.source.get(range.clone()).unwrap_or_default();
        let blanks = shown.len() - shown.trim_start().len();
        let before = before.to_owned() + shown.get(..blanks).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let shown = shown.trim().lines().next().unwrap_or_default();
        format!("{}:{line}:{column}: `{}`", template.name, cut(shown, WINDOW))
    });
    format!(
        "Text that somebody outside can write is shown here, and `untrusted: refuse` allows none; leave it out, or \
         write `untrusted: fence`\n{}",
        places.collect::<Vec<_>>().join("\n")
    )
}

/// An error with its place in the template, and a remedy where there is one.
fn explain(error: &minijinja::Error, template: &Template, guarded: &Guarded, scope: &Value) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let remedy = remedy(error, scope);
    let Some((range, line)) = error.range().zip(error.line()) else {
        return format!("{}: {what}{remedy}", template.name);
    };
    let range = guarded.origin(range.start)..guarded.origin(range.end);
    let source = &template.source;
    // The range ends an expression; its last name is what people look for where the range holds several.
    let named = what.strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(name, _)| name);
    let at = named
        .and_then(|name| {
            let before = source.get(..range.end)?;
            before.rfind(name).filter(|at| *at + 200 > range.start)
        })
        .unwrap_or(range.start);
    let begin = source.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let column = source.get(begin..at).map_or(0, |before| before.chars().count());
    let line = source.get(..at).map_or(line, |before| before.matches('\n').count() + 1);
    let line_text = source.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    // Of a very long line only the neighbourhood is shown.
    let skipped = column.saturating_sub(WINDOW / 2);
    let shown = line_text.chars().skip(skipped).take(WINDOW).collect::<String>();
    let before = column - skipped;
    let wide = named.map_or_else(|| range.len().max(1), str::len);
    let marks = "^".repeat(wide.min(shown.chars().count().saturating_sub(before)).max(1));
    let gutter = " ".repeat(line.to_string().len());
    format!(
        "{name}:{line}:{column}: {what}{remedy}\n {line} | {shown}\n {gutter} | {space}{marks}",
        name = template.name,
        column = column + 1,
        space = " ".repeat(before),
    )
}

/// What to do about an error, as far as that can be said.
fn remedy(error: &minijinja::Error, scope: &Value) -> String {
    let quoted = error.detail().and_then(|detail| detail.strip_prefix('`')?.strip_suffix("` is undefined"));
    match error.kind() {
        ErrorKind::UndefinedError => quoted.map(|path| near(path, scope)).unwrap_or_default(),
        ErrorKind::UnknownFilter => {
            "; see https://docs.rs/minijinja/latest/minijinja/filters/ for those that there are".to_owned()
        }
        _ => String::new(),
    }
}

/// The names that stand where an unknown one was looked for, the nearest first.
fn near(path: &str, scope: &Value) -> String {
    let mut found = scope.clone();
    let mut parent = String::new();
    for name in path.split('.') {
        let next = found.get_attr(name).ok().filter(|value| !value.is_undefined());
        if let Some(value) = next {
            found = value;
            parent = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
            continue;
        }
        if parent == "github" && name == "event" {
            return "; the run has no event, or GITHUB_EVENT_PATH does not name its payload".to_owned();
        }
        if path == "inputs" || path.starts_with("inputs.") && parent.is_empty() {
            return "; the run was not dispatched, and to a reusable workflow the runner hands no inputs in the \
                    environment: give them with `inputs: ${{ toJSON(inputs) }}`"
                .to_owned();
        }
        let names = found.try_iter().map(|keys| keys.filter_map(|key| key.as_str().map(str::to_owned)).collect());
        let names: Vec<String> = names.unwrap_or_default();
        let mut ranked = names.iter().map(|other| (strsim::jaro_winkler(name, other), other)).collect::<Vec<_>>();
        ranked.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let holder = if parent.is_empty() { "a template".to_owned() } else { format!("`{parent}`") };
        let listed = ranked.iter().take(8).map(|(_, name)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let more = if ranked.len() > 8 { ", …" } else { "" };
        return match ranked.first() {
            None => format!("; {holder} has no names at all"),
            // Below this the two words merely share letters.
            Some((likeness, name)) if *likeness > 0.8 => {
                let whole = if parent.is_empty() { (*name).clone() } else { format!("{parent}.{name}") };
                format!("; did you mean `{whole}`? {holder} has {listed}{more}")
            }
            Some(_) => format!("; {holder} has {listed}{more}"),
        };
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::actions::context::Environment as Variables;

    use super::*;

    fn rendered(source: &str) -> Result<String, String> {
        rendered_as("release.md", source)
    }

    fn rendered_as(name: &str, source: &str) -> Result<String, String> {
        let variables = [("GITHUB_ACTOR".to_owned(), "mona".to_owned()), ("HOME".to_owned(), "/root".to_owned())];
        let event = json!({"issue": {"title": "Café ☕", "created_at": "2026-11-02T08:00:00Z"}});
        let context = Context::new(&Variables::from_iter(variables), Some(event), None).fenced_by("0f".to_owned());
        let vars = json!({"version": "1.10", "items": ["a", "b"], "urgent": false}).as_object().cloned().unwrap();
        let target = "octo/app".parse().unwrap();
        let now = "2026-11-20T21:51:09Z".parse().unwrap();
        let template = Template { name: name.to_owned(), source: source.to_owned() };
        let scope = Scope {
            context: &context,
            vars: Some(&vars),
            target: &target,
            now,
            untrusted: Untrusted::Fence,
            samples: false,
        };
        render(&template, &scope)
    }

    #[test]
    fn a_template_speaks_of_the_run_the_target_the_vars_and_the_time() {
        let prompt = rendered(
            "Release {{ vars.version }} of {{ target.full_name }} ({{ target.owner }}, {{ target.name }})\n\
             {% for item in vars['items'] %}\n- {{ item }}\n{% endfor %}\n\
             asked by {{ github.actor }}\n\
             {{ now }}, {{ now.date }}, {{ now | date('week %V of %G') }}, {{ github.event.issue.created_at | date('%d %B') }}",
        );
        assert_eq!(
            prompt.unwrap(),
            "Release 1.10 of octo/app (octo, app)\n- a\n- b\nasked by mona\n\
             2026-11-20T21:51:09Z, 2026-11-20, week 47 of 2026, 02 November"
        );
    }

    #[test]
    fn an_unknown_name_is_told_with_its_place_and_its_neighbours() {
        let error = rendered("one\nété {{ vars.versoin }} two").unwrap_err();
        assert_eq!(
            error,
            "release.md:2:8: `vars.versoin` is undefined; did you mean `vars.version`? `vars` has `version`, \
             `items`, `urgent`\n 2 | été {{ vars.versoin }} two\n   |        ^^^^^^^^^^^^"
        );
        let error = rendered("{{ github.event.isue.title | upper }}").unwrap_err();
        assert!(
            error.starts_with("release.md:1:4: `github.event.isue` is undefined; did you mean `github.event.issue`?"),
            "{error}"
        );
        let error = rendered("{{ vras.version }}").unwrap_err();
        assert!(error.contains("did you mean `vars`?"), "{error}");
        let error = rendered("{% if vars.urgnt %}x{% endif %}").unwrap_err();
        assert!(error.contains("did you mean `vars.urgent`?"), "{error}");
    }

    #[test]
    fn inputs_that_the_runner_does_not_hand_over_are_explained() {
        let error = rendered("{{ inputs.version }}").unwrap_err();
        assert!(error.contains("`inputs: ${{ toJSON(inputs) }}`"), "{error}");
    }

    #[test]
    fn other_faults_have_their_place_too() {
        for (source, place, what) in [
            ("a\n{% if x %}", "release.md:2:", "expected end of block"),
            ("{{ vars.version | nofilter }}", "release.md:1:", "filter nofilter is unknown"),
            ("{{ vars.version | date('%Y') }}", "release.md:1:", "and `1.10` is neither"),
            ("{{ now | date('%!') }}", "release.md:1:", "is no format for `date`"),
            ("{% include 'other.md' %}", "release.md:1:", "other.md"),
            ("{{ 1 / 0 }}", "release.md:1:", ""),
        ] {
            let error = rendered(source).unwrap_err();
            assert!(error.starts_with(place) && error.contains(what), "{source}: {error}");
        }
    }

    #[test]
    fn the_environment_is_out_of_reach() {
        for source in
            ["{{ env.HOME }}", "{{ HOME }}", "{{ github.home }}", "{{ debug() }}", "{{ env('HOME') }}", "{{ self }}"]
        {
            let error = rendered(source).unwrap_err();
            assert!(!error.contains("/root"), "{source}: {error}");
        }
    }

    #[test]
    fn values_look_as_they_do_in_actions_whatever_the_file_is_called() {
        let source = "{{ vars.urgent }}, {{ none }}, {{ '<a> & \"b\"' }}, {{ now.year }}";
        let expected = "false, , <a> & \"b\", 2026";
        for name in ["release.md", "release.html", "release.json", "release.yml", "release.xml"] {
            assert_eq!(rendered_as(name, source).as_deref(), Ok(expected), "{name}");
        }
        assert!(rendered("{{ now.hour }}").unwrap_err().contains("`now` has `"));
    }

    #[test]
    fn a_template_that_does_not_end_is_stopped() {
        let source = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}x";
        assert!(rendered(source).unwrap_err().contains("fuel"), "{:?}", rendered(source));
    }

    #[test]
    fn a_template_that_calls_itself_is_stopped() {
        for source in [
            "{% block b %}x{{ self.b() }}{% endblock %}",
            "{% block b %}{% set y = self.b() %}{{ y }}{% endblock %}",
            "{% macro m() %}x{{ m() }}{% endmacro %}{{ m() }}",
            "{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}",
            "{% set x = [1] %}{% for y in x recursive %}{{ loop(x) }}{% endfor %}",
            "{% for y in [1] recursive %}{% set z = loop([1]) %}{{ z }}{% endfor %}",
        ] {
            let error = rendered(source).unwrap_err();
            assert!(error.contains("recursion"), "{source}: {error}");
        }
    }

    #[test]
    fn an_empty_and_an_endless_prompt_are_refused() {
        assert!(rendered(" {% if vars.urgent %}x{% endif %}\n").unwrap_err().contains("the prompt is empty"));
        let error = rendered("{% for _ in range(90000) %}0123456789{% endfor %}").unwrap_err();
        assert!(error.contains("900000 bytes"), "{error}");
        assert!(rendered(&"x".repeat(MOST_BYTES + 1)).unwrap_err().contains("the template has"));
    }
}
