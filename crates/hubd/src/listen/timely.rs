//! A request's body that must have come within some time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// The body, and when its time is over: counted from the first moment that it is waited for.
pub(super) struct Timely {
    body: Incoming,
    within: Duration,
    over: Option<Pin<Box<Sleep>>>,
}

/// Why it breaks off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    #[error("the body did not come within {} s", .0.as_secs())]
    Late(Duration),
}

impl Timely {
    pub(super) fn new(body: Incoming, within: Duration) -> Self {
        Self {
            body,
            within,
            over: None,
        }
    }
}

impl Body for Timely {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)));
        }
        let within = self.within;
        let over = self.over.get_or_insert_with(|| Box::pin(sleep(within)));
        over.as_mut()
            .poll(context)
            .map(|()| Some(Err(BodyError::Late(within))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
