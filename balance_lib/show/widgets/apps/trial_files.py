"""Keep, share, compare and hand out scenarios on the consolidation page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import ipywidgets as W  # noqa: N812

from balance_lib._errors import BalanceError, NotFoundError
from balance_lib.scenarios import Scenario
from balance_lib.show.widgets import trial_views, views
from balance_lib.show.widgets.apps.page import block, heading
from balance_lib.show.widgets.apps.trial_host import TrialHost
from balance_lib.show.widgets.apps.written import WrittenFiles, _brief_button
from balance_lib.show.widgets.markup import part, render

if TYPE_CHECKING:
    from balance_lib.office.store import SavedScenario, Store

CURRENT = ""
TABLES = ("moves", "affected", "schools", "costs", "coverage")


class Files(W.VBox):
    """Save the scenario under a name, open one, lay two side by side, and export what was found."""

    def __init__(self, page: TrialHost) -> None:
        self.page = page
        self.opened: SavedScenario | None = None
        wide = {"width": "min(100%, 420px)"}
        words = self.words
        self.name = W.Text(description=words("name"), layout=wide)
        self.author = W.Text(description=words("author"), layout=wide)
        self.save = W.Button(description=words("save"), button_style="success")
        self.save_as = W.Button(description=words("save_as"))
        self.link = W.HTML()
        self.list = W.Dropdown(description=words("saved"), layout=wide)
        self.fetch = W.Button(description=words("open"))
        self.columns = [W.Dropdown(description=words(f"compare_{n}"), layout=wide) for n in ("one", "other", "third")]
        self.one, self.other, self.third = self.columns
        self.lay = W.Button(description=words("compare"), button_style="info")
        self.side = W.HTML()
        self.tables = WrittenFiles(page, words("write_files"), self._write_tables)
        self.argument = WrittenFiles(page, words("argument"), self._write_argument)
        self.save.on_click(lambda _: page.on(self._save))
        self.save_as.on_click(lambda _: page.on(lambda: self._save(as_new=True)))
        self.fetch.on_click(lambda _: page.on(lambda: self.load(self.list.value)))
        self.lay.on_click(lambda _: page.on(self._lay_side_by_side))
        keep = self._panel(
            "keep", block(self.name, self.author, self.save, self.save_as), self.link, block(self.list, self.fetch)
        )
        self.maps = block(kind="bl-maps")
        lay = self._panel("compare_title", block(*self.columns, self.lay), self.maps, self.side)
        hand = self._panel("export_title", block(self.tables, self.argument, _brief_button(page, self._for_brief)))
        super().__init__([keep, lay, hand])
        self.add_class("bl-stack")

    def _panel(self, title: str, *parts: W.Widget) -> W.Widget:
        return block(heading(self.words(title)), *parts, kind="bl-panel bl-stack")

    def _for_brief(self) -> list[Scenario]:
        plan = self.page.plan
        assert plan is not None
        return [] if plan.scenario.is_empty else [plan.scenario]

    def words(self, key: str, **params: Any) -> str:
        """Return a text of this page."""
        return self.page.text(f"page.consolidation.{key}", **params)

    @property
    def store(self) -> Store:
        """Return where scenarios are kept."""
        from balance_lib.office.store import Store  # a page that saves nothing opens no database

        return Store.default()

    def load(self, address: str) -> None:
        """Open a saved scenario by its id, or an earlier version by ``ID.VERSION``; another county's is refused."""
        if not address:
            return
        plan = self.page.plan
        assert plan is not None
        if address.startswith("file:"):
            self.opened, (self.name.value, found) = None, self._scenario(address)
            self._take(found)
            return
        saved = self._saved(address)
        if saved.county_id != plan.county.county_id:
            raise BalanceError(self.words("other_county", county=saved.county_id))
        self.opened, self.name.value = saved, saved.name
        self._show_link(saved)
        self._take(Scenario.from_yaml(saved.yaml))

    def _saved(self, address: str) -> SavedScenario:
        found = re.fullmatch(r"(\w+)\.([0-9]{1,6})", address)
        return self.store.scenario(found[1], int(found[2])) if found else self.store.scenario(address)

    def _take(self, found: Scenario) -> None:
        assert self.page.plan is not None
        if found.year != self.page.plan.year:
            self.page.model.choose(year=found.year)
        self.page.take(found)

    def forget(self) -> None:
        """Take away the files of another outcome."""
        self.tables.forget()
        self.argument.forget()
        if not self.opened:
            self.link.value = part("muted", self.page.model.lang, self.words("unsaved"))

    def offer(self) -> None:
        """Offer the scenarios there are."""
        assert self.page.plan is not None
        listed = self.store.scenarios(self.page.plan.county.county_id)
        options = [
            (f"{r.name} · {r.author or '–'} · {str(r.changed_at)[:16]}", r.scenario_id) for r in listed.itertuples()
        ]
        options += [(f"{name} · {self.words('example')}", f"file:{name}") for name in self._examples()]
        for chooser, first in ((self.list, False), *((column, True) for column in self.columns)):
            chosen = chooser.value
            chooser.options = [(self.words("current"), CURRENT), *options] if first else options
            chooser.value = (
                chosen if chosen in [v for _, v in chooser.options] else next((v for _, v in chooser.options), None)
            )

    def _examples(self) -> dict[str, Any]:
        """Return the scenarios that lie in the county's folder, by name of file."""
        folder = self.page.model.library.folders().get(self.page.model.county_id)
        return {p.stem: p for p in sorted((folder / "scenarios").glob("*.yaml"))} if folder is not None else {}

    def _save(self, *, as_new: bool = False) -> None:
        """Save what is open; under another name, or on demand, as a scenario of its own.

        A scenario is changed by its author alone: its link has been passed round as the author's.
        """
        from balance_lib.office.store import Stamp, StoreError

        plan, opened = self.page.plan, self.opened
        assert plan is not None
        name, author = self.name.value.strip() or self.words("unnamed"), self.author.value.strip()
        known: dict[str, Any] = {}
        if opened is not None and name == opened.name and not as_new:
            if author and author != opened.author:
                raise StoreError("scenario_of", who=opened.author)
            known = {"scenario_id": opened.scenario_id, "version": opened.version}
        new = self.store.save_scenario(
            plan.scenario.to_yaml(), name=name, author=author, county_id=plan.county.county_id,
            stamp=Stamp.of(plan.county, plan.standard), **known,
        )  # fmt: skip
        self.opened = self.store.scenario(new)
        self._show_link(self.opened)
        self.offer()

    def _show_link(self, saved: SavedScenario) -> None:
        """Show the link to a scenario, and to every version it had."""
        told = self.store.history(subject_id=saved.scenario_id, kind="scenario").drop_duplicates("version")
        versions = []
        for row in told.itertuples():
            words = self.words("version", n=row.version, who=row.who, at=f"{row.at.astimezone():%Y-%m-%d %H:%M}")
            versions.append((self._address(f"{saved.scenario_id}.{row.version}"), words))
        address = self._address(saved.scenario_id)
        self.link.value = render("share", self.page.model.lang, address=address, versions=versions)

    def _address(self, scenario: str) -> str:
        return f"consolidation.ipynb?{self.page.model.query(scenario=scenario)}"

    def _scenario(self, chosen: str) -> tuple[str, Scenario]:
        plan = self.page.plan
        assert plan is not None
        if not chosen:
            return self.words("current"), plan.scenario
        if chosen.startswith("file:"):
            examples = self._examples()
            if chosen[5:] not in examples:
                raise NotFoundError("scenario", chosen, examples)
            return chosen[5:], Scenario.from_yaml(examples[chosen[5:]])
        saved = self._saved(chosen)
        return saved.name, Scenario.from_yaml(saved.yaml)

    def _lay_side_by_side(self) -> None:
        plan = self.page.plan
        assert plan is not None
        pairs = [(self.words("today"), plan.today())]
        for chosen in dict.fromkeys(column.value or CURRENT for column in self.columns):
            name, scenario = self._scenario(chosen)
            pairs.append((name, plan.outcome(scenario)))
        for old in self.maps.children:
            old.close()
        self.maps.children = [
            block(W.HTML(part("subheading", self.page.model.lang, name)), self.page.picture(found), kind="bl-stack")
            for name, found in pairs[1:]
        ]
        self.side.value = trial_views._compare(pairs, self.page.model.lang)

    def _write_tables(self) -> str:
        """Return links to the scenario and to every table of its outcome."""
        assert self.page.plan is not None
        found, lang = self.page.plan.outcome(), self.page.model.lang
        stem = f"{self.page.plan.county.county_id}-{found.scenario.year}-{found.scenario.digest}"
        plan = found.scenario.to_yaml().encode()
        links = [views.download(f"{stem}.yaml", plan, "text/yaml", self.words("export.yaml"))]
        for name in TABLES:
            content = trial_views._table_csv(found, name, lang)
            links.append(views.download(f"{stem}-{name}.csv", content, "text/csv", self.words(f"export.{name}")))
        return part("box", self.page.model.lang, links)

    def _write_argument(self) -> str:
        """Return a link to the argument paper."""
        from balance_lib.office import reports

        assert self.page.plan is not None
        found = self.page.plan.outcome()
        source = reports.ReportSource(found.changed, found.after, lang=self.page.model.lang, outcome=found)
        made = reports.make("argument", source)
        return views.download(made.name, made.content, made.mime, made.title)
