//! All listening sockets, by what they are for, and what the log says of them.

use tracing::info;

use super::sockets::{self, Made, Role, SocketError};
use crate::serve::Socket;
use crate::settings::{Address, Settings};

/// All sockets.
pub(super) struct Listening {
    /// The public ones, and whether TLS is spoken there.
    pub public: Vec<(Socket, bool)>,
    /// The routes API's.
    pub api: Vec<Socket>,
    /// The metrics'.
    pub metrics: Vec<Socket>,
    /// Unix sockets that were made here, and are removed at the end.
    pub made: Vec<Made>,
}

impl Listening {
    /// Takes what systemd hands over, and binds the rest. Must be called before threads are started.
    pub(super) fn open(settings: &Settings) -> Result<Self, SocketError> {
        let mut all = Self {
            public: Vec::new(),
            api: Vec::new(),
            metrics: Vec::new(),
            made: Vec::new(),
        };
        let mut has = Vec::new();
        for (role, socket) in sockets::activated(&roles(settings))? {
            has.push(role);
            match role {
                Role::Http => all.public.push((socket, false)),
                Role::Https => all.public.push((socket, true)),
                Role::Api => all.api.push(socket),
                Role::Metrics => all.metrics.push(socket),
            }
        }
        let others: Vec<&Address> = settings
            .listeners
            .iter()
            .map(|listener| &listener.address)
            .collect();
        for listener in &settings.listeners {
            if has.contains(&if listener.tls {
                Role::Https
            } else {
                Role::Http
            }) {
                continue;
            }
            let (sockets, made) = sockets::bind(&listener.address, &others)?;
            all.public
                .extend(sockets.into_iter().map(|socket| (socket, listener.tls)));
            all.made.extend(made);
        }
        if !has.contains(&Role::Api) {
            let (sockets, made) = sockets::bind(&settings.api.address, &[])?;
            all.api = sockets;
            all.made.extend(made);
        }
        if let Some(address) = settings
            .metrics
            .as_ref()
            .filter(|_| !has.contains(&Role::Metrics))
        {
            let (sockets, made) = sockets::bind(address, &[])?;
            all.metrics = sockets;
            all.made.extend(made);
        }
        Ok(all)
    }

    /// Says where it listens.
    pub(super) fn say(&self, settings: &Settings) {
        let target = settings.default_target.as_deref().unwrap_or("(no default)");
        for (socket, is_tls) in &self.public {
            match settings.redirect.filter(|_| !is_tls) {
                Some(to) => info!(
                    "Added HTTP to HTTPS redirection from {} to {to}",
                    port_of(socket)
                ),
                None => info!(
                    "Proxying {}://{} to {target}",
                    if *is_tls { "https" } else { "http" },
                    name_of(socket)
                ),
            }
        }
        for socket in &self.api {
            let scheme = if settings.api.tls.is_some() {
                "https"
            } else {
                "http"
            };
            info!("Proxy API at {scheme}://{}/api/routes", name_of(socket));
        }
        for socket in &self.metrics {
            info!("Serve metrics at http://{}/metrics", name_of(socket));
        }
    }
}

fn roles(settings: &Settings) -> Vec<Role> {
    let has = |tls: bool| {
        settings
            .listeners
            .iter()
            .any(|listener| listener.tls == tls)
    };
    let wanted = [
        (Role::Http, has(false)),
        (Role::Https, has(true)),
        (Role::Api, true),
        (Role::Metrics, settings.metrics.is_some()),
    ];
    wanted
        .into_iter()
        .filter(|(_, is_wanted)| *is_wanted)
        .map(|(role, _)| role)
        .collect()
}

fn name_of(socket: &Socket) -> String {
    match socket {
        Socket::Tcp(socket) => socket
            .local_addr()
            .map(|address| address.to_string())
            .unwrap_or_default(),
        Socket::Unix(socket) => socket
            .local_addr()
            .ok()
            .and_then(|address| {
                address
                    .as_pathname()
                    .map(|path| format!("unix:{}", path.display()))
            })
            .unwrap_or_default(),
    }
}

fn port_of(socket: &Socket) -> String {
    match socket {
        Socket::Tcp(socket) => socket
            .local_addr()
            .map(|address| address.port().to_string())
            .unwrap_or_default(),
        Socket::Unix(_) => name_of(socket),
    }
}
