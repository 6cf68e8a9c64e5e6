//! The documents against the code: what they list is all there is, and all there is they list.

#![expect(clippy::disallowed_methods, reason = "a test reads the documents and the sources")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use agent_task::actions::context::{Context, Environment};
use agent_task::actions::signal::Signal;
use agent_task::commands::doctor::checks::Check;
use agent_task::github::task::{Phase, State, Task};
use agent_task::inputs::request::{Inputs, PromptSource, Request};
use agent_task::inputs::table::{INPUTS, Serves};
use agent_task::inputs::targets::{Source, Target};
use agent_task::plan::{Action, Plan, PlanContext, plan};
use agent_task::policy::actor::Trigger;
use agent_task::policy::location::USUAL_PLACE;
use agent_task::policy::schema::Policy;
use agent_task::prompt::render::Template;
use agent_task::report::outputs::{OUTPUTS, all_results};
use agent_task::task::conclusion::{Conclusion, Exit};
use agent_task::task::event::{Adoption, Event};
use agent_task::task::marker::Marker;
use agent_task::task::outcome::Outcome;
use agent_task::task::rollout::Share;
use agent_task::task::start::IfActive;
use agent_task::task::wait::WaitEnd;
use serde_json::{Value, json};

const README: &str = "README.md";
const REFERENCE: &str = "docs/reference.md";
const ARCHITECTURE: &str = "docs/architecture.md";
const SECURITY: &str = "docs/security.md";
const TOKENS: &str = "docs/tokens.md";
const POLICY: &str = "docs/policy.md";
const DOCUMENTS: [&str; 12] = [
    README,
    REFERENCE,
    ARCHITECTURE,
    SECURITY,
    TOKENS,
    POLICY,
    "docs/performance.md",
    "docs/recipes.md",
    "docs/releasing.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A source without its tests.
fn code(path: &str) -> String {
    read(path).split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

/// The names of the sources, in the order in which the documents give them: leaf first, then the two above all.
fn sources() -> Vec<String> {
    let lib = read("src/lib.rs");
    let declared = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    declared.chain(["lib", "main"]).map(|module| format!("src/{module}.rs")).collect()
}

/// The rows of the one table under a heading, without its head; each cell as it is written.
#[track_caller]
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let section = section(document, heading);
    let section = section.lines().collect::<Vec<_>>();
    let tables = section.split(|line| !line.starts_with('|')).filter(|lines| !lines.is_empty()).collect::<Vec<_>>();
    let [lines] = tables.as_slice() else {
        panic!("{document} has {} tables under `{heading}`, not one", tables.len());
    };
    let rows = lines.iter().skip(2).map(|line| {
        let cells = line.trim_start_matches('|').trim_end_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    });
    let rows = rows.collect::<Vec<_>>();
    let wide = lines[0].matches('|').count() - 1;
    for row in &rows {
        assert_eq!(
            row.len(),
            wide,
            "{document}, `{heading}`: a row has another number of cells than the head: {row:?}"
        );
    }
    rows
}

/// What stands under a heading, up to the next one.
#[track_caller]
fn section(document: &str, heading: &str) -> String {
    let text = read(document);
    let mut below = text.lines().skip_while(|line| *line != heading);
    assert!(below.next().is_some(), "{document} has no heading `{heading}`");
    below.take_while(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// All that stands in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What a cell names: the one thing in backticks that it consists of, or nothing.
#[track_caller]
fn named(cell: &str) -> &str {
    let bare = cell.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap_or_default();
    assert!(cell.is_empty() || !bare.is_empty() && !bare.contains('`'), "{cell} is not one name in backticks");
    bare
}

/// The first column of a table.
#[track_caller]
fn names(document: &str, heading: &str) -> Vec<String> {
    table(document, heading).iter().map(|row| named(&row[0]).to_owned()).collect()
}

/// The fenced blocks of a language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = read(document);
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(opened) = line.trim_start().strip_prefix("```") {
            let body = lines.by_ref().take_while(|line| line.trim_start() != "```").collect::<Vec<_>>().join("\n");
            if opened == language {
                found.push(body);
            }
        }
    }
    found
}

/// Every mapping of variables in a piece of YAML that has an input among them.
fn environments(value: &Value) -> Vec<BTreeMap<String, String>> {
    let mut found = Vec::new();
    match value {
        Value::Object(entries) => {
            if entries.keys().any(|name| name.starts_with("INPUT_")) {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                found.push(entries.iter().map(|(name, value)| (name.clone(), text(value))).collect());
            }
            found.extend(entries.values().flat_map(environments));
        }
        Value::Array(items) => found.extend(items.iter().flat_map(environments)),
        _ => {}
    }
    found
}

fn task(state: &str) -> Box<Task> {
    let told = json!({"id": "t-1", "state": state, "html_url": "https://github.com/octo/app/tasks/t-1"});
    Box::new(serde_json::from_value(told).unwrap())
}

/// The conclusion of a task that a wait saw last in this state.
fn concluded(state: &str, ending: WaitEnd, pull_required: bool) -> String {
    let mut outcome = Outcome::new("octo/app".parse().unwrap());
    outcome.pull_required = pull_required;
    outcome.apply(Event::Saw(task(state)));
    outcome.apply(Event::Ended(ending));
    outcome.conclusion.unwrap().to_string()
}

/// Every state that has a name of its own.
fn states() -> [State; 8] {
    use State::*;
    // A state that is new in `task.rs` does not compile here until it is in the list and in the documents.
    match Queued {
        Queued | InProgress | Completed | Failed | Idle | WaitingForUser | TimedOut | Cancelled | Unknown(_) => {
            [Queued, InProgress, Idle, WaitingForUser, Completed, Failed, TimedOut, Cancelled]
        }
    }
}

/// Every way in which the process ends.
fn exits() -> [Exit; 9] {
    use Exit::*;
    // As with the states.
    match Fine {
        Fine | Concluded | BadInput | Declined | RefusedByGitHub | Unreachable | Unconfirmed | Signalled(_) => [
            Fine,
            Concluded,
            BadInput,
            Declined,
            RefusedByGitHub,
            Unreachable,
            Unconfirmed,
            Signalled(Signal::Interrupt),
            Signalled(Signal::Terminate),
        ],
    }
}

#[test]
fn the_reference_has_every_input() {
    let told = table(REFERENCE, "## Inputs");
    let told = told.iter().map(|row| (named(&row[0]), row[1].as_str(), named(&row[3]))).collect::<Vec<_>>();
    let word = |serves| match serves {
        Serves::All => "all",
        Serves::Both => "start, wait",
        Serves::Lists => "start, plan",
        Serves::Start => "start",
        Serves::Wait => "wait",
    };
    let all = INPUTS.iter().map(|input| (input.name, word(input.serves), input.default)).collect::<Vec<_>>();
    assert_eq!(told.len(), all.len(), "an input is listed twice or missing");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), all.into_iter().collect());
}

