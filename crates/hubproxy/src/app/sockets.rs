//! Listening sockets: bound, or handed over by systemd.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use nix::sys::stat::{Mode, umask};
use socket2::{Domain, Protocol, Type};

use crate::serve::Socket;
use crate::settings::Address;

/// Connections that wait to be accepted: as many as come while the proxy restarts.
const BACKLOG: i32 = 4096;

/// Why there is nothing to listen on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The name cannot be looked up.
    #[error("looking up {address} to listen on: {source}")]
    Lookup {
        /// As it was given.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The address cannot be had.
    #[error("listening on {address}: {source}{}", hint(source))]
    Bind {
        /// As it was given.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A socket from systemd is none.
    #[error(
        "socket {number} from systemd ({name}) is neither a listening TCP nor a listening Unix socket: {source}"
    )]
    Activation {
        /// Its place in the list, from 0.
        number: usize,
        /// Its name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// There are more sockets from systemd than listeners.
    #[error(
        "socket {number} from systemd ({name}) is for no listener: name it http, https, api or metrics"
    )]
    Unclaimed {
        /// Its place in the list, from 0.
        number: usize,
        /// Its name.
        name: String,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => ": is another proxy running?",
        io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need CAP_NET_BIND_SERVICE or socket activation"
        }
        _ => "",
    }
}

/// The file of a Unix socket that was made here.
#[derive(Clone, Debug)]
pub(super) struct Made {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Made {
    fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// Removes it, unless another proxy's has taken its place: one may start while this one drains.
    pub(super) fn remove(&self) {
        let is_still_ours = Self::at(&self.path)
            .is_ok_and(|now| (now.device, now.inode) == (self.device, self.inode));
        if is_still_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!("removing {}: {error}", self.path.display());
        }
    }
}

/// Binds an address; all the addresses of a name. `[::]` takes IPv4 along unless `others` have `0.0.0.0` on its port.
/// Returns the Unix socket's file, to be removed at the end.
pub(super) fn bind(
    address: &Address,
    others: &[&Address],
) -> Result<(Vec<Socket>, Option<Made>), SocketError> {
    let failed = |source: io::Error| SocketError::Bind {
        address: address.to_string(),
        source,
    };
    if let Address::Unix { path, mode } = address {
        let socket = bind_unix(path, *mode).map_err(failed)?;
        let made = Made::at(path).map_err(failed)?;
        return Ok((vec![Socket::Unix(socket)], Some(made)));
    }
    let wanted = address.resolve().map_err(|source| SocketError::Lookup {
        address: address.to_string(),
        source,
    })?;
    let is_any = matches!(address, Address::Host { host, .. } if host.is_empty());
    let only_v6 = others.iter().any(|other| matches!(
        other,
        Address::Tcp(other) if other.is_ipv4() && other.ip().is_unspecified() && Some(other.port()) == address.port()
    ));
    let mut sockets = Vec::new();
    let mut first_error = None;
    let mut port = address.port().unwrap_or_default();
    for mut wanted in wanted {
        wanted.set_port(port);
        match bind_tcp(wanted, only_v6) {
            Ok(socket) => {
                if let Ok(bound) = socket.local_addr() {
                    port = bound.port();
                }
                sockets.push(Socket::Tcp(socket));
                // The first of all addresses is IPv6's, which takes IPv4 along.
                if is_any {
                    break;
                }
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match first_error {
        // `localhost` is `::1`, too, on machines that have no IPv6.
        Some(error) if sockets.is_empty() => Err(failed(error)),
        Some(error) if error.kind() == io::ErrorKind::AddrInUse && !is_any => Err(failed(error)),
        _ => Ok((sockets, None)),
    }
}

fn bind_tcp(address: SocketAddr, only_v6: bool) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6 || !address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path, mode: Option<u32>) -> io::Result<UnixListener> {
    remove_stale(path)?;
    let Some(mode) = mode else {
        return listen_unix(path);
    };
    // Closed to all until it has its mode. There are no other threads yet that could make files.
    let before = umask(Mode::from_bits_truncate(0o777));
    let bound = listen_unix(path);
    umask(before);
    let listener = bound?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

fn listen_unix(path: &Path) -> io::Result<UnixListener> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Removes a socket that nobody listens on, as a crash leaves it.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            _ => Err(io::Error::from(io::ErrorKind::AddrInUse)),
        },
        Ok(_) => Err(io::Error::other("there is a file that is no socket")),
        Err(_) => Ok(()),
    }
}

/// What a socket from systemd is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Http,
    Https,
    Api,
    Metrics,
}

impl Role {
    fn named(name: &str) -> Option<Self> {
        match name {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            "api" => Some(Self::Api),
            "metrics" => Some(Self::Metrics),
            _ => None,
        }
    }
}

