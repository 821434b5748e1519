"""Turn the items of a standard into conditions on what is done, whatever their measure: no item is special."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from balance_lib import indicators, standards
from balance_lib.check.figures import PARTS
from balance_lib.evaluation import Evaluation, ItemResult
from balance_lib.evaluation import schools as judged
from balance_lib.evaluation.judge import line_of
from balance_lib.locale import Message
from balance_lib.remedies.affine import Affine, Floats, NotAffineError, Ratio, ratio_of
from balance_lib.remedies.catalogue import Catalogue
from balance_lib.remedies.demands import Choice, Composite, Cone, Demands, Row
from balance_lib.remedies.levers import COUNTY, Ground, Lever, figure_lever
from balance_lib.standards import STAGES, Item, Measure, Standard

STRICT = 1e-6
ROWS = ("schools", "stages", "townships")
FORMULAS = (*ROWS, "county", "reported")


class Builder:
    """Gather the demands of one standard on one county: first the levers, then the conditions on them."""

    def __init__(self, ground: Ground, found: Evaluation, book: Catalogue, levers: Sequence[Lever]) -> None:
        self.ground, self.found, self.book = ground, found, book
        self.levers = list(levers)
        self.switches = found.provenance["definitions"]
        self._chosen: dict[str, tuple[list[Choice], str]] = {}
        self._index()

    def build(self) -> Demands:
        """Return the demands of every item that can be computed, failing ones and those that must stay met."""
        failing = [r for r in self.found.items if r.item.same_as is None and r.status in ("not_met", "not_due")]
        for result in failing:
            self._find_levers(result)
        asked = set().union(*(self._names(result.item) for result in failing)) if failing else set()
        self.levers = [lever for lever in self.levers if lever.effects[0][0][2] in asked or lever.school_id == COUNTY]
        self._index()
        out = Demands(self.levers)
        for result in (r for r in self.found.items if r.item.same_as is None):
            self._demand(result, out)
        lent = list(self._lent())
        out.rows += [*self._possible(), *lent]
        out.levers = self._lendable(lent)
        return out

    def _lendable(self, lent: Sequence[Row]) -> list[Lever]:
        """Return the levers, none lending more than whole teachers above the school's own lines."""
        out = list(self.levers)
        held = {j for row in lent if not row.equal for j in row.at}
        for j, lever in enumerate(out):
            if lever.lends and j not in held:  # a school the standard sets no line for is not stripped of teachers
                out[j] = replace(lever, high=0.0)
        for row in (r for r in lent if not r.equal):
            for j, amount in row.at.items():
                out[j] = replace(out[j], high=min(out[j].high, math.floor(row.base / -amount + 1e-9)))
        return out

    # --- levers and the columns they move ------------------------------------------------------------------------

    def _index(self) -> None:
        """Number the cells that levers move, and name the columns formulas see move with them."""
        cells = list(dict.fromkeys(cell for lever in self.levers for cell, _ in lever.effects))
        self.cells = {cell: i for i, cell in enumerate(cells)}
        entries = [(self.cells[cell], j, a) for j, lever in enumerate(self.levers) for cell, a in lever.effects]
        at, to, by = zip(*entries, strict=True) if entries else ((), (), ())
        self.effects = sparse.csr_matrix((by, (at, to)), shape=(len(cells), len(self.levers)))
        self.columns = {cell[2] for cell in cells if cell[0] != COUNTY}
        self.figures = {cell[2] for cell in cells if cell[0] == COUNTY}
        self._matrices: dict[tuple[str, str], sparse.csr_matrix] = {}
        self._ratios: dict[tuple[str, str], tuple[Ratio, np.ndarray]] = {}

    def _matrix(self, source: str, column: str) -> sparse.csr_matrix:
        key = (source, column)
        if key not in self._matrices:
            self._matrices[key] = self.ground.matrix(source, column, self.cells) @ self.effects
        return self._matrices[key]

    def _movable(self, source: str) -> set[str]:
        if source != "county":
            return self.columns
        sums = {f"{prefix}_{c}" for prefix in ("all", *STAGES) for c in self.columns}
        return (sums - self.ground.own_figures) | self.figures

    def moves(self, source: str, form: Affine, rows: np.ndarray) -> sparse.csr_matrix:
        """Return how much each lever moves a straight line on some of the source's rows."""
        out = sparse.csr_matrix((int(rows.sum()), self.effects.shape[1]))
        for column, coef in form.coef.items():
            out = out + sparse.diags(coef[rows]) @ self._matrix(source, column)[rows]
        return out.tocsr()

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
                self._add(figure_lever(self.ground, self.book, name, up))
            return
        try:
            if self._helps(item, ratio_of(measure.formula, frame, self._movable("county"), measure.blank_is_zero)):
                return
        except NotAffineError:
            return
        want = self._direction(item, result)
        for name in indicators.names_in(measure.formula):
            if name not in self.ground.own_figures or self.book.figure(name).basis == "fact":
                continue
            try:
                ratio = ratio_of(measure.formula, frame, {name}, measure.blank_is_zero)
            except NotAffineError:
                continue
            if name not in ratio.num.coef or name in ratio.den.coef:
                continue  # children, pupils and schools below the line are not there to be reduced
            if float(ratio.num.coef[name][0] / ratio.den.const[0]) * want > 0:
                self._add(figure_lever(self.ground, self.book, name, 1.0))
            elif want < 0 or result.item.operator == "==":
                self._add(figure_lever(self.ground, self.book, name, -1.0))

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
        item, failing = result.item, result.status in ("not_met", "not_due")
        try:
            rows, why = self._conditions(result, out)
        except NotAffineError:
            rows, why = [], "not_linear"
        if why and failing:
            out.unhelped[item.code] = (why, self._reason(why, result))
        elif result.status in ("no_data", "evidence"):
            out.unhelped[item.code] = (result.status, result.reason)
        elif failing:
            out.helped.append(item.code)
        out.rows += rows

    def _conditions(self, result: ItemResult, out: Demands) -> tuple[list[Row], str]:
        """Return an item's rows (choices and cones are put into ``out``), or why nothing helps."""
        item, measure = result.item, result.item.measure
        failing = result.status in ("not_met", "not_due")
        if measure is None or measure.source == "evidence":
            return [], "evidence"
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

    def _rows(
        self, item: Item, source: str, ratio: Ratio, lines: Floats, rows: np.ndarray, stages: Sequence[str],
        ids: Sequence[str],
    ) -> list[Row]:  # fmt: skip
        """Return the rows of a formula against its lines, each in shares of its own line."""
        strict = STRICT if item.operator in ("<", ">") else 0.0
        sign = -1.0 if item.operator in ("<=", "<") else 1.0
        margin = strict * np.maximum(1.0, np.abs(lines)) * sign
        form = ratio.beyond(np.where(rows, lines + margin, 0.0))
        den = ratio.den.at(self.ground.frame(source))
        size = np.where(np.abs(lines) > 0, np.abs(lines), 1.0)
        scale = np.where(rows, sign / np.where(rows, size * den, 1.0), 0.0)
        base = form.at(self.ground.frame(source))[rows] * scale[rows]
        moved = self.moves(source, form.scaled(scale), rows)
        equal = item.operator == "=="
        return [
            Row(item.code, school, stage, float(b), at, float(s), equal)
            for school, stage, b, at, s in zip(ids, stages, base, _entries(moved), size[rows], strict=True)
        ]

    def _of_rows(self, result: ItemResult, measure: Measure) -> tuple[list[Row], str]:
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
        rows = self._rows(item, source, ratio, lines, here, list(stage[here]), list(frame.loc[here, "school_id"]))
        return self._sorted(rows, result, "layout" if measure.formula.strip() == "pupils" else "no_lever")

    def _variants(self, item: Item, measure: Measure, frame: pd.DataFrame) -> tuple[Ratio, Floats]:
        """Return the formula with the variants that are switched on, as the judge takes them."""
        ratio = ratio_of(measure.formula, frame, self._movable(measure.source), measure.blank_is_zero)
        lines = np.full(len(frame), line_of(item))
        for variant in (v for v in measure.variants if self.switches.get(v.when)):
            yes = self.ground.frames.where(measure.source, variant.where)[0].reindex(frame.index).to_numpy()
            if isinstance(variant.formula, str):
                other = ratio_of(variant.formula, frame, self._movable(measure.source), variant.blank_is_zero)
                ratio = _either(yes, other, ratio)
            if variant.value is not None:
                lines = np.where(yes, variant.value, lines)
        return ratio, lines

    def _total(
        self, result: ItemResult, measure: Measure, frame: pd.DataFrame, here: np.ndarray
    ) -> tuple[list[Row], str]:
        """Return the one row of a formula on the columns' totals."""
        item, movable = result.item, self._movable(measure.source)
        names = [n for n in indicators.names_in(measure.formula) if pd.api.types.is_numeric_dtype(frame[n])]
        totals = frame.loc[here, names].sum().to_frame().T.astype(float)
        ratio = ratio_of(measure.formula, totals, movable)
        strict = STRICT if item.operator in ("<", ">") else 0.0
        sign = -1.0 if item.operator in ("<=", "<") else 1.0
        line = np.array([line_of(item) + sign * strict])
        form, den = ratio.beyond(line), float(ratio.den.at(totals)[0])
        size = abs(line[0]) or 1.0
        moved = sparse.csr_matrix((1, self.effects.shape[1]))
        for column, coef in form.coef.items():
            moved = moved + sparse.csr_matrix(self._matrix(measure.source, column)[here].sum(axis=0)) * float(coef[0])
        by = sign / (size * den)
        row = Row(item.code, "", item.stage, float(form.at(totals)[0]) * by, _entries(moved.tocsr() * by)[0], size,
                  item.operator == "==")  # fmt: skip
        return self._sorted([row], result, "no_lever")

    def _of_county(self, result: ItemResult, measure: Measure) -> tuple[list[Row], str]:
        """Return the row of a county figure; growth over past years only where this year alone is short."""
        item, frame = result.item, self.ground.frame("county")
        if frame.empty:
            return [], "no_data"
        if measure.source == "reported":
            name = f"{self.ground.standard.id}/{item.code}"
            ratio = ratio_of("_", frame.assign(_=frame[name]), {"_"})
            ratio = Ratio(Affine(np.zeros(1), {name: np.ones(1)}), ratio.den, ratio.known)
            line = line_of(item)
        else:
            past = self._past(result)
            if past:
                return [], "past"
            ratio = ratio_of(measure.formula, frame, self._movable("county"), measure.blank_is_zero)
            line = self._line_this_year(result, measure)
        if not ratio.known.all() or line != line:
            return [], "no_data"
        rows = self._rows(item, "county", ratio, np.array([line]), np.ones(1, bool), [item.stage], [""])
        facts = [self.book.figure(n) for n in indicators.names_in(measure.formula or "0")]
        fixed = [f.why for f in facts if f.basis == "fact"]
        layout = any(n.startswith("n_") for n in indicators.names_in(measure.formula or "0"))
        counts = any(isinstance(node, ast.Compare) for node in ast.walk(ast.parse(measure.formula or "0", mode="eval")))
        why = "layout" if layout or "layout" in fixed else "fact" if fixed else "not_linear" if counts else "no_lever"
        return self._sorted(rows, result, why)

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
        series = self.ground.frames.value("county", measure.formula, measure.blank_is_zero)
        years = self.ground.frames.county_years["year"]
        before = series[(years == self.ground.year - 1).to_numpy()]
        last = float(before.iloc[0]) if len(before) else math.nan
        return last + line if measure.transform == "change" else last * (1.0 + line / 100.0)

    def _sorted(self, rows: list[Row], result: ItemResult, why: str) -> tuple[list[Row], str]:
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

    def values_of(self, standard: Standard, indicator: str, switches: Mapping[str, bool]) -> tuple[Ratio, np.ndarray]:
        """Return an indicator as a ratio on the year's stage rows, and which rows count; read once."""
        key = (standard.id, indicator)
        if key not in self._ratios:
            self._ratios[key] = self._read(standard, indicator, switches)
        return self._ratios[key]

    def _read(self, standard: Standard, indicator: str, switches: Mapping[str, bool]) -> tuple[Ratio, np.ndarray]:
        frame, spec = self.ground.frame("stages"), standard.indicators[indicator]
        included = indicators.included(self.ground.county, standard).reindex(frame.index).to_numpy()
        out: Ratio | None = None
        for stage in STAGES:
            formula = indicators.formula_of(spec, stage)
            at = (frame["stage"] == stage).to_numpy()
            out = self._with(out, frame, formula, at, spec.blank_is_zero)
            for variant in (v for v in spec.variants if switches.get(v.when)):
                yes = self.ground.frames.where("stages", variant.where)[0].reindex(frame.index).to_numpy()
                out = self._with(out, frame, indicators.formula_of(variant, stage), at & yes, variant.blank_is_zero)
        assert out is not None
        return out, included

    def _with(
        self, out: Ratio | None, frame: pd.DataFrame, formula: str | None, at: np.ndarray, blank: Sequence[str]
    ) -> Ratio:
        if formula is None:
            n = len(frame)
            return out or Ratio(Affine(np.zeros(n), {}), Affine(np.ones(n), {}), np.zeros(n, bool))
        found = ratio_of(formula, frame, self.columns, blank)
        if out is None:
            return Ratio(found.num, found.den, found.known & at)
        return _either(at, found, out)

    def _indicator(self, item: Item, measure: Measure, out: Demands) -> tuple[list[Row], str]:
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
        return self._sorted(self._rows(item, "stages", ratio, lines, here, *names), self.found.item(item.code),
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

    def _choices_of(self, stage: str) -> tuple[list[Choice], str]:
        """Return one choice a school stage: which indicator it leaves at the floor, the others at their lines."""
        standard, frame = self.ground.standard, self.ground.frame("stages")
        rule = judged.rule_item(standard, stage)
        assert rule is not None and rule.measure is not None
        floor = float(rule.measure.floor_share or 0.0)
        codes = tuple(i.code for i in standard.items if i.measure and i.same_as is None and i.kind in ("target", "rule")
                      and i.measure.source in ("school_rule", "indicator") and i.stage in (stage, "all"))  # fmt: skip
        mine = (frame["stage"] == stage).to_numpy()
        found: dict[str, list[tuple[str, Row, float]]] = {}
        counted = {name: line for name, line in self._lines(stage).items() if line == line}
        unknown = False
        for name, line in counted.items():
            ratio, included = self.values_of(standard, name, self.switches)
            unknown |= bool((included & mine & ~ratio.known).any())
            here = included & mine & ratio.known
            ids = list(frame.loc[here, "school_id"])
            item = judged.indicator_items(standard)[(name, stage)]
            pseudo = self._rows(item, "stages", ratio, np.full(len(frame), line), here, [stage] * len(ids), ids)
            for row in pseudo:
                found.setdefault(row.school_id, []).append((name, row, 1.0 - floor))
        spare = len(counted) - int(rule.measure.at_least or 0)
        choices = [
            Choice(codes, school, stage, spare, tuple(rows)) for school, rows in found.items()
            if any(row.base < -1e-9 or min(row.at.values(), default=0) < 0 for _, row, _ in rows)
        ]  # fmt: skip
        return choices, "no_data" if unknown else ""

    def _lines(self, stage: str) -> dict[str, float]:
        items = judged.indicator_items(self.ground.standard)
        return {
            name: float(items[(name, stage)].value)
            for name in self.ground.standard.indicators
            if (name, stage) in items and isinstance(items[(name, stage)].value, (int, float))
        }

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
        ground = self.ground if standard.id == self.ground.standard.id else _of(self.ground, standard)
        mine = self if ground is self.ground else self._for(ground)
        ratio, included = mine.values_of(standard, name, switches)
        frame = ground.frame("stages")
        here = included & (frame["stage"] == stage).to_numpy()
        pupils = frame.loc[here, "pupils"].to_numpy(dtype=float)
        if not here.any() or not ratio.known[here].all() or not (pupils > 0).all() or not ratio.den.constant:
            return None
        base = (ratio.num.at(frame) / ratio.den.const)[here]
        moves = mine.moves("stages", ratio.num.scaled(np.where(here, 1.0 / ratio.den.const, 0.0)), here)
        weights, mean = pupils / pupils.sum(), float(pupils @ base / pupils.sum()) or 1.0
        return Cone((code,), stage, name, standard.id, limit, weights, base / mean, moves / mean,
                    tuple(frame.loc[here, "school_id"]))  # fmt: skip

    def _for(self, ground: Ground) -> Builder:
        """Return a builder with the same levers for the figures as another standard divides them."""
        cache: dict[str, Builder] = self.__dict__.setdefault("_others", {})
        if ground.standard.id not in cache:
            cache[ground.standard.id] = Builder(ground, self.found, self.book, self.levers)
        return cache[ground.standard.id]

    # --- what must stay possible -------------------------------------------------------------------------------------

    def _possible(self) -> Iterator[Row]:
        """Yield that nothing falls below zero and no part exceeds its whole, wherever a lever touches it."""
        touched: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
        rows = _entries(self.effects)
        for cell, i in self.cells.items():
            at = rows[i]
            touched.setdefault((cell[0], cell[1]), {})[cell[2]] = at
            if min(at.values()) < 0:
                yield Row("", cell[0], cell[1], self.ground.values[cell], at)
        parts = [(names, whole) for table, names, whole in PARTS if table == "school_years"]
        parts_of: dict[bool, Any] = {False: parts, True: [((part,), whole) for part, whole in self.book.parts]}
        for (school, stage), columns in touched.items():
            for names, whole in parts_of[school == COUNTY]:
                row = self._part(school, stage, names, whole, columns)
                if row is not None:
                    yield row

    def _part(
        self, school: str, stage: str, names: Sequence[str], whole: str, columns: Mapping[str, Mapping[int, float]]
    ) -> Row | None:
        at: dict[int, float] = {}
        for name, sign in (*((n, -1.0) for n in names), (whole, 1.0)):
            for j, amount in columns.get(name, {}).items():
                at[j] = at.get(j, 0.0) + sign * amount
        total = self.ground.values.get((school, stage, whole), math.nan)
        known = [self.ground.values.get((school, stage, n), math.nan) for n in names]
        held = sum(value for value in known if value == value)
        if total != total or not any(amount < 0 for amount in at.values()):
            return None
        return Row("", school, stage, max(0.0, total - held), {j: a for j, a in at.items() if a})

    def _lent(self) -> Iterator[Row]:
        """Yield that teachers who leave come from above the school's own lines, and that who leaves arrives."""
        pairs: dict[tuple[str, str], dict[int, float]] = {}
        for j, lever in enumerate(self.levers):
            if lever.lends or lever.takes:
                pairs.setdefault((lever.action, lever.stage), {})[j] = 1.0 if lever.takes else -1.0
        for (_, stage), at in pairs.items():
            yield Row("", "", stage, 0.0, at, equal=True)
        for taught in STAGES:
            for name, line in self._lines(taught).items():
                yield from self._own_line(name, taught, line)

    def _own_line(self, name: str, stage: str, line: float) -> Iterator[Row]:
        lends = np.array([lever.lends for lever in self.levers], dtype=bool)
        if not any(lever.lends and lever.stage == stage for lever in self.levers) or line != line:
            return
        ratio, included = self.values_of(self.ground.standard, name, self.switches)
        frame = self.ground.frame("stages")
        here = included & ratio.known & (frame["stage"] == stage).to_numpy()
        item = judged.indicator_items(self.ground.standard)[(name, stage)]
        ids = list(frame.loc[here, "school_id"])
        for row in self._rows(item, "stages", ratio, np.full(len(frame), line), here, [stage] * len(ids), ids):
            at = {j: a for j, a in row.at.items() if lends[j] and a < 0}
            if at:
                yield Row("", row.school_id, stage, max(0.0, row.base), at)

    def _reason(self, why: str, result: ItemResult) -> Message:
        if why == "past":
            return Message("remedy.why.past", {"years": ", ".join(map(str, self._past(result)))})
        return Message(f"remedy.why.{why}", {})


def _entries(matrix: sparse.csr_matrix) -> list[dict[int, float]]:
    """Return each row's entries that are not zero, by lever."""
    matrix = matrix.tocsr()
    out = []
    for i in range(matrix.shape[0]):
        lo, hi = matrix.indptr[i], matrix.indptr[i + 1]
        pairs = zip(matrix.indices[lo:hi].tolist(), matrix.data[lo:hi].tolist(), strict=True)
        out.append({j: a for j, a in pairs if abs(a) > 1e-15})
    return out


def _either(yes: np.ndarray, one: Ratio, other: Ratio) -> Ratio:
    """Return one ratio on some rows and another on the rest."""
    return Ratio(
        _mixed(yes, one.num, other.num), _mixed(yes, one.den, other.den), np.where(yes, one.known, other.known)
    )


def _mixed(yes: np.ndarray, one: Affine, other: Affine) -> Affine:
    zero = np.zeros(len(yes))
    names = dict.fromkeys([*one.coef, *other.coef])
    coef = {n: np.where(yes, one.coef.get(n, zero), other.coef.get(n, zero)) for n in names}
    return Affine(np.where(yes, one.const, other.const), {n: v for n, v in coef.items() if np.any(v)})


def _of(ground: Ground, standard: Standard) -> Ground:
    cache: dict[str, Ground] = ground.__dict__.setdefault("_others", {})
    if standard.id not in cache:
        cache[standard.id] = Ground(ground.county, standard, ground.year)
    return cache[standard.id]
