//! The checks of one repository: what they ask GitHub, and what the answers mean for a start.

use crate::actions::host::Host;
use crate::commands::doctor::ask;
use crate::commands::doctor::checks::{Check, Finding};
use crate::commands::doctor::custom_agent::{agent_files, check_custom_agent};
use crate::commands::doctor::settings::{check_actions, check_cloud_agent};
use crate::github::answers::{AgentConfiguration, RepositoryInfo, TaskPage};
use crate::github::client::PAGE_SIZE;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::pull_request::PullRequest;
use crate::github::repository::Repository;
use crate::github::task_list::{TaskFilter, TaskQuery};
use crate::policy::schema::CloudAgent;

/// The most bytes of a custom agent's file that are read; its prompt may have 30,000 characters,
/// <https://docs.github.com/en/copilot/reference/custom-agents-configuration>.
const MAX_AGENT_BYTES: usize = 256 * 1024;

/// The branch whose runs are listed to see whether that is allowed. There need not be one: then the list is empty.
const UNUSED_BRANCH: &str = "copilot";

/// What a start needs from a repository.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepSettings<'a> {
    /// The branch to start from.
    pub(super) base_ref: Option<&'a str>,
    /// The pull request's branch to commit to.
    pub(super) head_ref: Option<&'a str>,
    /// The custom agent.
    pub(super) custom_agent: Option<&'a str>,
    /// The models to request.
    pub(super) models: &'a [Option<String>],
    /// Whether the step looks up the number of a pull request.
    pub(super) needs_pull_request: bool,
    /// Whether the step waits for the checks of a pull request.
    pub(super) needs_checks: bool,
    /// Whether the step can stop tasks.
    pub(super) needs_stop: bool,
    /// How the cloud agent must be configured.
    pub(super) cloud_agent: &'a CloudAgent,
    /// The name of the policy that requires this.
    pub(super) policy: &'a str,
}

/// The checks of repositories, with what they need.
pub(super) struct RepositoryChecks<'a> {
    pub(super) settings: StepSettings<'a>,
    pub(super) host: &'a Host,
    /// Reads everything but pull requests.
    pub(super) tasks: &'a LimitedClient<'a>,
    /// Read pull requests, in the order in which they are asked.
    pub(super) pulls: &'a [&'a LimitedClient<'a>],
}

impl RepositoryChecks<'_> {
    /// All findings about a repository.
    pub(super) async fn run(&self, repository: &Repository) -> Vec<Finding> {
        let info = self.ask(async |client| client.repository(repository).await).await;
        let mut findings = vec![check_repository(repository, &info)];
        let Ok(info) = info else {
            return findings;
        };
        // Under an old name the branches of a former owner would be searched.
        let renamed = info.full_name.parse::<Repository>().ok();
        let repository = renamed.as_ref().unwrap_or(repository);
        let settings = &self.settings;

        let base = settings.base_ref.unwrap_or(&info.default_branch);
        let branch = self.ask(async |client| client.branch(repository, base).await).await;
        findings.push(check_base_ref(base, settings.base_ref, &branch));

        // Few pull requests come from a default branch, so the answer is short.
        let head = settings.head_ref.unwrap_or(&info.default_branch);
        let list = async |client: &LimitedClient<'_>| client.pulls(repository, Some(head)).await;
        let pulls = ask(self.pulls, list, self.host).await;
        findings.extend(check_pull_requests(settings, base, &pulls));

        let tasks = self
            .ask(async |client| client.task_page(TaskQuery::Repository(repository), TaskFilter::default(), 1).await)
            .await;
        findings.push(match tasks {
            // No request that only reads shows whether tasks may be started.
            Ok(TaskPage { left_out: Some(why), .. }) => Check::AgentTasks
                .warn(format!("the list is not complete, and a start that has to search it fails: {why}")),
            Ok(_) => Check::AgentTasks.pass("the token can read them"),
            Err(error) => Check::AgentTasks.refused(&error),
        });

        let configuration = self.ask(async |client| client.configuration(repository).await).await;
        if settings.needs_checks {
            let default = &info.default_branch;
            let may_read = async |client: &LimitedClient<'_>| {
                client.check_runs(repository, default).await?;
                client.commit_statuses(repository, default).await
            };
            findings.push(check_checks(&ask(self.pulls, may_read, self.host).await, &configuration));
        }

        if settings.needs_stop {
            let runs = async |client: &LimitedClient<'_>| client.dynamic_runs(repository, UNUSED_BRANCH).await;
            findings.push(check_stop(ask(self.pulls, runs, self.host).await));
        }

        if let Some(agent) = settings.custom_agent {
            let branch = if branch.is_ok() { base } else { &info.default_branch };
            let found = self.find_agent(repository, agent, branch).await;
            findings.push(check_custom_agent(settings, (agent, repository, branch), found.as_ref()));
        }

        findings.push(check_cloud_agent(settings, &configuration));

        let permissions = self.ask(async |client| client.actions(repository).await).await;
        let mut allows_github_actions = None;
        if permissions.as_ref().is_ok_and(|permissions| permissions.allowed.as_deref() == Some("selected")) {
            let selected = async |client: &LimitedClient<'_>| client.allows_githubs_actions(repository).await;
            allows_github_actions = self.ask(selected).await.ok();
        }
        findings.push(check_actions(&permissions, allows_github_actions));
        findings
    }

    async fn ask<T>(&self, question: impl AsyncFn(&LimitedClient<'_>) -> Result<T, Error>) -> Result<T, Error> {
        ask(&[self.tasks], question, self.host).await
    }

    /// The first file that the custom agent can be in, as its place and its text.
    async fn find_agent(
        &self,
        repository: &Repository,
        agent: &str,
        branch: &str,
    ) -> Option<Result<(String, String), Error>> {
        for (place, path) in agent_files(repository, agent) {
            let at = if place == *repository { branch } else { "HEAD" };
            let file = async |client: &LimitedClient<'_>| client.file(&place, &path, at, MAX_AGENT_BYTES).await;
            match self.ask(file).await {
                Err(Error::NotFound { .. }) => {}
                found => return Some(found.map(|text| (format!("{place}:{path}"), text))),
            }
        }
        None
    }
}

