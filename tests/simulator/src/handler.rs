//! What every request goes through, whichever endpoint it is for.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde_json::json;

use crate::answer::Answer;
use crate::clock::Moment;
use crate::denial::Denial;
use crate::endpoint::{Endpoint, RepositoryRef};
use crate::fault::FaultKind;
use crate::host::Host;
use crate::limit::Refusal;
use crate::request::Request;
use crate::settings::OldNames;
use crate::token::{Permission, Token};
use crate::user::show_authenticated_user;
use crate::world::{RepositoryRecord, World, key};

/// The versions of the API that describe these endpoints.
const VERSIONS: [&str; 2] = ["2026-03-10", "2022-11-28"];

/// Who is asking.
pub(crate) struct Caller {
    pub(crate) token: Token,
    secret: String,
    /// Whose limits count.
    pub(crate) account: String,
}

impl Caller {
    fn is_installation(&self) -> bool {
        self.secret.starts_with("ghs_")
    }

    /// The words in which GitHub refuses this kind of token.
    pub(crate) fn refusal(&self) -> &'static str {
        if self.is_installation() {
            "Resource not accessible by integration"
        } else {
            "Resource not accessible by personal access token"
        }
    }
}

impl World {
    /// Carries out a request and says what is answered; the log's entry is completed.
    pub(crate) fn handle(&mut self, now: Moment, entry: usize, request: &Request, concurrent: usize) -> Answer {
        self.advance(now);
        if let Host::Gitea(version) = self.settings.host.clone() {
            let mut answer = self.gitea(&version, request);
            answer.headers.push(("content-type".to_owned(), answer.content_type.to_owned()));
            self.complete_call(entry, None, answer.status, false);
            return answer;
        }
        let (endpoint, repository) = Endpoint::of(request);
        let caller = self.caller(request);
        let resource = endpoint.resource();

        let mut counted = false;
        let mut answer = match self.admit(now, &endpoint, caller.as_ref(), request, concurrent) {
            Err(refusal) => refusal,
            Ok(()) => {
                counted = endpoint != Endpoint::RateLimit;
                match &caller {
                    Some(caller) => self.dispatch(now, &endpoint, repository.as_ref(), caller, request),
                    None if endpoint == Endpoint::Root => self.api_root(request),
                    None if endpoint == Endpoint::Meta => self.meta(),
                    None => Answer::error(401, "Requires authentication"),
                }
            }
        };
        if self.settings.etags && request.is_get() && answer.status == 200 {
            let etag = etag(request, &answer);
            let known = request
                .headers
                .get_all("if-none-match")
                .iter()
                .any(|value| value.to_str().is_ok_and(|value| value.split(',').any(|it| it.trim() == etag)));
            answer.headers.push(("etag".to_owned(), etag));
            if known {
                answer.status = 304;
                answer.body.clear();
                counted = false;
            }
        }
        if let Some(caller) = &caller {
            if counted {
                self.rate_limiter.count(&caller.account, resource, now);
            }
            self.decorate(now, &mut answer, &endpoint, caller, resource);
        }
        self.stamp(now, entry, &mut answer);
        self.complete_call(entry, caller.map(|caller| caller.token.login), answer.status, counted);
        answer
    }

    /// Completes the log's entry.
    fn complete_call(&mut self, entry: usize, login: Option<String>, status: u16, counted: bool) {
        if let Some(call) = self.log.get_mut(entry) {
            call.login = login;
            call.status = Some(status);
            call.counted = counted;
        }
    }

