//! The requests, in the order in which they are sent: each finds what those before it left.

/// Whose token a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum As {
    /// None.
    Nobody,
    /// A token that there is not.
    Wrong,
    /// The admin service of the tests.
    Admin,
    /// The user `adm`, an admin.
    Adm,
    /// The user `ann`.
    Ann,
    /// A token of `ann` with the scopes of her server's.
    Server,
    /// A token of `ann` that may read her name.
    Narrow,
    /// A service that may list everybody.
    Reader,
    /// A service that may something with the group `class` and its members.
    ClassReader,
    /// A service that may do anything with users and groups, and is no admin.
    PeopleAdmin,
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What it is about; one of a kind.
    pub name: &'static str,
    pub method: &'static str,
    /// Below `/hub/api`.
    pub path: &'static str,
    pub token: As,
    pub body: Option<&'static str>,
    pub accept: Option<&'static str>,
}

impl Case {
    pub const fn new(name: &'static str, method: &'static str, path: &'static str) -> Self {
        Self {
            name,
            method,
            path,
            token: As::Admin,
            body: None,
            accept: None,
        }
    }

    const fn by(self, token: As) -> Self {
        Self { token, ..self }
    }

    const fn with(self, body: &'static str) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    const fn pages(self) -> Self {
        Self {
            accept: Some("application/jupyterhub-pagination+json"),
            ..self
        }
    }
}

/// The operations of JupyterHub 6.1.1's `rest-api.yml`.
pub const OPERATIONS: &[(&str, &str)] = &[
    ("GET", "/"),
    ("GET", "/info"),
    ("GET", "/user"),
    ("GET", "/users"),
    ("POST", "/users"),
    ("GET", "/users/{name}"),
    ("POST", "/users/{name}"),
    ("DELETE", "/users/{name}"),
    ("PATCH", "/users/{name}"),
    ("POST", "/users/{name}/activity"),
    ("POST", "/users/{name}/server"),
    ("DELETE", "/users/{name}/server"),
    ("GET", "/users/{name}/servers/{server_name}"),
    ("PUT", "/users/{name}/servers/{server_name}"),
    ("POST", "/users/{name}/servers/{server_name}"),
    ("DELETE", "/users/{name}/servers/{server_name}"),
    ("PATCH", "/users/{name}/servers/{server_name}"),
    ("GET", "/users/{name}/shared"),
    ("GET", "/users/{name}/shared/{owner}/{server_name}"),
    ("DELETE", "/users/{name}/shared/{owner}/{server_name}"),
    ("GET", "/users/{name}/tokens"),
    ("POST", "/users/{name}/tokens"),
    ("GET", "/users/{name}/tokens/{token_id}"),
    ("DELETE", "/users/{name}/tokens/{token_id}"),
    ("GET", "/groups"),
    ("GET", "/groups/{name}"),
    ("POST", "/groups/{name}"),
    ("DELETE", "/groups/{name}"),
    ("GET", "/groups/{name}/shared"),
    ("GET", "/groups/{name}/shared/{owner}/{server_name}"),
    ("DELETE", "/groups/{name}/shared/{owner}/{server_name}"),
    ("POST", "/groups/{name}/users"),
    ("DELETE", "/groups/{name}/users"),
    ("PUT", "/groups/{name}/properties"),
    ("GET", "/shares/{owner}"),
    ("GET", "/shares/{owner}/{server_name}"),
    ("POST", "/shares/{owner}/{server_name}"),
    ("PATCH", "/shares/{owner}/{server_name}"),
    ("DELETE", "/shares/{owner}/{server_name}"),
    ("GET", "/share-codes/{owner}"),
    ("GET", "/share-codes/{owner}/{server_name}"),
    ("POST", "/share-codes/{owner}/{server_name}"),
    ("DELETE", "/share-codes/{owner}/{server_name}"),
    ("GET", "/services"),
    ("GET", "/services/{name}"),
    ("GET", "/proxy"),
    ("POST", "/proxy"),
    ("PATCH", "/proxy"),
    ("POST", "/authorizations/token"),
    ("GET", "/authorizations/token/{token}"),
    ("GET", "/authorizations/cookie/{cookie_name}/{cookie_value}"),
    ("GET", "/oauth2/authorize"),
    ("POST", "/oauth2/token"),
    ("POST", "/shutdown"),
];

