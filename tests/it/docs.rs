//! The tables and examples of the documents against the code.

#![expect(clippy::disallowed_methods, reason = "a test reads the documents and the sources")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use agent_task::actions::context::{Context, Environment};
use agent_task::actions::signal::Signal;
use agent_task::commands::doctor::checks::Check;
use agent_task::github::pull_content::{CheckResult, CommitChecks, PullContent};
use agent_task::github::task::{Phase, State, Task};
use agent_task::inputs::request::{Inputs, PromptSource, Request};
use agent_task::inputs::table::{Command, INPUTS, Input};
use agent_task::inputs::targets::{Source, Target};
use agent_task::inputs::threshold::Measure;
use agent_task::plan::{Action, FollowedPull, Plan, PlanContext, plan};
use agent_task::policy::actor::Trigger;
use agent_task::policy::location::USUAL_PLACE;
use agent_task::policy::schema::Policy;
use agent_task::prompt::render::Template;
use agent_task::report::history::task::Place;
use agent_task::report::outputs::{OUTPUTS, all_results};
use agent_task::task::acceptance::Acceptance;
use agent_task::task::conclusion::{Conclusion, Exit};
use agent_task::task::event::{Adoption, Event};
use agent_task::task::follow_up::FollowUpCounter;
use agent_task::task::marker::Marker;
use agent_task::task::outcome::Outcome;
use agent_task::task::start::IfActive;
use agent_task::task::stop::StopReason;
use agent_task::task::wait::WaitEnd;
use agent_task::task::waves::Share;
use serde_json::{Value, json};

const README: &str = "README.md";
const REFERENCE: &str = "docs/reference.md";
const TEMPLATES: &str = "docs/templates.md";
const STARTING: &str = "docs/starting.md";
const WAITING: &str = "docs/waiting.md";
const REPORT: &str = "docs/report.md";
const DOCTOR: &str = "docs/doctor.md";
const ACTOR_CHECK: &str = "docs/actor-check.md";
const ARCHITECTURE: &str = "docs/architecture.md";
const SECURITY: &str = "docs/security.md";
const POLICY: &str = "docs/policy.md";
const PLATFORMS: &str = "docs/platforms.md";

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

/// The paths of all sources.
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec!["src".to_owned()];
    while let Some(folder) = folders.pop() {
        for name in entries(&folder) {
            let path = format!("{folder}/{name}");
            if root().join(&path).is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

/// The names in a folder.
fn entries(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The paths of all documents.
fn documents() -> Vec<String> {
    let in_folder = |folder: &str| entries(folder).into_iter().filter(|name| name.ends_with(".md")).collect::<Vec<_>>();
    let docs = in_folder("docs").into_iter().map(|name| format!("docs/{name}"));
    in_folder(".").into_iter().chain(docs).collect()
}

/// The rows of the only table under a heading, without its head.
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
            "{document}, `{heading}`: a row and the head differ in their number of cells: {row:?}"
        );
    }
    rows
}

