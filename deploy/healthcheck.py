"""Whether the process in this container lives: it is asked over the loopback, in plain HTTP or over TLS."""

import os
import ssl
import sys
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

address = f"127.0.0.1:{os.environ.get('PARLEY_SERVER__PORT', '8080')}/healthz"
# Its certificate has people's name for it, not this one; and what answers on the loopback is itself.
unverified = ssl.create_default_context()
unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
# No proxy between: Docker hands http_proxy of ~/.docker/config.json to every container.
opener = build_opener(ProxyHandler({}), HTTPSHandler(context=unverified))

for scheme in ("http", "https"):
    try:
        opener.open(f"{scheme}://{address}", timeout=2)
    except HTTPError:
        break
    except (HTTPException, OSError):  # nobody is there, or speaks the other of both
        continue
    sys.exit(0)
sys.exit(1)
