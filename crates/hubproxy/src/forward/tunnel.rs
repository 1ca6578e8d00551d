//! A WebSocket once it is one: bytes both ways, with no buffer kept while nothing is on its way.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long one direction may go on after the other ended.
const GRACE: Duration = Duration::from_secs(30);
/// What is read at once.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    /// Read into by all tunnels of a worker in turn; what cannot be written on at once is copied out of it.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One direction of a tunnel.
struct Way {
    /// Read and not yet written.
    pending: Vec<u8>,
    written: usize,
    is_dirty: bool,
    is_ended: bool,
    is_shut: bool,
}

impl Way {
    fn new(pending: Vec<u8>) -> Self {
        Self {
            pending,
            written: 0,
            is_dirty: false,
            is_ended: false,
            is_shut: false,
        }
    }

    /// Moves what can be moved; ready once the end was passed on.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        moved: &mut impl FnMut(usize),
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while self.written < self.pending.len() {
                match ready!(Pin::new(&mut *to).poll_write(cx, &self.pending[self.written..]))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    wrote => self.written += wrote,
                }
                self.is_dirty = true;
            }
            if self.written > 0 {
                self.pending = Vec::new();
                self.written = 0;
            }
            if self.is_ended {
                if !self.is_shut {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.is_shut = true;
                }
                return Poll::Ready(Ok(()));
            }
            let step = BUFFER.with_borrow_mut(|buffer| {
                buffer.resize(SCRATCH, 0);
                let mut read = ReadBuf::new(buffer);
                ready!(Pin::new(&mut *from).poll_read(cx, &mut read))?;
                let read = read.filled();
                if read.is_empty() {
                    self.is_ended = true;
                    return Poll::Ready(Ok(()));
                }
                moved(read.len());
                let wrote = match Pin::new(&mut *to).poll_write(cx, read)? {
                    Poll::Ready(wrote) => wrote,
                    Poll::Pending => 0,
                };
                self.is_dirty = true;
                self.pending.extend_from_slice(&read[wrote..]);
                Poll::Ready(io::Result::Ok(()))
            });
            if let Poll::Ready(result) = step {
                result?;
                continue;
            }
            if self.is_dirty {
                ready!(Pin::new(&mut *to).poll_flush(cx))?;
                self.is_dirty = false;
            }
            return Poll::Pending;
        }
    }
}

/// Pipes bytes both ways until both ends are done, or one is and the other's time is up.
///
/// `early` are bytes that came from the target with its answer, and from the client with its request.
pub(super) async fn pipe<A, B>(
    mut client: A,
    mut target: B,
    early: (Vec<u8>, Vec<u8>),
    mut from_client: impl FnMut(usize),
    mut from_target: impl FnMut(usize),
) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (from_target_early, from_client_early) = early;
    if !from_client_early.is_empty() {
        from_client(from_client_early.len());
    }
    from_target(from_target_early.len());
    let mut up = Way::new(from_client_early);
    let mut down = Way::new(from_target_early);
    let mut grace = pin!(None);
    std::future::poll_fn(|cx| {
        let sent = up.poll(cx, &mut client, &mut target, &mut from_client)?;
        let received = down.poll(cx, &mut target, &mut client, &mut from_target)?;
        match (sent, received) {
            (Poll::Ready(()), Poll::Ready(())) => return Poll::Ready(Ok(())),
            (Poll::Pending, Poll::Pending) => return Poll::Pending,
            _ => {}
        }
        if grace.is_none() {
            grace.set(Some(tokio::time::sleep(GRACE)));
        }
        match grace.as_mut().as_pin_mut() {
            Some(grace) => grace.poll(cx).map(Ok),
            None => Poll::Pending,
        }
    })
    .await
}
