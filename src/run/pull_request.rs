//! Looking up the pull request of a task.

use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::pull_content::{ContentQuery, PullContent};
use crate::github::pull_request::PullRequest;
use crate::github::repository::Repository;
use crate::run::batch::Batcher;
use crate::task::pull_request::{NoPullRequest, PullRequestHints};

/// Reads pull requests with one token.
pub(crate) struct PullRequestReader<'a> {
    pub(super) client: &'a LimitedClient<'a>,
    pub(super) by_id: Batcher<String, Option<PullRequest>>,
    pub(super) contents: Batcher<(Repository, u64), Result<PullContent, Error>>,
    pub(super) by_branch: Batcher<(Repository, String), Option<Vec<PullRequest>>>,
}

impl PullRequestReader<'_> {
    /// The pull request by its id in the GraphQL API, else from the list of the branch's pull requests.
    pub(super) async fn pull(
        &self,
        repository: &Repository,
        hints: &PullRequestHints,
        together: bool,
    ) -> Result<PullRequest, NoPullRequest> {
        // Not waited out here: only the caller knows how much time there is.
        let is_held = || self.client.held().map_or(Ok(()), |limit| Err(NoPullRequest::Limited(limit)));
        is_held()?;
        let mut hidden = None;
        if !hints.node_ids.is_empty() {
            match self.nodes(&hints.node_ids, together).await {
                Ok(found) => {
                    if let Some(pull) = hints.best(&found) {
                        return Ok(pull.clone());
                    }
                }
                Err(error) => hidden = Some(error),
            }
            is_held()?;
        }
        if hints.head_ref.is_none() && !hints.promise_a_pull() {
            return Err(NoPullRequest::NotMade);
        }
        let listed = match self.branch(repository, hints.head_ref.as_deref(), together).await {
            Ok(listed) => listed,
            Err(error) => {
                let error = hidden.unwrap_or(error);
                return Err(match error {
                    Error::MissingPermission { .. } | Error::Denied { .. } | Error::BadToken { .. } => {
                        NoPullRequest::MayNotRead(error.to_string())
                    }
                    Error::RateLimited(limit) => NoPullRequest::Limited(limit),
                    error => NoPullRequest::Hidden(error.to_string()),
                });
            }
        };
        match hints.pick(&listed) {
            Some(pull) => Ok(pull.clone()),
            None if hints.promise_a_pull() => {
                Err(NoPullRequest::Hidden("no pull request that this token sees has the task's id".to_owned()))
            }
            None if listed.is_empty() => Err(NoPullRequest::NotMade),
            None => Err(NoPullRequest::Undecided(listed.len())),
        }
    }

    /// The contents of a pull request, read `together` with those of other tasks.
    pub(super) async fn content(
        &self,
        repository: &Repository,
        number: u64,
        query: ContentQuery,
        together: bool,
    ) -> Result<PullContent, Error> {
        let ask = async |pulls: &[_]| self.client.pull_contents(pulls, query).await;
        let asked = [(repository.clone(), number)];
        let found = if together { self.contents.ask(&asked, ask).await? } else { ask(&asked).await? };
        found.into_iter().next().unwrap_or_else(|| Err(Error::Malformed { why: "it is empty".to_owned() }))
    }

    /// The pull requests with these ids, asked for `together` with those of other tasks.
    async fn nodes(&self, ids: &[String], together: bool) -> Result<Vec<PullRequest>, Error> {
        let ask = async |ids: &[String]| self.client.pulls_by_node_ids(ids).await;
        let found = if together { self.by_id.ask(ids, ask).await? } else { ask(ids).await? };
        Ok(found.into_iter().flatten().collect())
    }

    /// The pull requests of a branch, likewise; of the repository where no branch is known.
    async fn branch(
        &self,
        repository: &Repository,
        branch: Option<&str>,
        together: bool,
    ) -> Result<Vec<PullRequest>, Error> {
        if let (Some(branch), true) = (branch, together) {
            let ask = async |branches: &[_]| self.client.pulls_by_branches(branches).await;
            let found = self.by_branch.ask(&[(repository.clone(), branch.to_owned())], ask).await?;
            if let Some(pulls) = found.into_iter().flatten().next() {
                return Ok(pulls);
            }
        }
        self.client.pulls(repository, branch).await
    }
}
