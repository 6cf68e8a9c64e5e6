//! What a command is to do, in types, and how it is read from the inputs.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::actions::context::Environment;
use crate::actions::host::time_zone;
use crate::github::repository::Repository;
use crate::github::task::TaskId;
use crate::github::token::Token;
use crate::github::url::ApiUrl;
use crate::inputs::problem::Problem;
use crate::inputs::reader::{Reader, listed};
use crate::inputs::table::{Command, Input, input};
use crate::inputs::targets::{List, MAX_SHARDS, Shard, Source, Target};
use crate::inputs::threshold::Threshold;
use crate::inputs::{targets, vars};
use crate::policy::actor::ActorAllowlist;
use crate::policy::evaluate::{EntrySettings, Overrides, PolicyMetadata, Rules};
use crate::policy::location::PolicyLocation;
use crate::prompt::fence::Untrusted;
use crate::task::acceptance::Expect;
use crate::task::conclusion::{Conclusion, Refusal};
use crate::task::rollout::{AdvanceOn, OnChange, RolloutRules};
use crate::task::start::{ActiveScope, IfActive};
use crate::task::stop::StopRules;
use crate::task::wait;
use crate::task::waves::{WaveRules, Waves};
use crate::text::{MAX_SHOWN_VALUE, counted, cut, parse_days, shown};

/// The most tasks of a repository in a rollout. What has failed so often needs a person.
const MAX_ATTEMPTS: usize = 10;
/// How many hexadecimal digits a commit has, by SHA-1 or SHA-256.
const SHA_DIGITS: [usize; 2] = [40, 64];
/// The warning for a head ref whose base ref is not known.
pub const HEAD_WITHOUT_BASE: &str = "head-ref without base-ref: GitHub commits to an existing branch only if it has an \
                                     open pull request onto the base ref, and creates a new branch otherwise";

/// The names of files that hold a prompt end in one of these.
const PROMPT_ENDINGS: [&str; 4] = [".md", ".txt", ".j2", ".jinja"];

/// What the user wrote, in types.
#[derive(Debug)]
pub struct Inputs {
    /// Where the API is.
    pub address: ApiUrl,
    /// Who asks. Absent only if nothing is sent.
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
    pub wave_rules: WaveRules,
    /// Whether a list without any repository is fine.
    pub allow_empty: bool,
    /// Where the record goes, if the user says.
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
    /// Check what would keep them from starting.
    Doctor(Box<StartRequest>),
    /// Wait for tasks that were started earlier.
    Wait(Vec<WaitTarget>),
    /// Stop tasks that were started earlier.
    Stop(StopRequest),
    /// Part a list for the jobs of a matrix: into so many parts, or into as many as it takes.
    Plan(List, Option<usize>),
    /// Report on the results of tasks.
    Report(Box<ReportRequest>),
}

/// Tasks to be reported on.
#[derive(Debug)]
pub struct ReportRequest {
    /// The repositories; all tasks of the token's owner without it.
    pub list: Option<List>,
    /// From when on tasks count, by their creation.
    pub since: Since,
    /// The time zone of days and weeks.
    pub timezone: TimeZone,
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

    /// A span such as `30d`, a day in a time zone, or a moment in RFC 3339.
    pub fn parse(text: &str, zone: &TimeZone) -> Option<Self> {
        let local = || zone.to_timestamp(text.parse::<DateTime>().ok()?).ok();
        parse_days(text).map(Self::Ago).or_else(|| text.parse().ok().or_else(local).map(Self::At))
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
    /// Which part of the list to take, if not all of it.
    pub shard: Option<Shard>,
    /// What the prompt is made from; only the doctor can do without.
    pub prompt: Option<PromptSource>,
    /// The user's own variables.
    pub vars: Map<String, Value>,
    /// The workflow's inputs, if the user hands them over.
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
    /// What makes two starts the same start, if the user says.
    pub idempotency_key: Option<String>,
    /// What to do about an unsettled task in the scope.
    pub if_active: IfActive,
    /// Which unsettled tasks that is about.
    pub active_scope: ActiveScope,
    /// How long a start that was not answered is searched for.
    pub confirm_timeout: Duration,
    /// Who may cause the start without write access.
    pub allowed: ActorAllowlist,
    /// What is done with text that an outsider can write.
    pub untrusted: Untrusted,
    /// The time zone of the template.
    pub timezone: TimeZone,
    /// The change ticket.
    pub ticket: Option<String>,
    /// The rollout over days that the tasks belong to.
    pub rollout: Option<RolloutRequest>,
}

/// A rollout over days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutRequest {
    /// How tasks are rolled out.
    pub rules: RolloutRules,
    /// The file that keeps which task has which marker.
    pub cache: Option<String>,
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
            _ => None,
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

impl Reader {
    /// What a command is to do, and whether the step waits for it. `settled` is what inputs and policy say together.
    pub(super) fn request(
        &mut self,
        command: Command,
        environment: &Environment,
        rules: &Rules,
        settled: Overrides,
    ) -> (Option<Request>, bool) {
        let is_start = command == Command::Start;
        let wait = settled.wait.unwrap_or(false);
        match command {
            Command::Start | Command::Doctor => {
                // The doctor can look at everything else without a prompt.
                let start = self.start(environment, rules, settled, is_start).map(Box::new);
                (start.map(if is_start { Request::Start } else { Request::Doctor }), wait)
            }
            Command::Wait => {
                let repository = self.repository(environment);
                (self.tasks(repository.as_ref(), true).map(Request::Wait), true)
            }
            Command::Stop => (self.stop(environment, settled.max_duration).map(Request::Stop), false),
            Command::Plan => (self.parting().map(|(list, parts)| Request::Plan(list, parts)), false),
            Command::Report => (self.report().map(Box::new).map(Request::Report), false),
        }
    }

