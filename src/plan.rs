//! What will be done, decided before anything is sent: a dry run and every refusal end here.

use jiff::Timestamp;
use serde_json::Value;

use crate::claim::First;
use crate::claim::IfActive;
use crate::claim::Terms;
use crate::context::Context;
use crate::gate::Verdict;
use crate::github::Address;
use crate::inputs::Errand;
use crate::inputs::Inputs;
use crate::inputs::Problem;
use crate::inputs::Start;
use crate::key::Key;
use crate::key::Stamp;
use crate::key::sha256;
use crate::outcome::Conclusion;
use crate::outcome::Refusal;
use crate::outcome::spelled;
use crate::prompt::Scope;
use crate::prompt::Template;
use crate::prompt::render;
use crate::repository::Repository;
use crate::task::NewTask;
use crate::task::TaskId;
use crate::token::Token;
use crate::watch::Rules;

/// What will be done.
#[derive(Debug)]
pub struct Plan {
    /// Each task, in the order in which the user named them.
    pub orders: Vec<Order>,
    /// How to wait; absent where nobody waits.
    pub wait: Option<Rules>,
    /// The conclusions that fail the step.
    pub fail_on: Vec<Conclusion>,
    /// Whether `completed` without a pull request counts as a failure.
    pub require_pull_request: bool,
    /// Whether whoever caused the event may start tasks; a wait starts none.
    pub gate: Option<Verdict>,
    /// Whether the plan is all there will be.
    pub dry_run: bool,
    /// What the user should know without the step failing.
    pub warnings: Vec<String>,
}

/// One task, to be started or to be waited for.
#[derive(Debug)]
pub struct Order {
    /// Where it runs.
    pub repository: Repository,
    /// What to do about it.
    pub deed: Deed,
}

/// What to do about a task.
#[derive(Debug)]
pub enum Deed {
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
        terms: Box<Terms>,
    },
    /// Wait for it.
    Wait(TaskId),
}

/// Why there is no plan. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
pub enum No {
    /// Something is wrong with what the user gave us.
    BadInput(Vec<Problem>),
    /// The user's own rules say no.
    Refused(Vec<Refusal>),
}

impl From<Vec<Problem>> for No {
    fn from(problems: Vec<Problem>) -> Self {
        Self::BadInput(problems)
    }
}

/// Makes the plan. It reads nothing but what it is given.
///
/// # Errors
/// Everything that is wrong with the prompt, or everything that the user's own rules say no to.
pub fn plan(inputs: &Inputs, context: &Context, template: Option<&Template>, now: Timestamp) -> Result<Plan, No> {
    let mut warnings = Vec::new();
    let gate = match &inputs.errand {
        Errand::Start(start) => Some(Verdict::of(context, &start.allowed)),
        Errand::Wait(_) => None,
    };
    let orders = match (&inputs.errand, template) {
        (Errand::Start(start), Some(template)) => {
            if template.source.contains("${{") {
                warnings.push(format!(
                    "{}: `${{{{ … }}}}` is evaluated by Actions in workflow files only; a template writes `{{{{ … }}}}`, \
                     and the `$` stays where it is",
                    template.name
                ));
            }
            let scope = Scope { context, vars: &start.vars, target: &start.repository, now };
            let prompt = render(template, &scope)
                .map_err(|why| vec![Problem::new(start.prompt.input(), format!("cannot be made. {why}"))])?;
            let deed = deed(start, template, &prompt, context);
            // The stamp and the other fields reach GitHub as well, so all of the request is searched.
            let body = match &deed {
                Deed::Start { task, .. } => body(task),
                Deed::Wait(_) => String::new(),
            };
            if [&inputs.token, &inputs.lookup_token].into_iter().flatten().any(|token| token.occurs_in(&body)) {
                let why = "or something else in the request has a token in it, which the agent and everybody who sees \
                           the task could read; take it out";
                return Err(vec![Problem::new(start.prompt.input(), why)].into());
            }
            vec![Order { repository: start.repository.clone(), deed }]
        }
        (Errand::Start(_), None) => return Err(vec![Problem::new("prompt", "is missing")].into()),
        (Errand::Wait(tasks), _) => tasks
            .iter()
            .map(|task| Order { repository: task.repository.clone(), deed: Deed::Wait(task.task_id.clone()) })
            .collect(),
    };
    Ok(Plan {
        orders,
        wait: inputs.wait.clone(),
        fail_on: inputs.fail_on.clone(),
        require_pull_request: inputs.require_pull_request,
        gate,
        dry_run: inputs.dry_run,
        warnings,
    })
}

