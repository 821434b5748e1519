"""What is damaged is said in a sentence, and the rest is shown: a province's dataset, a plan's records."""

from __future__ import annotations

import getpass
import shutil
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from balance_lib._errors import DataError
from balance_lib.batch import ProvinceDataset
from balance_lib.cli import app
from balance_lib.data.county import County
from balance_lib.data.intake import workbook
from balance_lib.office.store import Stamp, Store
from balance_lib.show.widgets import apps
from balance_lib.show.widgets.apps import province
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.running import RunModel
from tests.serving import TOP


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("damage", ["counties cut", "verdicts cut", "no parquet", "another table", "empty file"])
def test_a_damaged_province_is_said_and_the_start_page_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    place = tmp_path / "province"
    shutil.copytree(TOP / "data" / "province", place)
    if damage.endswith("cut"):
        cut(place / f"{damage.split()[0]}.parquet")
    elif damage == "another table":
        shutil.copy(place / "faults.parquet", place / "verdicts.parquet")
    else:
        (place / "counties.parquet").write_bytes(b"" if damage == "empty file" else b"PAR1 not at all")
    with pytest.raises(DataError) as refused:
        data = ProvinceDataset.open(place)
        data.sql("SELECT * FROM counties, verdicts")
    assert "province" in refused.value.report("zh") and str(tmp_path) not in refused.value.report("zh")
    monkeypatch.setenv(province.VARIABLE, str(place))
    page = apps.Province(apps.Province.shows(Library((tmp_path,)), {}))
    assert "province" in page.problem.value and page.body.layout.display == "none"
    assert province.passed(Library((tmp_path,)), "quality_2017") == "–"


def test_a_question_that_is_none_stays_the_askers_own_fault() -> None:
    data = ProvinceDataset.open(TOP / "data" / "province")
    for query in ("SELEC", "SELECT nothing FROM counties", "SELECT * FROM nowhere"):
        with pytest.raises(duckdb.Error):
            data.sql(query)


def test_a_damaged_store_leaves_the_plan_to_be_read(tmp_path: Path, demo_dir: Path) -> None:
    store = Store.at(tmp_path / "store")
    shown = {}
    for damaged in (False, True):
        if damaged:
            store.close()
            (tmp_path / "store" / "balance.sqlite").write_bytes(b"not a database" * 1000)
        page = apps.Workplan(RunModel(Library((demo_dir,)), {"county": "akqi"}, saved=store))
        assert page.body.layout.display == ""
        assert "阿合奇" in page.listed.value or page.listed.value.count("<tr") > 10
        shown[damaged] = page
        if not damaged:
            store.add_evidence("a.pdf", b"%PDF-1", who="甲", county_id="akqi", standard_id="akqi_2022",
                               stamp=Stamp())  # fmt: skip
    assert shown[True].listed.value == shown[False].listed.value
    assert "已损坏" in shown[True].problem.value and "不含已保存" in shown[True].problem.value
    assert "台账" in shown[False].cards.value and "台账" not in shown[True].cards.value  # not known is not nought
    assert shown[True].desk.layout.display == "none"
    shown[True]._guarded_in_words(shown[True]._make_exports, shown[True].export)
    assert "已损坏" in shown[True].export.value and "base64" not in shown[True].export.value


@pytest.mark.parametrize("named", [None, "李四"])
def test_an_import_by_command_stands_in_the_trail_with_who(
    tmp_path: Path, demo_dir: Path, monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BALANCE_DATABASE_URL", raising=False)
    monkeypatch.setattr(getpass, "getuser", lambda: "zhang")
    (tmp_path / "a.xlsx").write_bytes(workbook.county_workbook(County.open(demo_dir / "akqi")))
    by = ["--by", named] if named else []
    done = CliRunner().invoke(app, ["import", str(tmp_path / "a.xlsx"), "--into", str(tmp_path / "home" / "x"), *by])
    assert done.exit_code == 0, done.output
    told = Store.default().history("akqi")
    assert set(told["who"]) == {named or "zhang"} and set(told["note"]) == {"a.xlsx"}
    assert (tmp_path / "home" / "x" / "schools.csv").is_file()
