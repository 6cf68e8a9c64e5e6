use serde_json::json;

use super::*;

fn marker(key: &str, name: &str) -> Marker {
    Marker { key: Key::over([key]), name: name.to_owned(), ..Marker::default() }
}

fn options(first: Precheck, if_active: IfActive) -> StartOptions {
    StartOptions {
        marker: marker("ours", "weekly/prep"),
        confirm: seconds(60),
        first,
        if_active,
        active_scope: ActiveScope::Job,
        max_limit_wait: MAX_LIMIT_WAIT,
    }
}

fn machine(models: &[&str]) -> StartMachine {
    let models = models.iter().map(|model| Some((*model).to_owned())).collect::<Vec<_>>();
    let mut machine = StartMachine::new(options(Precheck::Nothing, IfActive::Start), &models, Duration::ZERO);
    assert!(matches!(machine.begin(), StartStep::Send(..)));
    machine
}

/// A machine whose start was sent at once and not answered.
fn unanswered() -> StartMachine {
    let mut machine = machine(&["a"]);
    machine.set_user(Some(1));
    assert!(matches!(machine.answered(seconds(1), Err(lost())), StartStep::Search { .. }));
    machine
}

/// A machine that searches before it sends, once where lists are current, for the user 1.
fn searching(first: Precheck, if_active: IfActive) -> StartMachine {
    let mut machine = StartMachine::new(options(first, if_active), &[None], seconds(999));
    machine.set_user(Some(1));
    assert!(matches!(machine.begin(), StartStep::Search { .. }));
    machine
}

