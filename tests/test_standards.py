"""The standards library: every row of the sources, every formula, every note; and files people write themselves."""

from __future__ import annotations

import ast
import csv
import os
import re
from collections import Counter
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from balance_lib import locale, standards
from balance_lib._errors import NotFoundError, PolicyError
from balance_lib.data import tables
from balance_lib.standards import JUDGED, STAGES, Item, Measure, Standard, parse_deadline

PLANS = {"000": "wuxi_2016", "001": "huixian_2024", "002": "akqi_2022", "003": "chuzhou_2011", "004": "jiaohe_2009"}
NATIONAL = ("basic_2012", "quality_2017")
IDS = standards.ids()
KINDS = ("target", "rule", "definition", "task", "stage", "output", "baseline", "actual", "context")
OWN_CODE = re.compile(r"N-[A-Za-z0-9.-]+")  # what a plan takes over from the national method without printing it

SCHOOL_YEARS = tables.table("school_years").columns
SCHOOL_COLUMNS = {*SCHOOL_YEARS, *tables.table("schools").columns}
SUMMED = [c.name for c in SCHOOL_YEARS.values() if c.type in ("count", "number")]
COUNTS = {
    "n_schools",
    "n_village_primary",
    "n_rural_schools",
    *(f"n_{kind}" for kind in tables.table("schools").columns["kind"].choices or {}),
}
TOWNSHIP_COLUMNS = {
    "township",
    "year",
    "pilot",
    "pupils",
    "n_primary",
    "n_junior",
    "n_nine_year",
    "n_central_primary",
    "n_teaching_point",
    "n_junior_serving",
}
SUMS = ("primary", "junior", "all", "rural", "town", "rural_junior", "town_junior")


@pytest.fixture(params=IDS)
def standard(request: pytest.FixtureRequest) -> Standard:
    return standards.load(request.param)


def source_of(name: str) -> dict[str, Any]:
    text = resources.files("balance_lib.standards").joinpath("library", f"{name}.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text))


def of_schools(standard: Standard, source: str) -> set[str]:
    """Return the names a formula over this source may use."""
    if source == "county":
        sums = {f"{prefix}_{name}" for prefix in SUMS for name in SUMMED}
        return {"year", "n_townships", *standards.common_inputs(), *standard.inputs, *sums, *COUNTS}
    return TOWNSHIP_COLUMNS if source == "townships" else SCHOOL_COLUMNS


def formulas(standard: Standard) -> list[tuple[str, str, str]]:
    """Return every formula of a standard: where it stands, what rows it runs over, its text."""
    found = [("included", "stages", standard.included)] if standard.included else []
    for name, spec in standard.indicators.items():
        found += [(name, "stages", text) for text in _texts(spec.formula)]
        for variant in spec.variants:
            found += [(name, "stages", text) for text in (*_texts(variant.formula), variant.where or "") if text]
    for item in standard.items:
        measure = item.measure
        if measure and measure.source in ("county", "schools", "stages", "townships"):
            texts = [measure.formula, measure.against, measure.where]
            texts += [t for v in measure.variants for t in (*_texts(v.formula), v.where)]
            found += [(item.code, measure.source, text) for text in texts if text]
    return found


def _texts(formula: object) -> list[str]:
    return [] if formula is None else [formula] if isinstance(formula, str) else list(dict(formula).values())  # type: ignore[call-overload]


def names_in(formula: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(formula, mode="eval")) if isinstance(node, ast.Name)}


# ---- the shipped library -----------------------------------------------------------------------------------------


def test_the_library_holds_the_national_standards_first_and_the_plans():
    assert IDS[: len(NATIONAL)] == list(NATIONAL)
    assert set(IDS) >= {*NATIONAL, *PLANS.values()}
    assert all(standards.load(name).scope == ("national" if name in NATIONAL else "county") for name in IDS)


