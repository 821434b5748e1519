"""Lead the rectification ledger at a desk: see it, change an entry, attach evidence, close it, read its history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as W  # noqa: N812
from markupsafe import Markup

from balance_lib.locale import text
from balance_lib.office import workplan
from balance_lib.office.workplan import ACTIONS, LEDGER_STATES, Entry, ledger_counts
from balance_lib.show.widgets import ledger_views, register_views, views
from balance_lib.show.widgets.apps.page import block, heading, html, line
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.running import RunModel
from balance_lib.show.widgets.style import banner

WIDE = {"width": "min(100%, 720px)"}
ACCEPTED = ".pdf,.png,.jpg,.jpeg,.docx,.xlsx"
# A file travels inside the page; larger ones would make it slow for everybody.
LINK_BYTES = 4 * 1024 * 1024
STYLES = {"verify": "success", "reopen": "warning", "send_back": "warning"}
Guard = Callable[..., None]


class LedgerDesk(W.VBox):
    """Show a ledger and the form to lead it.

    Parameters
    ----------
    model : RunModel
    guarded : callable
        Runs a function and writes what was refused into the HTML widget given with it.
    """

    def __init__(self, model: RunModel, guarded: Guard) -> None:
        self.model, self._guarded = model, guarded
        self.seen: Entry | None = None
        self._filling = False
        self.told, self.listed, self.shown, self.trail, self.files = (html() for _ in range(5))
        super().__init__([self._top(), self.listed, self._form(), self.trail])

    def text(self, key: str, **params: Any) -> str:
        """Return a text in the page's language."""
        return text(key, self.model.lang, **params)

    def _top(self) -> W.Widget:
        self.who = W.Text(description=self.text("workplan.page.who"))
        states = [(self.text("workplan.page.all"), "")]
        states += [(self.text(f"workplan.state.{state}"), state) for state in LEDGER_STATES]
        self.state = W.Dropdown(options=states, description=self.text("workplan.page.state"))
        self.state.observe(lambda _: self._guarded(self.update, self.told), "value")
        fill = W.Button(description=self.text("workplan.page.fill"), button_style="info")
        check = W.Button(description=self.text("workplan.page.recheck"))
        reload = W.Button(description=self.text("workplan.page.reload"))
        fill.on_click(lambda _: self._guarded(self._fill, self.told))
        check.on_click(lambda _: self._guarded(self._recheck, self.told))
        reload.on_click(lambda _: self._guarded(self.model.renew, self.told))
        about = line(self.text("workplan.page.ledger_about"))
        box = W.VBox([about, block(self.who, self.state, fill, check, reload), self.told])
        box.add_class("bl-panel")
        return box

    def _form(self) -> W.Widget:
        self.chosen = W.Dropdown(description=self.text("workplan.page.entry_choice"), layout=WIDE)
        self.measure = W.Textarea(description=self.text("workplan.head.measure"), layout=WIDE)
        self.person = W.Text(description=self.text("workplan.head.person"), placeholder=self.text("workplan.page.post"))
        self.due = W.DatePicker(description=self.text("workplan.head.due"))
        self.note = W.Text(description=self.text("workplan.head.note"), layout=WIDE)
        self.buttons = {
            action: W.Button(description=self.text(f"workplan.action.{action}"), button_style=STYLES.get(action, ""))
            for action in ACTIONS
        }
        for action, button in self.buttons.items():
            button.on_click(lambda _, taken=action: self._guarded(lambda: self._act(taken), self.told))
        self.upload = W.FileUpload(accept=ACCEPTED, multiple=False, description=self.text("workplan.page.choose_file"))
        attach = W.Button(description=self.text("workplan.action.attach"))
        attach.on_click(lambda _: self._guarded(self._attach, self.told))
        self.chosen.observe(lambda _: None if self._filling else self._guarded(self._show_entry, self.told), "value")
        box = W.VBox(
            [heading(self.text("workplan.page.one")), self.chosen, self.shown, self.measure,
             block(self.person, self.due), self.note, block(*self.buttons.values()),
             block(self.upload, attach), line(self.text("workplan.page.evidence_about"), "muted"),
             self.files]
        )  # fmt: skip
        box.add_class("bl-panel")
        return box

    def update(self) -> None:
        """Show the ledger as it stands."""
        rows = self.model.ledger(self.state.value)
        content = ledger_views._ledger_table(rows, self.model.lang)
        title = self.text("workplan.page.ledger", n=len(rows), **ledger_counts(rows))
        self.listed.value = views.panel(title, content)
        columns = (rows[name] for name in ("state_word", "school", "code", "item", "stage_word"))
        facts = [" · ".join(each) for each in zip(*columns, strict=True)]
        options = [(workplan.harmless(fact, 90), entry) for fact, entry in zip(facts, rows["entry_id"], strict=True)]
        before = self.chosen.value
        known = {value for _, value in options}
        self._filling = True
        try:
            self.chosen.options = options
            self.chosen.value = before if before in known else next((v for _, v in options), None)
        finally:
            self._filling = False
        self._show_entry()

    def _show_entry(self) -> None:
        """Show one entry as it stands now: the version seen here is the one a change is held against."""
        chosen = self.chosen.value
        for button in self.buttons.values():
            button.disabled = chosen is None
        if chosen is None:
            self.seen, self.shown.value, self.files.value, self.trail.value = None, "", "", ""
            return
        lang = self.model.lang
        rows = self.model.ledger()
        row = rows[rows["entry_id"] == chosen].to_dict("records")[0]
        self.seen = self.model.saved.entry(chosen)
        self.shown.value = ledger_views._entry_html({**row, **vars(self.seen)}, lang)
        self.measure.value, self.person.value = self.seen.measure, self.seen.person
        self.due.value, self.note.value = self.seen.due, ""
        for action, button in self.buttons.items():
            button.disabled = not workplan.allowed(self.seen, action)
        history = self.model.saved.history(subject_id=chosen)
        table = ledger_views._history_table(history, self.model.standard, lang)
        self.trail.value = views.panel(self.text("workplan.page.history"), table)
        self.files.value = self._files(chosen)

    def _files(self, entry_id: str) -> Markup:
        found = self.model.saved.evidence(self.model.county.county_id, entry_id=entry_id)
        links = [
            _saved_file(row.name, self.model.saved.evidence_bytes(row.sha256))
            if row.size_bytes <= LINK_BYTES
            else part("too_large", self.model.lang, register_views._safe(row.name), row.sha256[:12])
            for row in found.itertuples()
        ]
        return part("box", self.model.lang, links) if links else Markup()

    def _fill(self) -> None:
        opened, already = self.model.open_ledger(self.who.value)
        self.told.value = banner(self.text("workplan.page.filled", opened=opened, already=already))

    def _recheck(self) -> None:
        done = self.model.recheck(self.who.value)
        counts = {
            name: int((done["action"] == name).sum()) for name in ("close_by_value", "reopen_by_value", "remeasure")
        }
        self.told.value = banner(self.text("workplan.page.rechecked", **counts))

    def _act(self, action: str) -> None:
        """Take a step with the entry as it was seen; what the form says is saved with it where it may be."""
        if self.seen is None:
            return
        seen = self.seen
        form = {"measure": self.measure.value, "person": self.person.value, "due": self.due.value}
        changes = {k: v for k, v in form.items() if v != getattr(seen, k)} if action != "reopen" else {}
        self.model.act(seen, action, who=self.who.value, note=self.note.value, **changes)
        self.model.renew()
        self.told.value = banner(self.text("workplan.page.acted", action=self.text(f"workplan.action.{action}")))

    def _attach(self) -> None:
        if self.seen is None or not self.upload.value:
            self.told.value = banner(self.text("workplan.page.no_file"), "error")
            return
        (given,) = self.upload.value
        sha = self.model.attach(self.seen, given["name"], bytes(given["content"]), who=self.who.value)
        self.upload.value = ()
        self.model.renew()
        name = workplan.harmless(given["name"], 80)
        self.told.value = banner(self.text("workplan.page.attached", name=name, sha=sha[:12]))


def _saved_file(name: str, content: bytes) -> Markup:
    """Return a link that saves a file of evidence; it never opens inside the page."""
    shown = workplan.harmless(name, register_views.NAME_MOST)
    return views.download(shown, content, "application/octet-stream", shown)
