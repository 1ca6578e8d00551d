//! The blocking half of a session: connecting, checking the host key, logging in.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ssh2::{ErrorCode, HostKeyType, MethodType, Session};

use super::keys::{KnownHosts, Verdict};
use super::{Fingerprint, HostError, Identity, Target};

/// A logged-in session and its socket, in non-blocking mode.
pub(super) struct Connection {
    pub(super) session: Session,
    pub(super) socket: TcpStream,
    pub(super) address: SocketAddr,
}

const LIBSSH2_ERROR_TIMEOUT: i32 = -9;

impl Connection {
    /// Connects and logs in. Gives the fingerprint of a key that was believed on first use.
    pub(super) fn open(
        target: &Target,
        within: Duration,
    ) -> Result<(Self, Option<Fingerprint>), HostError> {
        let address = target.address;
        let connect_error = |source| HostError::Connect { address, source };
        let socket = TcpStream::connect_timeout(&address, within).map_err(connect_error)?;
        socket.set_nodelay(true).map_err(connect_error)?;
        let protocol = |during: &'static str| {
            move |source: ssh2::Error| {
                if source.code() == ErrorCode::Session(LIBSSH2_ERROR_TIMEOUT) {
                    HostError::Timeout { address, during }
                } else {
                    HostError::Protocol {
                        address,
                        during,
                        source,
                    }
                }
            }
        };
        let starting = protocol("starting SSH");
        let mut session = Session::new().map_err(starting)?;
        session.set_timeout(u32::try_from(within.as_millis()).unwrap_or(u32::MAX));
        session.set_tcp_stream(socket.try_clone().map_err(connect_error)?);
        let known = KnownHosts::new(&target.known_hosts);
        session
            .method_pref(MethodType::HostKey, &host_key_order(&known.types(address)?))
            .map_err(starting)?;
        session.handshake().map_err(starting)?;

        let (blob, kind) = session.host_key().ok_or(HostError::Internal)?;
        let verdict = known.check(address, key_type(kind), blob, &target.trust)?;
        let first_seen =
            (verdict == Verdict::Learnt { on_first_use: true }).then(|| Fingerprint::of(blob));

        log_in(&session, target)?;
        session.set_keepalive(true, 15);
        session.set_timeout(0);
        session.set_blocking(false);
        Ok((
            Self {
                session,
                socket,
                address,
            },
            first_seen,
        ))
    }

    pub(super) fn lost(&self, command: &str, source: impl Into<io::Error>) -> HostError {
        HostError::Lost {
            address: self.address,
            command: command.to_owned(),
            source: source.into(),
        }
    }
}

fn log_in(session: &Session, target: &Target) -> Result<(), HostError> {
    let mut tried = Vec::new();
    let mut last = None;
    for identity in &target.identities {
        match identity {
            Identity::File(path) => {
                if !path.exists() {
                    continue;
                }
                tried.push(format!("the key {}", path.display()));
                match session.userauth_pubkey_file(&target.login, None, path, None) {
                    Ok(()) => return Ok(()),
                    Err(error) => last = Some(error),
                }
            }
            Identity::Agent => {
                let Ok(mut agent) = session.agent() else {
                    continue;
                };
                if agent.connect().is_err() || agent.list_identities().is_err() {
                    continue;
                }
                for key in agent.identities().unwrap_or_default() {
                    tried.push(format!("the agent's key {}", key.comment()));
                    match agent.userauth(&target.login, &key) {
                        Ok(()) => return Ok(()),
                        Err(error) => last = Some(error),
                    }
                }
            }
        }
    }
    let Some(error) = last else {
        let wanted = target
            .identities
            .iter()
            .find_map(|identity| match identity {
                Identity::File(path) => Some(path.clone()),
                Identity::Agent => None,
            });
        return Err(HostError::NoKey {
            address: target.address,
            wanted: wanted.unwrap_or_default(),
        });
    };
    match error.code() {
        // LIBSSH2_ERROR_AUTHENTICATION_FAILED, LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED
        ErrorCode::Session(-18 | -19) => Err(HostError::LoginRefused {
            address: target.address,
            login: target.login.clone(),
            tried: tried.join(", "),
        }),
        _ => Err(HostError::Protocol {
            address: target.address,
            during: "logging in",
            source: error,
        }),
    }
}

/// Host key algorithms, those of keys we know first: the server then offers the key we can check.
fn host_key_order(known: &[String]) -> String {
    let all = [
        ("ssh-ed25519", "ssh-ed25519"),
        ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
        ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
        ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
        ("ssh-rsa", "rsa-sha2-512,rsa-sha2-256"),
    ];
    let (mut first, rest): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(kind, _)| known.iter().any(|known| known == kind));
    first.extend(rest);
    let names: Vec<_> = first.into_iter().map(|(_, names)| names).collect();
    names.join(",")
}

fn key_type(kind: HostKeyType) -> &'static str {
    match kind {
        HostKeyType::Rsa => "ssh-rsa",
        HostKeyType::Dss => "ssh-dss",
        HostKeyType::Ecdsa256 => "ecdsa-sha2-nistp256",
        HostKeyType::Ecdsa384 => "ecdsa-sha2-nistp384",
        HostKeyType::Ecdsa521 => "ecdsa-sha2-nistp521",
        HostKeyType::Ed25519 => "ssh-ed25519",
        HostKeyType::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_key_types_are_asked_for_first() {
        assert_eq!(
            host_key_order(&["ssh-rsa".to_owned()]),
            "rsa-sha2-512,rsa-sha2-256,ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521"
        );
        assert!(host_key_order(&[]).starts_with("ssh-ed25519,"));
    }
}
