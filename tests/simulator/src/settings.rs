//! Which oddities of GitHub the simulator shows.

use std::time::Duration;

use serde::Deserialize;

use crate::host::Host;
use crate::limit::Limits;
use crate::runs::RunSettings;
use crate::seconds;

/// Whether a pull artifact carries the node id of its pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GlobalId {
    /// From task to task: present, empty, absent, and round again.
    Alternate,
    /// It is there.
    Present,
    /// It is there and empty.
    Empty,
    /// It is not there.
    Absent,
}

/// What the billed amount of a session is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageKey {
    /// From task to task: `amount`, `credits`, and round again.
    Alternate,
    /// `amount`, as documented.
    Amount,
    /// `credits`, as several clients were answered.
    Credits,
}

/// What a name does that a repository had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OldNames {
    /// It redirects to the present name.
    RedirectToName,
    /// It redirects to `/repositories/{id}`, as GitHub does. Addresses that have no such form, as those of agent
    /// tasks, redirect to the present name.
    RedirectToId,
    /// Assumed: it serves the repository without a redirect.
    Serve,
}

/// The settings. By default GitHub behaves as badly as it was observed to (or, where the comment says
/// *assumed*, as badly as nothing rules out); [`Settings::documented`] is GitHub by the book.
///
/// What goes round from task to task counts all tasks of the simulator, those that existed before
/// included.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Divides the durations of scripts, lags and faults. The windows of the limits are not
    /// divided: they belong to the caller's clock.
    pub speed: f64,
    /// Observed: the answer to a start is a stub without sessions, links and creator.
    pub trimmed_stub: bool,
    /// Assumed: a new task cannot be read for so long; its address answers 404.
    #[serde(with = "seconds")]
    pub detail_lag: Duration,
    /// Observed: a new task counts one session, but lists none, for so long. With it, the web
    /// address and the final name are missing too.
    #[serde(with = "seconds")]
    pub sessions_lag: Duration,
    /// Assumed: a new task is missing from the lists for so long.
    #[serde(with = "seconds")]
    pub list_lag: Duration,
    /// Observed: the web address may be missing; here for so long after the creation.
    #[serde(with = "seconds")]
    pub html_url_lag: Duration,
    /// Assumed: the pull artifact appears so long after the pull request was opened, even when the
    /// task has completed by then.
    #[serde(with = "seconds")]
    pub artifact_lag: Duration,
    /// Observed: while a task is queued its pull artifact is a placeholder with empty `data`.
    pub placeholder: bool,
    /// Observed: the node id in a pull artifact can be empty or absent.
    pub global_id: GlobalId,
    /// Observed before the launch: artifacts of the type `github_resource` among the others.
    pub unknown_artifacts: bool,
    /// Observed: sessions with an empty `head_ref` and `base_ref`; here in every third task, and
    /// everywhere until there is a branch.
    pub empty_session_refs: bool,
    /// Observed: a task's name is rewritten after its creation.
    pub renames: bool,
    /// Observed: a session's model comes back as `sweagent-capi:NAME`, or `Auto: GPT-5.4` when none
    /// was asked for.
    pub namespaced_models: bool,
    /// Observed: the billed amount of a session has two names.
    pub usage_key: UsageKey,
    /// Observed: `repository` can be a bare number; here in every second task.
    pub bare_repository: bool,
    /// Observed: fields that no document mentions.
    pub unknown_fields: bool,
    /// Observed: completed sessions without `completed_at`; here in every third task.
    pub missing_completed_at: bool,
    /// Observed: lists without their counts.
    pub missing_counts: bool,
    /// Observed: the link to the next page has lost the caller's filters.
    pub link_loses_filters: bool,
    /// Observed: a start that does not say whether it wants a pull request gets one.
    pub pull_anyway: bool,
    /// Observed: a branch to work on is ignored unless it has an open pull request to the base. If
    /// off, an existing branch is always taken, as one could read the documentation.
    pub head_ref_needs_pull: bool,
    /// Seen in schemas and clients: how `creator_type` is spelled, in tasks that are started here. Absent when none.
    pub creator_type: Option<String>,
    /// Assumed: text that GitHub puts below the prompt of each session.
    pub prompt_suffix: String,
    /// Assumed: sessions are listed newest first.
    pub sessions_newest_first: bool,
    /// Assumed: lists in no order, whatever order is asked for.
    pub unordered_lists: bool,
    /// Documented as a double, so possible: the billed amount as `1240000000.0`.
    pub decimal_usage: bool,
    /// Observed: what old names of repositories do.
    pub old_names: OldNames,
    /// Observed: the status of a redirect for anything but a GET, 307 or 308.
    pub write_redirect: u16,
    /// How the workflow runs of tasks behave.
    pub runs: RunSettings,
    /// The product that answers.
    pub host: Host,
    /// Whether answers carry an `ETag` and heed `If-None-Match`.
    pub etags: bool,
    /// The limits.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            speed: 1.0,
            trimmed_stub: true,
            detail_lag: Duration::from_millis(500),
            sessions_lag: Duration::from_secs(3),
            list_lag: Duration::from_secs(2),
            html_url_lag: Duration::from_secs(1),
            artifact_lag: Duration::from_secs(2),
            placeholder: true,
            global_id: GlobalId::Alternate,
            unknown_artifacts: true,
            empty_session_refs: true,
            renames: true,
            namespaced_models: true,
            usage_key: UsageKey::Alternate,
            bare_repository: true,
            unknown_fields: true,
            missing_completed_at: true,
            missing_counts: true,
            link_loses_filters: true,
            pull_anyway: true,
            head_ref_needs_pull: true,
            creator_type: Some("user".to_owned()),
            prompt_suffix: String::new(),
            sessions_newest_first: false,
            unordered_lists: false,
            decimal_usage: false,
            old_names: OldNames::RedirectToId,
            write_redirect: 307,
            runs: RunSettings::default(),
            host: Host::GitHub,
            etags: true,
            limits: Limits::default(),
        }
    }
}

impl Settings {
    /// GitHub as its documentation describes it: nothing late, nothing missing, nothing extra.
    pub fn documented() -> Settings {
        Settings {
            speed: 1.0,
            trimmed_stub: false,
            detail_lag: Duration::ZERO,
            sessions_lag: Duration::ZERO,
            list_lag: Duration::ZERO,
            html_url_lag: Duration::ZERO,
            artifact_lag: Duration::ZERO,
            placeholder: false,
            global_id: GlobalId::Present,
            unknown_artifacts: false,
            empty_session_refs: false,
            renames: false,
            namespaced_models: false,
            usage_key: UsageKey::Amount,
            bare_repository: false,
            unknown_fields: false,
            missing_completed_at: false,
            missing_counts: false,
            link_loses_filters: false,
            pull_anyway: false,
            head_ref_needs_pull: true,
            creator_type: Some("user".to_owned()),
            prompt_suffix: String::new(),
            sessions_newest_first: false,
            unordered_lists: false,
            decimal_usage: false,
            old_names: OldNames::RedirectToId,
            write_redirect: 307,
            runs: RunSettings::default(),
            host: Host::GitHub,
            etags: true,
            limits: Limits::default(),
        }
    }

    /// A duration of the world at its speed.
    pub(crate) fn scaled(&self, span: Duration) -> Duration {
        if self.speed > 0.0 && self.speed.is_finite() {
            Duration::try_from_secs_f64(span.as_secs_f64() / self.speed).unwrap_or(span)
        } else {
            span
        }
    }
}
