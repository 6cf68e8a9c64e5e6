//! What the user wrote, read into strings by envy and parsed once into types. Nothing after this reads an input.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;

use crate::claim::IfActive;
use crate::command::cut;
use crate::command::harmless;
use crate::context::Environment;
use crate::fence::Untrusted;
use crate::gate::Allowed;
use crate::gate::bare;
use crate::github::Address;
use crate::github::BadAddress;
use crate::github::Error;
use crate::outcome::Conclusion;
use crate::outcome::Refusal;
use crate::policy;
use crate::policy::Asked;
use crate::policy::Facts;
use crate::policy::Place;
use crate::policy::Rules;
use crate::repository::Repository;
use crate::repository::branch_name;
use crate::target;
use crate::target::List;
use crate::target::MOST_SHARDS;
use crate::target::Shard;
use crate::target::Source;
use crate::target::Target;
use crate::task::TaskId;
use crate::task::agent_name;
use crate::token::Token;
use crate::token::TokenKind;
use crate::vars;
use crate::watch;
use crate::wave::BadShare;
use crate::wave::Rollout;
use crate::wave::Share;
use crate::wave::Waves;

/// Where the API is when neither the runner nor the user says.
const GITHUB_COM: &str = "https://api.github.com";
/// The shortest poll interval. GitHub asks for a second between requests that change something and counts every
/// look that finds a change; a simulator on this machine does not mind.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// How long a task that this step has just started may be "not found": the answers that read lag behind the one
/// that wrote.
const PATIENCE_AFTER_START: Duration = Duration::from_secs(60);
/// The same for a task that was started earlier.
const PATIENCE_LATER: Duration = Duration::from_secs(10);
/// A word that is shorter than this is no secret; the scheme before a token is one of these.
const SHORTEST_SECRET: usize = 8;
/// A word of another input that begins as a token does and is at least so long is taken for one: the shortest of
/// GitHub's own have 40 characters, and a name has fewer than half of that.
const SHORTEST_STRAY: usize = 20;
/// How much of a value an error shows, in characters.
const LONGEST_VALUE: usize = 120;

/// Which commands an input is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// `start` alone.
    Start,
    /// `wait` alone.
    Wait,
    /// `start` and `wait`.
    Both,
    /// `start` and `plan`.
    Lists,
    /// All of them.
    All,
}

/// What the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start tasks.
    Start,
    /// Wait for tasks that were started earlier.
    Wait,
    /// Part a list for the jobs of a matrix.
    Plan,
    /// Look for what would keep a start from working. It takes the inputs of a start.
    Doctor,
}

impl Command {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Start, "start"), (Self::Wait, "wait"), (Self::Plan, "plan"), (Self::Doctor, "doctor")];
}

/// An input, as `action.yml` and the reference list it.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// Its name, as a workflow writes it.
    pub name: &'static str,
    /// What it is when it is not given; empty where it is simply absent.
    pub default: &'static str,
    /// Which command it is for.
    pub serves: Serves,
}

/// Every input there is.
pub const INPUTS: &[Input] = &[
    input("command", "start", Serves::All),
    input("token", "", Serves::All),
    input("lookup-token", "", Serves::Both),
    input("prompt", "", Serves::Start),
    input("prompt-file", "", Serves::Start),
    input("vars", "", Serves::Start),
    input("inputs", "", Serves::Start),
    input("repository", "", Serves::Both),
    input("repositories", "", Serves::Lists),
    input("base-ref", "", Serves::Start),
    input("head-ref", "", Serves::Start),
    input("model", "", Serves::Start),
    input("custom-agent", "", Serves::Start),
    input("create-pull-request", "false", Serves::Start),
    input("wait", "false", Serves::Both),
    input("wait-timeout", "75m", Serves::Both),
    input("poll-interval", "15s", Serves::Both),
    input("stop-on", "waiting_for_user, idle", Serves::Both),
    input("fail-on", "failure, timed_out, cancelled, action_required", Serves::Both),
    input("require-pull-request", "false", Serves::Both),
    input("idempotency-key", "", Serves::Start),
    input("if-active", "start", Serves::Start),
    input("confirm-timeout", "60s", Serves::Start),
    input("dry-run", "false", Serves::Both),
    input("task-id", "", Serves::Wait),
    input("policy", "", Serves::Both),
    input("task", "", Serves::Both),
    input("ticket", "", Serves::Start),
    input("max-parallel", "", Serves::Start),
    input("waves", "", Serves::Start),
    input("wave-success", "100%", Serves::Start),
    input("tolerate", "0%", Serves::Both),
    input("shard", "", Serves::Lists),
    input("allow-users", "", Serves::Start),
    input("allow-bots", "", Serves::Start),
    input("untrusted", "fence", Serves::Start),
    input("audit-log", "", Serves::Both),
    input("github-api-url", "", Serves::All),
];

const fn input(name: &'static str, default: &'static str, serves: Serves) -> Input {
    Input { name, default, serves }
}

/// The inputs that are not blank, as they stand in the environment.
struct Raw(BTreeMap<String, String>);

