//! GitHub's agent tasks API as plain state, for tests and rehearsals.
//!
//! A [`Simulator`] is a world of repositories, tasks, pull requests, runs, tokens, limits and faults.
//! It is a tower service, for tests under tokio's paused clock, and [`serve`] lets it answer on a
//! socket, for a program under a clock that runs. (Never a paused clock together with a socket:
//! time would jump while bytes are on their way.)
//!
//! It exchanges JSON, knows nothing of its clients' types, and remembers every request
//! ([`Simulator::log`]) and everything that no client should do ([`Simulator::unexpected`]).

mod agents;
mod answer;
mod call;
mod checks;
mod clock;
mod denial;
mod endpoint;
mod fault;
mod graphql;
mod graphql_pulls;
mod handler;
mod host;
mod limit;
mod loopback;
mod outage;
mod page;
mod pull;
mod pull_content;
mod pulls;
mod repos;
mod repository;
mod request;
mod runs;
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
pub use crate::denial::Denial;
pub use crate::fault::Fault;
pub use crate::fault::FaultKind;
pub use crate::fault::PlainLimit;
pub use crate::fault::Route;
pub use crate::fault::Status;
pub use crate::host::Host;
pub use crate::limit::Limits;
pub use crate::loopback::serve;
pub use crate::outage::Outage;
pub use crate::pull::PullView;
pub use crate::pull_content::Approval;
pub use crate::pull_content::ChangedFile;
pub use crate::pull_content::CheckRun;
pub use crate::pull_content::CheckSuite;
pub use crate::pull_content::CommitContent;
pub use crate::pull_content::CommitStatus;
pub use crate::pull_content::FileStatus;
pub use crate::pull_content::PullContent;
pub use crate::pull_content::Review;
pub use crate::repository::Actions;
pub use crate::repository::Repository;
pub use crate::runs::AGENT_PATH;
pub use crate::runs::ExistingRun;
pub use crate::runs::OnCancel;
pub use crate::runs::REVIEW_PATH;
pub use crate::runs::RunSettings;
pub use crate::runs::RunView;
pub use crate::scenario::ExistingTask;
pub use crate::script::Effect;
pub use crate::script::OpenPull;
pub use crate::script::Script;
pub use crate::script::Step;
pub use crate::service::Simulator;
pub use crate::settings::GlobalId;
pub use crate::settings::OldNames;
pub use crate::settings::Settings;
pub use crate::settings::UsageKey;
pub use crate::task::TaskView;
pub use crate::task::Visibility;
pub use crate::token::Permission;
pub use crate::token::Token;