#[test]
fn the_reference_has_every_output_and_key_of_a_result() {
    let told = table(REFERENCE, "## Outputs");
    assert_eq!(told.iter().map(|row| named(&row[0])).collect::<Vec<_>>(), OUTPUTS);

    let told = told.iter().map(|row| (named(&row[0]).to_owned(), row[1].clone()));
    let told = told.filter(|(_, kind)| !kind.is_empty());
    let told = [("repository".to_owned(), "string".to_owned())].into_iter().chain(told).collect::<Vec<_>>();
    let mut full = Outcome::new("octo/app".parse().unwrap());
    let seen = json!({"id": "t-1", "state": "failed", "html_url": "https://github.com/octo/app/tasks/t-1",
        "sessions": [{"head_ref": "copilot/a", "base_ref": "main", "model": "m", "error": {"message": "boom"},
            "usage": {"type": "ai_credits", "amount": 1}}]});
    full.prompt_sha256 = Some("0".repeat(64));
    full.apply(Event::Started(Box::new(serde_json::from_value(seen).unwrap())));
    full.apply(Event::PullFound(agent_task::github::pull_request::PullRequest {
        number: 7,
        url: "https://github.com/octo/app/pull/7".to_owned(),
        database_id: None,
        node_id: None,
        head_ref: "copilot/a".to_owned(),
        base_ref: "main".to_owned(),
        open: true,
    }));
    full.apply(Event::Ended(WaitEnd::Settled));
    let text = all_results(&[full]);
    let results: Value = serde_json::from_str(&text).unwrap();
    let kind = |value: &Value| match value {
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        _ => "nothing that is known",
    };
    let keys = results[0].as_object().unwrap().iter();
    let keys = keys.map(|(name, value)| (name.clone(), kind(value).to_owned()));
    assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), keys.collect::<BTreeSet<_>>());
    let places = told.iter().map(|(name, _)| text.find(&format!("\"{name}\":")).unwrap());
    assert!(places.is_sorted(), "the keys stand in another order than in the table: {text}");
}

