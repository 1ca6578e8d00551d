//! Single-user servers: their states, their way from requested to ready, and back.
