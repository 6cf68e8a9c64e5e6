//! What a step reports: log, outputs, summary, record.

pub mod audit;
pub mod crash;
pub mod ending;
pub mod history;
pub(crate) mod markdown;
pub mod outputs;
pub mod reporter;
pub mod rollout;
pub mod summary;

#[cfg(test)]
mod tests;
