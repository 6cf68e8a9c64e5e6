//! What the user wrote, read into strings by envy and parsed once into types. Nothing after this reads an input.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr as _;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;

use crate::actions::context::Environment;
use crate::github::repository::{Repository, branch_name};
use crate::github::task::{TaskId, agent_name};
use crate::github::token::{Token, TokenKind};
use crate::github::url::{ApiUrl, ApiUrlError};
use crate::inputs::problem::{LONGEST_VALUE, Problem};
use crate::inputs::request::{Inputs, PromptSource, Request, StartRequest, WaitTarget};
use crate::inputs::table::{Command, INPUTS, Input, Serves, default};
use crate::inputs::targets::{List, MOST_SHARDS, Shard, Source, Target};
use crate::inputs::{targets, vars};
use crate::policy::actor::{ActorAllowlist, bare};
use crate::policy::evaluate::{Overrides, Rules};
use crate::policy::location::PolicyLocation;
use crate::policy::values;
use crate::prompt::fence::Untrusted;
use crate::task::conclusion::Conclusion;
use crate::task::rollout::{Rollout, Share, ShareError, Waves};
use crate::task::start::IfActive;
use crate::task::wait;
use crate::text::{cut, harmless};

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

/// The inputs that are not blank, as they stand in the environment.
struct Raw(BTreeMap<String, String>);

impl Raw {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

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
#[derive(Debug)]
pub struct Bootstrap {
    /// Where the API is; absent where the address is wrong.
    pub address: Option<ApiUrl>,
    /// Those who may read the policy, one after the other.
    pub tokens: Vec<Token>,
    /// Where the policy is. Absent where nobody says; `Err` where the place is none, which is told with the other
    /// inputs.
    pub policy: Result<Option<PolicyLocation>, ()>,
    /// The task class.
    pub task: Option<String>,
    /// What the user asks for; absent where that is no command.
    pub command: Option<Command>,
    /// Every token that was given, fit or not, so that all can be masked.
    pub secrets: Vec<Token>,
}

impl Bootstrap {
    /// Reads what leads to the policy. What is wrong with it is told by [`Inputs::under`].
    pub fn read(environment: &Environment) -> Self {
        let mut reader = Reader::new(environment);
        let token = reader.token("token");
        let lookup_token = reader.token("lookup-token");
        let place = reader.raw.get("policy").map(|text| text.trim().parse::<PolicyLocation>());
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

/// Reads one input after the other, and keeps what is wrong until the end.
pub(crate) struct Reader {
    raw: Raw,
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

    pub(super) fn inputs(&mut self, environment: &Environment, rules: Option<&Rules>) -> Option<Inputs> {
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
        self.parsed("policy", str::parse::<PolicyLocation>);
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
        let loopback = address.as_ref().is_some_and(ApiUrl::is_loopback);
        if interval < SHORTEST_INTERVAL && !interval.is_zero() && !loopback {
            self.problem("poll-interval", "is shorter than GitHub's limits allow; write `1s` or more");
        }
        let waiting = wait::WaitRules { timeout, interval, stop_on_question, stop_on_idle, patience };
        let require_pull_request = settled.require_pull_request.unwrap_or(false);
        let asked_to_wait = settled.wait.unwrap_or(false);
        let (request, wait) = match command? {
            Command::Wait => {
                let repository = self.repository(environment);
                (self.tasks(repository.as_ref()).map(Request::Wait), true)
            }
            command @ (Command::Start | Command::Doctor) => {
                // The doctor can look at everything else without a prompt.
                let is_start = command == Command::Start;
                let start = self.start(environment, &rules, settled, is_start).map(Box::new);
                (start.map(if is_start { Request::Start } else { Request::Doctor }), asked_to_wait)
            }
            Command::Plan => (self.parting().map(|(list, parts)| Request::Plan(list, parts)), false),
        };
        let rollout = self.rollout(wait);
        if require_pull_request && !wait && self.is_ruled {
            self.problem("require-pull-request", "only a wait can tell; set `wait: true` as well");
        }
        Some(Inputs {
            address: address?,
            token,
            lookup_token,
            request: request?,
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
    fn asked(&mut self) -> Overrides {
        let prompts = [self.raw.get("prompt"), self.raw.get("prompt-file")];
        if prompts.iter().all(Option::is_some) {
            self.problems.push(Problem::new("prompt", "and `prompt-file` are both given; keep one"));
        }
        let [prompt, prompt_file] = prompts.map(|text| text.map(|text| text.trim().to_owned()));
        Overrides {
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
            ticket: self.parsed("ticket", values::ticket),
        }
    }

    /// Whether an input says something: an action hands over all of its inputs, those that have their defaults too.
    fn given(&self, name: &str) -> bool {
        self.text(name) != default(name)
    }

    fn start(
        &mut self,
        environment: &Environment,
        rules: &Rules,
        settled: Overrides,
        needs_prompt: bool,
    ) -> Option<StartRequest> {
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
            (Some(text), None) => match targets::read(text) {
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
        self.text(name).parse().unwrap_or_else(|why: ShareError| {
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
    fn allowed(&mut self) -> ActorAllowlist {
        let users = self.logins("allow-users", |login| match login.strip_suffix("[bot]") {
            Some(_) => Err("is a bot; name it in `allow-bots`"),
            None => Ok(login),
        });
        ActorAllowlist { users, bots: self.logins("allow-bots", |login| Ok(bare(login))) }
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

    fn tasks(&mut self, repository: Option<&Repository>) -> Option<Vec<WaitTarget>> {
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
                    (Ok(task_id), Some(repository)) => {
                        tasks.push(WaitTarget { repository: repository.clone(), task_id });
                    }
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

    fn address(&mut self, environment: &Environment) -> Option<ApiUrl> {
        if self.raw.get("github-api-url").is_some() {
            match ApiUrl::parse(self.text("github-api-url"), None) {
                Ok(address) => return Some(address),
                // A user name in it may be followed by a password, and so it is not shown.
                Err(why @ ApiUrlError::Extra) => self.problems.push(Problem::new("github-api-url", why.to_string())),
                Err(why) => self.problem("github-api-url", why.to_string()),
            }
            return None;
        }
        let rest = environment.get("GITHUB_API_URL").unwrap_or(GITHUB_COM);
        match ApiUrl::parse(rest, environment.get("GITHUB_GRAPHQL_URL")) {
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
pub(crate) fn results(text: &str) -> Result<(Vec<WaitTarget>, usize), String> {
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
        tasks.push(WaitTarget {
            repository,
            task_id: TaskId::parse(&id).map_err(|why| wrong(format!("`{id}` {why}")))?,
        });
    }
    Ok((tasks, without))
}
