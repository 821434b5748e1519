"""Paths against lines: fitted as the textbook says, crossed when they are, honest about what is not reached."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balance_lib import evaluation, forecast, locale, standards
from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.evaluation.judge import line_of
from balance_lib.forecast import calibration, items, path, series
from tests import towns


def equipped(amounts: list[float], pupils: list[int], first: int = 2015) -> County:
    """Return one primary school with so much equipment and so many pupils in each year."""
    years = [
        towns.school_year("S1", year=first + at, equipment_yuan=amount, pupils=n, graduates=n // 6)
        for at, (amount, n) in enumerate(zip(amounts, pupils, strict=True))
    ]
    return towns.county([towns.school("S1")], years)


def test_the_path_is_the_random_walk_with_drift_of_statsmodels() -> None:
    arima = pytest.importorskip("statsmodels.tsa.arima.model")
    values = np.array([10.0, 12.5, 12.0, 15.0, 16.5, 16.0, 19.0, 21.0])
    years = list(range(2013, 2021))
    mine = forecast.fit(years, values.tolist(), 2025, kept=1.0, level=0.8)
    ahead = mine[mine["projected"]]
    model = arima.ARIMA(values, order=(0, 1, 0), trend="t").fit()
    theirs = model.get_forecast(5)
    assert np.allclose(ahead["value"], theirs.predicted_mean, rtol=1e-6)
    # Theirs takes the drift as known and divides by n: undo both to compare spread with spread.
    steps = np.diff(values)
    drift, spread = steps.mean(), steps.std(ddof=1)
    assert model.params[0] == pytest.approx(drift, rel=1e-4)
    from scipy import stats

    h = np.arange(1, 6)
    half = stats.t.ppf(0.9, len(steps) - 1) * spread * np.sqrt(h + h**2 / len(steps))
    assert np.allclose(ahead["high"] - ahead["value"], half)
    assert np.allclose(theirs.se_mean, np.sqrt(model.params[1]) * np.sqrt(h), rtol=1e-6)


def test_the_band_of_a_path_holds_four_in_five_of_random_walks() -> None:
    rng, inside = np.random.default_rng(3), []
    for drift in (-1.0, 0.0, 2.0):
        walks = np.cumsum(drift + rng.standard_normal((1500, 14)), axis=1)
        middle, half = path.carry(np.arange(10), walks[:, :10], 4, kept=1.0)
        inside.append(np.abs(walks[:, 10:] - middle) <= half)
    assert np.mean(inside) == pytest.approx(0.8, abs=0.015)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.one_of(st.floats(-50, 50), st.just(math.nan)), min_size=1, max_size=9),
    ahead=st.integers(1, 12),
)
def test_many_series_at_once_are_the_same_as_one_by_one(values: list[float], ahead: int) -> None:
    years = list(range(2010, 2010 + len(values)))
    known = [y for y, v in zip(years, values, strict=True) if not math.isnan(v)]
    one = forecast.fit(years, values, (known[-1] if known else 2010) + ahead)
    if len(known) < 3:
        assert not one["projected"].any()
        return
    middle, half = path.carry(np.array(years), np.array([values, values]), ahead)
    tail = one[one["projected"]]
    assert np.allclose(tail["value"], middle[1]) and np.allclose(tail["high"] - tail["value"], half[1])
    assert (tail["low"] <= tail["value"] + 1e-9).all() and (tail["value"] <= tail["high"] + 1e-9).all()


def test_the_year_a_line_is_crossed() -> None:
    rows = forecast.fit([2018, 2019, 2020], [70.0, 75.0, 80.0], 2030, kept=1.0)
    found = forecast.crossing(rows, ">=", 95.0)
    assert (found.status, found.year, found.on) == ("crosses", 2023, date(2024, 8, 31))
    assert found.earliest == found.latest == 2023  # a straight line has no spread


@pytest.mark.parametrize(
    ("values", "operator", "line", "status", "key"),
    [
        ([70.0, 75.0, 80.0], ">=", 75.0, "met", "met"),
        ([90.0, 85.0, 80.0], ">=", 70.0, "falls", "falls"),
        ([70.0, 70.1, 70.2], ">=", 95.0, "not_before", "slow"),
        ([75.0, 73.0, 70.0], ">=", 95.0, "not_before", "away"),
        ([70.0, 70.0, 70.0], ">=", 95.0, "not_before", "still"),
        ([0.70, 0.60, 0.50], "<=", 0.35, "crosses", "crosses"),
        ([0.50, 0.60, 0.70], "<=", 0.35, "not_before", "away"),
        ([70.0, 75.0], ">=", 95.0, "no_data", "short"),
        ([math.nan, math.nan, math.nan], ">=", 95.0, "no_data", "no_data"),
        ([70.0, 75.0, 80.0], ">=", math.nan, "no_data", "no_line"),
    ],
)
def test_what_is_said_of_a_path(values: list[float], operator: str, line: float, status: str, key: str) -> None:
    years = list(range(2018, 2018 + len(values)))
    found = forecast.crossing(forecast.fit(years, values, 2026, kept=1.0), operator, line, "%")
    assert found.status == status and found.reason.key == f"trends.cross.{key}"
    for lang in ("zh", "en"):
        assert "{" not in found.reason.render(lang)


def test_a_lucky_path_may_cross_earlier_and_an_unlucky_one_later() -> None:
    rows = forecast.fit([2015, 2016, 2017, 2018, 2019, 2020], [60, 66, 65, 72, 73, 80], 2040)
    found = forecast.crossing(rows, ">=", 88.0)
    assert found.status == "crosses"
    assert found.earliest < found.year
    assert math.isnan(found.latest) or found.latest > found.year


@pytest.mark.parametrize(("value", "operator"), [(0.50004, "<="), (0.4999999, ">="), (98.99996, ">=")])
def test_a_reason_never_writes_a_figure_as_its_line_when_it_is_not(value: float, operator: str) -> None:
    line = round(value) if value > 1 else 0.5
    found = path.crossing(path.fit([2018, 2019, 2020], [value] * 3, 2024), operator, line)
    assert found.status == "not_before"
    assert float(found.reason.params["value"]) != line and str(value) in found.reason.render("zh")


def test_a_line_may_change_by_date() -> None:
    standard = standards.load("wuxi_2016")
    item = next(
        i for i in standard.judged if i.measure and i.measure.source == "county" and i.due and i.operator == ">="
    )
    first = replace(item, code="X1", value=80.0, threshold=80.0, deadline="2018-08")
    later = replace(item, code="X2", value=95.0, threshold=95.0, deadline="2021-08")
    staged = replace(standard, items=[first, later])
    line = forecast.line_by_date(staged, first)
    assert [line(year) for year in (2015, 2017, 2019, 2020, 2025)] == [80.0, 80.0, 80.0, 95.0, 95.0]
    assert forecast.line_by_date(standard, item)(2030) == line_of(item)


@pytest.mark.parametrize("plan", standards.ids())
def test_items_made_of_others_have_a_line_of_their_own_and_shares_end_at_100(plan: str) -> None:
    """巫溪 W-C2 is made of two items; it was drawn against 11, the number of items W-G1.2 is made of."""
    standard = standards.load(plan)
    for item in (i for i in standard.judged if i.measure and i.measure.items):
        lines = {forecast.line_by_date(standard, item)(year) for year in range(2005, 2040)} - {line_of(item)}
        assert all(math.isnan(line) for line in lines), item.code
        assert items.bounds(item, [0.0])[1] == len(item.measure.items)
    for item in (i for i in standard.judged if i.measure and i.measure.judge == "share"):
        assert items.bounds(item, [0.0]) == (0.0, 100.0), item.code  # 徽县 H-L8, in "% schools", had a band above 100 %


def test_a_school_that_loses_pupils_reaches_the_line_without_buying() -> None:
    standard = standards.load("quality_2017")
    county = equipped([150_000.0] * 6, [100, 96, 92, 88, 84, 80])
    found = forecast.paths(county, standard, stage="primary", indicator="equipment", to=2026)
    crossing = found.crossings.iloc[0]
    assert crossing["status"] == "crosses"
    pupils = forecast.project(county, 2026).schools.set_index("year")["pupils"]
    rows = found.rows[found.rows["projected"]].set_index("year")
    assert np.allclose(rows["value"], 150_000.0 / pupils.reindex(rows.index))
    reached = rows[rows["value"] >= 2000].index[0]
    assert crossing["year"] == reached
    assert (rows["gap"] == rows["value"] - 2000).all()


def test_a_growing_school_falls_below_the_line() -> None:
    county = equipped([210_000.0] * 6, [70, 76, 82, 88, 94, 100])
    found = forecast.paths(county, standards.load("quality_2017"), indicator="equipment", to=2026)
    assert found.crossings["status"].iloc[0] in ("falls", "met")
    flat = forecast.fit(range(2015, 2021), [210_000.0] * 6, 2026)
    assert (flat["value"] == 210_000.0).all()


def test_a_county_figure_is_the_total_over_the_pupils_and_missing_is_missing() -> None:
    standard = standards.load("quality_2017")
    years = [
        towns.school_year(school, year=year, equipment_yuan=yuan, pupils=pupils)
        for year in (2018, 2019, 2020)
        for school, yuan, pupils in (("S1", 100_000, 100), ("S2", 900_000, 300))
    ]
    county = towns.county([towns.school("S1"), towns.school("S2", township="乙镇")], years)
    found = forecast.paths(county, standard, of="county", indicator="equipment", to=2022)
    counted = found.rows[~found.rows["projected"]]
    assert np.allclose(counted["value"], 1_000_000 / 400)
    by_town = forecast.paths(county, standard, of="township", indicator="equipment", to=2022).rows
    assert set(by_town["id"]) == {"甲镇", "乙镇"}
    rows = county.tables["school_years"].copy()
    rows.loc[(rows["school_id"] == "S2") & (rows["year"] == 2019), "equipment_yuan"] = np.nan
    gappy = forecast.paths(county.with_tables(school_years=rows), standard, of="county", indicator="equipment", to=2022)
    assert sorted(gappy.rows.loc[~gappy.rows["projected"], "year"]) == [2018, 2020]


def test_a_closed_school_has_a_past_and_no_future() -> None:
    years = [towns.school_year("S1", year=year) for year in range(2015, 2021)]
    years += [towns.school_year("S2", year=year) for year in range(2015, 2019)]
    county = towns.county([towns.school("S1"), towns.school("S2", closed_year=2019)], years)
    found = forecast.paths(county, standards.load("quality_2017"), indicator="equipment", to=2024)
    gone = found.crossings[found.crossings["id"] == "S2"].iloc[0]
    assert gone["status"] == "no_data" and gone["reason"].key == "trends.cross.closed"
    assert found.rows.loc[found.rows["id"] == "S2", "year"].max() == 2018


def test_unknown_names_are_refused() -> None:
    county = equipped([1.0] * 3, [10] * 3)
    for wrong in ({"of": "street"}, {"stage": "senior"}, {"indicator": "gold"}):
        with pytest.raises(NotFoundError):
            forecast.paths(county, standards.load("quality_2017"), **wrong)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([0.5, 0.4, 0.3], True), ([0.5, 0.4, 0.4], False), ([0.5, math.nan, 0.3], None), ([0.5, 0.6, math.nan], False),
     ([0.5], None), ([], None)],
)  # fmt: skip
def test_falls_every_year(values: list[float], verdict: bool | None) -> None:
    found = forecast.falls_every_year(range(2018, 2018 + len(values)), values)
    assert found.verdict is verdict
    for lang in ("zh", "en"):
        assert "{" not in found.message.render(lang)


def test_no_step_is_taken_over_a_missing_year() -> None:
    found = forecast.falls_every_year([2018, 2020, 2021], [0.5, 0.3, 0.2])
    assert found.verdict is None
    assert list(found.rows["year"]) == [2019, 2020, 2021] and list(found.rows["met"]) == [None, None, True]
    assert forecast.falls_every_year([2018, 2019], [0.5, 0.5], strictly=False).verdict is True


def test_growth_rules_show_their_numbers_and_agree_with_the_evaluation(demo_dir) -> None:  # type: ignore[no-untyped-def]
    county, standard = County.open(demo_dir / "akqi"), standards.load("akqi_2022")
    rules = {rule.result.item.code: rule for rule in forecast.growth_rules(county, standard, year=2023)}
    three = ["A2-2.4", "A2-2.5", "A2-2.6"]
    two = ["A2-2.7", "A2-2.8"]
    assert set(three + two) <= set(rules)
    assert all(len(rules[code].rows) == 4 for code in three) and all(len(rules[code].rows) == 3 for code in two)
    for rule in rules.values():
        measure = rule.result.item.measure
        assert measure is not None
        change = rule.rows["figure"] - rule.rows["before"]
        growth = 100 * change / rule.rows["before"] if measure.transform == "growth" else change
        assert np.allclose(rule.rows["growth"], growth)
        met = [bool(g > line) if rule.result.item.operator == ">" else bool(g >= line - 1e-9)
               for g, line in zip(rule.rows["growth"], rule.rows["line"], strict=True)]  # fmt: skip
        assert met == list(rule.rows["met"])
        assert rule.result.status == ("met" if all(met) else "not_met")


def test_an_item_is_carried_forward_against_its_own_line_and_deadline(demo_dir) -> None:  # type: ignore[no-untyped-def]
    county, standard = County.open(demo_dir / "wuxi"), standards.load("wuxi_2016")
    history = evaluation.history_of_item(county, standard, "W-C4")
    found = forecast.item_path(county, standard, "W-C4", history=history)
    counted = found.rows[~found.rows["projected"]]
    assert list(counted["year"]) == county.years
    assert found.rows["value"].max() <= 100 and found.rows["high"].max() <= 100
    assert found.crossing.status == "crosses" and found.due_year is not None
    assert found.in_time is (found.crossing.year <= found.due_year)
    assert forecast.item_path(county, standard, "W-F1").crossing.reason.key == "trends.cross.rule"
    earlier = forecast.item_path(county, standard, "W-C4", year=2015)
    assert earlier.rows.loc[~earlier.rows["projected"], "year"].max() == 2015


def test_a_target_of_exactly_so_many_that_is_reached_does_not_go_on(demo_dir) -> None:  # type: ignore[no-untyped-def]
    """Two schools were to be merged and were: no trend makes it 2.3 and lets the finished task fall below its line."""
    county, law = County.open(demo_dir / "jiaohe"), standards.load("jiaohe_2009")
    for code in ("J-L2", "J-L3", "J-L4", "J-L5"):
        found = forecast.item_path(county, law, code)
        assert found.crossing.status == "met" and not found.rows["projected"].any() and found.in_time, code
        early = forecast.item_path(county, law, code, year=2010)  # half of it is done: it goes on towards the line
        assert early.crossing.status != "met" and early.rows["projected"].any(), code


def test_an_item_is_met_in_the_year_in_which_the_schools_it_counts_are(demo_dir) -> None:  # type: ignore[no-untyped-def]
    """The page of the item and the pages of its schools say the same year by year, also at both ends of the band."""
    county, law = County.open(demo_dir / "akqi"), standards.load("quality_2017")
    key, told = ["id", "stage", "indicator"], 0
    rows = forecast.paths(county, law, to=2028).rows
    judged = evaluation.evaluate(county, law, year=2023).items
    for result in (r for r in judged if r.item.measure and r.item.measure.source in ("indicator", "school_rule")):
        item, measure = result.item, result.item.measure
        found = forecast.item_path(county, law, item.code, to=2028)
        mine = rows[rows["projected"] & rows["id"].isin(result.counted.places) & (rows["stage"] == item.stage)]
        for row in found.rows[found.rows["projected"]].itertuples():
            for name in ("value", "low", "high"):
                at = mine[mine["year"] == row.year].set_index(key)
                gap = (at[name] - at["threshold"]).unstack()
                floor = (at[name] >= 0.85 * at["threshold"] - 1e-9).unstack()
                if measure.source == "indicator":
                    let = gap.index.get_level_values("id").isin(result.counted.by_floor) & floor[measure.formula]
                    met = (gap.loc[~let, measure.formula] >= -1e-9).all()
                    assert (getattr(row, name) >= row.threshold - 1e-9) == met, (item.code, row.year, name)
                else:
                    passes = ((gap < -1e-9).sum(axis=1) <= 1) & floor.all(axis=1)
                    assert getattr(row, name) == pytest.approx(100 * passes.mean()), (item.code, row.year, name)
                told += 1
    assert told > 100


def test_an_item_whose_forecasts_missed_their_band_names_no_year(demo_dir) -> None:  # type: ignore[no-untyped-def]
    county, standard = County.open(demo_dir / "wuxi"), standards.load("wuxi_2016")
    history = evaluation.history_of_item(county, standard, "W-C4")
    years = range(2005, 2018)

    def told(values: list[float]) -> forecast.ItemPath:
        rows = pd.DataFrame({"year": list(years), "value": values}).assign(status="not_met", threshold=math.nan)
        return forecast.item_path(county, standard, "W-C4", history=rows.reindex(columns=history.columns))

    line = line_of(standard.item("W-C4"))
    away = -1.0 if standard.item("W-C4").operator in (">=", ">") else 1.0
    steady = told([line * (1 + away * (0.4 - 0.02 * k)) for k in range(13)])
    assert steady.crossing.status in ("crosses", "not_before") and steady.tested is not None
    steps = told([line * (1 + away * (0.5 - 0.15 * (k // 5) - 0.002 * k)) for k in range(13)])  # still, then a jump
    assert steps.crossing.reason.key == "trends.cross.missed" and math.isnan(steps.crossing.year)
    assert not re.search(r"20\d\d", steps.crossing.reason.render("zh"))


def test_every_text_is_there_in_both_languages_with_the_same_fields() -> None:
    import string

    def fields(template: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(template) if name}

    zh, en = (locale.catalogue(lang) for lang in ("zh", "en"))
    mine = [key for key in zh if key.startswith("trends.")]
    assert mine and set(mine) == {key for key in en if key.startswith("trends.")}
    assert [key for key in mine if fields(zh[key]) != fields(en[key])] == []


def test_paths_cover_held_out_years_of_the_demonstration(demo_dir) -> None:  # type: ignore[no-untyped-def]
    """Carry the indicators of 2014 of one county to 2017: stocks are bought in steps, so the floor is a wide one."""
    county, standard = County.open(demo_dir / "wuxi"), standards.load("quality_2017")
    early = forecast.paths(county, standard, year=2015, to=2017).rows
    full = forecast.paths(county, standard, year=2017, to=2017).rows
    key = ["id", "stage", "indicator", "year"]
    both = early[early["projected"]].merge(full[[*key, "value"]], on=key, suffixes=("", "_counted"))
    inside = (both["value_counted"] >= both["low"]) & (both["value_counted"] <= both["high"])
    assert len(both) > 1000 and 0.5 <= inside.mean() <= 0.98
    assert pd.notna(both["value"]).all()


def many(values: np.ndarray, first: int = 2010, pupils: float = 200.0) -> series.IndicatorSeries:
    """Return series of one indicator at as many schools, all with the same number of pupils."""
    ids = [f"S{n:03d}" for n in range(len(values))]
    index = pd.MultiIndex.from_product([ids, ["primary"], ["equipment"]], names=series.KEY)
    years = np.arange(first, first + values.shape[1])
    return series.IndicatorSeries(index, years, values, np.full(values.shape, pupils), np.ones(len(values)))


def level_pupils(known: series.IndicatorSeries, pupils: float = 200.0) -> calibration.Pupils:
    """Return the forecast that no school's pupils change."""
    return lambda origin: np.full((len(known.index), int(known.years[-1]) - origin), pupils)


