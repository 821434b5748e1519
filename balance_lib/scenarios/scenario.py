"""Hold a scenario: an immutable list of operations on a county's baseline year; YAML in and out."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from balance_lib._errors import DataError, Fault, unreadable
from balance_lib.data.county import County
from balance_lib.plain import as_yaml, from_yaml
from balance_lib.scenarios import operations as ops
from balance_lib.scenarios.operations import Operation
from balance_lib.scenarios.settings import ASSIGNMENTS, STEPS, Parents, Procedure, ProcedureStep, Settings
from balance_lib.shown import Shown

_TOP = ("scenario", "county", "year", "target_year", "note", "settings", "operations", "procedure")


@dataclass(frozen=True, repr=False)
class Scenario(Shown):
    """Hold what would be done to a county's schools. The empty one does nothing and moves nobody.

    Parameters
    ----------
    name : str
    county_id : str
    year : int
        Baseline: the school year it starts from.
    target_year : int, optional
        School year it is judged in, 1 to 15 years on; the baseline itself by default.
    operations : tuple of Operation
        In no particular order, but that a school closed and then opened again is as if nothing had been done.
    settings : Settings
    procedure : Procedure
    note : str
    """

    name: str
    county_id: str
    year: int
    target_year: int | None = None
    operations: tuple[Operation, ...] = ()
    settings: Settings = field(default_factory=Settings)
    procedure: Procedure = field(default_factory=Procedure)
    note: str = ""

    @classmethod
    def empty(cls, county: County | str, year: int, *, name: str = "") -> Scenario:
        """Return the scenario that keeps everything as it is.

        Parameters
        ----------
        county : County or str
        year : int
            School year, by its first calendar year.
        name : str
            What it is called.

        Returns
        -------
        Scenario
        """
        county_id = county if isinstance(county, str) else county.county_id
        return cls(name=name or f"{county_id}-{year}", county_id=county_id, year=int(year))

    @property
    def judged_year(self) -> int:
        """Return the school year it is judged in."""
        return self.year if self.target_year is None else self.target_year

    @property
    def is_empty(self) -> bool:
        """Tell whether it changes nothing: no operation, no rezoning, no other year."""
        return self.keeps_layout and self.judged_year == self.year

    @property
    def keeps_layout(self) -> bool:
        """Tell whether it leaves every school and every zone as it is."""
        return not self.effective and not self.settings.rezone

    @cached_property
    def effective(self) -> tuple[Operation, ...]:
        """Return the operations without those a later ``open`` takes back."""
        left: list[Operation] = []
        for operation in self.operations:
            undone = [o for o in left if _takes_back(operation, o)]
            if undone:
                left = [o for o in left if o not in undone]
            else:
                left.append(operation)
        return tuple(left)

    @property
    def closings(self) -> tuple[Operation, ...]:
        """Return the operations that need the procedure: schools closed, merged or turned into points."""
        return tuple(o for o in self.effective if isinstance(o, ops.Close | ops.Merge | ops.ToPoint))

    def with_operations(self, *added: Operation) -> Scenario:
        """Return it with further operations."""
        return replace(self, operations=(*self.operations, *added))

    def without(self, school_id: str) -> Scenario:
        """Return it without anything that is done to a school."""
        return replace(self, operations=tuple(o for o in self.operations if o.school_id != school_id))

    def with_settings(self, **changes: Any) -> Scenario:
        """Return it with some settings changed."""
        return replace(self, settings=replace(self.settings, **changes))

    def of(self, school_id: str) -> tuple[Operation, ...]:
        """Return what is done to a school."""
        return tuple(o for o in self.effective if o.school_id == school_id)

    @cached_property
    def digest(self) -> str:
        """Return a short digest of all it says."""
        return hashlib.sha256(self.to_yaml().encode("utf-8")).hexdigest()[:12]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values: what stands in the YAML."""
        out: dict[str, Any] = {"scenario": self.name, "county": self.county_id, "year": self.year}
        if self.target_year is not None:
            out["target_year"] = self.target_year
        if self.note:
            out["note"] = self.note
        settings = self.settings.as_dict()
        if settings:
            out["settings"] = settings
        out["operations"] = [operation.as_dict() for operation in self.operations]
        out["procedure"] = self.procedure.as_dict()
        return out

    def to_yaml(self) -> str:
        """Write it as YAML, one operation a line; ``from_yaml`` gives back the same scenario."""
        head = {key: value for key, value in self.as_dict().items() if key not in ("operations", "procedure")}
        lines = [as_yaml(head).rstrip(), "operations:" if self.operations else "operations: []"]
        lines += [f"- {_line(operation)}" for operation in self.operations]
        lines.append("procedure:")
        for key, value in self.procedure.as_dict().items():
            if key == "parents":
                lines += ["  parents:", *(f"  - {_flow(p)}" for p in value)]
            else:
                lines.append(f"  {key}: {_flow(value)}")
        return "\n".join(lines) + "\n"

    @classmethod
    def from_yaml(cls, source: str | Path) -> Scenario:
        """Read a scenario from YAML text or a file.

        Raises
        ------
        DataError
            If it is not readable or names what is not known; every fault at once. That its schools exist and its
            operations agree is checked by :func:`balance_lib.scenarios.validate`.
        """
        file = source.name if isinstance(source, Path) else "scenario.yaml"
        try:
            raw = from_yaml(source.read_text(encoding="utf-8-sig") if isinstance(source, Path) else source)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise DataError([unreadable(file, error)]) from error
        return cls.from_dict(raw, file=file)

    @classmethod
    def from_dict(cls, raw: Any, *, file: str = "scenario.yaml") -> Scenario:
        """Read a scenario from plain values.

        Parameters
        ----------
        raw : object
            As read from the file.
        file : str
            File as the user knows it.

        Returns
        -------
        Scenario

        Raises
        ------
        DataError
            As :meth:`from_yaml`.
        """
        if not isinstance(raw, Mapping):
            raise DataError([Fault("scenario_form", file, found=type(raw).__name__)])
        reader = _Reader(file)
        reader.known(raw, _TOP)
        scenario = cls(
            name=str(raw.get("scenario") or ""),
            county_id=str(reader.needed(raw, "county") or ""),
            year=reader.whole(raw, "year") or 0,
            target_year=reader.whole(raw, "target_year", needed=False),
            operations=reader.operations(raw.get("operations")),
            settings=reader.settings(raw.get("settings")),
            procedure=reader.procedure(raw.get("procedure")),
            note=str(raw.get("note") or ""),
        )
        if reader.faults:
            raise DataError(reader.faults)
        return scenario


