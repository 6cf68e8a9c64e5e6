//! Bounds on what a template can do: memory, nesting, steps and time all end as an error.
//!
//! The engine counts instructions, and one instruction can double a text. So a compiled template is rewritten before
//! it runs: each instruction that makes a value becomes a filter of ours, which weighs what it makes. The names of
//! those filters, such as `+`, cannot be written in a template.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::Duration;

use minijinja::machinery::{CodeGenerator, Instruction, Instructions, ast, eval, make_string_output};
use minijinja::value::{Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, filters, functions, tests};

use crate::prompt::budget::{
    Budget, COMPARED_ITEM, FILTER, FILTERED_ITEM, GROUPED_ITEM, ITEM_BYTES, MAX_INSTRUCTIONS, MAX_NESTING,
    MAX_VALUE_BYTES, OPERATION, PARSED, check_shown, invalid, too_large, weigh, whole,
};
use crate::prompt::compare::{check_items, compare, noun};
use crate::prompt::null::{is_null, mapping, null, restored};
use crate::prompt::sample::Sample;
use crate::text::nearest_name;

/// How deep macros, blocks and recursive loops may go into one another. A template rarely needs three levels.
pub(super) const MAX_RECURSION: usize = 40;
/// What it takes from the total to show a value, beside its text: it bounds how often that happens to a million, and
/// the largest prompt has a quarter of that in characters.
const SHOW_BYTES: usize = 256;
/// The largest number of spaces by which `tojson` may indent a level.
const MAX_JSON_INDENT: usize = 16;
/// The largest number of items of one batch or of slices; `range` of the engine ends there as well.
const MAX_BATCH: usize = 100_000;
/// The longest width in a format, in digits.
const MAX_FORMAT_DIGITS: usize = 3;
/// The stack of a rendering, of which only what is used takes memory. A build without optimization takes half of it
/// for the deepest expression.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// How long a rendering may take. A prompt takes milliseconds, and all instructions that a template may take a second;
/// a build without optimization on a busy machine needs twenty times as long.
const MAX_TIME: Duration = Duration::from_secs(30);

/// The comparisons, each with the names of its test.
const COMPARISONS: [(&str, &[&str]); 8] = [
    ("==", &["==", "eq", "equalto"]),
    ("!=", &["!=", "ne"]),
    ("<", &["<", "lt", "lessthan"]),
    ("<=", &["<=", "le"]),
    (">", &[">", "gt", "greaterthan"]),
    (">=", &[">=", "ge"]),
    ("in", &["in"]),
    ("not in", &[]),
];

/// Runs `work` on a thread with a large stack.
///
/// # Errors
/// If it takes too long, or panics and unwinds, or there is no thread. A thread that takes too long is left behind, and ends
/// with the process.
pub(super) fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (sender, receiver) = channel();
    let spawned = Builder::new().name("template".to_owned()).stack_size(STACK_BYTES).spawn(move || {
        // The other side is gone where this took too long.
        let _ = sender.send(work());
    });
    if let Err(error) = spawned {
        return Err(format!("no thread to render in: {error}"));
    }
    receiver.recv_timeout(MAX_TIME).map_err(|error| match error {
        RecvTimeoutError::Timeout => {
            format!("rendering took longer than {} seconds; loop or sort less", MAX_TIME.as_secs())
        }
        RecvTimeoutError::Disconnected => {
            "the template engine failed; simplify the template, and report this with the template".to_owned()
        }
    })
}

/// A text that ends at the most bytes of a value.
struct BoundedText(String);

impl fmt::Write for BoundedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_VALUE_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// A value as text. No value is empty text.
fn text_of(values: &[&Value]) -> Result<String, Error> {
    use fmt::Write as _;
    let mut text = BoundedText(String::new());
    for value in values.iter().filter(|value| !is_null(value)) {
        check_shown(value)?;
        write!(text, "{value}").map_err(|_| too_large())?;
    }
    Ok(text.0)
}

