use serde_json::json;

use super::*;
use crate::policy::tests::{place, policy, refused, rules, settled, whys};
use crate::task::acceptance::ExpectedChecks;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn expectation_requires_a_pull_request() {
    for (require_pull_request, max_changed_files, required) in [
        (None, None, false),
        (Some(false), None, false),
        (Some(true), None, true),
        (None, Some(3), true),
        (Some(false), Some(3), true),
    ] {
        let expect = Expect { max_changed_files, ..Expect::default() };
        let asked = Overrides { require_pull_request, expect, ..Overrides::default() };
        assert_eq!(asked.requires_pull_request(), required, "{require_pull_request:?} {max_changed_files:?}");
    }
}

#[test]
fn metadata_is_shown_with_names() {
    let shown = |facts: PolicyMetadata| {
        facts.lines().into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>()
    };
    assert_eq!(shown(PolicyMetadata::default()), "");
    let facts = PolicyMetadata {
        policy: text("acme/.github:agents.yml"),
        commit: text("c0ffee"),
        class: text("bump"),
        prompt: text("bump.md"),
        version: text("7"),
        ticket: text("CHG-1"),
        owner: text("@acme/ops"),
        limits: Limits { max_active: Some(3), max_starts_per_day: Some(10), not_after: None },
    };
    insta::assert_snapshot!(shown(facts), @"
    policy: acme/.github:agents.yml (commit c0ffee)
    task class: bump, prompt version 7
    ticket: CHG-1
    owner: @acme/ops
    max-active: 3
    max-starts-per-day: 10
    ");
}

#[test]
fn wait_and_stop_keep_the_rules_about_running_tasks() {
    let class = "prompt: a.md\nmodel: m\ncustom-agent: fixer\nbase-ref: main\ncreate-pull-request: true\n\
                 require-pull-request: true\nexpect: {max-changed-files: 3}\nallow-users: mona\nuntrusted: refuse\n\
                 if-active: skip\nwait: true\non-timeout: stop\non-interrupt: stop\nmax-credits: 9\n\
                 max-duration: 2h\nforce: true\nfail-on: failure\nstop-on: idle\nowner: '@acme/ops'\nticket: CHG-1";
    let of_both =
        Overrides { max_duration: Some(Duration::from_secs(2 * 3600)), force: Some(true), ..Overrides::default() };
    let of_a_wait = Overrides {
        require_pull_request: Some(true),
        expect: Expect { max_changed_files: Some(3), ..Expect::default() },
        on_timeout: Some(UnfinishedTask::Stop),
        on_interrupt: Some(UnfinishedTask::Stop),
        max_credits: NonZeroU64::new(9),
        fail_on: Some(vec![Conclusion::Failure]),
        stop_on: Some((false, true)),
        ..of_both.clone()
    };
    for (rules, kept) in [(rules(class).of_a_wait(), of_a_wait), (rules(class).of_a_stop(), of_both)] {
        assert_eq!(settled(&rules, Overrides::default()), kept);
        assert_eq!(rules.facts(None).owner, text("@acme/ops"));
    }
    // Only what starts a task needs a class.
    let strict = policy("require-class: true").rules(&place(), None, None).unwrap();
    assert!(refused(&strict, Overrides::default()).contains("forbids free prompts"));
    for rules in [strict.clone().of_a_wait(), strict.of_a_stop()] {
        assert_eq!(settled(&rules, Overrides::default()), Overrides::default());
    }
}

#[test]
fn inputs_are_held_to_the_class_once_rendered() {
    let rules = rules("base-ref: main\nhead-ref: copilot/*\nticket: 'CHG-[0-9]+'");
    for template in ["{{ vars.x }}", "{% if vars.x %}a{% endif %}", "{# none #}a"] {
        let asked = Overrides {
            base_ref: text(template),
            head_ref: text(template),
            ticket: text(template),
            ..Overrides::default()
        };
        assert_eq!(settled(&rules, asked.clone()), asked);
    }
    assert_eq!(rules.forbid_rendered(Some("main"), Some("copilot/x"), Some("CHG-1")), []);
    assert_eq!(rules.forbid_rendered(None, None, None), [], "a text that is not a template was compared before");
    let refusals = whys(rules.forbid_rendered(Some("dev"), Some("main"), Some("none")));
    insta::assert_snapshot!(refusals.join("\n"), @"
    `base-ref: dev` contradicts the task class `it` of .github/agent-tasks.yml, which has `base-ref: main`; leave the input out, or change the policy
    `head-ref: main` contradicts the task class `it` of .github/agent-tasks.yml, which has `head-ref: copilot/*`; leave the input out, or change the policy
    `ticket: none` does not match `CHG-[0-9]+`, which the task class `it` of .github/agent-tasks.yml requires; give a ticket of that form
    ");
}

#[test]
fn class_is_asked_for_what_no_input_has() {
    let strict = rules("untrusted: refuse\ncloud-agent: {firewall: true}\nrepositories: acme/*");
    assert_eq!((strict.class(), strict.untrusted()), (Some("it"), Some(Untrusted::Refuse)));
    assert_eq!((strict.cloud_agent().firewall, strict.has_repository_rules()), (Some(true), true));
    let free = Rules::default();
    assert_eq!((free.class(), free.untrusted()), (None, None));
    assert_eq!((free.cloud_agent().firewall, free.has_repository_rules()), (None, false));
}

#[test]
fn samples_are_of_the_variables_that_have_to_be_there() {
    let declaring = rules(
        "vars:\n  count: number\n  kind: {type: string, options: [a, b]}\n  on: {type: boolean, default: false}\n  \
         note: {type: string, required: false}",
    );
    assert_eq!(declaring.samples().map(Value::from), Some(json!({"count": 1, "kind": "a", "on": false})));
    assert_eq!(rules("model: m").samples(), None);
}

#[test]
fn optional_variable_may_be_left_out() {
    for (required, fits) in [(false, true), (true, false)] {
        let rules = rules(&format!("vars: {{note: {{type: string, required: {required}}}}}"));
        assert_eq!(rules.vars(Map::new()).ok(), fits.then(Map::new), "{required}");
    }
}

#[test]
fn expectations_of_the_class_win_and_others_are_added() {
    let rules = rules("expect: {max-changed-files: 3, checks: success}");
    let asked = |max_changed_files| {
        let expect = Expect { max_changed_files, max_changed_lines: Some(50), ..Expect::default() };
        Overrides { expect, ..Overrides::default() }
    };
    let both = Expect {
        max_changed_files: Some(3),
        max_changed_lines: Some(50),
        checks: Some(ExpectedChecks::Success),
        ..Expect::default()
    };
    for same in [None, Some(3)] {
        assert_eq!(settled(&rules, asked(same)).expect, both);
    }
    assert_eq!(rules.settle(asked(Some(9))).0.expect, both);
    insta::assert_snapshot!(refused(&rules, asked(Some(9))), @"`expect.max-changed-files: 9` contradicts the task class `it` of .github/agent-tasks.yml, which has `expect.max-changed-files: 3`; leave the input out, or change the policy");
}
