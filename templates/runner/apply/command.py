# Commands, and what they say.

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