impl Raw {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// What the user wrote, in types.
#[derive(Debug)]
pub struct Inputs {
    /// Where the API is.
    pub address: Address,
    /// Who asks. Absent only where nothing is sent.
    pub token: Option<Token>,
    /// Who reads pull requests, where that is somebody else.
    pub lookup_token: Option<Token>,
    /// What is to be done.
    pub errand: Errand,
    /// How to wait; absent where nobody waits.
    pub wait: Option<watch::Rules>,
    /// The conclusions that fail the step.
    pub fail_on: Vec<Conclusion>,
    /// Whether `completed` without a pull request counts as a failure.
    pub require_pull_request: bool,
    /// How many tasks are rolled out.
    pub rollout: Rollout,
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
pub enum Errand {
    /// Start tasks.
    Start(Box<Start>),
    /// Look for what would keep them from starting.
    Doctor(Box<Start>),
    /// Wait for tasks that were started earlier.
    Wait(Vec<Waited>),
    /// Part a list for the jobs of a matrix: into so many parts, or into as many as it takes.
    Plan(List, Option<usize>),
}

/// Tasks to be started, one in each repository.
#[derive(Debug)]
pub struct Start {
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
    /// What makes two starts the same start, where the user says.
    pub idempotency_key: Option<String>,
    /// What to do about an unsettled task of the same name.
    pub if_active: IfActive,
    /// How long a start that was not answered is looked for.
    pub confirm_timeout: Duration,
    /// Who may cause the start without write access.
    pub allowed: Allowed,
    /// What is done with text that an outsider can write.
    pub untrusted: Untrusted,
    /// The change ticket.
    pub ticket: Option<String>,
}

/// Where a prompt's template is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptSource {
    /// In the workflow itself.
    Text(String),
    /// In a file of the workspace.
    File(String),
    /// In the file that the task class names.
    Class(Place),
}

impl PromptSource {
    /// The input that it was given by.
    pub fn input(&self) -> &'static str {
        match self {
            Self::Text(_) => "prompt",
            Self::File(_) => "prompt-file",
            Self::Class(_) => "task",
        }
    }
}

/// A task to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Waited {
    /// Where it runs.
    pub repository: Repository,
    /// Which it is.
    pub task_id: TaskId,
}

/// Something wrong with an input: its name, its value and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    name: String,
    value: Option<String>,
    why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "`{}: {}` {}", self.name, harmless(&cut(value, LONGEST_VALUE)), self.why),
            None => write!(f, "`{}` {}", self.name, self.why),
        }
    }
}

impl Problem {
    /// A problem with an input whose value is not shown.
    pub fn new(name: &str, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: None, why: why.into() }
    }

    /// Whether it is about this input.
    pub fn is_about(&self, name: &str) -> bool {
        self.name == name
    }

    /// A problem with an input whose value is shown.
    pub fn shown(name: &str, value: &str, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: Some(value.to_owned()), why: why.into() }
    }
}

/// Why something that the inputs point to cannot be had. Nothing was started.
#[derive(Debug)]
pub enum Lack {
    /// Something is wrong with it, or with what names it.
    BadInput(Vec<Problem>),
    /// GitHub did not answer with it.
    GitHub(Error),
}

impl From<Vec<Problem>> for Lack {
    fn from(problems: Vec<Problem>) -> Self {
        Self::BadInput(problems)
    }
}

/// What reading the inputs brought.
#[derive(Debug)]
pub struct Read {
    /// The inputs, or all that is wrong with them.
    pub inputs: Result<Inputs, Vec<Problem>>,
    /// Every token that was given, fit or not, so that all can be masked.
    pub secrets: Vec<Token>,
    /// What the user should know without the step failing.
    pub warnings: Vec<String>,
}

impl Inputs {
    /// Reads the inputs from the environment, where there is no policy.
    pub fn read(environment: &Environment) -> Read {
        Self::under(environment, Some(&Rules::default()))
    }

    /// Reads the inputs from the environment, and puts the rules of the policy in their place. Without rules, because
    /// there is something wrong with the policy, what hangs on them is not judged.
    pub fn under(environment: &Environment, rules: Option<&Rules>) -> Read {
        let mut reader = Reader::new(environment);
        reader.is_ruled = rules.is_some();
        let inputs = reader.inputs(environment, rules);
        let Reader { problems, warnings, secrets, .. } = reader;
        let inputs = inputs.filter(|_| problems.is_empty()).ok_or(problems);
        Read { inputs, secrets, warnings }
    }
}

/// What leads to the policy, which says how everything else is read.
#[derive(Debug)]
pub struct Opening {
    /// Where the API is; absent where the address is wrong.
    pub address: Option<Address>,
    /// Those who may read the policy, one after the other.
    pub tokens: Vec<Token>,
    /// Where the policy is. Absent where nobody says; `Err` where the place is none, which is told with the other
    /// inputs.
    pub policy: Result<Option<Place>, ()>,
    /// The task class.
    pub task: Option<String>,
    /// What the user asks for; absent where that is no command.
    pub command: Option<Command>,
    /// Every token that was given, fit or not, so that all can be masked.
    pub secrets: Vec<Token>,
}

impl Opening {
    /// Reads what leads to the policy. What is wrong with it is told by [`Inputs::under`].
    pub fn read(environment: &Environment) -> Self {
        let mut reader = Reader::new(environment);
        let token = reader.token("token");
        let lookup_token = reader.token("lookup-token");
        let place = reader.raw.get("policy").map(|text| text.trim().parse::<Place>());
        Self {
            address: reader.address(environment),
            tokens: lookup_token.into_iter().chain(token).collect(),
            policy: place.transpose().map_err(drop),
            task: reader.raw.get("task").map(|task| task.trim().to_owned()),
            command: reader.command(),
            secrets: reader.secrets,
        }
    }
}

impl Inputs {
    /// What a record keeps of the policy and the user's word.
    pub fn facts(&self) -> Facts {
        self.rules.facts(self.errand.start().and_then(|start| start.ticket.clone()))
    }
}

impl Errand {
    /// The start that it is about.
    pub fn start(&self) -> Option<&Start> {
        match self {
            Self::Start(start) | Self::Doctor(start) => Some(start),
            Self::Wait(_) | Self::Plan(..) => None,
        }
    }

    /// Where tasks are to be started.
    pub fn list(&self) -> Option<&List> {
        match self {
            Self::Plan(list, _) => Some(list),
            _ => self.start().map(|start| &start.list),
        }
    }
}

/// Reads one input after the other, and keeps what is wrong until the end.
struct Reader {
    raw: Raw,
    /// Whether the rules of the policy are known.
    is_ruled: bool,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    secrets: Vec<Token>,
}

