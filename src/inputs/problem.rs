//! What is wrong with an input.

use std::fmt;

use crate::github::error::Error;
use crate::text::shown;

/// Something wrong with an input, as a sentence that begins with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    name: String,
    text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.text)
    }
}

impl Problem {
    /// `waves requires wait: true`: the value is not shown.
    pub fn new(name: &str, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: format!(" {}", why.into()) }
    }

    /// `tolerate: 10 is not a share`: the value is shown.
    pub fn shown(name: &str, value: &str, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: format!(": {} {}", shown(value), why.into()) }
    }

    /// `dry-run: expected true or false, got yes`.
    pub fn expected(name: &str, expected: &str, got: &str) -> Self {
        Self { name: name.to_owned(), text: format!(": expected {expected}, got {}", shown(got)) }
    }

    /// Whether it is about this input.
    pub fn is_about(&self, name: &str) -> bool {
        self.name == name
    }
}

/// Why something that the inputs point to cannot be had. Nothing was started.
#[derive(Debug)]
pub enum LoadError {
    /// Something is wrong with it, or with what names it.
    BadInput(Vec<Problem>),
    /// GitHub did not answer with it.
    GitHub(Error),
}

impl From<Vec<Problem>> for LoadError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::BadInput(problems)
    }
}
