//! Waiting for many things at once. One join serves all types: each of its own would add 2 kB to the binary.

use std::cell::Cell;

use futures_util::future;
use futures_util::future::LocalBoxFuture;

/// The results of the futures, in their order.
pub async fn join_all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let futures = futures.into_iter().collect::<Vec<_>>();
    let results = futures.iter().map(|_| Cell::new(None)).collect::<Vec<_>>();
    let noting = futures
        .into_iter()
        .zip(&results)
        .map(|(future, result)| -> LocalBoxFuture<'_, ()> { Box::pin(async { result.set(Some(future.await)) }) });
    future::join_all(noting.collect::<Vec<_>>()).await;
    results.into_iter().filter_map(Cell::into_inner).collect()
}
