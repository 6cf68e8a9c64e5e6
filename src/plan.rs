//! What will be done, decided before anything is sent: a dry run and every refusal end here.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::actions::context::Context;
use crate::github::error::Error;
use crate::github::rate_limit::RateLimiter;
use crate::github::repository::{Repository, branch_name};
use crate::github::task::{NewTask, TaskId};
use crate::github::token::Token;
use crate::github::url::ApiUrl;
use crate::inputs::problem::Problem;
use crate::inputs::request::{HEAD_WITHOUT_BASE, Inputs, PromptSource, Request, StartRequest, StopRequest, WaitTarget};
use crate::inputs::targets::{MAX_SHARDS, Shard, Target, written};
use crate::policy::actor::ActorCheck;
use crate::policy::evaluate::{EntrySettings, PolicyMetadata, is_template};
use crate::policy::limits::LimitCounter;
use crate::policy::values::ticket;
use crate::prompt::fence::Untrusted;
use crate::prompt::has_actions_expression;
use crate::prompt::render::{RenderError, Rendered, Scope, StepBudget, Template};
use crate::task::acceptance::Expect;
use crate::task::conclusion::{Conclusion, Refusal, RefusedBy};
use crate::task::event::Event;
use crate::task::follow_up::FollowUpCounter;
use crate::task::marker::{Key, Marker, template_hash};
use crate::task::rollout::view::RolloutView;
use crate::task::start::{ActiveScope, IfActive, MAX_LIMIT_WAIT, MAX_LIMIT_WAIT_OF_MANY, Precheck, StartOptions};
use crate::task::stop::StopRules;
use crate::task::wait::WaitRules;
use crate::task::waves::{Share, WaveRules};
use crate::text::{counted, harmless, repositories, sha256, spelled};

/// How many repositories a part has by default: the list of their tasks is one page.
const PART: usize = 100;
/// The longest part, in bytes: Linux lets no variable of the environment be longer than 131,072 bytes, its name
/// included.
const MAX_PART: usize = 130_000;
/// How many repositories or tasks the log names one by one; the summary and the results have more.
const MAX_NAMED: usize = 100;

/// What will be done.
#[derive(Debug)]
pub struct Plan {
    /// Each task, in the order in which the user named them.
    pub tasks: Vec<PlannedTask>,
    /// How to wait; absent without a wait.
    pub wait: Option<WaitRules>,
    /// When tasks are stopped, and how.
    pub stop: StopRules,
    /// The conclusions that fail the step.
    pub fail_on: Vec<Conclusion>,
    /// Whether `completed` without a pull request counts as a failure.
    pub require_pull_request: bool,
    /// What the pull request must be like.
    pub expect: Expect,
    /// Which tasks start together, one wave after the other.
    pub waves: Vec<Range<usize>>,
    /// Which share of a wave has to succeed, and how many tasks run at once.
    pub wave_rules: WaveRules,
    /// How many jobs share GitHub's limits.
    pub sharing_jobs: usize,
    /// Whether the actor of the event may start tasks; absent for a wait, which starts none.
    pub actor_check: Option<ActorCheck>,
    /// What the policy says of the tasks, for people and for the audit log.
    pub policy: PolicyMetadata,
    /// Whether rules of the policy name repositories, so that a start must not be redirected to another one.
    pub has_repository_rules: bool,
    /// The count of tasks that each start has to pass.
    pub limit_counter: Option<LimitCounter>,
    /// The pull request that the start follows up on.
    pub follow_up: Option<FollowedPull>,
    /// The rollout over days that the tasks belong to.
    pub rollout: Option<Box<RolloutView>>,
    /// Whether the plan is all there will be.
    pub dry_run: bool,
    /// What the user should know without the step failing.
    pub warnings: Vec<String>,
}

/// One task, to be started or to be waited for.
#[derive(Debug)]
pub struct PlannedTask {
    /// Where it runs.
    pub repository: Repository,
    /// The name of its entry in the list.
    pub entry: Option<String>,
    /// What to do about it.
    pub action: Action,
}

impl PlannedTask {
    /// What it is called: its repository and the name of its entry.
    pub fn label(&self) -> String {
        self.repository.labeled(self.entry.as_deref())
    }
}

/// What to do about a task.
#[derive(Debug)]
pub enum Action {
    /// Start it.
    Start {
        /// The request, with the first of the models.
        task: Box<NewTask>,
        /// The models to try, one after the other; never empty.
        models: Vec<Option<String>>,
        /// Where the prompt came from.
        template: String,
        /// SHA-256 of the prompt, in hexadecimal.
        prompt_sha256: String,
        /// How it is started exactly once.
        options: Box<StartOptions>,
    },
    /// Wait for it.
    Wait(TaskId),
    /// Start none, for this reason of the template.
    Skip(String),
    /// Stop it.
    Stop(TaskId),
    /// Nothing: the tasks of the repository that are to be stopped could not be listed.
    NotListed(Error),
}

