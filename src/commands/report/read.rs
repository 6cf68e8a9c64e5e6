//! Reads tasks, their sessions and their pull requests, with as few requests as possible and inside GitHub's rate limits.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::actions::host::Host;
use crate::commands::warn;
use crate::github::answers::TaskAnswer;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::pull_history::BranchQuery;
use crate::github::repository::Repository;
use crate::github::task::{Phase, Task};
use crate::github::task_list::TaskQuery;
use crate::join::join_all;
use crate::report::history::task::{TaskFacts, Unreadable};
use crate::run::questions::Questions;
use crate::text::counted;

/// How many pages of a hundred tasks one list may have. A user may send 5,000 requests an hour, so that no report on more
/// tasks ends within a day.
const MAX_PAGES: u32 = 1000;
/// How many tasks are read between two lines of progress.
const PROGRESS: usize = 100;
/// How many different errors of one kind are reported.
const MAX_ERRORS: usize = 3;

/// What was read.
pub(super) struct History {
    /// The tasks.
    pub(super) tasks: Vec<TaskFacts>,
    /// The tasks whose sessions were read, as GitHub shows them.
    pub(super) answers: Vec<Task>,
    /// The repositories whose tasks could not be listed.
    pub(super) unreadable: Vec<Repository>,
    /// What the reader of the report should know.
    pub(super) warnings: Vec<String>,
}

/// Reads the history of tasks.
pub(super) struct Reader<'a> {
    pub(super) host: &'a Host,
    /// Reads tasks.
    pub(super) tasks: &'a LimitedClient<'a>,
    /// Those who may read pull requests, one after the other.
    pub(super) pulls: Vec<&'a LimitedClient<'a>>,
    /// From when on tasks count.
    pub(super) since: Timestamp,
    /// What an earlier report has read, by the ids of tasks.
    pub(super) cache: HashMap<String, Task>,
}

/// A task of a list, with the repository whose list it is.
struct Listed {
    task: Task,
    repository: Option<Repository>,
}

impl Listed {
    /// What an answer says about the task. Without sessions it does not say much.
    fn facts(&self, task: &Task) -> TaskFacts {
        let mut facts = TaskFacts::of(task);
        if task.sessions.is_empty() {
            facts.lacks(Unreadable::Sessions);
        }
        facts.row.repository = self.repository.as_ref().map(ToString::to_string);
        facts
    }
}

/// A reason for which something could not be read, and of how many tasks.
struct Gap {
    what: &'static str,
    why: String,
    count: usize,
}

/// What could not be read, and why.
#[derive(Default)]
struct Gaps(RefCell<Vec<Gap>>);

impl Gaps {
    fn note(&self, what: &'static str, error: &Error) {
        let (mut gaps, why) = (self.0.borrow_mut(), error.to_string());
        match gaps.iter_mut().find(|gap| gap.what == what && gap.why == why) {
            Some(gap) => gap.count += 1,
            None => gaps.push(Gap { what, why, count: 1 }),
        }
    }

    /// A sentence for each reason.
    fn warnings(self) -> Vec<String> {
        let gaps = self.0.into_inner();
        let mut warnings = Vec::new();
        for (at, Gap { what, why, count }) in gaps.iter().enumerate() {
            match gaps[..at].iter().filter(|other| other.what == *what).count() {
                before if before < MAX_ERRORS => {
                    warnings.push(format!("{what} of {} could not be read: {why}", counted(*count, "task")));
                }
                MAX_ERRORS => warnings.push(format!("{what} of other tasks could not be read for other reasons")),
                _ => {}
            }
        }
        warnings
    }
}

