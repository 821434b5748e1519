"""Stand between a browser and a server as a network cable does: it can be pulled, go dead, and be put back."""

from __future__ import annotations

import contextlib
import select
import socket
import threading


class Cable:
    """Carry TCP connections from a port of its own to the server's.

    ``state`` is "whole", "cut" (every connection ends and none is taken) or "dead" (everything stays open and nothing
    arrives: what a browser sees when the cable lies between two switches).
    """

    def __init__(self, port: int) -> None:
        self.behind, self.state = port, "whole"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._take, daemon=True).start()

    def set(self, state: str) -> None:
        """Pull, deaden or mend it."""
        self.state = state
        if state == "cut":
            for pair in self._pairs:
                for end in pair:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it for good."""
        self.set("cut")
        self._listener.close()

    def _take(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.state == "cut":
                    raise OSError
                far = socket.create_connection(("127.0.0.1", self.behind))
            except OSError:
                near.close()
                continue
            self._pairs.append((near, far))
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        with contextlib.suppress(OSError), near, far:
            while True:
                for end in select.select([near, far], [], [], 0.1)[0] if self.state != "dead" else self._rest():
                    chunk = end.recv(65536)
                    if not chunk:
                        return
                    other[end].sendall(chunk)

    def _rest(self) -> list[socket.socket]:
        threading.Event().wait(0.05)
        return []