/// An environment for templates, with everything that is built in, under bounds.
pub(super) fn environment<'s>(budget: &Arc<Budget>) -> Environment<'s> {
    let mut environment = Environment::new();
    // Errors name what is undefined only so.
    environment.set_debug(true);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    // What minijinja calls `debug` shows its own insides, which says nothing to an agent.
    environment.remove_global("debug");
    // A file's name says nothing about what the agent reads, and `.html` or `.json` would be escaped otherwise.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(MAX_INSTRUCTIONS));
    environment.set_recursion_limit(MAX_RECURSION);
    for (name, filter) in built_in_filters() {
        let budget = Arc::clone(budget);
        environment.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
            let args = args.into_values();
            // An argument that is left out has a default, and a misspelled one would have it as well.
            let first = args.iter().take(1).cloned();
            let all = first.chain(args.iter().skip(1).flat_map(with_keywords)).collect::<Vec<_>>();
            if let Some(sample) = sample_among(&all) {
                return Ok(sample);
            }
            if !matches!(name, "default" | "d") {
                made_up(state, &all)?;
            }
            check_attribute(name, &args)?;
            // What these take from a text or a list that has nothing is nothing.
            let is_part = matches!(name, "first" | "last" | "min" | "max" | "pprint");
            if is_part && args.first().is_some_and(is_null) {
                return Ok(null());
            }
            let args = present(name, &args)?;
            budget.count(FILTER);
            match name {
                "length" | "count" | "first" | "last" | "default" | "d" | "attr" => {}
                "unique" | "groupby" => budget.count_read(&args, GROUPED_ITEM),
                _ => budget.count_read(&args, FILTERED_ITEM),
            }
            check_growth(name, &args)?;
            let made = budget.charge(filter.call(state, &args)?)?;
            // The mark of null.
            Ok(match (name, made.as_str()) {
                ("safe" | "escape" | "e", Some(text)) if !args.first().is_some_and(is_null) => text.into(),
                _ => made,
            })
        });
    }
    environment.add_test("startingwith", |state: &mut State, args: &[Value]| {
        text_test(state, args, &Value::from_function(tests::is_startingwith))
    });
    environment.add_test("endingwith", |state: &mut State, args: &[Value]| {
        text_test(state, args, &Value::from_function(tests::is_endingwith))
    });
    for (name, test) in [
        ("odd", Value::from_function(tests::is_odd)),
        ("even", Value::from_function(tests::is_even)),
        ("divisibleby", Value::from_function(tests::is_divisibleby)),
    ] {
        environment.add_test(name, move |state: &mut State, args: &[Value]| {
            if made_up(state, args)?.is_some() {
                return Ok(true.into());
            }
            match args.iter().find(|arg| is_null(arg) || arg.kind() == ValueKind::String) {
                Some(arg) => Err(no_number(name, arg)),
                None => test.call(state, args),
            }
        });
    }
    environment.add_test("none", |value: &Value| is_null(value));
    environment.add_test("sameas", |value: &Value, other: &Value| tests::is_sameas(&restored(value), &restored(other)));
    for (sign, names) in COMPARISONS {
        for name in names {
            let budget = Arc::clone(budget);
            environment.add_test(*name, move |state: &mut State, args: &[Value]| compared(state, &budget, sign, args));
        }
    }
    let range = Value::from_function(functions::range);
    environment.add_function("range", move |state: &mut State, args: &[Value]| match sample_among(args) {
        Some(sample) => Ok(sample),
        None => range.call(state, args),
    });
    add_operators(&mut environment, budget);
    // Values look as they do in Actions, where a boolean is `true` and no value is nothing.
    let budget = Arc::clone(budget);
    environment.set_formatter(move |out, state, value| match value.kind() {
        _ if is_null(value) => Ok(()),
        ValueKind::Bool => Ok(write!(out, "{}", value.is_true())?),
        _ if value.downcast_object_ref::<Sample>().is_some() => Ok(write!(out, "{value}")?),
        _ => {
            check_shown(value)?;
            budget.take(SHOW_BYTES)?;
            minijinja::escape_formatter(out, state, &budget.charge(value.clone())?)
        }
    });
    environment
}