impl<'a> Reader<'a> {
    /// Reads the tasks of these repositories, or all of the token's owner.
    ///
    /// # Errors
    /// If no list can be read.
    pub(super) async fn read(&self, repositories: Option<&[Repository]>) -> Result<History, Error> {
        let queries = match repositories {
            None => vec![None],
            Some(repositories) => repositories.iter().map(Some).collect(),
        };
        let lists = join_all(queries.iter().map(|repository| self.list(*repository))).await;
        let (mut listed, mut unreadable, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        let mut failed = None::<Error>;
        for (repository, list) in queries.iter().zip(lists) {
            match list {
                Ok((tasks, gap)) => {
                    listed.extend(tasks);
                    let of =
                        repository.map_or("the list of tasks".to_owned(), |it| format!("the list of tasks in {it}"));
                    warnings.extend(gap.map(|why| format!("{of} is incomplete: {why}")));
                }
                Err(error) => {
                    if let Some(repository) = repository {
                        warnings.push(format!("{repository} could not be read: {error}"));
                        unreadable.push((*repository).clone());
                    }
                    failed = failed.filter(Error::may_pass).or(Some(error));
                }
            }
        }
        if let Some(error) = failed.filter(|_| unreadable.len() == queries.len() || repositories.is_none()) {
            // The error does not name them.
            warn(self.host, &warnings);
            return Err(error);
        }
        let mut seen = HashSet::new();
        listed.retain(|listed| seen.insert(listed.task.id.clone()));
        let gaps = Gaps::default();
        let (mut tasks, answers) = self.read_sessions(listed, &gaps).await;
        self.add_pulls(&mut tasks, &gaps).await;
        self.add_names(&mut tasks).await;
        self.add_branches(&mut tasks, &gaps).await;
        warnings.extend(gaps.warnings());
        Ok(History { tasks, answers, unreadable, warnings })
    }

    /// The tasks of a list that were created in time, archived ones too, and what the list leaves out.
    async fn list(&self, repository: Option<&Repository>) -> Result<(Vec<Listed>, Option<String>), Error> {
        let query = repository.map_or(TaskQuery::Own, TaskQuery::Repository);
        let (mut listed, mut gap) = (Vec::new(), None);
        for archived in [false, true] {
            let pages = self.tasks.tasks(query, None, archived).changed_since(self.since, MAX_PAGES);
            let pages = Mutex::new(pages);
            loop {
                let next = self.ask(self.tasks, async |_| pages.lock().await.next().await).await;
                match next {
                    Ok(Some(page)) => {
                        let in_time = |task: &Task| task.created_at.is_none_or(|created| created >= self.since);
                        let tasks = page.tasks.into_iter().filter(in_time);
                        listed.extend(tasks.map(|task| Listed { task, repository: repository.cloned() }));
                    }
                    Ok(None) => break,
                    Err(Error::Incomplete { why }) => {
                        gap = Some(why);
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok((listed, gap))
    }

    /// Reads the sessions of each task, unless an earlier report has and it is settled and unchanged.
    async fn read_sessions(&self, listed: Vec<Listed>, gaps: &Gaps) -> (Vec<TaskFacts>, Vec<Task>) {
        let total = listed.len();
        let (mut tasks, mut answers, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for listed in listed {
            match self.cache.get(listed.task.id.as_str()).filter(|kept| is_unchanged(kept, &listed.task)) {
                Some(kept) => {
                    tasks.push(listed.facts(kept));
                    answers.push(kept.clone());
                }
                None => open.push(listed),
            }
        }
        if !tasks.is_empty() {
            self.host.log(&format!("{} of {total} tasks are known from an earlier report", tasks.len()));
        }
        for chunk in open.chunks(PROGRESS) {
            let found = join_all(chunk.iter().map(|listed| self.task(listed))).await;
            for (listed, task) in chunk.iter().zip(found) {
                match task {
                    Ok(mut task) => {
                        task.complete_from(&listed.task);
                        tasks.push(listed.facts(&task));
                        answers.push(task);
                    }
                    Err(error) => {
                        gaps.note("the sessions", &error);
                        tasks.push(listed.facts(&listed.task));
                    }
                }
            }
            self.host.log(&format!("read {} of {total} tasks", tasks.len()));
        }
        (tasks, answers)
    }

    async fn task(&self, listed: &Listed) -> Result<Task, Error> {
        let id = &listed.task.id;
        let question = async |client: &LimitedClient<'_>| match &listed.repository {
            None => client.own_task(id).await,
            Some(repository) => match client.task(repository, id, None).await? {
                TaskAnswer::Seen(task, _) => Ok(*task),
                TaskAnswer::Unchanged => Err(Error::Malformed { why: "nothing has changed since nothing".to_owned() }),
            },
        };
        self.ask(self.tasks, question).await
    }

    /// Reads the pull requests whose ids are known.
    async fn add_pulls(&self, tasks: &mut [TaskFacts], gaps: &Gaps) {
        let is_open = |task: &TaskFacts| {
            task.row.pull_request.is_none() && !task.row.unreadable.contains(&Unreadable::PullRequest)
        };
        let with_id = tasks.iter().enumerate().filter(|(_, task)| is_open(task));
        let with_id = with_id.filter_map(|(at, task)| Some((at, task.pull.as_ref()?.node_id.clone()?)));
        let (places, ids): (Vec<_>, Vec<_>) = with_id.unzip();
        let found = self.ask_each(&ids, async |client, ids| client.pull_histories(ids).await).await;
        for (at, pull) in places.into_iter().zip(found) {
            match pull {
                Ok(pull) => {
                    if let Err(error) = &pull.checks {
                        gaps.note("the checks", error);
                    }
                    tasks[at].add_pull(&pull);
                }
                Err(error) => {
                    gaps.note("the pull requests", &error);
                    tasks[at].lacks(Unreadable::PullRequest);
                }
            }
        }
        if !ids.is_empty() {
            let read = tasks.iter().filter(|task| task.row.pull_request.is_some()).count();
            self.host.log(&format!("read {}", counted(read, "pull request")));
        }
    }

    /// Names the repositories that lists name by their ids alone: as another task's pull request does, or as GitHub says.
    async fn add_names(&self, tasks: &mut [TaskFacts]) {
        let known = tasks.iter().filter_map(|task| Some((task.repository_id?, task.row.repository.clone()?)));
        let mut names = known.collect::<HashMap<_, _>>();
        let unnamed = tasks.iter().filter(|task| task.row.repository.is_none()).filter_map(|task| task.repository_id);
        let open = unnamed.filter(|id| !names.contains_key(id)).collect::<HashSet<_>>();
        let found = join_all(open.into_iter().map(async |id| {
            let name = self.ask(self.tasks, async |client| client.repository_name(id).await).await;
            // Without a name the tasks are still counted.
            Some((id, name.ok()?.to_string()))
        }))
        .await;
        names.extend(found.into_iter().flatten());
        for task in tasks.iter_mut().filter(|task| task.row.repository.is_none()) {
            task.row.repository = task.repository_id.and_then(|id| names.get(&id).cloned());
        }
    }

    /// Looks up the pull requests of tasks that have a branch and no id of a pull request; where there is none, the commits.
    async fn add_branches(&self, tasks: &mut [TaskFacts], gaps: &Gaps) {
        let mut places = Vec::new();
        let mut queries = Vec::new();
        for (at, task) in tasks.iter_mut().enumerate() {
            let has_id = task.pull.as_ref().is_some_and(|pull| pull.node_id.is_some());
            // A task at work can still open one.
            if has_id || (task.pull.is_none() && task.phase() == Phase::Running) {
                continue;
            }
            let repository = task.row.repository.as_ref().and_then(|name| name.parse::<Repository>().ok());
            match (repository, task.head_ref.clone()) {
                (Some(repository), Some(head_ref)) => {
                    places.push(at);
                    queries.push(BranchQuery { repository, head_ref, base_ref: task.base_ref.clone() });
                }
                _ if task.pull.is_some() => task.lacks(Unreadable::PullRequest),
                (None, Some(_)) => task.lacks(Unreadable::Branch),
                (_, None) => {}
            }
        }
        let found = self.ask_each(&queries, async |client, branches| client.branch_histories(branches).await).await;
        for (at, branch) in places.into_iter().zip(found) {
            let task = &mut tasks[at];
            let branch = match branch {
                Ok(branch) => branch,
                Err(error) => {
                    gaps.note("the pull requests", &error);
                    task.lacks(Unreadable::PullRequest);
                    continue;
                }
            };
            let fits = |pull: &&crate::github::pull_request::PullRequest| match &task.pull {
                Some(id) => pull.database_id.is_some() && pull.database_id == id.database_id,
                None => task.base_ref.as_ref().is_none_or(|base| *base == pull.base_ref),
            };
            let fitting = branch.pulls.iter().filter(fits).collect::<Vec<_>>();
            match (fitting.as_slice(), &mut task.pull) {
                ([pull], id) => {
                    let id = id.get_or_insert_with(Default::default);
                    id.node_id.clone_from(&pull.node_id);
                }
                ([], None) => match branch.commits {
                    Ok(commits) => task.branch_commits = Some(commits),
                    Err(error) => {
                        gaps.note("the branches", &error);
                        task.lacks(Unreadable::Branch);
                    }
                },
                // Another branch may have it, or several pull requests fit.
                _ => task.lacks(Unreadable::PullRequest),
            }
        }
        self.add_pulls(tasks, gaps).await;
    }

    fn questions(&self) -> Questions<'a> {
        Questions { host: self.host, status: "reading the history" }
    }

    async fn ask_each<K: Clone, T>(
        &self,
        keys: &[K],
        question: impl AsyncFn(&LimitedClient<'a>, &[K]) -> Result<Vec<Result<T, Error>>, Error>,
    ) -> Vec<Result<T, Error>> {
        self.questions().each(&self.pulls, keys, question).await
    }

    async fn ask<T>(
        &self,
        client: &'a LimitedClient<'a>,
        question: impl AsyncFn(&LimitedClient<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.questions().ask(client, question).await
    }
}

/// Whether a task is as an earlier report has read it.
fn is_unchanged(kept: &Task, task: &Task) -> bool {
    kept.state.phase() == Phase::Settled
        && kept.state == task.state
        && kept.updated_at.is_some()
        && kept.updated_at == task.updated_at
}
