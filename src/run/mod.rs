//! What acts: one task, many tasks, looking at them.

pub mod batch;
pub mod executor;
pub mod poller;
pub mod pull_request;
pub mod task_run;
