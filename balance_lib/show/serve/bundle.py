"""Join the scripts every page needs into one file: a page asks once for what Voila asks a hundred times.

Nothing is built or copied: the files are webpack's chunks as Voila, ipywidgets and anywidget install them. A chunk only
puts its modules on a list, so those that stand before the runtime are simply there when it looks for them; one that is
missing here is fetched by its own address, as in plain Voila.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jupyter_server.utils import url_path_join
from voila.paths import collect_static_paths
from voila.utils import get_voila_labextensions_path

from balance_lib.show.serve.settings import EXTENSIONS, TEMPLATE

STATIC = Path(__file__).parent / "static"
# Where an extension holds more than is needed: its own copies of what Voila shares with it.
NEEDED = {"@voila-dashboards/widgets-manager8": ("883.", "496.")}


@cache
def _extensions() -> list[tuple[str, Path, dict[str, str]]]:
    """Return each extension's name, folder, and what its package says of the build; read once, not for every page."""
    found = []
    for name in EXTENSIONS:
        for root in get_voila_labextensions_path([]):
            package = Path(root, name, "package.json")
            if package.is_file():
                build = json.loads(package.read_text(encoding="utf-8"))["jupyterlab"]["_build"]
                found.append((name, package.parent, build))
                break
    return found


def engine() -> bytes:
    """Return the script that runs a page: what starts it early, the extensions, Voila's chunks, and Voila itself."""
    parts = [(STATIC / "early.js").read_text(encoding="utf-8")]
    for name, folder, build in _extensions():
        entry = folder / build["load"]
        chunks = [file for file in sorted(entry.parent.glob("[0-9]*.js")) if file.name.startswith(NEEDED.get(name, ""))]
        parts += [*map(_alone, chunks), entry.read_text(encoding="utf-8")]
    voila = static("voila.js").read_text(encoding="utf-8")
    asked = [static(f"{number}.voila.js") for number in dict.fromkeys(re.findall(r"\.e\((\d+)\)", voila))]
    return "\n;".join([*parts, *(_alone(file) for file in asked if file.is_file()), voila]).encode("utf-8")


def static(name: str) -> Path:
    """Return where a static file of Voila lies."""
    found = [Path(folder, name) for folder in collect_static_paths(["voila", "nbconvert"], TEMPLATE)]
    return next((file for file in found if file.is_file()), found[0])


def _alone(file: Path) -> str:
    """Return a script in a function of its own: whether it is strict is its own affair."""
    return f"(function(){{{file.read_text(encoding='utf-8')}\n}}).call(this)"


def page_config(found: dict[str, Any], *, base_url: str, version: str, **_: Any) -> dict[str, Any]:
    """Return Voila's configuration of a page with one extension in place of all: they are in the engine already.

    Parameters
    ----------
    found : dict of str to object
        What the page is told.
    base_url : str
        Path the pages stand under.
    version : str
        Version the change was made from; another one is refused.
    **_ : object
    """
    listed = [{"name": name, **build} for name, _, build in _extensions()]
    ours = {"name": "balance", "load": f"extension.js?v={version}", "extension": "./extension"}
    folder = url_path_join(base_url, "voila")
    return found | {"federated_extensions": [ours], "bundledExtensions": listed, "fullLabextensionsUrl": folder}
