"""Fill the gallery: the map or figure each notebook ends with, and its finding, from the notebooks as they run.

``python docs/gallery.py`` runs the notebooks that changed into ``build/notebooks`` (``make docs`` does it first); the
site takes pictures and findings from there. A notebook that has not been run is named without a picture.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat

TOP = Path(__file__).resolve().parents[1]
BUILT = TOP / "build" / "notebooks"
PICTURE, MARK = "image/svg+xml", "<!-- gallery -->"


def notebooks() -> list[Path]:
    """Return the notebooks in order."""
    return sorted((TOP / "notebooks").glob("*.ipynb"))


def run(path: Path, seconds: int = 600) -> Any:
    """Return a notebook run from the top; no state of widgets is kept, the pictures stand beside them."""
    from nbclient import NotebookClient

    book = nbformat.read(path, as_version=4)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(TOP)
    try:
        where = {"metadata": {"path": path.parent}}
        NotebookClient(book, timeout=seconds, store_widget_state=False, resources=where).execute()
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    return book


def keep(path: Path, book: Any) -> None:
    """Keep a notebook that was run, for the site; the tests keep what they run too."""
    BUILT.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, BUILT / path.name)


def built(path: Path, folder: Path = BUILT) -> Any:
    """Return the notebook as it was run last; None where it has not been, or has changed since."""
    copy = folder / path.name
    if not copy.is_file():
        return None
    book, source = (nbformat.read(each, as_version=4) for each in (copy, path))
    return book if [cell.source for cell in book.cells] == [cell.source for cell in source.cells] else None


def ending(book: Any) -> tuple[str, str]:
    """Return the last picture of a notebook that was run, and the finding under it (Markdown); empty without one."""
    shown = [output.get("data", {}) for cell in book.cells for output in cell.get("outputs", ())]
    pictures = [data[PICTURE] for data in shown if PICTURE in data]
    findings = [data["text/markdown"] for data in shown if "**发现**" in data.get("text/markdown", "")]
    return (pictures or [""])[-1], (findings or [""])[-1]


def entry(path: Path, lang: str, up: str = "", folder: Path = BUILT) -> str:
    """Return what the gallery shows of a notebook: number and title, question, picture, finding."""
    source, book = nbformat.read(path, as_version=4), built(path, folder)
    head = source.cells[0].source
    zh, _, en = head.partition("\n")[0].removeprefix("# ").partition(" · ")
    question = re.search(r"\*\*(?:问题)\*\* (.+)" if lang == "zh" else r"\*\*Question\*\* (.+)", head)
    parts = [f"## {zh if lang == 'zh' else f'{zh[:2]} {en}'}", question[1] if question else ""]
    picture, finding = ending(book) if book is not None else ("", "")
    if picture:
        address, name = f"{up}gallery/{path.stem[:2]}.svg", zh if lang == "zh" else en
        parts.append(f'<a href="{address}"><img src="{address}" alt="{name}" loading="lazy"></a>')
    told = re.search(r"\*\*发现\*\* (.+)" if lang == "zh" else r"\*\*Finding\*\* (.+)", finding)
    return "\n\n".join([*parts, told[1] if told else "", f"`notebooks/{path.name}`"])


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Replace the mark by the gallery in the page's language."""
    lang = "en" if page.file.src_uri.endswith(".en.md") else "zh"
    up = "../" * page.url.count("/")
    return (
        markdown.replace(MARK, "\n\n".join(entry(path, lang, up) for path in notebooks()))
        if MARK in markdown
        else markdown
    )


def on_post_build(config: Any) -> None:
    """Write the pictures into the site."""
    folder = Path(config["site_dir"]) / "gallery"
    for path in notebooks():
        if (book := built(path)) is not None:
            folder.mkdir(exist_ok=True)
            (folder / f"{path.stem[:2]}.svg").write_text(ending(book)[0], encoding="utf-8")


if __name__ == "__main__":
    for notebook in notebooks():
        if built(notebook) is None:
            print(notebook.name, flush=True)
            keep(notebook, run(notebook))
