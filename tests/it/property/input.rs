//! Inputs: read or refused, and no token gets out.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_task::github::token::Token;
use agent_task::inputs::request::Inputs;
use agent_task::inputs::table::INPUTS;
use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use simulator::{Script, Simulator};

use crate::support::{Step, TOKEN};

use super::{nasty, one_in, paused};

/// An input's name as a runner or a person may write it.
fn input_name() -> impl Strategy<Value = String> {
    let known = select(INPUTS).prop_map(|input| input.name.to_uppercase());
    prop_oneof![
        6 => known.clone().prop_map(|name| name.replace('-', "_")),
        2 => known.clone(),
        1 => known.prop_map(|name| name.to_lowercase()),
        1 => nasty(),
    ]
    .prop_map(|name| format!("INPUT_{name}"))
}

fn input_value() -> impl Strategy<Value = String> {
    let typical = select(vec![
        "",
        " ",
        "true",
        "false",
        "TRUE",
        "yes",
        "start",
        "wait",
        "doctor",
        "stop",
        "plan",
        "report",
        "skip",
        "leave",
        "repository",
        "attach",
        "fail",
        "never",
        "idle",
        "failure",
        "success",
        "30s",
        "0s",
        "30",
        "1h30m",
        "-1s",
        "999999999999999999999h",
        "P1Y",
        "30d",
        "2026-11-01",
        "Europe/Berlin",
        "12",
        "1/2",
        "1, *",
        "50%",
        "merged < 50%",
        "0123456789abcdef0123456789abcdef01234567",
        "max-changed-files: 1",
        "octo/app",
        "octo/other",
        "octo/app name=a v=1, octo/app name=b base-ref=main",
        "query: org:octo",
        "@list.txt",
        "octo/app:policy.yml@main",
        "octo",
        "https://github.com/octo/app",
        "main",
        "HEAD",
        "a b",
        "..",
        "/",
        "../x",
        "x\0y",
        "auto",
        "gpt-5.4, auto,",
        "a: 1\nb: [x, {c: d}]",
        "a: &a [*a]",
        "{\"a\": 1.10}",
        "[]",
        "{{ vars.a }}",
        "{{",
        "{% for i in range(9) %}{{ i }}{% endfor %}",
        "{{ 1/0 }}",
        "${{ x }}",
        "abc",
        "abc, def",
        "[{\"task-id\": 1}]",
        "[{\"repository\": \"octo/app\", \"task-id\": \"abc\"}]",
        "https://api.github.com",
        "http://api.github.com",
        "http://127.0.0.1:1",
        "http://[::1]/x",
        "ghs_x",
        "Bearer ghp_x",
        "ghp_another",
        TOKEN,
    ]);
    prop_oneof![4 => typical.prop_map(str::to_owned), 1 => nasty()]
}

fn inputs() -> impl Strategy<Value = BTreeMap<String, String>> {
    let command = select(vec!["start", "wait", "stop", "plan", "doctor", "report"]);
    let command = option::of(command.prop_map(|it| ("INPUT_COMMAND".to_owned(), it.to_owned())));
    (btree_map(input_name(), input_value(), 0..5), command).prop_map(|(mut inputs, command)| {
        inputs.extend(command);
        inputs
    })
}

proptest! {
    #![proptest_config(one_in(1))]

    #[test]
    fn inputs_are_read_or_refused(variables in inputs(), bare in any::<bool>()) {
        let mut given = BTreeMap::new();
        if !bare {
            for (name, value) in [("TOKEN", TOKEN), ("REPOSITORY", "octo/app"), ("PROMPT", "Fix it")] {
                given.insert(format!("INPUT_{name}"), value.to_owned());
            }
        }
        given.extend(variables);
        let read = Inputs::read(&given.clone().into_iter().collect());
        if let Err(problems) = &read.inputs {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                let _ = problem.to_string();
            }
        }
        // Whatever else is wrong, a token that was given is known as one, or it could not be masked.
        let mut tokens = given.iter().filter(|(name, _)| name.eq_ignore_ascii_case("INPUT_TOKEN"));
        if let (Some((_, token)), None) = (tokens.next(), tokens.next())
            && let Ok(token) = Token::parse(token.trim())
        {
            prop_assert!(token.expose().is_empty() || read.secrets.contains(&token), "{:?}", read.inputs);
        }
        let shown = format!("{:?}", read.secrets);
        prop_assert!(read.secrets.iter().all(|secret| !secret.occurs_in(&shown) || secret.expose().len() < 8), "{}", shown);
    }
}

proptest! {
    #![proptest_config(one_in(2))]

    #[test]
    fn inputs_that_are_refused_send_nothing(variables in inputs()) {
        paused(async {
            let simulator = Simulator::new();
            simulator.default_script(Script::new().pull().state("completed", Duration::ZERO));
            // An address with a path of its own leads past all that the simulator knows.
            let known = |name: &str| name.to_ascii_uppercase().replace('-', "_");
            let kept = variables.iter().filter(|(name, _)| known(name) != "INPUT_GITHUB_API_URL");
            let step = kept.fold(Step::new(&simulator), |step, (name, value)| step.variable(name, value));
            let ran = step.run().await;
            if ran.code == 2 {
                // What these name is read before the rest can be judged.
                let named = ["INPUT_POLICY", "INPUT_REPOSITORIES", "INPUT_FOLLOW_UP"];
                let reads = variables.keys().any(|name| named.contains(&known(name).as_str()));
                let changes = ran.calls.iter().filter(|call| call.method != "GET" && call.path != "/graphql").count();
                assert!(changes == 0 && (reads || ran.calls.is_empty()), "{:?}\n{}", ran.calls, ran.log);
                assert!(!ran.output("error-message").is_empty(), "{}", ran.log);
            }
        });
    }
}

/// Found by the property: hiding a secret took the names of outputs for it, and the harness the runner's delimiter.
#[test]
fn token_that_is_a_common_word_hides_no_output() {
    for token in ["start", "task", "e", "true", "ghadelimiter_", "::endgroup::"] {
        // The harness looks for every output.
        paused(async { drop(Step::new(&Simulator::new()).with("token", token).run().await) });
    }
}

/// Found by the property: what is wrong with an input shows its value, and that can be a token that went astray.
#[test]
fn token_in_the_wrong_input_is_hidden() {
    for value in [TOKEN.to_owned(), format!("[{TOKEN}]"), format!("{{\"a\": \"{TOKEN}\"")] {
        paused(async {
            let ran = Step::new(&Simulator::new()).with("token", "").with("vars", &value).run().await;
            assert_eq!(ran.code, 2, "{}", ran.log);
            assert!(ran.output("error-message").contains("vars: "), "{}", ran.log);
        });
    }
}

/// Found by the property: nothing was masked where the command was none.
#[test]
fn token_is_masked_whatever_else_is_wrong() {
    paused(async {
        let ran = Step::new(&Simulator::new()).with("command", TOKEN).run().await;
        assert_eq!(ran.code, 2, "{}", ran.log);
    });
}
