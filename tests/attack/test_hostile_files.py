"""Files made to harm (backups, YAML, layers) are refused in a sentence, and nothing is half taken over."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from balance_lib.data.county import County
from balance_lib.data.intake import bring
from balance_lib.office.store import Stamp, Store, StoreError
from balance_lib.plain import from_yaml
from balance_lib.show.desk import places

# ---- backups -------------------------------------------------------------------------------------------------------


def head(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        parts["store.json"] = json.dumps({**json.loads(parts["store.json"]), **changes}).encode()

    return change


def part(name: str, content: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda parts: parts.__setitem__(name, content)


def rows(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        row = {**json.loads(parts["tables/scenarios.jsonl"].splitlines()[0]), **changes}
        parts["tables/scenarios.jsonl"] = json.dumps(row).encode() + b"\n"

    return change


HOSTILE = {
    "a list as its head": part("store.json", b"[]"),
    "a text as its head": part("store.json", b'"balance-store-1"'),
    "deep nesting": part("store.json", b"[" * 200_000),
    "no revision": head(revision=None),
    "an unknown revision": head(revision="0000abc"),
    "a command for a revision": head(revision="-1"),
    "a list for a revision": head(revision=["0001"]),
    "rows not counted": head(rows=None),
    "rows miscounted": head(rows={"scenarios": 10**30}),
    "not UTF-8": part("tables/scenarios.jsonl", b"\xff\xfe\n"),
    "lines that are no rows": part("tables/scenarios.jsonl", b"[1]\n"),
    "an unknown column": rows(evil="DROP TABLE scenarios"),
    "a day that is none": rows(saved_at="2024-02-30T00:00:00"),
    "a number beyond every column": rows(version=10**40),
    "a row twice": lambda parts: part("tables/scenarios.jsonl", parts["tables/scenarios.jsonl"] * 2)(parts),
    "evidence outside": part("evidence/../../evil", b"x"),
    "evidence of another name": part("evidence/" + "0" * 64, b"x"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_backup_is_refused_in_a_sentence_and_changes_nothing(tmp_path: Path, how: str) -> None:
    store = Store.at(tmp_path / "a")
    store.save_scenario("a: 1", name="n", author="甲", county_id="c", stamp=Stamp())
    store.backup(tmp_path / "good.zip")
    with zipfile.ZipFile(tmp_path / "good.zip") as good:
        parts = {name: good.read(name) for name in good.namelist()}
    HOSTILE[how](parts)
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
        for name, content in parts.items():
            bad.writestr(name, content)
    before = store.history()
    with pytest.raises(StoreError) as refused:
        store.restore(tmp_path / "bad.zip", replace=True)
    assert "\n" not in refused.value.message("zh") and str(tmp_path) not in refused.value.message("en")
    pd.testing.assert_frame_equal(store.history(), before)
    assert len(store.scenarios("c")) == 1
    empty = Store.at(tmp_path / "b")
    with pytest.raises(StoreError):
        empty.restore(tmp_path / "bad.zip")
    assert empty.history().empty
    assert not list(tmp_path.rglob("evil"))


# ---- YAML that people write ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\nb: 2024-02-30\n", 1), ("a: 2024-13-01\n", 0), ("a: " + "9" * 10_000 + "\n", 0),
     ("a: 0x" + "f" * 10_000, 0), ("{[a]: 1}\n", 0), ("a: !!python/object/apply:os.system ['true']\n", 0),
     ("a: 1\nb: [\n", 2), ("a: \x01\n", None), ("a: *b\n", 0), ("a: &b [*b]\n", 0), ("a: 1:99:99:99999\n", None)],
)  # fmt: skip
def test_yaml_that_says_no_value_is_a_fault_with_its_line(text: str, line: int | None) -> None:
    try:
        found = from_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        assert line is None or (mark is not None and mark.line == line), error
    else:
        assert line is None or text.startswith("a: &b") or isinstance(found["a"], (str, int))


@pytest.mark.parametrize("text", [
    "[" * 20_000, "{a: " * 20_000, "- " * 20_000, "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)),
    "x: [" + "1, " * 300_000 + "]",
    "a: \ud800",
], ids=["brackets", "braces", "dashes", "aliases", "long", "half a character"])  # fmt: skip
def test_yaml_that_unfolds_without_end_is_refused_before_it_is_built(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        from_yaml(text)


def test_yaml_of_people_is_read_as_they_mean_it() -> None:
    read = from_yaml("名: 甲校\n期: 2024-03-01\n公里: 3.5\n用: &x {a: 1}\n再: *x\n")
    assert (read["名"], str(read["期"]), read["公里"], read["再"]) == ("甲校", "2024-03-01", 3.5, {"a": 1})


# ---- layers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [
    {"name": "别名", "kind": "x", "township": "阿合奇镇"}, {"name": ["a"], "township": {"a": 1}}, {"township": 7},
    {"geometry": 1, "township": "y"}, {"name": None, "township": None, "name_zh": 3}, None, {},
], ids=str)  # fmt: skip
def test_townships_with_odd_properties_are_read_or_refused(tmp_path: Path, demo_dir: Path, said: Any) -> None:
    shutil.copytree(demo_dir / "akqi", tmp_path / "akqi")
    file = tmp_path / "akqi" / "townships.geojson"
    layer = json.loads(file.read_text("utf-8"))
    for feature in layer["features"][:1]:
        feature["properties"] = said
    file.write_text(json.dumps(layer), "utf-8")
    county = County.open(tmp_path / "akqi")
    assert len(places.townships(county)) == len(county.tables["townships"])
    content = {"townships.geojson": file.read_bytes()}
    done = bring.bring_in(content, tmp_path / "akqi", crs="WGS84", dry_run=True)
    assert all(fault.sentence("zh") for fault in done.faults)
    if said and said.get("kind"):
        assert {row["township"] for row in done.county.tables["townships"].to_dict("records")} >= {"阿合奇镇"}
        assert "别名" not in set(done.county.tables["townships"]["township"])
