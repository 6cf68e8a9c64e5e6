//! The examples with several tasks in one step.

use super::*;

#[test]
fn fan_out_begins_with_a_canary_and_has_a_result_of_each_repository() {
    let repositories = ["octo-org/catalogue", "octo-org/checkout", "octo-org/shipping"];
    for (failing, conclusions) in [(1, ["success", "failure", "success"]), (0, ["failure", "skipped", "skipped"])] {
        let mut run = Run::of_example("fan-out", &[]).dispatched(json!({"request": "Drop Node 20"}));
        for repository in repositories {
            run.simulator.repository(repository, Repository::default());
        }
        run.next(repositories[failing], Script::new().state("failed", Duration::ZERO));
        let ran = run.step("tasks", "tasks");
        ran.exits(1);
        let file = std::fs::read_to_string(&ran.outputs["results-file"]).unwrap();
        let results = serde_json::from_str::<Vec<Value>>(&file).unwrap();
        let actual = results.iter().map(|it| (it["repository"].as_str().unwrap(), it["conclusion"].as_str().unwrap()));
        let expected = repositories.into_iter().zip(conclusions);
        assert_eq!(actual.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        let prompts = run.simulator.tasks().into_iter().map(|task| (task.repository, task.prompt));
        for (repository, prompt) in prompts {
            assert!(prompt.starts_with(&format!("In {repository}: Drop Node 20\n")), "{prompt}");
            assert_eq!(prompt.contains("\nNote: release-by-hand\n"), repository == repositories[1], "{prompt}");
        }
        run.end("tasks");
        assert_eq!(run.values["needs.tasks.outputs.failed"], "1");
        assert_eq!(run.readers(), ["github_…"]);
    }
}

#[test]
fn fan_out_over_a_matrix_has_each_repository_in_one_part() {
    let mut run = Run::of_example("fan-out-matrix", &[]).dispatched(json!({"request": "Drop Node 20"}));
    let names = (0..6).map(|at| format!("octo-org/service-{at}")).collect::<Vec<_>>();
    for (at, name) in names.iter().enumerate() {
        let topics = vec!["java".to_owned()];
        run.simulator.repository(name, Repository { topics, archived: at == 5, ..Repository::default() });
    }
    run.step("plan", "plan").exits(0);
    run.end("plan");
    let matrix: Value = serde_json::from_str(&run.values["needs.plan.outputs.matrix"]).unwrap();
    let mut results = Vec::new();
    for part in matrix["include"].as_array().unwrap() {
        run.values.insert("matrix.repositories".to_owned(), part["repositories"].as_str().unwrap().to_owned());
        let ran = run.step("tasks", "tasks");
        ran.exits(0);
        let file = std::fs::read_to_string(&ran.outputs["results-file"]).unwrap();
        results.extend(serde_json::from_str::<Vec<Value>>(&file).unwrap());
    }
    let mut actual = results.iter().map(|it| it["repository"].as_str().unwrap()).collect::<Vec<_>>();
    actual.sort_unstable();
    assert_eq!(actual, names[..5]);
    assert_eq!(matrix["include"].as_array().unwrap().len(), 4);
}

#[test]
fn monorepo_has_a_task_for_each_component() {
    let mut run = Run::of_example("monorepo-components", &[("github.repository", "octo/app")]);
    let branches = vec!["main".to_owned(), "release/2".to_owned()];
    run.simulator.repository("octo/app", Repository { branches, ..Repository::default() });
    run.next("octo/app", Script::new().state("in_progress", Duration::ZERO));
    run.step("components", "tasks").exits(0).gives("started", "3");
    // They may be sent in any order.
    let starts = (0..3).map(|back| run.start(back)).collect::<Vec<_>>();
    for (entry, path, base) in [
        ("api", "services/api", Value::Null),
        ("api-2", "services/api", json!("release/2")),
        ("web", "apps/web", Value::Null),
    ] {
        let is_its = |start: &&Value| start["prompt"].as_str().unwrap().contains(&format!("\"{entry}: \""));
        let start = starts.iter().find(is_its).unwrap();
        let prompt = start["prompt"].as_str().unwrap();
        assert!(prompt.starts_with(&format!("Update the dependencies in {path} of octo/app,")), "{prompt}");
        assert_eq!(start["base_ref"], base, "{start}");
    }
    // The next Monday, when one of them is still at work.
    run.step("components", "tasks").exits(0).gives("started", "2");
}

#[test]
fn conflicting_pull_requests_have_a_task_each() {
    let mut run = Run::of_example("resolve-conflicts", &[]);
    let list = run.folder.path().join("workspace/conflicts.json");
    std::fs::write(&list, "[]").unwrap();
    run.step("resolve", "tasks").exits(0).gives("started", "0");
    let body = json!({"create_pull_request": true});
    let script = Script::new().state("in_progress", Duration::ZERO).pull().state("completed", Duration::ZERO);
    run.simulator.add_task(ExistingTask { body, script, ..ExistingTask::default() });
    let head = run.simulator.pulls()[0].head.clone();
    let entry = json!({"repository": "octo/app", "name": "pr-12", "head-ref": head, "base-ref": "main"});
    std::fs::write(list, json!([entry]).to_string()).unwrap();
    run.step("resolve", "tasks").exits(0).gives("started", "1");
    let start = run.start(0);
    assert_eq!((&start["head_ref"], &start["base_ref"]), (&json!(head), &json!("main")));
    assert_eq!(run.simulator.pulls().len(), 1);
}
