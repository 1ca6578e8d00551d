//! What the hub must not forget: users, groups, tokens, servers, OAuth clients and codes, in SQLite.
