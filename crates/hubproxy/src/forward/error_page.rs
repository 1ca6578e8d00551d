//! What a client sees when there is no answer to pass on.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::timeout;

use super::answer::Framing;
use super::options::{ErrorPages, Options};
use super::pool::Pool;
use super::transfer::{Transfer, TransferError};
use super::upstream::Upstream;
use crate::routes::Target;

/// How long the error target may take, and how much it may say.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
const LONGEST: usize = 1024 * 1024;

/// What Node's `querystring` leaves as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The body of an error and the headers that describe it.
pub(super) struct Page {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Page {
    fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self {
            headers,
            body: body.into(),
        }
    }

    /// The status in words.
    fn plain(status: StatusCode) -> Self {
        Self::new(
            "text/plain; charset=utf-8",
            status.canonical_reason().unwrap_or("Error"),
        )
    }

    /// A page for people, where nobody else makes one.
    fn own(status: StatusCode) -> Self {
        let what = match status {
            StatusCode::NOT_FOUND => "There is nothing at this address.",
            StatusCode::SERVICE_UNAVAILABLE => {
                "The server behind this address does not answer. Try again in a moment."
            }
            _ => "The request could not be passed on.",
        };
        let title = format!(
            "{} {}",
            status.as_u16(),
            status.canonical_reason().unwrap_or("Error")
        );
        Self::new(
            "text/html; charset=utf-8",
            format!(
                "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
                 <body><h1>{title}</h1><p>{what}</p></body></html>\n"
            ),
        )
    }

    /// The page for `status`, from where the options say; `url` is the request's.
    pub(super) async fn find(
        status: StatusCode,
        url: &str,
        options: &Options,
        pool: &Pool,
    ) -> Self {
        match &options.errors {
            ErrorPages::Own => Self::own(status),
            ErrorPages::Path(folder) => Self::from_folder(folder, status)
                .await
                .unwrap_or_else(|| Self::plain(status)),
            ErrorPages::Target(target) => {
                match timeout(
                    PATIENCE,
                    Self::from_target(target, status, url, options, pool),
                )
                .await
                {
                    Ok(Ok(page)) => page,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, ?target.endpoint, "the error target gave no page");
                        Self::plain(status)
                    }
                    Err(_) => {
                        tracing::warn!(?target.endpoint, "the error target gave no page within {PATIENCE:?}");
                        Self::plain(status)
                    }
                }
            }
        }
    }

    async fn from_folder(folder: &Path, status: StatusCode) -> Option<Self> {
        for name in [format!("{}.html", status.as_u16()), "error.html".to_owned()] {
            if let Ok(page) = tokio::fs::read(folder.join(name)).await {
                return Some(Self::new("text/html", page));
            }
        }
        None
    }

    async fn from_target(
        target: &Target,
        status: StatusCode,
        url: &str,
        options: &Options,
        pool: &Pool,
    ) -> Result<Self, TransferError> {
        let head = format!(
            "GET {}/{}?url={} HTTP/1.1\r\nhost: {}\r\nconnection: keep-alive\r\n\r\n",
            target.path,
            status.as_u16(),
            utf8_percent_encode(url, ESCAPED),
            target.authority,
        );
        let reused = pool.take(target);
        let is_reused = reused.is_some();
        let upstream = match reused {
            Some(upstream) => upstream,
            None => Upstream::dial(target, options)
                .await
                .map_err(|error| TransferError::Unanswered(Some(error)))?,
        };

        let mut transfer = Transfer::new(upstream, None, head.into_bytes(), None, None);
        let mut headers = HeaderMap::new();
        let answer = match transfer.answer(&Method::GET, false, &mut headers).await {
            Err(TransferError::Unanswered(_)) if is_reused => {
                let dialled = Upstream::dial(target, options).await;
                transfer
                    .repeat_on(dialled.map_err(|error| TransferError::Unanswered(Some(error)))?);
                transfer.answer(&Method::GET, false, &mut headers).await?
            }
            answer => answer?,
        };
        let mut framing = answer.framing;
        let mut body = BytesMut::new();
        while let Some(data) =
            std::future::poll_fn(|cx| transfer.poll_data(cx, &mut framing)).await?
        {
            body.extend_from_slice(&data);
            if body.len() > LONGEST {
                return Err(TransferError::Broken(None));
            }
        }
        if answer.keep_alive && framing != Framing::Close && transfer.is_clean() {
            pool.keep(target, transfer.upstream, options.pool_idle_per_target);
        }
        let mut headers = HeaderMap::new();
        for name in [CONTENT_TYPE, CONTENT_ENCODING] {
            if let Some(value) = answer.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        Ok(Self {
            headers,
            body: body.freeze(),
        })
    }
}