/// The operation a request is one of.
pub fn operation(method: &str, path: &str) -> Option<(&'static str, &'static str)> {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let template: Vec<&str> = template.split('/').collect();
        template.len() == parts.len()
            && template
                .iter()
                .zip(&parts)
                .all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
    };
    OPERATIONS
        .iter()
        .find(|(known, template)| *known == method && fits(template))
        .copied()
}

/// The operation that the tests with single-user servers show: it takes a browser.
pub fn elsewhere(method: &str, path: &str) -> bool {
    (method, path) == ("GET", "/oauth2/authorize")
}

/// The requests.
pub const CASES: &[Case] = &[
    // The hub itself.
    get("version", "/").by(As::Nobody),
    get("version without slash", "").by(As::Nobody),
    get("info", "/info"),
    get("info without token", "/info").by(As::Nobody),
    get("info by a user", "/info").by(As::Ann),
    post("version cannot be posted", "/").by(As::Nobody),
    get("nothing there", "/nothing/there").by(As::Nobody),
    get("nothing there, by admin", "/nothing/there"),
    delete("users cannot be deleted at once", "/users"),
    // Who one is.
    get("user by admin service", "/user"),
    get("user by admin", "/user").by(As::Adm),
    get("user by user", "/user").by(As::Ann),
    get("user by server token", "/user").by(As::Server),
    get("user by narrow token", "/user").by(As::Narrow),
    get("user by service", "/user").by(As::Reader),
    get("user by class reader", "/user").by(As::ClassReader),
    get("user without token", "/user").by(As::Nobody),
    get("user by wrong token", "/user").by(As::Wrong),
    // Users: listing.
    get("users", "/users"),
    get("users by admin", "/users").by(As::Adm),
    get("users in pages", "/users?limit=2").pages(),
    get("users, second page", "/users?offset=2&limit=1&sort=name").pages(),
    get("users, page beyond the end", "/users?offset=100").pages(),
    get("users, bad limit", "/users?limit=ten"),
    get("users, bad offset", "/users?offset=x"),
    get("users, sorted", "/users?sort=-name"),
    get(
        "users, sorted by activity",
        "/users?sort=last_activity&name_filter=b",
    )
    .by(As::Reader),
    get("users, bad sort", "/users?sort=admin"),
    get("users, by part of name", "/users?name_filter=N"),
    get("users, by part that nobody has", "/users?name_filter=zz").pages(),
    get("users, inactive", "/users?state=inactive"),
    get("users, active", "/users?state=active"),
    get("users, bad state", "/users?state=asleep"),
    get(
        "users with stopped servers",
        "/users?include_stopped_servers=1",
    ),
    get("users by user", "/users").by(As::Ann),
    get("users by reader", "/users").by(As::Reader),
    get("users by class reader", "/users").by(As::ClassReader),
    get("users by class reader, in pages", "/users?limit=1")
        .by(As::ClassReader)
        .pages(),
    get("users by server token", "/users").by(As::Server),
    get("users without token", "/users").by(As::Nobody),
    get("users by wrong token", "/users").by(As::Wrong),
    // Users: making several.
    post("users made", "/users").with(r#"{"usernames": ["Dora", "emil"]}"#),
    post("users made again", "/users").with(r#"{"usernames": ["dora", "emil"]}"#),
    post("users made, one known", "/users").with(r#"{"usernames": ["dora", "fritz"]}"#),
    post("admins made", "/users").with(r#"{"usernames": ["gerd"], "admin": true}"#),
    post("users, empty list", "/users").with(r#"{"usernames": []}"#),
    post("users, no list", "/users").with(r#"{}"#),
    post("users, a list for a body", "/users").with(r#"["dora"]"#),
    post("users, no body", "/users"),
    post("users, no JSON", "/users").with("{usernames"),
    post("users, bad key", "/users").with(r#"{"usernames": ["hans"], "boss": true}"#),
    post("users, bad admin", "/users").with(r#"{"usernames": ["hans"], "admin": "yes"}"#),
    post("users, bad name", "/users").with(r#"{"usernames": ["a/b"]}"#),
    post("users, bad names", "/users").with(r#"{"usernames": ["a/b", "..", "good"]}"#),
    post("users made by user", "/users")
        .by(As::Ann)
        .with(r#"{"usernames": ["hans"]}"#),
    post("users made by people admin", "/users")
        .by(As::PeopleAdmin)
        .with(r#"{"usernames": ["hans"]}"#),
    post("admins made by people admin", "/users")
        .by(As::PeopleAdmin)
        .with(r#"{"usernames": ["ida"], "admin": true}"#),
    post("users made without token", "/users")
        .by(As::Nobody)
        .with(r#"{"usernames": ["hans"]}"#),
    // Users: one.
    get("one user", "/users/ann"),
    get("one user by herself", "/users/ann").by(As::Ann),
    get("one user by server token", "/users/ann").by(As::Server),
    get("one user by narrow token", "/users/ann").by(As::Narrow),
    get("one user by another", "/users/bob").by(As::Ann),
    get("one user by reader", "/users/ann").by(As::Reader),
    get("one user by class reader", "/users/ann").by(As::ClassReader),
    get("one user not of the class", "/users/cyd").by(As::ClassReader),
    get("one user who is not", "/users/nobody"),
    get("one user who is not, by a user", "/users/nobody").by(As::Ann),
    get("one user without token", "/users/ann").by(As::Nobody),
    get(
        "one user with stopped servers",
        "/users/ann?include_stopped_servers=true",
    ),
    get("users with a slash", "/users/"),
    post("user made", "/users/kurt"),
    post("user made again", "/users/kurt"),
    post("admin made", "/users/lena").with(r#"{"admin": true}"#),
    post("user, bad key", "/users/max").with(r#"{"boss": true}"#),
    post("user, no JSON", "/users/max").with("{"),
    post("user made by user", "/users/max").by(As::Ann),
    post("user made by people admin", "/users/max").by(As::PeopleAdmin),
    post("admin made by people admin", "/users/nils")
        .by(As::PeopleAdmin)
        .with(r#"{"admin": true}"#),
    patch("user renamed", "/users/kurt").with(r#"{"name": "Karl"}"#),
    patch("user renamed to one there is", "/users/karl").with(r#"{"name": "ann"}"#),
    patch("user renamed badly", "/users/karl").with(r#"{"name": "a/b"}"#),
    patch("user renamed to dots", "/users/karl").with(r#"{"name": ".."}"#),
    patch("user made admin", "/users/karl").with(r#"{"admin": true}"#),
    patch("user made no admin", "/users/karl").with(r#"{"admin": false}"#),
    patch("user, patch without body", "/users/karl"),
    patch("user, patch with a list", "/users/karl").with("[1]"),
    patch("user, patch with a bad key", "/users/karl").with(r#"{"boss": 1}"#),
    patch("user, patch with a bad type", "/users/karl").with(r#"{"admin": 1}"#),
    patch("user who is not, patched", "/users/nobody").with(r#"{"admin": true}"#),
    patch("user patched by user", "/users/ann")
        .by(As::Ann)
        .with(r#"{"admin": true}"#),
    patch("admin patched by people admin", "/users/adm")
        .by(As::PeopleAdmin)
        .with(r#"{"name": "adm2"}"#),
    patch("admin granted by people admin", "/users/karl")
        .by(As::PeopleAdmin)
        .with(r#"{"admin": true}"#),
    patch("groups of a user patched", "/users/karl").with(r#"{"groups": ["class"]}"#),
    delete("user deleted", "/users/karl"),
    delete("user deleted again", "/users/karl"),
    delete("user deletes herself", "/users/ann").by(As::Ann),
    delete("admin deletes himself", "/users/adm").by(As::Adm),
    delete("user deleted by people admin", "/users/max").by(As::PeopleAdmin),
    delete("user deleted without token", "/users/bob").by(As::Nobody),
    // Activity.
    post("activity", "/users/ann/activity")
        .by(As::Server)
        .with(r#"{"last_activity": "2026-11-01T00:00:00.000001Z"}"#),
    post("activity of an unknown server", "/users/ann/activity")
        .by(As::Server)
        .with(r#"{"servers": {"lab": {"last_activity": "2026-11-01T00:00:00Z"}}}"#),
    post("activity without body", "/users/ann/activity").by(As::Server),
    post("activity, empty", "/users/ann/activity")
        .by(As::Server)
        .with("{}"),
    post("activity, servers no dict", "/users/ann/activity")
        .by(As::Server)
        .with(r#"{"servers": ["x"]}"#),
    post("activity, bad time", "/users/ann/activity")
        .by(As::Server)
        .with(r#"{"last_activity": "yesterday"}"#),
    post("activity of the future", "/users/ann/activity")
        .by(As::Server)
        .with(r#"{"last_activity": "2999-01-01T00:00:00.000001Z"}"#),
    post("activity of another", "/users/bob/activity")
        .by(As::Server)
        .with(r#"{"last_activity": "2026-11-01T00:00:00Z"}"#),
    post("activity of nobody", "/users/nobody/activity")
        .with(r#"{"last_activity": "2026-11-01T00:00:00Z"}"#),
    post("activity without token", "/users/ann/activity")
        .by(As::Nobody)
        .with(r#"{"last_activity": "2026-11-01T00:00:00Z"}"#),
    // Tokens.
    get("tokens", "/users/ann/tokens"),
    get("own tokens", "/users/ann/tokens").by(As::Ann),
    get("tokens by server token", "/users/ann/tokens").by(As::Server),
    get("tokens of another", "/users/bob/tokens").by(As::Ann),
    get("tokens of nobody", "/users/nobody/tokens"),
    get("tokens without token", "/users/ann/tokens").by(As::Nobody),
    post("token made", "/users/bob/tokens").with(r#"{"note": "for a test", "expires_in": 3600}"#),
    post("own token made", "/users/ann/tokens").by(As::Ann),
    post("token with scopes", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"scopes": ["read:users!user", "access:servers!user=ann"]}"#),
    post("token with too much", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"scopes": ["admin:users"]}"#),
    post("token for others", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"scopes": ["read:users!user=bob"]}"#),
    post("token with an unknown scope", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"scopes": ["everything"]}"#),
    post("token with the scope all", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"scopes": ["all"]}"#),
    post("token with an unknown filter", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"scopes": ["read:users!planet=mars"]}"#),
    post("token with roles", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"roles": ["token"]}"#),
    post("token with role user", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"roles": ["user"]}"#),
    post("token with role admin", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"roles": ["admin"]}"#),
    post("token with an unknown role", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"roles": ["king"]}"#),
    post("token with roles and scopes", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"roles": ["token"], "scopes": ["self"]}"#),
    post("token, scopes no list", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"scopes": "self"}"#),
    post("token, roles no texts", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"roles": [1]}"#),
    post("token, life no number", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"expires_in": "long"}"#),
    post("token, life of a fraction", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"expires_in": 1.5}"#),
    post("token, life of nothing", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"expires_in": 0}"#),
    post("token, life backwards", "/users/ann/tokens")
        .by(As::Ann)
        .with(r#"{"expires_in": -5}"#),
    post("token, body a list", "/users/ann/tokens")
        .by(As::Ann)
        .with("[1]"),
    post("token, no JSON", "/users/ann/tokens")
        .by(As::Ann)
        .with("{"),
    post("token of another", "/users/bob/tokens").by(As::Ann),
    post("token by server token", "/users/ann/tokens").by(As::Server),
    post("token of nobody", "/users/nobody/tokens"),
    post("token by service without right", "/users/ann/tokens").by(As::Reader),
    post("token without token", "/users/ann/tokens").by(As::Nobody),
    post("token by wrong token", "/users/ann/tokens").by(As::Wrong),
    post("token by password", "/users/ann/tokens")
        .by(As::Nobody)
        .with(r#"{"auth": {"username": "ann", "password": "s3cret"}}"#),
    post("token by wrong password", "/users/ann/tokens")
        .by(As::Nobody)
        .with(r#"{"auth": {"username": "ann", "password": "wrong"}}"#),
    post("token of another by password", "/users/bob/tokens")
        .by(As::Nobody)
        .with(r#"{"auth": {"username": "ann", "password": "s3cret"}}"#),
    get("token that is not", "/users/ann/tokens/a99999"),
    get("token of a bad name", "/users/ann/tokens/xyz"),
    get("token by server token, one", "/users/ann/tokens/a99999").by(As::Server),
    delete("token deleted that is not", "/users/ann/tokens/a99999"),
    delete("token of a bad name, deleted", "/users/ann/tokens/b1"),
    delete("token of another, deleted", "/users/bob/tokens/a1").by(As::Ann),
    // Groups.
    get("groups", "/groups"),
    get("groups in pages", "/groups?limit=1").pages(),
    get("groups by user", "/groups").by(As::Ann),
    get("groups by class reader", "/groups").by(As::ClassReader),
    get("groups without token", "/groups").by(As::Nobody),
    get("one group", "/groups/class"),
    get("one group by class reader", "/groups/class").by(As::ClassReader),
    get("another group by class reader", "/groups/empty").by(As::ClassReader),
    get("one group by user", "/groups/class").by(As::Ann),
    get("one group that is not", "/groups/nothing"),
    post("groups made", "/groups").with(r#"{"groups": ["g1", "g2"], "users": ["bob"]}"#),
    post("groups made again", "/groups").with(r#"{"groups": ["g1"]}"#),
    post("groups, empty list", "/groups").with(r#"{"groups": []}"#),
    post("groups, no body", "/groups"),
    post("groups, bad key", "/groups").with(r#"{"groups": ["g9"], "boss": 1}"#),
    post("groups, unknown user", "/groups").with(r#"{"groups": ["g9"], "users": ["nobody"]}"#),
    post("groups made by people admin", "/groups")
        .by(As::PeopleAdmin)
        .with(r#"{"groups": ["g9"]}"#),
    post("group made", "/groups/g3"),
    post("group made with users", "/groups/g4").with(r#"{"users": ["ann", "bob"]}"#),
    post("group made again", "/groups/g3"),
    post("group, unknown user", "/groups/g5").with(r#"{"users": ["nobody"]}"#),
    post("group, bad type", "/groups/g5").with(r#"{"users": "ann"}"#),
    post("group, a list for a body", "/groups/g5").with("[]"),
    post("group made by user", "/groups/g5").by(As::Ann),
    post("users put into a group", "/groups/g3/users").with(r#"{"users": ["ann", "cyd"]}"#),
    post("user put into a group again", "/groups/g3/users").with(r#"{"users": ["ann"]}"#),
    post("user who is not, put into a group", "/groups/g3/users").with(r#"{"users": ["nobody"]}"#),
    post("nobody put into a group", "/groups/g3/users").with("{}"),
    post("users put into a group without body", "/groups/g3/users"),
    post(
        "users put into a group that is not",
        "/groups/nothing/users",
    )
    .with(r#"{"users": ["ann"]}"#),
    post("users put into a group by people admin", "/groups/g3/users")
        .by(As::PeopleAdmin)
        .with(r#"{"users": ["bob"]}"#),
    post("users put into a group by user", "/groups/g3/users")
        .by(As::Ann)
        .with(r#"{"users": ["ann"]}"#),
    delete("users taken out of a group", "/groups/g3/users").with(r#"{"users": ["cyd"]}"#),
    delete("nobody taken out of a group", "/groups/g3/users").with("{}"),
    delete(
        "users taken out of a group that is not",
        "/groups/nothing/users",
    )
    .with(r#"{"users": ["ann"]}"#),
    put("properties", "/groups/g3/properties").with(r#"{"cpu": 2, "list": [1, null]}"#),
    put("properties, no dict", "/groups/g3/properties").with("[1]"),
    put("properties, no body", "/groups/g3/properties"),
    put(
        "properties of a group that is not",
        "/groups/nothing/properties",
    )
    .with("{}"),
    put("properties by user", "/groups/g3/properties")
        .by(As::Ann)
        .with("{}"),
    get("group after all", "/groups/g3"),
    get("user with groups", "/users/ann"),
    delete("group deleted", "/groups/g4"),
    delete("group deleted again", "/groups/g4"),
    delete("group deleted by user", "/groups/g3").by(As::Ann),
    delete("group deleted by people admin", "/groups/g3").by(As::PeopleAdmin),
    // Services.
    get("services", "/services"),
    get("services by user", "/services").by(As::Ann),
    get("services by class reader", "/services").by(As::ClassReader),
    get("services without token", "/services").by(As::Nobody),
    get("one service", "/services/reader"),
    get("one service by class reader", "/services/reader").by(As::ClassReader),
    get("another service by class reader", "/services/tests").by(As::ClassReader),
    get("one service that is not", "/services/nothing"),
    get("one service by user", "/services/reader").by(As::Ann),
    post("service made", "/services/fresh")
        .with(r#"{"api_token": "a-token-of-a-fresh-service", "info": {"a": 1}}"#),
    post("service made again", "/services/fresh").with(r#"{"info": {"a": 1}}"#),
    post("service, no body", "/services/other"),
    post("service, bad key", "/services/other").with(r#"{"boss": 1}"#),
    post("service, bad type", "/services/other").with(r#"{"admin": 1}"#),
    post("service with a command", "/services/other").with(r#"{"command": ["true"]}"#),
    post("admin service by people admin", "/services/other")
        .by(As::PeopleAdmin)
        .with(r#"{"admin": true}"#),
    post("service by user", "/services/other")
        .by(As::Ann)
        .with(r#"{"info": {}}"#),
    delete("service deleted", "/services/fresh"),
    delete("service deleted again", "/services/fresh"),
    delete("service of the configuration deleted", "/services/reader"),
    // Servers.
    get("server at rest", "/users/bob/server"),
    get("server of nobody", "/users/nobody/server"),
    get("server of another", "/users/bob/server").by(As::Ann),
    get("named server that is not", "/users/ann/servers/lab"),
    put("default server made", "/users/ann/server").by(As::Ann),
    put("named server made", "/users/ann/servers/lab")
        .by(As::Ann)
        .with(r#"{"display_name": "My Lab", "user_options": {"size": "small"}}"#),
    put("named server made again", "/users/ann/servers/lab").by(As::Ann),
    put("named server of a bad name", "/users/ann/servers/Lab%20Two").by(As::Ann),
    put("named server shown badly", "/users/ann/servers/lab3")
        .by(As::Ann)
        .with(r#"{"display_name": "  "}"#),
    put("named server, name no text", "/users/ann/servers/lab3")
        .by(As::Ann)
        .with(r#"{"display_name": 3}"#),
    put("named server, options no dict", "/users/ann/servers/lab3")
        .by(As::Ann)
        .with(r#"{"user_options": [1]}"#),
    put("named server of another", "/users/bob/servers/lab").by(As::Ann),
    put("named server of nobody", "/users/nobody/servers/lab"),
    get("named server at rest", "/users/ann/servers/lab").by(As::Ann),
    get(
        "user with a named server at rest",
        "/users/ann?include_stopped_servers=1",
    ),
    patch("named server shown otherwise", "/users/ann/servers/lab")
        .by(As::Ann)
        .with(r#"{"display_name": "Other Lab"}"#),
    patch("named server with other options", "/users/ann/servers/lab")
        .by(As::Ann)
        .with(r#"{"user_options": {"size": "big"}}"#),
    patch("named server, no change", "/users/ann/servers/lab")
        .by(As::Ann)
        .with("{}"),
    patch("named server with an unknown key", "/users/ann/servers/lab")
        .by(As::Ann)
        .with(r#"{"state": {}}"#),
    patch(
        "named server that is not, patched",
        "/users/ann/servers/nothing",
    )
    .by(As::Ann)
    .with(r#"{"user_options": {}}"#),
    patch("named server renamed", "/users/ann/servers/lab")
        .by(As::Ann)
        .with(r#"{"name": "den"}"#),
    patch("named server renamed badly", "/users/ann/servers/den")
        .by(As::Ann)
        .with(r#"{"name": "D E N"}"#),
    patch("named server of another, patched", "/users/bob/servers/den")
        .by(As::Ann)
        .with(r#"{"user_options": {}}"#),
    post("server started", "/users/ann/server")
        .by(As::Ann)
        .with(r#"{"size": "small"}"#),
    post("server started again", "/users/ann/server").by(As::Ann),
    get("server that runs", "/users/ann/server").by(As::Ann),
    get("server that runs, by admin", "/users/ann/server"),
    get("user with a server", "/users/ann"),
    get("user with a server, by class reader", "/users/ann").by(As::ClassReader),
    get("users who are active", "/users?state=active"),
    get("users who are ready, in pages", "/users?state=ready").pages(),
    get("users who are inactive", "/users?state=inactive").by(As::Reader),
    get(
        "progress of a server that runs",
        "/users/ann/server/progress",
    )
    .by(As::Ann),
    get("progress of a server at rest", "/users/bob/server/progress"),
    get(
        "progress of no server",
        "/users/ann/servers/nothing/progress",
    )
    .by(As::Ann),
    get("progress of nobody", "/users/nobody/server/progress"),
    get("progress of another", "/users/bob/server/progress").by(As::Ann),
    post("activity of a server", "/users/ann/activity")
        .by(As::Server)
        .with(r#"{"servers": {"": {"last_activity": "2026-11-01T00:00:00Z"}}}"#),
    patch("server that runs, patched", "/users/ann/server")
        .by(As::Ann)
        .with(r#"{"user_options": {}}"#),
    post("named server started", "/users/ann/servers/den")
        .by(As::Ann)
        .with(r#"{"user_options": {"a": 1}}"#),
    get("user with two servers", "/users/ann"),
    post("new named server started", "/users/bob/servers/lab"),
    post(
        "named server of a bad name started",
        "/users/bob/servers/L%20b",
    ),
    post("server started, body a list", "/users/bob/server").with("[1]"),
    post("server started, options no dict", "/users/bob/server").with(r#"{"user_options": 1}"#),
    post("server started by server token", "/users/ann/server").by(As::Server),
    post("server of another started", "/users/bob/server").by(As::Ann),
    post("server of the class started", "/users/bob/server").by(As::ClassReader),
    post("server not of the class started", "/users/cyd/server").by(As::ClassReader),
    post("server of nobody started", "/users/nobody/server"),
    post("server started without token", "/users/ann/server").by(As::Nobody),
    get("tokens with a server's", "/users/bob/tokens"),
    get("proxy's routes", "/proxy"),
    get("proxy's routes in pages", "/proxy?limit=1").pages(),
    get("proxy's routes by user", "/proxy").by(As::Ann),
    post("proxy checked", "/proxy"),
    post("proxy checked by user", "/proxy").by(As::Ann),
    patch("proxy moved nowhere", "/proxy").with("{}"),
    patch("proxy moved, no body", "/proxy"),
    patch("proxy moved, a list", "/proxy").with("[1]"),
    patch("proxy moved by user", "/proxy")
        .by(As::Ann)
        .with("{}"),
    patch("proxy given another token", "/proxy")
        .with(r#"{"auth_token": "the-token-of-the-table"}"#),
    delete("server stopped", "/users/ann/server").by(As::Ann),
    delete("server stopped again", "/users/ann/server").by(As::Ann),
    delete("default server removed", "/users/ann/server")
        .by(As::Ann)
        .with(r#"{"remove": true}"#),
    delete("named server stopped", "/users/ann/servers/den").by(As::Ann),
    delete("named server removed", "/users/ann/servers/den")
        .by(As::Ann)
        .with(r#"{"remove": true}"#),
    delete("named server removed again", "/users/ann/servers/den")
        .by(As::Ann)
        .with(r#"{"remove": true}"#),
    delete(
        "named server removed while it runs",
        "/users/bob/servers/lab",
    )
    .with(r#"{"remove": true}"#),
    delete("server of another stopped", "/users/bob/server").by(As::Ann),
    delete("server of the class stopped", "/users/bob/server").by(As::ClassReader),
    delete("server of nobody stopped", "/users/nobody/server"),
    delete(
        "named server that is not, stopped",
        "/users/ann/servers/nothing",
    )
    .by(As::Ann),
    get("user after all", "/users/ann?include_stopped_servers=1"),
    post("server of emil started", "/users/emil/server"),
    patch("user with a server renamed", "/users/emil").with(r#"{"name": "emilia"}"#),
    // Shares.
    get("shares of an owner", "/shares/ann").by(As::Ann),
    get("shares of a server", "/shares/ann/lab").by(As::Ann),
    post("share made", "/shares/ann/lab")
        .by(As::Ann)
        .with(r#"{"user": "bob"}"#),
    patch("share taken back", "/shares/ann/lab")
        .by(As::Ann)
        .with(r#"{"user": "bob"}"#),
    delete("shares deleted", "/shares/ann/lab").by(As::Ann),
    get("share codes of an owner", "/share-codes/ann").by(As::Ann),
    get("share codes of a server", "/share-codes/ann/lab").by(As::Ann),
    post("share code made", "/share-codes/ann/lab")
        .by(As::Ann)
        .with("{}"),
    delete("share codes deleted", "/share-codes/ann/lab").by(As::Ann),
    get("shared with a user", "/users/ann/shared").by(As::Ann),
    get(
        "shared with a user, one server",
        "/users/ann/shared/bob/lab",
    )
    .by(As::Ann),
    delete("shared with a user, left", "/users/ann/shared/bob/lab").by(As::Ann),
    get("shared with a group", "/groups/class/shared"),
    get(
        "shared with a group, one server",
        "/groups/class/shared/bob/lab",
    ),
    delete("shared with a group, left", "/groups/class/shared/bob/lab"),
    // Old ways.
    get(
        "owner of a cookie that is not",
        "/authorizations/cookie/jupyterhub-hub-login/no-such-cookie",
    ),
    post("token asked for in the old way", "/authorizations/token"),
    get(
        "owner of a token that is not",
        "/authorizations/token/no-such-token",
    ),
    get(
        "owner of a token without token",
        "/authorizations/token/no-such-token",
    )
    .by(As::Nobody),
    post("OAuth token without anything", "/oauth2/token").by(As::Nobody),
    // The end: only who may not.
    post("shutdown by user", "/shutdown").by(As::Ann),
    post("shutdown without token", "/shutdown").by(As::Nobody),
    post("shutdown with a bad flag", "/shutdown").with(r#"{"servers": "all"}"#),
    post("shutdown with a bad proxy", "/shutdown").with(r#"{"proxy": 3}"#),
];

const fn get(name: &'static str, path: &'static str) -> Case {
    Case::new(name, "GET", path)
}

const fn post(name: &'static str, path: &'static str) -> Case {
    Case::new(name, "POST", path)
}

const fn put(name: &'static str, path: &'static str) -> Case {
    Case::new(name, "PUT", path)
}

const fn patch(name: &'static str, path: &'static str) -> Case {
    Case::new(name, "PATCH", path)
}

const fn delete(name: &'static str, path: &'static str) -> Case {
    Case::new(name, "DELETE", path)
}