@pytest.mark.parametrize("name", IDS)
def test_a_shipped_standard_keeps_the_schema(name: str):
    from jsonschema import Draft202012Validator

    schema = yaml.safe_load(resources.files("balance_lib.standards").joinpath("schema.yaml").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    faults = [
        f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
        for e in Draft202012Validator(schema).iter_errors(source_of(name))
    ]
    assert faults == []
    assert standards.load(name).id == name


def test_a_plan_names_its_county_and_document(standard: Standard):
    assert standard.title_zh and standard.title_en and standard.sources
    if standard.id in PLANS.values():
        assert standard.county == standard.id.split("_")[0]
        assert standard.notes, "anomalies of the source are told"


def test_every_judged_item_has_a_measure_or_repeats_one_that_has(standard: Standard):
    bare = [item.code for item in standard.judged if item.measure is None and item.same_as is None]
    assert bare == []
    both = [item.code for item in standard.items if item.measure is not None and item.same_as is not None]
    assert both == [], "an item judged elsewhere is not judged twice"
    held = ("baseline", "actual")  # published results: not judged, but held against the county's own data
    idle = [i.code for i in standard.items if i.measure is not None and not i.judged and i.kind not in held]
    assert idle == [], "what is not judged needs no measure"
    assert all(i.measure is None or i.measure.source == "county" for i in standard.items if i.kind in held)


def test_what_no_data_decide_says_why(standard: Standard):
    bare = [
        i.code for i in standard.judged if i.measure and i.measure.source in ("reported", "evidence") and not i.notes
    ]
    assert bare == []


def test_same_as_points_to_a_judged_item_of_the_same_standard(standard: Standard):
    for item in standard.items:
        if item.same_as is not None:
            first = standard.item(item.same_as)
            assert first.judged and first.measure is not None and first.same_as is None, f"{item.code} → {first.code}"


def test_kinds_and_operators_are_known(standard: Standard):
    assert {item.kind for item in standard.items} <= set(KINDS)
    wrong = [
        i.code
        for i in standard.judged
        if i.measure and i.measure.source != "evidence" and i.operator not in (">=", "<=", ">", "<", "==")
    ]
    assert wrong == [], "a figure needs a sign to be judged by"


def test_every_figure_has_a_line_to_be_judged_by(standard: Standard):
    def lineless(item: Item, measure: Measure) -> bool:
        number = item.threshold is not None or isinstance(item.value, (int, float))
        return measure.source != "evidence" and not number and measure.against is None

    assert [i.code for i in standard.judged if i.measure and lineless(i, i.measure)] == []


def test_a_sign_that_differs_from_the_source_is_explained(standard: Standard):
    silent = [i.code for i in standard.items if i.operator != i.source_operator and not i.notes]
    assert silent == []


def test_what_is_judged_in_another_unit_is_explained(standard: Standard):
    """A threshold that is not the stated value changes what the reader sees, so a note has to say what is judged."""
    changed = [
        i
        for i in standard.judged
        if i.threshold is not None and isinstance(i.value, (int, float)) and i.threshold != i.value
    ]
    assert [i.code for i in changed if not i.notes] == []


def test_notes_and_labels_stand_in_both_languages(standard: Standard):
    notes = [*standard.notes, *(note for item in standard.items for note in item.notes)]
    assert [n for n in notes if not (n["zh"].strip() and n["en"].strip())] == []
    assert [n["zh"] for n in notes if not re.search(r"[\u4e00-\u9fff]", n["zh"])] == []
    assert [i.code for i in standard.items if not (i.label_zh.strip() and i.label_en.strip())] == []
    assert [
        i.code for i in standard.items if re.search(r"[\u4e00-\u9fff]", i.label_en.replace("教督〔2017〕6号", ""))
    ] == []


def test_units_can_be_said_after_a_number_in_both_languages(standard: Standard):
    units = {item.judged_unit for item in standard.judged} | {spec.unit for spec in standard.indicators.values()}
    assert [unit for unit in units if not locale.has(f"unit.{unit}")] == [], "a unit no language has words for"
    english = {unit: locale.unit(unit)["en"] for unit in units}
    assert [unit for unit, text in english.items() if text and not re.match(r" \S", text)] == [], "“3 km”, not “3km”"


def test_deadlines_are_dates_or_known_words(standard: Standard):
    """A date that is misspelt would silently never fall due."""
    words = [i.deadline for i in standard.items if i.deadline and i.due is None]
    assert [word for word in words if re.match(r"\d{4}", word) and "/" not in word and "~" not in word] == []


# ---- formulas ----------------------------------------------------------------------------------------------------


def test_every_name_in_a_formula_exists(standard: Standard):
    unknown = {
        f"{where}: {name}"
        for where, source, text in formulas(standard)
        for name in names_in(text) - of_schools(standard, source)
    }
    assert unknown == set()


def test_every_formula_computes(standard: Standard):
    for where, source, text in formulas(standard):
        names = names_in(text)
        spec = {**tables.table("schools").columns, **SCHOOL_YEARS}
        words = {n for n in names if source in ("schools", "stages") and not spec[n].numeric}
        frame = pd.DataFrame({n: ["x", "y"] if n in words else [2.0, 3.0] for n in names} or {"none": [0.0, 0.0]})
        result = frame.eval(text, engine="python")
        assert len(pd.Series(result, index=frame.index)) == 2, f"{where}: {text}"


def test_measures_name_indicators_switches_and_standards_that_exist(standard: Standard):
    for item in (i for i in standard.items if i.measure):
        measure = item.measure
        assert measure is not None
        if measure.source == "indicator":
            assert measure.formula in standard.indicators, item.code
        if measure.source == "cv":
            base = standards.load(measure.of) if measure.of else standard
            assert measure.formula in (*base.indicators, "composite"), item.code
        if measure.source == "given":
            assert measure.formula in standards.measures() and item.stage in (*STAGES, "all"), item.code
        if measure.source == "items":
            named = standards.load(measure.of) if measure.of else standard
            known = {*named.by_code, *(each.item_id for each in named.judged)}
            assert {name for group in measure.items for name in group} <= known, item.code
    switches = {v.when for i in standard.items if i.measure for v in i.measure.variants}
    switches |= {v.when for spec in standard.indicators.values() for v in spec.variants}
    assert switches <= set(standard.definitions)


def test_own_inputs_do_not_hide_common_ones(standard: Standard):
    assert set(standard.inputs) & set(standards.common_inputs()) == set()
    used = {name for _, source, text in formulas(standard) if source == "county" for name in names_in(text)}
    assert set(standard.inputs) - used == set(), "an input nobody uses would be asked for in vain"


def test_an_input_shared_by_plans_means_the_same_everywhere():
    specs: dict[str, set[tuple[str, bool]]] = {}
    for name in IDS:
        for key, spec in standards.load(name).inputs.items():
            specs.setdefault(key, set()).add((str(spec["unit"]), bool(spec.get("sensitive"))))
    assert {key: found for key, found in specs.items() if len(found) > 1} == {}


# ---- against the source material ---------------------------------------------------------------------------------


def seed_rows(shared_dir: Path, prefix: str = "") -> list[dict[str, str]]:
    with (shared_dir / "standards" / "seed_facts.csv").open(encoding="utf-8-sig", newline="") as file:
        return [row for row in csv.DictReader(file) if row["seed_file"].startswith(prefix)]


def full_width(unit: str) -> str:
    """Return a unit's name with the brackets Chinese print has; the transcript of the sources has typists' ones."""
    return unit.replace("(", "（").replace(")", "）")


def differences(row: dict[str, str], item: Item) -> list[str]:
    """Return where an item does not say what the row of the source says."""
    others = [full_width(unit) for unit in row["cooperating_units_zh"].split(";") if unit]
    pairs = {
        "value": (item.value, _number(row["value"])),
        "unit": (item.unit, row["unit"]),
        "source_operator": (item.source_operator, row["operator"]),
        "deadline": (item.deadline, row["deadline"]),
        "lead_unit": (item.lead_unit, full_width(row["lead_unit_zh"])),
        "cooperating_units": (list(item.cooperating_units), others),
        "level": (item.level, row["level"]),
        "stage": (item.stage, row["stage"]),
        "quote": (item.quote, row["quote_zh"]),
    }
    return [
        f"{row['code']}.{field}: is {mine!r}, source {theirs!r}"
        for field, (mine, theirs) in pairs.items()
        if mine != theirs
    ]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@pytest.mark.shared
@pytest.mark.parametrize(("prefix", "name"), PLANS.items(), ids=PLANS.values())
def test_every_row_of_the_source_stands_in_its_plan(shared_dir: Path, prefix: str, name: str):
    plan, rows = standards.load(name), seed_rows(shared_dir, prefix)
    missing = [row["code"] for row in rows if row["code"] not in plan.by_code]
    assert missing == []
    found = [line for row in rows for line in differences(row, plan.item(row["code"]))]
    assert not found, "\n".join(found)
    assert [i.code for i in plan.items if not i.quote.strip() and not OWN_CODE.fullmatch(i.code)] == []


@pytest.mark.shared
def test_all_569_rows_stand_under_codes_unique_over_the_five_plans(shared_dir: Path):
    rows = seed_rows(shared_dir)
    assert len(rows) == 569
    codes = Counter(
        i.code for name in PLANS.values() for i in standards.load(name).items if not OWN_CODE.fullmatch(i.code)
    )
    assert [code for code, n in codes.items() if n > 1] == []
    assert set(codes) == {row["code"] for row in rows}


@pytest.mark.shared
def test_a_target_of_the_source_is_never_left_unjudged_in_silence(shared_dir: Path):
    """What the source calls a target is judged, or the plan says on the item why it is not."""
    silent = []
    for prefix, name in PLANS.items():
        plan = standards.load(name)
        for row in seed_rows(shared_dir, prefix):
            item = plan.item(row["code"])
            if (
                row["baseline_or_target"] == "target"
                and not item.judged
                and item.kind not in ("output", "task", "stage")
                and not item.notes
            ):
                silent.append(f"{item.code} {item.kind} {item.label_zh}")
    assert not silent, "\n".join(silent)


# ---- Akqi: the plan with 31 numbered indicators ------------------------------------------------------------------


@pytest.fixture(scope="module")
def akqi() -> Standard:
    return standards.load("akqi_2022")


def test_akqi_has_its_31_indicators(akqi: Standard):
    numbered = {item.item_id for item in akqi.items if item.code.startswith("A")}
    expected = {f"A{part}-{n}" for part, last in ((1, 7), (2, 14), (3, 9), (4, 1)) for n in range(1, last + 1)}
    assert numbered == expected and len(expected) == 31
    assert {item.item_id for item in akqi.judged if item.code.startswith("A")} == expected
    assert all(re.fullmatch(rf"{re.escape(i.item_id)}(\.\d+)?", i.code) for i in akqi.items if i.code.startswith("A"))


def test_akqi_body_text_is_not_judged_twice(akqi: Standard):
    numbers = {"L": "125678", "C": "12345678", "T": "1234678", "F": "35", "A": "12", "B": "3", "Q": "5"}
    repeated = [f"{letter}{n}" for letter, found in numbers.items() for n in found]
    assert [code for code in repeated if (akqi.item(f"M-{code}").same_as or "")[:1] != "A"] == []
    assert all(
        akqi.item(f"M-{code}").item_id == akqi.item(akqi.item(f"M-{code}").same_as or "").item_id for code in repeated
    )


def test_18_of_akqis_31_deadlines_lie_before_its_adoption(akqi: Standard):
    early = {item.item_id for item in akqi.items if akqi.due_before_adoption(item)}
    assert len(early) == 18
    assert early >= {"A1-2", "A2-12", "A3-8"} and not early & {"A1-1", "A3-3", "A4-1"}
    assert akqi.item("A1-2").due == date(2022, 3, 31) and akqi.adopted == "2022-06-20"
    assert "18" in akqi.notes[0]["zh"] and "18" in akqi.notes[0]["en"]


def test_akqi_counts_teachers_offices_where_the_national_method_does_not(akqi: Standard):
    assert akqi.switches()["offices_in_teaching_area"] is True
    assert standards.load("quality_2017").switches()["offices_in_teaching_area"] is False
    assert akqi.switches({"offices_in_teaching_area": False})["offices_in_teaching_area"] is False


def test_akqi_takes_over_the_national_coefficients_and_school_rule(akqi: Standard):
    national = standards.load("quality_2017")
    for stage, limit in (("primary", 0.5), ("junior", 0.45)):
        for n in range(1, 8):
            mine, theirs = akqi.item(f"N-CV{n}-{stage}"), national.item(f"CV{n}-{stage}")
            assert (mine.value, mine.operator, mine.stage, mine.measure) == (limit, "<=", stage, theirs.measure)
        assert akqi.item(f"N-R-{stage}").measure == national.item(f"R-{stage}").measure
    pairs = zip(["A1-1", "A1-2", "A1-3", "A1-4", "A1-5", "A1-6", "A1-7"], (f"L{n}" for n in range(1, 8)), strict=True)
    for mine, theirs in pairs:
        assert akqi.item(mine).value == national.item(f"{theirs}-primary").value
        assert akqi.item(f"{mine}.2").value == national.item(f"{theirs}-junior").value
        assert akqi.item(mine).measure == national.item(f"{theirs}-primary").measure


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("M-F4", "第7项"),  # special education is missing from the appendix
        ("A3-4", "5%"),  # national rule on training funds
        ("A1-4", "教师办公室"),
        ("A2-4", "2500"),
        ("A3-8", "高中"),
        ("A4-1", "2023年3月"),
        ("A2-10", "县城"),
        ("M-G3", "20233月"),
        ("M-G4", "2023"),
        ("A1-3.3", "取整"),
    ],
)
def test_akqis_anomalies_are_told_on_the_item(akqi: Standard, code: str, words: str):
    assert any(words in note["zh"] for note in akqi.item(code).notes)


