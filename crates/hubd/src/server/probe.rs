//! The question whether a single-user server answers.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;

use crate::dial::exchange;
use crate::spawner::Target;

/// How long one question may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// What a server that answers says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its `X-JupyterHub-Version`, if it sent one.
    pub version: Option<String>,
}

/// Asks once. Any status under 500 is an answer; redirects are not followed.
/// `prefix` is the server's path with a slash at the end.
pub async fn ask(target: &Target, prefix: &str) -> Result<Answer, String> {
    let host = match target {
        Target::Tcp(address) => address.to_string(),
        Target::Unix(_) => "localhost".to_owned(),
    };
    let request = Request::get(format!("{prefix}api"))
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .body(Full::<Bytes>::default())
        .map_err(|error| error.to_string())?;
    let response = tokio::time::timeout(ATTEMPT, exchange(target, request))
        .await
        .map_err(|_| format!("no answer within {} s", ATTEMPT.as_secs()))?
        .map_err(|error| error.to_string())?;
    if response.status().is_server_error() {
        return Err(format!("it answered {}", response.status()));
    }
    let version = response
        .headers()
        .get("x-jupyterhub-version")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    Ok(Answer { version })
}

/// The pauses between questions: short at first, for a server is usually ready within two seconds.
pub fn pauses() -> impl Iterator<Item = Duration> {
    let longest = Duration::from_millis(500);
    std::iter::successors(Some(Duration::from_millis(50)), move |last| {
        Some((*last * 3 / 2).min(longest))
    })
}

/// Whether two versions differ in their first number.
pub fn differs_in_major(one: &str, other: &str) -> bool {
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    major(one) != major(other)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UnixListener};

    use super::*;

    /// Reads one request from the connection and answers it; gives the request's first line.
    async fn answer<S>(mut stream: S, reply: &str) -> String
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(reply.as_bytes()).await.unwrap();
        let text = String::from_utf8(request).unwrap();
        text.lines().next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn any_status_under_500_is_an_answer() {
        for (status, up) in [
            ("200 OK", true),
            ("302 Found", true),
            ("403 Forbidden", true),
            ("503 Service Unavailable", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let target = Target::Tcp(listener.local_addr().unwrap());
            let reply = format!(
                "HTTP/1.1 {status}\r\nX-JupyterHub-Version: 6.1.1\r\nContent-Length: 0\r\n\r\n"
            );
            let served = async { answer(listener.accept().await.unwrap().0, &reply).await };
            let (asked, line) = tokio::join!(ask(&target, "/user/ada/"), served);
            assert_eq!(line, "GET /user/ada/api HTTP/1.1");
            assert_eq!(asked.is_ok(), up, "{status}");
            if let Ok(answer) = asked {
                assert_eq!(answer.version.as_deref(), Some("6.1.1"));
            }
        }
    }

    #[tokio::test]
    async fn a_socket_is_asked_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.sock");
        let target = Target::Unix(path.clone());
        assert!(
            ask(&target, "/user/ada/")
                .await
                .unwrap_err()
                .contains("connecting")
        );
        let listener = UnixListener::bind(&path).unwrap();
        let served = async {
            let reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            answer(listener.accept().await.unwrap().0, reply).await
        };
        let (asked, _) = tokio::join!(ask(&target, "/user/ada/"), served);
        assert_eq!(asked, Ok(Answer { version: None }));
    }

    #[test]
    fn majors() {
        assert!(differs_in_major("6.1.1", "5.5.4"));
        assert!(!differs_in_major("6.1.1", "6.0.0"));
    }
}
