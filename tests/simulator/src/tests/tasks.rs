//! Tasks as other people and GitHub leave them.

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{Effect, ExistingTask, Script, Simulator, Visibility};

use super::{TASKS, get, secs, started};

const DAY: u64 = 24 * 3600;

fn listed(list: &Value) -> Vec<String> {
    list["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn creators_are_spelled_in_many_ways() {
    let simulator = Simulator::new();
    for spelled in [Some("user"), Some("User"), Some("Bot"), Some("app"), Some(""), None] {
        let creator_type = spelled.map(str::to_owned);
        let id = simulator.add_task(ExistingTask { creator_type, ..ExistingTask::default() });
        let task = get(&simulator, &format!("{TASKS}/{id}")).await.body;
        assert_eq!(task.get("creator_type").and_then(Value::as_str), spelled);
        assert_eq!(task["creator"]["id"], 1);
    }
    let id = simulator.add_task(ExistingTask { without_creator: true, ..ExistingTask::default() });
    assert_eq!(get(&simulator, &format!("{TASKS}/{id}")).await.body.get("creator"), None);

    simulator.settings(|it| it.creator_type = Some("User".to_owned()));
    let id = started(&simulator, json!({"prompt": "x"})).await;
    sleep(secs(5)).await;
    assert_eq!(get(&simulator, &format!("{TASKS}/{id}")).await.body["creator_type"], "User");
}

#[tokio::test(start_paused = true)]
async fn later_sessions_have_prompts_of_their_own() {
    let simulator = Simulator::new();
    simulator.settings(|it| it.prompt_suffix = "\n\nAdded by GitHub.".to_owned());
    let script = Script::completes_without_pull(secs(60)).wait(secs(1)).effect(Effect::Steer("forged".to_owned()));
    let id = simulator.add_task(ExistingTask { prompt: "first".to_owned(), script, ..ExistingTask::default() });
    let prompts = |task: &Value| -> Vec<String> {
        task["sessions"].as_array().unwrap().iter().map(|it| it["prompt"].as_str().unwrap().to_owned()).collect()
    };
    let task = get(&simulator, &format!("{TASKS}/{id}")).await.body;
    assert_eq!(prompts(&task), ["first\n\nAdded by GitHub.", "forged\n\nAdded by GitHub."]);
    assert_eq!(task["state"], "queued");
    simulator.settings(|it| it.sessions_newest_first = true);
    let task = get(&simulator, &format!("{TASKS}/{id}")).await.body;
    assert!(prompts(&task)[0].starts_with("forged"));
}

#[tokio::test(start_paused = true)]
async fn archived_and_old_tasks_still_run() {
    let simulator = Simulator::new();
    let script = Script::stays("in_progress");
    let id = simulator.add_task(ExistingTask { age: secs(40 * DAY), script, ..ExistingTask::default() });
    assert_eq!(get(&simulator, TASKS).await.body["tasks"][0]["state"], "in_progress");
    simulator.archive_task(&id);
    assert_eq!(listed(&get(&simulator, TASKS).await.body), Vec::<String>::new());
    let archived = get(&simulator, &format!("{TASKS}?is_archived=true")).await.body;
    assert_eq!((&archived["tasks"][0]["id"], &archived["tasks"][0]["state"]), (&json!(id), &json!("in_progress")));
}

#[tokio::test(start_paused = true)]
async fn lists_can_be_out_of_order() {
    let simulator = Simulator::new();
    for age in 1..=9 {
        simulator.add_task(ExistingTask { age: secs(3600 * age), ..ExistingTask::default() });
    }
    let path = format!("{TASKS}?sort=created_at&direction=desc");
    let ordered = listed(&get(&simulator, &path).await.body);
    simulator.settings(|it| it.unordered_lists = true);
    let mut unordered = listed(&get(&simulator, &path).await.body);
    assert_ne!(ordered, unordered);
    unordered.sort_by_key(|id| ordered.iter().position(|known| known == id));
    assert_eq!(ordered, unordered);
}

#[tokio::test(start_paused = true)]
async fn tasks_can_be_hidden() {
    let simulator = Simulator::new();
    for (visibility, in_list, status) in [
        (Visibility::Listed, 1, 200),
        (Visibility::Unlisted, 0, 200),
        (Visibility::Private, 0, 404),
        (Visibility::WithoutSessions, 1, 200),
        (Visibility::WithoutDetail, 1, 404),
    ] {
        let id = simulator.add_task(ExistingTask { visibility, ..ExistingTask::default() });
        let here = listed(&get(&simulator, TASKS).await.body).iter().filter(|found| **found == id).count();
        let task = get(&simulator, &format!("{TASKS}/{id}")).await;
        assert_eq!((here, task.status), (in_list, status), "{visibility:?}");
        assert_eq!(
            task.body.get("sessions").is_some(),
            matches!(visibility, Visibility::Listed | Visibility::Unlisted)
        );
    }
    let mine = ExistingTask { creator: 583_231, visibility: Visibility::Private, ..ExistingTask::default() };
    let id = simulator.add_task(mine);
    assert_eq!(listed(&get(&simulator, "/agents/tasks").await.body), std::slice::from_ref(&id));
    simulator.set_visibility(&id, Visibility::Unlisted);
    assert_eq!(listed(&get(&simulator, "/agents/tasks").await.body), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn credits_can_be_written_as_decimals() {
    let simulator = Simulator::new();
    simulator.settings(|it| {
        it.decimal_usage = true;
        it.usage_key = crate::UsageKey::Credits;
    });
    let script = Script::new().state("completed", secs(0)).effect(Effect::Usage(403_451_775_000));
    let id = simulator.add_task(ExistingTask { script, ..ExistingTask::default() });
    let text = get(&simulator, &format!("{TASKS}/{id}")).await.text;
    assert!(text.contains(r#""credits":403451775000.0"#), "{text}");
}