fn lost() -> Error {
    Error::Unanswered { why: "status 502 came instead".to_owned(), retry_after: None }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn task(id: &str, state: &str, prompt: Option<&str>, creator: u64) -> Task {
    let sessions = prompt.map(|prompt| json!([{"prompt": prompt}])).unwrap_or_default();
    let actual = json!({"id": id, "state": state, "sessions": sessions, "creator": {"id": creator},
        "html_url": format!("https://github.com/octo/app/tasks/{id}")});
    serde_json::from_value(actual).unwrap()
}

fn ours(id: &str, state: &str) -> Task {
    task(id, state, Some(&marker("ours", "weekly/prep").put_under("x")), 1)
}

fn kin(id: &str, state: &str) -> Task {
    task(id, state, Some(&marker("other", "weekly/prep").put_under("x")), 1)
}

fn seen(tasks: &[(Task, u64)]) -> Result<Vec<Candidate>, Error> {
    Ok(tasks.iter().map(|(task, age)| Candidate { task: task.clone(), read: true, age: Some(seconds(*age)) }).collect())
}

fn adopted(step: StartStep) -> (String, Adoption) {
    match step {
        StartStep::Ended(StartEnd::Adopted(task, why)) => (task.id.to_string(), why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn start_that_never_left_is_sent_again_for_a_while() {
    let mut machine = machine(&["a"]);
    let away = || Err(Error::Unreachable { why: "no route".to_owned() });
    let mut pauses = Vec::new();
    while let StartStep::Sleep(pause, _) = machine.answered(seconds(pauses.iter().sum()), away()) {
        pauses.push(pause.as_secs());
        assert!(matches!(machine.resumed(seconds(pauses.iter().sum())), StartStep::Send(..)));
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
}

#[test]
fn start_waits_for_limits_within_a_bound() {
    // A start among many sits out several hours.
    for (max_limit_wait, wait, times) in [(MAX_LIMIT_WAIT, 600, 1), (MAX_LIMIT_WAIT_OF_MANY, 3600, 6)] {
        let options = StartOptions { max_limit_wait, ..options(Precheck::Nothing, IfActive::Start) };
        let mut machine = StartMachine::new(options, &[None], Duration::ZERO);
        machine.begin();
        let limit = || Err(Error::RateLimited(RateLimit { wait: seconds(wait), primary: false }));
        for _ in 0..times {
            assert!(
                matches!(machine.answered(seconds(0), limit()), StartStep::Sleep(pause, _) if pause == seconds(wait))
            );
        }
        assert!(matches!(
            machine.answered(seconds(0), limit()),
            StartStep::Ended(StartEnd::Refused(Error::RateLimited(_)))
        ));
    }
}

#[test]
fn start_tries_the_next_model_after_a_refusal() {
    let mut two = machine(&["a", "b"]);
    let invalid = || Err(Error::Invalid { said: "Validation Failed".to_owned() });
    assert!(matches!(two.answered(seconds(0), invalid()), StartStep::Send(Some(model), _) if model == "b"));
    assert!(matches!(two.answered(seconds(0), invalid()), StartStep::Ended(StartEnd::Refused(Error::Invalid { .. }))));
    let bad_token = Err(Error::BadToken { said: String::new() });
    assert!(matches!(machine(&["a", "b"]).answered(seconds(0), bad_token), StartStep::Ended(StartEnd::Refused(_))));
}

#[test]
fn start_without_an_answer_is_searched_for_and_adopted() {
    for error in [lost(), Error::Malformed { why: "expected value".to_owned() }] {
        let mut machine = machine(&["a"]);
        machine.set_user(Some(1));
        assert!(matches!(machine.answered(seconds(1), Err(error)), StartStep::Search { .. }));
        assert!(machine.is_open());
        // One that failed meanwhile is still the result of the start.
        let found = machine.searched(seconds(2), seen(&[(ours("t-1", "failed"), 2)]));
        assert_eq!(adopted(found), ("t-1".to_owned(), Adoption::Unanswered));
    }
}

#[test]
fn start_does_not_adopt_a_task_older_than_itself() {
    let mut machine = unanswered();
    assert!(matches!(machine.searched(seconds(9), seen(&[(ours("t-1", "failed"), 9 + 31)])), StartStep::Search { .. }));
    let found = machine.searched(seconds(9), seen(&[(ours("t-2", "queued"), 9 + 30)]));
    assert_eq!(adopted(found).0, "t-2");
}

#[test]
fn start_is_sent_once_more_and_no_more() {
    let mut machine = unanswered();
    let stranger = task("t-9", "queued", Some("theirs"), 2);
    assert!(matches!(machine.searched(seconds(60), seen(&[(stranger.clone(), 3)])), StartStep::Search { .. }));
    assert!(!machine.wants(&stranger), "a stranger is read once");
    assert!(matches!(machine.searched(seconds(61), seen(&[])), StartStep::Send(_, Some(Event::SentAgain))));
    assert!(matches!(machine.answered(seconds(62), Err(lost())), StartStep::Search { .. }));
    // The result of the first start is ours as well, however late it comes.
    assert_eq!(adopted(machine.searched(seconds(70), seen(&[(ours("t-1", "queued"), 70)]))).0, "t-1");
    assert!(
        matches!(machine.searched(seconds(122), seen(&[])), StartStep::Ended(StartEnd::Unconfirmed(why)) if why.contains("sent twice"))
    );
}

#[test]
fn start_links_tasks_that_stay_unreadable() {
    let mut machine = unanswered();
    let stub = task("t-1", "queued", None, 1);
    assert!(matches!(machine.searched(seconds(30), seen(&[(stub.clone(), 30)])), StartStep::Search { .. }));
    let end = machine.searched(seconds(61), seen(&[(stub, 61)]));
    assert!(
        matches!(end, StartStep::Ended(StartEnd::Unconfirmed(why)) if why.contains("https://github.com/octo/app/tasks/t-1"))
    );
}

#[test]
fn start_is_unconfirmed_where_lists_fail() {
    let mut machine = unanswered();
    assert!(matches!(machine.searched(seconds(61), Err(lost())), StartStep::Search { .. }));
    assert!(matches!(machine.searched(seconds(130), Err(lost())), StartStep::Ended(StartEnd::Unconfirmed(_))));
    let refused = Err(Error::BadToken { said: String::new() });
    assert!(matches!(unanswered().searched(seconds(2), refused), StartStep::Ended(StartEnd::Unconfirmed(_))));
}

#[test]
fn start_refused_the_second_time_is_unconfirmed() {
    let mut machine = unanswered();
    assert!(matches!(machine.searched(seconds(61), seen(&[])), StartStep::Send(..)));
    let refused = machine.answered(seconds(62), Err(Error::BadToken { said: "Bad credentials".to_owned() }));
    assert!(
        matches!(refused, StartStep::Ended(StartEnd::Unconfirmed(why)) if why.contains("status 502") && why.contains("Bad credentials"))
    );
}

#[test]
fn start_waits_for_unreadable_tasks_unless_they_are_old_and_over() {
    for (first, state, read, age, decided) in [
        (Precheck::Nothing, "in_progress", false, 9999, false),
        (Precheck::Nothing, "in_progress", true, 30, false),
        (Precheck::Nothing, "in_progress", true, 9999, false),
        (Precheck::Attempt, "completed", true, 91, true),
        (Precheck::Attempt, "completed", true, 90, false),
        (Precheck::Attempt, "completed", false, 9999, false),
    ] {
        let mut machine = StartMachine::new(options(first, IfActive::Fail), &[None], seconds(999));
        machine.begin();
        let candidate = Candidate { task: task("t-1", state, None, 1), read, age: Some(seconds(age)) };
        let step = machine.searched(seconds(1), Ok(vec![candidate]));
        assert_eq!(matches!(step, StartStep::Send(..)), decided, "{first:?} {state} {read} {age}: {step:?}");
    }
}

#[test]
fn start_ignores_our_marker_in_a_task_of_another_user() {
    let mut machine = unanswered();
    machine.set_user(Some(1));
    let forged = task("t-1", "queued", Some(&marker("ours", "weekly/prep").put_under("x")), 666);
    assert!(!machine.wants(&forged));
    assert!(matches!(machine.searched(seconds(2), seen(&[(forged, 1)])), StartStep::Search { .. }));
}

#[test]
fn start_adopts_no_task_whose_creator_is_another_or_unknown() {
    let prompt = marker("ours", "weekly/prep").put_under("x");
    for if_active in [IfActive::Start, IfActive::Attach] {
        for (creator, kind) in [
            (json!({"id": 2}), json!("User")),
            (json!({"id": 2}), json!("")),
            (json!({"id": 2}), json!(null)),
            (json!({"id": 2}), json!("Bot")),
            (json!({"id": 2}), json!("app")),
            (json!(null), json!("user")),
        ] {
            let actual = json!({"id": "t-1", "state": "queued", "sessions": [{"prompt": prompt}], "creator": creator,
                "creator_type": kind});
            let forged: Task = serde_json::from_value(actual).unwrap();
            let mut machine = StartMachine::new(options(Precheck::Key, if_active), &[None], Duration::ZERO);
            machine.set_user(Some(1));
            machine.begin();
            for elapsed in [1, 61] {
                let step = machine.searched(seconds(elapsed), seen(&[(forged.clone(), 5)]));
                assert!(
                    !matches!(step, StartStep::Ended(StartEnd::Adopted(..))),
                    "{if_active:?} {creator} {kind}: {step:?}"
                );
            }
        }
    }
}

#[test]
fn start_reads_the_marker_of_the_first_session_only() {
    let other = marker("other", "other").put_under("x");
    let ours = marker("ours", "weekly/prep").put_under("x");
    for (prompts, adopted) in [([&ours, &other], true), ([&other, &ours], false)] {
        let actual = json!({"id": "t-1", "state": "queued", "creator": {"id": 1},
            "sessions": [{"prompt": prompts[0]}, {"prompt": prompts[1]}]});
        let mut machine = unanswered();
        let step = machine.searched(seconds(2), seen(&[(serde_json::from_value(actual).unwrap(), 1)]));
        assert_eq!(matches!(step, StartStep::Ended(StartEnd::Adopted(..))), adopted, "{step:?}");
    }
}

#[test]
fn rerun_adopts_what_did_not_fail() {
    for (state, taken) in [
        ("queued", true),
        ("in_progress", true),
        ("idle", true),
        ("waiting_for_user", true),
        ("completed", true),
        ("of_tomorrow", true),
        ("failed", false),
        ("timed_out", false),
        ("cancelled", false),
    ] {
        let mut machine = StartMachine::new(options(Precheck::Key, IfActive::Start), &[None], Duration::ZERO);
        machine.set_user(Some(1));
        assert!(matches!(machine.begin(), StartStep::Search { .. }));
        match machine.searched(seconds(1), seen(&[(ours("t-1", state), 9999)])) {
            StartStep::Ended(StartEnd::Adopted(_, Adoption::SameKey)) => assert!(taken, "{state}"),
            StartStep::Search { .. } => {
                assert!(!taken, "{state}");
                assert!(matches!(machine.searched(seconds(60), seen(&[])), StartStep::Send(..)));
            }
            other => panic!("{state}: {other:?}"),
        }
    }
}

#[test]
fn rerun_searches_until_lists_are_current() {
    for (running, searches) in [(0, true), (59, true), (60, false), (3600, false)] {
        let mut machine = StartMachine::new(options(Precheck::Attempt, IfActive::Start), &[None], seconds(running));
        assert!(matches!(machine.begin(), StartStep::Search { .. }) && machine.wants_its_own_only());
        assert_eq!(matches!(machine.searched(seconds(0), seen(&[])), StartStep::Search { .. }), searches, "{running}");
    }
}

#[test]
fn start_of_a_rollout_is_delayed_by_a_part_of_its_search() {
    for (first, random, longest) in [
        (Precheck::Rollout, 0, 50),
        (Precheck::Rollout, u64::MAX, 80),
        (Precheck::Attempt, u64::MAX, 50),
        (Precheck::Key, u64::MAX, 60),
    ] {
        let machine = StartMachine::new(options(first, IfActive::Start), &[None], seconds(10)).delayed_by(random);
        assert_eq!(machine.lag(), seconds(longest), "{first:?}");
    }
}

#[test]
fn last_search_adopts_waits_and_fails_like_the_first() {
    let sendable = || {
        let mut machine = searching(Precheck::Rollout, IfActive::Start);
        assert!(matches!(machine.searched(seconds(1), seen(&[])), StartStep::Send(..)));
        assert!(machine.must_search_again(Duration::ZERO));
        assert_eq!(machine.search_again(seconds(500)), StartStep::Search { pause: Duration::ZERO, event: None });
        machine
    };
    assert!(matches!(sendable().searched(seconds(500), seen(&[])), StartStep::Send(..)));
    assert_eq!(adopted(sendable().searched(seconds(500), seen(&[(ours("t-1", "queued"), 1)]))).1, Adoption::SameKey);
    let (mut machine, hidden) = (sendable(), task("t-1", "queued", None, 1));
    assert!(matches!(machine.searched(seconds(500), seen(&[(hidden.clone(), 1)])), StartStep::Search { .. }));
    assert!(matches!(machine.searched(seconds(559), seen(&[(hidden, 60)])), StartStep::Ended(StartEnd::Undecided(_))));
    let mut machine = sendable();
    assert!(matches!(machine.searched(seconds(559), Err(lost())), StartStep::Search { .. }));
    assert!(matches!(machine.searched(seconds(560), Err(lost())), StartStep::Ended(StartEnd::Refused(_))));
    let mut machine = sendable();
    machine.sending(seconds(500));
    machine.answered(seconds(501), Err(lost()));
    assert!(!machine.must_search_again(Duration::ZERO));
    assert!(!searching(Precheck::Key, IfActive::Start).must_search_again(Duration::ZERO));
}

#[test]
fn last_search_for_lists_that_lag_is_at_the_end() {
    let mut machine = StartMachine::new(options(Precheck::Key, IfActive::Start), &[None], Duration::ZERO);
    machine.begin();
    let pauses = [50, 55, 59].map(|at| match machine.searched(seconds(at), seen(&[])) {
        StartStep::Search { pause, .. } => pause.as_secs(),
        other => panic!("{other:?}"),
    });
    assert_eq!(pauses, [1, 2, 1]);
}

#[test]
fn start_adopts_nothing_before_the_user_is_known() {
    let mut machine = StartMachine::new(options(Precheck::Key, IfActive::Start), &[None], Duration::ZERO);
    machine.begin();
    assert!(matches!(machine.searched(seconds(1), seen(&[(ours("t-1", "queued"), 5)])), StartStep::Search { .. }));
    machine.set_user(Some(1));
    assert_eq!(adopted(machine.searched(seconds(2), seen(&[(ours("t-1", "queued"), 6)]))).1, Adoption::SameKey);
}

#[test]
fn start_pauses_longer_after_each_limit() {
    let mut machine = machine(&["a"]);
    let limit = || Err(Error::RateLimited(RateLimit { wait: Duration::ZERO, primary: false }));
    let pauses = (0..8).map(|_| match machine.answered(seconds(0), limit()) {
        StartStep::Sleep(wait, _) => wait.as_secs(),
        other => panic!("{other:?}"),
    });
    assert_eq!(pauses.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 32, 32]);
    let endless = Err(Error::RateLimited(RateLimit { wait: Duration::MAX, primary: false }));
    assert!(matches!(machine.answered(seconds(0), endless), StartStep::Ended(StartEnd::Refused(_))));
}

#[test]
fn active_task_of_another_user_is_not_attached() {
    for (if_active, declined) in [(IfActive::Skip, true), (IfActive::Attach, false)] {
        let mut machine = StartMachine::new(options(Precheck::Nothing, if_active), &[None], Duration::ZERO);
        machine.begin();
        machine.set_user(Some(1));
        let theirs = task("t-1", "in_progress", Some(&marker("other", "weekly/prep").put_under("x")), 2);
        assert!(machine.wants(&theirs) && !machine.wants(&task("t-2", "completed", None, 2)));
        match machine.searched(seconds(1), seen(&[(theirs, 5)])) {
            StartStep::Ended(StartEnd::Declined(..)) => assert!(declined),
            StartStep::Ended(StartEnd::Undecided(_)) => assert!(!declined),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn active_task_of_the_same_name_follows_if_active() {
    for (if_active, state) in [
        (IfActive::Skip, "in_progress"),
        (IfActive::Fail, "idle"),
        (IfActive::Attach, "queued"),
        (IfActive::Skip, "completed"),
    ] {
        let mut machine = StartMachine::new(options(Precheck::Nothing, if_active), &[None], Duration::ZERO);
        machine.set_user(Some(1));
        assert!(matches!(machine.begin(), StartStep::Search { .. }));
        match (if_active, state, machine.searched(seconds(1), seen(&[(kin("t-1", state), 500)]))) {
            (_, "completed", StartStep::Send(..))
            | (IfActive::Skip, _, StartStep::Ended(StartEnd::Declined(_, false)))
            | (IfActive::Fail, _, StartStep::Ended(StartEnd::Declined(_, true)))
            | (IfActive::Attach, _, StartStep::Ended(StartEnd::Adopted(_, Adoption::Active))) => {}
            (_, _, step) => panic!("{if_active:?} {state}: {step:?}"),
        }
    }
}

#[test]
fn active_task_that_cannot_be_read_prevents_a_start() {
    let mut machine = StartMachine::new(options(Precheck::Nothing, IfActive::Skip), &[None], Duration::ZERO);
    machine.begin();
    let stub = task("t-1", "queued", None, 1);
    assert!(matches!(machine.searched(seconds(1), seen(&[(stub.clone(), 1)])), StartStep::Search { .. }));
    assert!(matches!(machine.searched(seconds(60), seen(&[(stub, 60)])), StartStep::Ended(StartEnd::Undecided(_))));
    let gone = task("t-2", "completed", None, 1);
    assert!(matches!(machine.searched(seconds(60), seen(&[(gone, 600)])), StartStep::Send(..)));
}

#[test]
fn active_task_counts_in_its_scope() {
    let of = |class: &str| {
        let marker = Marker { class: class.to_owned(), ..marker("other", "other/job") };
        task("t-1", "in_progress", Some(&marker.put_under("x")), 2)
    };
    let (foreign, hidden) = (task("t-1", "idle", Some("by a person"), 2), task("t-1", "queued", None, 2));
    let settled = task("t-1", "completed", Some("by a person"), 2);
    for (scope, task, counts) in [
        (ActiveScope::Job, of("bump"), false),
        (ActiveScope::Class, of("bump"), true),
        (ActiveScope::Class, of("docs"), false),
        (ActiveScope::Class, foreign.clone(), false),
        (ActiveScope::Repository, of("docs"), true),
        (ActiveScope::Repository, foreign, true),
        (ActiveScope::Repository, hidden, true),
        (ActiveScope::Repository, settled, false),
    ] {
        for first in [Precheck::Nothing, Precheck::Attempt] {
            let marker = Marker { class: "bump".to_owned(), ..marker("ours", "weekly/prep") };
            let options = StartOptions { marker, active_scope: scope, ..options(first, IfActive::Skip) };
            let mut machine = StartMachine::new(options, &[None], seconds(999));
            machine.begin();
            machine.set_user(Some(1));
            let step = machine.searched(seconds(1), seen(&[(task.clone(), 5)]));
            assert_eq!(
                matches!(step, StartStep::Ended(StartEnd::Declined(..))),
                counts,
                "{scope:?} {first:?} {task:?}: {step:?}"
            );
        }
    }
}

#[test]
fn hidden_task_of_ours_is_not_taken_for_anothers() {
    let options = StartOptions { active_scope: ActiveScope::Repository, ..options(Precheck::Attempt, IfActive::Skip) };
    let mut machine = StartMachine::new(options, &[None], seconds(999));
    machine.begin();
    machine.set_user(Some(1));
    let hidden = task("t-1", "queued", None, 1);
    assert!(matches!(machine.searched(seconds(1), seen(&[(hidden.clone(), 1)])), StartStep::Search { .. }));
    assert!(matches!(machine.searched(seconds(60), seen(&[(hidden, 60)])), StartStep::Ended(StartEnd::Undecided(_))));
}

#[test]
fn first_search_takes_as_long_as_lists_may_lag() {
    for (first, if_active, running, longest) in [
        (Precheck::Nothing, IfActive::Skip, 0, 0),
        (Precheck::Attempt, IfActive::Start, 10, 50),
        (Precheck::Attempt, IfActive::Start, 60, 0),
        (Precheck::Rollout, IfActive::Start, 10, 50),
        (Precheck::Key, IfActive::Start, 999, 60),
    ] {
        let mut machine = StartMachine::new(options(first, if_active), &[None], seconds(running));
        let within = seconds(longest);
        let event = Some(Event::SearchingBefore { thoroughly: longest > 0, within });
        assert_eq!(machine.begin(), StartStep::Search { pause: Duration::ZERO, event }, "{first:?} {running}");
        assert_eq!(machine.lag(), within);
    }
}

#[test]
fn first_search_is_for_a_key_or_for_active_tasks() {
    for (first, if_active, searched_before, archived, key_only) in [
        (Precheck::Nothing, IfActive::Start, false, false, false),
        (Precheck::Nothing, IfActive::Skip, true, false, false),
        (Precheck::Attempt, IfActive::Start, true, true, true),
        (Precheck::Attempt, IfActive::Skip, true, true, false),
    ] {
        let mut machine = StartMachine::new(options(first, if_active), &[None], seconds(999));
        assert_eq!(machine.key(), &Key::over(["ours"]));
        machine.begin();
        let wants = (machine.wants_archived(), machine.wants_its_own_only());
        assert_eq!(
            (machine.must_search_again(seconds(61)), wants),
            (searched_before, (archived, key_only)),
            "{first:?} {if_active:?}"
        );
        if searched_before {
            assert!(matches!(machine.searched(seconds(1), seen(&[])), StartStep::Send(..)));
        }
        assert_eq!(
            (machine.must_search_again(seconds(61)), machine.is_open()),
            (searched_before, false),
            "nothing was sent yet"
        );
        assert!(!machine.must_search_again(STALE), "lists do not lag longer");
        machine.answered(seconds(2), Err(lost()));
        let wants = (machine.wants_archived(), machine.wants_its_own_only());
        assert_eq!((machine.must_search_again(seconds(61)), machine.is_open(), wants), (false, true, (false, false)));
    }
}

#[test]
fn task_is_read_only_where_it_can_decide() {
    let (mut after, theirs) = (searching(Precheck::Nothing, IfActive::Skip), 2);
    assert!(matches!(after.searched(seconds(1), seen(&[])), StartStep::Send(..)));
    after.answered(seconds(2), Err(lost()));
    for (machine, state, creator, read) in [
        (searching(Precheck::Nothing, IfActive::Skip), "in_progress", theirs, true),
        (searching(Precheck::Nothing, IfActive::Skip), "completed", 1, false),
        (searching(Precheck::Key, IfActive::Start), "in_progress", theirs, false),
        (searching(Precheck::Key, IfActive::Start), "completed", 1, true),
        (searching(Precheck::Key, IfActive::Skip), "in_progress", theirs, true),
        (searching(Precheck::Key, IfActive::Skip), "completed", theirs, false),
        (unanswered(), "completed", 1, true),
        (unanswered(), "in_progress", theirs, false),
        (after, "in_progress", theirs, false),
    ] {
        assert_eq!(machine.wants(&task("t-1", state, None, creator)), read, "{state} {creator} {machine:?}");
    }
}

#[test]
fn task_of_another_start_is_read_once() {
    for (mut machine, state) in [(unanswered(), "queued"), (searching(Precheck::Key, IfActive::Start), "completed")] {
        let other = kin("t-1", state);
        assert!(machine.wants(&other));
        assert!(matches!(machine.searched(seconds(2), seen(&[(other.clone(), 1)])), StartStep::Search { .. }));
        assert!(!machine.wants(&other), "{state}");
    }
}

#[test]
fn rerun_after_thirty_days_adopts_its_task() {
    const DAY: u64 = 24 * 3600;
    for (days, adopted) in [(30, true), (32, false)] {
        let step = searching(Precheck::Attempt, IfActive::Start)
            .searched(seconds(1), seen(&[(ours("t-1", "idle"), days * DAY)]));
        assert_eq!(matches!(step, StartStep::Ended(StartEnd::Adopted(..))), adopted, "{days}: {step:?}");
    }
}

#[test]
fn horizon_reaches_back_to_the_first_open_start() {
    let mut machine = machine(&["a"]);
    assert_eq!(machine.horizon(seconds(9)), MEMORY);
    // The step was returned at 0, and its turn came later.
    machine.sending(seconds(100));
    machine.answered(seconds(101), Err(lost()));
    assert_eq!(machine.horizon(seconds(110)), seconds(10 + 30));
    assert!(matches!(machine.searched(seconds(161), seen(&[])), StartStep::Send(..)));
    machine.sending(seconds(170));
    machine.answered(seconds(171), Err(lost()));
    assert_eq!(machine.horizon(seconds(180)), seconds(80 + 30));
}

#[test]
fn model_that_the_license_lacks_counts_as_refused() {
    for (said, next) in [("Model is not available", true), ("Resource not accessible by this token", false)] {
        let missing = Err(Error::MissingPermission { said: said.to_owned(), remedy: String::new() });
        match machine(&["a", "b"]).answered(seconds(0), missing) {
            StartStep::Send(Some(model), Some(Event::ModelRefused { .. })) => assert!(next && model == "b", "{said}"),
            StartStep::Ended(StartEnd::Refused(Error::MissingPermission { .. })) => assert!(!next, "{said}"),
            other => panic!("{said}: {other:?}"),
        }
    }
}

#[test]
fn outage_of_two_minutes_ends_the_start() {
    let away = || Err(Error::Unreachable { why: "no route".to_owned() });
    for (elapsed, sleeps) in [(10 + 119, true), (10 + 120, false)] {
        let mut machine = machine(&["a"]);
        assert!(matches!(machine.answered(seconds(10), away()), StartStep::Sleep(..)));
        assert_eq!(matches!(machine.answered(seconds(elapsed), away()), StartStep::Sleep(..)), sleeps, "{elapsed}");
    }
}

#[test]
fn searches_wait_for_limits_within_a_bound() {
    let mut machine = unanswered();
    let limit = || Err(Error::RateLimited(RateLimit { wait: seconds(600), primary: false }));
    assert!(matches!(machine.searched(seconds(2), limit()), StartStep::Sleep(wait, _) if wait == seconds(600)));
    assert_eq!(machine.resumed(seconds(602)), StartStep::Search { pause: Duration::ZERO, event: None });
    assert!(matches!(machine.searched(seconds(602), limit()), StartStep::Ended(StartEnd::Unconfirmed(_))));
}

#[test]
fn searches_without_an_answer_are_repeated_for_a_while() {
    for (elapsed, again) in [(59, true), (60, false)] {
        let step = searching(Precheck::Key, IfActive::Start).searched(seconds(elapsed), Err(lost()));
        assert_eq!(matches!(step, StartStep::Search { .. }), again, "{elapsed}: {step:?}");
        assert_eq!(
            matches!(step, StartStep::Ended(StartEnd::Refused(Error::Unanswered { .. }))),
            !again,
            "{elapsed}: {step:?}"
        );
    }
    // Twice as long after a start that was lost at 1.
    for (elapsed, again) in [(120, true), (121, false)] {
        let step = unanswered().searched(seconds(elapsed), Err(lost()));
        assert_eq!(matches!(step, StartStep::Search { .. }), again, "{elapsed}: {step:?}");
    }
}

#[test]
fn searches_pause_longer_each_time_or_as_github_asks() {
    let mut machine = machine(&["a"]);
    let pause = |step: StartStep| match step {
        StartStep::Search { pause, .. } => pause,
        other => panic!("{other:?}"),
    };
    let asking = |wait: Duration| Error::Unanswered { why: "status 503".to_owned(), retry_after: Some(wait) };
    let mut pauses = vec![pause(machine.answered(seconds(1), Err(lost())))];
    pauses.extend((0..4).map(|_| pause(machine.searched(seconds(2), seen(&[])))));
    assert_eq!(pauses, [1, 2, 4, 8, 8].map(seconds));
    for (asked, slept) in [(seconds(5), seconds(8)), (seconds(20), seconds(20)), (Duration::MAX, MAX_LIMIT_WAIT)] {
        assert_eq!(pause(machine.searched(seconds(2), Err(asking(asked)))), slept);
    }
}

#[test]
fn search_ends_at_the_task_that_decides() {
    for (machine, task, decides) in [
        (searching(Precheck::Key, IfActive::Start), ours("t-1", "queued"), true),
        (searching(Precheck::Key, IfActive::Start), ours("t-1", "failed"), false),
        (searching(Precheck::Key, IfActive::Start), kin("t-1", "queued"), false),
        (searching(Precheck::Rollout, IfActive::Start), ours("t-1", "failed"), true),
        // Another active task may prevent the start.
        (searching(Precheck::Nothing, IfActive::Skip), ours("t-1", "queued"), false),
        (unanswered(), ours("t-1", "failed"), true),
        (unanswered(), kin("t-1", "queued"), false),
    ] {
        let candidate = Candidate { task, read: true, age: Some(seconds(1)) };
        assert_eq!(machine.is_settled_by(&candidate), decides, "{candidate:?} {machine:?}");
    }
}

#[test]
fn task_of_an_unknown_creator_is_not_taken_for_ours() {
    let (own, other) = (ours("t-1", "in_progress"), kin("t-1", "in_progress"));
    let unrelated = task("t-1", "in_progress", Some(&marker("other", "other/job").put_under("x")), 1);
    let mut shown = String::new();
    for (name, if_active, task) in [
        ("same name, skip", IfActive::Skip, &other),
        ("same name, attach", IfActive::Attach, &other),
        ("same key, skip", IfActive::Skip, &own),
        ("another name, attach", IfActive::Attach, &unrelated),
    ] {
        let mut machine = StartMachine::new(options(Precheck::Nothing, if_active), &[None], Duration::ZERO);
        machine.begin();
        let step = match machine.searched(seconds(60), seen(&[(task.clone(), 60)])) {
            StartStep::Ended(StartEnd::Declined(..)) => "declined".to_owned(),
            StartStep::Send(..) => "sent".to_owned(),
            StartStep::Ended(StartEnd::Undecided(why)) => why,
            other => panic!("{name}: {other:?}"),
        };
        shown += &format!("{name}: {step}\n");
    }
    insta::assert_snapshot!(shown, @"
    same name, skip: declined
    same name, attach: GitHub does not show the prompt of these tasks, or whose they are, and one of them may be it: https://github.com/octo/app/tasks/t-1. Check them before starting another
    same key, skip: GitHub does not show the prompt of these tasks, or whose they are, and one of them may be it: https://github.com/octo/app/tasks/t-1. Check them before starting another
    another name, attach: sent
    ");
}

#[test]
fn active_task_of_another_user_is_named_with_its_scope() {
    let theirs = task("t-1", "in_progress", Some(&marker("other", "weekly/prep").put_under("x")), 2);
    let whys = ActiveScope::ALL.map(|(active_scope, _)| {
        let options = StartOptions { active_scope, ..options(Precheck::Nothing, IfActive::Attach) };
        let mut machine = StartMachine::new(options, &[None], Duration::ZERO);
        machine.begin();
        machine.set_user(Some(1));
        match machine.searched(seconds(1), seen(&[(theirs.clone(), 5)])) {
            StartStep::Ended(StartEnd::Undecided(why)) => why,
            other => panic!("{other:?}"),
        }
    });
    insta::assert_snapshot!(whys.join("\n"), @"
    the active task of the same job is another user's: https://github.com/octo/app/tasks/t-1
    the active task of the same class is another user's: https://github.com/octo/app/tasks/t-1
    the active task of the repository is another user's: https://github.com/octo/app/tasks/t-1
    ");
}

#[test]
fn hidden_task_after_an_open_start_may_be_its_own() {
    let options = StartOptions { active_scope: ActiveScope::Repository, ..options(Precheck::Nothing, IfActive::Skip) };
    let mut machine = StartMachine::new(options, &[None], Duration::ZERO);
    machine.begin();
    machine.set_user(Some(1));
    assert!(matches!(machine.searched(seconds(0), seen(&[])), StartStep::Send(..)));
    machine.answered(seconds(1), Err(lost()));
    let hidden = task("t-1", "queued", None, 1);
    assert!(matches!(machine.searched(seconds(2), seen(&[(hidden.clone(), 1)])), StartStep::Search { .. }));
    assert!(matches!(machine.searched(seconds(61), seen(&[(hidden, 60)])), StartStep::Ended(StartEnd::Unconfirmed(_))));
}
