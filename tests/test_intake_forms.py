"""Official return forms: written, read back, broken in every way offices break them."""

from __future__ import annotations

import io
import random

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balance_lib import locale
from balance_lib._errors import DataError, NotFoundError
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.data.intake.cells import flag, is_personal, label_key, number, year
from balance_lib.data.intake.folder import import_forms, recognise
from balance_lib.data.intake.forms import read_county_form, read_school_form
from balance_lib.data.intake.layout import kinds, layout, write_county_form, write_school_form
from balance_lib.data.intake.result import Imported, merge
from balance_lib.data.intake.workbook import blank_workbook
from balance_lib.standards import common_inputs

YEAR = 2023
JUNIOR = [row.key for row in layout("school").rows if row.stage == "junior"]
BANDS = [c for c in tables.table("school_years").columns if c.startswith("classes_")]


# ---------------------------------------------------------------- a made-up county


def whole_figures(rng: random.Random, pupils: int) -> dict[str, float]:
    """Figures of a whole school that agree with each other."""
    classes = max(1, round(pupils / 38))
    out: dict[str, float] = dict.fromkeys(BANDS, 0.0)
    out |= {"classes": classes, "classes_36_40": classes}
    teachers = 12 + pupils // 10
    out |= {"teachers": teachers, "teachers_backbone": rng.randint(0, teachers), "teachers_certified": teachers}
    out |= {"teachers_trained_360h": rng.randint(0, teachers), "migrant_pupils": rng.randint(0, pupils // 3)}
    out |= {f"teachers_{subject}": rng.randint(0, 3) for subject in ("pe", "music", "fine_art", "arts")}
    out |= {"teaching_area_m2": 1000 + round(rng.random() * 9000, 2), "indoor_sports_m2": 0.0}
    out |= {"gym_m2": 0.0, "sports_field_m2": round(rng.random() * 20000, 2)}
    out |= {"equipment_yuan": rng.randint(0, 10**9) / 100, "multimedia_rooms": rng.randint(0, 60)}
    out |= {"music_rooms": 3, "music_rooms_96": 1, "music_rooms_73": 1, "music_rooms_61": 0}
    out |= {"art_rooms": 2, "art_rooms_90": 0, "art_rooms_67": 2, "art_rooms_61": 0}
    budget = rng.randint(10**6, 10**9) / 100
    out |= {"public_budget_yuan": budget, "public_final_yuan": budget - 0.01, "training_budget_yuan": 1234.5}
    return out | {"small_rural_50_99": 0.0, "largest_class_under_30": 0.0}


def stage_figures(stage: str, pupils: int) -> dict[str, float]:
    out = {"pupils": pupils, "pupils_in_zone": pupils - 1, "teachers_bachelor": 5, "teachers_master": 1}
    out["teachers_doctor"] = 0
    if stage == "primary":
        out["teachers_college"] = 3
    else:
        out |= {"graduates": 30, "entrants_3y_ago": 31, "transfers_in_3y": 0, "transfers_out_3y": 1, "deaths_3y": 0}
    return out


@pytest.fixture(scope="module")
def county() -> County:
    """One school of each kind a return may come from, with a blank and zeros in it."""
    rng = random.Random(7)
    schools, rows = [], []
    for index, (kind, spec) in enumerate(kinds().items()):
        school = f"00{index:03d}"
        schools.append(
            {"school_id": school, "name_zh": f"青山{spec.written}", "kind": kind, "founded_year": 1950 + index}
            | {
                "built_by_2010": 1,
                "built_by_2016": 1,
                "dense_centre": 0,
                "lon": 78.5,
                "lat": 40.9,
                "township": "青山镇",
            }
        )
        taught = [stage for stage in spec.stages if stage in ("primary", "junior")]
        pupils = {stage: 190 * (2 + index) + (38 if stage == "junior" else 0) for stage in taught}
        key = {"school_id": school, "year": YEAR}
        whole = whole_figures(rng, sum(pupils.values()))
        if len(spec.stages) == 1:
            own = stage_figures(taught[0], pupils[taught[0]]) if taught else {}
            rows.append(key | {"stage": spec.stages[0]} | own | whole)
        else:
            rows += [key | {"stage": stage} | stage_figures(stage, pupils[stage]) for stage in taught]
            rows.append(key | {"stage": "shared"} | whole)
    rows[0]["books"] = 900  # the forms do not ask for it
    rows[1]["equipment_yuan"] = float("nan")
    rows[4]["multimedia_rooms"] = 0
    items = [row.item for row in layout("county").rows if row.item]
    county_years = [
        {"year": YEAR, "item": item, "value": value} for item, value in zip(items, county_figures(), strict=True)
    ]
    frames = {"schools": schools, "school_years": rows, "county_years": county_years}
    conformed = {name: tables.conform(pd.DataFrame(frame), name) for name, frame in frames.items()}
    return County("qingshan", "青山县", "Qingshan", conformed, meta={"code": "650000"})


def county_figures() -> list[float]:
    return [1150, 1350, 800000, 90, 98765.4, 98765.3, 400, 45, 10, 900, 460, 120, 700, 600, 10, 52, 51]


def asked_only(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the columns of a table the school form asks for."""
    asked = [row.column for row in layout("school").rows if row.table == name]
    keys = [key for key in tables.table(name).key if key not in asked]
    return frame[[*keys, *dict.fromkeys(asked)]].reset_index(drop=True)


def edit(content: bytes, change) -> bytes:
    """Return a workbook changed the way a person changes it."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    change(book.worksheets[0])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def line_of(sheet, label: str) -> int:
    return next(
        row[0].row for row in sheet.iter_rows() if any(label_key(c.value or "") == label_key(label) for c in row)
    )


def fill(content: bytes, **values: object) -> bytes:
    """Put values into the 填报值 column by row name (``pupils_primary``)."""

    def change(sheet) -> None:
        for key, value in values.items():
            cell = sheet.cell(line_of(sheet, layout("school").by_key[key].label), 5)
            cell.value = value

    return edit(content, change)


@pytest.fixture(scope="module")
def primary(county: County) -> bytes:
    return write_school_form(county, "00000", YEAR)


def rules(faults) -> list[str]:
    return [fault.rule for fault in faults]


def errors(faults) -> list:
    return [fault for fault in faults if fault.severity == "error"]


# ---------------------------------------------------------------- there and back


def test_every_field_the_forms_hold_comes_back(county: County) -> None:
    found = import_forms(
        {f"{school}.xlsx": write_school_form(county, school, YEAR) for school in county.tables["schools"]["school_id"]}
        | {"县.xlsx": write_county_form(county, YEAR)},
        year=YEAR,
    )
    assert errors(found.faults) == []
    for name in ("schools", "school_years"):
        pd.testing.assert_frame_equal(asked_only(found.tables[name], name), asked_only(county.tables[name], name))
    back = found.tables["county_years"].drop(columns="source")
    pd.testing.assert_frame_equal(back, county.tables["county_years"].drop(columns="source"))
    assert (found.meta["name_zh"], found.meta["code"]) == ("青山县", "650000")
    assert "books" in found.tables["school_years"] and found.tables["school_years"]["books"].isna().all()


def test_blank_stays_no_data_and_zero_stays_zero(county: County) -> None:
    frames, faults = read_school_form(write_school_form(county, "00001", YEAR), year=YEAR)
    assert frames["school_years"]["equipment_yuan"].isna().all()
    blank = [fault for fault in faults if fault.rule == "form_blank"]
    assert [fault.column for fault in blank] == ["教学仪器设备资产值（账面原值）"]
    assert (blank[0].row, blank[0].severity) == (52, "warning")
    frames, _ = read_school_form(write_school_form(county, "00002", YEAR), year=YEAR)
    shared = frames["school_years"].set_index("stage").loc["shared"]
    assert shared["multimedia_rooms"] == 0.0


def test_forms_are_the_same_bytes_every_time(county: County) -> None:
    assert write_school_form(county, "00002", YEAR) == write_school_form(county, "00002", YEAR)
    assert write_county_form(county, YEAR) == write_county_form(county, YEAR)


def test_whole_school_figures_are_summed_when_a_county_holds_them_by_stage(county: County) -> None:
    years = county.tables["school_years"].copy()
    mine = years["school_id"] == "00002"
    for stage, value in (("primary", 7.0), ("junior", 5.0), ("shared", float("nan"))):
        years.loc[mine & (years["stage"] == stage), "teachers_backbone"] = value
    frames, _ = read_school_form(write_school_form(county.with_tables(school_years=years), "00002", YEAR), year=YEAR)
    shared = frames["school_years"].set_index("stage")["teachers_backbone"]["shared"]
    assert shared == 12.0
    years.loc[mine & (years["stage"] == "junior"), "teachers_backbone"] = float("nan")
    frames, _ = read_school_form(write_school_form(county.with_tables(school_years=years), "00002", YEAR), year=YEAR)
    assert frames["school_years"]["teachers_backbone"].isna().all()  # a sum with a hole is not known


def test_writing_an_unknown_school_or_year_says_so(county: County) -> None:
    with pytest.raises(NotFoundError):
        write_school_form(county, "nowhere", YEAR)
    with pytest.raises(NotFoundError):
        write_school_form(county, "00000", 1999)


# ---------------------------------------------------------------- where figures go


def test_single_stage_schools_put_everything_on_their_stage(county: County) -> None:
    for school, stage in (("00000", "primary"), ("00001", "junior"), ("00005", "primary")):
        frames, _ = read_school_form(write_school_form(county, school, YEAR), year=YEAR)
        assert frames["school_years"]["stage"].tolist() == [stage]
        assert frames["school_years"]["classes"].notna().all()


def test_through_schools_put_whole_figures_on_the_shared_row(county: County) -> None:
    frames, _ = read_school_form(write_school_form(county, "00002", YEAR), year=YEAR)
    rows = frames["school_years"].set_index("stage")
    assert set(rows.index) == {"primary", "junior", "shared"}
    assert rows["pupils"].isna().tolist() == [False, False, True]
    for column in ("classes", "teachers", "teachers_backbone", "teachers_pe", "teachers_certified", "equipment_yuan"):
        assert rows[column].notna().to_dict() == {"primary": False, "junior": False, "shared": True}, column


def test_figures_of_a_stage_the_school_does_not_teach(primary: bytes) -> None:
    frames, faults = read_school_form(fill(primary, pupils_junior=0), year=YEAR)
    assert errors(faults) == [] and frames["school_years"]["stage"].tolist() == ["primary"]
    _, faults = read_school_form(fill(primary, pupils_junior=12), year=YEAR)
    assert [(f.rule, f.column, f.found) for f in errors(faults)] == [("stage_not_taught", "初中学生人数", 12)]


@pytest.mark.parametrize(
    ("written", "kind"),
    [("小学", "primary"), ("初级中学", "junior"), ("九年一贯制学校", "nine_year"), ("教学点", "teaching_point"),
     ("特殊教育学校", "special"), (" 完全 中学", "complete_secondary"), ("十二年一贯制", "twelve_year")],
)  # fmt: skip
def test_school_types(county: County, written: str, kind: str) -> None:
    content = write_school_form(county, "00002", YEAR)
    frames, _ = read_school_form(fill(content, kind=written), year=YEAR)
    assert frames["schools"]["kind"].tolist() == [kind]


def test_a_special_school_teaches_the_stages_it_reports(county: County) -> None:
    content = write_school_form(county, "00006", YEAR)
    frames, _ = read_school_form(content, year=YEAR)
    assert frames["school_years"]["stage"].tolist() == ["primary", "junior", "shared"]
    frames, faults = read_school_form(fill(content, **dict.fromkeys(JUNIOR)), year=YEAR)
    assert frames["school_years"]["stage"].tolist() == ["primary"]
    assert frames["school_years"]["classes"].notna().all() and "form_blank" not in rules(faults)


def test_an_unknown_school_type_stops_the_form(primary: bytes) -> None:
    frames, faults = read_school_form(fill(primary, kind="中学"), year=YEAR)
    assert frames == {} and ("listed", 3) in [(f.rule, f.row) for f in errors(faults)]


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize(
    ("raw", "unit", "scale", "value"),
    [
        (12.34, "万元", 10000, 123400.0),
        ("12.34", "万元", 10000, 123400.0),
        (0.1, "万元", 10000, 1000.0),
        (1.1, "万元", 10000, 11000.0),
        (8.29, "万元", 10000, 82900.0),
        (0, "万元", 10000, 0.0),
        ("1,234.5", "平方米", 1, 1234.5),
        ("１２３", "人", 1, 123.0),
        ("320人", "人", 1, 320.0),
        ("320 名", "人", 1, 320.0),
        ("1200㎡", "平方米", 1, 1200.0),
        ("5万元", "万元", 10000, 50000.0),
        ("-3", "人", 1, -3.0),
    ],
)
def test_numbers(raw: object, unit: str, scale: int, value: float) -> None:
    assert number(raw, unit, scale).value == value


@given(st.integers(0, 10**11))
def test_ten_thousand_yuan_are_exact(fen: int) -> None:
    """An amount in 万元 with six decimals is a whole number of fen, in floats too."""
    assert number(fen / 10**6, "万元", 10000).value == fen / 100
    assert number(f"{fen // 10**6}.{fen % 10**6:06d}万元", "万元", 10000).value == fen / 100


@pytest.mark.parametrize("raw", ["三百", "1,23", "12..3", "约300", "1 200", "无", "300多", True, "1e3", "#DIV/0!"])
def test_not_numbers(raw: object) -> None:
    assert number(raw, "人").broken == "not_a_number"


@pytest.mark.parametrize(("raw", "unit"), [("12元", "万元"), ("1200万", "人"), ("3亩", "平方米"), ("50%", "人")])
def test_another_unit_is_refused(raw: str, unit: str) -> None:
    assert number(raw, unit).broken == "other_unit"


@pytest.mark.parametrize("raw", ["-", "—", "……", "/", "＊"])
def test_placeholders_are_no_data_and_said(raw: str) -> None:
    cell = number(raw, "人")
    assert (cell.value, cell.note) == (None, "placeholder")


def test_years_and_flags() -> None:
    assert [year(v).value for v in (1985, "1985年", "1985年9月", "1985-09-01")] == [1985.0] * 4
    assert year("2023-2024学年").value == 2023.0
    assert year("2023-2026学年").broken == "not_a_number"
    assert [flag(v).value for v in ("是", "否", "√", 1, 0, True)] == [1, 0, 1, 1, 0, 1]
    assert flag("部分").broken == "yes_no"


def test_what_counts_as_personal() -> None:
    asked = [row.label for form in ("school", "county") for row in layout(form).rows]
    assert [label for label in asked if is_personal(label)] == []
    canonical = [c.zh for spec in tables.all_tables().values() for c in spec.columns.values()]
    assert [label for label in canonical if is_personal(label)] == []
    assert all(map(is_personal, ["联系人", "联系电话", "校长姓名", "身份证号", "填报人：", "Phone", "手机 号码"]))


@pytest.mark.parametrize(
    ("key", "raw", "rule"),
    [
        ("pupils_primary", -5, "range"),
        ("pupils_primary", 320.5, "whole"),
        ("teachers", "很多", "not_a_number"),
        ("equipment_yuan", "12元", "other_unit"),
        ("founded_year", 85, "range"),
        ("built_by_2010", "不详", "yes_no"),
        ("school_id", 1234567890123456789, "code_digits"),
    ],
)
def test_bad_cells_are_faults_with_row_and_label(primary: bytes, key: str, raw: object, rule: str) -> None:
    frames, faults = read_school_form(fill(primary, **{key: raw}), year=YEAR)
    row = layout("school").by_key[key]
    mine = [f for f in errors(faults) if f.column == row.label]
    assert [(f.rule, f.row) for f in mine] == [(rule, row.number + 1)]
    if frames:
        assert frames[row.table][row.column].isna().all()  # wrong is no data, never a guess


def test_numbers_read_with_care_are_warned_of(primary: bytes) -> None:
    frames, faults = read_school_form(fill(primary, pupils_primary="３８０人"), year=YEAR)
    assert frames["school_years"]["pupils"].tolist() == [380.0]
    assert [(f.rule, f.severity, f.params["value"]) for f in faults if f.rule == "read_as"] == [
        ("read_as", "warning", "380")
    ]


def test_a_code_keeps_its_leading_zeros(primary: bytes) -> None:
    assert read_school_form(primary, year=YEAR)[0]["schools"]["school_id"].tolist() == ["00000"]

    def shown(sheet) -> None:
        cell = sheet.cell(line_of(sheet, "学校代码"), 5)
        cell.value, cell.number_format = 12, "00000"

    assert read_school_form(edit(primary, shown), year=YEAR)[0]["schools"]["school_id"].tolist() == ["00012"]


# ---------------------------------------------------------------- forms as offices send them


def test_rows_are_found_by_label(county: County, primary: bytes) -> None:
    def mess(sheet) -> None:
        sheet.insert_rows(1, 3)
        sheet["A1"] = "某县学校填报表"
        sheet.insert_rows(20)
        sheet.insert_cols(1)
        cell = sheet.cell(line_of(sheet, "小学学生人数"), 4)
        cell.value = " 小学　学生人数： "
        sheet.cell(line_of(sheet, "单间面积≥96㎡的音乐教室间数"), 4).value = "单间面积>=96m2的音乐教室间数"
        sheet.title = "Sheet1"

    frames, faults = read_school_form(edit(primary, mess), year=YEAR)
    assert errors(faults) == []
    straight, _ = read_school_form(primary, year=YEAR)
    pd.testing.assert_frame_equal(frames["school_years"], straight["school_years"])


def test_missing_unknown_and_doubled_rows(primary: bytes) -> None:
    def change(sheet) -> None:
        sheet.delete_rows(line_of(sheet, "班级总数"))
        end = sheet.max_row
        sheet.cell(end + 1, 3).value, sheet.cell(end + 1, 5).value = "操场数量", 2
        sheet.cell(end + 2, 3).value, sheet.cell(end + 2, 5).value = "专任教师总人数", 99

    frames, faults = read_school_form(edit(primary, change), year=YEAR)
    found = {f.rule: f for f in faults}
    assert (found["form_missing"].column, found["form_missing"].severity) == ("班级总数", "error")
    assert (found["form_unknown"].column, found["form_unknown"].row) == ("操场数量", 69)
    assert (found["form_doubled"].row, found["form_doubled"].params["first"]) == (70, 26)
    assert frames["school_years"]["teachers"].tolist() != [99.0]


def test_a_changed_unit_is_refused(primary: bytes) -> None:
    def change(sheet) -> None:
        sheet.cell(line_of(sheet, "教学仪器设备资产值（账面原值）"), 4).value = "元"
        sheet.cell(line_of(sheet, "上一年度公用经费预算总额"), 4).value = None

    frames, faults = read_school_form(edit(primary, change), year=YEAR)
    assert frames["school_years"]["equipment_yuan"].isna().all()
    assert [(f.rule, f.row, f.found) for f in errors(faults)] == [("other_unit", 52, "元")]
    assert [f.row for f in faults if f.rule == "form_unit_blank"] == [62]


def test_personal_data_is_dropped_and_never_repeated(primary: bytes) -> None:
    def change(sheet) -> None:
        end = sheet.max_row
        sheet.cell(end + 1, 3).value, sheet.cell(end + 1, 5).value = "校长姓名", "王某某"
        sheet.cell(end + 2, 1).value = "填报人：李某某  电话：13912345678"
        sheet.cell(end + 3, 3).value, sheet.cell(end + 3, 5).value = "备查", "510101199001011234"
        sheet.cell(1, 8).value, sheet.cell(2, 8).value = "联系人", "赵某某"

    frames, faults = read_school_form(edit(primary, change), year=YEAR)
    found = [f for f in faults if f.rule == "personal_data"]
    assert [(f.row, f.column, f.severity) for f in found] == [
        (1, "联系人", "warning"), (70, "校长", "warning"), (71, "填报人", "warning"), (72, None, "warning"),
    ]  # fmt: skip
    told = "".join(str(f) + f.sentence("zh") for f in faults) + "".join(f.to_csv() for f in frames.values())
    assert not any(secret in told for secret in ("王某某", "李某某", "13912345678", "510101199001011234", "赵某某"))
    assert errors(faults) == []


def test_a_formula_without_a_result_is_not_taken_for_blank(primary: bytes) -> None:
    _, faults = read_school_form(fill(primary, teachers="=10+20"), year=YEAR)
    assert [(f.rule, f.row) for f in errors(faults)] == [("formula_without_value", 27)]


CONTRADICTIONS = [
    ({"classes": 11}, "form_equals", 16),
    ({"teachers_bachelor_primary": 999}, "form_within", 28),
    ({"pupils_in_zone_primary": 381}, "form_within", 14),
    ({"teachers_certified": 999}, "form_within", 36),
    ({"migrant_pupils": 381}, "form_within", 13),
    ({"indoor_sports_m2": 99999}, "form_within", 47),
    ({"music_rooms_61": 2}, "form_within", 55),
    ({"art_rooms_90": 1}, "form_within", 59),
    ({"built_by_2016": "否"}, "form_implies", 6),
]


@pytest.mark.parametrize(("values", "rule", "row"), CONTRADICTIONS)
def test_contradictions_within_a_form(primary: bytes, values: dict, rule: str, row: int) -> None:
    assert errors(read_school_form(primary, year=YEAR)[1]) == []
    _, faults = read_school_form(fill(primary, **values), year=YEAR)
    assert [(f.rule, f.row) for f in errors(faults)] == [(rule, row)]


def test_a_blank_part_is_no_contradiction_unless_the_rest_is_too_much(primary: bytes) -> None:
    _, faults = read_school_form(fill(primary, classes_36_40=None), year=YEAR)
    assert errors(faults) == []
    _, faults = read_school_form(fill(primary, classes_36_40=None, classes_1_25=50), year=YEAR)
    assert rules(errors(faults)) == ["form_equals"]


@pytest.mark.parametrize(
    ("figures", "severity", "rate"),
    [
        ((95, 100, 0, 0, 0), None, None),
        ((103, 100, 5, 2, 0), None, None),  # (103-5+2)/100 = 100 %, on the line
        ((104, 100, 5, 2, 0), "warning", "101.0%"),
        ((3, 100, 5, 1, 0), "error", "-1.0%"),
        ((3, 2, 0, 0, 2), "error", "–"),
    ],
)
def test_retention(county: County, figures: tuple, severity: str | None, rate: str | None) -> None:
    names = ("graduates", "entrants_3y_ago", "transfers_in_3y", "transfers_out_3y", "deaths_3y")
    values = {f"{name}_junior": value for name, value in zip(names, figures, strict=True)}
    _, faults = read_school_form(fill(write_school_form(county, "00001", YEAR), **values), year=YEAR)
    found = [(f.severity, f.params["rate"]) for f in faults if f.rule == "form_retention"]
    assert found == ([(severity, rate)] if severity else [])


def test_pupils_must_fit_their_classes(primary: bytes) -> None:
    """Ten classes of 36-40 hold 360 to 400 pupils."""
    assert "form_class_sizes" not in rules(read_school_form(fill(primary, pupils_primary=400), year=YEAR)[1])
    _, faults = read_school_form(fill(primary, pupils_primary=401), year=YEAR)
    found = [f for f in faults if f.rule == "form_class_sizes"]
    assert [(f.params["low"], f.params["high"], f.severity) for f in found] == [("360", "400", "warning")]


# ---------------------------------------------------------------- the county form


def test_county_form_units_year_and_contradictions(county: County) -> None:
    content = write_county_form(county, YEAR)
    frames, faults = read_county_form(content)
    values = frames["county_years"].set_index("item")["value"]
    assert (values["teacher_salary_yuan"], values["per_pupil_fund_primary_yuan"]) == (98765.4, 1150.0)
    assert frames["county_years"]["year"].unique().tolist() == [2023.0] and errors(faults) == []

    def change(sheet) -> None:
        sheet.cell(line_of(sheet, "实际交流骨干教师数量"), 5).value = 46
        sheet.cell(line_of(sheet, "填报年度"), 5).value = "2023-2024学年"

    _, faults = read_county_form(edit(content, change), year=2022)
    assert [(f.rule, f.row) for f in errors(faults)] == [("form_within", 13), ("form_year", 4)]


def test_county_form_without_a_year_takes_the_one_asked_for(county: County) -> None:
    def change(sheet) -> None:
        sheet.cell(line_of(sheet, "填报年度"), 5).value = None

    content = edit(write_county_form(county, YEAR), change)
    assert rules(errors(read_county_form(content)[1])) == ["required"]
    frames, faults = read_county_form(content, year=2021)
    assert errors(faults) == [] and set(frames["county_years"]["year"]) == {2021.0}


# ---------------------------------------------------------------- folders


def test_a_folder_of_all_sorts(county: County, tmp_path) -> None:
    (tmp_path / "北乡").mkdir()
    for school in ("00000", "00001"):
        (tmp_path / "北乡" / f"{school}.xlsx").write_bytes(write_school_form(county, school, YEAR))
    (tmp_path / "区县.xlsx").write_bytes(write_county_form(county, YEAR))
    (tmp_path / "~$区县.xlsx").write_bytes(b"lock")
    (tmp_path / ".hidden.xlsx").write_bytes(b"junk")
    (tmp_path / "旧表.xls").write_bytes(b"\xd0\xcf\x11\xe0 old binary workbook")
    (tmp_path / "坏.xlsx").write_bytes(b"PK\x03\x04 cut off")
    (tmp_path / "说明.docx").write_bytes(b"PK")
    other = openpyxl.Workbook()
    other.save(tmp_path / "别的.xlsx")
    seen: list[tuple[int, int, str]] = []
    found = import_forms(tmp_path, year=YEAR, progress=lambda done, total, name: seen.append((done, total, name)))
    assert [(f.rule, f.file, f.severity) for f in found.faults if f.rule in ("not_xlsx", "not_a_form")] == [
        ("not_a_form", "说明.docx", "warning"),
        ("not_a_form", "别的.xlsx", "warning"),
        ("not_xlsx", "坏.xlsx", "error"),
        ("not_xlsx", "旧表.xls", "error"),
    ]
    assert found.tables["schools"]["school_id"].tolist() == ["00000", "00001"]
    assert len(found.tables["county_years"]) == 17 and not found.ok
    assert [done for done, _, _ in seen] == list(range(1, len(seen) + 1)) and seen[-1][0] == seen[-1][1]
    assert {"北乡/00000.xlsx", "区县.xlsx"} <= {name for _, _, name in seen}


def test_the_same_school_twice_names_both_files(county: County, primary: bytes) -> None:
    found = import_forms({"a.xlsx": primary, "b.xlsx": primary}, year=YEAR)
    twice = [f for f in found.faults if f.rule == "form_again"]
    assert [(f.file, f.params["first"], f.found) for f in twice] == [
        ("b.xlsx / 学校填报数据", "a.xlsx / 学校填报数据", "00000")
    ]
    assert len(found.tables["schools"]) == 1 and not found.ok
    found = import_forms({"a.xlsx": primary, "b.xlsx": fill(primary, school_id="99")}, year=YEAR)
    assert found.ok and [(f.rule, f.severity) for f in found.faults if f.rule == "same_name"] == [
        ("same_name", "warning")
    ]
    both = {"a.xlsx": write_county_form(county, YEAR), "b.xlsx": write_county_form(county, YEAR)}
    assert rules(errors(import_forms(both, year=YEAR).faults)) == ["county_form_again"]


def test_a_form_without_a_school_code(primary: bytes) -> None:
    found = import_forms({"a.xlsx": fill(primary, school_id=None)}, year=YEAR)
    assert [(f.rule, f.column) for f in errors(found.faults)] == [("required", "学校代码")]
    assert "schools" not in found.tables
    with pytest.raises(DataError):
        found.county("x", "某县", crs="WGS84")


def test_no_form_at_all_and_a_lost_header(primary: bytes, tmp_path) -> None:
    assert rules(import_forms(tmp_path, year=YEAR).faults) == ["no_forms"]
    found = import_forms({"a.xlsx": edit(primary, lambda sheet: sheet.delete_rows(1))}, year=YEAR)
    assert "form_header" in rules(errors(found.faults)) and found.tables == {}
    assert rules(import_forms(tmp_path / "nowhere.xlsx", year=YEAR).faults) == ["no_forms", "not_xlsx"]


def test_our_own_workbook_is_not_taken_for_a_form(primary: bytes, county: County) -> None:
    found = import_forms({"a.xlsx": primary, "空白.xlsx": blank_workbook()}, year=YEAR)
    assert found.ok and "own_workbook" in rules(found.faults)
    assert recognise(blank_workbook()) == "workbook" and recognise(blank_workbook("en")) == "workbook"
    assert (recognise(primary), recognise(write_county_form(county, YEAR))) == ("school_form", "county_form")
    assert recognise(b"junk") is None


# ---------------------------------------------------------------- supplement


def supplement(tmp_path, text: str, encoding: str = "utf-8"):
    file = tmp_path / "补充.csv"
    file.write_bytes(text.encode(encoding))
    return file


def test_a_supplement_completes_and_never_overwrites(county: County, primary: bytes, tmp_path) -> None:
    beside = supplement(
        tmp_path,
        "学校代码,学段,经度,纬度,乡镇,城乡分类,books,pupils,year\n"
        "00000,,78.45,40.93,阿合奇镇,乡村,1200,381,2023\n"
        "00000,,,,,,1,,2022\n"
        "77777,,78,40,,,,,\n",
        "gbk",
    )
    found = import_forms({"a.xlsx": primary}, year=YEAR, supplement=beside, crs="CGCS2000")
    school = found.tables["schools"].iloc[0]
    assert (school["lon"], school["lat"], school["township"], school["location"]) == (78.45, 40.93, "阿合奇镇", "rural")
    row = found.tables["school_years"].iloc[0]
    assert (row["books"], row["pupils"]) == (1200.0, 380.0)
    told = {f.rule: f for f in found.faults}
    assert (told["supplement_differs"].row, told["supplement_differs"].found) == (2, "381")
    assert told["supplement_differs"].params["form"] == "380" and not found.ok
    assert told["supplement_school"].found == "77777" and told["supplement_year"].found == 1


def told_by_stage(county: County, tmp_path, rows: str):
    content = write_school_form(county, "00002", YEAR)
    beside = supplement(tmp_path, "school_id,stage,teachers_backbone,teaching_area_m2,boarders\n" + rows)
    return import_forms({"a.xlsx": content}, year=YEAR, supplement=beside)


def shared_value(county: County, column: str) -> float:
    years = county.tables["school_years"]
    return years.loc[(years["school_id"] == "00002") & (years["stage"] == "shared"), column].iloc[0]


def test_figures_told_by_stage_leave_the_shared_row(county: County, tmp_path) -> None:
    total = int(shared_value(county, "teachers_backbone"))
    found = told_by_stage(county, tmp_path, f"00002,小学,2,,40\n00002,初中,{total - 2},,\n")
    rows = found.tables["school_years"].set_index("stage")
    assert rows["teachers_backbone"].to_dict() == pytest.approx(
        {"primary": 2.0, "junior": total - 2, "shared": float("nan")}, nan_ok=True
    )
    assert rows["boarders"]["primary"] == 40.0 and found.ok
    one = told_by_stage(county, tmp_path, "00002,小学,2,,\n").tables["school_years"].set_index("stage")
    assert one["teachers_backbone"]["junior"] == total - 2  # the stage left out is the rest
    bad = told_by_stage(county, tmp_path, "00002,小学,2,,\n00002,初中,1,,\n")
    assert rules(errors(bad.faults)) == ["supplement_sum"]


def test_a_stage_with_rooms_of_its_own_leaves_a_shared_rest(county: County, tmp_path) -> None:
    total = shared_value(county, "teaching_area_m2")
    found = told_by_stage(county, tmp_path, "00002,小学,,500,\n")
    rows = found.tables["school_years"].set_index("stage")["teaching_area_m2"]
    assert rows["primary"] == 500.0 and rows["shared"] == pytest.approx(total - 500)
    assert pd.isna(rows["junior"]) and found.ok


def test_senior_pupils_are_asked_for_and_come_from_the_supplement(county: County, tmp_path) -> None:
    content = write_school_form(county, "00004", YEAR)
    found = import_forms({"a.xlsx": content}, year=YEAR)
    assert [(f.rule, f.severity) for f in found.faults] == [("senior_pupils", "warning")]
    beside = supplement(tmp_path, "school_id,stage,pupils\n00004,senior,900\n00004,primary,5\n")
    found = import_forms({"a.xlsx": content}, year=YEAR, supplement=beside)
    assert [(f.rule, f.row) for f in found.faults] == [("supplement_stage", 3)]
    rows = found.tables["school_years"].set_index("stage")["pupils"]
    assert rows["senior"] == 900.0 and set(rows.index) == {"junior", "senior", "shared"}


def test_a_supplement_that_is_none(primary: bytes, tmp_path) -> None:
    found = import_forms({"a.xlsx": primary}, year=YEAR, supplement=supplement(tmp_path, "甲,乙\n1,2\n"))
    assert rules(errors(found.faults)) == ["supplement_header"]
    beside = supplement(tmp_path, "school_id,联系电话,lon\n00000,13912345678,东经78\n")
    found = import_forms({"a.xlsx": primary}, year=YEAR, supplement=beside)
    assert found.dropped == ["联系电话"] and "13912345678" not in str(found)
    assert [(f.rule, f.row, f.column) for f in errors(found.faults)] == [("not_a_number", 2, "lon")]


# ---------------------------------------------------------------- into a county


def forms_of(county: County, *schools: str, year: int = YEAR, **changes: object) -> Imported:
    return import_forms({f"{s}.xlsx": fill(write_school_form(county, s, YEAR), **changes) for s in schools}, year=year)


def test_a_new_county_from_forms_saves_and_opens(county: County, tmp_path) -> None:
    found = forms_of(county, *county.tables["schools"]["school_id"])
    made = found.county("qingshan", "青山县")
    again = County.open(made.save(tmp_path / "qingshan"))
    pd.testing.assert_frame_equal(again.tables["school_years"], made.tables["school_years"])
    assert again.meta["imports"][0]["files"] == len(kinds())


def test_merge_replaces_what_the_form_asks_for_and_keeps_the_rest(county: County) -> None:
    joined, faults = merge(county, forms_of(county, "00000", pupils_primary=379, teachers_pe=None))
    assert errors(faults) == []
    school = joined.tables["schools"].set_index("school_id").loc["00000"]
    assert (school["lon"], school["township"]) == (78.5, "青山镇")  # the form does not ask for them
    row = joined.tables["school_years"].set_index("school_id").loc["00000"]
    assert (row["pupils"], row["books"]) == (379.0, 900.0) and pd.isna(row["teachers_pe"])
    for name in ("schools", "school_years"):
        others = [
            t[t["school_id"] != "00000"].reset_index(drop=True) for t in (joined.tables[name], county.tables[name])
        ]
        pd.testing.assert_frame_equal(*others)


def test_merge_adds_new_years_and_keeps_kinds_of_old_ones(county: County) -> None:
    joined, faults = merge(county, forms_of(county, "00000", year=2024, kind="教学点"))
    rows = joined.tables["school_years"]
    mine = rows[rows["school_id"] == "00000"].set_index("year")
    assert joined.tables["schools"].set_index("school_id")["kind"]["00000"] == "teaching_point"
    assert mine["kind"][2023.0] == "primary" and pd.isna(mine["kind"][2024.0])
    assert "kind_changed" in rules(faults)


def test_merge_of_an_older_return_leaves_the_present_school_alone(county: County) -> None:
    joined, _ = merge(county, forms_of(county, "00000", year=2019, kind="教学点", name_zh="旧名"))
    school = joined.tables["schools"].set_index("school_id").loc["00000"]
    assert (school["kind"], school["name_zh"]) == ("primary", "青山小学")
    mine = joined.tables["school_years"].query("school_id == '00000'").set_index("year")
    assert mine["kind"][2019.0] == "teaching_point" and pd.isna(mine["kind"][2023.0])


def test_merge_points_out_stages_that_are_gone_and_refuses_errors(county: County) -> None:
    joined, faults = merge(county, forms_of(county, "00002", kind="小学", **dict.fromkeys(JUNIOR)))
    stale = [f for f in faults if f.rule == "stale_stage"]
    assert sorted(f.found for f in stale) == ["junior", "shared"] and joined is not county
    same, faults = merge(county, forms_of(county, "00000", pupils_primary=-1))
    assert same is county and rules(errors(faults)) == ["range"]


def test_merge_never_mixes_coordinate_systems(county: County, primary: bytes, tmp_path) -> None:
    beside = supplement(tmp_path, "school_id,lon,lat\n00000,78.1,40.1\n")
    for crs, rule, severity in (("GCJ02", "crs_differs", "error"), (None, "crs_assumed", "warning")):
        found = import_forms({"a.xlsx": primary}, year=YEAR, supplement=beside, crs=crs)
        joined, faults = merge(county, found)
        assert [(f.rule, f.severity) for f in faults if f.rule.startswith("crs")] == [(rule, severity)]
        assert (joined is county) == (severity == "error")
    with pytest.raises(DataError):
        import_forms({"a.xlsx": primary}, year=YEAR, supplement=beside).county("x", "某县")


# ---------------------------------------------------------------- layout and texts


def test_layout_points_at_canonical_columns_and_items() -> None:
    school, county = layout("school"), layout("county")
    assert ([r.number for r in school.rows], [r.number for r in county.rows]) == (
        list(range(1, 69)),
        list(range(1, 21)),
    )
    for form in (school, county):
        assert len(form.by_label) == len(form.by_key) == len(form.rows)
        for check in form.checks:
            assert set(check["whole"]) | set(check["parts"]) <= set(form.by_key)
    for row in school.rows:
        column = tables.table(row.table).columns[row.column]
        assert row.stage in (None, "primary", "junior") and row.item is None
        assert row.scale == (10000 if row.unit == "万元" else 1)
        assert (row.unit == "是/否") == (column.type == "flag")
        if row.column.endswith("_yuan"):
            assert row.unit == "万元"
    assert {row.item for row in county.rows if row.item} <= set(common_inputs())
    for row in county.rows:
        if row.item and row.item.endswith("_yuan"):
            assert row.scale == {"元": 1, "万元": 10000}[row.unit]


@pytest.mark.shared
@pytest.mark.parametrize(("file", "name"), [("学校填报表格.xlsx", "school"), ("区县填报表格.xlsx", "county")])
def test_layout_equals_the_official_files(shared_dir, file: str, name: str) -> None:
    sheet = openpyxl.load_workbook(shared_dir / "forms" / file)[layout(name).sheet]
    official = [tuple(cell.value for cell in row[:7]) for row in sheet.iter_rows()]
    assert official[0] == layout(name).header
    ours = [(r.number, r.category, r.label, r.unit, "是" if r.required else "否") for r in layout(name).rows]
    assert ours == [(n, category, label, unit, required) for n, category, label, unit, _, required, _ in official[1:]]
    if name == "school":
        assert [r.note for r in layout(name).rows] == [row[6] for row in official[1:]]


@pytest.mark.shared
def test_blank_official_forms_list_their_empty_required_cells(shared_dir) -> None:
    frames, faults = read_school_form(shared_dir / "forms" / "学校填报表格.xlsx", year=YEAR)
    required = {row.number + 1 for row in layout("school").rows if row.required}
    assert frames == {} and {f.row for f in faults} == required and len(faults) == len(required) == 62
    assert {f.column for f in errors(faults)} == {"学校名称", "学校类型", "学校代码"}
    frames, faults = read_county_form(shared_dir / "forms" / "区县填报表格.xlsx")
    assert frames == {} and [f.row for f in faults] == list(range(2, 22))


@pytest.mark.shared
def test_official_forms_filled_by_hand_read_like_ours(shared_dir, county: County) -> None:
    """Our figures typed into the official file give the same tables as our own form."""
    ours = write_school_form(county, "00002", YEAR)
    values = [row[4].value for row in openpyxl.load_workbook(io.BytesIO(ours)).worksheets[0].iter_rows(min_row=2)]

    def type_in(sheet) -> None:
        for line, value in enumerate(values, 2):
            sheet.cell(line, 5).value = value

    official = edit((shared_dir / "forms" / "学校填报表格.xlsx").read_bytes(), type_in)
    typed, faults = read_school_form(official, year=YEAR)
    straight, _ = read_school_form(ours, year=YEAR)
    assert errors(faults) == []
    for name, frame in straight.items():
        pd.testing.assert_frame_equal(typed[name], frame)


def test_every_fault_can_be_told_in_both_languages(county: County, primary: bytes, tmp_path) -> None:
    broken = fill(primary, kind="中学", teachers="无", equipment_yuan="12元", built_by_2010="?", pupils_junior=3)
    found = import_forms({"a.xlsx": broken, "b.xlsx": fill(primary, classes=11), "c.xls": b"junk"}, year=YEAR)
    assert len(found.faults) >= 6
    for fault in found.faults:
        for lang in locale.LANGUAGES:
            sentence = fault.sentence(lang)
            assert "{" not in sentence and "None" not in sentence