@pytest.mark.parametrize(
    ("levels", "met"),
    [((3, 3, 3, 3, 3, 3), 6), ((4, 3, 3, 2, 3, 3), 5), ((2, 2, 2, 2, 2, 2), 0)],
)
def test_monitoring_counts_the_subjects_that_comply(akqi: Standard, levels: tuple[int, ...], met: int):
    names = ["chinese", "maths", "science", "pe", "arts", "moral"]
    frame = pd.DataFrame({f"quality_level_{n}": [float(v)] for n, v in zip(names, levels, strict=True)})
    measure = akqi.item("A3-9").measure
    assert measure is not None and frame.eval(measure.formula, engine="python").iloc[0] == met
    assert akqi.item("A3-9").threshold == 6


@pytest.mark.parametrize(("difference", "met"), [(0.1499, 6), (0.15, 5)])
def test_monitoring_differences_must_stay_below_the_line(akqi: Standard, difference: float, met: int):
    names = ["chinese", "maths", "science", "pe", "arts", "moral"]
    frame = pd.DataFrame({f"quality_difference_{n}": [0.1 if n != "pe" else difference] for n in names})
    measure = akqi.item("A3-9.2").measure
    assert measure is not None and frame.eval(measure.formula, engine="python").iloc[0] == met


# ---- the two national standards ----------------------------------------------------------------------------------


