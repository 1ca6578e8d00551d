//! Where requests go: routespecs and the table of them.
