//! Answers on the socket, and ends when nobody has asked for a while: systemd starts it again with the next one.

use std::os::unix::net::UnixListener as Listener;
use std::sync::Arc;
use std::time::Duration;

use hub_api::helper::{Answer, REQUEST_LIMIT, Request};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::verb::Helper;

/// Requests at once; more wait in the socket's queue.
const AT_ONCE: u32 = 256;
/// How long a request may take to arrive, and an answer to leave.
const TALK_WITHIN: Duration = Duration::from_secs(10);
/// How long nobody asks before the helper ends.
const IDLE: Duration = Duration::from_secs(60);

/// Serves whoever has this user id, until nobody has asked for a minute.
///
/// # Errors
/// Where the socket breaks.
pub async fn serve(listener: Listener, helper: Helper, hub_uid: u32) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let helper = Arc::new(helper);
    let busy = Arc::new(Semaphore::new(AT_ONCE as usize));
    loop {
        let permit = match busy.clone().acquire_owned().await {
            Ok(permit) => permit,
            Err(_) => return Ok(()),
        };
        match timeout(IDLE, listener.accept()).await {
            Ok(Ok((stream, _))) => {
                let helper = helper.clone();
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &helper, hub_uid).await {
                        tracing::warn!(%error, "the hub did not get its answer");
                    }
                    drop(permit);
                });
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                drop(permit);
                if busy.available_permits() == AT_ONCE as usize {
                    return Ok(());
                }
            }
        }
    }
}

async fn converse(mut stream: UnixStream, helper: &Helper, hub_uid: u32) -> std::io::Result<()> {
    let peer = stream.peer_cred()?;
    if peer.uid() != hub_uid {
        tracing::warn!(uid = peer.uid(), pid = peer.pid(), "refused: not the hub");
        return Ok(());
    }
    let answer = match timeout(TALK_WITHIN, request(&mut stream)).await {
        Ok(Ok(request)) => helper.answer(request).await,
        Ok(Err(message)) => Answer::Refused { message },
        Err(_) => return Ok(()),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    timeout(TALK_WITHIN, stream.write_all(&line))
        .await
        .unwrap_or(Ok(()))
}

async fn request(stream: &mut UnixStream) -> Result<Request, String> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(REQUEST_LIMIT as u64));
    reader
        .read_until(b'\n', &mut line)
        .await
        .map_err(|error| format!("reading the request: {error}"))?;
    if line.last() != Some(&b'\n') {
        return Err(format!(
            "a request is one line of at most {REQUEST_LIMIT} bytes"
        ));
    }
    // What serde says may repeat a value, and a value may be a secret.
    serde_json::from_slice(&line).map_err(|error| {
        format!(
            "the request makes no sense (column {}): hub and helper must be of one release",
            error.column()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::tests::options;
    use crate::places::Places;

    async fn said(line: &[u8], as_uid: u32) -> String {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let helper = Helper::new(options(), Places::default());
        let line = line.to_vec();
        let talk = async move {
            let _ = ours.write_all(&line).await;
            let _ = ours.shutdown().await;
            let mut text = String::new();
            let mut ours = BufReader::new(ours);
            ours.read_line(&mut text).await.unwrap();
            text
        };
        let (answered, text) =
            tokio::join!(async { converse(theirs, &helper, as_uid).await }, talk);
        let _ = answered;
        text
    }

    fn own() -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    #[tokio::test]
    async fn who_is_not_the_hub_gets_no_answer() {
        let line = br#"{"version":1,"verb":{"verb":"stop","user":"ada"}}
"#;
        assert_eq!(said(line, own() + 1).await, "");
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_without_repeating_it() {
        let long = vec![b'x'; REQUEST_LIMIT + 10];
        for line in [
            &b"secret\n"[..],
            b"{\"version\":1,\"password\":\"secret\"}\n",
            b"",
            b"{}",
            &long,
        ] {
            let answer: Answer = serde_json::from_str(&said(line, own()).await).unwrap();
            let Answer::Refused { message } = answer else {
                panic!("{answer:?}");
            };
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[tokio::test]
    async fn a_request_is_answered_on_one_line() {
        let line = br#"{"version":2,"verb":{"verb":"kill","user":"ada","name":""}}
"#;
        let text = said(line, own()).await;
        assert!(
            text.ends_with('\n') && text.lines().count() == 1,
            "{text:?}"
        );
        assert!(text.contains("version"), "{text}");
    }
}
