use crate::actions::context::Environment;
use crate::inputs::targets::{Source, read};

use super::*;

fn planned(prompt: &str, pairs: &[(&str, &str)]) -> Result<Plan, PlanError> {
    let base = [("INPUT_TOKEN", "github_pat_s3cr3t"), ("INPUT_PROMPT", prompt), ("GITHUB_REPOSITORY", "octo/app")];
    let pairs = base.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment: Environment = pairs.collect();
    let inputs = Inputs::read(&environment).inputs.unwrap();
    let template = Template { name: "prompt".to_owned(), source: prompt.to_owned() };
    let now = "2026-11-20T08:00:00Z".parse().unwrap();
    let context = Context::new(&environment, None, None).fenced_by("boundary".to_owned());
    let list = inputs.request.list().unwrap();
    let targets = list.sources.iter().map(|source| match source {
        Source::Named(target) => target.clone(),
        other => panic!("{other:?}"),
    });
    let targets = targets.collect();
    plan(&inputs, PlanContext { context: &context, template: Some(&template), targets, now, follow_up: None })
}

fn body(plan: &Plan) -> String {
    let address = ApiUrl::parse("https://api.github.com", None).unwrap();
    let [(to, body)] = plan.requests(&address).try_into().unwrap();
    assert_eq!(to, "POST https://api.github.com/agents/repos/octo/app/tasks");
    body
}

fn marker(plan: &Plan) -> Marker {
    let Action::Start { options, task, prompt_sha256, .. } = &plan.tasks[0].action else { panic!("no start") };
    assert_eq!(Marker::find(&task.prompt), Some(options.marker.clone()));
    assert_eq!(*prompt_sha256, sha256(&task.prompt), "the hash is that of the prompt as it is sent");
    options.marker.clone()
}

