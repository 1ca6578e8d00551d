//! A client of the root helper.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use hub_api::helper::{ANSWER_LIMIT, Answer, Request, SOCKET, VERSION, Verb};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Why the helper's answer is not known.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    #[error("asking the root helper on {}: {cause}; see `systemctl status hub-helper.socket`", socket.display())]
    Ask {
        socket: PathBuf,
        cause: std::io::Error,
    },
    #[error("the root helper on {} did not answer within {} s", socket.display(), within.as_secs())]
    Late { socket: PathBuf, within: Duration },
    #[error(
        "the root helper on {} answered what is no answer: hub and helper must be of one release ({cause})",
        socket.display()
    )]
    Answer {
        socket: PathBuf,
        cause: serde_json::Error,
    },
}

/// The root helper behind its socket.
#[derive(Debug, Clone)]
pub struct Helper {
    socket: PathBuf,
}

impl Helper {
    /// The helper on this socket, or where it usually is.
    pub fn new(socket: Option<PathBuf>) -> Self {
        Self {
            socket: socket.unwrap_or_else(|| PathBuf::from(SOCKET)),
        }
    }

    /// Asks one thing, on a connection of its own.
    ///
    /// # Errors
    /// Where no answer came in time. What was asked may have been done all the same.
    pub async fn ask(&self, verb: Verb, within: Duration) -> Result<Answer, HelperError> {
        let socket = || self.socket.clone();
        let asked = self.exchange(Request {
            version: VERSION,
            verb,
        });
        let line = timeout(within, asked)
            .await
            .map_err(|_| HelperError::Late {
                socket: socket(),
                within,
            })?
            .map_err(|cause| HelperError::Ask {
                socket: socket(),
                cause,
            })?;
        serde_json::from_slice(&line).map_err(|cause| HelperError::Answer {
            socket: socket(),
            cause,
        })
    }

    async fn exchange(&self, request: Request) -> std::io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        let stream = UnixStream::connect(&self.socket).await?;
        let closed = || {
            std::io::Error::other(
                "it closed the connection: it answers the hub's own account alone",
            )
        };
        match converse(stream, &line).await {
            Ok(answer) if answer.is_empty() => Err(closed()),
            // A helper that refuses whoever asks does not read what is asked: the kernel then calls it a reset.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                Err(closed())
            }
            other => other,
        }
    }
}

async fn converse(mut stream: UnixStream, line: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(line).await?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(ANSWER_LIMIT as u64))
        .read_until(b'\n', &mut answer)
        .await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use hub_api::helper::Server;
    use tokio::net::UnixListener;

    use super::*;

    async fn asked(answer: &'static [u8]) -> Result<Answer, HelperError> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("helper.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut line = String::new();
            BufReader::new(&mut stream)
                .read_line(&mut line)
                .await
                .unwrap();
            assert!(line.contains("\"stop\"") && line.contains("ada"), "{line}");
            stream.write_all(answer).await.unwrap();
        });
        let verb = Verb::Stop(Server {
            user: "ada".to_owned(),
            name: String::new(),
        });
        Helper::new(Some(socket))
            .ask(verb, Duration::from_secs(5))
            .await
    }

    /// As the helper does to an account that is not the hub's.
    #[tokio::test]
    async fn a_helper_that_hangs_up_unasked_is_told_apart_from_a_broken_one() {
        for waits_for_the_request in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("helper.sock");
            let listener = UnixListener::bind(&socket).unwrap();
            let helper = tokio::spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                if waits_for_the_request {
                    stream.readable().await.unwrap();
                }
            });
            let verb = Verb::Stop(Server {
                user: "ada".to_owned(),
                name: String::new(),
            });
            let error = Helper::new(Some(socket))
                .ask(verb, Duration::from_secs(60))
                .await
                .unwrap_err();
            assert!(
                error.to_string().contains("own account alone"),
                "{waits_for_the_request}: {error}"
            );
            helper.await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_and_what_is_none_is_said() {
        assert_eq!(
            asked(b"{\"answer\":\"ended\"}\n").await.unwrap(),
            Answer::Ended
        );
        assert!(asked(b"").await.unwrap_err().to_string().contains("closed"));
        assert!(
            asked(b"hello\n")
                .await
                .unwrap_err()
                .to_string()
                .contains("one release")
        );
        let nobody = Helper::new(Some("/nonexistent/helper.sock".into()));
        let verb = Verb::Kill(Server {
            user: "ada".to_owned(),
            name: String::new(),
        });
        let error = nobody.ask(verb, Duration::from_secs(5)).await.unwrap_err();
        assert!(error.to_string().contains("hub-helper.socket"), "{error}");
    }
}
