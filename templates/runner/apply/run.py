# The run: the lock, the lanes, the order.

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
        definitions.finish()
    except Failed as error:
        while gone.is_set():
            time.sleep(1)  # It failed because it was ended; who ends it ends us.
        emit("failed", step=getattr(error, "step", None), message=str(error), tail=error.tail)
        end_children(2)
        os._exit(1)
    emit("done")
    os._exit(0)


main()
