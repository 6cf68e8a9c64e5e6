//! The checks of a repository's settings: those of the cloud agent and those of GitHub Actions.

use crate::commands::doctor::checks::{Check, Finding};
use crate::commands::doctor::repository::StepSettings;
use crate::github::answers::{ActionsPermissions, AgentConfiguration};
use crate::github::error::Error;
use crate::policy::schema::CloudAgent;

/// Whether the cloud agent is configured as the policy requires.
pub(super) fn check_cloud_agent(
    settings: &StepSettings<'_>,
    configuration: &Result<AgentConfiguration, Error>,
) -> Finding {
    let CloudAgent { firewall, recommended_allowlist, workflow_approval, tools } = settings.cloud_agent;
    let tools = tools.iter().flat_map(|tools| &tools.0);
    let policy = settings.policy;
    let configuration = match configuration {
        Ok(configuration) => configuration,
        Err(error) => {
            let requires = firewall.or(*recommended_allowlist).or(*workflow_approval).is_some() || tools.count() > 0;
            return if requires && error.is_refusal() {
                Check::CloudAgent.fail(format!("the settings cannot be compared with {policy}: {error}"))
            } else {
                Check::CloudAgent.unanswered(error)
            };
        }
    };
    let mut differences = Vec::new();
    for (name, required, found) in [
        ("firewall", firewall, configuration.firewall),
        ("recommended-allowlist", recommended_allowlist, configuration.recommended_allowlist),
        ("workflow-approval", workflow_approval, configuration.workflow_approval),
    ] {
        if let Some(required) = required.filter(|required| found != Some(*required)) {
            differences.push(format!("`{name}` is {}, required is {required}", spell(found, "true", "false")));
        }
    }
    for tool in tools {
        match configuration.tools.iter().find(|(name, _)| name == tool.as_str()) {
            Some((_, true)) => {}
            Some((_, false)) => differences.push(format!("the tool `{tool}` is off")),
            None => {
                let known = configuration.tools.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
                differences.push(format!(
                    "the tool `{tool}` does not exist; name one of `{}` in the policy",
                    known.join("`, `")
                ));
            }
        }
    }
    if !differences.is_empty() {
        return Check::CloudAgent.fail(format!(
            "the settings differ from `cloud-agent` of {policy}: {}. Change them under the repository's Settings > \
             Copilot > Cloud agent, or change the policy",
            differences.join("; ")
        ));
    }
    let on = configuration.tools.iter().filter(|(_, on)| *on).map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    Check::CloudAgent.pass(format!(
        "firewall {}, recommended allowlist {}, workflow approval {}; tools: {}",
        spell(configuration.firewall, "on", "off"),
        spell(configuration.recommended_allowlist, "on", "off"),
        spell(configuration.workflow_approval, "on", "off"),
        if on.is_empty() { "none".to_owned() } else { on.join(", ") }
    ))
}

fn spell(setting: Option<bool>, yes: &'static str, no: &'static str) -> &'static str {
    setting.map_or("unknown", |setting| if setting { yes } else { no })
}

/// Whether GitHub Actions is enabled. `allows_github_actions` says whether the actions that GitHub makes may be used,
/// where only selected ones may.
pub(super) fn check_actions(
    permissions: &Result<ActionsPermissions, Error>,
    allows_github_actions: Option<bool>,
) -> Finding {
    let permissions = match permissions {
        Ok(permissions) => permissions,
        Err(error) => return Check::Actions.unanswered(error),
    };
    if !permissions.enabled {
        let message = "GitHub Actions is disabled, and the cloud agent runs on it; enable it under the repository's \
                       Settings > Actions > General";
        return Check::Actions.fail(message);
    }
    // <https://github.com/github/copilot-cli/issues/2364>
    if permissions.allowed.as_deref() == Some("local_only") || allows_github_actions == Some(false) {
        let message = "the actions that GitHub makes are not allowed, and tasks whose cloud agent could not use them \
                       stayed in progress forever; allow them under the repository's Settings > Actions > General";
        return Check::Actions.warn(message);
    }
    Check::Actions.pass("GitHub Actions is enabled")
}
