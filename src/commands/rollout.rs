//! A run of a rollout over days: reads what was done, starts what is due, says where the rollout is, and ends.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::actions::context::Context;
use crate::actions::host::Host;
use crate::actions::workflow_command::{Annotation, Level};
use crate::commands::start::{carry_out, show};
use crate::commands::{kept, warn};
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::pull_history::PullReview;
use crate::github::repository::Repository;
use crate::github::task::Task;
use crate::inputs::problem::Problem;
use crate::inputs::request::{Inputs, RolloutRequest, StartRequest};
use crate::inputs::targets;
use crate::inputs::targets::{StartPlace, Target};
use crate::join::join_all;
use crate::plan::{Action, Plan, PlanContext, PlanError, PlannedTask, plan};
use crate::prompt::render::Template;
use crate::report::ending::Ending;
use crate::report::outputs::{StepOutputs, all_results, outputs};
use crate::report::rollout as report;
use crate::run::clients::Clients;
use crate::run::questions::Questions;
use crate::run::rollout::{FoundTask, MarkerCache, RolloutHistory, RolloutReader};
use crate::task::conclusion::{Exit, Refusal};
use crate::task::event::Event;
use crate::task::marker::template_hash;
use crate::task::outcome::Outcome;
use crate::task::rollout::view::{RolloutView, concluded};
use crate::task::rollout::{Member, RolloutTask, Standing};

/// A run of a rollout.
pub struct RolloutRun<'a> {
    /// The runner.
    pub host: &'a Host,
    /// The inputs.
    pub inputs: &'a Inputs,
    /// What is to be started.
    pub start: &'a StartRequest,
    /// The rollout.
    pub request: &'a RolloutRequest,
    /// The clients; absent in a dry run without a token.
    pub clients: Option<&'a Clients<'a>>,
    /// The run of the workflow.
    pub context: &'a Context,
}

/// What is known of a repository.
#[derive(Clone, Copy)]
enum RepositoryRef<'a> {
    Id(u64),
    Name(&'a Repository),
}

