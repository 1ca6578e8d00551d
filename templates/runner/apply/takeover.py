# The end of another hub.

def processes(unit):
    """What runs in a unit, also when it has ended."""
    group = run("systemctl", "show", "--value", "--property=ControlGroup", unit).strip()
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd") if group else ():
        with contextlib.suppress(OSError), open(root + group + "/cgroup.procs") as file:
            return [int(line) for line in file]
    return []


def op_end_servers(step):
    """Ends a hub, its users' servers, and what is left in its units: servers may be processes of the hub's."""
    run("systemctl", "stop", *step["hub"], deadline=180, ok=(0, 5))  # 5: one is not there
    run("systemctl", "stop", step["servers"], *step["ways"], deadline=300)
    for unit in step["hub"]:
        for number in (signal.SIGTERM, signal.SIGKILL):
            until = time.monotonic() + 10
            for pid in processes(unit):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            while processes(unit) and time.monotonic() < until:
                time.sleep(0.2)
    # What one of them left: that it failed, what was set for it alone, its socket.
    subprocess.run(["systemctl", "reset-failed", step["servers"]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for path in glob.glob("/run/systemd/system/" + step["servers"] + ".d") + glob.glob(step["sockets"] + "/*"):
        op_remove(dict(path=path))


def op_set_aside(step):
    """Renames a database that nobody has open. What it consists of beside its file is joined with it first."""
    import sqlite3
    path, target = step["path"], step["path"] + time.strftime(".until-%Y-%m-%dT%H%M%SZ", time.gmtime())
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        detail("%s: %s; it is kept as it is" % (path, error))
    # Room that hubd kept for it on a full disk; nobody writes it any more.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path + ".reserve")
    # The file itself last: the next database must not find the log of this one.
    for suffix in ("-wal", "-shm", "-journal", ""):
        if os.path.lexists(path + suffix):
            os.rename(path + suffix, target + suffix)
