"""Say in a clerk's words what a county lacks for a page: what to add, where, and what works without it."""

from __future__ import annotations

import numpy as np

from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.show.widgets.markup import render
from balance_lib.show.widgets.models import PageModel

# What a page cannot do without: places of schools or villages, or who goes to which school.
NEEDS = {
    "overview": ("schools",), "access": ("schools", "villages"), "consolidation": ("schools", "villages", "attendance"),
}  # fmt: skip


@once_per_county
def _lacks(county: County, year: int) -> dict[str, int]:
    """Return what of places and attendance a county lacks wholly in a year, and how many rows wait for it.

    Returns
    -------
    dict of str to int
        ``schools``, ``villages``: how many stand without coordinates, where all of them do; ``attendance``: 0.
    """
    found = {}
    for name in ("schools", "villages"):
        rows = county.tables[name]
        if not np.isfinite(rows[["lon", "lat"]].to_numpy(dtype=float)).all(axis=1).any():
            found[name] = len(rows)
    if not (county.tables["attendance"]["year"] == year).any():
        found["attendance"] = 0
    return found


def _blocks(model: PageModel, page: str) -> bool:
    """Tell whether a page has nothing to show: neither who goes where nor where any school lies is known."""
    return page == "consolidation" and set(NEEDS[page]) <= set(_lacks(model.county, model.year))


def _panel(model: PageModel, page: str) -> str:
    """Return what a page lacks of the county shown; empty where it lacks nothing.

    Returns
    -------
    str
        HTML.
    """
    found = _lacks(model.county, model.year) if page in NEEDS and model.year else {}
    shown = {name: n for name, n in found.items() if name in NEEDS[page]}
    if not shown or (page == "consolidation" and "schools" not in shown):
        return ""  # the page then says itself whether attendance is estimated, or counted at the schools
    sheets = {name: tables.table(name).label(model.lang) for name in shown}
    return render("lacking", model.lang, page=page, lacks=shown, sheets=sheets, href=f"data.ipynb?{model.query()}")
