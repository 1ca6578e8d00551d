# JupyterHub of the deployment class. Written by hubctl; changes made here are undone by its next run.
# Further settings belong into `hub.extra_config` of hub.yaml.
import grp
import os
import pwd
from urllib.parse import quote

c = get_config()  # noqa: F821


def secret(name):
    with open("/etc/jupyterhub/secrets/" + name) as file:
        return file.read().strip()


# The hub itself: on loopback, on a port that no user of this machine may take while the hub is down.
c.JupyterHub.hub_bind_url = "http://127.0.0.1:881"
c.JupyterHub.hub_connect_url = "http://127.0.0.1:881"
c.JupyterHub.bind_url = "https://:443/"
c.JupyterHub.public_url = "https://192.0.2.7/"
c.JupyterHub.data_files_path = "/opt/jupyterhub/share/jupyterhub"
c.JupyterHub.db_url = "sqlite:////var/lib/jupyterhub/jupyterhub.sqlite"
# A copy of the database is made beside it before a new version changes it.
c.JupyterHub.upgrade_db = True
c.JupyterHub.cookie_secret = bytes.fromhex(secret("cookie-secret"))

# Traefik is a unit of its own: neither connections nor servers end when the hub restarts. The hub tells it the routes
# in a file, and learns from its API when they are in force.
import os  # noqa: E402

from jupyterhub_traefik_proxy.fileprovider import TraefikFileProviderProxy  # noqa: E402
from jupyterhub_traefik_proxy.traefik_utils import TraefikConfigFileHandler  # noqa: E402


class Rules(TraefikConfigFileHandler):
    """The file with the routes, which Traefik's group may read."""

    def atomic_dump(self, data):
        fresh = self.file_path + ".new"
        with open(fresh, "w") as file:
            os.fchmod(file.fileno(), 0o640)
            self._dump(data, file)
        os.replace(fresh, self.file_path)


class TraefikProxy(TraefikFileProviderProxy):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.dynamic_config_handler = Rules(self.dynamic_config_file)


c.JupyterHub.proxy_class = TraefikProxy
c.TraefikProxy.should_start = False
# Of Traefik's entry points the one for users.
c.TraefikProxy.traefik_entrypoint = "https"
c.TraefikProxy.traefik_api_url = "http://127.0.0.1:882"
c.TraefikProxy.traefik_api_username = "jupyterhub"
c.TraefikProxy.traefik_api_password = secret("proxy-token")
c.TraefikProxy.dynamic_config_file = "/var/lib/jupyterhub-traefik/routes.toml"
# The way to the API and the certificate are in a file of hubctl's beside it.
c.TraefikProxy.enable_setup_dynamic_config = False
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.cleanup_servers = False

# Who may log in: this machine's own accounts, if they are in one of these groups.
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.service = "jupyterhub"
c.PAMAuthenticator.open_sessions = False
c.PAMAuthenticator.allowed_groups = {"jupyterhub-users", "jupyterhub-admins"}
c.PAMAuthenticator.admin_groups = {"jupyterhub-admins"}
c.Authenticator.admin_users = set([])
c.Authenticator.delete_invalid_users = False

