# Asks the hub to tell the proxy its routes again. Written by hubctl; run by hubproxy.service when it starts.
import http.client
import time

with open("/etc/jupyterhub/secrets/api-token") as file:
    TOKEN = file.read().strip()

for attempt in range(20):
    try:
        hub = http.client.HTTPConnection("127.0.0.1", 881, timeout=5)
        hub.request("POST", "/hub/api/proxy", headers={"Authorization": "token " + TOKEN})
        if hub.getresponse().status < 500:
            break
    except ConnectionRefusedError:
        break  # No hub yet: it tells the routes when it starts.
    except (OSError, http.client.HTTPException):
        pass
    time.sleep(0.25)
