//! The Prometheus page.

use crate::address::free;
use crate::program::{Program, Proxy};
use crate::routing::add;
use crate::table::{PATIENCE, Place, same};
use crate::upstream::Upstream;
use crate::wire::Connection;

pub async fn page(program: Program) {
    let upstream = Upstream::start("up").await;
    let address = free();
    let options = [
        "--metrics-ip",
        &address.ip().to_string(),
        "--metrics-port",
        &address.port().to_string(),
    ];
    let mut proxy = Proxy::start(program, &options).await;
    proxy.wait_for(address).await;
    add(&proxy, "/a", &format!("http://{}", upstream.address)).await;
    add(&proxy, "/b", &format!("http://{}", free())).await;
    let upgrade = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    Place::public(&proxy)
        .with("{upgrade}", upgrade)
        .in_order(&[
            same("GET /a/x", &["200"]),
            same("GET /a/x", &["200"]),
            same("GET /a/x\nX-Act: status 404", &["404"]),
            same("GET /b/x", &["503"]),
            same("GET /none", &["404"]),
            same("GET /a/x\n{upgrade}", &["101"]),
            same("GET /_chp_healthz", &["200"]),
        ])
        .await;
    Place::api(&proxy)
        .in_order(&[
            same("GET /api/routes\n{auth}", &["200"]),
            same("GET /api/routes", &["403"]),
            same("DELETE /api/routes/b\n{auth}", &["204"]),
        ])
        .await;
    Place::at(&proxy, address)
        .side_by_side(&[
            same("GET /", &["404"]),
            same("GET /metricsx", &["404"]),
            same("GET /metrics", &["200", "body has # TYPE "]),
        ])
        .await;
    let reply = Connection::tcp(address)
        .await
        .ask("GET /metrics", "h", PATIENCE)
        .await
        .reply();
    let content = reply.header("content-type").unwrap_or_default().to_owned();
    assert!(content.starts_with("text/plain"), "{content}");
    let text = reply.text();
    for line in [
        "api_route_get 1",
        "api_route_add 2",
        "api_route_delete 1",
        "requests_ws 1",
        "requests_web 5",
        "requests_proxy{status=\"200\"} 2",
        "requests_proxy{status=\"404\"} 2",
        "requests_proxy{status=\"503\"} 1",
        "requests_api{status=\"200\"} 1",
        "requests_api{status=\"201\"} 2",
        "requests_api{status=\"204\"} 1",
        "requests_api{status=\"403\"} 1",
        "find_target_for_req_count 6",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{program:?}: no {line:?} in\n{text}"
        );
    }
    for name in [
        "last_activity_updating_count",
        "find_target_for_req_sum",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
    ] {
        assert!(
            text.lines()
                .any(|found| found.starts_with(&format!("{name} "))),
            "{program:?}: no {name} in\n{text}"
        );
    }
}
