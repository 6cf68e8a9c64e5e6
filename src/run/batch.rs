//! Joins the questions of many tasks into one request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::github::client::MAX_NODES;
use crate::github::error::Error;

/// How long questions are gathered that all tasks of a round ask within milliseconds.
pub(super) const GATHER_TIME: Duration = Duration::from_secs(1);

/// Questions that are asked together, and their answers.
pub(crate) struct Batcher<K, V> {
    gather_time: Duration,
    asked: RefCell<Vec<K>>,
    answered: Mutex<HashMap<K, Result<V, Error>>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Batcher<K, V> {
    pub(super) fn new(gather_time: Duration) -> Self {
        Self { gather_time, asked: RefCell::default(), answered: Mutex::default() }
    }

    /// The answers to these questions. Other callers have a moment to add theirs; then the first caller asks for all, and
    /// the others find their answers.
    pub(super) async fn ask(
        &self,
        questions: &[K],
        ask: impl AsyncFn(&[K]) -> Result<Vec<V>, Error>,
    ) -> Result<Vec<V>, Error> {
        self.asked.borrow_mut().extend_from_slice(questions);
        tokio::time::sleep(self.gather_time).await;
        let mut answered = self.answered.lock().await;
        // A caller whose questions were asked for already leaves the newer ones to their callers.
        let is_open = questions.iter().any(|question| self.asked.borrow().contains(question));
        let asked = if is_open { self.asked.take() } else { Vec::new() };
        for asked in asked.chunks(MAX_NODES) {
            match ask(asked).await {
                Ok(answers) => answered.extend(asked.iter().cloned().zip(answers.into_iter().map(Ok))),
                Err(error) => answered.extend(asked.iter().map(|key| (key.clone(), Err(error.clone())))),
            }
        }
        questions.iter().filter_map(|key| answered.get(key).cloned()).collect()
    }
}
