//! Where hubd answers otherwise than JupyterHub, and why.

/// Cases that are answered otherwise for one reason.
pub struct Difference {
    /// Names of [`crate::table::CASES`].
    pub cases: &'static [&'static str],
    /// For the page: what differs, and why.
    pub what: &'static str,
    pub why: &'static str,
}

/// All of them.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        cases: &["info"],
        what: "`GET /info` names hubd's own classes and version; `python` says `hubd` and its version, `sys_executable` is hubd's program",
        why: "there is no Python; the keys and their types are kept",
    },
    Difference {
        cases: &["user by admin service"],
        what: "`GET /user` by a service: `url`, `info` and `display` are the service's own where JupyterHub says null",
        why: "`GET /services/{name}` says the same of it in both hubs; here the two agree",
    },
    Difference {
        cases: &[
            "users with stopped servers",
            "one user with stopped servers",
            "server at rest",
        ],
        what: "a server that was never started has `user_options` and `state` `{}`, where JupyterHub says null",
        why: "they are objects everywhere else, and in JupyterHub once the server was started",
    },
    Difference {
        cases: &["groups of a user patched"],
        what: "`PATCH /users/{name}` with `groups` or `roles`: 400 that says where they are changed",
        why: "JupyterHub lets them through its check and then answers 500",
    },
    Difference {
        cases: &["user with a server renamed"],
        what: "`PATCH /users/{name}` with another `name` while a server of the user runs: 400",
        why: "the server was started with the old name in its address, its environment and its OAuth client; JupyterHub renames all the same",
    },
    Difference {
        cases: &["named server with an unknown key"],
        what: "`PATCH /users/{name}/servers/{server_name}` with an unknown key: 400",
        why: "JupyterHub means to answer so, and answers 500",
    },
    Difference {
        cases: &["progress of a server at rest"],
        what: "`GET .../server/progress` of a default server that does not run: always 400 \"is not starting\"",
        why: "JupyterHub answers 404 until somebody looked at the server since the hub started, then 400",
    },
    Difference {
        cases: &["proxy given another token"],
        what: "`PATCH /proxy` with `api_url` or `auth_token`: 400",
        why: "whoever may do it could send everybody's traffic elsewhere until the next restart; the configuration says where the proxy is. Without them it checks the routes, as in JupyterHub",
    },
    Difference {
        cases: &["OAuth token without anything"],
        what: "`POST /oauth2/token` without `grant_type`: `invalid_request` with an `error_description`",
        why: "RFC 6749 asks for it; JupyterHub says `unsupported_grant_type`",
    },
    Difference {
        cases: &[
            "shares of an owner",
            "shares of a server",
            "share made",
            "share taken back",
            "shares deleted",
            "share codes of an owner",
            "share codes of a server",
            "share code made",
            "share codes deleted",
            "shared with a user",
            "shared with a user, one server",
            "shared with a user, left",
            "shared with a group",
            "shared with a group, one server",
            "shared with a group, left",
        ],
        what: "shares and share codes: 404",
        why: "not there yet. `access:servers!server=...` in a role gives others access to a server",
    },
    Difference {
        cases: &[],
        what: "`GET /authorizations/cookie/...`: 404 for every cookie",
        why: "out of use since JupyterHub 2; login cookies are for the hub alone",
    },
    Difference {
        cases: &[],
        what: "`DELETE /users/{name}/sessions`, and `DELETE /sessions` for everybody: 204, the browsers are logged out",
        why: "whoever lost a password or a laptop needs it; JupyterHub has no word for it, and answers 404",
    },
];

/// Why a case is answered otherwise, if it is.
pub fn of(case: &str) -> Option<&'static Difference> {
    DIFFERENCES
        .iter()
        .find(|difference| difference.cases.contains(&case))
}

/// Every case that is listed.
pub fn cases() -> impl Iterator<Item = &'static str> {
    DIFFERENCES
        .iter()
        .flat_map(|difference| difference.cases.iter().copied())
}
