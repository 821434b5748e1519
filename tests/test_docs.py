"""The documentation: it builds strictly in both languages, asks nothing of the network, and says what the code does."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import pkgutil
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from typer.testing import CliRunner

import balance_lib
from balance_lib import evaluation, standards
from balance_lib.cli import app
from tests.browser.conftest import browser, chromium  # noqa: F401 - fixtures

run = CliRunner()
# Alembic runs this file itself; the other starts the command line.
NOT_IMPORTED = ("balance_lib.office.store.migrations", "balance_lib.cli.__main__", "balance_lib.show.serve.__main__")
HERE = ("", "file")
PARAMETERS = re.compile(r"^Parameters\n-+\n(.*?)(?=\n\n|\Z)", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as ``make docs`` does: any warning is an error."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        config = load_config(str(root / "mkdocs.yml"), site_dir=str(folder), strict=True)
        config.plugins.on_startup(command="build", dirty=False)
        build(config)
        config.plugins.on_shutdown()
    return folder


class Links(HTMLParser):
    """Collect what a page loads, what it links to, and the places in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found = dict(attrs)
        self.ids |= {found[key] for key in ("id", "name") if found.get(key)}
        address = found.get("src") or found.get("href") or ""
        if tag == "a":
            self.links.append(address)
        elif address:
            self.loads.append(address)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    return {path: Links(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}


def test_no_page_loads_anything_from_elsewhere(site, pages) -> None:
    assert len(pages) > 25
    for path, page in pages.items():
        assert [a for a in page.loads if urlsplit(a).scheme not in (*HERE, "data") or a.startswith("//")] == [], (
            path.name
        )
    ours = [p for p in site.rglob("*.css") if p.name == "site.css"]
    assert ours and all("http" not in p.read_text("utf-8") for p in ours)


def test_every_link_within_the_site_leads_somewhere(site, pages) -> None:
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":  # is shown under any address
            continue
        for address in (*page.links, *page.loads):
            parts = urlsplit(address)
            if parts.scheme not in HERE or not (parts.path or parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            known = pages.get(target)
            if not target.is_file() or (parts.fragment and known and unquote(parts.fragment) not in known.ids):
                broken.append((path.relative_to(site).as_posix(), address))
    assert broken == []


def test_both_languages_have_the_same_pages(root) -> None:
    docs = root / "docs"
    zh, en = ({p.relative_to(docs).as_posix()[:-6] for p in docs.rglob(f"*.{lang}.md")} for lang in ("zh", "en"))
    assert zh <= en and {name for name in en - zh if not name.startswith("api/")} == set()


def test_pages_are_small_enough_for_a_repository(root) -> None:
    pictures = [*root.glob("docs/**/*.png")]
    assert len(pictures) <= 5 and all(p.stat().st_size < 150_000 for p in pictures)


def test_generated_parts_stand_in_the_pages(site) -> None:
    dictionary, clauses, commands = (
        (site / f"{name}.html").read_text("utf-8") for name in ("data-dictionary", "clauses", "commands")
    )
    assert "每百名学生" in clauses and "0.5" in clauses and "教督〔2017〕6号" in clauses
    assert "equipment_yuan" in dictionary and "教学仪器设备资产值" in dictionary and "rotation_eligible" in dictionary
    assert "--may-close" in commands and "<!-- generate" not in dictionary + clauses + commands


@pytest.mark.browser
def test_search_finds_chinese_words_without_server_and_network(site, browser) -> None:  # noqa: F811
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    for words, wanted in (("差异系数", "差异"), ("步行半径", "步行"), ("walking radius", "radius")):
        page.evaluate("document.querySelector('#__search').checked || document.querySelector('#__search').click()")
        query = page.locator("input[name=query]")
        query.fill(words)
        hit = page.locator(".md-search-result__item", has_text=wanted).first
        for _ in range(60):  # the index is made in the page; a key that comes up asks again, as typing by hand does
            page.keyboard.press("Shift")
            page.wait_for_timeout(250)
            if hit.count():
                break
        assert hit.count(), words
    context.close()


# What the pages tell people to type --------------------------------------------------------------------------------


def told(root: Path) -> list[tuple[str, str]]:
    """Return every command line in the pages' blocks of commands."""
    found = []
    for path in sorted(root.glob("docs/**/*.md")):
        for block in re.findall(r"```sh\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
            lines = re.sub(r"\\\n\s*", " ", block).splitlines()
            found += [(path.name, line.split(" #")[0].strip()) for line in lines if line.startswith("balance ")]
    return found


def test_every_command_in_the_pages_exists_with_its_options(root) -> None:
    import typer

    known = {path[1]: one for path, one in _walk(typer.main.get_command(app), ["balance"])}
    lines = told(root)
    assert len(lines) > 30
    for page, line in lines:
        words = line.split()
        assert words[1] in known, (page, line)
        options = {option for p in known[words[1]].params for option in p.opts} | {"--help"}
        assert {w for w in words if w.startswith("--")} <= options, (page, line)


def _walk(command: Any, path: list[str]) -> Any:
    if not getattr(command, "commands", {}):
        yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from _walk(one, [*path, name])


def test_chinese_page_names_every_command(root) -> None:
    import typer

    page = (root / "docs" / "commands.zh.md").read_text("utf-8")
    assert [name for name in typer.main.get_command(app).commands if f"`balance {name}`" not in page] == []


# The examples ------------------------------------------------------------------------------------------------------


def balance(*words: object, code: int = 0) -> str:
    done = run.invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def hewan(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    example, into = root / "docs" / "examples" / "hewan", tmp_path_factory.mktemp("counties") / "hewan"
    said = balance(
        "import", example / "schools.csv", example / "villages.csv", "--into", into, "--year", 2023,
        "--crs", "WGS84", "--name", "河湾县",
    )  # fmt: skip
    assert "school_years: 9" in said and "乘以10000" in said
    return into


def test_the_hour_goes_as_the_page_says(root, hewan) -> None:
    page = (root / "docs" / "own-county.zh.md").read_text("utf-8")
    warning, counted = balance("check", hewan).splitlines()
    assert warning.startswith("[提醒] attendance.csv：") and "没有就学去向" in warning  # the page brings no such table
    assert counted == "检查完毕：0处错误，1处提醒。" and counted in page
    judged = balance("evaluate", hewan, "--standard", "quality_2017", "--year", 2023).splitlines()[1]
    assert judged.startswith("河湾县2023学年") and judged in page
    close = balance("scenario", hewan, root / "docs/examples/hewan/close.yaml", "--standard", "quality_2017")
    shown = "共31名1—3年级学生上学单程最长85分钟"
    assert shown in close and shown in page and "62名学生转学" in close
    kept = balance("scenario", hewan, root / "docs/examples/hewan/keep-point.yaml", "--standard", "quality_2017")
    assert "31名学生转学" in kept and "1—3年级学生上学单程" not in kept


def test_the_mapping_of_the_page_reads_the_list_of_the_page(root, tmp_path) -> None:
    example = root / "docs" / "examples" / "hewan"
    said = balance("import", example / "list.csv", "--mapping", example / "mapping.yaml", "--into", tmp_path / "list")
    assert "合计行" in said
    rows = (tmp_path / "list" / "school_years.csv").read_text("utf-8-sig").splitlines()
    # pupils told by stage and teachers of the school stand on one row where the school has one stage
    assert "101,2023,primary,812,48,1825000" in rows and "105,2023,primary,21,3," in rows
    assert {"103,2023,primary,96,,", "103,2023,junior,132,,", "103,2023,shared,,26,960000"} <= set(rows)


def test_a_province_adds_its_standard_without_code(root, hewan) -> None:
    from balance_lib.data.county import County

    county, own = County.open(hewan), standards.load(root / "docs" / "examples" / "province.yaml")
    found = evaluation.evaluate(county, own, year=2023)
    assert {result.item.code: result.status for result in found.items} == {
        "P1-primary": "not_due",  # 4020 − 220 m² for 812 pupils are under 5 m², but the deadline is 2026
        "P1-junior": "not_due",
        "P2-primary": "no_data",
        "P3-primary": "met",
        "P4-primary": "met",
        "P5": "no_data",
        "P6-primary": "no_data",
        "P7": "evidence",
    }
    assert found.item("P4-primary").value == pytest.approx(812 / 48)
    later = own_without_deadline(root, county)
    assert later.item("P1-primary").status == "not_met"
    assert found.verdict == "undetermined"
    shown = found.sentence("zh")
    assert shown in (root / "docs" / "standards.zh.md").read_text("utf-8")


def own_without_deadline(root: Path, county: Any) -> evaluation.Evaluation:
    from datetime import date

    own = standards.load(root / "docs" / "examples" / "province.yaml")
    return evaluation.evaluate(county, own, year=2023, on=date(2027, 1, 1))


# Docstrings and notebooks ------------------------------------------------------------------------------------------


def test_every_example_in_a_docstring_runs() -> None:
    finder, seen = doctest.DocTestFinder(exclude_empty=True), 0
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for found in pkgutil.walk_packages(balance_lib.__path__, "balance_lib."):
        if found.name.startswith(NOT_IMPORTED):
            continue
        for example in finder.find(importlib.import_module(found.name), found.name):
            runner.run(example, out=said.append)
            seen += len(example.examples)
    assert seen > 100 and runner.failures == 0, "".join(said)


def test_public_functions_of_the_rooms_are_described() -> None:
    """What the API pages show is described: first line a sentence."""
    rooms = ["access", "access.distance", "evaluation", "forecast", "office.store", "optimise", "optimise.allocation"]
    rooms += ["planning.remedies", "planning.siting", "scenarios"]
    for room in rooms:
        module = importlib.import_module(f"balance_lib.{room}")
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing) and getattr(thing, "__module__", "").startswith("balance_lib"):
                assert (thing.__doc__ or "").strip().split("\n")[0].endswith((".", ":", "?")), f"{room}.{name}"


def test_a_docstring_with_parameters_names_each_once_and_no_other(root) -> None:
    wrong = []
    for path in sorted((root / "balance_lib").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                told = PARAMETERS.search(ast.get_docstring(node) or "")
                heads = [line.split(" : ")[0] for line in told[1].split("\n") if line[:1] != " "] if told else []
                names = sorted(name.strip(" *") for head in heads for name in head.split(","))
                taken = sorted(each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg))
                if told and names != [name for name in taken if name not in ("self", "cls")]:
                    wrong.append(f"{path.name}:{node.lineno} {node.name}")
    assert wrong == []


def cells(path: Path, kind: str) -> list[str]:
    return [
        "".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind
    ]


def test_each_notebook_asks_a_question_and_ends_with_a_finding(root) -> None:
    paths = sorted(root.glob("notebooks/*.ipynb"))
    assert [p.name[:2] for p in paths] == [f"{i:02d}" for i in range(len(paths))] and len(paths) >= 10
    for path in paths[1:]:
        told = cells(path, "markdown")
        assert "**问题**" in told[0] and "**Question**" in told[0], path.name
        last = json.loads(path.read_text("utf-8"))["cells"][-1]
        found = "".join(last["source"])
        # The finding's numbers come from the cell; where they were looked up elsewhere it is written out.
        by_hand = "**发现**" in found and "**Finding**" in found and last["cell_type"] == "markdown"
        assert by_hand or "bl.finding(" in found, path.name
    start = "\n".join(cells(paths[0], "markdown"))
    assert [p.name for p in paths[1:] if f"**{p.name[:2]}**" not in start] == []


def test_jupyterlab_opens_in_chinese_and_stays_quiet(root) -> None:
    import sys

    given = json.loads((root / "notebooks/.jupyter/labconfig/default_setting_overrides.json").read_text("utf-8"))
    assert given["@jupyterlab/translation-extension:plugin"]["locale"] == "zh_CN"
    schemas = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas"
    for plugin, settings in given.items():
        package, name = plugin.split(":")
        known = json.loads((schemas / package / f"{name}.json").read_text("utf-8"))["properties"]
        assert set(settings) <= set(known), plugin
    recipe = (root / "Makefile").read_text("utf-8").split("\nlab:")[1].split("\n\n")[0]
    assert "JUPYTER_CONFIG_PATH" in recipe and "notebooks/.jupyter" in recipe
