//! Who asks from a browser: sessions, cookies, XSRF.
