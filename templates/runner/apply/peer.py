# The other side: it is heard for as long as it is there, and what runs here ends with it.

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
