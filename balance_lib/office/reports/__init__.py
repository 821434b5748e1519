"""Write official forms, lists and papers from results: XLSX and DOCX as an education bureau hands them in.

Every function takes results and returns the bytes of a finished file, the same for the same results and day; only
:func:`write` writes to disk. Nothing is judged here: what a paper says is what the evaluation found.
"""

from balance_lib.extras import need

need("office")  # before anything of it is imported

# isort: split
from balance_lib.office.reports.application import Application
from balance_lib.office.reports.application_book import read as read_forms
from balance_lib.office.reports.catalogue import KEYS, Made, ReportSource, keys, make, missing, title, write

__all__ = [
    "KEYS",
    "Application",
    "Made",
    "ReportSource",
    "keys",
    "make",
    "missing",
    "read_forms",
    "title",
    "write",
]
