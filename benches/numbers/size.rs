//! What is downloaded, and where its bytes come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// The target of the binary that is released for x86-64 Linux.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// The sizes of a binary in bytes.
pub(crate) struct Sizes {
    /// As it is run.
    pub(crate) plain: u64,
    /// Packed by `gzip -9`, as a job downloads it.
    pub(crate) gzip: u64,
    /// Packed by `xz -9e`.
    pub(crate) xz: u64,
}

impl Sizes {
    /// Measures a binary.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn of(binary: &Path) -> anyhow::Result<Self> {
        let packed = |command: &[&str]| {
            let input = std::fs::File::open(binary)?;
            let output = Command::new(command[0]).args(&command[1..]).stdin(input).stderr(Stdio::inherit()).output()?;
            anyhow::ensure!(output.status.success(), "{command:?} fails");
            anyhow::Ok(output.stdout.len() as u64)
        };
        Ok(Self {
            plain: std::fs::metadata(binary)?.len(),
            gzip: packed(&["gzip", "-9c"])?,
            xz: packed(&["xz", "-9ec"])?,
        })
    }
}

/// How many crates the binary is made of, and how many more its build needs.
///
/// # Errors
/// If cargo fails.
pub(crate) fn crates() -> anyhow::Result<(usize, usize)> {
    let count = |edges: &str| {
        let flags = ["tree", "--locked", "--edges", edges, "--prefix", "none", "--format", "{p}", "--target", TARGET];
        let output = Command::new(env!("CARGO")).args(flags).current_dir(env!("CARGO_MANIFEST_DIR")).output()?;
        anyhow::ensure!(output.status.success(), "cargo tree fails: {}", String::from_utf8_lossy(&output.stderr));
        let listed = String::from_utf8(output.stdout)?;
        let all = listed.lines().map(|line| line.trim_end_matches(" (*)").trim_end_matches(" (proc-macro)"));
        // The first line is this package itself.
        anyhow::Ok(all.skip(1).collect::<BTreeSet<_>>().len())
    };
    let linked = count("normal,no-proc-macro")?;
    let all = count("normal,build")?;
    Ok((linked, all - linked))
}

/// Builds the program anew, with the names in it, and says how long that took.
///
/// # Errors
/// If it cannot be built.
pub(crate) fn clean_build(folder: &Path) -> anyhow::Result<Duration> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let began = Instant::now();
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--offline", "--bin", "agent-task", "--target-dir"])
        .arg(folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .output()?;
    let took = began.elapsed();
    anyhow::ensure!(output.status.success(), "the build fails: {}", String::from_utf8_lossy(&output.stderr));
    Ok(took)
}

/// How many bytes of a binary that has its names bear that of each crate, most first. What a crate's generic code is
/// made into belongs to the crate that it is made for, as far as the name shows.
///
/// # Errors
/// If `nm` is not there.
pub(crate) fn by_crate(binary: &Path) -> anyhow::Result<Vec<(String, u64)>> {
    let flags = ["--print-size", "--defined-only", "--demangle"];
    let output = Command::new("nm").args(flags).arg(binary).output().context("`nm`")?;
    anyhow::ensure!(output.status.success(), "nm fails: {}", String::from_utf8_lossy(&output.stderr));
    let mut sizes = BTreeMap::<String, u64>::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut words = line.splitn(4, ' ');
        let (Some(_), Some(size), Some(kind), Some(symbol)) = (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        // What is zero at the beginning takes no room in the file.
        if let (Ok(size), false) = (u64::from_str_radix(size, 16), matches!(kind, "b" | "B")) {
            *sizes.entry(owner(symbol)).or_default() += size;
        }
    }
    let mut sizes = sizes.into_iter().collect::<Vec<_>>();
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    Ok(sizes)
}

/// The crate that a symbol is counted for.
fn owner(symbol: &str) -> String {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut standard = None;
    let mut rest = symbol;
    // Every path in the name begins with a crate, and is not the continuation of another path.
    while let Some(at) = rest.find("::") {
        let before = &rest[..at];
        // A crate's hash follows its name in brackets.
        let before = before.strip_suffix(']').and_then(|text| Some(text.rsplit_once('[')?.0)).unwrap_or(before);
        let name = before.rsplit(|other| !letter(other)).next().unwrap_or_default();
        let begins = !before[..before.len() - name.len()].ends_with("::");
        if begins && name.starts_with(|first: char| first.is_ascii_lowercase()) {
            if !matches!(name, "core" | "alloc" | "std") {
                return name.to_owned();
            }
            standard = standard.or(Some("the standard library"));
        }
        rest = &rest[at + 2..];
        // The rest of this path belongs to it.
        let path = rest.find(|other| !letter(other) && other != ':').unwrap_or(rest.len());
        rest = &rest[path..];
    }
    let other = || match symbol {
        // The two tables are the largest of what ring has in C, whose names have no prefix.
        _ if symbol.contains("ring_core") || symbol.contains("nistz256") => "ring, in C and assembly",
        _ => "other code in C, and names that show nothing",
    };
    standard.unwrap_or_else(other).to_owned()
}
