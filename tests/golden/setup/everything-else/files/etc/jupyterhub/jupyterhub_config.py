# JupyterHub of the deployment course. Written by hubctl; changes made here are undone by its next run.
# Further settings belong into `hub.extra_config` of hub.yaml.

c = get_config()  # noqa: F821


def secret(name):
    with open("/etc/jupyterhub/secrets/" + name) as file:
        return file.read().strip()


# The hub itself: on loopback, on a port that no user of this machine may take while the hub is down.
c.JupyterHub.hub_bind_url = "http://127.0.0.1:881"
c.JupyterHub.hub_connect_url = "http://127.0.0.1:881"
c.JupyterHub.bind_url = "https://:443/"
c.JupyterHub.public_url = "https://hub.example.org/"
c.JupyterHub.data_files_path = "/opt/jupyterhub/share/jupyterhub"
c.JupyterHub.db_url = "sqlite:////var/lib/jupyterhub/jupyterhub.sqlite"
# A copy of the database is made beside it before a new version changes it.
c.JupyterHub.upgrade_db = True
c.JupyterHub.cookie_secret = bytes.fromhex(secret("cookie-secret"))

# The proxy is a unit of its own: neither connections nor servers end when the hub restarts.
c.JupyterHub.proxy_class = "configurable-http-proxy"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:882"
c.ConfigurableHTTPProxy.auth_token = secret("proxy-token")
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.cleanup_servers = False

# Who may log in: this machine's own accounts, if they are in one of these groups.
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.service = "jupyterhub"
c.PAMAuthenticator.open_sessions = False
c.PAMAuthenticator.allowed_groups = {"jupyterhub-users", "jupyterhub-admins"}
c.PAMAuthenticator.admin_groups = {"jupyterhub-admins"}
c.Authenticator.admin_users = set(["ada","grace"])
c.Authenticator.delete_invalid_users = False

# Their servers.
c.Spawner.cmd = ["/opt/notebook/bin/jupyterhub-singleuser"]
c.Spawner.default_url = "/tree"
c.Spawner.start_timeout = 90
c.Spawner.http_timeout = 90
c.Spawner.environment = {"LANG":"C.UTF-8","PIP_INDEX_URL":"https://pypi.example.org/simple"}
c.Spawner.mem_limit = "1536M"
c.Spawner.cpu_limit = 0.5
from systemdspawner import SystemdSpawner  # noqa: E402


c.JupyterHub.spawner_class = SystemdSpawner
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
]
c.JupyterHub.load_roles = [
    {
        "name": "hubctl",
        "scopes": ["list:users", "read:users", "delete:users", "read:servers", "delete:servers", "proxy", "read:hub"],
        "services": ["hubctl"],
    },
]

# From `hub.extra_config`.
c.JupyterHub.shutdown_on_logout = True
