//! What the user wrote, read into strings by envy and parsed once into types. Nothing after this reads an input.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU64;
use std::rc::Rc;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::actions::context::Environment;
use crate::actions::host::time_zone;
use crate::github::repository::{Repository, branch_name};
use crate::github::task::TaskId;
use crate::github::token::{Token, TokenKind};
use crate::github::url::{ApiUrl, ApiUrlError};
use crate::inputs::problem::{LONGEST_VALUE, Problem};
use crate::inputs::request::{
    FollowUp, HEAD_WITHOUT_BASE, Inputs, PromptSource, ReportRequest, Request, Since, StartRequest, StopRequest,
    WaitTarget,
};
use crate::inputs::table::{Command, GivenInputs, INPUTS, Input, RENAMED, input};
use crate::inputs::targets::{List, MOST_SHARDS, Shard, Source, Target};
use crate::inputs::threshold::Threshold;
use crate::inputs::{targets, vars};
use crate::policy::actor::{ActorAllowlist, bot_login, user_login};
use crate::policy::evaluate::{Overrides, Rules, is_template};
use crate::policy::location::PolicyLocation;
use crate::policy::values;
use crate::prompt::fence::Untrusted;
use crate::task::acceptance::Expect;
use crate::task::conclusion::Conclusion;
use crate::task::rollout::{Rollout, Share, ShareError, Waves};
use crate::task::start::{ActiveScope, IfActive};
use crate::task::stop::{StopRules, UnfinishedTask};
use crate::task::wait;
use crate::text::{cut, harmless, nearest, parse_days, parse_duration};
use crate::yaml::{compose, de};

/// Where the API is when neither the runner nor the user says.
const GITHUB_COM: &str = "https://api.github.com";
/// The shortest poll interval. GitHub asks for a second between requests that change something and counts every
/// look that finds a change; a simulator on this machine does not mind.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// How long a task that this step has just started may be "not found": the answers that read lag behind the one
/// that wrote.
const GRACE_AFTER_START: Duration = Duration::from_secs(60);
/// The same for a task that was started earlier.
const GRACE_LATER: Duration = Duration::from_secs(10);
/// A shorter word is not a secret: the scheme before a token, such as `Bearer`.
const SHORTEST_SECRET: usize = 8;
/// A word of another input that begins as a token does and is at least so long is taken for one: the shortest of
/// GitHub's own have 40 characters, and a name has fewer than half of that.
const SHORTEST_STRAY: usize = 20;

/// How many hexadecimal digits a commit has, by SHA-1 or SHA-256.
const SHA_DIGITS: [usize; 2] = [40, 64];

/// The inputs that are templates besides the prompt.
const TEMPLATES: [Input; 4] = [input::idempotency_key, input::base_ref, input::head_ref, input::ticket];
/// The inputs in which `{{` is part of the value: the prompt, and values for it. A list of repositories has such values,
/// and the results of an earlier step can quote any text.
const QUOTING: [Input; 5] = [input::prompt, input::vars, input::inputs, input::repositories, input::task_id];

/// What reading the inputs brought.
#[derive(Debug)]
pub struct ParsedInputs {
    /// The inputs, or all that is wrong with them.
    pub inputs: Result<Inputs, Vec<Problem>>,
    /// Every token that was given, fit or not, so that all can be masked.
    pub secrets: Vec<Token>,
    /// What the user should know without the step failing.
    pub warnings: Vec<String>,
}

/// What leads to the policy, which says how everything else is read.
pub struct Bootstrap {
    /// Where the API is; absent where the address is wrong.
    pub address: Option<ApiUrl>,
    /// Those who may read the policy, one after the other.
    pub tokens: Vec<Token>,
    /// The location of the policy, if it is given; `Err` if it is invalid, which [`Inputs::under`] reports.
    pub policy: Result<Option<PolicyLocation>, ()>,
    /// The task class.
    pub task_class: Option<String>,
    /// What the step does; absent if that is not a command.
    pub command: Option<Command>,
    /// Every token that was given, fit or not, so that all can be masked.
    pub secrets: Vec<Token>,
    /// All inputs as they were given, for [`Inputs::under`].
    pub(super) given: Reader,
}

