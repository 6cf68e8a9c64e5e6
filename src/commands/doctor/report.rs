//! All findings of the doctor, counted and sorted for people and for outputs.

use crate::commands::doctor::checks::{Finding, Status};
use crate::inputs::targets::Target;
use crate::task::conclusion::Conclusion;
use crate::task::outcome::{Outcome, Reason};

/// All findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DoctorReport {
    /// Those about the step as a whole.
    pub(super) step: Vec<Finding>,
    /// Those about each entry of the list.
    pub(super) repositories: Vec<(Target, Vec<Finding>)>,
}

impl DoctorReport {
    /// All findings, with the entry that each is about.
    pub(super) fn all(&self) -> impl Iterator<Item = (Option<&Target>, &Finding)> {
        let of_step = self.step.iter().map(|finding| (None, finding));
        of_step.chain(self.repositories.iter().flat_map(|(name, all)| all.iter().map(move |it| (Some(name), it))))
    }

    fn count(&self, status: Status) -> usize {
        self.all().filter(|(_, finding)| finding.status == status).count()
    }

    /// How many faults and warnings there are, for people.
    pub(super) fn title(&self) -> String {
        let count = |status, noun: &str| match self.count(status) {
            1 => format!("1 {noun}"),
            count => format!("{count} {noun}s"),
        };
        match (self.count(Status::Fail), self.count(Status::Warn)) {
            (0, 0) => "No faults found".to_owned(),
            (0, _) => count(Status::Warn, "warning"),
            (_, 0) => count(Status::Fail, "fault"),
            _ => format!("{}, {}", count(Status::Fail, "fault"), count(Status::Warn, "warning")),
        }
    }

    /// The findings with this status, a line each.
    pub(super) fn lines(&self, status: Status) -> Vec<String> {
        let findings = self.all().filter(|(_, finding)| finding.status == status);
        let line = |(target, finding): (Option<&Target>, &Finding)| match target {
            Some(target) => format!("{}: {finding}", target.label()),
            None => finding.to_string(),
        };
        findings.map(line).collect()
    }

    /// The outcome for each repository. A fault of the step is a fault of every repository.
    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        let faults = |findings: &[Finding]| {
            let faults = findings.iter().filter(|finding| finding.status == Status::Fail);
            faults.map(ToString::to_string).collect::<Vec<_>>()
        };
        let of_step = faults(&self.step);
        let outcome = |(target, findings): &(Target, Vec<Finding>)| {
            let faults = of_step.iter().cloned().chain(faults(findings)).collect::<Vec<_>>();
            let mut outcome = Outcome::new(target.repository.clone());
            outcome.entry.clone_from(&target.name);
            outcome.conclusion = Some(if faults.is_empty() { Conclusion::Success } else { Conclusion::Failure });
            outcome.reason = (!faults.is_empty()).then(|| Reason::Findings(faults.join("; ")));
            outcome
        };
        self.repositories.iter().map(outcome).collect()
    }
}