/// Why there is no plan. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
pub enum PlanError {
    /// Something is wrong with what the user gave us.
    BadInput(Vec<Problem>),
    /// The user's own rules say no.
    Refused(Vec<Refusal>),
}

impl From<Vec<Problem>> for PlanError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::BadInput(problems)
    }
}

/// What a plan is made from, besides the inputs.
pub struct PlanContext<'a> {
    /// The run.
    pub context: &'a Context,
    /// The prompt's template; absent if nothing is started.
    pub template: Option<&'a Template>,
    /// The entries of the list, each repository and name once.
    pub targets: Vec<Target>,
    /// The time of day.
    pub now: Timestamp,
    /// The pull request that the start follows up on, where it does.
    pub follow_up: Option<&'a FollowedPull>,
}

/// A pull request that a start follows up on.
#[derive(Debug, Clone)]
pub struct FollowedPull {
    /// What a template reads as `pull_request`.
    pub value: Value,
    /// What happens in place of a start, which can only adopt an earlier task then.
    pub obstacle: Option<Event>,
    /// The count that the start has to pass.
    pub counter: FollowUpCounter,
}

/// Makes the plan. It reads nothing but what it is given.
///
/// # Errors
/// Everything that is wrong with the prompt, or everything that the user's own rules say no to.
pub fn plan(inputs: &Inputs, given: PlanContext<'_>) -> Result<Plan, PlanError> {
    let mut warnings = Vec::new();
    let start = inputs.request.start();
    let actor_check = start.map(|start| ActorCheck::of(given.context, &start.allowed));
    let vars = match start {
        Some(start) => {
            let run = inputs.rules.forbid_run(given.context);
            match permitted(inputs, start, &given.targets, given.now) {
                Ok(vars) if run.is_empty() => vars,
                other => return Err(PlanError::Refused(other.err().into_iter().flatten().chain(run).collect())),
            }
        }
        None => Vec::new(),
    };
    let mut policy = inputs.facts();
    if given.follow_up.is_none() && start.is_some_and(|start| start.follow_up.is_some()) {
        return Err(vec![Problem::new("follow-up", "names a pull request that was not read")].into());
    }
    let tasks = match (&inputs.request, given.template) {
        (Request::Start(start) | Request::Doctor(start), Some(template)) => {
            planned_starts(inputs, start, template, &vars, &given, &mut policy, &mut warnings)?
        }
        (Request::Start(_) | Request::Doctor(_), None) => return Err(vec![Problem::new("prompt", "is missing")].into()),
        (Request::Wait(tasks), _) => named(tasks, Action::Wait),
        (Request::Stop(StopRequest::Tasks(tasks)), _) => named(tasks, Action::Stop),
        _ => Vec::new(),
    };
    let waves = inputs.wave_rules.waves.over(tasks.len()).map_err(|why| vec![Problem::new("waves", why)])?;
    Ok(Plan {
        tasks,
        wait: inputs.wait.clone(),
        stop: inputs.stop.clone(),
        fail_on: inputs.fail_on.clone(),
        require_pull_request: inputs.require_pull_request,
        expect: inputs.expect.clone(),
        waves,
        wave_rules: inputs.wave_rules.clone(),
        sharing_jobs: inputs.request.sharing_jobs(),
        actor_check,
        policy,
        has_repository_rules: inputs.rules.has_repository_rules(),
        limit_counter: start.and_then(|_| inputs.rules.counter()),
        follow_up: given.follow_up.cloned(),
        rollout: None,
        dry_run: inputs.dry_run,
        warnings,
    })
}