#[test]
fn both_state_tables_have_every_state() {
    for document in [REFERENCE, README] {
        let rows = table(document, "## States");
        let told = rows.iter().map(|row| named(&row[0])).collect::<Vec<_>>();
        assert_eq!(told, states().iter().map(State::as_str).collect::<Vec<_>>(), "{document}");
        for (row, state) in rows.iter().zip(states()) {
            let word = state.as_str();
            let phase = match state.phase() {
                Phase::Running => "running",
                Phase::NeedsPerson => "needs a person",
                Phase::Settled => "settled",
            };
            assert_eq!(row[1], phase, "{document}: {word}");
            let conclusion = match state.phase() {
                Phase::Running => None,
                Phase::NeedsPerson => Some(concluded(word, WaitEnd::NeedsPerson, false)),
                Phase::Settled => Some(concluded(word, WaitEnd::Settled, false)),
            };
            assert_eq!(quoted(&row[2]).first(), conclusion.as_ref(), "{document}: {word}");
        }
    }
    assert_eq!(concluded("completed", WaitEnd::Settled, true), "failure", "as both documents say");
}

#[test]
fn the_reference_has_every_conclusion_mildest_first() {
    let all = Conclusion::ALL.map(Conclusion::as_str);
    assert_eq!(names(REFERENCE, "## Conclusions"), all);
    assert!(Conclusion::ALL.is_sorted(), "the order of the table is that of the code");
    for row in table(REFERENCE, "## How a wait ends") {
        for word in quoted(&row[2]) {
            assert!(all.contains(&word.as_str()), "`{word}` is no conclusion");
        }
    }
}

#[test]
fn the_reference_has_every_exit_code() {
    let told = table(REFERENCE, "## Exit codes").iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    let codes = exits().map(|exit| exit.code().to_string());
    assert_eq!(told, codes);
    let readme = read(README);
    let line = readme.split("Exit codes: ").nth(1).and_then(|rest| rest.split('[').next()).unwrap();
    let told = line.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty()).collect::<Vec<_>>();
    assert_eq!(told, codes);
}

/// The calls that the README leaves to the reference: one for many tasks, and those of the doctor.
const NOT_IN_README: [&str; 6] = [
    "GET /agents/tasks/{task_id}",
    "GET /repos/{owner}/{repo}",
    "GET /repos/{owner}/{repo}/branches/{branch}",
    "GET /repos/{owner}/{repo}/copilot/cloud-agent/configuration",
    "GET /repos/{owner}/{repo}/actions/permissions",
    "GET /repos/{owner}/{repo}/actions/permissions/selected-actions",
];

#[test]
fn every_check_of_the_doctor_is_in_the_reference() {
    assert_eq!(names(REFERENCE, "## The doctor"), Check::ALL.map(Check::as_str));
}

