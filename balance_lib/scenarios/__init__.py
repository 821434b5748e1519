"""Try a layout of schools: close, keep, merge, open, and see who walks farther, what breaks and what it costs."""

from __future__ import annotations

from balance_lib.scenarios.faults import check, validate
from balance_lib.scenarios.operations import (
    Attach,
    Boarding,
    BusLine,
    Close,
    ConvertStage,
    Keep,
    Merge,
    Open,
    Operation,
    Resize,
    ToPoint,
)
from balance_lib.scenarios.result import Bookkeeping, BookkeepingError, Break, Outcome
from balance_lib.scenarios.run import apply, evaluate
from balance_lib.scenarios.scenario import Scenario
from balance_lib.scenarios.settings import (
    STEPS,
    Parents,
    Procedure,
    ProcedureStep,
    Settings,
    default,
    unit_costs,
)

__all__ = [
    "STEPS",
    "Attach",
    "Boarding",
    "Bookkeeping",
    "BookkeepingError",
    "Break",
    "BusLine",
    "Close",
    "ConvertStage",
    "Keep",
    "Merge",
    "Open",
    "Operation",
    "Outcome",
    "Parents",
    "Procedure",
    "ProcedureStep",
    "Resize",
    "Scenario",
    "Settings",
    "ToPoint",
    "apply",
    "check",
    "default",
    "evaluate",
    "unit_costs",
    "validate",
]
