"""Every notebook runs, ends with a map or a figure that a saved copy keeps, and stays small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
PICTURE = "image/svg+xml"
MOST_BYTES = 300_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_a_notebook_runs_and_keeps_its_pictures(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    top = str(path.parents[1])
    monkeypatch.setenv("PYTHONPATH", top)
    book = nbformat.read(path, as_version=4)
    # No state of widgets is kept: the pictures beside them are what a saved notebook shows.
    NotebookClient(book, timeout=300, store_widget_state=False, resources={"metadata": {"path": path.parent}}).execute()
    outputs = [each for cell in book.cells if cell.cell_type == "code" for each in cell.outputs]
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr" and "Error" in o.text]
    pictures = [o.data[PICTURE] for o in outputs if PICTURE in o.get("data", {})]
    assert pictures, "no map and no figure"
    assert len(nbformat.writes(book).encode()) < MOST_BYTES
    assert not [p for p in pictures if "<script" in p or 'href="http' in p]
    if path.stem.startswith("04"):
        shown = exported(book)
        assert shown.count("data:image/svg+xml;base64") + shown.count("<svg") >= 2 and "plotly.js" not in shown


def exported(book: Any) -> str:
    """Return a notebook as HTML, as ``jupyter nbconvert --to html`` writes it."""
    from nbconvert import HTMLExporter

    return str(HTMLExporter().from_notebook_node(book)[0])


def test_cells_are_short(root: Path) -> None:
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                assert len(cell["source"]) <= 20, (path.name, cell["source"][:2])
