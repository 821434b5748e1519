"""The reference by task: every public name of the desk is there with an example, every example runs, every table says
what its columns are."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import balance_lib as bl
from balance_lib import shown
from balance_lib.show.desk import CountyDesk, results
from balance_lib.show.desk.draft import ScenarioDraft
from balance_lib.show.map import SchematicMap

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "api" / "desk.en.md").read_text("utf-8")
KINDS: list[type] = [CountyDesk, ScenarioDraft, SchematicMap]
KINDS += [results.Coverage, results.History, results.Forecast, results.Comparison]
KINDS += [kind for name, kind in vars(shown).items() if name.startswith("Shown") and kind is not shown.Shown]


def entries() -> dict[str, str]:
    """Return the page's names, each with the example that stands under it."""
    parts = re.split(r"^::: (\S+)$", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def names() -> Iterator[str]:
    """Yield what can be asked: the desk's functions and classes, and the members of what they return."""
    for name in [*bl.__all__, "open"]:
        thing = getattr(bl, name)
        if not isinstance(thing, types.ModuleType) and name != "County":  # its members stand among the data's
            yield f"{thing.__module__}.{name}"
    for kind in KINDS:
        for name, member in vars(kind).items():
            asked = callable(member) or isinstance(member, property) or type(member).__name__ == "cached_property"
            if not name.startswith("_") and asked:
                yield f"{kind.__module__}.{kind.__name__}.{name}"


def found(name: str) -> Any:
    """Return what a dotted name stands for."""
    parts = name.split(".")
    for at in range(len(parts), 0, -1):
        try:
            thing: Any = importlib.import_module(".".join(parts[:at]))
        except ModuleNotFoundError:
            continue
        for part in parts[at:]:
            thing = thing.__dict__[part] if isinstance(thing, type) and part in thing.__dict__ else getattr(thing, part)
        return thing
    raise LookupError(name)


def test_every_public_name_stands_in_the_reference_with_an_example() -> None:
    told = {_canonical(name): part for name, part in entries().items()}
    asked = {_canonical(name) for name in names()}
    assert len(asked) > 80
    assert sorted(asked - set(told)) == []
    assert [name for name, part in told.items() if "```pycon\n>>> " not in part] == []
    listed = " ".join(path.read_text("utf-8") for path in (DOCS / "api").glob("*.en.md"))
    assert [room for room in bl._ROOMS if room not in listed] == []


def _canonical(name: str) -> str:
    """Return the name by where the thing itself stands: a class is known under its module and its package."""
    thing = found(name)
    thing = getattr(thing, "func", getattr(thing, "fget", thing))
    return f"{thing.__module__}.{thing.__qualname__}"


def test_every_example_of_the_reference_runs() -> None:
    runner, said = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS), []
    code = "\n".join(re.findall(r"```pycon\n(.*?)```", PAGE, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(code, {"bl": bl}, "desk.en.md", None, 0)
    runner.run(test, out=said.append)
    assert runner.tries > 100 and runner.failures == 0, "".join(said)


# Tables ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def docs() -> Any:
    """Return what fills the pages."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def asked() -> list[tuple[str, pd.DataFrame]]:
    """Return every member that gives a table, with the table of the demonstration."""
    county = bl.open("akqi")
    outcome = county.scenario("撤").close("AQ016").evaluate()
    covered, history, forecast = county.coverage("primary", 3000), county.history(), county.project(2026)
    judged, pair, plan = county.evaluate(), bl.compare(outcome), county.remedy("quality_2017", seconds=2)
    free = {"radius": False, "young": False, "township_minimum": False}
    holders = [county, covered, history, forecast, forecast.projection, judged, outcome, pair, plan]
    holders.append(county.frontier("primary", seconds=3, **free))
    out = [(f"bl.{name}", getattr(bl, name)()) for name in ("counties", "list_standards")]
    calls = {"schools_in": (2020,), "item": ("A2-10.2",), "CountyDesk.table": ("schools",)}
    calls |= {"RemedyPlan.table": (county,), "missing": (county,)}
    for holder in holders:
        kind = type(holder)
        for name in dir(kind):
            member = getattr(kind, name, None)
            function = getattr(member, "func", getattr(member, "fget", member))
            hints = dict(getattr(function, "__annotations__", {}))
            kept = hints.pop("return", "")
            if (
                name.startswith("_")
                or "pd.DataFrame" in hints.values()
                or str(kept).removesuffix(" | None") not in FRAMES
            ):
                continue
            value = getattr(holder, name)
            if callable(value):
                value = value(*calls.get(f"{kind.__name__}.{name}", calls.get(name, ())))
            out.append((f"{kind.__name__}.{name}", value))
        for name, kept in getattr(kind, "__annotations__", {}).items():
            if str(kept) in FRAMES:
                out.append((f"{kind.__name__}.{name}", getattr(holder, name)))
    return out


FRAMES = ("pd.DataFrame", "GeoDataFrame", "DataFrame")


def test_every_table_says_what_its_columns_are(asked: Any, docs: Any) -> None:
    """The page of result tables names each table's columns, in order, with a meaning in both languages and a unit.

    Heads in words (``plan.prices()``) say it themselves; ``county.table`` gives what the data dictionary describes.
    """
    told = yaml.safe_load((DOCS / "columns.yaml").read_text("utf-8"))
    same = {"CountyDesk.schools_in": "CountyDesk.schools", "History.item": "History.items",
            "Projection.schools": "Forecast.schools", "Projection.villages": "Forecast.villages"}  # fmt: skip
    lacking = {}
    for name, frame in asked:
        columns = [*(str(n) for n in frame.index.names if n), *(str(c) for c in frame.columns if c != "geometry")]
        worded = name == "CountyDesk.table" or any(not (c.isidentifier() and c.isascii()) for c in columns)
        known = told["tables"].get(same.get(name, name), {}).get("columns")
        if not worded and known != columns:
            lacking[name] = columns
    assert len(asked) > 40 and lacking == {}
    for name, column in {(name, column) for name, table in told["tables"].items() for column in table["columns"]}:
        assert all(docs.column_told(column, lang, told, name)[0] for lang in ("zh", "en")), column
        unit, ends = docs.column_told(column, "en", told, name)[1], re.search(r"_(m|min|yuan|km)$", column)
        assert ends is None or ends[1] in re.split(r"[· ]", unit), (column, unit)
    assert docs.column_told("name_zh", "zh", told, "CountyDesk.villages") != docs.column_told("name_zh", "zh", told)
    shown = docs.result_columns("en")
    assert "| `extra_m` | farther to go | m |" in shown and "`classes_after` | classes after |" in shown
