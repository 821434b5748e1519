"""Write and read the frames of a kernel's socket, as the browser does."""

from __future__ import annotations

import json
import uuid
from typing import Any

PROTOCOL: Any = "v1.kernel.websocket.jupyter.org"
VERSIONS = {"jupyter.widget": "2.1.0", "jupyter.widget.control": "1.0.0"}


def message(kind: str, content: dict[str, Any], channel: str = "shell") -> bytes:
    """Return a message as a frame."""
    number, version = uuid.uuid4().hex, VERSIONS.get(content.get("target_name", ""), "")
    header = {"msg_id": number, "msg_type": kind, "session": "s", "username": "", "version": "5.3", "date": ""}
    parts = [channel.encode(), *(json.dumps(part).encode() for part in (header, {}, {"version": version}, content))]
    places = [8 * (len(parts) + 2)]
    for part in parts:
        places.append(places[-1] + len(part))
    return b"".join(n.to_bytes(8, "little") for n in (len(places), *places)) + b"".join(parts)


def read(frame: str | bytes) -> tuple[str, dict[str, Any]]:
    """Return a message's type and content."""
    assert isinstance(frame, bytes)
    count = int.from_bytes(frame[:8], "little")
    places = [int.from_bytes(frame[8 * (i + 1) : 8 * (i + 2)], "little") for i in range(count)]
    header, _, _, content = (json.loads(frame[places[i] : places[i + 1]]) for i in range(1, 5))
    return header["msg_type"], content
