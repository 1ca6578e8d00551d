# Swap, and the homes' volume.

def op_swap(step):
    path = step["path"]
    if os.path.exists(path):
        subprocess.run(["swapoff", path], stderr=subprocess.DEVNULL)
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.posix_fallocate(fd, 0, step["size_mb"] << 20)
    os.close(fd)
    run("mkswap", path)
    run("swapon", path)
    fstab("%s none swap sw 0 0" % path, lambda words: words[0] == path)


def fstab(line, same):
    with open("/etc/fstab") as file:
        old = file.read().splitlines()
    kept = [one for one in old if one.strip().startswith("#") or not one.split() or not same(one.split())]
    write("/etc/fstab", ("\n".join(kept + [line]) + "\n").encode())


def op_volume(step):
    """The homes' volume: formatted only when it holds nothing at all; what is in /home today moves onto it once."""
    device = os.path.realpath(step["device"])
    if step["format"]:
        # Looked at once more, now: between the plan and this moment somebody may have put something there.
        kind = subprocess.run(["blkid", "-p", device], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        with open(device, "rb") as disk:
            start = disk.read(1 << 20)
        if kind.strip() or start.strip(b"\0"):
            raise Failed("%s is not empty any more; it was not formatted" % step["device"])
        # No lazy initialisation: a run killed now leaves a whole file system or none.
        run("mkfs.ext4", "-q", "-L", "hubctl-homes", "-m", "0", device, deadline=900)
    uuid = run("blkid", "-p", "-s", "UUID", "-o", "value", device).strip()
    stage = "/mnt/hubctl-homes"
    os.makedirs(stage, mode=0o700, exist_ok=True)
    subprocess.run(["umount", stage], stderr=subprocess.DEVNULL)
    run("mount", device, stage)
    try:
        # Copied, never moved: a killed run starts the copy again; what is newer on the volume stays.
        run("cp", "-a", "-u", "-T", "/home", stage, deadline=3600)
        os.chmod(stage, 0o755)
        run("sync", "-f", stage, deadline=600)
    finally:
        run("umount", stage)
        os.rmdir(stage)
    fstab("UUID=%s /home ext4 defaults,nofail,nosuid,nodev,x-systemd.device-timeout=30s 0 2" % uuid,
          lambda words: words[1] == "/home")
    definitions.read()
    run("mount", "/home")
