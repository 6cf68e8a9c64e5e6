//! `command: stop`: stops tasks that were started earlier, those that are named or those of a class that run for too long.

use std::time::Duration;

use crate::actions::context::Environment;
use crate::actions::host::Host;
use crate::commands::resolve_targets::resolve_targets;
use crate::commands::start::{carry_out, nothing_to_do, refused, show};
use crate::commands::{load_context, record_in, warn};
use crate::github::answers::TaskAnswer;
use crate::github::client::Connect;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::repository::Repository;
use crate::github::retry;
use crate::github::task::{TaskId, UNSETTLED};
use crate::github::task_list::TaskQuery;
use crate::inputs::problem::{LoadError, Problem};
use crate::inputs::request::{Inputs, Request, StopRequest, WaitTarget};
use crate::inputs::targets::distinct_repositories;
use crate::join::join_all;
use crate::plan::{Action, PlanContext, PlanError, PlannedTask, plan};
use crate::report::ending::Ending;
use crate::run::clients::Clients;
use crate::task::stop::{Selection, select};
use crate::text::{counted, repositories, spelled};

/// Stops the tasks that the inputs ask for.
pub async fn run(environment: &Environment, host: &Host, mut inputs: Inputs, connect: &Connect<'_>) -> Ending {
    let clients = match Clients::connect(host, &inputs, connect) {
        Ok(clients) => clients,
        Err(error) => return Ending::github_error(&error),
    };
    let context = load_context(environment, host, &inputs);
    if !inputs.refusals.is_empty() {
        return refused(host, &inputs, &context, Vec::new(), &inputs.refusals);
    }
    if let Err(problem) = record_in(host, &inputs) {
        return Ending::bad_input(&[problem]);
    }
    let found = match find(host, &inputs, clients.as_ref()).await {
        Ok(found) => found,
        Err(error) => return Ending::load_error(&error),
    };
    let mut unlisted = Vec::new();
    if let Some(found) = found {
        unlisted = found.unlisted;
        inputs.request = Request::Stop(StopRequest::Tasks(found.tasks));
    }
    let given =
        PlanContext { context: &context, template: None, targets: Vec::new(), follow_up: None, now: host.now() };
    let mut plan = match plan(&inputs, given) {
        Ok(plan) => plan,
        Err(PlanError::BadInput(problems)) => return Ending::bad_input(&problems),
        Err(PlanError::Refused(refusals)) => return refused(host, &inputs, &context, Vec::new(), &refusals),
    };
    let of_error = |(repository, error)| PlannedTask { repository, entry: None, action: Action::NotListed(error) };
    plan.tasks.extend(unlisted.into_iter().map(of_error));
    if plan.tasks.is_empty() {
        return nothing_to_do(host, "Nothing stopped", "there is no task to stop");
    }
    plan.waves = std::iter::once(0..plan.tasks.len()).collect();
    show(host, &inputs, &plan);
    carry_out(host, &inputs, &plan, &context, clients.as_ref()).await
}

/// What a sweep found.
struct Found {
    tasks: Vec<WaitTarget>,
    /// The repositories whose tasks could not be listed.
    unlisted: Vec<(Repository, Error)>,
}

/// Finds the tasks of a class that run for too long; `None` if the tasks are named.
async fn find(host: &Host, inputs: &Inputs, clients: Option<&Clients<'_>>) -> Result<Option<Found>, LoadError> {
    let Request::Stop(StopRequest::Sweep { class, longest, .. }) = &inputs.request else {
        return Ok(None);
    };
    let Some(client) = clients.map(|clients| &clients.tasks) else {
        return Err(vec![Problem::new("token", "is missing, and tasks are listed even in a dry run")].into());
    };
    let targets = distinct_repositories(resolve_targets(host, inputs, clients).await?);
    let user = async |client: &&LimitedClient<'_>| client.user().await.map(|user| user.id);
    let user = retry::ask(&[client], user, host.pausing("listing the tasks")).await.map_err(LoadError::GitHub)?;
    let lists = join_all(targets.iter().map(async |repository| {
        let overdue = async |client: &&LimitedClient<'_>| overdue(client, repository, user, class, *longest).await;
        (repository.clone(), retry::ask(&[client], overdue, host.pausing("listing the tasks")).await)
    }));
    let mut found = Found { tasks: Vec::new(), unlisted: Vec::new() };
    let mut warnings = Vec::new();
    for (repository, list) in lists.await {
        match list {
            Ok(Overdue { ids, unknown, error }) => {
                let task = |task_id| WaitTarget { repository: repository.clone(), name: None, task_id };
                found.tasks.extend(ids.into_iter().map(task));
                if unknown > 0 {
                    warnings.push(format!(
                        "{repository}: {} left alone that may be of the class, because GitHub does not show the prompt, the \
                         creator or the age. Stop by task ID if necessary",
                        counted(unknown, "task")
                    ));
                }
                found.unlisted.extend(error.map(|error| (repository, error)));
            }
            Err(error) => found.unlisted.push((repository, error)),
        }
    }
    warn(host, &warnings);
    host.log(&format!(
        "tasks of the class `{class}` that run for longer than {}: {} in {}",
        spelled(*longest),
        found.tasks.len(),
        repositories(targets.len())
    ));
    Ok(Some(found))
}

/// The tasks of a class in one repository that run for too long.
#[derive(Default)]
struct Overdue {
    ids: Vec<TaskId>,
    /// How many tasks may be among them, because something about them is hidden.
    unknown: usize,
    /// Why there may be more.
    error: Option<Error>,
}

async fn overdue(
    client: &LimitedClient<'_>,
    repository: &Repository,
    user: u64,
    class: &str,
    longest: Duration,
) -> Result<Overdue, Error> {
    let mut found = Overdue::default();
    for archived in [false, true] {
        let mut pages = client.tasks(TaskQuery::Repository(repository), Some(UNSETTLED), archived);
        loop {
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error @ Error::Incomplete { .. }) => {
                    found.error = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            };
            for task in &page.tasks {
                // A list has no prompts; the task itself is read only if nothing else decides.
                if select(task, task.age(), user, class, longest) == Selection::Spared {
                    continue;
                }
                let selection = match client.task(repository, &task.id, None).await {
                    Ok(TaskAnswer::Seen(task, _)) => select(&task, task.age(), user, class, longest),
                    Ok(TaskAnswer::Unchanged) | Err(Error::NotFound { .. }) => Selection::Unknown,
                    Err(error) => return Err(error),
                };
                match selection {
                    Selection::Selected => found.ids.push(task.id.clone()),
                    Selection::Unknown => found.unknown += 1,
                    Selection::Spared => {}
                }
            }
        }
    }
    Ok(found)
}
