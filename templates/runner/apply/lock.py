# What was installed, to the version: the next time it is the same.

def lock_name(folder):
    return "/var/lib/hubctl/%s.lock" % os.path.basename(folder)


def lock_of(folder, wanted, told):
    """The file with what was installed for these very requirements, by an earlier run, if there was one. What the operator
    keeps counts more than what this server has."""
    head = b"# " + hashlib.sha256(wanted).hexdigest().encode() + b"\n"
    if told and told.encode().startswith(head):
        write(lock_name(folder), told.encode())
    try:
        with open(lock_name(folder), "rb") as file:
            return lock_name(folder) if file.readline() == head else None
    except OSError:
        return None


def constraints_of(folder, wanted, version, told):
    """The same as constraints for uv: the versions alone, and those of this Python."""
    held = lock_of(folder, wanted, told)
    if not held:
        return None
    with open(held) as file:
        lines = file.read().splitlines()
    pythons = [line[9:] for line in lines if line.startswith("# python ")]
    if pythons and pythons != [version]:
        detail("what was installed before is for Python %s, and this is %s: solved anew" % (pythons[0], version))
        return None
    path = "/run/hubctl-%s.constraints" % os.path.basename(folder)
    write(path, "".join(line + "\n" for line in lines if "==" in line and not line.startswith("#")).encode())
    return path


def keep_lock(folder, wanted, frozen):
    """What was installed: whoever installs it again, after an accident say, gets the same. The operator keeps it, too."""
    text = b"# %s\n" % hashlib.sha256(wanted).hexdigest().encode() + frozen
    write(lock_name(folder), text)
    emit("locked", folder=folder, text=text.decode(errors="replace"))
