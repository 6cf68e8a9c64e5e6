//! The check of the custom agent: where its file can be, and whether the cloud agent can use it.

use serde_json::Value;

use crate::commands::doctor::checks::{Check, Finding, Status};
use crate::commands::doctor::repository::StepSettings;
use crate::github::error::Error;
use crate::github::repository::Repository;
use crate::yaml::compose;
use crate::yaml::compose::{Kind, Node};

/// The repository of an owner whose folder `agents` has custom agents for all repositories of that owner,
/// <https://docs.github.com/en/copilot/how-tos/use-copilot-agents/cloud-agent/create-custom-agents>.
const SHARED: &str = ".github-private";

/// The files in which a custom agent can be, with their repositories, in the order in which GitHub looks for them,
/// <https://docs.github.com/en/copilot/how-tos/use-copilot-agents/cloud-agent/create-custom-agents>.
pub(super) fn agent_files(repository: &Repository, agent: &str) -> Vec<(Repository, String)> {
    let shared = format!("{}/{SHARED}", repository.owner()).parse::<Repository>().ok();
    let folders = [(Some(repository.clone()), ".github/agents"), (shared, "agents")];
    let folders = folders.into_iter().filter_map(|(repository, folder)| Some((repository?, folder)));
    let files = |(repository, folder): (Repository, &str)| {
        [".agent.md", ".md"].map(|extension| (repository.clone(), format!("{folder}/{agent}{extension}")))
    };
    folders.flat_map(files).collect()
}

/// Whether the custom agent exists. `found` is the first file that does, as its place and its text.
pub(super) fn check_custom_agent(
    settings: &StepSettings<'_>,
    (agent, repository, branch): (&str, &Repository, &str),
    found: Option<&Result<(String, String), Error>>,
) -> Finding {
    match found {
        Some(Ok((place, text))) => check_profile(settings, place, text),
        Some(Err(error)) => Check::CustomAgent.unanswered(error),
        None => {
            let shared = format!("{}/{SHARED}", repository.owner());
            Check::CustomAgent.fail(format!(
                "the token finds neither `.github/agents/{agent}.agent.md` on `{branch}` nor `agents/{agent}.agent.md` \
                 in `{shared}`, and GitHub would work without the agent. Correct `custom-agent` or add the file; if it \
                 is in `{shared}`, give the token access to that repository"
            ))
        }
    }
}

/// Whether the cloud agent can use a custom agent's file,
/// <https://docs.github.com/en/copilot/reference/custom-agents-configuration>.
fn check_profile(settings: &StepSettings<'_>, place: &str, text: &str) -> Finding {
    let finding = |status, message: &str| Check::CustomAgent.finding(status, format!("`{place}` {message}"));
    let Some(front_matter) = front_matter(text) else {
        return finding(Status::Warn, "does not start with YAML properties between two lines of `---`; add them");
    };
    let properties = match compose::parse(&front_matter) {
        Ok((properties, _)) => properties,
        Err(fault) => {
            // The first line of the file is the `---` above the properties.
            let message = format!("has invalid YAML in line {}: {}", fault.place.line + 1, fault.why);
            return finding(Status::Fail, &message);
        }
    };
    if text_of(&properties, "target") == Some("vscode") {
        let message = "has `target: vscode`, which hides it from the cloud agent; write `target: github-copilot`, or \
                       remove the line";
        return finding(Status::Fail, message);
    }
    let mut requested = settings.models.iter().flatten();
    let other = text_of(&properties, "model")
        .filter(|model| requested.any(|requested| normalized(requested) != normalized(model)));
    if let Some(model) = other {
        // <https://github.com/github/copilot-cli/issues/2695>
        let message = format!(
            "has `model: {model}`, and sessions ended when `model` requested another one; set the model in one place"
        );
        return finding(Status::Warn, &message);
    }
    match property(&properties, "description") {
        None => finding(Status::Warn, "has no `description`, which GitHub requires; add one"),
        Some(_) => finding(Status::Pass, "exists"),
    }
}

/// The text between the first line and the next line of `---`.
fn front_matter(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim_end);
    if lines.next() != Some("---") {
        return None;
    }
    let lines = lines.collect::<Vec<_>>();
    let end = lines.iter().position(|line| *line == "---")?;
    Some(lines[..end].join("\n"))
}

fn property<'a>(properties: &'a Node, name: &str) -> Option<&'a Node> {
    let Kind::Mapping(entries) = &properties.kind else {
        return None;
    };
    entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
}

fn text_of<'a>(properties: &'a Node, name: &str) -> Option<&'a str> {
    match &property(properties, name)?.kind {
        Kind::Scalar(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// A model's name as the API spells it: editors write `Claude Sonnet 4.5 (copilot)` for `claude-sonnet-4.5`.
fn normalized(model: &str) -> String {
    let model = model.to_ascii_lowercase();
    model.trim_end_matches("(copilot)").trim().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::policy::schema::CloudAgent;

    #[test]
    fn profile_is_read_as_github_reads_it() {
        let cloud_agent = CloudAgent::default();
        let models = [Some("gpt-5.4".to_owned())];
        let settings = StepSettings {
            base_ref: None,
            head_ref: None,
            custom_agent: None,
            models: &models,
            needs_pull_request: false,
            needs_checks: false,
            needs_stop: false,
            cloud_agent: &cloud_agent,
            policy: "",
        };
        let texts = [
            "---\ndescription: x\n---\nDo.",
            "---\r\ndescription: x\r\n---\r\nDo.",
            "---  \ndescription: |\n  x\n---",
            "---\ndescription: 2026\nmodel: GPT 5.4 (copilot)\n---",
            "---\ndescription: x\nmodel: GPT-5.4\n---",
            "---\ndescription: x\nmodel: other\n---",
            "---\ndescription: x\ntarget: vscode\nmodel: other\n---",
            "---\nname: x\n---\nDo.",
            "---\n---\nDo.",
            "---\na: b: c\n---\nDo.",
            "---\n- a\n---\nDo.",
            "---\ndescription: x\n----\nDo.",
            "Do.",
            "",
        ];
        let finding = |text| {
            let finding = check_profile(&settings, "x.md", text);
            format!("{} {}", finding.status.icon(), finding.message)
        };
        assert_snapshot!(texts.map(finding).join("\n"), @"
        ✅ `x.md` exists
        ✅ `x.md` exists
        ✅ `x.md` exists
        ✅ `x.md` exists
        ✅ `x.md` exists
        ⚠️ `x.md` has `model: other`, and sessions ended when `model` requested another one; set the model in one place
        ❌ `x.md` has `target: vscode`, which hides it from the cloud agent; write `target: github-copilot`, or remove the line
        ⚠️ `x.md` has no `description`, which GitHub requires; add one
        ⚠️ `x.md` has no `description`, which GitHub requires; add one
        ❌ `x.md` has invalid YAML in line 2: mapping values are not allowed in this context; put a value that contains `: ` in quotes, and indent all keys of a mapping alike
        ⚠️ `x.md` has no `description`, which GitHub requires; add one
        ⚠️ `x.md` does not start with YAML properties between two lines of `---`; add them
        ⚠️ `x.md` does not start with YAML properties between two lines of `---`; add them
        ⚠️ `x.md` does not start with YAML properties between two lines of `---`; add them
        ");
    }
}
