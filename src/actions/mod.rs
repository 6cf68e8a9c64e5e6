//! The runner's side: its environment, files, log, commands and signals.

pub mod context;
pub mod host;
pub mod output_file;
pub mod pattern;
pub mod redactor;
pub mod signal;
pub mod trusted_paths;
pub mod workflow_command;