impl Reader {
    fn new(environment: &Environment) -> Self {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let mut secrets = Vec::new();
        let mut given = BTreeMap::new();
        for name in environment.unreadable() {
            if name.starts_with("GITHUB_") || name.starts_with("RUNNER_") {
                problems.push(Problem::new(name, "is not valid UTF-8, and so cannot be used"));
            }
        }
        for name in environment.unreadable().iter().filter_map(|name| name.strip_prefix("INPUT_")) {
            let why = "is not valid UTF-8; give it as text in that encoding";
            problems.push(Problem::new(&name.to_lowercase().replace('_', "-"), why));
        }
        for (name, value) in environment.beginning_with("INPUT_").filter(|(_, value)| !value.trim().is_empty()) {
            // A composite action writes `INPUT_BASE_REF`, a Docker action gets `INPUT_BASE-REF`.
            let written = name.to_ascii_lowercase().replace(['_', ' '], "-");
            if !INPUTS.iter().any(|input| input.name == written) {
                warnings.push(unknown(&written));
            }
            secrets.extend(strays(value));
            if given.insert(written.clone(), value.to_owned()).is_some_and(|other| other != value) {
                let why = "is given twice with different values, once with a hyphen and once with an underscore; \
                           keep one";
                problems.push(Problem::new(&written, why));
            }
        }
        // Any text will do for a name and for a value, so there is nothing that envy could refuse.
        let given = envy::from_iter(given).unwrap_or_else(|error| unreachable!("{error}"));
        Self { raw: Raw(given), is_ruled: true, problems, warnings, secrets }
    }

    fn inputs(&mut self, environment: &Environment, rules: Option<&Rules>) -> Option<Inputs> {
        // Tokens come first: whatever else is wrong, they have to be hidden.
        let token = self.token("token");
        let lookup_token = self.token("lookup-token");
        let command = self.command();
        for input in INPUTS {
            self.fits(input, command?);
        }
        let address = self.address(environment);
        let dry_run = self.flag("dry-run");
        let unfit = token.as_ref().and_then(|token| token.kind().unfit_for_tasks());
        // The doctor tells of it beside everything else.
        let needs_token = matches!(command?, Command::Start | Command::Wait);
        if let Some(why) = unfit.filter(|_| needs_token) {
            self.problems.push(Problem::new("token", why));
        } else if token.is_none() && !dry_run && needs_token && self.raw.get("token").is_none() {
            self.problems.push(Problem::new(
                "token",
                "is missing or empty. Give a secret with a fine-grained personal access token that has \"Agent \
                 tasks: read and write\". Runs for pull requests from forks get no secrets, and runs for Dependabot \
                 only its own",
            ));
        }
        if let Some(kind @ (TokenKind::Refresh | TokenKind::AppJwt)) = lookup_token.as_ref().map(Token::kind)
            && let Some(why) = kind.unfit_for_tasks()
        {
            self.problems.push(Problem::new("lookup-token", why));
        }
        self.parsed("policy", str::parse::<Place>);
        let rules = match command? {
            Command::Start | Command::Doctor => rules.cloned().unwrap_or_default(),
            Command::Wait => rules.cloned().unwrap_or_default().of_a_wait(),
            Command::Plan => Rules::default(),
        };
        let (settled, refusals) = rules.settle(self.asked());
        let fail_on = settled.fail_on.clone().unwrap_or_else(|| self.fail_on());
        let (stop_on_question, stop_on_idle) = settled.stop_on.unwrap_or_else(|| self.stop_on());
        let patience = if command? == Command::Start { PATIENCE_AFTER_START } else { PATIENCE_LATER };
        let timeout = self.duration("wait-timeout");
        let interval = self.duration("poll-interval");
        let loopback = address.as_ref().is_some_and(Address::is_loopback);
        if interval < SHORTEST_INTERVAL && !interval.is_zero() && !loopback {
            self.problem("poll-interval", "is shorter than GitHub's limits allow; write `1s` or more");
        }
        let waiting = watch::Rules { timeout, interval, stop_on_question, stop_on_idle, patience };
        let require_pull_request = settled.require_pull_request.unwrap_or(false);
        let asked_to_wait = settled.wait.unwrap_or(false);
        let (errand, wait) = match command? {
            Command::Wait => {
                let repository = self.repository(environment);
                (self.tasks(repository.as_ref()).map(Errand::Wait), true)
            }
            command @ (Command::Start | Command::Doctor) => {
                // The doctor can look at everything else without a prompt.
                let is_start = command == Command::Start;
                let start = self.start(environment, &rules, settled, is_start).map(Box::new);
                (start.map(if is_start { Errand::Start } else { Errand::Doctor }), asked_to_wait)
            }
            Command::Plan => (self.parting().map(|(list, parts)| Errand::Plan(list, parts)), false),
        };
        let rollout = self.rollout(wait);
        if require_pull_request && !wait && self.is_ruled {
            self.problem("require-pull-request", "only a wait can tell; set `wait: true` as well");
        }
        Some(Inputs {
            address: address?,
            token,
            lookup_token,
            errand: errand?,
            wait: wait.then_some(waiting),
            fail_on,
            require_pull_request,
            rollout,
            rules,
            refusals,
            audit_log: self.raw.get("audit-log").map(|path| path.trim().to_owned()),
            dry_run,
        })
    }

    /// What the user asks for.
    fn command(&mut self) -> Option<Command> {
        let text = self.text("command");
        let known = Command::ALL.iter().find(|(_, name)| *name == text);
        if known.is_none() {
            let what = if text == "report" { "is not available yet" } else { "is no command" };
            self.problem("command", format!("{what}; write `start`, `wait`, `plan` or `doctor`"));
        }
        known.map(|(command, _)| *command)
    }

    /// Whether an input that is given does anything under this command. One that equals its default is always fine:
    /// an action hands over all of its inputs.
    fn fits(&mut self, input: &Input, command: Command) {
        if !self.given(input.name) {
            return;
        }
        let why = match input.serves {
            // The doctor takes the step as it is written.
            _ if command == Command::Doctor && input.serves != Serves::Wait => return,
            Serves::Start if command != Command::Start => "is for `command: start`; leave it out",
            Serves::Both if command == Command::Plan => "is for `command: start` and `command: wait`; leave it out",
            Serves::Lists if command == Command::Wait => "is for `command: start` and `command: plan`; leave it out",
            Serves::Wait if command != Command::Wait => {
                "is for `command: wait`; leave it out, or write `command: wait` to wait for that task"
            }
            _ => return,
        };
        self.problem(input.name, why);
    }

