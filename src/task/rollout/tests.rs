use proptest::prelude::*;

use super::*;

fn rules(waves: &str, success: &str, attempts: usize) -> RolloutRules {
    RolloutRules {
        name: "baseline".to_owned(),
        waves: waves.parse().unwrap(),
        success: success.parse().unwrap(),
        advance_on: AdvanceOn::Merged,
        attempts,
        stall_after: Duration::from_secs(3 * 24 * 3600),
        on_change: OnChange::Stop,
    }
}

/// An entry by its tasks: a digit for the wave, then a letter for each of them.
fn member(text: &str) -> Member {
    let standing = |letter: char| match letter {
        's' => Standing::Succeeded,
        'r' => Standing::Running,
        'w' => Standing::Waiting("review".to_owned()),
        'f' => Standing::Failed("it failed".to_owned()),
        'u' => Standing::Unknown("it is hidden".to_owned()),
        other => panic!("{other}"),
    };
    let wave = text.chars().next().and_then(|digit| digit.to_digit(10)).unwrap_or(1) as usize;
    let tasks = text.chars().filter(char::is_ascii_lowercase);
    let tasks = tasks.map(|letter| RolloutTask { wave, standing: standing(letter), since: None });
    Member { tasks: tasks.collect(), is_skipped: text == "-", refused: None }
}

/// The state, and a letter with the wave of each entry.
fn shown(decision: &Decision) -> String {
    let letter = |status: Status| match status {
        Status::Queued => "q",
        other => &other.as_str()[..1],
    };
    let places = decision.places.iter().map(|(wave, status)| format!("{wave}{}", letter(*status)));
    format!("{} {}", decision.state, places.collect::<Vec<_>>().join(" "))
}

#[test]
fn rollout_goes_from_wave_to_wave() {
    for (waves, success, attempts, members, expected) in [
        // Nothing has begun, the first is at work, waits, is a success, and has failed.
        ("1, 2, *", "100%", 1, "_ _ _ _", "running 1d 2q 2q 3q"),
        ("1, 2, *", "100%", 1, "1r _ _ _", "running 1r 2q 2q 3q"),
        ("1, 2, *", "100%", 1, "1w _ _ _", "waiting 1w 2q 2q 3q"),
        ("1, 2, *", "100%", 1, "1s _ _ _", "running 1s 2d 2d 3q"),
        ("1, 2, *", "100%", 1, "1f _ _ _", "stopped 1f 2q 2q 3q"),
        // A second attempt, and the end of it.
        ("1, 2, *", "100%", 2, "1f _ _ _", "running 1d 2q 2q 3q"),
        ("1, 2, *", "100%", 2, "1ff _ _ _", "stopped 1f 2q 2q 3q"),
        ("1, 2, *", "100%", 2, "1fs _ _ _", "running 1s 2d 2d 3q"),
        // A person continues the task that had failed, and either of both is a success.
        ("1, 2, *", "100%", 2, "1rf _ _ _", "running 1r 2q 2q 3q"),
        ("1, 2, *", "100%", 2, "1sr _ _ _", "running 1s 2d 2d 3q"),
        // The share is reached, or can no longer be.
        ("1, 4, *", "75%", 1, "1s 2s 2s 2s 2w _", "running 1s 2s 2s 2s 2w 3d"),
        ("1, 4, *", "75%", 1, "1s 2f 2s 2s 2w _", "waiting 1s 2f 2s 2s 2w 3q"),
        ("1, 4, *", "75%", 1, "1s 2f 2f 2s 2r _", "stopped 1s 2f 2f 2s 2r 3q"),
        // The end, with a failure inside of the share, and with what is still open.
        ("1, *", "50%", 1, "1s 2s 2f", "done 1s 2s 2f"),
        ("1, *", "50%", 1, "1s 2s 2w", "waiting 1s 2s 2w"),
        ("1, *", "50%", 1, "1s 2s 2r", "running 1s 2s 2r"),
        ("1, *", "50%", 2, "1s 2s 2f", "running 1s 2s 2d"),
        ("*", "100%", 1, "", "done "),
        // What is skipped counts neither way.
        ("1, *", "100%", 1, "- _ _", "running 1s 1d 2q"),
        ("2, *", "100%", 1, "- 1s _ _", "running 1s 1s 1d 2q"),
        ("2, *", "100%", 1, "- -", "done 1s 1s"),
        // What cannot be read keeps everything from being started, and is not the end.
        ("1, *", "0%", 1, "1u _", "waiting 1u 2q"),
        ("1, *", "50%", 1, "1s 2s 2u", "waiting 1s 2s 2u"),
        ("2, *", "100%", 2, "1u 1f _", "waiting 1u 1q 2q"),
        // A wave that was reached and is so no more keeps the next from going on.
        ("1, *", "100%", 1, "1w 2s _", "waiting 1w 2s 2q"),
        ("1, *", "100%", 1, "1f 2s _", "stopped 1f 2s 2q"),
        // The order of the list does not matter for what was started, and new entries join the last wave.
        ("1, 2, *", "100%", 1, "_ 2r _ 1s 2r", "running 3q 2r 3q 1s 2r"),
        ("1, 2", "100%", 1, "_ 1s 2r 2r", "running 2d 1s 2r 2r"),
        ("1, 2", "100%", 1, "_ 1s 2s 2s", "running 2d 1s 2s 2s"),
        // A wave that was interrupted is filled up; one that has fewer entries than waves has fewer waves.
        ("1, 3, *", "100%", 1, "1s _ 2r _ _ _", "running 1s 2d 2r 2d 3q 3q"),
        ("1, 5, *", "100%", 1, "1s _", "running 1s 2d"),
        // A canary that was removed is replaced.
        ("1, *", "100%", 1, "_ _", "running 1d 2q"),
        // Fewer waves than when it was started.
        ("*", "100%", 1, "3s 1s", "done 1s 1s"),
    ] {
        let members = members.split_whitespace().map(member).collect::<Vec<_>>();
        let decision = decide(&rules(waves, success, attempts), &members, false);
        assert_eq!(shown(&decision), expected, "{waves} at {success}, {attempts}: {members:?}");
    }
}

