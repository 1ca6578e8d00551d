# Stands behind a front and goes through it as a browser does: a redirect, a path as it was written, an upload, a
# WebSocket. Its arguments: the port to stand on, `https` or `http`, and the certificate and key of it all.
import http.client, socket, ssl, sys, threading, time

PORT, SCHEME, CERTIFICATE, KEY = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
NAME = "hub.example.org"
seen = []


def head(file):
    lines = []
    while True:
        line = file.readline().decode().rstrip("\r\n")
        if not line:
            return lines
        lines.append(line)


def answer(connection):
    file = connection.makefile("rwb")
    while True:
        lines = head(file)
        if not lines:
            return
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        seen.append((lines[0], fields))
        if fields.get("upgrade", "").lower() == "websocket":
            file.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            file.flush()
            while True:
                piece = connection.recv(4096)
                if not piece:
                    return
                connection.sendall(piece[::-1])
        length = int(fields.get("content-length", 0))
        chunked, got = "chunked" in fields.get("transfer-encoding", ""), 0
        while chunked:
            size = int(file.readline(), 16)
            got += len(file.read(size))
            file.readline()
            chunked = size > 0
        got += len(file.read(length))
        body = str(got).encode()
        file.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        file.flush()


def serve():
    listener = socket.create_server(("", PORT))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    while True:
        connection, _ = listener.accept()

        def work(connection=connection):
            try:
                answer(context.wrap_socket(connection, server_side=True) if SCHEME == "https" else connection)
            except OSError:
                pass

        threading.Thread(target=work, daemon=True).start()


threading.Thread(target=serve, daemon=True).start()
trusting = ssl.create_default_context(cafile=CERTIFICATE)


def secure():
    return trusting.wrap_socket(socket.create_connection(("127.0.0.1", 443), timeout=10), server_hostname=NAME)


def https():
    link = http.client.HTTPConnection(NAME)
    link.sock = secure()
    return link


until = time.monotonic() + 20
while True:
    try:
        secure().close()
        break
    except OSError:
        if time.monotonic() > until:
            raise
        time.sleep(0.05)

plain = http.client.HTTPConnection("127.0.0.1", 80, timeout=10)
plain.request("GET", "/hub/login?next=%2Fx", headers={"Host": NAME})
redirect = plain.getresponse()
assert redirect.status == 301, redirect.status
assert redirect.headers["Location"] == "https://%s/hub/login?next=%%2Fx" % NAME, redirect.headers["Location"]

link = https()
link.request("GET", "/user/ada/files/a%2Fb%20c?x=%2F1", headers={"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"})
assert link.getresponse().read() == b"0"
line, fields = seen[-1]
assert line == "GET /user/ada/files/a%2Fb%20c?x=%2F1 HTTP/1.1", line
assert fields["host"] == NAME, fields
assert fields["x-forwarded-for"] == "127.0.0.1", fields
assert fields["x-forwarded-proto"] == "https", fields

link = https()
link.request("POST", "/upload", body=b"x" * (5 << 20))
answered = link.getresponse()
assert (answered.status, answered.read()) == (200, str(5 << 20).encode()), answered.status

channel = secure()
channel.sendall(("GET /user/ada/api/kernels/1/channels HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: https://%s\r\n\r\n"
                 % (NAME, NAME)).encode())
file = channel.makefile("rb")
assert " 101 " in head(file)[0]
for text in (b"first", b"second"):
    channel.sendall(text)
    assert file.read(len(text)) == text[::-1]
