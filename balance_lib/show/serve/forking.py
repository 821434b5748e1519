"""Start kernels by forking the zygote, where the system can; elsewhere, and if anything fails, one by one as usual."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

NAME = "balance-fork"
MODULE = "balance_lib.show.serve.process"


@cache
def known() -> bool:
    """Tell whether kernels can be forked here: Linux with process file descriptors, and the entry point installed."""
    able = sys.platform == "linux" and hasattr(os, "pidfd_open")
    return able and bool(entry_points(group="jupyter_client.kernel_provisioners", name=NAME))


class Zygote:
    """Hold the loaded process that kernels are forked from; started at the first need, again if it has died.

    One lock keeps requests apart. Every call may wait for the process to load, so it runs outside the event loop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._answers: Any = None

    def fork(self, file: str, env: dict[str, str], cwd: str) -> _Forked:
        """Return a new kernel's process.

        Parameters
        ----------
        file : str
            Connection file.
        env : dict of str to str
            Environment.
        cwd : str
            Working folder.

        Raises
        ------
        OSError
            If the zygote does not start or does not answer.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start(env)
            request = {"file": file, "env": env, "cwd": cwd}
            self._channel.sendall(json.dumps(request).encode() + b"\n")  # type: ignore[union-attr]
            return _Forked(**self._answer())

    def _start(self, env: dict[str, str]) -> None:
        self.close()
        here, there = socket.socketpair()
        line = [sys.executable, "-m", "balance_lib.show.serve.zygote", str(there.fileno())]
        env = {name: value for name, value in env.items() if not name.startswith("VOILA_")}  # it serves no page itself
        # A fork keeps one thread only: no library may start others before it.
        alone = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            line, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL, env=env | alone, start_new_session=True
        )
        there.close()
        self._channel, self._answers = here, here.makefile("rb")
        self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            self.close()
            raise OSError("the process kernels are forked from has ended")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End the zygote, and with it every kernel it still has."""
        for part in (self._answers, self._channel):
            if part is not None:
                part.close()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
            self._process.kill()
            self._process.wait()
        self._process = self._channel = self._answers = None


class _Forked:
    """Stand for a process that is not our child, as far as a provisioner wants to know it.

    A process file descriptor stays with the process it was opened for: a number that another process has got since is
    never signalled. One forked before every page was rehearsed keeps twice the memory for itself.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int, rehearsed: bool = True) -> None:
        self.pid, self.rehearsed = pid, rehearsed
        self.returncode: int | None = None
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._fd, self.returncode = -1, 1

    def poll(self) -> int | None:
        """Return None while it runs; its true exit code is known to its parent alone."""
        if self.returncode is None and select.select([self._fd], [], [], 0)[0]:
            os.close(self._fd)
            self.returncode = 0
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if self.returncode is None and not select.select([self._fd], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("kernel", timeout or 0)
        return self.poll() or 0

    def send_signal(self, number: int) -> None:
        """Send a signal while it runs."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._fd, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class ForkProvisioner(LocalProvisioner):
    """Provision a kernel by forking; a kernel that cannot be forked is started by itself."""

    zygote: ClassVar[Zygote] = Zygote()

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork the kernel; ``cmd`` is what would have started it."""
        if MODULE not in cmd:
            return await super().launch_kernel(cmd, **kwargs)
        env, cwd = dict(kwargs.get("env") or os.environ), str(kwargs.get("cwd") or Path.cwd())
        try:
            loop = asyncio.get_running_loop()
            forked: Any = await loop.run_in_executor(None, lambda: self.zygote.fork(cmd[-1], env, cwd))
        except (OSError, ValueError) as error:
            self.log.warning("kernels are started one by one: %s", error)
            return await super().launch_kernel(cmd, **kwargs)
        self.process, self.pid, self.pgid, self.cwd = forked, forked.pid, forked.pid, cwd
        return self.connection_info
