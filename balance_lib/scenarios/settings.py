"""Hold how a scenario is computed: radii, caps, births, assignment, bus and boarding, unit costs, procedure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

from balance_lib.access.distance import Mode
from balance_lib.locale import Message

Assignment = Literal["zoned", "transport"]
ASSIGNMENTS: tuple[Assignment, ...] = ("zoned", "transport")
STEPS = ("argued", "heard", "published", "approved", "built_first")  # 论证 听证 公示 报批 先建后撤


@dataclass(frozen=True)
class Settings:
    """Hold how a scenario is computed. None: as the county's standard or ``defaults.yaml`` says.

    Parameters
    ----------
    assignment : {"zoned", "transport"}
        Whether a whole village goes to one school (划片), or may be split.
    rezone : bool
        Assign every public pupil anew, not only those whose school changes.
    mode : {"straight", "network", "terrain"}
        How ways are measured.
    walk_primary_m, walk_junior_m : float, optional
        Walking radius.
    reach_primary_m, reach_junior_m : float, optional
        Nobody is sent to a school farther than this while the three nearest are within it or nearer.
    class_cap_primary, class_cap_junior : int, optional
        Most pupils in a class.
    size_cap_single, size_cap_through : int, optional
        Most pupils of a primary or junior school, and of a through-school's compulsory stages.
    young_minutes : float, optional
        Longest way of grades 1 to 3.
    boarding_from_grade : int
        Lowest grade that may board; grades 1 to 3 never may.
    bus_minutes : float, optional
        Pupils beyond walking may ride so long; None: no buses but the lines of the scenario.
    bus_kph : float, optional
        Speed of the bus along the road.
    births_percent : float
        Births from the baseline on, against the projection; matters only with a target year.
    unit_costs : tuple of (name, yuan)
        Unit costs that differ from ``defaults.yaml``.
    """

    assignment: Assignment = "zoned"
    rezone: bool = False
    mode: Mode = "straight"
    walk_primary_m: float | None = None
    walk_junior_m: float | None = None
    reach_primary_m: float | None = None
    reach_junior_m: float | None = None
    class_cap_primary: int | None = None
    class_cap_junior: int | None = None
    size_cap_single: int | None = None
    size_cap_through: int | None = None
    young_minutes: float | None = None
    boarding_from_grade: int = 4
    bus_minutes: float | None = None
    bus_kph: float | None = None
    births_percent: float = 0.0
    unit_costs: tuple[tuple[str, float], ...] = ()

    def class_cap(self, stage: str) -> int:
        """Return the most pupils in a class of a stage."""
        given = self.class_cap_primary if stage == "primary" else self.class_cap_junior
        return int(default(f"class_cap_{stage}") if given is None else given)

    def size_cap(self, through: bool) -> int:
        """Return the most pupils of a school."""
        name = "size_cap_through" if through else "size_cap_single"
        given = getattr(self, name)
        return int(default(name) if given is None else given)

    def number(self, name: str) -> float:
        """Return a setting, or what ``defaults.yaml`` says where it is None."""
        given = getattr(self, name)
        return default(name) if given is None else float(given)

    def unit_cost(self, name: str) -> float:
        """Return a unit cost in yuan."""
        return dict(self.unit_costs).get(name, unit_costs()[name]["value"])

    def as_dict(self) -> dict[str, Any]:
        """Return what differs from the usual, as it stands in YAML."""
        out = {s.name: getattr(self, s.name) for s in fields(self) if getattr(self, s.name) != s.default}
        return {**out, **({"unit_costs": dict(self.unit_costs)} if self.unit_costs else {})}


@dataclass(frozen=True)
class ProcedureStep:
    """Hold one step of the procedure before a school may be closed."""

    step: str
    done: bool = False
    on: str = ""
    document: str = ""

    @property
    def message(self) -> Message:
        """Return its name, with its date where it is done and dated."""
        name = Message(f"scenarios.step.{self.step}")
        return Message("scenarios.step_on", {"step": name, "on": self.on}) if self.done and self.on else name

    def as_dict(self) -> dict[str, Any]:
        """Return it as it stands in YAML."""
        more = {name: getattr(self, name) for name in ("on", "document") if getattr(self, name)}
        return {"done": self.done, **more}


@dataclass(frozen=True)
class Parents:
    """Hold how the parents of one school answered."""

    school_id: str
    asked: int
    opposed: int

    @property
    def majority_opposed(self) -> bool:
        """Tell whether more than half of those asked are against it."""
        return 2 * self.opposed > self.asked

    def as_dict(self) -> dict[str, Any]:
        """Return it as it stands in YAML."""
        return {"school": self.school_id, "asked": self.asked, "opposed": self.opposed}


@dataclass(frozen=True)
class Procedure:
    """Hold the checklist 论证 听证 公示 报批 先建后撤 and what the parents said."""

    steps: tuple[ProcedureStep, ...] = tuple(ProcedureStep(name) for name in STEPS)
    parents: tuple[Parents, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the steps not yet done, in their order."""
        return tuple(step.step for step in self.steps if not step.done)

    @property
    def taken(self) -> tuple[ProcedureStep, ...]:
        """Return the steps towards a decision that are done; building first is none of them."""
        return tuple(step for step in self.steps if step.done and step.step != "built_first")

    @property
    def due(self) -> tuple[ProcedureStep, ...]:
        """Return the steps towards a decision still due."""
        return tuple(step for step in self.steps if not step.done and step.step != "built_first")

    def of(self, school_id: str) -> Parents | None:
        """Return what the parents of a school said, if it was recorded."""
        return next((p for p in self.parents if p.school_id == school_id), None)

    def as_dict(self) -> dict[str, Any]:
        """Return it as it stands in YAML: all steps, so that a reader sees what is open."""
        out: dict[str, Any] = {step.step: step.as_dict() for step in self.steps}
        return {**out, **({"parents": [p.as_dict() for p in self.parents]} if self.parents else {})}


@cache
def _defaults() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("defaults.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def default(name: str) -> float:
    """Return a limit of ``defaults.yaml``."""
    return float(_defaults()["limits"][name]["value"])


def unit_costs() -> Mapping[str, Mapping[str, Any]]:
    """Return the unit costs of ``defaults.yaml``: value (yuan), unit, zh, en, source; all may be overridden."""
    return dict(_defaults()["unit_costs"])
