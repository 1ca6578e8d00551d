//! Listeners and connections: accepting, limits, draining.
