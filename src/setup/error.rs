//! What can go wrong with the host half.

use crate::host::HostError;

/// Why the host could not be observed or set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("rendering {template}")]
    Template {
        template: &'static str,
        #[source]
        source: Box<tera::Error>,
    },
    #[error("reading {}", path.display())]
    Read {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("writing hubproxy's configuration: {0}")]
    Configuration(String),
    #[error("writing {}", path.display())]
    Write {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the host answered what hubctl does not understand: {line}")]
    Answer { line: String },
    #[error("observing the host ended with status {status}: {stderr}")]
    Observe { status: i32, stderr: String },
    #[error("{directory} gives no certificate for {names}: {reason}")]
    Certificate {
        directory: String,
        names: String,
        reason: String,
    },
    /// Something on the host is in the way; nothing was changed.
    #[error("{}", list(problems))]
    Blocked { problems: Vec<super::Problem> },
    #[error("{step}: {message}{}", indented(tail))]
    Step {
        step: String,
        message: String,
        /// The last lines of what the step ran, or of the unit's journal.
        tail: String,
    },
    #[error("setting up the host ended early{}", indented(stderr))]
    Ended { stderr: String },
}

fn list(problems: &[super::Problem]) -> String {
    let texts: Vec<_> = problems
        .iter()
        .map(|problem| problem.message.clone())
        .collect();
    texts.join("; ")
}

fn indented(text: &str) -> String {
    text.trim()
        .lines()
        .map(|line| format!("\n    {line}"))
        .collect()
}

impl SetupError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Host(error) => error.hint(),
            Self::Certificate { .. } => Some(
                "the hub runs with a certificate that browsers warn about, and the proxy tries again by itself: \
                 `hubctl status` shows when; `--set tls.staging=true` tries things out without the authority's limits"
                    .to_owned(),
            ),
            Self::Blocked { problems } => problems.iter().find_map(|problem| problem.hint.clone()),
            Self::Observe { stderr, .. } if stderr.contains("python3") => {
                Some("the image lacks python3; images of Debian or Ubuntu with cloud-init have it".to_owned())
            }
            Self::Observe { stderr, .. } if stderr.contains("password is required") => {
                Some("the login needs sudo without password, as cloud images set it up".to_owned())
            }
            Self::Step { tail, .. } if tail.contains("No space left on device") => {
                Some("the disk is full; `server.boot_volume` gives the server a larger one".to_owned())
            }
            Self::Step { step, tail, message, .. }
                if ["Temporary failure resolving", "Could not connect", "Connection timed out", "dns error", "ENOTFOUND"]
                    .iter()
                    .any(|sign| tail.contains(sign) || message.contains(sign)) =>
            {
                let without = if step.starts_with("upgrade the system") {
                    "; `--set host.upgrade=false` goes without the upgrade"
                } else {
                    ""
                };
                Some(format!(
                    "the server cannot reach its package registries: does its network have a router, name servers and rules \
                     that let it out? `host.http_proxy`, `host.pip_index_url` and `host.npm_registry` name others{without}"
                ))
            }
            Self::Step { .. } | Self::Ended { .. } => {
                Some("run the same command again: it goes on with what is missing".to_owned())
            }
            _ => None,
        }
    }
}
