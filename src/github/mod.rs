//! GitHub's API: addresses, tokens, requests, answers, rate limits.

pub mod answers;
pub mod client;
pub mod error;
pub mod limited;
pub mod pull_content;
pub mod pull_details;
pub mod pull_history;
pub mod pull_request;
pub mod rate_limit;
pub mod repository;
pub mod retry;
pub mod task;
pub mod task_list;
pub mod token;
pub mod transport;
pub mod url;

#[cfg(test)]
mod tests;
