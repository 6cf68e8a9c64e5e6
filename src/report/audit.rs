//! The record: what happened to each task, as CloudEvents for those who have to account for it.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::actions::context::Context;
use crate::github::repository::Repository;
use crate::github::task::{State, Task, TaskId};
use crate::github::token::Token;
use crate::order::json_object;
use crate::plan::{Action, PlannedTask};
use crate::policy::evaluate::PolicyMetadata;
use crate::task::acceptance::ChecksState;
use crate::task::conclusion::Conclusion;
use crate::task::event::{Adoption, Event};
use crate::task::outcome::Outcome;
use crate::task::stop::StopEnd;
use crate::task::wait::WaitEnd;

/// The beginning of an event's type.
const PREFIX: &str = "agent-task.";
/// The source of an event outside of a workflow run.
const NO_RUN: &str = "urn:agent-task";
/// The properties of the `github` context that are on record.
const RUN: [&str; 10] = [
    "actor",
    "triggering_actor",
    "event_name",
    "repository",
    "workflow",
    "workflow_ref",
    "job",
    "run_id",
    "run_attempt",
    "sha",
];

/// An entry of the record.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    kind: &'static str,
    /// Data besides what is known of the task.
    more: Map<String, Value>,
}

impl AuditEntry {
    fn new(kind: &'static str, more: Value) -> Self {
        let Value::Object(more) = more else { unreachable!("{more} is not an object") };
        Self { kind, more }
    }

    /// A task is about to be started or waited for.
    pub fn planned() -> Self {
        Self::new("planned", json!({}))
    }

    /// The entry for an event; nothing for one that only a reader of the log wants to know. `before` is the outcome
    /// without the event.
    pub fn of(event: &Event, before: &Outcome) -> Option<Self> {
        Some(match event {
            Event::Started(_) => Self::new("started", json!({})),
            Event::Adopted(_, why) => {
                let why = match why {
                    Adoption::Unanswered => "the start was not answered, and this is its task",
                    Adoption::SameKey => "an earlier start with the same key",
                    Adoption::Active => "still active",
                };
                Self::new("adopted", json!({"reason": why}))
            }
            Event::Declined { task, failing, scope: _ } => {
                Self::new("declined", json!({"activeTask": task.id.as_str(), "failing": failing}))
            }
            Event::Refused(refusal) => {
                Self::new("refused", json!({"gate": refusal.gate.title(), "reason": refusal.why}))
            }
            Event::Skipped(why) => Self::new("skipped", json!({"reason": why})),
            Event::HeldBack(why) => Self::new("held-back", json!({"reason": why})),
            Event::Saw(task) if before.state() != Some(&task.state) => {
                Self::new("changed", json!({"from": before.state().map(State::as_str), "to": task.state.as_str()}))
            }
            Event::PullFound(pull) if before.pull.as_ref().is_none_or(|known| known.number != pull.number) => {
                Self::new("pull-found", json!({}))
            }
            Event::Compared(acceptance) => {
                let content = acceptance.content.as_ref();
                let kind = if acceptance.conclusion == Conclusion::Success { "accepted" } else { "not-accepted" };
                let facts = json!({
                    "headSha": content.map(|content| content.head_sha.as_str()),
                    "changedFiles": content.map(|content| content.changed_files),
                    "changedLines": content.map(|content| content.changed_lines),
                    "checks": acceptance.checks().map(ChecksState::as_str),
                    "reason": acceptance.reason(),
                });
                Self::new(kind, known(facts))
            }
            Event::Stopping(reason) => {
                Self::new("stopping", json!({"cause": reason.word(), "reason": reason.to_string()}))
            }
            Event::Cancelled { run, by_force, is_accepted } => {
                Self::new("cancelled", json!({"runId": run, "byForce": by_force, "accepted": is_accepted}))
            }
            Event::StopEnded(StopEnd::Stopped) => Self::new("stopped", json!({})),
            Event::StopEnded(StopEnd::EndedBefore) => {
                Self::new("not-stopped", json!({"reason": "the task had ended before"}))
            }
            Event::StopEnded(StopEnd::Failed(problem)) => {
                Self::new("not-stopped", json!({"reason": problem.to_string()}))
            }
            Event::NoPull(why) => Self::new("pull-missing", json!({"reason": why.to_string()})),
            Event::Ended(WaitEnd::Settled) => Self::new("settled", json!({})),
            Event::Ended(WaitEnd::NeedsPerson) => Self::new("gave-up", json!({"reason": "the task needs a person"})),
            Event::Ended(WaitEnd::DeadlinePassed | WaitEnd::LimitedPastDeadline(_)) => {
                Self::new("gave-up", json!({"reason": "the time for waiting is over"}))
            }
            Event::Failed(error) => Self::new("gave-up", json!({"reason": error.to_string()})),
            Event::Unconfirmed(why) => Self::new("gave-up", json!({"reason": why, "unconfirmed": true})),
            Event::Undecided(why) => Self::new("gave-up", json!({"reason": why})),
            Event::Interrupted { in_flight } => {
                Self::new("gave-up", json!({"reason": "interrupted", "startInFlight": in_flight}))
            }
            _ => return None,
        })
    }
}