    /// What the user asks for, as far as a policy has a say.
    fn asked(&mut self) -> Asked {
        let prompts = [self.raw.get("prompt"), self.raw.get("prompt-file")];
        if prompts.iter().all(Option::is_some) {
            self.problems.push(Problem::new("prompt", "and `prompt-file` are both given; keep one"));
        }
        let [prompt, prompt_file] = prompts.map(|text| text.map(|text| text.trim().to_owned()));
        Asked {
            has_prompt: prompt.is_some(),
            prompt_file,
            models: self.given("model").then(|| self.models()),
            custom_agent: self.parsed("custom-agent", agent_name),
            base_ref: self.parsed("base-ref", branch_name),
            create_pull_request: self.given("create-pull-request").then(|| self.flag("create-pull-request")),
            require_pull_request: self.given("require-pull-request").then(|| self.flag("require-pull-request")),
            wait: self.given("wait").then(|| self.flag("wait")),
            fail_on: self.given("fail-on").then(|| self.fail_on()),
            stop_on: self.given("stop-on").then(|| self.stop_on()),
            ticket: self.parsed("ticket", policy::ticket),
        }
    }

    /// Whether an input says something: an action hands over all of its inputs, those that have their defaults too.
    fn given(&self, name: &str) -> bool {
        self.text(name) != default(name)
    }

    fn start(&mut self, environment: &Environment, rules: &Rules, settled: Asked, needs_prompt: bool) -> Option<Start> {
        let list = self.list(environment);
        let shard = self.parsed("shard", |text| text.parse::<Shard>().map_err(|why| why.to_string()));
        if shard.is_some() && self.raw.get("repositories").is_none() {
            self.problem("shard", "is a part of `repositories`, which is missing");
        } else if let (Some(_), Some(part)) = (shard, list.as_ref().and_then(|list| list.part)) {
            let why = format!("`repositories` is the part {part} of a list already; leave this out");
            self.problem("shard", why);
        }
        let own = self.raw.get("prompt").map(|text| PromptSource::Text(text.to_owned()));
        let own = own.or(settled.prompt_file.map(PromptSource::File));
        let prompt = rules.prompt().map(PromptSource::Class).or(own);
        if prompt.is_none() && self.is_ruled && needs_prompt {
            let why = "is missing. Write what the agent is to do, or let `prompt-file` name a file of the workspace";
            self.problems.push(Problem::new("prompt", why));
        }
        let vars = self.parsed("vars", vars::parse).unwrap_or_default();
        let inputs = self.parsed("inputs", vars::parse);
        let base_ref = settled.base_ref;
        let head_ref = self.parsed("head-ref", branch_name);
        if head_ref.is_some() && base_ref.is_none() {
            self.warnings.push(
                "`head-ref` without `base-ref`: GitHub commits to an existing branch only where that has an open pull \
                 request onto the base ref, and makes a new branch otherwise"
                    .to_owned(),
            );
        }
        let create_pull_request = settled.create_pull_request.unwrap_or(false);
        let require_pull_request = settled.require_pull_request.unwrap_or(false);
        if require_pull_request && !create_pull_request && head_ref.is_none() && self.is_ruled {
            self.problem("require-pull-request", "nobody asks for one; set `create-pull-request: true` as well");
        }
        let idempotency_key = self.raw.get("idempotency-key").map(|key| key.trim().to_owned());
        let if_active = self.if_active();
        let confirm_timeout = self.duration("confirm-timeout");
        let allowed = self.allowed();
        let untrusted = self.untrusted();
        Some(Start {
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
            idempotency_key,
            if_active,
            confirm_timeout,
            allowed,
            untrusted,
            ticket: settled.ticket,
        })
    }

    /// Where tasks are to be started.
    fn list(&mut self, environment: &Environment) -> Option<List> {
        match (self.raw.get("repositories"), self.raw.get("repository")) {
            (None, _) => {
                let target = Target::new(self.repository(environment)?);
                Some(List { sources: vec![Source::Named(target)], part: None })
            }
            (Some(_), Some(_)) => {
                self.problems.push(Problem::new("repositories", "and `repository` are both given; keep one"));
                None
            }
            (Some(text), None) => match target::read(text) {
                Ok(list) => Some(list),
                Err(wrong) => {
                    self.problems
                        .extend(wrong.into_iter().map(|why| Problem::new("repositories", format!("has in {why}"))));
                    None
                }
            },
        }
    }

    /// The list that is to be parted, and into how many parts.
    fn parting(&mut self) -> Option<(List, Option<usize>)> {
        let parts = self.parsed("shard", |text| match text.parse::<usize>() {
            Ok(parts) if (1..=MOST_SHARDS).contains(&parts) => Ok(parts),
            _ => Err(format!(
                "is no number of parts; with `command: plan` write a number up to {MOST_SHARDS}, such as `8`"
            )),
        });
        if self.raw.get("repositories").is_none() {
            let why = "is missing. Write the repositories that the jobs of a matrix are to share";
            self.problems.push(Problem::new("repositories", why));
            return None;
        }
        Some((self.list(&Environment::default())?, parts))
    }

    /// How many tasks are rolled out. `wait` says that somebody waits for them.
    fn rollout(&mut self, wait: bool) -> Rollout {
        let read = |text: &str| text.parse::<Waves>().map_err(|why| why.to_string());
        let waves = self.parsed("waves", read);
        let most_at_once = self.parsed("max-parallel", |text| match text.parse::<usize>() {
            Ok(most) if most > 0 => Ok(most),
            _ => Err("is no number of tasks; write a whole number from 1 on".to_owned()),
        });
        for (name, given) in [("waves", waves.is_some()), ("max-parallel", most_at_once.is_some())] {
            if given && !wait && self.is_ruled {
                self.problem(name, "only a wait can tell; set `wait: true` as well");
            }
        }
        let success = self.share("wave-success");
        if self.raw.get("waves").is_none() && success != Share::ALL {
            self.problem("wave-success", "is about `waves`, which is missing");
        }
        let tolerate = self.share("tolerate");
        Rollout { waves: waves.unwrap_or_else(Waves::one), success, most_at_once, tolerate }
    }

