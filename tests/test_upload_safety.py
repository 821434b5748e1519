"""Uploads that mean harm, and addresses that mean nothing: refused in words, nothing written outside its place."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balance_lib._errors import BalanceError
from balance_lib.data.intake import archive, bring, grid, places, workbook, xlsx
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel

BOOK = workbook.blank_workbook("zh")
DOCTYPE = '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><worksheet>&b;</worksheet>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE w SYSTEM "file:///etc/passwd"><worksheet/>'


def changed(part: str, content: bytes) -> bytes:
    """Return the blank workbook with one part replaced or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(BOOK)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != part:
                new.writestr(name, old.read(name))
        new.writestr(part, content)
    return out.getvalue()


def rules(content: bytes) -> set[str]:
    """Return why a workbook is refused: alike by both readers."""
    first = {fault.rule for fault in xlsx.read(xlsx.SourceFile("a.xlsx", content))[1]}
    second = {fault.rule for fault in grid.read_grids(xlsx.SourceFile("a.xlsx", content))[1]}
    assert first == second
    return first


def test_sound_workbook_is_read() -> None:
    assert archive.refuse("a.xlsx", BOOK) is None
    assert rules(BOOK) == set()


def test_workbook_that_unfolds_without_end_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = changed("xl/media/x.xml", b"<a>" + b" " * (64 << 20))
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it was unpacked"))
    assert len(bomb) < 200_000
    assert rules(bomb) == {"xlsx_too_large"}


def test_workbook_of_too_many_parts_or_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_PARTS", 3)
    assert rules(BOOK) == {"xlsx_too_large"}
    monkeypatch.undo()
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    fault = archive.refuse("a.xlsx", BOOK)
    assert fault is not None
    assert "0 MB" in fault.expected("en")


@pytest.mark.parametrize("text", [DOCTYPE, OUTSIDE, f"<!-- {'x' * 200_000} -->{DOCTYPE[21:]}"])
@pytest.mark.parametrize("coding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "_rels/.rels", "docProps/core.xml"]
)
def test_entities_are_refused_in_whatever_coding(text: str, coding: str, part: str) -> None:
    content = text.replace('"1.0"?', f'"1.0" encoding="{coding}"?').encode(coding)
    assert rules(changed(part, content)) == {"xlsx_entities"}


def test_virtual_layer_under_a_false_name_reads_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("name,WKT\n张三,POINT (108 33)\n", encoding="utf-8")
    layer = f"<OGRVRTLayer name='secret'><SrcDataSource>{secret}</SrcDataSource></OGRVRTLayer>"
    layer = f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>"
    for name in ("schools.geojson", "schools.gpkg", "schools.json"):
        found = places.read_places(xlsx.SourceFile(name, layer.encode()), "schools", crs="wgs84")
        assert [fault.rule for fault in found.faults] == ["unreadable_places"]


# ---- fuzz ----------------------------------------------------------------------------------------------------------

# The long form, ten thousand inputs: BALANCE_FUZZ=5000 python -m pytest -n 0 tests/test_upload_safety.py -k any_
EXAMPLES = int(os.environ.get("BALANCE_FUZZ", "100"))
NASTY = [
    "../../etc/passwd", "..", ".", "/", "\\", "\0", "²", "9" * 5000, "-1", "nan", "<script>", "'", "%00", "zh", "en",
    "1e9", "2023", "٢٠٢٣", "wuxi", "akqi", "akqi/..", "quality_2017", "file:///etc/passwd", "{0}", "%s",
]  # fmt: skip
WORDS = st.one_of(st.sampled_from(NASTY), st.text(max_size=30))
QUERIES = st.dictionaries(st.sampled_from(["county", "year", "standard", "lang", "scenario", "x"]), WORDS, max_size=6)


@pytest.fixture(scope="module")
def library(demo_dir: Path) -> Library:
    return Library((demo_dir,))


@settings(max_examples=max(EXAMPLES, 300), deadline=None)
@given(asked=QUERIES)
def test_any_address_gives_a_page_of_a_county_that_is_there(library: Library, asked: dict[str, str]) -> None:
    model = PageModel(library, asked)
    assert model.county_id in library.folders()
    assert model.year in model.county.years
    assert model.standard.id == model.standard_id
    assert model.lang in ("zh", "en")


NAMES = st.sampled_from(
    ["a.xlsx", "a.csv", "学校.geojson", "schools.gpkg", "a.xls", "../a.csv", "a", "a.json", "x.tsv"]
)
CONTENTS = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text("学校代码名称,;\t\n\"'0123456789小学=-+@", max_size=200).map(str.encode),
    st.tuples(st.integers(0, len(BOOK) - 1), st.binary(min_size=1, max_size=8)).map(
        lambda at: BOOK[: at[0]] + at[1] + BOOK[at[0] + len(at[1]) :]
    ),
    st.binary(max_size=80).map(lambda b: b'{"type":"FeatureCollection","features":[' + b + b"]}"),
    st.binary(max_size=60).map(lambda b: b"SQLite format 3\0" + b),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(uploaded=st.dictionaries(NAMES, CONTENTS, min_size=1, max_size=2), year=st.sampled_from([2023, 0, -5]))
def test_any_upload_is_told_in_words_and_writes_only_its_county(
    tmp_path_factory: pytest.TempPathFactory, uploaded: dict[str, bytes], year: int
) -> None:
    top = tmp_path_factory.mktemp("fuzz")
    try:
        done = bring.bring_in(uploaded, top / "in" / "county", year=year, accept_valid=True)
        said = [fault.sentence(lang) for fault in done.faults for lang in ("zh", "en")]
        assert all("Traceback" not in sentence for sentence in said)
        assert done.written or done.faults
    except BalanceError:
        pass
    assert {path.name for path in top.iterdir()} <= {"in"}
    assert {path.name for path in top.glob("in/*")} <= {"county"}
