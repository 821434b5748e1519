"""Hold what the consolidation page shows: a scenario being worked on, the sliders over it, and what follows."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import scenarios
from balance_lib.access.distance import straight_m
from balance_lib.data.county import County
from balance_lib.data.kept import keep
from balance_lib.data.tables.kinds import STAGES_OF
from balance_lib.scenarios import Attach, Boarding, Close, Keep, Merge, Operation, Outcome, Resize, Scenario, ToPoint
from balance_lib.scenarios.board import Board, State, Tick
from balance_lib.standards import STAGES, Standard

# What a click can make of a school, in the order of the buttons; the map has one class for each.
STATES = ("as_is", "keep", "close", "to_point", "merge", "attach")
MOST_STEPS = 100  # so many changes can be taken back
MOST_RESULTS = 8  # so many boards and outcomes of what was tried are kept
GESTURE_S = 1.5  # a control that rests so long is let go of
# What stands before anybody decides anything, by county, year and standard: the same for every page of the county, so
# that a kernel forked from a process that has made the page once has it already.
_UNTOUCHED: dict[tuple[str, int, str], dict[Any, Any]] = {}
PROOF_S = 0.1  # for each proof that the zones are the best: the page says how far an answer may be from it


@dataclass
class Trial:
    """Hold one scenario of a county, the way back, and every result computed once.

    ``decided`` is what has been clicked and chosen; ``sliders`` lie over it and close, widen or narrow without being
    an operation of their own until :attr:`scenario` puts both together.
    """

    county: County
    year: int
    standard: Standard
    decided: Scenario = field(init=False)
    sliders: State = field(default_factory=State)
    past: deque[tuple[Scenario, State]] = field(default_factory=lambda: deque(maxlen=MOST_STEPS))
    future: list[tuple[Scenario, State]] = field(default_factory=list)
    _gesture: tuple[str, float] = ("", -math.inf)
    _kept: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.decided = Scenario.empty(self.county, self.year)

    # What is worked on ------------------------------------------------------------------------------------------

    @property
    def scenario(self) -> Scenario:
        """Return what is decided and what the sliders add, as one scenario."""
        return self.board().scenario(self.sliders)

    def act(self, school_id: str, state: str, target: str = "") -> None:
        """Make something of a school.

        Parameters
        ----------
        school_id : str
        state : one of STATES
        target : str
            Where a merged school goes, or which central school it is attached to.
        """
        made: dict[str, Callable[[], Operation]] = {
            "keep": lambda: Keep(school_id=school_id),
            "close": lambda: Close(school_id=school_id),
            "to_point": lambda: ToPoint(school_id=school_id),
            "merge": lambda: Merge(school_id=school_id, into=target),
            "attach": lambda: Attach(school_id=school_id, host_id=target),
        }
        rest = replace(self.decided, operations=tuple(
            o for o in self.decided.operations if o.school_id != school_id or isinstance(o, Resize | Boarding)
        ))  # fmt: skip
        self.change(rest.with_operations(made[state]()) if state in made else rest)

    def change(self, decided: Scenario | None = None, sliders: State | None = None) -> None:
        """Take another scenario or other sliders, and remember the way back.

        Parameters
        ----------
        decided : Scenario, optional
        sliders : State, optional
        """
        after = (decided or self.decided, sliders or self.sliders)
        if after != (self.decided, self.sliders):
            self.past.append((self.decided, self.sliders))
            self.future.clear()
            self.decided, self.sliders = after
        self._gesture = ("", -math.inf)

    def slide(self, sliders: State, control: str, now: float | None = None) -> None:
        """Take sliders in the course of a gesture: one control moved on without a pause is one step back.

        Parameters
        ----------
        sliders : State
        control : str
            The control that is being moved.
        now : float, optional
            Seconds of a steady clock; the machine's by default.
        """
        at = time.monotonic() if now is None else now
        name, last = self._gesture
        if name == control and at - last <= GESTURE_S:
            self.sliders = sliders
        else:
            self.change(sliders=sliders)
        self._gesture = (control, at)

    def undo(self) -> bool:
        """Take the last change back; False when there is none."""
        return self._step(self.past, self.future)

    def redo(self) -> bool:
        """Make the change again that was taken back last; False when there is none."""
        return self._step(self.future, self.past)

    def _step(self, source: Any, kept: Any) -> bool:
        if not source:
            return False
        kept.append((self.decided, self.sliders))
        self.decided, self.sliders = source.pop()
        self._gesture = ("", -math.inf)
        return True

    def state_of(self, school_id: str) -> str:
        """Return what is made of a school."""
        for operation in self.decided.of(school_id):
            if operation.verb in STATES:
                return operation.verb
        return "as_is"

    def has(self, school_id: str) -> bool:
        """Tell whether the county has this school in the year, as against one that only the scenario opens."""
        return school_id in self.schools.index

    def opened(self) -> pd.DataFrame:
        """Return the schools that only the scenario has, with their places."""
        return self.opened_by(self.decided)

    def opened_by(self, scenario: Scenario) -> pd.DataFrame:
        """Return the schools that only a scenario has, with their places."""
        names = ["school_id", "name_zh", "name_en", "township", "lon", "lat"]
        return self._keep(("opened", scenario), lambda: (
            self._board(scenario).layout.opened.reset_index(names="school_id")[names].reset_index(drop=True)
        ))  # fmt: skip

    # What follows -----------------------------------------------------------------------------------------------

    def board(self) -> Board:
        """Return the arrays the sliders move on."""
        return self._board(self.decided)

    def _board(self, scenario: Scenario) -> Board:
        places = scenario.settings.assignment == "transport"
        key = ("board", scenario, self.standard.id)
        return self._keep(key, lambda: Board(self.county, scenario, self.standard, places=places))

    def tick(self) -> Tick:
        """Return what the sliders do at once."""
        return self.board().tick(self.sliders)

    def cover_today(self) -> dict[str, dict[str, float]]:
        """Return how pupils get to school before anything is done, under the settings decided."""
        plain = replace(self.decided, operations=())
        return self._keep(("cover", plain), lambda: self._board(plain).tick(State()).cover)

    def limits(self) -> dict[tuple[str, str], float]:
        """Return the limit of each difference coefficient, by stage and indicator."""

        def make() -> dict[tuple[str, str], float]:
            return {(r.stage, r.indicator): float(r.limit) for r in self.today().before.cv.itertuples()}

        return self._keep(("limits",), make)

    def outcome(self, scenario: Scenario | None = None) -> Outcome:
        """Return everything that follows from the scenario, or from another one."""
        chosen = scenario or self.scenario
        key = ("outcome", chosen, self.standard.id)
        return self._keep(key, lambda: self._evaluate(chosen))

    def _evaluate(self, scenario: Scenario) -> Outcome:
        return scenarios.evaluate(self.county, scenario, standard=self.standard, time_limit_s=PROOF_S)

    def today(self) -> Outcome:
        """Return the county as it is, in the same year and judged the same way."""
        return self.outcome(Scenario.empty(self.county, self.year))

    def radius_m(self, stage: str) -> float:
        """Return the walking radius of the county's plan; NaN where it has none."""
        found = self.today().provenance["radius_m"][stage]
        return float("nan") if found is None else float(found)

    def _keep(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        untouched = key[1:2] in ((), (Scenario.empty(self.county, self.year),))
        county = (self.county.hash, self.year, self.standard.digest)
        return (
            keep(keep(_UNTOUCHED, county, dict), key, make) if untouched else keep(self._kept, key, make, MOST_RESULTS)
        )

    # Schools ----------------------------------------------------------------------------------------------------

    @property
    def schools(self) -> pd.DataFrame:
        """Return the schools of the year: names, kind, township, pupils, place; smallest first."""

        def make() -> pd.DataFrame:
            found = self.today().schools.set_index("school_id")
            found = found[found["kind_before"].notna()]
            places = self.county.tables["schools"].drop_duplicates("school_id").set_index("school_id")
            return found.join(places[["name_en", "lon", "lat"]]).sort_values(["pupils_before", "school"], kind="stable")

        return self._keep(("schools",), make)

    def names(self, lang: str) -> pd.Series:
        """Return what the schools are called in a language, by id; in Chinese where they have no other name."""
        found = self.schools
        return found["school"] if lang == "zh" else found["name_en"].fillna(found["school"])

    def nearest(self, school_id: str) -> list[str]:
        """Return the other schools of the year, nearest first; those without a place come last."""
        schools = self.schools
        at = schools.loc[school_id]
        metres = straight_m(
            np.full(len(schools), at["lon"], float), np.full(len(schools), at["lat"], float),
            schools["lon"].to_numpy(float), schools["lat"].to_numpy(float),
        )  # fmt: skip
        order = np.argsort(np.where(np.isfinite(metres), metres, np.inf), kind="stable")
        return [s for s in schools.index[order] if s != school_id]

    def hosts(self, school_id: str) -> list[str]:
        """Return the schools that teach everything this one teaches, points apart; nearest first."""
        kinds = self.schools["kind_before"]
        wanted = teaches(kinds[school_id])
        return [s for s in self.nearest(school_id) if kinds[s] != "teaching_point" and wanted <= teaches(kinds[s])]


def teaches(kind: str) -> set[str]:
    """Return the compulsory stages a kind of school teaches; of a special school nothing another could take over."""
    return set(STAGES_OF.get(kind, ())) & set(STAGES)


def moves_of(outcome: Outcome) -> pd.DataFrame:
    """Return the moves of an outcome as lines on the map: start, to, pupils, class."""
    moves = outcome.moves
    if moves.empty:
        return pd.DataFrame(columns=["start", "to", "pupils", "class"])
    start = moves["village_id"].where(moves["village_id"].fillna("") != "", moves["from_id"])
    broken = (moves["overflow"] > 0) | (moves["far"] > 0)
    return _lines(start, moves["to_id"], moves["pupils"], broken, moves["metres_after"].isna())


def _moves_at(board: Board, tick: Tick, radius_m: Sequence[float]) -> pd.DataFrame:
    """Return the moves of a tick as lines on the map: start, to, pupils, class.

    ``radius_m``: walking radius of primary and junior pupils.
    """
    there = tick.to >= 0
    villages, schools = np.array([*board.villages, ""], dtype=object), np.array(board.schools, dtype=object)
    start = np.where(tick.village[there] >= 0, villages[tick.village[there]], schools[tick.from_[there]])
    limit = np.asarray(radius_m, float)[(tick.band[there] == 2).astype(int)]
    metres, walks = tick.metres_after[there], tick.pupils[there] - tick.boards[there]
    broken = (tick.over[there] > 0) | ((metres > limit) & (walks > 0))
    return _lines(start, schools[tick.to[there]], tick.pupils[there], broken, np.isnan(metres))


_CLASSES = ("fine", "unknown", "breaks")  # of several on one way the last


def _lines(start: Any, to: Any, pupils: Any, broken: Any, unknown: Any) -> pd.DataFrame:
    """Return a line for each way that is taken, in the order they first appear; a way without an end is none."""
    lines: dict[tuple[str, str], tuple[float, int]] = {}
    kinds = np.where(np.asarray(broken, bool), 2, np.asarray(unknown, bool).astype(int))
    for begin, end, n, kind in zip(*(np.asarray(each).tolist() for each in (start, to, pupils, kinds)), strict=True):
        if end and isinstance(begin, str) and isinstance(end, str):
            known, worst = lines.get((begin, end), (0.0, 0))
            lines[begin, end] = (known + (n if n == n else 0.0), max(worst, kind))
    counts, classes = [n for n, _ in lines.values()], [_CLASSES[worst] for _, worst in lines.values()]
    ends = {"start": [begin for begin, _ in lines], "to": [end for _, end in lines]}
    return pd.DataFrame({**ends, "pupils": np.array(counts, float), "class": classes})
