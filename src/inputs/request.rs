//! What the user asks for, in types.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::actions::context::Environment;
use crate::github::repository::Repository;
use crate::github::task::TaskId;
use crate::github::token::Token;
use crate::github::url::ApiUrl;
use crate::inputs::parse::{Bootstrap, ParsedInputs, Reader};
use crate::inputs::targets::{List, Shard, Target};
use crate::inputs::threshold::Threshold;
use crate::policy::actor::ActorAllowlist;
use crate::policy::evaluate::{EntrySettings, PolicyMetadata, Rules};
use crate::policy::location::PolicyLocation;
use crate::prompt::fence::Untrusted;
use crate::task::acceptance::Expect;
use crate::task::conclusion::{Conclusion, Refusal};
use crate::task::rollout::Rollout;
use crate::task::start::{ActiveScope, IfActive};
use crate::task::stop::StopRules;
use crate::task::wait;
use crate::text::parse_days;

/// The warning for a head ref whose base ref is not known.
pub const HEAD_WITHOUT_BASE: &str = "head-ref without base-ref: GitHub commits to an existing branch only if it has an \
                                     open pull request onto the base ref, and creates a new branch otherwise";

/// What the user wrote, in types.
#[derive(Debug)]
pub struct Inputs {
    /// Where the API is.
    pub address: ApiUrl,
    /// Who asks. Absent only where nothing is sent.
    pub token: Option<Token>,
    /// The token that reads pull requests, if it is another one.
    pub lookup_token: Option<Token>,
    /// What is to be done.
    pub request: Request,
    /// How to wait; absent without a wait.
    pub wait: Option<wait::WaitRules>,
    /// When tasks are stopped, and how.
    pub stop: StopRules,
    /// The conclusions that fail the step.
    pub fail_on: Vec<Conclusion>,
    /// Whether `completed` without a pull request counts as a failure.
    pub require_pull_request: bool,
    /// What the pull request must be like.
    pub expect: Expect,
    /// How many tasks are rolled out.
    pub rollout: Rollout,
    /// Whether a list without any repository is fine.
    pub allow_empty: bool,
    /// Where the record goes, where the user says.
    pub audit_log: Option<String>,
    /// The rules of the policy.
    pub rules: Rules,
    /// What of the inputs contradicts them.
    pub refusals: Vec<Refusal>,
    /// Whether the plan is all there will be.
    pub dry_run: bool,
}

/// What is to be done.
#[derive(Debug)]
pub enum Request {
    /// Start tasks.
    Start(Box<StartRequest>),
    /// Look for what would keep them from starting.
    Doctor(Box<StartRequest>),
    /// Wait for tasks that were started earlier.
    Wait(Vec<WaitTarget>),
    /// Stop tasks that were started earlier.
    Stop(StopRequest),
    /// Part a list for the jobs of a matrix: into so many parts, or into as many as it takes.
    Plan(List, Option<usize>),
    /// Say what came of tasks.
    Report(Box<ReportRequest>),
}

/// Tasks to be reported on.
#[derive(Debug)]
pub struct ReportRequest {
    /// The repositories; all tasks of the token's owner without it.
    pub list: Option<List>,
    /// From when on tasks count, by their creation.
    pub since: Since,
    /// How long an open task may be untouched before it is stale.
    pub stale_after: Duration,
    /// The file that keeps what was read of settled tasks.
    pub cache: Option<String>,
    /// The conditions that fail the step.
    pub fail_if: Vec<Threshold>,
    /// The class that the tasks have.
    pub task_class: Option<String>,
    /// The rollout that the tasks belong to.
    pub rollout: Option<String>,
}

/// From when on tasks count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// From so long ago.
    Ago(Duration),
    /// From this moment.
    At(Timestamp),
}

impl Since {
    /// The moment, at the time `now`.
    pub fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.checked_sub(span).unwrap_or(Timestamp::MIN),
            Self::At(moment) => moment,
        }
    }
}

impl FromStr for Since {
    type Err = ();

    /// A span such as `30d`, a day in UTC, or a moment in RFC 3339.
    fn from_str(text: &str) -> Result<Self, ()> {
        let at = || text.parse().or_else(|_| format!("{text}T00:00:00Z").parse());
        parse_days(text).map(Self::Ago).or_else(|| at().ok().map(Self::At)).ok_or(())
    }
}

/// Tasks to be stopped.
#[derive(Debug)]
pub enum StopRequest {
    /// These.
    Tasks(Vec<WaitTarget>),
    /// All that run for too long.
    Sweep {
        /// In these repositories.
        list: List,
        /// Those of this task class.
        class: String,
        /// Those that run for longer than this.
        longest: Duration,
    },
}

