"""What a newcomer meets after the import: short messages, a page that opens on pupils, estimates said to be such."""

from __future__ import annotations

import html
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from balance_lib import scenarios, standards
from balance_lib._errors import MOST_OF_A_KIND, Fault, fault_lines
from balance_lib.cli import app
from balance_lib.data.county import County
from balance_lib.locale import text
from balance_lib.planning import siting
from balance_lib.planning.siting import Goals
from balance_lib.scenarios.board import Board
from balance_lib.scenarios.sliders import State
from balance_lib.show.widgets import apps, trial_views
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.walking import _choice_for
from balance_lib.standards import STAGES
from tests import scenario_towns, towns

run = CliRunner()
PLACE = {"lon": 109.6, "lat": 31.4}


def balance(*words: object) -> str:
    done = run.invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def plain_list(**changes: object) -> County:
    """Return a county of which only rolls and teachers are known."""
    rows = [towns.school_year(s) for s in ("a", "b")]
    bare = [{k: v for k, v in row.items() if k in ("school_id", "year", "stage", "pupils", "teachers")} for row in rows]
    schools = [towns.school(s, lon=109.6 + i / 50) for i, s in enumerate(("a", "b"))]
    return towns.county(schools, [row | changes for row in bare])


def test_evaluate_names_each_column_all_schools_lack_once(tmp_path: Path) -> None:
    folder = plain_list().save(tmp_path / "toy")
    shown = balance("evaluate", folder, "--standard", "quality_2017", "--year", 2020, "--lang", "en").splitlines()
    assert shown.count("    Networked multimedia rooms: L7-primary, CV7-primary") == 1
    assert not any("lack data" in line for line in shown)
    start = next(i for i, line in enumerate(shown) if line.startswith("  Missing in every school"))
    end = next(i for i, line in enumerate(shown) if line.startswith("  County figures missing"))
    columns = shown[start + 1 : end]
    assert f"({len(columns)} columns" in shown[start] and columns == sorted(columns, key=len)
    assert not any("Evidence is needed" in line for line in shown), "the head of the group says so"
    every = " ".join(columns + shown[end:])
    result = standards.load("quality_2017")
    assert all(f"CV{i}-primary" in every for i in range(1, 8)) and len(result.judged) > 0


def test_evaluate_keeps_the_sentence_where_only_some_schools_lack_a_figure(tmp_path: Path) -> None:
    rows = [towns.school_year("a"), towns.school_year("b", books=np.nan, multimedia_rooms=np.nan)]
    folder = towns.county([towns.school("a"), towns.school("b")], rows).save(tmp_path / "toy")
    shown = balance("evaluate", folder, "--standard", "quality_2017", "--year", 2020, "--lang", "en")
    (line,) = [one for one in shown.splitlines() if " L7-primary " in one]
    assert "1 of 2 lack data" in line and "Missing in every school" not in shown


def test_faults_of_one_kind_are_counted_after_the_first_few_with_their_rows_and_errors_stand_first() -> None:
    warnings = [Fault("no_years", "schools.csv", row, "school_id", "x", "warning") for row in range(2, 14)]
    errors = [Fault("no_classes", "school_years.csv", row, "classes", 0, params={"pupils": 1}) for row in range(2, 14)]
    lines = fault_lines([*warnings, *errors], "en")
    assert [line[:8] for line in lines].index("[warning") == MOST_OF_A_KIND + 1
    for kind in ("[error]", "[warning]"):
        assert len([line for line in lines if line.startswith(kind)]) == MOST_OF_A_KIND
    rest = f"{2 + MOST_OF_A_KIND}–13"
    assert text("cli.more_of_a_kind", "en", n=12 - MOST_OF_A_KIND, file="schools.csv", rows=rest) in lines


def test_own_standards_are_listed_and_a_faulty_file_is_told(tmp_path: Path, root: Path, monkeypatch) -> None:
    (tmp_path / "p.yaml").write_text((root / "docs/examples/province.yaml").read_text("utf-8"), encoding="utf-8")
    (tmp_path / "q.yaml").write_text("id: [", encoding="utf-8")
    monkeypatch.setenv(standards.VARIABLE, str(tmp_path))
    shown = balance("standards", "--lang", "en")
    assert "example_province_2024" in shown and "q.yaml" in shown
    page = PageModel(Library((root / "data" / "demo",)), {"county": "akqi", "standard": "example_province_2024"})
    assert page.standard.id == "example_province_2024"


def test_dashboard_hands_the_folder_of_standards_to_the_pages(tmp_path: Path, monkeypatch) -> None:
    from balance_lib.show import serve

    seen = []
    monkeypatch.setenv(standards.VARIABLE, "")
    monkeypatch.setattr(serve, "launch", lambda *_, **__: seen.append(os.environ[standards.VARIABLE]))
    (tmp_path / "q.yaml").write_text("id: [", encoding="utf-8")
    assert "q.yaml" in balance("dashboard", "--standards", tmp_path, "--lang", "en")
    assert seen == [str(tmp_path.resolve())]
    gone = run.invoke(app, ["dashboard", "--standards", str(tmp_path / "gone")])
    assert gone.exit_code == 2 and len(seen) == 1


