CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    admin INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    last_activity INTEGER,
    auth_state TEXT,
    user_info TEXT
) STRICT;
CREATE INDEX users_last_activity ON users (last_activity);

CREATE TABLE groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    properties TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE group_users (
    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_users_user ON group_users (user_id);

CREATE TABLE services (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    admin INTEGER NOT NULL DEFAULT 0,
    from_config INTEGER NOT NULL DEFAULT 0,
    -- What the configuration or the API said of it, as JSON, without its token.
    spec TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE roles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    -- Raw scopes, a JSON list.
    scopes TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE TABLE role_users (
    role_id INTEGER NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, role_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE role_groups (
    role_id INTEGER NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, role_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE role_services (
    role_id INTEGER NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    service_id INTEGER NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    PRIMARY KEY (service_id, role_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE servers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL DEFAULT '',
    -- Where it is reached, as URL; NULL while it is neither started nor starting.
    target TEXT,
    -- What the spawner needs to find it again, as JSON.
    state TEXT NOT NULL DEFAULT '{}',
    user_options TEXT NOT NULL DEFAULT '{}',
    started INTEGER,
    last_activity INTEGER,
    UNIQUE (user_id, name)
) STRICT;
CREATE INDEX servers_active ON servers (user_id) WHERE target IS NOT NULL;

CREATE TABLE oauth_clients (
    identifier TEXT PRIMARY KEY,
    description TEXT NOT NULL DEFAULT '',
    -- SHA-256 of the secret.
    secret BLOB NOT NULL,
    redirect_uri TEXT NOT NULL,
    allowed_scopes TEXT NOT NULL DEFAULT '[]',
    server_id INTEGER REFERENCES servers (id) ON DELETE CASCADE,
    service_id INTEGER REFERENCES services (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_clients_server ON oauth_clients (server_id);
CREATE INDEX oauth_clients_service ON oauth_clients (service_id);

CREATE TABLE oauth_codes (
    -- SHA-256 of the code.
    hash BLOB PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES oauth_clients (identifier) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id TEXT,
    redirect_uri TEXT NOT NULL,
    scopes TEXT NOT NULL DEFAULT '[]',
    code_challenge TEXT,
    code_challenge_method TEXT,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_codes_expiry ON oauth_codes (expires_at);

CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- SHA-256 of the token.
    hash BLOB NOT NULL UNIQUE,
    user_id INTEGER REFERENCES users (id) ON DELETE CASCADE,
    service_id INTEGER REFERENCES services (id) ON DELETE CASCADE,
    -- The OAuth client it was issued to; NULL: asked for from the hub itself.
    client_id TEXT REFERENCES oauth_clients (identifier) ON DELETE CASCADE,
    session_id TEXT,
    created INTEGER NOT NULL,
    expires_at INTEGER,
    last_activity INTEGER,
    note TEXT NOT NULL DEFAULT '',
    -- Raw scopes, a JSON list.
    scopes TEXT NOT NULL DEFAULT '[]',
    CHECK ((user_id IS NULL) <> (service_id IS NULL))
) STRICT;
CREATE INDEX tokens_user ON tokens (user_id);
CREATE INDEX tokens_service ON tokens (service_id);
CREATE INDEX tokens_client ON tokens (client_id);
CREATE INDEX tokens_session ON tokens (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX tokens_expiry ON tokens (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE sessions (
    -- SHA-256 of what is in the login cookie.
    hash BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- What is in the cookie jupyterhub-session-id, which servers and services see.
    session_id TEXT NOT NULL,
    created INTEGER NOT NULL,
    last_activity INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_session ON sessions (session_id);

-- Secrets that must outlive a restart, such as the key of XSRF tokens.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
