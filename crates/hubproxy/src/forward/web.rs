//! An ordinary exchange: request and answer.

use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;

use super::Passage;
use super::body::{Body, Relay};
use super::head::{self, Onward, Sends};
use super::redirect;
use super::request_body::RequestBody;
use super::transfer::{Transfer, TransferError};
use super::upstream::Upstream;
use crate::routes::{Route, Target};

/// Takes a request to its route's target and the answer back.
pub(super) async fn forward(
    mut passage: Passage,
    mut parts: Parts,
    body: Incoming,
    route: Arc<Route>,
) -> Response<Body> {
    let Ok(target) = &route.target else {
        return passage
            .fail(StatusCode::INTERNAL_SERVER_ERROR, &parts)
            .await;
    };
    let options = Arc::clone(&passage.options);
    let sends = head::sends(&parts, body.is_end_stream());
    let mut head = Vec::with_capacity(1024);
    Onward {
        parts: &parts,
        route: &route,
        target,
        options: &options,
        address: &passage.exchange.address_text,
        tls: passage.exchange.tls,
        websocket: false,
        sends,
    }
    .write(&mut head);
    let body_length = match sends {
        Sends::Nothing => None,
        Sends::Length(length) => Some(Some(length)),
        Sends::Chunked => Some(None),
    };
    let body = body_length.map(|length| {
        (
            RequestBody::new(body, Arc::clone(&passage.exchange.limits)),
            length,
        )
    });
    let upstream = match passage.exchange.worker.pool.take(target) {
        Some(upstream) => upstream,
        None => match Upstream::dial(target, &options).await {
            Ok(upstream) => upstream,
            Err(error) => {
                tracing::warn!(route = &*route.path, %error, target = ?target.endpoint, "the target cannot be reached");
                return passage.fail(StatusCode::SERVICE_UNAVAILABLE, &parts).await;
            }
        },
    };
    let mut transfer = Transfer::new(
        upstream,
        Some(Arc::clone(&route)),
        head,
        body,
        options.proxy_timeout,
    );
    // The request is written: its map serves the answer, save where a redirect may name the host.
    let rewrites = options.auto_rewrite || options.protocol_rewrite.is_some();
    let host = rewrites.then(|| parts.headers.get(HOST).cloned()).flatten();
    let mut headers = std::mem::take(&mut parts.headers);
    let answer = match answer(&mut transfer, &parts, target, &passage, &mut headers).await {
        Ok(answer) => answer,
        Err(TransferError::Body(error)) => return passage.refuse(error.status()),
        Err(error) => {
            tracing::warn!(route = &*route.path, %error, target = ?target.endpoint, "the target gave no answer");
            return passage.fail(StatusCode::SERVICE_UNAVAILABLE, &parts).await;
        }
    };
    headers = answer.headers;
    if rewrites {
        let host = host.as_ref().and_then(|host| host.to_str().ok());
        redirect::rewrite(answer.status, &mut headers, target, host, &options);
    }
    let relay = Box::new(Relay {
        transfer,
        framing: answer.framing,
        keep_alive: answer.keep_alive,
        status: answer.status,
        pool_idle: options.pool_idle_per_target,
        route: Arc::clone(&route),
    });
    let mut response = Response::new(());
    *response.status_mut() = answer.status;
    if let Some(reason) = answer.reason {
        response.extensions_mut().insert(reason);
    }
    *response.headers_mut() = headers;
    passage.head(&mut response);
    let Passage {
        exchange, report, ..
    } = passage;
    response.map(|()| Body::relay(relay, exchange, report))
}

/// The head of the answer. A request that met a connection which its target had just closed goes to a new one, where
/// that cannot do it twice.
async fn answer(
    transfer: &mut Transfer,
    parts: &Parts,
    target: &Target,
    passage: &Passage,
    headers: &mut http::HeaderMap,
) -> Result<super::answer::Head, TransferError> {
    match transfer.answer(&parts.method, false, headers).await {
        Err(TransferError::Unanswered(_))
            if transfer.upstream.reused && transfer.is_repeatable(&parts.method) =>
        {
            let dialled = Upstream::dial(target, &passage.options).await;
            transfer.repeat_on(dialled.map_err(|error| TransferError::Unanswered(Some(error)))?);
            transfer.answer(&parts.method, false, headers).await
        }
        answer => answer,
    }
}
