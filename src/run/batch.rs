//! Joins the questions of many tasks into one request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::github::client::MAX_NODES;
use crate::github::error::Error;

/// How long questions are gathered. All tasks of a round ask within milliseconds.
const GATHER_TIME: Duration = Duration::from_secs(1);

/// Questions that are asked together, and their answers.
pub(crate) struct Batcher<K, V> {
    asked: RefCell<Vec<K>>,
    answered: Mutex<HashMap<K, Result<V, Error>>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Batcher<K, V> {
    pub(super) fn new() -> Self {
        Self { asked: RefCell::default(), answered: Mutex::default() }
    }

    /// The answers to these questions. Other callers have a moment to add theirs; then the first caller asks for all, and
    /// the others find their answers.
    pub(super) async fn ask(
        &self,
        questions: &[K],
        ask: impl AsyncFn(&[K]) -> Result<Vec<V>, Error>,
    ) -> Result<Vec<V>, Error> {
        self.asked.borrow_mut().extend_from_slice(questions);
        tokio::time::sleep(GATHER_TIME).await;
        let mut answered = self.answered.lock().await;
        let asked = self.asked.take();
        for asked in asked.chunks(MAX_NODES) {
            match ask(asked).await {
                Ok(answers) => answered.extend(asked.iter().cloned().zip(answers.into_iter().map(Ok))),
                Err(error) => answered.extend(asked.iter().map(|key| (key.clone(), Err(error.clone())))),
            }
        }
        questions.iter().filter_map(|key| answered.get(key).cloned()).collect()
    }
}