/// The tasks to be started. `vars` has the variables of each target; the ticket goes into `policy`.
fn planned_starts(
    inputs: &Inputs,
    start: &StartRequest,
    template: &Template,
    vars: &[Map<String, Value>],
    given: &PlanContext<'_>,
    policy: &mut PolicyMetadata,
    warnings: &mut Vec<String>,
) -> Result<Vec<PlannedTask>, PlanError> {
    if has_actions_expression(&template.source) {
        warnings.push(format!(
            "{}: `${{{{ … }}}}` is evaluated by Actions in workflow files only; a template writes `{{{{ … }}}}`, \
             and the `$` stays where it is",
            template.name
        ));
    }
    check_scope(start, &given.targets)?;
    let settings = given.targets.iter().map(|target| start.settings(target)).collect::<Vec<_>>();
    if settings.iter().any(|it| it.head_ref.is_some() && it.base_ref.is_none()) && start.head_ref.is_none() {
        warnings.push(HEAD_WITHOUT_BASE.to_owned());
    }
    let budget = StepBudget::default();
    let all = given.targets.len();
    let entries = given.targets.iter().zip(vars.iter().zip(&settings)).take_while(|_| !budget.is_spent());
    let rendered = entries.map(|(target, (vars, settings))| {
        RenderedInputs::new(start, settings, &given.scope(target, vars, start), &budget)
            .map_err(|problem| for_repository(given, target, problem))
    });
    let rendered = all_or_problems(rendered)?;
    if rendered.len() < all {
        let input =
            settings.iter().find_map(|it| RenderedInputs::first_template(start, it)).unwrap_or("idempotency-key");
        return Err(vec![Problem::new(input, StepBudget::exhausted(rendered.len(), all))].into());
    }
    let refused = rendered.iter().zip(&settings).flat_map(|(it, settings)| it.refusals(inputs, start, settings));
    let mut refusals = refused.collect::<Vec<_>>();
    refusals.dedup();
    if !refusals.is_empty() {
        return Err(PlanError::Refused(refusals));
    }
    if rendered.windows(2).any(|pair| pair[0].ticket != pair[1].ticket) {
        let why = "differs from repository to repository, and a step has one ticket";
        return Err(vec![Problem::new("ticket", why)].into());
    }
    policy.ticket = rendered.first().and_then(|it| it.ticket.clone());
    let mut refusals = Vec::new();
    let mut problems = Vec::new();
    let mut tasks = Vec::new();
    let entries = vars.iter().zip(&settings).zip(&rendered);
    for (target, ((vars, settings), rendered)) in given.targets.iter().zip(entries) {
        if budget.is_spent() {
            // Another error comes first, such as that of a prompt that took too long.
            if problems.is_empty() && refusals.is_empty() {
                problems.push(Problem::new(prompt_input(start), StepBudget::exhausted(tasks.len(), all)));
            }
            break;
        }
        match planned_task(inputs, start, template, &Entry { target, vars, settings, rendered }, (given, &budget)) {
            Ok(task) => tasks.push(task),
            Err(PlanError::BadInput(more)) => problems.extend(more),
            Err(PlanError::Refused(more)) => refusals.extend(more),
        }
    }
    problems.dedup();
    refusals.dedup();
    if !problems.is_empty() {
        return Err(problems.into());
    }
    if !refusals.is_empty() {
        return Err(PlanError::Refused(refusals));
    }
    Ok(tasks)
}

/// What to do about tasks that exist.
fn named(tasks: &[WaitTarget], action: fn(TaskId) -> Action) -> Vec<PlannedTask> {
    let planned = |task: &WaitTarget| PlannedTask {
        repository: task.repository.clone(),
        entry: task.name.clone(),
        action: action(task.task_id.clone()),
    };
    tasks.iter().map(planned).collect()
}

/// Every value, or every problem once.
fn all_or_problems<T>(results: impl Iterator<Item = Result<T, Problem>>) -> Result<Vec<T>, Vec<Problem>> {
    let (values, problems): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    let mut problems = problems.into_iter().filter_map(Result::err).collect::<Vec<_>>();
    problems.dedup();
    if problems.is_empty() { Ok(values.into_iter().filter_map(Result::ok).collect()) } else { Err(problems) }
}

/// Refuses several entries of one repository where each would be active for the others: they start side by side.
fn check_scope(start: &StartRequest, targets: &[Target]) -> Result<(), Vec<Problem>> {
    if start.if_active == IfActive::Start || start.active_scope == ActiveScope::Job {
        return Ok(());
    }
    let mut seen = HashSet::new();
    match targets.iter().find(|target| !seen.insert(&target.repository)) {
        None => Ok(()),
        Some(Target { repository, .. }) => {
            let why = format!("counts tasks of {}", start.active_scope.noun());
            let why = format!("{why}, and {repository} is in the list several times; write active-scope: job");
            Err(vec![Problem::new("active-scope", why)])
        }
    }
}

/// A problem with an input, with the entry where there are several.
fn for_repository(given: &PlanContext<'_>, target: &Target, (input, why): (&str, String)) -> Problem {
    match given.targets.len() {
        1 => Problem::new(input, why),
        _ => Problem::new(input, format!("for {} {why}", target.label())),
    }
}

impl PlanContext<'_> {
    /// What a template for an entry can use.
    fn scope<'a>(&'a self, target: &'a Target, vars: &'a Map<String, Value>, start: &'a StartRequest) -> Scope<'a> {
        Scope {
            context: self.context,
            vars: Some(vars),
            target: &target.repository,
            entry: target.name.as_deref(),
            pull_request: self.follow_up.map(|pull| &pull.value),
            now: self.now,
            zone: &start.timezone,
            untrusted: start.untrusted,
            samples: false,
        }
    }
}

