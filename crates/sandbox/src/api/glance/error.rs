//! Glance's errors, which are small HTML pages.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

#[derive(Debug)]
pub struct GlanceError(StatusCode, String);

impl GlanceError {
    pub fn not_found(message: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, message.into())
    }

    pub fn bad(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self(StatusCode::FORBIDDEN, message.into())
    }
}

impl IntoResponse for GlanceError {
    fn into_response(self) -> Response {
        let status = format!(
            "{} {}",
            self.0.as_u16(),
            self.0.canonical_reason().unwrap_or_default()
        );
        let page = format!(
            "<html>\n <head>\n  <title>{status}</title>\n </head>\n <body>\n  <h1>{status}</h1>\n  {}<br /><br />\n\n\n\n </body>\n</html>",
            self.1
        );
        (
            self.0,
            [(header::CONTENT_TYPE, "text/html; charset=UTF-8")],
            page,
        )
            .into_response()
    }
}
