//! Everything together: flows under virtual time, the wire, the real binary, and the layout of the sources.

#![expect(clippy::unwrap_used, reason = "a test that finds something else than it expects has failed")]

mod acceptance;
mod action;
mod actor_check;
mod audit;
mod binary;
mod docs;
mod doctor;
mod entries;
mod example_prompts;
mod examples;
mod files;
mod fleet;
mod flow;
mod follow_up;
mod github_faults;
mod grammar;
mod killed;
mod layout;
mod once;
mod policy;
mod prompt;
mod property;
mod report;
mod rollout;
mod scope;
mod selftest;
mod skip;
mod stop;
mod support;
mod untrusted;
mod wire;
