"""Twenty tasks an analyst has, each in six lines at most, run as they stand in the documentation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import balance_lib as bl

TOP = Path(__file__).resolve().parents[1]


def recipes(lang: str) -> list[tuple[str, str]]:
    source = (TOP / "docs" / f"cookbook.{lang}.md").read_text("utf-8")
    return re.findall(r"^## (.+?)\n\n```python\n(.+?)```", source, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def county() -> Any:
    return bl.open("akqi")


@pytest.mark.parametrize(("title", "code"), recipes("en"), ids=lambda each: each[:30])
def test_a_recipe_runs(title: str, code: str, county: Any, tmp_path: Path) -> None:
    lines = code.strip().splitlines()
    assert len(lines) <= 6
    known = {"bl": bl, "county": county, "out": tmp_path}
    exec(compile("\n".join(lines[:-1]), title, "exec"), known)
    try:
        shown = eval(compile(lines[-1], title, "eval"), known)
    except SyntaxError:
        exec(compile(lines[-1], title, "exec"), known)
        return
    if "out /" in code:
        assert any(tmp_path.iterdir())
    else:
        assert shown is not None and len(shown if hasattr(shown, "__len__") else [1])


def test_both_languages_hold_the_same_twenty() -> None:
    zh, en = recipes("zh"), recipes("en")
    assert [code for _, code in zh] == [code for _, code in en]
    assert len(en) == 20
