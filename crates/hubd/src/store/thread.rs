//! The threads that hold the connections.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Result, StoreError};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// One thread that writes, some that read.
pub(super) struct Workers {
    writer: Option<Sender<Job>>,
    readers: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(super) fn start(writer: Connection, readers: Vec<Connection>) -> Self {
        let (write, jobs) = channel();
        let mut threads = Vec::new();
        threads.extend(spawn("store-write", writer, Arc::new(Mutex::new(jobs))));
        let (read, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        for reader in readers {
            threads.extend(spawn("store-read", reader, jobs.clone()));
        }
        Self {
            writer: Some(write),
            readers: Some(read),
            threads,
        }
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T> {
        run(self.readers.as_ref(), f).await
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T> {
        run(self.writer.as_ref(), f).await
    }
}

impl Drop for Workers {
    /// Lets the jobs that wait be done, then closes the connections.
    fn drop(&mut self) {
        self.writer.take();
        self.readers.take();
        let own = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // The last handle can be dropped by a job, on one of these very threads.
            if thread.thread().id() != own && thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }
}

async fn run<T: Send + 'static>(
    jobs: Option<&Sender<Job>>,
    f: impl FnOnce(&mut Connection) -> T + Send + 'static,
) -> Result<T> {
    let (tell, hear) = oneshot::channel();
    let job: Job = Box::new(move |connection| {
        // Nobody listens when the caller has gone; the work is done all the same.
        let _gone = tell.send(f(connection));
    });
    jobs.ok_or(StoreError::Closed)?
        .send(job)
        .map_err(|_| StoreError::Closed)?;
    // A thread does all it was given before it ends: a job that says nothing has panicked.
    hear.await.map_err(|_| StoreError::BrokeOff)
}

fn spawn(
    name: &str,
    mut connection: Connection,
    jobs: Arc<Mutex<Receiver<Job>>>,
) -> Option<JoinHandle<()>> {
    let thread = Builder::new()
        .name(name.to_owned())
        .stack_size(512 * 1024)
        .spawn(move || {
            loop {
                let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                match job {
                    // A job that panics has lost its transaction; the hub must not lose the thread with it.
                    Ok(job) => {
                        if catch_unwind(AssertUnwindSafe(|| job(&mut connection))).is_err() {
                            tracing::error!(
                                "a job of the store panicked: nothing of it was written"
                            );
                        }
                    }
                    Err(_) => break,
                }
            }
        });
    match thread {
        Ok(handle) => Some(handle),
        Err(error) => {
            tracing::error!(%error, "starting a thread of the store");
            None
        }
    }
}
