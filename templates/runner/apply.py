# Carries out the steps of a plan as root. Python 3.8, standard library only.
#
# Input: one line with the length of the header, the header (JSON: lock, environment, steps, sizes of the blobs), the
# blobs. After that the input stays open for as long as the other side is there: it sends a line every few seconds and
# answers questions. Its end ends this run and all it started. Output: one JSON event a line.
import configparser, contextlib, fcntl, glob, grp, hashlib, http.client, io, json, os, pwd, queue, re, shutil, signal
import socket, ssl, stat, subprocess, sys, tarfile, threading, time, urllib.request, zlib

answers = queue.Queue()
children = set()
ending, gone = threading.Event(), threading.Event()  # no command may go on; nobody listens any more
out_lock = threading.Lock()
lock_fd = -1
ENV = {}


class Failed(Exception):
    def __init__(self, message, tail=""):
        super().__init__(message)
        self.tail = tail


def emit(event, **fields):
    with out_lock:
        try:
            sys.stdout.write(json.dumps(dict(event=event, **fields)) + "\n")
            sys.stdout.flush()
        except OSError:
            give_up("the output was closed")


def detail(message):
    emit("detail", message=message[:300])


# --- the other side ---------------------------------------------------------------------------------------------------

def end_children(deadline=5):
    ending.set()  # A command that another lane is about to start ends itself.
    for number in (signal.SIGTERM, signal.SIGKILL):
        for child in list(children):
            try:
                os.killpg(child.pid, number)
            except OSError:
                pass
        until = time.monotonic() + deadline
        while any(child.poll() is None for child in list(children)) and time.monotonic() < until:
            time.sleep(0.05)


def give_up(reason):
    gone.set()
    end_children()
    os._exit(3)


def listen(silence):
    """Reads the input to its end. No end and no sign of life for so many seconds means that the network is gone."""
    heard = [time.monotonic()]

    def watch():
        while True:
            time.sleep(silence / 10)
            if time.monotonic() - heard[0] > silence:
                give_up("no sign of life")

    threading.Thread(target=watch, daemon=True).start()
    while True:
        line = sys.stdin.buffer.readline()
        if not line:
            give_up("the input ended")
        heard[0] = time.monotonic()
        if line.strip():
            answers.put(line.strip().decode(errors="replace"))


# --- commands ---------------------------------------------------------------------------------------------------------

def run(*argv, deadline=120, env=None, cwd="/", feed=None, say=None, ok=(0,)):
    """Runs a command in a process group of its own, passes its output on, and gives it back. It holds the lock too: should
    this run be killed, the next one waits for what it left running."""
    child = subprocess.Popen(argv, stdin=subprocess.PIPE if feed is not None else subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(ENV, **(env or {})), cwd=cwd,
                             start_new_session=True, pass_fds=(lock_fd,))
    children.add(child)
    if ending.is_set():
        os.killpg(child.pid, signal.SIGKILL)
    hung = threading.Event()
    late = threading.Timer(deadline, lambda: (hung.set(), os.killpg(child.pid, signal.SIGTERM), time.sleep(3),
                                              os.killpg(child.pid, signal.SIGKILL)))
    late.daemon = True
    late.start()
    lines = []
    try:
        if feed is not None:
            child.stdin.write(feed)
            child.stdin.close()
        for raw in child.stdout:
            line = raw.decode(errors="replace").rstrip()
            if line:
                lines.append(line)
                del lines[:-200]
                if say:
                    say(line)
        code = child.wait()
    finally:
        late.cancel()
        children.discard(child)
    if code not in ok:
        what = "%s ended with status %d" % (os.path.basename(argv[0]), code)
        if hung.is_set():
            what = "%s was ended after %d s" % (os.path.basename(argv[0]), deadline)
        raise Failed(what, "\n".join(lines[-25:]))
    return "\n".join(lines)