fn check_repository(repository: &Repository, info: &Result<RepositoryInfo, Error>) -> Finding {
    match info {
        Err(error) => Check::Repository.refused(error),
        Ok(info) if info.archived => Check::Repository.fail("archived; unarchive it, or leave it out"),
        Ok(info) if info.disabled => Check::Repository.fail("disabled by GitHub; contact GitHub Support"),
        Ok(RepositoryInfo { may_push: Some(false), .. }) => {
            Check::Repository.fail("the token's owner cannot push to it; give the owner write access")
        }
        Ok(info) if !info.full_name.eq_ignore_ascii_case(&repository.to_string()) => {
            Check::Repository.warn(format!("renamed to {}; use that name", info.full_name))
        }
        Ok(_) => Check::Repository.pass("the token reaches it"),
    }
}

fn check_base_ref(name: &str, base_ref: Option<&str>, branch: &Result<(), Error>) -> Finding {
    match branch {
        Ok(()) => Check::BaseRef.pass(format!("the branch `{name}` exists")),
        Err(Error::NotFound { .. }) if base_ref.is_some() => {
            Check::BaseRef.fail(format!("the branch `{name}` does not exist; correct `base-ref`, or create the branch"))
        }
        Err(Error::NotFound { .. }) => Check::BaseRef
            .fail(format!("the default branch `{name}` does not exist; an empty repository needs a first commit")),
        Err(error) => Check::BaseRef.unanswered(error),
    }
}

/// Whether pull requests can be read, and whether the one to work on exists. `base` is the branch to start from.
fn check_pull_requests(
    settings: &StepSettings<'_>,
    base: &str,
    pulls: &Result<Vec<PullRequest>, Error>,
) -> Vec<Finding> {
    let pulls = match pulls {
        Ok(pulls) => pulls,
        Err(error) => {
            let finding = match settings.needs_pull_request {
                _ if !error.is_refusal() => Check::PullRequests.unanswered(error),
                true => Check::PullRequests.fail(format!("numbers cannot be looked up: {error}")),
                false => Check::PullRequests.warn(format!("numbers cannot be looked up: {error}")),
            };
            let head = settings.head_ref.map(|_| Check::HeadRef.unanswered(error));
            return [finding].into_iter().chain(head).collect();
        }
    };
    let mut findings = vec![Check::PullRequests.pass("the token can read them")];
    findings.extend(settings.head_ref.map(|head| check_head_ref(head, base, pulls)));
    findings
}

/// Whether the checks of a pull request can be read and will run.
fn check_checks(may_read: &Result<(), Error>, configuration: &Result<AgentConfiguration, Error>) -> Finding {
    match (may_read, configuration) {
        (Err(error), _) if !error.is_refusal() => Check::Checks.unanswered(error),
        (Err(error), _) => Check::Checks.fail(format!("`expect` cannot read them: {error}")),
        (Ok(()), Ok(AgentConfiguration { workflow_approval: Some(true), .. })) => Check::Checks.warn(
            "workflows of the agent's pull requests wait for a person's approval, so each task ends as `action_required`; \
             change that under the repository's Settings > Copilot > Cloud agent, or remove `checks` from `expect`",
        ),
        (Ok(()), _) => Check::Checks.pass("the token can read them"),
    }
}

/// Whether a task can be stopped, as far as a request that only reads shows.
fn check_stop<T>(runs: Result<T, Error>) -> Finding {
    match runs {
        Ok(_) => Check::Stop.pass(
            "the token can read workflow runs; whether it may cancel them (\"Actions: write\") GitHub does not reveal",
        ),
        Err(error) if !error.is_refusal() => Check::Stop.unanswered(&error),
        Err(error) => Check::Stop.fail(format!("tasks cannot be stopped: {error}")),
    }
}

fn check_head_ref(head: &str, base: &str, pulls: &[PullRequest]) -> Finding {
    match pulls.iter().find(|pull| pull.open && pull.head_ref == head && pull.base_ref == base) {
        Some(pull) => Check::HeadRef.pass(format!("`{head}` has pull request {}", pull.number)),
        None if pulls.len() >= PAGE_SIZE => Check::HeadRef.unknown(format!(
            "the newest {PAGE_SIZE} pull requests of `{head}` were checked, and none is open onto `{base}`; look for an \
             older one"
        )),
        None => Check::HeadRef.fail(format!(
            "`{head}` has no open pull request onto `{base}`, and GitHub would create a new branch instead; open one, \
             or correct `head-ref` or `base-ref`"
        )),
    }
}