/// The inputs that can be templates, as they are for one repository.
#[derive(Debug, Clone)]
pub struct RenderedInputs {
    /// The branch to start from.
    pub base_ref: Option<String>,
    /// The branch of the pull request to commit to.
    pub head_ref: Option<String>,
    /// The key that makes two starts the same start.
    pub idempotency_key: Option<String>,
    /// The change ticket.
    pub ticket: Option<String>,
}

impl RenderedInputs {
    /// Renders those that are templates.
    ///
    /// # Errors
    /// The first input that cannot be rendered, and why.
    pub fn new(
        start: &StartRequest,
        settings: &EntrySettings,
        scope: &Scope<'_>,
        budget: &StepBudget,
    ) -> Result<Self, (&'static str, String)> {
        let value = |input: &'static str, text: &Option<String>, check: &dyn Fn(&str) -> Result<String, String>| {
            let Some(source) = text.as_ref().filter(|text| is_template(text)) else {
                return Ok(text.clone());
            };
            let value = rendered(input, source, scope, budget).map_err(|why| (input, why))?;
            check(&value).map(Some).map_err(|why| (input, format!("is rendered to {value}, which {why}")))
        };
        Ok(Self {
            base_ref: value("base-ref", &settings.base_ref, &branch_name)?,
            head_ref: value("head-ref", &settings.head_ref, &branch_name)?,
            idempotency_key: value("idempotency-key", &start.idempotency_key, &|key| Ok(key.to_owned()))?,
            ticket: value("ticket", &start.ticket, &ticket)?,
        })
    }

    /// The first that is a template.
    fn first_template(start: &StartRequest, settings: &EntrySettings) -> Option<&'static str> {
        let inputs = [
            ("base-ref", &settings.base_ref),
            ("head-ref", &settings.head_ref),
            ("idempotency-key", &start.idempotency_key),
            ("ticket", &start.ticket),
        ];
        inputs.into_iter().find(|(_, text)| text.as_deref().is_some_and(is_template)).map(|(input, _)| input)
    }

    /// What the policy says against those that were templates; it has judged the others already.
    fn refusals(&self, inputs: &Inputs, start: &StartRequest, settings: &EntrySettings) -> Vec<Refusal> {
        let fresh = |source: &Option<String>| source.as_deref().is_some_and(is_template);
        let base_ref = self.base_ref.as_deref().filter(|_| fresh(&settings.base_ref));
        let head_ref = self.head_ref.as_deref().filter(|_| fresh(&settings.head_ref));
        inputs.rules.forbid_rendered(base_ref, head_ref, self.ticket.as_deref().filter(|_| fresh(&start.ticket)))
    }
}