/// What all entries of a step have in common.
#[derive(Debug, Clone)]
pub struct AuditLog {
    source: String,
    run: Map<String, Value>,
    token: Option<String>,
    policy: Value,
}

impl AuditLog {
    /// The record of a run, with the kind of the token and what the policy says.
    pub fn new(context: &Context, token: Option<&Token>, policy: &PolicyMetadata) -> Self {
        let mut run = RUN.iter().filter_map(|name| Some(((*name).to_owned(), context.property(name)?.into())));
        let policy = json!({
            "policy": policy.policy,
            "commit": policy.commit,
            "class": policy.class,
            "promptVersion": policy.version,
            "ticket": policy.ticket,
        });
        Self {
            source: context.run_url().unwrap_or_else(|| NO_RUN.to_owned()),
            run: json_object(&mut run),
            token: token.map(|token| token.kind().to_string()),
            policy: known(policy),
        }
    }

    /// An entry as a line. `order` is absent if nothing was planned; `id` is unique.
    pub fn line(
        &self,
        entry: AuditEntry,
        order: Option<&PlannedTask>,
        outcome: &Outcome,
        id: &str,
        time: Timestamp,
    ) -> String {
        let mut data = entry.more;
        data.insert("repository".to_owned(), outcome.repository.to_string().into());
        if let Some(name) = &outcome.entry {
            data.insert("name".to_owned(), name.as_str().into());
        }
        let request = order.map(request).unwrap_or_default();
        for (name, part) in
            [("request", request), ("task", task(outcome)), ("policy", self.policy.clone()), ("run", json!(self.run))]
        {
            if part.as_object().is_some_and(|part| !part.is_empty()) {
                data.insert(name.to_owned(), part);
            }
        }
        if let Some(kind) = &self.token {
            data.insert("tokenKind".to_owned(), kind.as_str().into());
        }
        let event = json!({
            "specversion": "1.0",
            "id": id,
            "source": self.source,
            "type": format!("{PREFIX}{}", entry.kind),
            "time": time.to_string(),
            "subject": subject(&outcome.repository, outcome.task_id.as_ref()),
            "datacontenttype": "application/json",
            "data": data,
        });
        event.to_string()
    }
}

fn subject(repository: &Repository, task: Option<&TaskId>) -> String {
    task.map_or_else(|| repository.to_string(), |task| format!("{repository}/tasks/{task}"))
}

/// The request without the prompt itself, which its hash identifies.
fn request(order: &PlannedTask) -> Value {
    match &order.action {
        Action::Start { task, models, template, prompt_sha256, options } => known(json!({
            "key": options.marker.key.to_string(),
            "name": options.marker.name,
            "rollout": some(&options.marker.rollout),
            "wave": some(&options.marker.wave),
            "template": template,
            "promptSha256": prompt_sha256,
            "models": models.iter().map(|model| model.as_deref().unwrap_or("auto")).collect::<Vec<_>>(),
            "customAgent": task.custom_agent,
            "baseRef": task.base_ref,
            "headRef": task.head_ref,
            "createPullRequest": task.create_pull_request,
        })),
        Action::Wait(id) | Action::Stop(id) => json!({"taskId": id.as_str()}),
        Action::Skip(_) | Action::NotListed(_) => json!({}),
    }
}

