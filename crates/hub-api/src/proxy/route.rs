//! The routes API: `GET`, `POST` and `DELETE` on `/api/routes`, as configurable-http-proxy has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What `GET /api/routes` answers: routes by routespec (`/`, `/user/ada`; with host routing `/host/path`).
pub type Routes = BTreeMap<String, Route>;

/// One route: what `GET` shows, and what `POST /api/routes/SPEC` takes (without `last_activity`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Where requests go: `http://127.0.0.1:8081`, or `http+unix://%2Frun%2Fada.sock` for a Unix socket.
    pub target: String,
    /// When a client last used the route (UTC, milliseconds); kept by the proxy, ignored in a `POST`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    pub last_activity: Option<OffsetDateTime>,
    /// Whatever else was posted, kept as it is (`user`, `server_name`, `hub`, `jupyterhub`, `service`, …).
    #[serde(flatten)]
    pub data: serde_json::Map<String, serde_json::Value>,
}
