//! Names and places on the host that more than one part of hubctl must agree on.

/// Accounts in this group may log in to the hub. They may not log in by SSH.
pub const USERS_GROUP: &str = "jupyterhub-users";
/// Accounts in this group may log in to the hub and administer it.
pub const ADMINS_GROUP: &str = "jupyterhub-admins";
/// Accounts in this group, and nobody else, may log in by SSH.
pub const SSH_GROUP: &str = "hubctl-ssh";
/// The system account `configurable-http-proxy` runs as; its group is that of users' sockets, whichever proxy serves them.
pub const PROXY_ACCOUNT: &str = "jupyterhub-proxy";
/// The system account that hubproxy runs as, and the name of the program.
pub const HUBPROXY_ACCOUNT: &str = "hubproxy";
/// The unit of `configurable-http-proxy`.
pub const PROXY_SERVICE: &str = "jupyterhub-proxy.service";
/// The unit of hubproxy.
pub const HUBPROXY_SERVICE: &str = "hubproxy.service";
/// The sockets that systemd holds for it: unit, the name that hubproxy knows it by, what it is.
pub const HUBPROXY_SOCKETS: [(&str, &str, &str); 3] = [
    ("hubproxy-http.socket", "http", "HTTP port"),
    ("hubproxy-https.socket", "https", "HTTPS port"),
    ("hubproxy-api.socket", "api", "Routes API"),
];
/// The system account that Traefik runs as.
pub const TRAEFIK_ACCOUNT: &str = "traefik";
/// The unit of Traefik.
pub const TRAEFIK_SERVICE: &str = "traefik.service";
/// The sockets that systemd holds for it: unit, the entry point it is, what that is.
pub const TRAEFIK_SOCKETS: [(&str, &str, &str); 3] = [
    ("traefik-http.socket", "http", "HTTP port"),
    ("traefik-https.socket", "https", "HTTPS port"),
    ("traefik-api.socket", "auth_api", "API"),
];
/// Where Traefik's program lies.
pub const TRAEFIK_FOLDER: &str = "/opt/traefik";
/// What Traefik reads when it starts.
pub const TRAEFIK_CONFIGURATION: &str = "/etc/traefik/traefik.toml";
/// The distribution's unit of nginx.
pub const NGINX_SERVICE: &str = "nginx.service";
/// What nginx is told by us.
pub const NGINX_CONFIGURATION: &str = "/etc/nginx/hubctl.conf";
/// What Apache is told by us.
pub const APACHE_CONFIGURATION: &str = "/etc/apache2/hubctl.conf";
/// The distribution's unit of Apache.
pub const APACHE_SERVICE: &str = "apache2.service";
/// The units of proxies, those that others stand behind first.
pub const PROXIES: [&str; 5] = [
    NGINX_SERVICE,
    APACHE_SERVICE,
    TRAEFIK_SERVICE,
    HUBPROXY_SERVICE,
    PROXY_SERVICE,
];
/// The unit of JupyterHub.
pub const JUPYTERHUB_SERVICE: &str = "jupyterhub.service";
/// The system account that hubd runs as, and the name of the program.
pub const HUBD_ACCOUNT: &str = "hubd";
/// The unit of hubd.
pub const HUBD_SERVICE: &str = "hubd.service";
/// The sockets that systemd holds for it: unit, the name that hubd knows it by, what it is.
pub const HUBD_SOCKETS: [(&str, &str, &str); 2] = [
    ("hubd-public.socket", "public", "The proxy's way"),
    ("hubd-internal.socket", "internal", "Notebook servers' way"),
];
/// The program that does for hubd what takes root.
pub const HUB_HELPER: &str = "hub-helper";
/// Where hubd asks it.
pub const HUB_HELPER_SOCKET: &str = "hub-helper.socket";
/// Its unit, which runs while it is asked.
pub const HUB_HELPER_SERVICE: &str = "hub-helper.service";
/// A file system of its own for the sockets of users' servers.
pub const SERVER_SOCKETS_MOUNT: &str = "run-jupyter.mount";
/// The account of one person's notebook server, its home's name, and the group of its certificate.
pub const NOTEBOOK_ACCOUNT: &str = "notebook";
/// The unit of one person's notebook server.
pub const NOTEBOOK_SERVICE: &str = "notebook.service";
/// Starts the container of one person's notebook server, where it is in one.
pub const RUN_NOTEBOOK: &str = "/usr/local/lib/hubctl/run-notebook";
/// The distribution's unit of the container engine.
pub const DOCKER_SERVICE: &str = "docker.service";
/// The account of a JupyterHub without root.
pub const JUPYTERHUB_ACCOUNT: &str = "jupyterhub";
/// The network of users' containers, and its device.
pub const CONTAINERS_NETWORK: &str = "jupyterhub";
/// The device of that network.
pub const CONTAINERS_DEVICE: &str = "jupyterhub0";
/// Where hubctl's own programs lie.
pub const PROGRAMS: &str = "/opt/hubctl/bin";
/// The system account that stops idle servers.
pub const CULLER_ACCOUNT: &str = "jupyterhub-culler";

/// Where the hub's API listens, on loopback. Below 1024, so that no user can listen there while the hub is down.
pub const HUB_PORT: u16 = 881;
/// Where the proxy's API listens with a JupyterHub that cannot use a Unix socket for it.
pub const PROXY_API_PORT: u16 = 882;

/// Where the hub's own proxy listens on loopback when another server is in front of it.
pub const FRONT_PORT: u16 = 880;
/// Where a user's server is reached on an address of its own of the loopback device, by a proxy without Unix sockets.
pub const WAY_PORT: u16 = 883;

/// Held by whoever changes the host.
pub const LOCK: &str = "/run/lock/hubctl.lock";
/// Exists once the system was brought up to date.
pub const UPGRADED: &str = "/var/lib/hubctl/upgraded";

pub const HUB_ENVIRONMENT: &str = "/opt/jupyterhub";
pub const NOTEBOOK_ENVIRONMENT: &str = "/opt/notebook";
pub const CONDA_ENVIRONMENT: &str = "/opt/conda";
/// What installs conda's packages.
pub const RATTLER_ENVIRONMENT: &str = "/opt/hubctl/rattler";
pub const NODE_ENVIRONMENT: &str = "/opt/nodejs";
pub const UV_ENVIRONMENT: &str = "/opt/hubctl/uv";
pub const PROXY_FOLDER: &str = "/opt/configurable-http-proxy";

/// The name of the file in a virtual environment that says what it was made for.
pub const STAMP: &str = "hubctl-requirements.txt";
/// How that file begins while other packages are installed.
pub const UNFINISHED: &str = "# not finished\n";

/// The timer that takes an unconfirmed change of SSH back.
pub const SSH_GUARD: &str = "hubctl-ssh-guard.timer";
