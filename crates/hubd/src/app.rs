//! Binds the listeners and joins the parts.
