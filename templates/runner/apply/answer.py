# Whether a service answers.

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
