//! Scopes and roles: their grammar, their algebra, what a token may do now.
