//! The simulator as a program: `simulator [--listen ADDRESS] [--scenario FILE] [--log FILE]`.
//!
//! Its first line of output is the base address to send requests to. It serves until it is killed.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::ExitCode;

use simulator::{Simulator, serve};

const USAGE: &str = "usage: simulator [--listen 127.0.0.1:0] [--scenario file.json] [--log file.jsonl]";

/// The options of the program.
struct Options {
    listen: String,
    scenario: Option<String>,
    log: Option<String>,
}

impl Options {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let mut options = Options { listen: "127.0.0.1:0".to_owned(), scenario: None, log: None };
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("`{name}` needs a value\n{USAGE}"));
            match name.as_str() {
                "--listen" => options.listen = value()?,
                "--scenario" => options.scenario = Some(value()?),
                "--log" => options.log = Some(value()?),
                _ => return Err(format!("unknown option `{name}`\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nothing can be done about a standard error stream that takes nothing.
            let _ = writeln!(std::io::stderr(), "simulator: {why}");
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, with files of its own")]
fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let simulator = match &options.scenario {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|why| format!("`{path}`: {why}"))?;
                let scenario = serde_json::from_str(&text).map_err(|why| format!("`{path}`: {why}"))?;
                Simulator::from_scenario(scenario).map_err(|why| format!("`{path}`: {why}"))?
            }
            None => Simulator::new(),
        };
        if let Some(path) = &options.log {
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            keep_log(&simulator, file);
        }
        let listener = tokio::net::TcpListener::bind(&options.listen).await?;
        let mut out = std::io::stdout();
        writeln!(out, "http://{}", listener.local_addr()?)?;
        out.flush()?;
        serve(listener, simulator).await?;
        Ok(())
    })
}

/// Appends each request to the file when it happens, so that nothing is lost when we are killed.
fn keep_log(simulator: &Simulator, mut file: File) {
    simulator.observe(move |call| {
        if let Ok(line) = serde_json::to_string(call) {
            // One write per line keeps the lines of several writers apart. A full disk is no
            // reason to stop answering.
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    });
}