#[test]
fn changed_prompt_stops_what_would_be_started() {
    let stopped = |members: &str, on_change| {
        let members = members.split_whitespace().map(member).collect::<Vec<_>>();
        let decision = decide(&RolloutRules { on_change, ..rules("1, *", "100%", 1) }, &members, true);
        (decision.state, decision.stop)
    };
    assert_eq!(stopped("1s _", OnChange::Stop), (RolloutState::Stopped, Some(RolloutStop::Changed)));
    assert_eq!(stopped("1s _", OnChange::Continue), (RolloutState::Running, None));
    assert_eq!(stopped("1w _", OnChange::Stop), (RolloutState::Waiting, None));
    assert_eq!(stopped("1s 2s", OnChange::Stop), (RolloutState::Done, None));
    assert_eq!(stopped("1f _", OnChange::Stop), (RolloutState::Stopped, Some(RolloutStop::Wave(1))));
}

#[test]
fn refused_start_counts_as_failed() {
    let mut members = [member("1s"), member("_"), member("_")];
    members[1].refused = Some("archived".to_owned());
    assert_eq!(shown(&decide(&rules("1, *", "100%", 3), &members, false)), "stopped 1s 2f 2q");
    assert_eq!(shown(&decide(&rules("1, *", "50%", 3), &members, false)), "running 1s 2f 2d");
}

#[test]
fn leading_task_is_a_success_before_the_newest() {
    for (text, leading) in [("1fsf", Some(1)), ("1ff", Some(1)), ("1wr", Some(1)), ("1rw", Some(0)), ("_", None)] {
        assert_eq!(member(text).leading(), leading, "{text}");
    }
}

