//! Tests of this folder.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::actions::context::{Context, Environment};
use crate::actions::pattern::RepositoryName;
use crate::github::repository::Repository;
use crate::github::task::Task;
use crate::policy::evaluate::{EntrySettings, Overrides, PolicyMetadata, Rules};
use crate::policy::limits::Capacity;
use crate::policy::location::{PolicyLocation, USUAL_PLACE};
use crate::policy::schema::{Limits, MAX_BYTES, Policy, RepositoryTable};
use crate::policy::values::{Day, MAX_TICKET, ticket};
use crate::policy::vars::{VarKind, VarTable};
use crate::prompt::fence::Untrusted;
use crate::task::acceptance::Expect;
use crate::task::conclusion::{Conclusion, Refusal, RefusedBy};
use crate::task::marker::Marker;
use crate::task::start::{ActiveScope, IfActive};
use crate::task::stop::UnfinishedTask;
use crate::yaml::compose;

/// What the types look like in a file where they are read in ways of their own.
#[expect(dead_code, reason = "they are there for their schema alone")]
pub(super) mod schema {
    use schemars::JsonSchema;

    use crate::actions::pattern::ListPattern;

    use super::{RepositoryName, RepositoryTable, VarKind, VarTable};

    pub(in crate::policy) type Patterns<S> = OneOrMany<ListPattern<S>>;

    #[derive(JsonSchema)]
    #[schemars(inline)]
    #[serde(untagged)]
    pub(in crate::policy) enum OneOrMany<T> {
        One(T),
        Many(#[schemars(length(min = 1))] Vec<T>),
    }

    #[derive(JsonSchema)]
    #[schemars(inline)]
    #[serde(untagged)]
    pub(in crate::policy) enum TextOrNumber {
        Text(String),
        Number(f64),
    }

    #[derive(JsonSchema)]
    #[serde(untagged)]
    pub(in crate::policy) enum Var {
        Short(VarKind),
        Long(VarTable),
    }

    #[derive(JsonSchema)]
    #[serde(untagged)]
    pub(in crate::policy) enum Repositories {
        One(ListPattern<RepositoryName>),
        Many(#[schemars(length(min = 1))] Vec<ListPattern<RepositoryName>>),
        Both(RepositoryTable),
    }
}

const FULL: &str = include_str!("../../examples/policy/agent-tasks.yml");
const ORGANIZATION: &str = include_str!("../../examples/policy/organization.yml");
const SMALL: &str = include_str!("../../examples/policy/small.yml");

pub(super) fn place() -> PolicyLocation {
    USUAL_PLACE.parse().unwrap()
}

#[track_caller]
pub(super) fn policy(text: &str) -> Policy {
    Policy::parse(&place(), text).unwrap_or_else(|faults| panic!("{}", faults.join("\n")))
}

fn faults(text: &str) -> Vec<String> {
    let faults = Policy::parse(&place(), text).unwrap_err();
    faults.iter().map(|fault| fault.strip_prefix(".github/agent-tasks.yml:").unwrap().to_owned()).collect()
}

/// The rules of the one class in a policy.
pub(super) fn rules(class: &str) -> Rules {
    let indented = class.lines().map(|line| format!("    {line}\n")).collect::<String>();
    policy(&format!("task-classes:\n  it:\n{indented}")).rules(&place(), None, Some("it")).unwrap()
}

pub(super) fn whys(refusals: Vec<Refusal>) -> Vec<String> {
    assert!(refusals.iter().all(|refusal| refusal.gate == RefusedBy::Policy));
    refusals.into_iter().map(|refusal| refusal.why).collect()
}

#[track_caller]
pub(super) fn settled(rules: &Rules, asked: Overrides) -> Overrides {
    let (settled, refusals) = rules.settle(asked);
    assert_eq!(refusals, []);
    settled
}

#[track_caller]
pub(super) fn refused(rules: &Rules, asked: Overrides) -> String {
    let whys = whys(rules.settle(asked).1);
    assert_eq!(whys.len(), 1, "{whys:?}");
    whys[0].clone()
}

fn forbidden(rules: &Rules, repositories: &[&str], run: &[(&str, &str)], now: &str) -> Vec<String> {
    let repositories = repositories.iter().map(|name| name.parse().unwrap()).collect::<Vec<Repository>>();
    let environment: Environment = run.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let context = Context::new(&environment, None, None);
    whys(
        [rules.forbid_run(&context), rules.forbid(&repositories.iter().collect::<Vec<_>>(), now.parse().unwrap())]
            .concat(),
    )
}

const NOON: &str = "2026-11-20T12:00:00Z";

/// A key that is there has a value: what the types call absent is a key left out.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|name, value| name != "default" || !value.is_null());
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|it| it != "null");
                fields["type"] = types[0].clone();
            }
            if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
                choices.retain(|it| it["type"] != "null");
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    fields.remove("anyOf");
                    for (name, value) in only {
                        fields.entry(name).or_insert(value);
                    }
                }
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            fields.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// The schema, as it is in `dist`.
fn derived() -> Value {
    let mut schema = serde_json::to_value(schemars::schema_for!(Policy)).unwrap();
    without_null(&mut schema);
    schema
}

