# Python's packages, in folders of their own.

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


UNFINISHED = b"# not finished\n"


def op_venv(step):
    """A virtual environment with exactly what was asked for; its stamp is written last.

    An installation that was ended half-way leaves packages that look installed and have not all of their files. One that
    was never finished is begun anew; one of further packages, in which people may be at work, is put right in its place.
    """
    folder, uv, stamp = step["folder"], step["uv"], step["folder"] + "/hubctl-requirements.txt"
    try:
        with open(stamp, "rb") as file:
            before = file.read()
    except FileNotFoundError:
        before = None
    anew = step["fresh"] or before is None
    mend = ["--reinstall"] if not anew and before.startswith(UNFINISHED) else []
    if not anew and not mend:
        write(stamp, UNFINISHED + before)
    env = dict(index_environment(step), UV_CACHE_DIR="/var/cache/hubctl/uv", UV_PYTHON_DOWNLOADS="never", UV_NO_CONFIG="1",
               UV_HTTP_TIMEOUT="120", UV_NO_PROGRESS="1", UV_LINK_MODE="copy" if step.get("copy") else "hardlink")
    os.makedirs(env["UV_CACHE_DIR"], mode=0o700, exist_ok=True)
    python = folder + "/bin/python"
    if anew:
        words = ["--system-site-packages"] if step["system"] else []
        run(uv, "venv", "--quiet", "--clear", "--python", "/usr/bin/python3", *words, folder, deadline=300, env=env)
    wanted = step["requirements"].encode()
    version = run(python, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    held = constraints_of(folder, wanted, version, step.get("lock"))
    run(uv, "pip", "install", "--python", python, "--requirements", "-", *mend,
        *(["--constraints", held] if held else []),
        deadline=1800, env=env, say=detail, feed=wanted)
    frozen = subprocess.run([uv, "pip", "freeze", "--python", python], env=dict(ENV, **env), timeout=120,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    keep_lock(folder, wanted, b"# python %s\n" % version.encode() + frozen)
    # Compiled by root: users could not, and would compile at every start. What a server loads first now, the rest in the
    # background, after which nobody waits.
    if step["warm"]:
        run(python, "-I", "-c", "\n".join("try: import %s\nexcept ImportError: pass" % name for name in step["warm"]),
            deadline=300, env=dict(HOME="/nonexistent"))
        unit = "hubctl-compile-" + os.path.basename(folder)
        subprocess.run(["systemctl", "stop", unit + ".timer", unit + ".service"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run("systemd-run", "--quiet", "--collect", "--unit", unit, "--nice=19", "--property=IOSchedulingClass=idle",
            "--on-active=60", python, "-I", "-m", "compileall", "-q", folder + "/lib")
    for source, target in step["links"]:
        found = glob.glob(source)
        if not found:
            raise Failed("%s is not in what was installed" % source)
        if os.path.lexists(target):
            os.unlink(target)
        os.symlink(found[0], target)
    write(stamp, step["requirements"].encode())
