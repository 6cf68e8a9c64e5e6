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
    Repository,
    Branch(String),
    Contents(String),
    Commits,
    Permission(String),
    Configuration,
    Actions,
    SelectedActions,
    RateLimit,
    Search,
    User,
    /// The endpoint exists, but not for this method.
    NotAllowed,
    Unknown,
}

impl Endpoint {
    /// The endpoint, and the `owner/name` in its path.
    pub(crate) fn of(request: &Request) -> (Endpoint, Option<String>) {
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let get = request.is_get();
        let post = request.method == Method::POST;
        let name = |owner: &str, name: &str| Some(format!("{owner}/{name}"));
        let reading = |endpoint| if get { endpoint } else { Endpoint::NotAllowed };
        match segments.as_slice() {
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
            ["repos", o, r] => (reading(Endpoint::Repository), name(o, r)),
            ["repos", o, r, "pulls"] => (reading(Endpoint::Pulls), name(o, r)),
            ["repos", o, r, "pulls", number] => (reading(Endpoint::Pull((*number).to_owned())), name(o, r)),
            ["repos", o, r, "branches", rest @ ..] if !rest.is_empty() => {
                (reading(Endpoint::Branch(rest.join("/"))), name(o, r))
            }
            ["repos", o, r, "contents", rest @ ..] if !rest.is_empty() => {
                (reading(Endpoint::Contents(rest.join("/"))), name(o, r))
            }
            ["repos", o, r, "commits"] => (reading(Endpoint::Commits), name(o, r)),
            ["repos", o, r, "collaborators", login, "permission"] => {
                (reading(Endpoint::Permission((*login).to_owned())), name(o, r))
            }
            ["repos", o, r, "copilot", "cloud-agent", "configuration"] => {
                (reading(Endpoint::Configuration), name(o, r))
            }
            ["repos", o, r, "actions", "permissions"] => (reading(Endpoint::Actions), name(o, r)),
            ["repos", o, r, "actions", "permissions", "selected-actions"] => {
                (reading(Endpoint::SelectedActions), name(o, r))
            }
            _ => (Endpoint::Unknown, None),
        }
    }

    pub(crate) fn route(&self) -> Route {
        match self {
            Endpoint::Start => Route::Start,
            Endpoint::RepositoryTask(_) | Endpoint::MyTask(_) => Route::Task,
            Endpoint::RepositoryTasks | Endpoint::MyTasks => Route::List,
            Endpoint::GraphQl => Route::GraphQl,
            Endpoint::Pulls | Endpoint::Pull(_) => Route::Pulls,
            _ => Route::Other,
        }
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
        matches!(self.route(), Route::Start | Route::Task | Route::List)
    }

    /// The permission that is checked here, if it is not checked field by field.
    pub(crate) fn needs(&self) -> Option<Permission> {
        match self {
            Endpoint::Start => Some(Permission::AgentTasksWrite),
            Endpoint::RepositoryTasks | Endpoint::RepositoryTask(_) | Endpoint::MyTasks | Endpoint::MyTask(_) => {
                Some(Permission::AgentTasksRead)
            }
            Endpoint::Pulls | Endpoint::Pull(_) => Some(Permission::PullRequestsRead),
            Endpoint::Branch(_) | Endpoint::Contents(_) | Endpoint::Commits => Some(Permission::ContentsRead),
            Endpoint::Permission(_) => Some(Permission::MetadataRead),
            Endpoint::Actions | Endpoint::SelectedActions => Some(Permission::AdministrationRead),
            Endpoint::Configuration => Some(Permission::AgentSettingsRead),
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
            Endpoint::Search => &["q", "sort", "order", "per_page", "page"],
            Endpoint::Contents(_) => &["ref"],
            Endpoint::Commits => &["sha", "path", "author", "committer", "since", "until", "per_page", "page"],
            _ => &[],
        }
    }
}
