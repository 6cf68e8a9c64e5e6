//! Secrets, kept out of everything that this process writes.

use crate::github::token::Token;
use crate::text::escaped;

/// The shortest part of a secret that is hidden, in bytes. `github_pat_`, the longest public prefix of a token, has 11.
const MIN_PART: usize = 12;
/// How many bytes are compared at each sampled place of a text; a run of [`MIN_PART`] is never stepped over.
const GRAM: usize = 4;
/// What the runner itself writes in place of a secret.
const HIDDEN: &str = "***";

/// Hides secrets, and every part of one that could identify it, however a text was cut or escaped.
#[derive(Default)]
pub struct Redactor {
    secrets: Vec<Token>,
    /// What is searched for: each secret as it is, and as the summary escapes it, both without backslashes.
    needles: Vec<Vec<u8>>,
}

impl Redactor {
    /// Adds a secret; `false` if it was there already.
    pub fn add(&mut self, secret: &Token) -> bool {
        if self.secrets.contains(secret) {
            return false;
        }
        for form in [secret.expose(), &escaped(secret.expose())] {
            let needle = form.bytes().filter(|byte| *byte != b'\\').collect::<Vec<_>>();
            if !needle.is_empty() && !self.needles.contains(&needle) {
                self.needles.push(needle);
            }
        }
        self.secrets.push(secret.clone());
        true
    }

    /// The text without the secrets.
    pub fn redact(&self, text: &str) -> String {
        self.needles.iter().fold(text.to_owned(), |text, needle| hide(text, needle))
    }
}

/// Replaces each run of the text that is a part of the secret. Backslashes are passed over: JSON and Markdown put them
/// before characters of a token.
fn hide(mut text: String, needle: &[u8]) -> String {
    let shortest = MIN_PART.min(needle.len());
    let gram = GRAM.min(shortest);
    let (places, plain): (Vec<_>, Vec<_>) = text.bytes().enumerate().filter(|(_, byte)| *byte != b'\\').unzip();
    let mut runs = Vec::new();
    let mut at = 0;
    while let Some(sample) = plain.get(at..at + gram) {
        let starts = needle.windows(gram).enumerate().filter(|(_, window)| *window == sample);
        let run = starts.map(|(start, _)| {
            let same = |(one, other): &(&u8, &u8)| one == other;
            let before = plain[..at].iter().rev().zip(needle[..start].iter().rev()).take_while(same).count();
            let after = plain[at..].iter().zip(&needle[start..]).take_while(same).count();
            at - before..at + after
        });
        match run.max_by_key(ExactSizeIterator::len).filter(|run| run.len() >= shortest) {
            Some(run) => {
                at = run.end;
                runs.push(run);
            }
            None => at += shortest - gram + 1,
        }
    }
    for run in runs.into_iter().rev() {
        text.replace_range(places[run.start]..=places[run.end - 1], HIDDEN);
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::text::cut;

    use super::*;

    const SECRET: &str = "github_pat_11ABCDEFG0123456789_abcdefghijklmnopqrs";

    fn redact(text: &str) -> String {
        let mut redactor = Redactor::default();
        assert!(redactor.add(&Token::parse(SECRET).unwrap()));
        assert!(!redactor.add(&Token::parse(SECRET).unwrap()));
        redactor.redact(text)
    }

    #[test]
    fn redactor_hides_a_secret_in_every_form() {
        for form in [SECRET.to_owned(), escaped(SECRET), SECRET.replace('_', "\\_"), format!("{SECRET}{SECRET}")] {
            let text = redact(&format!("é {form} end"));
            assert!(["é *** end", "é ****** end"].contains(&text.as_str()), "{text}");
        }
        assert_eq!(redact(&format!("{SECRET}\n{SECRET}")), "***\n***");
    }

    #[test]
    fn redactor_leaves_no_identifying_part_of_a_cut_secret() {
        let said = format!("Bad credentials: {SECRET}");
        for most in 1..=said.len() {
            for text in [cut(&said, most), escaped(&cut(&said, most)), cut(&escaped(&said), most)] {
                let shown = redact(&text).replace('\\', "");
                let part = SECRET
                    .as_bytes()
                    .windows(MIN_PART)
                    .find(|part| shown.as_bytes().windows(MIN_PART).any(|window| window == *part));
                assert_eq!(part, None, "{shown}");
            }
        }
        for from in 0..SECRET.len() - MIN_PART {
            assert_eq!(redact(&format!("…{} x", &SECRET[from..])), "…*** x");
        }
    }

    #[test]
    fn redactor_keeps_what_is_not_secret() {
        for text in ["", "github_pat_", "a `github_pat_…` token", "abcdefghijk", "\\\\ \\_"] {
            assert_eq!(redact(text), text);
        }
        let mut short = Redactor::default();
        short.add(&Token::parse("s3c").unwrap());
        assert_eq!(short.redact("s3c, s3, s3cs3c"), "***, s3, ******");
    }
}