/// Adds what the instructions of a compiled template become.
fn add_operators(environment: &mut Environment<'_>, budget: &Arc<Budget>) {
    let of = Arc::clone(budget);
    environment.add_filter("made", move |state: &mut State, value: &Value| {
        made_up(state, &unknown_parts(value))?;
        of.charge(value.clone())
    });
    let of = Arc::clone(budget);
    environment.add_filter("~", move |state: &mut State, args: &[Value]| match made_up(state, args)? {
        Some(sample) => Ok(sample),
        None => of.charge(text_of(&args.iter().collect::<Vec<_>>())?.into()),
    });
    for sign in ["+", "*", "-", "/", "//", "%", "**"] {
        let of = Arc::clone(budget);
        environment.add_filter(sign, move |state: &mut State, one: Value, other: Value| {
            if let Some(sample) = made_up(state, &[one.clone(), other.clone()])? {
                return Ok(sample);
            }
            of.count(OPERATION);
            let [one, other] = [one, other].map(|operand| if operand.is_none() { null() } else { operand });
            match (sign, is_list(&one), is_list(&other)) {
                // A number is not text.
                ("+", ..) if [&one, &other].iter().all(|it| it.kind() == ValueKind::String) => {
                    of.charge(text_of(&[&one, &other])?.into())
                }
                _ if is_null(&one) => Err(no_number(sign, &one)),
                _ if is_null(&other) => Err(no_number(sign, &other)),
                ("*", true, false) => of.charge(repeat(&one, &other)?),
                ("*", false, true) => of.charge(repeat(&other, &one)?),
                ("+", true, true) => of.charge(operate(state, sign, one, other)?),
                _ => match numbers(sign, &one, &other) {
                    Ok(()) => operate(state, sign, one, other),
                    Err(error) => Err(error),
                },
            }
        });
    }
    let of = Arc::clone(budget);
    environment.add_filter("negated", move |state: &mut State, value: Value| {
        of.count(OPERATION);
        match made_up(state, std::slice::from_ref(&value))? {
            Some(sample) => Ok(sample),
            None if is_null(&value) => Err(no_number("-", &value)),
            None => {
                numbers("-", &0.into(), &value)?;
                operate(state, "-", 0.into(), value)
            }
        }
    });
    let of = Arc::clone(budget);
    environment.add_filter("[:]", move |state: &mut State, args: &[Value]| match (made_up(state, args)?, args) {
        (Some(sample), _) => Ok(sample),
        (None, [value, start, stop, step]) => {
            of.count_read(std::slice::from_ref(value), COMPARED_ITEM);
            of.charge(slice(value, start, stop, step)?)
        }
        (None, _) => Err(ErrorKind::MissingArgument.into()),
    });
    for (sign, _) in COMPARISONS {
        let of = Arc::clone(budget);
        environment.add_filter(sign, move |state: &mut State, args: &[Value]| compared(state, &of, sign, args));
        let of = Arc::clone(budget);
        // The same for the two operands of one step of `1 < x < 3`.
        environment.add_filter(format!("{sign}2"), move |state: &mut State, pair: &Value| {
            compared(state, &of, sign, &pair.try_iter()?.collect::<Vec<_>>())
        });
    }
    environment.add_filter("second", |pair: &Value| pair.get_item_by_index(1));
    // `{% for %}` over nothing takes no step.
    let of = Arc::clone(budget);
    environment.add_filter("for", move |state: &mut State, value: &Value| {
        // Here as well, since nothing is known of the engine's state after an error.
        of.count_instructions(state);
        match is_null(value) {
            true => Value::from(Vec::<Value>::new()),
            false => value.clone(),
        }
    });
    environment.add_filter("unpacked", |value: &Value, count: usize| match value.downcast_object_ref::<Sample>() {
        Some(_) => Value::from(vec![value.clone(); count]),
        None => value.clone(),
    });
    environment.add_filter("item", |value: &Value, key: &Value| match sample_among(std::slice::from_ref(key)) {
        Some(sample) => Ok(sample),
        None => value.get_item(key),
    });
    environment.add_filter("cycle", |_: &Value| -> Result<Value, Error> {
        Err(invalid("`cycle` takes the values to choose from, as `loop.cycle('a', 'b')`"))
    });
    let of = Arc::clone(budget);
    environment.add_filter("storable", move |value: &Value| {
        of.count_read(std::slice::from_ref(value), COMPARED_ITEM);
        match holds_namespace(value, 0) {
            true => Err(invalid("a namespace cannot be stored in a namespace; store its values")),
            false => Ok(value.clone()),
        }
    });
}

