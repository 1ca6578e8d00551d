//! A certificate from an ACME directory.
