//! A kernel of the user's server, and code run in it through the WebSocket.

use futures::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest, http};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::browser::Browser;
use super::fault::{Fault, message};
use crate::secret::Secret;

/// A running kernel with its channels open.
pub struct Kernel {
    id: String,
    session: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Kernel {
    /// Starts a kernel of the server's default kind and opens its channels.
    pub async fn start(browser: &Browser) -> Result<Self, Fault> {
        Self::begin(browser, json!({})).await
    }

    /// Starts a kernel of this kind, such as `ir` for R, and opens its channels.
    pub async fn start_kind(browser: &Browser, kind: &str) -> Result<Self, Fault> {
        Self::begin(browser, json!({"name": kind})).await
    }

    async fn begin(browser: &Browser, asked: Value) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Started {
            id: String,
        }
        let path = format!("{}api/kernels", browser.server());
        let body = asked.to_string();
        let (status, body) = browser.api_with(Method::POST, &path, body).await?;
        if status != StatusCode::CREATED {
            return Err(Fault::plain(format!("{} (HTTP {status})", message(&body))));
        }
        let Started { id } = serde_json::from_str(&body)
            .map_err(|_| Fault::plain(format!("POST /{path} gave no kernel")))?;
        let session = Secret::random_hex(16).reveal().to_owned();
        let path = format!(
            "{}api/kernels/{id}/channels?session_id={session}",
            browser.server()
        );
        let socket = connect(browser, &path).await?;
        Ok(Self {
            id,
            session,
            socket,
        })
    }

    /// Runs code and gives what it printed, then the value of its last line, as a notebook shows them.
    pub async fn execute(&mut self, code: &str) -> Result<String, Fault> {
        let id = Secret::random_hex(16).reveal().to_owned();
        let request = json!({
            "channel": "shell",
            "header": {
                "msg_id": id, "msg_type": "execute_request", "version": "5.3",
                "session": self.session, "username": "", "date": "2000-01-01T00:00:00Z",
            },
            "parent_header": {}, "metadata": {}, "buffers": [],
            "content": {
                "code": code, "silent": false, "store_history": false, "user_expressions": {},
                "allow_stdin": false, "stop_on_error": true,
            },
        });
        self.socket
            .send(Message::text(request.to_string()))
            .await
            .map_err(lost)?;
        let (mut printed, mut idle, mut replied) = (String::new(), false, false);
        while !(idle && replied) {
            let Some(received) = self.socket.next().await else {
                return Err(Fault::plain(
                    "the WebSocket closed before the result".to_owned(),
                ));
            };
            let Message::Text(text) = received.map_err(lost)? else {
                continue;
            };
            let Ok(told) = serde_json::from_str::<Value>(&text) else {
                continue;
            };
            if told["parent_header"]["msg_id"] != id.as_str() {
                continue;
            }
            let content = &told["content"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            match told["header"]["msg_type"].as_str().unwrap_or_default() {
                "stream" => printed.push_str(&text(&content["text"])),
                "execute_result" => printed.push_str(&text(&content["data"]["text/plain"])),
                "status" => idle = content["execution_state"] == "idle",
                "execute_reply" => replied = true,
                "error" => {
                    return Err(Fault::plain(format!(
                        "{}: {}",
                        text(&content["ename"]),
                        text(&content["evalue"])
                    )));
                }
                _ => {}
            }
        }
        Ok(printed)
    }

    /// Ends the kernel.
    pub async fn end(mut self, browser: &Browser) -> Result<(), Fault> {
        // The server says goodbye in its own time; nothing is lost when it does not.
        let _ = self.socket.close(None).await;
        let path = format!("{}api/kernels/{}", browser.server(), self.id);
        let (status, body) = browser.api(Method::DELETE, &path).await?;
        if status.is_success() || status == StatusCode::NOT_FOUND {
            Ok(())
        } else {
            Err(Fault::plain(format!("{} (HTTP {status})", message(&body))))
        }
    }
}

/// Opens a WebSocket as the browser's pages do.
pub(super) async fn connect(
    browser: &Browser,
    path: &str,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Fault> {
    let endpoint = browser.endpoint();
    let mut url = endpoint.at(path);
    let cookies = browser.cookies(&url);
    // A change between two special schemes is always allowed.
    let _ = url.set_scheme(if endpoint.has_tls() { "wss" } else { "ws" });
    let mut request = url
        .as_str()
        .into_client_request()
        .map_err(|error| Fault::plain(error.to_string()))?;
    let headers = request.headers_mut();
    if let Some(cookies) = cookies {
        headers.insert(http::header::COOKIE, cookies);
    }
    let origin = endpoint.url().origin().ascii_serialization();
    if let Ok(origin) = http::HeaderValue::from_str(&origin) {
        headers.insert(http::header::ORIGIN, origin);
    }
    let stream = endpoint
        .stream()
        .await
        .map_err(|error| Fault::plain(format!("{}: {error}", endpoint.place())))?;
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(Fault::new(
            format!("the WebSocket is refused (HTTP {})", response.status()),
            "whatever stands between you and the hub must let WebSockets through; \
             `hubctl logs proxy` shows what the proxy says",
        )),
        Err(error) => Err(lost(error)),
    }
}

pub(super) fn lost(error: tungstenite::Error) -> Fault {
    Fault::plain(format!("the WebSocket broke: {error}"))
}
