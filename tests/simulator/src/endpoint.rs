//! Which endpoint a request means.

use http::Method;

use crate::fault::Route;
use crate::limit::SEARCH;
use crate::request::Request;
use crate::token::Permission;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Start,
    RepositoryTasks,
    RepositoryTask(String),
    MyTasks,
    MyTask(String),
    GraphQl,
    Pulls,
    Pull(String),
    PullFiles(String),
    PullCommits(String),
    PullReviews(String),
    Repository,
    Branch(String),
    Contents(String),
    Commits,
    CheckRuns(String),
    CheckSuites(String),
    CombinedStatus(String),
    Statuses(String),
    CollaboratorPermission(String),
    Configuration,
    ActionsPermissions,
    SelectedActions,
    Runs,
    Run(String),
    CancelRun(String),
    ForceCancelRun(String),
    RateLimit,
    Search,
    User,
    Root,
    Meta,
    /// The endpoint exists, but not for this method.
    NotAllowed,
    Unknown,
}

/// How a path names a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RepositoryRef {
    /// `owner/name`.
    Name(String),
    Id(u64),
}

impl Endpoint {
    /// The endpoint, and the repository in its path.
    pub(crate) fn of(request: &Request) -> (Endpoint, Option<RepositoryRef>) {
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let get = request.is_get();
        let post = request.method == Method::POST;
        let name = |owner: &str, name: &str| Some(RepositoryRef::Name(format!("{owner}/{name}")));
        let reading = |endpoint| if get { endpoint } else { Endpoint::NotAllowed };
        match segments.as_slice() {
            [""] => (reading(Endpoint::Root), None),
            ["meta"] => (reading(Endpoint::Meta), None),
            ["agents", "tasks"] => (reading(Endpoint::MyTasks), None),
            ["agents", "tasks", id] => (reading(Endpoint::MyTask((*id).to_owned())), None),
            ["agents", "repos", o, r, "tasks"] if post => (Endpoint::Start, name(o, r)),
            ["agents", "repos", o, r, "tasks"] => (reading(Endpoint::RepositoryTasks), name(o, r)),
            ["agents", "repos", o, r, "tasks", id] => (reading(Endpoint::RepositoryTask((*id).to_owned())), name(o, r)),
            ["graphql"] if post => (Endpoint::GraphQl, None),
            ["graphql"] => (Endpoint::NotAllowed, None),
            ["rate_limit"] => (reading(Endpoint::RateLimit), None),
            ["search", "repositories"] => (reading(Endpoint::Search), None),
            ["user"] => (reading(Endpoint::User), None),
            ["repos", o, r, rest @ ..] => (Endpoint::in_repository(rest, get, post), name(o, r)),
            ["repositories", id, rest @ ..] => match id.parse() {
                Ok(id) => (Endpoint::in_repository(rest, get, post), Some(RepositoryRef::Id(id))),
                Err(_) => (Endpoint::Unknown, None),
            },
            _ => (Endpoint::Unknown, None),
        }
    }

    /// The endpoint for a path below that of a repository.
    fn in_repository(path: &[&str], get: bool, post: bool) -> Endpoint {
        let endpoint = match path {
            ["actions", "runs", id, "cancel"] if post => return Endpoint::CancelRun((*id).to_owned()),
            ["actions", "runs", id, "force-cancel"] if post => return Endpoint::ForceCancelRun((*id).to_owned()),
            ["actions", "runs", _, "cancel" | "force-cancel"] => return Endpoint::NotAllowed,
            [] => Endpoint::Repository,
            ["pulls"] => Endpoint::Pulls,
            ["pulls", number] => Endpoint::Pull((*number).to_owned()),
            ["pulls", number, "files"] => Endpoint::PullFiles((*number).to_owned()),
            ["pulls", number, "commits"] => Endpoint::PullCommits((*number).to_owned()),
            ["pulls", number, "reviews"] => Endpoint::PullReviews((*number).to_owned()),
            ["branches", branch @ ..] if !branch.is_empty() => Endpoint::Branch(branch.join("/")),
            ["contents", file @ ..] if !file.is_empty() => Endpoint::Contents(file.join("/")),
            ["commits"] => Endpoint::Commits,
            ["commits", reference @ .., "check-runs"] => Endpoint::CheckRuns(reference.join("/")),
            ["commits", reference @ .., "check-suites"] => Endpoint::CheckSuites(reference.join("/")),
            ["commits", reference @ .., "status"] => Endpoint::CombinedStatus(reference.join("/")),
            ["commits", reference @ .., "statuses"] => Endpoint::Statuses(reference.join("/")),
            ["collaborators", login, "permission"] => Endpoint::CollaboratorPermission((*login).to_owned()),
            ["copilot", "cloud-agent", "configuration"] => Endpoint::Configuration,
            ["actions", "permissions"] => Endpoint::ActionsPermissions,
            ["actions", "permissions", "selected-actions"] => Endpoint::SelectedActions,
            ["actions", "runs"] => Endpoint::Runs,
            ["actions", "runs", id] => Endpoint::Run((*id).to_owned()),
            _ => return Endpoint::Unknown,
        };
        if get { endpoint } else { Endpoint::NotAllowed }
    }

