"""Read dated, cited policy standards from YAML; no threshold ever stands in code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import yaml

from balance_lib._errors import NotFoundError, PolicyError, unreadable
from balance_lib.plain import PeoplesLoader, from_yaml
from balance_lib.shown import desk
from balance_lib.standards.model import (
    JUDGED,
    STAGES,
    Indicator,
    Item,
    Measure,
    Note,
    Plan,
    Standard,
    Variant,
    Works,
    parse_deadline,
)

__all__ = [
    "JUDGED",
    "STAGES",
    "VARIABLE",
    "Indicator",
    "Item",
    "Measure",
    "Note",
    "Plan",
    "Standard",
    "Variant",
    "Works",
    "common_inputs",
    "ids",
    "load",
    "measures",
    "parse_deadline",
    "unread",
]

# Folders or YAML files of one's own standards, separated as the system separates paths.
VARIABLE = "BALANCE_STANDARDS"


class _PlainLoader(PeoplesLoader):
    """Read dates as the text they are: an author need not know that YAML would make them something else."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


SUFFIXES = (".yaml", ".yml")
_FORMULA_SOURCES = ("county", "schools", "stages", "townships", "indicator", "cv", "given")


def ids() -> list[str]:
    """Return the ids of the standards the package brings, national ones first, then of those in ``BALANCE_STANDARDS``.

    A file there that cannot be read is left out; :func:`unread` says why.
    """
    shipped = sorted(_names(), key=lambda name: (_shipped(name).scope != "national", name))
    return [*shipped, *_own(os.environ.get(VARIABLE, ""))[0]]


def unread() -> Sequence[str]:
    """Return what is wrong with files of ``BALANCE_STANDARDS`` that could not be read, one text a file."""
    return _own(os.environ.get(VARIABLE, ""))[1]


def load(name: str | Path) -> Standard:
    """Open a standard by its id or from a YAML file of one's own.

    Parameters
    ----------
    name : str or Path
        An id from :func:`ids`, or the path of a YAML file.

    Returns
    -------
    Standard

    Raises
    ------
    NotFoundError
        If it is neither an id of the package or of ``BALANCE_STANDARDS`` nor a file.
    PolicyError
        If the file breaks the schema, or names indicators, switches, items or standards that do not exist; every
        fault is named at once.

    Examples
    --------
    >>> load("quality_2017").item("L4-primary").value
    4.5
    """
    path = Path(name)
    if path.suffix in SUFFIXES:
        if not path.is_file():
            raise NotFoundError("standard", str(name), ids())
        return _read(path)
    own = _own(os.environ.get(VARIABLE, ""))[0]
    try:
        return own[str(name)] if str(name) in own else _shipped(str(name))
    except NotFoundError as error:
        raise NotFoundError("standard", str(name), ids()) from error


def _read(path: Path) -> Standard:
    try:
        raw = from_yaml(path.read_text(encoding="utf-8-sig"), _PlainLoader)
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise PolicyError(unreadable(str(path), error).sentence()) from error
    _validate(raw, path)
    return _build(raw)


@cache
def _own(places: str) -> tuple[Mapping[str, Standard], Sequence[str]]:
    """Return one's own standards by id, and what is wrong with the files that are none; read once a process."""
    found: dict[str, Standard] = {}
    files: dict[str, str] = dict.fromkeys(_names(), "balance_lib")
    faults: list[str] = []
    for path in _files(places):
        try:
            standard = _read(path)
        except (PolicyError, NotFoundError) as error:
            faults.append(str(error) if str(path) in str(error) else f"{path}: {error}")
            continue
        if standard.id in files:  # one of the same id never hides another unseen
            faults.append(f"{path}: id: {standard.id} ({files[standard.id]})")
            continue
        found[standard.id], files[standard.id] = standard, str(path)
    return found, tuple(faults)


def _files(places: str) -> Iterable[Path]:
    for place in (Path(part) for part in places.split(os.pathsep) if part.strip()):
        if place.is_dir():
            yield from sorted(path for path in place.iterdir() if path.suffix in SUFFIXES and path.name[0] != ".")
        else:
            yield place


