# JupyterHub of the deployment class. Written by hubctl; changes made here are undone by its next run.
# Further settings belong into `hub.extra_config` of hub.yaml.

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
c.Spawner.cmd = ["/opt/notebook/bin/jupyterhub-singleuser"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 60
c.Spawner.http_timeout = 60
c.Spawner.environment = {"LANG":"C.UTF-8","PATH":"/opt/notebook/bin:/usr/local/bin:/usr/bin:/bin"}
# Started by sudo, which lets the hub run this one program as a user of the hub's, and nothing else.
c.JupyterHub.spawner_class = "sudospawner.SudoSpawner"
c.SudoSpawner.sudospawner_path = "/opt/notebook/bin/sudospawner"
c.SudoSpawner.args = ["--KernelManager.transport=ipc"]
c.Spawner.env_keep = ["LANG"]

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
