"""Many counties give what each of them gives alone; what fails, is killed or comes again changes nothing else."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from typer.testing import CliRunner

from balance_lib import access, evaluation, forecast, standards
from balance_lib._errors import NotFoundError
from balance_lib.batch import Options, ProvinceDataset, find, outlook, parts, results, run
from balance_lib.cli import app
from balance_lib.data.county import County
from tests import towns

BASIC = Options(standards=("basic_2012",), by="2024-08")
BOTH = Options(standards=("basic_2012", "quality_2017"), by="2024-08")


def town(name: str, **changes: Any) -> County:
    """Return a town of two schools and two years, with a village that walks 1.1 km or so."""
    schools = [towns.school("A"), towns.school("B", lat=31.41)]
    years = [
        towns.school_year(school, year=year, **(changes if school == "B" else {}))
        for year in (2019, 2020)
        for school in ("A", "B")
    ]
    found = towns.county(
        schools,
        years,
        county_years=[row for year in (2019, 2020) for row in towns.figures(year, satisfaction_pct=90.0)],
        villages=[{"village_id": "V", "name_zh": "某村", "township": "甲镇", "lon": 109.6, "lat": 31.4}],
        attendance=[
            {"village_id": "V", "school_id": "B", "stage": "primary", "band": "g1_3", "year": 2020, "pupils": 40}
        ],
    )
    return County(name, "某县", "Some County", found.tables, synthetic=True, meta={"targets": {"basic_2012": "2021"}})


@pytest.fixture
def counties(tmp_path: Path) -> Path:
    """Return a root of three counties, the third one lying by prefecture, and one that cannot be read."""
    root = tmp_path / "counties"
    town("one").save(root / "one")
    town("two", books=900, teachers_bachelor=1).save(root / "two")
    town("three", computers=3).save(root / "市" / "three")
    town("bad").save(root / "bad")
    table = root / "bad" / "school_years.csv"
    table.write_text(table.read_text("utf-8").replace(",100,", ",百,", 1), "utf-8")
    return root


def rows(path: Path, table: str) -> pd.DataFrame:
    return ProvinceDataset.open(path).table(table)


def same(one: Path, other: Path) -> None:
    """Hold two datasets against each other, table by table."""
    assert ProvinceDataset.open(one).tables == ProvinceDataset.open(other).tables
    for table in ProvinceDataset.open(one).tables:
        pd.testing.assert_frame_equal(rows(one, table), rows(other, table))


def test_each_county_is_judged_as_it_is_alone(counties: Path, tmp_path: Path) -> None:
    done = run(counties, tmp_path / "out", BOTH, workers=0)
    assert [(one.county, one.state) for one in done] == [
        ("bad", "faulty"), ("one", "judged"), ("two", "judged"), ("市/three", "judged")
    ]  # fmt: skip
    items, cv = rows(tmp_path / "out", "items"), rows(tmp_path / "out", "coefficients")
    verdicts = rows(tmp_path / "out", "verdicts")
    for name in ("one", "two", "市/three"):
        county = County.open(counties / name)
        for standard in ("basic_2012", "quality_2017"):
            for year in (2019, 2020):
                alone = evaluation.evaluate(county, standards.load(standard), year=year)
                here = {"county": name, "standard": standard, "year": year}
                mine = items[(items[list(here)] == pd.Series(here)).all(axis=1)]
                assert mine["status"].tolist() == [result.status for result in alone.items]
                assert mine["code"].tolist() == [result.item.code for result in alone.items]
                for column in ("value", "threshold", "gap"):
                    wanted = pd.Series([getattr(result, column) for result in alone.items], dtype=float)
                    given = mine[column].astype(float).reset_index(drop=True)
                    pd.testing.assert_series_equal(given, wanted, check_names=False, check_exact=True)
                told = verdicts[(verdicts[list(here)] == pd.Series(here)).all(axis=1)].iloc[0]
                assert told["verdict"] == alone.verdict and told["met"] == alone.counts()["met"]
                coefficients = cv[(cv[list(here)] == pd.Series(here)).all(axis=1)]["cv"].astype(float)
                assert coefficients.tolist() == pytest.approx(alone.cv["cv"].astype(float).tolist(), abs=0, nan_ok=True)


def test_a_county_at_fault_is_told_and_stops_nobody(counties: Path, tmp_path: Path) -> None:
    run(counties, tmp_path / "out", BOTH, workers=0)
    faults, states = rows(tmp_path / "out", "faults"), rows(tmp_path / "out", "counties").set_index("county")["state"]
    assert faults["county"].tolist() == ["bad"]
    fault = faults.iloc[0]
    assert (fault["file"], fault["row"], fault["found"]) == ("school_years.csv", 2, "百")
    assert "百" in fault["text_zh"] and "school_years.csv" in fault["text_en"]
    assert dict(states) == {"bad": "faulty", "one": "judged", "two": "judged", "市/three": "judged"}
    assert not (rows(tmp_path / "out", "items")["county"] == "bad").any()


def test_what_breaks_off_is_tried_again_and_what_is_done_is_not(
    counties: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    opened = County.open.__func__  # type: ignore[attr-defined]

    def fails(cls: type[County], path: Path) -> County:
        if Path(path).name == "two":
            raise MemoryError("no room")
        return opened(cls, path)

    with monkeypatch.context() as patch:
        patch.setattr(County, "open", classmethod(fails))
        first = {one.county: (one.state, one.again) for one in run(counties, out, BOTH, workers=0)}
    assert first["two"] == ("broken", False) and first["one"] == ("judged", False)
    assert "no room" in rows(out, "faults").set_index("county").loc["two", "text_zh"]
    again = {one.county: (one.state, one.again) for one in run(counties, out, BOTH, workers=0)}
    assert again == {
        "bad": ("faulty", True), "one": ("judged", True), "two": ("judged", False), "市/three": ("judged", True)
    }  # fmt: skip
    assert (rows(out, "counties")["state"] == "judged").sum() == 3


def test_another_figure_option_or_standard_is_another_result(counties: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(counties, out, BOTH, workers=0)
    town("two", books=901, teachers_bachelor=1).save(counties / "two")
    assert [one.county for one in run(counties, out, BOTH, workers=0) if not one.again] == ["two"]
    assert len([one for one in run(counties, out, Options(year=2020), workers=0) if not one.again]) == 4
    assert rows(out, "items")["year"].unique().tolist() == [2020]
    own = tmp_path / "own.yaml"
    own.write_text("id: own\ntitle_zh: 甲\ntitle_en: A\nitems: []\n", "utf-8")
    before = Options(standards=(str(own),)).digest()
    own.write_text("id: own\ntitle_zh: 乙\ntitle_en: A\nitems: []\n", "utf-8")
    assert Options(standards=(str(own),)).digest() != before


def test_walks_are_those_of_the_access_room(counties: Path, tmp_path: Path) -> None:
    run(counties, tmp_path / "out", Options(standards=("basic_2012",), access="straight"), workers=0)
    found = rows(tmp_path / "out", "access").set_index(["county", "stage"]).loc[("one", "primary")]
    county = County.open(counties / "one")
    reach = access.Reach.of(county, 2020, "primary", access.costs(county))
    own = access.covered(reach, found["radius_m"])
    # 40 of the 200 on the rolls have a village: of the others nobody knows the way.
    assert (found["pupils"], found["within"], found["unknown"], found["year"]) == (200, own.within, 160, 2020)
    assert found["farthest_m"] == pytest.approx(1108.9, abs=5)  # a hundredth of a degree of latitude
    village = rows(tmp_path / "out", "villages").query("county == 'one'").iloc[0]
    assert (village["village_id"], village["pupils"], village["nearest_id"], village["nearest_m"]) == ("V", 40, "A", 0)


def test_the_command_counts_each_county_in_its_own_last_year(tmp_path: Path) -> None:
    for name, years in (("one", (2019, 2020)), ("two", (2020, 2021)), ("three", (2018,))):
        rows_ = [towns.school_year("a", year=year) for year in years]
        replace(towns.county([towns.school("a")], rows_), county_id=name).save(tmp_path / "in" / name)
    out = str(tmp_path / "out")
    words = ["batch", str(tmp_path / "in"), "--standard", "basic_2012", "--out", out, "--workers", "0"]
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    last = found["last_years"]
    assert sum(row["counties"] for row in last) == 3
    assert (min(row["first"] for row in last), max(row["last"] for row in last)) == (2018, 2021)
    assert next(iter(found)) == "provenance"
    said = CliRunner().invoke(app, words).stdout
    assert "各县最近一年（2018–2021）" in said and re.search(r"： *\D+ 3$", said.strip())


def test_a_county_without_roads_keeps_its_verdicts(counties: Path, tmp_path: Path) -> None:
    run(counties, tmp_path / "out", Options(standards=("basic_2012",), access="network"), workers=0)
    faults = rows(tmp_path / "out", "faults")
    assert set(faults.loc[faults["rule"] == "no_roads", "county"]) == {"one", "two", "市/three"}
    assert len(rows(tmp_path / "out", "verdicts")) == 6 and rows(tmp_path / "out", "access").empty


def test_one_file_holds_what_the_folder_holds(counties: Path, tmp_path: Path) -> None:
    options = Options(standards=("basic_2012",), access="straight")
    run(counties, tmp_path / "folder", options, workers=0)
    run(counties, tmp_path / "one.parquet", options, workers=0)
    same(tmp_path / "folder", tmp_path / "one.parquet")


def test_the_dataset_is_geoparquet(counties: Path, tmp_path: Path) -> None:
    import duckdb
    import shapely

    run(counties, tmp_path / "out", Options(standards=("basic_2012",), access="straight"), workers=0)
    with duckdb.connect() as duck:
        file = str(tmp_path / "out/villages.parquet")
        stored = duck.execute("SELECT value FROM parquet_kv_metadata(?) WHERE key = 'geo'", [file]).fetchone()
        (shape,) = duck.execute("SELECT geometry FROM read_parquet(?) LIMIT 1", [file]).fetchone()
    assert stored is not None
    geo = json.loads(stored[0])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    assert geo["columns"]["geometry"] == {"encoding": "WKB", "geometry_types": ["Point"], "bbox": [109.6, 31.4] * 2}
    assert shapely.from_wkb(bytes(shape)).coords[0] == (109.6, 31.4)


def test_counties_behind_an_address_are_found_and_read(counties: Path, tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(counties), "/batch-test", recursive=True)
    try:
        run("memory://batch-test", tmp_path / "far", BASIC, workers=0)
        run(counties, tmp_path / "near", BASIC, workers=0)
        for table in ("verdicts", "items", "coefficients", "faults"):
            pd.testing.assert_frame_equal(rows(tmp_path / "far", table), rows(tmp_path / "near", table))
    finally:
        memory.rm("/batch-test", recursive=True)


def test_a_web_server_is_read_by_its_list(counties: Path, tmp_path: Path) -> None:
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    (counties / "counties.txt").write_text("one\n# not this one\n市/three/\n", "utf-8")
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(counties)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = run(f"http://127.0.0.1:{server.server_port}", tmp_path / "out", BASIC, workers=0)
    finally:
        server.shutdown()
    assert [(one.county, one.state) for one in done] == [("one", "judged"), ("市/three", "judged")]


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        find(tmp_path)
    with pytest.raises(NotFoundError):
        ProvinceDataset.open(tmp_path / "none")


def test_a_run_killed_in_the_middle_goes_on_where_it_was(counties: Path, tmp_path: Path) -> None:
    for number in range(12):
        shutil.copytree(counties / "one", counties / f"more-{number}")
    run(counties, tmp_path / "whole", BASIC, workers=0)
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "balance_lib.cli", "batch", str(counties), "--standard", "basic_2012"]
    command += ["--by", "2024-08", "--out", str(out), "--workers", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(parts.known(parts.place(out))) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    stand = parts.known(parts.place(out))
    assert 3 <= len(stand) < 16 and not out.exists()
    done = run(counties, out, BASIC, workers=0)
    assert sum(one.again for one in done) == len(stand)
    same(tmp_path / "whole", out)


def test_a_killed_worker_costs_nothing_but_time(counties: Path, tmp_path: Path) -> None:
    for number in range(12):
        shutil.copytree(counties / "two", counties / f"more-{number}")
    killed: list[int] = []

    def kill(done: int, of: int, one: Any) -> None:
        if not killed:
            spawned = [p for p in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
            killed.append(spawned[-1].pid)
            os.kill(killed[0], signal.SIGKILL)

    done = run(counties, tmp_path / "out", BASIC, workers=2, progress=kill)
    assert killed and len(done) == 16
    run(counties, tmp_path / "whole", BASIC, workers=0)
    same(tmp_path / "whole", tmp_path / "out")


def test_results_come_one_by_one(counties: Path, tmp_path: Path) -> None:
    stream = results(find(counties), tmp_path / "parts", BASIC, workers=0)
    first = next(stream)
    assert first.part.is_file() and len(list((tmp_path / "parts").glob("*.json.gz"))) == 1
    stream.close()


def test_dates_are_told_from_the_path_of_the_figures(tmp_path: Path) -> None:
    root = tmp_path / "counties"
    years = [2018, 2019, 2020, 2021]
    for name, scores in (("late", [70.0, 70.5, 71.0, 71.5]), ("soon", [76.0, 79.0, 81.0, 84.0])):
        found = towns.county(
            [towns.school("A")],
            [towns.school_year("A", year=year) for year in years],
            county_years=[
                row for y, s in zip(years, scores, strict=True) for row in towns.figures(y, satisfaction_pct=s)
            ],
        )
        County(name, name, name, found.tables, synthetic=True).save(root / name)
    run(root, tmp_path / "out", Options(standards=("basic_2012",), by="2023-12"), workers=0)
    outlook = rows(tmp_path / "out", "outlook").set_index(["county", "code"])
    assert outlook.loc[("soon", "S1"), ["status", "year", "in_time"]].tolist() == ["crosses", 2022, True]
    assert outlook.loc[("late", "S1"), ["status", "in_time"]].tolist() == ["not_before", False]
    assert outlook.loc[("late", ""), "status"] == "not_before" and not outlook.loc[("late", ""), "in_time"]
    assert outlook.loc[("soon", ""), "due_year"] == 2023


@pytest.mark.parametrize(("name", "plan"), [("akqi", "quality_2017"), ("jiaohe", "jiaohe_2009")])
def test_outlook_says_what_the_item_page_says(name: str, plan: str, demo_dir: Path) -> None:
    """One county's page and the province's table are one forecast: year, and both ends of its band."""
    county, standard = County.open(demo_dir / name), standards.load(plan)
    judged = evaluation.evaluate_years(county, standard)
    told = outlook.columns(county, {standard.id: judged}, None)
    history = evaluation.history(county, standard)
    keys = ("code", "status", "year", "earliest", "latest")
    rows = [row for row in zip(*(told[key] for key in keys), strict=True) if row[0] and row[1] != "no_data"]
    assert len(rows) > 20
    for code, *found in rows:
        path = forecast.item_path(
            county, standard, code, to=county.years[-1] + 10, history=history[history["code"] == code]
        )
        ends = (path.crossing.year, path.crossing.earliest, path.crossing.latest)
        assert found == [path.crossing.status, *(None if math.isnan(year) else int(year) for year in ends)], code
