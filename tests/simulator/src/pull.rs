//! A pull request.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Moment;
use crate::pull_content::PullContent;
use crate::repos::sha;

/// A pull request as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullView {
    /// `owner/name`.
    pub repository: String,
    /// The number people know it by.
    pub number: u64,
    /// The database id, which is what a task's artifact carries.
    pub id: u64,
    /// The GraphQL node id.
    pub node_id: String,
    /// Its own branch.
    pub head: String,
    /// The id of its head commit.
    pub head_sha: String,
    /// The branch it wants to go to.
    pub base: String,
    /// Whether it is open.
    pub open: bool,
    /// Whether it was merged.
    pub merged: bool,
    /// Whether it is a draft.
    pub draft: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Pull {
    /// Counts the pull requests of a simulator; the ids of their checks go by it.
    pub(crate) ordinal: u64,
    /// The repository's key.
    pub(crate) repository: String,
    pub(crate) number: u64,
    pub(crate) id: u64,
    pub(crate) node_id: String,
    pub(crate) title: String,
    pub(crate) author: String,
    pub(crate) head: String,
    pub(crate) base: String,
    pub(crate) draft: bool,
    pub(crate) opened: Moment,
    pub(crate) updated: Moment,
    pub(crate) closed: Option<Moment>,
    pub(crate) merged: Option<Moment>,
    /// When it stopped being a draft.
    pub(crate) ready: Option<Moment>,
    /// When its head commit was pushed.
    pub(crate) pushed: Moment,
    /// How often its head commit was replaced.
    pub(crate) pushes: u64,
    pub(crate) content: PullContent,
}

impl Pull {
    /// The id of its head commit. Until something is pushed, it is the branch's.
    pub(crate) fn head_sha(&self) -> String {
        if self.pushes == 0 { sha(&self.head) } else { sha(&format!("{}#{}", self.head, self.pushes)) }
    }

    /// Gives it another head commit.
    pub(crate) fn push(&mut self, content: PullContent, at: Moment) {
        self.content = content;
        self.pushes += 1;
        self.pushed = at;
        self.updated = at;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    pub(crate) fn merge(&mut self, at: Moment) {
        if self.is_open() {
            self.merged = Some(at);
            self.close(at);
        }
    }

    pub(crate) fn close(&mut self, at: Moment) {
        if self.is_open() {
            self.closed = Some(at);
            self.updated = at;
        }
    }

    pub(crate) fn reopen(&mut self, at: Moment) {
        if self.merged.is_none() {
            self.closed = None;
            self.updated = at;
        }
    }

    /// The word that GraphQL has for its state.
    pub(crate) fn graphql_state(&self) -> &'static str {
        match (self.merged, self.closed) {
            (Some(_), _) => "MERGED",
            (None, Some(_)) => "CLOSED",
            (None, None) => "OPEN",
        }
    }
}

/// A node id of the form that GitHub makes today: a short type, then a MessagePack array of a zero,
/// the repository's id and the object's own, in URL-safe base 64.
pub(crate) fn node_id(kind: &str, repository: u64, id: u64) -> String {
    let mut bytes = vec![0x93, 0];
    for number in [repository, id] {
        match u32::try_from(number) {
            Ok(small) => {
                bytes.push(0xce);
                bytes.extend(small.to_be_bytes());
            }
            Err(_) => {
                bytes.push(0xcf);
                bytes.extend(number.to_be_bytes());
            }
        }
    }
    format!("{kind}_{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::node_id;

    #[test]
    fn node_ids_have_githubs_form() {
        assert_eq!(node_id("PR", 1_308_504_542, 4_164_924_791), "PR_kwDOTf4x3s74P7V3");
    }
}
