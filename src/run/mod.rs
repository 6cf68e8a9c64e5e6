//! What acts: one task, many tasks, polling them.

pub mod authorize;
pub mod batch;
pub mod capacity;
pub mod clients;
pub mod executor;
pub mod poller;
pub mod pull_request;
pub mod questions;
pub mod rollout;
pub mod search;
pub mod start;
pub mod stop;
pub mod task_run;
pub mod wait;
