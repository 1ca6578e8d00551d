//! The streams of one HTTP/2 connection, each ended when its client opens no window for what is ready.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Instant, Sleep, sleep_until};

tokio::task_local! {
    /// What the stream that is being polled owes its client.
    static OWED: Arc<Owed>;
}

/// Since when data is ready that the client has no window for.
#[derive(Default)]
struct Owed(Mutex<Option<Instant>>);

impl Owed {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the streams of one connection. TCP's own backpressure does not show what one stream is denied: a client may
/// read all that is sent, answer pings, and still keep a stream's window at zero for ever.
#[derive(Clone)]
pub(super) struct Streams {
    /// How long a stream's client may take none of what is ready for it.
    pub send_timeout: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let send_timeout = self.send_timeout;
        tokio::spawn(async move {
            let owed = Arc::<Owed>::default();
            let mut stream = pin!(OWED.scope(Arc::clone(&owed), stream));
            let mut timer: Option<Pin<Box<Sleep>>> = None;
            poll_fn(|cx| {
                if stream.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                let Some(since) = owed.since() else {
                    return Poll::Pending;
                };
                let at = since + send_timeout;
                let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
                if timer.deadline() != at {
                    timer.as_mut().reset(at);
                }
                // The stream is dropped with the task, and so reset.
                timer.as_mut().poll(cx)
            })
            .await;
        });
    }
}

/// The body of an answer: what it hands out is owed until it is asked for more.
pub(super) struct Watched<B> {
    inner: B,
    owed: Option<Arc<Owed>>,
}

impl<B> Watched<B> {
    /// Must be called within the stream's task.
    pub(super) fn new(inner: B) -> Self {
        Self {
            inner,
            owed: OWED.try_with(Arc::clone).ok(),
        }
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if let Some(owed) = &self.owed {
            owed.set(matches!(frame, Poll::Ready(Some(Ok(_)))).then(Instant::now));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
