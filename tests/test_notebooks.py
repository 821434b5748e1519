"""Every notebook runs and ends with a map or a figure, its finding under it; a saved copy keeps the pictures."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((TOP / "notebooks").glob("*.ipynb"))
PICTURE, VIEW = "image/svg+xml", "application/vnd.jupyter.widget-view+json"
MOST_BYTES, MOST_LINES = 300_000, 9


@pytest.fixture(scope="module")
def gallery() -> Any:
    """Return the part of the documentation that runs notebooks."""
    spec = importlib.util.spec_from_file_location("gallery", TOP / "docs" / "gallery.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_a_notebook_runs_and_keeps_its_pictures(path: Path, gallery: Any, tmp_path: Path) -> None:
    import nbformat

    from balance_lib.show.desk.pages import keep_pictures

    book = gallery.run(path)
    gallery.keep(path, book)  # `make docs` shows what was run here
    cells = [cell for cell in book.cells if cell.cell_type == "code" and cell.outputs]
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr" and "Error" in o.text]
    assert not [o for o in outputs if re.search(r"&lt;(style|div|svg)", o.get("data", {}).get("text/html", ""))]
    last = [output.get("data", {}) for output in cells[-1].outputs]
    assert [PICTURE in data for data in last] == [True, False], "it does not end with a map or figure and its finding"
    assert re.search(r"\*\*发现\*\* [^*]*\d", last[1]["text/markdown"]), "no figure in the finding"
    pictures = [o.data[PICTURE] for o in outputs if PICTURE in o.get("data", {})]
    assert not [p for p in pictures if "<script" in p or 'href="http' in p]
    keep_pictures({"type": "notebook", "content": book})  # as JupyterLab saves it
    assert not [o for o in outputs if VIEW in o.get("data", {})], "without a kernel nothing would be shown"
    assert len(nbformat.writes(book).encode()) < MOST_BYTES
    exported = _exported(book)
    assert exported.count("data:image/svg+xml;base64") + exported.count("<svg") >= len(pictures)
    assert "plotly.js" not in exported
    assert ".jp-RenderedSVG img{max-width:100%" in exported  # else its pictures run out of a printed page
    if path.stem.startswith("00"):
        nbformat.write(book, tmp_path / path.name)
        for lang, words in (("zh", "不通过"), ("en", "Of 23 schools")):
            shown = gallery.entry(path, lang, folder=tmp_path)
            assert words in shown and 'src="gallery/00.svg"' in shown
        assert gallery.ending(book)[0] == last[0][PICTURE]
        book.cells[-1].source += " "
        nbformat.write(book, tmp_path / path.name)
        assert gallery.built(path, tmp_path) is None  # what was run is no longer what stands there


def _exported(book: Any) -> str:
    """Return a notebook as HTML, as ``jupyter nbconvert --to html`` writes it."""
    from nbconvert import HTMLExporter

    return str(HTMLExporter().from_notebook_node(book)[0])


def test_cells_are_short() -> None:
    """Nine lines at most, and one question: a cell of imports alone may be longer."""
    long = []
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            lines = [line for line in cell["source"] if line.strip()]
            imports = all(line.startswith(("import ", "from ")) for line in lines)
            if cell["cell_type"] == "code" and len(cell["source"]) > MOST_LINES and not imports:
                long.append((path.name, lines[0]))
    assert long == []