/// What happens between two runs.
#[derive(Debug, Clone)]
enum Happening {
    /// The open task of an entry fares like this from now on.
    Becomes(usize, char),
    /// A task that has settled is continued.
    Continued(usize),
    /// An entry joins the list at this place.
    Joins(usize),
    /// An entry leaves the list.
    Leaves(usize),
    /// The list is in another order.
    Turned,
    /// The run is killed after so many starts.
    Killed(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        12 => (0..12_usize, prop::sample::select(vec!['s', 's', 's', 'w', 'f', 'r', 'u'])).prop_map(|(at, how)| Happening::Becomes(at, how)),
        1 => (0..12_usize).prop_map(Happening::Continued),
        1 => (0..12_usize).prop_map(Happening::Joins),
        1 => (0..12_usize).prop_map(Happening::Leaves),
        1 => Just(Happening::Turned),
        2 => (0..3_usize).prop_map(Happening::Killed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// A rollout from run to run, with whatever happens between them.
    #[test]
    fn history_keeps_the_promises(
        waves in prop::sample::select(vec!["*", "1, *", "1, 3, *", "2, 2, 2, *", "12, 12"]),
        success in prop::sample::select(vec!["100%", "50%", "0%"]),
        attempts in 1..4_usize,
        count in 1..9_usize,
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let rules = rules(waves, success, attempts);
        // Each with a name of its own, so that it is known wherever it moves to.
        let mut list = (0..count).map(|name| (name, Member::default())).collect::<Vec<_>>();
        let mut names = count;
        for happening in happenings {
            let members = list.iter().map(|(_, member)| member.clone()).collect::<Vec<_>>();
            let decision = decide(&rules, &members, false);
            prop_assert_eq!(&decision, &decide(&rules, &members, false));
            let due = decision.due();
            if decision.state != RolloutState::Running {
                prop_assert!(due.is_empty());
            }
            if decision.state == RolloutState::Done {
                let is_over = |(_, it): &(usize, Status)| matches!(it, Status::Succeeded | Status::Failed | Status::Skipped);
                prop_assert!(decision.places.iter().all(is_over) && decision.waves.iter().all(|wave| wave.is_reached));
            }
            for (at, (wave, status)) in decision.places.iter().enumerate() {
                if let Some(first) = members[at].tasks.first() {
                    prop_assert_eq!(*wave, first.wave, "moved to another wave");
                }
                // Nothing is forgotten: what has no success and no end is shown as something that is.
                let open = !members[at].tasks.iter().any(|task| task.standing == Standing::Succeeded);
                prop_assert!(*status != Status::Succeeded || !open);
            }
            let mut left = if let Happening::Killed(left) = happening { left } else { usize::MAX };
            for at in due {
                let (wave, _) = decision.places[at];
                let tasks = &members[at].tasks;
                prop_assert!(tasks.len() < attempts, "more tasks than attempts");
                prop_assert!(tasks.iter().all(|task| matches!(task.standing, Standing::Failed(_))), "a second task");
                let reached = decision.waves.iter().filter(|it| it.number < wave).all(|it| it.is_reached);
                prop_assert!(reached, "started before an earlier wave reached its share");
                if left == 0 {
                    break;
                }
                left -= 1;
                list[at].1.tasks.push(RolloutTask { wave, standing: Standing::Running, since: None });
            }
            match happening {
                Happening::Becomes(at, how) => {
                    let open = |task: &&mut RolloutTask| !matches!(task.standing, Standing::Succeeded | Standing::Failed(_));
                    if let Some(task) = list.get_mut(at).and_then(|(_, it)| it.tasks.iter_mut().find(open)) {
                        task.standing = member(&how.to_string()).tasks.remove(0).standing;
                    }
                }
                Happening::Continued(at) => {
                    let failed = |task: &&mut RolloutTask| matches!(task.standing, Standing::Failed(_));
                    if let Some(task) = list.get_mut(at).and_then(|(_, it)| it.tasks.iter_mut().find(failed)) {
                        task.standing = Standing::Running;
                    }
                }
                Happening::Joins(at) => {
                    list.insert(at.min(list.len()), (names, Member::default()));
                    names += 1;
                }
                Happening::Leaves(at) if at < list.len() => drop(list.remove(at)),
                Happening::Turned => list.reverse(),
                Happening::Leaves(_) | Happening::Killed(_) => {}
            }
        }
        // Once everything goes well, the rollout ends, unless it has stopped.
        for _ in 0..40 {
            for (_, member) in &mut list {
                member.tasks.iter_mut().filter(|it| !matches!(it.standing, Standing::Failed(_))).for_each(|it| it.standing = Standing::Succeeded);
            }
            let members = list.iter().map(|(_, member)| member.clone()).collect::<Vec<_>>();
            let decision = decide(&rules, &members, false);
            for at in decision.due() {
                list[at].1.tasks.push(RolloutTask { wave: decision.places[at].0, standing: Standing::Running, since: None });
            }
        }
        let members = list.into_iter().map(|(_, member)| member).collect::<Vec<_>>();
        let last = decide(&rules, &members, false);
        prop_assert!(matches!(last.state, RolloutState::Done | RolloutState::Stopped), "{:?}", last);
        prop_assert!(last.state == RolloutState::Done || last.stop.is_some());
    }
}
