//! Measures what this program costs, and what people use instead, and writes it into `docs/performance.md`:
//!
//! ```text
//! AGENT_TASK_BINARY=PATH cargo bench --bench numbers
//! AGENT_TASK_BINARY=PATH cargo bench --bench numbers -- --quick
//! ```
//!
//! PATH is a static build, as a release has it. The second form leaves a clean build out, and shows what it has measured
//! without writing it down.
//!
//! All of them talk to the same simulator of GitHub over loopback, in the same run. It needs bash, curl, jq, Node,
//! Python, binutils, BusyBox, gzip and xz, leaves out `gh` if it is not installed, and takes about four minutes.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark has its own files, processes and clocks"
)]

mod contenders;
mod measure;
mod size;
mod step;
mod waiting;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::contenders::{Contender, Figures};
use crate::size::Sizes;
use crate::step::{Action, Installation, Shell};
use crate::waiting::PAUSES;

/// The argument that leaves out what takes minutes.
const QUICK: &str = "--quick";
/// How often everybody starts a task, and starts and waits for one.
const ROUNDS: (usize, usize) = (30, 8);
/// How often the action runs with nothing installed, and as often with something.
const STEPS: usize = 40;
/// How large a crate's share must be to be named, in bytes.
const NAMED: u64 = 15_000;
/// What surrounds the text that is written.
const MARKS: [&str; 2] = ["<!-- numbers: begin -->\n", "<!-- numbers: end -->\n"];

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let done = match arguments.split_first() {
        Some((first, command)) if first == measure::METER => measure::meter(command),
        _ => numbers(arguments.iter().any(|argument| argument == QUICK)),
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("numbers: {why:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures everything and writes it down; with `quick` all but the build, and only to be looked at.
fn numbers(quick: bool) -> anyhow::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("numbers");
    let scratch = cache.join("run");
    std::fs::create_dir_all(&scratch)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (binary, which) = binary()?;

    eprintln!("numbers: {which}");
    let sizes = Sizes::of(&binary)?;
    let contenders = contenders::contenders(&binary, sizes.gzip, &cache)?;
    eprintln!("numbers: one start");
    let start = contenders::race(&runtime, &contenders, false, ROUNDS.0, &scratch)?;
    eprintln!("numbers: one start, and three polls");
    let wait = contenders::race(&runtime, &contenders, true, ROUNDS.1, &scratch)?;
    eprintln!("numbers: the action's step");
    let action = Action::releasing(&binary, &scratch, &runtime)?;
    let [cold, warm] = [true, false].map(|cold| {
        let mut times = (0..STEPS).map(|_| action.overhead(&runtime, cold)).collect::<anyhow::Result<Vec<_>>>()?;
        times.sort_unstable();
        anyhow::Ok(times[STEPS / 2])
    });
    let shells = Shell::all(&cache.join("busybox"))?;
    let installations =
        shells.iter().map(|shell| Installation::median(&action, shell, STEPS)).collect::<anyhow::Result<Vec<_>>>()?;
    eprintln!("numbers: waiting, in virtual time");
    let (ours, theirs) = waiting::waits()?;
    let (linked, others) = size::crates()?;

    let mut table = Table::new(&contenders);
    table.costs("One start", &start);
    table.costs("One start and three polls", &wait);
    let lines = contenders.iter().map(|it| Ok(it.lines()?.map_or_else(|| "a step".to_owned(), |it| it.to_string())));
    table.row("Lines to keep", lines.collect::<anyhow::Result<Vec<_>>>()?);
    let downloaded = |it: &Contender| it.downloaded.map_or_else(|| "nothing".to_owned(), bytes);
    table.row("What a job downloads", contenders.iter().map(downloaded).collect());
    table.ours("The binary", &bytes(sizes.plain));
    table.ours("The binary, by `gzip -9`", &bytes(sizes.gzip));
    table.ours("The binary, by `xz -9e`", &bytes(sizes.xz));
    table.ours("Crates in it, and others to build it", &format!("{linked}, {others}"));
    table.ours("Step until the start arrives, binary to be fetched", &milliseconds(cold?));
    table.ours("Step until the start arrives, binary there", &milliseconds(warm?));
    let mut processor = |what: &str, of: &dyn Fn(&Installation) -> Duration| {
        let cells = installations.iter().map(|it| milliseconds(of(it))).collect::<Vec<_>>();
        table.ours(&format!("Processor of {what}"), &cells.join(" / "));
    };
    processor("the binary's hash alone", &|it| it.hash);
    processor("the installation above the hash, binary to be fetched", &|it| it.cold.saturating_sub(it.hash));
    processor("the installation above the hash, binary there", &|it| it.warm.saturating_sub(it.hash));
    processor("`curl \\| tar` for the same binary, without a check", &|it| it.piped);
    let pauses = PAUSES.map(|pause| pause.to_string()).join(" / ");
    let each = |of: &dyn Fn(&waiting::Wait) -> String| {
        [of(&ours), format!("{} at {pauses} s", theirs.iter().map(of).collect::<Vec<_>>().join(" / "))]
    };
    table.both("Requests that count, per hour of waiting", each(&|wait| format!("{:.0}", wait.per_hour())));
    table.both("Seconds until a change is noticed, on average", each(&|wait| format!("{:.1}", wait.late())));
    table.both("Seconds until a change is noticed, at most", each(&|wait| format!("{:.1}", wait.latest())));

    if quick {
        return Ok(table.text);
    }
    eprintln!("numbers: a clean build");
    let build = cache.join("build");
    table.ours("Clean build", &format!("{:.0} s", size::clean_build(&build)?.as_secs_f64()));
    let shares = size::by_crate(&build.join("release/agent-task"))?;
    let text = format!("{}\n{}\n{}", facts(&contenders, &which)?, table.text, list(&shares));
    write(&root.join("docs/performance.md"), &text)?;
    Ok(text)
}

/// The binary that is measured: that of `AGENT_TASK_BINARY`, or else the one of `cargo bench`, which is not static.
fn binary() -> anyhow::Result<(PathBuf, String)> {
    let Some(given) = std::env::var_os("AGENT_TASK_BINARY") else {
        return Ok((
            PathBuf::from(env!("CARGO_BIN_EXE_agent-task")),
            "the binary of `cargo bench`, linked dynamically".to_owned(),
        ));
    };
    Ok((std::fs::canonicalize(given)?, "the binary of `AGENT_TASK_BINARY`".to_owned()))
}

/// When, where and with what.
fn facts(contenders: &[Contender], which: &str) -> anyhow::Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |it| it.1);
    let cores = std::thread::available_parallelism()?;
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux").trim_matches('"');
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let versions = contenders.iter().map(|it| it.versions.as_str()).collect::<Vec<_>>().join("; ");
    Ok(format!(
        "Made on {} by `cargo bench --bench numbers`, on {cores} cores of {cpu}, {system}, load {load} at the end, with \
         {}. Measured was {which}. {versions}.\n",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        contenders::version(&["rustc", "--version"])?,
    ))
}