    /// The tasks that are to be stopped. `longest` is how long those of a class may run.
    fn stop(&mut self, environment: &Environment, longest: Option<Duration>) -> Option<StopRequest> {
        let class = self.get(input::task_class).map(str::to_owned);
        match (self.get(input::task_id).is_some(), class, longest) {
            (true, ..) => {
                for input in [input::repositories, input::task_class, input::policy, input::max_duration] {
                    if self.is_set(input) {
                        self.refuse(input, "has no effect with task-id; remove one of them");
                    }
                }
                let repository = self.repository(environment);
                self.tasks(repository.as_ref(), false).map(StopRequest::Tasks)
            }
            (false, None, _) => {
                let why = "is missing; pass the output task-id or results of the step that started the task, or name a \
                           task-class and a max-duration to stop all of its tasks that run longer";
                self.refuse(input::task_id, why);
                None
            }
            (false, Some(_), None) => {
                if self.is_ruled {
                    self.refuse(input::max_duration, "is missing; say how long tasks of the class may run, such as 2h");
                }
                None
            }
            (false, Some(class), Some(longest)) => {
                Some(StopRequest::Sweep { list: self.list(environment)?, class, longest })
            }
        }
    }

    fn start(
        &mut self,
        environment: &Environment,
        rules: &Rules,
        settled: Overrides,
        needs_prompt: bool,
    ) -> Option<StartRequest> {
        let list = self.list(environment);
        let rollout = self.rollout(&settled, list.as_ref());
        let shard = self.parsed(input::shard, |text| text.parse::<Shard>().map_err(|why| why.to_string()));
        if shard.is_some() && self.get(input::repositories).is_none() {
            self.refuse(input::shard, "requires repositories");
        } else if let (Some(_), Some(part)) = (shard, list.as_ref().and_then(|list| list.part)) {
            self.refuse(input::shard, format!("has no effect, because repositories is already part {part}; remove it"));
        }
        let requires_pull_request = settled.requires_pull_request();
        let own = input::prompt.written(&self.given).map(|text| PromptSource::Text(text.to_owned()));
        let own = own.or(settled.prompt_file.map(PromptSource::File));
        let prompt = rules.prompt().map(PromptSource::Class).or(own);
        if prompt.is_none() && self.is_ruled && needs_prompt {
            self.refuse(input::prompt, "is missing; write the task for the agent, or name a file in prompt-file");
        }
        let vars = self.parsed(input::vars, vars::parse).unwrap_or_default();
        let inputs = self.parsed(input::inputs, vars::parse);
        let base_ref = settled.base_ref;
        let head_ref = settled.head_ref;
        if let Some(PromptSource::Text(text)) = &prompt
            && !text.contains(char::is_whitespace)
            && PROMPT_ENDINGS.iter().any(|ending| text.ends_with(ending))
        {
            self.warnings.push(format!("prompt is {}, which looks like a file; write it in prompt-file", shown(text)));
        }
        if head_ref.is_some() && base_ref.is_none() {
            self.warnings.push(HEAD_WITHOUT_BASE.to_owned());
        }
        let follow_up = self.follow_up();
        // There is one already.
        let create_pull_request = settled.create_pull_request.unwrap_or(false) && follow_up.is_none();
        let is_named = |source: &Source| matches!(source, Source::Named(it) if it.settings.head_ref.is_some());
        let has_heads = list.as_ref().is_some_and(|list| list.sources.iter().all(is_named));
        if requires_pull_request
            && !create_pull_request
            && head_ref.is_none()
            && !has_heads
            && follow_up.is_none()
            && self.is_ruled
        {
            let input = if settled.expect.is_empty() { input::require_pull_request } else { input::expect };
            self.refuse(input, "requires create-pull-request: true, a head-ref or a follow-up");
        }
        let idempotency_key = self.get(input::idempotency_key).map(str::to_owned);
        let if_active = settled.if_active.unwrap_or(IfActive::Start);
        let active_scope = settled.active_scope.unwrap_or(ActiveScope::Job);
        self.check_scope(if_active, active_scope, rules);
        let confirm_timeout = self.duration(input::confirm_timeout);
        let allowed = ActorAllowlist {
            users: settled.allow_users.unwrap_or_default(),
            bots: settled.allow_bots.unwrap_or_default(),
        };
        let untrusted = settled.untrusted.unwrap_or(Untrusted::Fence);
        let lacks_pull = !create_pull_request && head_ref.is_none() && !has_heads;
        if rollout.as_ref().is_some_and(|it| it.rules.advance_on == AdvanceOn::Merged) && lacks_pull && self.is_ruled {
            self.refuse(input::advance_on, "merged requires create-pull-request: true or a head-ref");
        }
        let timezone = self.timezone();
        Some(StartRequest {
            list: list?,
            shard,
            prompt,
            vars,
            inputs,
            models: settled.models.unwrap_or_else(|| vec![None]),
            custom_agent: settled.custom_agent,
            create_pull_request,
            base_ref,
            head_ref,
            follow_up,
            idempotency_key,
            if_active,
            active_scope,
            confirm_timeout,
            allowed,
            untrusted,
            timezone,
            ticket: settled.ticket,
            rollout,
        })
    }

