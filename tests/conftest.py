"""Fixtures shared by all tests."""

from __future__ import annotations

import atexit
import base64
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

# Tests write their own office work; the demonstration's is asked for by the tests that are about it.
os.environ.setdefault("BALANCE_DEMO_STORE", "0")
# What a command keeps for its user is not kept in the home of who runs the tests.
if "BALANCE_HOME" not in os.environ:
    os.environ["BALANCE_HOME"] = tempfile.mkdtemp(prefix="balance-tests-")
    atexit.register(shutil.rmtree, os.environ["BALANCE_HOME"], ignore_errors=True)

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

DOT = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg==")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes unless it is asked for by its mark."""
    if "mouths_all" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("mouths_all"):
                item.add_marker(pytest.mark.skip(reason="minutes: run with -m mouths_all"))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Return the folder of source material beside the project; skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the source material (../shared) is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def demo_dir() -> Path:
    return ROOT / "data" / "demo"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a dot in the place of each picture of a paper: who reads its words alone need not wait for the drawing."""

    def dot(letter: Any, draw: object, *of: object, caption: str) -> None:
        letter.figure(DOT, caption)

    monkeypatch.setattr("balance_lib.office.reports.brief.figure", dot)
