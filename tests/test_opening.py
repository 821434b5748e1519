"""What a page finds ready when it opens: the county as it is, and one script in place of a hundred."""

from __future__ import annotations

import re

import pytest

from balance_lib import scenarios, standards
from balance_lib.scenarios import Close, Scenario
from balance_lib.show.serve import bundle
from balance_lib.show.widgets import trial
from tests import scenario_towns


def test_page_made_again_judges_the_county_not_again(monkeypatch: pytest.MonkeyPatch) -> None:
    county, standard = scenario_towns.county(), standards.load("quality_2017")
    first = trial.Trial(county, scenario_towns.YEAR, standard)
    today, board = first.today(), first.board()
    first.act("B", "close")
    assert first.outcome() is not today

    def never(*_: object, **__: object) -> None:
        pytest.fail("the county as it is has been judged before")

    monkeypatch.setattr(scenarios, "evaluate", never)
    monkeypatch.setattr(trial, "Board", never)
    second = trial.Trial(scenario_towns.county(), scenario_towns.YEAR, standard)
    assert second.today() is today
    assert second.board() is board
    plan = Scenario.empty(county, scenario_towns.YEAR).with_operations(Close(school_id="B"))
    with pytest.raises(pytest.fail.Exception):
        second.outcome(plan)  # what has been decided on one page is no other page's affair


def test_engine_holds_voila_and_every_extension_whole() -> None:
    script = bundle.engine().decode("utf-8")
    voila = bundle.static("voila.js").read_text(encoding="utf-8")
    asked = {int(number) for number in re.findall(r"\.e\((\d+)\)", voila)}
    there = {number for number in asked if bundle.static(f"{number}.voila.js").is_file()}
    put = {int(n) for numbers in re.findall(r"\.push\(\[\[([\d,]+)\]", script) for n in numbers.split(",")}
    assert len(there) > 40
    assert there <= put
    assert script.endswith(voila)  # the runtime last: what it wants is on its list
    found = bundle.page_config({"baseUrl": "/b/"}, base_url="/b/", version="1", settings={}, log=None)
    assert [each["name"] for each in found["federated_extensions"]] == ["balance"]
    for each in found["bundledExtensions"]:
        assert f'"{each["name"]}"' in script or f"{each['name']}=" in script