#[test]
fn every_api_call_is_listed_with_its_route() {
    let source = code("src/github.rs");
    let mut methods = source.split("\n    pub async fn ").map(|text| text.split("\n    async fn ").next().unwrap());
    let mut above = methods.next().unwrap();
    let mut routes = BTreeSet::new();
    let mut linked = BTreeSet::new();
    for method in methods {
        // What stands above a method is the end of the text before it.
        let comment = above.lines().rev().take_while(|line| line.trim_start().starts_with("///"));
        let page = pages(&comment.collect::<Vec<_>>().join("\n"));
        assert_eq!(page.len(), 1, "a method of GitHub names the page that describes its call: {method}");
        linked.extend(page);
        routes.insert(route(method));
        above = method;
    }
    for (document, heading, column) in [(REFERENCE, "## API calls", 1), (README, "## Permissions and API calls", 0)] {
        let rows = table(document, heading);
        let told = rows.iter().map(|row| named(&row[column]).to_owned()).collect::<Vec<_>>();
        // The doctor's own calls are in the reference alone.
        let rest = if document == README { &NOT_IN_README[..] } else { &[] };
        let rest = rest.iter().map(|route| (*route).to_owned());
        assert_eq!(told.len() + rest.len(), routes.len(), "{document}");
        assert_eq!(told.into_iter().chain(rest).collect::<BTreeSet<_>>(), routes, "{document}");
        for row in rows {
            assert!(!row[column + 1].is_empty(), "{document}: a call without a permission: {row:?}");
        }
    }
    let told = table(REFERENCE, "## API calls").iter().flat_map(|row| pages(&row[0])).collect::<BTreeSet<_>>();
    assert_eq!(told, linked);
    assert!(read(REFERENCE).contains(&format!("the API version `{}`", agent_task::github::transport::API_VERSION)));
}

/// Verb and path of the request that a method of `GitHub` makes.
#[track_caller]
fn route(method: &str) -> String {
    let verb = if method.contains("self.post(") || method.contains("self.graphql(") { "POST" } else { "GET" };
    if method.contains("self.graphql(") {
        return format!("{verb} /graphql");
    }
    let literals = method.split('"').skip(1).step_by(2);
    let path = literals.filter(|text| text.starts_with('/')).find_map(|text| text.split('?').next());
    let path = path.unwrap_or_else(|| panic!("no path in {method}"));
    let path = path.replace("{repository}", "{owner}/{repo}").replace("collaborators/{}", "collaborators/{username}");
    let path = path.replace("contents/{}", "contents/{path}").replace("branches/{}", "branches/{branch}");
    format!("{verb} {}", path.replace("{}", "{task_id}"))
}

#[test]
fn every_key_of_a_policy_is_in_its_document() {
    let schema: Value = serde_json::from_str(&read("dist/agent-tasks.schema.json")).unwrap();
    let keys = |properties: &Value| properties.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let types = &schema["$defs"];
    for (heading, properties) in [
        ("### The cloud agent's settings", &types["CloudAgent"]["properties"]),
        ("## At the top", &schema["properties"]),
        ("## A class", &types["Class"]["properties"]),
        ("### Limits", &types["Limits"]["properties"]),
    ] {
        let told = names(POLICY, heading);
        assert_eq!(told.len(), keys(properties).len(), "{heading}");
        assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), keys(properties), "{heading}");
    }
    // The first row shows the short form.
    let told = names(POLICY, "### Variables").into_iter().skip(1).collect::<BTreeSet<_>>();
    assert_eq!(told, keys(&types["VarTable"]["properties"]));

    let place = USUAL_PLACE.parse().unwrap();
    let shown = blocks(POLICY, "yaml").into_iter().filter(|block| block.contains("\ntasks:\n")).collect::<Vec<_>>();
    assert_eq!(shown.len(), 1);
    Policy::parse(&place, &shown[0]).unwrap_or_else(|faults| panic!("{faults:?}"));
}

/// The pages of GitHub's documentation that a text names.
fn pages(text: &str) -> BTreeSet<String> {
    let found = text.split("https://docs.github.com/").skip(1);
    found.filter_map(|rest| rest.split(['>', ')', ' ', '\n']).next()).map(str::to_owned).collect()
}

