//! GitHub's agent tasks API as plain state, for tests and rehearsals.
//!
//! A [`Simulator`] is a world of repositories, tasks, pull requests, runs, tokens, limits and faults.
//! It is a tower service, for tests under tokio's paused clock, and [`serve`] lets it answer on a
//! socket, for a program under a clock that runs. (Never a paused clock together with a socket:
//! time would jump while bytes are on their way.)
//!
//! It speaks JSON, knows nothing of its clients' types, and remembers every request
//! ([`Simulator::log`]) and everything that no client should do ([`Simulator::unexpected`]).

mod agents;
mod answer;
mod call;
mod clock;
mod endpoint;
mod fault;
mod graphql;
mod handler;
mod limit;
mod loopback;
mod page;
mod pull;
mod query;
mod repos;
mod repository;
mod request;
mod scenario;
mod schema;
mod script;
mod search;
mod seconds;
mod service;
mod settings;
mod task;
mod token;
mod user;
mod world;

#[cfg(test)]
mod tests;

pub use crate::call::Call;
pub use crate::fault::Fault;
pub use crate::fault::FaultKind;
pub use crate::fault::Route;
pub use crate::fault::Status;
pub use crate::limit::Limits;
pub use crate::loopback::serve;
pub use crate::pull::PullView;
pub use crate::repository::Actions;
pub use crate::repository::Repository;
pub use crate::scenario::ExistingTask;
pub use crate::script::Effect;
pub use crate::script::OpenPull;
pub use crate::script::Script;
pub use crate::script::Step;
pub use crate::service::Simulator;
pub use crate::settings::GlobalId;
pub use crate::settings::Settings;
pub use crate::settings::UsageKey;
pub use crate::task::TaskView;
pub use crate::token::Permission;
pub use crate::token::Token;
