//! Requests about many things that only read: each waits out rate limits and outages.

use crate::actions::host::Host;
use crate::github::client::MAX_NODES;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::retry;

/// A query that GitHub does not answer is divided until it has no more things than this.
const MIN_QUERY: usize = 10;
/// How often an exhausted hourly limit is waited out. A job ends after six hours,
/// <https://docs.github.com/en/actions/reference/limits>.
const MAX_HOURS: u32 = 6;

/// Asks questions. What is being done is shown while a limit is waited out.
#[derive(Clone, Copy)]
pub struct Questions<'a> {
    /// Where pauses are shown.
    pub host: &'a Host,
    /// What is being done.
    pub status: &'static str,
}

impl Questions<'_> {
    /// Asks about many things, a hundred at once. What one client may not see is asked of the next.
    pub async fn each<'c, K: Clone, T>(
        self,
        clients: &[&'c LimitedClient<'c>],
        keys: &[K],
        question: impl AsyncFn(&LimitedClient<'c>, &[K]) -> Result<Vec<Result<T, Error>>, Error>,
    ) -> Vec<Result<T, Error>> {
        let mut found = keys.iter().map(|_| None).collect::<Vec<Option<Result<T, Error>>>>();
        for client in clients {
            let open = (0..keys.len()).filter(|at| !matches!(found[*at], Some(Ok(_)))).collect::<Vec<_>>();
            let mut parts = open.chunks(MAX_NODES).rev().map(<[_]>::to_vec).collect::<Vec<_>>();
            while let Some(part) = parts.pop() {
                let asked = part.iter().map(|at| keys[*at].clone()).collect::<Vec<_>>();
                match self.ask(client, async |client| question(client, &asked).await).await {
                    Ok(answers) => part.iter().zip(answers).for_each(|(at, answer)| found[*at] = Some(answer)),
                    // GitHub gives up on a query after ten seconds; half of it takes half of the time.
                    Err(error)
                        if error.may_pass() && part.len() > MIN_QUERY && !matches!(error, Error::RateLimited(_)) =>
                    {
                        let (first, second) = part.split_at(part.len() / 2);
                        parts.extend([second.to_vec(), first.to_vec()]);
                    }
                    Err(error) => part.iter().for_each(|at| found[*at] = Some(Err(error.clone()))),
                }
            }
        }
        let absent = || Err(Error::Malformed { why: "the answer is too short".to_owned() });
        found.into_iter().map(|answer| answer.unwrap_or_else(absent)).collect()
    }

    /// Asks one client, and waits out an hourly limit.
    ///
    /// # Errors
    /// The last one.
    pub async fn ask<'c, T>(
        self,
        client: &'c LimitedClient<'c>,
        question: impl AsyncFn(&'c LimitedClient<'c>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut hours = 0..MAX_HOURS;
        loop {
            let asked = async |client: &&'c LimitedClient<'c>| question(client).await;
            match (retry::ask(&[client], asked, self.host.pausing(self.status)).await, hours.next()) {
                (Err(error @ Error::RateLimited(_)), Some(_)) => {
                    let Error::RateLimited(limit) = &error else { return Err(error) };
                    self.host.pause(&error, limit.wait, self.status).await;
                }
                (answer, _) => return answer,
            }
        }
    }
}