def test_quality_2017_is_the_national_set():
    national = standards.load("quality_2017")
    ids = {item.item_id for item in national.items}
    assert {f"L{n}" for n in range(1, 8)} | {f"CV{n}" for n in range(1, 8)} <= ids
    assert {f"G{n}" for n in range(1, 16)} | {f"Q{n}" for n in range(1, 10)} | {"S1", "P1", "R"} <= ids
    assert len([item_id for item_id in ids if re.fullmatch(r"V\d", item_id)]) == 6
    lines = {(f"L{n}", stage): national.item(f"L{n}-{stage}").value for n in range(1, 8) for stage in STAGES}
    assert [lines[(f"L{n}", "primary")] for n in range(1, 8)] == [4.2, 1, 0.9, 4.5, 7.5, 2000, 2.3]
    assert [lines[(f"L{n}", "junior")] for n in range(1, 8)] == [5.3, 1, 0.9, 5.8, 10.2, 2500, 2.4]
    expired = [name for name, spec in national.definitions.items() if spec.get("valid_to")]
    assert len(expired) == 5 and not any(national.switches()[name] for name in expired)


@pytest.mark.shared
def test_the_85_percent_floors_agree_with_the_published_ones(shared_dir: Path):
    path = shared_dir / "standards" / "cases" / "case7_85pct_floors.csv"
    if not path.is_file():
        pytest.skip("no table of floors")
    national = standards.load("quality_2017")
    measure = national.item("R-primary").measure
    assert measure is not None and measure.floor_share == 0.85 and measure.at_least == 6
    printed = {float(n) for n in re.findall(r"\d+\.?\d*", path.read_text(encoding="utf-8-sig"))}
    floors = {round(0.85 * float(national.item(f"L{n}-{stage}").value), 4) for n in range(1, 8) for stage in STAGES}
    assert floors <= printed


