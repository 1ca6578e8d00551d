# Reports what is on this host, as one JSON object on the last line. Changes nothing of it. Python 3.8, standard library only.
# It is followed by a call of observe(REQUEST); nothing else is read.
import calendar, glob, grp, hashlib, json, os, pwd, re, stat, struct, subprocess, sys, time


def emit(event, **fields):
    print(json.dumps(dict(event=event, **fields)), flush=True)


def call(*argv, deadline=30):
    """Output of a command, or None where it is not there, fails or takes too long."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=deadline, env=dict(os.environ, LC_ALL="C.UTF-8", SYSTEMD_COLORS="0"))
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return None


def cloud_init_state():
    """`cloud-init status` is a slow program; its result is a file."""
    try:
        with open("/run/cloud-init/result.json") as file:
            return "error" if json.load(file)["v1"].get("errors") else "done"
    except (OSError, ValueError, KeyError):
        pass
    try:
        done = subprocess.run(["cloud-init", "status"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=30)
    except OSError:
        return "absent"
    except subprocess.TimeoutExpired:
        return "no answer"
    return done.stdout.decode(errors="replace").strip().replace("status: ", "").split("\n")[0] or "unknown"


def wait_for_cloud_init(deadline):
    """Waits until cloud-init has finished; it may still be installing packages and placing keys."""
    started = time.monotonic()
    while True:
        state = cloud_init_state()
        if state not in ("running", "not started", "not run", "unknown", "no answer"):
            return state
        elapsed = time.monotonic() - started
        if elapsed > deadline:
            return "still " + state
        emit("waiting", what="cloud-init", state=state, elapsed=elapsed, deadline=deadline)
        time.sleep(1)


def name_of(table, number):
    try:
        return table(number)[0]
    except KeyError:
        return str(number)


def file_facts(path, with_text):
    try:
        info = os.lstat(path)
    except OSError:
        return None
    facts = dict(owner=name_of(pwd.getpwuid, info.st_uid), group=name_of(grp.getgrgid, info.st_gid),
                 mode="%04o" % stat.S_IMODE(info.st_mode))
    if stat.S_ISLNK(info.st_mode):
        facts.update(kind="link", target=os.readlink(path))
    elif stat.S_ISDIR(info.st_mode):
        facts.update(kind="folder")
    elif stat.S_ISREG(info.st_mode):
        with open(path, "rb") as file:
            content = file.read()
        facts.update(kind="file", sha256=hashlib.sha256(content).hexdigest())
        if with_text and len(content) < 1 << 20:
            facts.update(text=content.decode(errors="replace"))
    else:
        facts.update(kind="other")
    return facts


def changed_at(path):
    """When a file, or the newest file directly in a folder, last changed; 0 where there is none."""
    newest = 0.0
    for one in [path] + (glob.glob(path + "/*") if os.path.isdir(path) else []):
        try:
            info = os.stat(one)
        except OSError:
            continue
        newest = max(newest, info.st_mtime, info.st_ctime)
    return newest


UNIT_KEYS = ("Id,LoadState,ActiveState,SubState,UnitFileState,InactiveExitTimestamp,NeedDaemonReload,Result")


def units_facts(units):
    """All units in one call."""
    shown = call("systemctl", "show", "--timestamp=us+utc", "--property=" + UNIT_KEYS, "--", *[one["name"] for one in units])
    found = {}
    for block in (shown or "").split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        found[values.get("Id")] = values
    return {one["name"]: unit_facts(found.get(one["name"], {}), one["reads"]) for one in units}


def unit_facts(values, reads):
    started = 0.0
    match = re.match(r"\w+ (\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)(\.\d+)? UTC", values.get("InactiveExitTimestamp", ""))
    if match:
        started = calendar.timegm(tuple(int(n) for n in match.groups()[:6])) + float(match.group(7) or 0)
    newest = max([(changed_at(path), path) for path in reads] or [(0.0, "")])
    return dict(load=values.get("LoadState", "not-found"), active=values.get("ActiveState", "unknown"),
                sub=values.get("SubState", ""), enabled=values.get("UnitFileState", ""), started=started,
                newest=newest[0], newest_path=newest[1], needs_reload=values.get("NeedDaemonReload") == "yes",
                result=values.get("Result", ""))


def servers(hub, pattern):
    """How many users' servers run: units of their own, or processes that the hub's unit would leave behind."""
    listed = call("systemctl", "list-units", "--plain", "--no-legend", "--state=active,activating", pattern) or ""
    group = call("systemctl", "show", "--value", "--property=ControlGroup", hub) or ""
    inside = 0
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd") if group.strip() else ():
        pids = (read(root + group.strip() + "/cgroup.procs") or "").split()
        inside = max(inside, sum("jupyterhub-singleuser" in (read("/proc/%s/cmdline" % pid) or "") for pid in pids))
    return len(listed.splitlines()) + inside


def account_facts(name):
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    groups = [group.gr_name for group in grp.getgrall() if name in group.gr_mem]
    try:
        groups.append(grp.getgrgid(entry.pw_gid).gr_name)
    except KeyError:
        pass
    return dict(uid=entry.pw_uid, home=entry.pw_dir, shell=entry.pw_shell, groups=sorted(set(groups)))


def key_users():
    """Accounts with sudo that can log in by key today: they must stay able to."""
    admins = set()
    for name in ("sudo", "admin", "wheel"):
        try:
            entry = grp.getgrnam(name)
        except KeyError:
            continue
        admins.update(entry.gr_mem)
        admins.update(user.pw_name for user in pwd.getpwall() if user.pw_gid == entry.gr_gid)
    for path in ["/etc/sudoers"] + glob.glob("/etc/sudoers.d/*"):
        for line in (read(path) or "").splitlines():
            match = re.match(r"([a-z_][\w.-]*)\s+\S+\s*=.*ALL", line)
            if match:
                admins.add(match.group(1))
    users = []
    for name in sorted(admins):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        keys = read(os.path.join(entry.pw_dir, ".ssh/authorized_keys")) or ""
        if entry.pw_uid and re.search(r"^\s*[^#\s]", keys, re.M):
            users.append(name)
    return users


def open_homes(base):
    homes = []
    for path in sorted(glob.glob(base + "/*")):
        info = os.lstat(path)
        if stat.S_ISDIR(info.st_mode) and info.st_uid >= 1000 and stat.S_IMODE(info.st_mode) & 0o077:
            homes.append(path)
    return homes


def venv_facts(path):
    version = re.search(r"^version(?:_info)? *= *(\S+)", read(path + "/pyvenv.cfg") or "", re.M)
    # The distribution's Python that it was made from may have gone with an upgrade.
    libraries = glob.glob(path + "/lib/python3*/site-packages")
    running = "python%d.%d" % sys.version_info[:2]
    if not version or not os.access(path + "/bin/python", os.X_OK) or running not in str(libraries):
        return None
    packages = {}
    for folder in glob.glob(path + "/lib/python3*/site-packages/*.dist-info"):
        name, _, number = os.path.basename(folder)[:-len(".dist-info")].rpartition("-")
        packages[re.sub(r"[-_.]+", "-", name).lower()] = number
    return dict(python=version.group(1), packages=packages)


def npm_facts(folder, package):
    try:
        return json.loads(read("%s/node_modules/%s/package.json" % (folder, package)) or "{}").get("version")
    except ValueError:
        return None


def container_facts(asked):
    """What the container engine has of what is asked about; None where there is no engine."""
    if not os.path.exists("/usr/bin/docker") or call("docker", "version", "--format", "{{.Server.Version}}") is None:
        return None
    shown = call("docker", "network", "inspect", asked["network"], "--format",
                 '{{index .Options "com.docker.network.bridge.name"}} {{(index .IPAM.Config 0).Subnet}}') or ""
    device, _, subnet = shown.strip().partition(" ")
    return dict(network=subnet if device == asked["device"] else None,
                image=call("docker", "image", "inspect", "--format", "{{.Id}}", asked["image"]) is not None)


def sshd_facts():
    values = {}
    # In a container or before its first start sshd may lack its folder, and then does not check its configuration.
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    for line in (call("/usr/sbin/sshd", "-T") or "").splitlines():
        key, _, value = line.partition(" ")
        values.setdefault(key, []).append(value)
    return values or None


def port_holders(ports):
    wanted, holders = {}, []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in (read(table) or "").splitlines()[1:]:
            words = line.split()
            port = int(words[1].rsplit(":", 1)[1], 16)
            if words[3] == "0A" and port in ports:
                wanted["socket:[%s]" % words[9]] = port
    if not wanted:
        return []
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            port = wanted.get(os.readlink(link))
        except OSError:
            continue
        if port is None:
            continue
        pid = int(link.split("/")[2])
        unit = re.search(r"/([^/\n]+\.(?:service|scope|socket))", read("/proc/%d/cgroup" % pid) or "")
        holder = dict(port=port, pid=pid, process=(read("/proc/%d/comm" % pid) or "?").strip(),
                      unit=unit.group(1) if unit else None)
        if holder not in holders:
            holders.append(holder)
    return holders


def mounts():
    found = {}
    for line in (read("/proc/self/mounts") or "").splitlines():
        words = line.split()
        found[words[1]] = dict(source=words[0], kind=words[2])
    return found


def volume_facts(device):
    """What is on the data volume: nothing at all, or something that must not be formatted."""
    path = os.path.realpath(device)
    if not os.path.exists(path):
        return dict(device=device, present=False)
    tags = {}
    for line in (call("blkid", "-p", "-o", "export", path) or "").splitlines():
        key, _, value = line.partition("=")
        tags[key] = value
    # Partitions and signatures that blkid does not report by itself.
    wiped = (call("wipefs", "--noheadings", "--parsable", path) or "").strip()
    parts = [one for one in glob.glob(path + "*") if one != path]
    with open(path, "rb") as disk:
        start = disk.read(1 << 20)
        size = disk.seek(0, os.SEEK_END)
    if tags.get("TYPE") == "ext4":  # Blocks (both halves) times their size, from the superblock.
        low, shift, high = (struct.unpack_from("<I", start, 1024 + at)[0] for at in (4, 24, 0x150))
        tags["SIZE"] = (low + (high << 32)) * (1024 << shift)
    empty = not tags.get("TYPE") and not tags.get("PTTYPE") and not wiped and not parts and not start.strip(b"\0")
    return dict(device=device, present=True, empty=empty, kind=tags.get("TYPE"), uuid=tags.get("UUID"),
                size=size, used=tags.get("SIZE"),
                mounted=[where for where, what in mounts().items() if os.path.realpath(what["source"]) == path])


def proxy_status(place):
    """What hubproxy says of itself."""
    import http.client, socket
    link = http.client.HTTPConnection("localhost", timeout=5)
    try:
        with open(place["token"]) as file:
            token = file.read().strip()
        if place["listen"].startswith("/"):
            link.sock = socket.socket(socket.AF_UNIX)
            link.sock.settimeout(5)
            link.sock.connect(place["listen"])
        else:
            host, _, port = place["listen"].rpartition(":")
            link.sock = socket.create_connection((host, int(port)), timeout=5)
        link.request("GET", "/api/status", headers={"Authorization": "token " + token})
        answer = link.getresponse()
        body = answer.read()
        return json.loads(body) if answer.status == 200 else dict(error="status %d" % answer.status)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return dict(error=str(error))
    finally:
        link.close()


def busy_pid(lock):
    import fcntl
    try:
        with open(lock) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(file.read().strip() or 0)
    except (OSError, ValueError):
        pass
    return None


def dpkg_facts():
    """Installed packages, and whether dpkg was ended in the middle of its work."""
    installed, interrupted = {}, bool(glob.glob("/var/lib/dpkg/updates/[0-9]*"))
    for block in (read("/var/lib/dpkg/status") or "").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Status): (.*)$", block, re.M))
        state = fields.get("Status", "").split(" ")[-1]
        if state == "installed":
            installed[fields.get("Package")] = fields.get("Version")
        interrupted = interrupted or state in ("unpacked", "half-configured", "half-installed", "triggers-awaited")
    return installed, interrupted


def observe(request):
    cloud_init = wait_for_cloud_init(request["cloud_init_deadline"])
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', read("/etc/os-release") or "", re.M))
    installed, interrupted = dpkg_facts()
    meminfo = dict(re.findall(r"^(\w+):\s+(\d+) kB", read("/proc/meminfo") or "", re.M))
    disk = os.statvfs("/")
    facts = dict(
        cloud_init=cloud_init,
        os=dict(id=release.get("ID", ""), version=release.get("VERSION_ID", ""), name=release.get("PRETTY_NAME", "")),
        arch=os.uname().machine,
        hostname=os.uname().nodename,
        container=os.path.exists("/run/systemd/container"),
        files={one["path"]: file_facts(one["path"], one["text"]) for one in request["files"]},
        packages={name: installed.get(name) for name in request["packages"]},
        units=units_facts(request["units"]),
        servers={one["hub"]: servers(one["hub"], one["units"]) for one in request["servers"]},
        accounts={name: account_facts(name) for name in request["accounts"]},
        groups={name: group_members(name) for name in request["groups"]},
        key_users=key_users(),
        open_homes=open_homes("/home"),
        containers=container_facts(request["containers"]) if request.get("containers") else None,
        venvs={path: venv_facts(path) for path in request["venvs"]},
        npm={one["folder"]: npm_facts(one["folder"], one["package"]) for one in request["npm"]},
        sshd=sshd_facts(),
        nft={table: call("nft", "list", "table", *table.split()) for table in request["tables"]},
        memory_kb=int(meminfo.get("MemTotal", 0)),
        swap_kb=int(meminfo.get("SwapTotal", 0)),
        disk_free_mb=disk.f_bavail * disk.f_frsize >> 20,
        home_mount=mounts().get("/home", {}).get("source"),
        volume=volume_facts(request["volume"]) if request["volume"] else None,
        timezone=os.path.realpath("/etc/localtime").replace("/usr/share/zoneinfo/", ""),
        reboot_required=os.path.exists("/run/reboot-required"),
        dpkg_interrupted=interrupted,
        ports=port_holders(request["ports"]),
        proxy=proxy_status(request["proxy"]) if request.get("proxy") else None,
        busy=busy_pid(request["lock"]),
    )
    emit("facts", facts=facts)


def group_members(name):
    try:
        return sorted(grp.getgrnam(name).gr_mem)
    except KeyError:
        return None
