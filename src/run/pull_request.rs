//! Finding the pull request of a task.

use crate::github::error::Error;
use crate::github::limited::Door;
use crate::github::pull_request::Pull;
use crate::github::repository::Repository;
use crate::run::batch::Together;
use crate::task::pull_request::{Clues, NoPull};

/// Somebody who reads pull requests.
pub(crate) struct Reader<'a> {
    pub(super) door: &'a Door,
    pub(super) by_id: Together<String, Option<Pull>>,
    pub(super) by_branch: Together<(Repository, String), Option<Vec<Pull>>>,
}

impl Reader<'_> {
    /// The pull request by its id in the GraphQL API, else in the list of the branch's pull requests.
    pub(super) async fn pull(&self, repository: &Repository, clues: &Clues, together: bool) -> Result<Pull, NoPull> {
        let mut hidden = None;
        if !clues.node_ids.is_empty() {
            match self.nodes(&clues.node_ids, together).await {
                Ok(found) => {
                    if let Some(pull) = clues.best(&found) {
                        return Ok(pull.clone());
                    }
                }
                Err(error) => hidden = Some(error),
            }
        }
        if clues.head_ref.is_none() && !clues.promise_a_pull() {
            return Err(NoPull::NotMade);
        }
        let listed = match self.branch(repository, clues.head_ref.as_deref(), together).await {
            Ok(listed) => listed,
            Err(error) => {
                let error = hidden.unwrap_or(error);
                let why = error.to_string();
                return Err(match error {
                    Error::MissingPermission { .. } | Error::BadToken { .. } => NoPull::MayNotRead(why),
                    _ => NoPull::Hidden(why),
                });
            }
        };
        match clues.pick(&listed) {
            Some(pull) => Ok(pull.clone()),
            None if clues.promise_a_pull() => {
                Err(NoPull::Hidden("no pull request that this token sees has the task's id".to_owned()))
            }
            None if listed.is_empty() => Err(NoPull::NotMade),
            None => Err(NoPull::Undecided(listed.len())),
        }
    }

    /// The pull requests with these ids, asked for `together` with those that others ask for at the same time.
    async fn nodes(&self, ids: &[String], together: bool) -> Result<Vec<Pull>, Error> {
        let ask = async |ids: &[String]| self.door.read(self.door.github().pulls_by_node_ids(ids)).await;
        let found = if together { self.by_id.ask(ids, ask).await? } else { ask(ids).await? };
        Ok(found.into_iter().flatten().collect())
    }

    /// The pull requests of a branch, likewise; of the repository where no branch is known.
    async fn branch(&self, repository: &Repository, branch: Option<&str>, together: bool) -> Result<Vec<Pull>, Error> {
        if let (Some(branch), true) = (branch, together) {
            let ask = async |branches: &[_]| self.door.read(self.door.github().pulls_by_branches(branches)).await;
            let found = self.by_branch.ask(&[(repository.clone(), branch.to_owned())], ask).await?;
            if let Some(pulls) = found.into_iter().flatten().next() {
                return Ok(pulls);
            }
        }
        self.door.read(self.door.github().pulls(repository, branch)).await
    }
}
