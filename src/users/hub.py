

# The hub's API, by the token of the service `hubctl`.
import http.client
import urllib.parse

PAGE = 200


class HubProblem(Exception):
    pass


def choose_hub(settings):
    """Of the hubs that may be on the server, the one that is; its places become the settings."""
    for hub in settings.get("hubs", []):
        if os.path.exists(hub["token_file"]):
            settings.update(hub)
            return


def hub_call(settings, method, path, accept="application/json"):
    """One call; returns the status and what was answered."""
    try:
        with open(settings["token_file"]) as file:
            token = file.read().strip()
    except KeyError:
        raise HubProblem("the server has no hub") from None
    except OSError as error:
        raise HubProblem(f"{settings['token_file']}: {error.strerror}") from None
    api = urllib.parse.urlsplit(settings["api"])
    hub = http.client.HTTPConnection(api.hostname, api.port, timeout=30)
    try:
        hub.request(method, f"{api.path}{path}", headers={"Authorization": f"token {token}", "Accept": accept})
        answer = hub.getresponse()
        return answer.status, answer.read()
    finally:
        hub.close()


def hub_users(settings):
    """The hub's users by name: when each was last active, which servers of theirs run."""
    users, offset = {}, 0
    while True:
        status, body = hub_call(settings, "GET", f"/users?limit={PAGE}&offset={offset}",
                                "application/jupyterhub-pagination+json")
        if status != 200:
            raise HubProblem(f"HTTP {status}")
        answer = json.loads(body)
        for user in answer["items"]:
            if not user["name"].startswith(CHECK):
                servers = user.get("servers") or {}
                users[user["name"]] = {
                    "admin": bool(user.get("admin")), "last_activity": user.get("last_activity"),
                    "servers": [{"name": name, "ready": bool(server.get("ready")), "started": server.get("started"),
                                 "last_activity": server.get("last_activity")}
                                for name, server in sorted(servers.items()) if not server.get("stopped")]}
        following = answer["_pagination"].get("next")
        if not following:
            return users
        offset = following["offset"]


def forget_user(settings, name):
    """Has the hub stop the user's servers and forget the user; returns why it did not."""
    problem = hub_delete(settings, f"/users/{urllib.parse.quote(name, safe='')}")
    return problem and f"the hub still knows {name}: {problem}"


def log_out(settings, name):
    """Has the hub end the sessions of a user's browsers; returns why it did not."""
    problem = hub_delete(settings, f"/users/{urllib.parse.quote(name, safe='')}/sessions")
    return problem and f"{name} may be logged in still: {problem}"


def hub_delete(settings, path):
    """Has the hub delete something, also one that is busy or restarts; returns why it did not."""
    answer = settings.get("hub_is_down", "no answer")
    # A server that is still starting or stopping takes its time; a hub that restarts, less.
    started = time.monotonic()
    while "hub_is_down" not in settings and time.monotonic() < started + 75:
        try:
            status, _ = hub_call(settings, "DELETE", path)
            if status in (204, 404):
                return None
            answer = f"HTTP {status}"
            if status != 400 and status < 500 or status == 507:
                break
        except HubProblem as error:
            answer = str(error)
            break
        except (OSError, http.client.HTTPException) as error:
            answer = str(error) or type(error).__name__
            if time.monotonic() > started + 20:
                settings["hub_is_down"] = answer
        time.sleep(0.5)
    return answer
