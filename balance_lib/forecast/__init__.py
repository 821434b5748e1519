"""Bring counts forward: pupils by cohort, indicators against their lines, and the date a line is crossed."""

from __future__ import annotations

from balance_lib.forecast.enrolment import project
from balance_lib.forecast.indicators import PLACES, Paths, paths
from balance_lib.forecast.items import (
    GrowthRule,
    ItemPath,
    Steps,
    falls_every_year,
    growth_rules,
    item_path,
    line_by_date,
)
from balance_lib.forecast.path import Crossing, crossing, fit
from balance_lib.forecast.result import BackTest, Projection, whole
from balance_lib.forecast.settings import ProjectionSettings

__all__ = [
    "PLACES",
    "BackTest",
    "Crossing",
    "GrowthRule",
    "ItemPath",
    "Paths",
    "Projection",
    "ProjectionSettings",
    "Steps",
    "crossing",
    "falls_every_year",
    "fit",
    "growth_rules",
    "item_path",
    "line_by_date",
    "paths",
    "project",
    "whole",
]
