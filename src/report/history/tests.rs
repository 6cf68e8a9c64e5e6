use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::github::task::Task;
use crate::inputs::threshold::Threshold;
use crate::report::history::csv::csv;
use crate::report::history::document::{Report, Scope};
use crate::report::history::figures::{Figures, Spread};
use crate::report::history::page::page;
use crate::report::history::summary::summary;
use crate::report::history::task::{Place, PullRow, PullWord, TaskFacts, TaskRow, Time, Unreadable};
use crate::task::marker::{Key, Marker};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn ago(days: u32) -> Time {
    Time(now().checked_sub(DAY * days).unwrap())
}

fn scope() -> Scope {
    Scope {
        generated_at: Time(now()),
        since: Time("2026-08-29T00:00:00Z".parse().unwrap()),
        timezone: TimeZone::UTC,
        stale_after: 259_200,
        repositories: Vec::new(),
        unreadable_repositories: Vec::new(),
        task_class: None,
        rollout: None,
    }
}

fn pull(state: PullWord) -> PullRow {
    PullRow {
        number: 7,
        url: "https://github.com/octo/app/pull/7".to_owned(),
        title: "Fix it".to_owned(),
        state,
        draft: false,
        created_at: ago(2),
        updated_at: ago(1),
        merged_at: None,
        first_review: None,
        time_to_merge: None,
        lead_time: None,
        files: 1,
        lines: 2,
        reviews: 0,
        review_threads: 0,
        checks: Some("none".to_owned()),
        commits: 1,
        rework_commits: Some(0),
        reverted: false,
    }
}

fn facts(state: &str) -> TaskFacts {
    let actual =
        json!({"id": "t-1", "state": state, "created_at": ago(2).to_string(), "updated_at": ago(2).to_string()});
    TaskFacts::of(&serde_json::from_value::<Task>(actual).unwrap())
}

fn row(state: &str, pull: Option<PullRow>) -> TaskRow {
    let mut facts = facts(state);
    facts.row.pull_request = pull;
    facts.placed(now(), DAY * 3)
}

fn report(tasks: Vec<TaskRow>, conditions: &[&str]) -> Report {
    let thresholds = conditions.iter().map(|text| text.parse::<Threshold>().unwrap()).collect::<Vec<_>>();
    Report::new(scope(), tasks, &thresholds, vec!["a <b>warning</b>".to_owned()])
}

#[test]
fn facts_come_from_the_first_prompt_and_all_sessions() {
    let marker = |class: &str| Marker {
        key: Key::over(["x"]),
        class: class.to_owned(),
        version: "8".to_owned(),
        ..Marker::default()
    };
    let session = |id: &str, class: &str, minute: u8| {
        json!({"id": id, "prompt": marker(class).put_under("x"), "model": "sweagent-capi:gpt-5.4",
            "created_at": format!("2026-11-01T00:{minute:02}:00Z"), "completed_at": format!("2026-11-01T00:{:02}:30Z", minute + 1),
            "usage": {"type": "ai_credits", "amount": 1_250_000_000_u64}})
    };
    let task = json!({"id": "t", "state": "completed", "repository": {"id": 9}, "creator": {"id": 3},
        "sessions": [session("s-2", "steered", 20), session("s-1", "prep", 1)]});
    let facts = TaskFacts::of(&serde_json::from_value(task).unwrap());
    let row = &facts.row;
    assert_eq!(
        (row.class.as_deref(), row.prompt_version.as_deref(), row.rollout.clone()),
        (Some("prep"), Some("8"), None)
    );
    assert_eq!((row.sessions.as_slice(), row.duration), (&["s-1".to_owned(), "s-2".to_owned()][..], Some(180)));
    assert_eq!((row.credits, row.model.as_deref(), facts.repository_id), (Some(2.5), Some("gpt-5.4"), Some(9)));
    let silent =
        TaskFacts::of(&serde_json::from_value(json!({"id": "t", "state": "completed", "sessions": [{}]})).unwrap());
    assert_eq!((silent.row.credits, silent.row.duration), (None, None), "unknown is not zero");
}

