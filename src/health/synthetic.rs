//! The user of a check: an account that is on the server while the connection is, and gone with it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;
use crate::setup::HubPlaces;
use crate::setup::names::{ADMINS_GROUP, HUB_PORT, USERS_GROUP};
use crate::spec::model::HubKind;
use crate::users::remote::{Conversation, Root};
use crate::users::{UsersError, password};

/// What the server needs to know to clean up after a check.
#[derive(Debug, Clone)]
pub struct Checking {
    /// The account lives no longer than this, whatever happens here.
    pub within: Duration,
    /// The hub's API as the server itself reaches it.
    pub api: String,
    /// File on the server, readable for root alone, with a token that may delete users of the hub.
    pub token_file: String,
    /// Units that a user's server runs in, `{name}` for the user.
    pub units: Vec<String>,
    /// Further folders of a user's, `{name}` for the user.
    pub folders: Vec<String>,
}

/// How long the server may take to remove the account once it is asked to.
const CLEANUP: Duration = Duration::from_secs(120);

impl Checking {
    /// A hub of this kind as [`setup`](crate::setup) makes it.
    pub fn of(kind: HubKind) -> Self {
        let places = HubPlaces::of(kind);
        Self {
            within: Duration::from_secs(300),
            api: format!("http://127.0.0.1:{HUB_PORT}/hub/api"),
            token_file: places.api_token.to_owned(),
            units: vec![places.user_unit.to_owned()],
            folders: vec![places.user_folder.to_owned()],
        }
    }
}

/// A user that can log in until this is ended or dropped.
pub struct Synthetic {
    pub user: String,
    pub password: Secret,
    /// Users that earlier checks left because they were cut off.
    pub swept: Vec<String>,
    talk: Conversation,
}

/// Makes a temporary user, in one exchange that stays open. On a [`Host`](crate::host::Host) no other exchange of the
/// same session can run until it is ended.
pub async fn synthetic(root: &dyn Root, checking: &Checking) -> Result<Synthetic, UsersError> {
    #[derive(Serialize)]
    struct Settings<'a> {
        verb: &'a str,
        group: &'a str,
        admin_group: &'a str,
        name: &'a str,
        hash: &'a str,
        seconds: u64,
        api: &'a str,
        token_file: &'a str,
        units: &'a [String],
        folders: &'a [String],
    }
    #[derive(Deserialize)]
    struct Ready {
        ready: String,
        swept: Vec<String>,
    }
    let user = format!("hubctl-check-{}", Secret::random_hex(4).reveal());
    let password = Secret::random_hex(24);
    let settings = Settings {
        verb: "check",
        group: USERS_GROUP,
        admin_group: ADMINS_GROUP,
        name: &user,
        hash: &password::hash(&password),
        seconds: checking.within.as_secs(),
        api: &checking.api,
        token_file: &checking.token_file,
        units: &checking.units,
        folders: &checking.folders,
    };
    let talk = Conversation::open(root, &settings, checking.within + CLEANUP);
    let (talk, Ready { ready, swept }) = talk.hear().await?;
    Ok(Synthetic {
        user: ready,
        password,
        swept,
        talk,
    })
}

impl Synthetic {
    /// Removes the user and says what could not be removed.
    pub async fn end(mut self) -> Result<Vec<String>, UsersError> {
        #[derive(Deserialize)]
        struct Gone {
            left: Vec<String>,
        }
        self.talk.hush().await;
        let (talk, Gone { left }) = self.talk.hear().await?;
        talk.end().await?;
        Ok(left)
    }
}
