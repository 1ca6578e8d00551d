//! What is served beside the public listeners: the routes API and the metrics.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::AppError;
use crate::api::{Api, Server, serve_http};
use crate::log::{self, Metrics, exposition};
use crate::overview::Overview;
use crate::serve::Socket;
use crate::settings::Settings;
use crate::tls::api_config;

/// The side servers, until they are told to stop.
pub(super) struct Side {
    tasks: JoinSet<()>,
    stop: watch::Receiver<bool>,
}

impl Side {
    /// They stop when `stop` turns true.
    pub(super) fn new(stop: watch::Receiver<bool>) -> Self {
        Self {
            tasks: JoinSet::new(),
            stop,
        }
    }

    /// Serves the routes API.
    pub(super) fn serve_api(
        &mut self,
        sockets: Vec<Socket>,
        settings: &Settings,
        api: &Arc<Api>,
    ) -> Result<(), AppError> {
        let tls = api_config(&settings.api)?.map(Arc::new);
        for socket in sockets {
            let socket = take(socket)?;
            let api = Arc::clone(api);
            let handler = move |request| {
                let api = Arc::clone(&api);
                async move { api.answer(request).await }
            };
            self.tasks
                .spawn(serve_http(socket, tls.clone(), handler, self.stop.clone()));
        }
        Ok(())
    }

    /// Serves the metrics.
    pub(super) fn serve_metrics(
        &mut self,
        sockets: Vec<Socket>,
        metrics: &Arc<Metrics>,
        overview: &Arc<Overview>,
    ) -> Result<(), AppError> {
        for socket in sockets {
            let socket = take(socket)?;
            let (metrics, overview) = (Arc::clone(metrics), Arc::clone(overview));
            let handler = move |request: Request<Incoming>| {
                let answer = answer(request.method(), request.uri().path(), &metrics, &overview);
                async move { answer }
            };
            self.tasks
                .spawn(serve_http(socket, None, handler, self.stop.clone()));
        }
        Ok(())
    }

    /// Returns when all of them have stopped.
    pub(super) async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

fn take(socket: Socket) -> Result<Server, AppError> {
    Server::new(socket).map_err(|source| AppError::System {
        act: "taking up a socket of the API or the metrics",
        source,
    })
}

fn answer(
    method: &Method,
    path: &str,
    metrics: &Metrics,
    overview: &Overview,
) -> Response<Full<Bytes>> {
    let (status, kind, body) = match (path, method) {
        ("/metrics", &Method::GET | &Method::HEAD) => (
            StatusCode::OK,
            log::CONTENT_TYPE,
            exposition(metrics, overview),
        ),
        ("/metrics", _) => (
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "Method not supported".to_owned(),
        ),
        _ => (StatusCode::NOT_FOUND, "text/plain", "Not Found".to_owned()),
    };
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