/// An argument, or the values of keyword arguments.
fn with_keywords(arg: &Value) -> Vec<Value> {
    match arg.is_kwargs() {
        true => arg
            .as_object()
            .and_then(minijinja::value::DynObject::try_iter_pairs)
            .into_iter()
            .flatten()
            .map(|(_, it)| it)
            .collect(),
        false => vec![arg.clone()],
    }
}

/// A made-up value among the arguments: what is made from it is made up as well.
fn sample_among(args: &[Value]) -> Option<Value> {
    args.iter().find(|arg| arg.downcast_object_ref::<Sample>().is_some()).cloned()
}

/// The same for the operands of an operator.
///
/// # Errors
/// If one is undefined, by its name.
fn made_up(state: &mut State<'_, '_>, operands: &[Value]) -> Result<Option<Value>, Error> {
    for operand in operands.iter().filter(|operand| operand.is_undefined()) {
        // The engine names it where a filter needs a text.
        Value::from_function(filters::string).call(state, std::slice::from_ref(operand))?;
    }
    Ok(sample_among(operands))
}

/// What is undefined in a list or a mapping that was just made, keys included.
fn unknown_parts(value: &Value) -> Vec<Value> {
    let parts: Vec<Value> = match value.kind() {
        ValueKind::Map => {
            let pairs = value.as_object().and_then(minijinja::value::DynObject::try_iter_pairs);
            pairs.into_iter().flatten().flat_map(|(key, value)| [key, value]).collect()
        }
        ValueKind::Seq => value.try_iter().into_iter().flatten().collect(),
        _ => Vec::new(),
    };
    parts.into_iter().filter(Value::is_undefined).collect()
}

