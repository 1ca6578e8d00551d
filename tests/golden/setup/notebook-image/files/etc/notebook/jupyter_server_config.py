# The notebook server of class. Written by hubctl; changes made here are undone by its next run.

c = get_config()  # noqa: F821

# Its own front: TLS on its own port, from everywhere that the security group lets in.
c.ServerApp.ip = ""
c.ServerApp.port = 8888
# Another port would be reached by nobody: rather fail and be started again.
c.ServerApp.port_retries = 0
c.ServerApp.certfile = "/etc/notebook/tls/certificate.pem"
c.ServerApp.keyfile = "/etc/notebook/tls/key.pem"
c.ServerApp.base_url = "/"
c.ServerApp.default_url = "/lab"
# Pages of this very server, and no others, may use its API.
c.ServerApp.allow_origin = "https://192.0.2.7:8888"
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
