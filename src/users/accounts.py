"""Accounts of notebook users, all in one go.

Comes over standard input to `python3 -I -c`, runs as root, is never stored on the server. Speaks JSON, one object a
line. The four account files are each replaced whole under the lock that useradd and systemd-sysusers take as well, in
an order that makes an account exist last; homes appear under their name only when they are complete. So a run that is
killed anywhere leaves what the next run finishes.
"""
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import time

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
HASH = re.compile(r"\$(?:5|6|y)\$[./=,$A-Za-z0-9]{8,200}")
CHECK = "hubctl-check-"
LEDGER = "/var/lib/hubctl/users.json"
# Making a file mostly waits for the disk; so many homes wait side by side.
BUILDERS = 8


class Problem(Exception):
    pass


def say(**what):
    print(json.dumps(what), flush=True)


def listen():
    line = sys.stdin.buffer.readline()
    return json.loads(line) if line.strip() else None


class Table:
    """One of the account files: lines of fields, in order. Lines it does not understand are kept."""

    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            self.text = file.read()
        self.rows = [line.split(":") for line in self.text.splitlines()]
        self.named = {row[0]: row for row in reversed(self.rows) if len(row) > 1}

    def put(self, *fields):
        row = [str(field) for field in fields]
        self.rows.append(row)
        self.named[row[0]] = row

    def drop(self, name):
        self.rows = [row for row in self.rows if row[0] != name]
        self.named.pop(name, None)

    def save(self):
        text = "".join(":".join(row) + "\n" for row in self.rows)
        if text != self.text:
            old = os.stat(self.path)
            replace(self.path, text, old.st_uid, old.st_gid, stat.S_IMODE(old.st_mode))
            self.text = text


