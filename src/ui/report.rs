//! How a command ended: exit status, what went wrong, why, and the next thing to try.

use std::error::Error;
use std::process::ExitCode;

use serde::Serialize;

use super::style::{Colour, paint};
use crate::cloud::{Category, CloudError};
use crate::handout::HandoutError;
use crate::health::{Broken, EndpointError, Fault};
use crate::host::HostError;
use crate::infra::InfraError;
use crate::infra::operator::OperatorError;
use crate::key::KeyError;
use crate::release::ReleaseError;
use crate::setup::SetupError;
use crate::state::StateError;
use crate::tls::TlsError;
use crate::users::UsersError;
use crate::users::names::NameProblem;
use crate::wait::WaitError;
use crate::{infra, spec};

/// Exit statuses, as documented in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Ok,
    Error,
    /// The command line or the spec.
    Usage,
    Quota,
    Auth,
    /// The cloud refused or broke.
    Cloud,
    Ssh,
    /// Everything stands, but the hub does not work.
    Health,
    /// `plan --detailed-exitcode` found changes.
    Pending,
    Interrupted,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::Quota => 3,
            Self::Auth => 4,
            Self::Cloud => 5,
            Self::Ssh => 6,
            Self::Health => 7,
            Self::Pending => 10,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error as the operator reads it.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    event: &'static str,
    message: String,
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(rename = "exit", serialize_with = "as_code")]
    pub exit: Exit,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_code<S: serde::Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(exit.code())
}

/// What a cause that we know says of the exit status and the remedy.
fn known(cause: &(dyn Error + 'static)) -> Option<(Exit, Option<String>)> {
    /// The first of these types that `cause` is.
    macro_rules! first {
        ($($type:ty => |$error:ident| $known:expr),+ $(,)?) => {
            $(if let Some($error) = cause.downcast_ref::<$type>() {
                return Some($known);
            })+
        };
    }
    first! {
        spec::Problems => |_error| (Exit::Usage, None),
        infra::Problems => |error| (of_category(if error.is_quota() { Category::Quota } else { Category::Config }), None),
        WaitError<CloudError> => |error| match error {
            WaitError::Failed(error) => (of_category(error.category()), error.hint()),
            WaitError::Deadline { .. } => (Exit::Cloud, Some(
                "run the same command again to go on waiting; look at the console log in the dashboard, or make the server \
                 anew with `--set ssh.host_key=injected` where the cloud shows none".to_owned(),
            )),
        },
        InfraError => |error| (of_category(error.category()), error.hint()),
        CloudError => |error| (of_category(error.category()), error.hint()),
        OperatorError => |error| (Exit::Usage, Some(error.hint())),
        SetupError => |error| (of_setup(error), error.hint()),
        WaitError<SetupError> => |error| match error {
            WaitError::Failed(error) => (of_setup(error), error.hint()),
            WaitError::Deadline { .. } => (Exit::Health, Some(
                "run the same command again to go on waiting; `hubctl status` shows how the proxy is".to_owned(),
            )),
        },
        ReleaseError => |error| (Exit::Usage, Some(error.hint())),
        HostError => |error| (Exit::Ssh, error.hint()),
        Broken => |error| (Exit::Health, Some(error.hint.clone())),
        EndpointError => |_error| (Exit::Health, None),
        UsersError => |error| (match error {
            UsersError::Names(_) | UsersError::Sheet(_) => Exit::Usage,
            UsersError::Host(_) => Exit::Ssh,
            _ => Exit::Error,
        }, error.hint()),
        NameProblem => |error| (Exit::Usage, Some(error.hint.clone())),
        HandoutError => |error| (Exit::Error, Some(error.hint())),
        TlsError => |error| (Exit::Error, Some(error.hint())),
        KeyError => |error| (Exit::Error, Some(error.hint())),
        StateError => |error| (Exit::Error, Some(error.hint())),
    }
    None
}

fn of_category(category: Category) -> Exit {
    match category {
        Category::Config => Exit::Usage,
        Category::Quota => Exit::Quota,
        Category::Auth => Exit::Auth,
        Category::Cloud => Exit::Cloud,
    }
}

impl Diagnosis {
    /// Reads an error's chain: the first cause that knows an exit status or a remedy decides it.
    pub fn of(error: &anyhow::Error) -> Self {
        let mut texts: Vec<String> = Vec::new();
        for cause in error.chain() {
            let text = cause.to_string();
            // Transparent wrappers repeat their source.
            if texts.last() != Some(&text) {
                texts.push(text);
            }
        }
        let known = error.chain().find_map(known);
        let (exit, hint) = known.unwrap_or((Exit::Error, None));
        let message = texts.remove(0);
        Self {
            event: "failed",
            message,
            causes: texts,
            hint,
            exit,
        }
    }

    /// The same as what is wrong with a link.
    pub fn fault(self) -> Fault {
        let mut cause = self.message;
        for further in &self.causes {
            cause.push_str(&format!(": {further}"));
        }
        Fault {
            cause,
            hint: self.hint,
        }
    }

    pub(super) fn to_text(&self, colour: bool) -> String {
        let mut text = format!(
            "{} {}\n",
            paint("error:", Colour::Red, colour),
            self.message
        );
        for cause in &self.causes {
            text.push_str(&format!("  because: {cause}\n"));
        }
        if let Some(hint) = &self.hint {
            for line in hint.lines() {
                text.push_str(&format!(
                    "{} {line}\n",
                    paint("hint:", Colour::Bold, colour)
                ));
            }
        }
        text
    }
}
/// A hub without a certificate stands, and does not work.
fn of_setup(error: &SetupError) -> Exit {
    match error {
        SetupError::Certificate { .. } => Exit::Health,
        _ => Exit::Ssh,
    }
}