#[test]
fn every_event_is_decided_in_the_document_as_in_the_code() {
    let rows = table(SECURITY, "## Events");
    let told = rows.iter().map(|row| (named(&row[0]).to_owned(), row[1].as_str())).collect::<Vec<_>>();
    let all = agent_task::policy::actor::EVENTS.map(|(name, cause)| {
        let decision = match cause {
            Trigger::Insiders => "never asked about",
            Trigger::Anybody => "asked about",
            Trigger::RunBefore => "as the run before",
        };
        (name.to_owned(), decision)
    });
    assert_eq!(told, all);
}

#[test]
fn what_is_trusted_is_listed() {
    let rows = table(REFERENCE, "#### Trusted paths");
    let told = rows.iter().flat_map(|row| quoted(&row[1])).collect::<BTreeSet<_>>();
    assert_eq!(told, agent_task::actions::trusted_paths::TRUSTED.map(str::to_owned).into());
    let (most, text) = (agent_task::prompt::fence::MOST_CHARACTERS, read(REFERENCE));
    assert!(text.contains(&format!("{},{:03} characters", most / 1000, most % 1000)), "{most}");
}

#[test]
fn what_an_outsider_can_write_is_listed() {
    assert_eq!(names(SECURITY, "## Text from outside"), crate::untrusted::LISTED);
}

#[test]
fn each_defence_is_held_by_tests_that_exist() {
    for row in table(SECURITY, "## Defences") {
        let names = quoted(&row[2]);
        assert!(names.len() > 1, "{row:?}");
        let mut source = String::new();
        for name in names {
            if name.ends_with(".rs") {
                source = read(&name);
            } else {
                assert!(source.contains(&format!("fn {name}(")), "there is no test `{name}`: {row:?}");
            }
        }
    }
}

#[test]
fn the_properties_of_the_github_context_are_all_listed() {
    let rows = table(REFERENCE, "### `github`");
    let told = rows.iter().flat_map(|row| quoted(&row[1])).collect::<Vec<_>>();
    let source = code("src/context.rs");
    let list = source.split("const PROPERTIES").nth(1).and_then(|rest| rest.split("];").next()).unwrap();
    let listed = list.split('"').skip(1).step_by(2).chain(["event"]).map(str::to_owned);
    assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), listed.collect::<BTreeSet<_>>());
    // And so it is when the program runs.
    let variables = told.iter().map(|name| (format!("GITHUB_{}", name.to_uppercase()), "x".to_owned()));
    let context = Context::new(&variables.collect::<Environment>(), Some(json!({})), None);
    assert_eq!(context.github().len(), told.len(), "a property is listed twice, or not taken from its variable");
}

#[test]
fn every_variable_that_is_read_is_listed() {
    let told = names(REFERENCE, "## Environment variables").into_iter().collect::<BTreeSet<_>>();
    let mut read = BTreeSet::new();
    for path in sources() {
        let source = code(&path);
        for call in [".get(\"", "path(\""] {
            let names = source.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            let upper = |name: &&str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            read.extend(names.filter(upper).map(str::to_owned));
        }
    }
    assert_eq!(told, read);
}

#[test]
fn the_readme_is_short_and_its_tables_agree_with_the_code() {
    let lines = read(README).lines().count();
    assert!(lines <= 150, "README.md has {lines} lines, and 150 are a page");
    for row in table(README, "## Inputs") {
        let input = INPUTS.iter().find(|input| input.name == named(&row[0])).unwrap_or_else(|| panic!("{row:?}"));
        assert_eq!(named(&row[1]), input.default, "{row:?}");
    }
    for name in names(README, "## Outputs") {
        assert!(OUTPUTS.contains(&name.as_str()), "`{name}` is no output");
    }
}

#[test]
fn the_gate_finds_its_two_commands() {
    let readme = read(README);
    for (name, command) in
        [("rehearse", "cargo run --locked --example rehearse"), ("test", "cargo test --workspace --locked")]
    {
        let marker = format!("<!-- gate: {name} -->");
        let block = format!("\n{marker}\n```sh\n{command}\n```\n");
        assert_eq!((readme.matches(&marker).count(), readme.matches(&block).count()), (1, 1), "{name}");
    }
}