    fn share(&mut self, name: &str) -> Share {
        self.text(name).parse().unwrap_or_else(|why: BadShare| {
            self.problem(name, why.to_string());
            Share::ALL
        })
    }

    fn untrusted(&mut self) -> Untrusted {
        match self.text("untrusted") {
            "fence" => Untrusted::Fence,
            "refuse" => Untrusted::Refuse,
            _ => {
                self.problem("untrusted", "is neither `fence` nor `refuse`; write one of them");
                Untrusted::Refuse
            }
        }
    }

    /// The people and the bots that need no write access.
    fn allowed(&mut self) -> Allowed {
        let users = self.logins("allow-users", |login| match login.strip_suffix("[bot]") {
            Some(_) => Err("is a bot; name it in `allow-bots`"),
            None => Ok(login),
        });
        Allowed { users, bots: self.logins("allow-bots", |login| Ok(bare(login))) }
    }

    fn logins(&mut self, name: &str, read: impl Fn(&str) -> Result<&str, &'static str>) -> Vec<String> {
        // Logins of managed users have an underscore before the short code of their enterprise.
        let fits = |login: &str| login.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        let mut logins = Vec::new();
        for word in self.raw.get(name).map(listed).unwrap_or_default() {
            let login = read(&word).and_then(|login| match fits(login) {
                true => Ok(login.to_owned()),
                false => Err("is no login; write it as in the address of its page, without `@`"),
            });
            match login {
                Ok(login) => logins.push(login),
                Err(why) => {
                    self.problems.push(Problem { name: name.to_owned(), value: Some(word), why: why.to_owned() });
                }
            }
        }
        logins
    }

    fn tasks(&mut self, repository: Option<&Repository>) -> Option<Vec<Waited>> {
        let Some(text) = self.raw.get("task-id").map(|text| text.trim().to_owned()) else {
            let why = "is missing. Give the `task-id` or the `results` output of the step that started the task";
            self.problems.push(Problem::new("task-id", why));
            return None;
        };
        let mut tasks = Vec::new();
        if text.starts_with(['[', '{']) {
            match results(&text) {
                Ok((found, without)) => {
                    tasks = found;
                    if without > 0 {
                        self.warnings
                            .push(format!("`task-id` has {without} results without a task; they are left out"));
                    }
                }
                Err(why) => self.problem("task-id", why),
            }
        } else {
            for word in listed(&text) {
                match (TaskId::parse(&word), repository) {
                    (Ok(task_id), Some(repository)) => tasks.push(Waited { repository: repository.clone(), task_id }),
                    (Err(why), _) => self.problems.push(Problem {
                        name: "task-id".to_owned(),
                        value: Some(word),
                        why: why.to_string(),
                    }),
                    (Ok(_), None) => {}
                }
            }
        }
        let mut seen = HashSet::new();
        tasks.retain(|task| seen.insert(task.clone()));
        if tasks.is_empty() && self.problems.is_empty() {
            self.problem("task-id", "has no task to wait for");
        }
        Some(tasks)
    }

    /// The repository; for a wait that is told by `results` none is needed.
    fn repository(&mut self, environment: &Environment) -> Option<Repository> {
        if self.raw.get("repository").is_some() {
            return self.parsed("repository", |text| text.parse::<Repository>().map_err(|why| why.to_string()));
        }
        let told = environment.get("GITHUB_REPOSITORY");
        match (told, told.map(str::parse::<Repository>)) {
            (_, Some(Ok(repository))) => Some(repository),
            (Some(told), Some(Err(why))) => {
                let (value, why) = (Some(told.to_owned()), why.to_string());
                self.problems.push(Problem { name: "GITHUB_REPOSITORY".to_owned(), value, why });
                None
            }
            _ if self.raw.get("task-id").is_some_and(|text| text.trim().starts_with(['[', '{'])) => None,
            _ => {
                let why = "is missing, and the environment has no `GITHUB_REPOSITORY`; write `owner/name`";
                self.problems.push(Problem::new("repository", why));
                None
            }
        }
    }

    fn address(&mut self, environment: &Environment) -> Option<Address> {
        if self.raw.get("github-api-url").is_some() {
            match Address::parse(self.text("github-api-url"), None) {
                Ok(address) => return Some(address),
                // A user name in it may be followed by a password, and so it is not shown.
                Err(why @ BadAddress::Extra) => self.problems.push(Problem::new("github-api-url", why.to_string())),
                Err(why) => self.problem("github-api-url", why.to_string()),
            }
            return None;
        }
        let rest = environment.get("GITHUB_API_URL").unwrap_or(GITHUB_COM);
        match Address::parse(rest, environment.get("GITHUB_GRAPHQL_URL")) {
            Ok(address) => Some(address),
            Err(why) => {
                let value = Some(rest.to_owned());
                self.problems.push(Problem { name: "GITHUB_API_URL".to_owned(), value, why: why.to_string() });
                None
            }
        }
    }

