"""Our own workbook: complete there and back, drop-downs and explanations, faults in the user's own words."""

from __future__ import annotations

import io
import math
import zipfile
from datetime import date

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from balance_lib import locale, standards
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.data.intake import xlsx
from balance_lib.data.intake.cells import plain
from balance_lib.data.intake.result import merge
from balance_lib.data.intake.sheets import heading, item_names, meaning, sheet_title
from balance_lib.data.intake.workbook import blank_workbook, county_workbook, read_workbook

TABLES = tables.all_tables()
AWKWARD = [
    "0012",
    "00",
    "1e5",
    "=1+1",
    "#N/A",
    "NA",
    "nan",
    "TRUE",
    "是",
    "-",
    "_x0041_",
    "甲\n乙",
    "a\tb",
    "'x",
    "12.0",
]


# ---------------------------------------------------------------- any county


def texts() -> st.SearchStrategy[str]:
    """Texts as a cell may hold them; a cell does not keep spaces at its ends."""
    free = st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"], exclude_characters="\x00"), max_size=12)
    return st.sampled_from(AWKWARD) | free.map(str.strip).filter(plain)


def values(column: tables.Column) -> st.SearchStrategy:
    low, high = tables.limits(column) if column.numeric else (None, None)
    if column.choices:
        return st.sampled_from(list(column.choices))
    if column.type == "date":
        return st.dates(date(1800, 1, 1), date(2100, 12, 31)).map(date.isoformat)
    if column.type == "flag":
        return st.sampled_from([0.0, 1.0])
    if column.type == "number":
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    if column.numeric:
        return st.integers(int(low or 0), int(10**9 if high is None else high)).map(float)
    if column.name == "item":
        return st.sampled_from([item.name for item in item_names()]) | st.just("akqi_2022/A1-1") | texts()
    return texts()


@st.composite
def counties(draw: st.DrawFn) -> County:
    """A county that breaks no definition: keys once, references that lead somewhere, blanks where they may be."""
    frames: dict[str, pd.DataFrame] = {}
    for name, spec in TABLES.items():
        blank_allowed = {c.name: not c.required and c.name not in spec.key for c in spec.columns.values()}
        filled = draw(st.sets(st.sampled_from([n for n, may in blank_allowed.items() if may] or [""]), max_size=12))
        rows = []
        for _ in range(draw(st.integers(0, 3))):
            row = {}
            for column in spec.columns.values():
                if blank_allowed[column.name] and column.name not in filled:
                    continue
                if column.refers:
                    target, key = column.refers.split(".")
                    known = frames[target][key].tolist() if target in frames else []
                    row[column.name] = draw(st.sampled_from(known)) if known else None
                else:
                    row[column.name] = draw(
                        st.none() | values(column) if blank_allowed[column.name] else values(column)
                    )
            if all(row.get(key) is not None for key in spec.key):
                rows.append(row)
        frame = tables.conform(pd.DataFrame(rows), name)
        frames[name] = frame.drop_duplicates(list(spec.key)).reset_index(drop=True)
    names = draw(texts())
    plan = draw(st.none() | st.just("akqi_2022"))
    crs = draw(st.sampled_from(["WGS84", "CGCS2000", "GCJ02", "BD09"]))
    return County("x-1", names, "", frames, crs, draw(st.booleans()), meta={"plan": plan} if plan else {})


def assert_same(back, county: County) -> None:
    for name in TABLES:
        expected = county.tables[name]
        found = back.tables.get(name, tables.empty(name))
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
        for column in expected.select_dtypes("number"):  # to the last bit
            assert found[column].to_numpy().tobytes() == (expected[column] + 0.0).to_numpy().tobytes(), column


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(counties(), st.sampled_from(locale.LANGUAGES))
def test_any_county_comes_back_unchanged(county: County, lang: str) -> None:
    back = read_workbook(county_workbook(county, lang))
    assert back.faults == []
    assert_same(back, county)
    again = back.county(crs=county.crs)
    assert (again.county_id, again.name_zh, again.crs) == (county.county_id, county.name_zh, county.crs)
    assert (again.synthetic, again.plan) == (county.synthetic, county.plan)


