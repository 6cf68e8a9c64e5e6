//! From a template to the text that the agent reads.

pub mod fence;
pub mod render;
pub mod sample;
pub mod taint;

mod budget;
mod compare;
mod explain;
mod hidden;
mod null;
mod sandbox;
mod syntax;

pub use syntax::has_actions_expression;
