//! Whatever the template and whatever the event, rendering ends: without a panic, within bounds, and with the event's
//! text in its fence.
//!
//! An input is a template and, after U+0001, the text that an outsider wrote.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "libFuzzer's macro can write what it gives into a file")]

use agent_task::actions::context::{Context, Environment};
use agent_task::actions::host::time_zone;
use agent_task::prompt::fence::Untrusted;
use agent_task::prompt::render::{MAX_BYTES, Rendered, Scope, Template, render};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const BOUNDARY: &str = "0f0f";
/// A letter that only the outsider writes. No filter makes it from another one.
const OUTSIDER: char = 'Щ';

fuzz_target!(|input: &str| {
    let (source, text) = input.split_once('\u{1}').unwrap_or((input, "text"));
    let source = source.replace([OUTSIDER, 'щ'], "");
    let text = format!("{OUTSIDER}{text}");
    let event = json!({
        "action": "opened",
        "issue": {"title": text, "body": null, "number": 7, "labels": [{"name": text}], "assignees": []},
        "comment": {"body": text, "created_at": "2026-11-02T08:00:00Z"},
        "commits": [],
    });
    let context = Context::new(&Environment::default(), Some(event), None).fenced_by(BOUNDARY.to_owned());
    let vars = json!({"version": "1.10", "items": ["a", "b"], "count": 3, "nothing": null, "urgent": false});
    let pull_request = json!({"number": 12, "title": text, "body": text, "failed_checks": [{"name": text, "url": ""}]});
    let zone = time_zone("UTC").unwrap_or_else(|why| unreachable!("{why}"));
    let target = "octo/app".parse().unwrap_or_else(|why| unreachable!("{why}"));
    let template = Template { name: "it.md".to_owned(), source };
    for samples in [false, true] {
        let scope = Scope {
            context: &context,
            vars: vars.as_object(),
            target: &target,
            entry: Some("api"),
            pull_request: Some(&pull_request),
            zone: &zone,
            now: "2026-11-20T08:00:00Z".parse().unwrap_or_else(|why| unreachable!("{why}")),
            untrusted: Untrusted::Fence,
            samples,
        };
        match render(&template, &scope) {
            Ok(Rendered::Skipped(reason)) => assert!(!reason.contains([OUTSIDER, 'щ']), "{reason}"),
            Ok(Rendered::Prompt(prompt)) => {
                assert!(prompt.len() <= MAX_BYTES);
                // What comes before the end of a fence is inside it.
                let begins = format!("[untrusted text {BOUNDARY} begins]");
                let ends = format!("[untrusted text {BOUNDARY} ends]");
                let outside = prompt.split(&begins).enumerate().map(|(at, part)| {
                    if at == 0 { part } else { part.split_once(&ends).map_or("", |(_, outside)| outside) }
                });
                assert!(!outside.collect::<String>().contains([OUTSIDER, 'щ']), "{prompt}");
            }
            Err(error) => assert!(!error.to_string().contains("the template engine failed"), "{error}"),
        }
    }
});