impl Bootstrap {
    /// Reads the inputs that lead to the policy. [`Inputs::under`] reports what is wrong with them.
    pub fn read(environment: &Environment) -> Self {
        let given = Reader::new(environment);
        let mut reader = given.clone();
        let token = reader.token(input::token);
        let lookup_token = reader.token(input::lookup_token);
        let place = reader.get(input::policy).map(str::parse::<PolicyLocation>);
        Self {
            address: reader.address(environment),
            tokens: lookup_token.into_iter().chain(token).collect(),
            policy: place.transpose().map_err(drop),
            task_class: reader.get(input::task_class).map(str::to_owned),
            command: reader.command(),
            secrets: reader.secrets,
            given,
        }
    }
}

/// Reads one input after the other, and keeps what is wrong until the end. It holds tokens, so it has no `Debug`.
#[derive(Clone)]
pub(super) struct Reader {
    given: Rc<GivenInputs>,
    /// Inputs of which one mistake is known already, so that no other check adds to it.
    rejected: Vec<&'static str>,
    /// Whether the rules of the policy are known.
    pub(super) is_ruled: bool,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    pub(super) secrets: Vec<Token>,
}

impl Reader {
    pub(super) fn new(environment: &Environment) -> Self {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let mut secrets = Vec::new();
        let mut given = BTreeMap::new();
        for name in environment.unreadable() {
            if name.starts_with("GITHUB_") || name.starts_with("RUNNER_") {
                problems.push(Problem::new(name, "is not valid UTF-8"));
            }
        }
        for name in environment.unreadable().iter().filter_map(|name| name.strip_prefix("INPUT_")) {
            let why = "is not valid UTF-8; save it in that encoding";
            problems.push(Problem::new(&name.to_lowercase().replace('_', "-"), why));
        }
        for (name, value) in environment.beginning_with("INPUT_").filter(|(_, value)| !value.trim().is_empty()) {
            // A composite action writes `INPUT_BASE_REF`, a Docker action gets `INPUT_BASE-REF`.
            let written = name.to_ascii_lowercase().replace(['_', ' '], "-");
            if let Some((old, new)) = RENAMED.iter().find(|(old, _)| *old == written) {
                problems.push(Problem::new(old, format!("was renamed; write {new}")));
            } else if !INPUTS.iter().any(|input| input.name == written) {
                warnings.push(unknown(&written));
            }
            secrets.extend(strays(value));
            if given.insert(written.clone(), value.to_owned()).is_some_and(|other| other != value) {
                let why = "has two values, one written with a hyphen and one with an underscore; remove one";
                problems.push(Problem::new(&written, why));
            }
        }
        // Every field is an optional text, so there is nothing that envy could refuse.
        let given = Rc::new(envy::from_iter(given).unwrap_or_else(|error| unreachable!("{error}")));
        Self { given, rejected: Vec::new(), is_ruled: true, problems, warnings, secrets }
    }

