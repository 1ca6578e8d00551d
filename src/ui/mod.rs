//! The only part that prints.
