//! The contents of a pull request: its files, commits, checks and reviews.

use std::time::Duration;

use serde::Deserialize;

use crate::seconds;

/// The contents of a pull request. Durations count from when its head commit was pushed.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PullContent {
    /// The files it changes.
    pub files: Vec<ChangedFile>,
    /// Its commits, oldest first. The last one is the head commit.
    pub commits: Vec<CommitContent>,
    /// The check suites of its head commit.
    pub suites: Vec<CheckSuite>,
    /// The commit statuses of its head commit.
    pub statuses: Vec<CommitStatus>,
    /// Its reviews.
    pub reviews: Vec<Review>,
    /// The logins whose review is requested; one with a slash is a team.
    pub requested_reviewers: Vec<String>,
    /// How many comments its reviews have.
    pub review_comments: u64,
    /// How many comments it has beside those.
    pub comments: u64,
    /// Whether it can be merged; unknown when absent.
    pub mergeable: Option<bool>,
    /// `mergeable_state`: `clean`, `blocked`, `unstable`, `dirty`, `behind`, `draft` or `unknown`.
    pub merge_state: String,
    /// Its description.
    pub body: String,
    /// Whether its branch is in a fork.
    pub from_fork: bool,
}

impl Default for PullContent {
    /// Four files, three commits of the agent and one review without a verdict, no checks.
    fn default() -> PullContent {
        PullContent {
            files: vec![
                ChangedFile::modified("src/lib.rs", 30, 5),
                ChangedFile::modified("src/parse.rs", 12, 2),
                ChangedFile::added("tests/parse.rs", 8),
                ChangedFile::added("docs/parse.md", 2),
            ],
            commits: vec![
                CommitContent::by_agent("Initial plan"),
                CommitContent::by_agent("Write it"),
                CommitContent::by_agent("Test it"),
            ],
            suites: Vec::new(),
            statuses: Vec::new(),
            reviews: vec![Review::new("mona", "COMMENTED", Duration::ZERO)],
            requested_reviewers: vec!["mona".to_owned()],
            review_comments: 2,
            comments: 1,
            mergeable: None,
            merge_state: "unknown".to_owned(),
            body: String::new(),
            from_fork: false,
        }
    }
}

impl PullContent {
    /// The same with these files.
    #[must_use]
    pub fn files(mut self, files: impl IntoIterator<Item = ChangedFile>) -> PullContent {
        self.files = files.into_iter().collect();
        self
    }

    /// The same with one more check run, in a suite of its own.
    #[must_use]
    pub fn check(mut self, run: CheckRun) -> PullContent {
        self.suites.push(CheckSuite { runs: vec![run], ..CheckSuite::default() });
        self
    }

    /// The same with one more suite.
    #[must_use]
    pub fn suite(mut self, suite: CheckSuite) -> PullContent {
        self.suites.push(suite);
        self
    }

    /// The same with one more commit status.
    #[must_use]
    pub fn status(mut self, status: CommitStatus) -> PullContent {
        self.statuses.push(status);
        self
    }

    pub(crate) fn additions(&self) -> u64 {
        self.files.iter().map(|file| file.additions).sum()
    }

    pub(crate) fn deletions(&self) -> u64 {
        self.files.iter().map(|file| file.deletions).sum()
    }

    /// The files that are listed: GitHub lists no more than 3,000,
    /// <https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files>.
    pub(crate) fn listed_files(&self) -> &[ChangedFile] {
        self.files.get(..3000).unwrap_or(&self.files)
    }
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its content differs.
    #[default]
    Modified,
    /// It has another path.
    Renamed,
    /// It is a copy of another file.
    Copied,
    /// Its mode differs.
    Changed,
}

impl FileStatus {
    /// The word that REST has for it.
    pub(crate) fn rest(self) -> &'static str {
        match self {
            FileStatus::Added => "added",
            FileStatus::Removed => "removed",
            FileStatus::Modified => "modified",
            FileStatus::Renamed => "renamed",
            FileStatus::Copied => "copied",
            FileStatus::Changed => "changed",
        }
    }

    /// The word that GraphQL has for it.
    pub(crate) fn graphql(self) -> &'static str {
        match self {
            FileStatus::Added => "ADDED",
            FileStatus::Removed => "DELETED",
            FileStatus::Modified => "MODIFIED",
            FileStatus::Renamed => "RENAMED",
            FileStatus::Copied => "COPIED",
            FileStatus::Changed => "CHANGED",
        }
    }
}

/// A file that a pull request changes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangedFile {
    /// Its path.
    pub path: String,
    /// What happened to it.
    pub status: FileStatus,
    /// Its path before, of a renamed or copied file. GraphQL does not show it.
    pub previous: Option<String>,
    /// Lines added.
    pub additions: u64,
    /// Lines deleted.
    pub deletions: u64,
}

impl ChangedFile {
    /// A new file.
    pub fn added(path: impl Into<String>, additions: u64) -> ChangedFile {
        ChangedFile { path: path.into(), status: FileStatus::Added, additions, ..ChangedFile::default() }
    }

    /// A changed file.
    pub fn modified(path: impl Into<String>, additions: u64, deletions: u64) -> ChangedFile {
        ChangedFile { path: path.into(), additions, deletions, ..ChangedFile::default() }
    }

