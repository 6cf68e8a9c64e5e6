//! The policy of a step, read from where it is: the rules for its task class, and the prompt that they name.

use std::collections::BTreeSet;
use std::fmt;

use crate::actions::host::Host;
use crate::commands::load_prompt::read_template;
use crate::commands::warn;
use crate::github::client::Connect;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::repository::Repository;
use crate::github::retry;
use crate::github::token::Token;
use crate::github::url::ApiUrl;
use crate::inputs::parse::Bootstrap;
use crate::inputs::problem::{LoadError, Problem};
use crate::inputs::table::Command;
use crate::policy::evaluate::Rules;
use crate::policy::location::{
    MAX_CHECKOUTS, MAX_FOLDERS, PolicyLocation, USUAL_PLACE, is_github, is_near, is_near_folder, may_be_policy,
};
use crate::policy::schema;
use crate::policy::schema::Policy;
use crate::prompt::render;
use crate::prompt::render::Template;
use crate::yaml::compose;

/// What the policy says of the step. Without a policy it says nothing.
#[derive(Debug, Default)]
pub struct LoadedPolicy {
    /// The rules.
    pub rules: Rules,
    /// The prompt's template, where a repository has it and not the workspace.
    pub template: Option<Template>,
    /// The prompts of all classes, which the doctor tries.
    pub trials: Vec<ClassPrompt>,
}

/// A class's prompt, to be tried.
#[derive(Debug)]
pub struct ClassPrompt {
    /// The rules of the class.
    pub rules: Rules,
    /// The template, or why it cannot be had.
    pub template: Result<Template, String>,
}

/// Reads the policy.
///
/// # Errors
/// Everything that is wrong with it, or GitHub's last answer where it is not there to be read.
pub async fn read(opening: &Bootstrap, host: &Host, connect: &Connect<'_>) -> Result<LoadedPolicy, LoadError> {
    let Some(command) = opening.command.filter(|it| !matches!(it, Command::Plan | Command::Report)) else {
        return Ok(LoadedPolicy::default());
    };
    // A stop of named tasks depends on no rule, and a fault in a policy must not keep it from happening.
    if command == Command::Stop && opening.task_class.is_none() {
        return Ok(LoadedPolicy::default());
    }
    let Some(place) = locate(opening, host)? else {
        return Ok(LoadedPolicy::default());
    };
    let (text, source) = match &place {
        PolicyLocation::Workspace(path) => {
            let text = host.text(path, schema::MAX_BYTES);
            let text = text.map_err(|why| vec![Problem::shown("policy", path, format!("cannot be read: {why:#}"))])?;
            (text, None)
        }
        PolicyLocation::Repository { repository, path, at } => {
            // A wrong address is reported with the other inputs.
            let Some(address) = &opening.address else { return Err(Vec::new().into()) };
            let source = Source::open(address, &opening.tokens, host, (repository, at.as_deref()), connect).await;
            let source = source.map_err(|no| no.about("policy", &place))?;
            let text = source.file(path, schema::MAX_BYTES).await.map_err(|no| no.about("policy", &place))?;
            (text, Some(source))
        }
    };
    let policy = Policy::parse(&place, &text).map_err(|faults| {
        faults.into_iter().map(|fault| Problem::new("policy", format!("is wrong. {fault}"))).collect::<Vec<_>>()
    })?;
    warn(host, &compose::warnings(&text, false).iter().map(|it| format!("`{place}`, {it}")).collect::<Vec<_>>());
    let commit = source.as_ref().map(|source| source.commit.clone());
    let class = opening.task_class.as_deref();
    let rules = policy
        .rules(&place, commit.clone(), class)
        .map_err(|why| vec![Problem::shown("task-class", class.unwrap_or_default(), why)])?;
    let template = match (rules.prompt().filter(|_| command == Command::Start), &source) {
        (Some(place @ PolicyLocation::Repository { .. }), Some(source)) => {
            let text =
                source.file(place.path(), render::MAX_BYTES).await.map_err(|no| no.about("task-class", &place))?;
            Some(Template { name: place.to_string(), source: text })
        }
        _ => None,
    };
    let mut trials = Vec::new();
    for class in policy.classes().map(Some).chain([None]).filter(|_| command == Command::Doctor) {
        let Ok(rules) = policy.rules(&place, commit.clone(), class) else { continue };
        let Some(prompt) = rules.prompt() else { continue };
        let template = match &source {
            Some(source) => match source.file(prompt.path(), render::MAX_BYTES).await {
                Ok(source) => Ok(Template { name: prompt.to_string(), source }),
                Err(FetchError::GitHub(error)) if !error.is_refusal() => return Err(LoadError::GitHub(error)),
                Err(no) => Err(no.to_string()),
            },
            None => read_template(host, prompt.path()).map_err(|why| format!("cannot be read: {why:#}")),
        };
        let template = template.map_err(|why| format!("`{prompt}` {why}"));
        trials.push(ClassPrompt { rules, template });
    }
    Ok(LoadedPolicy { rules, template, trials })
}

