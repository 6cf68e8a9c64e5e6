//! What will be done, decided before anything is sent: a dry run and every refusal end here.

use std::fmt::Write as _;

use jiff::Timestamp;
use ring::digest::SHA256;
use ring::digest::digest;

use crate::context::Context;
use crate::github::Address;
use crate::inputs::Errand;
use crate::inputs::Inputs;
use crate::inputs::Problem;
use crate::inputs::Start;
use crate::outcome::Conclusion;
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
    },
    /// Wait for it.
    Wait(TaskId),
}

/// Makes the plan. It reads nothing but what it is given.
///
/// # Errors
/// Everything that is wrong with the prompt.
pub fn plan(
    inputs: &Inputs,
    context: &Context,
    template: Option<&Template>,
    now: Timestamp,
) -> Result<Plan, Vec<Problem>> {
    let mut warnings = Vec::new();
    let orders = match (&inputs.errand, template) {
        (Errand::Start(start), Some(template)) => {
            if template.source.contains("${{") {
                warnings.push(format!(
                    "{}: `${{{{ … }}}}` is evaluated by Actions in workflow files only; a template writes `{{{{ … }}}}`, \
                     and the `$` stays where it is",
                    template.name
                ));
            }
            let scope = Scope {
                context,
                vars: &start.vars,
                target: &start.repository,
                now,
            };
            let prompt = render(template, &scope)
                .map_err(|why| vec![Problem::new("prompt", format!("cannot be made. {why}"))])?;
            if [&inputs.token, &inputs.lookup_token]
                .into_iter()
                .flatten()
                .any(|token| token.occurs_in(&prompt))
            {
                let why = "has a token in it, which the agent and everybody who sees the task could read; take it out";
                return Err(vec![Problem::new("prompt", why)]);
            }
            vec![Order {
                repository: start.repository.clone(),
                deed: order(start, template, prompt),
            }]
        }
        (Errand::Start(_), None) => return Err(vec![Problem::new("prompt", "is missing")]),
        (Errand::Wait(tasks), _) => tasks
            .iter()
            .map(|task| Order {
                repository: task.repository.clone(),
                deed: Deed::Wait(task.task_id.clone()),
            })
            .collect(),
    };
    Ok(Plan {
        orders,
        wait: inputs.wait.clone(),
        fail_on: inputs.fail_on.clone(),
        require_pull_request: inputs.require_pull_request,
        dry_run: inputs.dry_run,
        warnings,
    })
}

