//! A hub in a folder of its own, with a proxy that takes every route, and single-user servers that answer.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use hub_api::hub::{Hub as Config, PasswordFile, SpawnerKind};
use hubd::app::{self, Hub, Surroundings};
use hubd::clock::Clock;
use hubd::spawner;
use hubd::store::{StoreError, group, user};
use tempfile::TempDir;

use crate::browser::Browser;

/// What stands in for `jupyterhub-singleuser`: it listens where it is told and says yes to everything.
const SERVER: &str = "
import http.server, os, urllib.parse
class Yes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header('X-JupyterHub-Version', '6.1.1'); self.end_headers(); self.wfile.write(b'{}')
    def log_message(self, *a): pass
at = urllib.parse.urlparse(os.environ['JUPYTERHUB_SERVICE_URL'])
http.server.ThreadingHTTPServer((at.hostname, at.port), Yes).serve_forever()
";

/// The password of every user of [`TestHub::user`].
pub const PASSWORD: &str = "correct horse battery";

/// A hub for one test; it goes with its folder and its servers.
pub struct TestHub {
    pub hub: Arc<Hub>,
    pub router: Router,
    _folder: TempDir,
    _proxy: tokio::task::JoinHandle<()>,
}

impl TestHub {
    /// A hub with a password file, edited.
    pub async fn new(edit: impl FnOnce(&mut Config, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (api, proxy) = proxy().await;
        let mut config = Config {
            database: folder.path().join("hubd.sqlite"),
            ..Config::default()
        };
        config.auth.allow_all = true;
        config.auth.password_file = Some(PasswordFile {
            path: folder.path().join("passwords"),
            minimum_length: 10,
        });
        config.proxy.api = api;
        let token = folder.path().join("proxy-token");
        std::fs::write(&token, "secret").unwrap();
        config.proxy.token_file = Some(token);
        config.spawn.kind = SpawnerKind::Process;
        config.spawn.process.command =
            vec!["python3".to_owned(), "-c".to_owned(), SERVER.to_owned()];
        config.spawn.process.homes = folder.path().join("homes");
        edit(&mut config, folder.path());
        let spawner = spawner::from_configuration(&config.spawn).unwrap();
        let hub = Arc::new(
            Hub::new(
                config,
                Surroundings {
                    clock: Clock::system(),
                    spawner,
                },
            )
            .await
            .unwrap(),
        );
        let router = app::router(&hub);
        Self {
            hub,
            router,
            _folder: folder,
            _proxy: proxy,
        }
    }

    /// As usual.
    pub async fn plain() -> Self {
        Self::new(|_, _| ()).await
    }

    /// A browser that has been nowhere.
    pub fn browser(&self) -> Browser {
        Browser::new(self.router.clone())
    }

    /// Makes a user who knows [`PASSWORD`].
    pub async fn user(&self, name: &str) {
        self.add(name, false).await;
    }

    /// Makes an admin who knows [`PASSWORD`].
    pub async fn admin(&self, name: &str) {
        self.add(name, true).await;
    }

    async fn add(&self, name: &str, admin: bool) {
        let (owned, now) = (name.to_owned(), self.hub.clock.now());
        self.hub
            .store
            .write(move |connection| user::create(connection, now, &owned, admin))
            .await
            .unwrap();
        self.hub
            .authenticators
            .passwords()
            .unwrap()
            .set(name, PASSWORD, false)
            .await
            .unwrap();
    }

    /// Makes users without passwords, all at once.
    pub async fn many(&self, names: impl Iterator<Item = String> + Send + 'static) {
        let now = self.hub.clock.now();
        self.hub
            .store
            .write(move |connection| {
                for name in names {
                    user::create(connection, now, &name, false)?;
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }

    /// Puts a user into a group, which is made.
    pub async fn join(&self, name: &str, group_name: &str) {
        let (name, group_name) = (name.to_owned(), group_name.to_owned());
        self.hub
            .store
            .write(move |connection| {
                let id = group::ensure(connection, &group_name)?;
                let user = user::find(connection, &name)?.unwrap();
                group::add_user(connection, id, user.id)
            })
            .await
            .unwrap();
    }

    /// A browser in which the user is logged in.
    pub async fn logged_in(&self, name: &str) -> Browser {
        let mut browser = self.browser();
        browser.log_in(name, PASSWORD).await;
        browser
    }
}

/// A routes API that takes everything.
async fn proxy() -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let one = post(|| async { StatusCode::CREATED }).delete(|| async { StatusCode::NO_CONTENT });
    let routes = Router::new()
        .route("/api/routes", get(|| async { "{}" }))
        .route("/api/routes/", one.clone())
        .route("/api/routes/{*path}", one);
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (format!("http://{address}"), serving)
}