/// Where this fails, put what it shows into the file.
#[test]
fn schema_that_is_handed_out_is_that_of_the_types() {
    let text = format!("{}\n", serde_json::to_string_pretty(&derived()).unwrap());
    assert!(text == include_str!("../../dist/agent-tasks.schema.json"), "{text}");
}

fn as_json(node: compose::Node) -> Value {
    match node.kind {
        compose::Kind::Mapping(entries) => {
            Value::Object(entries.into_iter().map(|(key, value)| (key.name, as_json(value))).collect())
        }
        compose::Kind::List(items) => items.into_iter().map(as_json).collect(),
        compose::Kind::Scalar(value) => value,
    }
}

#[test]
fn schema_and_the_reader_agree() {
    let schema = jsonschema::validator_for(&derived()).unwrap();
    let both = |text: &str| {
        let json = as_json(compose::parse(text).unwrap().0);
        (schema.is_valid(&json), Policy::parse(&place(), text).is_ok())
    };
    for text in [FULL, ORGANIZATION, SMALL] {
        assert_eq!(both(text), (true, true));
    }
    for text in [
        "require-class: maybe",
        "task-class: {}",
        "tasks: {}",
        "task-classes: {'a b': {}}",
        "task-classes: {a: {modle: x}}",
        "task-classes: {a: {model: 'a, b'}}",
        "task-classes: {a: {model: []}}",
        "task-classes: {a: {model: }}",
        "task-classes: {a: {prompt: /etc/passwd}}",
        "task-classes: {a: {vars: {x: text}}}",
        "task-classes: {a: {vars: {x: {required: true}}}}",
        "task-classes: {a: {vars: {x: {type: string, option: [a]}}}}",
        "task-classes: {a: {base-ref: 'a b'}}",
        "task-classes: {a: {create-pull-request: 'true'}}",
        "task-classes: {a: {repositories: acme}}",
        "task-classes: {a: {repositories: {allows: acme/*}}}",
        "task-classes: {a: {events: Schedule}}",
        "task-classes: {a: {workflows: Weekly}}",
        "task-classes: {a: {fail-on: success}}",
        "task-classes: {a: {stop-on: queued}}",
        "task-classes: {a: {head-ref: 'a b'}}",
        "task-classes: {a: {allow-users: '@mona'}}",
        "task-classes: {a: {allow-users: 'dependabot[bot]'}}",
        "task-classes: {a: {allow-bots: []}}",
        "task-classes: {a: {untrusted: allow}}",
        "task-classes: {a: {if-active: wait}}",
        "task-classes: {a: {active-scope: workflow}}",
        "task-classes: {a: {owner: 'a/b/c'}}",
        "task-classes: {a: {limits: {max-active: -1}}}",
        "task-classes: {a: {limits: {not-after: tomorrow}}}",
    ] {
        assert_eq!(both(text), (false, false), "{text}");
    }
}