    pub(super) fn inputs(&mut self, environment: &Environment, rules: Option<&Rules>) -> Option<Inputs> {
        // Tokens come first: whatever else is wrong, they have to be hidden.
        let token = self.token(input::token);
        let lookup_token = self.token(input::lookup_token);
        let command = self.command();
        for input in INPUTS {
            self.check_literal(*input);
            self.check_command(*input, command?);
        }
        let address = self.address(environment);
        let dry_run = self.flag(input::dry_run);
        let unfit = token.as_ref().and_then(|token| token.kind().unfit_for_tasks());
        // The doctor reports it among its findings.
        let needs_token = matches!(command?, Command::Start | Command::Wait | Command::Stop | Command::Report);
        if let Some(why) = unfit.filter(|_| needs_token) {
            self.problems.push(Problem::new(input::token.name, why));
        } else if token.is_none() && !dry_run && needs_token && self.get(input::token).is_none() {
            self.problems.push(Problem::new(
                "token",
                "is missing or empty; pass a secret with a fine-grained personal access token that has \"Agent tasks: \
                 read and write\". Runs for pull requests from forks get no secrets, and runs for Dependabot only its \
                 own",
            ));
        }
        if let Some(kind @ (TokenKind::Refresh | TokenKind::AppJwt)) = lookup_token.as_ref().map(Token::kind)
            && let Some(why) = kind.unfit_for_tasks()
        {
            self.problems.push(Problem::new(input::lookup_token.name, why));
        }
        self.parsed(input::policy, str::parse::<PolicyLocation>);
        let rules = match command? {
            Command::Start | Command::Doctor => rules.cloned().unwrap_or_default(),
            Command::Wait => rules.cloned().unwrap_or_default().of_a_wait(),
            Command::Stop => rules.cloned().unwrap_or_default().of_a_stop(),
            Command::Plan | Command::Report => Rules::default(),
        };
        let (settled, refusals) = rules.settle(self.asked());
        let fail_on = match command? {
            // A stop that was asked for and succeeds is `cancelled`.
            Command::Stop => vec![Conclusion::Failure],
            _ => settled.fail_on.clone().unwrap_or_else(|| self.fail_on()),
        };
        let stop = StopRules {
            on_timeout: settled.on_timeout.unwrap_or_default(),
            on_interrupt: settled.on_interrupt.unwrap_or_default(),
            max_credits: settled.max_credits,
            max_duration: settled.max_duration,
            force: settled.force.unwrap_or(false),
            interval: Duration::ZERO,
        };
        let (stop_on_question, stop_on_idle) = settled.stop_on.unwrap_or_else(|| self.stop_on());
        let grace = if command? == Command::Start { GRACE_AFTER_START } else { GRACE_LATER };
        let timeout = self.duration(input::wait_timeout);
        let interval = self.duration(input::poll_interval);
        let loopback = address.as_ref().is_some_and(ApiUrl::is_loopback);
        if interval < SHORTEST_INTERVAL && !interval.is_zero() && !loopback {
            self.problem(input::poll_interval, "is shorter than GitHub's limits allow; write 1s or more");
        }
        let waiting = wait::WaitRules { timeout, interval, stop_on_question, stop_on_idle, grace };
        let expect = settled.expect.clone();
        let require_pull_request = settled.requires_pull_request();
        let has_no_pull_rule = settled.require_pull_request == Some(false);
        let asked_to_wait = settled.wait.unwrap_or(false);
        let stop = StopRules { interval, ..stop };
        let (request, wait) = match command? {
            Command::Stop => (self.stop(environment, stop.max_duration).map(Request::Stop), false),
            Command::Wait => {
                let repository = self.repository(environment);
                (self.tasks(repository.as_ref(), true).map(Request::Wait), true)
            }
            command @ (Command::Start | Command::Doctor) => {
                // The doctor can look at everything else without a prompt.
                let is_start = command == Command::Start;
                let start = self.start(environment, &rules, settled, is_start).map(Box::new);
                (start.map(if is_start { Request::Start } else { Request::Doctor }), asked_to_wait)
            }
            Command::Report => (self.report().map(Box::new).map(Request::Report), false),
            Command::Plan => (self.parting().map(|(list, parts)| Request::Plan(list, parts)), false),
        };
        if command? != Command::Stop {
            self.check_stop(&stop, wait);
        }
        let rollout = self.rollout(wait);
        if require_pull_request && !wait && self.is_ruled {
            let input = if expect.is_empty() { input::require_pull_request } else { input::expect };
            self.refuse(input, "requires wait: true");
        }
        if has_no_pull_rule && !expect.is_empty() {
            self.refuse(input::expect, "requires a pull request, and the policy has require-pull-request: false");
        }
        if expect.checks.is_none() && expect.checks_timeout.is_some() {
            self.refuse(input::expect, "has checks-timeout without checks: success; add it");
        }
        Some(Inputs {
            address: address?,
            token,
            lookup_token,
            request: request?,
            wait: wait.then_some(waiting),
            stop,
            fail_on,
            require_pull_request,
            expect,
            rollout,
            allow_empty: self.flag(input::allow_empty),
            rules,
            refusals,
            audit_log: self.get(input::audit_log).map(str::to_owned),
            dry_run,
        })
    }

    /// What the step does.
    fn command(&mut self) -> Option<Command> {
        let known = Command::ALL.iter().find(|(_, name)| *name == self.text(input::command));
        if known.is_none() {
            self.expected(input::command, "start, wait, stop, plan, doctor or report");
        }
        known.map(|(command, _)| *command)
    }