/// Where the policy is; `None` if there is none and the step does not need one.
fn locate(opening: &Bootstrap, host: &Host) -> Result<Option<PolicyLocation>, Vec<Problem>> {
    // A wrong place is reported with the other inputs.
    if let Some(named) = opening.policy.as_ref().map_err(|()| Vec::new())? {
        return Ok(Some(named.clone()));
    }
    misplaced(host)?;
    // A link that leads nowhere is found here, and reported when it is read.
    let (folder, name) = USUAL_PLACE.rsplit_once('/').unwrap_or_default();
    if host.has(USUAL_PLACE) || host.files_in(folder).iter().any(|file| file == name) {
        return Ok(Some(PolicyLocation::Workspace(USUAL_PLACE.to_owned())));
    }
    let Some(class) = &opening.task_class else { return Ok(None) };
    let why = format!(
        "needs a policy, and `{USUAL_PLACE}` is not in the workspace. Run `actions/checkout` before this step, or name \
         the file in `policy`"
    );
    Err(vec![Problem::shown("task-class", class, why)])
}

/// Searches for a policy that would be ignored, because its file has almost the right name or folder.
fn misplaced(host: &Host) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut folders = BTreeSet::from([String::new()]);
    let has_usual = host.has(USUAL_PLACE);
    let mut tops = BTreeSet::new();
    tops.extend(host.folders_in(""));
    // The repository may be checked out into a folder. One beside a policy of the workspace may have its own.
    let checkouts = tops.iter().filter(|_| !has_usual).take(MAX_CHECKOUTS);
    folders.extend(checkouts.map(|top| format!("{top}/.github")));
    for top in tops.into_iter().filter(|name| is_near_folder(name)) {
        let mut found = vec![top];
        while let Some(folder) = found.pop().filter(|_| folders.len() < MAX_FOLDERS) {
            if is_github(folder.split('/').next().unwrap_or_default()) {
                found.extend(host.folders_in(&folder).iter().map(|name| format!("{folder}/{name}")));
            }
            folders.insert(folder);
        }
    }
    for folder in &folders {
        for name in host.files_in(folder).iter().filter(|name| is_near(folder, name, has_usual)) {
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if host.text(&path, schema::MAX_BYTES).map_or(true, |text| may_be_policy(&text)) {
                let remedy = match has_usual {
                    true => "Delete one of the two",
                    false if folder.ends_with("/.github") => "Check the repository out without `path`",
                    false => "Move it there",
                };
                let why = format!(
                    "is not set, and `{path}` would be ignored: a policy is read from `{USUAL_PLACE}`. {remedy}, or \
                     write `policy: {path}`"
                );
                problems.push(Problem::new("policy", why));
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// A repository with a policy in it, at one commit.
struct Source<'a> {
    readers: Vec<LimitedClient<'a>>,
    host: &'a Host,
    repository: &'a Repository,
    commit: String,
}

/// Why a file is not read.
enum FetchError {
    NoToken,
    GitHub(Error),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => f.write_str("needs a token to be read; give `token` or `lookup-token`"),
            Self::GitHub(error) => write!(f, "cannot be read: {error}"),
        }
    }
}

impl FetchError {
    fn about(self, input: &str, place: &PolicyLocation) -> LoadError {
        match self {
            Self::GitHub(error) if !error.is_refusal() => LoadError::GitHub(error),
            no => LoadError::BadInput(vec![Problem::shown(input, &place.to_string(), no.to_string())]),
        }
    }
}

impl<'a> Source<'a> {
    async fn open(
        address: &ApiUrl,
        tokens: &[Token],
        host: &'a Host,
        (repository, at): (&'a Repository, Option<&str>),
        connect: &Connect<'_>,
    ) -> Result<Self, FetchError> {
        if tokens.is_empty() {
            return Err(FetchError::NoToken);
        }
        let readers = tokens
            .iter()
            .map(|token| Ok(LimitedClient::new(connect(address, token)?, 1).logging_to(host)))
            .collect::<anyhow::Result<Vec<_>>>();
        let readers = readers.map_err(|why| FetchError::GitHub(Error::NoConnection { why: format!("{why:#}") }))?;
        let mut source = Self { readers, host, repository, commit: String::new() };
        source.commit = source.ask(async |github| github.commit(repository, at).await).await?;
        Ok(source)
    }

    async fn file(&self, path: &str, most: usize) -> Result<String, FetchError> {
        self.ask(async |github| github.file(self.repository, path, &self.commit, most).await).await
    }

    async fn ask<T>(&self, question: impl AsyncFn(&LimitedClient<'a>) -> Result<T, Error>) -> Result<T, FetchError> {
        retry::ask(&self.readers, question, self.host.pausing("reading the policy")).await.map_err(FetchError::GitHub)
    }
}
