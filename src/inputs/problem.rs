//! What is wrong with an input.

use std::fmt;

use crate::github::error::Error;
use crate::text::{cut, harmless};

/// How much of a value an error shows, in characters.
pub(crate) const LONGEST_VALUE: usize = 120;

/// Something wrong with an input: its name, its value and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "`{}: {}` {}", self.name, harmless(&cut(value, LONGEST_VALUE)), self.why),
            None => write!(f, "`{}` {}", self.name, self.why),
        }
    }
}

impl Problem {
    /// A problem with an input whose value is not shown.
    pub fn new(name: &str, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: None, why: why.into() }
    }

    /// Whether it is about this input.
    pub fn is_about(&self, name: &str) -> bool {
        self.name == name
    }

    /// A problem with an input whose value is shown.
    pub fn shown(name: &str, value: &str, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: Some(value.to_owned()), why: why.into() }
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
