//! Who asks from a browser: sessions, cookies, XSRF.

pub mod cookie;
pub mod key;
pub mod next;
pub mod xsrf;
