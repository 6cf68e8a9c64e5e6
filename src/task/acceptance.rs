//! Acceptance: whether a task's pull request is what was expected. [`Expect`] compares, and [`AcceptanceMachine`] takes
//! what each look at the pull request found and returns how long to sleep or how it ended. It has no clock and no network.

use std::time::Duration;

use serde::Deserialize;

use crate::actions::pattern::{FilePath, PatternList};
use crate::github::error::Error;
use crate::github::pull_content::{ChangedFile, CheckResult, CommitChecks, ContentQuery, PullContent};
use crate::task::conclusion::Conclusion;
use crate::task::time_span::TimeSpan;
use crate::task::wait::{MAX_REFUSALS, Pace};
use crate::text::{cut, harmless};

/// How long checks are waited for where `checks-timeout` is absent, from when the task has completed.
const CHECKS_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How long a head commit may have no check before it counts as one that has none. Workflows are queued within seconds
/// of a push.
const NO_CHECKS_YET: Duration = Duration::from_secs(120);
/// How many files or checks a message names.
const MAX_NAMED: usize = 10;
/// How much of a file's path or a check's name a message shows, in characters.
const MAX_NAME: usize = 120;

/// What the pull request of a task must be like. Absent is what is not expected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Expect {
    /// The most files that may change.
    pub max_changed_files: Option<u64>,
    /// The most lines that may be added and deleted, taken together.
    pub max_changed_lines: Option<u64>,
    /// The files that may change, as patterns such as `docs/**`. A renamed file counts with both of its paths.
    pub paths: Option<PatternList<FilePath>>,
    /// The files that may not change, as patterns. A renamed file counts with both of its paths.
    pub paths_ignore: Option<PatternList<FilePath>>,
    /// Patterns of which each must be that of a changed file. A deleted file does not count.
    pub required_files: Option<PatternList<FilePath>>,
    /// How all checks of the head commit must end. Neutral and skipped checks have ended well.
    pub checks: Option<ExpectedChecks>,
    /// How long to wait for the checks after the task has completed, such as `30m`, which is the default.
    pub checks_timeout: Option<TimeSpan>,
}

/// How checks must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedChecks {
    /// Well.
    Success,
}

impl Expect {
    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What has to be asked about the pull request.
    pub fn query(&self) -> ContentQuery {
        let files = self.paths.is_some() || self.paths_ignore.is_some() || self.required_files.is_some();
        ContentQuery { files, checks: self.checks.is_some() }
    }

    /// These expectations, and those of `above` for every key that is absent.
    #[must_use]
    pub fn over(self, above: Self) -> Self {
        let Self { max_changed_files, max_changed_lines, paths, paths_ignore, required_files, checks, checks_timeout } =
            self;
        Self {
            max_changed_files: max_changed_files.or(above.max_changed_files),
            max_changed_lines: max_changed_lines.or(above.max_changed_lines),
            paths: paths.or(above.paths),
            paths_ignore: paths_ignore.or(above.paths_ignore),
            required_files: required_files.or(above.required_files),
            checks: checks.or(above.checks),
            checks_timeout: checks_timeout.or(above.checks_timeout),
        }
    }

    /// Each key with its value, as a policy has them.
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let Self { max_changed_files, max_changed_lines, paths, paths_ignore, required_files, checks, checks_timeout } =
            self;
        let entries = [
            ("max-changed-files", max_changed_files.map(|it| it.to_string())),
            ("max-changed-lines", max_changed_lines.map(|it| it.to_string())),
            ("paths", paths.as_ref().map(ToString::to_string)),
            ("paths-ignore", paths_ignore.as_ref().map(ToString::to_string)),
            ("required-files", required_files.as_ref().map(ToString::to_string)),
            ("checks", checks.map(|ExpectedChecks::Success| "success".to_owned())),
            ("checks-timeout", checks_timeout.map(|it| it.to_string())),
        ];
        entries.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// Each expectation beside what was found.
    fn compare(&self, content: &PullContent) -> Vec<Comparison> {
        let compared = self.entries().into_iter().filter_map(|(key, value)| {
            let (found, fit) = match key {
                "max-changed-files" => most(content.changed_files, self.max_changed_files, "file"),
                "max-changed-lines" => most(content.changed_lines, self.max_changed_lines, "line"),
                "checks" => found_checks(content.checks.as_ref()?),
                "checks-timeout" => return None,
                key => match content.files.as_deref().unwrap_or_default() {
                    files if (files.len() as u64) < content.changed_files => {
                        let text = format!("only {} of {} files listed by GitHub", files.len(), content.changed_files);
                        (text, Fit::Broken)
                    }
                    files => self.found_files(key, files),
                },
            };
            Some(Comparison { expected: format!("{key}: {value}"), found, fit })
        });
        compared.collect()
    }