@pytest.fixture(scope="module")
def county() -> County:
    schools = [
        {"school_id": "0012", "name_zh": "一小", "kind": "primary", "lon": 78.45, "lat": 40.93, "boarding": 0},
        {"school_id": "0013", "name_zh": "=二中", "kind": "nine_year", "lon": 78.1 + 1e-13, "host_school_id": "0012"},
    ]
    years = [
        {"school_id": "0012", "year": 2023, "stage": "primary", "pupils": 0, "equipment_yuan": 0.25},
        {"school_id": "0013", "year": 2023, "stage": "primary", "pupils": 310},
        {"school_id": "0013", "year": 2023, "stage": "junior", "pupils": 295, "kind": "junior"},
        {"school_id": "0013", "year": 2023, "stage": "shared", "books": 12345},
    ]
    county_years = [
        {"year": 2023, "item": "gdp_yuan", "value": 1.5e10, "source": "统计年鉴"},
        {"year": 2023, "item": "akqi_2022/A1-1", "value": 3},
    ]
    evidence = [
        {"standard": "quality_2017", "item_id": "G1", "year": 2023, "finding": "met", "document": "规划图"}
        | {"recorded_on": "2024-02-29"}
    ]
    frames = {"schools": schools, "school_years": years, "county_years": county_years, "evidence": evidence}
    conformed = {name: tables.conform(pd.DataFrame(rows), name) for name, rows in frames.items()}
    return County("akqi", "阿合奇县", "Akqi", conformed, "CGCS2000", True, {"plan": "akqi_2022", "code": "653023"})


def edit(content: bytes, change) -> bytes:
    book = openpyxl.load_workbook(io.BytesIO(content))
    change(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def put(sheet, name: str, row: int, value: object) -> None:
    """Write a value into the column of a canonical name."""
    column = [cell.value for cell in sheet[2]].index(name) + 1
    sheet.cell(row, column).value = value


def test_a_county_comes_back_with_what_is_said_of_it(county: County) -> None:
    back = read_workbook(county_workbook(county))
    assert back.faults == []
    assert_same(back, county)
    again = back.county()
    assert (again.county_id, again.name_zh, again.name_en, again.crs) == ("akqi", "阿合奇县", "Akqi", "CGCS2000")
    assert again.synthetic and (again.meta["plan"], again.meta["code"]) == ("akqi_2022", "653023")


def test_through_a_saved_folder_and_back(county: County, tmp_path) -> None:
    saved = County.open(read_workbook(county_workbook(county)).county().save(tmp_path / "akqi"))
    assert_same(read_workbook(county_workbook(saved)), county)


def test_the_saving_of_a_spreadsheet_program_changes_nothing(county: County) -> None:
    """Opened and saved by another writer: other zip, shared strings, no order guaranteed."""

    def reorder(book) -> None:
        book.move_sheet("学校", 5)

    assert_same(read_workbook(edit(county_workbook(county), reorder)), county)


@pytest.mark.parametrize("lang", locale.LANGUAGES)
def test_the_blank_workbook_reads_as_nothing_without_faults(lang: str) -> None:
    back = read_workbook(blank_workbook(lang))
    assert back.faults == [] and back.tables == {} and back.ok


def test_the_same_bytes_every_time(county: County) -> None:
    assert blank_workbook() == blank_workbook()
    assert county_workbook(county) == county_workbook(county)
    with zipfile.ZipFile(io.BytesIO(blank_workbook())) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
    assert core.count("2000-01-01T00:00:00Z") == 2


def test_stored_archives_hold_the_same_content() -> None:
    book = openpyxl.Workbook()
    book.worksheets[0]["A1"] = "甲"
    stored, packed = xlsx.to_bytes(book, compress=False), xlsx.to_bytes(book)
    assert len(stored) > len(packed)
    for content in (stored, packed):
        assert openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]["A1"].value == "甲"


