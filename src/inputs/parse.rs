//! What the user wrote, read into strings by envy and parsed once into types. Nothing after this reads an input.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::actions::context::Environment;
use crate::github::repository::branch_name;
use crate::github::token::{self, Token, TokenKind};
use crate::github::transport::is_proxy;
use crate::github::url::{ApiUrl, ApiUrlError};
use crate::inputs::problem::Problem;
use crate::inputs::reader::{Reader, listed};
use crate::inputs::request::Inputs;
use crate::inputs::table::{Command, INPUTS, Input, input};
use crate::policy::actor::{bot_login, user_login};
use crate::policy::evaluate::{Overrides, Rules};
use crate::policy::location::PolicyLocation;
use crate::policy::values;
use crate::prompt::fence::Untrusted;
use crate::task::acceptance::Expect;
use crate::task::conclusion::Conclusion;
use crate::task::start::{ActiveScope, IfActive};
use crate::task::stop::{StopRules, UnfinishedTask};
use crate::task::wait;
use crate::task::waves::{Share, ShareError, WaveRules, Waves};
use crate::yaml::{compose, de};

/// The server when neither the runner nor the user says.
const GITHUB_COM: &str = "https://github.com";
/// The variables with a proxy for encrypted connections, in the order in which the HTTP client reads them.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The shortest poll interval. GitHub asks for a second between requests that change something and counts every
/// poll that finds a change; a simulator on this machine does not mind.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// How long a task that this step has just started may be "not found": the answers that read lag behind the one
/// that wrote.
const GRACE_AFTER_START: Duration = Duration::from_secs(60);
/// The same for a task that was started earlier.
const GRACE_LATER: Duration = Duration::from_secs(10);

/// The inputs that are templates besides the prompt.
const TEMPLATES: [&Input; 4] = [input::idempotency_key, input::base_ref, input::head_ref, input::ticket];
/// The inputs in which `{{` is part of the value: the prompt, and values for it. A list of repositories has such values,
/// and the results of an earlier step can quote any text.
const QUOTING: [&Input; 5] = [input::prompt, input::vars, input::inputs, input::repositories, input::task_id];

/// The result of reading the inputs.
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
    /// Where the API is; absent if the address is wrong.
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
    given: Reader,
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

