//! Which endpoint a request means.

use http::Method;

use crate::fault::Route;
use crate::limit::SEARCH;
use crate::request::Request;
use crate::token::Permission;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
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

impl Place {
    /// The endpoint, and the `owner/name` in its path.
    pub(crate) fn of(request: &Request) -> (Place, Option<String>) {
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let get = request.is_get();
        let post = request.method == Method::POST;
        let name = |owner: &str, name: &str| Some(format!("{owner}/{name}"));
        let reading = |place| if get { place } else { Place::NotAllowed };
        match segments.as_slice() {
            ["agents", "tasks"] => (reading(Place::MyTasks), None),
            ["agents", "tasks", id] => (reading(Place::MyTask((*id).to_owned())), None),
            ["agents", "repos", o, r, "tasks"] if post => (Place::Start, name(o, r)),
            ["agents", "repos", o, r, "tasks"] => (reading(Place::RepositoryTasks), name(o, r)),
            ["agents", "repos", o, r, "tasks", id] => (reading(Place::RepositoryTask((*id).to_owned())), name(o, r)),
            ["graphql"] if post => (Place::GraphQl, None),
            ["graphql"] => (Place::NotAllowed, None),
            ["rate_limit"] => (reading(Place::RateLimit), None),
            ["search", "repositories"] => (reading(Place::Search), None),
            ["user"] => (reading(Place::User), None),
            ["repos", o, r] => (reading(Place::Repository), name(o, r)),
            ["repos", o, r, "pulls"] => (reading(Place::Pulls), name(o, r)),
            ["repos", o, r, "pulls", number] => (reading(Place::Pull((*number).to_owned())), name(o, r)),
            ["repos", o, r, "branches", rest @ ..] if !rest.is_empty() => {
                (reading(Place::Branch(rest.join("/"))), name(o, r))
            }
            ["repos", o, r, "contents", rest @ ..] if !rest.is_empty() => {
                (reading(Place::Contents(rest.join("/"))), name(o, r))
            }
            ["repos", o, r, "commits"] => (reading(Place::Commits), name(o, r)),
            ["repos", o, r, "collaborators", login, "permission"] => {
                (reading(Place::Permission((*login).to_owned())), name(o, r))
            }
            ["repos", o, r, "copilot", "cloud-agent", "configuration"] => (reading(Place::Configuration), name(o, r)),
            ["repos", o, r, "actions", "permissions"] => (reading(Place::Actions), name(o, r)),
            ["repos", o, r, "actions", "permissions", "selected-actions"] => {
                (reading(Place::SelectedActions), name(o, r))
            }
            _ => (Place::Unknown, None),
        }
    }

    pub(crate) fn route(&self) -> Route {
        match self {
            Place::Start => Route::Start,
            Place::RepositoryTask(_) | Place::MyTask(_) => Route::Task,
            Place::RepositoryTasks | Place::MyTasks => Route::List,
            Place::GraphQl => Route::GraphQl,
            Place::Pulls | Place::Pull(_) => Route::Pulls,
            _ => Route::Other,
        }
    }

    /// Whose primary limit counts.
    pub(crate) fn resource(&self) -> &'static str {
        match self {
            Place::GraphQl => "graphql",
            Place::Search => SEARCH,
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
            Place::Start => Some(Permission::AgentTasksWrite),
            Place::RepositoryTasks | Place::RepositoryTask(_) | Place::MyTasks | Place::MyTask(_) => {
                Some(Permission::AgentTasksRead)
            }
            Place::Pulls | Place::Pull(_) => Some(Permission::PullRequestsRead),
            Place::Branch(_) | Place::Contents(_) | Place::Commits => Some(Permission::ContentsRead),
            Place::Permission(_) => Some(Permission::MetadataRead),
            Place::Actions | Place::SelectedActions => Some(Permission::AdministrationRead),
            Place::Configuration => Some(Permission::AgentSettingsRead),
            _ => None,
        }
    }

    /// The query parameters that are documented here.
    pub(crate) fn parameters(&self) -> &'static [&'static str] {
        match self {
            Place::RepositoryTasks => &[
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
            Place::MyTasks => &["per_page", "page", "sort", "direction", "state", "is_archived", "since"],
            Place::Pulls => &["state", "head", "base", "sort", "direction", "per_page", "page"],
            Place::Search => &["q", "sort", "order", "per_page", "page"],
            Place::Contents(_) => &["ref"],
            Place::Commits => &["sha", "path", "author", "committer", "since", "until", "per_page", "page"],
            _ => &[],
        }
    }
}