    fn found_files(&self, key: &str, files: &[ChangedFile]) -> (String, Fit) {
        let paths = |file: &ChangedFile| [Some(file.path.clone()), file.old_path.clone()].into_iter().flatten();
        let (offending, word): (Vec<_>, _) = match key {
            "paths" => {
                let is_outside = |path: &String| self.paths.as_ref().is_some_and(|list| !list.matches(path));
                (files.iter().flat_map(paths).filter(is_outside).collect(), "outside")
            }
            "paths-ignore" => {
                let is_touched = |path: &String| self.paths_ignore.as_ref().is_some_and(|list| list.matches(path));
                (files.iter().flat_map(paths).filter(is_touched).collect(), "among them")
            }
            _ => {
                let there = files.iter().filter(|file| !file.is_deleted).map(|file| file.path.as_str());
                let there = there.collect::<Vec<_>>();
                let list = self.required_files.as_ref();
                let missing = list.map(|list| list.unmatched(&there)).unwrap_or_default();
                (missing.into_iter().map(str::to_owned).collect(), "not changed")
            }
        };
        match offending.len() {
            0 if word == "not changed" => ("all changed".to_owned(), Fit::Met),
            0 => (format!("none {word}"), Fit::Met),
            count => (format!("{count} {word}: {}", named(offending.iter().map(String::as_str))), Fit::Broken),
        }
    }
}

/// How something that was found compares with what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// As expected.
    Met,
    /// Not known yet.
    Open,
    /// Not as expected.
    Broken,
}

/// An expectation beside what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The key with its value.
    pub expected: String,
    /// What was found instead.
    pub found: String,
    /// How they compare.
    pub fit: Fit,
}

/// The checks of a head commit in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksState {
    /// All have ended well.
    Success,
    /// One has failed.
    Failure,
    /// Some have not ended.
    Pending,
    /// Some wait for a person.
    ActionRequired,
    /// There are none.
    None,
}

impl ChecksState {
    fn of(checks: &CommitChecks) -> Self {
        let has = |result| checks.count(result) > 0;
        match () {
            () if has(CheckResult::Failure) => Self::Failure,
            () if has(CheckResult::ActionRequired) => Self::ActionRequired,
            () if has(CheckResult::Pending) => Self::Pending,
            () if has(CheckResult::Success) => Self::Success,
            () => Self::None,
        }
    }

    /// The word of the output `checks`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Pending => "pending",
            Self::ActionRequired => "action_required",
            Self::None => "none",
        }
    }
}

/// Whether a pull request is accepted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// The pull request as it was read last; absent where it could not be read.
    pub content: Option<PullContent>,
    /// Each expectation beside what was found.
    pub comparisons: Vec<Comparison>,
    /// Why the pull request could not be read.
    pub unread: Option<String>,
    /// The conclusion that follows for the task.
    pub conclusion: Conclusion,
}

impl Acceptance {
    /// The checks in one word, where they were asked for and could be read.
    pub fn checks(&self) -> Option<ChecksState> {
        self.content.as_ref()?.checks.as_ref()?.as_ref().ok().map(ChecksState::of)
    }

    /// Each expectation that is not met, in words.
    pub fn problems(&self) -> Vec<String> {
        let least = if self.conclusion == Conclusion::Failure { Fit::Broken } else { Fit::Open };
        let unmet = self.comparisons.iter().filter(|it| it.fit == least || it.fit == Fit::Broken);
        let unmet = unmet.map(|it| format!("expected `{}`, found {}", it.expected, it.found));
        unmet.chain(self.unread.clone()).collect()
    }

