"""Keep, share, compare and hand out scenarios on the consolidation page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as W  # noqa: N812

from balance_lib._errors import BalanceError
from balance_lib.scenarios import Outcome, Scenario
from balance_lib.show.widgets import trial_views, views
from balance_lib.show.widgets.apps.brief_button import BriefButton
from balance_lib.show.widgets.apps.page import block
from balance_lib.show.widgets.apps.trial_host import TrialHost

if TYPE_CHECKING:
    from balance_lib.office.store import Store

CURRENT = ""
TABLES = ("moves", "affected", "schools", "costs", "coverage")


class Files(W.VBox):
    """Save the scenario under a name, open one, lay two side by side, and export what was found."""

    def __init__(self, page: TrialHost) -> None:
        self.page = page
        self.saved_as: tuple[str, int] | None = None
        wide = {"width": "min(100%, 420px)"}
        words = self.words
        self.name = W.Text(description=words("name"), layout=wide)
        self.author = W.Text(description=words("author"), layout=wide)
        self.save = W.Button(description=words("save"), button_style="success")
        self.link = W.HTML()
        self.list = W.Dropdown(description=words("saved"), layout=wide)
        self.fetch = W.Button(description=words("open"))
        self.one, self.other = (W.Dropdown(description=words(f"compare_{n}"), layout=wide) for n in ("one", "other"))
        self.lay = W.Button(description=words("compare"), button_style="info")
        self.side = W.HTML()
        self.exports = W.HTML()
        self.argue = W.Button(description=words("argument"))
        self.paper = W.HTML()
        self.save.on_click(lambda _: page.on(self._save))
        self.fetch.on_click(lambda _: page.on(lambda: self.load(self.list.value)))
        self.lay.on_click(lambda _: page.on(self._lay_side_by_side))
        self.argue.on_click(lambda _: page.on(self._argue))
        keep = self._panel("keep", block(self.name, self.author, self.save), self.link, block(self.list, self.fetch))
        lay = self._panel("compare_title", block(self.one, self.other, self.lay), self.side)
        hand = self._panel(
            "export_title", self.exports, block(self.argue, self.paper, BriefButton(page, self._for_brief))
        )
        super().__init__([keep, lay, hand])
        self.add_class("bl-stack")

    def _panel(self, title: str, *parts: W.Widget) -> W.Widget:
        return block(W.HTML(f"<h2>{self.words(title)}</h2>"), *parts, kind="bl-panel bl-stack")

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

    def load(self, scenario_id: str) -> None:
        """Open a saved scenario; one of another county is refused."""
        if not scenario_id:
            return
        plan = self.page.plan
        assert plan is not None
        if scenario_id.startswith("file:"):
            self.saved_as, (self.name.value, found) = None, self._scenario(scenario_id)
            self._take(found)
            return
        saved = self.store.scenario(scenario_id)
        if saved.county_id != plan.county.county_id:
            raise BalanceError(self.words("other_county", county=saved.county_id))
        self.saved_as = (saved.scenario_id, saved.version)
        self.name.value, self.author.value = saved.name, saved.author
        self._show_link(saved.scenario_id)
        self._take(Scenario.from_yaml(saved.yaml))

    def _take(self, found: Scenario) -> None:
        assert self.page.plan is not None
        if found.year != self.page.plan.year:
            self.page.model.choose(year=found.year)
        self.page.take(found)

    def show(self, found: Outcome) -> None:
        """Offer the scenarios there are, and the files of this outcome."""
        assert self.page.plan is not None
        county = self.page.plan.county.county_id
        listed = self.store.scenarios(county)
        options = [
            (f"{r.name} · {r.author or '–'} · {str(r.changed_at)[:16]}", r.scenario_id) for r in listed.itertuples()
        ]
        options += [(f"{name} · {self.words('example')}", f"file:{name}") for name in self._examples()]
        for chooser, first in ((self.list, False), (self.one, True), (self.other, True)):
            chosen = chooser.value
            chooser.options = [(self.words("current"), CURRENT), *options] if first else options
            chooser.value = (
                chosen if chosen in [v for _, v in chooser.options] else next((v for _, v in chooser.options), None)
            )
        stem = f"{county}-{found.scenario.year}-{found.scenario.digest}"
        files = [
            views.download(f"{stem}.yaml", found.scenario.to_yaml().encode(), "text/yaml", self.words("export.yaml"))
        ]
        for name in TABLES:
            frame = getattr(found, name).assign(synthetic=found.synthetic, county_hash=found.provenance["county_hash"])
            content = views.csv(frame)
            files.append(views.download(f"{stem}-{name}.csv", content, "text/csv", self.words(f"export.{name}")))
        self.exports.value = f'<div class="bl-row">{"".join(files)}</div>'
        self.paper.value = ""
        self.link.value = (
            self.link.value if self.saved_as else f"<span class='bl-muted'>{escape(self.words('unsaved'))}</span>"
        )

    def _examples(self) -> dict[str, Any]:
        """Return the scenarios that lie in the county's folder, by name of file."""
        folder = self.page.model.library.folders().get(self.page.model.county_id)
        return {p.stem: p for p in sorted((folder / "scenarios").glob("*.yaml"))} if folder is not None else {}

    def _save(self) -> None:
        from balance_lib.office.store import Stamp

        plan = self.page.plan
        assert plan is not None
        name = self.name.value.strip() or self.words("unnamed")
        scenario = plan.scenario
        scenario_id, version = self.saved_as or (None, None)
        new = self.store.save_scenario(
            scenario.to_yaml(), name=name, author=self.author.value.strip(), county_id=plan.county.county_id,
            stamp=Stamp.of(plan.county, plan.standard), scenario_id=scenario_id, version=version,
        )  # fmt: skip
        self.saved_as = (new, self.store.scenario(new).version)
        self._show_link(new)
        self.show(plan.outcome())

    def _show_link(self, scenario_id: str) -> None:
        query = escape(self.page.model.query(scenario=scenario_id))
        address = f"consolidation.ipynb?{query}"
        self.link.value = f'{escape(self.words("link"))} <a class="bl-share" href="{address}">{address}</a>'

    def _scenario(self, chosen: str) -> tuple[str, Scenario]:
        plan = self.page.plan
        assert plan is not None
        if not chosen:
            return self.words("current"), plan.scenario
        if chosen.startswith("file:"):
            return chosen[5:], Scenario.from_yaml(self._examples()[chosen[5:]])
        saved = self.store.scenario(chosen)
        return saved.name, Scenario.from_yaml(saved.yaml)

    def _lay_side_by_side(self) -> None:
        plan = self.page.plan
        assert plan is not None
        pairs = [(self.words("today"), plan.today())]
        for chosen in (self.one.value, self.other.value):
            name, scenario = self._scenario(chosen or CURRENT)
            pairs.append((name, plan.outcome(scenario)))
        self.side.value = trial_views.compare(pairs, self.page.model.lang)

    def _argue(self) -> None:
        """Write the argument paper: it takes a moment, so it is made when it is asked for."""
        from balance_lib.office import reports

        plan = self.page.plan
        assert plan is not None
        found = plan.outcome()
        source = reports.ReportSource(found.changed, found.after, lang=self.page.model.lang, outcome=found)
        made = reports.make("argument", source)
        self.paper.value = views.download(made.name, made.content, made.mime, made.title)
