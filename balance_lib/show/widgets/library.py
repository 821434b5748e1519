"""Find the county folders a dashboard may show, and save into them without touching what ships."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from balance_lib._errors import ChangedError, NotFoundError
from balance_lib.data import saving, tables
from balance_lib.data.county import META, County
from balance_lib.locale import bracket, text
from balance_lib.plain import from_yaml
from balance_lib.shipped import shipped

ROOT_VARIABLE = "BALANCE_ROOT"
HOME_VARIABLE = "BALANCE_HOME"
NEEDED = ("schools", "school_years")


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
            saving.recover_all(root)
            for meta in sorted(root.glob(f"*/{META}")):
                if not meta.parent.name.startswith("."):
                    found.setdefault(meta.parent.name, meta.parent)
        return found

    def names(self, lang: str = "zh") -> dict[str, str]:
        """Return the counties' names by folder name, without opening their tables.

        One that cannot be read, or lacks a file without which nothing can be judged, is marked; folders of one name
        are told apart.
        """
        out = {}
        for name, folder in self.folders().items():
            meta = _facts(folder / META, _mtime(folder / META))
            readable = meta is not None and all((folder / tables.table(t).file).is_file() for t in NEEDED)
            meta = meta or {}
            shown = str(meta.get(f"name_{lang}") or meta.get("name_zh") or name)
            out[name] = shown if readable else text("page.unreadable_county", lang, name=shown)
        twins = {shown for shown, n in Counter(out.values()).items() if n > 1}
        return {name: shown + bracket(name, lang) if shown in twins else shown for name, shown in out.items()}

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
        return _opened(folders[name], saving.version_of(folders[name]))

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
            with suppress(ChangedError), saving.replacing(target, "") as fresh:  # or somebody else copied it just now
                shutil.copytree(current, fresh, dirs_exist_ok=True)
        return target


@lru_cache(maxsize=12)
def _opened(folder: Path, version: str) -> County:
    return County.open(folder)


@lru_cache(maxsize=256)
def _facts(file: Path, mtime_ns: int) -> dict[str, Any] | None:
    """Return what ``county.yaml`` says; None where it cannot be read."""
    try:
        found = from_yaml(file.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError):
        return None
    return found if isinstance(found, dict) else None


def _mtime(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
