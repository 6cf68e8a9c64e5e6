//! A finding of the doctor: what an answer of GitHub, or the lack of one, means for a start, and what to do about it.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::github::answers::{ActionsPermissions, AgentConfiguration, AuthenticatedUser, RepositoryInfo};
use crate::github::error::Error;
use crate::github::pull_request::PullRequest;
use crate::github::repository::Repository;
use crate::github::token::{Token, TokenKind};
use crate::inputs::problem::Problem;
use crate::policy::schema::CloudAgent;
use crate::task::conclusion::Conclusion;
use crate::task::outcome::{Outcome, Reason};
use crate::text;
use crate::yaml::compose;
use crate::yaml::compose::Kind;

/// How long before its end a token is warned of: a weekly run sees it twice.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// The scope that a token with scopes needs, <https://docs.github.com/en/rest/agent-tasks/agent-tasks>.
const SCOPE: &str = "repo";

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// A start fails, or does something else than is asked for.
    Fail,
    /// A start works today, and may not work for long or not as somebody thinks.
    Warn,
    /// Nobody can say: GitHub does not tell it to this token.
    Open,
    /// A start finds it in order.
    Pass,
}

impl Status {
    /// A sign for people.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Fail => "❌",
            Self::Warn => "⚠️",
            Self::Open => "❔",
            Self::Pass => "✅",
        }
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Whether the inputs can be read.
    Inputs,
    /// Whether the policy can be read.
    Policy,
    /// Whether a prompt can be made.
    Prompt,
    /// Whether the policy and the gate let the step start something.
    Start,
    /// Whether the token is of a kind that may start tasks.
    Token,
    /// Whom the token belongs to.
    Login,
    /// When the token ends.
    Expiry,
    /// What a token with scopes may do.
    Scopes,
    /// Whether the token reaches the repository, and its owner may write there.
    Repository,
    /// Whether there is the branch to start from.
    BaseRef,
    /// Whether there is the pull request to work on.
    HeadRef,
    /// Whether the token may see agent tasks, its owner has a licence, and the agent is enabled.
    AgentTasks,
    /// Whether pull requests may be read.
    PullRequests,
    /// Whether there is the custom agent.
    CustomAgent,
    /// Whether the cloud agent is set up as the policy has it.
    CloudAgent,
    /// Whether GitHub Actions is enabled, which the cloud agent runs on.
    Actions,
}

impl Check {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 16] = [
        Self::Inputs,
        Self::Policy,
        Self::Prompt,
        Self::Start,
        Self::Token,
        Self::Login,
        Self::Expiry,
        Self::Scopes,
        Self::Repository,
        Self::BaseRef,
        Self::HeadRef,
        Self::AgentTasks,
        Self::PullRequests,
        Self::CustomAgent,
        Self::CloudAgent,
        Self::Actions,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Policy => "policy",
            Self::Prompt => "prompt",
            Self::Start => "start",
            Self::Token => "token",
            Self::Login => "login",
            Self::Expiry => "expiry",
            Self::Scopes => "scopes",
            Self::Repository => "repository",
            Self::BaseRef => "base-ref",
            Self::HeadRef => "head-ref",
            Self::AgentTasks => "agent-tasks",
            Self::PullRequests => "pull-requests",
            Self::CustomAgent => "custom-agent",
            Self::CloudAgent => "cloud-agent",
            Self::Actions => "actions",
        }
    }

    /// Finds a fault.
    pub fn fail(self, says: impl Into<String>) -> Finding {
        self.finds(Status::Fail, says.into())
    }

    /// Finds something to be warned of.
    pub fn warn(self, says: impl Into<String>) -> Finding {
        self.finds(Status::Warn, says.into())
    }

    /// Finds that nobody can say.
    pub fn leave_open(self, says: impl Into<String>) -> Finding {
        self.finds(Status::Open, says.into())
    }

    /// Finds all in order.
    pub fn pass(self, says: impl Into<String>) -> Finding {
        self.finds(Status::Pass, says.into())
    }

    fn finds(self, verdict: Status, says: String) -> Finding {
        Finding { check: self, verdict, says }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// How it stands.
    pub verdict: Status,
    /// What was found and, unless all is well, what to do.
    pub says: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check.as_str(), self.says)
    }
}

