"""Stands in for jupyterhub-singleuser: listens where it is told to, and does what it is asked as a kernel would."""

import os
import socketserver
import subprocess
import sys
from http.server import BaseHTTPRequestHandler

options = dict(word[2:].split("=", 1) for word in sys.argv[1:])
assert options["KernelManager.transport"] == "ipc"
path = options["ServerApp.sock"]


class Handler(BaseHTTPRequestHandler):
    def address_string(self):
        return "unix"

    def do_GET(self):  # The hub's question whether it is there.
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/eat":  # The server itself takes more than it may.
            held = []
            while True:
                held.append(bytearray(b"x" * (8 << 20)))
        if self.path == "/fail":
            sys.stderr.write(body + "\n")
            sys.stderr.flush()
            os._exit(3)
        done = subprocess.run(["sh", "-c", body], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.send_response(200 if done.returncode == 0 else 400)
        self.send_header("Content-Length", str(len(done.stdout)))
        self.end_headers()
        self.wfile.write(done.stdout)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self):
        request, _ = super().get_request()
        return request, ("unix", 0)


server = Server(path, Handler)
os.chmod(path, int(options["ServerApp.sock_mode"], 8))
server.serve_forever()