#[test]
fn key_is_the_same_for_each_attempt_and_another_for_each_other_start() {
    let run = [("GITHUB_RUN_ID", "17"), ("GITHUB_JOB", "prep"), ("GITHUB_WORKFLOW", "Weekly")];
    let key = |prompt: &str, more: &[(&str, &str)]| marker(&planned(prompt, &[&run, more].concat()).unwrap()).key;
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
fn what_is_searched_for_first_depends_on_the_attempt_and_on_the_users_key() {
    for (pairs, first) in [
        (&[][..], Precheck::Nothing),
        (&[("GITHUB_RUN_ATTEMPT", "1")], Precheck::Nothing),
        (&[("GITHUB_RUN_ATTEMPT", "2")], Precheck::Attempt),
        (&[("INPUT_IDEMPOTENCY_KEY", "k")], Precheck::Key),
        (&[("INPUT_IDEMPOTENCY_KEY", "k"), ("GITHUB_RUN_ATTEMPT", "3")], Precheck::Key),
    ] {
        let plan = planned("x", pairs).unwrap();
        let Action::Start { options, .. } = &plan.tasks[0].action else { panic!("no start") };
        assert_eq!(options.first, first, "{pairs:?}");
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
    let template = template_hash("Fix {{ target.name }}");
    let marker = format!("<!-- agent-task key={} name=agent-task template={template} -->", marker(&plan).key);
    let rest = r#""model":"gpt-5.4","custom_agent":"fixer","create_pull_request":true,"base_ref":"main","head_ref":"copilot/x"}"#;
    assert_eq!(body(&plan), format!(r#"{{"prompt":"Fix app\n\n{marker}",{rest}"#));
    let bare = planned("x", &[("INPUT_MODEL", "auto")]).unwrap();
    assert!(body(&bare).ends_with(r#" -->","create_pull_request":false}"#), "{}", body(&bare));
}

#[test]
fn inputs_are_templates_for_each_repository() {
    let plan = planned(
        "x",
        &[
            ("INPUT_REPOSITORIES", "octo/app v=1\nocto/lib v=2"),
            ("INPUT_BASE_REF", "release/{{ vars.v }}"),
            ("INPUT_HEAD_REF", "copilot/{{ target.name }}"),
            ("INPUT_TICKET", "CHG-{{ now | date('%Y%m') }}"),
            ("INPUT_IDEMPOTENCY_KEY", "release-{{ now | date('%G-W%V') }}"),
        ],
    )
    .unwrap();
    let branches = plan.tasks.iter().map(|task| match &task.action {
        Action::Start { task, .. } => (task.base_ref.clone().unwrap(), task.head_ref.clone().unwrap()),
        _ => panic!("no start"),
    });
    let expected = [("release/1", "copilot/app"), ("release/2", "copilot/lib")];
    assert_eq!(branches.collect::<Vec<_>>(), expected.map(|(base, head)| (base.to_owned(), head.to_owned())));
    assert_eq!(plan.policy.ticket.as_deref(), Some("CHG-202611"));
    let key = |key: &str| marker(&planned("x", &[("INPUT_IDEMPOTENCY_KEY", key)]).unwrap()).key;
    assert_eq!(key("release-{{ now | date('%G-W%V') }}"), key("release-2026-W47"));
    assert_ne!(key("release-{{ now | date('%G-W%V') }}"), key("release-2026-W48"));
}

#[test]
fn templates_in_inputs_are_strict_and_trusted() {
    for (input, value, part) in [
        ("INPUT_BASE_REF", "release/{{ vars.nope }}", "base-ref cannot be rendered"),
        ("INPUT_BASE_REF", "release/{{ vars.nope }}", "\n 1 | release/{{ vars.nope }}\n"),
        ("INPUT_BASE_REF", "{{ 'a b' }}", "is rendered to a b"),
        ("INPUT_HEAD_REF", "{{ 'a..b' }}", "is rendered to a..b"),
        ("INPUT_IDEMPOTENCY_KEY", "{{ '' }}", "is empty once it is rendered"),
        ("INPUT_IDEMPOTENCY_KEY", "{# nothing #}", "is empty once it is rendered"),
        ("INPUT_IDEMPOTENCY_KEY", "{{ x", "idempotency-key cannot be rendered"),
        ("INPUT_TICKET", "CHG {{ 1 }}", "is rendered to CHG 1"),
        ("INPUT_IDEMPOTENCY_KEY", "{{ github.head_ref }}", "event text that an outsider can write"),
    ] {
        let error = planned("x", &[(input, value), ("GITHUB_HEAD_REF", "evil")]).unwrap_err();
        let PlanError::BadInput(actual) = error else { panic!("{error:?}") };
        assert!(actual[0].to_string().contains(part), "{value}: {}", actual[0]);
    }
    let many = ("INPUT_REPOSITORIES", "octo/app\nocto/lib");
    let actual = planned("x", &[many, ("INPUT_TICKET", "{{ target.name }}")]).unwrap_err();
    let PlanError::BadInput(actual) = actual else { panic!("{actual:?}") };
    assert!(actual[0].to_string().contains("differs from repository to repository"), "{}", actual[0]);
}

#[test]
fn prompt_with_a_token_in_it_is_refused() {
    let PlanError::BadInput(actual) =
        planned("use {{ vars.t }}", &[("INPUT_VARS", "t: xgithub_pat_s3cr3tx")]).unwrap_err()
    else {
        panic!("no bad input")
    };
    let actual = actual[0].to_string();
    assert!(actual.contains("contains a token") && !actual.contains("s3cr3t"), "{actual}");
}

#[test]
fn each_repository_has_a_prompt_and_a_key_of_its_own() {
    let many = ("INPUT_REPOSITORIES", "octo/app v=1\nocto/lib v=2\nocto/web");
    let actual = planned("{{ target.name }} {{ vars.v }}", &[many, ("INPUT_VARS", "v: 0")]).unwrap();
    let prompts = actual.tasks.iter().map(|order| match &order.action {
        Action::Start { task, options, .. } => {
            (task.prompt.lines().next().unwrap().to_owned(), options.marker.key.to_string())
        }
        _ => panic!("no start"),
    });
    let (prompts, mut keys): (Vec<_>, Vec<_>) = prompts.unzip();
    assert_eq!(prompts, ["app 1", "lib 2", "web 0"]);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
    let PlanError::BadInput(problems) = planned("{{ vars.v }}", &[many]).unwrap_err() else { panic!("no bad input") };
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().contains("prompt for octo/web cannot be rendered"), "{problems:?}");
}

#[test]
fn plan_says_beforehand_how_long_starting_takes() {
    let many = (0..600).map(|at| format!("octo/r{at}")).collect::<Vec<_>>().join("\n");
    let rest = [("INPUT_REPOSITORIES", many.as_str()), ("INPUT_WAIT", "true"), ("INPUT_WAVES", "1, 5, *")];
    let actual = planned("x", &rest).unwrap();
    let lines = actual.lines(&ApiUrl::parse("https://api.github.com", None).unwrap(), None).join("\n");
    assert_eq!(actual.order(), "start a task in each of 600 repositories");
    for part in [
        "and 500 more",
        "waves          1, 5, 594; the next starts at 100%",
        "at least       1h 1m 39s",
        ", polling every 15s at the latest",
    ] {
        assert!(lines.contains(part), "{part} in {lines}");
    }
    let PlanError::BadInput(problems) = planned("x", &[rest[0], rest[1], ("INPUT_WAVES", "1, 5")]).unwrap_err() else {
        panic!("no bad input")
    };
    assert!(problems[0].to_string().contains("waves has room for 6 of 600"), "{problems:?}");
}

#[test]
fn matrix_parts_a_list_within_githubs_limits() {
    let targets = (0..950).map(|at| Target::new(format!("octo/r{at}").parse().unwrap())).collect::<Vec<_>>();
    let parts = |matrix: Value| {
        let jobs = matrix["include"].as_array().unwrap().clone();
        let lists = jobs.iter().map(|job| read(job["repositories"].as_str().unwrap()).unwrap());
        lists.map(|list| (list.part.unwrap().count, list.sources.len())).collect::<Vec<_>>()
    };
    assert_eq!(parts(matrix(targets.clone(), None).unwrap()), [vec![(10, 95); 10]].concat());
    assert_eq!(parts(matrix(targets[..3].to_vec(), Some(8)).unwrap()), [(3, 1); 3]);
    assert_eq!(parts(matrix(vec![targets[0].clone(); 100_000], None).unwrap()).len(), 256);
    assert!(matrix(vec![targets[0].clone(); 100_000], Some(2)).unwrap_err()[0].to_string().contains("raise `shard`"));
}

#[test]
fn actions_expression_in_a_template_is_warned_of() {
    assert!(planned("on ${{ target.name }}", &[]).unwrap().warnings[0].contains("a template writes `{{ … }}`"));
}

/// A template whose work is nearly all that one may take, and that is rendered quickly.
const HEAVY: &str = "{% set ns = namespace(t='xxxxxxxxxxxxxxxx') %}{% for i in range(17) %}{% set ns.t = ns.t ~ ns.t %}\
                     {% endfor %}{% for i in range(300) %}{% if ns.t == 'y' %}{% endif %}{% endfor %}done";

fn many(repositories: usize) -> String {
    (0..repositories).map(|at| format!("octo/r{at}\n")).collect()
}

#[test]
fn prompts_of_a_step_are_bounded_together() {
    let of = |prompt: &str, more: &[(&str, &str)]| {
        let list = many(40);
        planned(prompt, &[&[("INPUT_REPOSITORIES", list.as_str())], more].concat()).map(|plan| plan.tasks.len())
    };
    let problem = |result: Result<usize, PlanError>| match result {
        Err(PlanError::BadInput(problems)) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        other => panic!("{other:?}"),
    };
    insta::assert_snapshot!(problem(of(HEAVY, &[])), @"prompt takes too much to render: the 200 million instructions that a step has for all its prompts are used up after 20 of 40. Loop, sort or show less in the template, or split the list with `command: plan`");
    insta::assert_snapshot!(problem(of("x", &[("INPUT_IDEMPOTENCY_KEY", HEAVY)])), @"idempotency-key takes too much to render: the 200 million instructions that a step has for all its prompts are used up after 20 of 40. Loop, sort or show less in the template, or split the list with `command: plan`");
    // What fails before the work is used up is the error.
    insta::assert_snapshot!(problem(of(&format!("{HEAVY}{{{{ vars.x }}}}"), &[])).lines().next().unwrap(), @"prompt for octo/r0 cannot be rendered: prompt:1:186: `vars.x` is undefined; the input `vars` is empty, and the variables of Actions are not in it: pass `x: ${{ vars.x }}`");
}

#[test]
fn ordinary_prompts_of_a_thousand_repositories_are_not_bounded() {
    let list = many(1000);
    let prompt = "{% for i in range(10) %}Look at {{ target.full_name }}, part {{ i + 1 }}.\n{% endfor %}";
    let plan = planned(prompt, &[("INPUT_REPOSITORIES", &list)]).unwrap();
    assert_eq!(plan.tasks.len(), 1000);
}