/// What is wrong with an input, or with the policy that it names.
pub fn problem(problem: &Problem) -> Finding {
    let check = if problem.is_about("policy") { Check::Policy } else { Check::Inputs };
    check.fail(problem.to_string())
}

/// Whether a token is one that may start tasks, by its prefix alone.
pub fn token(token: Option<&Token>) -> Finding {
    let Some(kind) = token.map(Token::kind) else {
        let why = "`token` is missing or empty, so GitHub is not asked anything. Give the secret with the token that \
                   starts the tasks; runs for pull requests from forks get no secrets";
        return Check::Token.fail(why);
    };
    match kind.unfit_for_tasks() {
        Some(why) => Check::Token.fail(format!("`token` {why}")),
        None => Check::Token.pass(format!("`token` is a {kind}")),
    }
}

/// What GitHub says of a token and of whom it belongs to.
pub fn holder(holder: &Result<AuthenticatedUser, Error>, kind: TokenKind, now: Timestamp) -> Vec<Finding> {
    let holder = match holder {
        Ok(holder) => holder,
        Err(error) => return vec![Check::Login.fail(error.to_string())],
    };
    let mut findings = vec![Check::Login.pass(format!("the token belongs to {}", holder.login))];
    findings.push(expiry(holder.expires.as_deref(), kind, now));
    match &holder.scopes {
        Some(scopes) if scopes.iter().any(|scope| scope == SCOPE) => {
            findings.push(Check::Scopes.pass(format!("the token has the scope `{SCOPE}`")));
        }
        Some(scopes) => {
            let has = scopes.iter().filter(|scope| !scope.is_empty()).map(|scope| format!("`{scope}`"));
            let has = has.collect::<Vec<_>>().join(", ");
            let has = if has.is_empty() { "none".to_owned() } else { has };
            let why = format!("the token lacks the scope `{SCOPE}` (it has {has}); add it on the token's page");
            findings.push(Check::Scopes.fail(why));
        }
        // Tokens with permissions have no scopes, and GitHub tells nobody which permissions they have.
        None => {}
    }
    findings
}

/// When a token ends.
fn expiry(told: Option<&str>, kind: TokenKind, now: Timestamp) -> Finding {
    match told.map(|told| (told, moment(told))) {
        Some((told, None)) => Check::Expiry.leave_open(format!("GitHub says of the token's end `{told}`")),
        Some((told, Some(end))) => {
            let left = end.duration_since(now);
            let days = left.as_hours() / 24;
            match left {
                left if left <= SignedDuration::ZERO => {
                    Check::Expiry.fail(format!("the token has ended on {told}; make a new one and store it"))
                }
                left if left.unsigned_abs() < SOON => Check::Expiry.warn(format!(
                    "the token ends on {told}, in {days} days; renew it and store it in the same secret"
                )),
                _ => Check::Expiry.pass(format!("the token ends on {told}, in {days} days")),
            }
        }
        None if kind == TokenKind::AppUser => {
            let why = "GitHub names no end of the token. A GitHub App's user token ends after 8 hours unless the app has \
                       opted out of that, so do not store it as a secret otherwise";
            Check::Expiry.warn(why)
        }
        None => Check::Expiry.pass("GitHub names no end of the token"),
    }
}

/// A time as GitHub spells the end of a token: `2026-12-31 08:00:00 UTC`, or with an offset such as `+0200`.
fn moment(text: &str) -> Option<Timestamp> {
    let (time, zone) = text.rsplit_once(' ')?;
    format!("{time}{}", if zone == "UTC" { "Z" } else { zone }).parse().ok()
}

