//! The host half: what should be on the server, what is, the steps between, and how they are applied in one exchange.
