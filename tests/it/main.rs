//! Everything together: flows under virtual time, the wire, the real binary, and the shape of the house itself.

#![expect(clippy::unwrap_used, reason = "a test that finds something else than it expects has failed")]

mod action;
mod audit;
mod binary;
mod docs;
mod doctor;
mod examples;
mod fleet;
mod flow;
mod gate;
mod grammar;
mod killed;
mod once;
mod policy;
mod property;
mod selftest;
mod step;
mod untrusted;
mod wire;