#[test]
fn the_examples_are_yaml_and_their_inputs_are_good() {
    let mut seen = 0;
    for document in DOCUMENTS {
        for block in blocks(document, "yaml") {
            let value: Value =
                serde_saphyr::from_str(&block).unwrap_or_else(|error| panic!("{document}: {error}\n{block}"));
            for variables in environments(&value) {
                seen += 1;
                for name in variables.keys().filter_map(|name| name.strip_prefix("INPUT_")) {
                    let name = name.to_lowercase().replace('_', "-");
                    let known = INPUTS.iter().find(|input| input.name == name);
                    assert!(known.is_some(), "{document}: `{name}` is no input");
                }
                if variables.contains_key("INPUT_TOKEN") {
                    accepted(document, variables);
                }
            }
            for name in
                block.split(".outputs.").skip(1).filter_map(|rest| rest.split([' ', '}', ')', '"', '\n']).next())
            {
                assert!(OUTPUTS.contains(&name), "{document}: `{name}` is no output");
            }
        }
    }
    assert!(seen > 0, "no example gives an input");
}

/// A whole example is what the program accepts without a word.
fn accepted(document: &str, variables: BTreeMap<String, String>) {
    let evaluated = |value: String| if value.starts_with("${{") { "github_pat_x".to_owned() } else { value };
    let given = variables.into_iter().map(|(name, value)| (name, evaluated(value)));
    let repository = ("GITHUB_REPOSITORY".to_owned(), "octo/app".to_owned());
    let read = Inputs::read(&given.chain([repository]).collect::<Environment>());
    assert!(read.warnings.is_empty(), "{document}: {:?}", read.warnings);
    let inputs = read.inputs.unwrap_or_else(|problems| panic!("{document}: {problems:?}"));
    let planned = planned(&inputs, &Environment::default());
    assert!(planned.is_none_or(|plan| plan.warnings.is_empty()), "{document}");
}

/// The plan for a start whose template is given in the workflow itself.
fn planned(inputs: &Inputs, environment: &Environment) -> Option<Plan> {
    let Request::Start(start) = &inputs.request else { return None };
    let Some(PromptSource::Text(source)) = &start.prompt else { return None };
    let template = Template { name: "prompt".to_owned(), source: source.clone() };
    let now = "2026-11-20T08:00:00Z".parse().unwrap();
    let context = Context::new(environment, Some(json!({})), None);
    // Files and queries come to repositories only in a run.
    let named = |source: &Source| match source {
        Source::Named(target) => target.clone(),
        Source::File(_) | Source::Query(_) => Target::new("octo/app".parse().unwrap()),
    };
    let targets = start.list.sources.iter().map(named).collect();
    let brief = PlanContext { context: &context, template: Some(&template), targets, part: start.list.part, now };
    Some(plan(inputs, brief).unwrap())
}

/// The key of a start with these variables.
#[track_caller]
fn key(more: &[(String, String)]) -> String {
    let base = [("INPUT_TOKEN", "github_pat_x"), ("INPUT_PROMPT", "do it"), ("GITHUB_REPOSITORY", "octo/app")];
    let base = base.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = base.into_iter().chain(more.iter().cloned()).collect::<Environment>();
    let inputs = Inputs::read(&environment).inputs.unwrap_or_else(|problems| panic!("{problems:?}"));
    let plan = planned(&inputs, &environment).unwrap();
    match &plan.orders[0].action {
        Action::Start { terms, .. } => terms.marker.key.to_string(),
        Action::Wait(_) => panic!("no start"),
    }
}