@cache
def measures() -> Mapping[str, Mapping[str, str]]:
    """Return the measures other rooms compute: name to who computes it, its names, what mends it."""
    source = resources.files(__package__).joinpath("measures.yaml").read_text(encoding="utf-8")
    return dict(yaml.load(source, Loader=_PlainLoader))


@cache
def common_inputs() -> Mapping[str, Mapping[str, Any]]:
    """Return the county figures every standard may ask for: key to Chinese and English name, unit and range."""
    source = resources.files(__package__).joinpath("inputs.yaml").read_text(encoding="utf-8")
    return dict(yaml.load(source, Loader=_PlainLoader))


@cache
def _shipped(name: str) -> Standard:
    source = _library().joinpath(f"{name}.yaml")
    if not source.is_file():
        raise NotFoundError("standard", name, _names())
    return _build(yaml.load(source.read_text(encoding="utf-8"), Loader=_PlainLoader))


def _library() -> Any:
    return resources.files(__package__).joinpath("library")


def _names() -> list[str]:
    return sorted(path.name.removesuffix(".yaml") for path in _library().iterdir() if path.name.endswith(".yaml"))


def _validate(raw: Any, path: Path) -> None:
    """Hold a foreign file against the schema; shipped ones are held against it by the tests."""
    from jsonschema import Draft202012Validator  # heavy, and only foreign files need it

    schema = yaml.load(resources.files(__package__).joinpath("schema.yaml").read_text("utf-8"), Loader=_PlainLoader)
    errors = sorted(
        Draft202012Validator(schema).iter_errors(raw), key=lambda error: list(map(str, error.absolute_path))
    )
    if errors:
        lines = (f"{path}: {'/'.join(map(str, e.absolute_path)) or '(top)'}: {e.message}" for e in errors)
        raise PolicyError("\n".join(lines))


def _build(raw: Mapping[str, Any]) -> Standard:
    fields = {key: value for key, value in raw.items() if key not in ("items", "indicators", "indicators_from")}
    base = _shipped(raw["indicators_from"]) if raw.get("indicators_from") else None
    if base:
        fields["split_weights"] = raw.get("split_weights", base.split_weights)
        fields["included"] = raw.get("included", base.included)
        fields["included_note"] = raw.get("included_note", base.included_note)
        fields["definitions"] = {**base.definitions, **raw.get("definitions", {})}
    try:
        own = {name: _indicator(name, spec, base) for name, spec in raw.get("indicators", {}).items()}
        fields["indicators"] = {**(base.indicators if base else {}), **own}
        fields["plan"] = _plan(raw.get("plan"))
        fields["official"] = _groups(raw.get("official", ()))
        standard = Standard(items=tuple(_item(item) for item in raw["items"]), **fields)
    except (TypeError, ValueError, KeyError) as error:
        raise PolicyError(f"{raw.get('id')}: {error}") from error
    if faults := list(_dangling(standard)):
        raise PolicyError("\n".join(f"{standard.id}: {fault}" for fault in faults))
    return standard


def _dangling(standard: Standard) -> Iterable[str]:
    """Name what a standard refers to and does not have: such an item would silently stay without data."""
    for name, spec in standard.indicators.items():
        for variant in spec.variants:
            if variant.when not in standard.definitions:
                yield f"{name}: when: {variant.when}"
    for item in standard.items:
        if item.same_as is not None and item.same_as not in standard.by_code:
            yield f"{item.code}: same_as: {item.same_as}"
        if item.measure is not None:
            yield from (f"{item.code}: {fault}" for fault in _dangling_measure(item.measure, standard))
    known = {*standard.by_code, *(item.item_id for item in standard.items)}
    yield from (f"official: {name}" for group in standard.official for name in group if name not in known)
    if standard.plan is not None:
        yield from _dangling_plan(standard.plan, standard)


