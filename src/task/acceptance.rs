//! Acceptance: whether a task's pull request is what was expected. [`Expect`] compares, and [`AcceptanceMachine`] takes
//! what each poll of the pull request found and returns how long to sleep or how it ended. It has no clock and no network.

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
    /// The pull request as it was read last; absent if it could not be read.
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

    /// Why it is not accepted; absent if it is.
    pub fn reason(&self) -> Option<String> {
        let lead = match self.conclusion {
            Conclusion::Success => return None,
            Conclusion::TimedOut => "`wait-timeout` passed before the pull request was accepted",
            _ => "the pull request is not accepted",
        };
        Some(format!("{lead}: {}", self.problems().join("; ")))
    }

    /// The page on which a person approves the checks, if that is known.
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
    /// Sleep so long for this reason, then poll again.
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

    /// What follows from a poll. `elapsed` is the time since the task completed.
    pub fn observe(&mut self, elapsed: Duration, answer: Result<PullContent, Error>) -> AcceptanceStep {
        let left = self.timeout.saturating_sub(elapsed);
        let pause = self.pace.pause();
        let failed = match answer {
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

    /// What follows from a poll without an answer.
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

    /// The end after one poll that finds this.
    #[track_caller]
    fn ended(text: &str, content: PullContent) -> Acceptance {
        let expect = expect(text);
        match machine(&expect).observe(SECOND, Ok(content)) {
            AcceptanceStep::Ended(acceptance) => *acceptance,
            step => panic!("{step:?}"),
        }
    }

    fn file(path: &str) -> ChangedFile {
        ChangedFile { path: path.to_owned(), old_path: None, is_deleted: false }
    }

    fn changing(files: Vec<ChangedFile>) -> PullContent {
        PullContent { changed_files: files.len() as u64, files: Some(files), checks: None, ..content("a", &[]) }
    }

    #[test]
    fn acceptance_names_what_is_not_as_expected() {
        let many = |count: usize| (0..count).map(|at| file(&format!("f{at}"))).collect::<Vec<_>>();
        let ten = "`f0`, `f1`, `f2`, `f3`, `f4`, `f5`, `f6`, `f7`, `f8`, `f9`";
        for (text, content, found) in [
            ("max-changed-files: 0", changing(vec![file("a")]), "1 file"),
            ("max-changed-lines: 8", changing(vec![file("a")]), "9 lines"),
            ("paths: docs/**", changing(vec![file("src/a.rs")]), "1 outside: `src/a.rs`"),
            ("paths-ignore: src/**", changing(vec![file("src/a.rs")]), "1 among them: `src/a.rs`"),
            ("required-files: docs/**", changing(vec![file("src/a.rs")]), "1 not changed: `docs/**`"),
            (
                "required-files: src/**",
                changing(vec![ChangedFile { is_deleted: true, ..file("src/a.rs") }]),
                "1 not changed: `src/**`",
            ),
            (
                "paths: src/**",
                changing(vec![ChangedFile { old_path: Some("docs/a".to_owned()), ..file("src/a.rs") }]),
                "1 outside: `docs/a`",
            ),
            (
                "paths: src/**",
                PullContent { changed_files: 2, ..changing(vec![file("src/a.rs")]) },
                "only 1 of 2 files listed by GitHub",
            ),
            ("paths: src/**", changing(many(10)), &format!("10 outside: {ten}")),
            ("paths: src/**", changing(many(12)), &format!("12 outside: {ten} and 2 more")),
        ] {
            let acceptance = ended(text, content);
            assert_eq!(acceptance.conclusion, Conclusion::Failure);
            assert_eq!(acceptance.problems(), [format!("expected `{text}`, found {found}")]);
            let reason = format!("the pull request is not accepted: expected `{text}`, found {found}");
            assert_eq!(acceptance.reason(), Some(reason));
        }
    }

    #[test]
    fn acceptance_says_what_it_found() {
        let text = "max-changed-files: 1\npaths: src/**\npaths-ignore: docs/**\nrequired-files: src/**";
        let acceptance = ended(text, changing(vec![file("src/a.rs")]));
        let found = acceptance.comparisons.iter().map(|it| it.found.as_str()).collect::<Vec<_>>();
        assert_eq!(found, ["1 file", "none outside", "none among them", "all changed"]);
        assert_eq!((acceptance.problems().len(), acceptance.reason(), acceptance.checks()), (0, None, None));
    }

    #[test]
    fn checks_are_one_word_worst_first() {
        use CheckResult::{ActionRequired, Failure, Pending, Success};
        for (results, word, conclusion, found) in [
            (&[Success, Success][..], "success", Some(Conclusion::Success), "2 ended well"),
            (&[Success, Pending], "pending", None, "1 of 2 still running: `build`"),
            (&[Pending, Failure], "failure", Some(Conclusion::Failure), "1 of 2 failed: `build`"),
            (&[ActionRequired, Failure], "failure", Some(Conclusion::Failure), "1 of 2 failed: `build`"),
            (
                &[Pending, ActionRequired],
                "action_required",
                Some(Conclusion::ActionRequired),
                "1 of 2 waiting for approval: `build`",
            ),
            (&[], "none", None, "no checks"),
        ] {
            let expect = expect("checks: success");
            let content = content("a", results);
            let checks = content.checks.clone().and_then(Result::ok).unwrap();
            assert_eq!(ChecksState::of(&checks).as_str(), word);
            match machine(&expect).observe(SECOND, Ok(content)) {
                AcceptanceStep::Sleep(_, why) => assert_eq!((None, why.as_str()), (conclusion, found)),
                AcceptanceStep::Ended(it) => {
                    assert_eq!((Some(it.conclusion), it.comparisons[0].found.as_str()), (conclusion, found));
                    assert_eq!(it.checks().map(ChecksState::as_str), Some(word));
                }
            }
        }
    }

    #[test]
    fn acceptance_links_the_run_that_waits_for_approval() {
        let mut content =
            content("a", &[CheckResult::Success, CheckResult::ActionRequired, CheckResult::ActionRequired]);
        let checks = content.checks.as_mut().unwrap().as_mut().unwrap();
        for (at, check) in checks.listed.iter_mut().enumerate() {
            check.run = (at != 1).then(|| format!("run {at}"));
        }
        let acceptance = ended("checks: success", content);
        assert_eq!(acceptance.approval_page(), Some("run 2"));
        assert_eq!(
            acceptance.problems(),
            ["expected `checks: success`, found 2 of 3 waiting for approval: `build`, `build`"]
        );
    }

    #[test]
    fn acceptance_that_ran_out_of_time_says_so() {
        let expect = expect("checks: success\nmax-changed-files: 1");
        let mut machine = AcceptanceMachine::new(&expect, 60 * SECOND, Pace::new(15 * SECOND, 7));
        let AcceptanceStep::Ended(it) = machine.observe(60 * SECOND, Ok(content("a", &[CheckResult::Pending]))) else {
            panic!("the time is up");
        };
        assert_eq!(
            it.reason().unwrap(),
            "`wait-timeout` passed before the pull request was accepted: expected `checks: success`, found 1 of 1 still \
             running: `build`"
        );
    }

    #[test]
    fn files_of_a_known_head_are_not_read_again() {
        let expect = expect("checks: success\npaths: src/**");
        let mut machine = machine(&expect);
        machine.observe(SECOND, Ok(content("a", &[CheckResult::Pending])));
        assert_eq!(machine.known_files("a"), Some(vec![file("src/a.rs")]));
        assert_eq!(machine.known_files("b"), None);
    }

    #[test]
    fn expectations_ask_only_for_what_they_need() {
        for (text, files, checks) in [
            ("max-changed-files: 1", false, false),
            ("paths: a", true, false),
            ("paths-ignore: a", true, false),
            ("required-files: a", true, false),
            ("checks: success", false, true),
        ] {
            assert_eq!(expect(text).query(), ContentQuery { files, checks }, "{text}");
            assert!(!expect(text).is_empty());
        }
        assert!(Expect::default().is_empty());
        let joined = expect("max-changed-files: 1").over(expect("max-changed-files: 2\npaths: a\nchecks: success"));
        let entries = joined.entries();
        let entries = entries.iter().map(|(key, value)| (*key, value.as_str())).collect::<Vec<_>>();
        assert_eq!(entries, [("max-changed-files", "1"), ("paths", "a"), ("checks", "success")]);
    }
}
