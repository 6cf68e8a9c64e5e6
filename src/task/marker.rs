//! The idempotency key of a start, and the marker that carries it in a task's prompt.
//!
//! GitHub's API has no idempotency key. It keeps the prompt, unlike a task's name, so the key is in the prompt's last
//! line: an HTML comment that an agent ignores, and that shows a person where the task came from.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use ring::digest::{Context, SHA256};

use crate::text::{hexadecimal, sha256};

/// How many hexadecimal digits a key has. 64 bits are enough for far more starts than one repository has.
const DIGITS: usize = 16;
/// How a marker begins.
const OPENING: &str = "<!-- agent-task ";
/// How it ends.
const CLOSING: &str = " -->";
/// The characters that a value of the marker cannot have: they would end the value or the comment.
const VALUE: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'<').add(b'>').add(b'"').add(b'=');

/// A short hash; two starts that have the same are the same start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// The key of these parts in their order.
    pub fn over<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Context::new(&SHA256);
        for part in parts {
            // The length before each part keeps `ab`, `c` from being the same as `a`, `bc`.
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut text = hexadecimal(hash.finish().as_ref());
        text.truncate(DIGITS);
        Self(text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What distinguishes one text of a template from another: the beginning of its SHA-256, as long as a key.
pub fn template_hash(source: &str) -> String {
    let mut hash = sha256(source);
    hash.truncate(DIGITS);
    hash
}

/// Where a task came from: its key, what it is called, its class and prompt, and the run, attempt and actor that started it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marker {
    /// The idempotency key.
    pub key: Key,
    /// What tasks of the same kind share: the workflow and the job.
    pub name: String,
    /// The task class of the policy; empty if there is none.
    pub class: String,
    /// The name of the entry in `repositories`; empty if it has none.
    pub entry: String,
    /// The number of the pull request that it follows up on; empty if it follows up on none.
    pub follow_up: String,
    /// The version of the prompt that the policy names; empty if it names none.
    pub version: String,
    /// The hash of the prompt's template, see [`template_hash`]; empty in a marker of an earlier version.
    pub template: String,
    /// The rollout that the task belongs to; empty if there is none.
    pub rollout: String,
    /// The number of the wave of the rollout; empty if there is none.
    pub wave: String,
    /// The repository of the workflow, which belongs to the identity of a rollout: its id, or its name outside of Actions.
    pub origin: String,
    /// The repository of a task of a rollout, under the name that it had then: lists of tasks have its id alone.
    pub repository: String,
    /// The page of the workflow run; empty if there is none.
    pub run: String,
    /// Which attempt of the run it was; empty if there is none.
    pub attempt: String,
    /// The actor of the run; empty if there is none.
    pub actor: String,
}

impl Marker {
    /// The prompt with the marker as its last line.
    pub fn put_under(&self, prompt: &str) -> String {
        format!("{}\n\n{self}", prompt.trim_end())
    }

    /// The marker of a prompt: the last one. Text from elsewhere can contain a forged marker, but ours is put below all
    /// of it. GitHub may append text to ours, with comments in it. A marker that is cut off hides those above it.
    pub fn find(prompt: &str) -> Option<Self> {
        let (above, after) = prompt.rsplit_once(OPENING)?;
        let line = after.lines().next().unwrap_or_default();
        match line.split_once(CLOSING) {
            Some((body, _)) => Self::parse(body).or_else(|| Self::find(above)),
            // An empty comment, and not a part of ours.
            None if line.starts_with("-->") => Self::find(above),
            None => None,
        }
    }

    /// A prompt without the marker that [`Marker::put_under`] puts below it.
    pub fn strip(prompt: &str) -> &str {
        prompt.rsplit_once(OPENING).map_or(prompt, |(above, _)| above.trim_end())
    }

    /// The marker with this text between opening and closing.
    fn parse(body: &str) -> Option<Self> {
        let mut marker = Self::default();
        for pair in body.split(' ') {
            let (name, value) = pair.split_once('=')?;
            let value = percent_decode_str(value).decode_utf8().ok()?.into_owned();
            match name {
                "key" => marker.key = Key(value),
                "name" => marker.name = value,
                "class" => marker.class = value,
                "entry" => marker.entry = value,
                "follow-up" => marker.follow_up = value,
                "version" => marker.version = value,
                "template" => marker.template = value,
                "rollout" => marker.rollout = value,
                "wave" => marker.wave = value,
                "origin" => marker.origin = value,
                "repository" => marker.repository = value,
                "run" => marker.run = value,
                "attempt" => marker.attempt = value,
                "actor" => marker.actor = value,
                // A later version may have more.
                _ => {}
            }
        }
        let whole = marker.key.0.len() == DIGITS && marker.key.0.chars().all(|c| c.is_ascii_hexdigit());
        whole.then_some(marker)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OPENING)?;
        write!(f, "key={}", self.key)?;
        for (name, value) in [
            ("name", &self.name),
            ("class", &self.class),
            ("entry", &self.entry),
            ("follow-up", &self.follow_up),
            ("version", &self.version),
            ("template", &self.template),
            ("rollout", &self.rollout),
            ("wave", &self.wave),
            ("origin", &self.origin),
            ("repository", &self.repository),
            ("run", &self.run),
            ("attempt", &self.attempt),
            ("actor", &self.actor),
        ] {
            if !value.is_empty() {
                // Two hyphens in a row would end the comment for some readers of HTML.
                let value = utf8_percent_encode(value, VALUE).to_string().replace("--", "-%2D");
                write!(f, " {name}={value}")?;
            }
        }
        f.write_str(CLOSING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker {
            key: Key::over(["octo/app", "17"]),
            name: "Weekly release / prep --> done".to_owned(),
            class: "release-prep".to_owned(),
            entry: "api".to_owned(),
            follow_up: "7".to_owned(),
            version: "8".to_owned(),
            template: template_hash("Prepare the release."),
            rollout: "baseline".to_owned(),
            wave: "2".to_owned(),
            origin: "812340001".to_owned(),
            repository: "octo/app".to_owned(),
            run: "https://github.com/octo/app/actions/runs/17".to_owned(),
            attempt: "1".to_owned(),
            actor: "mona".to_owned(),
        }
    }

    #[test]
    fn marker_is_found_as_it_was_put() {
        let prompt = marker().put_under("Prepare the release.\n\n");
        assert_eq!(
            prompt,
            format!(
                "Prepare the release.\n\n<!-- agent-task key={} name=Weekly%20release%20/%20prep%20-%2D%3E%20done \
                 class=release-prep entry=api follow-up=7 version=8 template={} \
                 rollout=baseline wave=2 origin=812340001 repository=octo/app run=https://github.com/octo/app/actions/runs/17 attempt=1 actor=mona -->",
                marker().key,
                marker().template
            )
        );
        assert_eq!(Marker::find(&prompt), Some(marker()));
        assert_eq!(Marker::find(&format!("{prompt}\r\n")), Some(marker()));
    }

    #[test]
    fn marker_is_the_last_one_at_any_place() {
        let forged = Marker { key: Key::over(["forged"]), ..marker() };
        let prompt = marker().put_under(&format!("Fix this:\n{forged}\n> {forged}"));
        assert_eq!(Marker::find(&prompt), Some(marker()));
        assert_eq!(Marker::find(&format!("{prompt}\n\nAppended by GitHub.\nMore of it")), Some(marker()));
        for appended in [" footer", ".", "<br>", "\r\n<!-- agent-task -->", "\n<!-- agent-task key=x -->\n"] {
            assert_eq!(Marker::find(&format!("{prompt}{appended}")), Some(marker()), "{appended}");
        }
        // The last one that is cut off hides those above it.
        let cut_off = prompt.trim_end_matches(CLOSING);
        assert_eq!(Marker::find(cut_off), None);
    }

    #[test]
    fn marker_needs_an_end_and_a_key() {
        for text in [
            "",
            "Fix it",
            "<!-- agent-task -->",
            "<!-- agent-task key=xyz -->",
            "<!-- agent-task key=0123456789abcdeg -->",
            "<!-- agent-task name=x -->",
            "<!-- agent-task key=0123456789abcdef",
            "<!-- agent-task key=%FF23456789abcdef -->",
        ] {
            assert_eq!(Marker::find(text), None, "{text}");
        }
        assert!(Marker::find("<!-- agent-task key=0123456789abcdef later=1 -->").is_some());
        assert!(Marker::find("x <!-- agent-task key=0123456789abcdef -->").is_some());
    }

    #[test]
    fn marker_is_stripped_off_the_prompt() {
        assert_eq!(Marker::strip(&marker().put_under("Prepare the release.\n")), "Prepare the release.");
        assert_eq!(Marker::strip("Prepare the release.\n"), "Prepare the release.\n");
        // The beginning of the first test vector of FIPS 180-2.
        assert_eq!(template_hash("abc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn keys_differ_where_a_part_does() {
        assert_eq!(Key::over(["a", "b"]), Key::over(["a", "b"]));
        assert_ne!(Key::over(["ab", "c"]), Key::over(["a", "bc"]));
        assert_eq!(Key::over(["a"]).to_string().len(), DIGITS);
        // The first test vector of FIPS 180-2.
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