/// The sockets that systemd handed over, for the listeners that there are. Must be called before threads are started,
/// since it takes the variables out of the environment.
pub(super) fn activated(roles: &[Role]) -> Result<Vec<(Role, Socket)>, SocketError> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut handed = ListenFd::from_env();
    let names: Vec<&str> = (0..handed.len())
        .map(|index| names.split(':').nth(index).unwrap_or_default())
        .collect();
    let mut sockets = Vec::new();
    for (number, (name, role)) in names.iter().zip(assign(&names, roles)).enumerate() {
        let name = (*name).to_owned();
        let Some(role) = role else {
            return Err(SocketError::Unclaimed { number, name });
        };
        let socket = match handed.take_tcp_listener(number) {
            Ok(Some(socket)) => Socket::Tcp(socket),
            _ => match handed.take_unix_listener(number) {
                Ok(Some(socket)) => Socket::Unix(socket),
                Ok(None) => continue,
                Err(source) => {
                    return Err(SocketError::Activation {
                        number,
                        name,
                        source,
                    });
                }
            },
        };
        sockets.push((role, socket));
    }
    Ok(sockets)
}

/// Whose each socket is: by its name; those without a name of ours in order, one for each listener that has none.
fn assign(names: &[&str], roles: &[Role]) -> Vec<Option<Role>> {
    let named: Vec<Option<Role>> = names
        .iter()
        .map(|name| Role::named(name).filter(|role| roles.contains(role)))
        .collect();
    let mut free = roles.iter().filter(|role| !named.contains(&Some(**role)));
    names
        .iter()
        .zip(&named)
        .map(|(name, role)| match role {
            Some(role) => Some(*role),
            // A name of ours for a listener that there is not.
            None if Role::named(name).is_some() => None,
            None => free.next().copied(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn sockets_from_systemd_go_by_name_or_else_in_order() {
        use Role::{Api, Http, Https, Metrics};
        let all = [Http, Https, Api];
        for (names, roles, expected) in [
            (
                &["https", "http", "api"][..],
                &all[..],
                vec![Some(Https), Some(Http), Some(Api)],
            ),
            (
                &["hubproxy.socket", "hubproxy.socket"],
                &all,
                vec![Some(Http), Some(Https)],
            ),
            (
                &["unknown", "http", ""],
                &all,
                vec![Some(Https), Some(Http), Some(Api)],
            ),
            (&["https", "https"], &all, vec![Some(Https), Some(Https)]),
            (
                &["a", "b", "c", "d"],
                &all,
                vec![Some(Http), Some(Https), Some(Api), None],
            ),
            (&["metrics"], &all, vec![None]),
            (
                &["metrics", "x"],
                &[Https, Metrics],
                vec![Some(Metrics), Some(Https)],
            ),
        ] {
            assert_eq!(assign(names, roles), expected, "{names:?}");
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let address = Address::Unix {
            path: path.clone(),
            mode: Some(0o660),
        };
        let (first, _) = bind(&address, &[]).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o660
        );
        assert!(
            bind(&address, &[])
                .unwrap_err()
                .to_string()
                .contains("is another proxy running?")
        );
        drop(first);
        assert!(bind(&address, &[]).is_ok());
        fs::write(folder.path().join("file"), "").unwrap();
        let file = Address::Unix {
            path: folder.path().join("file"),
            mode: None,
        };
        assert!(bind(&file, &[]).is_err());
    }

    #[test]
    fn the_socket_of_a_successor_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let address = Address::Unix {
            path: path.clone(),
            mode: None,
        };
        let (first, made) = bind(&address, &[]).unwrap();
        // Moved away rather than removed, so that its inode is not given to the next.
        fs::rename(&path, folder.path().join("old")).unwrap();
        let (_second, made_by_second) = bind(&address, &[]).unwrap();
        drop(first);
        made.unwrap().remove();
        assert!(path.exists());
        made_by_second.unwrap().remove();
        assert!(!path.exists());
    }

    #[test]
    fn both_families_may_be_listed_on_one_port() {
        let (v4, _) = bind(&Address::Tcp(([0, 0, 0, 0], 0).into()), &[]).unwrap();
        let Socket::Tcp(socket) = &v4[0] else {
            panic!("{v4:?}")
        };
        let port = socket.local_addr().unwrap().port();
        let v4_address = Address::Tcp(([0, 0, 0, 0], port).into());
        let v6_address = Address::Tcp((Ipv6Addr::UNSPECIFIED, port).into());
        assert!(bind(&v6_address, &[&v4_address, &v6_address]).is_ok());
        // Alone, it takes IPv4 along.
        assert!(bind(&v6_address, &[&v6_address]).is_err());
    }

    #[test]
    fn all_addresses_are_one_socket_and_localhost_every_one_of_its_own() {
        let (sockets, _) = bind(
            &Address::Host {
                host: String::new(),
                port: 0,
            },
            &[],
        )
        .unwrap();
        assert_eq!(sockets.len(), 1);
        let (sockets, _) = bind(
            &Address::Host {
                host: "localhost".to_owned(),
                port: 0,
            },
            &[],
        )
        .unwrap();
        let ports: Vec<u16> = sockets
            .iter()
            .map(|socket| match socket {
                Socket::Tcp(socket) => socket.local_addr().unwrap().port(),
                Socket::Unix(_) => 0,
            })
            .collect();
        assert!(
            ports.iter().all(|port| *port == ports[0] && *port != 0),
            "{ports:?}"
        );
    }
}