/// Tasks to be started, one in each repository.
#[derive(Debug)]
pub struct StartRequest {
    /// Where.
    pub list: List,
    /// Which part of the list to take, where not all of it.
    pub shard: Option<Shard>,
    /// What the prompt is made from; only the doctor can do without.
    pub prompt: Option<PromptSource>,
    /// The user's own variables.
    pub vars: Map<String, Value>,
    /// The workflow's inputs, where the user hands them over.
    pub inputs: Option<Map<String, Value>>,
    /// The models to ask for, one after the other; `None` lets GitHub choose. Never empty.
    pub models: Vec<Option<String>>,
    /// The custom agent.
    pub custom_agent: Option<String>,
    /// Whether the agent opens a pull request.
    pub create_pull_request: bool,
    /// The branch to start from.
    pub base_ref: Option<String>,
    /// The pull request's branch to commit to.
    pub head_ref: Option<String>,
    /// The pull request to continue.
    pub follow_up: Option<FollowUp>,
    /// What makes two starts the same start, where the user says.
    pub idempotency_key: Option<String>,
    /// What to do about an unsettled task in the scope.
    pub if_active: IfActive,
    /// Which unsettled tasks that is about.
    pub active_scope: ActiveScope,
    /// How long a start that was not answered is looked for.
    pub confirm_timeout: Duration,
    /// Who may cause the start without write access.
    pub allowed: ActorAllowlist,
    /// What is done with text that an outsider can write.
    pub untrusted: Untrusted,
    /// The time zone of the template.
    pub timezone: TimeZone,
    /// The change ticket.
    pub ticket: Option<String>,
}

/// A pull request to be continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// Its number.
    pub number: u64,
    /// The commit that must be its head, in hexadecimal.
    pub expected_head: Option<String>,
    /// How many follow-ups it can have.
    pub max: u32,
}

impl StartRequest {
    /// What is asked for in an entry of the list: its own settings, and those of the step where it has none.
    pub fn settings(&self, target: &Target) -> EntrySettings {
        let EntrySettings { base_ref, head_ref, models, custom_agent } = target.settings.clone();
        EntrySettings {
            base_ref: base_ref.or_else(|| self.base_ref.clone()),
            head_ref: head_ref.or_else(|| self.head_ref.clone()),
            models: models.or_else(|| Some(self.models.clone())),
            custom_agent: custom_agent.or_else(|| self.custom_agent.clone()),
        }
    }
}

/// Where a prompt's template is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptSource {
    /// In the workflow itself.
    Text(String),
    /// In a file of the workspace.
    File(String),
    /// In the file that the task class names.
    Class(PolicyLocation),
}

impl PromptSource {
    /// The input that it was given by.
    pub fn input(&self) -> &'static str {
        match self {
            Self::Text(_) => "prompt",
            Self::File(_) => "prompt-file",
            Self::Class(_) => "task-class",
        }
    }
}

/// A task that was started earlier, to wait for or to stop.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WaitTarget {
    /// Where it runs.
    pub repository: Repository,
    /// The name of its entry in the list of the step that started it.
    pub name: Option<String>,
    /// Which it is.
    pub task_id: TaskId,
}

impl Inputs {
    /// Reads the inputs from the environment, where there is no policy.
    pub fn read(environment: &Environment) -> ParsedInputs {
        Self::under(&Bootstrap::read(environment), environment, Some(&Rules::default()))
    }

    /// Parses the inputs of `bootstrap`, and puts the rules of the policy in their place. Without rules, because
    /// the policy is invalid, the checks that depend on them are left out.
    pub fn under(bootstrap: &Bootstrap, environment: &Environment, rules: Option<&Rules>) -> ParsedInputs {
        let mut reader = bootstrap.given.clone();
        reader.is_ruled = rules.is_some();
        let inputs = reader.inputs(environment, rules);
        let Reader { problems, warnings, secrets, .. } = reader;
        let inputs = inputs.filter(|_| problems.is_empty()).ok_or(problems);
        ParsedInputs { inputs, secrets, warnings }
    }
}

impl Inputs {
    /// What a record keeps of the policy and the user's word.
    pub fn facts(&self) -> PolicyMetadata {
        self.rules.facts(self.request.start().and_then(|start| start.ticket.clone()))
    }
}

impl Request {
    /// The start that it is about.
    pub fn start(&self) -> Option<&StartRequest> {
        match self {
            Self::Start(start) | Self::Doctor(start) => Some(start),
            Self::Wait(_) | Self::Stop(_) | Self::Plan(..) | Self::Report(_) => None,
        }
    }

    /// How many jobs share GitHub's limits, because each has a part of the same list.
    pub fn sharing_jobs(&self) -> usize {
        let shard = self.start().and_then(|start| start.list.part.or(start.shard));
        shard.map_or(1, |shard| shard.count)
    }

    /// Where tasks are to be started.
    pub fn list(&self) -> Option<&List> {
        match self {
            Self::Plan(list, _) | Self::Stop(StopRequest::Sweep { list, .. }) => Some(list),
            Self::Report(report) => report.list.as_ref(),
            _ => self.start().map(|start| &start.list),
        }
    }
}
