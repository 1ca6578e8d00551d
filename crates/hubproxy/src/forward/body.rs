//! The body of an answer on its way to the client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::answer::Framing;
use super::report::Report;
use super::transfer::{Transfer, TransferError};
use crate::routes::Route;
use crate::serve::{InFlight, Outcome};

/// The body of an answer. The exchange ends when it is dropped.
pub(crate) struct Body {
    inner: Inner,
    report: Option<Box<Report>>,
    exchange: InFlight,
}

enum Inner {
    Empty,
    Full(Bytes),
    Relay(Box<Relay>),
    /// The target broke off.
    Failed(io::Error),
}

/// A target's answer, passed on as it comes.
pub(super) struct Relay {
    pub transfer: Transfer,
    pub framing: Framing,
    pub keep_alive: bool,
    pub route: Arc<Route>,
    pub status: StatusCode,
    pub pool_idle: usize,
}

impl Body {
    pub(super) fn full(bytes: Bytes, exchange: InFlight, report: Option<Box<Report>>) -> Self {
        let inner = if bytes.is_empty() {
            Inner::Empty
        } else {
            Inner::Full(bytes)
        };
        let mut body = Self {
            inner,
            report,
            exchange,
        };
        if matches!(body.inner, Inner::Empty) {
            body.complete();
        }
        body
    }

    pub(super) fn relay(
        relay: Box<Relay>,
        exchange: InFlight,
        report: Option<Box<Report>>,
    ) -> Self {
        let ends = relay.framing == Framing::Length(0);
        let mut body = Self {
            inner: Inner::Relay(relay),
            report,
            exchange,
        };
        if ends {
            body.end();
        }
        body
    }

    /// The target's answer is whole: its connection is free, unless the request is still being sent.
    fn end(&mut self) {
        if let Inner::Relay(relay) = std::mem::replace(&mut self.inner, Inner::Empty) {
            let Relay {
                transfer,
                keep_alive,
                route,
                status,
                pool_idle,
                ..
            } = *relay;
            if status.as_u16() < 300 {
                route.touch();
            }
            if let Some(report) = &mut self.report {
                report.received = transfer.received;
            }
            if transfer.is_early() {
                self.exchange.linger();
            }
            if keep_alive
                && transfer.is_clean()
                && let Ok(target) = &route.target
            {
                self.exchange
                    .worker
                    .pool
                    .keep(target, transfer.upstream, pool_idle);
            }
        }
        self.complete();
    }

    fn complete(&mut self) {
        if let Some(report) = &mut self.report {
            report.outcome = Outcome::Complete;
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let data = match &mut this.inner {
            Inner::Empty => return Poll::Ready(None),
            Inner::Full(_) => {
                let Inner::Full(bytes) = std::mem::replace(&mut this.inner, Inner::Empty) else {
                    return Poll::Ready(None);
                };
                this.complete();
                bytes
            }
            Inner::Relay(relay) => {
                // A target may answer while the request still comes; where it stopped reading, its answer counts.
                if let Poll::Ready(Err(error)) = relay.transfer.poll_send(cx)
                    && !matches!(error, TransferError::Unanswered(_))
                {
                    return Poll::Ready(Some(Err(io::Error::other(error))));
                }
                match relay.transfer.poll_data(cx, &mut relay.framing) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(Some(data))) => {
                        if relay.framing == Framing::Length(0) {
                            this.end();
                        }
                        data
                    }
                    Poll::Ready(Ok(None)) => {
                        this.end();
                        return Poll::Ready(None);
                    }
                    Poll::Ready(Err(error)) => {
                        if let Some(report) = &mut this.report {
                            report.outcome = Outcome::TargetFailed;
                            report.received = relay.transfer.received;
                        }
                        // What came before it goes out first: hyper drops what it has not flushed at an error.
                        this.inner = Inner::Failed(io::Error::other(error));
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
            Inner::Failed(_) => {
                // The client must not take what it has for the whole: hyper cuts it off.
                let Inner::Failed(error) = std::mem::replace(&mut this.inner, Inner::Empty) else {
                    return Poll::Ready(None);
                };
                return Poll::Ready(Some(Err(error)));
            }
        };
        if let Some(report) = &mut this.report {
            report.sent += data.len() as u64;
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.inner, Inner::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Relay(relay) => match relay.framing {
                Framing::Length(left) => SizeHint::with_exact(left),
                _ => SizeHint::default(),
            },
            Inner::Failed(_) => SizeHint::default(),
        }
    }
}
