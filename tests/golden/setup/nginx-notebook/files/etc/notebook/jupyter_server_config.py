# The notebook server of class. Written by hubctl; changes made here are undone by its next run.
import sys
import types

from tornado.web import RedirectHandler

c = get_config()  # noqa: F821

# Behind the proxy on this machine, which speaks TLS to it.
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.trust_xheaders = True
c.ServerApp.port = 8888
# Another port would be reached by nobody: rather fail and be started again.
c.ServerApp.port_retries = 0
c.ServerApp.certfile = "/etc/notebook/tls/certificate.pem"
c.ServerApp.keyfile = "/etc/notebook/tls/key.pem"
c.ServerApp.base_url = "/jupyter/"
c.ServerApp.default_url = "/lab"
# Pages of this very server, and no others, may use its API.
c.ServerApp.allow_origin = "https://192.0.2.7"
c.ServerApp.allow_remote_access = True
c.ServerApp.allow_root = False
c.ServerApp.open_browser = False
c.ServerApp.quit_button = False
c.ServerApp.root_dir = "/home/notebook"
c.ServerApp.cookie_secret_file = "/var/lib/notebook/cookie-secret"

# The password's hash; the password itself is in the operator's credentials file.
with open("/etc/notebook/secrets/password-hash") as file:
    c.PasswordIdentityProvider.hashed_password = file.read().strip()
c.PasswordIdentityProvider.password_required = True
c.PasswordIdentityProvider.allow_password_change = False
c.IdentityProvider.token = ""

# Kernels on sockets: on ports of the loopback device anybody on this machine could talk to them.
c.KernelManager.transport = "ipc"


def lead_to_the_base_url(server):
    """What is not below the base URL is nothing; its root leads there."""
    server.web_app.add_handlers(".*$", [("/", RedirectHandler, {"url": "/jupyter/", "permanent": False})])


# The server adds pages of others as extensions, which are modules.
front = types.ModuleType("hubctl_front")
front._load_jupyter_server_extension = lead_to_the_base_url
front._jupyter_server_extension_points = lambda: [{"module": "hubctl_front"}]
sys.modules["hubctl_front"] = front
c.ServerApp.jpserver_extensions.update({"hubctl_front": True})