/// A text that is not empty.
fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The task as far as it is known.
fn task(outcome: &Outcome) -> Value {
    let task = outcome.task.as_ref();
    known(json!({
        "id": outcome.task_id.as_ref().map(TaskId::as_str),
        "url": task.and_then(|task| task.html_url.as_deref()),
        "state": outcome.state().map(State::as_str),
        "created": outcome.created,
        "creatorId": task.and_then(Task::user),
        "model": task.and_then(Task::model),
        "headRef": task.and_then(Task::head_ref),
        "baseRef": task.and_then(Task::base_ref),
        "pullRequestNumber": outcome.pull.as_ref().map(|pull| pull.number),
        "pullRequestUrl": outcome.pull.as_ref().map(|pull| pull.url.as_str()),
        "credits": task.and_then(Task::credits),
        "sessionIds": task.map(Task::session_ids).filter(|ids| !ids.is_empty()),
        "conclusion": outcome.conclusion.map(Conclusion::as_str),
        "errorMessage": outcome.error_message(),
    }))
}

/// An object without the fields that are not known.
fn known(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

#[cfg(test)]
mod tests {
    use crate::actions::context::Environment;
    use crate::github::error::Error;

    use super::*;

    fn outcome() -> Outcome {
        Outcome::new("octo/app".parse().unwrap())
    }

    fn task(state: &str) -> Box<Task> {
        let actual = json!({"id": "t-1", "state": state, "creator": {"id": 7}, "html_url": "https://github.com/octo/app/tasks/t-1",
            "sessions": [{"model": "m", "usage": {"type": "ai_credits", "amount": 1_500_000_000}}]});
        Box::new(serde_json::from_value(actual).unwrap())
    }

    fn journal() -> AuditLog {
        let pairs = [
            ("GITHUB_ACTOR", "mona"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "octo/app"),
            ("GITHUB_RUN_ID", "17"),
        ];
        let environment: Environment = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let facts = PolicyMetadata {
            class: Some("release-prep".to_owned()),
            version: Some("3".to_owned()),
            ..PolicyMetadata::default()
        };
        let token = Token::parse("github_pat_s3cr3t").unwrap();
        AuditLog::new(&Context::new(&environment, None, None), Some(&token), &facts)
    }

    fn recorded(event: Event, outcome: &mut Outcome) -> Option<Value> {
        let entry = AuditEntry::of(&event, outcome)?;
        outcome.apply(&event);
        let line = journal().line(entry, None, outcome, "id-1", "2026-11-25T08:00:00Z".parse().unwrap());
        assert!(!line.contains('\n') && !line.contains("s3cr3t"), "{line}");
        Some(serde_json::from_str(&line).unwrap())
    }

    #[test]
    fn record_line_is_a_cloud_event() {
        let mut outcome = outcome();
        let started = recorded(Event::Started(task("queued")), &mut outcome).unwrap();
        for (name, value) in [
            ("specversion", "1.0"),
            ("id", "id-1"),
            ("source", "https://github.com/octo/app/actions/runs/17"),
            ("type", "agent-task.started"),
            ("time", "2026-11-25T08:00:00Z"),
            ("subject", "octo/app/tasks/t-1"),
            ("datacontenttype", "application/json"),
        ] {
            assert_eq!(started[name], value, "{name}");
        }
        let data = &started["data"];
        assert_eq!(
            (&data["run"]["actor"], &data["policy"]["class"], &data["policy"]["promptVersion"]),
            (&json!("mona"), &json!("release-prep"), &json!("3"))
        );
        assert_eq!(
            (&data["task"]["creatorId"], &data["tokenKind"]),
            (&json!(7), &json!("fine-grained personal access token"))
        );
        outcome.apply(&Event::Saw(task("completed")));
        let settled = recorded(Event::Ended(WaitEnd::Settled), &mut outcome).unwrap();
        assert_eq!(
            (&settled["data"]["task"]["conclusion"], &settled["data"]["task"]["credits"]),
            (&json!("success"), &json!("1.5"))
        );
    }

    #[test]
    fn record_has_changes_only() {
        let mut outcome = outcome();
        recorded(Event::Started(task("queued")), &mut outcome);
        assert_eq!(recorded(Event::Saw(task("queued")), &mut outcome), None);
        assert_eq!(recorded(Event::StillWaiting, &mut outcome), None);
        let changed = recorded(Event::Saw(task("in_progress")), &mut outcome).unwrap();
        assert_eq!(
            (&changed["type"], &changed["data"]["from"], &changed["data"]["to"]),
            (&json!("agent-task.changed"), &json!("queued"), &json!("in_progress"))
        );
        let lost = recorded(Event::Failed(Error::Unreachable { why: "no route".to_owned() }), &mut outcome).unwrap();
        assert_eq!(lost["type"], "agent-task.gave-up");
        assert!(lost["data"]["reason"].as_str().unwrap().contains("no route"));
    }
}
