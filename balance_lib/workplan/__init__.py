"""Run a plan: its register of tasks and stages on any day, the schedule counted back, the problem list, the ledger."""

from __future__ import annotations

from balance_lib.workplan.achievements import achievements, groups, townships
from balance_lib.workplan.curve import curve
from balance_lib.workplan.harmless import csv_cell, harmless
from balance_lib.workplan.ledger import (
    ACTIONS,
    EDITABLE,
    ENTRY_FIELDS,
    LEDGER_STATES,
    Entry,
    LifeCycleError,
    Step,
    act,
    allowed,
    ledger_table,
    recheck,
)
from balance_lib.workplan.of_county import curve_of, judged, register_of, year_of
from balance_lib.workplan.problems import problem_list
from balance_lib.workplan.register import STATUSES, Register, register
from balance_lib.workplan.schedule import lead_times, schedule
from balance_lib.workplan.stages import Stage, stage_on, stages
from balance_lib.workplan.tasks import Task, tasks, units_of
from balance_lib.workplan.units import shares
from balance_lib.workplan.works import Programme, programme, required_by

__all__ = [
    "ACTIONS",
    "EDITABLE",
    "ENTRY_FIELDS",
    "LEDGER_STATES",
    "STATUSES",
    "Entry",
    "LifeCycleError",
    "Programme",
    "Register",
    "Stage",
    "Step",
    "Task",
    "achievements",
    "act",
    "allowed",
    "csv_cell",
    "curve",
    "curve_of",
    "groups",
    "harmless",
    "judged",
    "lead_times",
    "ledger_table",
    "problem_list",
    "programme",
    "recheck",
    "register",
    "register_of",
    "required_by",
    "schedule",
    "shares",
    "stage_on",
    "stages",
    "tasks",
    "townships",
    "units_of",
    "year_of",
]
