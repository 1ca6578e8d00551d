# The way in, which needs care.

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
