//! Everything that speaks GitHub: addresses, tokens, requests, answers, limits.

pub mod answers;
pub mod client;
pub mod error;
pub mod limited;
pub mod pull_request;
pub mod rate_limit;
pub mod repository;
pub mod task;
pub mod token;
pub mod transport;
pub mod url;

#[cfg(test)]
mod tests;