fn order(start: &Start, template: &Template, prompt: String) -> Deed {
    Deed::Start {
        prompt_sha256: hexadecimal(digest(&SHA256, prompt.as_bytes()).as_ref()),
        template: template.name.clone(),
        models: start.models.clone(),
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

/// Bytes in hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl Plan {
    /// A line that says it all.
    pub fn title(&self) -> String {
        match self.orders.as_slice() {
            [
                Order {
                    repository,
                    deed: Deed::Start { .. },
                },
            ] => format!("Plan: start a task in {repository}"),
            [
                Order {
                    repository,
                    deed: Deed::Wait(id),
                },
            ] => format!("Plan: wait for task {id} in {repository}"),
            orders => format!("Plan: wait for {} tasks", orders.len()),
        }
    }

    /// The plan for people, a fact a line. `token` says who asks.
    pub fn lines(&self, address: &Address, token: Option<&Token>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut fact = |name: &str, value: &str| lines.push(format!("{name:<14} {value}"));
        fact("API", &address.to_string());
        fact(
            "token",
            &token.map_or_else(|| "none given".to_owned(), |token| token.kind().to_string()),
        );
        for order in &self.orders {
            match &order.deed {
                Deed::Wait(id) => fact("task", &format!("{id} in {}", order.repository)),
                Deed::Start {
                    task,
                    models,
                    template,
                    prompt_sha256,
                } => {
                    let models = models
                        .iter()
                        .map(|model| model.as_deref().unwrap_or("auto"))
                        .collect::<Vec<_>>();
                    fact("repository", &order.repository.to_string());
                    fact("base ref", task.base_ref.as_deref().unwrap_or("the default branch"));
                    if let Some(head) = &task.head_ref {
                        fact("head ref", head);
                    }
                    fact("model", &models.join(", else "));
                    if let Some(agent) = &task.custom_agent {
                        fact("custom agent", agent);
                    }
                    fact(
                        "pull request",
                        if task.create_pull_request {
                            "asked for"
                        } else {
                            "not asked for"
                        },
                    );
                    fact(
                        "prompt",
                        &format!("{template}, {} characters", task.prompt.chars().count()),
                    );
                    fact("prompt-sha256", prompt_sha256);
                }
            }
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
                let states = [
                    (rules.stop_on_question, "waiting_for_user"),
                    (rules.stop_on_idle, "idle"),
                ];
                let states = states
                    .iter()
                    .filter(|(stop, _)| *stop)
                    .map(|(_, state)| *state)
                    .collect::<Vec<_>>();
                fact(
                    "stop on",
                    if states.is_empty() {
                        "never".to_owned()
                    } else {
                        states.join(", ")
                    }
                    .as_str(),
                );
                let conclusions = self.fail_on.iter().map(|it| it.as_str()).collect::<Vec<_>>();
                fact(
                    "fail on",
                    if conclusions.is_empty() {
                        "never".to_owned()
                    } else {
                        conclusions.join(", ")
                    }
                    .as_str(),
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
            .map(|(repository, task)| {
                let body = serde_json::to_string(task).unwrap_or_else(|error| unreachable!("{error}"));
                (format!("POST {address}/agents/repos/{repository}/tasks"), body)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Environment;

    fn planned(prompt: &str, pairs: &[(&str, &str)]) -> Result<Plan, Vec<Problem>> {
        let base = [
            ("INPUT_TOKEN", "github_pat_s3cr3t"),
            ("INPUT_PROMPT", prompt),
            ("GITHUB_REPOSITORY", "octo/app"),
        ];
        let pairs = base
            .iter()
            .chain(pairs)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment: Environment = pairs.collect();
        let inputs = Inputs::read(&environment).inputs.unwrap();
        let template = Template {
            name: "prompt".to_owned(),
            source: prompt.to_owned(),
        };
        let now = "2026-11-20T08:00:00Z".parse().unwrap();
        plan(&inputs, &Context::new(&environment, None, None), Some(&template), now)
    }

    fn body(plan: &Plan) -> String {
        let address = Address::parse("https://api.github.com", None).unwrap();
        let [(to, body)] = plan.requests(&address).try_into().unwrap();
        assert_eq!(to, "POST https://api.github.com/agents/repos/octo/app/tasks");
        body
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
        assert_eq!(
            body(&plan),
            r#"{"prompt":"Fix app","model":"gpt-5.4","custom_agent":"fixer","create_pull_request":true,"base_ref":"main","head_ref":"copilot/x"}"#
        );
        let bare = planned("x", &[("INPUT_MODEL", "auto")]).unwrap();
        assert_eq!(body(&bare), r#"{"prompt":"x","create_pull_request":false}"#);
    }

    #[test]
    fn the_hash_is_that_of_the_prompt_as_sent() {
        let Deed::Start { prompt_sha256, .. } = &planned("abc", &[]).unwrap().orders[0].deed else {
            panic!()
        };
        // The first test vector of FIPS 180-2.
        assert_eq!(
            prompt_sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_prompt_with_a_token_in_it_is_refused() {
        let told = planned("use {{ vars.t }}", &[("INPUT_VARS", "t: xgithub_pat_s3cr3tx")]).unwrap_err();
        let told = told[0].to_string();
        assert!(told.contains("has a token in it") && !told.contains("s3cr3t"), "{told}");
    }

    #[test]
    fn an_actions_expression_in_a_template_is_warned_of() {
        assert!(planned("on ${{ target.name }}", &[]).unwrap().warnings[0].contains("a template writes `{{ … }}`"));
    }
}
