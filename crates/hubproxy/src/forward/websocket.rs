//! A WebSocket: the upgrade asked of the target, and the tunnel when it is granted.

use std::sync::Arc;

use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::answer::{Framing, Head};
use super::body::{Body, Relay};
use super::head::{Onward, Sends};
use super::report::Report;
use super::transfer::Transfer;
use super::upstream::Upstream;
use super::{Passage, tunnel};
use crate::routes::Route;
use crate::serve::{Client, ClientStream, Outcome};

/// Asks a route's target for a WebSocket and pipes it, or passes on what the target says instead.
pub(super) async fn forward(
    mut passage: Passage,
    parts: Parts,
    body: Incoming,
    route: Arc<Route>,
) -> Response<Body> {
    if !body.is_end_stream() {
        // What follows the head would be body to us and frames to the target.
        return passage.refuse(StatusCode::BAD_REQUEST);
    }
    let Ok(target) = &route.target else {
        return passage
            .fail(StatusCode::INTERNAL_SERVER_ERROR, &parts)
            .await;
    };
    let options = Arc::clone(&passage.options);
    let mut head = Vec::with_capacity(1024);
    Onward {
        parts: &parts,
        route: &route,
        target,
        options: &options,
        address: &passage.exchange.address_text,
        tls: passage.exchange.tls,
        websocket: true,
        sends: Sends::Nothing,
    }
    .write(&mut head);
    let upstream = match Upstream::dial(target, &options).await {
        Ok(upstream) => upstream,
        Err(error) => {
            tracing::warn!(route = &*route.path, %error, target = ?target.endpoint, "the target cannot be reached");
            return passage.fail(StatusCode::SERVICE_UNAVAILABLE, &parts).await;
        }
    };
    let mut transfer = Transfer::new(
        upstream,
        Some(Arc::clone(&route)),
        head,
        None,
        options.proxy_timeout,
    );
    let answer = match transfer
        .answer(&parts.method, true, &mut HeaderMap::new())
        .await
    {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(route = &*route.path, %error, target = ?target.endpoint, "the target gave no answer");
            return passage.fail(StatusCode::SERVICE_UNAVAILABLE, &parts).await;
        }
    };
    if answer.status == StatusCode::SWITCHING_PROTOCOLS {
        switch(passage, parts, transfer, answer, route)
    } else {
        relay(passage, transfer, answer, route)
    }
}

/// The target said something else: that is the answer, and the end of the connection.
fn relay(
    mut passage: Passage,
    transfer: Transfer,
    answer: Head,
    route: Arc<Route>,
) -> Response<Body> {
    let mut response = Response::new(());
    *response.status_mut() = answer.status;
    if let Some(reason) = answer.reason {
        response.extensions_mut().insert(reason);
    }
    *response.headers_mut() = answer.headers;
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    passage.head(&mut response);
    let relay = Relay {
        transfer,
        framing: answer.framing,
        keep_alive: false,
        status: answer.status,
        pool_idle: 0,
        route,
    };
    let Passage {
        exchange, report, ..
    } = passage;
    response.map(|()| Body::relay(Box::new(relay), exchange, report))
}

/// The target agreed: so do we, and once that was said bytes go both ways.
fn switch(
    mut passage: Passage,
    parts: Parts,
    transfer: Transfer,
    answer: Head,
    route: Arc<Route>,
) -> Response<Body> {
    let mut response = Response::new(());
    *response.status_mut() = answer.status;
    if let Some(reason) = answer.reason {
        response.extensions_mut().insert(reason);
    }
    *response.headers_mut() = answer.headers;
    passage.head(&mut response);
    debug_assert!(
        matches!(answer.framing, Framing::Length(0)),
        "a 101 has no body"
    );

    let client = Arc::clone(&passage.exchange);
    let report = passage.report.take();
    let upgrade = hyper::upgrade::on(Request::from_parts(parts, ()));
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => tunnel(upgraded, transfer.upstream, &route, report).await,
            Err(error) => tracing::debug!(%error, "the client left before its WebSocket was there"),
        }
        // It is open, and counted, until here.
        drop::<Arc<Client>>(client);
    });
    response.map(|()| Body::full(bytes::Bytes::new(), passage.exchange, None))
}

async fn tunnel(
    upgraded: hyper::upgrade::Upgraded,
    mut upstream: Upstream,
    route: &Route,
    report: Option<Box<Report>>,
) {
    let Ok(parts) = upgraded.downcast::<TokioIo<ClientStream>>() else {
        return tracing::error!("an upgraded connection is of a kind that was never served");
    };
    let mut received = 0;
    let mut sent = 0;
    let early = (
        std::mem::take(&mut upstream.read).to_vec(),
        parts.read_buf.to_vec(),
    );
    let piped = tunnel::pipe(
        parts.io.into_inner(),
        upstream,
        early,
        |bytes| {
            received += bytes as u64;
            route.touch();
        },
        |bytes| sent += bytes as u64,
    )
    .await;
    if let Some(mut report) = report {
        report.received = received;
        report.sent = sent;
        report.outcome = if piped.is_ok() {
            Outcome::Complete
        } else {
            Outcome::Aborted
        };
    }
}