/// Refuses a filter by an attribute that an item does not have. The engine takes what is missing for nothing, so that a
/// misspelled name would select, sort or show nothing.
///
/// # Errors
/// Where an item lacks it.
fn check_attribute(name: &str, args: &[Value]) -> Result<(), Error> {
    let keyword = |name: &str| {
        let value = args.iter().find_map(|arg| arg.is_kwargs().then(|| arg.get_attr(name).ok()).flatten());
        value.filter(|value| !value.is_undefined())
    };
    let first = || args.get(1).filter(|_| matches!(name, "groupby" | "selectattr" | "rejectattr")).cloned();
    let attribute = keyword("attribute").or_else(first);
    let path = attribute.as_ref().and_then(Value::as_str);
    // These two tests ask for just that.
    let is_asked = args.get(2).and_then(Value::as_str).is_some_and(|test| matches!(test, "defined" | "undefined"));
    let (Some(path), Some(items), false, None) = (path, args.first(), is_asked, keyword("default")) else {
        return Ok(());
    };
    if !is_list(items) {
        return Ok(());
    }
    for item in items.try_iter()? {
        let found = path.split('.').try_fold(item.clone(), |value, part| match part.parse::<usize>() {
            Ok(at) => value.get_item_by_index(at),
            Err(_) => value.get_attr(part),
        });
        if !found.is_ok_and(|found| !found.is_undefined()) {
            let names =
                item.try_iter().map(|names| names.filter_map(|name| name.as_str().map(str::to_owned)).collect());
            let names: Vec<String> = names.unwrap_or_default();
            let near = nearest_name(path, &names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(invalid(format!("`{name}` finds no `{path}` in an item{near}")));
        }
    }
    Ok(())
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// Refuses an operand that is not a number. The engine repeats a text that is multiplied, and a number with a fraction
/// in `vars` is a text.
fn numbers(sign: &str, one: &Value, other: &Value) -> Result<(), Error> {
    let is_number = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    let (place, odd) = match (is_number(one), is_number(other)) {
        (true, true) => return Ok(()),
        (true, false) => ("after", other),
        (false, _) => ("before", one),
    };
    let takes = if sign == "+" { "two numbers, two texts or two lists" } else { "numbers" };
    let remedy = match (odd.kind(), sign) {
        (ValueKind::String, "+") => "; write `| float` or `| int` after that value, or join texts with `~`",
        (ValueKind::String, _) => "; write `| float` or `| int` after that value",
        (ValueKind::Map, _) => "; name the part that is meant, such as `now.day`",
        _ => "",
    };
    Err(invalid(format!("`{sign}` takes {takes}, and the value {place} it is {}{remedy}", noun(odd))))
}

/// What the engine itself makes of an operator.
fn operate(state: &State<'_, '_>, sign: &str, one: Value, other: Value) -> Result<Value, Error> {
    let again = |error: Error| Error::new(error.kind(), error.detail().unwrap_or_default().to_owned());
    let operation = state.env().compile_expression_owned(format!("a {sign} b")).map_err(again)?;
    // The operands are not text of a template, so the rewritten instructions do not apply.
    let operands = [("a".into(), one), ("b".into(), other)];
    operation.eval(mapping(&mut operands.into_iter())).map_err(again)
}

fn repeat(value: &Value, times: &Value) -> Result<Value, Error> {
    let remedy = if times.as_str().is_some() { "; write `| int` after the text" } else { "" };
    let reason = || invalid(format!("a list can be multiplied by a whole number only{remedy}"));
    let times = times.as_usize().ok_or_else(reason)?;
    let is_large =
        weigh(value)?.saturating_mul(times) > MAX_VALUE_BYTES.saturating_add(ITEM_BYTES.saturating_mul(times));
    if is_large || times > MAX_VALUE_BYTES {
        return Err(too_large());
    }
    let items = value.try_iter()?.collect::<Vec<_>>();
    Ok((0..times).flat_map(|_| items.iter().cloned()).collect::<Vec<_>>().into())
}

/// A part of a text or of a list, as in Python: what is counted from the end is negative, and what is outside is left
/// out.
fn slice(value: &Value, start: &Value, stop: &Value, step: &Value) -> Result<Value, Error> {
    let number = |value: &Value| match is_null(value) {
        true => Ok(None),
        false => i64::try_from(value.clone()).map(Some).map_err(|_| invalid("a slice takes whole numbers")),
    };
    let (start, stop, step) = (number(start)?, number(stop)?, number(step)?.unwrap_or(1));
    if step == 0 {
        return Err(invalid("a slice cannot take steps of 0"));
    }
    let chars = value.as_str().map(|text| text.chars().collect::<Vec<_>>());
    let items = match &chars {
        Some(_) => Vec::new(),
        None if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) => value.try_iter()?.collect(),
        // No value is empty text.
        None if value.is_none() || value.is_undefined() => return Ok("".into()),
        None => return Err(invalid(format!("{} has no slices", noun(value)))),
    };
    let length = i64::try_from(chars.as_ref().map_or(items.len(), Vec::len)).unwrap_or(i64::MAX);
    let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let place = |at: i64| if at < 0 { at.saturating_add(length) } else { at }.clamp(lowest, highest);
    let (first, last) = if step > 0 { (lowest, highest) } else { (highest, lowest) };
    let mut at = start.map_or(first, place);
    let stop = stop.map_or(last, place);
    let mut taken = Vec::new();
    while (step > 0 && at < stop) || (step < 0 && at > stop) {
        taken.extend(usize::try_from(at));
        at = at.saturating_add(step);
    }
    Ok(match chars {
        Some(chars) => taken.into_iter().filter_map(|at| chars.get(at)).collect::<String>().into(),
        None => taken.into_iter().filter_map(|at| items.get(at).cloned()).collect::<Vec<_>>().into(),
    })
}

/// The result of a comparison; made-up values compare as true.
fn compared(state: &mut State<'_, '_>, budget: &Budget, sign: &str, operands: &[Value]) -> Result<Value, Error> {
    budget.count_read(operands, COMPARED_ITEM);
    match (made_up(state, operands)?, operands) {
        (Some(_), _) => Ok(true.into()),
        (None, [one, other]) => Ok(compare(sign, one, other)?.into()),
        (None, _) => Err(ErrorKind::MissingArgument.into()),
    }
}

/// A test of a text.
fn text_test(state: &mut State<'_, '_>, args: &[Value], test: &Value) -> Result<Value, Error> {
    match sample_among(args) {
        Some(_) => Ok(true.into()),
        None => test.call(state, &texts(args)),
    }
}

/// The arguments with `none` of the template as empty text.
fn texts(args: &[Value]) -> Vec<Value> {
    args.iter().map(|arg| if arg.is_none() { null() } else { arg.clone() }).collect()
}

/// The arguments of a filter, with null as the filter takes it. An event has null if a person has written nothing.
///
/// # Errors
/// If null is not a number.
fn present(name: &str, args: &[Value]) -> Result<Vec<Value>, Error> {
    let mut args = args.to_vec();
    let items = |list: &Value| match list.kind() {
        ValueKind::Seq | ValueKind::Iterable => list.try_iter().into_iter().flatten().collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    if matches!(name, "format" | "replace") {
        // The rest are optional arguments of other filters, where `none` leaves one out.
        args = texts(&args);
    }
    let Some(first) = args.first_mut() else { return Ok(args) };
    match name {
        "tojson" | "bool" | "int" | "float" => *first = restored(first),
        "abs" | "round" if is_null(first) || first.kind() == ValueKind::String => return Err(no_number(name, first)),
        "default" | "d" if is_null(first) => *first = Value::UNDEFINED,
        "items" | "dictsort" if is_null(first) => *first = mapping(&mut std::iter::empty()),
        "join" => {
            let items = items(first);
            if !items.is_empty() {
                *first = texts(&items).into();
            }
        }
        "min" | "max" => {
            let known = items(first).into_iter().filter(|item| !is_null(item)).collect::<Vec<_>>();
            check_items(name, &known)?;
            if !known.is_empty() {
                *first = known.into();
            }
        }
        "sort" => {
            let attribute = args.iter().find_map(|arg| arg.get_attr("attribute").ok()?.as_str().map(str::to_owned));
            let items = args.first().map(items).unwrap_or_default();
            let of_item = |item: &Value| match &attribute {
                Some(path) => path.split('.').try_fold(item.clone(), |value, part| value.get_attr(part)),
                None => Ok(item.clone()),
            };
            check_items(name, &items.iter().filter_map(|item| of_item(item).ok()).collect::<Vec<_>>())?;
        }
        _ if first.is_none() => *first = null(),
        _ => {}
    }
    Ok(args)
}

/// Why an operator, a filter or a test does not take null or a text.
fn no_number(of: &str, value: &Value) -> Error {
    invalid(match is_null(value) {
        true => format!("`{of}` takes a number, and the value is null; write `| default(0)` after it"),
        false => format!("`{of}` takes a number, and the value is a text; write `| float` or `| int` after it"),
    })
}

/// Refuses what would make far more than it is given, before it is made.
fn check_growth(name: &str, args: &[Value]) -> Result<(), Error> {
    let Some(first) = args.first() else { return Ok(()) };
    let numbers = || args.iter().skip(1).flat_map(with_keywords);
    // A negative number is refused by the filter itself.
    let largest = || numbers().filter(Value::is_integer).filter_map(|it| it.as_usize()).max().unwrap_or(0);
    let len = |at: usize| args.get(at).map_or(Ok(0), |arg| text_of(&[arg]).map(|text| text.len()));
    let made = match name {
        "indent" => text_of(&[first])?.lines().count().saturating_mul(largest()),
        "replace" => {
            let (text, from) = (text_of(&[first])?, text_of(&args.get(1).into_iter().collect::<Vec<_>>())?);
            text.matches(from.as_str()).count().saturating_mul(len(2)?)
        }
        "join" => first.len().unwrap_or_default().saturating_mul(len(1)?),
        "format" => {
            let format = text_of(&[first])?;
            let is_wide = format.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > MAX_FORMAT_DIGITS);
            if is_wide || format.contains('*') {
                return Err(invalid(format!(
                    "a width in a format may have {MAX_FORMAT_DIGITS} digits, and not be `*`; write a narrower one"
                )));
            }
            let mut largest = 0;
            for arg in numbers() {
                largest = weigh(&arg)?.max(largest);
            }
            format.matches('%').count().saturating_mul(largest)
        }
        "tojson" if largest() > MAX_JSON_INDENT => {
            return Err(invalid(format!("`tojson` indents by at most {MAX_JSON_INDENT} spaces")));
        }
        "batch" | "slice" if largest() > MAX_BATCH => {
            return Err(invalid(format!("`{name}` takes at most {MAX_BATCH} items")));
        }
        _ => 0,
    };
    if made > MAX_VALUE_BYTES { Err(too_large()) } else { Ok(()) }
}

/// Whether a namespace is in a value. In a namespace it could hold itself, and showing it would not end.
fn holds_namespace(value: &Value, nesting: usize) -> bool {
    let Some(object) = value.as_object() else { return false };
    if nesting > MAX_NESTING || object.type_name().ends_with("::Namespace") {
        return true;
    }
    match value.kind() {
        ValueKind::Map => {
            object.try_iter_pairs().into_iter().flatten().any(|(_, value)| holds_namespace(&value, nesting + 1))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            object.try_iter().into_iter().flatten().any(|item| holds_namespace(&item, nesting + 1))
        }
        _ => false,
    }
}

/// The names of all filters that a template can use.
pub(super) fn filter_names() -> impl Iterator<Item = &'static str> {
    built_in_filters().into_iter().map(|(name, _)| name).chain(["add", "date"])
}