/// What a start asks of a repository.
#[derive(Debug, Clone, Copy)]
pub struct StepSettings<'a> {
    /// The branch to start from.
    pub base_ref: Option<&'a str>,
    /// The pull request's branch to commit to.
    pub head_ref: Option<&'a str>,
    /// The custom agent.
    pub custom_agent: Option<&'a str>,
    /// The models to ask for.
    pub models: &'a [Option<String>],
    /// Whether somebody wants to know a pull request's number.
    pub pull_request: bool,
    /// How the policy has the cloud agent set up.
    pub cloud_agent: &'a CloudAgent,
    /// Which policy that is.
    pub policy: &'a str,
}

/// Whether a start finds the repository.
pub fn home(repository: &Repository, home: &Result<RepositoryInfo, Error>) -> Finding {
    match home {
        Err(error) => Check::Repository.fail(error.to_string()),
        Ok(home) if home.archived => Check::Repository.fail("it is archived; unarchive it, or leave it out"),
        Ok(home) if home.disabled => Check::Repository.fail("GitHub has disabled it; ask GitHub's support"),
        Ok(RepositoryInfo { may_push: Some(false), .. }) => {
            Check::Repository.fail("the token's owner may not push to it; give them write access")
        }
        Ok(home) if !home.full_name.eq_ignore_ascii_case(&repository.to_string()) => {
            Check::Repository.warn(format!("it is called {} by now; write that name", home.full_name))
        }
        Ok(_) => Check::Repository.pass("it is there"),
    }
}

/// Whether there is the branch to start from.
pub fn base_ref(name: &str, wanted: Option<&str>, branch: &Result<(), Error>) -> Finding {
    match branch {
        Ok(()) => Check::BaseRef.pass(format!("there is a branch `{name}`")),
        Err(Error::NotFound { .. }) if wanted.is_some() => {
            Check::BaseRef.fail(format!("there is no branch `{name}`; correct `base-ref`, or make the branch"))
        }
        Err(Error::NotFound { .. }) => {
            let why = format!("there is no branch `{name}`, its default one; an empty repository needs a first commit");
            Check::BaseRef.fail(why)
        }
        Err(error) => unseen(Check::BaseRef, error),
    }
}

/// Whether pull requests may be read, and whether there is the one to work on. `base` is the branch to start from.
pub fn pulls(wanted: &StepSettings<'_>, base: &str, pulls: &Result<Vec<PullRequest>, Error>) -> Vec<Finding> {
    let pulls = match pulls {
        Ok(pulls) => pulls,
        Err(error) => {
            let verdict = if wanted.pull_request { Status::Fail } else { Status::Warn };
            let says = format!("the number of a pull request cannot be looked up. {error}");
            return vec![Check::PullRequests.finds(verdict, says)];
        }
    };
    let mut findings = vec![Check::PullRequests.pass("they may be read")];
    if let Some(head) = wanted.head_ref {
        let fits = |pull: &&PullRequest| pull.open && pull.head_ref == head && pull.base_ref == base;
        findings.push(match pulls.iter().find(fits) {
            Some(pull) => Check::HeadRef.pass(format!("`{head}` has pull request {}", pull.number)),
            None => {
                let why = format!(
                    "`{head}` has no open pull request onto `{base}`, and GitHub would make a new branch in its place; \
                     open one, or correct `head-ref` or `base-ref`"
                );
                Check::HeadRef.fail(why)
            }
        });
    }
    findings
}

/// Whether agent tasks may be seen. Nothing that only reads tells whether they may be started.
pub fn tasks(tasks: Result<(), &Error>) -> Finding {
    match tasks {
        Ok(()) => Check::AgentTasks.pass("they may be read"),
        Err(error) => Check::AgentTasks.fail(error.to_string()),
    }
}

/// The places in which a custom agent can be, the nearest first: of the repository itself, then of its owner,
/// <https://docs.github.com/en/copilot/how-tos/use-copilot-agents/cloud-agent/create-custom-agents>.
pub fn agent_places(repository: &Repository, agent: &str) -> Vec<(Repository, String)> {
    let shared = format!("{}/.github-private", repository.owner()).parse::<Repository>().ok();
    let homes = [(Some(repository.clone()), ".github/agents"), (shared, "agents")];
    let homes = homes.into_iter().filter_map(|(home, folder)| Some((home?, folder)));
    let named = |(home, folder): (Repository, &str)| {
        [".agent.md", ".md"].map(|extension| (home.clone(), format!("{folder}/{agent}{extension}")))
    };
    homes.flat_map(named).collect()
}