#[test]
fn the_key_is_made_of_what_the_reference_lists() {
    let text = section(REFERENCE, "### The key");
    let told = text.lines().filter(|line| line.starts_with(['-', ' '])).flat_map(quoted).collect::<BTreeSet<_>>();
    let plain = key(&[]);
    let mut made_of = BTreeSet::new();
    for input in INPUTS.iter().filter(|input| matches!(input.serves, Serves::Start | Serves::Both)) {
        let value = match input.name {
            // The reference speaks of these three in words; a key of the user's own takes the place of all.
            "command" | "prompt" | "prompt-file" | "repository" | "idempotency-key" => continue,
            "vars" | "inputs" => "a: 1",
            "create-pull-request" | "wait" | "dry-run" => "true",
            "wait-timeout" | "poll-interval" | "confirm-timeout" => "90s",
            "stop-on" | "fail-on" => "never",
            "if-active" => "skip",
            "untrusted" => "refuse",
            "tolerate" => "10%",
            // They need others, and are about many.
            "max-parallel" | "waves" | "wave-success" => continue,
            "github-api-url" => "https://api.octo.ghe.com",
            // It needs others that are tried by themselves.
            "require-pull-request" => continue,
            _ => "other",
        };
        if key(&[(variable(input.name), value.to_owned())]) != plain {
            made_of.insert(input.name.to_owned());
        }
    }
    for name in table(REFERENCE, "### `github`").iter().flat_map(|row| quoted(&row[1])) {
        let name = format!("GITHUB_{}", name.to_uppercase());
        let url = matches!(name.as_str(), "GITHUB_REPOSITORY" | "GITHUB_API_URL" | "GITHUB_GRAPHQL_URL");
        if !url && key(&[(name.clone(), "7".to_owned())]) != plain {
            made_of.insert(name);
        }
    }
    assert_eq!(told, made_of);
    for (name, value) in [("prompt", "do that"), ("repository", "octo/lib"), ("idempotency-key", "k")] {
        assert_ne!(key(&[(variable(name), value.to_owned())]), plain, "{name}");
    }
    assert_eq!(key(&[(variable("repository"), "OCTO/App".to_owned())]), plain);
}

/// The variable by which an input comes.
fn variable(input: &str) -> String {
    format!("INPUT_{}", input.to_uppercase().replace('-', "_"))
}

#[test]
fn the_stamp_of_the_reference_is_one() {
    let examples = blocks(REFERENCE, "text").into_iter().filter(|block| block.contains("<!-- agent-task "));
    let [example] = examples.collect::<Vec<_>>().try_into().unwrap();
    let marker = Marker::find(&example).unwrap();
    assert_eq!(marker.put_under(example.rsplit_once("\n\n").unwrap().0), example);
    assert!(![&marker.name, &marker.run, &marker.attempt, &marker.actor].into_iter().any(String::is_empty));
    let days = agent_task::task::start::MEMORY.as_secs() / (24 * 60 * 60);
    assert!(section(REFERENCE, "### How a task is recognised").contains(&format!("{days}\ndays")));
}

#[test]
fn what_if_active_does_is_what_the_reference_says() {
    let rows = table(REFERENCE, "### `if-active`");
    let mut told = Vec::new();
    for row in &rows {
        let word = named(&row[0]);
        let given = [("TOKEN", "github_pat_x"), ("PROMPT", "x"), ("REPOSITORY", "octo/app"), ("IF_ACTIVE", word)];
        let given = given.map(|(name, value)| (format!("INPUT_{name}"), value.to_owned()));
        let inputs = Inputs::read(&given.into_iter().collect()).inputs.unwrap();
        let Request::Start(start) = &inputs.request else { panic!("no start") };
        told.push(start.if_active);
        let mut outcome = Outcome::new("octo/app".parse().unwrap());
        outcome.apply(match start.if_active {
            IfActive::Start => Event::Started(task("queued")),
            IfActive::Skip => Event::Declined { task: task("queued"), failing: false },
            IfActive::Attach => Event::Adopted(task("queued"), Adoption::Active),
            IfActive::Fail => Event::Declined { task: task("queued"), failing: true },
        });
        let exit =
            |fail_on: &[Conclusion]| Exit::of(std::slice::from_ref(&outcome), fail_on, Share::NONE).code().to_string();
        match start.if_active {
            IfActive::Start | IfActive::Attach => {
                assert_eq!((outcome.conclusion, outcome.task_id.is_some()), (None, true), "{word}");
            }
            IfActive::Skip => {
                assert!(row[2].starts_with(&format!("{};", exit(&inputs.fail_on))), "{word}");
                assert_eq!(exit(&[Conclusion::Skipped]), "1");
                assert_eq!(outcome.conclusion.map(Conclusion::as_str), Some(named(&row[3])));
            }
            IfActive::Fail => assert_eq!((exit(&[]), outcome.conclusion), (row[2].clone(), None)),
        }
        let created = outcome.created.map_or_else(|| "empty".to_owned(), |it| format!("`{it}`"));
        assert_eq!(row[4], created, "{word}");
    }
    assert_eq!(told, [IfActive::Start, IfActive::Skip, IfActive::Attach, IfActive::Fail]);
}

