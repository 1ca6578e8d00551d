"""Says how the server is: space, memory, services, users and their servers. Changes nothing.

Comes over standard input behind its own length, runs as root, is never stored on the server.
"""
import fnmatch
import grp
import json
import os
import pwd
import re
import subprocess

# What a user's server must be able to write to.
PLACES = ("/", "/home", "/var", "/tmp", "/run")
SHOWN = "Id,LoadState,ActiveState,SubState,Result,NRestarts,MemoryCurrent,StateChangeTimestamp"


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, text=True)
    return done.stdout


def shown(units):
    """Units as systemd has them, those only that it knows."""
    if not units:
        return []
    blocks = run("systemctl", "show", "--property=" + SHOWN, "--", *units).split("\n\n")
    found = []
    for block in blocks:
        said = dict(line.partition("=")[::2] for line in block.strip().splitlines())
        if said.get("LoadState") not in (None, "", "not-found"):
            memory = said.get("MemoryCurrent", "")
            found.append(dict(
                name=said["Id"], active=said["ActiveState"], sub=said["SubState"], result=said.get("Result", ""),
                since=said.get("StateChangeTimestamp", ""), restarts=int(said.get("NRestarts") or 0),
                # An accounting that is off is told as the largest number.
                memory=int(memory) if memory.isdigit() and int(memory) < 1 << 62 else None,
            ))
    return found


def processes(users):
    """Of each user: whether one of their processes is a notebook server, and what all of them use."""
    names, found = {}, {}
    for user in users:
        names[pwd.getpwnam(user).pw_uid] = user
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            user = names.get(os.stat("/proc/" + pid).st_uid)
            if user is None:
                continue
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                serves = b"jupyterhub-singleuser" in file.read()
            with open("/proc/%s/smaps_rollup" % pid) as file:
                memory = int(re.search(r"^Pss: +(\d+) kB$", file.read(), re.M).group(1)) * 1024
        except (OSError, AttributeError):
            # It ended.
            continue
        known = found.setdefault(user, [False, 0])
        known[0] |= serves
        known[1] += memory
    return found


def seats(patterns, users):
    """The servers of users that run now. Most are units; those of some spawners are containers, or processes of the hub's
    unit. A unit that runs the command of a container does not count what is in it."""
    found = {seat["user"]: seat for seat in units_of(patterns)}
    for user, (serves, memory) in processes(users).items():
        if user in found:
            found[user]["memory"] = max(memory, found[user]["memory"] or 0)
        elif serves:
            found[user] = dict(user=user, name="", active="active", sub="running", memory=memory)
    return [found[user] for user in sorted(found)]


def units_of(patterns):
    """Units that are servers of users: unit and user."""
    wanted = [pattern.replace("{name}", "*") for pattern in patterns]
    lines = run("systemctl", "list-units", "--plain", "--no-legend", "--no-pager", "--state=active,activating",
                "--type=service", *wanted).splitlines()
    names = [line.split()[0] for line in lines if line.split()]
    users = {}
    for name in names:
        for pattern in patterns:
            before, _, after = pattern.partition("{name}")
            if name.startswith(before) and name.endswith(after) and fnmatch.fnmatch(name, before + "*" + after):
                users[name] = name[len(before):len(name) - len(after)]
                break
    return [dict(unit, user=users.get(unit["name"], unit["name"])) for unit in shown(names)]


def disks():
    found, seen = [], set()
    for place in PLACES:
        try:
            device, space = os.stat(place).st_dev, os.statvfs(place)
        except OSError:
            continue
        if device in seen or not space.f_blocks:
            continue
        seen.add(device)
        found.append(dict(
            place=place, size=space.f_blocks * space.f_frsize, free=space.f_bavail * space.f_frsize,
            # Some file systems make inodes as they are needed and say 0.
            inodes=space.f_favail if space.f_files else None,
            read_only=bool(space.f_flag & os.ST_RDONLY),
        ))
    return found


def memory():
    with open("/proc/meminfo") as file:
        table = dict(re.findall(r"^(\w+): +(\d+) kB$", file.read(), re.M))
    return dict(total=int(table.get("MemTotal", 0)) * 1024, available=int(table.get("MemAvailable", 0)) * 1024)


def members(name):
    try:
        group = grp.getgrnam(name)
    except KeyError:
        return []
    own = [account.pw_name for account in pwd.getpwall() if account.pw_gid == group.gr_gid]
    return sorted({user for user in [*group.gr_mem, *own] if not user.startswith("hubctl-check-")})


def vitals(request):
    units = request["units"] + [unit for unit, configuration in request["lent"] if os.path.exists(configuration)]
    with open("/proc/uptime") as file:
        uptime = float(file.read().split()[0])
    users, admins = members(request["users"]), members(request["admins"])
    print(json.dumps(dict(
        uptime=uptime, load=os.getloadavg()[0], cpus=os.cpu_count() or 1, memory=memory(), disks=disks(),
        services=shown(units), seats=seats(request["seats"], {*users, *admins}),
        users=users, admins=admins,
        reboot_required=os.path.exists("/run/reboot-required"),
    )))
