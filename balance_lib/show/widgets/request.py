"""Read what the address of a page asks for: county, year, standard, language."""

from __future__ import annotations

import json
import os
import time
from urllib.parse import parse_qsl

# Set in a kernel whose parent has made every page before: what `apps.warm` does is done.
REHEARSED = "BALANCE_REHEARSED"
# What a warm kernel shows the server to be told its visitor; every kernel inherits it, no browser knows it.
KEY, KEY_HEADER = "BALANCE_SERVER_KEY", "Balance-Server-Key"


def query() -> dict[str, str]:
    """Return the choices in the page's address, waiting for the visitor when the kernel was warmed up beforehand.

    Everything a notebook does before this call is done before anybody comes. Outside Voila there is no address and
    the answer is empty.

    Returns
    -------
    dict of str to str
        The last value of each name; blank values are left out.
    """
    if os.environ.get("VOILA_PREHEAT") == "True":
        os.environ.update(_wait())
        os.environ["VOILA_PREHEAT"] = "False"
    return dict(parse_qsl(os.environ.get("QUERY_STRING", "")))


def language(asked: dict[str, str]) -> str:
    """Return the language a page is to speak: the address's, else the server's, else Chinese."""
    from balance_lib.locale import LANGUAGES

    wished = asked.get("lang", os.environ.get("BALANCE_LANG", "zh"))
    return wished if wished in LANGUAGES else "zh"


def _wait() -> dict[str, str]:
    """Ask the server for the request this warm kernel was given to, however long nobody comes."""
    # Voila's own wait_for_request imports half of Jupyter into the kernel, and gives up when a laptop has slept.
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    server, base = os.environ.get("VOILA_APP_IP", "127.0.0.1"), os.environ.get("VOILA_SERVER_URL", "/")
    host = f"[{server}]" if ":" in server else server
    address = f"ws://{host}:{os.environ['VOILA_APP_PORT']}{base}voila/query/{os.environ['VOILA_KERNEL_ID']}"
    shown = {KEY_HEADER: os.environ.get(KEY, "")}
    while True:  # if the server is gone for good, the kernel notices and ends by itself
        try:
            with connect(address, ping_interval=None, additional_headers=shown) as socket:
                return {str(name): str(value) for name, value in json.loads(socket.recv()).items()}
        except (ConnectionClosed, OSError):
            time.sleep(1)
        except KeyboardInterrupt:
            os._exit(0)  # the server is stopping and nobody has come: there is nothing to finish
