"""Find the compulsory stages that open schools do not report: what is missing is missing, never nought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.tables.kinds import STAGES_OF, THROUGH
from balance_lib.standards import STAGES


def _unreported(rows: pd.DataFrame, schools: pd.DataFrame) -> pd.DataFrame:
    """Return an empty row for every compulsory stage that an open school does not report in a year of the county.

    A school is open from ``opened_year`` (else the year it was founded, else always) until ``closed_year``; where the
    two contradict each other they say nothing. Its kind is that of the year next to the missing one.

    ``rows``: a county's ``school_years``. ``schools``: its ``schools``.
    """
    compulsory = rows["stage"].isin(STAGES).to_numpy()
    school, year, stage, kind = (rows[name].to_numpy(dtype=object) for name in ("school_id", "year", "stage", "kind"))
    told: dict[Any, dict[Any, tuple[Any, set[Any]]]] = {}
    for s, y, w, k, counts in zip(school, year, stage, kind, compulsory, strict=True):
        _, stages = told.setdefault(s, {}).setdefault(y, (k, set()))
        if counts:
            stages.add(w)
    every = sorted(set(year))
    out: list[tuple[Any, ...]] = []
    for at, (s, opened, closed, own) in enumerate(_open_schools(schools)):
        mine = told.get(s, {})
        for y in every:
            if y not in mine and not opened <= y < closed:
                continue
            k, there = mine.get(y) or (_kind_near(mine, y, own), set())
            out += [(at, y, k, w) for w in _lacks(k, there, mine)]
    if not out:
        return rows.iloc[:0]
    places, years, kinds, stages_of = zip(*out, strict=True)
    blank = schools.iloc[list(places)].assign(year=years, kind=kinds, stage=stages_of)
    return blank.reindex(columns=rows.columns)


def _open_schools(schools: pd.DataFrame) -> Iterator[tuple[Any, float, float, Any]]:
    """Yield each school with the first and the end of the years it is open, and its kind."""
    blank = pd.Series(np.nan, index=schools.index)
    opened, founded, closed = (
        schools.get(n, blank).astype(float) for n in ("opened_year", "founded_year", "closed_year")
    )
    first = opened.fillna(founded).fillna(-np.inf)
    end = closed.fillna(np.inf)
    first, end = first.mask(end <= first, np.inf), end.mask(end <= first, -np.inf)
    yield from zip(schools["school_id"], first, end, schools["kind"], strict=True)


def _kind_near(told: Mapping[Any, tuple[Any, set[Any]]], year: Any, own: Any) -> Any:
    """Return the kind a school had in the last year before one, else in the first after it."""
    before, after = [y for y in told if y < year], [y for y in told if y > year]
    return told[max(before)][0] if before else told[min(after)][0] if after else own


def _lacks(kind: Any, there: set[Any], told: Mapping[Any, tuple[Any, set[Any]]]) -> list[str]:
    """Return the compulsory stages a school of a kind must report and does not."""
    if kind in THROUGH:
        return [w for w in STAGES_OF[kind] if w in STAGES and w not in there]
    if kind == "special":  # it teaches the stages it reports in other years
        usual = {w for _, stages in told.values() for w in stages} or {"primary"}
        return sorted(usual - there) if len(told) > 1 or not there else []
    return [] if there else [w for w in STAGES_OF.get(kind, ()) if w in STAGES]
