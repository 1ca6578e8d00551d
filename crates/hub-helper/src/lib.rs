//! hub-helper.
