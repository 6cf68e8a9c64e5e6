//! Sorting. One sort serves all types: each of its own would add 5 kB to the binary.

use std::cmp::Ordering;

use serde_json::{Map, Value};

/// A JSON object. `collect` would sort the entries first, by a sort of its own for each kind of iterator.
pub fn json_object(entries: &mut dyn Iterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut object = Map::new();
    object.extend(entries);
    object
}

/// The items in their order. Equal ones stay in the order that they have.
pub fn sorted<T>(items: Vec<T>, compare: &dyn Fn(&T, &T) -> Ordering) -> Vec<T> {
    fn places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
        let mut places = (0..count).collect::<Vec<_>>();
        places.sort_by(|a, b| compare(*a, *b));
        places
    }
    let places = places(items.len(), &|a, b| compare(&items[a], &items[b]));
    let mut items = items.into_iter().map(Some).collect::<Vec<_>>();
    places.into_iter().filter_map(|place| items[place].take()).collect()
}