def test_merging_a_county_with_its_own_workbook_changes_nothing(county: County) -> None:
    joined, faults = merge(county, read_workbook(county_workbook(county)))
    assert faults == [] and joined.layers == county.layers
    for name in TABLES:
        pd.testing.assert_frame_equal(joined.tables[name], county.tables[name])


def test_a_blank_in_the_workbook_blanks_the_county(county: County) -> None:
    """A workbook speaks of whole rows: what was rubbed out is gone, rows it does not hold stay."""

    def change(book) -> None:
        put(book["学校"], "lon", 3, None)
        book["学校"].delete_rows(4)

    content = edit(county_workbook(county), change)
    joined, _ = merge(county, read_workbook(content, county=county))
    schools = joined.tables["schools"].set_index("school_id")
    assert math.isnan(schools["lon"]["0012"]) and schools["lat"]["0012"] == 40.93
    assert schools["lon"]["0013"] == 78.1 + 1e-13


# ---------------------------------------------------------------- what people see


@pytest.fixture(scope="module", params=locale.LANGUAGES)
def blank(request) -> tuple[openpyxl.Workbook, str]:
    return openpyxl.load_workbook(io.BytesIO(blank_workbook(request.param))), request.param


def test_one_sheet_a_table_with_all_columns(blank) -> None:
    book, lang = blank
    expected = [locale.text(f"intake.sheet.{page}", lang) for page in ("about", "county")]
    expected += [sheet_title(name, lang) for name in TABLES] + [locale.text("intake.sheet.items", lang)]
    assert book.sheetnames == expected
    for name, spec in TABLES.items():
        sheet = book[sheet_title(name, lang)]
        assert [cell.value for cell in sheet[1]] == [heading(column, lang) for column in spec.columns.values()]
        assert [cell.value for cell in sheet[2]] == list(spec.columns)
        assert sheet.freeze_panes and int(sheet.freeze_panes.lstrip("ABCDEFGHIJ")) == 3
        fills = {c: sheet.cell(1, i).fill.fgColor.rgb for i, c in enumerate(spec.columns, 1)}
        optional = {fills[c.name] for c in spec.columns.values() if not c.required and c.name not in spec.key}
        assert not {fills[key] for key in spec.key} & optional
        assert len({fills[key] for key in spec.key}) == 1 and len(optional) <= 1


def test_every_choice_flag_and_number_is_held_to_its_range(blank) -> None:
    book, lang = blank
    for name, spec in TABLES.items():
        sheet = book[sheet_title(name, lang)]
        rules = {str(rule.sqref).split("3:")[0]: rule for rule in sheet.data_validations.dataValidation}
        for index, column in enumerate(spec.columns.values()):
            rule = rules.get(openpyxl.utils.get_column_letter(index + 1))
            low, high = tables.limits(column) if column.numeric else (None, None)
            if column.type == "flag":
                assert rule.formula1 == ('"是,否"' if lang == "zh" else '"yes,no"')
            elif column.choices:
                shown = column.choices.values() if lang == "zh" else column.choices
                assert rule.formula1 == '"' + ",".join(shown) + '"' and len(rule.formula1) <= 255
            elif low is not None:
                assert rule.type == ("decimal" if column.type == "number" else "whole")
                assert float(rule.formula1) == low and (high is None or float(rule.formula2) == high)
                assert rule.operator == ("between" if high is not None else "greaterThanOrEqual")
            elif column.refers and column.name != "host_school_id":
                assert rule.formula1.startswith(f"'{sheet_title(column.refers.split('.')[0], lang)}'!$A$3")
            if rule and rule.type != "list":
                assert rule.allow_blank and 0 < len(rule.error) <= 225


