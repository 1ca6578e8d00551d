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

# The proxy is a unit of its own: neither connections nor servers end when the hub restarts.
c.JupyterHub.proxy_class = "configurable-http-proxy"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http+unix://%2Frun%2Fjupyterhub-proxy%2Fapi.sock"
c.ConfigurableHTTPProxy.auth_token = secret("proxy-token")
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.cleanup_servers = False

# Who may log in: people of GitHub.
import grp
import pwd
import re

from jupyterhub.auth import LocalAuthenticator
from oauthenticator.github import GitHubOAuthenticator


class Authenticator(LocalAuthenticator, GitHubOAuthenticator):
    """The provider says who it is; the account on this machine is one of the hub's users, or is made for it.

    A name of the system's or of an operator's is nobody's at the provider.
    """

    @staticmethod
    def is_users(name):
        """Whether there may be a server under this name."""
        if not re.fullmatch("[a-z][a-z0-9_-]{0,31}", name):
            return False
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            return True
        members = {member for group in ("jupyterhub-users", "jupyterhub-admins") for member in grp.getgrnam(group).gr_mem}
        return account.pw_uid >= 1000 and name in members

    async def check_allowed(self, username, auth_model):
        if not self.is_users(username):
            self.log.warning("%s has no account on this machine that is a user of the hub's", username)
            return False
        return await GitHubOAuthenticator.check_allowed(self, username, auth_model)


c.JupyterHub.authenticator_class = Authenticator
c.LocalAuthenticator.create_system_users = True
c.LocalAuthenticator.add_user_cmd = [
    "/usr/sbin/useradd", "--create-home", "--user-group", "--shell", "/bin/bash", "--groups", "jupyterhub-users",
]
c.OAuthenticator.client_id = "Iv1.0123"
c.OAuthenticator.client_secret = secret("oauth-client-secret")
c.OAuthenticator.oauth_callback_url = "https://192.0.2.7/hub/oauth_callback"
c.OAuthenticator.enable_pkce = True
c.OAuthenticator.allow_all = False
c.Authenticator.allowed_users = set(["ada"])
c.GitHubOAuthenticator.allowed_organizations = set(["class:teachers"])
c.OAuthenticator.scope = ["read:org"]
c.Authenticator.admin_users = set(["ada"])
c.Authenticator.delete_invalid_users = False

# Their servers.
c.Spawner.cmd = ["/opt/notebook/bin/jupyterhub-singleuser"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 60
c.Spawner.http_timeout = 60
c.Spawner.environment = {"LANG":"C.UTF-8"}
c.Spawner.mem_limit = "665M"
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
        return "http+unix://" + quote(self.socket(), safe="") + ":80"


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
