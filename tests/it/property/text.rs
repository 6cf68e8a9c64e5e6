//! What the runner reads, the markers of prompts, and GitHub's answers.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::rc::Rc;

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::actions::output_file::render;
use agent_task::actions::workflow_command::{Annotation, Level};
use agent_task::github::task::{NewTask, State, Task};
use agent_task::github::token::Token;
use agent_task::report::outputs::OUTPUTS;
use agent_task::task::marker::{Key, Marker};
use agent_task::task::pull_request::PullRequestHints;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::grammar;

use super::{nasty, one_in, state};

/// A value that may have whole lines in it by which a value ends and another output begins.
fn hostile() -> impl Strategy<Value = String> {
    let end = select(vec!["", "\nghadelimiter_\n", "\nghadelimiter_0\n", "ghadelimiter_1\nstate<<E\nforged\nE\n"]);
    (nasty(), end, nasty()).prop_map(|(before, end, after)| [before.as_str(), end, &after].concat())
}

proptest! {
    #![proptest_config(one_in(1))]

    #[test]
    fn outputs_are_read_as_they_were_given(
        values in vec((select(OUTPUTS.to_vec()), hostile()), 0..8),
        words in vec(select(vec!["", "0", "0", "1", "a0"]), 0..6),
    ) {
        // A poor source of chance: words that are short, come twice, and occur in the values.
        let mut count = 0;
        let mut words = words.into_iter();
        let text = render(&values, || {
            count += 1;
            words.next().map_or_else(|| format!("{count:032x}"), str::to_owned)
        });
        let given = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>();
        prop_assert_eq!(grammar::outputs(&text, false), Ok(given.clone()), "{}", text);
        // On Windows the runner takes a carriage return at the very end for a part of the line's.
        let given = given.into_iter().map(|(name, value)| (name, value.strip_suffix('\r').unwrap_or(&value).to_owned()));
        prop_assert_eq!(grammar::outputs(&text, true), Ok(given.collect()), "{}", text);
    }
}

#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<u8>>>);

