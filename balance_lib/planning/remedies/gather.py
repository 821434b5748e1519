"""Turn the items of a standard into conditions on what is done, whatever their measure: no item is special."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from balance_lib import standards
from balance_lib.evaluation import SHORT, UNDECIDED, Evaluation, ItemResult, indicators
from balance_lib.evaluation import schools as judged
from balance_lib.evaluation.judge import line_of
from balance_lib.locale import Message
from balance_lib.planning.remedies.affine import Affine, Floats, NotAffineError, Ratio, _either, _ratio_of
from balance_lib.planning.remedies.catalogue import Catalogue
from balance_lib.planning.remedies.demands import Composite, Cone, Demands, LinearCondition, StageDemand
from balance_lib.planning.remedies.levers import COUNTY, Lever, LeverCells, _figure_lever
from balance_lib.planning.remedies.moves import STRICT, LeverEffects, entries_of
from balance_lib.planning.remedies.possible import _lendable, _possible, lent
from balance_lib.standards import STAGES, Item, Measure, Standard

ROWS = ("schools", "stages", "townships")
FORMULAS = (*ROWS, "county", "reported")


class Builder(LeverEffects):
    """Gather the demands of one standard on one county: first the levers, then the conditions on them."""

    def __init__(self, ground: LeverCells, found: Evaluation, book: Catalogue, levers: Sequence[Lever]) -> None:
        super().__init__(ground, levers, found.provenance["definitions"])
        self.found, self.book = found, book
        self._chosen: dict[str, tuple[list[StageDemand], str]] = {}

    def build(self) -> Demands:
        """Return the demands of every item that can be computed, failing ones and those that must stay met."""
        failing = [r for r in self.found.items if r.item.same_as is None and r.status in SHORT]
        for result in failing:
            self._find_levers(result)
        asked = set().union(*(self._names(result.item) for result in failing)) if failing else set()
        self.levers = [lever for lever in self.levers if lever.effects[0][0][2] in asked or lever.school_id == COUNTY]
        self.index()
        out = Demands(self.levers)
        for result in (r for r in self.found.items if r.item.same_as is None):
            self._demand(result, out)
        loans = list(lent(self))
        out.rows += [*_possible(self, self.book.parts), *loans]
        out.levers = _lendable(self, loans)
        return out

    # --- levers -----------------------------------------------------------------------------------------------------

    def _find_levers(self, result: ItemResult) -> None:
        """Give a failing item of the county a lever where nothing in the catalogue moves it yet."""
        item, measure = result.item, result.item.measure
        if measure is None or measure.source not in ("county", "reported"):
            return
        frame = self.ground.frame("county")
        if measure.source == "reported":
            name = f"{self.ground.standard.id}/{item.code}"
            if name in self.ground.own_figures and self.book.figure(name).basis != "fact":
                up = 1.0 if result.threshold > result.value else -1.0
                self._add(_figure_lever(self.ground, self.book, name, up))
            return
        try:
            if self._helps(item, _ratio_of(measure.formula, frame, self.movable("county"), measure.blank_is_zero)):
                return
        except NotAffineError:
            return
        want = self._direction(item, result)
        for name in indicators.names_in(measure.formula):
            if name not in self.ground.own_figures or self.book.figure(name).basis == "fact":
                continue
            try:
                ratio = _ratio_of(measure.formula, frame, {name}, measure.blank_is_zero)
            except NotAffineError:
                continue
            if name not in ratio.num.coef or name in ratio.den.coef:
                continue  # children, pupils and schools below the line are not there to be reduced
            if float(ratio.num.coef[name][0] / ratio.den.const[0]) * want > 0:
                self._add(_figure_lever(self.ground, self.book, name, 1.0))
            elif want < 0 or result.item.operator == "==":
                self._add(_figure_lever(self.ground, self.book, name, -1.0))

    def _names(self, item: Item) -> set[str]:
        """Return the columns and figures an item speaks of: what is not asked for is not bought."""
        measure = item.measure
        if measure is None:
            return set()
        standard = standards.load(measure.of) if measure.of else self.ground.standard
        formulas = [measure.formula] if measure.source in FORMULAS else []
        specs = [standard.indicators[measure.formula]] if measure.formula in standard.indicators else []
        if measure.source == "school_rule" or measure.formula == judged.COMPOSITE:
            specs = list(standard.indicators.values())
        formulas += [f for spec in specs for stage in STAGES if (f := indicators.formula_of(spec, stage))]
        names = {n for formula in formulas if formula for n in indicators.names_in(formula)}
        return names | {n.removeprefix(f"{p}_") for n in names for p in ("all", *STAGES)}

    def _add(self, lever: Lever) -> None:
        if lever.high > 0 and all((lever.action, lever.effects) != (x.action, x.effects) for x in self.levers):
            self.levers.append(lever)

    def _direction(self, item: Item, result: ItemResult) -> float:
        if item.operator == "==":
            return 1.0 if result.threshold > result.value else -1.0
        return 1.0 if item.operator in (">=", ">") else -1.0

    def _helps(self, item: Item, ratio: Ratio) -> bool:
        sign = 1.0 if item.operator in (">=", ">") else -1.0
        line = ratio.num.at(self.ground.frame("county")) / ratio.den.at(self.ground.frame("county"))
        found = self.moves("county", ratio.beyond(line).scaled(np.array([sign])), np.ones(1, bool))
        return bool((found.toarray() > 1e-12).any())

    # --- items -----------------------------------------------------------------------------------------------------

    def _demand(self, result: ItemResult, out: Demands) -> None:
        item, failing = result.item, result.status in SHORT
        try:
            rows, why = self._conditions(result, out)
        except NotAffineError:
            rows, why = [], "not_linear"
        if why and failing:
            out.unhelped[item.code] = (why, self._reason(why, result))
        elif result.status in UNDECIDED:
            out.unhelped[item.code] = (result.status, result.reason)
        elif failing:
            out.helped.append(item.code)
        out.rows += rows

    def _conditions(self, result: ItemResult, out: Demands) -> tuple[list[LinearCondition], str]:
        """Return an item's rows (choices and cones are put into ``out``), or why nothing helps."""
        item, measure = result.item, result.item.measure
        failing = result.status in SHORT
        if measure is None or result.basis == "evidence" or measure.source == "evidence":
            return [], "evidence"
        if measure.source == "items":
            return [], "items"
        if measure.source == "given":
            return [], "layout"
        if result.status in ("not_applicable",) or (result.status == "no_data" and measure.source != "cv"):
            return [], "no_data" if failing else ""
        if measure.source == "school_rule":
            return [], self._choose(item, out)
        if measure.source == "indicator":
            return self._indicator(item, measure, out)
        if measure.source == "cv":
            return [], self._cones(result, measure, out)
        if measure.source in ROWS:
            return self._of_rows(result, measure)
        return self._of_county(result, measure)

    def _of_rows(self, result: ItemResult, measure: Measure) -> tuple[list[LinearCondition], str]:
        item, source = result.item, measure.source
        if source == "townships" or result.rows is None:
            return [], "layout"
        if measure.judge == "share":
            return [], "not_linear"
        frame = self.ground.frame(source)
        keys = ["school_id"] if source == "schools" else ["school_id", "stage"]
        known = {
            tuple(row[:-1]) if len(keys) > 1 else row[0]: row[-1]
            for row in result.rows[[*keys, "value"]].itertuples(index=False, name=None)
        }
        place = list(frame[keys].itertuples(index=False, name=None)) if len(keys) > 1 else list(frame["school_id"])
        here = np.array([key in known and known[key] == known[key] for key in place])
        if measure.judge == "total":
            return self._total(result, measure, frame, here)
        ratio, lines = self._variants(item, measure, frame)
        here &= ratio.known
        stage = frame["stage"] if "stage" in frame else pd.Series("", index=frame.index)
        rows = self.rows_of(item, source, ratio, lines, here, list(stage[here]), list(frame.loc[here, "school_id"]))
        return self._sorted(rows, result, "layout" if measure.formula.strip() == "pupils" else "no_lever")

    def _variants(self, item: Item, measure: Measure, frame: pd.DataFrame) -> tuple[Ratio, Floats]:
        """Return the formula with the variants that are switched on, as the judge takes them."""
        ratio = _ratio_of(measure.formula, frame, self.movable(measure.source), measure.blank_is_zero)
        lines = np.full(len(frame), line_of(item))
        for variant in (v for v in measure.variants if self.switches.get(v.when)):
            yes = self.ground.frames.where(measure.source, variant.where)[0].reindex(frame.index).to_numpy()
            if isinstance(variant.formula, str):
                other = _ratio_of(variant.formula, frame, self.movable(measure.source), variant.blank_is_zero)
                ratio = _either(yes, other, ratio)
            if variant.value is not None:
                lines = np.where(yes, variant.value, lines)
        return ratio, lines

    def _total(
        self, result: ItemResult, measure: Measure, frame: pd.DataFrame, here: np.ndarray
    ) -> tuple[list[LinearCondition], str]:
        """Return the one row of a formula on the columns' totals."""
        item, movable = result.item, self.movable(measure.source)
        names = [n for n in indicators.names_in(measure.formula) if pd.api.types.is_numeric_dtype(frame[n])]
        totals = frame.loc[here, names].sum().to_frame().T.astype(float)
        ratio = _ratio_of(measure.formula, totals, movable)
        strict = STRICT if item.operator in ("<", ">") else 0.0
        sign = -1.0 if item.operator in ("<=", "<") else 1.0
        line = np.array([line_of(item) + sign * strict])
        form, den = ratio.beyond(line), float(ratio.den.at(totals)[0])
        size = abs(line[0]) or 1.0
        moved = sparse.csr_matrix((1, self.effects.shape[1]))
        for column, coef in form.coef.items():
            moved = moved + sparse.csr_matrix(self.matrix(measure.source, column)[here].sum(axis=0)) * float(coef[0])
        by = sign / (size * den)
        row = LinearCondition(
            item.code,
            "",
            item.stage,
            float(form.at(totals)[0]) * by,
            entries_of(moved.tocsr() * by)[0],
            size,
            item.operator == "==",
        )
        return self._sorted([row], result, "no_lever")

    def _of_county(self, result: ItemResult, measure: Measure) -> tuple[list[LinearCondition], str]:
        """Return the row of a county figure; growth over past years only where this year alone is short."""
        item, frame = result.item, self.ground.frame("county")
        if frame.empty:
            return [], "no_data"
        if measure.source == "reported":
            name = f"{self.ground.standard.id}/{item.code}"
            ratio = _ratio_of("_", frame.assign(_=frame[name]), {"_"})
            ratio = Ratio(Affine(np.zeros(1), {name: np.ones(1)}), ratio.den, ratio.known)
            line = line_of(item)
        else:
            past = self._past(result)
            if past:
                return [], "past"
            ratio = _ratio_of(measure.formula, frame, self.movable("county"), measure.blank_is_zero)
            line = self._line_this_year(result, measure)
        if not ratio.known.all() or line != line:
            return [], "no_data"
        rows = self.rows_of(item, "county", ratio, np.array([line]), np.ones(1, bool), [item.stage], [""])
        if measure.transform != "level" and any(self._beyond_reach(row) for row in rows):
            return [], "past"
        facts = [self.book.figure(n) for n in indicators.names_in(measure.formula or "0")]
        fixed = [f.why for f in facts if f.basis == "fact"]
        layout = any(n.startswith("n_") for n in indicators.names_in(measure.formula or "0"))
        counts = any(isinstance(node, ast.Compare) for node in ast.walk(ast.parse(measure.formula or "0", mode="eval")))
        why = "layout" if layout or "layout" in fixed else "fact" if fixed else "not_linear" if counts else "no_lever"
        return self._sorted(rows, result, why)

    def _beyond_reach(self, row: LinearCondition) -> bool:
        """Tell whether a short row stays short when everything that moves it is done as far as it goes."""
        most = sum(amount * self.levers[j].high for j, amount in row.at.items() if amount > 0)
        return most > 0 and row.base + most < -1e-9

    def _past(self, result: ItemResult) -> list[int]:
        """Return the years before the judged one in which a rule over several years already failed."""
        rows = result.rows
        if rows is None or "year" not in rows:
            return []
        return [int(y) for y, met in zip(rows["year"], rows["met"], strict=True) if met is False
                and y < self.ground.year]  # fmt: skip

    def _line_this_year(self, result: ItemResult, measure: Measure) -> float:
        """Return the level this year's figure must reach: the threshold itself, or what last year's makes of it."""
        line = line_of(result.item)
        if result.rows is not None:
            now = result.rows[result.rows["year"] == self.ground.year]
            line = float(now["threshold"].iloc[0]) if len(now) else line
        if measure.transform == "level":
            return line
        frames = self.ground.frames
        series = frames.values("county", measure.formula, measure.blank_is_zero)
        before = series[frames.at("county", self.ground.year - 1)]
        last = float(before[0]) if len(before) else math.nan
        return last + line if measure.transform == "change" else last * (1.0 + line / 100.0)

    def _sorted(self, rows: list[LinearCondition], result: ItemResult, why: str) -> tuple[list[LinearCondition], str]:
        """Drop rows nothing moves; if a failing one is among them, nothing helps the item."""
        short = [r for r in rows if (abs(r.base) > 1e-9 if r.equal else r.base < -1e-9)]
        helpless = [r for r in short if not any(a > 0 for a in r.at.values()) and not (r.equal and r.at)]
        if helpless:
            return [], why
        kept = [r for r in rows if r.at and (r in short or min(r.at.values()) < 0 or r.equal)]
        if result.status != "no_data" and result.rows is not None and "met" in result.rows and short:
            unknown = [m for m in result.rows["met"] if m is None] if "school_id" in result.rows else []
            if unknown and result.item.measure is not None and result.item.measure.judge == "every":
                return kept, "no_data"  # what is known to be short is closed all the same
        return kept, ""

    # --- indicators, the school rule, coefficients -------------------------------------------------------------------

    def _indicator(self, item: Item, measure: Measure, out: Demands) -> tuple[list[LinearCondition], str]:
        """Return the rows of an indicator; where a rule lets schools leave one at a floor, the rule's choices do."""
        stages = [item.stage] if item.stage in STAGES else list(STAGES)
        ruled = [stage for stage in stages if judged.rule_item(self.ground.standard, stage)]
        for stage in ruled:
            rule = judged.rule_item(self.ground.standard, stage)
            assert rule is not None
            why = self._choose(rule, out, (stage,))
            if why:
                return [], why
        ratio, included = self.values_of(self.ground.standard, measure.formula, self.switches)
        frame = self.ground.frame("stages")
        here = included & ratio.known & frame["stage"].isin([s for s in stages if s not in ruled]).to_numpy()
        lines = np.full(len(frame), line_of(item))
        names = (list(frame.loc[here, "stage"]), list(frame.loc[here, "school_id"]))
        return self._sorted(self.rows_of(item, "stages", ratio, lines, here, *names), self.found.item(item.code),
                            "no_lever")  # fmt: skip

    def _choose(self, item: Item, out: Demands, stages: Sequence[str] = ()) -> str:
        """Put the school rule's choices into the demands, once a stage."""
        wanted = stages or ((item.stage,) if item.stage in STAGES else STAGES)
        why = ""
        for stage in wanted:
            if judged.rule_item(self.ground.standard, stage) is None:
                continue
            if stage not in {choice.stage for choice in out.choices} and stage not in self._chosen:
                self._chosen[stage] = self._choices_of(stage)
                out.choices += self._chosen[stage][0]
            why = why or self._chosen.get(stage, ([], ""))[1]
        return why

    def _choices_of(self, stage: str) -> tuple[list[StageDemand], str]:
        """Return one choice a school stage: which indicator it leaves at the floor, the others at their lines."""
        standard, frame = self.ground.standard, self.ground.frame("stages")
        rule = judged.rule_item(standard, stage)
        assert rule is not None and rule.measure is not None
        floor = float(rule.measure.floor_share or 0.0)
        codes = tuple(i.code for i in standard.items if i.measure and i.same_as is None and i.kind in ("target", "rule")
                      and i.measure.source in ("school_rule", "indicator") and i.stage in (stage, "all"))  # fmt: skip
        mine = (frame["stage"] == stage).to_numpy()
        found: dict[str, list[tuple[str, LinearCondition, float]]] = {}
        counted = {name: line for name, line in self.lines_of(stage).items() if line == line}
        unknown = False
        for name, line in counted.items():
            ratio, included = self.values_of(standard, name, self.switches)
            unknown |= bool((included & mine & ~ratio.known).any())
            here = included & mine & ratio.known
            ids = list(frame.loc[here, "school_id"])
            item = judged.indicator_items(standard)[(name, stage)]
            pseudo = self.rows_of(item, "stages", ratio, np.full(len(frame), line), here, [stage] * len(ids), ids)
            for row in pseudo:
                found.setdefault(row.school_id, []).append((name, row, 1.0 - floor))
        spare = len(counted) - int(rule.measure.at_least or 0)
        choices = [
            StageDemand(codes, school, stage, spare, tuple(rows)) for school, rows in found.items()
            if any(row.base < -1e-9 or min(row.at.values(), default=0) < 0 for _, row, _ in rows)
        ]  # fmt: skip
        return choices, "no_data" if unknown else ""

    def _cones(self, result: ItemResult, measure: Measure, out: Demands) -> str:
        """Put a coefficient's cone into the demands; a coefficient without data has none."""
        item = result.item
        standard = standards.load(measure.of) if measure.of else self.ground.standard
        switches = standard.switches() if measure.of else self.switches
        if result.status == "no_data":
            return "no_data"
        if self._past(result):
            return "past"
        for stage in [item.stage] if item.stage in STAGES else STAGES:
            limit = self._cv_limit(result, measure, stage)
            names = list(standard.indicators) if measure.formula == judged.COMPOSITE else [measure.formula]
            cones = [self._cone(standard, name, stage, switches, limit, item.code) for name in names]
            if any(cone is None for cone in cones) or limit != limit:
                continue
            if limit <= 0:  # what was equal last year cannot become more equal
                return "fact"
            known = [cone for cone in cones if cone is not None]
            if measure.formula == judged.COMPOSITE:
                out.composites.append(Composite(item.code, stage, limit, tuple(known)))
            else:
                out.cones += known
        return ""

    def _cv_limit(self, result: ItemResult, measure: Measure, stage: str) -> float:
        """Return what the coefficient may be this year; for a rule of change, what it was last year and the step."""
        limit, rows = line_of(result.item), result.rows
        if measure.transform == "level" or rows is None:
            return limit
        standard = standards.load(measure.of) if measure.of else self.ground.standard
        switches = tuple(sorted((standard.switches() if measure.of else self.switches).items()))
        table = judged.cv_table(self.ground.county, standard, switches)
        last = table[(table["year"] == self.ground.year - 1) & (table["stage"] == stage)
                     & (table["indicator"] == measure.formula)]["cv"]  # fmt: skip
        if not len(last):
            return math.nan
        return float(last.iloc[0]) + limit - (1e-5 if result.item.operator == "<" else 0.0)

    def _cone(
        self, standard: Standard, name: str, stage: str, switches: Mapping[str, bool], limit: float, code: str
    ) -> Cone | None:
        mine = self.under(standard)
        ratio, included = mine.values_of(standard, name, switches)
        frame = mine.ground.frame("stages")
        here = included & (frame["stage"] == stage).to_numpy()
        pupils = frame.loc[here, "pupils"].to_numpy(dtype=float)
        if not here.any() or not ratio.known[here].all() or not (pupils > 0).all() or not ratio.den.constant:
            return None
        base = (ratio.num.at(frame) / ratio.den.const)[here]
        moves = mine.moves("stages", ratio.num.scaled(np.where(here, 1.0 / ratio.den.const, 0.0)), here)
        weights, mean = pupils / pupils.sum(), float(pupils @ base / pupils.sum()) or 1.0
        return Cone((code,), stage, name, standard.id, limit, weights, base / mean, moves / mean,
                    tuple(frame.loc[here, "school_id"]))  # fmt: skip

    def _reason(self, why: str, result: ItemResult) -> Message:
        if why == "past" and not self._past(result):
            return Message("remedy.why.year_before", {"year": self.ground.year - 1})
        if why == "past":
            return Message("remedy.why.past", {"years": ", ".join(map(str, self._past(result)))})
        return Message(f"remedy.why.{why}", {})