    /// Why it is not accepted; absent where it is.
    pub fn reason(&self) -> Option<String> {
        let lead = match self.conclusion {
            Conclusion::Success => return None,
            Conclusion::TimedOut => "`wait-timeout` passed before the pull request was accepted",
            _ => "the pull request is not accepted",
        };
        Some(format!("{lead}: {}", self.problems().join("; ")))
    }

    /// The page on which a person approves the checks, where that is known.
    pub fn approval_page(&self) -> Option<&str> {
        let checks = self.content.as_ref()?.checks.as_ref()?.as_ref().ok()?;
        let waiting = checks.listed.iter().filter(|check| check.result == CheckResult::ActionRequired);
        waiting.filter_map(|check| check.run.as_deref()).next()
    }
}

fn most(found: u64, most: Option<u64>, unit: &str) -> (String, Fit) {
    let fit = if most.is_none_or(|most| found <= most) { Fit::Met } else { Fit::Broken };
    (format!("{found} {unit}{}", if found == 1 { "" } else { "s" }), fit)
}

fn found_checks(checks: &Result<CommitChecks, Error>) -> (String, Fit) {
    let checks = match checks {
        Ok(checks) => checks,
        Err(error) => return (format!("what cannot be read: {error}"), Fit::Open),
    };
    let all = checks.counts.iter().map(|(_, count)| count).sum::<u64>();
    let (result, word, fit) = match ChecksState::of(checks) {
        ChecksState::None => return ("no checks".to_owned(), Fit::Open),
        ChecksState::Success => return (format!("{all} ended well"), Fit::Met),
        ChecksState::Failure => (CheckResult::Failure, "failed", Fit::Broken),
        ChecksState::Pending => (CheckResult::Pending, "still running", Fit::Open),
        ChecksState::ActionRequired => (CheckResult::ActionRequired, "waiting for approval", Fit::Open),
    };
    let names = checks.listed.iter().filter(|check| check.result == result).map(|check| check.name.as_str());
    (format!("{} of {all} {word}: {}", checks.count(result), named(names)), fit)
}

/// The first of these names, as code.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names = names.map(|name| format!("`{}`", harmless(&cut(name, MAX_NAME))));
    let mut shown = names.by_ref().take(MAX_NAMED).collect::<Vec<_>>().join(", ");
    let more = names.count();
    if more > 0 {
        shown += &format!(" and {more} more");
    }
    shown
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptanceStep {
    /// Sleep so long for this reason, then look again.
    Sleep(Duration, String),
    /// It has ended.
    Ended(Box<Acceptance>),
}

/// The wait for what decides about one pull request.
#[derive(Debug)]
pub struct AcceptanceMachine<'a> {
    expect: &'a Expect,
    timeout: Duration,
    pace: Pace,
    refusals: u32,
    /// The pull request as it was read last.
    content: Option<PullContent>,
    /// When the head commit was seen first.
    head_since: Duration,
}

impl<'a> AcceptanceMachine<'a> {
    /// A wait of at most `timeout`, which is what is left of `wait-timeout`.
    pub fn new(expect: &'a Expect, timeout: Duration, pace: Pace) -> Self {
        Self { expect, timeout, pace, refusals: 0, content: None, head_since: Duration::ZERO }
    }

    /// The files of a head commit that was read before, so that they are not read again.
    pub fn known_files(&self, head_sha: &str) -> Option<Vec<ChangedFile>> {
        self.content.as_ref().filter(|content| content.head_sha == head_sha)?.files.clone()
    }

