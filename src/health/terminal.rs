//! A terminal of the user's server, and commands run in it through its WebSocket.

use futures::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::browser::Browser;
use super::fault::{Fault, message};
use super::kernel::{connect, lost};
use crate::secret::Secret;

/// An open terminal.
pub struct Terminal {
    name: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Terminal {
    /// Starts a terminal with the user's shell and opens its WebSocket.
    pub async fn start(browser: &Browser) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Started {
            name: String,
        }
        let path = format!("{}api/terminals", browser.server());
        let (status, body) = browser.api(Method::POST, &path).await?;
        if !status.is_success() {
            return Err(Fault::plain(format!("{} (HTTP {status})", message(&body))));
        }
        let Started { name } = serde_json::from_str(&body)
            .map_err(|_| Fault::plain(format!("POST /{path} gave no terminal")))?;
        let path = format!("{}terminals/websocket/{name}", browser.server());
        let socket = connect(browser, &path).await?;
        Ok(Self { name, socket })
    }

    /// Types a line and gives what the terminal shows until the line's command has ended.
    pub async fn run(&mut self, line: &str) -> Result<String, Fault> {
        // The echo of what is typed holds the mark in two halves; what the shell prints has it whole.
        let mark = Secret::random_hex(8).reveal().to_owned();
        let (first, second) = mark.split_at(8);
        let typed = json!([
            "stdin",
            format!("{line}; printf '%s%s\\n' '{first}' '{second}'\r")
        ]);
        self.socket
            .send(Message::text(typed.to_string()))
            .await
            .map_err(lost)?;
        let mut shown = String::new();
        while let Some(received) = self.socket.next().await {
            let Message::Text(text) = received.map_err(lost)? else {
                continue;
            };
            if let Ok(Value::Array(told)) = serde_json::from_str::<Value>(&text)
                && let [Value::String(kind), Value::String(text), ..] = told.as_slice()
                && kind == "stdout"
            {
                shown.push_str(text);
                if let Some((before, _)) = shown.split_once(&mark) {
                    return Ok(before.to_owned());
                }
            }
        }
        Err(Fault::plain(
            "the WebSocket closed before the command ended".to_owned(),
        ))
    }

    /// Ends the terminal.
    pub async fn end(mut self, browser: &Browser) -> Result<(), Fault> {
        let _ = self.socket.close(None).await;
        let path = format!("{}api/terminals/{}", browser.server(), self.name);
        let (status, body) = browser.api(Method::DELETE, &path).await?;
        if status.is_success() || status == StatusCode::NOT_FOUND {
            Ok(())
        } else {
            Err(Fault::plain(format!("{} (HTTP {status})", message(&body))))
        }
    }
}