    /// The kinds of request that this is, for faults: the narrowest comes first.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let narrow = match self {
            Endpoint::Start => return vec![Route::Start, Route::Any],
            Endpoint::RepositoryTask(_) | Endpoint::MyTask(_) => return vec![Route::Task, Route::Any],
            Endpoint::RepositoryTasks | Endpoint::MyTasks => return vec![Route::List, Route::Any],
            Endpoint::GraphQl => return vec![Route::GraphQl, Route::Any],
            Endpoint::Pulls
            | Endpoint::Pull(_)
            | Endpoint::PullFiles(_)
            | Endpoint::PullCommits(_)
            | Endpoint::PullReviews(_) => return vec![Route::Pulls, Route::Any],
            Endpoint::Search => Route::Search,
            Endpoint::CollaboratorPermission(_) => Route::CollaboratorPermission,
            Endpoint::Repository => Route::Repository,
            Endpoint::Branch(_) | Endpoint::Contents(_) | Endpoint::Commits => Route::Contents,
            Endpoint::CheckRuns(_) | Endpoint::CheckSuites(_) | Endpoint::CombinedStatus(_) | Endpoint::Statuses(_) => {
                Route::Checks
            }
            Endpoint::Runs | Endpoint::Run(_) => Route::Runs,
            Endpoint::CancelRun(_) | Endpoint::ForceCancelRun(_) => Route::Cancel,
            Endpoint::User => Route::User,
            _ => Route::Other,
        };
        vec![narrow, Route::Other, Route::Any]
    }

    /// Whose primary limit counts.
    pub(crate) fn resource(&self) -> &'static str {
        match self {
            Endpoint::GraphQl => "graphql",
            Endpoint::Search => SEARCH,
            _ => "core",
        }
    }

    /// Whether this is one of the agent task endpoints.
    pub(crate) fn is_agents(&self) -> bool {
        matches!(
            self,
            Endpoint::Start
                | Endpoint::RepositoryTasks
                | Endpoint::RepositoryTask(_)
                | Endpoint::MyTasks
                | Endpoint::MyTask(_)
        )
    }

    /// Whether this changes something in a repository.
    pub(crate) fn is_write(&self) -> bool {
        matches!(self, Endpoint::Start | Endpoint::CancelRun(_) | Endpoint::ForceCancelRun(_))
    }

    /// Whether it needs no token.
    pub(crate) fn is_public(&self) -> bool {
        matches!(self, Endpoint::Root | Endpoint::Meta)
    }

    /// The permission that is checked here, if it is not checked field by field.
    pub(crate) fn needs(&self) -> Option<Permission> {
        match self {
            Endpoint::Start => Some(Permission::AgentTasksWrite),
            Endpoint::RepositoryTasks | Endpoint::RepositoryTask(_) | Endpoint::MyTasks | Endpoint::MyTask(_) => {
                Some(Permission::AgentTasksRead)
            }
            Endpoint::Pulls
            | Endpoint::Pull(_)
            | Endpoint::PullFiles(_)
            | Endpoint::PullCommits(_)
            | Endpoint::PullReviews(_) => Some(Permission::PullRequestsRead),
            Endpoint::Branch(_) | Endpoint::Contents(_) | Endpoint::Commits => Some(Permission::ContentsRead),
            Endpoint::CheckRuns(_) | Endpoint::CheckSuites(_) => Some(Permission::ChecksRead),
            Endpoint::CombinedStatus(_) | Endpoint::Statuses(_) => Some(Permission::StatusesRead),
            Endpoint::CollaboratorPermission(_) => Some(Permission::MetadataRead),
            Endpoint::ActionsPermissions | Endpoint::SelectedActions => Some(Permission::AdministrationRead),
            Endpoint::Configuration => Some(Permission::AgentSettingsRead),
            Endpoint::Runs | Endpoint::Run(_) => Some(Permission::ActionsRead),
            Endpoint::CancelRun(_) | Endpoint::ForceCancelRun(_) => Some(Permission::ActionsWrite),
            _ => None,
        }
    }

    /// The query parameters that are documented here.
    pub(crate) fn parameters(&self) -> &'static [&'static str] {
        match self {
            Endpoint::RepositoryTasks => &[
                "per_page",
                "page",
                "sort",
                "direction",
                "state",
                "is_archived",
                "since",
                "creator_id",
                "creator_id[]",
            ],
            Endpoint::MyTasks => &["per_page", "page", "sort", "direction", "state", "is_archived", "since"],
            Endpoint::Pulls => &["state", "head", "base", "sort", "direction", "per_page", "page"],
            Endpoint::PullFiles(_) | Endpoint::PullCommits(_) | Endpoint::PullReviews(_) => &["per_page", "page"],
            Endpoint::CombinedStatus(_) | Endpoint::Statuses(_) => &["per_page", "page"],
            Endpoint::CheckRuns(_) => &["check_name", "status", "filter", "per_page", "page", "app_id"],
            Endpoint::CheckSuites(_) => &["app_id", "check_name", "per_page", "page"],
            Endpoint::Runs => &[
                "actor",
                "branch",
                "event",
                "status",
                "per_page",
                "page",
                "created",
                "exclude_pull_requests",
                "check_suite_id",
                "head_sha",
            ],
            Endpoint::Run(_) => &["exclude_pull_requests"],
            Endpoint::Search => &["q", "sort", "order", "per_page", "page"],
            Endpoint::Contents(_) => &["ref"],
            Endpoint::Commits => &["sha", "path", "author", "committer", "since", "until", "per_page", "page"],
            _ => &[],
        }
    }
}
