"""Hold what the page of gaps shows of the years to come, computed item by item as it is asked for; no widgets."""

from __future__ import annotations

from typing import Any

import pandas as pd

from balance_lib import forecast
from balance_lib.evaluation import SHORT, Evaluation, ItemResult
from balance_lib.forecast import ItemPath, Projection, ProjectionSettings
from balance_lib.locale import Message, text
from balance_lib.show.plots.trends import Panel
from balance_lib.show.widgets import views
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.names import school_names
from balance_lib.standards import STAGES

PANELS = 9  # figures side by side at once: three rows of three fill a screen
AHEAD = 10
LAMP_OF = {"met": "met", "crosses": "not_due", "late": "not_met", "falls": "evidence", "not_before": "not_met"}


class Outlook:
    """Answer what the page asks about the future of the county, year and standard its model shows."""

    def __init__(self, model: PageModel) -> None:
        self.model = model
        self._key: tuple[Any, ...] = ()
        self._found: dict[str, ItemPath] = {}

    def _fresh(self) -> None:
        key = (self.model.county.hash, self.model.standard_id, self.model.year)
        if key != self._key:
            self._key, self._found = key, {}

    @property
    def to(self) -> int:
        """Return the last year looked at: ten years on."""
        return self.model.year + AHEAD

    def numeric(self) -> list[ItemResult]:
        """Return the required findings that have a line, the most pressing first."""
        found = [r for r in self.model.evaluation.items if r.counts and r.threshold == r.threshold]
        return sorted(found, key=lambda r: views.ORDER.index(r.status))

    def open_items(self) -> list[ItemResult]:
        """Return those not met, or not due and not met."""
        return [r for r in self.numeric() if r.status in SHORT]

    def item(self, code: str) -> ItemPath:
        """Return an item's path from the year shown on, computed once."""
        self._fresh()
        if code not in self._found:
            item = self.model.standard.item(code)
            to = self.model.year + 5
            if item.due is not None:
                to = min(max(to, item.due.year), self.model.year + 2 * AHEAD)
            self._found[code] = forecast.item_path(
                self.model.county,
                self.model.standard,
                code,
                year=self.model.year,
                to=to,
                history=self.model.history_of(code),
            )
        return self._found[code]

    def panel(self, result: ItemResult) -> Panel:
        """Return what is drawn of an item."""
        found, lang = self.item(result.item.code), self.model.lang
        status = state(found)
        return Panel(
            title=f"{result.item.code} {result.item.label(lang)}",
            rows=found.rows,
            status=LAMP_OF.get(status, result.status if result.status != "not_applicable" else "no_data"),
            word=word(found).render(lang),
            deadline=result.item.due,
            unit=views._unit_word(result.item, lang),
        )

    def paths(self, of: str, stage: str, indicator: str) -> forecast.Paths:
        """Return the paths of one indicator by school, township or county.

        Parameters
        ----------
        of : str
            Whose figures: ``school``, ``township`` or ``county``.
        stage : {"primary", "junior"}
        indicator : str
        """
        model = self.model
        return forecast.paths(
            model.county, model.standard, of=of, stage=stage, indicator=indicator, year=model.year, to=self.to
        )

    def _place_panels(self, found: forecast.Paths, indicator: str) -> list[Panel]:
        """Return what is drawn of the places that are worst off: those not in time first, the largest gap first."""
        lang, names = self.model.lang, self.names()
        spec = self.model.standard.indicators[indicator]
        last = found.rows[~found.rows["projected"]].groupby("id")["gap"].last()
        order = {"not_before": 0, "crosses": 1, "falls": 2, "met": 3, "no_data": 4}
        rows = found.crossings.assign(gap=found.crossings["id"].map(last))
        rows = rows[rows["status"] != "no_data"]
        rows = rows.assign(rank=rows["status"].map(order)).sort_values(["rank", "gap"], kind="stable").head(PANELS)
        return [
            Panel(
                title=names.get(row.id, row.id),
                rows=found.rows[found.rows["id"] == row.id],
                status=LAMP_OF.get(row.status, "no_data"),
                word=_word(row.status, row.year, self.to).render(lang),
                unit=spec.unit,
            )
            for row in rows.itertuples()
        ]

    def names(self) -> dict[str, str]:
        """Return the names of schools, townships and the county by id; a township's id is its Chinese name."""
        county, lang = self.model.county, self.model.lang
        towns = county.townships_en if lang == "en" else {}
        return {**school_names(county, lang), **towns, county.county_id: county.name(lang)}

    def projection(self, settings: ProjectionSettings) -> Projection:
        """Return the pupils to come from the year shown on, to 2035 or ten years on."""
        return forecast.project(self.model.county, max(2035, self.to) if self.model.year > 2010 else self.to,
                              year=self.model.year, settings=settings)  # fmt: skip

    def counted(self) -> pd.DataFrame:
        """Return the county's counted pupils by year and stage; a year in which a school lacks them has none."""
        rows = self.model.county.tables["school_years"]
        rows = rows[rows["stage"].isin(STAGES) & (rows["year"] <= self.model.year)]
        sums = rows.groupby(["year", "stage"])["pupils"].agg(lambda values: values.sum(skipna=False))
        return sums.reset_index().dropna()


def state(found: ItemPath) -> str:
    """Return the state of a path: met, falls, crosses, late (it crosses after the deadline), not_before or no_data."""
    status = found.crossing.status
    due = found.due_year
    if status == "crosses" and due is not None and found.crossing.year > due:
        return "late"
    return status


def word(found: ItemPath) -> Message:
    """Return the verdict on a path in a few words, with the year."""
    status, ahead = state(found), found.rows[found.rows["projected"]]
    to = int(ahead["year"].max()) if len(ahead) else 0
    if status == "no_data":
        last = found.rows.dropna(subset=["value"]).tail(1)
        now = "no_data" if last.empty else str(last["status"].iloc[0])
        name = "missed" if found.crossing.reason.key == "trends.cross.missed" else "now"
        return Message(f"trends.word.{name}", {"status": Message(f"status.{now}")})
    return _word(status, found.crossing.year, to)


def _word(status: str, year: float, to: int) -> Message:
    return Message(f"trends.word.{status}", {"year": int(year) if year == year else 0, "to": to})


def _summary(found: Evaluation, paths: list[ItemPath], lang: str) -> str:
    """Say in one sentence how the open items stand."""
    states = [state(path) for path in paths]
    if not paths:
        lined = [r.status for r in found.items if r.counts and r.threshold == r.threshold]
        n, met = lined.count("no_data"), lined.count("met")
        key = "unknown" if n else "nothing_open"
        return text(f"trends.page.{key}", lang, year=found.year, n=n, met=met)
    told = [(name, states.count(name)) for name in ("crosses", "late", "not_before", "no_data")]
    parts = [text(f"trends.page.part.{name}", lang, n=n) for name, n in told if n]
    return text("trends.page.summary", lang, n=len(paths), parts=("，" if lang == "zh" else ", ").join(parts))
