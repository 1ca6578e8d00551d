//! A person's browser: logs in, starts a server, runs a cell.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::cookie::{CookieStore, Jar};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::world::{PATIENCE, World};

pub struct Browser {
    client: reqwest::Client,
    cookies: Arc<Jar>,
    host: String,
    user: String,
}

/// A kernel's WebSocket.
pub struct Kernel {
    pub id: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    messages: usize,
}

/// An answer after redirects.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub path: String,
    /// The path with its query.
    pub uri: String,
    pub text: String,
}

impl Browser {
    /// A browser at the world's proxy, of a person who has not logged in.
    pub fn new(world: &World, user: &str) -> Self {
        let cookies = Arc::new(Jar::default());
        let client = reqwest::Client::builder()
            .cookie_provider(cookies.clone())
            .timeout(Duration::from_secs(30));
        Self {
            client: client.build().expect("a client"),
            cookies,
            host: SocketAddr::to_string(&world.public),
            user: user.to_owned(),
        }
    }

    /// Logged in, with a server that is ready.
    pub async fn at_work(world: &World, user: &str) -> Self {
        let browser = Self::new(world, user);
        browser.log_in().await;
        browser.spawn(world).await;
        browser
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// The cookies that go to a path, as one header.
    pub fn cookies_of(&self, path: &str) -> String {
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

    /// Goes to a page, and follows where it leads.
    pub async fn get(&self, path: &str) -> Page {
        let request = self
            .client
            .get(self.url(path))
            .header("Sec-Fetch-Mode", "navigate")
            .header("Accept", "text/html");
        Page::of(request.send().await.expect("an answer")).await
    }

    /// Sends a form of the hub's.
    pub async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .append_pair("_xsrf", &self.xsrf("/hub/"))
            .finish();
        let request = self
            .client
            .post(self.url(path))
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Site", "same-origin")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        Page::of(request.send().await.expect("an answer")).await
    }

    /// Sends a form as a page of another site could; the status.
    pub async fn post_without_token(&self, path: &str) -> u16 {
        let request = self
            .client
            .post(self.url(path))
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Site", "cross-site")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("scopes=");
        request.send().await.expect("an answer").status().as_u16()
    }

    pub async fn log_in(&self) {
        let page = self.get("/hub/login").await;
        assert_eq!(page.status, 200, "{page:?}");
        let form = [("username", self.user.as_str()), ("password", "any")];
        let page = self.post_form("/hub/login?next=%2Fhub%2Fhome", &form).await;
        assert_eq!(
            (page.status, page.path.as_str()),
            (200, "/hub/home"),
            "{page:?}"
        );
    }

    pub async fn log_out(&self) {
        let page = self.post_form("/hub/logout", &[]).await;
        assert_eq!(
            (page.status, page.path.as_str()),
            (200, "/hub/login"),
            "{page:?}"
        );
    }

    /// Starts the server as the button of the home page does, and waits for it as the page of a pending spawn does.
    pub async fn spawn(&self, world: &World) {
        let page = self.get("/hub/spawn").await;
        assert_eq!(page.status, 200, "{page:?}\n{}", world.log());
        let events = self.progress().await;
        assert!(
            events.contains("\"ready\":true"),
            "{events}\n{}",
            world.log()
        );
    }

    /// All events of the server's start.
    pub async fn progress(&self) -> String {
        let xsrf = self.xsrf("/hub/home");
        let progress = format!("/hub/api/users/{}/server/progress?_xsrf={xsrf}", self.user);
        let mut reply = self
            .client
            .get(self.url(&progress))
            .header("Accept", "text/event-stream")
            .header("Sec-Fetch-Mode", "cors")
            .timeout(PATIENCE)
            .send()
            .await
            .expect("an answer");
        let status = reply.status();
        let mut events = String::new();
        while let Some(chunk) = reply.chunk().await.expect("more") {
            events += &String::from_utf8_lossy(&chunk);
        }
        assert_eq!(status, 200, "{events}");
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        events
    }

    /// A page of the user's own server, with the redirects of its login.
    pub async fn own(&self, path: &str) -> String {
        let path = format!("/user/{}{path}", self.user);
        let page = self.get(&path).await;
        assert_eq!((page.status, &page.path), (200, &path), "{page:?}");
        page.text
    }

    /// The status of a request to the user's own server's API with these cookies and no others.
    pub async fn status_with(&self, path: &str, cookies: &str) -> u16 {
        let request = reqwest::Client::new()
            .get(self.url(&format!("/user/{}{path}", self.user)))
            .header("Cookie", cookies)
            .header("Accept", "application/json");
        request.send().await.expect("an answer").status().as_u16()
    }

    /// JSON from the user's own server.
    pub async fn json(&self, path: &str) -> Value {
        let url = self.url(&format!("/user/{}{path}", self.user));
        let reply = self.client.get(url).send().await.expect("an answer");
        assert_eq!(reply.status(), 200);
        reply.json().await.expect("JSON")
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
        let status = reply.status();
        let text = reply.text().await.expect("text");
        assert_eq!(status, 201, "{text}");
        let kernel: Value = serde_json::from_str(&text).expect("a kernel");
        let id = kernel["id"].as_str().expect("its id").to_owned();
        let session = "session-of-a-test".to_owned();
        let url = format!(
            "ws://{}{base}/api/kernels/{id}/channels?session_id={session}",
            self.host
        );
        let mut request = url.into_client_request().expect("a request");
        let headers = request.headers_mut();
        let cookies = self.cookies_of(&format!("{base}/api"));
        headers.insert("Cookie", cookies.parse().expect("text"));
        headers.insert("Origin", self.url("").parse().expect("text"));
        headers.insert("Sec-Fetch-Mode", "websocket".parse().expect("text"));
        headers.insert("Sec-Fetch-Site", "same-origin".parse().expect("text"));
        let (socket, _) = tokio_tungstenite::connect_async(request)
            .await
            .expect("a WebSocket");
        Kernel {
            id,
            socket,
            session,
            messages: 0,
        }
    }
}

impl Page {
    async fn of(reply: reqwest::Response) -> Self {
        Self {
            status: reply.status().as_u16(),
            path: reply.url().path().to_owned(),
            uri: reply.url()[url::Position::BeforePath..].to_owned(),
            text: reply.text().await.expect("text"),
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
            "header": {"msg_id": id, "msg_type": "execute_request", "session": self.session, "username": "",
                "version": "5.3", "date": "2026-01-01T00:00:00Z"},
            "content": {"code": code, "silent": false, "store_history": true, "user_expressions": {},
                "allow_stdin": false},
        });
        let sent = self.socket.send(Message::text(message.to_string())).await;
        sent.expect("an open WebSocket");
        timeout(PATIENCE, self.printed(&id))
            .await
            .expect("a kernel that answers")
    }

    async fn printed(&mut self, id: &str) -> String {
        let mut printed = String::new();
        let (mut replied, mut idle) = (false, false);
        while !(replied && idle) {
            let message = self.socket.next().await.expect("an open WebSocket");
            let Message::Text(text) = message.expect("a message") else {
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
    }
}