    /// An input that has no effect with this command is an error. One that equals its default is fine: an action passes
    /// all of its inputs.
    fn check_command(&mut self, input: Input, command: Command) {
        if !self.is_set(input) || input.commands.contains(&command) {
            return;
        }
        // The doctor takes the step of a start as it is written.
        let others = input.commands.iter().filter(|it| **it != Command::Doctor).map(|it| it.as_str());
        let others = others.collect::<Vec<_>>().join(" and ");
        self.refuse(input, format!("has no effect with command: {}; it is for command: {others}", command.as_str()));
    }

    /// A value with `{{` that is not a template would be used literally.
    fn check_literal(&mut self, input: Input) {
        let is = |other: &Input| other.name == input.name;
        if TEMPLATES.iter().chain(&QUOTING).any(is) || !self.get(input).is_some_and(|text| text.contains("{{")) {
            return;
        }
        let why = "contains {{, and it is not a template; write the value itself, or ${{ … }} for an expression of Actions. \
                   Templates are prompt, idempotency-key, base-ref, head-ref and ticket";
        self.refuse(input, why);
        self.rejected.push(input.name);
    }

    /// What the inputs say, as far as a policy has a say.
    fn asked(&mut self) -> Overrides {
        let prompts = [self.get(input::prompt), self.get(input::prompt_file)].map(|text| text.map(str::to_owned));
        if prompts.iter().all(Option::is_some) {
            self.refuse(input::prompt, "and prompt-file exclude each other; remove one");
        }
        let [prompt, prompt_file] = prompts;
        Overrides {
            has_prompt: prompt.is_some(),
            prompt_file,
            models: self.is_set(input::model).then(|| self.models()),
            custom_agent: self.parsed(input::custom_agent, values::agent),
            base_ref: self.template(input::base_ref, branch_name),
            head_ref: self.template(input::head_ref, branch_name),
            allow_users: self.get(input::allow_users).is_some().then(|| self.logins(input::allow_users, user_login)),
            allow_bots: self.get(input::allow_bots).is_some().then(|| self.logins(input::allow_bots, bot_login)),
            untrusted: self.word(input::untrusted, &Untrusted::ALL, "fence or refuse"),
            if_active: self.word(input::if_active, &IfActive::ALL, "start, skip, attach or fail"),
            active_scope: self.word(input::active_scope, &ActiveScope::ALL, "job, class or repository"),
            create_pull_request: self.is_set(input::create_pull_request).then(|| self.flag(input::create_pull_request)),
            require_pull_request: self
                .is_set(input::require_pull_request)
                .then(|| self.flag(input::require_pull_request)),
            expect: self.parsed(input::expect, expectations).unwrap_or_default(),
            wait: self.is_set(input::wait).then(|| self.flag(input::wait)),
            fail_on: self.is_set(input::fail_on).then(|| self.fail_on()),
            stop_on: self.is_set(input::stop_on).then(|| self.stop_on()),
            on_timeout: self.is_set(input::on_timeout).then(|| self.unfinished(input::on_timeout)),
            on_interrupt: self.is_set(input::on_interrupt).then(|| self.unfinished(input::on_interrupt)),
            max_credits: self.parsed(input::max_credits, |text| {
                text.parse::<NonZeroU64>().map_err(|_| "is not a number of credits; write 1 or more".to_owned())
            }),
            max_duration: self.get(input::max_duration).is_some().then(|| self.duration(input::max_duration)),
            force: self.is_set(input::force).then(|| self.flag(input::force)),
            ticket: self.template(input::ticket, values::ticket),
        }
    }

    /// Whether an input has another value than its default: an action passes all of its inputs.
    fn is_set(&self, input: Input) -> bool {
        self.text(input) != input.default
    }

    fn unfinished(&mut self, input: Input) -> UnfinishedTask {
        match self.text(input) {
            "leave" => UnfinishedTask::Leave,
            "stop" => UnfinishedTask::Stop,
            _ => {
                self.expected(input, "leave or stop");
                UnfinishedTask::Leave
            }
        }
    }

