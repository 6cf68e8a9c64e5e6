//! The step summary of what the doctor found.

use crate::commands::doctor::checks::DoctorReport;
use crate::report::summary::MOST_ROWS;
use crate::text::{cut, escaped};

/// How much of a finding stands in a cell, in characters: the remedy stands at its end.
const LONGEST_FINDING: usize = 2000;

/// The summary of what the doctor found: what is wrong first, and what is in order last.
pub fn checkup(report: &DoctorReport) -> String {
    let mut findings = report.all().collect::<Vec<_>>();
    findings.sort_by_key(|(_, finding)| finding.verdict);
    let rows = findings.iter().take(MOST_ROWS).map(|(repository, finding)| {
        let whose = repository.map_or_else(|| "the step".to_owned(), ToString::to_string);
        let (mark, check) = (finding.verdict.mark(), finding.check.as_str());
        format!("| {mark} | {} | `{check}` | {} |\n", escaped(&whose), escaped(&cut(&finding.says, LONGEST_FINDING)))
    });
    let rows = rows.collect::<String>();
    let mut text = format!("### 🩺 {}\n\n| | Of | Check | Finding |\n|---|---|---|---|\n{rows}", report.title());
    if findings.len() > MOST_ROWS {
        text.push_str(&format!("\nand {} more findings, all no graver than the last\n", findings.len() - MOST_ROWS));
    }
    text
}
