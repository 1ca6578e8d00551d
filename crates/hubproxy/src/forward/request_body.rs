//! A request's body on its way in: how much of it there may be and how long it may take.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::serve::Limits;

/// Why a request's body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the request's body is longer than the limit")]
    Long,
    #[error("the client took too long over the request's body")]
    Slow,
    #[error("the request's body is not as long as was declared")]
    Length,
    #[error("reading the request's body: {0}")]
    Client(#[from] hyper::Error),
}

impl BodyError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Long => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Length | Self::Client(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// A request's body. Only time spent waiting for the client counts against it.
pub(super) struct RequestBody {
    inner: Incoming,
    limits: Arc<Limits>,
    pub received: u64,
    waited: Duration,
    waiting: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, limits: Arc<Limits>) -> Self {
        Self {
            inner,
            limits,
            received: 0,
            waited: Duration::ZERO,
            waiting: None,
            timer: None,
        }
    }

    /// Whether there is nothing more to come.
    pub(super) fn is_end(&self) -> bool {
        self.inner.is_end_stream()
    }

    /// The next bytes; `None` at the end. Trailers are dropped.
    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(frame) => {
                    if let Some(since) = self.waiting.take() {
                        self.waited += since.elapsed();
                    }
                    let Some(frame) = frame else {
                        return Poll::Ready(None);
                    };
                    let Ok(data) = frame?.into_data() else {
                        continue;
                    };
                    self.received += data.len() as u64;
                    if self
                        .limits
                        .body_bytes
                        .is_some_and(|most| self.received > most)
                    {
                        return Poll::Ready(Some(Err(BodyError::Long)));
                    }
                    let trickles = self.waited > self.limits.body_timeout
                        && self.received < self.waited.as_secs() * self.limits.body_rate;
                    if trickles {
                        return Poll::Ready(Some(Err(BodyError::Slow)));
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Pending => {
                    let timeout = self.limits.body_timeout;
                    let timer = self
                        .timer
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                    if self.waiting.is_none() {
                        let now = Instant::now();
                        self.waiting = Some(now);
                        timer.as_mut().reset(now + timeout);
                    }
                    return timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::Slow)));
                }
            }
        }
    }
}