#[test]
fn place_says_what_is_to_be_done() {
    use PullWord::{Closed, Merged, Open};
    for (state, word, expected) in [
        ("queued", None, Place::Working),
        ("in_progress", Some(Open), Place::Working),
        ("waiting_for_user", None, Place::NeedsPerson),
        ("idle", Some(Open), Place::NeedsPerson),
        ("completed", Some(Open), Place::ReadyForReview),
        ("failed", Some(Open), Place::NeedsPerson),
        ("failed", Some(Merged), Place::Merged),
        ("in_progress", Some(Merged), Place::Merged),
        ("completed", Some(Closed), Place::Closed),
        ("waiting_for_user", Some(Closed), Place::Closed),
        ("completed", None, Place::Closed),
        ("failed", None, Place::Closed),
    ] {
        assert_eq!(row(state, word.map(pull)).place, expected, "{state} {word:?}");
        let mut old = facts(state);
        old.row.pull_request = word.map(pull);
        let stale = if expected.is_open() { Place::Stale } else { expected };
        assert_eq!(old.placed(now(), DAY).place, stale, "{state} {word:?}");
    }
    let with = |commits: Option<u64>, lacks: Option<Unreadable>| {
        let mut facts = facts("completed");
        facts.branch_commits = commits;
        lacks.into_iter().for_each(|part| facts.lacks(part));
        facts.placed(now(), DAY * 3).place
    };
    assert_eq!(with(Some(2), None), Place::Orphan);
    assert_eq!(with(Some(0), None), Place::Closed);
    for part in [Unreadable::Sessions, Unreadable::PullRequest, Unreadable::Branch] {
        assert_eq!(with(None, Some(part)), Place::Unreadable, "{part:?}");
    }
}

#[test]
fn percentiles_are_by_nearest_rank() {
    let of = |numbers: &[f64]| {
        let spread = Spread::over(numbers.iter().copied());
        (spread.median, spread.p90)
    };
    assert_eq!(of(&[]), (None, None));
    assert_eq!(of(&[4.0]), (Some(4.0), Some(4.0)));
    assert_eq!(of(&[2.0, 1.0]), (Some(1.0), Some(2.0)));
    // The example of the article that the definition names.
    assert_eq!(of(&[3.0, 6.0, 7.0, 8.0, 8.0, 10.0, 13.0, 15.0, 16.0, 20.0]), (Some(8.0), Some(16.0)));
}

#[test]
fn versions_and_models_are_compared() {
    let of = |version: &str, model: &str, days: u32, merged: bool| {
        let pull = pull(if merged { PullWord::Merged } else { PullWord::Closed });
        let base = row("completed", Some(pull));
        let text = |text: &str| Some(text.to_owned());
        TaskRow {
            class: text("prep"),
            prompt_version: text(version),
            model: text(model),
            created_at: Some(ago(days)),
            ..base
        }
    };
    let mut tasks = vec![of("6", "a", 90, true)];
    tasks.extend((0..30).map(|at| of("7", "a", 60, at < 6)));
    tasks.extend((0..30).map(|at| of("8", "b", 5, at < 27)));
    let report = report(tasks, &[]);
    let [versions, models] = report.comparisons.as_slice() else { panic!("{:?}", report.comparisons) };
    assert_eq!((versions.first.as_str(), versions.second.as_str(), versions.by), ("prep 7", "prep 8", "version"));
    assert_eq!((models.first.as_str(), models.second.as_str()), ("a", "b"));
    let merged = versions.shares.iter().find(|share| share.figure == "merged").unwrap();
    assert_eq!((merged.difference, merged.may_be_chance, versions.warning.clone()), (Some(0.7), false, None));
    assert_eq!(report.by_version.len(), 3);
    assert_eq!(report.by_week.len(), 13, "each week from the first to the last");
}

#[test]
fn days_and_weeks_are_of_the_time_zone() {
    let created = |time: &str| TaskRow { created_at: Some(Time(time.parse().unwrap())), ..row("idle", None) };
    // In Kiritimati the day is another one for most of a day, and the second task is of the next week.
    let tasks = vec![created("2026-11-21T23:00:00Z"), created("2026-11-22T11:00:00Z")];
    let zone = crate::actions::host::time_zone("Pacific/Kiritimati").unwrap();
    for (timezone, weeks, days) in [
        (TimeZone::UTC, vec![("2026-11-16", 2)], ["2026-08-29", "2026-11-21", "2026-11-22", "2026-11-29 at 12:00 UTC"]),
        (
            zone,
            vec![("2026-11-16", 1), ("2026-11-23", 1)],
            ["2026-08-29", "2026-11-22", "2026-11-23", "2026-11-30 at 02:00 Pacific/Kiritimati"],
        ),
    ] {
        let report = Report::new(Scope { timezone, ..scope() }, tasks.clone(), &[], Vec::new());
        let found = report.by_week.iter().map(|week| (week.begins.as_str(), week.tasks)).collect::<Vec<_>>();
        assert_eq!(found, weeks);
        let (page, summary) = (page(&report).unwrap(), summary(&report));
        let [since, days @ .., made] = days;
        assert!(page.contains(&format!("since {since}")) && summary.contains(&format!("since {since}")), "{summary}");
        assert!(page.contains(&format!("Made on {}.", made.replace('/', "&#x2f;"))), "{made}");
        for day in days {
            assert!(
                page.contains(&format!(">{day}</td>")) && summary.contains(&format!("| {day} |")),
                "{day} {summary}"
            );
        }
        // Files for programs have moments.
        assert!(csv(&report.tasks).contains("2026-11-21T23:00:00Z"));
    }
}

