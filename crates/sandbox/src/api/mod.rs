//! The OpenStack services, as their clients see them.