def test_basic_2012_has_eight_indicators_and_one_composite_limit_a_stage():
    basic = standards.load("basic_2012")
    assert len(basic.indicators) == 8
    assert (basic.item("CV-primary").value, basic.item("CV-junior").value) == (0.65, 0.55)
    assert basic.item("B1").verified is False, "the 17 government indicators were not read"


def test_weights_of_a_pupil_give_the_published_divisions():
    weights = standards.load("quality_2017").split_weights
    assert weights == {"primary": 1, "junior": 1.1, "senior": 1.32}
    assert weights["senior"] / weights["junior"] == pytest.approx(1.2)


# ---- reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2022-03-31", date(2022, 3, 31)),
        ("2022-11", date(2022, 11, 30)),
        ("2024-02", date(2024, 2, 29)),
        ("2017", date(2017, 12, 31)),
        (" 2017-05 ", date(2017, 5, 31)),
        ("annual", None),
        ("5yr cycle", None),
        ("", None),
        ("2016-10/2017-05", None),
    ],
)
def test_a_deadline_is_its_last_day(text: str, day: date | None):
    assert parse_deadline(text) == day


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(NotFoundError, match="quality_2017"):
        standards.load("quality_2018")
    with pytest.raises(NotFoundError, match=r"M-G1, M-G2.* …"):  # a hundred codes are not listed
        standards.load("akqi_2022").item("A9-9")
    with pytest.raises(NotFoundError):
        standards.load("akqi_2022").switches({"no_such_switch": True})


