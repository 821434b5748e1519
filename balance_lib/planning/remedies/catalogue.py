"""Hold what a county can do about a gap and what one unit costs, read from an editable YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from balance_lib._errors import DataError, NotFoundError, PolicyError, unreadable
from balance_lib.data import tables
from balance_lib.plain import from_yaml

KINDS = ("build", "buy", "hire", "train", "rotate", "fund", "decide", "target")
BASES = ("priced", "decision", "target")
_ACTION_KEYS = {"zh", "en", "kind", "unit", "effects", "once_yuan", "yearly_yuan", "lead_years", "most_share", "most",
                "basis", "first", "whole", "source"}  # fmt: skip
_SECTIONS = {"horizon_years", "actions", "rotate", "county_actions", "parts", "figures"}
_ROTATE_KEYS = {"zh", "en", "unit", "carries", "county", "once_yuan", "yearly_yuan", "source"}
_FIGURE_KEYS = {"match", "basis", "once_yuan", "yearly_yuan", "per", "why", "source"}


@dataclass(frozen=True)
class Price:
    """Hold a price a unit: a number, or a county figure times a factor with a number for counties that lack it."""

    yuan: float = 0.0
    figure: str | None = None
    times: float = 1.0

    def of(self, figures: Mapping[str, float]) -> float:
        """Return the price in a county with these figures, in yuan."""
        found = figures.get(self.figure) if self.figure else None
        return self.times * (self.yuan if found is None or found != found else found)


@dataclass(frozen=True)
class Action:
    """One thing that can be done: what a unit moves, what it costs, where the price comes from.

    ``effects`` are columns of ``school_years`` (of county figures for an action of the county), the main one first.
    """

    action_id: str
    zh: str
    en: str
    kind: str
    unit: str
    effects: Mapping[str, float]
    once: Price = Price()
    yearly: Price = Price()
    lead_years: int = 0
    basis: str = "priced"
    whole: bool = False
    first: bool = False
    most_share: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)
    county: Mapping[str, float] = field(default_factory=dict)
    source: str = ""

    def label(self, lang: str = "zh") -> str:
        """Return the name of the action in a language."""
        return self.zh if lang == "zh" else self.en

    @property
    def main(self) -> str:
        """Return the column the action is for."""
        return next(iter(self.effects))


@dataclass(frozen=True)
class _Figure:
    """Say what can be done about a county figure: moved at a price, by decision, only aimed at, or not at all."""

    match: str
    basis: str = "priced"
    once_yuan: float = 0.0
    yearly_yuan: float = 0.0
    per: str | None = None
    why: str = "fact"
    source: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Hold the actions on schools, the rotations, the actions of the county and what county figures cost."""

    actions: Mapping[str, Action]
    rotations: Mapping[str, Action]
    county_actions: Mapping[str, Action]
    figures: Sequence[_Figure]
    parts: Sequence[tuple[str, str]]
    horizon_years: int = 3

    @property
    def all(self) -> dict[str, Action]:
        """Return every action by its id."""
        return {**self.actions, **self.rotations, **self.county_actions}

    def figure(self, name: str) -> _Figure:
        """Return what can be done about a county figure: the first pattern that fits."""
        return next((f for f in self.figures if fnmatchcase(name, f.match)), _Figure("*", "decision"))

    def without(self, banned: Sequence[str]) -> Catalogue:
        """Return the catalogue without some actions or kinds of action.

        Raises
        ------
        NotFoundError
            If there is no such action or kind.
        """
        unknown = [name for name in banned if name not in self.all and name not in KINDS]
        if unknown:
            raise NotFoundError("action", unknown[0], [*KINDS, *self.all])

        def keep(found: Mapping[str, Action]) -> dict[str, Action]:
            return {i: a for i, a in found.items() if i not in banned and a.kind not in banned}

        return Catalogue(
            keep(self.actions), keep(self.rotations), keep(self.county_actions), self.figures, self.parts,
            self.horizon_years,
        )  # fmt: skip


