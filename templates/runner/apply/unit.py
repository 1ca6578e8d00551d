# systemd's units.

class Definitions:
    """What systemd has read of units. It reads all of them at once and takes its time, so it is told to as seldom as can
    be: before something starts that may depend on what was written since, and once at the end."""

    def __init__(self):
        self.lock = threading.Lock()
        self.stale = True  # A run before this one may have written some and ended.
        self.due = False  # Something was written that nobody has had to wait for.

    def written(self, path):
        if path.startswith(("/etc/systemd/", "/run/systemd/", "/etc/fstab")):
            self.stale = self.due = True

    def read(self):
        with self.lock:
            if self.stale:
                # Before: what another lane writes meanwhile is read the next time.
                self.stale = self.due = False
                try:
                    run("systemctl", "daemon-reload")
                except Failed:
                    self.stale = True
                    raise

    def enable(self, name):
        # Which target starts it counts from the next boot on.
        run("systemctl", "enable", "--no-reload", "--quiet", name)
        self.due = True

    def finish(self):
        if self.due:
            self.stale = True
            self.read()


definitions = Definitions()


def op_run(step):
    for argv in step["commands"]:
        run(*argv, deadline=step.get("deadline", 120))


def op_unit(step):
    definitions.read()
    name = step["name"]
    if step["enable"]:
        definitions.enable(name)
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
    subprocess.run(["systemctl", "disable", "--no-reload", "--quiet", step["name"]], stderr=subprocess.DEVNULL)
    run("systemctl", "stop", step["name"], deadline=180, ok=(0, 5))
    subprocess.run(["systemctl", "reset-failed", step["name"]], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    op_remove(step)
