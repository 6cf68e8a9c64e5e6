//! Pages of a list, and the `Link` header that leads from one to the next.

use serde_json::Value;

use crate::answer::Answer;
use crate::request::Request;

/// Which page of a list is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) number: usize,
    pub(crate) size: usize,
}

impl Page {
    /// GitHub does not refuse a page size out of range, it takes the nearest one it allows.
    pub(crate) fn of(request: &Request) -> Page {
        let number = |name: &str| request.parameter(name).and_then(|text| text.parse::<usize>().ok());
        Page {
            number: number("page").unwrap_or(1).max(1),
            size: number("per_page").filter(|&size| size > 0).unwrap_or(30).min(100),
        }
    }

    pub(crate) fn cut<T>(self, items: Vec<T>) -> Vec<T> {
        let skipped = self.number.saturating_sub(1).saturating_mul(self.size);
        items.into_iter().skip(skipped).take(self.size).collect()
    }

    /// A list of this many items, of which the body is this page.
    pub(crate) fn answer(self, request: &Request, total: usize, body: &Value) -> Answer {
        let answer = Answer::json(200, body);
        match self.links(request, total, &[]) {
            Some(links) => answer.header("link", links),
            None => answer,
        }
    }

    /// The `Link` header for a list of this many items, if it has more than one page. The links
    /// keep the caller's parameters but those that are `lost`.
    pub(crate) fn links(self, request: &Request, total: usize, lost: &[&str]) -> Option<String> {
        let last = total.div_ceil(self.size).max(1);
        let link = |page: usize, relation: &str| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (key, value) in &request.query {
                if key != "page" && !lost.contains(&key.as_str()) {
                    query.append_pair(key, value);
                }
            }
            query.append_pair("page", &page.to_string());
            format!("<{}{}?{}>; rel=\"{relation}\"", request.base, request.path, query.finish())
        };
        let mut links = Vec::new();
        if self.number > 1 {
            links.push(link(self.number - 1, "prev"));
        }
        if self.number < last {
            links.push(link(self.number + 1, "next"));
            links.push(link(last, "last"));
        }
        if self.number > 1 {
            links.push(link(1, "first"));
        }
        (!links.is_empty()).then(|| links.join(", "))
    }
}
