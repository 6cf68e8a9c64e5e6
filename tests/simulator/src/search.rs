//! The search for repositories.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::page::Page;
use crate::repos::show_repository;
use crate::request::Request;
use crate::token::Token;
use crate::world::{RepositoryRecord, World, split_mix};

/// GitHub shows no more results than this of any search.
const MAX_RESULTS: usize = 1000;

impl World {
    pub(crate) fn search(&self, token: &Token, request: &Request) -> Answer {
        let Some(query) = request.parameter("q").filter(|query| !query.trim().is_empty()) else {
            return Answer::invalid(&["q is missing".to_owned()]);
        };
        let mut found: Vec<&RepositoryRecord> = self
            .repositories
            .values()
            .filter(|record| token.can_see(&record.name) && !token.lacks_sso(record.owner()))
            .collect();
        for word in query.split_whitespace() {
            match fits(word) {
                Some(fits) => found.retain(|record| fits(record)),
                None => return Answer::invalid(&[format!("`{word}` is not understood")]),
            }
        }
        // The best match comes first, an order that a client cannot predict.
        found.sort_by_key(|record| split_mix(record.id));
        let total = found.len();
        let page = Page::of(request);
        if page.number.saturating_sub(1).saturating_mul(page.size) >= MAX_RESULTS {
            return Answer::invalid(&["Only the first 1000 search results are available".to_owned()]);
        }
        let item = |record: &RepositoryRecord| {
            let mut shown = show_repository(record, &request.base);
            shown["score"] = json!(1.0);
            shown
        };
        let items: Vec<Value> = page.cut(found).into_iter().map(item).collect();
        let answer = json!({"total_count": total, "incomplete_results": false, "items": items});
        let answer = self.partial_results(token, Answer::json(200, &answer));
        match page.links(request, total.min(MAX_RESULTS), &[]) {
            Some(links) => answer.header("link", links),
            None => answer,
        }
    }
}

/// Whether a repository fits a word of a query; nothing for a qualifier that is not known here.
fn fits(word: &str) -> Option<impl Fn(&RepositoryRecord) -> bool> {
    let (wanted, word) = match word.strip_prefix('-') {
        Some(rest) => (false, rest.to_lowercase()),
        None => (true, word.to_lowercase()),
    };
    let (qualifier, value) = word.split_once(':').map_or(("", word.as_str()), |(name, value)| (name, value));
    if !["", "org", "user", "topic", "archived", "is"].contains(&qualifier) {
        return None;
    }
    let (qualifier, value) = (qualifier.to_owned(), value.to_owned());
    Some(move |record: &RepositoryRecord| {
        let is = match qualifier.as_str() {
            "org" | "user" => record.owner().eq_ignore_ascii_case(&value),
            "topic" => record.spec.topics.contains(&value),
            "archived" => record.spec.archived.to_string() == value,
            "is" => (value == "private") == record.spec.private,
            _ => record.name.to_lowercase().contains(&value),
        };
        is == wanted
    })
}