    /// A deleted file.
    pub fn removed(path: impl Into<String>, deletions: u64) -> ChangedFile {
        ChangedFile { path: path.into(), status: FileStatus::Removed, deletions, ..ChangedFile::default() }
    }

    /// A renamed file.
    pub fn renamed(from: impl Into<String>, to: impl Into<String>) -> ChangedFile {
        let previous = Some(from.into());
        ChangedFile { path: to.into(), status: FileStatus::Renamed, previous, ..ChangedFile::default() }
    }
}

/// A commit of a pull request.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommitContent {
    /// The author's login.
    pub author: String,
    /// Whether the author is a bot.
    pub bot: bool,
    /// The message.
    pub message: String,
    /// How many parents it has; two for a merge.
    pub parents: u64,
    /// How long after the push it counts as committed.
    #[serde(with = "seconds")]
    pub after: Duration,
}

impl Default for CommitContent {
    fn default() -> CommitContent {
        CommitContent {
            author: "mona".to_owned(),
            bot: false,
            message: "Change it".to_owned(),
            parents: 1,
            after: Duration::ZERO,
        }
    }
}

impl CommitContent {
    /// A commit of the agent.
    pub fn by_agent(message: impl Into<String>) -> CommitContent {
        let author = "copilot-swe-agent[bot]".to_owned();
        CommitContent { author, bot: true, message: message.into(), ..CommitContent::default() }
    }
}

/// A check suite: the check runs of one app, or of one workflow of GitHub Actions.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckSuite {
    /// The app's slug.
    pub app: String,
    /// The workflow's name, in suites of GitHub Actions.
    pub workflow: Option<String>,
    /// Whether it needs an approval first.
    pub approval: Approval,
    /// Its check runs. Without any it stays queued, as suites of apps do that have nothing to say.
    pub runs: Vec<CheckRun>,
}

impl Default for CheckSuite {
    fn default() -> CheckSuite {
        CheckSuite {
            app: "github-actions".to_owned(),
            workflow: Some("CI".to_owned()),
            approval: Approval::NotNeeded,
            runs: Vec::new(),
        }
    }
}

impl CheckSuite {
    /// A workflow that waits for an approval that never comes. It is completed with `action_required`, and has no
    /// check runs.
    pub fn waits_for_approval(workflow: impl Into<String>) -> CheckSuite {
        CheckSuite { workflow: Some(workflow.into()), approval: Approval::Missing, ..CheckSuite::default() }
    }

    /// How long after the push its check runs begin; never, while it waits for approval.
    pub(crate) fn begins(&self) -> Option<Duration> {
        match self.approval {
            Approval::NotNeeded => Some(Duration::ZERO),
            Approval::After(span) => Some(span),
            Approval::Missing => None,
        }
    }
}

/// Whether a workflow needs an approval before it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// No.
    #[default]
    NotNeeded,
    /// Yes, and it never comes.
    Missing,
    /// Yes, and it comes so long after the push.
    After(#[serde(with = "seconds")] Duration),
}

/// A check run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckRun {
    /// Its name.
    pub name: String,
    /// How long it is queued.
    #[serde(with = "seconds")]
    pub starts: Duration,
    /// How long after the push, or after the approval, it ends; never when absent.
    #[serde(with = "seconds::optional")]
    pub ends: Option<Duration>,
    /// Its conclusion, in lower case: `success`, `failure`, `neutral`, `cancelled`, `skipped`, `timed_out` or
    /// `action_required`.
    pub conclusion: String,
    /// Whether a rule of the base branch requires it.
    pub required: bool,
}

impl CheckRun {
    /// A check run that ends like this, so long after the push.
    pub fn ending(name: impl Into<String>, conclusion: impl Into<String>, ends: Duration) -> CheckRun {
        CheckRun { name: name.into(), ends: Some(ends), conclusion: conclusion.into(), ..CheckRun::default() }
    }

    /// A check run that never ends.
    pub fn endless(name: impl Into<String>) -> CheckRun {
        CheckRun { name: name.into(), ..CheckRun::default() }
    }
}

/// A commit status, as older integrations report it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommitStatus {
    /// Its name.
    pub context: String,
    /// How long after the push it leaves `pending`; never when absent.
    #[serde(with = "seconds::optional")]
    pub ends: Option<Duration>,
    /// Its state then, in lower case: `success`, `failure` or `error`.
    pub state: String,
    /// Whether a rule of the base branch requires it.
    pub required: bool,
}

impl CommitStatus {
    /// A status that ends like this, so long after the push.
    pub fn ending(context: impl Into<String>, state: impl Into<String>, ends: Duration) -> CommitStatus {
        CommitStatus { context: context.into(), ends: Some(ends), state: state.into(), required: false }
    }
}

/// A review.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Review {
    /// The reviewer's login.
    pub author: String,
    /// Whether the reviewer is a bot.
    pub bot: bool,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED` or `DISMISSED`.
    pub state: String,
    /// How long after the push it was submitted.
    #[serde(with = "seconds")]
    pub after: Duration,
}

impl Review {
    /// A person's review.
    pub fn new(author: impl Into<String>, state: impl Into<String>, after: Duration) -> Review {
        Review { author: author.into(), bot: false, state: state.into(), after }
    }
}