#[test]
fn comparison_of_few_tasks_has_a_warning() {
    let of = |version: &str, state| TaskRow {
        prompt_version: Some(version.to_owned()),
        ..row("completed", Some(pull(state)))
    };
    let report = report(vec![of("7", PullWord::Closed), of("8", PullWord::Merged)], &[]);
    insta::assert_snapshot!(report.comparisons[0].warning.as_ref().unwrap(), @"With 1 and 1 task, each difference in a share can be chance: too few to say that one is better");
}

#[test]
fn condition_on_what_cannot_be_read_fails() {
    let mut hidden = row("completed", None);
    hidden.unreadable = vec![Unreadable::PullRequest];
    let crossed = |tasks: Vec<TaskRow>, condition: &str| {
        let report = report(tasks, &[condition]);
        (report.conditions[0].crossed, report.conditions[0].reason.clone())
    };
    let merged = || row("completed", Some(pull(PullWord::Merged)));
    assert_eq!(crossed(vec![merged()], "merged < 50%"), (false, "it is 100%".to_owned()));
    assert_eq!(crossed(vec![merged()], "merged > 50%"), (true, "it is 100%".to_owned()));
    let partly = (false, "it is 100% without 1 task that could not be read".to_owned());
    assert_eq!(crossed(vec![merged(), hidden.clone()], "merged < 50%"), partly);
    assert!(crossed(vec![hidden], "merged < 50%").0);
    assert_eq!(crossed(Vec::new(), "merged < 50%"), (false, "there is nothing to count".to_owned()));
}

#[test]
fn unreadable_pull_requests_leave_merged_unknown() {
    let mut hidden = row("completed", None);
    hidden.unreadable = vec![Unreadable::PullRequest];
    let hidden = report(vec![hidden], &[]);
    assert_eq!((hidden.merged(), hidden.all.unreadable[Unreadable::PullRequest.as_str()]), (None, 1));
    assert_eq!(report(vec![row("completed", None)], &[]).merged(), Some(0));
}

/// Texts that must stay texts.
const HOSTILE: [&str; 5] =
    ["<script>alert(1)</script>", "=HYPERLINK(\"https://x\")", "\"><img src=x onerror=alert(1)>", "a | b\n# c", "```"];

