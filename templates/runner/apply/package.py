# The distribution's packages.

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
    # A mirror that does not answer is a mere warning to apt, and the system would pass for upgraded.
    strict = ["-o", "APT::Update::Error-Mode=any"] if step["upgrade"] else []
    said = apt(*strict, "update", deadline=600)
    if step["upgrade"]:
        apt("dist-upgrade")
    if step["install"]:
        with idle(step["install"]):
            try:
                apt("--no-install-recommends", "install", *step["install"])
            except Failed as error:
                # What it could not find may be on a mirror that did not answer.
                unread = [line for line in said.splitlines() if line.startswith("W: Failed to fetch")]
                raise Failed(str(error), "\n".join([error.tail, *unread]))