    fn models(&mut self) -> Vec<Option<String>> {
        let mut models = Vec::new();
        for word in self.raw.get("model").map(listed).unwrap_or_default() {
            if word.chars().any(|c| c.is_whitespace() || c.is_control()) {
                let why = "is no model's name; write names such as `gpt-5.4`, with commas between them";
                self.problems.push(Problem { name: "model".to_owned(), value: Some(word), why: why.to_owned() });
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

    fn if_active(&mut self) -> IfActive {
        match self.text("if-active") {
            "start" => IfActive::Start,
            "skip" => IfActive::Skip,
            "attach" => IfActive::Attach,
            "fail" => IfActive::Fail,
            _ => {
                self.problem("if-active", "is none of `start`, `skip`, `attach`, `fail`; write one of them");
                IfActive::Start
            }
        }
    }

    fn fail_on(&mut self) -> Vec<Conclusion> {
        let known = |word: &str| word.parse().ok().filter(|it| *it != Conclusion::Success);
        self.choices("fail-on", known, "`failure`, `timed_out`, `cancelled`, `action_required`, `skipped`")
    }

    fn stop_on(&mut self) -> (bool, bool) {
        let known = |word: &str| match word {
            "waiting_for_user" => Some(true),
            "idle" => Some(false),
            _ => None,
        };
        let chosen = self.choices("stop-on", known, "`waiting_for_user`, `idle`");
        (chosen.contains(&true), chosen.contains(&false))
    }

    /// A list of words from a set, or `never` for none of them.
    fn choices<T>(&mut self, name: &str, known: impl Fn(&str) -> Option<T>, words: &str) -> Vec<T> {
        let written = listed(self.text(name));
        if written.len() == 1 && written.first().is_some_and(|word| word == "never") {
            return Vec::new();
        }
        let mut chosen = Vec::new();
        for word in written {
            match known(&word) {
                Some(choice) => chosen.push(choice),
                None => {
                    let why = format!("is none of {words}; write some of them, or `never` alone");
                    self.problems.push(Problem { name: name.to_owned(), value: Some(word), why });
                }
            }
        }
        chosen
    }

    /// A boolean as `@actions/core` reads it, <https://yaml.org/spec/1.2.2/#10212-boolean>.
    fn flag(&mut self, name: &str) -> bool {
        match self.text(name) {
            "true" | "True" | "TRUE" => true,
            "false" | "False" | "FALSE" => false,
            _ => {
                self.problem(name, "is no boolean; write `true` or `false`");
                false
            }
        }
    }

    fn duration(&mut self, name: &str) -> Duration {
        let text = self.text(name);
        let read = SignedDuration::from_str(text).ok().and_then(|it| Duration::try_from(it).ok());
        match read {
            Some(duration) if !duration.is_zero() => duration,
            _ => {
                let bare = text.chars().all(|c| c.is_ascii_digit()) && text.chars().any(|c| c != '0');
                let why = if read.is_some_and(|duration| duration.is_zero()) {
                    "is no time at all; write for example `30s`, `45m` or `1h30m`".to_owned()
                } else if bare {
                    format!("has no unit; write for example `{text}s` or `{text}m`")
                } else {
                    "is no duration; write hours, minutes and seconds, for example `1h30m`, `45m` or `30s`".to_owned()
                };
                self.problem(name, why);
                Duration::ZERO
            }
        }
    }

    fn token(&mut self, name: &str) -> Option<Token> {
        match Token::parse(self.raw.get(name)?.trim()) {
            Ok(token) => {
                self.secrets.push(token.clone());
                Some(token)
            }
            Err(why) => {
                // What is no token as it stands may well hold one, and is hidden all the same.
                let words = self.raw.get(name).unwrap_or_default().split_whitespace();
                let words =
                    words.filter(|word| word.len() >= SHORTEST_SECRET).filter_map(|word| Token::parse(word).ok());
                self.secrets.extend(words);
                self.problems.push(Problem::new(name, why.to_string()));
                None
            }
        }
    }

    fn parsed<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match parse(self.raw.get(name)?.trim()) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problem(name, why);
                None
            }
        }
    }

    /// An input's text, or its default.
    fn text(&self, name: &str) -> &str {
        self.raw.get(name).map_or(default(name), str::trim)
    }

    /// Notes that something is wrong with the value of an input.
    fn problem(&mut self, name: &str, why: impl Into<String>) {
        let value = self.raw.get(name).map(|value| value.trim().to_owned());
        self.problems.push(Problem { name: name.to_owned(), value, why: why.into() });
    }
}

/// What an input is when it is not given.
fn default(name: &str) -> &'static str {
    INPUTS.iter().find(|input| input.name == name).map_or("", |input| input.default)
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
    let likeness = |input: &&Input| (strsim::jaro_winkler(name, input.name) * 1000.0) as u32;
    let nearest = INPUTS.iter().max_by_key(likeness).map(|input| input.name).unwrap_or_default();
    format!("`{}` is no input and is ignored; the nearest name is `{nearest}`", harmless(&cut(name, LONGEST_VALUE)))
}

