//! A person's way from the login page to the first cell, through the proxy, as a browser goes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::{SinkExt, StreamExt};
use reqwest::cookie::{CookieStore, Jar};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::hub::Hub;

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(60);
const SUM: &str = "print(1 + 1)";

/// Seconds from the first request until so far.
#[derive(Clone, Copy)]
pub struct Visit {
    /// The login page and the login.
    pub login: f64,
    /// The server is ready.
    pub ready: f64,
    /// JupyterLab's page is there.
    pub page: f64,
    /// A cell has said what it had to say.
    pub cell: f64,
}

struct Browser {
    client: reqwest::Client,
    cookies: Arc<Jar>,
    /// Host and port.
    host: String,
    user: String,
}

/// Goes the whole way as a user whose server does not run.
pub async fn go(hub: &Hub, user: &str) -> anyhow::Result<Visit> {
    let cookies = Arc::new(Jar::default());
    let client = reqwest::Client::builder()
        .cookie_provider(cookies.clone())
        .timeout(PATIENCE);
    let browser = Browser {
        client: client.build()?,
        cookies,
        host: hub.public.to_string(),
        user: user.to_owned(),
    };
    let begun = Instant::now();
    let so_far = || begun.elapsed().as_secs_f64();
    browser.log_in().await.context("logging in")?;
    let login = so_far();
    browser.spawn().await.context("starting a server")?;
    let ready = so_far();
    let lab = format!("/user/{user}/lab");
    browser.page(&lab).await.context("JupyterLab's page")?;
    let page = so_far();
    let said = timeout(PATIENCE, browser.cell()).await;
    let said = said.context("no answer")?.context("running a cell")?;
    ensure!(said.trim() == "2", "1 + 1 is {said:?}");
    Ok(Visit {
        login,
        ready,
        page,
        cell: so_far(),
    })
}

impl Browser {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// The cookies that go to a path.
    fn cookies_of(&self, path: &str) -> anyhow::Result<String> {
        let header = self.cookies.cookies(&self.url(path).parse()?);
        let header = header.context("no cookies")?;
        Ok(header.to_str()?.to_owned())
    }

    fn xsrf(&self, path: &str) -> anyhow::Result<String> {
        let cookies = self.cookies_of(path)?;
        let mut named = cookies
            .split("; ")
            .filter_map(|cookie| cookie.strip_prefix("_xsrf="));
        Ok(named.next().context("no _xsrf cookie")?.to_owned())
    }

    /// Goes to a page, and follows where it leads: back to itself in the end, if it needs a login first.
    async fn page(&self, path: &str) -> anyhow::Result<()> {
        let reply = self.get(path).await?;
        let (status, at) = (reply.status(), reply.url().path().to_owned());
        reply.bytes().await?;
        ensure!(status.is_success() && at == path, "{status} at {at}");
        Ok(())
    }

    async fn get(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        let request = self
            .client
            .get(self.url(path))
            .header("Sec-Fetch-Mode", "navigate")
            .header("Accept", "text/html");
        Ok(request.send().await?)
    }

    async fn log_in(&self) -> anyhow::Result<()> {
        self.page("/hub/login").await?;
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("username", &self.user)
            .append_pair("password", "any")
            .append_pair("_xsrf", &self.xsrf("/hub/")?)
            .finish();
        let request = self
            .client
            .post(self.url("/hub/login?next=%2Fhub%2Fhome"))
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Site", "same-origin")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        let reply = request.send().await?;
        let (status, at) = (reply.status(), reply.url().path().to_owned());
        reply.bytes().await?;
        ensure!(
            status.is_success() && at == "/hub/home",
            "{status} at {at} after the login"
        );
        Ok(())
    }

    /// Starts the server as the button of the home page does, and follows it as the page of a pending start does.
    async fn spawn(&self) -> anyhow::Result<()> {
        let reply = self.get("/hub/spawn").await?;
        ensure!(reply.status().is_success(), "{}", reply.status());
        drop(reply);
        let path = format!(
            "/hub/api/users/{}/server/progress?_xsrf={}",
            self.user,
            self.xsrf("/hub/home")?
        );
        let request = self
            .client
            .get(self.url(&path))
            .header("Accept", "text/event-stream")
            .header("Sec-Fetch-Mode", "cors");
        let mut reply = request.send().await?;
        ensure!(reply.status().is_success(), "{}", reply.status());
        let mut events = String::new();
        while let Some(chunk) = reply.chunk().await? {
            events += &String::from_utf8_lossy(&chunk);
            if events.replace(' ', "").contains("\"ready\":true") {
                return Ok(());
            }
        }
        anyhow::bail!("it did not get ready: {events}")
    }

    /// Starts a kernel, has it run a cell, and returns what that printed.
    async fn cell(&self) -> anyhow::Result<String> {
        let base = format!("/user/{}", self.user);
        let request = self
            .client
            .post(self.url(&format!("{base}/api/kernels")))
            .header("X-XSRFToken", self.xsrf(&format!("{base}/"))?)
            .header("Content-Type", "application/json")
            .body(json!({"name": "python3"}).to_string());
        let kernel: Value = request.send().await?.error_for_status()?.json().await?;
        let id = kernel["id"].as_str().context("a kernel without id")?;
        let session = "session-of-a-visit";
        let url = format!(
            "ws://{}{base}/api/kernels/{id}/channels?session_id={session}",
            self.host
        );
        let mut request = url.into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("Cookie", self.cookies_of(&format!("{base}/api"))?.parse()?);
        headers.insert("Origin", self.url("").parse()?);
        headers.insert("Sec-Fetch-Mode", "websocket".parse()?);
        headers.insert("Sec-Fetch-Site", "same-origin".parse()?);
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        let message = json!({
            "channel": "shell", "buffers": [], "metadata": {}, "parent_header": {},
            "header": {"msg_id": "first", "msg_type": "execute_request", "session": session, "username": "",
                "version": "5.3", "date": "2026-01-01T00:00:00Z"},
            "content": {"code": SUM, "silent": false, "store_history": true, "user_expressions": {},
                "allow_stdin": false},
        });
        socket.send(Message::text(message.to_string())).await?;
        while let Some(message) = socket.next().await {
            let Message::Text(text) = message? else {
                continue;
            };
            let message: Value = serde_json::from_str(&text)?;
            if message["parent_header"]["msg_id"] == "first" && message["msg_type"] == "stream" {
                let text = message["content"]["text"].as_str();
                return Ok(text.context("nothing printed")?.to_owned());
            }
        }
        anyhow::bail!("the kernel hung up")
    }
}
