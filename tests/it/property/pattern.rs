//! Lists of patterns: one is refused only if what it takes out is all that it lets in.

use agent_task::actions::pattern::{BranchName, FilePath, PatternList, RepositoryName, Subject};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::one_in;

/// The characters of the values. Every value of at most so many of them is tried.
const CHARACTERS: [char; 3] = ['a', 'b', '/'];
const MAX_CHARACTERS: usize = 6;

fn pattern() -> impl Strategy<Value = String> {
    let pieces = ["a", "b", "/", "*", "**", "?", "[ab]", "[!a]", "{a,b/*}", "+", "/**", "**/", "/**/"];
    vec(select(pieces.to_vec()), 1..6).prop_map(|pieces| pieces.concat())
}

fn values() -> Vec<String> {
    let mut values = vec![String::new()];
    let mut last = 0;
    for _ in 0..MAX_CHARACTERS {
        let longer = values[last..].iter().flat_map(|value| CHARACTERS.map(|c| format!("{value}{c}")));
        let longer = longer.collect::<Vec<_>>();
        last = values.len();
        values.extend(longer);
    }
    values
}

fn list<S: Subject>(patterns: &[&str]) -> Option<PatternList<S>> {
    serde_json::from_value(serde_json::json!(patterns)).ok()
}

fn refused_list_matches_nothing<S: Subject>(first: &str, second: &str, values: &[String]) {
    let (Some(one), Some(other)) = (list::<S>(&[first]), list::<S>(&[second])) else { return };
    if list::<S>(&[first, &format!("!{second}")]).is_none() {
        for value in values {
            assert!(!one.matches(value) || other.matches(value), "{first}, !{second}: {value}");
        }
    }
}

proptest! {
    #![proptest_config(one_in(4))]

    #[test]
    fn list_that_matches_something_is_not_refused(patterns in vec(pattern(), 8)) {
        let values = values();
        for first in &patterns {
            for second in &patterns {
                refused_list_matches_nothing::<BranchName>(first, second, &values);
                refused_list_matches_nothing::<FilePath>(first, second, &values);
                refused_list_matches_nothing::<RepositoryName>(first, second, &values);
            }
        }
    }
}