    /// What follows from a look. `elapsed` is the time since the task completed.
    pub fn observe(&mut self, elapsed: Duration, look: Result<PullContent, Error>) -> AcceptanceStep {
        let left = self.timeout.saturating_sub(elapsed);
        let pause = self.pace.pause();
        let failed = match look {
            Ok(content) => {
                if self.content.as_ref().is_none_or(|before| before.head_sha != content.head_sha) {
                    self.head_since = elapsed;
                }
                let failed = content.checks.as_ref().and_then(|checks| checks.as_ref().err().cloned());
                self.content = Some(content);
                failed
            }
            Err(error) => Some(error),
        };
        let comparisons = self.content.as_ref().map(|content| self.expect.compare(content)).unwrap_or_default();
        if let Some(error) = failed {
            return self.failed(error, comparisons, pause, left);
        }
        self.refusals = 0;
        if comparisons.iter().any(|it| it.fit == Fit::Broken) {
            return self.ended(Conclusion::Failure, comparisons, None);
        }
        let checks = self.content.as_ref().and_then(|content| content.checks.as_ref()?.as_ref().ok());
        let timeout = self.expect.checks_timeout.map_or(CHECKS_TIMEOUT, |TimeSpan(timeout)| timeout);
        let until = match checks.map(ChecksState::of) {
            Some(ChecksState::Pending) => timeout.saturating_sub(elapsed),
            Some(ChecksState::None) => (self.head_since + NO_CHECKS_YET).min(timeout).saturating_sub(elapsed),
            Some(ChecksState::ActionRequired) => return self.ended(Conclusion::ActionRequired, comparisons, None),
            Some(ChecksState::Success | ChecksState::Failure) | None => {
                return self.ended(Conclusion::Success, comparisons, None);
            }
        };
        match (until, left) {
            (Duration::ZERO, _) => {
                let broken = |it: Comparison| match it.fit {
                    Fit::Open => Comparison { fit: Fit::Broken, ..it },
                    _ => it,
                };
                self.ended(Conclusion::Failure, comparisons.into_iter().map(broken).collect(), None)
            }
            (_, Duration::ZERO) => self.ended(Conclusion::TimedOut, comparisons, None),
            _ => {
                let open = comparisons.iter().find(|it| it.fit == Fit::Open);
                let found = open.map(|it| it.found.clone()).unwrap_or_default();
                AcceptanceStep::Sleep(pause.min(until).min(left), found)
            }
        }
    }

    /// What follows from a look without an answer.
    fn failed(
        &mut self,
        error: Error,
        comparisons: Vec<Comparison>,
        pause: Duration,
        left: Duration,
    ) -> AcceptanceStep {
        self.refusals += u32::from(!error.may_pass());
        let wait = match &error {
            Error::RateLimited(limit) => limit.wait,
            error => error.retry_after().unwrap_or_default(),
        };
        let is_refused = self.refusals >= MAX_REFUSALS;
        if !is_refused && !left.is_zero() && wait <= left {
            return AcceptanceStep::Sleep(pause.max(wait).min(left), error.to_string());
        }
        let conclusion = if is_refused { Conclusion::Failure } else { Conclusion::TimedOut };
        self.ended(conclusion, comparisons, Some(error.to_string()))
    }

    fn ended(
        &mut self,
        conclusion: Conclusion,
        comparisons: Vec<Comparison>,
        unread: Option<String>,
    ) -> AcceptanceStep {
        // Some hundred files of a thousand pull requests would be kept for nothing.
        let content = self.content.take().map(|content| PullContent { files: None, ..content });
        AcceptanceStep::Ended(Box::new(Acceptance { content, comparisons, unread, conclusion }))
    }
}

#[cfg(test)]
mod tests {
    use crate::github::error::RateLimit;
    use crate::github::pull_content::NamedCheck;
    use crate::yaml::{compose, de};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn expect(text: &str) -> Expect {
        de::read_as(compose::parse(text).unwrap().0).0.unwrap()
    }

    fn content(head_sha: &str, results: &[CheckResult]) -> PullContent {
        let named = |result: &CheckResult| NamedCheck { name: "build".to_owned(), result: *result, run: None };
        let checks = CommitChecks {
            counts: results.iter().map(|result| (*result, 1)).collect(),
            listed: results.iter().map(named).collect(),
        };
        let file = ChangedFile { path: "src/a.rs".to_owned(), old_path: None, is_deleted: false };
        PullContent {
            head_sha: head_sha.to_owned(),
            changed_files: 1,
            changed_lines: 9,
            files: Some(vec![file]),
            checks: Some(Ok(checks)),
        }
    }

