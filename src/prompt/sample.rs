//! Made-up values for a prompt that is only tried out.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};

/// How deep a made-up list has lists in it. Events have them three deep at most.
const DEEPEST_SAMPLE: usize = 4;

/// Something of an event that nobody knows yet. It has every name and one item, and reads as a time, which all filters
/// for texts take, `date` among them.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(super) now: Timestamp,
    pub(super) deep: usize,
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
        match self.deep < DEEPEST_SAMPLE {
            true => Enumerator::Values(vec![Value::from_object(Self { now: self.now, deep: self.deep + 1 })]),
            false => Enumerator::Empty,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.now)
    }
}
