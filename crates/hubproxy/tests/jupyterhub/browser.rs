//! A person's browser: logs in, starts a server, runs a cell.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::cookie::{CookieStore, Jar};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::hub::PATIENCE;

pub struct Browser {
    client: reqwest::Client,
    cookies: Arc<Jar>,
    host: String,
    user: String,
}

/// A kernel's WebSocket.
pub struct Kernel {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    messages: usize,
}

impl Browser {
    pub fn new(address: SocketAddr, user: &str) -> Self {
        let cookies = Arc::new(Jar::default());
        let client = reqwest::Client::builder()
            .cookie_provider(cookies.clone())
            .timeout(Duration::from_secs(30));
        Self {
            client: client.build().expect("a client"),
            cookies,
            host: address.to_string(),
            user: user.to_owned(),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    fn cookies_of(&self, path: &str) -> String {
        let url = self.url(path).parse().expect("a URL");
        let header = self.cookies.cookies(&url);
        header
            .map(|value| value.to_str().expect("text").to_owned())
            .unwrap_or_default()
    }

    fn xsrf(&self, path: &str) -> String {
        let cookies = self.cookies_of(path);
        let mut named = cookies
            .split("; ")
            .filter_map(|cookie| cookie.strip_prefix("_xsrf="));
        named.next().expect("an _xsrf cookie").to_owned()
    }

    /// The status, the URL after redirects, and the text.
    pub async fn get(&self, path: &str) -> (u16, String, String) {
        let request = self
            .client
            .get(self.url(path))
            .header("Sec-Fetch-Mode", "navigate")
            .header("Accept", "text/html");
        let reply = request.send().await.expect("an answer");
        let (status, url) = (reply.status().as_u16(), reply.url().path().to_owned());
        (status, url, reply.text().await.expect("text"))
    }

    pub async fn log_in(&self) {
        assert_eq!(self.get("/hub/login").await.0, 200);
        let form = format!(
            "username={}&password=any&_xsrf={}",
            self.user,
            self.xsrf("/hub/login")
                .replace('|', "%7C")
                .replace('=', "%3D")
        );
        let request = self
            .client
            .post(self.url("/hub/login?next=%2Fhub%2Fhome"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form);
        let reply = request.send().await.expect("an answer");
        assert_eq!(
            (reply.status().as_u16(), reply.url().path()),
            (200, "/hub/home")
        );
    }

    /// Starts the server and waits for it, as the page of a pending spawn does: by its progress as an event stream.
    pub async fn spawn(&self) {
        let (status, url, text) = self.get("/hub/spawn").await;
        assert_eq!(status, 200, "{url}: {text}");
        let progress = format!(
            "/hub/api/users/{}/server/progress?_xsrf={}",
            self.user,
            self.xsrf("/hub/home")
        );
        let mut reply = self
            .client
            .get(self.url(&progress))
            .header("Accept", "text/event-stream")
            .timeout(PATIENCE)
            .send()
            .await
            .expect("an answer");
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        let mut events = String::new();
        while let Some(chunk) = reply.chunk().await.expect("more") {
            events += &String::from_utf8_lossy(&chunk);
        }
        assert!(events.contains("\"ready\": true"), "{events}");
    }

    /// A page of the user's own server, with the redirects of its login.
    pub async fn page(&self, path: &str) -> String {
        let (status, url, text) = self.get(&format!("/user/{}{path}", self.user)).await;
        assert_eq!(
            (status, url),
            (200, format!("/user/{}{path}", self.user)),
            "{text}"
        );
        text
    }

    /// Starts a kernel and opens its WebSocket.
    pub async fn kernel(&self) -> Kernel {
        let base = format!("/user/{}", self.user);
        let request = self
            .client
            .post(self.url(&format!("{base}/api/kernels")))
            .header("X-XSRFToken", self.xsrf(&format!("{base}/")))
            .header("Content-Type", "application/json")
            .body(json!({"name": "python3"}).to_string());
        let reply = request.send().await.expect("an answer");
        assert_eq!(
            reply.status(),
            201,
            "{}",
            reply.text().await.unwrap_or_default()
        );
        let kernel: Value = reply.json().await.expect("a kernel");
        let id = kernel["id"].as_str().expect("its id");
        let session = "session-of-a-test".to_owned();
        let url = format!(
            "ws://{}{base}/api/kernels/{id}/channels?session_id={session}",
            self.host
        );
        let mut request = url.into_client_request().expect("a request");
        let headers = request.headers_mut();
        headers.insert(
            "Cookie",
            self.cookies_of(&format!("{base}/api"))
                .parse()
                .expect("text"),
        );
        headers.insert("Origin", self.url("").parse().expect("text"));
        headers.insert("Sec-Fetch-Mode", "websocket".parse().expect("text"));
        headers.insert("Sec-Fetch-Site", "same-origin".parse().expect("text"));
        let (socket, _) = tokio_tungstenite::connect_async(request)
            .await
            .expect("a WebSocket");
        Kernel {
            socket,
            session,
            messages: 0,
        }
    }
}

impl Kernel {
    /// Runs a cell and returns what it printed.
    pub async fn run(&mut self, code: &str) -> String {
        self.messages += 1;
        let id = format!("message-{}", self.messages);
        let message = json!({
            "channel": "shell", "buffers": [], "metadata": {}, "parent_header": {},
            "header": {"msg_id": id, "msg_type": "execute_request", "session": self.session, "username": "", "version": "5.3",
                "date": "2026-01-01T00:00:00Z"},
            "content": {"code": code, "silent": false, "store_history": true, "user_expressions": {}, "allow_stdin": false},
        });
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .expect("an open WebSocket");
        let reading = async {
            let mut printed = String::new();
            let (mut replied, mut idle) = (false, false);
            while !(replied && idle) {
                let message = self
                    .socket
                    .next()
                    .await
                    .expect("an open WebSocket")
                    .expect("a message");
                let Message::Text(text) = message else {
                    continue;
                };
                let message: Value = serde_json::from_str(&text).expect("JSON");
                if message["parent_header"]["msg_id"] != id {
                    continue;
                }
                match message["msg_type"].as_str().unwrap_or_default() {
                    "stream" => printed += message["content"]["text"].as_str().unwrap_or_default(),
                    "execute_reply" => {
                        assert_eq!(message["content"]["status"], "ok", "{message}");
                        replied = true;
                    }
                    "status" => idle |= message["content"]["execution_state"] == "idle",
                    _ => {}
                }
            }
            printed
        };
        timeout(PATIENCE, reading)
            .await
            .expect("a kernel that answers")
    }
}

/// Until it is so.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
