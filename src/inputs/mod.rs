//! What the user wrote, parsed once into types.

pub mod parse;
pub mod problem;
mod reader;
pub mod request;
pub mod table;
pub mod targets;
pub mod threshold;
pub mod vars;

#[cfg(test)]
mod tests;
