//! One task: started exactly once, waited for, concluded.

pub mod acceptance;
pub mod conclusion;
pub mod event;
pub mod follow_up;
pub mod marker;
pub mod messages;
pub mod outcome;
pub mod pull_request;
pub mod rollout;
pub mod start;
pub mod stop;
pub mod time_span;
pub mod wait;
pub mod waves;
