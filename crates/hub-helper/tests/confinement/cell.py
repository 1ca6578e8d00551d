"""Runs a cell over the WebSocket of a kernel, on the server's Unix socket, and prints what it printed."""

import json
import socket
import struct
import sys

path, url, code = sys.argv[1:]
server = socket.socket(socket.AF_UNIX)
server.settimeout(60)
server.connect(path)
server.sendall(
    f"GET {url} HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    "Authorization: token visitor\r\n\r\n".encode()
)
read = server.makefile("rb")
status = read.readline()
assert b" 101 " in status, status
while read.readline() != b"\r\n":
    pass
header = {"msg_id": "1", "msg_type": "execute_request", "session": "1", "username": "ada", "version": "5.3"}
content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}
text = json.dumps(message).encode()
server.sendall(b"\x81\xfe" + struct.pack(">H", len(text)) + b"\0\0\0\0" + text)
while True:
    length = read.read(2)[1] & 127
    if length > 125:
        length = struct.unpack(">H" if length == 126 else ">Q", read.read(2 if length == 126 else 8))[0]
    frame = read.read(length)
    if frame[:1] == b"{" and json.loads(frame)["msg_type"] == "stream":
        print(json.loads(frame)["content"]["text"])
        break
