"""Let the office work: bring returns in, see every fault, see what is missing, record evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import ipywidgets as W  # noqa: N812
import pandas as pd
from markupsafe import Markup

from balance_lib import visitor
from balance_lib._errors import Fault
from balance_lib.data import check, tables
from balance_lib.data.county import CRS_NAMES, County
from balance_lib.data.intake import bring, workbook
from balance_lib.evaluation import UNDECIDED, suppression
from balance_lib.locale import text
from balance_lib.office.store import Stamp, Store, StoreError, folders, trail
from balance_lib.office.workplan import offices
from balance_lib.plain import as_csv
from balance_lib.show.widgets import views
from balance_lib.show.widgets.apps.page import Page, block, heading, html, line, tabs
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.style import banner, lamp

MOST_TOLD = 40
WIDE = {"width": "min(100%, 720px)"}


class Data(Page):
    """Show four parts: bring in, faults, what is missing and evidence, blank workbook."""

    name = "data"

    def build(self) -> None:
        """Make the four parts."""
        self._offered: tuple[str, int] | None = None
        self.who = W.Text(description=self.text("workplan.page.who"), layout=WIDE)
        self.faults, self.missing, self.trail, self.foot = (html() for _ in range(4))
        parts = [
            (self.text("page.data.bring"), self._upload()),
            (self.text("page.data.faults"), self.faults),
            (self.text("page.data.missing"), W.VBox([self._evidence(), self.missing, self.trail])),
            (self.text("page.data.workbook"), self._workbooks()),
        ]
        self.body.children = [self.who, tabs(parts), self.foot]

    def update(self) -> None:
        """Show the chosen county."""
        model, lang = self.model, self.model.lang
        found = model.evaluation
        self._seen = model.county.tables["evidence"]
        self.target.value = self.target.value or model.county_id
        if self._offered != (model.county_id, model.year):  # what the office typed itself stays
            self._offered, self.return_year.value = (model.county_id, model.year), model.year
        self.faults.value = _fault_table(check.check(model.county), f"{model.county_id}-faults.csv", lang)
        open_items = found.with_status(*UNDECIDED)
        rows = [
            [lamp(r.status, lang), part("coded", lang, r.item.code, r.item.label(lang)), r.reason.render(lang),
             offices(r.item.lead_unit, lang) or text("page.no_owner", lang)]
            for r in open_items
        ]  # fmt: skip
        heads = [self.text(f"page.head.{h}") for h in ("status", "item", "reason", "owner")]
        self.missing.value = views.panel(
            self.text("page.data.open"), views.table(heads, rows, empty=self.text("page.data.complete"))
        )
        evidence = [r for r in found.items if r.counts and r.item.measure and r.item.measure.stated_by == "evidence"]
        evidence = sorted(evidence, key=lambda r: r.status not in UNDECIDED)  # what waits comes first
        chosen, codes = self.item.value, [r.item.code for r in evidence]
        self.item.options = [
            (f"{views.mark(r.status)} {r.item.code} {r.item.label(lang)}", r.item.code) for r in evidence
        ]
        self.item.value = chosen if chosen in codes else next(iter(codes), None)
        self.foot.value = views.provenance(found, lang)
        self.filled.value = self._filled()
        self._show_trail()

    def without_county(self) -> None:
        """Show what is wrong with the folder: a new return may mend it."""
        self.target.value = self.target.value or self.model.county_id
        _, faults = check.check_folder(self.model.library.folders()[self.model.county_id])
        self.faults.value = _fault_table(
            suppression.told_faults(faults), f"{self.model.county_id}-faults.csv", self.model.lang
        )
        self.missing.value = self.trail.value = self.foot.value = self.filled.value = ""
        self.item.options = []

    def _show_trail(self) -> None:
        """Show who brought returns in and who recorded findings, newest first."""
        try:
            rows = Store.default().history(self.model.county.county_id)
        except StoreError as error:
            self.trail.value = banner(error.message(self.model.lang), "error")
            return
        rows = rows[rows["subject"].isin(("finding", "county"))].iloc[::-1][:MOST_TOLD]
        lang = self.model.lang
        heads = [self.text(f"workplan.head.{name}") for name in ("at", "who", "action", "note", "field", "after_value")]
        body = [
            [f"{r.at.astimezone():%Y-%m-%d %H:%M}", r.who, self.text(f"page.data.did.{r.action}"), r.note,
             _field(r.subject, r.field, lang), _value(r.field, r.after, lang)]
            for r in rows.itertuples()
        ]  # fmt: skip
        shown = views.table(heads, body, empty=self.text("page.data.nobody"))
        self.trail.value = views.panel(self.text("page.data.trail"), shown)

    # Bringing in -----------------------------------------------------------------------------------------------

    def _upload(self) -> W.Widget:
        self.files = W.FileUpload(accept=bring.ACCEPTED, multiple=True, description=self.text("page.data.choose_files"))
        self.target = W.Text(self.model.county_id, description=self.text("page.data.folder"), layout=WIDE)
        self.target_name = W.Text("", description=self.text("page.data.county_name"), layout=WIDE)
        self.return_year = W.IntText(date.today().year, description=self.text("page.choose.year"))
        systems = [(self.text("page.data.crs_unknown"), "")] + [(name, name) for name in CRS_NAMES]
        self.crs = W.Dropdown(options=systems, description=self.text("page.data.crs"))
        self.accept = W.Checkbox(False, description=self.text("page.data.accept_valid"), indent=False, layout=WIDE)
        self.look = W.Button(description=self.text("page.data.look"), button_style="info")
        self.save = W.Button(description=self.text("page.data.save"), button_style="success", disabled=True)
        self.told = html()
        self.look.on_click(lambda _: self._guarded(lambda: self._bring(dry_run=True)))
        self.save.on_click(lambda _: self._guarded(lambda: self._bring(dry_run=False)))
        for control in (self.files, self.target, self.return_year, self.crs, self.accept):
            control.observe(lambda _: setattr(self.save, "disabled", True), "value")
        about = line(self.text("page.data.bring_about"))
        box = W.VBox(
            [about, self.files, self.target, self.target_name, block(self.return_year, self.crs), self.accept,
             block(self.look, self.save), self.told]
        )  # fmt: skip
        box.add_class("bl-panel")
        return box

    def _bring(self, *, dry_run: bool) -> None:
        """Read what was uploaded; write it only on the second button, and only when it is sound."""
        uploaded = {f["name"]: bytes(f["content"]) for f in self.files.value}
        if not uploaded:
            self.told.value = banner(self.text("page.data.no_files"), "error")
            return
        name = self.target.value.strip()
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
            self.told.value = banner(self.text("page.data.bad_folder"), "error")
            return
        mapping = next((content for n, content in uploaded.items() if n.endswith((".yaml", ".yml"))), None)
        library = self.model.library
        standing = library.folders().get(name, library.roots[0] / name)
        into = standing if dry_run else library.writable(name)
        if not dry_run:
            trail.name_of(self.who.value)

        def keep(county: County, rows: Mapping[str, int]) -> None:
            folders.keep_import(
                Store.default(), county, into, rows=rows, files=list(uploaded), who=self.who.value,
                stamp=Stamp.of(county),
            )  # fmt: skip

        done = bring.bring_in(
            {n: c for n, c in uploaded.items() if not n.endswith((".yaml", ".yml"))},
            into,
            mapping=None if mapping is None else bring.mapping_of(mapping),
            year=self.return_year.value,
            crs=self.crs.value or None,
            name=self.target_name.value.strip() or None,
            accept_valid=self.accept.value,
            dry_run=dry_run,
            save=keep,
        )
        self.told.value = self._report(done, dry_run)
        self.save.disabled = not (dry_run and done.county is not None)
        if done.written:
            self._show_new(name)

    def _show_new(self, name: str) -> None:
        options = [(v, k) for k, v in self.model.library.names(self.model.lang).items()]
        self.county.options = options
        self.model.choose(county=name)
        self.model.refresh()

    def _report(self, done: bring.Brought, dry_run: bool) -> Markup:
        lang = self.model.lang
        key = "written" if done.written else "ready" if dry_run and done.county is not None else "refused"
        head = banner(self.text(f"page.data.{key}"), "note" if key != "refused" else "error")
        rows = [[tables.table(t).label(lang), n] for t, n in done.rows.items()]
        what = views.table([self.text("page.head.table"), self.text("page.head.rows")], rows, numeric=[1])
        dropped = self.text("page.data.dropped", names="、".join(done.dropped)) if done.dropped else ""
        return head + what + part("line", lang, dropped) + _fault_table(done.faults, "import-faults.csv", lang)

    # Evidence --------------------------------------------------------------------------------------------------

    def _evidence(self) -> W.Widget:
        spec = tables.table("evidence").columns
        lang = self.model.lang
        choices = spec["finding"].choices or {}
        words = [(word if lang == "zh" else key, key) for key, word in choices.items()]
        self.item = W.Dropdown(description=self.text("page.head.item"), layout=WIDE)
        self.finding = W.ToggleButtons(options=words, description=spec["finding"].label(lang))
        self.document = W.Text(description=spec["document"].label(lang), layout=WIDE)
        self.unit = W.Text(description=spec["unit"].label(lang), layout=WIDE)
        self.record = W.Button(description=self.text("page.data.record"), button_style="success")
        self.recorded = html()
        self.record.on_click(lambda _: self._guarded(self._record))
        about = heading(self.text("page.data.evidence"), self.text("page.data.evidence_about"))
        box = W.VBox([about, self.item, self.finding, self.document, self.unit, self.record, self.recorded])
        box.add_class("bl-panel")
        return box

    def _record(self) -> None:
        """Write one finding; an earlier one of the same item and year is replaced, and that is said."""
        if not self.document.value.strip() or not self.item.value:
            self.recorded.value = banner(self.text("page.data.document_needed"), "error")
            return
        model = self.model
        row = {
            "standard": model.standard_id,
            "item_id": self.item.value,
            "year": model.year,
            "finding": self.finding.value,
            "document": trail.bounded(self.document.value),
            "unit": trail.bounded(self.unit.value) or None,
            "recorded_on": date.today().isoformat(),
        }
        stamp = Stamp.of(model.county, model.standard)
        trail.name_of(self.who.value)  # before a demonstration county is copied for this
        folder = model.library.writable(model.county_id)
        known = folders.record_finding(Store.default(), folder, row, seen=self._seen, who=self.who.value, stamp=stamp)
        key = "page.data.replaced" if known else "page.data.recorded"
        self.recorded.value = banner(self.text(key, code=self.item.value, document=row["document"]))
        model.refresh()

    # Workbooks -------------------------------------------------------------------------------------------------

    def _workbooks(self) -> W.Widget:
        lang = self.model.lang
        blank = views.download(
            "balance-workbook.xlsx", workbook.blank_workbook(lang), XLSX, self.text("page.export.workbook")
        )
        self.filled = html()
        about = html(part("lines", lang, [self.text("page.data.workbook_about"), blank]))
        box = W.VBox([about, self.filled])
        box.add_class("bl-panel")
        return box

    def _filled(self) -> str:
        county, lang = self.model.county, self.model.lang
        # A big county's workbook is made on demand only: it would make every page load wait.
        rows = sum(len(frame) for frame in county.tables.values())
        if rows > 30_000:
            return ""
        seen = suppression.suppressed(county) if visitor.only_looks() else None
        content = workbook.county_workbook(county, lang, seen=seen)
        return views.download(f"{county.county_id}.xlsx", content, XLSX, self.text("page.export.county_workbook"))


def _field(subject: str, field: str, lang: str) -> str:
    """Return what a row of the trail is about: a table brought in, or a part of a finding."""
    return (tables.table("evidence").columns[field] if subject == "finding" else tables.table(field)).label(lang)


def _value(field: str, value: str, lang: str) -> str:
    choices = tables.table("evidence").columns["finding"].choices or {}
    return choices.get(value, value) if field == "finding" and lang == "zh" else value


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _fault_table(faults: Sequence[Fault], name: str, lang: str, most: int = 300) -> Markup:
    """Return every fault as a table, worst first, with the whole list to download."""
    ordered = sorted(suppression.told_faults(faults), key=lambda f: (f.severity != "error", f.file, f.row or 0))
    rows: list[dict[str, Any]] = [fault.as_dict(lang) for fault in ordered]
    columns = ("severity", "file", "row", "column", "found", "expected", "hint")
    heads = [text(f"page.fault.{c}", lang) for c in columns]
    body = [
        [lamp("not_met" if r["severity"] == "error" else "evidence", lang, text(f"cli.{r['severity']}", lang))]
        + ["–" if r[c] is None else str(r[c]) for c in columns[1:]]
        for r in rows[:most]
    ]
    errors = sum(f.severity == "error" for f in faults)
    summary = text("cli.checked", lang, errors=errors, warnings=len(faults) - errors)
    words = [{**r, "severity": text(f"cli.{r['severity']}", lang)} for r in rows]
    listing = as_csv(pd.DataFrame(words, columns=list(columns)).set_axis(heads, axis=1))
    link = views.download(name, listing, "text/csv", text("page.export.faults", lang))
    table = views.table(heads, body, numeric=[2], empty=text("page.data.no_faults", lang))
    return views.panel(summary, table + (link if rows else ""))
