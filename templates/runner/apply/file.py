# Files: whole or not at all.

def ids(owner, group):
    return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid


def write(path, content, owner="root", group="root", mode="0644"):
    """Beside, synced, renamed: a reader sees the old or the new file. Secret content is never readable in between."""
    folder, temporary = os.path.dirname(path), path + ".hubctl-new"
    os.makedirs(folder, mode=0o755, exist_ok=True)
    if os.path.lexists(temporary):
        os.unlink(temporary)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fchown(fd, *ids(owner, group))
        os.fchmod(fd, int(mode, 8))
        os.fsync(fd)
    os.rename(temporary, path)
    definitions.written(path)
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def op_write(step):
    if step["path"].startswith("/etc/sudoers.d/"):
        # One that sudo does not understand would take every right from everybody.
        check = "/run/hubctl-sudoers"
        write(check, step["content"], mode="0440")
        try:
            run("visudo", "-c", "-q", "-f", check)
        finally:
            os.unlink(check)
    write(step["path"], step["content"], step["owner"], step["group"], step["mode"])


def op_folder(step):
    path = step["path"]
    os.makedirs(path, mode=0o700, exist_ok=True)
    os.chown(path, *ids(step["owner"], step["group"]))
    os.chmod(path, int(step["mode"], 8))


def op_owner(step):
    for path in step["paths"]:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            if step.get("owner"):
                os.fchown(fd, *ids(step["owner"], step["group"]))
            os.fchmod(fd, int(step["mode"], 8))
        finally:
            os.close(fd)


def op_remove(step):
    path = step["path"]
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
    definitions.written(path)
