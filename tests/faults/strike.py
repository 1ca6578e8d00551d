# Part of the server's Python, put there by a test: lets the runner of a setup fail, at each thing it does to the server.
#
# The folder /run/faults arms it. There is `plan` (JSON: "harms", a list; "every", a number), and what it leaves: `seen`,
# the acts that had their turn, and `struck`, a line for each blow: harm, step, act.
#   error   the act fails as on a disk that has become read-only
#   killed  the runner is killed
#   cut     the connection is cut: the process that serves it is killed
#   gone    the other side is told, and has the time to die
# With "every": 0 each act is struck by each harm; with another number each so-manieth step, at its first act, in turn.
def _arm():
    import errno, json, os, signal, sys, threading, time

    if "'hubctl', 'exec'" not in " ".join(sys.orig_argv) or not os.path.exists("/run/faults/plan"):
        return
    lines = lambda name: open("/run/faults/" + name).read().splitlines() if os.path.exists("/run/faults/" + name) else []
    with open("/run/faults/plan") as file:
        plan = json.load(file)
    harms, every = plan["harms"], plan["every"]
    seen, struck = set(lines("seen")), len(lines("struck"))
    lock, armed, over = threading.Lock(), [], []

    def step():
        """The step that this thread is at, as the runner knows it."""
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_name == "walk" and "step" in frame.f_locals:
                step = frame.f_locals["step"]
                names = [step[key] for key in ("path", "name", "folder", "group", "device") if step.get(key)]
                words = names or step.get("paths") or [" ".join(words) for words in step.get("commands", [])]
                return " ".join([step["op"]] + words[:2])[:120]
            frame = frame.f_back

    def act(event, args):
        if event == "subprocess.Popen":
            return "run " + " ".join(str(word) for word in args[1])[:120].replace("\n", " ")
        if event == "open" and isinstance(args[0], str) and isinstance(args[2], int):
            writes = args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            return "write " + args[0] if writes and not args[0].startswith(("/dev/", "/proc/")) else None
        if event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.symlink", "shutil.rmtree"):
            return event + " " + str(args[0])

    def note(name, line):
        with open("/run/faults/" + name, "a") as file:
            file.write(line + "\n")

    def server_of_the_connection():
        pid = os.getpid()
        while pid > 1:
            with open("/proc/%d/stat" % pid) as file:
                before, after = file.read().rsplit(")", 1)
            if before.split("(", 1)[1].startswith("sshd"):
                return pid
            pid = int(after.split()[1])
        raise LookupError("no sshd serves this run")

    def choose(name, what):
        """The harm that this act meets now."""
        if every:
            if name in seen:
                return None
            seen.add(name)
            note("seen", name)
            return harms[struck % len(harms)] if (len(seen) - 1) % every == 0 else None
        for harm in harms:
            line = "%s\t%s\t%s" % (harm, name, what)
            if line not in seen:
                seen.add(line)
                note("seen", line)
                return harm

    def hook(event, args):
        if not armed:
            # The runner has the lock file open from when it begins to work.
            if event == "open" and args[0] == plan["lock"] and args[2] & os.O_RDWR:
                armed.append(True)
            return
        if over or lock.locked():
            return
        what = act(event, args)
        name = step() if what else None
        if not name:
            return
        with lock:
            harm = choose(name, what)
            if harm:
                over.append(True)
                note("struck", "%s\t%s\t%s" % (harm, name, what))
        if harm == "error":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if harm == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if harm == "cut":
            os.kill(server_of_the_connection(), signal.SIGKILL)
            time.sleep(600)
        if harm == "gone":
            os.write(1, ("struck at %s: %s\n" % (name, what)).encode())
            time.sleep(600)

    sys.addaudithook(hook)


try:
    _arm()
except Exception as error:
    import sys
    sys.stderr.write("strike.py: %r\n" % error)
