"""Name what can be done to a layout of schools: one frozen, typed operation for each."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar

WITH_PUPILS = "with_pupils"
GOODS = ("teachers", "equipment", "books")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Do something to one school.

    Parameters
    ----------
    school_id : str
        The school it is done to.
    note : str
        Why, for whoever reads the scenario.
    """

    verb: ClassVar[str] = ""
    structural: ClassVar[bool] = True  # a school can undergo only one structural operation

    school_id: str
    note: str = ""

    def others(self) -> tuple[str, ...]:
        """Return the other schools it names."""
        return ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as it stands in YAML: the verb with its school first, then whatever is not as usual."""
        out: dict[str, Any] = {self.verb: self.school_id}
        for spec in fields(self):
            value = getattr(self, spec.name)
            usual = spec.default if spec.default_factory is MISSING else spec.default_factory()
            if spec.name == "school_id" or (value == usual and spec.name not in GOODS):
                continue
            name = _YAML_NAMES.get((self.verb, spec.name), spec.name)
            out[name] = dict(value) if spec.name == "gives" else list(value) if isinstance(value, tuple) else value
        return out


@dataclass(frozen=True, kw_only=True)
class _Moving(Operation):
    """Move pupils away from a school, and say where what belongs to them goes.

    Parameters
    ----------
    teachers, equipment, books : str
        ``with_pupils``: in proportion to the pupils; else the id of the school that gets them all. Buildings never
        move.
    """

    teachers: str = WITH_PUPILS
    equipment: str = WITH_PUPILS
    books: str = WITH_PUPILS

    def others(self) -> tuple[str, ...]:
        return tuple(to for to in (self.teachers, self.equipment, self.books) if to != WITH_PUPILS)


@dataclass(frozen=True, kw_only=True)
class Keep(Operation):
    """Protect a school: whoever closes it in the same scenario is told of the conflict, the optimiser may not."""

    verb: ClassVar[str] = "keep"


@dataclass(frozen=True, kw_only=True)
class Close(_Moving):
    """Close a school; each village's pupils go to another one, by distance, within the places there are.

    Parameters
    ----------
    forced : bool
        Whether it is closed by decision. A school that runs out of pupils by itself is not forced.
    """

    verb: ClassVar[str] = "close"
    forced: bool = True


@dataclass(frozen=True, kw_only=True)
class Merge(_Moving):
    """Close a school and send all its pupils to one named school."""

    verb: ClassVar[str] = "merge"
    into: str

    def others(self) -> tuple[str, ...]:
        """Return the receiver, and where the goods go if elsewhere."""
        return (self.into, *super().others())


@dataclass(frozen=True, kw_only=True)
class ToPoint(_Moving):
    """Turn a primary school into a teaching point (村小变点).

    Parameters
    ----------
    top_grade : {3, 6}
        Highest grade it keeps. With 6 nobody moves; with 3 the pupils of grades 4 to 6 go elsewhere.
    """

    verb: ClassVar[str] = "to_point"
    top_grade: int = 6


@dataclass(frozen=True, kw_only=True)
class Attach(Operation):
    """Attach a micro-school to a central school (挂靠): one staff and budget, the pupils stay where they are.

    It is a teaching point of its host from then on and no longer counts as a school.
    """

    verb: ClassVar[str] = "attach"
    host_id: str

    def others(self) -> tuple[str, ...]:
        """Return the host."""
        return (self.host_id,)


@dataclass(frozen=True, kw_only=True)
class Open(Operation):
    """Open a new school, or one again that is closed.

    After a ``close`` or ``merge`` of the same school in the same scenario it takes that back, and may say nothing else.

    Parameters
    ----------
    name_zh, name_en, kind, township, location, rank, lon, lat
        As in the table of schools; a school that stands in it keeps what is not given here.
    classes_primary, classes_junior : int
        Classes it has rooms for. Without either, a school of the county's table has those of its last recorded year.
    villages : tuple of str
        Villages zoned to it. Without any, the pupils for whom it is nearer than their school.
    gives : tuple of (column, number)
        What it starts with: columns of ``school_years`` such as teachers, books or teaching_area_m2. What is not said
        is not known: no indicator is computed from it.
    """

    verb: ClassVar[str] = "open"
    name_zh: str = ""
    name_en: str = ""
    kind: str = ""
    township: str = ""
    location: str = ""
    rank: str = ""
    lon: float | None = None
    lat: float | None = None
    classes_primary: int = 0
    classes_junior: int = 0
    villages: tuple[str, ...] = ()
    gives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Resize(Operation):
    """Give a stage of a school more or fewer classes (rooms to teach them in)."""

    verb: ClassVar[str] = "resize"
    structural: ClassVar[bool] = False
    stage: str = "primary"
    classes: int = 0


@dataclass(frozen=True, kw_only=True)
class ConvertStage(_Moving):
    """Change what a school teaches: to ``primary``, ``junior`` or ``nine_year``.

    Pupils of a stage it no longer teaches go elsewhere; a new stage begins with the classes given here and with
    pupils only when ``villages`` are zoned to it.
    """

    verb: ClassVar[str] = "convert"
    to: str
    classes: int = 0
    villages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Boarding(Operation):
    """Set how many boarders a school has beds for, in all."""

    verb: ClassVar[str] = "boarding"
    structural: ClassVar[bool] = False
    places: int = 0


@dataclass(frozen=True, kw_only=True)
class BusLine(Operation):
    """Run a school bus from villages to a school.

    Parameters
    ----------
    villages : tuple of str
    minutes : float
        Riding time one way, of every village on the line.
    """

    verb: ClassVar[str] = "bus"
    structural: ClassVar[bool] = False
    villages: tuple[str, ...] = ()
    minutes: float = 0.0


OPERATIONS: dict[str, type[Operation]] = {
    kind.verb: kind for kind in (Keep, Close, Merge, ToPoint, Attach, Open, Resize, ConvertStage, Boarding, BusLine)
}
_YAML_NAMES = {("attach", "host_id"): "to"}


def from_dict(raw: dict[str, Any]) -> Operation:
    """Read an operation as it stands in YAML.

    Raises
    ------
    KeyError
        With the name of the verb or field that is not known or missing.
    TypeError, ValueError
        If a value is not of its type.
    """
    verbs = [verb for verb in raw if verb in OPERATIONS]
    if len(verbs) != 1:
        raise KeyError(next(iter(raw), ""))
    kind, given = OPERATIONS[verbs[0]], dict(raw)
    values: dict[str, Any] = {"school_id": str(given.pop(verbs[0]))}
    known = {_YAML_NAMES.get((kind.verb, spec.name), spec.name): spec for spec in fields(kind)}
    for name, value in given.items():
        if name not in known or name == "school_id":
            raise KeyError(name)
        values[known[name].name] = _typed(known[name].type, known[name].name, value)
    for name, spec in known.items():
        if spec.default is MISSING and spec.default_factory is MISSING and spec.name not in values:
            raise KeyError(name)
    return kind(**values)


def _typed(kind: Any, name: str, value: Any) -> Any:
    if name == "gives":
        return tuple((str(column), float(number)) for column, number in dict(value).items())
    if name == "villages":
        if isinstance(value, str):
            raise TypeError(name)
        return tuple(str(village) for village in value)
    if kind == "bool":
        if not isinstance(value, bool):
            raise TypeError(name)
        return value
    if kind == "int":
        if isinstance(value, bool) or int(value) != float(value):
            raise ValueError(name)
        return int(value)
    if str(kind).startswith("float"):
        return None if value is None else float(value)
    return str(value)


__all__ = [
    "GOODS", "OPERATIONS", "WITH_PUPILS", "Attach", "Boarding", "BusLine", "Close", "ConvertStage", "Keep", "Merge",
    "Open", "Operation", "Resize", "ToPoint", "from_dict",
]  # fmt: skip
