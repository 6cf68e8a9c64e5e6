//! What a template makes and the work that it takes, as bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use crate::prompt::sample::Sample;

/// The most instructions that a template may take; a loop over ten thousand items takes a hundredth of it.
pub(super) const MAX_INSTRUCTIONS: u64 = 10_000_000;
/// The most work that all templates of a step may take, in instructions: twenty of the longest, or a thousand that each
/// loop over twenty thousand items. It takes ten to thirty seconds, by what single templates of each kind took.
pub(super) const MAX_STEP_INSTRUCTIONS: u64 = 20 * MAX_INSTRUCTIONS;
/// How many bytes are made in the time of one instruction, which is about 50 nanoseconds. This number and the next ones
/// were measured.
const MADE_BYTES: usize = 32;
/// How many bytes of a text are read in that time.
const READ_BYTES: usize = 64;
/// The work for each item of a list that is compared or searched, in instructions.
pub(super) const COMPARED_ITEM: u64 = 2;
/// The work to call a filter.
pub(super) const FILTER: u64 = 8;
/// The work for each item of a list that a filter compares with all others.
pub(super) const GROUPED_ITEM: u64 = 32;
/// The work for each item of a list that another filter takes.
pub(super) const FILTERED_ITEM: u64 = 8;
/// The work to read or move a time.
pub(super) const TIME: u64 = 16;
/// The work for a calculation, which the engine compiles.
pub(super) const OPERATION: u64 = 64;
/// The work to find and read a time zone.
pub(super) const TIME_ZONE: u64 = 1_600;
/// The work to clean one byte of a text from outside.
pub(super) const FENCED_BYTE: u64 = 2;
/// The work to parse and compile what becomes one instruction.
pub(super) const PARSED: u64 = 50;
/// The most bytes of one value. A push of two thousand commits, the largest event that GitHub sends as a rule, has
/// half of it as JSON.
pub(super) const MAX_VALUE_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes of all values that a template makes, one after the other. It bounds memory and time at once: the
/// largest prompt is a thousandth of it.
const MAX_TOTAL_BYTES: usize = 256 * 1024 * 1024;
/// How deep lists and mappings may be nested; JSON of an event has a dozen levels.
pub(super) const MAX_NESTING: usize = 64;
/// What an item of a list weighs beside its text, in bytes. The engine takes 24.
pub(super) const ITEM_BYTES: usize = 24;

/// What a template makes, and the work that it takes.
#[derive(Debug)]
pub(super) struct Budget {
    /// How many bytes it may still make.
    bytes: AtomicUsize,
    /// The work beside its instructions, in instructions.
    work: AtomicU64,
    /// The instructions.
    instructions: AtomicU64,
}

impl Budget {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(MAX_TOTAL_BYTES),
            work: AtomicU64::new(0),
            instructions: AtomicU64::new(0),
        })
    }

    /// The work so far, in instructions.
    pub(super) fn spent(&self) -> u64 {
        self.work.load(Ordering::Relaxed).saturating_add(self.instructions.load(Ordering::Relaxed))
    }

    /// Counts work that is not one instruction of the engine.
    pub(super) fn count(&self, work: u64) {
        self.work.fetch_add(work, Ordering::Relaxed);
    }

    /// Counts the reading of values. `item` is the work for an item of a list.
    pub(super) fn count_read(&self, values: &[Value], item: u64) {
        let work = |value: &Value| match value.as_str() {
            Some(text) => whole(text.len() / READ_BYTES),
            None => whole(value.len().unwrap_or_default()).saturating_mul(item),
        };
        self.count(values.iter().map(work).sum());
    }

    /// Notes the instructions so far.
    pub(super) fn count_instructions(&self, state: &State<'_, '_>) {
        let (taken, _) = state.fuel_levels().unwrap_or_default();
        self.instructions.store(taken, Ordering::Relaxed);
    }

    /// Notes that all instructions were taken.
    pub(super) fn out_of_instructions(&self) {
        self.instructions.store(MAX_INSTRUCTIONS, Ordering::Relaxed);
    }

    /// Takes the weight of a value that was made, as a list where it would be made anew at each use.
    pub(super) fn charge(&self, value: Value) -> Result<Value, Error> {
        let value = match value.kind() {
            ValueKind::Iterable if value.downcast_object_ref::<Sample>().is_none() => {
                let mut items = Vec::new();
                for item in value.try_iter()? {
                    if items.len() * ITEM_BYTES > MAX_VALUE_BYTES {
                        return Err(too_large());
                    }
                    // What failed on the way is an item that shows why.
                    if item.kind() == ValueKind::Invalid {
                        return Err(invalid(item.to_string()));
                    }
                    items.push(item);
                }
                Value::from(items)
            }
            _ => value,
        };
        self.take(weigh(&value)?)?;
        Ok(value)
    }

    pub(super) fn take(&self, weight: usize) -> Result<(), Error> {
        self.count(whole(weight / MADE_BYTES));
        match self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(weight)) {
            Ok(_) => Ok(()),
            Err(_) => Err(invalid(format!(
                "the template makes more than {MAX_TOTAL_BYTES} bytes of texts and lists; loop less, or over less"
            ))),
        }
    }
}

pub(super) fn whole(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

pub(super) fn invalid(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

pub(super) fn too_large() -> Error {
    invalid(format!("the value has more than {MAX_VALUE_BYTES} bytes; show or make less of it"))
}

/// The weight of a value in bytes, which bounds what showing or comparing it takes.
pub(super) fn weigh(value: &Value) -> Result<usize, Error> {
    let mut weight = 0;
    add_weight(value, 0, &mut weight)?;
    Ok(weight)
}

fn add_weight(value: &Value, nesting: usize, weight: &mut usize) -> Result<(), Error> {
    if nesting > MAX_NESTING {
        return Err(invalid(format!("lists and mappings are nested deeper than {MAX_NESTING} levels; nest less")));
    }
    *weight += ITEM_BYTES + value.as_str().map_or(0, str::len);
    if *weight > MAX_VALUE_BYTES {
        return Err(too_large());
    }
    match value.kind() {
        ValueKind::Map => {
            for (key, value) in
                value.as_object().and_then(minijinja::value::DynObject::try_iter_pairs).into_iter().flatten()
            {
                add_weight(&key, nesting + 1, weight)?;
                add_weight(&value, nesting + 1, weight)?;
            }
        }
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                if item.is_undefined() {
                    return Err(invalid("an item is undefined; write `| default('')` where it is made"));
                }
                add_weight(&item, nesting + 1, weight)?;
            }
        }
        ValueKind::Plain => check_shown(value)?,
        _ => {}
    }
    Ok(())
}

/// Refuses to show a function, a macro or `loop` itself, for which the engine shows names of its own code.
pub(super) fn check_shown(value: &Value) -> Result<(), Error> {
    let is_type = |name: &str| value.as_object().is_some_and(|object| object.type_name().ends_with(name));
    match value.kind() == ValueKind::Plain || is_type("::Macro") || is_type("::Loop") {
        true => {
            Err(invalid("this is a function or `loop` itself; call it, as `range(3)`, or name a part, as `loop.index`"))
        }
        false => Ok(()),
    }
}
