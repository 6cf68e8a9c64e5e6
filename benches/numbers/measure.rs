//! What one run of a program costs, as the kernel accounts for it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// The argument that makes this program a meter: it runs the rest of its arguments and says what that took.
pub(crate) const METER: &str = "--meter";

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// From before the program is started until after it has ended.
    pub(crate) wall: Duration,
    /// The processors' time, its children's included.
    pub(crate) cpu: Duration,
    /// The most memory that the program, or any one of its children, had at a time, in bytes.
    pub(crate) memory: u64,
}

impl Cost {
    /// The middle of each.
    pub(crate) fn median(costs: &[Self]) -> Self {
        fn middle<T: Ord + Copy>(costs: &[Cost], of: impl Fn(&Cost) -> T) -> Option<T> {
            let mut values = costs.iter().map(of).collect::<Vec<_>>();
            values.sort_unstable();
            values.get(values.len() / 2).copied()
        }
        Self {
            wall: middle(costs, |cost| cost.wall).unwrap_or_default(),
            cpu: middle(costs, |cost| cost.cpu).unwrap_or_default(),
            memory: middle(costs, |cost| cost.memory).unwrap_or_default(),
        }
    }
}

/// Runs a program in a process of our own that does nothing else: the kernel adds up what all children of a process
/// took, and counts the memory of the parent as the program's until that has begun.
///
/// # Errors
/// If the program does not end well.
pub(crate) fn run(command: &[String], environment: &[(String, String)], folder: &Path) -> anyhow::Result<Cost> {
    let meter = std::env::current_exe()?;
    let output = Command::new(meter)
        .arg(METER)
        .args(command)
        .env_clear()
        .envs(environment.iter().cloned())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let actual =
        || format!("{command:?} ended with {}: {said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    anyhow::ensure!(output.status.success(), "{}", actual());
    let figures = said.split_whitespace().map(str::parse::<u64>).collect::<Result<Vec<_>, _>>().with_context(actual)?;
    let [wall, cpu, memory] = figures[..] else { anyhow::bail!("{}", actual()) };
    Ok(Cost { wall: Duration::from_micros(wall), cpu: Duration::from_micros(cpu), memory })
}

/// Is that process: runs the program once, and says what it took in microseconds and bytes.
///
/// # Errors
/// If the program does not end well.
pub(crate) fn meter(command: &[String]) -> anyhow::Result<String> {
    let (program, arguments) = command.split_first().context("no program to run")?;
    let began = Instant::now();
    let output = Command::new(program).args(arguments).stdout(Stdio::null()).spawn()?.wait()?;
    let wall = began.elapsed();
    anyhow::ensure!(output.success(), "{program} ended with {output}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let cpu = micros(usage.user_time()) + micros(usage.system_time());
    Ok(format!("{} {cpu} {}", wall.as_micros(), usage.max_rss() * 1024))
}
