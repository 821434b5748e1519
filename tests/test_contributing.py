"""The worked examples of CONTRIBUTING.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


def test_worked_examples_run(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```(yaml|python)\n(.*?)^```", (root / "CONTRIBUTING.md").read_text("utf-8"), re.M | re.S)
    assert [kind for kind, _ in blocks] == ["yaml", "python", "python", "python", "python"]
    (tmp_path / "data").symlink_to(root / "data")
    monkeypatch.chdir(tmp_path)
    Path("my_standard.yaml").write_text(blocks[0][1], "utf-8")
    names: dict[str, object] = {"__name__": "contributing"}
    for _, code in blocks[1:]:
        exec(compile(code, "CONTRIBUTING.md", "exec"), names)
