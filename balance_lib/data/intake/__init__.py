"""Bring returns in: official forms, our own workbook, free tables and places become canonical tables."""

from balance_lib.data.intake.folder import import_forms, recognise
from balance_lib.data.intake.forms import read_county_form, read_school_form
from balance_lib.data.intake.layout import write_county_form, write_school_form
from balance_lib.data.intake.result import Imported, merge
from balance_lib.data.intake.workbook import blank_workbook, county_workbook, read_workbook

__all__ = [
    "Imported",
    "blank_workbook",
    "county_workbook",
    "import_forms",
    "merge",
    "read_county_form",
    "read_school_form",
    "read_workbook",
    "recognise",
    "write_county_form",
    "write_school_form",
]