#[test]
fn faults_of_a_file_come_at_once_with_their_places() {
    let text = "require-clas: true\ntask-classes:\n  bump:\n    modle: x\n    base-ref: 'release/[*'\n    repositories: [acme, 'a/**b']\n    \
                create-pull-request: yes please\n    vars:\n      v: text\n      w: {type: boolean, options: [a]}\n      \
                x: {type: string, default: 1.10}\n    ticket: CHG-(\n    fail-on: [never, failure]\n    \
                limits: {max-active: many, not-after: 2026-02-30}\n    version:\n  bump: {}\n";
    assert_eq!(
        faults(text),
        [
            "1:1: unknown key `require-clas`; did you mean `require-class`?",
            "4:5: unknown key `modle`; did you mean `model`?",
            "5:15: `release/[*` has `[` without its `]`; write `[ab]`",
            "6:20: `acme` is not a pattern for repositories; write `owner/name`, such as `acme/*`",
            "6:26: `a/**b` has `**` beside something else; write it alone between slashes, such as `release/**`",
            "7:26: expected true or false, got `yes please`",
            "9:10: `text` is not a type; there is `string`, `number`, `boolean`, `list`, `mapping`",
            "10:10: `options` are for a `string` or a `number`",
            "11:10: `default` is a number, and the type is `string`; write it in quotes",
            "12:13: `CHG-(` is not a regular expression: found open group without closing ')'",
            "13:14: `never` means none of them, so it must be alone",
            "14:26: expected a whole number from 0, got `many`",
            "14:43: `2026-02-30` is not a day; write it as `2026-12-31`",
            "15:12: expected a text or a number, got nothing",
            "16:3: duplicate of a key above; keep one",
        ]
    );
}

#[test]
fn faults_name_the_new_key_and_what_a_number_can_be() {
    assert_eq!(
        faults("tasks: {}\nsize: 1\ndefaults: {max-credits: 0, max-duration: 90}\n"),
        [
            "1:1: the key `tasks` was renamed; write `task-classes`",
            "2:1: unknown key `size`; there is `require-class`, `defaults`, `task-classes`",
            "3:25: expected a whole number from 1, got `0`",
            "3:42: expected a duration above zero with a unit, such as 45m or 1h30m",
        ]
    );
}

#[test]
fn files_that_are_not_a_policy_are_named() {
    assert_eq!(faults("a: [\n"), ["1:4: unclosed bracket '['"]);
    assert_eq!(faults("[]"), ["1:1: expected a mapping, got a list"]);
    let actual = Policy::parse(&place(), &" ".repeat(MAX_BYTES + 1)).unwrap_err();
    assert!(actual[0].contains("has 262145 bytes; at most 262144 are read"), "{actual:?}");
}

#[test]
fn place_is_a_file_of_the_workspace_or_of_a_repository() {
    for text in ["ci/agents.yml", "acme/.github:agent-tasks.yml", "acme/.github:policy/agents.yml@release/v1"] {
        assert_eq!(text.parse::<PolicyLocation>().unwrap().to_string(), text);
    }
    assert_eq!("./a.yml".parse(), Ok(PolicyLocation::Workspace("a.yml".to_owned())));
    for (text, why) in [
        ("../a.yml", "is not a path"),
        ("/a.yml", "is not a path"),
        ("acme:a.yml", "names no repository before the colon"),
        ("acme/x:", "is not a path"),
        ("acme/x:a/../b", "is not a path"),
        ("acme/x:a.yml@", "names no branch, tag or commit"),
        ("https://github.com/acme/x/a.yml", "names no repository before the colon"),
    ] {
        let actual = text.parse::<PolicyLocation>().unwrap_err();
        assert!(actual.contains(why), "{text}: {actual}");
    }
}

#[test]
fn class_gives_what_the_inputs_do_not() {
    let rules = policy(FULL).rules(&place(), None, Some("release-prep")).unwrap();
    let vars = json!({"version": 12}).as_object().cloned().unwrap();
    let ticket = Some("CHG-0000017".to_owned());
    let filled = json!({"version": "12", "channel": "stable"});
    assert_eq!(rules.vars(vars), Ok(filled.as_object().cloned().unwrap()));
    let settled = settled(&rules, Overrides { ticket: ticket.clone(), ..Overrides::default() });
    assert_eq!(
        settled,
        Overrides {
            prompt_file: Some(".github/prompts/release-prep.md".to_owned()),
            models: Some(vec![Some("claude-sonnet-4.6".to_owned())]),
            base_ref: Some("main".to_owned()),
            create_pull_request: Some(true),
            wait: Some(true),
            fail_on: Some(vec![Conclusion::Failure, Conclusion::TimedOut, Conclusion::Cancelled]),
            stop_on: Some((true, false)),
            ticket: ticket.clone(),
            ..Overrides::default()
        }
    );
    let facts = rules.facts(ticket.clone());
    assert_eq!(
        facts,
        PolicyMetadata {
            policy: Some(USUAL_PLACE.to_owned()),
            commit: None,
            class: Some("release-prep".to_owned()),
            prompt: Some(".github/prompts/release-prep.md".to_owned()),
            version: Some("7".to_owned()),
            ticket,
            owner: Some("@acme/release-managers".to_owned()),
            limits: Limits {
                max_active: Some(3),
                max_starts_per_day: Some(10),
                not_after: Some(Day("2027-06-30".parse().unwrap()))
            },
        }
    );
}

