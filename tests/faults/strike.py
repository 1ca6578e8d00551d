# Part of the server's Python, put there by a test: lets the runner of a setup fail, at each thing it does to the server.
#
# The folder /run/faults arms it. There is `plan` (JSON), and what it leaves: `seen`, the acts that had their turn (by the
# clock, step, act), and `struck`, a line for each blow: harm, step, act.
#   error   the act fails as on a disk that has become read-only
#   killed  the runner is killed
#   cut     the connection is cut: the process that serves it is killed
#   gone    the other side is told, and has the time to die
# A plan has one of
#   "survey"   nothing is struck
#   "step"     this one, at the so-manieth ("turn") of its acts that are called "act" (of all of them, where that is null),
#              with this "harm", so many seconds "after" it has begun
#   "harms"    each so-manieth ("every") step at its first act, with each harm in turn
def _arm():
    import errno, json, os, signal, sys, threading, time

    if "'hubctl', 'exec'" not in " ".join(sys.orig_argv) or not os.path.exists("/run/faults/plan"):
        return
    lines = lambda name: open("/run/faults/" + name).read().splitlines() if os.path.exists("/run/faults/" + name) else []
    with open("/run/faults/plan") as file:
        plan = json.load(file)
    seen = set(line.split("\t")[1] for line in lines("seen"))
    struck = len(lines("struck"))
    lock, busy, armed, over, acts = threading.Lock(), threading.local(), [], [], []

    def step():
        """The step that this thread is at, as the runner knows it."""
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_name == "walk" and "step" in frame.f_locals:
                step = frame.f_locals["step"]
                names = [step[key] for key in ("path", "name", "folder", "group") if step.get(key)]
                words = names or step.get("paths") or step.get("install")
                words = words or [" ".join(words) for words in step.get("commands", [])]
                return " ".join([step["op"]] + words[:1])[:120]
            frame = frame.f_back

    def act(event, args):
        if event == "subprocess.Popen":
            return "run " + " ".join(str(word) for word in args[1])[:120].replace("\n", " ")
        if event == "open" and isinstance(args[0], str) and isinstance(args[2], int):
            writes = args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            return "write " + args[0] if writes and not args[0].startswith(("/dev/", "/proc/")) else None
        if event == "os.mkdir" and os.path.isdir(args[0]):
            return None
        if event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.symlink", "shutil.rmtree"):
            # Which number an open file has is a matter of luck.
            return event + " " + ("it" if isinstance(args[0], int) else str(args[0]))

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
        fresh = name not in seen
        seen.add(name)
        note("seen", "%.3f\t%s\t%s" % (time.monotonic(), name, what))
        if "step" in plan:
            if name != plan["step"]:
                return None
            acts.append(what)
            turn = acts.count(plan["act"]) if plan["act"] else len(acts)
            return plan["harm"] if what == (plan["act"] or what) and turn == plan["turn"] else None
        if "harms" in plan and fresh and (len(seen) - 1) % plan["every"] == 0:
            return plan["harms"][struck % len(plan["harms"])]

    def strike(harm, name, what):
        if harm == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if harm == "cut":
            os.kill(server_of_the_connection(), signal.SIGKILL)
        if harm == "gone":
            os.write(1, ("struck at %s: %s\n" % (name, what)).encode())

    def hook(event, args):
        if not armed:
            # The runner has the lock file open from when it begins to work.
            if event == "open" and args[0] == plan["lock"] and args[2] & os.O_RDWR:
                armed.append(True)
            return
        if over or getattr(busy, "now", False):
            return
        what = act(event, args)
        name = step() if what else None
        if not name:
            return
        busy.now = True
        with lock:
            harm = choose(name, what)
            if harm:
                over.append(True)
                note("struck", "%s\t%s\t%s" % (harm, name, what))
        busy.now = False
        if harm == "error":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if harm and plan.get("after"):
            late = threading.Timer(plan["after"], strike, (harm, name, what))
            late.daemon = True
            late.start()
        elif harm:
            strike(harm, name, what)
            time.sleep(600)

    sys.addaudithook(hook)


try:
    _arm()
except Exception as error:
    import sys
    sys.stderr.write("strike.py: %r\n" % error)
