//! What is told of a server on its way up: the events of JupyterHub's progress stream.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use http::header;
use serde::Serialize;
use tokio::sync::watch;

use super::failure::Failure;

/// How often an empty line keeps intermediaries from closing the stream.
const KEEP_ALIVE: Duration = Duration::from_secs(8);

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// How far it has come, of 100.
    pub progress: u8,
    #[serde(skip_serializing_if = "is_false")]
    pub ready: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub failed: bool,
    pub message: String,
    /// The message as HTML, already escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html_message: Option<String>,
    /// Where the server is, once it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

// Serde hands over a reference.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Progress {
    /// The first event of every start.
    pub fn requested() -> Self {
        Self::step(0, "Server requested")
    }

    /// What notebooks run in is being installed.
    pub fn installing() -> Self {
        Self::step(
            10,
            "Waiting for the notebooks, which are still being installed...",
        )
    }

    /// The spawner was asked.
    pub fn spawning() -> Self {
        Self::step(50, "Spawning server...")
    }

    /// The process runs and is waited for.
    pub fn answering() -> Self {
        Self::step(75, "Waiting for the server to answer...")
    }

    fn step(progress: u8, message: &str) -> Self {
        Self {
            progress,
            ready: false,
            failed: false,
            message: message.to_owned(),
            html_message: None,
            url: None,
        }
    }

    /// The last event of a start that went well. `url` is the server's path.
    pub fn ready(url: &str) -> Self {
        Self {
            ready: true,
            html_message: Some(format!(r#"Server ready at <a href="{url}">{url}</a>"#)),
            url: Some(url.to_owned()),
            ..Self::step(100, &format!("Server ready at {url}"))
        }
    }

    /// The last event of a start that did not.
    pub fn failed(failure: &Failure) -> Self {
        let message = match failure {
            Failure::Cancelled => "Spawn cancelled".to_owned(),
            failure => format!("Spawn failed: {failure}"),
        };
        Self {
            failed: true,
            ..Self::step(100, &message)
        }
    }

    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        self.ready || self.failed
    }

    fn to_event(&self) -> Bytes {
        // A struct of strings and numbers always becomes JSON.
        let json = serde_json::to_string(self).unwrap_or_default();
        Bytes::from(format!("data: {json}\n\n"))
    }
}

/// The events of one start so far; grows until an event that is the last.
pub type Log = Vec<Progress>;

/// Follows a start: what was told so far, then what is told, until the last event.
pub fn follow(log: watch::Receiver<Log>) -> BoxStream<'static, Progress> {
    let events = stream::unfold(Some((log, 0)), |place| async move {
        let (mut log, next) = place?;
        loop {
            let event = log.borrow_and_update().get(next).cloned();
            if let Some(event) = event {
                let rest = (!event.is_last()).then_some((log, next + 1));
                return Some((event, rest));
            }
            // The sender is gone with its server: nothing more will be told.
            log.changed().await.ok()?;
        }
    });
    events.boxed()
}

/// A start that is over, told in one event.
pub fn only(event: Progress) -> BoxStream<'static, Progress> {
    stream::iter([event]).boxed()
}

/// The answer of the progress API: server-sent events, with an empty line now and then.
pub fn event_stream(events: impl Stream<Item = Progress> + Send + 'static) -> Response {
    let events = events.map(|event| event.to_event()).boxed();
    let stream = stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        match tokio::time::timeout(KEEP_ALIVE, events.next()).await {
            Ok(Some(event)) => Some((event, Some(events))),
            Ok(None) => None,
            Err(_) => Some((Bytes::from_static(b"\n\n"), Some(events))),
        }
    });
    let body = Body::from_stream(stream.map(Ok::<_, std::convert::Infallible>));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-cache"),
    );
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn the_events_are_jupyterhubs() {
        let ready = serde_json::to_string(&Progress::ready("/user/alice/")).unwrap();
        assert_eq!(
            ready,
            r#"{"progress":100,"ready":true,"message":"Server ready at /user/alice/","html_message":"Server ready at <a href=\"/user/alice/\">/user/alice/</a>","url":"/user/alice/"}"#
        );
        assert_eq!(
            Progress::requested().to_event(),
            "data: {\"progress\":0,\"message\":\"Server requested\"}\n\n"
        );
        assert_eq!(Progress::spawning().progress, 50);
        let failed = serde_json::to_value(Progress::failed(&Failure::Cancelled)).unwrap();
        assert_eq!(
            failed,
            serde_json::json!({"progress": 100, "failed": true, "message": "Spawn cancelled"})
        );
    }

    #[tokio::test]
    async fn a_late_follower_sees_all_and_the_stream_ends_with_the_last() {
        let (sender, receiver) = watch::channel(vec![Progress::requested()]);
        let mut events = follow(receiver);
        assert_eq!(events.next().await, Some(Progress::requested()));
        sender.send_modify(|log| {
            log.push(Progress::spawning());
            log.push(Progress::ready("/user/a/"));
        });
        let rest: Vec<Progress> = events.collect().await;
        assert_eq!(rest, [Progress::spawning(), Progress::ready("/user/a/")]);
        let late: Vec<Progress> = follow(sender.subscribe()).collect().await;
        assert_eq!(late.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_line_keeps_a_slow_start_open() {
        let (_sender, receiver) = watch::channel(vec![Progress::requested()]);
        let response = event_stream(follow(receiver));
        assert_eq!(response.headers()["cache-control"], "no-cache");
        let mut body = response.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(first.starts_with(b"data: {\"progress\":0"));
        let second = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(second, "\n\n");
    }
}