struct Table {
    text: String,
    width: usize,
}

impl Table {
    fn new(contenders: &[Contender]) -> Self {
        let names = contenders.iter().map(|it| it.name).collect::<Vec<_>>();
        let width = names.len();
        Self { text: format!("| | {} |\n|---|{}\n", names.join(" | "), "---:|".repeat(width)), width }
    }

    fn row(&mut self, what: &str, cells: Vec<String>) {
        self.text.push_str(&format!("| {what} | {} |\n", cells.join(" | ")));
    }

    /// A row that says nothing of the others.
    fn ours(&mut self, what: &str, cell: &str) {
        let mut cells = vec![String::new(); self.width];
        cell.clone_into(&mut cells[0]);
        self.row(what, cells);
    }

    /// A row that says the same of all others.
    fn both(&mut self, what: &str, [ours, theirs]: [String; 2]) {
        let mut cells = vec![theirs; self.width];
        cells[0] = ours;
        self.row(what, cells);
    }

    fn costs(&mut self, what: &str, figures: &[Figures]) {
        let mut row = |of: &str, cell: &dyn Fn(&Figures) -> String| {
            self.row(&format!("{what}: {of}"), figures.iter().map(cell).collect());
        };
        row("wall", &|it| milliseconds(it.cost.wall));
        row("processor", &|it| milliseconds(it.cost.cpu));
        row("most memory", &|it| format!("{:.1} MB", it.cost.memory as f64 / 1e6));
        row("requests", &|it| it.requests.to_string());
        row("bytes sent", &|it| it.bytes.to_string());
    }
}

/// The crates by their share of the code and the named tables.
fn list(shares: &[(String, u64)]) -> String {
    let (named, others): (Vec<_>, Vec<_>) = shares.iter().partition(|(_, size)| *size >= NAMED);
    let rest = others.iter().map(|(_, size)| size).sum::<u64>();
    let named = named.iter().map(|(name, size)| format!("{name} {:.0} kB", *size as f64 / 1e3));
    let all = named.chain([format!("{} others {:.0} kB", others.len(), rest as f64 / 1e3)]).collect::<Vec<_>>();
    format!("Where the binary's bytes are, by the crates in the names of its symbols: {}.\n", all.join(", "))
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..100_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.2} MB", bytes as f64 / 1e6),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Puts the text between the marks of a page.
fn write(page: &Path, text: &str) -> anyhow::Result<()> {
    let old = std::fs::read_to_string(page)?;
    let parts = old.split_once(MARKS[0]).and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
    let Some((before, after)) = parts else { anyhow::bail!("{} has not the marks {MARKS:?}", page.display()) };
    std::fs::write(page, format!("{before}{}{text}{}{after}", MARKS[0], MARKS[1]))?;
    Ok(())
}
