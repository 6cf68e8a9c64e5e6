//! The results of tasks: their figures, in groups, as JSON, CSV, a page and a summary. Pure: no clock and no network.

pub mod chart;
pub mod comparison;
pub mod csv;
pub mod document;
pub mod figures;
pub mod page;
pub(crate) mod show;
pub mod summary;
pub mod task;

#[cfg(test)]
mod tests;