#[test]
fn inputs_equal_to_the_class_are_accepted() {
    let rules = rules(
        "prompt: a/b.md\nmodel: [a, auto]\nbase-ref: main\ncustom-agent: fixer\ncreate-pull-request: true\n\
         fail-on: [failure, cancelled]\nstop-on: never",
    );
    let asked = Overrides {
        prompt_file: Some("./a/b.md".to_owned()),
        models: Some(vec![None, Some("a".to_owned())]),
        base_ref: Some("main".to_owned()),
        custom_agent: Some("fixer".to_owned()),
        create_pull_request: Some(true),
        fail_on: Some(vec![Conclusion::Cancelled, Conclusion::Failure]),
        stop_on: Some((false, false)),
        wait: Some(true),
        ..Overrides::default()
    };
    let settled = settled(&rules, asked.clone());
    assert_eq!((settled.models, settled.wait), (asked.models, Some(true)));
}

#[test]
fn everything_that_contradicts_is_refused_at_once_with_both_values() {
    let rules = rules(
        "prompt: a.md\nmodel: m\nmodels: [n]\nbase-ref: [main, 'release/*']\ncustom-agent: fixer\n\
         create-pull-request: false\nrequire-pull-request: false\nwait: false\nfail-on: failure\nstop-on: idle\n\
         head-ref: copilot/*\nallow-users: [mona, hubot]\nallow-bots: never\nuntrusted: refuse\nif-active: skip\n\
         active-scope: class\n\
         vars: {count: number, kind: {type: string, options: [a, b]}, on: boolean}\nticket: 'CHG-[0-9]+'",
    );
    let asked = Overrides {
        has_prompt: true,
        prompt_file: None,
        models: Some(vec![Some("n".to_owned()), Some("x".to_owned()), None]),
        base_ref: Some("release/a/b".to_owned()),
        custom_agent: Some("other".to_owned()),
        create_pull_request: Some(true),
        require_pull_request: Some(true),
        expect: Expect::default(),
        head_ref: Some("mine".to_owned()),
        allow_users: Some(vec!["mallory".to_owned()]),
        allow_bots: Some(vec!["renovate".to_owned()]),
        untrusted: Some(Untrusted::Fence),
        if_active: Some(IfActive::Attach),
        active_scope: Some(ActiveScope::Repository),
        on_timeout: Some(UnfinishedTask::Stop),
        on_interrupt: None,
        max_credits: NonZeroU64::new(7),
        max_duration: Some(Duration::from_secs(60)),
        force: Some(true),
        wait: Some(true),
        fail_on: Some(Vec::new()),
        stop_on: Some((true, true)),
        ticket: Some("xCHG-1".to_owned()),
    };
    let by = "the task class `it` of .github/agent-tasks.yml";
    let mut actual = whys(rules.settle(asked).1);
    let vars = json!({"count": "many", "kind": "c", "knid": 1}).as_object().cloned().unwrap();
    actual.extend(whys(rules.vars(vars).unwrap_err()));
    let expected = [
        format!("`prompt` contradicts {by}, which has `prompt: a.md`; leave the input out"),
        format!("`ticket: xCHG-1` does not match `CHG-[0-9]+`, which {by} requires; give a ticket of that form"),
        format!("`vars.count: many` is not a number; see {by}"),
        format!("`vars.kind: c` is none of `a`, `b`; see {by}"),
        format!("`vars.knid` is not a variable of {by}; did you mean `kind`?"),
        format!("`vars` lacks `on`, `true` or `false`, which {by} requires"),
    ]
    .into_iter()
    .chain(
        [
            ("model", "x, auto", "m, n"),
            ("custom-agent", "other", "fixer"),
            ("base-ref", "release/a/b", "main, release/*"),
            ("head-ref", "mine", "copilot/*"),
            ("allow-users", "mallory", "mona, hubot"),
            ("allow-bots", "renovate", "never"),
            ("untrusted", "fence", "refuse"),
            ("if-active", "attach", "skip"),
            ("active-scope", "repository", "class"),
            ("create-pull-request", "true", "false"),
            ("require-pull-request", "true", "false"),
            ("wait", "true", "false"),
            ("stop-on", "waiting_for_user, idle", "idle"),
            ("fail-on", "never", "failure"),
        ]
        .map(|(input, asked, has)| {
            let why = format!("`{input}: {asked}` contradicts {by}, which has `{input}: {has}`");
            format!("{why}; leave the input out, or change the policy")
        }),
    )
    .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(actual.len(), expected.len());
    assert_eq!(actual.into_iter().collect::<std::collections::BTreeSet<_>>(), expected);
}