    /// Settings that stop tasks during a wait. `wait` says whether there is one.
    fn check_stop(&mut self, stop: &StopRules, wait: bool) {
        if !self.is_ruled {
            return;
        }
        for input in [input::on_timeout, input::on_interrupt, input::max_credits, input::max_duration, input::force] {
            // Only a wait knows what a task has used; the other settings of a class also serve a later step.
            let is_of_class = input.name == input::max_credits.name && stop.max_credits.is_some();
            if (self.is_set(input) || is_of_class) && !wait {
                self.refuse(input, "requires wait: true");
            }
        }
        if self.is_set(input::force) && wait && !stop.can_stop() {
            let why = "has no effect without on-timeout: stop, on-interrupt: stop, max-credits or max-duration";
            self.refuse(input::force, why);
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
        for input in [input::vars, input::inputs] {
            let warnings = vars::warnings(self.get(input).unwrap_or_default().trim());
            self.warnings.extend(warnings.into_iter().map(|warning| format!("`{}`, {warning}", input.name)));
        }
        let base_ref = settled.base_ref;
        let head_ref = settled.head_ref;
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
        let timezone = self.parsed(input::timezone, time_zone).unwrap_or(TimeZone::UTC);
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
        })
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
                Some(List { sources: vec![Source::Named(target)], part: None })
            }
            (Some(_), Some(_)) => {
                self.refuse(input::repositories, "and repository exclude each other; remove one");
                None
            }
            (Some(text), None) => match targets::read(text) {
                Ok(list) => Some(list),
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
            Ok(parts) if (1..=MOST_SHARDS).contains(&parts) => Ok(parts),
            _ => Err(format!("is not a number of parts; with command: plan write 1 to {MOST_SHARDS}")),
        });
        if self.get(input::repositories).is_none() {
            self.refuse(input::repositories, "is missing; list the repositories for the jobs of the matrix");
            return None;
        }
        Some((self.list(&Environment::default())?, parts))
    }

    /// Which tasks are reported on, and how.
    fn report(&mut self) -> Option<ReportRequest> {
        let list = match self.get(input::repositories) {
            Some(_) => Some(self.list(&Environment::default())?),
            None => None,
        };
        let since = self.text(input::since).parse::<Since>();
        if since.is_err() {
            self.expected(input::since, "a time such as 30d, or a day such as 2026-11-01");
        }
        let stale_after = parse_days(self.text(input::stale_after));
        if stale_after.is_none() {
            self.expected(input::stale_after, "a duration above zero such as 3d or 12h");
        }
        let mut fail_if = Vec::new();
        for word in self.get(input::report_fail_if).map(listed).unwrap_or_default() {
            match word.parse::<Threshold>() {
                Ok(threshold) => fail_if.push(threshold),
                Err(why) => {
                    self.note(input::report_fail_if, Problem::shown(input::report_fail_if.name, &word, why));
                }
            }
        }
        let text = |input: Input| self.get(input).map(str::to_owned);
        Some(ReportRequest {
            list,
            since: since.ok()?,
            stale_after: stale_after?,
            cache: text(input::report_cache),
            fail_if,
            task_class: text(input::task_class),
            rollout: text(input::rollout),
        })
    }

    /// How the tasks are rolled out. `wait` says whether the step waits for them.
    fn rollout(&mut self, wait: bool) -> Rollout {
        let read = |text: &str| text.parse::<Waves>().map_err(|why| why.to_string());
        let waves = self.parsed(input::waves, read);
        let most_at_once = self.parsed(input::max_parallel, |text| match text.parse::<usize>() {
            Ok(most) if most > 0 => Ok(most),
            _ => Err("is not a number of tasks; write 1 or more".to_owned()),
        });
        for (input, is_given) in [(input::waves, waves.is_some()), (input::max_parallel, most_at_once.is_some())] {
            if is_given && !wait && self.is_ruled {
                self.refuse(input, "requires wait: true");
            }
        }
        let success = self.share(input::wave_success);
        if self.get(input::waves).is_none() && success != Share::ALL {
            self.refuse(input::wave_success, "requires waves");
        }
        let tolerate = self.share(input::tolerate);
        Rollout { waves: waves.unwrap_or_else(Waves::one), success, most_at_once, tolerate }
    }

    fn share(&mut self, input: Input) -> Share {
        self.text(input).parse().unwrap_or_else(|why: ShareError| {
            self.problem(input, why.to_string());
            Share::ALL
        })
    }

    /// A word from a set; absent where it is the default, or none of them.
    fn word<T: Copy>(&mut self, input: Input, all: &[(T, &'static str)], expected: &str) -> Option<T> {
        let known = all.iter().find(|(_, word)| *word == self.text(input)).map(|(value, _)| *value);
        if known.is_none() {
            self.expected(input, expected);
        }
        known.filter(|_| self.is_set(input))
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

    fn logins(&mut self, input: Input, read: impl Fn(&str) -> Result<String, String>) -> Vec<String> {
        let mut logins = Vec::new();
        for word in self.get(input).map(listed).unwrap_or_default() {
            match read(&word) {
                Ok(login) => logins.push(login),
                Err(why) => self.note(input, Problem::shown(input.name, &word, why)),
            }
        }
        logins
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
                        self.warnings.push(format!("task-id has {without} results without a task; they are ignored"));
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
            return self.parsed(input::repository, |text| text.parse::<Repository>().map_err(|why| why.to_string()));
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

    fn address(&mut self, environment: &Environment) -> Option<ApiUrl> {
        if self.get(input::github_api_url).is_some() {
            match ApiUrl::parse(self.text(input::github_api_url), None) {
                Ok(address) => return Some(address),
                // A user name in it may be followed by a password, and so it is not shown.
                Err(why @ ApiUrlError::Extra) => {
                    self.problems.push(Problem::new(input::github_api_url.name, why.to_string()));
                }
                Err(why) => self.problem(input::github_api_url, why.to_string()),
            }
            return None;
        }
        let rest = environment.get("GITHUB_API_URL").unwrap_or(GITHUB_COM);
        match ApiUrl::parse(rest, environment.get("GITHUB_GRAPHQL_URL")) {
            Ok(address) => Some(address),
            Err(why) => {
                self.problems.push(Problem::shown("GITHUB_API_URL", rest, why.to_string()));
                None
            }
        }
    }

    fn models(&mut self) -> Vec<Option<String>> {
        let mut models = Vec::new();
        for word in self.get(input::model).map(listed).unwrap_or_default() {
            if let Err(why) = values::model_name(&word) {
                self.note(input::model, Problem::shown(input::model.name, &word, why));
                continue;
            }
            // The field left out is what the documentation calls Auto.
            let model = Some(word).filter(|word| !word.eq_ignore_ascii_case("auto"));
            if !models.contains(&model) {
                models.push(model);
            }
        }
        if models.is_empty() { vec![None] } else { models }
    }

    fn fail_on(&mut self) -> Vec<Conclusion> {
        let known = |word: &str| word.parse().ok().filter(|it| *it != Conclusion::Success);
        self.choices(input::fail_on, known, "failure, timed_out, cancelled, action_required, skipped")
    }

    fn stop_on(&mut self) -> (bool, bool) {
        let known = |word: &str| match word {
            "waiting_for_user" => Some(true),
            "idle" => Some(false),
            _ => None,
        };
        let chosen = self.choices(input::stop_on, known, "waiting_for_user, idle");
        (chosen.contains(&true), chosen.contains(&false))
    }

    /// A list of words from a set, or `never` for none of them.
    fn choices<T>(&mut self, input: Input, known: impl Fn(&str) -> Option<T>, words: &str) -> Vec<T> {
        let written = listed(self.text(input));
        if written.len() == 1 && written.first().is_some_and(|word| word == "never") {
            return Vec::new();
        }
        let mut chosen = Vec::new();
        for word in written {
            match known(&word) {
                Some(choice) => chosen.push(choice),
                None => {
                    let expected = format!("a list of {words}, or never alone");
                    self.note(input, Problem::expected(input.name, &expected, &word));
                }
            }
        }
        chosen
    }

    /// A boolean as `@actions/core` reads it, <https://yaml.org/spec/1.2.2/#10212-boolean>.
    fn flag(&mut self, input: Input) -> bool {
        match self.text(input) {
            "true" | "True" | "TRUE" => true,
            "false" | "False" | "FALSE" => false,
            _ => {
                self.expected(input, "true or false");
                false
            }
        }
    }

    fn duration(&mut self, input: Input) -> Duration {
        let text = self.text(input);
        match parse_duration(text) {
            Some(duration) => duration,
            None => {
                let is_bare = text.chars().all(|c| c.is_ascii_digit()) && text.chars().any(|c| c != '0');
                let expected = match is_bare {
                    true => format!("a duration with a unit such as {text}s or {text}m"),
                    false => "a duration above zero such as 30s, 45m or 1h30m".to_owned(),
                };
                self.expected(input, &expected);
                Duration::ZERO
            }
        }
    }

    fn token(&mut self, input: Input) -> Option<Token> {
        match Token::parse(self.get(input)?) {
            Ok(token) => {
                self.secrets.push(token.clone());
                Some(token)
            }
            Err(why) => {
                // What is not a token as a whole may contain one, which is hidden as well.
                let words = self.get(input).unwrap_or_default().split_whitespace();
                let words =
                    words.filter(|word| word.len() >= SHORTEST_SECRET).filter_map(|word| Token::parse(word).ok());
                self.secrets.extend(words.collect::<Vec<_>>());
                self.refuse(input, why.to_string());
                None
            }
        }
    }

    fn parsed<T>(&mut self, input: Input, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match parse(self.get(input)?) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problem(input, why);
                None
            }
        }
    }

    /// The value of an input that can be a template, which is checked once it is rendered.
    fn template(&mut self, input: Input, parse: impl Fn(&str) -> Result<String, String>) -> Option<String> {
        match self.get(input) {
            Some(text) if is_template(text) => Some(text.to_owned()),
            _ => self.parsed(input, parse),
        }
    }

    /// The text of an input that is not blank, without white space around it.
    fn get(&self, input: Input) -> Option<&str> {
        input.written(&self.given).map(str::trim)
    }

    /// An input's text, or its default.
    fn text(&self, input: Input) -> &str {
        self.get(input).unwrap_or(input.default)
    }

    /// Notes a problem with an input, and shows its value.
    fn problem(&mut self, input: Input, why: impl Into<String>) {
        let problem = Problem::shown(input.name, self.text(input), why);
        self.note(input, problem);
    }

    /// Notes an input that has none of the values that it can have.
    fn expected(&mut self, input: Input, expected: &str) {
        let problem = Problem::expected(input.name, expected, self.text(input));
        self.note(input, problem);
    }

    /// Notes a problem with an input whose value does not matter, or must not be shown.
    fn refuse(&mut self, input: Input, why: impl Into<String>) {
        self.note(input, Problem::new(input.name, why));
    }

    fn note(&mut self, input: Input, problem: Problem) {
        if !self.rejected.contains(&input.name) {
            self.problems.push(problem);
        }
    }
}

/// The tokens in a text, as far as they can be known by how they begin. One that was written into the wrong input must
/// not be shown with what is wrong about that.
fn strays(text: &str) -> impl Iterator<Item = Token> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.'));
    let tokens = words.filter(|word| word.len() >= SHORTEST_STRAY).filter_map(|word| Token::parse(word).ok());
    tokens.filter(|token| token.kind() != TokenKind::Unknown)
}