impl Log {
    fn taken(&self) -> String {
        String::from_utf8(self.0.take()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn commands(log: &str) -> Vec<grammar::Command> {
    grammar::lines(log).into_iter().filter_map(grammar::command).collect()
}

proptest! {
    #![proptest_config(one_in(1))]

    #[test]
    fn text_never_becomes_a_command(text in nasty(), title in nasty(), secret in select(vec!["s3cr3t", "::", "##[", "%0A"])) {
        let variables = [("GITHUB_ACTIONS", "true"), ("RUNNER_DEBUG", "1")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let log = Log::default();
        let runner = Host::with_log(&Environment::from_iter(variables), Box::new(log.clone()));
        runner.mask(&[Token::parse(secret).unwrap()]);
        let masks = commands(&log.taken());
        prop_assert_eq!(masks.iter().map(|it| (it.name.as_str(), it.data.as_str())).collect::<Vec<_>>(), [("add-mask", secret)]);

        runner.print_line(&text);
        runner.log(&text);
        let said = log.taken();
        prop_assert_eq!(commands(&said), []);
        prop_assert_eq!(grammar::lines(&said).len(), 3, "two lines and what follows them: {:?}", said);
        prop_assert!(!said.contains(secret), "{}", said);

        runner.group(&title, [text.as_str(), &title]);
        let folded = commands(&log.taken());
        prop_assert_eq!(folded.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["group", "endgroup"]);
        prop_assert!(folded.iter().all(|it| it.properties.is_empty() && !it.data.contains(['\n', '\r'])));

        for (level, name) in [(Level::Notice, "notice"), (Level::Warning, "warning"), (Level::Error, "error")] {
            runner.annotate(&Annotation { level, title: title.clone(), message: text.clone() });
            let found = commands(&log.taken());
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].name, name);
            prop_assert!(found[0].properties.keys().all(|key| key == "title"), "{:?}", found);
            // What the runner shows of it is lines of the log again.
            prop_assert_eq!(commands(&found[0].data), [], "{:?}", found);
        }

        runner.debug(&text);
        let found = commands(&log.taken());
        prop_assert_eq!(found.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["debug"]);
        prop_assert_eq!(commands(&found[0].data), [], "{:?}", found);
    }
}

fn marker() -> impl Strategy<Value = Marker> {
    let key = nasty().prop_map(|key| Key::over([key.as_str()]));
    (key, prop::array::uniform12(nasty())).prop_map(|(key, texts)| {
        let [name, class, entry, version, template, rollout, wave, origin, repository, run, attempt, actor] = texts;
        Marker {
            key,
            name,
            class,
            entry,
            follow_up: String::new(),
            version,
            template,
            rollout,
            wave,
            origin,
            repository,
            run,
            attempt,
            actor,
        }
    })
}

proptest! {
    #![proptest_config(one_in(1))]

    #[test]
    fn marker_is_found_under_any_prompt(marker in marker(), other in marker(), prompt in nasty()) {
        let stamped = marker.put_under(&prompt);
        prop_assert!(stamped.starts_with(prompt.trim_end()));
        prop_assert_eq!(Marker::find(&stamped), Some(marker.clone()));
        // Who quotes a prompt with its stamp does not take the place of the one who puts his own below.
        prop_assert_eq!(Marker::find(&marker.put_under(&other.put_under(&prompt))), Some(marker.clone()));
        let line = marker.to_string();
        let inside = line.strip_prefix("<!--").and_then(|line| line.strip_suffix("-->")).unwrap();
        prop_assert!(line.is_ascii() && !inside.contains("--") && !inside.contains(['\n', '<', '>']), "{}", line);
    }

    #[test]
    fn marker_is_read_from_any_text(text in nasty()) {
        for text in [text.clone(), format!("<!-- agent-task key=0123456789abcdef {text} -->")] {
            if let Some(found) = Marker::find(&text) {
                prop_assert_eq!(Marker::find(&found.to_string()), Some(found));
            }
        }
    }
}

/// Any JSON at all.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        nasty().prop_map(Value::from),
        select(vec!["pull", "branch", "ai_credits", "user", "2026-11-20T12:00:00Z", "https://github.com/x", "main"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(field(), inner, 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The fields that we read, and others.
fn field() -> impl Strategy<Value = String> {
    let known = vec![
        "id",
        "type",
        "data",
        "global_id",
        "head_ref",
        "base_ref",
        "prompt",
        "model",
        "error",
        "message",
        "usage",
        "amount",
        "credits",
        "name",
        "login",
        "state",
    ];
    prop_oneof![5 => select(known).prop_map(str::to_owned), 1 => nasty()]
}

/// An object whose fields hold anything.
fn object(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    btree_map(select(names), anything(), 0..=names.len())
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn task() -> impl Strategy<Value = Value> {
    let session = object(&["prompt", "head_ref", "base_ref", "model", "error", "usage", "state", "id"]);
    let artifact = object(&["type", "data", "provider"]);
    let sessions = prop_oneof![anything(), vec(session, 0..4).prop_map(Value::from)];
    let artifacts = prop_oneof![anything(), vec(artifact, 0..4).prop_map(Value::from)];
    let rest = object(&["created_at", "creator", "creator_type", "html_url", "custom_agent", "name", "repository"]);
    (option::of(sessions), option::of(artifacts), rest, state(), "[A-Za-z0-9_:=~-][A-Za-z0-9_.:=~-]{0,40}").prop_map(
        |(sessions, artifacts, mut task, state, id)| {
            task["id"] = id.into();
            task["state"] = state.into();
            task["sessions"] = sessions.unwrap_or_default();
            task["artifacts"] = artifacts.unwrap_or_default();
            task
        },
    )
}

proptest! {
    #![proptest_config(one_in(1))]

    #[test]
    fn task_with_id_and_state_is_read(given in task()) {
        let read = |given: &str| serde_json::from_str::<Task>(given);
        let task = read(&given.to_string()).map_err(|why| TestCaseError::fail(why.to_string()))?;
        prop_assert_eq!(Some(task.id.as_str()), given["id"].as_str());
        prop_assert_eq!(Some(task.state.clone()), given["state"].as_str().map(State::from));
        let asked = NewTask {
            prompt: "x".to_owned(),
            model: Some("gpt-5.4".to_owned()),
            custom_agent: Some("fixer".to_owned()),
            create_pull_request: true,
            base_ref: Some("main".to_owned()),
            head_ref: Some("topic".to_owned()),
        };
        // All that is made of a task is made without a panic.
        let _ = (task.departures(&asked), task.credits(), task.user(), PullRequestHints::of(&task).promise_a_pull());
        let _ = (task.error_message(), task.head_ref(), task.base_ref(), task.link());
        let names = task.sessions.iter().filter_map(|session| session.model_name()).collect::<BTreeSet<_>>();
        prop_assert!(names.iter().all(|name| !name.is_empty()));
    }
}
