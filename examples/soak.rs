//! Waits for one task for a day, with one poll in a hundred failing, and prints what that costs.
//!
//! ```text
//! cargo run --release --example soak
//! ```
//!
//! The day is virtual: time jumps from one event to the next, so that it takes seconds. The simulator of the tests
//! replaces GitHub, in the same process. Its log of requests grows all day, so the share of the log in the memory is
//! printed as well.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::github::client::GitHub;
use agent_task::task::conclusion::Exit;
use simulator::{Call, Fault, Route, Script, Simulator};

/// How long the task takes.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// After this time everything that the program does only once is done.
const HOUR: Duration = Duration::from_secs(3600);
/// How many of a thousand polls fail.
const FAULTS_IN_A_THOUSAND: u32 = 10;
/// The seed, so that each day is the same.
const SEED: u64 = 20_261_120;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let exit = match runtime {
        Ok(runtime) => runtime.block_on(soak()),
        Err(why) => {
            say("no runtime", &why.to_string());
            return ExitCode::FAILURE;
        }
    };
    ExitCode::from(exit.code())
}

/// The faults of a poll. One of them is a refusal: a single one does not end a wait.
fn faults() -> Vec<Fault> {
    let seconds = Duration::from_secs;
    vec![
        Fault::status(500),
        Fault::status(502).html(),
        Fault::status(503).header("retry-after", "20"),
        Fault::status(504).after_accepting(),
        Fault::status(401),
        Fault::status(403),
        Fault::status(404),
        Fault::drop(),
        Fault::drop().after_accepting(),
        Fault::unreachable(),
        Fault::cut_body(),
        Fault::garbage(),
        Fault::delay(seconds(20)),
        Fault::time_out(seconds(90)),
        Fault::rate_limit(seconds(30)),
        Fault::primary_limit(seconds(120)),
    ]
}

/// The figures of the day.
#[derive(Default)]
struct Tally {
    requests: u64,
    polls: u64,
    unchanged: u64,
    counted: u64,
    met: BTreeMap<String, u64>,
    /// The process's memory after the first hour, when everything that is allocated once is allocated, and the log's
    /// share.
    warm: Option<(u64, u64)>,
    log: u64,
}

impl Tally {
    fn add(&mut self, call: &Call) {
        self.requests += 1;
        self.log += size(call);
        if call.at >= HOUR && self.warm.is_none() {
            self.warm = resident().map(|bytes| (bytes, self.log));
        }
        self.counted += u64::from(call.counted);
        if is_poll(call) {
            self.polls += 1;
            self.unchanged += u64::from(call.status == Some(304));
        }
        if let Some(fault) = &call.fault {
            *self.met.entry(fault.clone()).or_default() += 1;
        }
    }
}

fn is_poll(call: &Call) -> bool {
    call.method == "GET" && call.path.contains("/tasks/")
}

async fn soak() -> Exit {
    let simulator = Simulator::new();
    simulator.default_script(
        Script::new()
            .state("queued", Duration::from_secs(60))
            .state("in_progress", DAY)
            .pull()
            .state("completed", HOUR),
    );
    let tally = Arc::new(Mutex::new(Tally::default()));
    watch(&simulator, &tally);

    let environment = environment();
    // This log is not read, and its memory must not be measured.
    let runner = Host::with_log(&environment, Box::new(std::io::sink()));
    let (real, virtual_) = (std::time::Instant::now(), tokio::time::Instant::now());
    let before = resident();
    let exit =
        agent_task::run(&environment, &runner, |address, token| Ok(GitHub::over(simulator.clone(), address, token)))
            .await;
    let after = resident();
    let (virtual_, real) = (virtual_.elapsed(), real.elapsed());

    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    say("exit code", &exit.code().to_string());
    say("virtual time", &format!("{:.2} h", virtual_.as_secs_f64() / 3600.0));
    say("real time", &format!("{:.1} s", real.as_secs_f64()));
    say("polls", &format!("{}, of which {} found nothing changed", tally.polls, tally.unchanged));
    say("requests", &format!("{}, of which {} counted against the rate limit", tally.requests, tally.counted));
    say("faults met", &tally.met.values().sum::<u64>().to_string());
    for (fault, count) in &tally.met {
        say("", &format!("{count:>3} × {fault}"));
    }
    say("memory", &format!("{} at the start, {} at the end", actual(before), actual(after)));
    if let (Some((warm, log)), Some(after)) = (tally.warm, after) {
        let (grown, logged) = (after.saturating_sub(warm), tally.log - log);
        say("", &format!("{} after the first hour; since then {} more,", actual(Some(warm)), actual(Some(grown))));
        say("", &format!("of which about {} is the simulator's log of requests", actual(Some(logged))));
    }
    exit
}

/// Counts every request, and lets one poll in a hundred be followed by one that fails.
fn watch(simulator: &Simulator, tally: &Arc<Mutex<Tally>>) {
    let (world, tally) = (simulator.clone(), Arc::clone(tally));
    let mut chance = fastrand::Rng::with_seed(SEED);
    let faults = faults();
    simulator.observe(move |call| {
        tally.lock().unwrap_or_else(PoisonError::into_inner).add(call);
        // Two refusals in a row are an answer and would end the wait, so no fault follows another.
        if is_poll(call) && call.fault.is_none() && chance.u32(0..1000) < FAULTS_IN_A_THOUSAND {
            let fault = chance.choice(&faults).cloned();
            fault.into_iter().for_each(|fault| world.fault(Route::Task, fault));
        }
    });
}

fn environment() -> Environment {
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "octo/app"),
        ("INPUT_TOKEN", "github_pat_simulated"),
        ("INPUT_PROMPT", "Take your time"),
        ("INPUT_CREATE_PULL_REQUEST", "true"),
        ("INPUT_WAIT", "true"),
        ("INPUT_WAIT_TIMEOUT", "25h"),
        ("INPUT_POLL_INTERVAL", "15s"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect()
}

/// The process's memory in bytes, where the system reports it.
fn resident() -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "an example that measures looks at its own process")]
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// About how much memory a request takes in the log: its entry and the texts in it, each with what an allocator puts
/// around it.
fn size(call: &Call) -> u64 {
    let text = |text: &str| (text.len() as u64).div_ceil(16) * 16 + 16;
    let pairs = |pairs: &[(String, String)]| {
        let entries = size_of_val(pairs) as u64;
        entries + 16 + pairs.iter().map(|(name, value)| text(name) + text(value)).sum::<u64>()
    };
    let options = [&call.authorization_kind, &call.token, &call.login, &call.fault];
    let options = options.into_iter().flatten().map(|it| text(it)).sum::<u64>();
    // A list doubles when it is full, so that a quarter of it is empty on average.
    let entry = size_of::<Call>() as u64 * 4 / 3;
    entry + text(&call.method) + text(&call.path) + options + pairs(&call.query) + pairs(&call.headers)
}

fn actual(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0))
}

fn say(what: &str, figure: &str) {
    // A figure that cannot be printed is not an error.
    let _ = writeln!(std::io::stdout(), "{what:<14} {figure}");
}
