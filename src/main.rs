//! The process: environment in, exit code out.

use std::process::ExitCode;

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::actions::signal;
use agent_task::actions::signal::Signals;
use agent_task::github::client::GitHub;
use agent_task::report::crash;
use agent_task::task::conclusion::Exit;

const HELP: &str = "\
agent-task starts a GitHub Copilot cloud agent task, waits for it if asked, and returns its pull request number.

It takes no arguments: inputs come from the environment as INPUT_<NAME>, for example

  INPUT_TOKEN=github_pat_… INPUT_REPOSITORY=owner/name INPUT_PROMPT='Fix the flaky test' INPUT_WAIT=true agent-task

INPUT_DRY_RUN=true shows what would be sent and sends nothing.
INPUT_COMMAND=doctor checks token, settings and prompts, and starts nothing.
INPUT_COMMAND=report reports on the tasks of the last weeks.";

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        None => {}
        Some("--version" | "-V") => {
            return answer(concat!("agent-task ", env!("CARGO_PKG_VERSION")));
        }
        Some("--help" | "-h") => return answer(HELP),
        Some(_) => {
            #[expect(clippy::print_stderr, reason = "the log is not set up yet")]
            {
                eprintln!("agent-task takes no arguments; see `agent-task --help`");
            }
            return ExitCode::from(Exit::BadInput.code());
        }
    }
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    let environment = std::env::vars_os().collect::<Environment>();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the log is not set up yet")]
            {
                eprintln!("agent-task cannot wait for anything on this machine: {error}");
            }
            return ExitCode::from(Exit::Unreachable.code());
        }
    };
    end_on_panic(environment.clone());
    let signals = end_on_signal(environment.clone());
    let exit = runtime.block_on(async {
        let host = Host::new(&environment).with_signals(signals);
        agent_task::run(&environment, &host, GitHub::connect).await
    });
    // A name that is still being looked up would be waited for otherwise, also by a process that has received a signal to end.
    runtime.shutdown_background();
    ExitCode::from(exit.code())
}

/// Lets a signal end the process as long as no command acts. A thread of its own waits for it, because a template can keep
/// the other one busy.
fn end_on_signal(environment: Environment) -> Signals {
    let signals = Signals::default();
    // Without it, a signal ends the process as the system does.
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() {
        let received = {
            let _entered = runtime.enter();
            signal::received()
        };
        let noted = signals.clone();
        std::thread::spawn(move || {
            let signal = runtime.block_on(received);
            if !noted.note(signal) {
                let exit = agent_task::interrupted(&environment, signal);
                #[expect(clippy::disallowed_methods, reason = "nothing returns from here")]
                std::process::exit(exit.code().into())
            }
        });
    }
    signals
}

/// Lets a panic on any thread end the process as a failed step. A release build cannot unwind, see `build.rs`, so this is
/// the last code that runs.
fn end_on_panic(environment: Environment) {
    std::panic::set_hook(Box::new(move |panic| {
        crash::report(&environment, panic.location());
        #[expect(clippy::disallowed_methods, reason = "nothing returns from here")]
        std::process::exit(Exit::Concluded.code().into())
    }));
}

fn answer(text: &str) -> ExitCode {
    #[expect(clippy::print_stdout, reason = "the log is not set up yet")]
    {
        println!("{text}");
    }
    ExitCode::SUCCESS
}