fn deed(start: &Start, template: &Template, prompt: &str, context: &Context) -> Deed {
    let terms = terms(start, template, context);
    let prompt = terms.stamp.put_under(prompt);
    Deed::Start {
        prompt_sha256: sha256(&prompt),
        template: template.name.clone(),
        models: start.models.clone(),
        terms: Box::new(terms),
        task: Box::new(NewTask {
            prompt,
            model: start.models.first().cloned().flatten(),
            custom_agent: start.custom_agent.clone(),
            create_pull_request: start.create_pull_request,
            base_ref: start.base_ref.clone(),
            head_ref: start.head_ref.clone(),
        }),
    }
}

/// What a task is called that is started outside of any workflow.
const NO_WORKFLOW: &str = "agent-task";

/// How a task is started exactly once: its key, its name, and what is looked for first.
fn terms(start: &Start, template: &Template, context: &Context) -> Terms {
    let told = |name: &str| context.property(name).unwrap_or_default().to_owned();
    // Repository names are the same in any case.
    let repository = start.repository.to_string().to_ascii_lowercase();
    let key = match &start.idempotency_key {
        Some(key) => Key::over([repository.as_str(), key]),
        // What the prompt is made from stands here rather than the prompt: a second attempt of a run has another time
        // and another attempt's number to speak of, and everything else it has is the run's.
        None => Key::over([
            repository.as_str(),
            &told("run_id"),
            &told("job"),
            &told("action"),
            &template.source,
            &Value::Object(start.vars.clone()).to_string(),
            &serde_json::json!(start.inputs).to_string(),
            &serde_json::json!(start.models).to_string(),
            start.custom_agent.as_deref().unwrap_or_default(),
            if start.create_pull_request { "pull" } else { "" },
            start.base_ref.as_deref().unwrap_or_default(),
            start.head_ref.as_deref().unwrap_or_default(),
        ]),
    };
    let attempt = told("run_attempt");
    let first = match (attempt.as_str(), &start.idempotency_key) {
        ("" | "1", None) => First::Nothing,
        // An earlier attempt, or another run with the same key, may have started it a moment ago.
        _ => First::Thoroughly,
    };
    let name = match (told("workflow"), told("job")) {
        (workflow, job) if workflow.is_empty() && job.is_empty() => NO_WORKFLOW.to_owned(),
        (workflow, job) => format!("{workflow}/{job}"),
    };
    let run = context.run_url().unwrap_or_default();
    let stamp = Stamp { key, name, run, attempt, actor: told("actor") };
    Terms { stamp, confirm: start.confirm_timeout, first, if_active: start.if_active }
}

/// The body of a start, as it is sent.
fn body(task: &NewTask) -> String {
    serde_json::to_string(task).unwrap_or_else(|error| unreachable!("{error}"))
}

impl Plan {
    /// A line that says it all.
    pub fn title(&self) -> String {
        match self.orders.as_slice() {
            [Order { repository, deed: Deed::Start { .. } }] => format!("Plan: start a task in {repository}"),
            [Order { repository, deed: Deed::Wait(id) }] => format!("Plan: wait for task {id} in {repository}"),
            orders => format!("Plan: wait for {} tasks", orders.len()),
        }
    }

