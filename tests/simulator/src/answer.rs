//! An answer, before it becomes HTTP.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::fault::PlainLimit;

const DOCS: &str = "https://docs.github.com/rest/agent-tasks/agent-tasks";

/// What gateways send when they have nothing to say.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Unicorn! &middot; GitHub</title></head>\
    <body><p>This page is taking too long to load.</p></body></html>\n";

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// Whether the body is to break off.
    pub(crate) cut: bool,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            content_type: "application/json; charset=utf-8",
            body: Bytes::from(body.to_string()),
            cut: false,
        }
    }

    pub(crate) fn html(status: u16) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            content_type: "text/html; charset=utf-8",
            body: Bytes::from_static(PAGE.as_bytes()),
            cut: false,
        }
    }

    /// An error in the form that GitHub documents.
    pub(crate) fn error(status: u16, message: &str) -> Answer {
        Answer::json(status, &json!({"message": message, "documentation_url": DOCS, "status": status.to_string()}))
    }

    pub(crate) fn not_found() -> Answer {
        Answer::error(404, "Not Found")
    }

    /// A 422 with its list of errors.
    pub(crate) fn invalid(messages: &[String]) -> Answer {
        let errors: Vec<Value> = messages.iter().map(|message| json!({"code": "custom", "message": message})).collect();
        Answer::json(
            422,
            &json!({"message": "Validation Failed", "errors": errors, "documentation_url": DOCS,
                "status": "422"}),
        )
    }

    /// What a secondary rate limit says.
    pub(crate) fn secondary_limit(retry_after: std::time::Duration) -> Answer {
        // A client that came back within the last second of the wait would be refused again.
        let seconds = retry_after.as_millis().div_ceil(1000).max(1);
        Answer::error(
            403,
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try \
             again.",
        )
        .header("retry-after", seconds.to_string())
    }

    /// A secondary limit that only its text and its link reveal.
    pub(crate) fn plain_limit(words: PlainLimit) -> Answer {
        let (message, link) = match words {
            PlainLimit::Secondary => (
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
                "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits",
            ),
            PlainLimit::ContentCreation => (
                "You have exceeded a secondary rate limit and have been temporarily blocked from content creation. \
                 Please retry your request again later.",
                "https://docs.github.com/rest/overview/resources-in-the-rest-api#secondary-rate-limits",
            ),
            PlainLimit::Abuse => (
                "You have triggered an abuse detection mechanism. Please wait a few minutes before you try again.",
                "https://docs.github.com/rest/overview/resources-in-the-rest-api#abuse-rate-limits",
            ),
        };
        Answer::json(403, &json!({"message": message, "documentation_url": link, "status": "403"}))
    }

    /// A redirect; `write` is its status for anything but a GET.
    pub(crate) fn redirect(get: bool, write: u16, to: String) -> Answer {
        let (status, message) = match (get, write) {
            (true, _) => (301, "Moved Permanently"),
            (false, 308) => (308, "Permanent Redirect"),
            (false, _) => (307, "Temporary Redirect"),
        };
        let body = json!({"message": message, "url": to, "documentation_url": DOCS});
        Answer::json(status, &body).header("location", to)
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }
}