def test_a_share_goes_on_as_a_share_and_fades() -> None:
    grown = 100.0 * 1.2 ** np.arange(5.0)
    middle, half = path.carry(np.arange(5), grown[None, :], 2, kept=0.5, way="share")
    assert middle[0] == pytest.approx([grown[-1] * 1.2, grown[-1] * 1.2**1.5])
    assert half[0] == pytest.approx([0.0, 0.0], abs=1e-6)
    held, _ = path.carry(np.arange(5), grown[None, :], 2, way="level")
    assert held[0].tolist() == [grown[-1]] * 2
    empty, _ = path.carry(np.arange(5), np.array([[0.0, 1.0, 2.0, 3.0, 4.0]]), 1, way="share")
    assert empty[0] == pytest.approx([5.0])  # a logarithm of nothing there is none: it goes on as a line


@pytest.mark.parametrize(("name", "way"), [("compound", "share"), ("steady", "line"), ("noise", "level")])
def test_how_an_indicator_goes_on_is_what_was_least_wrong_before(name: str, way: str) -> None:
    rng, at = np.random.default_rng(4), np.arange(8.0)
    size = rng.uniform(500, 2000, (60, 1))
    shape = {"compound": 1.25**at, "steady": 1 + 0.2 * at, "noise": 1 + 0.1 * rng.standard_normal((60, 8))}[name]
    known = many(size * shape * (1 + 0.002 * rng.standard_normal((60, 8))))
    assert calibration._spreads(calibration._forecasts(known, level_pupils(known)))["equipment"].way == way