/// The text under a heading, up to the next one.
#[track_caller]
fn section(document: &str, heading: &str) -> String {
    let text = read(document);
    let mut below = text.lines().skip_while(|line| *line != heading);
    assert!(below.next().is_some(), "{document} has no heading `{heading}`");
    below.take_while(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// All texts in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The name in backticks that is all of a cell, or nothing for an empty cell.
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

/// The inputs of every step in a piece of YAML that uses the action.
fn steps(value: &Value) -> Vec<BTreeMap<String, String>> {
    let mut found = Vec::new();
    match value {
        Value::Object(entries) => {
            if entries.get("uses").and_then(Value::as_str).is_some_and(|it| it.contains("/agent-task@")) {
                let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let with = entries["with"].as_object().unwrap().iter();
                found.push(with.map(|(name, value)| (name.clone(), text(value))).collect());
            }
            found.extend(entries.values().flat_map(steps));
        }
        Value::Array(items) => found.extend(items.iter().flat_map(steps)),
        _ => {}
    }
    found
}

fn task(state: &str) -> Box<Task> {
    let actual = json!({"id": "t-1", "state": state, "html_url": "https://github.com/octo/app/tasks/t-1"});
    Box::new(serde_json::from_value(actual).unwrap())
}

/// The conclusion of a task whose last seen state is this one.
fn concluded(state: &str, ending: WaitEnd, pull_required: bool) -> String {
    let mut outcome = Outcome::new("octo/app".parse().unwrap());
    outcome.pull_required = pull_required;
    outcome.apply(&Event::Saw(task(state)));
    outcome.apply(&Event::Ended(ending));
    outcome.conclusion.unwrap().to_string()
}

/// Every known state.
fn states() -> [State; 8] {
    use State::*;
    // A new state does not compile until it is in this list, and fails until it is in the documents.
    match Queued {
        Queued | InProgress | Completed | Failed | Idle | WaitingForUser | TimedOut | Cancelled | Unknown(_) => {
            [Queued, InProgress, Idle, WaitingForUser, Completed, Failed, TimedOut, Cancelled]
        }
    }
}

/// Every way in which the process can end.
fn exits() -> [Exit; 10] {
    use Exit::*;
    // As above.
    match Fine {
        Fine | Concluded | BadInput | Declined | RefusedByGitHub | Unreachable | Unconfirmed | Signalled(_) => [
            Fine,
            Concluded,
            BadInput,
            Declined,
            RefusedByGitHub,
            Unreachable,
            Unconfirmed,
            Signalled(Signal::Hangup),
            Signalled(Signal::Interrupt),
            Signalled(Signal::Terminate),
        ],
    }
}

#[test]
fn inputs_are_all_in_the_reference() {
    let actual = table(REFERENCE, "## Inputs");
    let actual = actual.iter().map(|row| (named(&row[0]), row[1].as_str(), named(&row[3]))).collect::<Vec<_>>();
    // The doctor takes every input of a start.
    let word = |input: &Input| match input.commands.len() {
        count if count == Command::ALL.len() => "all".to_owned(),
        _ => {
            let commands = input.commands.iter().filter(|command| **command != Command::Doctor);
            commands.map(|command| command.as_str()).collect::<Vec<_>>().join(", ")
        }
    };
    let actual = actual.into_iter().map(|(name, word, default)| (name.to_owned(), word.to_owned(), default.to_owned()));
    let actual = actual.collect::<Vec<_>>();
    let all = INPUTS.iter().map(|it| (it.name.to_owned(), word(it), it.default.to_owned())).collect::<Vec<_>>();
    assert_eq!(actual.len(), all.len(), "an input is listed twice or missing");
    assert_eq!(actual.into_iter().collect::<BTreeSet<_>>(), all.into_iter().collect());
}

#[test]
fn outputs_and_result_keys_are_all_in_the_reference() {
    let actual = table(REFERENCE, "## Outputs");
    assert_eq!(actual.iter().map(|row| named(&row[0])).collect::<Vec<_>>(), OUTPUTS);

    let actual = actual.iter().map(|row| (named(&row[0]).to_owned(), row[1].clone()));
    let actual = actual.filter(|(_, kind)| !kind.is_empty());
    let names = ["repository", "name"].map(|name| (name.to_owned(), "string".to_owned()));
    let actual = names.into_iter().chain(actual).collect::<Vec<_>>();
    let mut full = Outcome::new("octo/app".parse().unwrap());
    let seen = json!({"id": "t-1", "state": "failed", "html_url": "https://github.com/octo/app/tasks/t-1",
        "sessions": [{"id": "s-1", "head_ref": "copilot/a", "base_ref": "main", "model": "m", "error": {"message": "boom"},
            "usage": {"type": "ai_credits", "amount": 1}}]});
    full.prompt_sha256 = Some("0".repeat(64));
    full.entry = Some("api".to_owned());
    full.apply(&Event::Started(Box::new(serde_json::from_value(seen).unwrap())));
    full.apply(&Event::PullFound(agent_task::github::pull_request::PullRequest {
        number: 7,
        url: "https://github.com/octo/app/pull/7".to_owned(),
        database_id: None,
        node_id: None,
        head_ref: "copilot/a".to_owned(),
        base_ref: "main".to_owned(),
        open: true,
    }));
    full.expects = true;
    full.apply(&Event::Stopping(StopReason::Timeout));
    let checks = CommitChecks { counts: vec![(CheckResult::Success, 1)], listed: Vec::new() };
    let content = PullContent {
        head_sha: "0".repeat(40),
        changed_files: 1,
        changed_lines: 2,
        files: None,
        checks: Some(Ok(checks)),
    };
    full.apply(&Event::Compared(Box::new(Acceptance {
        content: Some(content),
        comparisons: Vec::new(),
        unread: None,
        conclusion: Conclusion::Success,
    })));
    full.apply(&Event::Ended(WaitEnd::Settled));
    let text = all_results(&[full]);
    let results: Value = serde_json::from_str(&text).unwrap();
    let kind = |value: &Value| match value {
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Array(_) => "array",
        _ => "unknown",
    };
    let keys = results[0].as_object().unwrap().iter();
    let keys = keys.map(|(name, value)| (name.clone(), kind(value).to_owned()));
    assert_eq!(actual.iter().cloned().collect::<BTreeSet<_>>(), keys.collect::<BTreeSet<_>>());
    let places = actual.iter().map(|(name, _)| text.find(&format!("\"{name}\":")).unwrap());
    assert!(places.is_sorted(), "the keys have another order than in the table: {text}");
}

#[test]
fn states_are_all_in_the_reference() {
    let rows = table(REFERENCE, "## States");
    let actual = rows.iter().map(|row| named(&row[0])).collect::<Vec<_>>();
    assert_eq!(actual, states().iter().map(State::as_str).collect::<Vec<_>>());
    for (row, state) in rows.iter().zip(states()) {
        let word = state.as_str();
        let phase = match state.phase() {
            Phase::Running => "running",
            Phase::NeedsPerson => "needs a person",
            Phase::Settled => "settled",
        };
        assert_eq!(row[1], phase, "{word}");
        let conclusion = match state.phase() {
            Phase::Running => None,
            Phase::NeedsPerson => Some(concluded(word, WaitEnd::NeedsPerson, false)),
            Phase::Settled => Some(concluded(word, WaitEnd::Settled, false)),
        };
        assert_eq!(quoted(&row[2]).first(), conclusion.as_ref(), "{word}");
    }
    assert_eq!(concluded("completed", WaitEnd::Settled, true), "failure", "as the last column says");
}

#[test]
fn conclusions_are_in_the_reference_mildest_first() {
    let all = Conclusion::ALL.map(Conclusion::as_str);
    assert_eq!(names(REFERENCE, "## Conclusions"), all);
    assert!(Conclusion::ALL.is_sorted(), "the order of the table is that of the code");
    for row in table(WAITING, "## How a wait ends") {
        for word in quoted(&row[2]) {
            assert!(all.contains(&word.as_str()), "not a conclusion: {word}");
        }
    }
}

#[test]
fn exit_codes_are_all_in_the_reference() {
    let actual = table(REFERENCE, "## Exit codes").iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    assert_eq!(actual, exits().map(|exit| exit.code().to_string()));
}

#[test]
fn report_places_and_figures_are_all_in_its_document() {
    let places = Place::ALL.map(Place::as_str).map(str::to_owned);
    assert_eq!(names(REPORT, "## Places").into_iter().collect::<BTreeSet<_>>(), places.into());
    let figures = table(REPORT, "## Figures").iter().flat_map(|row| quoted(&row[0])).collect::<BTreeSet<_>>();
    for (_, name) in Measure::ALL {
        assert!(figures.contains(name), "{name}");
        assert!(quoted(&section(REPORT, "## Conditions")).iter().any(|it| it == name), "{name}");
    }
    let report = serde_json::from_str::<Value>(&read("dist/report.schema.json")).unwrap();
    let keys = report["$defs"]["Figures"]["properties"].as_object().unwrap();
    for figure in figures.iter().filter(|figure| *figure != "credits-per-merged") {
        assert!(keys.contains_key(figure), "{figure} is not in the schema");
    }
}

#[test]
fn doctor_checks_are_all_in_its_document() {
    assert_eq!(names(DOCTOR, "# The doctor"), Check::ALL.map(Check::as_str));
}

#[test]
fn api_calls_are_all_in_the_reference() {
    let source = code("src/github/client.rs");
    let mut methods = source.split("\n    pub async fn ").map(|text| text.split("\n    async fn ").next().unwrap());
    let mut above = methods.next().unwrap();
    let mut routes = BTreeSet::new();
    let mut linked = BTreeSet::new();
    for method in methods {
        // The comment of a method is at the end of the text before it.
        let comment = above.lines().rev().take_while(|line| line.trim_start().starts_with("///"));
        let described = pages(&comment.collect::<Vec<_>>().join("\n"));
        let sent = routes_of(method);
        assert_eq!(described.len(), sent.len(), "a method links the page of each of its calls: {method}");
        linked.extend(described);
        routes.extend(sent);
        above = method;
    }
    let rows = table(REFERENCE, "## API calls");
    let actual = rows.iter().map(|row| named(&row[1]).to_owned()).collect::<Vec<_>>();
    assert_eq!(actual.len(), routes.len());
    assert_eq!(actual.into_iter().collect::<BTreeSet<_>>(), routes);
    for row in &rows {
        assert!(!row[2].is_empty(), "a call without a permission: {row:?}");
    }
    assert_eq!(rows.iter().flat_map(|row| pages(&row[0])).collect::<BTreeSet<_>>(), linked);
}

/// What changes something at GitHub: the two methods of the client that do, and the addresses below that of a repository
/// that each of them has.
const CHANGES: [(&str, &[&str]); 2] = [("post", &["/tasks"]), ("cancel", &["/cancel", "/force-cancel"])];

#[test]
fn requests_that_change_something_are_of_two_kinds() {
    // octocrab and reqwest send nothing but by these words.
    let verbs = ["_post(", "_put(", "_patch(", "_delete(", "_send(", ".execute(", ".post("];
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for path in sources() {
        for line in code(&path).lines().filter(|line| !line.trim_start().starts_with("//")) {
            for verb in verbs.iter().filter(|verb| line.contains(*verb)) {
                found.entry(path.clone()).or_default().push((*verb).to_owned());
            }
        }
    }
    let [limited, client, wire] = ["src/github/limited.rs", "src/github/client.rs", "src/github/transport.rs"];
    // A start, a cancel, and the queries of the GraphQL API.
    assert_eq!(found.remove(limited).unwrap(), ["_post("; 3]);
    assert_eq!(found.remove(client).unwrap(), [".post("]);
    assert_eq!(found.remove(wire).unwrap(), [".execute("]);
    assert_eq!(found, BTreeMap::new());
    let source = code(client);
    let graphql = source.lines().filter(|line| line.contains("self.graphql(")).count();
    assert_eq!((graphql, source.contains("mutation")), (1, false), "queries go through one method and change nothing");
    let mut changing = BTreeSet::new();
    for (call, ends) in CHANGES {
        let mut methods = source.split("\n    pub async fn ").filter(|text| text.contains(&format!("self.{call}(")));
        let routes = routes_of(methods.next().unwrap());
        assert!(methods.next().is_none(), "two methods use `{call}`");
        assert_eq!(routes.len(), ends.len(), "{routes:?}");
        assert!(routes.iter().all(|route| ends.iter().any(|end| route.ends_with(end))), "{routes:?}");
        changing.extend(routes);
    }
    let rows = table(REFERENCE, "## API calls");
    let posts = rows.iter().map(|row| named(&row[1]).to_owned()).filter(|route| !route.starts_with("GET "));
    let posts = posts.filter(|route| route != "POST /graphql").collect::<BTreeSet<_>>();
    assert_eq!(posts, changing);
}

/// Verb and path of the request that a method of `GitHub` makes.
#[track_caller]
fn routes_of(method: &str) -> BTreeSet<String> {
    if method.contains("self.graphql(") || method.contains("self.query(") {
        return ["POST /graphql".to_owned()].into();
    }
    let verb = if CHANGES.iter().any(|(call, _)| method.contains(&format!("self.{call}("))) { "POST" } else { "GET" };
    let paths = method.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/'));
    let routes = paths.filter_map(|text| text.split('?').next()).map(|path| {
        let path =
            path.replace("{repository}", "{owner}/{repo}").replace("collaborators/{}", "collaborators/{username}");
        let path = path.replace("contents/{}", "contents/{path}").replace("branches/{}", "branches/{branch}");
        let path = path.replace("commits/{}", "commits/{branch}");
        format!("{verb} {}", path.replace("{}", "{task_id}"))
    });
    routes.collect()
}

#[test]
fn policy_keys_are_all_in_its_document() {
    let schema: Value = serde_json::from_str(&read("dist/agent-tasks.schema.json")).unwrap();
    let keys = |properties: &Value| properties.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let types = &schema["$defs"];
    for (heading, properties) in [
        ("### Cloud agent settings", &types["CloudAgent"]["properties"]),
        ("## At the top", &schema["properties"]),
        ("## A task class", &types["Class"]["properties"]),
        ("### Limits", &types["Limits"]["properties"]),
    ] {
        let actual = names(POLICY, heading);
        assert_eq!(actual.len(), keys(properties).len(), "{heading}");
        assert_eq!(actual.into_iter().collect::<BTreeSet<_>>(), keys(properties), "{heading}");
    }
    // The first row shows the short form.
    let actual = names(POLICY, "### Variables").into_iter().skip(1).collect::<BTreeSet<_>>();
    assert_eq!(actual, keys(&types["VarTable"]["properties"]));

    let place = USUAL_PLACE.parse().unwrap();
    let shown =
        blocks(POLICY, "yaml").into_iter().filter(|block| block.contains("\ntask-classes:\n")).collect::<Vec<_>>();
    assert_eq!(shown.len(), 1);
    Policy::parse(&place, &shown[0]).unwrap_or_else(|faults| panic!("{faults:?}"));
}

/// The pages of GitHub's documentation in a text.
fn pages(text: &str) -> BTreeSet<String> {
    let found = text.split("https://docs.github.com/").skip(1);
    found.filter_map(|rest| rest.split(['>', ')', ' ', '\n']).next()).map(str::to_owned).collect()
}

#[test]
fn events_are_decided_as_the_document_says() {
    let rows = table(ACTOR_CHECK, "## Events");
    let actual = rows.iter().map(|row| (named(&row[0]).to_owned(), row[1].as_str())).collect::<Vec<_>>();
    let all = agent_task::policy::actor::EVENTS.map(|(name, cause)| {
        let decision = match cause {
            Trigger::Insiders => "not checked",
            Trigger::Anybody => "checked",
            Trigger::RunBefore => "as the triggering run",
        };
        (name.to_owned(), decision)
    });
    assert_eq!(actual, all);
}

#[test]
fn trusted_paths_are_all_listed() {
    let rows = table(TEMPLATES, "### Trusted paths");
    let actual = rows.iter().flat_map(|row| quoted(&row[1])).collect::<BTreeSet<_>>();
    assert_eq!(actual, agent_task::actions::trusted_paths::TRUSTED.map(str::to_owned).into());
}

#[test]
fn untrusted_paths_are_all_listed() {
    assert_eq!(names(SECURITY, "## Untrusted text"), crate::untrusted::LISTED);
}

#[test]
fn defenses_name_tests_that_exist() {
    for row in table(SECURITY, "## Defenses") {
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
fn github_context_properties_are_all_listed() {
    let rows = table(TEMPLATES, "### `github`");
    let actual = rows.iter().flat_map(|row| quoted(&row[1])).collect::<Vec<_>>();
    let all = agent_task::actions::context::PROPERTIES.into_iter().chain(["event"]);
    assert_eq!(actual.len(), all.clone().count(), "a property is listed twice or missing");
    assert_eq!(actual.iter().map(String::as_str).collect::<BTreeSet<_>>(), all.collect());
}

#[test]
fn environment_variables_are_all_listed() {
    let actual = names(REFERENCE, "## Environment variables").into_iter().collect::<BTreeSet<_>>();
    let mut read = BTreeSet::new();
    for path in sources() {
        let source = code(&path);
        for call in [".get(\"", "path(\""] {
            let names = source.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            let upper = |name: &&str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            read.extend(names.filter(upper).map(str::to_owned));
        }
    }
    assert_eq!(actual, read);
}

#[test]
fn readme_tables_agree_with_the_code() {
    for row in table(README, "## Inputs") {
        let input = INPUTS.iter().find(|input| input.name == named(&row[0])).unwrap_or_else(|| panic!("{row:?}"));
        assert_eq!(named(&row[1]), input.default, "{row:?}");
    }
    for name in names(README, "## Outputs") {
        assert!(OUTPUTS.contains(&name.as_str()), "not an output: {name}");
    }
}

#[test]
fn examples_are_yaml_and_their_inputs_are_accepted() {
    let of_the_action = names(REFERENCE, "### Only in the action");
    let mut seen = 0;
    for document in documents() {
        for block in blocks(&document, "yaml") {
            let value: Value =
                serde_saphyr::from_str(&block).unwrap_or_else(|error| panic!("{document}: {error}\n{block}"));
            for with in steps(&value) {
                seen += 1;
                for name in with.keys() {
                    let known = INPUTS.iter().any(|input| input.name == name) || of_the_action.contains(name);
                    assert!(known, "{document}: not an input: {name}");
                }
                // The policy of the class gives the prompt.
                if with.contains_key("prompt") && !with.contains_key("task-class") {
                    accepted(&document, with);
                }
            }
            for name in
                block.split(".outputs.").skip(1).filter_map(|rest| rest.split([' ', '}', ')', '"', '\n']).next())
            {
                assert!(OUTPUTS.contains(&name), "{document}: not an output: {name}");
            }
        }
    }
    assert!(seen > 10, "only {seen} examples use the action");
}

/// A start in an example is accepted without a warning.
fn accepted(document: &str, with: BTreeMap<String, String>) {
    let evaluated = |name: &str, value: String| match (name, value.starts_with("${{")) {
        (_, false) => value,
        ("repositories", true) => "octo/app".to_owned(),
        ("follow-up", true) => "12".to_owned(),
        ("expected-head", true) => "0".repeat(40),
        (_, true) => "github_pat_x".to_owned(),
    };
    let given = with.into_iter().map(|(name, value)| (variable(&name), evaluated(&name, value)));
    let repository = ("GITHUB_REPOSITORY".to_owned(), "octo/app".to_owned());
    let read = Inputs::read(&given.chain([repository]).collect::<Environment>());
    assert!(read.warnings.is_empty(), "{document}: {:?}", read.warnings);
    let inputs = read.inputs.unwrap_or_else(|problems| panic!("{document}: {problems:?}"));
    let issue = json!({"number": 7, "title": "Crash", "body": "It crashes."});
    let planned = planned(&inputs, &Environment::default(), json!({"issue": issue}));
    assert!(planned.is_none_or(|plan| plan.warnings.is_empty()), "{document}");
}

/// The plan for a start with an inline template.
fn planned(inputs: &Inputs, environment: &Environment, event: Value) -> Option<Plan> {
    let Request::Start(start) = &inputs.request else { return None };
    let Some(PromptSource::Text(source)) = &start.prompt else { return None };
    let template = Template { name: "prompt".to_owned(), source: source.clone() };
    let now = "2026-11-20T08:00:00Z".parse().unwrap();
    let context = Context::new(environment, Some(event), None).fenced_by("0f".to_owned());
    // Files and queries are resolved only in a run.
    let named = |source: &Source| match source {
        Source::Named(target) => target.clone(),
        Source::File(_) | Source::Query(_) => Target::new("octo/app".parse().unwrap()),
    };
    let targets = start.list.sources.iter().map(named).collect();
    let follow_up = start.follow_up.as_ref().map(|it| FollowedPull {
        value: json!({"number": it.number, "failed_checks": [{"name": "build", "url": "https://github.com"}]}),
        obstacle: None,
        counter: FollowUpCounter::new(it.number, it.max, now),
    });
    let brief =
        PlanContext { context: &context, template: Some(&template), targets, now, follow_up: follow_up.as_ref() };
    Some(plan(inputs, brief).unwrap())
}

/// The key of a start with these variables.
#[track_caller]
fn key(more: &[(String, String)]) -> String {
    let base = [("INPUT_TOKEN", "github_pat_x"), ("INPUT_PROMPT", "do it"), ("GITHUB_REPOSITORY", "octo/app")];
    let base = base.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = base.into_iter().chain(more.iter().cloned()).collect::<Environment>();
    let inputs = Inputs::read(&environment).inputs.unwrap_or_else(|problems| panic!("{problems:?}"));
    let plan = planned(&inputs, &environment, json!({})).unwrap();
    match &plan.tasks[0].action {
        Action::Start { options, .. } => options.marker.key.to_string(),
        other => panic!("no start: {other:?}"),
    }
}

#[test]
fn key_is_made_of_what_its_table_lists() {
    let actual = table(STARTING, "## The key").iter().flat_map(|row| quoted(&row[1])).collect::<BTreeSet<_>>();
    // These are tried below, or not given here.
    let apart = ["repository", "repositories", "prompt", "prompt-file", "follow-up"].map(str::to_owned).into();
    let actual = &actual - &apart;
    let plain = key(&[]);
    let mut made_of = BTreeSet::new();
    for input in INPUTS.iter().filter(|input| input.commands.contains(&Command::Start)) {
        let value = match input.name {
            // These are tried below, and `idempotency-key` replaces all others.
            "command" | "prompt" | "prompt-file" | "repository" | "idempotency-key" => continue,
            "vars" | "inputs" => "a: 1",
            "create-pull-request" | "wait" | "dry-run" => "true",
            "wait-timeout" | "poll-interval" | "confirm-timeout" => "90s",
            "stop-on" | "fail-on" => "never",
            "if-active" => "skip",
            "untrusted" => "refuse",
            "timezone" => "Europe/Berlin",
            "tolerate" => "10%",
            // They need other inputs, and are about many repositories.
            // A follow-up needs the pull request.
            "follow-up" | "expected-head" | "max-follow-ups" => continue,
            "active-scope" | "max-parallel" | "waves" | "wave-success" | "allow-empty" | "repositories" | "shard" => {
                continue;
            }
            // A rollout has a key of its own.
            "rollout" | "advance-on" | "attempts" | "on-change" | "stall-after" | "rollout-cache" => continue,
            "github-api-url" => "https://api.octo.ghe.com",
            // It needs others that are tried on their own.
            "require-pull-request" | "expect" => continue,
            // They need a wait.
            "on-timeout" | "on-interrupt" | "max-credits" | "max-duration" | "force" => continue,
            _ => "other",
        };
        if key(&[(variable(input.name), value.to_owned())]) != plain {
            made_of.insert(input.name.to_owned());
        }
    }
    for name in table(TEMPLATES, "### `github`").iter().flat_map(|row| quoted(&row[1])) {
        let name = format!("GITHUB_{}", name.to_uppercase());
        let url = matches!(
            name.as_str(),
            "GITHUB_REPOSITORY" | "GITHUB_API_URL" | "GITHUB_GRAPHQL_URL" | "GITHUB_SERVER_URL"
        );
        if !url && key(&[(name.clone(), "7".to_owned())]) != plain {
            made_of.insert(name);
        }
    }
    assert_eq!(actual, made_of);
    for (name, value) in [("prompt", "do that"), ("repository", "octo/lib"), ("idempotency-key", "k")] {
        assert_ne!(key(&[(variable(name), value.to_owned())]), plain, "{name}");
    }
    assert_eq!(key(&[(variable("repository"), "OCTO/App".to_owned())]), plain);
}

/// The variable that an input is read from.
fn variable(input: &str) -> String {
    format!("INPUT_{}", input.to_uppercase().replace('-', "_"))
}

#[test]
fn marker_in_the_document_is_valid() {
    let examples = blocks(STARTING, "text").into_iter().filter(|block| block.contains("<!-- agent-task "));
    let [example] = examples.collect::<Vec<_>>().try_into().unwrap();
    let marker = Marker::find(&example).unwrap();
    assert_eq!(marker.put_under(example.rsplit_once("\n\n").unwrap().0), example);
    assert!(![&marker.name, &marker.run, &marker.attempt, &marker.actor].into_iter().any(String::is_empty));
}

#[test]
fn if_active_does_what_its_table_says() {
    let rows = table(STARTING, "## `if-active`");
    let mut actual = Vec::new();
    for row in &rows {
        let word = named(&row[0]);
        let given = [("TOKEN", "github_pat_x"), ("PROMPT", "x"), ("REPOSITORY", "octo/app"), ("IF_ACTIVE", word)];
        let given = given.map(|(name, value)| (format!("INPUT_{name}"), value.to_owned()));
        let inputs = Inputs::read(&given.into_iter().collect()).inputs.unwrap();
        let Request::Start(start) = &inputs.request else { panic!("no start") };
        actual.push(start.if_active);
        let mut outcome = Outcome::new("octo/app".parse().unwrap());
        outcome.apply(&match start.if_active {
            IfActive::Start => Event::Started(task("queued")),
            IfActive::Skip => Event::Declined { task: task("queued"), failing: false, scope: start.active_scope },
            IfActive::Attach => Event::Adopted(task("queued"), Adoption::Active),
            IfActive::Fail => Event::Declined { task: task("queued"), failing: true, scope: start.active_scope },
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
    assert_eq!(actual, [IfActive::Start, IfActive::Skip, IfActive::Attach, IfActive::Fail]);
}

#[test]
fn links_lead_to_files_and_headings() {
    for document in documents() {
        let text = read(&document);
        let folder = Path::new(&document).parent().unwrap_or(Path::new(""));
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { PathBuf::from(&document) } else { folder.join(file) };
            assert!(root().join(&path).exists(), "{document} links to {target}, which does not exist");
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
fn platforms_of_a_release_are_all_tested() {
    let list = read("dist/platforms.txt");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let targets = lines.filter_map(|line| line.split(' ').next()).map(str::to_owned);
    let tested = names(PLATFORMS, "## What was tested").into_iter();
    assert_eq!(tested.collect::<BTreeSet<_>>(), targets.collect());
}

#[test]
fn architecture_lists_every_folder() {
    let mut folders = names(ARCHITECTURE, "## The folders");
    folders.sort_unstable();
    let mut all = entries("src");
    // The tests of `plan.rs` are in a folder beside it.
    all.retain(|name| !["lib.rs", "main.rs", "plan"].contains(&name.as_str()));
    all.sort_unstable();
    assert_eq!(folders, all.into_iter().map(|name| format!("src/{name}")).collect::<Vec<_>>());
    let named = quoted(&read(ARCHITECTURE));
    for path in named.iter().filter(|name| !name.contains(' ') && name.contains('/')) {
        assert!(root().join(path).exists(), "{ARCHITECTURE} names {path}, which does not exist");
    }
}
