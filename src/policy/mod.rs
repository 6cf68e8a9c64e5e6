//! The policy file, and who may start a task.

pub mod actor;
pub mod evaluate;
pub mod limits;
pub mod location;
pub mod schema;
pub mod values;
pub mod vars;

#[cfg(test)]
mod tests;
