"""Run a plan: its register of tasks and stages on any day, the schedule counted back, the problem list, the ledger."""

from __future__ import annotations

from balance_lib.office.workplan.achievements import achievements, by_year_words, groups, pilots, townships
from balance_lib.office.workplan.curve import curve
from balance_lib.office.workplan.journals import (
    JOURNALS,
    Journal,
    PlaceFinder,
    blank,
    check_row,
    named,
    read_table,
)
from balance_lib.office.workplan.ledger import (
    ACTIONS,
    ENTRY_FIELDS,
    LEDGER_STATES,
    Entry,
    LifeCycleError,
    act,
    allowed,
    decimals_of,
    ledger_counts,
    ledger_table,
    recheck,
    trail_words,
)
from balance_lib.office.workplan.of_county import curve_of, judged, register_of, year_of
from balance_lib.office.workplan.offices import Offices
from balance_lib.office.workplan.places import pilots_against_rest, place_curve, place_table, report_table, works_table
from balance_lib.office.workplan.problems import problem_list
from balance_lib.office.workplan.register import STATUSES, Register, register
from balance_lib.office.workplan.schedule import schedule
from balance_lib.office.workplan.stages import Stage, stages
from balance_lib.office.workplan.tasks import Task, offices, tasks, units_of
from balance_lib.office.workplan.units import shares
from balance_lib.office.workplan.visits import pair_table
from balance_lib.office.workplan.works import Programme, programme, required_by
from balance_lib.plain import csv_cell, harmless

__all__ = [
    "ACTIONS",
    "ENTRY_FIELDS",
    "JOURNALS",
    "LEDGER_STATES",
    "STATUSES",
    "Entry",
    "Journal",
    "LifeCycleError",
    "Offices",
    "PlaceFinder",
    "Programme",
    "Register",
    "Stage",
    "Task",
    "achievements",
    "act",
    "allowed",
    "blank",
    "by_year_words",
    "check_row",
    "csv_cell",
    "curve",
    "curve_of",
    "decimals_of",
    "groups",
    "harmless",
    "judged",
    "ledger_counts",
    "ledger_table",
    "named",
    "offices",
    "pair_table",
    "pilots",
    "pilots_against_rest",
    "place_curve",
    "place_table",
    "problem_list",
    "programme",
    "read_table",
    "recheck",
    "register",
    "register_of",
    "report_table",
    "required_by",
    "schedule",
    "shares",
    "stages",
    "tasks",
    "townships",
    "trail_words",
    "units_of",
    "works_table",
    "year_of",
]
