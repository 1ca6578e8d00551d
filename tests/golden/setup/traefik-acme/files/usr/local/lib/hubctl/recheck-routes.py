# Asks the hub to tell the proxy its routes again. Written by hubctl; run by traefik.service when it starts.
import http.client
import time

with open("/etc/jupyterhub/secrets/api-token") as file:
    TOKEN = file.read().strip()

# Not for long: a hub that was set up for another proxy answers late, and is about to be restarted.
until = time.monotonic() + 10
while time.monotonic() < until:
    try:
        hub = http.client.HTTPConnection("127.0.0.1", 881, timeout=3)
        hub.request("POST", "/hub/api/proxy", headers={"Authorization": "token " + TOKEN})
        if hub.getresponse().status < 500:
            break
    except ConnectionRefusedError:
        break  # No hub yet: it tells the routes when it starts.
    except (OSError, http.client.HTTPException):
        pass
    time.sleep(0.25)
