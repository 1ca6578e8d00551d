//! A proxy's table of routes, with CHP's API and nothing behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The token of the table. Nobody else can reach it: it is not checked.
pub const TOKEN: &str = "the-token-of-the-table";

type Table = Arc<Mutex<BTreeMap<String, Value>>>;

/// A table that answers at a loopback port.
pub struct Routes {
    pub address: SocketAddr,
    pub table: Table,
    serving: JoinHandle<()>,
}

impl Drop for Routes {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Routes {
    pub async fn start() -> Self {
        let table = Table::default();
        let router = Router::new()
            .route("/api/routes", get(all).post(add_root))
            .route("/api/routes/", get(all).post(add_root))
            .route(
                "/api/routes/{*path}",
                axum::routing::post(add).delete(delete),
            )
            .with_state(table.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serving");
        });
        Self {
            address,
            table,
            serving,
        }
    }
}

async fn all(State(table): State<Table>) -> Json<BTreeMap<String, Value>> {
    Json(table.lock().expect("a table").clone())
}

fn put(table: &Table, path: String, body: &[u8]) -> StatusCode {
    let mut route: Value = serde_json::from_slice(body).expect("a route");
    route["last_activity"] = "2026-11-22T03:28:55.634Z".into();
    table.lock().expect("a table").insert(path, route);
    StatusCode::CREATED
}

async fn add_root(State(table): State<Table>, body: axum::body::Bytes) -> StatusCode {
    put(&table, "/".to_owned(), &body)
}

async fn add(
    State(table): State<Table>,
    Path(path): Path<String>,
    body: axum::body::Bytes,
) -> StatusCode {
    put(&table, format!("/{}", path.trim_end_matches('/')), &body)
}

async fn delete(State(table): State<Table>, Path(path): Path<String>) -> StatusCode {
    let path = format!("/{}", path.trim_end_matches('/'));
    match table.lock().expect("a table").remove(&path) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}