    fn machine(expect: &Expect) -> AcceptanceMachine<'_> {
        AcceptanceMachine::new(expect, 3600 * SECOND, Pace::new(15 * SECOND, 7))
    }

    /// The conclusion of a step that has ended.
    fn conclusion(step: &AcceptanceStep) -> Option<Conclusion> {
        match step {
            AcceptanceStep::Sleep(..) => None,
            AcceptanceStep::Ended(acceptance) => Some(acceptance.conclusion),
        }
    }

    #[test]
    fn acceptance_needs_all_expectations() {
        for (text, fits) in [
            ("max-changed-files: 1", true),
            ("max-changed-files: 0", false),
            ("max-changed-lines: 9", true),
            ("max-changed-lines: 8", false),
            ("paths: src/**", true),
            ("paths: docs/**", false),
            ("paths-ignore: src/*", false),
            ("required-files: [src/**, docs/**]", false),
            ("max-changed-files: 1\npaths: docs/**", false),
        ] {
            let expect = expect(text);
            let step = machine(&expect).observe(SECOND, Ok(PullContent { checks: None, ..content("a", &[]) }));
            let expected = if fits { Conclusion::Success } else { Conclusion::Failure };
            assert_eq!(conclusion(&step), Some(expected), "{text}");
        }
    }

    #[test]
    fn acceptance_waits_for_checks_until_a_timeout() {
        let expect = expect("checks: success\nchecks-timeout: 10m");
        let mut machine = machine(&expect);
        let pending = || Ok(content("a", &[CheckResult::Success, CheckResult::Pending]));
        assert_eq!(conclusion(&machine.observe(SECOND, pending())), None);
        assert_eq!(conclusion(&machine.observe(599 * SECOND, pending())), None);
        assert_eq!(conclusion(&machine.observe(600 * SECOND, pending())), Some(Conclusion::Failure));
        let mut short = AcceptanceMachine::new(&expect, 60 * SECOND, Pace::new(15 * SECOND, 7));
        assert_eq!(conclusion(&short.observe(59 * SECOND, pending())), None);
        assert_eq!(conclusion(&short.observe(60 * SECOND, pending())), Some(Conclusion::TimedOut));
    }

    #[test]
    fn acceptance_gives_each_head_commit_two_minutes_for_a_check() {
        let expect = expect("checks: success");
        let mut machine = machine(&expect);
        assert_eq!(conclusion(&machine.observe(SECOND, Ok(content("a", &[])))), None);
        assert_eq!(conclusion(&machine.observe(100 * SECOND, Ok(content("b", &[])))), None);
        assert_eq!(conclusion(&machine.observe(219 * SECOND, Ok(content("b", &[])))), None);
        assert_eq!(conclusion(&machine.observe(220 * SECOND, Ok(content("b", &[])))), Some(Conclusion::Failure));
    }

    #[test]
    fn acceptance_survives_failed_reads_and_ends_at_the_second_refusal() {
        let expect = expect("checks: success");
        let mut machine = machine(&expect);
        let limit = |seconds: u32| Error::RateLimited(RateLimit { wait: seconds * SECOND, primary: true });
        let refusal = || Error::Unfit { why: "no".to_owned() };
        assert!(
            matches!(machine.observe(SECOND, Err(limit(300))), AcceptanceStep::Sleep(pause, _) if pause == 300 * SECOND)
        );
        assert_eq!(conclusion(&machine.observe(301 * SECOND, Err(refusal()))), None);
        let denied = PullContent { checks: Some(Err(refusal())), ..content("a", &[]) };
        let step = machine.observe(305 * SECOND, Ok(denied));
        assert_eq!(conclusion(&step), Some(Conclusion::Failure));
        let step = self::machine(&expect).observe(3500 * SECOND, Err(limit(300)));
        assert_eq!(conclusion(&step), Some(Conclusion::TimedOut));
    }
}