# Their servers.
c.Spawner.cmd = ["/opt/notebook/bin/jupyterhub-singleuser"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 60
c.Spawner.http_timeout = 60
c.Spawner.environment = {"LANG":"C.UTF-8"}
c.Spawner.mem_limit = "665M"
import asyncio  # noqa: E402

from systemdspawner import SystemdSpawner  # noqa: E402


class Spawner(SystemdSpawner):
    """Each server listens on a Unix socket in a folder that only its user and the proxy may enter.

    On a port of the loopback device another user could be there first, and would be sent this user's requests.
    """

    sockets = "/run/jupyter"

    def get_args(self):
        return super().get_args() + [
            "--ServerApp.sock=" + self.socket(),
            "--ServerApp.sock_mode=0660",
            # Kernels, too: no ports on the loopback device.
            "--KernelManager.transport=ipc",
        ]

    def get_env(self):
        env = super().get_env()
        # The server takes no other port than its default one together with a socket, and listens on neither.
        env["JUPYTERHUB_SERVICE_URL"] = "http://127.0.0.1:8888" + env["JUPYTERHUB_SERVICE_PREFIX"]
        return env

    def socket(self):
        return f"{self.sockets}/{self.user.name}/server.sock"

    def prepare(self):
        account = pwd.getpwnam(self.user.name)
        proxy = grp.getgrnam("jupyterhub-proxy")
        folder = os.path.dirname(self.socket())
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.chown(folder, account.pw_uid, proxy.gr_gid)
        # What is made in it belongs to the proxy's group.
        os.chmod(folder, 0o2710)
        # The proxy takes the port that JupyterHub puts behind each address for a part of the path, the hub does not.
        for name in ("server.sock", "server.sock:80"):
            if os.path.lexists(f"{folder}/{name}"):
                os.unlink(f"{folder}/{name}")
        os.symlink("server.sock", f"{folder}/server.sock:80")

    async def start(self):
        self.prepare()
        await super().start()
        return await self.open_way()

    async def stop(self, now=False):
        await super().stop(now)
        await self.close_way()

    async def open_way(self):
        """The proxy knows no Unix sockets. systemd listens for it on an address of the loopback device that is this
        user's alone, and on a port that no user may take, and has what comes passed on to the socket.
        """
        uid = pwd.getpwnam(self.user.name).pw_uid
        address = f"127.{64 + (uid >> 16 & 63)}.{uid >> 8 & 255}.{uid & 255}"
        await self.close_way()
        await self.call_systemd(
            "systemd-run", "--quiet", "--collect", "--unit=" + self.way(), "--slice=system.slice",
            f"--socket-property=ListenStream={address}:883", "--socket-property=NoDelay=yes",
            "--property=User=jupyterhub-proxy", "--property=Group=jupyterhub-proxy",
            "--property=NoNewPrivileges=yes", "--property=CapabilityBoundingSet=", "--property=ProtectSystem=strict",
            "--property=ProtectHome=yes", "--property=PrivateDevices=yes", "--property=PrivateNetwork=yes",
            "/usr/lib/systemd/systemd-socket-proxyd", "--connections-max=1024", self.socket(),
        )
        return (address, 883)

    async def close_way(self):
        # None is there, or its user's server ended by itself.
        await self.call_systemd("systemctl", "stop", f"{self.way()}.socket", f"{self.way()}.service", ok=(0, 5))

    async def call_systemd(self, *words, ok=(0,)):
        child = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.PIPE)
        _, said = await asyncio.wait_for(child.communicate(), 30)
        if child.returncode not in ok:
            raise RuntimeError(f"{words[0]} ended with status {child.returncode}: {said.decode().strip()}")

    def way(self):
        # No user is called so that their server has this name.
        return "jupyterhub-way-" + self.user.name


c.JupyterHub.spawner_class = Spawner
c.SystemdSpawner.unit_name_template = "jupyter-{USERNAME}"
c.SystemdSpawner.slice = "jupyter.slice"
c.SystemdSpawner.default_shell = "/bin/bash"
c.SystemdSpawner.extra_paths = ["/opt/notebook/bin", "/home/{USERNAME}/.local/bin", "/usr/local/bin", "/usr/bin", "/bin"]
c.SystemdSpawner.isolate_tmp = True
c.SystemdSpawner.isolate_devices = True
c.SystemdSpawner.disable_user_sudo = True
c.SystemdSpawner.unit_extra_properties = {
    "TasksMax": "1024",
    "MemorySwapMax": "0",
    # One that does not end by itself would keep its user waiting for a minute and a half.
    "TimeoutStopSec": "20",
    "KeyringMode": "private",
    "LockPersonality": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProtectSystem": "full",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "UMask": "0077",
}

# Programs that talk to the hub, each with the least it needs.
c.JupyterHub.services = [
    {"name": "hubctl", "api_token": secret("api-token")},
    {
        "name": "idle-culler",
        "user": "jupyterhub-culler",
        "cwd": "/",
        "command": [
            "/opt/jupyterhub/bin/python", "-I", "-m", "jupyterhub_idle_culler",
            "--timeout=3600",
        ],
    },
]
c.JupyterHub.load_roles = [
    {
        "name": "hubctl",
        "scopes": ["list:users", "read:users", "delete:users", "read:servers", "delete:servers", "proxy", "read:hub"],
        "services": ["hubctl"],
    },
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    },
]
