//! A whole hub inside the test: its routes go to a table here, its servers are answers of the test itself.

// Each test program uses its own part of this.
#![allow(dead_code)]

pub mod routes;
pub mod spawner;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hub_api::hub::Hub as Config;
use hubd::app::{self, Hub, Surroundings};
use hubd::clock::Clock;
use hubd::listen::Listeners;
use hubd::spawner::Spawner;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::task::JoinHandle;

use routes::Routes;
use spawner::MockSpawner;

/// The token of the service `tests`, which is an admin.
pub const ADMIN: &str = "the-token-of-the-tests-own-service";

/// A hub that answers at a loopback port.
pub struct Running {
    pub hub: Arc<Hub>,
    /// Where it answers, without a path.
    pub url: String,
    pub routes: Routes,
    pub folder: tempfile::TempDir,
    serving: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Running {
    /// Starts one; `more` goes to the end of its configuration. Files it names by a relative path are in `folder`.
    pub async fn start(folder: tempfile::TempDir, more: &str) -> Self {
        Self::start_with(folder, more, Arc::new(MockSpawner::default())).await
    }

    /// The same with another spawner.
    pub async fn start_with(
        folder: tempfile::TempDir,
        more: &str,
        spawner: Arc<dyn Spawner>,
    ) -> Self {
        let routes = Routes::start().await;
        let mut config = config(folder.path(), routes.address, more);
        let listeners = Listeners::bind(&config.listen).expect("listening");
        listeners.tell(&mut config.listen);
        let url = format!("http://{}", config.listen.internal.bind);
        let around = Surroundings {
            clock: Clock::system(),
            spawner,
        };
        let hub = Arc::new(Hub::new(config, around).await.expect("a hub"));
        let served = hub.clone();
        let serving = tokio::spawn(async move {
            app::serve(served, listeners).await.expect("serving");
        });
        Self {
            hub,
            url,
            routes,
            folder,
            serving,
        }
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) {
        let within = std::time::Duration::from_secs(30);
        let ended = tokio::time::timeout(within, &mut self.serving).await;
        ended.expect("an end").expect("an orderly end");
    }

    /// Asks the API; a body that is no JSON is told as text.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let method: Method = method.parse().expect("a method");
        let mut request = reqwest::Client::new()
            .request(method, format!("{}/hub/api{path}", self.url))
            .header("authorization", format!("token {token}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    /// Makes a token of a user with these scopes.
    pub async fn token(&self, user: &str, scopes: Value) -> String {
        let body = serde_json::json!({"scopes": scopes});
        let (status, model) = self
            .ask("POST", &format!("/users/{user}/tokens"), ADMIN, Some(body))
            .await;
        assert_eq!(status, 201, "{model}");
        model["token"].as_str().expect("a token").to_owned()
    }
}

fn config(folder: &Path, routes: SocketAddr, more: &str) -> Config {
    std::fs::write(folder.join("admin.token"), ADMIN).expect("a file");
    std::fs::write(folder.join("proxy.token"), routes::TOKEN).expect("a file");
    let text = format!(
        r#"
database = "{folder}/hub.sqlite"
named_servers.allow = true
listen.public = "127.0.0.1:0"
listen.internal.bind = "127.0.0.1:0"
proxy.api = "http://{routes}"
proxy.token_file = "{folder}/proxy.token"

{more}

[[services]]
name = "tests"
admin = true
api_token_file = "{folder}/admin.token"
"#,
        folder = folder.display()
    );
    toml::from_str(&text).expect("a configuration")
}
