//! What is told: log, outputs, summary, record.

pub mod audit;
pub mod ending;
pub mod outputs;
pub mod reporter;
pub mod summary;