def test_the_item_drop_down_points_at_the_items(blank) -> None:
    book, lang = blank
    rules = book[sheet_title("county_years", lang)].data_validations.dataValidation
    formula = next(rule.formula1 for rule in rules if rule.type == "list" and "$A$3" in rule.formula1)
    sheet, cells = formula.split("!")
    last = int(cells.rsplit("$", 1)[1])
    listed = [book[sheet.strip("'")].cell(row, 1).value for row in range(3, last + 1)]
    assert listed == [item.shown for item in item_names(lang)] and len(set(listed)) == len(listed)
    assert book[sheet.strip("'")].cell(last + 1, 1).value is None


def test_items_standards_report_and_ask_evidence_for_are_listed(blank) -> None:
    book, lang = blank
    rows = list(book[locale.text("intake.sheet.items", lang)].iter_rows(values_only=True))
    listed = {row[0] for row in rows} | {f"{row[0]}/{row[1]}" for row in rows}
    for standard in map(standards.load, standards.ids()):
        for item in standard.judged:
            if item.measure and item.measure.source in ("reported", "evidence") and item.same_as is None:
                assert f"{standard.id}/{item.code}" in listed
        assert set(standard.inputs) <= {item.name for item in item_names(lang)}


def test_the_page_of_explanations_names_every_column(blank) -> None:
    book, lang = blank
    rows = [tuple(cell or "" for cell in row) for row in book.worksheets[0].iter_rows(values_only=True)]
    listed = {(row[0], row[2]): row for row in rows}
    for name, spec in TABLES.items():
        assert any(row[0] == sheet_title(name, lang) and len(row[1]) > 5 for row in rows)
        for column in spec.columns.values():
            row = listed[sheet_title(name, lang), column.name]
            assert row[1] == heading(column, lang) and row[4] and row[6] == meaning(spec, column, lang)
    told = " ".join(str(row[0]) for row in rows)
    wanted = (
        ("空白", "学年填起始年", "坐标系", "全校共用") if lang == "zh" else ("no data", "first calendar year", "shared")
    )
    assert all(word in told for word in wanted)


def test_every_meaning_belongs_to_a_column() -> None:
    columns = {key for spec in TABLES.values() for name in spec.columns for key in (name, f"{spec.name}_{name}")}
    told = {key.removeprefix("intake.meaning.") for key in locale.catalogue("zh") if key.startswith("intake.meaning.")}
    assert told <= columns
    units = {column.unit for spec in TABLES.values() for column in spec.columns.values() if column.unit}
    assert all(locale.has(f"intake.unit.{unit}") for unit in units)


def test_code_columns_are_text_in_the_blank_workbook(blank) -> None:
    book, lang = blank
    sheet = book[sheet_title("schools", lang)]
    assert sheet.column_dimensions["A"].number_format == "@"


def test_chinese_and_codes_are_shown_by_language(county: County) -> None:
    for lang, kind, flag in (("zh", "小学", "否"), ("en", "primary", "no")):
        book = openpyxl.load_workbook(io.BytesIO(county_workbook(county, lang)))
        row = [cell.value for cell in book[sheet_title("schools", lang)][3]]
        assert (row[0], row[3], row[8]) == ("0012", kind, flag)
    book = openpyxl.load_workbook(io.BytesIO(county_workbook(county)))
    assert book["县级年度数据"]["B3"].value == "地区生产总值"
    assert book["学校"]["B4"].data_type == "s" and book["学校"]["B4"].value == "=二中"  # no formula out of data
    assert book["佐证材料"]["G3"].is_date


# ---------------------------------------------------------------- what people do


def faults_after(county: County, change) -> list[tuple]:
    back = read_workbook(xlsx.SourceFile("数据.xlsx", edit(county_workbook(county), change)))
    return [(f.rule, f.file, f.row, f.column, f.found) for f in back.faults]


