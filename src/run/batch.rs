//! Questions that are asked together.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::github::client::MOST_NODES;
use crate::github::error::Error;

/// How long questions for pull requests are gathered, to be asked together.
const GATHERING: Duration = Duration::from_secs(1);

/// Questions of many that are asked together, and the answers to them.
pub(crate) struct Batcher<K, V> {
    asked: RefCell<Vec<K>>,
    answered: Mutex<HashMap<K, Result<V, Error>>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Batcher<K, V> {
    pub(super) fn new() -> Self {
        Self { asked: RefCell::default(), answered: Mutex::default() }
    }

    /// The answers to these questions. Others have a moment to add theirs; whoever comes first then asks for all, and
    /// the others find their answers.
    pub(super) async fn ask(
        &self,
        questions: &[K],
        ask: impl AsyncFn(&[K]) -> Result<Vec<V>, Error>,
    ) -> Result<Vec<V>, Error> {
        self.asked.borrow_mut().extend_from_slice(questions);
        tokio::time::sleep(GATHERING).await;
        let mut answered = self.answered.lock().await;
        let asked = self.asked.take();
        for asked in asked.chunks(MOST_NODES) {
            match ask(asked).await {
                Ok(answers) => answered.extend(asked.iter().cloned().zip(answers.into_iter().map(Ok))),
                Err(error) => answered.extend(asked.iter().map(|key| (key.clone(), Err(error.clone())))),
            }
        }
        questions.iter().filter_map(|key| answered.get(key).cloned()).collect()
    }
}