def journal(unit, lines=25):
    try:
        return subprocess.run(["journalctl", "-u", unit, "-n", str(lines), "--no-pager", "-o", "cat"], timeout=10,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""


# --- files ------------------------------------------------------------------------------------------------------------

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


# --- packages ---------------------------------------------------------------------------------------------------------

APT = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3", "-o", "Dpkg::Options::=--force-confdef",
       "-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0", "-o", "APT::Color=0"]
APT_ENV = dict(DEBIAN_FRONTEND="noninteractive", NEEDRESTART_MODE="l", NEEDRESTART_SUSPEND="1", APT_LISTCHANGES_FRONTEND="none")


POLICY = "/usr/sbin/policy-rc.d"


def apt_line(line):
    if re.match(r"(Setting up|Unpacking|Get:|Fetched|Waiting)", line):
        detail(line)


def apt(*words, deadline=1800):
    """apt waits for dpkg's lock itself; the lock of the package lists it does not wait for."""
    until = time.monotonic() + 600
    while True:
        try:
            return run(*APT, *words, deadline=deadline, env=APT_ENV, say=apt_line)
        except Failed as error:
            if "Could not get lock" not in error.tail or time.monotonic() > until:
                raise
            emit("waiting", what="the package manager's lock", state="held by another apt",
                 elapsed=600 - (until - time.monotonic()), deadline=600)
            time.sleep(3)


def op_dpkg(step):
    run("dpkg", "--force-confdef", "--force-confold", "--configure", "-a", deadline=1200, env=APT_ENV, say=apt_line)
    apt("--fix-broken", "install")


@contextlib.contextmanager
def idle(packages):
    """Web servers of the distribution do not start while they are installed: a proxy that runs has their ports, and they
    would show a page of theirs."""
    services = sorted({"nginx", "apache2"} & set(packages))
    if not services or os.path.exists(POLICY) and "hubctl" not in open(POLICY).read():
        yield
        return
    rule = "#!/bin/sh\n# Written by hubctl while it installs packages.\ncase $1 in %s) exit 101 ;; esac\n" % "|".join(services)
    write(POLICY, rule.encode(), mode="0755")
    try:
        yield
    finally:
        os.unlink(POLICY)


def op_apt(step):
    apt("update", deadline=600)
    if step["upgrade"]:
        apt("dist-upgrade")
    if step["install"]:
        with idle(step["install"]):
            apt("--no-install-recommends", "install", *step["install"])


# --- accounts ---------------------------------------------------------------------------------------------------------

def op_group(step):
    run("groupadd", "--force", "--system", step["name"])


def op_account(step):
    """A system account without login."""
    try:
        pwd.getpwnam(step["name"])
    except KeyError:
        try:
            grp.getgrnam(step["name"])
            group = ["--gid", step["name"]]
        except KeyError:
            group = ["--user-group"]
        run("useradd", "--system", *group, "--no-create-home", "--home-dir", step["home"], "--shell",
            "/usr/sbin/nologin", step["name"])


def op_person(step):
    """An account of a person's, with a home for nobody else and a password that opens nothing."""
    run("useradd", "--create-home", "--user-group", "--shell", "/bin/bash", step["name"])
    os.chmod(pwd.getpwnam(step["name"]).pw_dir, 0o700)


def op_join(step):
    for name in step["accounts"]:
        run("gpasswd", "--add", name, step["group"])


# --- Python and Node --------------------------------------------------------------------------------------------------

def index_environment(step):
    """uv does not read pip's configuration: what the server's pip is set up for is told to it."""
    env = {}
    pip = configparser.ConfigParser(interpolation=None)
    try:
        pip.read(["/etc/pip.conf", "/root/.config/pip/pip.conf", "/root/.pip/pip.conf"])
    except configparser.Error:
        pass
    get = lambda key: pip.get("global", key, fallback="").strip()
    index = step.get("index") or get("index-url")
    if index:
        env["UV_DEFAULT_INDEX"] = env["PIP_INDEX_URL"] = index
    extra = get("extra-index-url").split()
    if extra and not step.get("index"):
        env["UV_INDEX"] = " ".join(extra)
    hosts = get("trusted-host").split()
    if hosts:
        env["UV_INSECURE_HOST"] = " ".join(hosts)
    return env