/// The items of a list, which newlines and commas part.
fn listed(text: &str) -> Vec<String> {
    text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn unknown(name: &str) -> String {
    let known = INPUTS.iter().map(|input| input.name).collect::<Vec<_>>();
    format!("unknown input {} is ignored{}", harmless(&cut(name, LONGEST_VALUE)), nearest(name, &known))
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
    let read: Vec<Result_> = serde_json::from_str(text).map_err(|error| wrong(format!("cannot be read: {error}")))?;
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
            name: result.name.filter(|name| !name.is_empty()).map(|name| cut(&name, LONGEST_VALUE)),
            task_id: TaskId::parse(&id).map_err(|why| wrong(format!("`{id}` {why}")))?,
        });
    }
    Ok((tasks, without))
}

/// Reads the mapping of `expect`.
fn expectations(text: &str) -> Result<Expect, String> {
    let (tree, mut faults) = compose::parse(text).map_err(|fault| wrong_yaml(&[fault]))?;
    let (expect, more) = de::read_as(tree);
    faults.extend(more);
    expect.filter(|_| faults.is_empty()).ok_or_else(|| wrong_yaml(&faults))
}

fn wrong_yaml(faults: &[compose::Fault]) -> String {
    let faults = faults.iter().map(|it| format!("line {}, column {}: {}", it.place.line, it.place.column, it.why));
    format!("is wrong. {}", faults.collect::<Vec<_>>().join("; "))
}