def test_faults_name_the_users_sheet_row_and_heading(county: County) -> None:
    def change(book) -> None:
        years, schools = book["学校年度数据"], book["学校"]
        put(years, "pupils", 3, -5)
        put(years, "classes", 4, "十二")
        put(years, "classes", 5, 12.5)
        put(years, "stage", 6, "幼儿园")
        put(schools, "boarding", 3, "部分")
        put(schools, "kind", 4, None)
        put(book["佐证材料"], "recorded_on", 3, "去年")

    place = "数据.xlsx / 学校年度数据"
    assert set(faults_after(county, change)) == {
        ("range", place, 3, "在校学生人数（人）", -5),
        ("not_a_number", place, 4, "班级总数（个）", "十二"),
        ("whole", place, 5, "班级总数（个）", 12.5),
        ("listed", place, 6, "学段", "幼儿园"),
        ("yes_no", "数据.xlsx / 学校", 3, "是否寄宿制", "部分"),
        ("required", "数据.xlsx / 学校", 4, "学校类型", None),
        ("date", "数据.xlsx / 佐证材料", 3, "记录日期", "去年"),
    }


def test_keys_and_references_are_checked_over_gaps_and_moved_rows(county: County) -> None:
    def change(book) -> None:
        years = book["学校年度数据"]
        years.insert_rows(1, 2)
        years["A1"] = "某县义务教育学校数据"
        years.insert_rows(6, 4)  # blank rows between records
        last = years.max_row
        for column, value in ((1, "0012"), (2, 2023), (3, "小学")):
            years.cell(last + 1, column).value = value
        for column, value in ((1, "9999"), (2, 2023), (3, "小学")):
            years.cell(last + 2, column).value = value

    found = faults_after(county, change)
    place = "数据.xlsx / 学校年度数据"
    assert found == [
        ("duplicate", place, 13, "学校代码+学年（起始年）+学段", "0012 / 2023 / primary"),
        ("reference", place, 14, "学校代码", "9999"),
    ]
    back = read_workbook(edit(county_workbook(county), change))
    assert next(f for f in back.faults if f.rule == "duplicate").params["first"] == 5


def test_codes_that_stand_in_the_county_already_are_no_faults(county: County) -> None:
    def change(book) -> None:
        schools = book["学校"]
        schools.delete_rows(4)

    content = edit(county_workbook(county), change)
    assert {f.rule for f in read_workbook(content).faults} == {"reference"}
    assert read_workbook(content, county=county).faults == []


def test_columns_may_be_moved_left_out_or_have_only_one_kind_of_name(county: County) -> None:
    def without_canonical(book) -> None:
        for sheet in book.worksheets[2:-1]:
            sheet.delete_rows(2)

    def without_labels(book) -> None:
        for sheet in book.worksheets[2:-1]:
            sheet.delete_rows(1)

    def moved(book) -> None:
        schools = book["学校"]
        schools.move_range("A1:A4", cols=30)
        schools.delete_cols(3)  # 学校英文名, empty
        del book["道路"], book["项目清单"], book["填表说明"]

    for change in (without_canonical, without_labels, moved):
        back = read_workbook(edit(county_workbook(county), change))
        assert back.faults == [], change
        assert_same(back, county)


def test_names_decide_not_places(county: County) -> None:
    """A sheet whose two name rows disagree goes by the canonical one."""

    def change(book) -> None:
        schools = book["学校"]
        for row in (1, 3):  # heading and data change places, the canonical names stay
            code, name = schools.cell(row, 1), schools.cell(row, 2)
            code.value, name.value = name.value, code.value

    back = read_workbook(edit(county_workbook(county), change))
    assert back.tables["schools"]["school_id"].tolist() == ["一小", "0013"]
    assert "reference" in {f.rule for f in back.faults}


