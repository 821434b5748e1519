"""Say what is to be done with every county, and how results of the same thing are found again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import balance_lib
from balance_lib import standards
from balance_lib.access.distance import Mode
from balance_lib.standards import STAGES, Standard

SCHEMA = 1  # of the parts: a change of what they hold makes old ones worthless


@dataclass(frozen=True, kw_only=True)
class Options:
    """Hold what is done with every county.

    Parameters
    ----------
    standards : tuple of str
        Ids of standards, or paths of YAML files every worker can read.
    year : int, optional
        School year to judge; every year each county has by default.
    access : {"straight", "network", "terrain"}, optional
        Measure who walks how far, in this way, in the last of the years judged.
    stages : tuple of str
        Stages measured and optimised.
    optimise : mapping, optional
        Propose a layout a stage, for these goals (names of :class:`balance_lib.siting.Goals`, and ``seconds``).
    by : str, optional
        Date by which counties are to pass (``2030`` or ``2030-08``), where their folder names none under ``targets``.

    Examples
    --------
    >>> Options(standards=("basic_2012", "quality_2017"), access="network").year is None
    True
    """

    standards: tuple[str, ...] = ("basic_2012", "quality_2017")
    year: int | None = None
    access: Mode | None = None
    stages: tuple[str, ...] = STAGES
    optimise: dict[str, Any] | None = field(default=None)
    by: str | None = None

    def load(self) -> list[Standard]:
        """Return the standards, read once in a process."""
        return [_standard(name) for name in self.standards]

    def digest(self) -> str:
        """Return a digest of everything besides the county a result depends on: options, standards, software."""
        said = json.dumps(asdict(self), sort_keys=True, default=str)
        total = hashlib.sha256(f"{SCHEMA}\0{balance_lib.__version__}\0{said}".encode())
        for name in self.standards:
            total.update(_text(name))
        return total.hexdigest()[:16]


@cache
def _standard(name: str) -> Standard:
    return standards.load(name)


def _text(name: str) -> bytes:
    """Return the source of a standard as it stands."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path.read_bytes()
    return json.dumps(standards.load(name).as_dict(), sort_keys=True, default=str).encode()


def _key(content: str, options: str) -> str:
    """Return the name a county's result goes by: the same county asked the same thing by the same software.

    ``options``: digest of what was asked and of the software.

    Returns
    -------
    str
        Twenty hexadecimal digits.
    """
    return hashlib.sha256(f"{content}\0{options}".encode()).hexdigest()[:20]