/// The value of an input that is a template. Text that an outsider can write is out of its reach: a fence would not keep
/// anything apart there.
fn rendered(input: &str, source: &str, scope: &Scope<'_>, budget: &StepBudget) -> Result<String, String> {
    // An empty prompt is an error of its own, so the template is made to end with a mark.
    const END: char = '.';
    let template = Template { name: input.to_owned(), source: format!("{}{END}", source.trim()) };
    let text = match budget.render(&template, &Scope { untrusted: Untrusted::Refuse, ..*scope }) {
        Ok(Rendered::Prompt(text)) => text,
        Ok(Rendered::Skipped(_)) => return Err("calls skip(), and only the prompt can do that".to_owned()),
        Err(RenderError::Untrusted(_)) => {
            let why = "uses event text that an outsider can write, and only the prompt can do that; use another value";
            return Err(why.to_owned());
        }
        Err(error @ (RenderError::Empty(_) | RenderError::Invalid(_))) => {
            let why = error.to_string().replace(&template.source, source.trim());
            return Err(format!("cannot be rendered: {why}"));
        }
    };
    match text.strip_suffix(END).unwrap_or(&text).trim() {
        "" => Err("is empty once it is rendered; a value is needed".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// The variables for each repository, where the policy says no to nothing; what it says of the run is not asked here.
///
/// # Errors
/// Everything that it says no to.
pub fn permitted(
    inputs: &Inputs,
    start: &StartRequest,
    targets: &[Target],
    now: Timestamp,
) -> Result<Vec<Map<String, Value>>, Vec<Refusal>> {
    let mut refusals = inputs.refusals.clone();
    let repositories = targets.iter().map(|target| &target.repository).collect::<Vec<_>>();
    refusals.extend(inputs.rules.forbid(&repositories, now));
    let mut all = Vec::new();
    for target in targets {
        let of_it = |refusal: Refusal| match target.is_plain() {
            true => refusal,
            false => Refusal { why: format!("for {}: {}", target.label(), refusal.why), ..refusal },
        };
        let forbidden = inputs.rules.forbid_entry(&target.settings, &start.settings(target));
        refusals.extend(forbidden.into_iter().map(of_it));
        match inputs.rules.vars(target.with_own(&start.vars)) {
            Ok(vars) => all.push(vars),
            Err(problems) => refusals.extend(problems.into_iter().map(of_it)),
        }
    }
    // What applies to many repositories is reported once.
    let mut seen = HashSet::new();
    refusals.retain(|refusal| seen.insert(refusal.why.clone()));
    if refusals.is_empty() { Ok(all) } else { Err(refusals) }
}

/// An entry of the list with all that its task is made from.
struct Entry<'a> {
    target: &'a Target,
    vars: &'a Map<String, Value>,
    /// What it asks for, before it is rendered.
    settings: &'a EntrySettings,
    rendered: &'a RenderedInputs,
}

/// The input that the prompt was given by.
fn prompt_input(start: &StartRequest) -> &'static str {
    start.prompt.as_ref().map_or("prompt", PromptSource::input)
}

/// The task for an entry.
fn planned_task(
    inputs: &Inputs,
    start: &StartRequest,
    template: &Template,
    entry: &Entry<'_>,
    (given, budget): (&PlanContext<'_>, &StepBudget),
) -> Result<PlannedTask, PlanError> {
    let Entry { target, vars, settings, rendered } = *entry;
    let planned = |action| PlannedTask { repository: target.repository.clone(), entry: target.name.clone(), action };
    let scope = given.scope(target, vars, start);
    let input = prompt_input(start);
    let wrong = |why: String| PlanError::from(vec![for_repository(given, target, (input, why))]);
    let rendering = budget.render(template, &scope).map_err(|error| match error {
        RenderError::Untrusted(places) if inputs.rules.untrusted().is_some() => {
            let source = inputs.rules.source();
            let why =
                format!("the template shows text that an outsider can write, and {source} has `untrusted: refuse`");
            PlanError::Refused(vec![Refusal { gate: RefusedBy::Policy, why: format!("{why}; leave it out\n{places}") }])
        }
        RenderError::Empty(_) => wrong("is empty once it is rendered; write what the agent should do".to_owned()),
        error => wrong(format!("cannot be rendered: {error}")),
    });
    let prompt = match rendering? {
        Rendered::Prompt(prompt) => prompt,
        Rendered::Skipped(reason) => return Ok(planned(Action::Skip(reason))),
    };
    // An agent that knows the ticket can name it where one is required.
    let prompt = match &rendered.ticket {
        Some(ticket) => format!("{}\n\nChange ticket: {ticket}", prompt.trim_end()),
        None => prompt,
    };
    let options = start_options(start, template, entry, inputs, given);
    let task = new_task(start, entry, options.marker.put_under(&prompt));
    // The marker and the other fields reach GitHub as well, so the whole request is searched.
    let body = body(&task);
    if [&inputs.token, &inputs.lookup_token].into_iter().flatten().any(|token| token.occurs_in(&body)) {
        let why = "or another part of the request contains a token, which the agent and all readers of the task could \
                   see; remove it";
        return Err(wrong(why.to_owned()));
    }
    let action = Action::Start {
        prompt_sha256: sha256(&task.prompt),
        template: template.name.clone(),
        models: settings.models.clone().unwrap_or_default(),
        options: Box::new(options),
        task: Box::new(task),
    };
    Ok(planned(action))
}

fn new_task(start: &StartRequest, Entry { settings, rendered, .. }: &Entry<'_>, prompt: String) -> NewTask {
    NewTask {
        prompt,
        model: settings.models.iter().flatten().next().cloned().flatten(),
        custom_agent: settings.custom_agent.clone(),
        create_pull_request: start.create_pull_request,
        base_ref: rendered.base_ref.clone(),
        head_ref: rendered.head_ref.clone(),
    }
}

/// What a task is called that is started outside of any workflow.
const NO_WORKFLOW: &str = "agent-task";

/// How a task is started exactly once: its key, its name, and what is searched for first.
fn start_options(
    start: &StartRequest,
    template: &Template,
    Entry { target, vars, settings, rendered }: &Entry<'_>,
    inputs: &Inputs,
    given: &PlanContext<'_>,
) -> StartOptions {
    let context = given.context;
    let class = inputs.rules.class().unwrap_or_default();
    let property = |name: &str| context.property(name).unwrap_or_default().to_owned();
    // Names are the same in any case.
    let repository = target.label().to_ascii_lowercase();
    let follow_up = start.follow_up.as_ref().map(|follow_up| follow_up.number.to_string());
    let rollout = start.rollout.as_ref().zip(target.place);
    let origin = context.origin();
    let key = match (&rendered.idempotency_key, rollout) {
        (_, Some((rollout, place))) => Key::over([
            "rollout",
            &rollout.rules.name.to_ascii_lowercase(),
            class,
            &origin,
            &repository,
            &place.attempt.to_string(),
        ]),
        (Some(key), None) => Key::over([repository.as_str(), key]),
        // The key has what the prompt is made from rather than the prompt: in a second attempt of a run, the time and the
        // number of the attempt are others, and everything else is the same.
        (None, None) => Key::over([
            repository.as_str(),
            &property("run_id"),
            &property("job"),
            &property("action"),
            &template.source,
            &serde_json::json!(vars).to_string(),
            &serde_json::json!(start.inputs).to_string(),
            &serde_json::json!(settings.models).to_string(),
            settings.custom_agent.as_deref().unwrap_or_default(),
            if start.create_pull_request { "pull" } else { "" },
            settings.base_ref.as_deref().unwrap_or_default(),
            settings.head_ref.as_deref().unwrap_or_default(),
            class,
            start.ticket.as_deref().unwrap_or_default(),
            follow_up.as_deref().unwrap_or_default(),
        ]),
    };
    let attempt = property("run_attempt");
    let first = match (attempt.as_str(), &start.idempotency_key) {
        _ if rollout.is_some() => Precheck::Rollout,
        ("" | "1", None) => Precheck::Nothing,
        (_, None) => Precheck::Attempt,
        (_, Some(_)) => Precheck::Key,
    };
    let name = match (property("workflow"), property("job")) {
        (workflow, job) if workflow.is_empty() && job.is_empty() => NO_WORKFLOW.to_owned(),
        (workflow, job) => format!("{workflow}/{job}"),
    };
    let run = context.run_url().unwrap_or_default();
    let marker = Marker {
        key,
        name,
        class: class.to_owned(),
        entry: target.name.clone().unwrap_or_default(),
        follow_up: follow_up.unwrap_or_default(),
        version: inputs.facts().version.unwrap_or_default(),
        template: template_hash(&template.source),
        rollout: rollout.map(|(rollout, _)| rollout.rules.name.clone()).unwrap_or_default(),
        wave: rollout.map(|(_, place)| place.wave.to_string()).unwrap_or_default(),
        origin: rollout.map(|_| origin).unwrap_or_default(),
        repository: rollout.map(|_| target.repository.to_string()).unwrap_or_default(),
        run,
        attempt,
        actor: property("actor"),
    };
    let max_limit_wait = if given.targets.len() > 1 { MAX_LIMIT_WAIT_OF_MANY } else { MAX_LIMIT_WAIT };
    StartOptions {
        marker,
        confirm: start.confirm_timeout,
        first,
        if_active: start.if_active,
        active_scope: start.active_scope,
        max_limit_wait,
    }
}

/// The refs, the models and the custom agent of a start, for people.
fn settings_facts(task: &NewTask, models: &[Option<String>]) -> Vec<(&'static str, String)> {
    let models = models.iter().map(|model| model.as_deref().unwrap_or("auto")).collect::<Vec<_>>();
    let facts = [
        ("base ref", Some(task.base_ref.clone().unwrap_or_else(|| "the default branch".to_owned()))),
        ("head ref", task.head_ref.clone()),
        ("model", Some(models.join(", else "))),
        ("custom agent", task.custom_agent.clone()),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The body of a start, as it is sent.
fn body(task: &NewTask) -> String {
    serde_json::to_string(task).unwrap_or_else(|error| unreachable!("{error}"))
}

impl Plan {
    /// What is to be done, in a line: `start a task in octo/app`.
    pub fn order(&self) -> String {
        match self.tasks.as_slice() {
            [task @ PlannedTask { action: Action::Start { .. }, .. }] => {
                format!("start a task in {}", task.label())
            }
            [task @ PlannedTask { action: Action::Wait(id), .. }] => {
                format!("wait for task {id} in {}", task.label())
            }
            [task @ PlannedTask { action: Action::Stop(id), .. }] => {
                format!("stop task {id} in {}", task.label())
            }
            tasks if self.is_stop() => format!("stop {} tasks", tasks.len()),
            [PlannedTask { action: Action::Wait(_), .. }, ..] => format!("wait for {} tasks", self.tasks.len()),
            [task @ PlannedTask { action: Action::Skip(_), .. }] => format!("start nothing in {}", task.label()),
            _ => {
                let count = self.starts().count();
                let distinct = self.starts().map(|task| &task.repository).collect::<HashSet<_>>().len();
                let starts = match (self.starts().next(), count) {
                    (None, _) => return format!("start nothing in {}", repositories(self.tasks.len())),
                    (Some(task), 1) => format!("start a task in {}", task.label()),
                    _ if distinct == count => format!("start a task in each of {}", repositories(count)),
                    _ => format!("start {count} tasks in {}", repositories(distinct)),
                };
                let skipped = self.tasks.iter().filter(|task| matches!(task.action, Action::Skip(_))).count();
                match skipped {
                    0 => starts,
                    _ => format!("{starts}, and skip {skipped}"),
                }
            }
        }
    }

    /// Why nothing would be started, as far as that is known before anything is sent.
    pub fn obstacle(&self) -> Option<String> {
        let shut = match &self.actor_check {
            Some(ActorCheck::Shut(why)) => Some(format!("the actor check refuses: {why}")),
            _ => None,
        };
        self.follow_up_obstacle().map(str::to_owned).or(shut)
    }

    fn follow_up_obstacle(&self) -> Option<&str> {
        match self.follow_up.as_ref()?.obstacle.as_ref()? {
            Event::Refused(Refusal { why, .. }) | Event::Skipped(why) => Some(why),
            _ => None,
        }
    }

    /// Whether tasks are only stopped.
    pub fn is_stop(&self) -> bool {
        let is_stop = |task: &PlannedTask| matches!(task.action, Action::Stop(_) | Action::NotListed(_));
        !self.tasks.is_empty() && self.tasks.iter().all(is_stop)
    }

    /// The shortest time that GitHub's limits leave for the starts.
    fn min_duration(&self) -> Duration {
        RateLimiter::min_duration(self.starts().count(), self.sharing_jobs)
    }

    fn starts(&self) -> impl Iterator<Item = &PlannedTask> {
        self.tasks.iter().filter(|task| matches!(task.action, Action::Start { .. }))
    }

    /// The plan for people, a fact a line. `token` says who asks.
    pub fn lines(&self, address: &ApiUrl, token: Option<&Token>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut settings = self.starts().filter_map(|task| match &task.action {
            Action::Start { task, models, .. } => Some(settings_facts(task, models)),
            _ => None,
        });
        let first = settings.next();
        let is_uniform = settings.all(|other| Some(other) == first);
        let mut fact = |name: &str, value: &str| lines.push(format!("{name:<14} {value}"));
        fact("API", &address.to_string());
        fact("token", &token.map_or_else(|| "none given".to_owned(), |token| token.kind().to_string()));
        for task in self.tasks.iter().take(MAX_NAMED) {
            self.task_facts(task, is_uniform, &mut fact);
        }
        if self.tasks.len() > MAX_NAMED {
            fact("", &format!("and {} more", self.tasks.len() - MAX_NAMED));
        }
        self.common_facts(is_uniform, &mut fact);
        if let Some(why) = self.follow_up_obstacle() {
            fact("follow-up", &format!("starts nothing: {why}"));
        }
        for (name, value) in self.policy.lines() {
            fact(name, &value);
        }
        if self.starts().count() > 1 {
            self.rollout_facts(&mut fact);
        }
        if let Some(check) = &self.actor_check {
            fact("actor check", &check.to_string());
        }
        self.wait_facts(&mut fact);
        lines
    }

    /// What is to be done in one repository. With several tasks, settings that differ are shown with each.
    fn task_facts(&self, planned: &PlannedTask, is_uniform: bool, fact: &mut impl FnMut(&str, &str)) {
        match &planned.action {
            Action::Wait(id) | Action::Stop(id) => fact("task", &format!("{id} in {}", planned.label())),
            Action::NotListed(error) => fact("repository", &format!("{}: {error}", planned.label())),
            Action::Skip(reason) => fact("skip", &format!("{}: {}", planned.label(), harmless(reason))),
            Action::Start { options, task, models, .. } if self.tasks.len() > 1 => {
                let own = if is_uniform { Vec::new() } else { settings_facts(task, models) };
                let own = own.iter().map(|(name, value)| format!(", {name} {value}")).collect::<String>();
                fact("repository", &format!("{}, key {}{own}", planned.label(), options.marker.key));
            }
            Action::Start { options, prompt_sha256, .. } => {
                fact("repository", &planned.label());
                fact("prompt-sha256", prompt_sha256);
                fact("key", &options.marker.key.to_string());
            }
        }
    }

    /// What all starts have in common. They always differ in their repositories and prompts.
    fn common_facts(&self, is_uniform: bool, fact: &mut impl FnMut(&str, &str)) {
        if let Some(PlannedTask { action: Action::Start { task, models, template, options, .. }, .. }) =
            self.starts().next()
        {
            for (name, value) in settings_facts(task, models).iter().filter(|_| is_uniform) {
                fact(name, value);
            }
            fact("pull request", if task.create_pull_request { "asked for" } else { "not asked for" });
            fact("prompt", &format!("{template}, {} characters", task.prompt.chars().count()));
            match options.first {
                Precheck::Nothing => {}
                Precheck::Attempt | Precheck::Key | Precheck::Rollout => fact("look first", "for a task with this key"),
            }
            match options.if_active {
                IfActive::Start => {}
                IfActive::Skip => fact("if active", "start nothing"),
                IfActive::Attach => fact("if active", "adopt that task"),
                IfActive::Fail => fact("if active", "fail"),
            }
            if options.if_active != IfActive::Start && options.active_scope != ActiveScope::Job {
                fact("active scope", &format!("tasks of {}", options.active_scope.noun()));
            }
        }
    }

    /// How the step waits, or stops.
    fn wait_facts(&self, fact: &mut impl FnMut(&str, &str)) {
        match &self.wait {
            None if self.is_stop() => fact("by force", if self.stop.force { "if a run continues" } else { "no" }),
            None => fact("wait", "no"),
            Some(rules) => {
                fact(
                    "wait",
                    &format!(
                        "at most {}, polling every {} at the latest",
                        spelled(rules.timeout),
                        spelled(rules.interval)
                    ),
                );
                for (setting, value) in self.stop.entries() {
                    fact(setting, &value);
                }
                for (key, value) in self.expect.entries() {
                    fact("expect", &format!("{key}: {value}"));
                }
                let states = [(rules.stop_on_question, "waiting_for_user"), (rules.stop_on_idle, "idle")];
                let states = states.iter().filter(|(stop, _)| *stop).map(|(_, state)| *state).collect::<Vec<_>>();
                fact("stop on", if states.is_empty() { "never".to_owned() } else { states.join(", ") }.as_str());
                let conclusions = self.fail_on.iter().map(|it| it.as_str()).collect::<Vec<_>>();
                fact(
                    "fail on",
                    if conclusions.is_empty() { "never".to_owned() } else { conclusions.join(", ") }.as_str(),
                );
            }
        }
    }

    /// How many repositories are gone through.
    fn rollout_facts(&self, fact: &mut impl FnMut(&str, &str)) {
        if self.waves.len() > 1 {
            let sizes = self.waves.iter().map(|wave| wave.len().to_string()).collect::<Vec<_>>().join(", ");
            fact("waves", &format!("{sizes}; the next starts at {} success", self.wave_rules.success));
        }
        if let Some(most) = self.wave_rules.most_at_once {
            fact("max parallel", &counted(most, "task"));
        }
        if self.sharing_jobs > 1 {
            fact("shared by", &format!("{} jobs, so that each has that part of GitHub's limits", self.sharing_jobs));
        }
        if self.wave_rules.tolerate != Share::NONE {
            fact("tolerate", &format!("{} may fail", self.wave_rules.tolerate));
        }
        fact("at least", &format!("{} of starting, by GitHub's limits", spelled(self.min_duration())));
    }

    /// The requests that change something, exactly as they would be sent: address and body.
    pub fn requests(&self, address: &ApiUrl) -> Vec<(String, String)> {
        let starts = self.tasks.iter().filter_map(|order| match &order.action {
            Action::Start { task, .. } => Some((&order.repository, task)),
            Action::Wait(_) | Action::Skip(_) | Action::Stop(_) | Action::NotListed(_) => None,
        });
        starts
            .map(|(repository, task)| (format!("POST {address}/agents/repos/{repository}/tasks"), body(task)))
            .collect()
    }
}

/// The parts of a list for the jobs of a matrix, as the value of `strategy.matrix`: which part each job has and its
/// repositories, to be handed to it as its `repositories`. Without a number there are as many as the list takes.
///
/// # Errors
/// If a part has more than a step can be handed.
pub fn matrix(targets: Vec<Target>, parts: Option<usize>) -> Result<Value, Vec<Problem>> {
    let count = parts.unwrap_or_else(|| targets.len().div_ceil(PART).min(MAX_SHARDS)).clamp(1, targets.len().max(1));
    let mut include = Vec::new();
    for number in 1..=count {
        let shard = Shard { number, count };
        let part = shard.of(&targets).into_iter().cloned().collect::<Vec<_>>();
        let repositories = written(&part, shard);
        if repositories.len() > MAX_PART {
            let why = format!(
                "has parts of more than {MAX_PART} bytes, which a job's input cannot hold; raise `shard`, at most to \
                 {MAX_SHARDS}"
            );
            return Err(vec![Problem::new("repositories", why)]);
        }
        include
            .push(serde_json::json!({"shard": shard.to_string(), "count": part.len(), "repositories": repositories}));
    }
    Ok(serde_json::json!({"include": include}))
}

#[cfg(test)]
mod tests;
