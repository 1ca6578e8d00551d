# Accounts and groups.

def op_group(step):
    run("groupadd", "--force", "--system", step["name"])


def op_account(step):
    """A system account without login."""
    try:
        pwd.getpwnam(step["name"])
    except KeyError:
        try:
            grp.getgrnam(step["name"])
            group = ["--gid", step["name"]]
        except KeyError:
            group = ["--user-group"]
        run("useradd", "--system", *group, "--no-create-home", "--home-dir", step["home"], "--shell",
            "/usr/sbin/nologin", step["name"])


def op_person(step):
    """An account of a person's, with a home for nobody else and a password that opens nothing."""
    run("useradd", "--create-home", "--user-group", "--shell", "/bin/bash", step["name"])
    os.chmod(pwd.getpwnam(step["name"]).pw_dir, 0o700)


def op_join(step):
    for name in step["accounts"]:
        run("gpasswd", "--add", name, step["group"])