    /// The plan for people, a fact a line. `token` says who asks.
    pub fn lines(&self, address: &Address, token: Option<&Token>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut fact = |name: &str, value: &str| lines.push(format!("{name:<14} {value}"));
        fact("API", &address.to_string());
        fact("token", &token.map_or_else(|| "none given".to_owned(), |token| token.kind().to_string()));
        for order in &self.orders {
            match &order.deed {
                Deed::Wait(id) => fact("task", &format!("{id} in {}", order.repository)),
                Deed::Start { task, models, template, prompt_sha256, terms } => {
                    let models = models.iter().map(|model| model.as_deref().unwrap_or("auto")).collect::<Vec<_>>();
                    fact("repository", &order.repository.to_string());
                    fact("base ref", task.base_ref.as_deref().unwrap_or("the default branch"));
                    if let Some(head) = &task.head_ref {
                        fact("head ref", head);
                    }
                    fact("model", &models.join(", else "));
                    if let Some(agent) = &task.custom_agent {
                        fact("custom agent", agent);
                    }
                    fact("pull request", if task.create_pull_request { "asked for" } else { "not asked for" });
                    fact("prompt", &format!("{template}, {} characters", task.prompt.chars().count()));
                    fact("prompt-sha256", prompt_sha256);
                    fact("key", &terms.stamp.key.to_string());
                    match terms.first {
                        First::Nothing => {}
                        First::Thoroughly => fact("look first", "for a task with this key"),
                    }
                    match terms.if_active {
                        IfActive::Start => {}
                        IfActive::Skip => fact("if active", "start none"),
                        IfActive::Attach => fact("if active", "take up that task"),
                        IfActive::Fail => fact("if active", "fail"),
                    }
                }
            }
        }
        if let Some(gate) = &self.gate {
            fact("gate", &gate.to_string());
        }
        match &self.wait {
            None => fact("wait", "no"),
            Some(rules) => {
                fact(
                    "wait",
                    &format!(
                        "at most {}, looking every {} at the latest",
                        spelled(rules.timeout),
                        spelled(rules.interval)
                    ),
                );
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
        lines
    }

    /// The requests that change something, exactly as they would be sent: address and body.
    pub fn requests(&self, address: &Address) -> Vec<(String, String)> {
        let starts = self.orders.iter().filter_map(|order| match &order.deed {
            Deed::Start { task, .. } => Some((&order.repository, task)),
            Deed::Wait(_) => None,
        });
        starts
            .map(|(repository, task)| (format!("POST {address}/agents/repos/{repository}/tasks"), body(task)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Environment;

    fn planned(prompt: &str, pairs: &[(&str, &str)]) -> Result<Plan, No> {
        let base = [("INPUT_TOKEN", "github_pat_s3cr3t"), ("INPUT_PROMPT", prompt), ("GITHUB_REPOSITORY", "octo/app")];
        let pairs = base.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment: Environment = pairs.collect();
        let inputs = Inputs::read(&environment).inputs.unwrap();
        let template = Template { name: "prompt".to_owned(), source: prompt.to_owned() };
        let now = "2026-11-20T08:00:00Z".parse().unwrap();
        plan(&inputs, &Context::new(&environment, None, None), Some(&template), now)
    }

    fn body(plan: &Plan) -> String {
        let address = Address::parse("https://api.github.com", None).unwrap();
        let [(to, body)] = plan.requests(&address).try_into().unwrap();
        assert_eq!(to, "POST https://api.github.com/agents/repos/octo/app/tasks");
        body
    }

    fn stamp(plan: &Plan) -> Stamp {
        let Deed::Start { terms, task, prompt_sha256, .. } = &plan.orders[0].deed else { panic!("no start") };
        assert_eq!(Stamp::find(&task.prompt), Some(terms.stamp.clone()));
        assert_eq!(*prompt_sha256, sha256(&task.prompt), "the hash is that of the prompt as it is sent");
        terms.stamp.clone()
    }

    #[test]
    fn the_key_is_the_same_for_each_attempt_and_another_for_each_other_start() {
        let run = [("GITHUB_RUN_ID", "17"), ("GITHUB_JOB", "prep"), ("GITHUB_WORKFLOW", "Weekly")];
        let key = |prompt: &str, more: &[(&str, &str)]| stamp(&planned(prompt, &[&run, more].concat()).unwrap()).key;
        let template = "{{ now }} {{ github.run_attempt }}";
        let first = key(template, &[("GITHUB_RUN_ATTEMPT", "1")]);
        assert_eq!(first, key(template, &[("GITHUB_RUN_ATTEMPT", "2")]));
        assert_eq!(first, key(template, &[("GITHUB_RUN_ATTEMPT", "1"), ("INPUT_REPOSITORY", "OCTO/app")]));
        for other in [
            ("GITHUB_RUN_ID", "18"),
            ("GITHUB_JOB", "other"),
            ("GITHUB_ACTION", "__run_2"),
            ("INPUT_REPOSITORY", "octo/lib"),
            ("INPUT_BASE_REF", "main"),
            ("INPUT_MODEL", "gpt-5.4"),
            ("INPUT_VARS", "a: 1"),
            ("INPUT_IDEMPOTENCY_KEY", "2026-47"),
        ] {
            assert_ne!(first, key(template, &[("GITHUB_RUN_ATTEMPT", "1"), other]), "{other:?}");
        }
        let own = |run: &str| key("x", &[("INPUT_IDEMPOTENCY_KEY", "2026-47"), ("GITHUB_RUN_ID", run)]);
        assert_eq!(own("17"), own("18"));
    }

    #[test]
    fn what_is_looked_for_first_depends_on_the_attempt_and_on_the_users_key() {
        for (pairs, first) in [
            (&[][..], First::Nothing),
            (&[("GITHUB_RUN_ATTEMPT", "1")], First::Nothing),
            (&[("GITHUB_RUN_ATTEMPT", "2")], First::Thoroughly),
            (&[("INPUT_IDEMPOTENCY_KEY", "k")], First::Thoroughly),
            (&[("INPUT_IDEMPOTENCY_KEY", "k"), ("GITHUB_RUN_ATTEMPT", "3")], First::Thoroughly),
        ] {
            let plan = planned("x", pairs).unwrap();
            let Deed::Start { terms, .. } = &plan.orders[0].deed else { panic!("no start") };
            assert_eq!(terms.first, first, "{pairs:?}");
        }
    }

    #[test]
    fn every_option_reaches_the_request() {
        let plan = planned(
            "Fix {{ target.name }}",
            &[
                ("INPUT_MODEL", "gpt-5.4, auto"),
                ("INPUT_CUSTOM_AGENT", "fixer"),
                ("INPUT_CREATE_PULL_REQUEST", "true"),
                ("INPUT_BASE_REF", "main"),
                ("INPUT_HEAD_REF", "copilot/x"),
            ],
        )
        .unwrap();
        let stamp = format!("<!-- agent-task key={} name=agent-task -->", stamp(&plan).key);
        let rest = r#""model":"gpt-5.4","custom_agent":"fixer","create_pull_request":true,"base_ref":"main","head_ref":"copilot/x"}"#;
        assert_eq!(body(&plan), format!(r#"{{"prompt":"Fix app\n\n{stamp}",{rest}"#));
        let bare = planned("x", &[("INPUT_MODEL", "auto")]).unwrap();
        assert!(body(&bare).ends_with(r#" -->","create_pull_request":false}"#), "{}", body(&bare));
    }

    #[test]
    fn a_prompt_with_a_token_in_it_is_refused() {
        let No::BadInput(told) = planned("use {{ vars.t }}", &[("INPUT_VARS", "t: xgithub_pat_s3cr3tx")]).unwrap_err()
        else {
            panic!("no bad input")
        };
        let told = told[0].to_string();
        assert!(told.contains("has a token in it") && !told.contains("s3cr3t"), "{told}");
    }

    #[test]
    fn an_actions_expression_in_a_template_is_warned_of() {
        assert!(planned("on ${{ target.name }}", &[]).unwrap().warnings[0].contains("a template writes `{{ … }}`"));
    }
}
