"""Asks the proxy of this server, whichever it is, what it serves. Changes nothing."""
import base64
import http.client
import json
import os
import re
import socket


def token_of(path):
    with open(path) as file:
        return file.read().strip()


def connect(listen):
    if listen.startswith("/"):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(10)
        link.connect(listen)
        return link
    host, _, port = listen.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def ask(listen, path, authorization):
    link = http.client.HTTPConnection("localhost", timeout=10)
    link.sock = connect(listen)
    try:
        link.request("GET", path, headers={"Authorization": authorization})
        answer = link.getresponse()
        body = answer.read()
    finally:
        link.close()
    if answer.status != 200:
        raise OSError("it answers HTTP %d" % answer.status)
    return json.loads(body)


def of_hubs(listen, token):
    return ask(listen, "/api/routes", "token " + token)


def of_traefik(listen, token):
    """Its routers by the path in their rule, and where the service of each leads."""
    authorization = "Basic " + base64.b64encode(("jupyterhub:" + token).encode()).decode()
    # It answers in pages; a class has fewer than the largest.
    page = "?per_page=10000"
    services = {one["name"]: one for one in ask(listen, "/api/http/services" + page, authorization)}
    found = {}
    for router in ask(listen, "/api/http/routers" + page, authorization):
        path = re.search(r"PathPrefix\(`([^`]*)`\)", router.get("rule", ""))
        host = re.search(r"Host\(`([^`]*)`\)", router.get("rule", ""))
        name = router.get("service", "")
        if "@" not in name:
            name += "@" + router.get("provider", "")
        servers = services.get(name, {}).get("loadBalancer", {}).get("servers", [])
        if path and servers:
            found[(host.group(1) if host else "") + path.group(1)] = dict(target=servers[0].get("url", ""), data={})
    return found


def routes(request):
    problem = "no proxy is set up on this server"
    for place in request:
        tokens = [path for path in place["tokens"] if os.path.exists(path)]
        settings = place.get("settings")
        if not tokens or (settings and not os.path.exists(settings)):
            continue
        asked = of_traefik if settings else of_hubs
        for listen in place["listen"]:
            if listen.startswith("/") and not os.path.exists(listen):
                continue
            try:
                print(json.dumps(dict(proxy=place["name"], routes=asked(listen, token_of(tokens[0])))))
                return
            except (OSError, ValueError, http.client.HTTPException) as error:
                problem = "%s at %s: %s" % (place["name"], listen, error)
    print(json.dumps(dict(problem=problem)))