    /// The answer that a fault gives by itself; none for a fault that gives no answer.
    pub(crate) fn fault_answer(
        &mut self,
        now: Moment,
        entry: usize,
        request: &Request,
        kind: &FaultKind,
    ) -> Option<Answer> {
        let (endpoint, repository) = Endpoint::of(request);
        let mut answer = match kind {
            FaultKind::Status(status) => {
                let mut answer = match &status.body {
                    _ if status.html => Answer::html(status.code),
                    Some(body) => Answer::json(status.code, body),
                    None => Answer::error(status.code, reason(status.code)),
                };
                for (name, value) in &status.headers {
                    answer = answer.header(name, value);
                }
                answer
            }
            FaultKind::Garbage => Answer::html(if request.is_get() { 200 } else { 201 }),
            FaultKind::RateLimit { retry_after } => Answer::secondary_limit(self.settings.scaled(*retry_after)),
            FaultKind::PrimaryLimit { reset_in } => {
                let reset = now.plus(self.settings.scaled(*reset_in));
                self.primary_limit("core", "0", reset)
            }
            FaultKind::PlainLimit(words) => Answer::plain_limit(*words),
            FaultKind::GraphQlRateLimited => Answer::json(
                200,
                &json!({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded for user ID 583231."}]}),
            ),
            FaultKind::Denied(denial) => {
                let owner = match &repository {
                    Some(RepositoryRef::Name(name)) => name.split('/').next().unwrap_or_default(),
                    _ => "octo",
                };
                denial.answer(owner, request.authorization().map_or("", |(_, secret)| secret))
            }
            FaultKind::Redirect { to } => Answer::redirect(request.is_get(), self.settings.write_redirect, to.clone()),
            FaultKind::Drop
            | FaultKind::Unreachable
            | FaultKind::Delay(_)
            | FaultKind::TimeOut(_)
            | FaultKind::ExtraHeader { .. }
            | FaultKind::CutBody => return None,
        };
        // These come from the API itself, whose answers all say what is left of the primary limit.
        if let FaultKind::PlainLimit(_) | FaultKind::GraphQlRateLimited | FaultKind::Denied(_) = kind
            && let Some(caller) = self.caller(request)
        {
            self.decorate(now, &mut answer, &endpoint, &caller, endpoint.resource());
        }
        self.stamp(now, entry, &mut answer);
        if let Some(call) = self.log.get_mut(entry) {
            call.status = Some(answer.status);
        }
        Some(answer)
    }

    fn caller(&self, request: &Request) -> Option<Caller> {
        let (scheme, secret) = request.authorization()?;
        let known = ["bearer", "token"].iter().any(|it| it.eq_ignore_ascii_case(scheme));
        let token = self.tokens.get(secret).filter(|_| known)?.clone();
        let account =
            if secret.starts_with("ghs_") { format!("installation for {}", token.login) } else { token.login.clone() };
        Some(Caller { token, secret: secret.to_owned(), account })
    }

    /// What is asked of every request, before it is looked at.
    fn admit(
        &mut self,
        now: Moment,
        endpoint: &Endpoint,
        caller: Option<&Caller>,
        request: &Request,
        concurrent: usize,
    ) -> Result<(), Answer> {
        let what = format!("{} {}", request.method, request.path);
        match endpoint {
            Endpoint::Unknown => {
                self.report_unexpected(format!("{what}: no such route"));
                return Err(Answer::error(501, "The simulator knows no such route"));
            }
            Endpoint::NotAllowed => {
                self.report_unexpected(format!("{what}: not allowed"));
                return Err(Answer::error(405, "Method Not Allowed"));
            }
            _ => {}
        }
        if request.header("user-agent").is_none_or(str::is_empty) {
            self.report_unexpected(format!("{what}: no User-Agent"));
            return Err(Answer::error(
                403,
                "Request forbidden by administrative rules. Please make sure your request has a \
                 User-Agent header.",
            ));
        }
        let versions: Vec<String> = request
            .headers
            .get_all("x-github-api-version")
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        // GraphQL has no versions, so the header may be missing there.
        let fine = match versions.as_slice() {
            [] => *endpoint == Endpoint::GraphQl,
            [one] => VERSIONS.contains(&one.as_str()),
            _ => false,
        };
        if !fine {
            let versions = versions.join(", ");
            self.report_unexpected(format!("{what}: X-GitHub-Api-Version is `{versions}`"));
            return Err(Answer::error(400, "The API version is missing, doubled or not supported"));
        }
        if !request.header("accept").is_some_and(|accept| accept.contains("json")) {
            self.report_unexpected(format!("{what}: Accept asks for no JSON"));
            return Err(Answer::error(415, "Unsupported 'Accept' header"));
        }
        if endpoint.parameters().is_empty() && !request.query.is_empty() {
            self.report_unexpected(format!("{what}: takes no query"));
        } else if let Some((name, _)) =
            request.query.iter().find(|(name, _)| !endpoint.parameters().contains(&name.as_str()))
        {
            self.report_unexpected(format!("{what}: `{name}` is not a documented parameter"));
        }

        if endpoint.is_public() && request.authorization().is_none() {
            return Ok(());
        }
        let Some(caller) = caller else {
            let given = request.authorization().is_some();
            let message = if given { "Bad credentials" } else { "Requires authentication" };
            return Err(Answer::error(401, message));
        };
        let limits = self.settings.limits.clone();
        if concurrent > limits.concurrent {
            return Err(Answer::secondary_limit(Duration::from_secs(1)));
        }
        if *endpoint == Endpoint::RateLimit {
            return Ok(());
        }
        let resource = endpoint.resource();
        let points = if request.is_get() || *endpoint == Endpoint::GraphQl { 1 } else { 5 };
        let creates = *endpoint == Endpoint::Start;
        match self.rate_limiter.admit(&caller.account, resource, now, points, creates, &limits) {
            Ok(()) => Ok(()),
            Err(Refusal::Secondary(wait)) => Err(Answer::secondary_limit(wait)),
            Err(Refusal::Primary) => {
                let ends = self.rate_limiter.hour(&caller.account, resource, now).ends;
                Err(self.primary_limit(resource, &limits.of(resource).to_string(), ends))
            }
        }
    }

    fn primary_limit(&self, resource: &str, used: &str, reset: Moment) -> Answer {
        Answer::error(403, "API rate limit exceeded for user ID 583231.")
            .header("x-ratelimit-limit", self.settings.limits.of(resource).to_string())
            .header("x-ratelimit-remaining", "0")
            .header("x-ratelimit-used", used)
            .header("x-ratelimit-reset", self.reset(reset).to_string())
            .header("x-ratelimit-resource", resource)
    }

    /// The second in which a limit ends has to be over before a request is let through.
    fn reset(&self, ends: Moment) -> i64 {
        self.clock.epoch(ends.plus(Duration::from_micros(999_999)))
    }

    fn dispatch(
        &mut self,
        now: Moment,
        endpoint: &Endpoint,
        repository: Option<&RepositoryRef>,
        caller: &Caller,
        request: &Request,
    ) -> Answer {
        let token = &caller.token;
        if endpoint.is_agents() && !self.settings.host.has_agents() {
            return Answer::not_found();
        }
        if endpoint.is_agents() && caller.is_installation() {
            return Answer::error(403, caller.refusal());
        }
        let record = match repository {
            None => None,
            Some(RepositoryRef::Id(id)) => self.repositories.values().find(|record| record.id == *id),
            Some(RepositoryRef::Name(name)) => match self.renamed(name) {
                Some(record) if self.settings.old_names != OldNames::Serve => {
                    return self.redirect_to(record, name, endpoint, request);
                }
                Some(record) => Some(record),
                None => self.repositories.get(&key(name)),
            },
        };
        let record = record.filter(|record| token.can_see(&record.name)).cloned();
        if repository.is_some() && record.is_none() {
            return Answer::not_found();
        }
        let denial = record.as_ref().and_then(|record| match endpoint {
            _ if record.spec.denial.is_some() => record.spec.denial.clone(),
            _ if token.lacks_sso(record.owner()) => Some(Denial::SsoRequired),
            Endpoint::Start if record.spec.start_denial.is_some() => record.spec.start_denial.clone(),
            _ => None,
        });
        let denial = denial.or_else(|| (endpoint.is_agents() && !token.licence).then_some(Denial::PlanRequired));
        if let Some(denial) = denial {
            return denial.answer(record.as_ref().map_or("", RepositoryRecord::owner), &caller.secret);
        }
        if let Some(needed) = endpoint.needs()
            && !token.may(needed)
        {
            return Answer::error(403, caller.refusal()).header("x-accepted-github-permissions", needed.header());
        }
        if endpoint.is_agents() && record.as_ref().is_some_and(|record| !record.spec.agent_enabled) {
            return Answer::not_found();
        }
        if endpoint.is_write() && record.as_ref().is_some_and(|record| record.spec.archived) {
            return Denial::RepositoryArchived.answer("", &caller.secret);
        }
        match (endpoint, &record) {
            (Endpoint::Root, _) => self.api_root(request),
            (Endpoint::Meta, _) => self.meta(),
            (Endpoint::Start, Some(record)) => self.start(now, &record.name, token, request),
            (Endpoint::RepositoryTasks, Some(record)) => self.list(now, Some(&record.name), token, request),
            (Endpoint::RepositoryTask(id), Some(record)) => self.task(now, Some(&record.name), token, id, request),
            (Endpoint::MyTasks, _) => self.list(now, None, token, request),
            (Endpoint::MyTask(id), _) => self.task(now, None, token, id, request),
            (Endpoint::GraphQl, _) => self.graphql(now, caller, request),
            (Endpoint::Search, _) => self.search(token, request),
            (Endpoint::Pulls, Some(record)) => self.pulls(record, request),
            (Endpoint::Pull(number), Some(record)) => self.pull(record, number, request),
            (Endpoint::PullFiles(number), Some(record)) => self.pull_files(record, number, request),
            (Endpoint::PullCommits(number), Some(record)) => self.pull_commits(record, number, request),
            (Endpoint::PullReviews(number), Some(record)) => self.pull_reviews(now, record, number, request),
            (Endpoint::CheckRuns(reference), Some(record)) => self.check_runs(now, record, reference, request),
            (Endpoint::CheckSuites(reference), Some(record)) => self.check_suites(now, record, reference, request),
            (Endpoint::CombinedStatus(reference), Some(record)) => {
                self.combined_status(now, record, reference, request)
            }
            (Endpoint::Statuses(reference), Some(record)) => self.statuses(now, record, reference, request),
            (Endpoint::Runs, Some(record)) => self.list_runs(now, record, request),
            (Endpoint::Run(id), Some(record)) => self.get_run(now, record, id, request),
            (Endpoint::CancelRun(id), Some(record)) => self.cancel_run(now, record, id, false),
            (Endpoint::ForceCancelRun(id), Some(record)) => self.cancel_run(now, record, id, true),
            (Endpoint::Repository, Some(record)) => self.repository(record, token, request),
            (Endpoint::Branch(branch), Some(record)) => self.branch(record, branch, request),
            (Endpoint::Contents(path), Some(record)) => self.contents(record, path, request),
            (Endpoint::Commits, Some(record)) => self.commits(record, request),
            (Endpoint::CollaboratorPermission(login), Some(record)) => {
                self.permission(record, login, request, (!caller.is_installation()).then_some(&token.login))
            }
            (Endpoint::Configuration, Some(record)) => self.configuration(record),
            (Endpoint::ActionsPermissions, Some(record)) => self.actions(record, request),
            (Endpoint::SelectedActions, Some(record)) => self.selected_actions(record),
            (Endpoint::RateLimit, _) => self.rate_limit(now, caller),
            (Endpoint::User, _) if caller.is_installation() => Answer::error(403, caller.refusal()),
            (Endpoint::User, _) => {
                Answer::json(200, &show_authenticated_user(&request.base, &token.login, token.id, "User"))
            }
            _ => Answer::not_found(),
        }
    }

    /// Leads from a name that the repository had before to where it is now.
    fn redirect_to(&self, record: &RepositoryRecord, old_name: &str, endpoint: &Endpoint, request: &Request) -> Answer {
        let by_id = self.settings.old_names == OldNames::RedirectToId && !endpoint.is_agents();
        let to = if by_id {
            request.path.replacen(&format!("/repos/{old_name}"), &format!("/repositories/{}", record.id), 1)
        } else {
            request.path.replacen(old_name, &record.name, 1)
        };
        let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.query).finish();
        let mark = if query.is_empty() { "" } else { "?" };
        let to = format!("{}{to}{mark}{query}", request.base);
        Answer::redirect(request.is_get(), self.settings.write_redirect, to)
    }

    fn rate_limit(&mut self, now: Moment, caller: &Caller) -> Answer {
        let limit = self.settings.limits.requests_per_hour;
        let mut show = |resource| {
            let hour = *self.rate_limiter.hour(&caller.account, resource, now);
            json!({
                "limit": limit,
                "used": hour.used,
                "remaining": limit.saturating_sub(hour.used),
                "reset": self.clock.epoch(hour.ends.plus(Duration::from_micros(999_999))),
                "resource": resource,
            })
        };
        let (core, graphql) = (show("core"), show("graphql"));
        Answer::json(200, &json!({"resources": {"core": core, "graphql": graphql}, "rate": core}))
    }

    /// The headers about the caller's token and its limits.
    fn decorate(
        &mut self,
        now: Moment,
        answer: &mut Answer,
        endpoint: &Endpoint,
        caller: &Caller,
        resource: &'static str,
    ) {
        let mut put = |name: &str, value: String| {
            if !answer.has_header(name) {
                answer.headers.push((name.to_owned(), value));
            }
        };
        let limit = self.settings.limits.of(resource);
        let hour = *self.rate_limiter.hour(&caller.account, resource, now);
        put("x-ratelimit-limit", limit.to_string());
        put("x-ratelimit-remaining", limit.saturating_sub(hour.used).to_string());
        put("x-ratelimit-used", hour.used.to_string());
        put("x-ratelimit-reset", self.reset(hour.ends).to_string());
        put("x-ratelimit-resource", resource.to_owned());

        let kind = |prefix: &str| caller.secret.starts_with(prefix);
        if let Some(expires) = &caller.token.expires
            && (kind("ghp_") || kind("github_pat_"))
        {
            put("github-authentication-token-expiration", expires.clone());
        }
        if kind("ghp_") || kind("gho_") {
            let missing = caller.token.lacks.contains(&Permission::AgentTasksWrite);
            put("x-oauth-scopes", if missing { "" } else { "repo" }.to_owned());
            put("x-accepted-oauth-scopes", "repo".to_owned());
        } else if let Some(needed) = endpoint.needs() {
            put("x-accepted-github-permissions", needed.header().to_owned());
        }
    }

    /// The headers of every answer.
    fn stamp(&self, now: Moment, entry: usize, answer: &mut Answer) {
        answer.headers.push(("date".to_owned(), self.clock.http_date(now)));
        answer.headers.push(("x-github-request-id".to_owned(), format!("51D0:{entry:06X}")));
        if let Host::EnterpriseServer(version) = &self.settings.host {
            answer.headers.push(("x-github-enterprise-version".to_owned(), version.clone()));
        }
        if answer.status != 304 {
            answer.headers.push(("content-type".to_owned(), answer.content_type.to_owned()));
        }
    }
}

/// An `ETag` belongs to a token as well as to a body.
fn etag(request: &Request, answer: &Answer) -> String {
    let mut hasher = DefaultHasher::new();
    request.authorization().hash(&mut hasher);
    answer.body.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

fn reason(code: u16) -> &'static str {
    http::StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason()).unwrap_or("?")
}
