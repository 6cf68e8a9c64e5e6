//! The agent task endpoints.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::clock::Moment;
use crate::page::Page;
use crate::request::Request;
use crate::schema;
use crate::task::{Depth, Task, Visibility};
use crate::token::Token;
use crate::world::{NewTask, World, key, owner_id, owner_of, split_mix};

const STATES: [&str; 8] =
    ["queued", "in_progress", "completed", "failed", "idle", "waiting_for_user", "timed_out", "cancelled"];

/// What a list is asked for.
struct Filter {
    states: Vec<String>,
    archived: bool,
    since: Option<i64>,
    creators: Vec<u64>,
    by_creation: bool,
    ascending: bool,
}

impl World {
    /// Starts a task.
    pub(crate) fn start(&mut self, now: Moment, repository: &str, token: &Token, request: &Request) -> Answer {
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            self.report_unexpected(format!("POST {}: the body is not JSON", request.path));
            return Answer::error(400, "Problems parsing JSON");
        };
        let violations = schema::violations(&body);
        if !violations.is_empty() {
            self.report_unexpected(format!("POST {}: {}", request.path, violations.join("; ")));
            return Answer::invalid(&violations);
        }
        for field in schema::unknown_fields(&body) {
            self.report_unexpected(format!("POST {}: `{field}` is not a documented field", request.path));
        }

        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let Some(spec) = self.repositories.get(&key(repository)).map(|record| &record.spec) else {
            return Answer::not_found();
        };
        if text("prompt").is_none_or(|prompt| prompt.trim().is_empty()) {
            return Answer::invalid(&["prompt must not be empty".to_owned()]);
        }
        if let Some(base) = text("base_ref")
            && !spec.has_branch(base)
        {
            return Answer::invalid(&[format!("base_ref `{base}` does not exist")]);
        }
        if let (Some(model), Some(allowed)) = (text("model"), &spec.models)
            && !allowed.iter().any(|name| name == model)
        {
            return Answer::invalid(&[format!("model `{model}` is not available")]);
        }

        let script = self.next_script(repository);
        let repository = repository.to_owned();
        let index = self.create(NewTask {
            repository,
            creator: Some(token.id),
            creator_type: self.settings.creator_type.clone(),
            visibility: Visibility::Listed,
            body,
            created: now,
            script,
        });
        self.starts += 1;
        // What the script sets for the very first moment has happened before a client can ask.
        self.advance(now);
        match self.tasks.get(index) {
            Some(task) => Answer::json(201, &self.show(task, Depth::Stub, now, &request.base)),
            None => Answer::not_found(),
        }
    }

    /// One task; in a repository, if one is given.
    pub(crate) fn task(
        &self,
        now: Moment,
        repository: Option<&str>,
        token: &Token,
        id: &str,
        request: &Request,
    ) -> Answer {
        let found = self.tasks.iter().find(|task| {
            task.id == id
                && repository.is_none_or(|name| task.repository == key(name))
                && token.can_see(&task.repository)
                && task.is_readable_for(token.id)
                && task.shows_in_detail(&self.settings) <= now
        });
        match found {
            Some(task) => Answer::json(200, &self.show(task, Depth::Detail, now, &request.base)),
            None => Answer::not_found(),
        }
    }

    /// The tasks of a repository, or of the token's owner.
    pub(crate) fn list(&mut self, now: Moment, repository: Option<&str>, token: &Token, request: &Request) -> Answer {
        let filter = match filter(request) {
            Ok(filter) => filter,
            Err(why) => {
                self.report_unexpected(format!("GET {}: {why}", request.path));
                return Answer::invalid(&[why]);
            }
        };
        let here: Vec<&Task> = self
            .tasks
            .iter()
            .filter(|task| match repository {
                Some(name) => task.repository == key(name),
                None => {
                    task.creator == Some(token.id)
                        && token.can_see(&task.repository)
                        && !token.lacks_sso(owner_of(&task.repository))
                }
            })
            .filter(|task| task.is_listed_for(token.id) && task.shows_in_lists(&self.settings) <= now)
            .collect();
        let archived = here.iter().filter(|task| task.archived.is_some()).count();
        let active = here.len() - archived;

        let mut wanted: Vec<&Task> = here.into_iter().filter(|task| self.matches(task, &filter)).collect();
        wanted.sort_by_key(|task| (if filter.by_creation { task.created } else { task.updated }, task.ordinal));
        if !filter.ascending {
            wanted.reverse();
        }

        if self.settings.unordered_lists {
            wanted.sort_by_key(|task| split_mix(task.ordinal as u64));
        }

        let total = wanted.len();
        let page = Page::of(request);
        let tasks: Vec<Value> =
            page.cut(wanted).into_iter().map(|task| self.show(task, Depth::Summary, now, &request.base)).collect();
        let body = if self.settings.missing_counts {
            json!({"tasks": tasks})
        } else {
            json!({"tasks": tasks, "total_active_count": active, "total_archived_count": archived})
        };
        let lost: &[&str] = if self.settings.link_loses_filters { &["is_archived", "state"] } else { &[] };
        let mut answer = Answer::json(200, &body);
        if repository.is_none() {
            answer = self.partial_results(token, answer);
        }
        match page.links(request, total, lost) {
            Some(links) => answer.header("link", links),
            None => answer,
        }
    }

    /// Says which organizations the token's missing single sign-on leaves out, if it does.
    pub(crate) fn partial_results(&self, token: &Token, answer: Answer) -> Answer {
        let ids: Vec<String> = token.without_sso.iter().map(|name| owner_id(name).to_string()).collect();
        if ids.is_empty() {
            return answer;
        }
        answer.header("x-github-sso", format!("partial-results; organizations={}", ids.join(",")))
    }

    fn matches(&self, task: &Task, filter: &Filter) -> bool {
        filter.archived == task.archived.is_some()
            && (filter.states.is_empty() || filter.states.contains(&task.state))
            && (filter.creators.is_empty() || task.creator.is_some_and(|id| filter.creators.contains(&id)))
            && filter.since.is_none_or(|since| self.clock.epoch(task.updated) >= since)
    }
}

fn filter(request: &Request) -> Result<Filter, String> {
    let mut filter = Filter {
        states: Vec::new(),
        archived: false,
        since: None,
        creators: Vec::new(),
        by_creation: false,
        ascending: false,
    };
    for (name, value) in &request.query {
        let wrong = || format!("`{value}` is not a value of {name}");
        match name.as_str() {
            "state" => {
                for state in value.split(',').map(str::trim).filter(|state| !state.is_empty()) {
                    if !STATES.contains(&state) {
                        return Err(wrong());
                    }
                    filter.states.push(state.to_owned());
                }
            }
            "is_archived" => filter.archived = value.parse().map_err(|_| wrong())?,
            "since" => {
                let since: jiff::Timestamp = value.parse().map_err(|_| wrong())?;
                filter.since = Some(since.as_second());
            }
            "creator_id" | "creator_id[]" => {
                for id in value.split(',') {
                    filter.creators.push(id.trim().parse().map_err(|_| wrong())?);
                }
            }
            "sort" => match value.as_str() {
                "created_at" => filter.by_creation = true,
                "updated_at" => filter.by_creation = false,
                _ => return Err(wrong()),
            },
            "direction" => match value.as_str() {
                "asc" => filter.ascending = true,
                "desc" => filter.ascending = false,
                _ => return Err(wrong()),
            },
            _ => {}
        }
    }
    Ok(filter)
}
