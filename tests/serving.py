"""Serve notebooks as a user does, by the real server in a process of its own, for tests."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from balance_lib.show import serve

TOP = Path(__file__).resolve().parents[1]


class Served:
    """Run the server until closed; ``url`` is where the pages are.

    Parameters
    ----------
    folder : Path
        Notebooks to serve.
    token : str, optional
        Handed over by the environment, as a user would.
    environment : mapping, optional
        Variables added to the server's environment.
    **options
        As for :func:`balance_lib.show.serve.command`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        token: str | None = None,
        root: Path | None = None,
        environment: Mapping[str, str] | None = None,
        **options: object,
    ) -> None:
        line = serve.command(root or folder, **{"port": 0, "dashboards": folder, **options})  # type: ignore[arg-type]
        # The pages stand elsewhere: it is this checkout that is served, whatever is installed.
        env = (
            os.environ
            | {"PYTHONPATH": str(TOP)}
            | dict(environment or {})
            | ({"BALANCE_TOKEN": token} if token else {})
        )
        self.process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", env=env, cwd=folder
        )
        self.log: list[str] = []
        self.url = ""
        self._started = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        if not self._started.wait(60):
            self.close()
            raise RuntimeError("the server did not start:\n" + "".join(self.log))

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            found = re.search(r"http://[\d.]+:\d+/\S*", line)
            if found and not self._started.is_set():
                # It is said twice, in Chinese and in English.
                first, self.url = self.url, found.group()
                if first:
                    self._started.set()

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(re.search(r":(\d+)/", self.url).group(1))  # type: ignore[union-attr]

    def close(self) -> int:
        """Stop it as a service manager does, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def write_notebook(folder: Path, name: str, cells: Sequence[str], **metadata: object) -> Path:
    """Write a notebook of code cells; cells can import the tests' own modules."""
    head = f"import sys; sys.path.insert(0, {str(TOP)!r})"
    sources = [head, *cells]
    notebook: Mapping[str, object] = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "language": "python", "display_name": "x"}, **metadata},
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{i}",
                "metadata": {},
                "outputs": [],
                "execution_count": None,
                "source": source,
            }
            for i, source in enumerate(sources)
        ],
    }
    file = folder / f"{name}.ipynb"
    file.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    return file
