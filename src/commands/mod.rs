//! The commands, one file each.

pub mod doctor;
pub mod load_policy;
pub mod resolve_targets;
