//! The client against a small server that speaks as CHP does, over TCP and a Unix socket.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use tokio::net::{TcpListener, UnixListener};

use super::*;

/// Answers with the given statuses in turn, the last one for ever, and keeps what it was asked.
#[derive(Clone)]
struct Scripted {
    statuses: Arc<Mutex<VecDeque<u16>>>,
    seen: Arc<Mutex<Vec<(String, String)>>>,
    table: &'static str,
}

impl Scripted {
    fn new(statuses: &[u16], table: &'static str) -> Self {
        Self {
            statuses: Arc::new(Mutex::new(statuses.iter().copied().collect())),
            seen: Arc::default(),
            table,
        }
    }

    fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    async fn over_tcp(&self) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::Tcp(listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, self.router()).into_future());
        Proxy::new(&target, "t0ken".to_owned()).with_patience(Duration::from_secs(2))
    }

    fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(State(script): State<Scripted>, request: Request) -> (StatusCode, &'static str) {
    let line = format!("{} {}", request.method(), request.uri());
    let token = request.headers().get("authorization").cloned();
    let body: Bytes = axum::body::to_bytes(request.into_body(), 1 << 16)
        .await
        .unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    script.seen.lock().unwrap().push((line, body));
    if token.is_none_or(|token| token != "token t0ken") {
        return (StatusCode::FORBIDDEN, "");
    }
    let mut statuses = script.statuses.lock().unwrap();
    let status = match statuses.len() {
        1 => statuses[0],
        _ => statuses.pop_front().unwrap(),
    };
    (StatusCode::from_u16(status).unwrap(), script.table)
}

fn route() -> Route {
    Route {
        target: "http://127.0.0.1:58709".to_owned(),
        owner: Owner::Server {
            user: "a b".to_owned(),
            name: String::new(),
        },
    }
}

#[tokio::test]
async fn a_route_is_posted_as_jupyterhub_posts_it() {
    let script = Scripted::new(&[201], "");
    let proxy = script.over_tcp().await;
    proxy.add("/user/a b", &route()).await.unwrap();
    let seen = script.seen();
    assert_eq!(seen[0].0, "POST /api/routes/user/a%20b");
    let body: serde_json::Value = serde_json::from_str(&seen[0].1).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"user": "a b", "server_name": "", "target": "http://127.0.0.1:58709", "jupyterhub": true})
    );
}

#[tokio::test]
async fn a_5xx_is_tried_again_and_a_4xx_is_not() {
    let script = Scripted::new(&[503, 500, 201], "");
    let proxy = script.over_tcp().await;
    proxy.add("/", &route()).await.unwrap();
    assert_eq!(script.seen().len(), 3);

    let script = Scripted::new(&[400], "Must specify 'target' as string");
    let proxy = script.over_tcp().await;
    let error = proxy.add("/", &route()).await.unwrap_err();
    assert!(matches!(error, ProxyError::Refused { .. }), "{error}");
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test]
async fn patience_has_an_end_and_the_error_says_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::Tcp(listener.local_addr().unwrap());
    drop(listener);
    let proxy = Proxy::new(&target, String::new()).with_patience(Duration::from_millis(300));
    let error = proxy.routes().await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
    assert!(error.contains("see that the proxy runs"), "{error}");
}

#[tokio::test]
async fn a_wrong_token_is_called_that() {
    let script = Scripted::new(&[200], "{}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::Tcp(listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, script.router()).into_future());
    let error = Proxy::new(&target, "other".to_owned())
        .routes()
        .await
        .unwrap_err();
    assert!(matches!(error, ProxyError::Token { .. }), "{error}");
    assert!(!format!("{error:?}").contains("other"));
}

#[tokio::test]
async fn deleting_what_is_not_there_is_fine() {
    let script = Scripted::new(&[404], "");
    let proxy = script.over_tcp().await;
    proxy.delete("/user/ada").await.unwrap();
    assert_eq!(script.seen()[0].0, "DELETE /api/routes/user/ada");
}

#[tokio::test]
async fn the_table_is_read_over_a_unix_socket() {
    let table = r#"{"/": {"hub": true, "target": "http://127.0.0.1:880", "jupyterhub": true,
                          "last_activity": "2026-11-22T03:28:55.634Z"},
                    "/docs": {"target": "http://127.0.0.1:1"}}"#;
    let script = Scripted::new(&[200], table);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(axum::serve(listener, script.router()).into_future());
    let proxy = Proxy::new(&Target::Unix(path), "t0ken".to_owned());
    let routes = proxy.routes().await.unwrap();
    assert!(routes["/"].jupyterhub);
    assert_eq!(
        routes["/"].last_activity.unwrap().unix_timestamp(),
        1_795_318_135
    );
    assert!(!routes["/docs"].jupyterhub);
}
