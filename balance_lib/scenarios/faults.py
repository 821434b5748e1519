"""Check a scenario against its county: unknown names, conflicts, cycles; all faults at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.locale import LANGUAGES, Message, listed, text
from balance_lib.scenarios import base, layout
from balance_lib.scenarios import operations as ops
from balance_lib.scenarios.scenario import Scenario
from balance_lib.scenarios.settings import default, unit_costs
from balance_lib.standards import STAGES

FURTHEST = 15  # years ahead
_KINDS_TO = ("primary", "junior", "nine_year")
# What these do depends on how many pupils there are.
_NEEDS_ROLL = ops.Close | ops.Merge | ops.ToPoint | ops.Attach | ops.Resize | ops.ConvertStage


def validate(county: County, scenario: Scenario) -> None:
    """Refuse a scenario that cannot be carried out.

    Parameters
    ----------
    county : County
    scenario : Scenario

    Raises
    ------
    DataError
        With every fault; the row is the operation's place in the list, from 1.
    """
    tables.require(check(county, scenario))


def check(county: County, scenario: Scenario) -> list[Fault]:
    """Return every fault of a scenario: names, values, conflicting and cyclic operations.

    Parameters
    ----------
    county : County
    scenario : Scenario
    """
    checker = _Checker(county, scenario)
    return [*checker.head(), *checker.settings(), *checker.each(), *checker.together(), *checker.procedure()]


def _verb(verb: str) -> Message:
    return Message(f"scenarios.verb.{verb}")


def _stages(stages: list[str]) -> dict[str, str]:
    return {lang: listed([text(f"stage.{stage}", lang) for stage in stages], lang) for lang in LANGUAGES}


def _kind(kind: str) -> dict[str, str]:
    choices = tables.table("schools").columns["kind"].choices or {}
    return {"zh": choices.get(kind, kind), "en": kind.replace("_", " ")}


class _Checker:
    """Look at a scenario beside its county."""

    def __init__(self, county: County, scenario: Scenario) -> None:
        self.county, self.scenario = county, scenario
        self.file = scenario.name or "scenario"
        schools = county.tables["schools"].drop_duplicates("school_id").set_index("school_id")
        self.kinds = schools["kind"].to_dict()
        self.names = schools["name_zh"].to_dict()
        self.placed = set(schools.index[schools[["lon", "lat"]].notna().all(axis=1)])
        known = scenario.year in county.years
        rows = county.table("school_years", scenario.year) if known else county.tables["school_years"].iloc[:0]
        self.taught: dict[str, set[str]] = {}
        for school, stage in zip(rows["school_id"].tolist(), rows["stage"].tolist(), strict=True):
            self.taught.setdefault(school, set()).add(stage)
        self.kinds |= base.kinds_of(rows[rows["stage"].isin(STAGES)])
        self.whole = set(rows.loc[(rows["stage"] == "shared") & (rows["pupils"] > 0), "school_id"])
        self.uncounted = set(base._uncounted(rows, county.table("attendance", scenario.year), self.kinds))
        self.there = {school for school, stages in self.taught.items() if stages & set(STAGES)}
        self.villages = set(county.tables["villages"]["village_id"])
        self.effective = scenario.effective
        self.opening = {o.school_id for o in self.effective if isinstance(o, ops.Open)}
        self.closing = {o.school_id for o in self.effective if isinstance(o, ops.Close | ops.Merge)}

    def _fault(
        self, rule: str, operation: ops.Operation | None, column: str, found: Any = None, **params: Any
    ) -> Fault:
        row = None if operation is None else self.scenario.operations.index(operation) + 1
        return Fault(f"scenario_{rule}", self.file, row, column, found, params=params)

    def told(self, school_id: str) -> str:
        return f"{school_id} {self.names.get(school_id) or ''}".strip()

    def head(self) -> Iterator[Fault]:
        scenario = self.scenario
        if scenario.county_id != self.county.county_id:
            yield self._fault("county", None, "county", scenario.county_id, county=self.county.county_id)
        if scenario.year not in self.county.years:
            known = ", ".join(str(year) for year in self.county.years)
            yield self._fault("year", None, "year", scenario.year, known=known)
        if not 0 <= scenario.judged_year - scenario.year <= FURTHEST:
            params = {"first": scenario.year, "last": scenario.year + FURTHEST}
            yield self._fault("target", None, "target_year", scenario.target_year, **params)

    def settings(self) -> Iterator[Fault]:
        settings, least = self.scenario.settings, default("never_board_below")
        if settings.boarding_from_grade < least:
            yield self._fault("young_board", None, "boarding_from_grade", settings.boarding_from_grade)
        positive = ("walk_primary_m", "walk_junior_m", "class_cap_primary", "class_cap_junior", "reach_primary_m",
                    "reach_junior_m", "size_cap_single",
                    "size_cap_through", "young_minutes", "bus_kph")  # fmt: skip
        for name in positive:
            value = getattr(settings, name)
            if value is not None and not value > 0:
                yield self._fault("positive", None, name, value)
        if settings.bus_minutes is not None and not settings.bus_minutes >= 0:
            yield self._fault("positive", None, "bus_minutes", settings.bus_minutes)
        if not settings.births_percent > -100:
            yield self._fault("births", None, "births_percent", settings.births_percent)
        for name, value in settings.unit_costs:
            if name not in unit_costs() or not value >= 0:
                yield self._fault("unit_cost", None, name, value, known=", ".join(unit_costs()))

    def each(self) -> Iterator[Fault]:
        for operation in self.effective:
            known = operation.school_id in self.there or operation.school_id in self.opening
            if not known and not isinstance(operation, ops.Open):
                rule = "closed_already" if operation.school_id in self.kinds else "school"
                rule = "stages_untold" if operation.school_id in self.whole else rule
                yield self._fault(rule, operation, operation.verb, self.told(operation.school_id),
                                 year=self.scenario.year)  # fmt: skip
            for village in set(getattr(operation, "villages", ())) - self.villages:
                yield self._fault("village", operation, "villages", village)
            if isinstance(operation, ops.Close | ops.Merge | ops.ConvertStage) and "senior" in self.taught.get(
                operation.school_id, ()
            ):
                yield self._fault("senior", operation, operation.verb, self.told(operation.school_id))
            yield from self.others(operation)
            yield from self.values(operation)
            yield from self.kind(operation)
            yield from self.rolls(operation)

    def others(self, operation: ops.Operation) -> Iterator[Fault]:
        """Look at the other schools an operation names."""
        for other in dict.fromkeys(operation.others()):
            if other not in self.there and other not in self.opening:
                yield self._fault("school", operation, "into", other)
            elif other in self.closing and other != operation.school_id:
                rule = "cycle" if self.comes_back(operation.school_id) else "receiver_closes"
                yield self._fault(rule, operation, operation.verb, self.told(other))
            elif other == operation.school_id:
                yield self._fault("itself", operation, operation.verb, self.told(other))
        if isinstance(operation, ops.Merge) and operation.into in self.there and operation.school_id in self.there:
            lacking = sorted(self.stages(operation.school_id) - self.stages(operation.into))
            special = {self.kinds.get(school) == "special" for school in (operation.school_id, operation.into)}
            if len(special) > 1:
                yield self._fault("special", operation, "into", self.told(operation.into))
            elif lacking:
                yield self._fault(
                    "stage_lacking", operation, "into", self.told(operation.into), stages=_stages(lacking)
                )
        if isinstance(operation, ops.Attach):
            hosts = {o.school_id for o in self.effective if isinstance(o, ops.Attach | ops.ToPoint)}
            if operation.host_id in hosts or self.kinds.get(operation.host_id) == "teaching_point":
                yield self._fault("host_is_point", operation, "to", self.told(operation.host_id))

    def kind(self, operation: ops.Operation) -> Iterator[Fault]:
        """Look for a kind of school the operation is not for; a special school's pupils have nowhere else to go."""
        kind = self.kinds.get(operation.school_id, "primary")
        if isinstance(operation, ops.ConvertStage) and kind == "special":
            yield self._fault("special_convert", operation, "to", operation.to)
        fit = {ops.ToPoint: ("primary",), ops.Attach: ("primary", "teaching_point")}.get(type(operation), (kind,))
        if kind not in fit:
            told = self.told(operation.school_id)
            yield self._fault("not_primary", operation, operation.verb, told, kind=_kind(kind))

    def rolls(self, operation: ops.Operation) -> Iterator[Fault]:
        """Look for rolls nobody recorded: who would move, what it would cost and what would be met is not known.

        A teaching point that gets another host asks for none: its pupils stay, and so does what they count for.
        """
        if isinstance(operation, ops.Attach) and self.kinds.get(operation.school_id) == "teaching_point":
            return
        changed = [operation.school_id] if isinstance(operation, _NEEDS_ROLL) else []
        if isinstance(operation, ops.Merge | ops.Attach):
            changed.append(operation.others()[0])
        stages = self.stages(operation.school_id) | {s for school, s in self.uncounted if school == operation.school_id}
        for school in dict.fromkeys(changed):
            here = {operation.stage} if isinstance(operation, ops.Resize) else stages
            told = school == operation.school_id and school in self.whole - self.there  # said of it already
            if not told and any((school, stage) in self.uncounted for stage in here):
                yield self._fault("untold", operation, "pupils", self.told(school), year=self.scenario.year)

    def stages(self, school_id: str) -> set[str]:
        """Return the compulsory stages a school teaches in the baseline, and any it is converted to."""
        converted = {o.to for o in self.effective if isinstance(o, ops.ConvertStage) and o.school_id == school_id}
        more = {"nine_year": set(STAGES)}.get(next(iter(converted), ""), converted)
        return (self.taught.get(school_id, set()) & set(STAGES)) | more

    def comes_back(self, start: str) -> bool:
        """Tell whether following the receivers of merged schools leads back."""
        onward = {o.school_id: o.into for o in self.effective if isinstance(o, ops.Merge)}
        seen, at = {start}, onward.get(start)
        while at is not None and at not in seen:
            seen.add(at)
            at = onward.get(at)
        return at == start

    def values(self, operation: ops.Operation) -> Iterator[Fault]:
        match operation:
            case ops.ToPoint():
                if operation.top_grade not in (3, 6):
                    yield self._fault("top_grade", operation, "top_grade", operation.top_grade)
            case ops.Resize():
                if operation.stage not in STAGES:
                    yield self._fault("stage", operation, "stage", operation.stage)
                if operation.classes <= 0:
                    yield self._fault("positive", operation, "classes", operation.classes)
            case ops.Boarding():
                if operation.places < 0:
                    yield self._fault("positive", operation, "places", operation.places)
            case ops.BusLine():
                if not operation.minutes > 0:
                    yield self._fault("positive", operation, "minutes", operation.minutes)
            case ops.ConvertStage():
                yield from self.convert(operation)
            case ops.Open():
                yield from self.open(operation)

    def convert(self, operation: ops.ConvertStage) -> Iterator[Fault]:
        if operation.to not in _KINDS_TO:
            yield self._fault("convert_to", operation, "to", operation.to)
        elif operation.to in (*STAGES, "nine_year") and operation.villages and operation.classes <= 0:
            yield self._fault("positive", operation, "classes", operation.classes)

    def open(self, operation: ops.Open) -> Iterator[Fault]:
        school_id, known = operation.school_id, operation.school_id in self.kinds
        if school_id in self.there:
            yield self._fault("open_already", operation, "open", self.told(school_id), year=self.scenario.year)
        kind = operation.kind or self.kinds.get(school_id, "")
        if kind not in ("primary", "junior", "nine_year", "teaching_point"):
            yield self._fault("open_kind", operation, "kind", kind or None)
        for name in ("lon", "lat") if school_id not in self.placed else ():
            if getattr(operation, name) is None:
                yield self._fault("open_needs", operation, name)
        for name in () if known else ("name_zh", "township"):
            if not getattr(operation, name):
                yield self._fault("open_needs", operation, name)
        if not sum(layout._opening_classes(self.county, operation, self.scenario.year).values()) > 0:
            yield self._fault("positive", operation, "classes_primary", 0)
        columns = tables.table("school_years").columns
        for column, amount in operation.gives:
            if column not in columns or not columns[column].numeric or not amount >= 0:
                yield self._fault("gives", operation, "gives", column)

    def together(self) -> Iterator[Fault]:
        """Look for operations on the same school that contradict each other."""
        done: dict[str, ops.Operation] = {}
        for operation in (o for o in self.effective if o.structural):
            first = done.get(operation.school_id)
            if first is not None and not self.agree(first, operation):
                params = {"first": _verb(first.verb), "second": _verb(operation.verb)}
                yield self._fault("conflict", operation, operation.verb, self.told(operation.school_id), **params)
            done.setdefault(operation.school_id, operation)
        seen: set[tuple[str, ...]] = set()
        for operation in (o for o in self.effective if not o.structural):
            if operation.school_id in self.closing:
                yield self._fault("conflict", operation, operation.verb, self.told(operation.school_id),
                                 first=_verb("close"), second=_verb(operation.verb))  # fmt: skip
            key = (operation.verb, operation.school_id, getattr(operation, "stage", ""))
            if key in seen and not isinstance(operation, ops.BusLine):
                yield self._fault("conflict", operation, operation.verb, self.told(operation.school_id),
                                 first=_verb(operation.verb), second=_verb(operation.verb))  # fmt: skip
            seen.add(key)

    @staticmethod
    def agree(first: ops.Operation, second: ops.Operation) -> bool:
        """Tell whether two structural operations may stand together: protected schools may grow, not shrink.

        Parameters
        ----------
        first : ops.Operation
        second : ops.Operation
        """
        kinds = {type(first), type(second)}
        return kinds in ({ops.Keep, ops.ConvertStage}, {ops.Keep, ops.Attach}, {ops.ToPoint, ops.Attach})

    def procedure(self) -> Iterator[Fault]:
        for parents in self.scenario.procedure.parents:
            if parents.school_id not in self.kinds:
                yield self._fault("school", None, "parents", parents.school_id)
            if not 0 <= parents.opposed <= parents.asked:
                yield self._fault("parents", None, "parents", f"{parents.opposed}/{parents.asked}")