impl RolloutRun<'_> {
    /// Goes on with the rollout over these entries.
    pub async fn run(&self, targets: Vec<Target>, template: Option<&Template>) -> Ending {
        let Some(clients) = self.clients else {
            let why = "is missing; a dry run of a rollout reads what it has done, and needs one too";
            return Ending::bad_input(&[Problem::new("token", why)]);
        };
        let Some(template) = template else {
            return Ending::bad_input(&[Problem::new("prompt", "is missing")]);
        };
        if let Err(why) = self.request.rules.waves.over(targets.len()) {
            return Ending::bad_input(&[Problem::new("waves", why)]);
        }
        let cache = match &self.request.cache {
            Some(path) => match kept(self.host, "rollout-cache", path) {
                Ok(kept) => self.cache(&kept),
                Err(problem) => return Ending::bad_input(&[problem]),
            },
            None => MarkerCache::default(),
        };
        let reading = async {
            let history = self.read(clients, cache).await?;
            let names = self.names(clients, &history, &targets).await?;
            self.prepare(clients, &history, &names, targets, template).await
        };
        match reading.await {
            Ok((view, Ok(plan))) => self.act(clients, view, plan).await,
            // The rules are about starts, so they do not matter where nothing is due.
            Ok((view, Err(PlanError::Refused(refusals)))) => self.ending(view, &refusals),
            Ok((_, Err(PlanError::BadInput(problems)))) => Ending::bad_input(&problems),
            Err(error) => Ending::github_error(&error),
        }
    }

    /// What earlier runs have kept, where this token has signed it.
    fn cache(&self, kept: &Value) -> MarkerCache {
        let signed = self.inputs.token.as_ref().and_then(|token| MarkerCache::of(kept, token));
        if signed.is_none() && !kept.is_null() {
            self.host.log("rollout-cache was changed, or written with another token; reading all tasks anew");
        }
        signed.unwrap_or_default()
    }

    /// What GitHub shows of the rollout.
    async fn read(&self, clients: &Clients<'_>, cache: MarkerCache) -> Result<RolloutHistory, Error> {
        let origin = self.context.origin();
        let reader = RolloutReader {
            host: self.host,
            clients,
            rules: &self.request.rules,
            expect: &self.inputs.expect,
            requires_pull: self.inputs.require_pull_request,
            class: self.inputs.rules.class().unwrap_or_default(),
            origin: &origin,
        };
        let history = reader.read(cache).await?;
        if let (Some(path), Some(token)) = (&self.request.cache, &self.inputs.token)
            && let Err(error) = self.host.keep(path, &history.cache.to_json(token).to_string())
        {
            warn(self.host, &[format!("rollout-cache: {error:#}")]);
        }
        Ok(history)
    }

    /// The rollout and the plan for all entries. Both are made anew where a repository that is due has another name by now,
    /// so that it may have its task already or be in the list twice, and where the template skips an entry.
    async fn prepare(
        &self,
        clients: &Clients<'_>,
        history: &RolloutHistory,
        names: &[(u64, Repository)],
        mut targets: Vec<Target>,
        template: &Template,
    ) -> Result<(RolloutView, Result<Plan, PlanError>), Error> {
        let mut resolved = HashMap::new();
        let mut skipped = Vec::<(usize, String)>::new();
        loop {
            let mut view = self.view(history, names, &resolved, &targets, template);
            for (at, reason) in &skipped {
                skip(&mut view, *at, reason);
            }
            let decision = view.decide();
            let is_new =
                |at: &usize| view.members[*at].tasks.is_empty() && !resolved.contains_key(&targets[*at].repository);
            let new = decision.due().into_iter().filter(is_new).collect::<Vec<_>>();
            if !new.is_empty() {
                self.rename(clients, &mut targets, &new, &mut resolved).await;
                targets = match targets::once(targets) {
                    Ok(targets) => targets,
                    Err(wrong) => {
                        let problems = wrong.into_iter().map(|why| Problem::new("repositories", why)).collect();
                        return Ok((view, Err(PlanError::BadInput(problems))));
                    }
                };
                // The places of entries may be others now.
                skipped.clear();
                continue;
            }
            for (at, target) in targets.iter_mut().enumerate() {
                let (wave, attempt) = (decision.places[at].0, view.members[at].next_attempt());
                target.place = Some(StartPlace { wave, attempt });
            }
            let given = PlanContext {
                context: self.context,
                template: Some(template),
                targets: targets.clone(),
                now: self.host.now(),
                follow_up: None,
            };
            let plan = match plan(self.inputs, given) {
                Ok(plan) => plan,
                refused => return Ok((view, refused)),
            };
            let before = std::mem::replace(&mut skipped, skips(&plan));
            if skipped == before {
                return Ok((view, Ok(plan)));
            }
        }
    }

    /// Gives these entries the names that their repositories have today, and adds the names to `resolved` with the ids of
    /// these repositories. A repository that cannot be read keeps its name; its start will say why.
    async fn rename(
        &self,
        clients: &Clients<'_>,
        targets: &mut [Target],
        places: &[usize],
        resolved: &mut HashMap<Repository, Option<u64>>,
    ) {
        let names = places.iter().map(|at| self.name_today(clients, RepositoryRef::Name(&targets[*at].repository)));
        let names = join_all(names).await;
        for (at, name) in places.iter().zip(names) {
            let target = &mut targets[*at];
            resolved.insert(target.repository.clone(), None);
            let Ok((id, name)) = name else { continue };
            if name != target.repository {
                self.host.log(&format!("{} is now {name}", target.repository));
                target.repository = name.clone();
            }
            resolved.insert(name, id);
        }
    }

    /// The id of a repository, and the name that it has today.
    async fn name_today(
        &self,
        clients: &Clients<'_>,
        known: RepositoryRef<'_>,
    ) -> Result<(Option<u64>, Repository), Error> {
        let question = async |client: &LimitedClient<'_>| match known {
            RepositoryRef::Id(id) => client.repository_name(id).await.map(|name| (Some(id), name)),
            RepositoryRef::Name(name) => {
                let malformed = |_| Error::Malformed { why: "it has no name".to_owned() };
                let found = client.repository(name).await?;
                Ok((found.id, found.full_name.parse().map_err(malformed)?))
            }
        };
        Questions { host: self.host, status: "reading the rollout" }.ask(&clients.tasks, question).await
    }

    /// The names of today of the repositories of tasks that are in the list under another name, or no longer in it.
    async fn names(
        &self,
        clients: &Clients<'_>,
        history: &RolloutHistory,
        targets: &[Target],
    ) -> Result<Vec<(u64, Repository)>, Error> {
        let listed = targets.iter().map(|target| target.repository.clone()).collect::<HashSet<_>>();
        let is_listed = |found: &FoundTask| found.marker.repository.parse().is_ok_and(|name| listed.contains(&name));
        let unlisted = history.tasks.iter().filter(|found| !is_listed(found)).map(|found| &found.task);
        let mut ids = Vec::new();
        for id in unlisted.chain(&history.hidden).filter_map(|task| task.repository_id) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let names_of = ids.iter().map(|id| self.name_today(clients, RepositoryRef::Id(*id)));
        let mut names = Vec::new();
        for (id, name) in ids.iter().zip(join_all(names_of).await) {
            match name {
                Ok((_, name)) => names.push((*id, name)),
                // It is not in any list under a name that this token can see.
                Err(Error::NotFound { .. } | Error::MissingPermission { .. } | Error::Denied { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(names)
    }

    /// The entries of the list with their tasks.
    fn view(
        &self,
        history: &RolloutHistory,
        names: &[(u64, Repository)],
        resolved: &HashMap<Repository, Option<u64>>,
        targets: &[Target],
        template: &Template,
    ) -> RolloutView {
        let key = |repository: &Repository, name: &str| {
            (repository.clone(), Some(name.to_ascii_lowercase()).filter(|name| !name.is_empty()))
        };
        let entries = targets.iter().enumerate();
        let entries = entries.map(|(at, it)| (key(&it.repository, it.name.as_deref().unwrap_or_default()), at));
        // Of the same type as the executor's names.
        let entries = entries.collect::<HashMap<(Repository, Option<String>), usize>>();
        let ids = resolved.iter().filter_map(|(name, id)| Some(((*id)?, name)));
        let ids = names.iter().map(|(id, name)| (*id, name)).chain(ids).collect::<Vec<_>>();
        let today = |task: &Task| ids.iter().find(|(id, _)| Some(*id) == task.repository_id).map(|(_, name)| *name);
        // Another repository can have the name by now.
        let is_of = |task: &Task, name: &Repository| {
            let id = resolved.get(name).copied().flatten();
            id.is_none() || task.repository_id.is_none() || id == task.repository_id
        };
        let entry_of = |found: &FoundTask| {
            let then = found.marker.repository.parse::<Repository>().ok().filter(|name| is_of(&found.task, name));
            let candidates = [today(&found.task), then.as_ref()].into_iter().flatten();
            candidates.filter_map(|name| entries.get(&key(name, &found.marker.entry)).copied()).next()
        };
        let mut members = targets.iter().map(|_| Member::default()).collect::<Vec<_>>();
        let mut tasks = targets.iter().map(|_| Vec::new()).collect::<Vec<Vec<&FoundTask>>>();
        let mut removed = Vec::new();
        for found in &history.tasks {
            match entry_of(found) {
                Some(at) => {
                    let wave = found.marker.wave.parse().unwrap_or(1);
                    let since = found.task.updated_at.or(found.task.created_at);
                    members[at].tasks.push(RolloutTask { wave, standing: found.standing.clone(), since });
                    tasks[at].push(found);
                }
                None => {
                    let then = found.marker.repository.parse::<Repository>().ok();
                    if let Some(repository) = today(&found.task).cloned().or(then) {
                        removed.push(outcome(repository, Some(&found.marker.entry), found));
                    }
                }
            }
        }
        for task in &history.hidden {
            let is_there = |target: &Target| today(task) == Some(&target.repository);
            for at in (0..targets.len()).filter(|at| is_there(&targets[*at])) {
                let why = format!("GitHub does not show the prompt of a task that may be its own: {}", task.link());
                members[at].tasks.push(RolloutTask { wave: 1, standing: Standing::Unknown(why), since: None });
            }
        }
        let entries = targets.iter().zip(&members).zip(&tasks);
        let (outcomes, pulls) = entries.map(|((target, member), tasks)| leading_outcome(target, member, tasks)).unzip();
        RolloutView {
            rules: self.request.rules.clone(),
            members,
            outcomes,
            pulls,
            removed,
            change: self.change(tasks.iter().flatten().copied(), template),
            started: Vec::new(),
            refused: None,
            known: history.known.clone(),
            now: history.now,
        }
    }

    /// How the prompt has changed since the newest task.
    fn change<'t>(&self, tasks: impl Iterator<Item = &'t FoundTask>, template: &Template) -> Option<String> {
        let newest = tasks.max_by_key(|found| found.task.created_at)?;
        let shown = |version: &str, hash: &str| match version {
            "" => format!("template {hash}"),
            version => format!("version {version} (template {hash})"),
        };
        let before = shown(&newest.marker.version, &newest.marker.template);
        let version = self.inputs.facts().version.unwrap_or_default();
        let now = shown(&version, &template_hash(&template.source));
        (before != now).then(|| format!("its newest task has {before}, and the prompt is now {now}"))
    }

    /// Starts what is due.
    async fn act(&self, clients: &Clients<'_>, mut view: RolloutView, mut plan: Plan) -> Ending {
        warn(self.host, &plan.warnings);
        let due = view.decide().due();
        if due.is_empty() {
            return self.ending(view, &[]);
        }
        let mut place = 0;
        plan.tasks.retain(|_| {
            place += 1;
            due.contains(&(place - 1))
        });
        // The waves of a rollout are over days; what is due starts together.
        plan.waves.truncate(1);
        plan.waves.iter_mut().for_each(|wave| wave.end = due.len());
        view.started = due;
        plan.rollout = Some(Box::new(view));
        show(self.host, self.inputs, &plan);
        carry_out(self.host, self.inputs, &plan, self.context, Some(clients)).await
    }

    /// The end of a run that starts nothing.
    fn ending(&self, mut view: RolloutView, refusals: &[Refusal]) -> Ending {
        let refusals = refusals.iter().map(ToString::to_string).collect::<Vec<_>>();
        view.refused = (!refusals.is_empty()).then(|| refusals.join("; "));
        let (decision, outcomes) = view.after(&[]);
        let is_due = !decision.due().is_empty();
        let mut annotations = report::annotations(&view, &decision, &outcomes);
        if !refusals.is_empty() {
            let level = if is_due { Level::Error } else { Level::Warning };
            let title = "Refused by the policy, nothing was sent".to_owned();
            annotations.push(Annotation { level, title, message: refusals.join("\n") });
        }
        if self.inputs.dry_run {
            self.host.log("dry run: nothing was sent");
        }
        self.host.log(&report::title(&view, &decision));
        let (results_file, own) = (self.host.results_file(), report::values(&decision));
        let mut error = refusals.join("; ");
        if let Some(stopped) = annotations.first().filter(|it| error.is_empty() && it.level == Level::Error) {
            error.clone_from(&stopped.message);
        }
        let more = StepOutputs { results_file: &results_file, error: &error, own: &own, ..StepOutputs::default() };
        Ending {
            annotations,
            outputs: outputs(&outcomes, &more),
            results: Some(all_results(&outcomes)),
            summary: report::unstarted(self.inputs.dry_run, &view, &self.inputs.facts(), self.context),
            exit: match report::exit(&decision) {
                _ if self.inputs.dry_run => Exit::Fine,
                Exit::Fine if is_due && !refusals.is_empty() => Exit::Declined,
                exit => exit,
            },
        }
    }
}

/// The places of the entries that the template skips, each with the reason.
fn skips(plan: &Plan) -> Vec<(usize, String)> {
    let reason = |(at, task): (usize, &PlannedTask)| match &task.action {
        Action::Skip(reason) => Some((at, reason.clone())),
        _ => None,
    };
    plan.tasks.iter().enumerate().filter_map(reason).collect()
}

/// Takes an entry that the template skips out of the rollout, unless it has a task already.
fn skip(view: &mut RolloutView, at: usize, reason: &str) {
    view.members[at].is_skipped = true;
    if view.members[at].tasks.is_empty() {
        view.outcomes[at].apply(&Event::Skipped(reason.to_owned()));
    }
}

/// What the leading task of an entry has come to, and its pull request.
fn leading_outcome(target: &Target, member: &Member, tasks: &[&FoundTask]) -> (Outcome, Option<PullReview>) {
    let leading = member.leading();
    // A hidden task has no outcome of its own.
    let found = leading.and_then(|at| tasks.get(at));
    let outcome = match found {
        Some(found) => outcome(target.repository.clone(), target.name.as_deref(), found),
        None => Outcome { entry: target.name.clone(), ..Outcome::new(target.repository.clone()) },
    };
    let outcome = match leading {
        Some(leading) => concluded(outcome, &member.tasks[leading].standing),
        None => outcome,
    };
    (outcome, found.and_then(|found| found.pull.clone()))
}

/// What is known of a task of the rollout.
fn outcome(repository: Repository, entry: Option<&str>, found: &FoundTask) -> Outcome {
    let mut outcome = Outcome::new(repository);
    outcome.entry = entry.filter(|entry| !entry.is_empty()).map(str::to_owned);
    outcome.task_id = Some(found.task.id.clone());
    outcome.created = Some(false);
    outcome.pull = found.pull.as_ref().map(|review| review.pull.clone());
    outcome.acceptance.clone_from(&found.acceptance);
    outcome.expects = found.acceptance.is_some();
    outcome.task = Some(found.task.clone());
    outcome
}
