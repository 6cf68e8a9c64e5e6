//! A panic, which is a fault of this program or of a library: it ends as a failed step that says so.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex, PoisonError};

use crate::actions::context::Environment;
use crate::actions::host::Host;
use crate::actions::workflow_command::{Annotation, Level};
use crate::task::conclusion::Exit;

/// Runs `work`. A panic in it becomes an annotation that names its place, the output `error-message`, and exit 1; the
/// outputs that were written before stay. Its message is not shown: it can hold text of an event.
pub fn guard(environment: &Environment, work: impl FnOnce() -> Exit) -> Exit {
    let place = Arc::new(Mutex::new("an unknown place".to_owned()));
    let noted = Arc::clone(&place);
    let before = take_hook();
    set_hook(Box::new(move |info| {
        if let Some(location) = info.location() {
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = location.to_string();
        }
    }));
    let done = catch_unwind(AssertUnwindSafe(work));
    set_hook(before);
    done.unwrap_or_else(|_| {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner);
        let version = env!("CARGO_PKG_VERSION");
        let message = format!(
            "agent-task {version} stopped at {place} because of a fault of its own. Look at the newest tasks of the \
             repository before you run it again, and report this line to the project"
        );
        let host = Host::new(environment);
        let title = "Internal error".to_owned();
        host.annotate(&Annotation { level: Level::Error, title, message: message.clone() });
        // Where this fails as well, the annotation has said so already.
        let _ = host.write_outputs(&[("error-message", message)]);
        Exit::Concluded
    })
}