#[test]
fn first_of_several_is_taken_where_the_inputs_are_silent() {
    let models = |class: &str| settled(&rules(class), Overrides::default()).models.unwrap();
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(models("models: [auto, a]"), [None]);
    assert_eq!(models("models: [a, b]"), [named("a")]);
    assert_eq!(models("model: [a, b]\nmodels: [c]"), [named("a"), named("b")]);
    assert_eq!(settled(&rules("base-ref: [a, 'b/*']"), Overrides::default()).base_ref, named("a"));
    let patterns = rules("base-ref: ['b/*', a]");
    assert_eq!(settled(&patterns, Overrides::default()).base_ref, None);
    let actual = whys(patterns.forbid_entry(&EntrySettings::default(), &EntrySettings::default())).join("");
    assert!(
        actual.starts_with("`base-ref` is missing, and ") && actual.contains("only patterns for it: `b/*, a`"),
        "{actual}"
    );
}

#[test]
fn entry_is_held_to_the_class() {
    let rules = rules("model: a\nmodels: [b]\nbase-ref: [main, 'release/*']\nhead-ref: copilot/*\ncustom-agent: fixer");
    let text = |text: &str| Some(text.to_owned());
    let entry = |branch: &str, head: &str, model: &str, agent: &str| EntrySettings {
        base_ref: text(branch),
        head_ref: text(head),
        models: Some(vec![text(model)]),
        custom_agent: text(agent),
    };
    let good = entry("release/2", "copilot/x", "b", "fixer");
    assert_eq!(rules.forbid_entry(&good, &good), []);
    let templates = entry("{{ vars.b }}", "{{ vars.h }}", "a", "fixer");
    assert_eq!(rules.forbid_entry(&templates, &templates), []);
    let bad = entry("dev", "main", "c", "other");
    let actual = whys(rules.forbid_entry(&bad, &bad));
    let inputs = actual.iter().map(|why| why.split(' ').next().unwrap()).collect::<Vec<_>>();
    assert_eq!(inputs, ["`model:", "`custom-agent:", "`base-ref:", "`head-ref:"], "{actual:?}");
}

#[test]
fn class_lets_the_logins_in_that_it_names() {
    let rules = rules("allow-users: [mona, hubot]\nallow-bots: 'dependabot[bot]'\nuntrusted: refuse\nif-active: skip");
    let asked = Overrides { allow_users: Some(vec!["Hubot".to_owned(), "MONA".to_owned()]), ..Overrides::default() };
    let settled = settled(&rules, asked);
    assert_eq!(settled.allow_users, Some(vec!["mona".to_owned(), "hubot".to_owned()]));
    assert_eq!((settled.allow_bots, settled.untrusted), (Some(vec!["dependabot".to_owned()]), Some(Untrusted::Refuse)));
    assert_eq!((settled.if_active, settled.active_scope), (Some(IfActive::Skip), None));
}

#[test]
fn ticket_is_required_where_the_class_says_so() {
    let rules = rules("ticket: 'A|CHG-[0-9]{2}'");
    assert!(refused(&rules, Overrides::default()).starts_with("`ticket` is missing, and the task class `it` of"));
    for (text, fits) in [("A", true), ("CHG-12", true), ("CHG-123", false), ("AA", false), ("A\n", false)] {
        let asked = Overrides { ticket: Some(text.to_owned()), ..Overrides::default() };
        assert_eq!(rules.settle(asked).1.is_empty(), fits, "{text:?}");
    }
    for (text, fits) in [("https://acme.example/CHG?id=1&x=2", true), ("a b", false), ("a\nb", false), ("<!--x", false)]
    {
        assert_eq!(ticket(text).is_ok(), fits, "{text:?}");
    }
    assert!(ticket(&"x".repeat(MAX_TICKET + 1)).is_err());
}

