//! YAML for files that people write: every error at once, each with its place.

pub mod compose;
pub mod de;
