"""Write into one journal at a desk: a row chosen or new, or a whole table brought in; every fault is told at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as W  # noqa: N812

from balance_lib._errors import DataError
from balance_lib.locale import text
from balance_lib.office import workplan
from balance_lib.office.store import role
from balance_lib.office.workplan import JOURNALS, PlaceFinder
from balance_lib.plain import as_csv
from balance_lib.show.widgets import journal_views, views
from balance_lib.show.widgets.apps.page import block, heading, html, line
from balance_lib.show.widgets.running import RunModel
from balance_lib.show.widgets.style import banner

WIDE = {"width": "min(100%, 720px)"}
NAMED = {"width": "min(100%, 380px)"}
ACCEPTED = ".csv,.xlsx"
Guard = Callable[..., None]
NEW = ""


class JournalForm(W.VBox):
    """Show the form of one journal; whoever opened the page for looking only sees that nothing can be entered.

    Parameters
    ----------
    model : RunModel
    name : str
        One of ``workplan.JOURNALS``.
    guarded : callable
        Runs a function and writes what was refused into the HTML widget given with it.
    """

    def __init__(self, model: RunModel, name: str, guarded: Guard) -> None:
        self.model, self.journal, self._guarded = model, JOURNALS[name], guarded
        self.seen: Mapping[str, Any] | None = None
        self._filling = False
        self.told = html()
        super().__init__(self._parts() if role.may_write() else [self._looking()])
        self.add_class("bl-panel")

    def text(self, key: str, **params: Any) -> str:
        """Return a text in the page's language."""
        return text(key, self.model.lang, **params)

    def _looking(self) -> W.Widget:
        return heading(self.journal.title(self.model.lang), self.text("journal.page.looking"))

    def _parts(self) -> list[W.Widget]:
        lang, name = self.model.lang, self.journal.name
        self.row = W.Dropdown(options=[(self.text("journal.page.new"), NEW)], layout=WIDE,
                              description=self.text("journal.page.row"))  # fmt: skip
        self.row.observe(lambda _: None if self._filling else self._guarded(self.show_row, self.told), "value")
        self.inputs = {column.name: self._input(column.kind, column) for column in self.journal.columns}
        if "entry_id" in self.inputs:
            self.inputs["place"].observe(lambda _: self._offer_entries(), "value")
        self.who = W.Text(description=self.text("workplan.page.who"))
        save = W.Button(description=self.text("journal.page.save"), button_style="success")
        self.off = W.Button(description=self.text("journal.page.remove"), button_style="warning")
        save.on_click(lambda _: self._guarded(self.save, self.told))
        self.off.on_click(lambda _: self._guarded(self.take_off, self.told))
        self.upload = W.FileUpload(accept=ACCEPTED, multiple=False, description=self.text("journal.page.choose"))
        take = W.Button(description=self.text("journal.page.take"))
        take.on_click(lambda _: self._guarded(self.take_in, self.told))
        blank = as_csv(workplan.blank(self.journal, lang))
        link = views.download(f"{name}.csv", blank, "text/csv", self.text("journal.page.template"))
        about = heading(self.journal.title(lang), self.text(f"journal.about.{name}"))
        short = [w for c, w in zip(self.journal.columns, self.inputs.values(), strict=True) if c.kind != "text"]
        long = [w for c, w in zip(self.journal.columns, self.inputs.values(), strict=True) if c.kind == "text"]
        return [
            about, self.row, block(*short), *long, block(self.who, save, self.off), self.told,
            line(self.text("journal.page.import_about"), "muted"),
            block(self.upload, take, html(link)),
        ]  # fmt: skip

    def _input(self, kind: str, column: Any) -> W.Widget:
        label = column.label(self.model.lang) + (" *" if column.required else "")
        if kind == "day":
            return W.DatePicker(description=label)
        if kind in ("place", "entry"):
            return W.Dropdown(options=[("–", "")], value="", description=label, layout=NAMED)
        if kind == "text":
            return W.Textarea(description=label, layout=WIDE)
        if column.name in ("department", "reporter"):
            return W.Combobox(description=label, ensure_option=False, layout=NAMED)
        return W.Text(description=label, layout=NAMED if column.kind == "name" else {})

    def update(self) -> None:
        """Show what stands in the journal; the row that was chosen stays chosen."""
        if not role.may_write():
            return
        rows = self.model.journal(self.journal.name)
        shown = workplan.named(rows, self.model.county) if "place" in rows else rows
        options = [(journal_views._option(r, self.journal.key_fields), r["row_id"]) for r in shown.to_dict("records")]
        before = self.row.value
        self._filling = True
        try:
            if "place" in self.inputs:
                places = [("–", ""), *PlaceFinder(self.model.county).options()]
                if self.inputs["place"].options != tuple(places):
                    self.inputs["place"].options = places
            for name in {"department", "reporter"} & set(self.inputs):
                self.inputs[name].options = self.model.units_known
            self.row.options = [(self.text("journal.page.new"), NEW), *options]
            self.row.value = before if before in {value for _, value in options} else NEW
        finally:
            self._filling = False
        self.show_row()

    def show_row(self) -> None:
        """Fill the form with the row chosen: the version seen here is the one a change is held against."""
        rows = self.model.journal(self.journal.name)
        found = rows[rows["row_id"] == self.row.value].to_dict("records")
        self.seen = found[0] if found else None
        self.off.disabled = self.seen is None
        for column in self.journal.columns:
            value = None if self.seen is None else self.seen[column.name]
            self._fill(column.name, column.kind, None if value is None or value != value else value)

    def _fill(self, name: str, kind: str, value: Any) -> None:
        control = self.inputs[name]
        if kind == "day":
            control.value = value
        elif kind in ("place", "entry"):
            if kind == "entry":
                self._offer_entries()
            if value and value not in [v for _, v in control.options]:
                control.options = [*control.options, (str(value), value)]  # a school that is no longer in the county
            control.value = value or ""
        else:
            control.value = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    def _offer_entries(self) -> None:
        """Offer the ledger's entries of the place chosen."""
        control, kept = self.inputs["entry_id"], self.inputs["entry_id"].value
        options = [("–", ""), *self.model.entries_of(self.inputs["place"].value or "")]
        if control.options != tuple(options):
            control.options = options
            control.value = kept if kept in [value for _, value in options] else ""

    def save(self) -> None:
        """Write the form as a new row, or as a change of the row as it was seen."""
        given = {name: control.value for name, control in self.inputs.items()}
        clean, faults = workplan.check_row(
            self.journal, given, PlaceFinder(self.model.county), file=self.journal.title(self.model.lang),
            lang=self.model.lang,
        )  # fmt: skip
        try:
            if faults:
                raise DataError(faults)
            new = self.model.write_journal(self.journal.name, clean, who=self.who.value, seen=self.seen)
        except DataError as error:
            self._tell(error.faults)
            return
        self.update()
        self.row.value = new if self.seen is not None else NEW
        self.told.value = banner(self.text("journal.page.saved", journal=self.journal.title(self.model.lang)))

    def take_off(self) -> None:
        """Take the row chosen off the list, as it was seen."""
        if self.seen is not None:
            self.model.remove_from_journal(self.journal.name, self.seen, who=self.who.value)
            self.told.value = banner(self.text("journal.page.removed", journal=self.journal.title(self.model.lang)))

    def take_in(self) -> None:
        """Bring a table in, all of it or nothing."""
        if not self.upload.value:
            self.told.value = banner(self.text("journal.page.no_file"), "error")
            return
        (given,) = self.upload.value
        self.upload.value = ()
        try:
            counts = self.model.take_into_journal(
                self.journal.name, given["name"], bytes(given["content"]), who=self.who.value
            )
        except DataError as error:
            self._tell(error.faults)
            return
        names = dict(zip(("new", "changed", "same"), counts, strict=True))
        title = self.journal.title(self.model.lang)
        self.told.value = banner(self.text("journal.page.taken", journal=title, **names))

    def _tell(self, faults: Any) -> None:
        from balance_lib.show.widgets.apps.data import _fault_table

        self.told.value = _fault_table(faults, f"{self.journal.name}-faults.csv", self.model.lang)
