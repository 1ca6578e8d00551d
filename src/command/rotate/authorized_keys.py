"""Lets SSH keys in and others no more, at the operator's login and at root's. Reads JSON; runs as root."""
import json
import os
import pwd
import stat
import sys


def code(line):
    """What a public key is, without options before and a name behind it."""
    words = line.split()
    for kind, blob in zip(words, words[1:]):
        if kind.startswith(("ssh-", "ecdsa-", "sk-")):
            return kind, blob
    return None


def codes(lines):
    return {found for found in map(code, lines) if found}


order = json.load(sys.stdin)
add, remove = codes(order["add"]), codes(order["remove"])
if add & remove:
    sys.exit("a key cannot both get in and not")
homes = order.get("homes") or [pwd.getpwnam(order["login"]).pw_dir, "/root"]
for place, home in enumerate(dict.fromkeys(homes)):
    path = os.path.join(home, ".ssh/authorized_keys")
    try:
        # The login's folder is the login's: root follows no link of its.
        at = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        handle = os.open("authorized_keys", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=at)
    except FileNotFoundError:
        if place == 0:
            raise
        continue
    with open(handle, encoding="utf-8", errors="surrogateescape") as file:
        old, text = os.fstat(handle), file.read()
    lines = [line for line in text.splitlines() if code(line) not in remove or line.lstrip().startswith("#")]
    if place == 0:
        known = codes(lines)
        lines += [line.strip() for line in order["add"] if code(line) not in known]
    new = "".join(line + "\n" for line in lines)
    if new == text:
        continue
    name = ".authorized_keys.hubctl"
    try:
        os.unlink(name, dir_fd=at)
    except FileNotFoundError:
        pass
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=at)
    with open(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(new)
        file.flush()
        os.fchown(handle, old.st_uid, old.st_gid)
        os.fchmod(handle, stat.S_IMODE(old.st_mode))
        os.fsync(handle)
    os.rename(name, "authorized_keys", src_dir_fd=at, dst_dir_fd=at)
    os.fsync(at)
