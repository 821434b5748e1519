"""Lists with English headers and words: what is certain is read, what differs between countries is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from balance_lib.data.county import County
from balance_lib.data.intake import aliases, bring
from balance_lib.data.intake.result import Imported
from balance_lib.data.intake.wide import read_wide
from balance_lib.data.intake.xlsx import SourceFile

LIST = """Code,Name,Level,Ownership,Enrolment,No. of teachers,Head Teacher,Latitude,Longitude
1,Alpha Primary,Primary,Public,40,3,Ann,1.0,36.0
2,Beta School,Junior secondary,Private,50,4,Bob,1.1,36.1
"""


def source(text: str, name: str = "list.csv") -> SourceFile:
    return SourceFile(name, text.encode())


def read(text: str, name: str = "list.csv", mapping: Any = None) -> Imported:
    return read_wide(source(text, name), mapping, year=2023, crs="WGS84")


def rules(imported: Imported) -> list[tuple[str, str | None]]:
    return [(f.rule, f.column) for f in imported.faults]


def test_a_list_with_plain_english_headers_is_read_without_a_mapping() -> None:
    found = read(LIST)
    assert found.ok and rules(found) == [("personal_data", "Head Teacher")]
    schools = found.tables["schools"].set_index("school_id")
    assert list(schools["name_zh"]) == ["Alpha Primary", "Beta School"]
    assert list(schools["kind"]) == ["primary", "junior"] and list(schools["founder"]) == ["county", "private"]
    assert list(schools["lon"]) == [36.0, 36.1] and list(schools["lat"]) == [1.0, 1.1]
    years = found.tables["school_years"]
    assert years[["school_id", "stage", "pupils", "teachers"]].values.tolist() == [
        ["1", "primary", 40.0, 3.0],
        ["2", "junior", 50.0, 4.0],
    ]


def test_a_word_that_means_other_grades_elsewhere_is_asked_once_with_the_line_to_write() -> None:
    found = read(LIST.replace("Junior secondary", "Secondary") + "3,Gamma,Secondary,Public,60,5,Cy,1.2,36.2\n")
    (fault,) = [f for f in found.faults if f.rule == "value_unclear"]
    assert (fault.row, fault.column, fault.found, fault.params["n"], fault.severity) == (
        3,
        "Level",
        "Secondary",
        2,
        "error",
    )
    assert not any(f.rule == "required" for f in found.faults), "the blank it leaves is not told again"
    asked = fault.hint("en")
    advice = yaml.safe_load(asked[asked.index("sources:") :])
    assert advice == {
        "sources": [{"known": True, "columns": {"Level": {"to": "schools.kind", "values": {"Secondary": "junior"}}}}]
    }
    again = read(LIST.replace("Junior secondary", "Secondary"), mapping=advice)
    assert again.ok and list(again.tables["schools"]["kind"]) == ["primary", "junior"]
    assert list(again.tables["school_years"]["pupils"]) == [40, 50], "the other headers are understood by themselves"


@pytest.mark.parametrize(
    ("header", "words", "column", "values"),
    [
        ("School type", ("Public", "Private"), "founder", ["county", "private"]),
        ("School type", ("Primary", "Junior secondary"), "kind", ["primary", "junior"]),
        ("Category", ("Urban", "Rural"), "location", ["urban", "rural"]),
        ("Location", ("Urban", "Rural"), "location", ["urban", "rural"]),
        ("Boarding", ("Yes", "No"), "boarding", [1.0, 0.0]),
    ],
)
def test_the_words_below_decide_what_an_unclear_header_means(
    header: str, words: tuple[str, str], column: str, values: list[Any]
) -> None:
    found = read(f"Code,Name,Enrolment,{header}\n1,A,40,{words[0]}\n2,B,50,{words[1]}\n")
    assert list(found.tables["schools"][column]) == values
    assert not {"header_unclear", "unmapped_column"} & {f.rule for f in found.faults}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Location", ("Kisima", "Maralal")),
        ("Type", ("Primary", "Public")),  # a word of one column beside a word of another
        ("Boarding", ("Day", "Boarding")),
        ("Ward", ("North", "South")),
    ],
)
def test_an_unclear_header_the_words_do_not_settle_is_asked_and_left_out(header: str, words: tuple[str, str]) -> None:
    found = read(f"Code,Name,Level,Enrolment,{header}\n1,A,Primary,40,{words[0]}\n2,B,Primary,50,{words[1]}\n")
    asked = [f for f in found.faults if f.rule == "header_unclear"]
    assert found.ok and [(f.column, f.found) for f in asked] == [(header, ", ".join(words))]
    assert "schools." in asked[0].hint("en") and "schools." in asked[0].hint("zh")
    assert not {"location", "township", "boarding", "founder"} & found.columns["schools"]


def test_a_general_header_stands_aside_for_a_plain_one_and_two_general_ones_are_asked() -> None:
    found = read("ID,EMIS code,Name,School name,Level,Roll\n7,001,x,Alpha,Primary,40\n")
    assert found.tables["schools"][["school_id", "name_zh"]].values.tolist() == [["001", "Alpha"]]
    assert ("unmapped_column", None) in rules(found)
    assert [f.found for f in found.faults if f.rule == "unmapped_column"] == ["ID, Name"]
    assert ("ambiguous_column", "Code") in rules(read("ID,Code,School name,Level,Roll\n7,001,Alpha,Primary,40\n"))


def test_schools_or_villages_is_asked_where_neither_headers_nor_the_files_name_say() -> None:
    bare = "Code,Name,Latitude,Longitude\n1,A,1.0,36.0\n"
    assert rules(read(bare)) == [("subject_unclear", None)]
    assert set(read(bare, "villages.csv").tables) == {"villages"}
    assert set(read(bare, "schools 2023.csv").tables) == {"schools"}
    assert set(read("Code,Name,Population\n1,A,500\n").tables) == {"villages", "village_years"}


def test_unread_columns_are_one_warning_that_names_all() -> None:
    found = read(LIST.replace("Head Teacher", "Colour").replace("Ownership", "Motto"))
    (fault,) = found.faults
    assert (fault.rule, fault.severity, fault.found, fault.params["n"]) == (
        "unmapped_column", "warning", "Motto, Colour", 2,
    )  # fmt: skip


def test_the_english_name_stands_for_a_missing_name_and_never_for_one_that_is_there(tmp_path: Path) -> None:
    columns = {"id": "school_id", "n": "schools.name_en", "z": "schools.name_zh", "k": "schools.kind"}
    columns["p"] = "school_years.pupils"
    mapping = {"sources": [{"year": 2023, "columns": columns}]}
    text = "id,n,z,k,p\n1,Alpha,甲小学,primary,5\n2,Beta,,primary,5\n"
    done = bring.bring_in([source(text)], tmp_path / "c", mapping=mapping)
    assert done.written and done.county is not None
    assert list(done.county.tables["schools"]["name_zh"]) == ["甲小学", "Beta"]
    assert [(f.rule, f.params["n"]) for f in done.faults] == [("name_filled", 1)]
    mapping["sources"][0]["columns"] = {k: v for k, v in columns.items() if k != "z"}
    text = "id,n,k,p\n1,Alpha,primary,5\n3,Gamma,primary,5\n"
    more = bring.bring_in([source(text)], tmp_path / "c", mapping=mapping)
    assert more.county is not None
    assert list(more.county.tables["schools"]["name_zh"]) == ["甲小学", "Beta", "Gamma"]


def test_a_list_without_any_figure_by_year_becomes_a_county_of_unknown_rolls_and_says_so(tmp_path: Path) -> None:
    text = "School code,Name,Level\n1,A,Primary\n2,B,九年一贯制学校\n3,C,Senior secondary\n"
    bare = bring.bring_in([source(text)], tmp_path / "c", year=2023)
    assert bare.written and [f.rule for f in bare.faults] == ["no_figures"]
    rows = County.open(tmp_path / "c").tables["school_years"]
    assert list(zip(rows["school_id"], rows["stage"], strict=True)) == [
        ("1", "primary"), ("2", "primary"), ("2", "junior"), ("3", "senior"),
    ]  # fmt: skip
    assert rows["pupils"].isna().all(), "missing is missing, never zero"
    undated = bring.bring_in([source(text)], tmp_path / "d")
    assert not undated.written and ("folder_incomplete", "school_years.csv") in [
        (f.rule, f.file) for f in undated.faults
    ]


def test_a_year_in_a_header_is_the_year_of_its_figures() -> None:
    found = read("EMIS no,School,Level,Learners 2023,Learners2024,Educators_2024\n1,A,Primary,40,42,3\n")
    rows = found.tables["school_years"].set_index("year")
    assert found.ok and rows["pupils"].to_dict() == {2023: 40, 2024: 42}
    assert np.isnan(rows.at[2023, "teachers"]) and rows.at[2024, "teachers"] == 3
    assert aliases.heading(["Founded 2010"]) is None, "a fixed fact has no year"
    assert aliases.heading(["Enrolment 2023/24"]) is None, "two years are asked about"


def test_an_unknown_word_is_told_once_with_the_line_that_answers_it() -> None:
    found = read("Code,Name,Level,Enrolment\n1,A,Hogwarts,4\n2,B,Hogwarts,5\n3,C,Primary,6\n")
    (fault,) = [f for f in found.faults if f.rule == "value_unknown"]
    assert (fault.row, fault.found, fault.params["n"]) == (2, "Hogwarts", 2)
    said = fault.hint("en")
    advice = yaml.safe_load(said[said.index("sources:") : said.rindex("(null")])
    assert advice["sources"][0]["columns"]["Level"] == {"to": "schools.kind", "values": {"Hogwarts": "skip"}}


def test_a_list_whose_code_is_not_found_is_told_so_once_and_one_bare_line_answers() -> None:
    text = "Ref,School name,Level,Enrolment\n1,A,Primary,40\n2,B,Primary,50\n"
    assert {("key_wanted", "school_id")} == {(f.rule, f.column) for f in read(text).faults if f.severity == "error"}
    found = read(text, mapping={"sources": [{"known": True, "columns": {"Ref": "school_id"}}]})
    assert found.ok and set(found.tables) == {"schools", "school_years"}
    assert list(found.tables["school_years"]["pupils"]) == [40, 50]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_names_every_key_a_mapping_may_hold(root: Path, lang: str) -> None:
    schema = yaml.safe_load((root / "balance_lib/data/intake/mapping.schema.yaml").read_text("utf-8"))
    parts = [schema, schema["$defs"]["source"], schema["$defs"]["target"]["oneOf"][1]]
    page = (root / f"docs/own-county.{lang}.md").read_text("utf-8")
    page = page[page.index("{ #keys }") :]
    keys = {key for part in parts for key in part["properties"]}
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []


def test_the_dictionary_holds_only_columns_codes_and_words_that_agree() -> None:
    found = aliases.dictionary()
    for subject, headers in found["unclear"].items():
        for header, columns in headers.items():
            assert all(aliases.column(subject, column) for column in columns), header
    for column, words in found["unclear_values"].items():
        spec = aliases.column("school", column)
        known = aliases.codes(column, tuple(spec.choices.items()))
        for word, codes in words.items():
            assert len(codes) > 1 and set(codes) <= set(spec.choices), word
            assert aliases.key(word) not in known, f"{word} is clear and unclear"
