"""The command line: names, exit codes, and JSON complete enough to rebuild a page from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from balance_lib import evaluation, standards
from balance_lib.cli import app
from balance_lib.data.county import County
from balance_lib.scenarios import Scenario
from tests import towns

run = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    county = towns.county([towns.school("a"), towns.school("b")], [towns.school_year("a"), towns.school_year("b")])
    return county.save(tmp_path / "toy")


def balance(*words: object, code: int = 0) -> str:
    done = run.invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output


def as_json(*words: object, code: int = 0) -> dict:
    return json.loads(balance(*words, "--json", code=code))


def test_every_promised_command_is_there() -> None:
    shown = balance("--help")
    for command in ("demo", "import", "check", "standards", "evaluate", "dashboard"):
        assert command in shown


def test_standards_lists_all_seven() -> None:
    found = {s["id"]: s for s in as_json("standards")["standards"]}
    assert set(found) == {
        "basic_2012",
        "quality_2017",
        "wuxi_2016",
        "huixian_2024",
        "akqi_2022",
        "chuzhou_2011",
        "jiaohe_2009",
    }
    assert "优质均衡" in balance("standards") and "Quality balance" in balance("standards", "--lang", "en")


def test_one_standard_gives_every_item_with_its_source() -> None:
    found = as_json("standards", "akqi_2022")
    item = next(i for i in found["items"] if i["code"] == "A1-1")
    promised = "item_id code kind label_zh label_en level stage operator source_operator value unit deadline lead_unit"
    promised += " cooperating_units source quote notes"
    assert set(promised.split()) <= set(item)
    assert (item["value"], item["deadline"], item["due_before_adoption"]) == (4.2, "2022-12-31", False)


def test_evaluate_says_the_same_as_the_library(folder) -> None:
    found = as_json("evaluate", folder, "--standard", "quality_2017", "--year", 2020)
    assert found["verdict"] == "undetermined"
    assert {"county", "year", "standard", "verdict", "items", "schools", "cv", "provenance"} <= set(found)
    result = evaluation.evaluate(
        towns.county([towns.school("a"), towns.school("b")], [towns.school_year("a"), towns.school_year("b")]),
        standards.load("quality_2017"),
        year=2020,
    )
    assert [i["status"] for i in found["items"]] == [r.status for r in result.items]
    shown = balance("evaluate", folder, "--standard", "quality_2017", "--year", 2020)
    assert "尚不能认定" in shown and "演示数据" in shown
    assert "undetermined" in balance("evaluate", folder, "--standard", "quality_2017", "--year", 2020, "--lang", "en")


def test_a_standard_of_ones_own_by_file(folder, tmp_path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "id: own\ntitle_zh: 自\ntitle_en: own\nitems:\n"
        "- {code: X, kind: target, label_zh: 甲, label_en: X, level: school, stage: all, operator: '>=', value: 25,"
        " measure: {schools: books / pupils}}\n",
        encoding="utf-8",
    )
    assert as_json("evaluate", folder, "--standard", own, "--year", 2020)["verdict"] == "pass"
    own.write_text(own.read_text("utf-8").replace("value: 25", "value: 25.1"), encoding="utf-8")
    assert as_json("evaluate", folder, "--standard", own, "--year", 2020)["verdict"] == "fail"
    balance("evaluate", folder, "--standard", own, "--year", 2020, "--fail-on-not-met", code=3)


def test_exit_codes(folder, tmp_path) -> None:
    balance("evaluate", folder, "--standard", "quality_2017", "--year", 2020)
    balance("evaluate", folder, "--standard", "quality_2017", "--year", 1999, code=1)
    balance("evaluate", tmp_path / "nowhere", "--standard", "quality_2017", "--year", 2020, code=1)
    balance("evaluate", folder, "--standard", "no_such", "--year", 2020, code=2)
    balance("evaluate", folder, "--standard", "quality_2017", code=2)
    balance("evaluate", folder, "--standard", "quality_2017", "--year", 2020, "--set", "nonsense=true", code=2)
    balance("evaluate", folder, "--standard", "quality_2017", "--year", 2020, "--fail-on-not-met", code=3)
    balance("demo", "atlantis", "--out", tmp_path, code=2)


def test_check_tells_every_fault_with_its_place(folder) -> None:
    table = folder / "school_years.csv"
    text = table.read_text("utf-8-sig").splitlines()
    head = text[0].split(",")
    row = text[1].split(",")
    row[head.index("pupils")], row[head.index("classes")] = "many", "-3"
    table.write_text("\n".join([text[0], ",".join(row), *text[2:]]), encoding="utf-8-sig")
    found = as_json("check", folder, code=1)
    assert found["ok"] is False and found["errors"] >= 2
    places = {(f["file"], f["row"], f["column"], f["found"]) for f in found["faults"]}
    assert ("school_years.csv", 2, "pupils", "many") in places
    assert ("school_years.csv", 2, "classes", "-3") in places
    assert all(f["expected"] and f["hint"] for f in found["faults"])
    shown = balance("check", folder, code=1)
    assert "school_years.csv" in shown and "第2行" in shown


def test_failed_import_writes_nothing(tmp_path) -> None:
    source = tmp_path / "list.csv"
    source.write_text("学校代码,学校名称,学校类型,在校学生人数\n1,甲小学,小学,many\n", encoding="utf-8")
    found = as_json("import", source, "--into", tmp_path / "made", "--year", 2023, code=1)
    assert found["written"] is False and found["faults"]
    assert not (tmp_path / "made").exists()
    as_json("import", tmp_path / "no.csv", "--into", tmp_path / "made", code=1)


def test_import_of_a_free_table_then_check(tmp_path) -> None:
    source = tmp_path / "list.csv"
    source.write_text("学校代码,学校名称,学校类型,在校学生人数\n0012,甲小学,小学,45\n", encoding="gbk")
    made = tmp_path / "made"
    found = as_json("import", source, "--into", made, "--year", 2023, "--name", "某县")
    assert found["written"] is True and found["rows"] == {"schools": 1, "school_years": 1}
    again = as_json("check", made)
    assert again["county"] == "made"
    assert "0012" in (made / "schools.csv").read_text("utf-8-sig")


def test_accept_valid_takes_the_sound_rows_and_still_tells(tmp_path) -> None:
    source = tmp_path / "list.csv"
    source.write_text(
        "学校代码,学校名称,学校类型,在校学生人数\n1,甲小学,小学,many\n2,乙小学,小学,45\n", encoding="utf-8"
    )
    made = tmp_path / "made"
    found = as_json("import", source, "--into", made, "--year", 2023, "--accept-valid")
    assert found["written"] is True
    assert any(f["found"] == "many" for f in found["faults"])
    assert "many" not in (made / "school_years.csv").read_text("utf-8-sig")


def test_damaged_county_is_said_and_left_alone(folder) -> None:
    (folder / "schools.csv").write_bytes("学校".encode("gbk"))
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    found = as_json("check", folder, code=1)
    assert any(f["file"] == "schools.csv" and f["severity"] == "error" for f in found["faults"])
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_every_result_says_first_where_it_comes_from(root: Path, tmp_path: Path) -> None:
    county = County.open(root / "data" / "demo" / "akqi")
    scenario = tmp_path / "empty.yaml"
    scenario.write_text(Scenario.empty(county, 2023).to_yaml(), encoding="utf-8")
    asked = {
        "evaluate": ["--standard", "quality_2017", "--year", 2023],
        "access": ["--stage", "primary"],
        "project": ["--to", 2025, "--standard", "akqi_2022"],
        "scenario": [scenario],
        "optimise": ["--stage", "primary", "--time-limit-s", 5],
        "remedy": ["--standard", "akqi_2022", "--year", 2023, "--budget", 0],
        "plan": ["--standard", "akqi_2022", "--on", "2024-01-01"],
    }
    for command, words in asked.items():
        found = as_json(command, root / "data" / "demo" / "akqi", *words)
        assert next(iter(found)) == "provenance", command
        stamp = found["provenance"]
        assert stamp["county_hash"] == county.hash and stamp["synthetic"] is True, command
        assert stamp["software"].startswith("balance_lib ") and "standard" in stamp, command
        if command in ("optimise", "remedy"):
            assert set(stamp["solver"]) >= {"gap"} and any("bound" in name for name in stamp["solver"])
