//! Retries: the one place that repeats a request to GitHub, beside the state machines of a start and of a wait.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use crate::github::error::Error;

/// The pauses before a question without an answer is asked again. Most failures of GitHub last for seconds.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// The longest that one question waits for rate limits in all, as for a start. After an exhausted hourly limit it can
/// take longer; then a person should know.
pub const MAX_LIMITED: Duration = Duration::from_secs(15 * 60);

/// A question to the client at this place. It puts its answer aside, so that one loop serves answers of every type.
type Question<'a> = dyn Fn(usize) -> LocalBoxFuture<'a, Result<(), Error>> + 'a;

/// Asks the clients in their order until one is answered. A question without any answer is asked again, after a pause
/// that `pause` sleeps through; a rate limit is waited out for up to [`MAX_LIMITED`]. There must be a client.
///
/// # Errors
/// The last error, or one that may pass.
pub async fn ask<C, T>(
    clients: &[C],
    question: impl AsyncFn(&C) -> Result<T, Error>,
    pause: impl AsyncFn(&Error, Duration),
) -> Result<T, Error> {
    let answer = Cell::new(None);
    repeat(clients.len(), &|at| put_aside(&question, &clients[at], &answer), pause).await?;
    Ok(answer.take().unwrap_or_else(|| unreachable!("the question was answered")))
}

fn put_aside<'a, C, T>(
    question: &'a impl AsyncFn(&C) -> Result<T, Error>,
    client: &'a C,
    answer: &'a Cell<Option<T>>,
) -> LocalBoxFuture<'a, Result<(), Error>> {
    Box::pin(async {
        answer.set(Some(question(client).await?));
        Ok(())
    })
}

async fn repeat(clients: usize, question: &Question<'_>, pause: impl AsyncFn(&Error, Duration)) -> Result<(), Error> {
    let mut pauses = Pauses::default();
    loop {
        let Err(error) = first_answer(clients, question).await else { return Ok(()) };
        match pauses.after(&error) {
            Some(wait) => pause(&error, wait).await,
            None => return Err(error),
        }
    }
}

async fn first_answer(clients: usize, question: &Question<'_>) -> Result<(), Error> {
    let mut last = None::<Error>;
    for at in 0..clients {
        match question(at).await {
            Ok(()) => return Ok(()),
            // One token may lack a permission, or not reach GitHub at present; an error that may pass counts most.
            Err(error) => last = last.filter(Error::may_pass).or(Some(error)),
        }
    }
    Err(last.unwrap_or_else(|| unreachable!("there is a client")))
}

/// The pauses of one question.
#[derive(Default)]
struct Pauses {
    /// How many followed a question without an answer.
    taken: usize,
    /// The total time of the rate limits.
    limited: Duration,
}

impl Pauses {
    /// The pause before the question is asked again; `None` if the error stays.
    fn after(&mut self, error: &Error) -> Option<Duration> {
        let wait = match error {
            Error::RateLimited(limit) => {
                let wait = limit.wait.max(PAUSES[0]);
                self.limited = self.limited.saturating_add(wait);
                Some(wait).filter(|_| self.limited <= MAX_LIMITED)
            }
            error if error.may_pass() => {
                let least = PAUSES.get(self.taken)?;
                self.taken += 1;
                Some(error.retry_after().unwrap_or_default().max(*least))
            }
            _ => None,
        };
        wait.filter(|wait| *wait <= MAX_LIMITED)
    }
}

/// Asks the clients in their order until one is answered, and does not ask again.
///
/// # Errors
/// The last error, or one that may pass.
pub async fn ask_once<C, T>(clients: &[C], question: impl AsyncFn(&C) -> Result<T, Error>) -> Result<T, Error> {
    let answer = Cell::new(None);
    first_answer(clients.len(), &|at| put_aside(&question, &clients[at], &answer)).await?;
    Ok(answer.take().unwrap_or_else(|| unreachable!("the question was answered")))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use crate::github::error::RateLimit;

    use super::*;

    /// The pauses of a question that is always answered with an error.
    async fn pauses(error: Error) -> Vec<u64> {
        let pauses = RefCell::new(Vec::new());
        let pause = async |_: &Error, wait: Duration| pauses.borrow_mut().push(wait.as_secs());
        let answer = ask(&[()], async |()| Err::<(), _>(error.clone()), pause).await;
        assert_eq!(answer, Err(error.clone()));
        pauses.take()
    }

    #[tokio::test]
    async fn ask_waits_out_limits_and_repeats_what_may_pass() {
        let limit = |seconds| Error::RateLimited(RateLimit { wait: Duration::from_secs(seconds), primary: false });
        let unanswered = |retry_after| Error::Unanswered { why: String::new(), retry_after };
        assert_eq!(pauses(limit(400)).await, [400, 400]);
        assert_eq!(pauses(limit(3600)).await, [0; 0]);
        assert_eq!(pauses(unanswered(None)).await, [1, 5]);
        assert_eq!(pauses(unanswered(Some(Duration::from_secs(3)))).await, [3, 5]);
        assert_eq!(pauses(Error::NoConnection { why: String::new() }).await, [0; 0]);
        assert_eq!(pauses(Error::Unfit { why: String::new() }).await, [0; 0]);
    }
}
