//! A spawner whose servers are tasks of the test, a proxy that is a table, and the servers between them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Path as UrlPath, State as Shared};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::super::*;
use crate::clock::{Clock, Timestamp};
use crate::scope::{Catalog, default_roles};
use crate::spawner::{Ending, Launch, SpawnError, Started, Status, Target};
use crate::store::{StoreError, role, server, user};

/// What a start is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Answer,
    /// Runs, and answers nothing but 503 until it is told.
    Silent,
    Refuse,
    /// Never comes back from `start`.
    Hang,
    /// Ends at once.
    Die,
}

/// Starts tasks that answer as a single-user server does.
pub(super) struct Tasks {
    pub(super) act: Mutex<Act>,
    pub(super) running: Mutex<HashMap<ServerKey, tokio::task::JoinHandle<()>>>,
    pub(super) launches: Mutex<Vec<Launch>>,
    pub(super) stops: AtomicU32,
    pub(super) answer: Arc<Mutex<bool>>,
    /// Told when a start was asked for.
    pub(super) asked: Notify,
}

impl Tasks {
    pub(super) fn end(&self, key: &ServerKey) {
        if let Some(task) = self.running.lock().unwrap().remove(key) {
            task.abort();
        }
    }
}

pub(super) async fn serve(listener: TcpListener, answer: Arc<Mutex<bool>>) {
    let reply = move || {
        let up = *answer.lock().unwrap();
        async move {
            let status = if up {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            (status, [("x-jupyterhub-version", "6.1.1")])
        }
    };
    axum::serve(listener, Router::new().fallback(reply))
        .await
        .unwrap();
}

#[async_trait]
impl Spawner for Tasks {
    async fn prepare(&self, _: &ServerKey) -> Result<Target, SpawnError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Ok(Target::Tcp(listener.local_addr().unwrap()))
    }

    async fn start(&self, launch: &Launch, target: &Target) -> Result<Started, SpawnError> {
        self.launches.lock().unwrap().push(launch.clone());
        self.asked.notify_one();
        let act = *self.act.lock().unwrap();
        match act {
            Act::Refuse => {
                let message = "there is no room".to_owned();
                return Err(SpawnError::Refused { message });
            }
            Act::Hang => std::future::pending().await,
            Act::Answer => *self.answer.lock().unwrap() = true,
            Act::Silent => *self.answer.lock().unwrap() = false,
            Act::Die => {}
        }
        if act != Act::Die {
            let Target::Tcp(address) = target else {
                unreachable!()
            };
            let listener = TcpListener::bind(address).await.unwrap();
            let task = tokio::spawn(serve(listener, self.answer.clone()));
            self.running
                .lock()
                .unwrap()
                .insert(launch.key.clone(), task);
        }
        Ok(Started {
            target: target.clone(),
            state: json!({"unit": launch.key.user}),
        })
    }

    async fn poll(&self, key: &ServerKey, _: &Value) -> Result<Status, SpawnError> {
        Ok(match self.running.lock().unwrap().contains_key(key) {
            true => Status::Running,
            false => Status::Ended(Ending {
                code: None,
                out_of_memory: true,
                last_lines: vec!["Killed".to_owned()],
            }),
        })
    }

    async fn stop(&self, key: &ServerKey, _: &Value) -> Result<(), SpawnError> {
        self.stops.fetch_add(1, Ordering::SeqCst);
        self.end(key);
        Ok(())
    }
}

pub(super) type Table = Arc<Mutex<BTreeMap<String, Value>>>;

