

# The account of a check: there while the connection is, gone with it.
import select
import signal


def check(settings):
    """Makes a temporary account, says so, and removes it when the input ends or the time is up."""
    name = settings["name"]
    if not re.fullmatch(CHECK + r"[a-z0-9]{4,12}", name) or not HASH.fullmatch(settings["hash"]):
        raise Problem("the account of a check has a name and a hash of its own")
    for number in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    accounts = Accounts(settings)
    deadline = time.monotonic() + settings.get("seconds", 300)
    os.makedirs(accounts.at("/run/hubctl"), 0o700, exist_ok=True)
    # Whoever holds its lock is alive; a check whose lock is free was killed.
    with accounts.locked():
        lock = claim(accounts, name)
        dead = unclaimed(accounts, name)
    try:
        for other, held in dead:
            remove(accounts, settings, other)
            os.close(held)
        swept = [other for other, _ in dead]
        with accounts.locked():
            accounts.load()
            # From the top, so that the numbers of people are not used up.
            number = next(n for n in range(accounts.last, accounts.last - 1000, -1) if n not in accounts.used)
            accounts.sweep_homes()
            accounts.make(name, settings["hash"], (number, number))
            accounts.save()
        say(ready=name, swept=swept)
        while time.monotonic() < deadline:
            if select.select([sys.stdin.buffer], [], [], 1)[0] and not os.read(0, 4096):
                break
    finally:
        left = remove(accounts, settings, name)
        os.close(lock)
        with contextlib.suppress(OSError):
            say(gone=name, left=left)


def claim(accounts, name):
    """The lock of a check, or None where it is held."""
    handle = os.open(accounts.at(f"/run/hubctl/{name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return handle
    except BlockingIOError:
        os.close(handle)
        return None


def unclaimed(accounts, own):
    """What checks left that were killed without a chance to clean up (the server was switched off), and their locks."""
    accounts.load()
    names = {name for table in (accounts.passwd, accounts.shadow, accounts.group) for name in table.named}
    names |= {entry.name for entry in os.scandir(accounts.at(accounts.homes))}
    names |= {entry.name.removesuffix(".lock") for entry in os.scandir(accounts.at("/run/hubctl"))}
    found = ((name, claim(accounts, name)) for name in sorted(names) if name.startswith(CHECK) and name != own)
    return [(name, lock) for name, lock in found if lock is not None]


def remove(accounts, settings, name):
    """Removes the hub's user, processes, account, home and lock of a check; what could not be removed is returned."""
    left = []
    with accounts.locked():
        accounts.load()
        if name in accounts.shadow.named:
            # Whatever takes how long from here on: nobody logs in any more.
            accounts.shadow.named[name][1] = "!"
            accounts.save()
    row = accounts.passwd.named.get(name)
    home = accounts.at(f"{accounts.homes}/{name}")
    uid = int(row[2]) if row else os.lstat(home).st_uid if os.path.lexists(home) else None
    # Checks have numbers of their own, at the top; whatever else a leftover folder belongs to is not ours to end.
    own = uid is not None and accounts.last - 1000 < uid <= accounts.last and accounts.root == "/"
    # The hub first: a server that it is starting, and that ends before it has started, keeps it waiting for a minute.
    problem = forget_user(settings, name)
    if problem:
        left.append(problem)
    if own:
        end_processes(settings, name, uid)
        sweep_folders(uid)
    with accounts.locked():
        accounts.load()
        accounts.forget(name)
        # The account goes first: without it the rest is nothing.
        accounts.save((accounts.passwd, accounts.shadow, accounts.group, accounts.gshadow))
    for folder in settings.get("folders", []):
        discard(accounts.at(folder.replace("{name}", name)))
    discard(home)
    if os.path.lexists(home):
        left.append(f"{accounts.homes}/{name} could not be removed")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(accounts.at(f"/run/hubctl/{name}.lock"))
    return left


def discard(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def sweep_folders(uid):
    """Removes what a user left where everybody may leave something."""
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_uid == uid:
                    discard(entry.path)


def quietly(*command):
    import subprocess

    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=30, check=False)


def end_processes(settings, name, uid):
    for unit in [unit.replace("{name}", name) for unit in settings.get("units", [])] + [f"user@{uid}.service"]:
        quietly("systemctl", "kill", "--signal=KILL", unit)
        quietly("systemctl", "stop", unit)
        quietly("systemctl", "reset-failed", unit)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = False
        for entry in os.scandir("/proc"):
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == uid:
                    os.kill(int(entry.name), signal.SIGKILL)
                    found = True
        if not found:
            return
        time.sleep(0.05)
