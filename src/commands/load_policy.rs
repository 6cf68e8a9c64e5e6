//! The policy of a step, read from where it is: the rules for its task class, and the prompt that they name.

use std::fmt;

use crate::actions::host::Runner;
use crate::github::client::GitHub;
use crate::github::error::Error;
use crate::github::limited;
use crate::github::repository::Repository;
use crate::github::token::Token;
use crate::github::url::Address;
use crate::inputs::parse::Opening;
use crate::inputs::problem::{Lack, Problem};
use crate::inputs::table::Command;
use crate::policy::evaluate::Rules;
use crate::policy::location::{Place, USUAL_PLACE};
use crate::policy::schema;
use crate::policy::schema::Policy;
use crate::prompt::render;
use crate::prompt::render::Template;

/// What the policy says of the step. Without a policy it says nothing.
#[derive(Debug, Default)]
pub struct Ruling {
    /// The rules.
    pub rules: Rules,
    /// The prompt's template, where a repository has it and not the workspace.
    pub template: Option<Template>,
    /// The prompts of all classes, which the doctor tries.
    pub trials: Vec<Trial>,
}

/// A class's prompt, to be tried.
#[derive(Debug)]
pub struct Trial {
    /// The rules of the class.
    pub rules: Rules,
    /// The template, or why it cannot be had.
    pub template: Result<Template, String>,
}

/// Reads the policy.
///
/// # Errors
/// Everything that is wrong with it, or GitHub's last answer where it is not there to be read.
pub async fn read(
    opening: &Opening,
    runner: &Runner,
    connect: impl Fn(&Address, &Token) -> anyhow::Result<GitHub>,
) -> Result<Ruling, Lack> {
    let Some(command) = opening.command.filter(|command| *command != Command::Plan) else {
        return Ok(Ruling::default());
    };
    // What is wrong with the place is told with the other inputs.
    let named = opening.policy.as_ref().map_err(|()| Vec::new())?;
    let usual = || Place::Workspace(USUAL_PLACE.to_owned());
    let Some(place) = named.clone().or_else(|| runner.has(USUAL_PLACE).then(usual)) else {
        return match &opening.task {
            None => Ok(Ruling::default()),
            Some(task) => {
                let why = format!(
                    "names a task class, and there is no policy: `{USUAL_PLACE}` is not in the workspace. Is \
                     `actions/checkout` missing before this step? Or let `policy` name the file"
                );
                Err(vec![Problem::shown("task", task, why)].into())
            }
        };
    };
    let (text, source) = match &place {
        Place::Workspace(path) => {
            let text = runner.text(path, schema::MOST_BYTES);
            let text = text.map_err(|why| vec![Problem::shown("policy", path, format!("cannot be read: {why:#}"))])?;
            (text, None)
        }
        Place::Repository { repository, path, at } => {
            let source = Source::open(opening, runner, repository, at.as_deref(), connect).await;
            let source = source.map_err(|no| no.about("policy", &place))?;
            let text = source.file(path, schema::MOST_BYTES).await.map_err(|no| no.about("policy", &place))?;
            (text, Some(source))
        }
    };
    let policy = Policy::parse(&place, &text).map_err(|faults| {
        faults.into_iter().map(|fault| Problem::new("policy", format!("is wrong. {fault}"))).collect::<Vec<_>>()
    })?;
    let commit = source.as_ref().map(|source| source.commit.clone());
    let task = opening.task.as_deref();
    let rules = policy
        .rules(&place, commit.clone(), task)
        .map_err(|why| vec![Problem::shown("task", task.unwrap_or_default(), why)])?;
    let template = match (rules.prompt().filter(|_| command == Command::Start), &source) {
        (Some(place @ Place::Repository { .. }), Some(source)) => {
            let text = source.file(place.path(), render::MOST_BYTES).await.map_err(|no| no.about("task", &place))?;
            Some(Template { name: place.to_string(), source: text })
        }
        _ => None,
    };
    let mut trials = Vec::new();
    for class in policy.classes().map(Some).chain([None]).filter(|_| command == Command::Doctor) {
        let Ok(rules) = policy.rules(&place, commit.clone(), class) else { continue };
        let Some(prompt) = rules.prompt() else { continue };
        let template = match &source {
            Some(source) => match source.file(prompt.path(), render::MOST_BYTES).await {
                Ok(source) => Ok(Template { name: prompt.to_string(), source }),
                Err(no) => Err(no.to_string()),
            },
            None => read_template(runner, prompt.path()).map_err(|why| format!("cannot be read: {why:#}")),
        };
        let template = template.map_err(|why| format!("`{prompt}` {why}"));
        trials.push(Trial { rules, template });
    }
    Ok(Ruling { rules, template, trials })
}

/// A repository with a policy in it, at one commit.
struct Source<'a> {
    readers: Vec<GitHub>,
    runner: &'a Runner,
    repository: &'a Repository,
    commit: String,
}

/// Why a file is not read.
enum Unread {
    NoToken,
    NoConnection(String),
    GitHub(Error),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => f.write_str("needs a token to be read; give `token` or `lookup-token`"),
            Self::NoConnection(why) => write!(f, "cannot be read: {why}"),
            Self::GitHub(error) => write!(f, "cannot be read: {error}"),
        }
    }
}

impl Unread {
    fn about(self, input: &str, place: &Place) -> Lack {
        match self {
            Self::GitHub(error) if error.may_pass() => Lack::GitHub(error),
            no => Lack::BadInput(vec![Problem::shown(input, &place.to_string(), no.to_string())]),
        }
    }
}

impl<'a> Source<'a> {
    async fn open(
        opening: &Opening,
        runner: &'a Runner,
        repository: &'a Repository,
        at: Option<&str>,
        connect: impl Fn(&Address, &Token) -> anyhow::Result<GitHub>,
    ) -> Result<Self, Unread> {
        let address = opening.address.as_ref().filter(|_| !opening.tokens.is_empty()).ok_or(Unread::NoToken)?;
        let readers = opening.tokens.iter().map(|token| connect(address, token)).collect::<anyhow::Result<Vec<_>>>();
        let readers = readers.map_err(|why| Unread::NoConnection(format!("{why:#}")))?;
        let mut source = Self { readers, runner, repository, commit: String::new() };
        source.commit = source.ask(async |github| github.commit(repository, at).await).await?;
        Ok(source)
    }

    async fn file(&self, path: &str, most: usize) -> Result<String, Unread> {
        self.ask(async |github| github.file(self.repository, path, &self.commit, most).await).await
    }

    async fn ask<T>(&self, question: impl AsyncFn(&GitHub) -> Result<T, Error>) -> Result<T, Unread> {
        let rest = async |pause| self.runner.rest(pause, "reading the policy").await;
        limited::ask(&self.readers, question, rest).await.map_err(Unread::GitHub)
    }
}

/// A template in the workspace.
///
/// # Errors
/// Those of [`Runner::text`].
pub fn read_template(runner: &Runner, name: &str) -> anyhow::Result<Template> {
    Ok(Template { name: name.to_owned(), source: runner.text(name, render::MOST_BYTES)? })
}
