//! The repositories that a list comes to, once its files are read and its queries are asked.

use crate::actions::host::Host;
use crate::commands::warn;
use crate::github::client::PAGE_SIZE;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::repository::Repository;
use crate::github::retry;
use crate::inputs::problem::{LoadError, Problem};
use crate::inputs::request::{Inputs, Request};
use crate::inputs::targets;
use crate::inputs::targets::{List, MAX_BYTES, Shard, Source, Target};
use crate::join::join_all;
use crate::order::sorted;
use crate::run::clients::Clients;
use crate::text::repositories;

/// "The REST API provides up to 1,000 results for each search",
/// <https://docs.github.com/en/rest/search/search#about-search>.
const MAX_FOUND: usize = 1000;

/// Reads the repositories that the inputs list: each once, in the order in which they are named.
///
/// # Errors
/// All that is wrong with the list, or the error of the first query that is not answered.
pub async fn resolve_targets(
    host: &Host,
    inputs: &Inputs,
    clients: Option<&Clients<'_>>,
) -> Result<Vec<Target>, LoadError> {
    let shard = inputs.request.start().and_then(|start| start.shard);
    match inputs.request.list() {
        Some(list) => {
            // Only a start is refused by such rules, and a dry run sends nothing.
            let is_start = matches!(inputs.request, Request::Start(_)) && !inputs.dry_run;
            let has_rules = is_start && inputs.rules.has_repository_rules();
            let client = clients.map(|clients| &clients.tasks);
            let allow_empty = match inputs.request {
                Request::Stop(_) | Request::Report(_) => None,
                _ => Some(inputs.allow_empty),
            };
            read(list, shard, allow_empty, host, client, has_rules).await
        }
        None => Ok(Vec::new()),
    }
}

/// Reads a list to its end, and takes the part of it that is asked for. With `has_repository_rules` the repositories get
/// the names that they have today. `allow_empty` is absent if the command has no such input.
///
/// # Errors
/// All that is wrong with the list, or the error of the first query that is not answered.
async fn read(
    list: &List,
    shard: Option<Shard>,
    allow_empty: Option<bool>,
    host: &Host,
    client: Option<&LimitedClient<'_>>,
    has_repository_rules: bool,
) -> Result<Vec<Target>, LoadError> {
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
    let targets = match client.filter(|_| has_repository_rules) {
        Some(client) => under_real_names(targets, host, client).await,
        None => targets,
    };
    let targets = targets::once(targets).map_err(|wrong| wrong.into_iter().map(problem).collect::<Vec<_>>())?;
    // A part of a list that has fewer repositories than parts is empty, which is fine.
    if targets.is_empty() && allow_empty != Some(true) && list.part.is_none() {
        return Err(vec![problem(match allow_empty {
            Some(_) => "has no repository; check its queries and files, or write allow-empty: true if that is fine",
            None => "has no repository; correct its queries and files",
        })]
        .into());
    }
    Ok(match shard {
        Some(shard) => shard.of(targets),
        None => targets,
    })
}

fn problem(why: impl Into<String>) -> Problem {
    Problem::new("repositories", why)
}

fn file(name: &str, host: &Host) -> Result<Vec<Source>, Vec<Problem>> {
    let text =
        host.text(name, MAX_BYTES).map_err(|why| vec![problem(format!("cannot use the file `{name}`: {why:#}"))])?;
    let list = targets::read(&text).map_err(|wrong| {
        wrong.into_iter().map(|why| problem(format!("names `{name}`, which {why}"))).collect::<Vec<_>>()
    })?;
    warn(host, &list.warnings.iter().map(|it| format!("`{name}`, {it}")).collect::<Vec<_>>());
    if list.sources.iter().any(|source| matches!(source, Source::File(_))) || list.part.is_some() {
        return Err(vec![problem(format!(
            "names `{name}`, which has another file or a part; name those in the input itself"
        ))]);
    }
    Ok(list.sources)
}

/// What a query finds, by name: the order in which GitHub finds changes from one time to the next.
async fn found(query: &str, host: &Host, client: Option<&LimitedClient<'_>>) -> Result<Vec<Target>, LoadError> {
    let Some(client) = client else {
        return Err(vec![Problem::new("token", format!("is missing, and `query: {query}` needs one"))].into());
    };
    let question = async |client: &&LimitedClient<'_>| search(query, client).await;
    let found = retry::ask(&[client], question, host.pausing("searching")).await;
    let refused = |why: &str| LoadError::from(vec![problem(format!("`query: {query}` {why}"))]);
    match found {
        Ok(Ok(targets)) => {
            let name = |target: &Target| target.repository.to_string().to_ascii_lowercase();
            let targets = sorted(targets, &|a, b| name(a).cmp(&name(b)));
            host.log(&format!("`{query}` finds {}", repositories(targets.len())));
            Ok(targets)
        }
        Ok(Err(why)) => Err(refused(&why)),
        Err(Error::Invalid { said }) => Err(refused(&format!("is refused by GitHub: {said}"))),
        Err(Error::SearchUnfinished) => Err(refused(
            "is not found to its end: GitHub gives up looking, or the list changes all the time. Narrow it",
        )),
        Err(error @ Error::Incomplete { .. }) => Err(refused(&format!("cannot be searched: {error}"))),
        Err(error) => Err(LoadError::GitHub(error)),
    }
}

/// One search through all its pages, or why its result cannot be used.
async fn search(query: &str, client: &LimitedClient<'_>) -> Result<Result<Vec<Target>, String>, Error> {
    let mut targets = Vec::new();
    for page in 1.. {
        let found = client.search(query, page).await?;
        let total = usize::try_from(found.total).unwrap_or(usize::MAX);
        if total > MAX_FOUND {
            return Ok(Err(format!(
                "finds {total} repositories, and GitHub shows {MAX_FOUND} of them; narrow it, or split it in two"
            )));
        }
        let last = found.items.len() < PAGE_SIZE;
        for item in found.items {
            match item.full_name.parse::<Repository>() {
                Ok(repository) => targets.push(Target::new(repository)),
                Err(why) => return Ok(Err(format!("finds `{}`, which {why}", item.full_name))),
            }
        }
        if last || targets.len() >= total {
            targets = targets::once(targets).unwrap_or_default();
            return if targets.len() >= total { Ok(Ok(targets)) } else { Err(Error::SearchUnfinished) };
        }
    }
    Err(Error::SearchUnfinished)
}

/// The targets under the names that their repositories have today. A rule about the old name must not let a start into a
/// repository with another name. A name that cannot be asked for stays: a start does not follow a redirect.
async fn under_real_names(targets: Vec<Target>, host: &Host, client: &LimitedClient<'_>) -> Vec<Target> {
    join_all(targets.into_iter().map(async |mut target| {
        let question = async |client: &&LimitedClient<'_>| client.repository(&target.repository).await;
        let info = retry::ask(&[client], question, host.pausing("looking up repositories")).await.ok();
        let name = info.and_then(|info| info.full_name.parse().ok()).filter(|name| *name != target.repository);
        if let Some(name) = name {
            host.log(&format!("{} is now {name}; the policy's rules apply to that name", target.repository));
            target.repository = name;
        }
        target
    }))
    .await
}
