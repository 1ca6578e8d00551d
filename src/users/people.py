

# The people that are there: who they are, another password, and their end.
GONE = ".hubctl-gone."


def people(settings):
    """Tells who is there, by the account files and by the hub."""
    choose_hub(settings)
    accounts = Accounts(settings)
    accounts.load()
    known, problem = {}, None
    if settings.get("hubs"):
        try:
            known = hub_users(settings)
        except (HubProblem, OSError, http.client.HTTPException, ValueError, KeyError) as error:
            problem = str(error) or type(error).__name__
    say(accounts=accounts.describe(), hub=known, hub_problem=problem)


def reset(settings):
    """Tells who is there, is told whom to give which password, tells what was done.

    Whoever was logged in by the old password is logged out, after the new one holds.
    """
    choose_hub(settings)
    accounts = Accounts(settings)
    accounts.load()
    say(accounts=accounts.describe())
    request = listen()
    if request is None:
        return
    done = {"reset": [], "refused": [], "logged_out": bool(settings.get("ends_sessions")), "left": []}
    with accounts.locked():
        accounts.load()
        for wanted in request["reset"]:
            name, password = wanted["name"], wanted["hash"]
            if not HASH.fullmatch(password):
                raise Problem("a password is not hashed")
            reason = stranger(accounts, settings, name)
            if reason:
                done["refused"].append({"name": name, "reason": reason})
            else:
                accounts.give(name, password)
                done["reset"].append(name)
        accounts.save()
    if done["logged_out"]:
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(BUILDERS) as workers:
            done["left"] += filter(None, workers.map(lambda name: log_out(settings, name), done["reset"]))
    say(**done)


def log_all_out(settings):
    """Has the hub end the sessions of everybody's browsers."""
    choose_hub(settings)
    ends = bool(settings.get("ends_sessions"))
    say(logged_out=ends, left=hub_delete(settings, "/sessions") if ends else None)


def stranger(accounts, settings, name):
    """Why an account is no notebook user's, if it is none."""
    if name not in accounts.passwd.named:
        return "has no account"
    if not accounts.ours(name) or name.startswith(CHECK):
        return "is an account of the server's own"
    for group in [settings.get("ssh_group"), "sudo", "root", "docker"]:
        row = accounts.group.named.get(group)
        if row and len(row) > 3 and (name in row[3].split(",") or accounts.passwd.named[name][3] == row[2]):
            return f"may do more on the server than a notebook user: it is in the group {group}"
    return None


def remove_people(settings):
    """Is told whom to remove, tells what was done.

    First nobody of them can log in any more, then their servers end, then their homes go aside in one step each, then
    the accounts, and what lay aside is removed. A run that is killed is finished by the next: an account is there until
    all but what lies aside is gone, and whoever holds the lock next sweeps that.
    """
    choose_hub(settings)
    accounts = Accounts(settings)
    accounts.load()
    say(accounts=accounts.describe())
    request = listen()
    if request is None:
        return
    keep, by_hand = request["keep_homes"], set(request["by_hand"])
    done = {"removed": [], "absent": [], "refused": [], "left": []}
    ending = []
    with accounts.locked():
        accounts.load()
        accounts.sweep_homes()
        for name in request["remove"]:
            reason = stranger(accounts, settings, name)
            if reason == "has no account":
                done["absent"].append(name)
                if name in accounts.ledger.of:
                    # An earlier run had removed the account, and not all that belongs to it.
                    accounts.forget(name)
            elif reason:
                done["refused"].append({"name": name, "reason": reason})
            elif not accounts.ledger.has_made(name) and name not in by_hand:
                done["refused"].append({"name": name, "reason": "was made by hand"})
            else:
                ending.append((name, int(accounts.passwd.named[name][2]), accounts.passwd.named[name][5]))
                shadow = accounts.shadow.named.get(name)
                if shadow and not shadow[1].startswith("!"):
                    # So that the ledger still knows whose it was, should this run not come to its end.
                    shadow[1] = "!" + shadow[1]
        accounts.save(tables_of(accounts))

    def end(person):
        name, uid, _ = person
        problem = forget_user(settings, name)
        if accounts.root == "/":
            end_processes(settings, name, uid)
            sweep_folders(uid)
        return problem

    # Those without an account may still be known to the hub.
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(BUILDERS) as workers:
        problems = list(workers.map(end, ending))
        problems += workers.map(lambda name: forget_user(settings, name), done["absent"])
    done["left"] += filter(None, problems)
    with accounts.locked():
        accounts.load()
        for name, _, home in ending:
            if name not in accounts.passwd.named:
                continue
            if not keep and home == f"{accounts.homes}/{name}":
                put_aside(accounts, name)
            accounts.forget(name)
        accounts.save(tables_of(accounts))
    for name, _, home in ending:
        done["removed"].append(name)
        for folder in settings.get("folders", []):
            discard(accounts.at(folder.replace("{name}", name)))
        if not keep:
            discard(accounts.at(f"{accounts.homes}/{GONE}{name}"))
            if os.path.lexists(accounts.at(home)):
                done["left"].append(f"{home} of {name} could not be removed")
    say(**done)


def tables_of(accounts):
    """In the order in which an account goes."""
    return accounts.passwd, accounts.shadow, accounts.group, accounts.gshadow


def put_aside(accounts, name):
    home, aside = (accounts.at(f"{accounts.homes}/{each}") for each in (name, GONE + name))
    discard(aside)
    try:
        os.rename(home, aside)
    except FileNotFoundError:
        pass
    except OSError:
        # A file system of its own: what is in it goes.
        with contextlib.suppress(OSError):
            for entry in os.scandir(home):
                discard(entry.path)