def test_the_calibrated_band_holds_four_in_five_of_values_it_has_not_seen() -> None:
    rng = np.random.default_rng(7)
    walks = 1000.0 * np.exp(np.cumsum(0.05 + 0.06 * rng.standard_normal((400, 12)), axis=1))
    known = many(walks[:, :9])
    spread = calibration._spreads(calibration._forecasts(known, level_pupils(known)))["equipment"]
    pupils, ahead = np.full((400, 3), 200.0), np.arange(1, 4)[None, :]
    value, own = calibration._carried(known.amounts, known.years, pupils, spread.way)
    half = calibration._half_width(spread, value, own, pupils, ahead)
    assert np.mean(np.abs(walks[:, 9:] - value) <= half) == pytest.approx(0.8, abs=0.05)
    assert (np.diff(half, axis=1) > 0).all()  # farther ahead, less is known


def test_a_back_test_of_paths_knows_only_what_was_counted_before() -> None:
    rng = np.random.default_rng(8)
    values = 1000.0 + np.cumsum(50 * rng.standard_normal((30, 8)), axis=1)
    known, later = many(values), values.copy()
    later[:, 6:] *= 3.0
    told, changed = (calibration._forecasts(s, level_pupils(s)).query("origin == 2015") for s in (known, many(later)))
    assert told["forecast"].tolist() == changed["forecast"].tolist()
    assert told["actual"].tolist() != changed["actual"].tolist()


def test_too_short_a_panel_says_so_and_takes_the_assumed_error() -> None:
    short = many(np.full((3, 3), 1000.0))
    rows = calibration._forecasts(short, level_pupils(short))
    assert rows.empty and calibration._tested(rows, "school").empty
    half = calibration._half_width(calibration.Spread(), 1000.0, 0.0, 200.0, np.array([1, 2]))
    assert half == pytest.approx([64.08, 128.16], abs=0.01)  # 1.2816 · 5 % of 1,000 a year
    found = forecast.paths(equipped([1e6, 1.1e6, 1.2e6], [100, 100, 100]), standards.load("quality_2017"))
    assert found.tested.key == "trends.back_test.no_paths"


def test_forecasts_of_a_single_series_stand_beside_what_came() -> None:
    found = path.forecasts([2018, 2019, 2020, 2021, 2022], [1.0, 2.0, 3.0, 4.0, 9.0])
    assert found[["origin", "year"]].to_numpy().tolist() == [[2020, 2021], [2020, 2022], [2021, 2022]]
    assert found["forecast"].tolist() == pytest.approx([4.0, 4.9, 5.0])
    assert found["inside"].tolist() == [True, False, False]
