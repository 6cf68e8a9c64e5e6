//! From a template to the text that the agent reads.

pub mod fence;
pub mod render;
pub mod sample;
pub mod taint;
