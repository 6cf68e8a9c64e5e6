//! The simulator on a loopback socket, over HTTP/1.1.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower_service::Service;

use crate::service::{Simulator, Truncated};

/// Serves for good. A request that gets no answer has its connection closed.
pub async fn serve(listener: TcpListener, simulator: Simulator) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let simulator = simulator.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let mut simulator = simulator.clone();
                async move {
                    let (parts, body) = simulator.call(request).await?.into_parts();
                    let cut = parts.extensions.get::<Truncated>().is_some();
                    let bytes =
                        body.collect().await.map_or_else(|never| match never {}, http_body_util::Collected::to_bytes);
                    Ok::<_, io::Error>(http::Response::from_parts(parts, Sent::new(bytes, cut)))
                }
            });
            // An error here is a connection that ended early, by the client or by a fault: no one
            // is left to receive an answer.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A body that may break off.
struct Sent {
    bytes: Option<Bytes>,
    breaks: Breaking,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Breaking {
    Never,
    /// What there is has to be on its way before the connection goes.
    AfterFlush,
    Now,
}

impl Sent {
    fn new(bytes: Bytes, cut: bool) -> Sent {
        let breaks = if cut { Breaking::AfterFlush } else { Breaking::Never };
        Sent { bytes: (!bytes.is_empty()).then_some(bytes), breaks }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match self.breaks {
            Breaking::Never => Poll::Ready(None),
            Breaking::AfterFlush => {
                self.breaks = Breaking::Now;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Breaking::Now => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && self.breaks == Breaking::Never
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.bytes, self.breaks) {
            (None, Breaking::Never) => SizeHint::with_exact(0),
            (Some(bytes), Breaking::Never) => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
