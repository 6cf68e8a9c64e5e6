//! What came of tasks: their figures, in groups, as JSON, CSV, a page and a summary. Pure: no clock and no network.

pub mod chart;
pub mod comparison;
pub mod csv;
pub mod document;
pub mod figures;
pub mod page;
pub(crate) mod show;
pub mod summary;
pub mod task;

use std::cmp::Ordering;

#[cfg(test)]
mod tests;

/// The items in their order. One sort serves all types: each of its own would add 5 kB to the binary.
fn sorted<T>(items: Vec<T>, compare: &dyn Fn(&T, &T) -> Ordering) -> Vec<T> {
    fn places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
        let mut places = (0..count).collect::<Vec<_>>();
        places.sort_by(|a, b| compare(*a, *b));
        places
    }
    let places = places(items.len(), &|a, b| compare(&items[a], &items[b]));
    let mut items = items.into_iter().map(Some).collect::<Vec<_>>();
    places.into_iter().filter_map(|place| items[place].take()).collect()
}
