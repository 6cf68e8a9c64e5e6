//! The step summary of what the doctor found.

use crate::commands::doctor::checks::{Finding, Status};
use crate::commands::doctor::report::DoctorReport;
use crate::inputs::targets::Target;
use crate::order::sorted;
use crate::report::markdown::{details, inline, table};
use crate::report::summary::MAX_ROWS;
use crate::text::{counted, cut, escaped};

/// How much of a finding is shown, in characters: its remedy is at the end.
const MAX_FINDING: usize = 2000;

/// The summary of what the doctor found: faults first, and what is in order folded.
pub(super) fn checkup(report: &DoctorReport) -> String {
    let findings = sorted(report.all().collect(), &|(_, a), (_, b)| a.status.cmp(&b.status));
    let shown = &findings[..findings.len().min(MAX_ROWS)];
    let (open, passed) = shown.split_at(shown.partition_point(|(_, finding)| finding.status != Status::Pass));
    let mut text = format!("### 🩺 {}\n\n", report.title());
    if !open.is_empty() {
        text.push_str(&rows(open));
    }
    if !passed.is_empty() {
        text.push_str(&details(&format!("✅ {} in order", passed.len()), &rows(passed), open.is_empty()));
    }
    if findings.len() > MAX_ROWS {
        text.push_str(&format!(
            "The log has {}, none graver than the last.\n",
            counted(findings.len() - MAX_ROWS, "more finding")
        ));
    }
    text
}

fn rows(findings: &[(Option<&Target>, &Finding)]) -> String {
    let row = |(target, finding): &(Option<&Target>, &Finding)| {
        let place = target.map_or_else(|| "the step".to_owned(), Target::label);
        let (mark, check) = (finding.status.icon(), finding.check.as_str());
        vec![mark.to_owned(), escaped(&place), format!("`{check}`"), inline(&cut(&finding.message, MAX_FINDING))]
    };
    table(&["", "Where", "Check", "Finding"], &findings.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use crate::commands::doctor::checks::Check;

    use super::*;

    #[test]
    fn summary_of_the_doctor() {
        let denied = "the token may not see the settings. A fine-grained token needs \"Administration: read\"";
        let report = DoctorReport {
            step: vec![Check::Token.pass("is a `fine-grained personal access token`".to_owned())],
            repositories: vec![
                (Target::new("octo/app".parse().unwrap()), vec![Check::Repository.pass("is there".to_owned())]),
                (
                    Target::new("octo/lib".parse().unwrap()),
                    vec![
                        Check::Actions.unknown(denied.to_owned()),
                        Check::BaseRef.fail("there is no branch `dev|x`; create it or correct `base-ref`".to_owned()),
                        Check::Expiry.warn("the token ends in 3 days; renew it".to_owned()),
                    ],
                ),
            ],
        };
        insta::assert_snapshot!(checkup(&report), @r#"
        ### 🩺 1 fault, 1 warning

        |  | Where | Check | Finding |
        |---|---|---|---|
        | ❌ | octo/lib | `base-ref` | there is no branch `dev\|x`; create it or correct `base-ref` |
        | ⚠️ | octo/lib | `expiry` | the token ends in 3 days; renew it |
        | ❔ | octo/lib | `actions` | the token may not see the settings. A fine-grained token needs "Administration: read" |

        <details><summary>✅ 2 in order</summary>

        |  | Where | Check | Finding |
        |---|---|---|---|
        | ✅ | the step | `token` | is a `fine-grained personal access token` |
        | ✅ | octo/app | `repository` | is there |

        </details>
        "#);
        let fine = DoctorReport { repositories: Vec::new(), ..report };
        assert!(checkup(&fine).contains("<details open>"), "{}", checkup(&fine));
    }
}
