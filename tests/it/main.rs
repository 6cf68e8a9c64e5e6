//! Everything together: flows under virtual time, the wire, the real binary, and the shape of the house itself.

#![expect(clippy::unwrap_used, reason = "a test that finds something else than it expects has failed")]

mod binary;
mod flow;
mod once;
mod step;
mod tidy;
mod wire;
