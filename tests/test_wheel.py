"""The built wheel is enough: in an empty environment it evaluates and serves the demonstration counties."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    line = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(line, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of a fresh environment that holds the wheel and what it asks for, nothing else."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("uv is not in this environment")
    home = tmp_path_factory.mktemp("empty")
    subprocess.run([str(uv), "venv", "--quiet", "--python", sys.executable, str(home / "env")], check=True, timeout=60)
    line = [str(uv), "pip", "install", "--quiet", "--python", str(home / "env/bin/python"), f"{wheel}[all]"]
    subprocess.run([*line, "-c", str(ROOT / "requirements.lock")], check=True, timeout=300)
    return home / "env" / "bin"


def test_wheel_carries_pages_counties_template_and_texts(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for page in ("index", "overview", "gaps", "balance", "data"):
        assert f"balance_lib/_shipped/dashboards/{page}.ipynb" in names
    for county in ("wuxi", "huixian", "akqi", "chuzhou", "jiaohe"):
        assert f"balance_lib/_shipped/data/demo/{county}/county.yaml" in names
    for name in ("texts/zh.yaml", "data/tables/tables.yaml", "standards/schema.yaml", "show/map/static/map.js"):
        assert f"balance_lib/{name}" in names
    assert any(name.endswith("voila/templates/balance/index.html.j2") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_it_evaluates_and_serves_from_an_empty_environment(installed: Path, tmp_path: Path) -> None:
    clean = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    code = "from balance_lib.shipped import shipped; print(shipped('demo'))"
    where = subprocess.run(
        [str(installed / "python"), "-c", code], env=clean, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    demo = Path(where.stdout.strip())
    assert ROOT not in demo.parents
    line = [str(installed / "balance"), "evaluate", str(demo / "akqi"), "--standard", "akqi_2022", "--year", "2023"]
    done = subprocess.run([*line, "--json"], env=clean, capture_output=True, text=True, check=True, cwd=tmp_path)
    sentence = json.loads(done.stdout)["sentence"]
    server = subprocess.Popen(
        [str(installed / "balance"), "dashboard", "--port", "0"], env=clean, cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, encoding="utf-8", start_new_session=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        address = next(m.group() for m in (re.search(r"http://[\d.]+:\d+/", line) for line in server.stdout) if m)
        page = f"{address}voila/render/overview.ipynb?county=akqi&year=2023&standard=akqi_2022"
        with urllib.request.urlopen(page, timeout=120) as answer:
            assert answer.status == 200
            shown = answer.read().decode("utf-8")
        assert "data-cell-error" not in shown
        assert "jupyter.widget-view+json" in shown
        assert sentence  # what the page says of it is held against the library in the browser tests
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
        shutil.rmtree(installed.parents[1], ignore_errors=True)