def op_uv(step):
    """uv, in a folder of its own, installed by the pip that Debian's venv carries."""
    folder = step["folder"]
    shutil.rmtree(folder, ignore_errors=True)
    words = ["install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir", step["requirement"]]
    wheels = sorted(glob.glob("/usr/share/python-wheels/pip-*.whl"))
    if wheels:
        pip = ["/usr/bin/python3", wheels[-1] + "/pip"]
        words += ["--target", folder]
    else:
        run("/usr/bin/python3", "-m", "venv", folder, deadline=300)
        pip = [folder + "/bin/pip"]
    run(*pip, *words, deadline=600, env=index_environment(step), say=detail)


def op_venv(step):
    """A virtual environment with exactly what was asked for; its stamp is written last."""
    folder, uv = step["folder"], step["uv"]
    env = dict(index_environment(step), UV_CACHE_DIR="/var/cache/hubctl/uv", UV_PYTHON_DOWNLOADS="never", UV_NO_CONFIG="1",
               UV_HTTP_TIMEOUT="120", UV_NO_PROGRESS="1", UV_LINK_MODE="copy" if step.get("copy") else "hardlink")
    os.makedirs(env["UV_CACHE_DIR"], mode=0o700, exist_ok=True)
    python = folder + "/bin/python"
    if step["fresh"]:
        words = ["--system-site-packages"] if step["system"] else []
        run(uv, "venv", "--quiet", "--clear", "--python", "/usr/bin/python3", *words, folder, deadline=300, env=env)
    wanted = step["requirements"].encode()
    held = lock_of(folder, wanted)
    run(uv, "pip", "install", "--python", python, "--requirements", "-", *(["--constraints", held] if held else []),
        deadline=1800, env=env, say=detail, feed=wanted)
    frozen = subprocess.run([uv, "pip", "freeze", "--python", python], env=dict(ENV, **env), timeout=120,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    keep_lock(folder, wanted, frozen)
    # Compiled by root: users could not, and would compile at every start. What a server loads first now, the rest in the
    # background, after which nobody waits.
    if step["warm"]:
        run(python, "-I", "-c", "\n".join("try: import %s\nexcept ImportError: pass" % name for name in step["warm"]),
            deadline=300, env=dict(HOME="/nonexistent"))
        unit = "hubctl-compile-" + os.path.basename(folder)
        subprocess.run(["systemctl", "stop", unit], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run("systemd-run", "--quiet", "--collect", "--unit", unit, "--nice=19", "--property=IOSchedulingClass=idle",
            "--on-active=60", python, "-I", "-m", "compileall", "-q", folder + "/lib")
    for source, target in step["links"]:
        found = glob.glob(source)
        if not found:
            raise Failed("%s is not in what was installed" % source)
        if os.path.lexists(target):
            os.unlink(target)
        os.symlink(found[0], target)
    write(folder + "/hubctl-requirements.txt", step["requirements"].encode())


def op_conda(step):
    """Packages of conda-forge in a folder of their own, and a kernel that runs there; the stamp is written last."""
    folder, wanted = step["folder"], step["requirements"].encode()
    cache = "/var/cache/hubctl/conda"
    os.makedirs(cache, mode=0o700, exist_ok=True)
    # `curl` would have to be installed first; Python has the same authorities and proxies by the environment.
    os.environ.update({key: value for key, value in ENV.items() if key.lower().endswith("_proxy")})
    with urllib.request.urlopen(step["url"], timeout=120) as answer:
        archive = answer.read(200 << 20)
    found = hashlib.sha256(archive).hexdigest()
    if step.get("sha256") and found != step["sha256"]:
        raise Failed("%s is not what it should be: its SHA-256 is %s, not %s" % (step["url"], found, step["sha256"]))
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        program = packed.extractfile("bin/micromamba").read()
    write(cache + "/micromamba", program, mode="0755")
    env = dict(MAMBA_ROOT_PREFIX=cache, MAMBA_NO_RC="true", CONDA_PKGS_DIRS=cache + "/pkgs")
    mamba = [cache + "/micromamba", "--no-rc", "--yes"]
    held = lock_of(folder, wanted)
    shutil.rmtree(folder, ignore_errors=True)
    what = ["--file", held] if held else ["--override-channels", "--channel", "conda-forge", *step["requirements"].split("\n")[:-1]]
    run(*mamba, "create", "--prefix", folder, *what, deadline=1800, env=env, say=detail)
    frozen = subprocess.run([*mamba, "env", "export", "--explicit", "--prefix", folder], env=dict(ENV, **env), timeout=120,
                            stdout=subprocess.PIPE).stdout
    keep_lock(folder, wanted, frozen)
    spec = dict(argv=[folder + "/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                display_name="Python (conda-forge)", language="python", metadata=dict(debugger=True))
    write(step["kernel"] + "/kernel.json", json.dumps(spec, indent=1).encode())
    write(folder + "/hubctl-requirements.txt", wanted)


def lock_name(folder):
    return "/var/lib/hubctl/%s.lock" % os.path.basename(folder)


def lock_of(folder, wanted):
    """The file with what was installed for these very requirements, by an earlier run, if there was one."""
    try:
        with open(lock_name(folder)) as file:
            same = file.readline().strip() == "# " + hashlib.sha256(wanted).hexdigest()
    except OSError:
        return None
    return lock_name(folder) if same else None


def keep_lock(folder, wanted, frozen):
    """What was installed: whoever installs it again, after an accident say, gets the same."""
    write(lock_name(folder), b"# %s\n" % hashlib.sha256(wanted).hexdigest().encode() + frozen)


def op_npm(step):
    """A package of the npm registry with what it needs, in a folder of its own; moved into place when it is whole."""
    folder, fresh = step["folder"], step["folder"] + ".hubctl-new"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh, mode=0o755)
    node, npm = step["node"], step["npm"]
    env = dict(PATH=os.path.dirname(node) + ":" + ENV["PATH"], HOME="/root", npm_config_cache="/var/cache/hubctl/npm",
               npm_config_update_notifier="false", npm_config_fund="false", npm_config_audit="false")
    if step.get("registry"):
        env["npm_config_registry"] = step["registry"]
    words = ["--globalconfig", "/etc/npmrc"] if os.path.exists("/etc/npmrc") else []
    run(node, npm, "install", "--prefix", fresh, "--omit=dev", "--ignore-scripts", "--no-progress", *words,
        step["package"], deadline=900, env=env, say=detail)
    old = folder + ".hubctl-old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.exists(folder):
        os.rename(folder, old)
    os.rename(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)


def op_fetch(step):
    """A program out of an archive that its project releases, if it is the very archive; moved into place when it is whole."""
    folder, fresh = step["folder"], step["folder"] + ".hubctl-new"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh + "/bin", mode=0o755)
    digest, size, begun = hashlib.sha256(), 0, time.monotonic()
    archive = fresh + "/archive"
    context = ssl.create_default_context()
    proxies = {scheme: ENV[scheme + "_proxy"] for scheme in ("http", "https") if ENV.get(scheme + "_proxy")}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(step["url"], timeout=60) as answer, open(archive, "wb") as file:
            while True:
                piece = answer.read(1 << 20)
                if not piece:
                    break
                digest.update(piece)
                file.write(piece)
                size += len(piece)
                if size > 1 << 30 or time.monotonic() - begun > 1800:
                    raise Failed("%s does not end" % step["url"])
                detail("%s: %d MB" % (step["url"].rsplit("/", 1)[-1], size >> 20))
    except (OSError, http.client.HTTPException) as error:
        raise Failed("%s cannot be fetched: %s" % (step["url"], error))
    if digest.hexdigest() != step["sha256"]:
        raise Failed("%s is not what it should be: its SHA-256 is %s, not %s"
                     % (step["url"], digest.hexdigest(), step["sha256"]))
    program = "%s/bin/%s" % (fresh, step["member"])
    with tarfile.open(archive) as tar:
        found = next((one for one in tar if one.isfile() and os.path.basename(one.name) == step["member"]), None)
        if found is None:
            raise Failed("%s holds no %s" % (step["url"], step["member"]))
        with tar.extractfile(found) as source, open(program, "wb") as target:
            shutil.copyfileobj(source, target)
    os.chmod(program, 0o755)
    os.unlink(archive)
    write("%s/%s" % (fresh, step["stamp_file"]), step["stamp"].encode())
    old = folder + ".hubctl-old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.exists(folder):
        os.rename(folder, old)
    os.rename(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)


# --- containers -------------------------------------------------------------------------------------------------------

def op_container_network(step):
    """Containers reach what this machine lets them, and not each other."""
    name = step["name"]
    # Of an engine that somebody else set up a network of this name may be there, with containers that use it.
    attached = subprocess.run(["docker", "ps", "--all", "--quiet", "--filter", "network=" + name], stdout=subprocess.PIPE)
    for container in attached.stdout.decode().split():
        run("docker", "rm", "--force", container)
    subprocess.run(["docker", "network", "rm", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run("docker", "network", "create", "--driver", "bridge", "--subnet", step["subnet"],
        "--opt", "com.docker.network.bridge.name=" + step["device"],
        "--opt", "com.docker.network.bridge.enable_icc=false", name)


def op_container_image(step):
    name, source, content = step["name"], step["from"], step.get("content")
    if source == "registry":
        run("docker", "pull", "--quiet", name, deadline=1800, say=detail)
    elif source == "nothing":
        run("docker", "import", "-", name, feed=mount_points(), deadline=300)
    elif source == "dockerfile":
        run("docker", "build", "--tag", name, "-", feed=content, deadline=1800, say=detail)
    else:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            inside = {member.lstrip("./") for member in archive.getnames()}
        if inside & {"manifest.json", "oci-layout"}:
            loaded = run("docker", "load", "--quiet", feed=content, deadline=1800)
            found = re.search(r"Loaded image(?: ID)?: (\S+)", loaded)
            if not found:
                raise Failed("the archive holds no image", loaded)
            run("docker", "tag", found.group(1), name)
        elif "Dockerfile" in inside:
            run("docker", "build", "--tag", name, "-", feed=content, deadline=1800, say=detail)
        else:
            run("docker", "import", "-", name, feed=content, deadline=1800)


def mount_points():
    """An archive of folders with nothing in them: what the server itself has is mounted there."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        def add(path, kind, mode=0o755, target=""):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.linkname = kind, mode, target
            archive.addfile(entry)

        for path in ("dev", "etc", "home", "opt", "opt/conda", "opt/notebook", "proc", "root", "run", "sys", "usr", "var", "var/lib"):
            add(path, tarfile.DIRTYPE)
        for path in ("tmp", "var/tmp"):
            add(path, tarfile.DIRTYPE, 0o1777)
        for path in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            if os.path.islink("/" + path):
                add(path, tarfile.SYMTYPE, 0o777, os.readlink("/" + path).lstrip("/"))
    return packed.getvalue()


# --- units ------------------------------------------------------------------------------------------------------------

def op_run(step):
    for argv in step["commands"]:
        run(*argv, deadline=step.get("deadline", 120))


def op_unit(step):
    run("systemctl", "daemon-reload")
    name = step["name"]
    if step["enable"]:
        run("systemctl", "enable", "--quiet", name)
    if step["verb"]:
        subprocess.run(["systemctl", "reset-failed", name], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if name.endswith(".socket"):
            # A socket is not opened anew while its service has it; the service is started again after its sockets.
            service = run("systemctl", "show", "--value", "--property=Triggers", name).strip()
            if service:
                run("systemctl", "stop", service, deadline=180)
        try:
            run("systemctl", step["verb"], name, deadline=180)
        except Failed as error:
            raise Failed("%s does not start" % name, journal(name) or error.tail)
    for url in step["ready"]:
        wait_ready(name, url, step["deadline"])


def op_retire(step):
    """Ends a unit for good. What listens on its ports next must find them free."""
    # Apart: one without a file is not disabled, but may run. Status 5: it is not there.
    subprocess.run(["systemctl", "disable", "--quiet", step["name"]], stderr=subprocess.DEVNULL)
    run("systemctl", "stop", step["name"], deadline=180, ok=(0, 5))
    op_remove(step)
    run("systemctl", "daemon-reload")
    subprocess.run(["systemctl", "reset-failed", step["name"]], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


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
    run("systemctl", "stop", step["servers"], deadline=300)
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
    # The file itself last: the next database must not find the log of this one.
    for suffix in ("-wal", "-shm", "-journal", ""):
        if os.path.lexists(path + suffix):
            os.rename(path + suffix, target + suffix)


def answer_of(url):
    """Status of a GET on this machine. The certificate is the outside's to check."""
    scheme, _, rest = url.partition("://")
    where, _, path = rest.partition("/")
    host, _, port = where.rpartition(":")
    if scheme == "https":
        link = http.client.HTTPSConnection(host, int(port), timeout=5, context=ssl._create_unverified_context())
    else:
        link = http.client.HTTPConnection(host, int(port), timeout=5)
    try:
        link.request("GET", "/" + path)
        return link.getresponse().status
    finally:
        link.close()


def restarts(unit):
    shown = subprocess.run(["systemctl", "show", "--value", "--property=NRestarts", unit], stdout=subprocess.PIPE)
    return int(shown.stdout.strip() or 0)


def wait_ready(unit, url, deadline):
    """Waits until the service answers. A URL that ends in `?any` takes any answer at all."""
    begun, state, before = time.monotonic(), "no answer yet", restarts(unit)
    while True:
        try:
            status = answer_of(url)
            if status < 400 or url.endswith("?any"):
                return
            state = "status %d" % status
        except (OSError, http.client.HTTPException) as error:
            state = str(error)
        elapsed = time.monotonic() - begun
        # A unit that systemd has started three times more will not come up by itself.
        stopped = restarts(unit) - before >= 3
        if elapsed > deadline or stopped:
            raise Failed("%s does not answer on %s: %s" % (unit, url, "it ends again and again" if stopped else state),
                         journal(unit))
        emit("waiting", what=unit, state=state, elapsed=elapsed, deadline=deadline)
        time.sleep(0.25)


# --- what needs care --------------------------------------------------------------------------------------------------

def op_sshd(step):
    """Closes SSH to all but one group. Taken back unless the other side proves, by logging in, that it still can: a timer
    of systemd's takes it back even if this program is killed."""
    path, unit, guard = step["path"], step["unit"], "hubctl-ssh-guard"
    backup = "/run/hubctl-sshd.before"
    if os.path.exists(path):
        shutil.copy2(path, backup)
        back = "cp -a %s %s" % (backup, path)
    else:
        back = "rm -f %s" % path
    back += "; systemctl reload %s" % unit

    def quietly(*argv):
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def revert(message, tail=""):
        quietly("sh", "-c", back)
        quietly("systemctl", "stop", guard + ".timer")
        raise Failed(message, tail)

    quietly("systemctl", "stop", guard + ".timer")
    run("systemd-run", "--quiet", "--collect", "--unit", guard, "--on-active=%d" % (step["deadline"] + 30), "sh", "-c", back)
    write(path, step["content"], mode="0644")
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    try:
        run("/usr/sbin/sshd", "-t")
        shown = run("/usr/sbin/sshd", "-T").lower().splitlines()
    except Failed as error:
        revert("sshd does not accept %s" % path, error.tail)
    missing = [line for line in step["expect"] if line.lower() not in shown]
    if missing:
        revert("%s has no effect: another file sets something else than %s" % (path, ", ".join(missing)))
    run("systemctl", "reload", unit)
    while not answers.empty():
        answers.get_nowait()
    emit("confirm", what="ssh")
    try:
        answer = answers.get(timeout=step["deadline"])
    except queue.Empty:
        answer = "no answer"
    if answer != "ok":
        revert("a second login was not possible with %s: %s" % (path, answer))
    quietly("systemctl", "stop", guard + ".timer")
    if os.path.exists(backup):
        os.unlink(backup)


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
    run("systemctl", "daemon-reload")
    run("mount", "/home")


OPS = {name[3:].replace("_", "-"): function for name, function in list(globals().items()) if name.startswith("op_")}


def take_lock(path, deadline):
    """One run at a time. What a killed run left running holds the lock, too."""
    global lock_fd
    lock_fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    begun = time.monotonic()
    while True:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            elapsed = time.monotonic() - begun
            if elapsed > deadline:
                raise Failed("another run is at work on this host (process %s)" % os.pread(lock_fd, 20, 0).decode().strip())
            emit("waiting", what="another run on this host to end", state="it holds the lock", elapsed=elapsed, deadline=deadline)
            time.sleep(0.5)
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, b"%d" % os.getpid(), 0)


def grouped(steps, blobs):
    """The steps in the order they are done: a list of lanes at a time, each a list of numbered steps. Neighbours that name
    a lane are done side by side, those of one lane one after the other."""
    groups, lanes = [], None
    for number, step in enumerate(steps):
        if "blob" in step:
            step["content"] = zlib.decompress(blobs[step["blob"]]) if step.get("packed") else blobs[step["blob"]]
        if step.get("lane"):
            if lanes is None:
                lanes = {}
                groups.append(lanes)
            lanes.setdefault(step["lane"], []).append((number, step))
        else:
            lanes = None
            groups.append({"": [(number, step)]})
    return [list(lanes.values()) for lanes in groups]


def walk(lane):
    for number, step in lane:
        emit("started", step=number)
        begun = time.monotonic()
        try:
            OPS[step["op"]](step)
        except Failed as error:
            error.step = number
            raise
        except Exception as error:  # Whatever else happens, the other side learns in which step.
            failed = Failed("%s: %s" % (type(error).__name__, error))
            failed.step = number
            raise failed
        emit("finished", step=number, seconds=round(time.monotonic() - begun, 3))


def together(lanes):
    failures = queue.Queue()

    def one(lane):
        try:
            walk(lane)
        except Failed as error:
            failures.put(error)
            end_children(2)

    threads = [threading.Thread(target=one, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not failures.empty():
        raise failures.get()


def main():
    global ENV
    source = sys.stdin.buffer
    header = json.loads(source.read(int(source.readline())))
    blobs = [source.read(size) for size in header["blobs"]]
    ENV = dict(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C.UTF-8", HOME="/root",
               SYSTEMD_COLORS="0", SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt",
               NODE_EXTRA_CA_CERTS="/etc/ssl/certs/ca-certificates.crt", PIP_CERT="/etc/ssl/certs/ca-certificates.crt",
               REQUESTS_CA_BUNDLE="/etc/ssl/certs/ca-certificates.crt", **header["environment"])
    os.umask(0o022)
    threading.Thread(target=listen, args=(header["silence"],), daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: give_up("a signal"))
    try:
        take_lock(header["lock"], header["lock_deadline"])
        for lanes in grouped(header["steps"], blobs):
            if len(lanes) == 1:
                walk(lanes[0])
            else:
                together(lanes)
    except Failed as error:
        while gone.is_set():
            time.sleep(1)  # It failed because it was ended; who ends it ends us.
        emit("failed", step=getattr(error, "step", None), message=str(error), tail=error.tail)
        end_children(2)
        os._exit(1)
    emit("done")
    os._exit(0)


main()
