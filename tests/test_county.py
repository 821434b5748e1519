"""A county folder is opened as it was saved, saved whole or not at all, and every unreadable file is a fault."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balance_lib._errors import DataError, NotFoundError
from balance_lib.data import tables
from balance_lib.data.county import County

OUTLINE = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"name": "测试县"},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[109.0, 31.0], [110.0, 31.0], [110.0, 32.0], [109.0, 31.0]]],
            },
        }
    ],
}


def make(**changes: object) -> County:
    schools = pd.DataFrame({"school_id": ["007", "08"], "name_zh": ["甲小学", "乙小学"], "kind": "primary"})
    years = pd.DataFrame(
        {"school_id": ["007", "007", "08"], "year": [2019, 2020, 2020], "stage": "primary", "pupils": [10, 11, None]}
    )
    fields = {
        "county_id": "test",
        "name_zh": "测试县",
        "name_en": "Test",
        "tables": {
            "schools": tables.conform(schools, "schools"),
            "school_years": tables.conform(years, "school_years"),
        },
        "layers": {"outline.geojson": OUTLINE},
        "meta": {"plan": "quality_2017", "credits": ["甲", "乙"]},
        **changes,
    }
    return County(**fields)  # type: ignore[arg-type]


def same(a: County, b: County) -> None:
    assert (a.county_id, a.name_zh, a.name_en, a.crs, a.synthetic) == (
        b.county_id, b.name_zh, b.name_en, b.crs, b.synthetic
    )  # fmt: skip
    assert dict(a.meta) == dict(b.meta) and a.layers == b.layers and a.hash == b.hash
    for name in tables.all_tables():
        pd.testing.assert_frame_equal(a.tables[name], b.tables[name])


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_saved_and_opened_is_the_same(tmp_path: Path) -> None:
    county = make(crs="CGCS2000", synthetic=True)
    again = County.open(county.save(tmp_path / "test"))
    same(county, again)
    assert again.table("schools")["school_id"].tolist() == ["007", "08"]
    assert again.years == [2019, 2020] and again.plan == "quality_2017"
    assert again.save(tmp_path / "other") and snapshot(tmp_path / "test") == snapshot(tmp_path / "other")


def test_tables_carry_a_byte_order_mark_and_plain_numbers(tmp_path: Path) -> None:
    folder = make().save(tmp_path / "test")
    content = (folder / "school_years.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfschool_id,year,stage,pupils\n007,2019,primary,10\n")
    assert content.endswith(b"08,2020,primary,\n")
    assert not (folder / "villages.csv").exists()


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@settings(max_examples=15, deadline=None)
@given(
    names=st.lists(texts, min_size=1, max_size=4),
    pupils=st.lists(st.one_of(st.none(), st.integers(0, 5000)), min_size=4, max_size=4),
    area=st.floats(0, 1e7),
    note=st.one_of(st.none(), texts),
    meta=st.dictionaries(
        st.sampled_from(["plan", "credits", "source"]), st.one_of(texts, st.integers(), st.booleans())
    ),
)
def test_open_after_save_is_the_identity(
    names: list[str], pupils: list[int | None], area: float, note: str | None, meta: dict[str, object]
) -> None:
    ids = [f"{i:04d}" for i in range(len(names))]
    schools = pd.DataFrame({"school_id": ids, "name_zh": names, "kind": "primary", "note": note})
    years = pd.DataFrame(
        {"school_id": ids, "year": 2020, "stage": "primary", "pupils": pupils[: len(ids)], "teaching_area_m2": area}
    )
    county = make(
        tables={"schools": tables.conform(schools, "schools"), "school_years": tables.conform(years, "school_years")},
        meta=meta,
    )
    with tempfile.TemporaryDirectory() as parent:
        again, faults = County.read(county.save(Path(parent) / "c"))
    assert faults == []
    same(county, again)


def test_a_layer_or_table_taken_away_is_gone_and_foreign_files_stay(tmp_path: Path) -> None:
    folder = make(layers={"outline.geojson": OUTLINE, "roads.geojson": OUTLINE}).save(tmp_path / "test")
    (folder / "relief.tif").write_bytes(b"II*")
    assert set(County.open(folder).layers) == {"outline.geojson", "roads.geojson"}
    bare = make(layers={"outline.geojson": OUTLINE}).with_tables(school_years=tables.empty("school_years"))
    bare.save(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["county.yaml", "outline.geojson", "relief.tif", "schools.csv"]


def test_a_save_that_breaks_off_leaves_the_old_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make().save(tmp_path / "test")
    before = snapshot(folder)

    real = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target == folder and self.suffix == ".saving":
            raise OSError("no space left")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        make(name_zh="别的县").save(folder)
    monkeypatch.undo()
    assert snapshot(folder) == before
    assert [p.name for p in tmp_path.iterdir()] == ["test"]


def test_values_that_cannot_be_written_leave_nothing_behind(tmp_path: Path) -> None:
    broken = make(layers={"outline.geojson": {"type": object()}})
    with pytest.raises(TypeError):
        broken.save(tmp_path / "test")
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    (tmp_path / "letter.txt").write_text("mine")
    for place in ("notes", "letter.txt"):
        with pytest.raises(DataError, match=r"county\.yaml"):
            make().save(tmp_path / place)
    assert snapshot(tmp_path) == {"letter.txt": b"mine", "notes/diary.txt": b"mine"}
    (tmp_path / "empty").mkdir()
    assert County.open(make().save(tmp_path / "empty")).county_id == "test"


def spoil(folder: Path, name: str, content: bytes) -> list[tuple[str, str, str | None]]:
    (folder / name).write_bytes(content)
    _, faults = County.read(folder)
    return [(f.rule, f.file, f.column) for f in faults]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (
            "schools.csv",
            "school_id,name_zh,kind\n1,第一小学,primary\n".encode("gbk"),
            ("gbk_table", "schools.csv", None),
        ),
        ("schools.csv", b"\xff\xfes\x00", ("unreadable", "schools.csv", None)),
        ("schools.csv", b'school_id,name_zh,kind\n1,"a"b,primary\n', ("unreadable", "schools.csv", None)),
        ("schools.csv", b"school_id\tname_zh\tkind\n1\ta\tprimary\n", ("delimiter", "schools.csv", None)),
        ("schools.csv", b"", ("missing_column", "schools.csv", "school_id")),
        ("outline.geojson", b"{", ("unreadable", "outline.geojson", None)),
        ("outline.geojson", b"[1, 2]", ("unreadable", "outline.geojson", None)),
        ("county.yaml", b"county_id: test\ncrs: EPSG:4326\n", ("crs", "county.yaml", "crs")),
    ],
)
def test_each_unreadable_file_is_a_fault(tmp_path: Path, name: str, content: bytes, fault: tuple[str, ...]) -> None:
    folder = make().save(tmp_path / "test")
    assert fault in spoil(folder, name, content)
    with pytest.raises(DataError):
        County.open(folder)


def test_every_fault_of_form_comes_at_once(tmp_path: Path) -> None:
    folder = make().save(tmp_path / "test")
    (folder / "school_years.csv").unlink()
    (folder / "outline.geojson").write_text("nothing")
    (folder / "county.yaml").write_text("name_zh:\n")
    county, faults = County.read(folder)
    assert {f.rule for f in faults} == {"missing_file", "unreadable", "crs"}
    assert county.name_zh == "test" and county.name("en") == "test"


@pytest.mark.parametrize("content", [b"[1]", b"a: [", "名: x".encode("gbk")])
def test_a_county_file_that_is_none_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "county.yaml").write_bytes(content)
    with pytest.raises(DataError, match=r"county\.yaml"):
        County.read(tmp_path)


def test_no_county_folder_says_which_there_are(tmp_path: Path) -> None:
    make().save(tmp_path / "test")
    with pytest.raises(NotFoundError, match="test"):
        County.open(tmp_path)


def test_the_hash_changes_with_any_figure_and_with_nothing_else() -> None:
    county = make()
    assert county.hash == make().hash
    changed = county.table("school_years")
    changed.loc[0, "pupils"] = 12
    assert county.with_tables(school_years=changed).hash != county.hash
    assert county.tables["school_years"].loc[0, "pupils"] == 10


def test_a_year_without_schools_is_not_found() -> None:
    assert len(make().table("school_years", 2020)) == 2
    with pytest.raises(NotFoundError, match="2019, 2020"):
        make().table("school_years", 1999)


def test_layers_are_written_compact_and_chinese_stays_readable(tmp_path: Path) -> None:
    folder = make().save(tmp_path / "test")
    text = (folder / "outline.geojson").read_text(encoding="utf-8")
    assert "测试县" in text and json.loads(text) == OUTLINE
