"""Find the county folders a dashboard may show, and save into them without touching what ships."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from balance_lib._errors import NotFoundError
from balance_lib.data.county import META, County
from balance_lib.shipped import shipped

ROOT_VARIABLE = "BALANCE_ROOT"
HOME_VARIABLE = "BALANCE_HOME"


@dataclass(frozen=True)
class Library:
    """Hold the folders that county folders stand in; the first is the one to write into.

    A county in an earlier folder hides one of the same name in a later one, so that the first change to a
    demonstration county makes a copy of one's own.
    """

    roots: Sequence[Path]

    @classmethod
    def default(cls) -> Library:
        """Take the folder named by ``BALANCE_ROOT``; without one, the user's own folder before the demonstration."""
        root = os.environ.get(ROOT_VARIABLE)
        if root:
            return cls((Path(root).resolve(),))
        home = os.environ.get(HOME_VARIABLE)
        return cls((Path(home).resolve() if home else Path.home() / "balance_counties", shipped("demo")))

    def folders(self) -> dict[str, Path]:
        """Return the county folders by name."""
        found: dict[str, Path] = {}
        for root in self.roots:
            for meta in sorted(root.glob(f"*/{META}")):
                if not meta.parent.name.startswith("."):
                    found.setdefault(meta.parent.name, meta.parent)
        return found

    def names(self, lang: str = "zh") -> dict[str, str]:
        """Return the counties' names by folder name, without opening their tables."""
        out = {}
        for name, folder in self.folders().items():
            meta = _facts(folder / META, (folder / META).stat().st_mtime_ns)
            out[name] = str(meta.get(f"name_{lang}") or meta.get("name_zh") or name)
        return out

    def open(self, name: str) -> County:
        """Open a county by its folder name.

        Raises
        ------
        NotFoundError
            If there is none of that name.
        """
        folders = self.folders()
        if name not in folders:
            raise NotFoundError("county", name, folders)
        return _opened(folders[name], _stamp(folders[name]))

    def writable(self, name: str) -> Path:
        """Return the folder to write a county into; a county that only ships is copied there first.

        Raises
        ------
        ViewerError
            If the page was opened for looking only.
        """
        from balance_lib.office.store import role  # only who writes pays for the store

        role.need_to_write()
        target, current = self.roots[0] / name, self.folders().get(name)
        if current is not None and current != target:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(current, target)
        return target


@lru_cache(maxsize=12)
def _opened(folder: Path, stamp: tuple[tuple[str, int], ...]) -> County:
    return County.open(folder)


@lru_cache(maxsize=256)
def _facts(file: Path, mtime_ns: int) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8-sig")) or {}


def _stamp(folder: Path) -> tuple[tuple[str, int], ...]:
    """Return what changes when a file of the folder changes: what is opened once stays open only that long."""
    return tuple(sorted((p.name, p.stat().st_mtime_ns) for p in folder.glob("*.*") if p.is_file()))