/// The tasks in the `results` of an earlier step, and how many results have none.
fn results(text: &str) -> Result<(Vec<Waited>, usize), String> {
    #[derive(Deserialize)]
    struct Result_ {
        repository: String,
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
        tasks.push(Waited { repository, task_id: TaskId::parse(&id).map_err(|why| wrong(format!("`{id}` {why}")))? });
    }
    Ok((tasks, without))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Read {
        let base = [("GITHUB_REPOSITORY", "octo/app")];
        Inputs::read(&base.iter().chain(pairs).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    fn good(pairs: &[(&str, &str)]) -> Inputs {
        let base = [("INPUT_TOKEN", "github_pat_x"), ("INPUT_PROMPT", "do it")];
        read(&[&base, pairs].concat()).inputs.unwrap()
    }

    fn problems(pairs: &[(&str, &str)]) -> Vec<String> {
        let base = [("INPUT_TOKEN", "github_pat_x"), ("INPUT_PROMPT", "do it")];
        all_problems(&[&base, pairs].concat())
    }

    fn all_problems(pairs: &[(&str, &str)]) -> Vec<String> {
        read(pairs).inputs.unwrap_err().iter().map(ToString::to_string).collect()
    }

    fn start(inputs: &Inputs) -> &Start {
        match &inputs.errand {
            Errand::Start(start) => start,
            _ => panic!("not a start"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_table() {
        let inputs = good(&[]);
        assert_eq!(inputs.address.to_string(), "https://api.github.com");
        assert_eq!((inputs.wait.is_none(), inputs.dry_run, inputs.require_pull_request), (true, false, false));
        assert_eq!(inputs.fail_on.len(), 4);
        assert_eq!((start(&inputs).models.clone(), start(&inputs).create_pull_request), (vec![None], false));
        let rules = good(&[("INPUT_WAIT", "true")]).wait.unwrap();
        assert_eq!((rules.timeout.as_secs(), rules.interval.as_secs()), (75 * 60, 15));
        assert!(rules.stop_on_question && rules.stop_on_idle);
    }

    #[test]
    fn both_spellings_are_read_and_blank_is_absent() {
        for name in ["INPUT_BASE_REF", "INPUT_BASE-REF", "INPUT_base-ref"] {
            assert_eq!(start(&good(&[(name, " release/1 ")])).base_ref.as_deref(), Some("release/1"), "{name}");
        }
        assert_eq!(start(&good(&[("INPUT_BASE_REF", " \n ")])).base_ref, None);
        let twice = problems(&[("INPUT_BASE_REF", "a"), ("INPUT_BASE-REF", "b")]);
        assert!(twice[0].contains("`base-ref` is given twice"), "{twice:?}");
        assert_eq!(start(&good(&[("INPUT_BASE_REF", "a"), ("INPUT_BASE-REF", "a")])).base_ref.as_deref(), Some("a"));
    }

    #[test]
    fn booleans_are_those_of_actions() {
        for (text, truth) in [("true", true), ("True", true), ("TRUE", true), ("false", false), ("FALSE", false)] {
            assert_eq!(good(&[("INPUT_DRY_RUN", text)]).dry_run, truth);
        }
        for text in ["yes", "1", "tRue"] {
            let told = problems(&[("INPUT_DRY_RUN", text)]);
            assert_eq!(told, [format!("`dry-run: {text}` is no boolean; write `true` or `false`")]);
        }
    }

    #[test]
    fn durations_have_units() {
        let timeout = |text| good(&[("INPUT_WAIT", "true"), ("INPUT_WAIT_TIMEOUT", text)]).wait.unwrap().timeout;
        assert_eq!(timeout("1h30m").as_secs(), 5400);
        assert_eq!(timeout("90s").as_secs(), 90);
        let told = problems(&[("INPUT_WAIT_TIMEOUT", "15")]);
        assert_eq!(told, ["`wait-timeout: 15` has no unit; write for example `15s` or `15m`"]);
        for text in ["soon", "-5s", "1w"] {
            assert!(problems(&[("INPUT_WAIT_TIMEOUT", text)])[0].contains("is no duration"), "{text}");
        }
        assert!(problems(&[("INPUT_WAIT_TIMEOUT", "0s")])[0].contains("is no time at all"));
        assert!(problems(&[("INPUT_POLL_INTERVAL", "100ms")])[0].contains("write `1s` or more"));
        let loopback = ("INPUT_GITHUB_API_URL", "http://127.0.0.1:9");
        let inputs = good(&[("INPUT_WAIT", "true"), ("INPUT_POLL_INTERVAL", "100ms"), loopback]);
        assert_eq!(inputs.wait.unwrap().interval.as_millis(), 100);
    }

    #[test]
    fn lists_are_parted_by_commas_and_newlines() {
        let models = start(&good(&[("INPUT_MODEL", " gpt-5.4,\nauto, gpt-5.4 ")])).models.clone();
        assert_eq!(models, [Some("gpt-5.4".to_owned()), None]);
        assert_eq!(good(&[("INPUT_FAIL_ON", "never")]).fail_on, []);
        assert_eq!(good(&[("INPUT_FAIL_ON", "failure\nskipped")]).fail_on.len(), 2);
        assert!(problems(&[("INPUT_FAIL_ON", "never, failure")])[0].contains("`fail-on: never`"));
        assert!(problems(&[("INPUT_STOP_ON", "completed")])[0].contains("`stop-on: completed`"));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let told = all_problems(&[
            ("INPUT_TOKEN", "ghs_0123"),
            ("INPUT_REPOSITORY", "octo"),
            ("INPUT_WAIT", "maybe"),
            ("INPUT_WAIT_TIMEOUT", "9"),
            ("INPUT_BASE_REF", "a b"),
            ("INPUT_CUSTOM_AGENT", ".github/agents/fixer.agent.md"),
            ("INPUT_VARS", "- a"),
            ("INPUT_GITHUB_API_URL", "http://github.example.com"),
        ]);
        for part in [
            "`token` is an installation token",
            "`repository: octo` is not of the form `owner/name`",
            "`wait: maybe` is no boolean",
            "`wait-timeout: 9`",
            "`base-ref: a b`",
            "write its file's name without folder and extension, such as `fixer`",
            "`vars: - a` is not a mapping",
            "`prompt` is missing",
            "so the token would travel unencrypted",
        ] {
            assert!(told.iter().any(|line| line.contains(part)), "{part} in {told:#?}");
        }
        assert_eq!(told.len(), 9, "{told:#?}");
    }

    #[test]
    fn no_problem_shows_a_token() {
        let told = all_problems(&[("INPUT_TOKEN", "Bearer ghp_s3cr3t"), ("INPUT_LOOKUP_TOKEN", "ghp_s3c r3t")]);
        assert!(told.iter().all(|line| !line.contains("s3c")), "{told:?}");
        assert!(all_problems(&[("INPUT_PROMPT", "x")])[0].contains("forks"));
        assert_eq!(read(&[("INPUT_TOKEN", "ghs_x"), ("INPUT_LOOKUP_TOKEN", "ghs_y")]).secrets.len(), 2);
    }

    #[test]
    fn later_commands_are_refused_rather_than_ignored() {
        assert!(problems(&[("INPUT_COMMAND", "report")])[0].contains("not available yet"));
        assert!(problems(&[("INPUT_COMMAND", "start over")])[0].contains("is no command"));
    }

    #[test]
    fn an_input_of_the_other_command_is_refused() {
        assert!(problems(&[("INPUT_TASK_ID", "t-1")])[0].contains("is for `command: wait`"));
        let told = problems(&[("INPUT_COMMAND", "wait"), ("INPUT_TASK_ID", "t-1")]);
        assert_eq!(told, ["`prompt: do it` is for `command: start`; leave it out"]);
    }

    #[test]
    fn many_repositories_come_as_a_list_and_are_rolled_out_in_waves() {
        let many = [
            ("INPUT_REPOSITORIES", "octo/a\nocto/b v=1\n@list.txt"),
            ("INPUT_WAIT", "true"),
            ("INPUT_WAVES", "1, *"),
            ("INPUT_WAVE_SUCCESS", "90%"),
            ("INPUT_MAX_PARALLEL", "20"),
            ("INPUT_TOLERATE", "5%"),
            ("INPUT_SHARD", "2/8"),
        ];
        let inputs = good(&many);
        assert_eq!((start(&inputs).list.sources.len(), start(&inputs).shard), (3, Some(Shard { number: 2, count: 8 })));
        assert_eq!((inputs.rollout.success.to_string(), inputs.rollout.most_at_once), ("90%".to_owned(), Some(20)));
        for (pairs, part) in [
            (
                &[("INPUT_REPOSITORIES", "octo/a"), ("INPUT_REPOSITORY", "octo/b")][..],
                "`repositories` and `repository` are both",
            ),
            (&[("INPUT_REPOSITORIES", "octo\na/b/c")], "`repositories` has in line 2: `a/b/c`"),
            (&[("INPUT_REPOSITORIES", "octo/a"), ("INPUT_WAVES", "1, *")], "`waves: 1, *` only a wait can tell"),
            (
                &[("INPUT_REPOSITORIES", "octo/a"), ("INPUT_MAX_PARALLEL", "0")],
                "`max-parallel: 0` is no number of tasks",
            ),
            (&[("INPUT_SHARD", "2/8")], "is a part of `repositories`, which is missing"),
            (&[("INPUT_REPOSITORIES", "part: 1/2\nocto/a"), ("INPUT_SHARD", "2/8")], "the part 1/2 of a list already"),
            (&[("INPUT_WAVE_SUCCESS", "90%")], "is about `waves`, which is missing"),
            (&[("INPUT_TOLERATE", "10")], "`tolerate: 10` is no share"),
        ] {
            let told = problems(pairs);
            assert!(told.iter().any(|line| line.contains(part)), "{part} in {told:#?}");
        }
    }

    #[test]
    fn a_plan_takes_a_list_and_a_number_of_parts() {
        let plan = |pairs: &[(&str, &str)]| {
            read(&[&[("INPUT_COMMAND", "plan"), ("INPUT_TOKEN", "ghp_x")], pairs].concat()).inputs
        };
        let inputs = plan(&[("INPUT_REPOSITORIES", "octo/a, octo/b"), ("INPUT_SHARD", "2")]).unwrap();
        assert!(matches!(inputs.errand, Errand::Plan(List { sources, .. }, Some(2)) if sources.len() == 2));
        for (pairs, part) in [
            (&[("INPUT_SHARD", "2/8")][..], "is no number of parts"),
            (&[], "`repositories` is missing"),
            (&[("INPUT_PROMPT", "x")], "`prompt: x` is for `command: start`"),
            (&[("INPUT_FAIL_ON", "never")], "`fail-on: never` is for `command: start` and"),
        ] {
            let told = plan(pairs).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
            assert!(told.iter().any(|line| line.contains(part)), "{part} in {told:#?}");
        }
    }

    #[test]
    fn a_wait_takes_ids_or_results() {
        let waited = |text: &str, repository: &str| {
            let environment = [
                ("INPUT_TOKEN", "ghp_x"),
                ("INPUT_COMMAND", "wait"),
                ("INPUT_TASK_ID", text),
                ("GITHUB_REPOSITORY", repository),
            ];
            match Inputs::read(&environment.map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter().collect()).inputs {
                Ok(Inputs { errand: Errand::Wait(tasks), wait: Some(_), .. }) => {
                    tasks.iter().map(|task| format!("{} {}", task.repository, task.task_id)).collect()
                }
                Ok(_) => panic!("not a wait"),
                Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }
        };
        assert_eq!(waited("t-1, t-2\nt-1", "octo/app"), ["octo/app t-1", "octo/app t-2"]);
        let results = r#"[{"repository":"octo/a","task-id":"t-1"},{"repository":"octo/b","task-id":null}]"#;
        assert_eq!(waited(results, ""), ["octo/a t-1"]);
        assert!(waited("t/1", "octo/app")[0].contains("is no task id"));
        assert!(waited("[1]", "octo/app")[0].contains("cannot be read"));
        assert!(waited("[]", "octo/app")[0].contains("no task to wait for"));
        assert!(waited("t-1", "")[0].contains("`repository` is missing"));
    }

    #[test]
    fn what_cannot_come_out_green_is_refused() {
        assert!(
            problems(&[("INPUT_REQUIRE_PULL_REQUEST", "true"), ("INPUT_CREATE_PULL_REQUEST", "true")])[0]
                .contains("`wait: true`")
        );
        assert!(
            problems(&[("INPUT_REQUIRE_PULL_REQUEST", "true"), ("INPUT_WAIT", "true")])[0]
                .contains("`create-pull-request: true`")
        );
        let both = [("INPUT_PROMPT_FILE", "p.md")];
        assert_eq!(problems(&both), ["`prompt` and `prompt-file` are both given; keep one"]);
    }

    #[test]
    fn a_dry_run_needs_no_token() {
        let read = read(&[("INPUT_PROMPT", "x"), ("INPUT_DRY_RUN", "true")]);
        assert!(read.inputs.unwrap().token.is_none());
    }

    #[test]
    fn an_unknown_input_is_warned_of_with_the_nearest_name() {
        let read = read(&[("INPUT_TOKEN", "ghp_x"), ("INPUT_PROMPT", "x"), ("INPUT_BASEREF", "main")]);
        assert_eq!(read.warnings, ["`baseref` is no input and is ignored; the nearest name is `base-ref`"]);
    }
}