class _Reader:
    """Read plain values, gathering every fault."""

    def __init__(self, file: str) -> None:
        self.file, self.faults = file, list[Fault]()

    def _fault(self, rule: str, column: str, found: Any = None, row: int | None = None) -> None:
        self.faults.append(Fault(rule, self.file, row, column, found))

    def known(self, raw: Mapping[str, Any], names: Iterable[str], row: int | None = None) -> None:
        for name in raw:
            if name not in tuple(names):
                self._fault("scenario_unknown", str(name), raw[name], row)

    def needed(self, raw: Mapping[str, Any], name: str) -> Any:
        if raw.get(name) in (None, ""):
            self._fault("required", name)
        return raw.get(name)

    def whole(self, raw: Mapping[str, Any], name: str, needed: bool = True) -> int | None:
        value = self.needed(raw, name) if needed else raw.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self._fault("whole", name, value)
            return None
        return value

    def _mapping(self, raw: Any, name: str) -> Mapping[str, Any]:
        if raw is None or isinstance(raw, Mapping):
            return raw or {}
        self._fault("scenario_form", name, raw)
        return {}

    def operations(self, raw: Any) -> tuple[Operation, ...]:
        if raw is None or isinstance(raw, list):
            found = [self._operation(one, row) for row, one in enumerate(raw or [], start=1)]
            return tuple(one for one in found if one is not None)
        self._fault("scenario_form", "operations", raw)
        return ()

    def _operation(self, raw: Any, row: int) -> Operation | None:
        if not isinstance(raw, Mapping):
            self._fault("scenario_form", "operations", raw, row)
            return None
        try:
            return ops.from_dict(dict(raw))
        except KeyError as error:
            self._fault("scenario_operation", str(error.args[0]), raw.get(error.args[0]), row)
        except (TypeError, ValueError) as error:
            self._fault("scenario_value", str(error.args[0]), None, row)
        return None

    def settings(self, raw: Any) -> Settings:
        given = self._mapping(raw, "settings")
        names = {spec.name: spec for spec in fields(Settings)}
        self.known(given, names)
        usable = {}
        for name, value in given.items():
            if name in names:
                try:
                    usable[name] = _setting(name, str(names[name].type), value)
                except (TypeError, ValueError):
                    self._fault("scenario_value", name, value)
        return Settings(**usable)

    def procedure(self, raw: Any) -> Procedure:
        given = self._mapping(raw, "procedure")
        self.known(given, (*STEPS, "parents"))
        steps = tuple(self._step(name, given.get(name)) for name in STEPS)
        listed = given.get("parents") or []
        parents = [self._parents(one, row) for row, one in enumerate(listed, start=1)]
        return Procedure(steps, tuple(p for p in parents if p is not None))

    def _step(self, name: str, raw: Any) -> ProcedureStep:
        if isinstance(raw, bool):
            return ProcedureStep(name, raw)
        given = self._mapping(raw, name)
        self.known(given, ("done", "on", "document"))
        on = given.get("on") or ""
        on = on.isoformat() if isinstance(on, datetime.date) else str(on)
        return ProcedureStep(name, bool(given.get("done", False)), on, str(given.get("document") or ""))

    def _parents(self, raw: Any, row: int) -> Parents | None:
        try:
            return Parents(str(raw["school"]), int(raw["asked"]), int(raw["opposed"]))
        except (KeyError, TypeError, ValueError):
            self._fault("scenario_value", "parents", raw, row)
            return None


def _setting(name: str, kind: str, value: Any) -> Any:
    if name == "unit_costs":
        return tuple(sorted((str(key), float(number)) for key, number in dict(value).items()))
    if kind == "bool":
        if not isinstance(value, bool):
            raise TypeError(name)
        return value
    if value is None and "None" in kind:
        return None
    if kind.startswith("int"):
        if isinstance(value, bool) or int(value) != float(value):
            raise ValueError(name)
        return int(value)
    if kind.startswith("float"):
        if isinstance(value, bool):
            raise TypeError(name)
        return float(value)
    if name == "assignment" and value not in ASSIGNMENTS:
        raise ValueError(name)
    if name == "mode" and value not in ("straight", "network", "terrain"):
        raise ValueError(name)
    return str(value)


def _takes_back(later: Operation, earlier: Operation) -> bool:
    """Tell whether an opening without anything new takes back an earlier closing of the same school."""
    closing = isinstance(earlier, ops.Close | ops.Merge)
    return closing and isinstance(later, ops.Open) and later == ops.Open(school_id=earlier.school_id, note=later.note)


@lru_cache(maxsize=4096)
def _line(operation: Operation) -> str:
    """Return an operation as a line of YAML: sliders say the same closings again and again."""
    return _flow(operation.as_dict())


def _flow(value: Any) -> str:
    return as_yaml(value, flow=True).strip()