/// Whether there is the custom agent. `found` is the file of the first place that has one, with that place.
pub fn custom_agent(
    wanted: &StepSettings<'_>,
    agent: &str,
    base: &str,
    found: Option<&Result<(String, String), Error>>,
) -> Finding {
    match found {
        Some(Ok((place, text))) => profile(wanted, place, text),
        Some(Err(error)) => unseen(Check::CustomAgent, error),
        None => Check::CustomAgent.fail(format!(
            "there is no `.github/agents/{agent}.agent.md` on `{base}`, and no `agents/{agent}.agent.md` in the \
                 owner's `.github-private` that this token could see; GitHub would go on without the agent. Correct \
                 `custom-agent`, or add the file"
        )),
    }
}

/// Whether the cloud agent takes a custom agent's file,
/// <https://docs.github.com/en/copilot/reference/custom-agents-configuration>.
fn profile(wanted: &StepSettings<'_>, place: &str, text: &str) -> Finding {
    let finding = |verdict, says: &str| Check::CustomAgent.finds(verdict, format!("`{place}` {says}"));
    let text = text.replace("\r\n", "\n");
    let head = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---"));
    let Some((head, _)) = head else {
        return finding(Status::Warn, "does not begin with properties between two lines of `---`; add them");
    };
    let properties = match compose::parse(head) {
        Ok((properties, _)) => properties,
        Err(fault) => {
            let why = format!("has properties that are no YAML, in line {}: {}", fault.place.line + 1, fault.why);
            return finding(Status::Fail, &why);
        }
    };
    let property = |name: &str| match &properties.kind {
        Kind::Mapping(entries) => {
            entries.iter().find(|(key, _)| key.name == name).and_then(|(_, value)| match &value.kind {
                Kind::Scalar(Value::String(text)) => Some(text.as_str()),
                _ => None,
            })
        }
        _ => None,
    };
    let models = wanted.models.iter().flatten();
    let other = property("model").filter(|model| models.clone().any(|asked| !asked.eq_ignore_ascii_case(model)));
    match (property("target"), other) {
        (Some("vscode"), _) => finding(
            Status::Fail,
            "has `target: vscode`, and so is not there for the cloud agent; write `github-copilot`, or leave it out",
        ),
        // <https://github.com/github/copilot-cli/issues/2695>
        (_, Some(model)) => finding(
            Status::Warn,
            &format!(
                "has `model: {model}`, and another one in `model` was seen to end the session; name one of them alone"
            ),
        ),
        _ if property("description").is_none() => {
            finding(Status::Warn, "has no `description`, which GitHub requires; add one")
        }
        _ => finding(Status::Pass, "is there"),
    }
}