def test_what_does_not_belong_is_told(county: County) -> None:
    def change(book) -> None:
        schools = book["学校"]
        end = schools.max_column
        schools.cell(1, end + 1).value, schools.cell(3, end + 1).value = "校长姓名", "王某某"
        schools.cell(1, end + 2).value = "绿化面积"
        schools.cell(1, end + 3).value = "学校名称"
        put(schools, "note", 3, "电话13912345678")
        book.create_sheet("草稿")["A1"] = "x"

    content = edit(county_workbook(county), change)
    back = read_workbook(content)
    assert [(f.rule, f.row, f.column, f.severity) for f in back.faults] == [
        ("unknown_sheet", None, None, "warning"),
        ("book_column_again", 1, "学校名称", "warning"),
        ("personal_data", 1, "校长", "warning"),
        ("column_left_out", 1, "绿化面积", "warning"),
        ("personal_data", 3, "备注", "warning"),
    ]
    assert back.dropped == ["校长"] and back.tables["schools"]["note"].isna().all()
    assert not any(secret in str(back) for secret in ("王某某", "13912345678"))


def test_county_sheet_and_lost_headers(county: County) -> None:
    def change(book) -> None:
        info = book["县信息"]
        info["B2"], info["B6"], info["B7"] = "阿合奇", None, "也许"
        book["学校年度数据"].delete_rows(1, 2)
        book["乡镇"]["A3"] = "库兰萨日克乡"
        book["乡镇"].delete_cols(1)

    back = read_workbook(edit(county_workbook(county), change))
    assert {(f.rule, f.row) for f in back.faults} == {
        ("county_id", 2), ("yes_no", 7), ("crs_blank", None), ("book_header", None), ("missing_column", 1),
    }  # fmt: skip
    assert not back.ok


def test_what_is_no_workbook_of_ours(tmp_path) -> None:
    other = openpyxl.Workbook()
    other.worksheets[0]["A1"] = "x"
    content = io.BytesIO()
    other.save(content)
    assert [f.rule for f in read_workbook(content.getvalue()).faults] == ["unknown_sheet", "not_own_workbook"]
    for junk in (b"", b"junk", b"PK\x03\x04"):
        assert [f.rule for f in read_workbook(junk).faults] == ["not_xlsx"]
    assert [f.rule for f in read_workbook(tmp_path / "nowhere.xlsx").faults] == ["not_xlsx"]


def test_numbers_with_separators_and_units_are_read_and_told(county: County) -> None:
    def change(book) -> None:
        put(book["学校年度数据"], "pupils", 3, "1,310人")
        put(book["学校年度数据"], "equipment_yuan", 3, "12万元")
        put(book["学校年度数据"], "books", 3, "—")

    back = read_workbook(edit(county_workbook(county), change))
    assert [(f.rule, f.severity) for f in back.faults] == [
        ("read_as", "warning"), ("other_unit", "error"), ("placeholder", "warning"),
    ]  # fmt: skip
    row = back.tables["school_years"].iloc[0]
    assert row["pupils"] == 1310.0 and math.isnan(row["equipment_yuan"]) and math.isnan(row["books"])


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(0.1 + 0.2)
@example(5e-324)
@example(1.7976931348623157e308)
@example(9007199254740993.0)
@settings(max_examples=60, deadline=None)
def test_a_number_keeps_all_its_digits(value: float) -> None:
    book = openpyxl.Workbook()
    xlsx.put(book.worksheets[0]["A1"], value)
    sheets, faults = xlsx.read(xlsx.SourceFile("x.xlsx", xlsx.to_bytes(book)))
    assert faults == [] and float(sheets[0].rows[0][0]) == value
    assert np.float64(sheets[0].rows[0][0]).tobytes() == np.float64(value + 0.0).tobytes()


@pytest.mark.parametrize("text", [*AWKWARD, "x" * 3000, "甲\r\n乙", "\x07bell", "_x005F_", "㎡"])
def test_a_text_stays_as_it_is(text: str) -> None:
    book = openpyxl.Workbook()
    cell = xlsx.put(book.worksheets[0]["A1"], text)
    sheets, _ = xlsx.read(xlsx.SourceFile("x.xlsx", xlsx.to_bytes(book)))
    assert sheets[0].rows == [(text,)] and cell.data_type == "s"
