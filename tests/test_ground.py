"""The ground: environments that agree, locales that agree, rooms in order, and what a commit must not hold."""

from __future__ import annotations

import json
import re
import string
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import balance_lib
from balance_lib import locale
from balance_lib.extras import EXTRAS, MissingExtraError, need


def requirements(root: Path) -> dict[str, str]:
    """Return name to version bound of everything pyproject asks for; conda knows no extras in brackets."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    found = sum(project["optional-dependencies"].values(), project["dependencies"])
    found = [each for each in found if not each.startswith(project["name"])]  # "all" names the package's own extras
    plain = [re.sub(r"\[.*?\]", "", each) for each in found]
    return {re.split(r"[<>=!~ ]", d, maxsplit=1)[0].lower(): d for d in plain}


def test_conda_environment_asks_for_the_same(root) -> None:
    listed = yaml.safe_load((root / "environment.yml").read_text("utf-8"))["dependencies"]
    conda = {re.split(r"[<>=!~ ]", d, maxsplit=1)[0].lower(): d for d in listed if isinstance(d, str)}
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    assert conda.pop("python") == "python" + project["requires-python"]
    conda.pop("pip")
    assert conda == requirements(root)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock"])
def test_locks_hold_every_requirement_and_no_address(root, name) -> None:
    text = (root / name).read_text("utf-8")
    locked = {re.split(r"[=\[ ;]", line, maxsplit=1)[0].lower() for line in text.splitlines() if "==" in line}
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = sum((extras[extra] for extra in EXTRAS), project["dependencies"])
    runtime = {re.split(r"[<>=!~ ]", d)[0].lower() for d in asked}
    wanted = set(requirements(root)) if "test" in name else runtime
    assert wanted <= locked
    assert "://" not in text and "file:" not in text


DISTRIBUTIONS = {"docx": "python-docx"}


def test_extras_name_the_modules_they_bring(root, monkeypatch) -> None:
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert extras["all"] == [f"balance-lib[{','.join(EXTRAS)}]"]
    for extra, modules in EXTRAS.items():
        brought = {re.split(r"[<>=!~ ]", d)[0] for d in extras[extra]}
        assert {DISTRIBUTIONS.get(name, name) for name in modules} <= brought
    monkeypatch.setitem(EXTRAS, "office", ("sqlalchemy", "no_such_module"))
    need.cache_clear()
    with pytest.raises(MissingExtraError, match=r'no_such_module.*pip install "balance_lib\[office\]"'):
        need("office")
    need.cache_clear()


CORE_ALONE = """
import sys
from balance_lib.extras import EXTRAS
for name in sum(EXTRAS.values(), ()):
    sys.modules[name] = None  # as if it were not installed
from importlib.util import find_spec
import balance_lib.extras
balance_lib.extras.find_spec = lambda name: None if sys.modules.get(name, 1) is None else find_spec(name)
from balance_lib import access, evaluation, forecast, inequality, optimise, scenarios, standards
from balance_lib.data.county import County
from balance_lib.planning import remedies, siting
from balance_lib.show import plots
county = County.open("data/demo/akqi")
print(evaluation.evaluate(county, standards.load("akqi_2022"), year=2023, measures={}).verdict)
sys.argv = ["balance", "report", "data/demo/akqi", "--standard", "akqi_2022", "--year", "2023", "--out", sys.argv[1]]
from balance_lib.cli import main
main()
"""


def test_core_alone_judges_and_says_what_a_paper_needs(root, tmp_path) -> None:
    line = [sys.executable, "-c", CORE_ALONE, str(tmp_path / "papers")]
    done = subprocess.run(line, cwd=root, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.stdout.split("\n")[0] == "fail", done.stderr
    assert (
        done.returncode == 1 and 'pip install "balance_lib[office]"' in done.stderr and "Traceback" not in done.stderr
    )


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_both_languages_say_the_same_things() -> None:
    zh, en = locale.catalogue("zh"), locale.catalogue("en")
    assert set(zh) == set(en)
    assert {k for k in zh if fields(zh[k]) != fields(en[k])} == set()
    assert [k for k in zh if not zh[k] and not k.startswith("unit.")] == []


@pytest.mark.parametrize("lang", locale.LANGUAGES)
def test_no_key_is_given_twice(root, lang) -> None:
    source = (root / "balance_lib" / "texts" / f"{lang}.yaml").read_text("utf-8")

    def walk(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert sorted(keys) == sorted(set(keys)), sorted({k for k in keys if keys.count(k) > 1})
            for _, child in node.value:
                walk(child)

    walk(yaml.compose(source))


def test_every_text_the_code_asks_for_exists(root) -> None:
    asked = set()
    for path in (root / "balance_lib").rglob("*.py"):
        call = r"""(?:\btext|Message|\.text)\(\s*["']([a-z_]+\.[a-z_.0-9]+)["']"""
        asked |= set(re.findall(call, path.read_text("utf-8")))
    assert asked - set(locale.catalogue("zh")) == set()


def test_rooms_are_in_the_order_the_architecture_draws(root) -> None:
    done = (
        subprocess.run(
            [str(root / ".venv/bin/lint-imports"), "--no-cache"], cwd=root, capture_output=True, text=True, check=False
        )
        if (root / ".venv/bin/lint-imports").exists()
        else None
    )
    if done is None:
        pytest.skip("import-linter runs from the project's own environment")
    assert done.returncode == 0, done.stdout


def test_architecture_names_every_room(root) -> None:
    rooms_table = (root / "ARCHITECTURE.md").read_text("utf-8").split("## The rooms")[1].split("\n## ")[0]
    drawn = set(re.findall(r"^\| `([a-z_]+)/?`", rooms_table, re.MULTILINE))
    package = root / "balance_lib"
    rooms = {p.stem for p in package.glob("*.py") if p.stem != "__init__"}
    rooms |= {p.name for p in package.iterdir() if (p / "__init__.py").is_file()}
    assert drawn == rooms


def notebooks(root: Path) -> list[Path]:
    return sorted([*root.glob("notebooks/*.ipynb"), *root.glob("dashboards/*.ipynb")])


def test_notebooks_are_committed_without_outputs(root) -> None:
    assert notebooks(root)
    for path in notebooks(root):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        code = [c for c in cells if c["cell_type"] == "code"]
        assert all(not c["outputs"] and c["execution_count"] is None for c in code), path.name
        assert not any(re.search(r"^\s*(def|class) ", "".join(c["source"]), re.MULTILINE) for c in code), path.name


def test_dashboards_are_thin(root) -> None:
    for path in sorted(root.glob("dashboards/*.ipynb")):
        cells = [c for c in json.loads(path.read_text("utf-8"))["cells"] if c["cell_type"] == "code"]
        assert len(cells) <= 4, path.name
        assert all(len(c["source"]) <= 6 for c in cells), path.name


def test_one_version_is_told_everywhere(root) -> None:
    first = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    cited = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))["version"]
    assert first is not None and {first.group(1), str(cited), version("balance-lib")} == {balance_lib.__version__}
    for page in ("README.md", "README.zh-CN.md", "docs/index.en.md", "docs/index.zh.md"):
        assert f"balance_lib-{balance_lib.__version__}-py3" in (root / page).read_text("utf-8")