/// Whether the cloud agent is set up as the policy has it.
pub fn cloud_agent(wanted: &StepSettings<'_>, told: &Result<AgentConfiguration, Error>) -> Finding {
    let CloudAgent { firewall, recommended_allowlist, workflow_approval, tools } = wanted.cloud_agent;
    let tools = tools.iter().flat_map(|tools| &tools.0);
    let policy = wanted.policy;
    let told = match told {
        Ok(told) => told,
        Err(error) => {
            let any = firewall.or(*recommended_allowlist).or(*workflow_approval).is_some() || tools.count() > 0;
            return match any {
                true => Check::CloudAgent.fail(format!("its settings cannot be held against {policy}. {error}")),
                false => unseen(Check::CloudAgent, error),
            };
        }
    };
    let mut wrong = Vec::new();
    for (name, wanted, told) in [
        ("firewall", firewall, told.firewall),
        ("recommended-allowlist", recommended_allowlist, told.recommended_allowlist),
        ("workflow-approval", workflow_approval, told.workflow_approval),
    ] {
        if let Some(wanted) = wanted.filter(|wanted| told != Some(*wanted)) {
            let told = told.map_or_else(|| "not told".to_owned(), |told| told.to_string());
            wrong.push(format!("`{name}` is {told}, not {wanted}"));
        }
    }
    for tool in tools {
        match told.tools.iter().find(|(name, _)| name == tool.as_str()) {
            Some((_, true)) => {}
            Some((_, false)) => wrong.push(format!("the tool `{tool}` is off")),
            None => {
                let known = told.tools.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
                wrong.push(format!("there is no tool `{tool}`{}", text::nearest(tool.as_str(), &known)));
            }
        }
    }
    if wrong.is_empty() {
        let say = |on: Option<bool>| on.map_or("not told", |on| if on { "on" } else { "off" });
        let on = told.tools.iter().filter(|(_, on)| *on).map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        let says = format!(
            "firewall {}, recommended allowlist {}, workflow approval {}; tools: {}",
            say(told.firewall),
            say(told.recommended_allowlist),
            say(told.workflow_approval),
            if on.is_empty() { "none".to_owned() } else { on.join(", ") }
        );
        return Check::CloudAgent.pass(says);
    }
    let says = format!(
        "the settings are not what {policy} has under `cloud-agent`: {}. Change them under the repository's Settings > \
         Copilot > Cloud agent, or change the policy",
        wrong.join("; ")
    );
    Check::CloudAgent.fail(says)
}

/// Whether GitHub Actions is enabled. `githubs_own` says whether GitHub's own actions may be used, where only selected
/// ones may.
pub fn actions(told: &Result<ActionsPermissions, Error>, githubs_own: Option<bool>) -> Finding {
    let told = match told {
        Ok(told) => told,
        Err(error) => return unseen(Check::Actions, error),
    };
    let allowed = told.allowed.as_deref().unwrap_or_default();
    if !told.enabled {
        let why = "GitHub Actions is disabled, and the cloud agent works on it; enable it under the repository's \
                   Settings > Actions > General";
        return Check::Actions.fail(why);
    }
    // <https://github.com/github/copilot-cli/issues/2364>
    if allowed == "local_only" || githubs_own == Some(false) {
        let why = "GitHub's own actions are not allowed, and tasks were seen to stay in progress for good where the \
                   cloud agent could not use them; allow them under the repository's Settings > Actions > General";
        return Check::Actions.warn(why);
    }
    Check::Actions.pass("GitHub Actions is enabled")
}

/// What is not known because GitHub did not tell it.
fn unseen(check: Check, error: &Error) -> Finding {
    check.leave_open(format!("this could not be looked at. {error}"))
}

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DoctorReport {
    /// What is about the step as a whole.
    pub step: Vec<Finding>,
    /// What is about each repository.
    pub repositories: Vec<(Repository, Vec<Finding>)>,
}

impl DoctorReport {
    /// All findings, each with the repository that it is about.
    pub fn all(&self) -> impl Iterator<Item = (Option<&Repository>, &Finding)> {
        let of_step = self.step.iter().map(|finding| (None, finding));
        of_step.chain(self.repositories.iter().flat_map(|(name, all)| all.iter().map(move |it| (Some(name), it))))
    }

    /// How many findings stand so.
    pub fn count(&self, verdict: Status) -> usize {
        self.all().filter(|(_, finding)| finding.verdict == verdict).count()
    }

    /// How many faults and warnings there are, for people.
    pub fn title(&self) -> String {
        let count = |verdict, one: &str| match self.count(verdict) {
            1 => format!("1 {one}"),
            count => format!("{count} {one}s"),
        };
        match (self.count(Status::Fail), self.count(Status::Warn)) {
            (0, 0) => "Nothing found that keeps a task from starting".to_owned(),
            (0, _) => count(Status::Warn, "warning"),
            (_, 0) => count(Status::Fail, "fault"),
            _ => format!("{}, {}", count(Status::Fail, "fault"), count(Status::Warn, "warning")),
        }
    }

