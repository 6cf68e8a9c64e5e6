//! A world written down as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::{Fault, FaultKind, Route};
use crate::outage::Outage;
use crate::repository::Repository;
use crate::runs::ExistingRun;
use crate::script::Script;
use crate::seconds;
use crate::settings::Settings;
use crate::task::Visibility;
use crate::token::Token;

/// A world as a scenario file describes it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What the calendar says at the beginning; the real time when absent.
    pub(crate) now: Option<String>,
    /// Overrides `settings.speed`.
    pub(crate) speed: Option<f64>,
    /// Start from the settings by the book.
    pub(crate) documented: bool,
    pub(crate) settings: Option<Value>,
    pub(crate) tokens: Option<BTreeMap<String, Token>>,
    pub(crate) repositories: Option<BTreeMap<String, Repository>>,
    pub(crate) default_script: Option<Script>,
    pub(crate) scripts: BTreeMap<String, Vec<Script>>,
    pub(crate) pulls: Vec<OldPull>,
    pub(crate) tasks: Vec<ExistingTask>,
    pub(crate) faults: Vec<PlannedFault>,
    pub(crate) outages: Vec<Outage>,
    pub(crate) runs: Vec<ExistingRun>,
}

impl Scenario {
    /// The settings, with `speed` in its place.
    pub(crate) fn settings(&self) -> Result<Settings, String> {
        let written = self.settings.clone().unwrap_or_else(|| json!({}));
        let mut settings: Settings = serde_json::from_value(written).map_err(|why| format!("`settings`: {why}"))?;
        if self.documented {
            if self.settings.is_some() {
                return Err("`documented` and `settings` exclude each other".to_owned());
            }
            settings = Settings::documented();
        }
        if let Some(speed) = self.speed {
            settings.speed = speed;
        }
        if settings.speed > 0.0 && settings.speed.is_finite() {
            Ok(settings)
        } else {
            Err(format!("`speed` is `{}`; it must be more than nothing", settings.speed))
        }
    }
}

/// A pull request that is there from the beginning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OldPull {
    pub(crate) repository: String,
    pub(crate) head: String,
    pub(crate) base: String,
}

/// A task that exists already, of any creator.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExistingTask {
    /// `owner/name`.
    pub repository: String,
    /// The id of the person who made it.
    pub creator: u64,
    /// Whether the API leaves out who made it.
    pub without_creator: bool,
    /// How `creator_type` is spelled: `user`, `User`, `Bot`, `app`, nothing at all. Absent when none.
    pub creator_type: Option<String>,
    /// What the API shows of it, and to whom.
    pub visibility: Visibility,
    /// Its prompt.
    pub prompt: String,
    /// The other fields of the body it was started with.
    pub body: Value,
    /// How long ago it was made.
    #[serde(with = "seconds")]
    pub age: Duration,
    /// What became and becomes of it, counted from when it was made.
    pub script: Script,
}

impl Default for ExistingTask {
    fn default() -> ExistingTask {
        ExistingTask {
            repository: "octo/app".to_owned(),
            creator: 1,
            without_creator: false,
            creator_type: Some("user".to_owned()),
            visibility: Visibility::Listed,
            prompt: "Tidy up".to_owned(),
            body: json!({}),
            age: Duration::from_secs(600),
            script: Script::completes_with_pull(Duration::from_secs(120)),
        }
    }
}

/// A fault, and when it strikes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlannedFault {
    route: Route,
    kind: FaultKind,
    #[serde(default)]
    after_accepting: bool,
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

impl PlannedFault {
    pub(crate) fn parts(self) -> (Route, usize, Fault) {
        let fault = Fault { kind: self.kind, after_accepting: self.after_accepting };
        (self.route, self.times, fault)
    }
}