#[test]
fn errors_look_as_the_reference_shows_them() {
    let examples = blocks(REFERENCE, "text").into_iter().filter(|block| block.contains("`wait-timeout: "));
    let [example] = examples.collect::<Vec<_>>().try_into().unwrap();
    let given = [("INPUT_PROMPT", "x"), ("INPUT_WAIT_TIMEOUT", "15"), ("GITHUB_REPOSITORY", "octo")];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let problems = Inputs::read(&given.into_iter().collect()).inputs.unwrap_err();
    assert_eq!(problems.len(), example.lines().count());
    for (problem, line) in problems.iter().zip(example.lines()) {
        let (problem, line) = (problem.to_string(), line.trim_end_matches(" …"));
        assert!(problem.starts_with(line), "{line}\n{problem}");
    }
}

#[test]
fn the_refusals_of_the_token_guide_are_what_the_program_says() {
    let said =
        ["github", "inputs", "token"].map(|module| code(&format!("src/{module}.rs"))).join("\n").replace('\\', "");
    for heading in ["### Before anything is sent", "### From GitHub", "### Only the number is missing"] {
        for row in table(TOKENS, heading) {
            for words in quoted(&row[0]).iter().filter(|words| words.contains(' ')) {
                assert!(said.contains(words.as_str()), "{TOKENS}: nothing says `{words}`");
            }
        }
    }
}

#[test]
fn links_lead_somewhere() {
    for document in DOCUMENTS {
        let text = read(document);
        let folder = Path::new(document).parent().unwrap_or(Path::new(""));
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { PathBuf::from(document) } else { folder.join(file) };
            assert!(root().join(&path).exists(), "{document} links to {target}, which is not there");
            if !anchor.is_empty() {
                let anchors = anchors(&std::fs::read_to_string(root().join(&path)).unwrap());
                assert!(anchors.iter().any(|it| it == anchor), "{document} links to {target}, and has {anchors:?}");
            }
        }
    }
}

/// The anchors that GitHub makes of a document's headings.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    let mut found = Vec::new();
    for slug in headings.map(slug) {
        let before = found.iter().filter(|known| **known == slug).count();
        found.push(if before == 0 { slug } else { format!("{slug}-{before}") });
    }
    found
}

#[test]
fn the_map_has_every_file_in_import_order() {
    assert_eq!(names(ARCHITECTURE, "## The files"), sources());
    let entries = std::fs::read_dir(root().join("src")).unwrap();
    let found = entries.map(|entry| format!("src/{}", entry.unwrap().file_name().to_string_lossy()));
    assert_eq!(found.collect::<BTreeSet<_>>(), sources().into_iter().collect::<BTreeSet<_>>());
    let rows = table(ARCHITECTURE, "## How to test");
    for path in rows.iter().flat_map(|row| quoted(&row[1])) {
        assert!(root().join(&path).is_file(), "{path} is not there");
    }
    let lines = read(ARCHITECTURE).lines().count();
    assert!(lines <= 130, "{ARCHITECTURE} has {lines} lines, and 130 are a page");
}