    /// The findings that stand so, a line each.
    pub fn lines(&self, verdict: Status) -> Vec<String> {
        let these = self.all().filter(|(_, finding)| finding.verdict == verdict);
        let line = |(repository, finding): (Option<&Repository>, &Finding)| {
            let whose = repository.map_or_else(String::new, |repository| format!("{repository}: "));
            format!("{whose}{finding}")
        };
        these.map(line).collect()
    }

    /// How it ended for each repository: a fault of the step is one of every repository.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let faults = |findings: &[Finding]| {
            let faults = findings.iter().filter(|finding| finding.verdict == Status::Fail);
            faults.map(ToString::to_string).collect::<Vec<_>>()
        };
        let of_step = faults(&self.step);
        let outcome = |(repository, findings): &(Repository, Vec<Finding>)| {
            let faults = of_step.iter().cloned().chain(faults(findings)).collect::<Vec<_>>();
            let mut outcome = Outcome::new(repository.clone());
            outcome.conclusion = Some(if faults.is_empty() { Conclusion::Success } else { Conclusion::Failure });
            outcome.reason = Some(faults.join("; ")).filter(|faults| !faults.is_empty()).map(Reason::Findings);
            outcome
        };
        self.repositories.iter().map(outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_warned_of_before_its_end() {
        let now = "2026-11-20T08:00:00Z".parse().unwrap();
        let found = |told: &str| expiry(Some(told), TokenKind::FineGrained, now);
        for (told, verdict, part) in [
            ("2026-11-20 08:00:00 UTC", Status::Fail, "has ended"),
            ("2026-11-20 09:59:59 +0200", Status::Fail, "has ended"),
            ("2026-11-20 10:00:01 +0200", Status::Warn, "in 0 days"),
            ("2026-12-04 07:59:59 UTC", Status::Warn, "in 13 days; renew it"),
            ("2026-12-04 08:00:00 UTC", Status::Pass, "in 14 days"),
            ("2027-11-20 08:00:00 -0500", Status::Pass, "in 365 days"),
            ("tomorrow", Status::Open, "`tomorrow`"),
            ("", Status::Open, "``"),
        ] {
            let finding = found(told);
            assert_eq!(finding.verdict, verdict, "{told}: {finding}");
            assert!(finding.says.contains(part), "{told}: {finding}");
        }
        assert_eq!(expiry(None, TokenKind::Classic, now).verdict, Status::Pass);
        assert_eq!(expiry(None, TokenKind::AppUser, now).verdict, Status::Warn);
    }

    #[test]
    fn a_profile_is_read_as_github_reads_it() {
        let settings = CloudAgent::default();
        let models = [Some("gpt-5.4".to_owned())];
        let wanted = StepSettings {
            base_ref: None,
            head_ref: None,
            custom_agent: None,
            models: &models,
            pull_request: false,
            cloud_agent: &settings,
            policy: "",
        };
        for (text, verdict, part) in [
            ("---\ndescription: x\n---\nDo.", Status::Pass, "is there"),
            ("---\r\ndescription: x\r\n---\r\nDo.", Status::Pass, "is there"),
            ("---\ndescription: x\nmodel: GPT-5.4\n---", Status::Pass, "is there"),
            ("---\ndescription: x\nmodel: other\n---", Status::Warn, "`model: other`"),
            ("---\ndescription: x\ntarget: vscode\nmodel: other\n---", Status::Fail, "`target: vscode`"),
            ("---\nname: x\n---\nDo.", Status::Warn, "no `description`"),
            ("---\na: [\n---\nDo.", Status::Fail, "no YAML, in line "),
            ("---\n- a\n---\nDo.", Status::Warn, "no `description`"),
            ("Do.", Status::Warn, "does not begin with properties"),
            ("", Status::Warn, "does not begin with properties"),
        ] {
            let finding = profile(&wanted, "x.md", text);
            assert_eq!(finding.verdict, verdict, "{text}: {finding}");
            assert!(finding.says.contains(part), "{text}: {finding}");
        }
    }

    #[test]
    fn every_check_has_a_name_of_its_own() {
        let names = Check::ALL.map(Check::as_str);
        let unlike = names.iter().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(unlike.len(), Check::ALL.len());
    }
}