#[test]
fn hostile_texts_stay_text() {
    let tasks = HOSTILE.map(|text| {
        let mut task = row("completed", Some(PullRow { title: text.to_owned(), ..pull(PullWord::Open) }));
        let hostile = || Some(text.to_owned());
        (task.class, task.model, task.repository, task.prompt_version) = (hostile(), hostile(), hostile(), hostile());
        (task.name, task.url, task.error) = (hostile(), Some("javascript:alert(1)".to_owned()), hostile());
        task
    });
    let report = report(tasks.to_vec(), &["merged < 50%"]);
    let html = page(&report).unwrap();
    for part in ["<script>alert", "<img", "javascript:", "<b>warning"] {
        assert!(!html.contains(part), "{part}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
    assert_eq!(html.matches("<script").count(), 1, "our own");
    for line in csv(&report.tasks).lines() {
        let starts = line.split(',').map(|field| field.trim_start_matches('"'));
        assert!(!starts.into_iter().any(|field| field.starts_with(['=', '+', '-', '@'])), "{line}");
    }
    let markdown = summary(&report);
    assert!(!markdown.contains("<script") && !markdown.contains("<img") && !markdown.contains("\n# c"), "{markdown}");
}

/// Every tag and attribute of the page that fetches something.
#[test]
fn page_fetches_nothing_and_its_policy_fits() {
    let html = page(&report(vec![row("completed", Some(pull(PullWord::Open)))], &[])).unwrap();
    for part in [" src=", "@import", "url(", "<link rel=\"stylesheet\"", "<iframe", "style=\"", "onclick"] {
        assert!(!html.contains(part), "{part}");
    }
    let between = |from: &str, to: &str| html.split(from).nth(1).unwrap().split(to).next().unwrap().to_owned();
    use base64::Engine as _;
    for (tag, end) in [("<style>", "</style>"), ("<script>", "</script>")] {
        let hash = ring::digest::digest(&ring::digest::SHA256, between(tag, end).as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(hash);
        // A slash and a plus sign are written as references in an attribute.
        let hash = hash.replace('/', "&#x2f;");
        assert!(html.contains(&format!("sha256-{hash}")), "{tag} {hash}");
    }
}

#[test]
fn summary_of_two_thousand_tasks_fits() {
    let tasks = (0..2000).map(|at| {
        let long = PullRow { title: "x".repeat(256), ..pull(PullWord::Open) };
        let name = |text: &str| Some(format!("{text}-{at}-{}", "y".repeat(200)));
        TaskRow {
            id: format!("t-{at}"),
            class: name("class"),
            model: name("model"),
            repository: name("repository"),
            rollout: name("rollout"),
            ..row("completed", Some(long))
        }
    });
    let text = summary(&report(tasks.collect(), &[]));
    assert!(text.len() < 1_000_000, "{}", text.len());
    assert!(text.contains("and 1950 more in the report"), "{}", &text[..2000]);
}

#[test]
fn report_without_a_task_is_whole() {
    let empty = report(Vec::new(), &["credits > 5"]);
    assert!(page(&empty).unwrap().contains("Nothing is open."));
    assert_eq!((csv(&empty.tasks).lines().count(), empty.merged(), empty.by_week.len()), (1, Some(0), 0));
    assert!(summary(&empty).contains("0 tasks since"));
}

/// The schema, as it is in `dist`. Where this fails, put what it shows into the file.
#[test]
fn schema_is_that_of_the_types() {
    let schema = serde_json::to_value(schemars::schema_for!(Report)).unwrap();
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    assert!(text == include_str!("../../../dist/report.schema.json"), "{text}");
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    select(words).prop_map(|word| Some(word.to_owned()).filter(|word| !word.is_empty()))
}

fn any_pull() -> impl Strategy<Value = PullRow> {
    let words = select(&[PullWord::Open, PullWord::Closed, PullWord::Merged][..]);
    let checks = word(&["success", "failure", "pending", "none", ""]);
    let numbers = (0..1_000_000_u64, 1..50_u64, 0..5000_u64, 0..9_u64);
    let rest = (prop::option::of(0..4_u64), prop::option::of(0..900_000_u64), any::<bool>());
    (words, checks, numbers, rest).prop_map(
        |(state, checks, (merge, files, lines, reviews), (rework, review, reverted))| {
            let merged = state == PullWord::Merged;
            PullRow {
                checks,
                time_to_merge: merged.then_some(merge),
                lead_time: merged.then_some(merge + 60),
                files,
                lines,
                reviews,
                rework_commits: rework,
                first_review: review,
                reverted: merged && reverted,
                ..pull(state)
            }
        },
    )
}

fn any_task() -> impl Strategy<Value = TaskRow> {
    let states = &["completed", "failed", "timed_out", "cancelled", "in_progress", "waiting_for_user", "new_state"][..];
    let names = (word(&["a", "b", ""]), word(&["7", "8", ""]), word(&["m", "n", ""]), word(&["o/r", "o/s"]));
    let numbers = (0..200_u32, prop::option::of(0..500_000_000_000_u64), prop::option::of(0..9000_u64), 0..4_usize);
    (select(states), names, numbers, prop::option::of(any_pull())).prop_map(|(state, names, numbers, pull)| {
        let (class, prompt_version, model, repository) = names;
        let (days, nano, duration, sessions) = numbers;
        #[expect(clippy::cast_precision_loss, reason = "it is what the reader of answers does")]
        let credits = nano.map(|nano| nano as f64 / 1e9);
        let sessions = (0..sessions).map(|at| format!("s-{at}")).collect();
        let base = row(state, pull);
        TaskRow {
            class,
            prompt_version,
            model,
            repository,
            credits,
            duration,
            sessions,
            created_at: Some(ago(days)),
            ..base
        }
    })
}

/// The percentile by its definition: the least number with at least that share of all numbers at or below it.
fn percentile(numbers: &[f64], share: f64) -> Option<f64> {
    let least = |candidate: &&f64| {
        let below = numbers.iter().filter(|number| *number <= *candidate).count();
        #[expect(clippy::cast_precision_loss, reason = "there are a few")]
        let part = below as f64 / numbers.len() as f64;
        part >= share - 1e-12
    };
    numbers.iter().filter(least).copied().min_by(f64::total_cmp)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The figures against those computed from `report.json` alone, in another way.
    #[test]
    fn figures_are_those_of_the_tasks(tasks in vec(any_task(), 0..40)) {
        let report = report(tasks, &[]);
        let json = serde_json::to_value(&report).unwrap();
        let schema = serde_json::to_value(schemars::schema_for!(Report)).unwrap();
        prop_assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&json));
        let all = json["tasks"].as_array().unwrap().iter().collect::<Vec<_>>();
        check_figures(&json["all"], &all)?;
        for (by, key) in [("by-class", "class"), ("by-model", "model"), ("by-repository", "repository")] {
            for group in json[by].as_array().unwrap() {
                let tasks = all.iter().copied().filter(|task| task[key] == group["name"]).collect::<Vec<_>>();
                check_figures(&group["figures"], &tasks)?;
            }
        }
        let weeks = json["by-week"].as_array().unwrap().iter().map(|week| week["tasks"].as_u64().unwrap()).sum::<u64>();
        prop_assert_eq!(weeks, all.len() as u64);
        prop_assert_eq!(csv(&report.tasks).lines().count(), all.len() + 1);
        prop_assert!(page(&report).is_ok());
        // What a group has in common does not change its figures.
        let rows = report.tasks.iter().rev().collect::<Vec<_>>();
        prop_assert_eq!(Figures::of(&rows).places, report.all.places);
    }
}

fn check_figures(figures: &Value, tasks: &[&Value]) -> Result<(), TestCaseError> {
    let pulls = tasks.iter().map(|task| &task["pull-request"]).filter(|pull| !pull.is_null()).collect::<Vec<_>>();
    let is = |state: &'static str| move |pull: &&&Value| pull["state"] == state;
    let count = |state| pulls.iter().filter(is(state)).count();
    let share = |name: &str, count: usize, of: usize| {
        prop_assert_eq!((&figures[name]["count"], &figures[name]["of"]), (&json!(count), &json!(of)), "{}", name);
        #[expect(clippy::cast_precision_loss, reason = "there are a few")]
        let expected = count as f64 / of as f64;
        match figures[name]["share"].as_f64() {
            Some(share) => prop_assert!((share - expected).abs() < 1e-4, "{}", name),
            None => prop_assert_eq!(of, 0, "{}", name),
        }
        Ok(())
    };
    prop_assert_eq!(&figures["tasks"], &json!(tasks.len()));
    let ended = ["completed", "failed", "timed_out", "cancelled"];
    let ended = tasks.iter().filter(|task| ended.contains(&task["state"].as_str().unwrap())).count();
    share("success", tasks.iter().filter(|task| task["state"] == "completed").count(), ended)?;
    share("merged", count("merged"), pulls.len())?;
    share("closed", count("closed"), pulls.len())?;
    share("accepted", count("merged"), count("merged") + count("closed"))?;
    let reworked = pulls.iter().filter_map(|pull| pull["rework-commits"].as_u64()).collect::<Vec<_>>();
    share("rework", reworked.iter().filter(|commits| **commits > 0).count(), reworked.len())?;
    let checks = |word: &str| pulls.iter().filter(|pull| pull["checks"] == word).count();
    share("failed-checks", checks("failure"), checks("failure") + checks("success"))?;
    share("reverted", pulls.iter().filter(|pull| pull["reverted"] == true).count(), count("merged"))?;
    let spread = |name: &str, numbers: Vec<f64>| {
        prop_assert_eq!(&figures[name]["of"], &json!(numbers.len()), "{}", name);
        prop_assert_eq!(figures[name]["median"].as_f64(), percentile(&numbers, 0.5), "{}", name);
        prop_assert_eq!(figures[name]["p90"].as_f64(), percentile(&numbers, 0.9), "{}", name);
        Ok(())
    };
    let of_pulls = |key: &str| pulls.iter().filter_map(|pull| pull[key].as_f64()).collect::<Vec<_>>();
    for key in ["first-review", "time-to-merge", "lead-time", "files", "lines", "reviews"] {
        spread(key, of_pulls(key))?;
    }
    spread("duration", tasks.iter().filter_map(|task| task["duration"].as_f64()).collect())?;
    let credits = tasks.iter().filter_map(|task| task["credits"].as_f64()).collect::<Vec<_>>();
    let total = figures["credits"]["total"].as_f64();
    prop_assert_eq!(total.is_some(), !credits.is_empty());
    prop_assert!((total.unwrap_or_default() - credits.iter().sum::<f64>()).abs() < 0.0501);
    Ok(())
}