def replace(path, text, uid, gid, mode):
    """Gives a file another content, whole or not at all."""
    new = path + ".hubctl"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fchown(handle, uid, gid)
        os.fchmod(handle, mode)
        os.fsync(handle)
    os.rename(new, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def digest(password):
    """Of a hash: enough to know it again, too little to try passwords against."""
    return hashlib.sha256(password.encode()).hexdigest()[:32]


class Ledger:
    """What hubctl did: whose account it made, and which passwords it gave. So what was done by hand is told from it.

    It is written before the account files, and so it may know of what did not come to be: of two passwords of which the
    second was not set yet, either is one it gave.
    """

    def __init__(self, path):
        self.path = path
        self.text = ""
        self.of = {}
        with contextlib.suppress(FileNotFoundError, ValueError), open(path, encoding="utf-8") as file:
            self.text = file.read()
            self.of = dict(json.loads(self.text)["users"])

    def made(self, name):
        self.of.setdefault(name, {})["made"] = True

    def has_made(self, name):
        return self.of.get(name, {}).get("made", False)

    def given(self, name, password, before):
        self.of.setdefault(name, {})["given"] = [digest(each) for each in (password, before) if each]

    def has_given(self, name, password):
        """Whether the password is one that hubctl gave; None where it never gave one."""
        given = self.of.get(name, {}).get("given")
        return None if given is None else digest(password) in given

    def save(self, names):
        self.of = {name: self.of[name] for name in sorted(self.of) if name in names}
        text = json.dumps({"users": self.of}) + "\n"
        if text == self.text or not (self.of or self.text):
            return
        os.makedirs(os.path.dirname(self.path), 0o755, exist_ok=True)
        replace(self.path, text, 0, 0, 0o600)
        self.text = text


class Skeleton:
    """What a new home begins with, read once however many homes are made of it."""

    SMALL = 1 << 20

    def __init__(self, path):
        self.path = path
        self.entries = []
        for folder, folders, files, at in os.fwalk(path):
            for name in folders + files:
                found = os.stat(name, dir_fd=at, follow_symlinks=False)
                inside = os.path.relpath(os.path.join(folder, name), path)
                if stat.S_ISLNK(found.st_mode):
                    self.entries.append((inside, "link", 0, os.readlink(name, dir_fd=at)))
                elif stat.S_ISDIR(found.st_mode):
                    self.entries.append((inside, "folder", found.st_mode & 0o777, None))
                elif stat.S_ISREG(found.st_mode):
                    self.entries.append((inside, "file", found.st_mode & 0o777, self.content(inside, found.st_size)))

    def content(self, inside, size):
        """Of a small file; a large one is read again for each home."""
        if size > self.SMALL:
            return None
        with open(os.path.join(self.path, inside), "rb") as file:
            return file.read()

    def build(self, home, uid, gid):
        """Makes a whole home. It is root's alone until nothing is missing."""
        os.mkdir(home, 0o700)
        at = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            for inside, kind, mode, content in self.entries:
                if kind == "link":
                    os.symlink(content, inside, dir_fd=at)
                    os.chown(inside, uid, gid, dir_fd=at, follow_symlinks=False)
                elif kind == "folder":
                    os.mkdir(inside, 0o700, dir_fd=at)
                    os.chown(inside, uid, gid, dir_fd=at, follow_symlinks=False)
                    os.chmod(inside, mode, dir_fd=at)
                else:
                    with open(os.open(inside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=at),
                              "wb", buffering=0) as file:
                        os.fchown(file.fileno(), uid, gid)
                        if mode != 0o600:
                            os.fchmod(file.fileno(), mode)
                        if content is None:
                            with open(os.path.join(self.path, inside), "rb") as source:
                                shutil.copyfileobj(source, file)
                        elif file.write(content) != len(content):
                            raise Problem(f"{home} could not be written whole")
            os.fchmod(at, 0o700)
            os.fchown(at, uid, gid)
        finally:
            os.close(at)


class Accounts:
    def __init__(self, settings):
        self.root = settings.get("root", "/")
        self.group_name = settings["group"]
        self.admin_name = settings["admin_group"]
        self.homes = settings.get("homes", "/home")
        self.shell = settings.get("shell", "/bin/bash")
        self.due = []

    def at(self, path):
        return os.path.join(self.root, path.lstrip("/"))

    @contextlib.contextmanager
    def locked(self, seconds=60):
        """Keeps useradd, systemd-sysusers and other runs of ours out."""
        handle = os.open(self.at("/etc/.pwd.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + seconds
            while True:
                try:
                    fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if error.errno not in (errno.EACCES, errno.EAGAIN):
                        raise
                    if time.monotonic() > deadline:
                        raise Problem("another program has been changing accounts for a minute") from None
                    time.sleep(0.05)
            yield
        finally:
            os.close(handle)

    def load(self):
        self.passwd, self.shadow, self.group = (
            Table(self.at("/etc/" + file)) for file in ("passwd", "shadow", "group"))
        self.ledger = Ledger(self.at(LEDGER))
        gshadow = self.at("/etc/gshadow")
        self.gshadow = Table(gshadow) if os.path.exists(gshadow) else None
        for group in (self.group_name, self.admin_name):
            if group not in self.group.named:
                raise Problem(f"the server has no group {group}")
        self.lists = {(table, group): list(filter(None, table.named[group][3].split(",")))
                      for table in filter(None, (self.group, self.gshadow))
                      for group in (self.group_name, self.admin_name) if group in table.named}
        self.listed = {key: set(members) for key, members in self.lists.items()}
        self.members = {group: self.listed[self.group, group] for group in (self.group_name, self.admin_name)}
        self.limits()

    def limits(self):
        found = {"UID_MIN": 1000, "UID_MAX": 60000}
        with contextlib.suppress(FileNotFoundError), open(self.at("/etc/login.defs")) as file:
            for line in file:
                words = line.split()
                if len(words) > 1 and words[0] in found and words[1].isdigit():
                    found[words[0]] = int(words[1])
        self.first, self.last = max(1000, found["UID_MIN"]), found["UID_MAX"]
        self.uids = {int(row[2]) for row in self.passwd.rows if len(row) > 2 and row[2].isdigit()}
        self.gids = {int(row[2]) for row in self.group.rows if len(row) > 2 and row[2].isdigit()}
        # What lies on a kept volume belongs to whoever had that number; nobody else shall get it.
        homes = os.stat(self.at(self.homes))
        if homes.st_uid != 0 or homes.st_mode & 0o022:
            raise Problem(f"{self.homes} may be written by others than root")
        self.owners = set()
        for entry in os.scandir(self.at(self.homes)):
            self.owners.add(entry.stat(follow_symlinks=False).st_uid)
        self.used = self.uids | self.gids | self.owners
        self.next = max([n for n in self.used if self.first <= n <= self.last - 1000], default=self.first - 1)

    def ours(self, name):
        """A notebook user's account, and not one of the system's or of its operators'."""
        return name in self.members[self.group_name] and int(self.passwd.named[name][2]) >= self.first

    def missing(self, name):
        """The parts that an account of ours lacks."""
        row = self.passwd.named[name]
        parts = []
        shadow = self.shadow.named.get(name)
        if shadow is None or shadow[1] in ("", "!", "!!", "*", "x"):
            parts.append("password")
        try:
            home = os.lstat(self.at(row[5]))
            if not stat.S_ISDIR(home.st_mode) or home.st_uid != int(row[2]):
                parts.append("home")
        except FileNotFoundError:
            parts.append("home")
        return parts

    def refusal(self, name):
        """Why an account of this name must not be made, if it must not."""
        if not NAME.fullmatch(name):
            return "is not a name that Linux takes"
        if name in self.passwd.named:
            if not self.ours(name):
                return "is an account of the server's own"
        elif name in self.group.named and name not in self.members[self.group_name]:
            return "is a group of the server's own"
        home = self.at(f"{self.homes}/{name}")
        with contextlib.suppress(FileNotFoundError):
            found = os.lstat(home)
            if not stat.S_ISDIR(found.st_mode):
                return f"has something else than a folder as {self.homes}/{name}"
            if found.st_uid < self.first:
                return f"has a home that belongs to the system: {self.homes}/{name}"
        return None

    def new_id(self):
        """A number that is neither a user's nor a group's nor the owner's of a home that was kept."""
        number = self.next + 1
        while number in self.used:
            number += 1
        if number > self.last - 1000:
            number = next((n for n in range(self.first, self.last - 1000) if n not in self.used), None)
            if number is None:
                raise Problem("the server has no user ids left")
        else:
            self.next = number
        return number

    def ids(self, name):
        """The user and group id for a new account; a home that is there keeps its owner where it can."""
        group = self.group.named.get(name)
        with contextlib.suppress(FileNotFoundError):
            owner = os.lstat(self.at(f"{self.homes}/{name}")).st_uid
            if owner not in self.uids and owner <= self.last:
                uid = owner
                gid = int(group[2]) if group else (uid if uid not in self.gids else self.new_id())
                return uid, gid
        number = int(group[2]) if group and int(group[2]) not in self.uids else self.new_id()
        return number, int(group[2]) if group else number

    def make_homes(self):
        """Makes the homes that are due, side by side. Each appears under its name when it is whole."""
        from concurrent.futures import ThreadPoolExecutor

        skeleton = Skeleton(self.at("/etc/skel"))

        def make(due):
            name, uid, gid = due
            home = self.at(f"{self.homes}/{name}")
            if os.path.lexists(home):
                self.take_home(home, uid, gid)
            else:
                building = self.at(f"{self.homes}/.hubctl-{name}")
                skeleton.build(building, uid, gid)
                os.rename(building, home)

        due, self.due = self.due, []
        with ThreadPoolExecutor(BUILDERS) as builders:
            for _ in builders.map(make, due):
                pass

    def take_home(self, home, uid, gid):
        """A kept home whose number went to someone else in the meantime changes its owner; no link is followed."""
        handle = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            owner = os.fstat(handle).st_uid
            if owner != uid:
                for _, folders, files, at in os.fwalk(".", dir_fd=handle, topdown=False):
                    for entry in files + folders:
                        found = os.stat(entry, dir_fd=at, follow_symlinks=False)
                        if found.st_uid == owner and (found.st_nlink == 1 or stat.S_ISDIR(found.st_mode)):
                            os.chown(entry, uid, gid, dir_fd=at, follow_symlinks=False)
                os.fchown(handle, uid, gid)
            os.fchmod(handle, 0o700)
        finally:
            os.close(handle)

    def sweep_homes(self):
        """Removes homes that a killed run had not finished."""
        for entry in list(os.scandir(self.at(self.homes))):
            if entry.name.startswith(".hubctl-") and entry.is_dir(follow_symlinks=False):
                # Whoever put it aside may be removing it, too.
                shutil.rmtree(entry.path, ignore_errors=True)

    def make(self, name, password, ids=None):
        """Makes an account, or what it lacks, in memory. `save` makes it real."""
        row = self.passwd.named.get(name)
        uid, gid = (int(row[2]), int(row[3])) if row else ids or self.ids(name)
        self.uids.add(uid)
        self.gids.add(gid)
        self.used |= {uid, gid}
        self.due.append((name, uid, gid))
        if name not in self.group.named:
            self.group.put(name, "x", gid, "")
        if self.gshadow and name not in self.gshadow.named:
            self.gshadow.put(name, "!", "", "")
        self.join(self.group_name, name)
        if row is None or "password" in self.missing(name):
            self.give(name, password)
        if row is None:
            if not name.startswith(CHECK):
                self.ledger.made(name)
            self.passwd.put(name, "x", uid, gid, "", f"{self.homes}/{name}", self.shell)

    def give(self, name, password):
        """Sets a password, in memory."""
        today = int(time.time() // 86400)
        shadow = self.shadow.named.get(name)
        before = shadow[1] if shadow else None
        if shadow is None:
            self.shadow.put(name, password, today, 0, 99999, 7, "", "", "")
        else:
            shadow[1], shadow[2] = password, str(today)
        if not name.startswith(CHECK):
            self.ledger.given(name, password, before)

    def join(self, group, name):
        for table in filter(None, (self.group, self.gshadow)):
            key = table, group
            if key in self.lists and name not in self.listed[key]:
                self.lists[key].append(name)
                self.listed[key].add(name)

    def forget(self, name):
        """Removes an account from the files, in memory."""
        for table in filter(None, (self.passwd, self.shadow, self.group, self.gshadow)):
            table.drop(name)
        for table in filter(None, (self.group, self.gshadow)):
            for row in table.rows:
                if len(row) > 3 and name in row[3].split(","):
                    row[3] = ",".join(member for member in row[3].split(",") if member and member != name)
        for key, members in self.lists.items():
            self.lists[key] = [member for member in members if member != name]
            self.listed[key].discard(name)

    def save(self, tables=None):
        """An account that is in passwd has everything else; one that is not is nobody's yet."""
        if self.due:
            self.make_homes()
        for (table, group), members in self.lists.items():
            table.named[group][3] = ",".join(members)
        if tables is None:
            # Before the accounts it is about; of those that go, it forgets after them.
            self.ledger.save(self.passwd.named)
        for table in filter(None, tables or (self.gshadow, self.group, self.shadow, self.passwd)):
            table.save()
        self.ledger.save(self.passwd.named)

    def password(self, name):
        """Whose the password is: `given` by hubctl, `changed` since, `locked`, `none`, or `unknown` where it gave none."""
        row = self.shadow.named.get(name)
        held = row[1] if row else ""
        if held in ("", "!", "!!", "*", "x"):
            return "none"
        if held.startswith("!"):
            return "locked"
        given = self.ledger.has_given(name, held)
        return "unknown" if given is None else "given" if given else "changed"

    def describe(self):
        people = []
        for row in self.passwd.rows:
            name = row[0]
            if len(row) > 5 and name in self.members[self.group_name] and not name.startswith(CHECK):
                if int(row[2]) >= self.first:
                    shadow = self.shadow.named.get(name)
                    people.append({"name": name, "uid": int(row[2]), "admin": name in self.members[self.admin_name],
                                   "missing": self.missing(name), "made": self.ledger.has_made(name),
                                   "password": self.password(name), "digest": digest(shadow[1]) if shadow else ""})
        return people


def add(settings):
    """Tells what is there, is told what to add, tells what was done."""
    accounts = Accounts(settings)
    accounts.load()
    say(accounts=accounts.describe(), taken=sorted(set(accounts.passwd.named) | set(accounts.group.named)))
    request = listen()
    if request is None:
        return
    done = {"created": [], "finished": [], "existing": [], "promoted": [], "refused": []}
    with accounts.locked():
        accounts.load()
        accounts.sweep_homes()
        for wanted in request["add"]:
            name, password = wanted["name"], wanted["hash"]
            if not HASH.fullmatch(password):
                raise Problem("a password is not hashed")
            reason = accounts.refusal(name)
            if reason:
                done["refused"].append({"name": name, "reason": reason})
            elif name not in accounts.passwd.named:
                accounts.make(name, password)
                done["created"].append(name)
            elif accounts.missing(name):
                parts = accounts.missing(name)
                accounts.make(name, password)
                done["finished"].append({"name": name, "parts": parts})
            else:
                done["existing"].append(name)
        for name in request["admins"]:
            if name in accounts.passwd.named and accounts.ours(name):
                if name not in accounts.members[accounts.admin_name]:
                    accounts.join(accounts.admin_name, name)
                    done["promoted"].append(name)
        accounts.save()
    say(**done)

