//! Templates against the program as it is built: names in errors, and bounds.

use agent_task::report::outputs::OUTPUTS;
use serde_json::json;
use simulator::Simulator;

use crate::support::Step;

#[test]
fn bad_templates_end_with_exit_2_and_all_outputs() {
    let event = json!({"commits": [], "issue": {"title": "%999999999s"}, "inputs": {"requested-by": "mona"}});
    let growth =
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}";
    let operators = format!("{{{{ 1{} }}}}", " + 1".repeat(30_000));
    let elifs = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(8_000));
    for (prompt, part) in [
        ("{{ vars.versoin }}", "`vars.versoin` is undefined; did you mean `vars.version`?"),
        ("{{ vars.versoin | upper }}", "did you mean `vars.version`?"),
        ("{{ inputs.requested-by }}", "`inputs['requested-by']`"),
        ("{{ vars.version.foo }}", "`vars.version` is a text and has no names"),
        ("{{ vars.version * 60 }}", "`| float` or `| int`"),
        ("echo ${#files[@]} and later #}", "`{% raw %}`"),
        ("{{ github.event.issue.title | format('a') }}", "cannot be a format"),
        (growth, "bytes"),
        ("{{ 'a' | indent(99999999999, true) }}", "bytes"),
        (&operators, "operators"),
        (&elifs, "`elif`"),
    ] {
        let step = Step::new(&Simulator::new()).with("vars", "version: 1.10").with("prompt", prompt);
        let ran = step.on("workflow_dispatch", &event).run_process();
        ran.exits(2).sends_nothing();
        assert!(ran.message().contains(part), "{prompt:.80}: {}", ran.message());
        assert!(OUTPUTS.iter().all(|name| ran.outputs.contains_key(*name)), "{prompt:.80}");
    }
}

#[test]
fn empty_lists_and_null_are_rendered() {
    let event = json!({"commits": [], "issue": {"body": null}});
    let prompt = "a{{ github.event.commits[::-1] | length }}b{{ github.event.issue.body | trim }}c{{ now.day <= 31 }}";
    let step = Step::new(&Simulator::new()).with("dry-run", "true").with("prompt", prompt);
    let ran = step.with("vars", "title: Fix #12 now").on("workflow_dispatch", &event).run_process();
    assert!(ran.exits(0).log.contains("a0bctrue"), "{}", ran.log);
    assert!(ran.annotations().contains("`#12 now` is a comment"), "{}", ran.annotations());
}