    /// The rollout over days, if there is one.
    fn rollout(&mut self, settled: &Overrides, list: Option<&List>) -> Option<RolloutRequest> {
        let attempts = self.text(input::attempts).parse::<usize>().ok().filter(|it| (1..=MAX_ATTEMPTS).contains(it));
        if attempts.is_none() {
            self.problem(input::attempts, format!("is not a number of tasks; write 1 to {MAX_ATTEMPTS}"));
        }
        let stall_after = self.age(input::stall_after);
        let on_change = self.word(input::on_change, &OnChange::ALL, "stop or continue").unwrap_or(OnChange::Stop);
        let advance_on = match self.get(input::advance_on) {
            Some(_) => self.word(input::advance_on, &AdvanceOn::ALL, "completed, accepted or merged"),
            None if settled.expect.is_empty() => Some(AdvanceOn::Completed),
            None => Some(AdvanceOn::Accepted),
        };
        if self.get(input::rollout).is_none() {
            let own = [input::advance_on, input::attempts, input::on_change, input::stall_after, input::rollout_cache];
            for input in own {
                if self.is_set(input) {
                    self.refuse(input, "requires rollout");
                }
            }
            return None;
        }
        if self.get(input::repositories).is_none() {
            self.refuse(input::rollout, "requires repositories");
        }
        for input in [input::shard, input::idempotency_key, input::tolerate, input::fail_on] {
            if self.is_set(input) {
                self.refuse(input, "has no effect with rollout; remove one of them");
            }
        }
        if list.is_some_and(|list| list.part.is_some()) {
            self.refuse(input::repositories, "is a part of a list, and a rollout needs all of it");
        }
        if settled.if_active == Some(IfActive::Attach) && self.is_ruled {
            let why = "attach excludes rollout, because the active task does not belong to it; write skip or fail";
            self.refuse(input::if_active, why);
        }
        if advance_on == Some(AdvanceOn::Accepted) && settled.expect.is_empty() && self.is_ruled {
            self.refuse(input::advance_on, "accepted requires expect");
        }
        if advance_on == Some(AdvanceOn::Completed) && !settled.expect.is_empty() && self.is_ruled {
            self.refuse(input::advance_on, "completed excludes expect; write accepted or merged");
        }
        let name = self.parsed(input::rollout, targets::entry_name);
        // `wave_rules` reports what is wrong with these.
        let waves = self.get(input::waves).map_or(Ok(Waves::one()), str::parse);
        let rules = RolloutRules {
            name: name?,
            waves: waves.ok()?,
            success: self.text(input::wave_success).parse().ok()?,
            advance_on: advance_on?,
            attempts: attempts?,
            stall_after,
            on_change,
        };
        Some(RolloutRequest { rules, cache: self.get(input::rollout_cache).map(str::to_owned) })
    }