impl Inputs {
    /// Reads the inputs from the environment, if there is no policy.
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

impl Reader {
    fn inputs(&mut self, environment: &Environment, rules: Option<&Rules>) -> Option<Inputs> {
        // Tokens come first: whatever else is wrong, they have to be hidden.
        let token = self.token(input::token);
        let lookup_token = self.token(input::lookup_token);
        let command = self.command();
        for input in INPUTS {
            self.check_literal(input);
            self.check_command(input, command?);
        }
        for (input, is_free) in [(input::vars, true), (input::inputs, true), (input::expect, false)] {
            let warnings = compose::warnings(self.get(input).unwrap_or_default().trim(), is_free);
            self.warnings.extend(warnings.into_iter().map(|warning| format!("`{}`, {warning}", input.name)));
        }
        let address = self.address(environment);
        let dry_run = self.flag(input::dry_run);
        self.check_tokens(token.as_ref(), lookup_token.as_ref(), command?, dry_run);
        self.parsed(input::policy, str::parse::<PolicyLocation>);
        let rules = match command? {
            Command::Start | Command::Doctor => rules.cloned().unwrap_or_default(),
            Command::Wait => rules.cloned().unwrap_or_default().of_a_wait(),
            Command::Stop => rules.cloned().unwrap_or_default().of_a_stop(),
            _ => Rules::default(),
        };
        let (settled, refusals) = rules.settle(self.asked());
        let fail_on = match command? {
            // A stop that was asked for and succeeds is `cancelled`.
            Command::Stop => vec![Conclusion::Failure],
            _ => settled.fail_on.clone().unwrap_or_else(|| self.fail_on()),
        };
        let (stop_on_question, stop_on_idle) = settled.stop_on.unwrap_or_else(|| self.stop_on());
        let grace = if command? == Command::Start { GRACE_AFTER_START } else { GRACE_LATER };
        let timeout = self.duration(input::wait_timeout);
        let interval = self.duration(input::poll_interval);
        let loopback = address.as_ref().is_some_and(ApiUrl::is_loopback);
        if interval < MIN_INTERVAL && !interval.is_zero() && !loopback {
            self.problem(input::poll_interval, "is shorter than GitHub's limits allow; write 1s or more");
        }
        let waiting = wait::WaitRules { timeout, interval, stop_on_question, stop_on_idle, grace };
        let stop = StopRules {
            on_timeout: settled.on_timeout.unwrap_or_default(),
            on_interrupt: settled.on_interrupt.unwrap_or_default(),
            max_credits: settled.max_credits,
            max_duration: settled.max_duration,
            force: settled.force.unwrap_or(false),
            interval,
        };
        let expect = settled.expect.clone();
        let require_pull_request = settled.requires_pull_request();
        let forbids_pull_rule = settled.require_pull_request == Some(false);
        let is_rollout = self.get(input::rollout).is_some() && command? != Command::Report;
        let (request, wait) = self.request(command?, environment, &rules, settled);
        if command? != Command::Stop {
            self.check_stop(&stop, wait);
        }
        let mut wave_rules = self.wave_rules(wait, is_rollout);
        if is_rollout {
            wave_rules = WaveRules::default();
        }
        if require_pull_request && !wait && !is_rollout && self.is_ruled {
            let (input, why) = match expect.is_empty() {
                true => (input::require_pull_request, "requires wait: true"),
                false => (input::expect, "requires wait: true or rollout"),
            };
            self.refuse(input, why);
        }
        if wait && is_rollout {
            self.refuse(input::rollout, "excludes wait: true, because each run ends and the next one continues");
        }
        self.check_expect(&expect, forbids_pull_rule);
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
            wave_rules,
            allow_empty: self.flag(input::allow_empty),
            rules,
            refusals,
            audit_log: self.get(input::audit_log).map(str::to_owned),
            dry_run,
        })
    }

    fn check_tokens(&mut self, token: Option<&Token>, lookup_token: Option<&Token>, command: Command, dry_run: bool) {
        let unfit = token.and_then(|token| token.kind().unfit_for_tasks());
        // The doctor reports it among its findings.
        let needs_token = !matches!(command, Command::Plan | Command::Doctor);
        if let Some(why) = unfit.filter(|_| needs_token) {
            self.problems.push(Problem::new(input::token.name, why));
        } else if token.is_none() && !dry_run && needs_token && self.get(input::token).is_none() {
            self.problems.push(Problem::new(input::token.name, token::MISSING));
        }
        if let Some(kind @ (TokenKind::Refresh | TokenKind::AppJwt)) = lookup_token.map(Token::kind)
            && let Some(why) = kind.unfit_for_tasks()
        {
            self.problems.push(Problem::new(input::lookup_token.name, why));
        }
    }

    fn check_expect(&mut self, expect: &Expect, forbids_pull_rule: bool) {
        if forbids_pull_rule && !expect.is_empty() {
            self.refuse(input::expect, "requires a pull request, and the policy has require-pull-request: false");
        }
        if expect.checks.is_none() && expect.checks_timeout.is_some() {
            self.refuse(input::expect, "has checks-timeout without checks: success; add it");
        }
    }

    /// What the step does.
    fn command(&mut self) -> Option<Command> {
        let known = Command::ALL.iter().find(|(_, name)| *name == self.text(input::command));
        if known.is_none() {
            let names = Command::ALL.map(|(_, name)| name).join(", ");
            self.expected(input::command, &format!("one of {names}"));
        }
        known.map(|(command, _)| *command)
    }

    /// An input that has no effect with this command is an error. One that equals its default is fine: an action passes
    /// all of its inputs.
    fn check_command(&mut self, input: &Input, command: Command) {
        if !self.is_set(input) || input.commands.contains(&command) {
            return;
        }
        // The doctor takes the step of a start as it is written.
        let others = input.commands.iter().filter(|it| **it != Command::Doctor).map(|it| it.as_str());
        let others = others.collect::<Vec<_>>().join(", ");
        let others = others.rsplit_once(", ").map_or(others.clone(), |(all, last)| format!("{all} and {last}"));
        self.refuse(input, format!("has no effect with command: {}; it is for command: {others}", command.as_str()));
    }

    /// A value with `{{` that is not a template would be used literally.
    fn check_literal(&mut self, input: &Input) {
        let is = |other: &&Input| other.name == input.name;
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
                text.parse::<NonZeroU64>()
                    .map_err(|_| "is not a whole number of credits; write 1 or more, in digits only".to_owned())
            }),
            max_duration: self.get(input::max_duration).is_some().then(|| self.duration(input::max_duration)),
            force: self.is_set(input::force).then(|| self.flag(input::force)),
            ticket: self.template(input::ticket, values::ticket),
        }
    }

    fn unfinished(&mut self, input: &Input) -> UnfinishedTask {
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

    /// How the tasks are rolled out. `wait` says whether the step waits for them.
    fn wave_rules(&mut self, wait: bool, is_rollout: bool) -> WaveRules {
        let read = |text: &str| text.parse::<Waves>().map_err(|why| why.to_string());
        let waves = self.parsed(input::waves, read);
        let most_at_once = self.parsed(input::max_parallel, |text| match text.parse::<usize>() {
            Ok(most) if most > 0 => Ok(most),
            _ => Err("is not a whole number of tasks; write 1 or more, in digits only".to_owned()),
        });
        if waves.is_some() && !wait && !is_rollout && self.is_ruled {
            self.refuse(input::waves, "requires wait: true or rollout");
        }
        if most_at_once.is_some() && !wait && self.is_ruled {
            self.refuse(input::max_parallel, "requires wait: true");
        }
        let success = self.share(input::wave_success);
        if self.get(input::waves).is_none() && success != Share::ALL {
            self.refuse(input::wave_success, "requires waves");
        }
        let tolerate = self.share(input::tolerate);
        WaveRules { waves: waves.unwrap_or_else(Waves::one), success, most_at_once, tolerate }
    }

    fn share(&mut self, input: &Input) -> Share {
        self.text(input).parse().unwrap_or_else(|why: ShareError| {
            self.problem(input, why.to_string());
            Share::ALL
        })
    }

    /// The address of the API, which can be reached as far as the environment says.
    fn address(&mut self, environment: &Environment) -> Option<ApiUrl> {
        let address = self.api_url(environment)?;
        let proxy = PROXIES.into_iter().find_map(|name| Some((name, environment.get(name)?)));
        match proxy.filter(|(_, proxy)| !address.is_loopback() && !is_proxy(proxy)) {
            // A password can be in it, and so it is not shown.
            Some((name, _)) => {
                let why = "is not the address of a proxy; write `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`";
                self.problems.push(Problem::new(name, why));
                None
            }
            None => Some(address),
        }
    }

    fn api_url(&mut self, environment: &Environment) -> Option<ApiUrl> {
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
        let server = environment.get("GITHUB_SERVER_URL").unwrap_or(GITHUB_COM);
        let rest = environment.get("GITHUB_API_URL").map(str::to_owned).or_else(|| ApiUrl::of_server(server));
        let Some(rest) = &rest else {
            let why = "is neither github.com nor ghe.com, and GITHUB_API_URL is not set; set `github-api-url` to \
                       `https://api.github.com` or `https://api.SUBDOMAIN.ghe.com`";
            self.problems.push(Problem::shown("GITHUB_SERVER_URL", server, why));
            return None;
        };
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
}

/// Reads the mapping of `expect`.
fn expectations(text: &str) -> Result<Expect, String> {
    let (tree, mut faults) = compose::parse(text).map_err(|fault| wrong_yaml(&[fault]))?;
    let (expect, more) = de::read_as(tree);
    faults.extend(more);
    expect.filter(|_| faults.is_empty()).ok_or_else(|| wrong_yaml(&faults))
}

fn wrong_yaml(faults: &[compose::Fault]) -> String {
    format!("is wrong. {}", faults.iter().map(compose::Fault::to_string).collect::<Vec<_>>().join("; "))
}