def catalogue(path: str | Path | None = None) -> Catalogue:
    """Read the catalogue of actions and unit costs.

    Parameters
    ----------
    path : str or Path, optional
        An edited copy of ``costs.yaml``; the package's own by default.

    Raises
    ------
    NotFoundError
        If there is no such file.
    PolicyError
        If the file names a column, key or kind that does not exist, or a price that is none; every fault at once.
    """
    if path is None:
        return _shipped()
    if not Path(path).is_file():
        raise NotFoundError("costs", str(path), ["costs.yaml"])
    try:
        raw = from_yaml(Path(path).read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise DataError([unreadable(Path(path).name, error)]) from error
    return _build(raw, str(path))


@cache
def _shipped() -> Catalogue:
    text = resources.files(__package__).joinpath("costs.yaml").read_text(encoding="utf-8")
    return _build(yaml.safe_load(text), "costs.yaml")


def _build(raw: Any, file: str) -> Catalogue:
    if not isinstance(raw, dict):
        raise PolicyError(f"{file}: a mapping is expected")
    faults = [f"{file}: {fault}" for fault in _faults(raw)]
    if faults:
        raise PolicyError("\n".join(faults))
    return Catalogue(
        {name: _action(name, spec) for name, spec in raw.get("actions", {}).items()},
        {name: _rotation(name, spec) for name, spec in raw.get("rotate", {}).items()},
        {name: _action(name, spec) for name, spec in raw.get("county_actions", {}).items()},
        tuple(_Figure(**spec) for spec in raw.get("figures", [])),
        tuple((part, whole) for part, whole in raw.get("parts", [])),
        int(raw.get("horizon_years", 3)),
    )


def _faults(raw: Mapping[str, Any]) -> list[str]:
    """Name what the file holds that cannot be meant."""
    columns = tables.table("school_years").columns
    found = [f"{key}: unknown" for key in set(raw) - _SECTIONS]
    for section, known in (("actions", _ACTION_KEYS), ("rotate", _ROTATE_KEYS), ("county_actions", _ACTION_KEYS)):
        for name, spec in (raw.get(section) or {}).items():
            at = f"{section}.{name}"
            found += [f"{at}.{key}: unknown" for key in set(spec) - known]
            found += [f"{at}.{key}: missing" for key in ("zh", "en", "unit", "source") if not spec.get(key)]
            moved = spec.get("carries" if section == "rotate" else "effects") or {}
            if not moved:
                found.append(f"{at}.effects: missing")
            if section != "county_actions":
                found += [f"{at}: column {c!r} unknown" for c in moved if c not in columns or not columns[c].numeric]
            if section != "rotate" and spec.get("kind") not in KINDS:
                found.append(f"{at}.kind: {spec.get('kind')!r}, one of {', '.join(KINDS)}")
            if spec.get("basis", "priced") not in BASES:
                found.append(f"{at}.basis: {spec.get('basis')!r}, one of {', '.join(BASES)}")
            found += [f"{at}.{key}: {spec[key]!r} is no price" for key in ("once_yuan", "yearly_yuan")
                      if key in spec and not _is_price(spec[key])]  # fmt: skip
            if spec.get("basis", "priced") == "priced" and not {"once_yuan", "yearly_yuan"} & set(spec):
                found.append(f"{at}: a price is missing (once_yuan or yearly_yuan), or basis: decision")
    for i, spec in enumerate(raw.get("figures") or []):
        found += [f"figures[{i}].{key}: unknown" for key in set(spec) - _FIGURE_KEYS]
    return found


def _is_price(spec: Any) -> bool:
    number = spec.get("else") if isinstance(spec, dict) else spec
    return isinstance(number, (int, float)) and not isinstance(number, bool) and number >= 0


def _price(spec: Any) -> Price:
    if isinstance(spec, dict):
        return Price(float(spec["else"]), spec.get("figure"), float(spec.get("times", 1.0)))
    return Price(float(spec or 0.0))


def _action(name: str, spec: Mapping[str, Any]) -> Action:
    plain = {k: spec[k] for k in ("zh", "en", "kind", "unit", "lead_years", "basis", "whole", "first", "most_share",
             "most", "source") if k in spec}  # fmt: skip
    effects = {column: float(amount) for column, amount in spec["effects"].items()}
    return Action(name, effects=effects, once=_price(spec.get("once_yuan")), yearly=_price(spec.get("yearly_yuan")),
                  **plain)  # fmt: skip


def _rotation(name: str, spec: Mapping[str, Any]) -> Action:
    return Action(
        name, spec["zh"], spec["en"], "rotate", spec["unit"], {c: float(a) for c, a in spec["carries"].items()},
        _price(spec.get("once_yuan")), _price(spec.get("yearly_yuan")), whole=True,
        county={c: float(a) for c, a in spec.get("county", {}).items()}, source=spec["source"],
    )  # fmt: skip