    /// The pull request to continue. Its branches are known once it was read.
    fn follow_up(&mut self) -> Option<FollowUp> {
        let number = self.parsed(input::follow_up, |text| match text.parse::<u64>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err("is not the number of a pull request; write for example 12".to_owned()),
        });
        let expected_head = self.parsed(input::expected_head, |text| {
            let is_sha = SHA_DIGITS.contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit());
            if is_sha { Ok(text.to_owned()) } else { Err("is not a commit; write all digits of its SHA".to_owned()) }
        });
        let max = self.text(input::max_follow_ups).parse::<u32>().ok().filter(|max| *max > 0);
        if max.is_none() {
            self.problem(input::max_follow_ups, "is not a number of follow-ups; write 1 or more");
        }
        if self.get(input::follow_up).is_none() {
            for input in [input::expected_head, input::max_follow_ups] {
                if self.is_set(input) {
                    self.refuse(input, "requires follow-up");
                }
            }
            return None;
        }
        for other in [input::repositories, input::base_ref, input::head_ref, input::create_pull_request] {
            if self.is_set(other) {
                self.refuse(input::follow_up, format!("and {} exclude each other; remove one", other.name));
            }
        }
        Some(FollowUp { number: number?, expected_head, max: max? })
    }

    /// Where tasks are to be started.
    fn list(&mut self, environment: &Environment) -> Option<List> {
        if self.get(input::repositories).is_none() && self.is_set(input::allow_empty) {
            self.refuse(input::allow_empty, "requires repositories");
        }
        match (self.get(input::repositories), self.get(input::repository)) {
            (None, _) => {
                let target = Target::new(self.repository(environment)?);
                Some(List { sources: vec![Source::Named(target)], ..List::default() })
            }
            (Some(_), Some(_)) => {
                self.refuse(input::repositories, "and repository exclude each other; remove one");
                None
            }
            (Some(text), None) => match targets::read(text) {
                Ok(list) => {
                    self.warnings
                        .extend(list.warnings.iter().map(|it| format!("`{}`, {it}", input::repositories.name)));
                    Some(list)
                }
                Err(wrong) => {
                    self.problems.extend(wrong.into_iter().map(|why| Problem::new(input::repositories.name, why)));
                    None
                }
            },
        }
    }

    /// The list that is to be parted, and into how many parts.
    fn parting(&mut self) -> Option<(List, Option<usize>)> {
        let parts = self.parsed(input::shard, |text| match text.parse::<usize>() {
            Ok(parts) if (1..=MAX_SHARDS).contains(&parts) => Ok(parts),
            _ => Err(format!("is not a number of parts; with command: plan write 1 to {MAX_SHARDS}")),
        });
        if self.get(input::repositories).is_none() {
            self.refuse(input::repositories, "is missing; list the repositories for the jobs of the matrix");
            return None;
        }
        Some((self.list(&Environment::default())?, parts))
    }

    fn timezone(&mut self) -> TimeZone {
        self.parsed(input::timezone, time_zone).unwrap_or(TimeZone::UTC)
    }

    /// Which tasks are reported on, and how.
    fn report(&mut self) -> Option<ReportRequest> {
        let list = match self.get(input::repositories) {
            Some(_) => Some(self.list(&Environment::default())?),
            None => None,
        };
        let timezone = self.timezone();
        let since = Since::parse(self.text(input::since), &timezone);
        if since.is_none() {
            self.expected(input::since, "an age such as 30d, or a day such as 2026-11-01");
        }
        let stale_after = self.age(input::stale_after);
        let mut fail_if = Vec::new();
        for word in self.get(input::report_fail_if).map(listed).unwrap_or_default() {
            match word.parse::<Threshold>() {
                Ok(threshold) => fail_if.push(threshold),
                Err(why) => {
                    self.note(input::report_fail_if, Problem::shown(input::report_fail_if.name, &word, why));
                }
            }
        }
        let text = |input: &Input| self.get(input).map(str::to_owned);
        Some(ReportRequest {
            list,
            since: since?,
            timezone,
            stale_after,
            cache: text(input::report_cache),
            fail_if,
            task_class: text(input::task_class),
            rollout: text(input::rollout),
        })
    }

    /// Refuses a scope of `if-active` that has no effect or no meaning.
    fn check_scope(&mut self, if_active: IfActive, scope: ActiveScope, rules: &Rules) {
        match (if_active, scope) {
            (IfActive::Start, _) if self.is_set(input::active_scope) && self.is_ruled => {
                self.refuse(input::active_scope, "requires if-active: skip, attach or fail");
            }
            (IfActive::Start, _) => {}
            (_, ActiveScope::Class) if rules.class().is_none() && self.is_ruled => {
                self.refuse(input::active_scope, "class requires a task-class");
            }
            (IfActive::Attach, ActiveScope::Repository) => {
                let why = "repository excludes if-active: attach, because the active task can be of anyone and about \
                           anything; write if-active: skip or fail";
                self.refuse(input::active_scope, why);
            }
            _ => {}
        }
    }

    /// The tasks that were started earlier. Results without any task are an error for a wait, and for a stop there is
    /// nothing to do.
    fn tasks(&mut self, repository: Option<&Repository>, is_wait: bool) -> Option<Vec<WaitTarget>> {
        let Some(text) = self.get(input::task_id).map(str::to_owned) else {
            self.refuse(
                input::task_id,
                "is missing; pass the output task-id or results of the step that started the task",
            );
            return None;
        };
        let mut tasks = Vec::new();
        if text.starts_with(['[', '{']) {
            match results(&text) {
                Ok((found, without)) => {
                    tasks = found;
                    if without > 0 {
                        self.warnings
                            .push(format!("task-id has {} without a task; not waited for", counted(without, "result")));
                    }
                }
                Err(why) => self.problem(input::task_id, why),
            }
        } else {
            for word in listed(&text) {
                match (TaskId::parse(&word), repository) {
                    (Ok(task_id), Some(repository)) => {
                        tasks.push(WaitTarget { repository: repository.clone(), name: None, task_id });
                    }
                    (Err(why), _) => {
                        self.note(input::task_id, Problem::shown(input::task_id.name, &word, why.to_string()));
                    }
                    (Ok(_), None) => {}
                }
            }
        }
        let mut seen = HashSet::new();
        tasks.retain(|task| seen.insert((task.repository.clone(), task.task_id.clone())));
        if tasks.is_empty() && self.problems.is_empty() && (is_wait || !text.starts_with(['[', '{'])) {
            self.refuse(input::task_id, if is_wait { "has no task to wait for" } else { "has no task to stop" });
        }
        Some(tasks)
    }

    /// The repository; a wait for `results` needs none.
    fn repository(&mut self, environment: &Environment) -> Option<Repository> {
        if self.get(input::repository).is_some() {
            return self.parsed(input::repository, |text| match text.contains([',', '\n']) {
                true => Err("is a list; write it in repositories".to_owned()),
                false => text.parse::<Repository>().map_err(|why| why.to_string()),
            });
        }
        let actual = environment.get("GITHUB_REPOSITORY");
        match (actual, actual.map(str::parse::<Repository>)) {
            (_, Some(Ok(repository))) => Some(repository),
            (Some(actual), Some(Err(why))) => {
                self.problems.push(Problem::shown("GITHUB_REPOSITORY", actual, why.to_string()));
                None
            }
            _ if self.get(input::task_id).is_some_and(|text| text.starts_with(['[', '{'])) => None,
            _ => {
                self.refuse(input::repository, "is missing, and GITHUB_REPOSITORY is not set; write owner/name");
                None
            }
        }
    }
}

/// The tasks in the `results` of an earlier step, and how many results have none.
pub(crate) fn results(text: &str) -> Result<(Vec<WaitTarget>, usize), String> {
    #[derive(Deserialize)]
    struct Result_ {
        repository: String,
        #[serde(default)]
        name: Option<String>,
        #[serde(rename = "task-id", default)]
        task_id: Option<String>,
    }
    let wrong = |why: String| format!("{why}; give the `results` output of an earlier step as it is");
    let read: Vec<Result_> =
        serde_json::from_slice(text.as_bytes()).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let mut tasks = Vec::new();
    let mut without = 0;
    for result in read {
        let Some(id) = result.task_id.filter(|id| !id.is_empty()) else {
            without += 1;
            continue;
        };
        let repository = result.repository.parse().map_err(|why| wrong(format!("`{}` {why}", result.repository)))?;
        tasks.push(WaitTarget {
            repository,
            name: result.name.filter(|name| !name.is_empty()).map(|name| cut(&name, MAX_SHOWN_VALUE)),
            task_id: TaskId::parse(&id).map_err(|why| wrong(format!("`{id}` {why}")))?,
        });
    }
    Ok((tasks, without))
}