def test_an_item_reads_the_same_before_and_after_its_deadline_was_asked_for():
    item = standards.load("akqi_2022").item("M-B1")
    before = item.as_dict()
    assert item.due is None
    assert item.as_dict() == before and before["measure"]["of"] == "basic_2012"


# ---- a province's own file ---------------------------------------------------------------------------------------

PROVINCE = """
id: province_2030
title_zh: 某省优质均衡标准
title_en: A province's own standard
adopted: 2030-01-01
indicators_from: quality_2017
definitions:
  offices_in_teaching_area: {value: true, zh: 计入教师办公室, en: Offices count}
indicators:
  equipment: {zh: 生均设备, en: Equipment per pupil, unit: yuan/pupil, formula: equipment_yuan / pupils}
inputs:
  canteens_a: {zh: A级食堂数, en: Canteens of class A, unit: canteens, low: 0}
items:
- {code: X1, kind: target, label_zh: 生均设备值, label_en: Equipment, level: school, stage: primary,
   operator: ">=", value: 3000, unit: yuan/pupil, deadline: 2029-12, measure: {indicator: equipment}}
- {code: X2, kind: target, label_zh: A级食堂, label_en: Canteens, level: county, stage: all,
   source_operator: "==", operator: ">=", value: 10, measure: {county: canteens_a}}
- {code: X3, kind: rule, label_zh: 规划, label_en: Layout, level: county, stage: all, measure: evidence}
"""


def test_a_province_can_bring_its_own_file(tmp_path: Path):
    file = tmp_path / "province.yaml"
    file.write_text(PROVINCE, encoding="utf-8")
    own, national = standards.load(file), standards.load("quality_2017")
    assert [item.code for item in own.judged] == ["X1", "X2", "X3"]
    assert own.item("X1").value == 3000 and own.item("X1").measure == Measure("indicator", "equipment")
    assert (own.item("X2").operator, own.item("X2").source_operator) == (">=", "==")
    assert own.due_before_adoption(own.item("X1")) and not own.due_before_adoption(own.item("X2"))
    assert set(own.indicators) == set(national.indicators) and own.included == national.included
    assert own.indicators["equipment"].zh == "生均设备"
    assert own.indicators["equipment"].need_per_unit == national.indicators["equipment"].need_per_unit
    assert own.switches()["offices_in_teaching_area"] is True
    assert national.switches()["offices_in_teaching_area"] is False, "the national standard is untouched"


