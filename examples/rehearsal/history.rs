//! A year of tasks for the rehearsal of a report: several classes, two versions of a prompt, two models.

use std::time::Duration;

use agent_task::task::marker::{Key, Marker, template_hash};
use simulator::{
    ChangedFile, CheckRun, CommitContent, Effect, ExistingTask, OpenPull, PullContent, Repository, Review, Script,
    Settings, Simulator, Token,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
/// How many tasks there are in the year, about one a day.
const TASKS: u32 = 380;
/// The classes, each with its share of ten tasks.
const CLASSES: [(&str, &str, u32); 4] = [
    ("release-prep", "Prepare the release", 3),
    ("dependency-update", "Update the dependencies", 4),
    ("flaky-test", "Find out why a test is flaky", 2),
    ("docs", "Bring the documentation up to date", 1),
];
const REPOSITORIES: [&str; 5] = ["octo/catalogue", "octo/checkout", "octo/shipping", "octo/billing", "octo/search"];

/// Numbers that are the same in every rehearsal.
struct Dice(fastrand::Rng);

impl Dice {
    fn chance(&mut self, percent: u32) -> bool {
        self.0.u32(..100) < percent
    }

    fn span(&mut self, least: Duration, most: Duration) -> Duration {
        // The square makes short spans frequent and long ones rare, as they are.
        let part = self.0.f64();
        least + (most - least).mul_f64(part * part)
    }
}

/// Fills a simulated GitHub with a year of tasks of the token's owner.
pub(crate) fn add(simulator: &Simulator) {
    simulator.settings(|settings| *settings = Settings::documented());
    for name in REPOSITORIES {
        simulator.repository(name, Repository::default());
    }
    let mut dice = Dice(fastrand::Rng::with_seed(7));
    for number in 0..TASKS {
        let age = DAY * 362 * (TASKS - number) / TASKS;
        add_task(simulator, &mut dice, number, age);
    }
}

fn add_task(simulator: &Simulator, dice: &mut Dice, number: u32, age: Duration) {
    let mut share = dice.0.u32(..10);
    let class = CLASSES.iter().find(|(.., part)| {
        let found = share < *part;
        share = share.saturating_sub(*part);
        found
    });
    let (class, subject, _) = class.unwrap_or(&CLASSES[0]);
    // Version 8 came in the last quarter, and is better.
    let is_new = age < DAY * 90;
    let version = if is_new { "8" } else { "7" };
    let model = if dice.chance(60) { "claude-sonnet-4.6" } else { "gpt-5.4" };
    let repository = REPOSITORIES[dice.0.usize(..REPOSITORIES.len())];
    let marker = Marker {
        key: Key::over([number.to_string().as_str()]),
        name: format!("Agents/{class}"),
        class: (*class).to_owned(),
        version: version.to_owned(),
        template: template_hash(&format!("{class} {version}")),
        run: format!("https://github.com/{repository}/actions/runs/{}", 1000 + number),
        attempt: "1".to_owned(),
        actor: "mona".to_owned(),
        ..Marker::default()
    };
    // One of them tries what a title must not do.
    let subject = if number + 3 == TASKS { "<script>alert(1)</script>" } else { subject };
    let prompt = marker.put_under(&format!("{subject} of {repository}"));
    let body = serde_json::json!({"create_pull_request": true, "model": model});
    let script = script(dice, is_new, age);
    simulator.add_task(ExistingTask {
        repository: repository.to_owned(),
        creator: Token::default().id,
        prompt,
        body,
        age,
        script,
        ..ExistingTask::default()
    });
}

/// What happened to a task and its pull request.
fn script(dice: &mut Dice, is_new: bool, age: Duration) -> Script {
    let work = dice.span(4 * MINUTE, 55 * MINUTE);
    let begun = Script::new().state("queued", Duration::from_secs(5)).state("in_progress", MINUTE);
    if age < 4 * DAY && dice.chance(25) {
        return begun.pull().effect(Effect::Ask("Which of the two?".to_owned())).state("waiting_for_user", MINUTE);
    }
    let used = Effect::Usage(dice.0.u64(30..400) * 1_000_000_000);
    match dice.0.u32(..100) {
        0..5 => {
            return begun
                .wait(work)
                .effect(used)
                .effect(Effect::Error("The tests fail on main".to_owned()))
                .state("failed", MINUTE);
        }
        5..8 => return begun.wait(59 * MINUTE).effect(used).state("timed_out", MINUTE),
        8..10 => return begun.wait(work).state("cancelled", MINUTE),
        10..12 => return begun.effect(Effect::Branch).wait(work).effect(used).state("completed", MINUTE),
        _ => {}
    }
    let ready = begun.effect(Effect::Pull(OpenPull { content: Some(content(dice, is_new)), ..OpenPull::default() }));
    let ready = ready.wait(work).effect(Effect::Ready).effect(used).state("completed", MINUTE);
    let decided = dice.span(HOUR, 6 * DAY);
    match dice.0.u32(..100) {
        0..8 => ready,
        rest if rest < if is_new { 18 } else { 36 } => ready.wait(decided).effect(Effect::Close),
        _ => ready.wait(decided).effect(Effect::Merge),
    }
}

fn content(dice: &mut Dice, is_new: bool) -> PullContent {
    let lines = dice.0.u64(3..400);
    let files = (0..dice.0.usize(1..12)).map(|at| ChangedFile::modified(format!("src/part{at}.rs"), lines, lines / 3));
    let mut commits = vec![CommitContent::by_agent("Initial plan"), CommitContent::by_agent("Do it")];
    if dice.chance(if is_new { 18 } else { 40 }) {
        commits.push(CommitContent { message: "Repair it".to_owned(), ..CommitContent::default() });
    }
    let conclusion = if dice.chance(if is_new { 8 } else { 22 }) { "failure" } else { "success" };
    let review = Review::new("mona", "APPROVED", dice.span(20 * MINUTE, 2 * DAY));
    PullContent { commits, reviews: vec![review], ..PullContent::default() }.files(files).check(CheckRun::ending(
        "build",
        conclusion,
        8 * MINUTE,
    ))
}