/// A routes API that keeps what is posted.
pub(super) async fn proxy_of(table: Table) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::Tcp(listener.local_addr().unwrap());
    let one = get(|| async {})
        .post(
            |Shared(table): Shared<Table>, UrlPath(path): UrlPath<String>, body: String| async move {
                let route = serde_json::from_str(&body).unwrap();
                table.lock().unwrap().insert(format!("/{path}"), route);
                StatusCode::CREATED
            },
        )
        .delete(|Shared(table): Shared<Table>, UrlPath(path): UrlPath<String>| async move {
            match table.lock().unwrap().remove(&format!("/{path}")) {
                Some(_) => StatusCode::NO_CONTENT,
                None => StatusCode::NOT_FOUND,
            }
        });
    let all = get(|Shared(table): Shared<Table>| async move {
        serde_json::to_string(&*table.lock().unwrap()).unwrap()
    })
    .post(|Shared(table): Shared<Table>, body: String| async move {
        let route = serde_json::from_str(&body).unwrap();
        table.lock().unwrap().insert("/".to_owned(), route);
        StatusCode::CREATED
    });
    let router = Router::new()
        .route("/api/routes", all.clone())
        .route("/api/routes/", all)
        .route("/api/routes/{*path}", one)
        .with_state(table);
    tokio::spawn(axum::serve(listener, router).into_future());
    target
}

pub(super) struct World {
    pub(super) servers: Servers,
    pub(super) store: Store,
    pub(super) spawner: Arc<Tasks>,
    pub(super) table: Table,
    pub(super) config: Arc<Config>,
    pub(super) proxy: Target,
    _folder: tempfile::TempDir,
}

impl World {
    pub(super) async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.spawn.http_timeout = 5;
        config.spawn.slow_spawn_timeout = 5;
        config.named_servers.allow = true;
        change(&mut config);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.sqlite");
        let store = Store::open(&path, Catalog::default(), Clock::system()).unwrap();
        store
            .write(|connection| {
                role::set_all(connection, &default_roles())?;
                user::create(connection, Timestamp(1), "ada", false)?;
                user::create(connection, Timestamp(1), "bob", false)?;
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let table = Table::default();
        let proxy = proxy_of(table.clone()).await;
        let spawner = Arc::new(Tasks {
            act: Mutex::new(Act::Answer),
            running: Mutex::default(),
            launches: Mutex::default(),
            stops: AtomicU32::new(0),
            answer: Arc::default(),
            asked: Notify::new(),
        });
        let config = Arc::new(config);
        let mut world = Self {
            servers: Servers::new(
                config.clone(),
                store.clone(),
                spawner.clone(),
                Proxy::new(&proxy, String::new()),
            ),
            store,
            spawner,
            table,
            config,
            proxy,
            _folder: folder,
        };
        world.restart();
        world
    }

    /// The same store, spawner and proxy under a hub that just started.
    pub(super) fn restart(&mut self) {
        self.servers = Servers::new(
            self.config.clone(),
            self.store.clone(),
            self.spawner.clone(),
            Proxy::new(&self.proxy, String::new()),
        );
    }

    pub(super) fn act(&self, act: Act) {
        *self.spawner.act.lock().unwrap() = act;
    }

    pub(super) fn token(&self) -> String {
        let launches = self.spawner.launches.lock().unwrap();
        launches.last().unwrap().environment["JUPYTERHUB_API_TOKEN"].clone()
    }

    /// What the token of the last launch allows; `None` if it is no token any more.
    pub(super) async fn scopes(&self) -> Option<Vec<String>> {
        let token = self.token();
        let requester = self.store.requester_by_token(&token).await.unwrap();
        requester.map(|requester| requester.scopes.to_sorted())
    }

    pub(super) async fn row(&self, key: &ServerKey) -> Option<server::Server> {
        let key = key.clone();
        let found = self
            .store
            .read(move |connection| server::find(connection, &key.user, &key.name));
        found.await.unwrap()
    }

    pub(super) fn routes(&self) -> Vec<String> {
        self.table.lock().unwrap().keys().cloned().collect()
    }
}

pub(super) fn key(user: &str, name: &str) -> ServerKey {
    ServerKey {
        user: user.to_owned(),
        name: name.to_owned(),
    }
}