def test_a_faulty_file_is_refused_with_all_its_faults(tmp_path: Path):
    raw = yaml.safe_load(PROVINCE)
    raw["items"][0]["operator"] = "=>"
    raw["items"][1]["kind"] = "wish"
    del raw["items"][2]["label_zh"]
    file = tmp_path / "faulty.yaml"
    file.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        standards.load(file)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and all(str(file) in line for line in lines)
    assert "items/0/operator" in lines[0] and "=>" in lines[0]
    assert "items/1/kind" in lines[1] and "wish" in lines[1]
    assert "items/2" in lines[2] and "label_zh" in lines[2]


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("code: X2", "code: X1", "X1"),
        ("indicators_from: quality_2017", "indicators_from: quality_2071", "quality_2071"),
        ("{indicator: equipment}", "{indicator: equipement}", "equipement"),
        ("label_zh: 规划,", "label_zh: 规划, same_as: X9,", "X9"),
        ("measure: evidence", "measure: {cv: equipment, of: basic_2021}", "basic_2021"),
        ("measure: evidence", "measure: {cv: equipement}", "equipement"),
        ("{county: canteens_a}", "{judge: total}", "total"),
        ("{county: canteens_a}", "{schools: pupils, variants: [{when: nowhere, value: 1}]}", "nowhere"),
        ("{zh: 生均设备,", "{zhh: 生均设备,", "zhh"),
        ("title_zh:", "title_zh: [", "province"),
    ],
    ids=[
        "code twice",
        "unknown base",
        "unknown indicator",
        "same_as nowhere",
        "unknown standard",
        "unknown coefficient",
        "measure without source",
        "unknown switch",
        "unknown field",
        "not YAML",
    ],
)
def test_a_file_that_names_something_unknown_is_refused(tmp_path: Path, old: str, new: str, word: str):
    file = tmp_path / "province.yaml"
    file.write_text(PROVINCE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises((PolicyError, NotFoundError), match=word):
        standards.load(file)


def test_a_folder_of_own_standards_is_offered_after_the_shipped_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, shipped = tmp_path / "ours", standards.ids()
    folder.mkdir()
    (folder / "a.yaml").write_text(PROVINCE, encoding="utf-8")
    own = yaml.safe_load(PROVINCE)["id"]
    (folder / "broken.yaml").write_text("id: [", encoding="utf-8")
    (folder / "based.yaml").write_text(PROVINCE.replace("quality_2017", "quality_2071"), encoding="utf-8")
    (folder / "same.yaml").write_text(PROVINCE.replace(f"id: {own}", "id: quality_2017"), encoding="utf-8")
    (folder / "notes.txt").write_text("no standard", encoding="utf-8")
    monkeypatch.setenv(standards.VARIABLE, f"{folder}")
    assert standards.ids() == [*shipped, own]
    assert standards.load(own).item("X1").value == 3000
    assert standards.load("quality_2017").item("L4-primary").value == 4.5, "a file never hides a shipped standard"
    said = dict(zip(("based", "broken", "same"), standards.unread(), strict=True))
    assert all(str(folder / f"{name}.yaml") in line for name, line in said.items())
    assert "quality_2071" in said["based"] and "balance_lib" in said["same"]
    with pytest.raises(NotFoundError, match=own):
        standards.load("no_such")


def test_own_standards_may_be_several_files_and_one_that_is_not_there_is_told(tmp_path: Path, monkeypatch: Any):
    one, two = tmp_path / "one.yaml", tmp_path / "two.yml"
    own = yaml.safe_load(PROVINCE)["id"]
    one.write_text(PROVINCE, encoding="utf-8")
    two.write_text(PROVINCE.replace(f"id: {own}", "id: other"), encoding="utf-8")
    monkeypatch.setenv(standards.VARIABLE, os.pathsep.join(map(str, (one, two, tmp_path / "gone.yaml"))))
    assert standards.ids()[-2:] == [own, "other"]
    (told,) = standards.unread()
    assert "gone.yaml" in told
    monkeypatch.delenv(standards.VARIABLE)
    assert own not in standards.ids() and standards.unread() == ()


def test_kinds_of_the_schema_are_the_ones_judged_or_known():
    assert set(JUDGED) <= set(KINDS)