#[test]
fn prompt_file_of_the_workspace_is_not_that_of_the_policys_repository() {
    let elsewhere = "acme/.github:agent-tasks.yml".parse().unwrap();
    let policy = Policy::parse(&elsewhere, "task-classes: {it: {prompt: a.md}}").unwrap();
    let rules = policy.rules(&elsewhere, None, Some("it")).unwrap();
    let actual = refused(&rules, Overrides { prompt_file: Some("a.md".to_owned()), ..Overrides::default() });
    assert!(actual.contains("which has `prompt: a.md` in the repository of the policy"), "{actual}");
}

#[test]
fn start_without_a_class_is_held_to_the_defaults_or_forbidden() {
    let free = policy("defaults: {base-ref: main}\ntask-classes: {a: {base-ref: dev}}");
    let rules = free.rules(&place(), None, None).unwrap();
    assert_eq!(settled(&rules, Overrides::default()).base_ref.as_deref(), Some("main"));
    let actual = refused(&rules, Overrides { base_ref: Some("x".to_owned()), ..Overrides::default() });
    assert!(actual.contains("contradicts the `defaults` of .github/agent-tasks.yml"), "{actual}");
    let rules = free.rules(&place(), None, Some("a")).unwrap();
    assert_eq!(settled(&rules, Overrides::default()).base_ref.as_deref(), Some("dev"));

    let rules = policy(FULL).rules(&place(), None, None).unwrap();
    let actual = refused(&rules, Overrides::default());
    assert!(
        actual.ends_with("name one of its task classes by `task-class`: `dependency-bump`, `release-prep`"),
        "{actual}"
    );
    let actual = policy(FULL).rules(&place(), None, Some("relase-prep")).unwrap_err();
    assert_eq!(actual, "is not a task class of .github/agent-tasks.yml; did you mean `release-prep`?");
    assert_eq!(settled(&Rules::default(), Overrides { has_prompt: true, ..Overrides::default() }).models, None);
}

#[test]
fn repositories_are_allowed_by_patterns_and_a_denial_wins() {
    let bump = policy(FULL).rules(&place(), None, Some("dependency-bump")).unwrap();
    let run = [("GITHUB_EVENT_NAME", "schedule")];
    assert_eq!(forbidden(&bump, &["ACME/lib-a", "acme/SDK"], &run, NOON), [""; 0]);
    let actual =
        forbidden(&bump, &["acme/lib-archive", "acme/app", "acme/lib-a", "acme/secrets", "other/sdk"], &run, NOON);
    assert_eq!(
        actual,
        [
            "acme/lib-archive, acme/secrets is not allowed by the task class `dependency-bump` of \
             .github/agent-tasks.yml, which denies `acme/secrets, acme/*-archive`",
            "acme/app, other/sdk is not allowed by the task class `dependency-bump` of .github/agent-tasks.yml, which \
             allows `acme/lib-*, acme/sdk`",
        ]
    );
    let many = (0..25).map(|at| format!("x/y{at}")).collect::<Vec<_>>();
    let actual = forbidden(&bump, &many.iter().map(String::as_str).collect::<Vec<_>>(), &run, NOON);
    assert!(actual[0].contains("x/y19 and 5 more is not allowed"), "{actual:?}");
    let only_deny = rules("repositories: {deny: 'acme/*'}");
    assert_eq!(forbidden(&only_deny, &["acme/a"], &[], NOON).len(), 1);
    assert_eq!(forbidden(&only_deny, &["octo/a"], &[], NOON).len(), 0);
}

#[test]
fn events_workflows_and_dates_are_held_to() {
    let rules = policy(FULL).rules(&place(), None, Some("release-prep")).unwrap();
    let file = |name: &str| format!("acme/app/.github/workflows/{name}@refs/heads/main");
    let at = |event: &str, workflow: &str, now: &str| {
        forbidden(&rules, &["acme/app"], &[("GITHUB_EVENT_NAME", event), ("GITHUB_WORKFLOW_REF", workflow)], now)
    };
    assert_eq!(at("schedule", &file("release.yml"), NOON), [""; 0]);
    assert_eq!(at("schedule", &file("release.yml"), "2027-06-30T23:59:59Z"), [""; 0]);
    let by = "the task class `release-prep` of .github/agent-tasks.yml";
    assert_eq!(
        at("push", &file("other-release.yml"), "2027-07-01T00:00:00Z"),
        [
            format!("the event `push` is not allowed by {by}, which allows `schedule, workflow_dispatch`"),
            format!(
                "the workflow `acme/app/.github/workflows/other-release.yml` is not allowed by {by}, which allows \
                 `release.yml`"
            ),
            format!("today is 2027-07-01 in UTC, and {by} has `not-after: 2027-06-30`"),
        ]
    );
    let actual = forbidden(&rules, &["acme/app"], &[], NOON);
    assert!(actual.iter().all(|why| why.starts_with("a start outside of any workflow run")), "{actual:?}");
    assert_eq!(actual.len(), 2);

    let whole = self::rules("workflows: 'acme/*/.github/workflows/*.yml'");
    let of = |path: &str| forbidden(&whole, &[], &[("GITHUB_WORKFLOW_REF", path)], NOON).len();
    assert_eq!(of(&file("a.yml")), 0);
    assert_eq!(of("evil/app/.github/workflows/a.yml@refs/heads/main"), 1);
}