@pytest.fixture
def juniors(tmp_path: Path) -> Path:
    rows = [towns.school_year("j", "junior"), towns.school_year("p", pupils=0)]
    schools = [towns.school("j", "junior"), towns.school("p")]
    towns.county(schools, rows).save(tmp_path / "toy")
    return tmp_path


def test_the_walking_page_opens_on_a_stage_that_has_pupils(juniors: Path) -> None:
    county = County.open(juniors / "toy")
    assert _choice_for(county, 2020, "primary") == _choice_for(county, 2020, "g4_6") == "junior"
    both = towns.county([towns.school("a")], [towns.school_year("a"), towns.school_year("a", "junior")])
    assert [_choice_for(both, 2020, c) for c in ("g4_6", "junior")] == ["g4_6", "junior"]
    page = apps.Access(PageModel(Library((juniors,)), {"county": "toy"}))
    assert page.problem.value == "" and page.stage.value == "junior"
    assert page.walk is not None and page.walk.stage == "junior"


def test_an_outcome_on_estimated_attendance_carries_a_warning_everywhere(tmp_path: Path) -> None:
    known, bare = scenario_towns.county(), scenario_towns.county(attendance=False)
    nothing = scenarios.Scenario.empty(bare, known.years[-1])
    guessed, told = scenarios.evaluate(bare, nothing), scenarios.evaluate(known, nothing)
    for lang in ("zh", "en"):
        warning = text("scenarios.basis_warning.estimated", lang)
        assert guessed.as_dict(lang)["warning"] == warning and told.as_dict(lang)["warning"] is None
        assert warning in html.unescape(trial_views._headline(guessed, lang))
        assert "bl-banner" not in trial_views._headline(told, lang)
    folder = bare.save(tmp_path / "toy")
    file = tmp_path / "keep all.yaml"
    file.write_text(nothing.to_yaml(), encoding="utf-8")
    shown = balance("scenario", folder, file, "--lang", "en")
    assert (
        text("scenarios.basis_warning.estimated", "en") in shown
        and f"copy the file into {folder / 'scenarios'}" in shown
    )
    (folder / "scenarios").mkdir(exist_ok=True)
    there = file.replace(folder / "scenarios" / "mine.yaml")
    assert "choose “mine”" in balance("scenario", folder, there, "--lang", "en")


def test_a_school_whose_stages_have_no_figures_of_their_own_leaves_no_coefficient_and_no_error(tmp_path: Path) -> None:
    county = scenario_towns.county()
    year = county.years[-1]
    schools = [*county.tables["schools"].to_dict("records"), towns.school("W", "complete_secondary")]
    rows = [*county.tables["school_years"].to_dict("records"), towns.school_year("W", "shared", year=year)]
    more = county.with_tables(schools=pd.DataFrame(schools), school_years=pd.DataFrame(rows))
    for each, lacking in ((county, False), (more, True)):
        junior = Board(each, scenarios.Scenario.empty(each, year)).tick(State()).coefficients[STAGES.index("junior")]
        table = scenarios.evaluate(each, scenarios.Scenario.empty(each, year)).before.cv
        told = table.loc[table["stage"].eq("junior") & table["indicator"].ne("composite"), "cv"]
        assert np.isnan(junior).all() == told.isna().all() == lacking


def test_a_page_that_knows_nobody_does_not_say_that_nobody_lives_outside(tmp_path: Path) -> None:
    villages = [{"village_id": "v", "name_zh": "甲村", "township": "甲镇", **PLACE}]
    towns.county([towns.school("a")], [towns.school_year("a")], villages=villages).save(tmp_path / "toy")
    page = apps.Access(PageModel(Library((tmp_path,)), {"county": "toy", "lang": "en"}))
    assert text("page.access.none_outside", "en") not in page.villages.value + page.ranking.value
    assert text("page.access.unknown_outside", "en") in page.villages.value
    assert text("page.access.nobody_how", "en").replace("'", "&#39;") in page.verdict.value


def test_how_many_schools_must_stay_is_told_with_the_reasons(root: Path) -> None:
    county = County.open(root / "data" / "demo" / "akqi")
    ids = [str(i) for i in siting.propose(county, "primary", Goals(schools=20), judge=False).layout.school_ids]
    goals = Goals(schools=1, may_close=ids[:6], protected=ids[:1])
    found = siting.propose(county, "primary", goals, judge=False)
    held = found.layout.kept_by
    assert sum(map(len, held.values())) == found.layout.must.sum() == found.solution.reasons[0].needed
    rows = county.tables["schools"].set_index("school_id")
    through = [i for i in ids if rows.at[i, "kind"] in ("nine_year", "twelve_year")]
    assert sorted(held["through"]) == sorted(through) and len(held["not_named"]) <= len(ids) - 6
    said = found.sentence("en")
    assert f"{found.layout.must.sum()} schools must stay" in said and f"{len(through)} are through-schools" in said
    everything = siting.propose(county, "primary", Goals(schools=20, may_close="all"), judge=False).layout
    assert "not_named" not in everything.kept_by and "protected" not in everything.kept_by
