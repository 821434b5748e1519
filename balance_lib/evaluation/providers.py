"""Fetch the measures that rooms above this one compute, by the names the standards give them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from balance_lib import standards
from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county

Measures = Mapping[tuple[str, str], Any]


def _measures(county: County, year: int, name: str) -> Measures:
    """Return the measures of whoever computes ``name``, by (name, stage); computed once for a county and year.

    ``standards/measures.yaml`` says which function that is. It is imported when it is first asked for: the rooms
    that measure import this one, which therefore knows them by name only.
    """
    spec = standards.measures().get(name)
    return {} if spec is None else _measured(county, year, spec["by"])


@once_per_county
def _measured(county: County, year: int, provider: str) -> Measures:
    module, _, function = provider.partition(":")
    found: Measures = getattr(import_module(module), function)(county, year)
    return found
