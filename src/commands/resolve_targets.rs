//! The repositories that a list comes to, once its files are read and its queries are asked.

use std::time::Duration;

use crate::actions::host::Host;
use crate::github::client::PAGE;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::repository::Repository;
use crate::inputs::problem::{LoadError, Problem};
use crate::inputs::request::Inputs;
use crate::inputs::targets;
use crate::inputs::targets::{List, MOST_BYTES, Shard, Source, Target};
use crate::run::clients::Clients;
use crate::text::repositories;

/// "The REST API provides up to 1,000 results for each search",
/// <https://docs.github.com/en/rest/search/search#about-search>.
const MOST_FOUND: usize = 1000;
/// How often a search is made that was not answered, or that GitHub gave up.
const TRIES: u32 = 3;
/// The pause before the next try. A search has a limit of its own, of 30 a minute, which GitHub tells where it applies.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest pause that GitHub is granted before the next try.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// The repositories, each once.
#[derive(Debug)]
pub struct ResolvedTargets {
    /// They, in the order in which they are named.
    pub targets: Vec<Target>,
}

/// Reads the repositories that the inputs list.
///
/// # Errors
/// All that is wrong with the list, or the error of the first query that is not answered.
pub async fn resolve_targets(
    host: &Host,
    inputs: &Inputs,
    clients: Option<&Clients>,
) -> Result<ResolvedTargets, LoadError> {
    let shard = inputs.request.start().and_then(|start| start.shard);
    match inputs.request.list() {
        Some(list) => read(list, shard, inputs.allow_empty, host, clients.map(|clients| &clients.tasks)).await,
        None => Ok(ResolvedTargets { targets: Vec::new() }),
    }
}

/// Reads a list to its end, and takes the part of it that is asked for.
///
/// # Errors
/// All that is wrong with the list, or the error of the first query that is not answered.
pub async fn read(
    list: &List,
    shard: Option<Shard>,
    allow_empty: bool,
    host: &Host,
    client: Option<&LimitedClient>,
) -> Result<ResolvedTargets, LoadError> {
    let mut problems = Vec::new();
    let sources = list.sources.iter().flat_map(|source| match source {
        Source::File(name) => match file(name, host) {
            Ok(sources) => sources,
            Err(why) => {
                problems.extend(why);
                Vec::new()
            }
        },
        source => vec![source.clone()],
    });
    let sources = sources.collect::<Vec<_>>();
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let mut targets = Vec::new();
    for source in sources {
        match source {
            Source::Named(target) => targets.push(target),
            Source::Query(query) => targets.extend(found(&query, host, client).await?),
            Source::File(_) => {}
        }
    }
    let targets = targets::once(targets).map_err(|wrong| wrong.into_iter().map(problem).collect::<Vec<_>>())?;
    // A part of a list that has fewer repositories than parts is empty, which is fine.
    if targets.is_empty() && !allow_empty && list.part.is_none() {
        let why = "has no repository; check its queries and files, or write allow-empty: true if that is fine";
        return Err(vec![problem(why)].into());
    }
    let targets = match shard {
        Some(shard) => shard.of(targets),
        None => targets,
    };
    Ok(ResolvedTargets { targets })
}

fn problem(why: impl Into<String>) -> Problem {
    Problem::new("repositories", why)
}

fn file(name: &str, host: &Host) -> Result<Vec<Source>, Vec<Problem>> {
    let text =
        host.text(name, MOST_BYTES).map_err(|why| vec![problem(format!("cannot use the file `{name}`: {why:#}"))])?;
    let list = targets::read(&text)
        .map_err(|wrong| wrong.into_iter().map(|why| problem(format!("has in `{name}`, {why}"))).collect::<Vec<_>>())?;
    if list.sources.iter().any(|source| matches!(source, Source::File(_))) || list.part.is_some() {
        return Err(vec![problem(format!("has in `{name}` another file or a part; name those in the input itself"))]);
    }
    Ok(list.sources)
}

/// What a query finds, by name: the order in which GitHub finds changes from one time to the next.
async fn found(query: &str, host: &Host, client: Option<&LimitedClient>) -> Result<Vec<Target>, LoadError> {
    let Some(client) = client else {
        return Err(vec![Problem::new("token", format!("is missing, and `query: {query}` needs one"))].into());
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let pause = match search(query, client).await {
            Ok(Some(mut targets)) => {
                targets.sort_by_key(|target| target.repository.to_string().to_ascii_lowercase());
                host.log(&format!("`{query}` finds {}", repositories(targets.len())));
                return Ok(targets);
            }
            Ok(None) if tries < TRIES => PAUSE,
            Ok(None) => {
                let why =
                    "is not found to its end: GitHub gives up looking, or the list changes all the time. Narrow it";
                return Err(vec![problem(format!("`query: {query}` {why}"))].into());
            }
            Err(LoadError::GitHub(error)) if tries < TRIES && error.may_pass() => match &error {
                Error::RateLimited(limit) if limit.wait <= LONGEST_PAUSE => limit.wait,
                Error::RateLimited(_) => return Err(LoadError::GitHub(error)),
                error => error.retry_after().unwrap_or(PAUSE).min(LONGEST_PAUSE),
            },
            Err(no) => return Err(no),
        };
        host.sleep(pause, "searching").await;
    }
}

/// One search through all its pages; `None` where it is not known whether that is all.
async fn search(query: &str, client: &LimitedClient) -> Result<Option<Vec<Target>>, LoadError> {
    let mut targets = Vec::new();
    for page in 1.. {
        let found = client.read(client.github().search(query, page)).await.map_err(|error| match error {
            Error::Invalid { said } => vec![problem(format!("`query: {query}` is refused by GitHub: {said}"))].into(),
            error => LoadError::GitHub(error),
        })?;
        let total = usize::try_from(found.total).unwrap_or(usize::MAX);
        if total > MOST_FOUND {
            let why = format!(
                "finds {total} repositories, and GitHub shows {MOST_FOUND} of them; narrow it, or part it in two"
            );
            return Err(vec![problem(format!("`query: {query}` {why}"))].into());
        }
        if found.is_incomplete {
            return Ok(None);
        }
        let last = found.items.len() < PAGE;
        for item in found.items {
            let repository = item.full_name.parse::<Repository>();
            let repository = repository.map_err(|why| vec![problem(format!("`{}` {why}", item.full_name))])?;
            targets.push(Target::new(repository));
        }
        if last || targets.len() >= total {
            targets = targets::once(targets).unwrap_or_default();
            return Ok((targets.len() >= total).then_some(targets));
        }
    }
    Ok(None)
}