/// The filters of the engine.
fn built_in_filters() -> Vec<(&'static str, Value)> {
    vec![
        ("safe", Value::from_function(filters::safe)),
        ("escape", Value::from_function(filters::escape)),
        ("e", Value::from_function(filters::escape)),
        ("lower", Value::from_function(filters::lower)),
        ("upper", Value::from_function(filters::upper)),
        ("title", Value::from_function(filters::title)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("replace", Value::from_function(filters::replace)),
        ("length", Value::from_function(filters::length)),
        ("count", Value::from_function(filters::length)),
        ("dictsort", Value::from_function(filters::dictsort)),
        ("items", Value::from_function(filters::items)),
        ("reverse", Value::from_function(filters::reverse)),
        ("trim", Value::from_function(filters::trim)),
        ("join", Value::from_function(filters::join)),
        ("split", Value::from_function(filters::split)),
        ("lines", Value::from_function(filters::lines)),
        ("default", Value::from_function(filters::default)),
        ("d", Value::from_function(filters::default)),
        ("round", Value::from_function(filters::round)),
        ("abs", Value::from_function(filters::abs)),
        ("int", Value::from_function(filters::int)),
        ("float", Value::from_function(filters::float)),
        ("attr", Value::from_function(filters::attr)),
        ("first", Value::from_function(filters::first)),
        ("last", Value::from_function(filters::last)),
        ("min", Value::from_function(filters::min)),
        ("max", Value::from_function(filters::max)),
        ("sort", Value::from_function(filters::sort)),
        ("list", Value::from_function(filters::list)),
        ("string", Value::from_function(filters::string)),
        ("bool", Value::from_function(filters::bool)),
        ("batch", Value::from_function(filters::batch)),
        ("slice", Value::from_function(filters::slice)),
        ("sum", Value::from_function(filters::sum)),
        ("indent", Value::from_function(filters::indent)),
        ("select", Value::from_function(filters::select)),
        ("reject", Value::from_function(filters::reject)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
        ("map", Value::from_function(filters::map)),
        ("groupby", Value::from_function(filters::groupby)),
        ("unique", Value::from_function(filters::unique)),
        ("chain", Value::from_function(filters::chain)),
        ("zip", Value::from_function(filters::zip)),
        ("pprint", Value::from_function(filters::pprint)),
        ("format", Value::from_function(filters::format)),
        ("tojson", Value::from_function(filters::tojson)),
    ]
}

/// Renders a syntax tree. `tries` is for a template that is only tried, see [`Sample`].
///
/// # Errors
/// What the engine says, with the place in the source.
pub(super) fn render<'s>(
    environment: &Environment<'s>,
    (name, source): (&'s str, &'s str),
    tree: &ast::Stmt<'s>,
    scope: Value,
    tries: bool,
    budget: &Budget,
) -> Result<String, Error> {
    let mut generator = CodeGenerator::new(name, source);
    generator.compile_stmt(tree);
    let (instructions, blocks) = generator.finish();
    let instructions = bounded(&instructions, name, source, tries);
    let mut bounded_blocks = BTreeMap::new();
    bounded_blocks.extend(blocks.iter().map(|(block, it)| (*block, bounded(it, name, source, tries))));
    let all = bounded_blocks.values().chain([&instructions]);
    let parsed = all.map(|it| (0..).take_while(|at| it.get(*at).is_some()).count()).sum();
    budget.count(whole(parsed) * PARSED);
    let mut rendered = String::new();
    let mut output = make_string_output(&mut rendered);
    match eval(environment, &instructions, scope, &bounded_blocks, &mut output, AutoEscape::None) {
        Ok((_, state)) => budget.count_instructions(&state),
        Err(error) => {
            if error.kind() == ErrorKind::OutOfFuel {
                budget.out_of_instructions();
            }
            return Err(error);
        }
    }
    Ok(rendered)
}

/// The same instructions, where each that makes a value is under bounds.
fn bounded<'s>(old: &Instructions<'s>, name: &'s str, source: &'s str, tries: bool) -> Instructions<'s> {
    use Instruction as I;
    let filter = |name, args| I::ApplyFilter(name, Some(args), u8::MAX);
    let mut all = Vec::new();
    // Where each of the old ones begins, for the jumps.
    let mut starts = Vec::new();
    let mut before: Option<&I<'s>> = None;
    for at in 0.. {
        starts.push(u32::try_from(all.len()).unwrap_or(u32::MAX));
        let Some(instruction) = old.get(at) else { break };
        let becomes = match instruction {
            // What is emitted is charged by the formatter.
            I::EmitRaw(text) => vec![I::LoadConst((*text).into()), I::Emit],
            I::StringConcat => vec![filter("~", 2)],
            I::Add => vec![filter("+", 2)],
            I::Mul => vec![filter("*", 2)],
            I::Slice => vec![filter("[:]", 4)],
            I::In => vec![filter("in", 2)],
            I::Eq => vec![filter("==", 2)],
            I::Ne => vec![filter("!=", 2)],
            I::Lt => vec![filter("<", 2)],
            I::Lte => vec![filter("<=", 2)],
            I::Gt => vec![filter(">", 2)],
            I::Gte => vec![filter(">=", 2)],
            // The second operand stays, for the next step of the comparison.
            I::CompareAndPreserve(operator) => {
                let both = |name| {
                    vec![I::BuildTuple(Some(2)), I::DupTop, filter(name, 1), I::Swap, filter("second", 1), I::Swap]
                };
                // The engine does not export the type of the operator.
                match format!("{operator:?}").as_str() {
                    "Lt" => both("<2"),
                    "Lte" => both("<=2"),
                    "Gt" => both(">2"),
                    "Gte" => both(">=2"),
                    "Eq" => both("==2"),
                    "Ne" => both("!=2"),
                    "In" => both("in2"),
                    "NotIn" => both("not in2"),
                    _ => vec![instruction.clone()],
                }
            }
            // The engine panics without a value.
            I::CallMethod("cycle", None | Some(1)) => vec![filter("cycle", 1)],
            I::PushLoop(flags) => vec![filter("for", 1), I::PushLoop(*flags)],
            I::SetAttr(name) => vec![I::Swap, filter("storable", 1), I::Swap, I::SetAttr(name)],
            I::Sub => vec![filter("-", 2)],
            I::Div => vec![filter("/", 2)],
            I::IntDiv => vec![filter("//", 2)],
            I::Rem => vec![filter("%", 2)],
            I::Pow => vec![filter("**", 2)],
            I::Neg => vec![filter("negated", 1)],
            I::GetItem if tries && !matches!(before, Some(I::LoadConst(_))) => vec![filter("item", 2)],
            I::UnpackList(count) if tries => {
                vec![I::LoadConst((*count).into()), filter("unpacked", 2), I::UnpackList(*count)]
            }
            I::BuildList(_) | I::BuildTuple(_) | I::BuildMap(_) | I::EndCapture | I::CallFunction(..) => {
                vec![instruction.clone(), filter("made", 1)]
            }
            other => vec![other.clone()],
        };
        all.extend(becomes.into_iter().map(|instruction| (at, instruction)));
        before = Some(instruction);
    }
    let start = |target: u32| usize::try_from(target).ok().and_then(|at| starts.get(at)).copied().unwrap_or(target);
    let mut new = Instructions::new(name, source);
    for (at, mut instruction) in all {
        match &mut instruction {
            I::Jump(target)
            | I::JumpIfFalse(target)
            | I::JumpIfFalseOrPop(target)
            | I::JumpIfTrueOrPop(target)
            | I::Iterate(target)
            | I::BuildMacro(_, target, _) => *target = start(*target),
            _ => {}
        }
        match (old.get_span(at), old.get_line(at)) {
            (Some(span), _) => new.add_with_span(instruction, span),
            (None, Some(line)) => new.add_with_line(instruction, u16::try_from(line).unwrap_or(u16::MAX)),
            (None, None) => new.add(instruction),
        };
    }
    new
}
