//! Tests of this folder.

use crate::inputs::parse::ParsedInputs;
use crate::inputs::request::{Inputs, Request, StartRequest};
use crate::inputs::targets::{List, Shard};
use crate::task::start::ActiveScope;

fn read(pairs: &[(&str, &str)]) -> ParsedInputs {
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

fn start(inputs: &Inputs) -> &StartRequest {
    match &inputs.request {
        Request::Start(start) => start,
        _ => panic!("not a start"),
    }
}

#[test]
fn defaults_are_those_of_the_table() {
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
    assert!(twice[0].contains("base-ref has two values"), "{twice:?}");
    assert_eq!(start(&good(&[("INPUT_BASE_REF", "a"), ("INPUT_BASE-REF", "a")])).base_ref.as_deref(), Some("a"));
}

#[test]
fn booleans_are_those_of_actions() {
    for (text, truth) in [("true", true), ("True", true), ("TRUE", true), ("false", false), ("FALSE", false)] {
        assert_eq!(good(&[("INPUT_DRY_RUN", text)]).dry_run, truth);
    }
    for text in ["yes", "1", "tRue"] {
        let actual = problems(&[("INPUT_DRY_RUN", text)]);
        assert_eq!(actual, [format!("dry-run: expected true or false, got {text}")]);
    }
}

#[test]
fn durations_have_units() {
    let timeout = |text| good(&[("INPUT_WAIT", "true"), ("INPUT_WAIT_TIMEOUT", text)]).wait.unwrap().timeout;
    assert_eq!(timeout("1h30m").as_secs(), 5400);
    assert_eq!(timeout("90s").as_secs(), 90);
    let actual = problems(&[("INPUT_WAIT_TIMEOUT", "15")]);
    assert_eq!(actual, ["wait-timeout: expected a duration with a unit such as 15s or 15m, got 15"]);
    for text in ["soon", "-5s", "1w"] {
        assert!(problems(&[("INPUT_WAIT_TIMEOUT", text)])[0].contains("expected a duration above zero"), "{text}");
    }
    assert!(problems(&[("INPUT_WAIT_TIMEOUT", "0s")])[0].contains("expected a duration above zero"));
    assert!(problems(&[("INPUT_POLL_INTERVAL", "100ms")])[0].contains("write 1s or more"));
    let loopback = ("INPUT_GITHUB_API_URL", "http://127.0.0.1:9");
    let inputs = good(&[("INPUT_WAIT", "true"), ("INPUT_POLL_INTERVAL", "100ms"), loopback]);
    assert_eq!(inputs.wait.unwrap().interval.as_millis(), 100);
}

#[test]
fn age_without_a_unit_is_refused() {
    let actual = problems(&[("INPUT_ROLLOUT", "x"), ("INPUT_REPOSITORIES", "octo/app"), ("INPUT_STALL_AFTER", "3")]);
    assert_eq!(actual, ["stall-after: expected a duration with a unit such as 3h or 3d, got 3"]);
}

#[test]
fn value_of_another_type_has_a_remedy() {
    for (name, value, part) in [
        ("INPUT_REPOSITORY", "octo/app, octo/lib", "is a list; write it in repositories"),
        ("INPUT_REPOSITORY", "- octo/app\n- octo/lib", "is a list; write it in repositories"),
        ("INPUT_ALLOW_BOTS", "true", "is not a login"),
        ("INPUT_VARS", "a: b: c", "put a value that contains `: ` in quotes"),
    ] {
        let actual = problems(&[(name, value)]);
        assert!(actual[0].contains(part), "{name}: {actual:#?}");
    }
}

#[test]
fn lists_are_separated_by_commas_and_newlines() {
    let models = start(&good(&[("INPUT_MODEL", " gpt-5.4,\nauto, gpt-5.4 ")])).models.clone();
    assert_eq!(models, [Some("gpt-5.4".to_owned()), None]);
    assert_eq!(good(&[("INPUT_FAIL_ON", "never")]).fail_on, []);
    assert_eq!(good(&[("INPUT_FAIL_ON", "failure\nskipped")]).fail_on.len(), 2);
    assert!(problems(&[("INPUT_FAIL_ON", "never, failure")])[0].contains("fail-on: expected"));
    for name in ["INPUT_FAIL_ON", "INPUT_STOP-ON", "INPUT_MODEL", "INPUT_ALLOW_USERS", "INPUT_ALLOW_BOTS"] {
        assert!(problems(&[(name, " ,\n,")])[0].contains("has commas and no item"), "{name}");
    }
    assert!(problems(&[("INPUT_STOP_ON", "completed")])[0].contains("got completed"));
}

#[test]
fn problems_come_all_at_once() {
    let actual = all_problems(&[
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
        "token is an installation token",
        "repository: octo is not of the form `owner/name`",
        "wait: expected true or false, got maybe",
        "wait-timeout: expected",
        "base-ref: a b ",
        "write its file's name without folder and extension, such as `fixer`",
        "vars: - a is not a mapping",
        "prompt is missing",
        "so the token would travel unencrypted",
    ] {
        assert!(actual.iter().any(|line| line.contains(part)), "{part} in {actual:#?}");
    }
    assert_eq!(actual.len(), 9, "{actual:#?}");
}

#[test]
fn no_problem_shows_a_token() {
    let actual = all_problems(&[("INPUT_TOKEN", "Bearer ghp_s3cr3t"), ("INPUT_LOOKUP_TOKEN", "ghp_s3c r3t")]);
    assert!(actual.iter().all(|line| !line.contains("s3c")), "{actual:?}");
    assert!(all_problems(&[("INPUT_PROMPT", "x")])[0].contains("forks"));
    assert_eq!(read(&[("INPUT_TOKEN", "ghs_x"), ("INPUT_LOOKUP_TOKEN", "ghs_y")]).secrets.len(), 2);
}

#[test]
fn later_commands_are_refused_rather_than_ignored() {
    assert!(
        problems(&[("INPUT_COMMAND", "repeat")])[0]
            .contains("expected one of start, wait, stop, plan, doctor, report, got repeat")
    );
    assert!(problems(&[("INPUT_COMMAND", "start over")])[0].contains("got start over"));
}

#[test]
fn input_of_the_other_command_is_refused() {
    assert!(problems(&[("INPUT_TASK_ID", "t-1")])[0].contains("it is for command: wait"));
    let actual = problems(&[("INPUT_COMMAND", "wait"), ("INPUT_TASK_ID", "t-1")]);
    assert_eq!(actual, ["prompt has no effect with command: wait; it is for command: start"]);
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
    assert_eq!((inputs.wave_rules.success.to_string(), inputs.wave_rules.most_at_once), ("90%".to_owned(), Some(20)));
    for (pairs, part) in [
        (
            &[("INPUT_REPOSITORIES", "octo/a"), ("INPUT_REPOSITORY", "octo/b")][..],
            "repositories and repository exclude each other",
        ),
        (&[("INPUT_REPOSITORIES", "octo\na/b/c")], "repositories has a mistake in line 2: `a/b/c`"),
        (&[("INPUT_REPOSITORIES", "octo/a"), ("INPUT_WAVES", "1, *")], "waves requires wait: true"),
        (
            &[("INPUT_REPOSITORIES", "octo/a"), ("INPUT_MAX_PARALLEL", "0")],
            "max-parallel: 0 is not a whole number of tasks",
        ),
        (&[("INPUT_SHARD", "2/8")], "shard requires repositories"),
        (&[("INPUT_REPOSITORIES", "part: 1/2\nocto/a"), ("INPUT_SHARD", "2/8")], "already part 1/2"),
        (&[("INPUT_WAVE_SUCCESS", "90%")], "wave-success requires waves"),
        (&[("INPUT_TOLERATE", "10")], "tolerate: 10 is no"),
    ] {
        let actual = problems(pairs);
        assert!(actual.iter().any(|line| line.contains(part)), "{part} in {actual:#?}");
    }
}

#[test]
fn plan_takes_a_list_and_a_number_of_parts() {
    let plan =
        |pairs: &[(&str, &str)]| read(&[&[("INPUT_COMMAND", "plan"), ("INPUT_TOKEN", "ghp_x")], pairs].concat()).inputs;
    let inputs = plan(&[("INPUT_REPOSITORIES", "octo/a, octo/b"), ("INPUT_SHARD", "2")]).unwrap();
    assert!(matches!(inputs.request, Request::Plan(List { sources, .. }, Some(2)) if sources.len() == 2));
    for (pairs, part) in [
        (&[("INPUT_SHARD", "2/8")][..], "is not a number of parts"),
        (&[], "repositories is missing"),
        (&[("INPUT_PROMPT", "x")], "prompt has no effect with command: plan"),
        (&[("INPUT_FAIL_ON", "never")], "it is for command: start and wait"),
    ] {
        let actual = plan(pairs).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(actual.iter().any(|line| line.contains(part)), "{part} in {actual:#?}");
    }
}

#[test]
fn wait_takes_ids_or_results() {
    let waited = |text: &str, repository: &str| {
        let environment = [
            ("INPUT_TOKEN", "ghp_x"),
            ("INPUT_COMMAND", "wait"),
            ("INPUT_TASK_ID", text),
            ("GITHUB_REPOSITORY", repository),
        ];
        match Inputs::read(&environment.map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter().collect()).inputs {
            Ok(Inputs { request: Request::Wait(tasks), wait: Some(_), .. }) => {
                tasks.iter().map(|task| format!("{} {}", task.repository, task.task_id)).collect()
            }
            Ok(_) => panic!("not a wait"),
            Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }
    };
    assert_eq!(waited("t-1, t-2\nt-1", "octo/app"), ["octo/app t-1", "octo/app t-2"]);
    let results = r#"[{"repository":"octo/a","task-id":"t-1"},{"repository":"octo/b","task-id":null}]"#;
    assert_eq!(waited(results, ""), ["octo/a t-1"]);
    assert!(waited("t/1", "octo/app")[0].contains("is not a task id"));
    assert!(waited("[1]", "octo/app")[0].contains("cannot be read"));
    assert!(waited("[]", "octo/app")[0].contains("no task to wait for"));
    assert!(waited("t-1", "")[0].contains("repository is missing"));
}

#[test]
fn what_cannot_come_out_green_is_refused() {
    assert!(
        problems(&[("INPUT_REQUIRE_PULL_REQUEST", "true"), ("INPUT_CREATE_PULL_REQUEST", "true")])[0]
            .contains("require-pull-request requires wait: true")
    );
    assert!(
        problems(&[("INPUT_REQUIRE_PULL_REQUEST", "true"), ("INPUT_WAIT", "true")])[0]
            .contains("requires create-pull-request: true")
    );
    let both = [("INPUT_PROMPT_FILE", "p.md")];
    assert_eq!(problems(&both), ["prompt and prompt-file exclude each other; remove one"]);
}

#[test]
fn dry_run_needs_no_token() {
    let read = read(&[("INPUT_PROMPT", "x"), ("INPUT_DRY_RUN", "true")]);
    assert!(read.inputs.unwrap().token.is_none());
}

#[test]
fn unknown_input_is_warned_of_with_the_nearest_name() {
    let read = read(&[("INPUT_TOKEN", "ghp_x"), ("INPUT_PROMPT", "x"), ("INPUT_BASEREF", "main")]);
    assert!(read.warnings[0].starts_with("unknown input baseref is ignored; did you mean"), "{:?}", read.warnings);
    assert!(read.warnings[0].contains("base-ref"), "{:?}", read.warnings);
}

#[test]
fn input_without_a_near_name_has_a_short_warning() {
    let read = read(&[("INPUT_TOKEN", "ghp_x"), ("INPUT_PROMPT", "x"), ("INPUT_PULL_REQUEST", "true")]);
    assert_eq!(read.warnings, ["unknown input pull-request is ignored; docs/reference.md lists the inputs"]);
}

#[test]
fn prompt_that_is_a_file_name_is_warned_of() {
    let warnings = |prompt| read(&[("INPUT_TOKEN", "ghp_x"), ("INPUT_PROMPT", prompt)]).warnings;
    let warning = "prompt is .github/prompts/fix.md, which looks like a file; write it in prompt-file";
    assert_eq!(warnings(".github/prompts/fix.md"), [warning]);
    assert!(warnings("Correct README.md").is_empty());
}

#[test]
fn renamed_inputs_name_the_new_one() {
    assert_eq!(problems(&[("INPUT_TASK", "prep")]), ["task was renamed; write task-class"]);
}

#[test]
fn literal_inputs_refuse_template_syntax() {
    for name in
        ["MODEL", "CUSTOM_AGENT", "REPOSITORY", "WAIT_TIMEOUT", "POLICY", "TASK_CLASS", "AUDIT_LOG", "ALLOW_USERS"]
    {
        let actual = problems(&[(&format!("INPUT_{name}"), "x{{ vars.x }}")]);
        assert_eq!(actual.len(), 1, "{actual:?}");
        assert!(actual[0].contains("contains {{, and it is not a template"), "{actual:?}");
    }
    let quoting = good(&[("INPUT_VARS", "a: '{{ b }}'"), ("INPUT_INPUTS", "a: '{{ b }}'")]);
    assert_eq!(start(&quoting).vars["a"], "{{ b }}");
    let inputs = good(&[("INPUT_BASE_REF", "release/{{ vars.v }}"), ("INPUT_TICKET", "CHG-{{ vars.n }}")]);
    assert_eq!(start(&inputs).base_ref.as_deref(), Some("release/{{ vars.v }}"));
}

#[test]
fn allow_empty_requires_repositories() {
    assert_eq!(problems(&[("INPUT_ALLOW_EMPTY", "true")]), ["allow-empty requires repositories"]);
    assert!(good(&[("INPUT_ALLOW_EMPTY", "true"), ("INPUT_REPOSITORIES", "query: org:acme")]).allow_empty);
}

#[test]
fn tickets_and_names_are_visible() {
    assert!(problems(&[("INPUT_TICKET", "CHG-1\u{e0041}")])[0].contains("U+E0041"));
    assert!(problems(&[("INPUT_MODEL", "gpt-*")])[0].contains("write each name"));
    assert!(problems(&[("INPUT_CUSTOM_AGENT", "fix*")])[0].contains("write each name"));
}

#[test]
fn active_scope_needs_something_to_do() {
    let actual = problems(&[("INPUT_ACTIVE_SCOPE", "repository")]);
    assert_eq!(actual, ["active-scope requires if-active: skip, attach or fail"]);
    let actual = problems(&[("INPUT_ACTIVE_SCOPE", "class"), ("INPUT_IF_ACTIVE", "skip")]);
    assert_eq!(actual, ["active-scope class requires a task-class"]);
    let actual = problems(&[("INPUT_ACTIVE_SCOPE", "repository"), ("INPUT_IF_ACTIVE", "attach")]);
    assert!(actual[0].starts_with("active-scope repository excludes if-active: attach"), "{actual:?}");
    let inputs = good(&[("INPUT_ACTIVE_SCOPE", "repository"), ("INPUT_IF_ACTIVE", "skip")]);
    assert_eq!(start(&inputs).active_scope, ActiveScope::Repository);
}

#[test]
fn server_without_an_api_address_is_not_taken_for_github_com() {
    let address = |server: &str| good(&[("GITHUB_SERVER_URL", server)]).address.to_string();
    assert_eq!(address("https://github.com"), "https://api.github.com");
    assert_eq!(address("https://octo.ghe.com"), "https://api.octo.ghe.com");
    let ghes = [("GITHUB_SERVER_URL", "https://ghes.example.com"), ("GITHUB_API_URL", "")];
    insta::assert_snapshot!(problems(&ghes).join("\n"), @"GITHUB_SERVER_URL: https://ghes.example.com is neither github.com nor ghe.com, and GITHUB_API_URL is not set; set `github-api-url` to `https://api.github.com` or `https://api.SUBDOMAIN.ghe.com`");
    let given = ("INPUT_GITHUB_API_URL", "https://api.github.com");
    assert_eq!(good(&[ghes[0], given]).address.to_string(), "https://api.github.com");
}

#[test]
fn proxy_does_not_matter_on_this_machine() {
    let proxy = ("HTTPS_PROXY", "ht!tp://x");
    assert_eq!(problems(&[proxy]).len(), 1);
    assert_eq!(problems(&[("all_proxy", "ftp://x")]).len(), 1);
    good(&[proxy, ("GITHUB_API_URL", "http://127.0.0.1:9")]);
    good(&[("HTTPS_PROXY", "http://x"), ("ALL_PROXY", "ht!tp://x")]);
}
