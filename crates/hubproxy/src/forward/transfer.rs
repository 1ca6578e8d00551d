//! One exchange with a target: the request on its way out, the answer on its way back.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, Sleep};

use super::answer::{BadAnswer, Framing, Head};
use super::chunked::{Malformed, Step};
use super::request_body::{BodyError, RequestBody};
use super::upstream::Upstream;
use crate::routes::Route;

/// Data of up to this length is copied next to its framing rather than written from where it is.
const COPIED: usize = 4096;
/// What is read at once: enough for most answers, then more while they fill it.
const READ: usize = 8 * 1024;
const READ_LARGE: usize = 64 * 1024;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransferError {
    /// The connection broke before any byte of an answer.
    #[error("the target closed the connection without an answer")]
    Unanswered(#[source] Option<io::Error>),
    #[error("the target broke off within its answer")]
    Broken(#[source] Option<io::Error>),
    #[error("the target was silent for too long")]
    Silent,
    #[error(transparent)]
    Bad(#[from] BadAnswer),
    #[error(transparent)]
    Chunked(#[from] Malformed),
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// The request's body on its way to the target.
struct Upload {
    body: RequestBody,
    /// How much of the declared length is still to come; none where the body is chunked. Whatever came before it, the
    /// target's connection never sees more than was declared there.
    left: Option<u64>,
    /// Read, and written after `out`.
    data: Bytes,
}

/// One exchange with a target.
pub(super) struct Transfer {
    pub upstream: Upstream,
    route: Option<Arc<Route>>,
    /// The head, kept whole until there is an answer, and later the framing of chunks.
    out: Vec<u8>,
    written: usize,
    upload: Option<Upload>,
    /// Bytes of the request's body so far.
    pub received: u64,
    /// Whether the request has no body, and can go to another connection.
    is_bodiless: bool,
    is_started: bool,
    /// Whether all of the request was written.
    is_sent: bool,
    /// Whether writing failed.
    is_broken: bool,
    is_large: bool,
    silence: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Transfer {
    pub(super) fn new(
        upstream: Upstream,
        route: Option<Arc<Route>>,
        head: Vec<u8>,
        body: Option<(RequestBody, Option<u64>)>,
        silence: Option<Duration>,
    ) -> Self {
        Self {
            upstream,
            route,
            out: head,
            written: 0,
            is_bodiless: body.is_none(),
            is_started: false,
            is_broken: false,
            upload: body.map(|(body, left)| Upload {
                body,
                left,
                data: Bytes::new(),
            }),
            received: 0,
            is_sent: false,
            is_large: false,
            silence: silence.map(|silence| (silence, Box::pin(tokio::time::sleep(silence)))),
        }
    }

    /// Whether the request can go to another connection: it has no body, and is idempotent or was not sent.
    pub(super) fn is_repeatable(&self, method: &Method) -> bool {
        self.is_bodiless && (method.is_idempotent() || self.written == 0)
    }

    /// Whether the answer came before the whole request was taken from the client.
    pub(super) fn is_early(&self) -> bool {
        self.is_broken || !self.is_sent
    }

    /// Whether the connection can serve another exchange after this one.
    pub(super) fn is_clean(&self) -> bool {
        self.is_sent && !self.is_broken && self.upstream.read.is_empty()
    }

    /// Starts over on another connection.
    pub(super) fn repeat_on(&mut self, upstream: Upstream) {
        self.upstream = upstream;
        self.written = 0;
        self.is_sent = false;
        self.is_broken = false;
    }

    /// Sends the request and reads the head of the answer. `headers` is a map to fill.
    pub(super) async fn answer(
        &mut self,
        method: &Method,
        upgrade: bool,
        headers: &mut HeaderMap,
    ) -> Result<Head, TransferError> {
        std::future::poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                match error {
                    // It may have answered before it closed.
                    TransferError::Unanswered(_) => {}
                    error => return Poll::Ready(Err(error)),
                }
            }
            loop {
                if let Some(head) = Head::take(&mut self.upstream.read, method, upgrade, headers)? {
                    return Poll::Ready(Ok(head));
                }
                match ready!(self.poll_read(cx)?) {
                    0 if self.upstream.read.is_empty() => {
                        return Poll::Ready(Err(TransferError::Unanswered(None)));
                    }
                    0 => return Poll::Ready(Err(TransferError::Broken(None))),
                    _ => {}
                }
            }
        })
        .await
    }

    /// Writes what is to be written of the request.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransferError>> {
        if self.is_sent {
            return Poll::Ready(Ok(()));
        }
        if !self.is_started {
            self.is_started = true;
            // A short body goes out with the head.
            if let Some(upload) = &mut self.upload
                && let Poll::Ready(next) = upload.body.poll_data(cx)
            {
                self.put(next)?;
            }
        }
        loop {
            if let Err(error) = ready!(self.poll_write(cx)) {
                // What is left of the request is not wanted; what was answered may still be there to read.
                self.upload = None;
                self.is_sent = true;
                self.is_broken = true;
                return Poll::Ready(Err(TransferError::Unanswered(Some(error))));
            }
            let Some(upload) = &mut self.upload else {
                self.is_sent = true;
                return Poll::Ready(Ok(()));
            };
            let next = ready!(upload.body.poll_data(cx));
            self.out.clear();
            self.written = 0;
            self.put(next)?;
        }
    }

    /// Puts the next data of the request's body, or its end, behind what is to be written.
    fn put(&mut self, next: Option<Result<Bytes, BodyError>>) -> Result<(), BodyError> {
        let Some(upload) = &mut self.upload else {
            return Ok(());
        };
        let ends = match next {
            None => true,
            Some(data) => {
                let data = data?;
                self.received = upload.body.received;
                if let Some(route) = &self.route {
                    route.touch();
                }
                if let Some(left) = &mut upload.left {
                    *left = left
                        .checked_sub(data.len() as u64)
                        .ok_or(BodyError::Length)?;
                }
                if !data.is_empty() {
                    if upload.left.is_none() {
                        use std::io::Write as _;
                        // Writing to a Vec cannot fail.
                        let _ = write!(self.out, "{:x}\r\n", data.len());
                    }
                    if data.len() > COPIED {
                        upload.data = data;
                        return Ok(());
                    }
                    self.out.extend_from_slice(&data);
                    if upload.left.is_none() {
                        self.out.extend_from_slice(b"\r\n");
                    }
                }
                upload.body.is_end()
            }
        };
        if ends {
            if upload.left.is_some_and(|left| left > 0) {
                return Err(BodyError::Length);
            }
            if upload.left.is_none() {
                self.out.extend_from_slice(b"0\r\n\r\n");
            }
            self.upload = None;
        }
        Ok(())
    }

    /// Writes `out` and then the data, and the line end after a chunk's data.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let out = &self.out[self.written..];
            let data = self.upload.as_mut().map(|upload| &mut upload.data);
            let wrote = match data {
                Some(data) if !data.is_empty() => {
                    let slices = [IoSlice::new(out), IoSlice::new(data)];
                    let slices = if out.is_empty() {
                        &slices[1..]
                    } else {
                        &slices[..]
                    };
                    ready!(Pin::new(&mut self.upstream).poll_write_vectored(cx, slices))?
                }
                _ if out.is_empty() => {
                    return Pin::new(&mut self.upstream).poll_flush(cx);
                }
                _ => ready!(Pin::new(&mut self.upstream).poll_write(cx, out))?,
            };
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.stirred();
            let of_out = wrote.min(self.out.len() - self.written);
            self.written += of_out;
            if let Some(upload) = &mut self.upload
                && wrote > of_out
            {
                upload.data.advance(wrote - of_out);
                if upload.data.is_empty() && upload.left.is_none() {
                    self.out.clear();
                    self.out.extend_from_slice(b"\r\n");
                    self.written = 0;
                }
            }
        }
    }

    /// Reads more of the answer; 0 is the connection's end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, TransferError>> {
        let upstream = &mut self.upstream;
        let mut read = std::mem::take(&mut upstream.read);
        let size = if self.is_large { READ_LARGE } else { READ };
        if read.capacity() - read.len() < READ / 2 {
            read.reserve(size);
        }
        let room = read.capacity() - read.len();
        let before = read.len();
        let result = pin!(upstream.read_buf(&mut read)).poll(cx);
        self.upstream.read = read;
        match result {
            Poll::Ready(Ok(count)) => {
                self.is_large = count == room;
                self.stirred();
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) if before == 0 => {
                Poll::Ready(Err(TransferError::Unanswered(Some(error))))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(TransferError::Broken(Some(error)))),
            Poll::Pending => match &mut self.silence {
                Some((_, timer)) => timer.as_mut().poll(cx).map(|()| Err(TransferError::Silent)),
                None => Poll::Pending,
            },
        }
    }

    fn stirred(&mut self) {
        if let Some((silence, timer)) = &mut self.silence {
            timer.as_mut().reset(Instant::now() + *silence);
        }
    }

    /// The next data of the answer's body; `None` at its end.
    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        framing: &mut Framing,
    ) -> Poll<Result<Option<Bytes>, TransferError>> {
        loop {
            let read = &mut self.upstream.read;
            match framing {
                Framing::Length(0) => return Poll::Ready(Ok(None)),
                Framing::Length(left) if !read.is_empty() => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                    *left -= take as u64;
                    return Poll::Ready(Ok(Some(read.split_to(take).freeze())));
                }
                Framing::Close if !read.is_empty() => {
                    return Poll::Ready(Ok(Some(read.split().freeze())));
                }
                Framing::Chunked(chunked) => match chunked.step(read)? {
                    Step::Data(data) => return Poll::Ready(Ok(Some(data))),
                    Step::End => return Poll::Ready(Ok(None)),
                    Step::More => {}
                },
                Framing::Length(_) | Framing::Close => {}
            }
            let ends = *framing == Framing::Close;
            match ready!(self.poll_read(cx)) {
                Ok(0) if ends => return Poll::Ready(Ok(None)),
                Ok(0) => return Poll::Ready(Err(TransferError::Broken(None))),
                Ok(_) => {}
                Err(TransferError::Unanswered(error)) => {
                    return Poll::Ready(Err(TransferError::Broken(error)));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}
