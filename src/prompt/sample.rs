//! Made-up values for a prompt that is only tried out.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use serde_json::Value as Json;

use crate::prompt::null;

/// How deep a made-up list has lists in it. Events have them three deep at most.
const MAX_SAMPLE_DEPTH: usize = 4;
/// A value of a policy's variable that is not known yet. No text of a file or an event has this character of private
/// use.
const PLACEHOLDER: &str = "\u{10ffff}sample";

/// A variable that is not known yet, for `Scope::vars` of a template that is tried.
pub fn placeholder() -> Json {
    PLACEHOLDER.into()
}

/// A value of an event, an input or a variable that is not known yet. It has every name and one item, reads as a time,
/// and whatever an operator, a filter or a test makes of it is made up as well.
#[derive(Debug)]
pub(super) struct Sample {
    now: Timestamp,
    depth: usize,
}

impl Sample {
    /// A made-up value that reads as this time.
    pub(super) fn value(now: Timestamp) -> Value {
        Value::from_object(Self { now, depth: 0 })
    }

    /// The value of a variable: made up where the policy does not know it.
    pub(super) fn or(value: &Json, now: Timestamp) -> Value {
        match value {
            Json::String(text) if text == PLACEHOLDER => Self::value(now),
            value => null::value(value),
        }
    }
}

impl Object for Sample {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from_dyn_object(Arc::clone(self)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // `tojson` writes out all that there is.
        match self.depth < MAX_SAMPLE_DEPTH {
            true => Enumerator::Values(vec![Value::from_object(Self { now: self.now, depth: self.depth + 1 })]),
            false => Enumerator::Empty,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.now)
    }
}
