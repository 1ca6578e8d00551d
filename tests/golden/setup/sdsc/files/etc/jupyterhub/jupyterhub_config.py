# JupyterHub of the deployment class. Written by hubctl; changes made here are undone by its next run.
# Further settings belong into `hub.extra_config` of hub.yaml.
import os

c = get_config()  # noqa: F821


def secret(name):
    with open("/etc/jupyterhub/secrets/" + name) as file:
        return file.read().strip()


# The hub itself: for this machine and its containers (the packet filter closes it to all others), on a port that no user of this machine may take while the hub is down.
c.JupyterHub.hub_bind_url = "http://0.0.0.0:881"
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
c.Authenticator.admin_users = set([])
c.Authenticator.delete_invalid_users = False

# Their servers.
c.Spawner.cmd = ["/usr/bin/tini", "--", "/opt/notebook/bin/jupyterhub-singleuser"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 60
c.Spawner.http_timeout = 60
c.Spawner.environment = {"JUPYTER_RUNTIME_DIR":"/tmp/jupyter","LANG":"C.UTF-8","PATH":"/opt/notebook/bin:/usr/local/bin:/usr/bin:/bin"}
c.Spawner.mem_limit = "665M"
from dockerspawner import SystemUserSpawner  # noqa: E402

c.JupyterHub.spawner_class = SystemUserSpawner
c.Spawner.args = ["--KernelManager.transport=ipc"]
c.DockerSpawner.image = "hubctl/notebook:host-1"
c.DockerSpawner.pull_policy = "never"
# A container has the settings of its own time: when its server has ended it goes, and the next one has those of now.
c.DockerSpawner.remove = True
# In a network of their own, from which they reach the hub and the world, and not each other.
c.DockerSpawner.network_name = "jupyterhub"
c.DockerSpawner.use_internal_ip = True
c.Spawner.hub_connect_url = "http://172.31.250.1:881"
c.SystemUserSpawner.host_homedir_format_string = "/home/{username}"
c.SystemUserSpawner.image_homedir_format_string = "/home/{username}"
# What this machine has for notebooks is seen in them, and cannot be changed.
c.DockerSpawner.read_only_volumes = {
    path: path
    for path in ["/usr", "/opt/notebook", "/opt/conda", "/etc/passwd", "/etc/group", "/etc/ssl", "/etc/alternatives", "/etc/pip.conf", "/etc/fonts", "/etc/localtime", "/etc/R"]
    if os.path.exists(path)
}
# Nothing of root's, no more memory beside the limit, and processes within reason.
c.DockerSpawner.extra_host_config = {
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "pids_limit": 1024,
    # A container is gone when its server has ended; what it said is not.
    "log_config": {"type": "journald"},
    # All together are this slice's, as units are.
    "cgroup_parent": "jupyter.slice",
    "memswap_limit": 697303040,
}

# Programs that talk to the hub, each with the least it needs.
c.JupyterHub.services = [
    {"name": "hubctl", "api_token": secret("api-token")},
    {
        "name": "idle-culler",
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
