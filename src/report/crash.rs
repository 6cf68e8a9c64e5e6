//! A panic, which is a fault of this program or of a library: it ends as a failed step that says so.

use std::panic::Location;

use crate::actions::context::Environment;
use crate::actions::host::Host;
use crate::actions::workflow_command::{Annotation, Level};

/// Reports a panic at `place`: an annotation and the output `error-message`. The outputs that were written before stay.
/// The message of the panic is not shown, because it can hold text of an event.
pub fn report(environment: &Environment, place: Option<&Location<'_>>) {
    let place = place.map_or_else(|| "an unknown place".to_owned(), |place| shortened(&place.to_string()));
    let version = env!("CARGO_PKG_VERSION");
    let message = format!(
        "agent-task {version} stopped at {place} because of an internal error. Check the newest tasks of the \
         repository before you run it again, and report this line to the project"
    );
    let host = Host::new(environment);
    let title = "Internal error".to_owned();
    host.annotate(&Annotation { level: Level::Error, title, message: message.clone() });
    // Where this fails as well, the annotation has said so already.
    let _ = host.write_outputs(&[("error-message", message)]);
}

/// A place without the folders of the machine that built the program: a dependency's is in cargo's registry.
fn shortened(place: &str) -> String {
    let place = place.replace('\\', "/");
    let of_crate = place.split_once("/registry/src/").and_then(|(_, rest)| rest.split_once('/'));
    of_crate.map_or(place.clone(), |(_, of_crate)| of_crate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_shown_without_folders_of_the_build() {
        for (place, shown) in [
            ("src/lib.rs:3:4", "src/lib.rs:3:4"),
            ("/home/ci/.cargo/registry/src/index-1/url-2.5.8/src/parser.rs:3:4", "url-2.5.8/src/parser.rs:3:4"),
            (r"C:\cargo\registry\src\index-1\url-2.5.8\src\parser.rs:3:4", "url-2.5.8/src/parser.rs:3:4"),
        ] {
            assert_eq!(shortened(place), shown);
        }
    }
}