#[test]
fn what_the_defaults_deny_no_class_allows() {
    let policy = policy(
        "defaults: {repositories: {allow: 'a/*', deny: 'a/x'}, limits: {max-active: 1}}\n\
         task-classes: {it: {repositories: '*/*', limits: {max-starts-per-day: 2}}}",
    );
    let rules = policy.rules(&place(), None, Some("it")).unwrap();
    assert_eq!(forbidden(&rules, &["b/y", "a/x"], &[], NOON).len(), 1);
    let limits = rules.facts(None).limits;
    assert_eq!((limits.max_active, limits.max_starts_per_day, limits.not_after), (Some(1), Some(2), None));
}

#[test]
fn prompt_is_where_the_policy_is() {
    let prompt = |place: &str| {
        let place = place.parse().unwrap();
        let policy = Policy::parse(&place, "defaults: {prompt: p/a.md}").unwrap();
        policy.rules(&place, None, None).unwrap().prompt().unwrap().to_string()
    };
    assert_eq!(prompt("ci/x.yml"), "p/a.md");
    assert_eq!(prompt("acme/.github:x.yml@v1"), "acme/.github:p/a.md@v1");
    assert_eq!(Rules::default().prompt(), None);
}

fn task(state: &str, class: Option<&str>) -> Task {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let marker = |class: &str| Marker {
        key: crate::task::marker::Key::over(["x"]),
        name: "weekly/prep".to_owned(),
        class: class.to_owned(),
        ..Marker::default()
    };
    let sessions = class.map(|class| json!([{"prompt": marker(class).put_under("x")}])).unwrap_or_default();
    let id = format!("t-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    serde_json::from_value(json!({"id": id, "state": state, "sessions": sessions})).unwrap()
}

fn counted(limits: &str, tasks: &[(&str, Option<&str>, u64)]) -> Capacity {
    let mut counter = rules(&format!("limits: {{{limits}}}")).counter().unwrap();
    for (state, class, age) in tasks {
        let (task, age) = (task(state, *class), Some(Duration::from_secs(*age)));
        if counter.wants(&task, age) {
            counter.take(&task, age);
        }
    }
    counter.capacity()
}

#[test]
fn tasks_of_the_class_are_counted_by_their_stamps() {
    const HOUR: u64 = 3600;
    let running = ("in_progress", Some("it"), 30 * HOUR);
    let done = ("completed", Some("it"), 2 * HOUR);
    assert!(matches!(counted("max-active: 1", &[running]), Capacity::Full(_)));
    assert_eq!(counted("max-active: 2", &[running]), Capacity::Free);
    assert_eq!(counted("max-active: 1", &[done, ("idle", Some("other"), 5), ("queued", Some(""), 5)]), Capacity::Free);
    assert_eq!(counted("max-starts-per-day: 1", &[running, ("completed", Some("it"), 24 * HOUR)]), Capacity::Free);
    let Capacity::Full(refusal) = counted("max-active: 9, max-starts-per-day: 2", &[done, running, done]) else {
        panic!("not full")
    };
    assert_eq!(
        refusal.why,
        "2 tasks of the class `it` were started within the last 24 hours, and the task class `it` of \
         .github/agent-tasks.yml has `max-starts-per-day: 2`"
    );
    assert!(matches!(counted("max-active: 0", &[]), Capacity::Full(_)));
}

#[test]
fn limits_count_tasks_without_a_readable_prompt_as_possible() {
    let hidden = ("queued", None, 5);
    assert!(matches!(counted("max-active: 1", &[hidden]), Capacity::Hidden(_)));
    assert_eq!(counted("max-active: 2", &[hidden]), Capacity::Free);
    assert!(matches!(counted("max-starts-per-day: 2", &[hidden, ("failed", Some("it"), 9)]), Capacity::Hidden(_)));
    assert!(matches!(counted("max-active: 1", &[("idle", None, 9999)]), Capacity::Hidden(_)));
    assert!(rules("limits: {not-after: 2026-12-31}").counter().is_none());
}

#[test]
fn limits_count_each_task_once_and_old_ones_that_run() {
    let mut counter = rules("limits: {max-active: 2}").counter().unwrap();
    let old = task("in_progress", Some("it"));
    let age = Some(Duration::from_secs(90 * 24 * 3600));
    assert!(counter.wants(&old, age));
    counter.take(&old, age);
    counter.take(&old, age);
    assert_eq!(counter.capacity(), Capacity::Free);
    counter.take(&task("in_progress", Some("it")), age);
    assert!(matches!(counter.capacity(), Capacity::Full(_)));
}

#[test]
fn exclusions_of_one_deny_list_leave_another_alone() {
    let policy = policy(
        "defaults: {repositories: {deny: ['acme/*', '!acme/app']}}\ntask-classes: {it: {repositories: {deny: 'acme/app'}}}",
    );
    let rules = policy.rules(&place(), None, Some("it")).unwrap();
    assert_eq!(forbidden(&rules, &["acme/app", "acme/x"], &[], NOON).len(), 1);
    assert!(forbidden(&rules, &["acme/app"], &[], NOON)[0].contains("acme/app is not allowed"));
    assert_eq!(forbidden(&rules, &["octo/x"], &[], NOON), [""; 0]);
}

#[test]
fn policy_values_that_can_match_nothing_are_faults() {
    for (class, part) in [
        ("repositories: {deny: '!acme/secrets'}", "comes first"),
        ("repositories: '@acme/secrets'", "write `acme/secrets`"),
        ("base-ref: ['!main']", "comes first"),
        ("workflows: .github/workflows/release.yml", "matches no workflow"),
        ("models: ['gpt-*']", "write each name"),
        ("model: 'gpt-{5}'", "write each name"),
        ("custom-agent: 'fix*'", "write each name"),
        ("events: pushes", "is not an event"),
        ("events: workflow_call", "is not the event of any run"),
        ("vars: {n: {type: number, options: [one]}}", "is not a number"),
    ] {
        let actual = faults(&format!("task-classes: {{it: {{{class}}}}}")).join("\n");
        assert!(actual.contains(part), "{class}: {actual}");
    }
    assert!(faults("tasks: {it: {}}").join("\n").contains("write `task-classes`"));
}

#[test]
fn number_options_compare_as_numbers() {
    let rules = rules("vars: {n: {type: number, options: [1.10, 2]}}");
    for (value, fits) in [(json!("1.10"), true), (json!(1.1), true), (json!(2.0), true), (json!(3), false)] {
        let vars = json!({"n": value}).as_object().cloned().unwrap();
        assert_eq!(rules.vars(vars).is_ok(), fits, "{value}");
    }
    let vars = |value: Value| rules.vars(json!({"n": value}).as_object().cloned().unwrap()).unwrap();
    assert_eq!(vars(json!("1.10"))["n"], json!(1.1), "a template compares it as a number");
    assert_eq!(vars(json!("2"))["n"], json!(2));
    assert_eq!(rules.samples().unwrap()["n"], json!(1.1));
}

#[test]
fn samples_have_the_type_of_their_variable() {
    let rules = rules(
        "vars: {n: {type: number, options: [1, 2]}, s: {type: string, options: [1, 2]}, d: {type: number, default: '1.5'}, \
         b: boolean, m: number, o: {type: number, options: [1], required: false}}",
    );
    let samples = Value::Object(rules.samples().unwrap());
    assert_eq!(samples, json!({"n": 1, "s": "1", "d": 1.5, "b": true, "m": 1}));
}

#[test]
fn tickets_are_visible_text() {
    for c in
        ['\u{e0041}', '\u{2800}', '\u{200b}', '\u{fe0f}', '\u{ad}', '\u{115f}', '\u{202e}', '\u{16fe4}', '\u{2d7f}']
    {
        let actual = ticket(&format!("CHG-1{c}")).unwrap_err();
        assert!(actual.contains(&format!("U+{:04X}", u32::from(c))), "{actual}");
    }
    assert_eq!(ticket("CHG-Ä1").as_deref(), Ok("CHG-Ä1"));
}
