"""The sliders a page answers by itself say what the board in Python says."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from balance_lib.data.county import County
from balance_lib.scenarios import Scenario
from balance_lib.scenarios.board import Board, State, Tick
from balance_lib.scenarios.packed import pack, plain_arrays

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).parents[2] / "balance_lib/show/widgets/static/tick.js"
SUMS = ("pupils", "walk", "ride", "board", "far", "unknown", "mean_m", "p90_m", "max_m", "within_share", "young_over")
# What the page works out, as lists: NaN travels as null.
ANSWER = """(states) => states.map((state) => {
  const t = window.board.tick(state);
  return {...t, loads: Array.from(t.loads), flows: t.flows.map((f) =>
    [f.row, f.village, f.from, f.to, f.band, f.pupils, f.boards, f.over, f.before, f.after])};
})"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Any:
    context = browser.new_context()
    page = context.new_page()
    page.add_script_tag(
        content=SCRIPT.read_text("utf-8").replace("export ", "") + "\nObject.assign(window, {Board, unpack})"
    )
    yield page
    context.close()


def random_state(board: Board, rng: np.random.Generator) -> State:
    """Return sliders at random: any of them may be left where the scenario has it."""

    def some(value: Any) -> Any:
        return value if rng.random() < 0.7 else None

    ids = np.array(board.schools)
    return State(
        minimum_enrolment=float(rng.choice([0, 10, 30, 60, 100, 200, 500])),
        closed=frozenset(rng.choice(ids, rng.integers(0, 4), replace=False).tolist()),
        kept=frozenset(rng.choice(ids, rng.integers(0, 6), replace=False).tolist()),
        walk_primary_m=some(float(rng.integers(5, 60) * 100)),
        walk_junior_m=some(float(rng.integers(10, 90) * 100)),
        bus_minutes=some(float(rng.integers(1, 60))),
        class_cap_primary=some(int(rng.integers(20, 61))),
        class_cap_junior=some(int(rng.integers(20, 61))),
    )


def asked(state: State) -> dict[str, Any]:
    """Return a state as the page takes it."""
    lists = {"closed": sorted(state.closed), "kept": sorted(state.kept)}
    return {"minimum_enrolment": state.minimum_enrolment, **lists, **state.settings}


def number(value: Any) -> float:
    return math.nan if value is None else float(value)


def assert_same(told: dict[str, Any], tick: Tick, state: State) -> None:
    assert tuple(told["closed"]) == tick.closed
    assert told["proven"] == tick.proven, state
    flows = np.array([[number(v) for v in flow] for flow in told["flows"]]).reshape(-1, 10)
    theirs = (tick.rows, tick.village, tick.from_, tick.to, tick.band)
    for at, column in enumerate(theirs):
        assert np.array_equal(flows[:, at], column), (at, state)
    for at, column in enumerate((tick.pupils, tick.boards, tick.over)):
        assert np.allclose(flows[:, 5 + at], column, atol=1e-9), (at, state)
    for at, column in enumerate((tick.metres_before, tick.metres_after)):
        assert np.allclose(flows[:, 8 + at], column, rtol=1e-6, equal_nan=True)
    assert np.allclose(told["loads"], tick.loads.ravel())
    for name in ("moved", "farther", "shortfall", "extra_m"):
        assert number(told[name]) == pytest.approx(getattr(tick, name), rel=1e-5, abs=1e-3, nan_ok=True), (name, state)
    for stage, row in tick.cover.items():
        for name in SUMS:
            assert number(told["cover"][stage][name]) == pytest.approx(row[name], rel=1e-6, abs=1e-6, nan_ok=True), (
                stage, name, state
            )  # fmt: skip


# So many states a case; a thorough run sets 1000 and takes minutes.
NUMBER = int(os.environ.get("BALANCE_RANDOM_STATES", "60"))
CASES = [
    ("akqi", None, False), ("akqi", "board-from-grade-4", False), ("chuzhou", "relieve-a-crowded-school", False),
    ("jiaohe", None, False), ("wuxi", "attach-micro-points", False), ("akqi", None, True), ("wuxi", None, True),
    ("chuzhou", "merge-two-juniors", True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "plan", "places"), CASES)
def test_the_page_answers_as_the_board_does(page: Any, root: Path, name: str, plan: str | None, places: bool) -> None:
    county = County.open(root / "data/demo" / name)
    year = county.years[-1]
    folder = root / "data/demo" / name / "scenarios"
    scenario = Scenario.from_yaml(folder / f"{plan}.yaml") if plan else Scenario.empty(county, year)
    board = Board(county, scenario, places=places)
    page.evaluate("(packed) => { window.board = new Board(unpack(packed)); }", plain_arrays(pack(board)))
    rng = np.random.default_rng(7)
    drawn = [random_state(board, rng) for _ in range(NUMBER)]
    moving = asks = 0
    for first in range(0, NUMBER, 25):
        part = drawn[first : first + 25]
        for state, told in zip(part, page.evaluate(ANSWER, [asked(each) for each in part]), strict=True):
            tick = board.tick(state)
            moving += bool(tick.moved)
            if told["full"]:  # places do not suffice near by: the page asks the kernel
                asks += 1
                assert places
            else:
                assert_same(told, tick, state)
    assert moving > NUMBER / 2
    assert asks < NUMBER, "none answered in the page"


def test_places_follow_the_class_cap(page: Any, root: Path) -> None:
    for name in ("akqi", "jiaohe"):
        county = County.open(root / "data/demo" / name)
        board = Board(county, Scenario.empty(county, county.years[-1]))
        page.evaluate("(packed) => { window.board = new Board(unpack(packed)); }", plain_arrays(pack(board)))
        for caps in ((20, 20), (30, 45), (45, 50), (60, 60)):
            told = page.evaluate("(caps) => Array.from(window.board.places(caps))", list(caps))
            assert np.array_equal(told, board.places(caps).ravel()), (name, caps)
