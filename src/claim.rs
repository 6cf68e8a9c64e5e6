//! Our hold on exactly one task: what each answer to a start means, and what is done next. A machine of values, with
//! no clock and no network.

use std::collections::VecDeque;
use std::time::Duration;

use crate::github::Error;
use crate::outcome::Event;
use crate::task::Task;

/// How long starts that never left this machine are tried again. A network that is away for longer is not coming
/// back while somebody looks at the log.
const LONGEST_OUTAGE: Duration = Duration::from_secs(120);
/// The longest that GitHub's limits are waited out before a start, in all. An hourly allowance that is used up can
/// take longer; then a person should know.
const LONGEST_LIMIT: Duration = Duration::from_secs(15 * 60);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the start again, with this model, at once.
    Send(Option<String>, Event),
    /// Sleep so long, then send the start again as it was.
    Sleep(Duration, Event),
    /// The task is ours.
    Held(Box<Task>),
    /// There is no task, and there will be none.
    Refused(Error),
    /// Nobody can say whether there is a task.
    Unconfirmed(String),
}

/// The attempt to start one task.
#[derive(Debug)]
pub struct Claim {
    models: VecDeque<Option<String>>,
    model: Option<String>,
    outages: u32,
    limited: Duration,
}

impl Claim {
    /// An attempt that has not begun, with the models to try one after the other.
    pub fn new(models: &[Option<String>]) -> Self {
        let mut models = models.iter().cloned().collect::<VecDeque<_>>();
        let model = models.pop_front().flatten();
        Self {
            models,
            model,
            outages: 0,
            limited: Duration::ZERO,
        }
    }

    /// What follows from an answer. `elapsed` is the time since the first start was sent.
    pub fn answer(&mut self, elapsed: Duration, answer: Result<Task, Error>) -> Step {
        let error = match answer {
            Ok(task) => return Step::Held(Box::new(task)),
            Err(error) => error,
        };
        match error {
            // Nothing was done, so it can be asked for again.
            Error::Unreachable { why } if elapsed < LONGEST_OUTAGE => {
                let wait = Duration::from_secs(1 << self.outages.min(5)).min(LONGEST_PAUSE);
                self.outages += 1;
                Step::Sleep(wait, Event::NotSent { why, wait })
            }
            Error::RateLimited(limit) if self.limited + limit.wait <= LONGEST_LIMIT => {
                self.limited += limit.wait;
                let why = limit.to_string();
                Step::Sleep(limit.wait, Event::Limited { why, wait: limit.wait })
            }
            Error::Invalid { said } => self.next_model(Error::Invalid { said: said.clone() }, said),
            // A model that the licence does not have may be refused as a missing permission.
            Error::MissingPermission { said, remedy } if said.to_ascii_lowercase().contains("model") => self
                .next_model(
                    Error::MissingPermission {
                        said: said.clone(),
                        remedy,
                    },
                    said,
                ),
            error @ (Error::Unanswered { .. } | Error::Malformed { .. }) => Step::Unconfirmed(error.to_string()),
            refused => Step::Refused(refused),
        }
    }

    /// Another model, if the user named one. GitHub's refusals do not say which field they are about, and one that
    /// is about another field is refused again.
    fn next_model(&mut self, refusal: Error, said: String) -> Step {
        match self.models.pop_front() {
            None => Step::Refused(refusal),
            Some(next) => {
                let model = std::mem::replace(&mut self.model, next.clone());
                Step::Send(next.clone(), Event::ModelRefused { model, said, next })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::RateLimit;

    fn claim(models: &[&str]) -> Claim {
        Claim::new(&models.iter().map(|model| Some((*model).to_owned())).collect::<Vec<_>>())
    }

    fn after(claim: &mut Claim, seconds: u64, error: Error) -> Step {
        claim.answer(Duration::from_secs(seconds), Err(error))
    }

    #[test]
    fn an_unanswered_start_is_never_sent_again() {
        for error in [
            Error::Unanswered {
                why: "status 502 came instead".to_owned(),
                retry_after: None,
            },
            Error::Malformed {
                why: "expected value".to_owned(),
            },
        ] {
            assert!(matches!(after(&mut claim(&["a", "b"]), 0, error), Step::Unconfirmed(_)));
        }
    }

    #[test]
    fn what_never_left_is_sent_again_for_a_while() {
        let mut claim = claim(&["a"]);
        let away = || Error::Unreachable {
            why: "no route".to_owned(),
        };
        let mut pauses = Vec::new();
        while let Step::Sleep(pause, _) = after(&mut claim, pauses.iter().sum(), away()) {
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn a_limit_is_waited_out_within_a_bound() {
        let mut claim = claim(&["a"]);
        let limit = |seconds| {
            Error::RateLimited(RateLimit {
                wait: Duration::from_secs(seconds),
                primary: false,
            })
        };
        assert!(matches!(after(&mut claim, 0, limit(600)), Step::Sleep(wait, _) if wait.as_secs() == 600));
        assert!(matches!(
            after(&mut claim, 600, limit(600)),
            Step::Refused(Error::RateLimited(_))
        ));
    }

    #[test]
    fn refused_models_are_followed_by_the_next_and_other_refusals_are_final() {
        let mut claim = claim(&["a", "b"]);
        let invalid = || Error::Invalid {
            said: "Validation Failed".to_owned(),
        };
        assert!(matches!(after(&mut claim, 0, invalid()), Step::Send(Some(model), _) if model == "b"));
        assert!(matches!(
            after(&mut claim, 0, invalid()),
            Step::Refused(Error::Invalid { .. })
        ));
        let mut other = Claim::new(&[None, Some("b".to_owned())]);
        assert!(matches!(
            after(&mut other, 0, Error::BadToken { said: String::new() }),
            Step::Refused(_)
        ));
    }
}
