//! What went wrong on a link, in the words of whoever said it.

use serde::Deserialize;

/// What went wrong, and what to look at where that is known better than from the link alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Fault {
    pub cause: String,
    pub hint: Option<String>,
}

impl Fault {
    pub(super) fn new(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            hint: Some(hint.into()),
        }
    }

    pub(super) fn plain(cause: String) -> Self {
        Self { cause, hint: None }
    }

    /// An HTTP exchange that broke, with the innermost cause, which names it best.
    pub(super) fn http(what: &str, error: &reqwest::Error) -> Self {
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Self::plain(format!("{what}: {cause}"))
    }
}

/// The text of the element whose class or id mentions `mark`.
pub(super) fn said(html: &str, mark: &str) -> Option<String> {
    let at = html
        .find(&format!("\"{mark}"))
        .or_else(|| html.find(mark))?;
    let rest = html.get(at..)?;
    let inner = rest.get(rest.find('>')? + 1..)?;
    let mut text = String::new();
    let mut tag = false;
    for letter in inner.chars().take(600) {
        match letter {
            '<' => {
                tag = true;
                if text.trim().len() > 3 {
                    break;
                }
            }
            '>' => tag = false,
            other if !tag => text.push(other),
            _ => {}
        }
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// What a JSON error says.
pub(super) fn message(body: &str) -> String {
    #[derive(Deserialize)]
    struct Message {
        message: Option<String>,
        reason: Option<String>,
    }
    serde_json::from_str::<Message>(body)
        .ok()
        .and_then(|found| {
            found
                .message
                .filter(|text| !text.is_empty())
                .or(found.reason)
        })
        .unwrap_or_else(|| {
            let start: String = body.chars().take(200).collect();
            if start.trim().is_empty() {
                "no reason given".to_owned()
            } else {
                start
            }
        })
}