def _dangling_plan(plan: Plan, standard: Standard) -> Iterable[str]:
    tasks = {item.item_id for item in standard.items}
    for task, before in plan.after.items():
        yield from (f"plan: after: {name}" for name in (task, *before) if name not in tasks)
    works = plan.works
    codes = [*plan.groups, *plan.inspections]
    codes += [code for code in (plan.pairing, plan.own_schedules, plan.reporting) if code]
    codes += [code for code in (works.yearly, works.area, works.investment) if code] if works else []
    yield from (f"plan: {code}" for code in codes if code not in standard.by_code)
    if circle := _circle(plan.after):
        yield f"plan: after: {' → '.join(circle)}"


def _circle(after: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return tasks that wait for each other in a circle; nothing when they can be put in an order."""
    from graphlib import CycleError, TopologicalSorter

    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        return [str(task) for task in error.args[1]]
    return ()


def _dangling_measure(measure: Measure, standard: Standard) -> Iterable[str]:
    if measure.source == "indicator" and measure.formula not in standard.indicators:
        yield f"indicator: {measure.formula}"
    if measure.of is not None and measure.of not in _names():
        yield f"of: {measure.of}"
    elif measure.source == "cv":
        base = _shipped(measure.of) if measure.of else standard
        if measure.formula not in (*base.indicators, "composite"):
            yield f"cv: {measure.formula}"
    for variant in measure.variants:
        if variant.when not in standard.definitions:
            yield f"when: {variant.when}"
    known = {*standard.by_code, *(item.item_id for item in standard.items)}
    groups = () if measure.of else measure.items  # two standards may name each other's items: the tests look there
    yield from (f"items: {name}" for group in groups for name in group if name not in known)
    yield from (f"checked_by: {name}" for name in measure.checked_by if name not in standard.by_code)
    if measure.source == "given" and measure.formula not in measures():
        yield f"given: {measure.formula}"


def _indicator(name: str, spec: Mapping[str, Any], base: Standard | None) -> Indicator:
    inherited = vars(base.indicators[name]) if base and name in base.indicators else {}
    fields = {**inherited, **spec, "indicator_id": name}
    if "variants" in spec:
        fields["variants"] = _variants(spec["variants"])
    return Indicator(**fields)


def _plan(raw: Mapping[str, Any] | None) -> Plan | None:
    if raw is None:
        return None
    works = Works(**raw["works"]) if "works" in raw else None
    days = {name: date.fromisoformat(raw[name]) for name in ("starts", "ends")}
    return Plan(**{**raw, **days, "works": works})


def _item(raw: Mapping[str, Any]) -> Item:
    fields = dict(raw)
    fields.setdefault("item_id", raw["code"])
    fields.setdefault("operator", raw.get("source_operator", ""))
    fields.setdefault("source_operator", fields["operator"])
    fields.setdefault("judged_unit", raw.get("unit", ""))
    fields["measure"] = _measure(raw.get("measure"))
    return Item(**fields)


def _measure(raw: Any) -> Measure | None:
    if raw is None:
        return None
    if isinstance(raw, str):
        return Measure(source=raw)
    fields = dict(raw)
    if rule := fields.pop("school_rule", None):
        return Measure(source="school_rule", **rule, **fields)
    if stated := fields.pop("stated", None):
        return Measure(source=stated, **fields)
    if groups := fields.pop("items", None):
        return Measure(source="items", items=_groups(groups), **fields)
    source = next((key for key in _FORMULA_SOURCES if key in fields), None)
    if source is None:
        raise ValueError(f"measure {raw}: none of {', '.join(_FORMULA_SOURCES)}")
    fields["formula"] = fields.pop(source)
    fields["variants"] = _variants(fields.get("variants", ()))
    return Measure(source=source, **fields)


def _groups(raw: Iterable[str | Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple((group,) if isinstance(group, str) else tuple(group) for group in raw)


def _variants(raw: Iterable[Mapping[str, Any]]) -> tuple[Variant, ...]:
    return tuple(Variant(**variant) for variant in raw)


class _CallableRoom(ModuleType):
    """Let ``bl.standards()`` list the standards while ``balance_lib.standards`` stays the room."""

    def __call__(self, lang: str | None = None) -> Any:
        """List the standards: id, title, scope, document, issued, items, judged."""
        return desk().list_standards(lang)


sys.modules[__name__].__class__ = _CallableRoom
