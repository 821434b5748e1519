"""Offer every paper by its key: what can be made from what is at hand, one function to make it, one to write all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation
from balance_lib.locale import text
from balance_lib.office.reports import (
    application,
    application_book,
    argument,
    brief,
    field_lists,
    lists,
    school_table,
    self_report,
)
from balance_lib.office.reports.stamp import ReportStamp

if TYPE_CHECKING:
    import pandas as pd

    from balance_lib.office.workplan import Register
    from balance_lib.scenarios import Outcome

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MIME = {".xlsx": XLSX, ".docx": DOCX}
# A paper on journals is made once one of them holds something.
_JOURNALS = {"visits": ("pairings", "visits"), "progress": ("milestones", "progress_reports", "works")}


@dataclass(frozen=True)
class ReportSource:
    """Hold what papers are made from.

    ``register`` is the plan's tasks on a day, ``ledger``, ``history`` and ``journals`` (by name) come from the store,
    ``outcome`` is a scenario's; a paper whose source is missing cannot be made. ``small_counts`` prints counts of
    children by personal attributes also under five.
    """

    county: County
    evaluation: Evaluation
    lang: str = "zh"
    made_on: date | None = None
    register: Register | None = None
    ledger: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    journals: Mapping[str, pd.DataFrame] | None = None
    outcome: Outcome | None = None
    small_counts: bool = False

    @property
    def on(self) -> date:
        """Return the day ages are counted to: the register's, else the paper's, else today."""
        return self.register.on if self.register is not None else self.made_on or date.today()


@dataclass(frozen=True)
class Made:
    """Hold one finished paper."""

    key: str
    name: str
    title: str
    mime: str
    content: bytes


def _forms(source: ReportSource) -> bytes:
    figures = application._application(
        source.county, source.evaluation, made_on=source.made_on, small_counts=source.small_counts
    )
    return application_book.write(figures)


def _school_tables(source: ReportSource) -> bytes:
    return school_table._write(source.county, source.evaluation, made_on=source.made_on)


def _problems(source: ReportSource) -> bytes:
    return lists.problems(
        source.county, source.evaluation, lang=source.lang, made_on=source.made_on, ledger=source.ledger
    )


def _brief(source: ReportSource) -> bytes:
    return brief._write(source.county, source.evaluation, lang=source.lang, made_on=source.made_on)


def _self_report(source: ReportSource) -> bytes:
    return self_report._write(
        source.county,
        source.evaluation,
        lang=source.lang,
        made_on=source.made_on,
        register=source.register,
        ledger=source.ledger,
    )


def _ledger(source: ReportSource) -> bytes:
    assert source.ledger is not None
    return lists.ledger(
        source.county,
        source.evaluation.standard,
        source.ledger,
        year=source.evaluation.year,
        on=source.on,
        history=source.history,
        lang=source.lang,
        made_on=source.made_on,
    )


def _matrix(source: ReportSource) -> bytes:
    assert source.register is not None
    year = source.evaluation.year
    return lists.matrix(source.county, source.register, year=year, lang=source.lang, made_on=source.made_on)


def _schedule(source: ReportSource) -> bytes:
    assert source.register is not None
    year = source.evaluation.year
    return lists.schedule(source.county, source.register, year=year, lang=source.lang, made_on=source.made_on)


def _field(how: Callable[..., bytes], source: ReportSource) -> bytes:
    assert source.journals is not None
    standard, year = source.evaluation.standard, source.evaluation.year
    return how(source.county, standard, source.journals, year=year, on=source.on, lang=source.lang,
               made_on=source.made_on)  # fmt: skip


def _argument(source: ReportSource) -> bytes:
    assert source.outcome is not None
    return argument._write(source.outcome, lang=source.lang, made_on=source.made_on)


# key: how it is made, kind of file. The official forms are in Chinese whatever the language.
_PAPERS: Mapping[str, tuple[Callable[[ReportSource], bytes], str]] = {
    "brief": (_brief, ".docx"),
    "self_report": (_self_report, ".docx"),
    "forms": (_forms, ".xlsx"),
    "school_tables": (_school_tables, ".xlsx"),
    "problems": (_problems, ".xlsx"),
    "ledger": (_ledger, ".xlsx"),
    "matrix": (_matrix, ".xlsx"),
    "schedule": (_schedule, ".xlsx"),
    "visits": (partial(_field, field_lists._visits), ".xlsx"),
    "progress": (partial(_field, field_lists._progress), ".xlsx"),
    "argument": (_argument, ".docx"),
}
KEYS = tuple(_PAPERS)


def title(key: str, lang: str = "zh") -> str:
    """Return the name of a paper.

    Parameters
    ----------
    key : str
        Key of the entry.
    lang : {"zh", "en"}
    """
    return text(f"report.key.{key}", lang)


def missing(key: str, source: ReportSource) -> str | None:
    """Return why a paper cannot be made, as a key of the locale; None when it can.

    Parameters
    ----------
    key : str
        Key of the entry.
    source : ReportSource
    """
    if key in ("forms", "school_tables"):
        return None if application.fits(source.evaluation.standard) else "standard"
    if key == "ledger":
        return "ledger" if source.ledger is None or source.ledger.empty else None
    if key in _JOURNALS:
        kept = source.journals or {}
        return None if any(len(kept.get(name, ())) for name in _JOURNALS[key]) else "journals"
    if key == "argument":
        return "outcome" if source.outcome is None else None
    if key in ("matrix", "schedule"):
        tasks = None if source.register is None else source.register.tasks
        column = "lead_unit" if key == "matrix" else "due"
        return "tasks" if tasks is None or not (tasks[column].notna() & (tasks[column] != "")).any() else None
    return None


def keys(source: ReportSource) -> list[str]:
    """Return the papers that can be made from what is at hand, in the order they are offered."""
    return [key for key in KEYS if missing(key, source) is None]


def make(key: str, source: ReportSource) -> Made:
    """Make one paper.

    Parameters
    ----------
    key : str
        One of :data:`KEYS`.
    source : ReportSource

    Raises
    ------
    NotFoundError
        If there is no such paper, or what it is made from is not at hand.
    """
    if key not in _PAPERS:
        raise NotFoundError("report", key, KEYS)
    if missing(key, source) is not None:
        raise NotFoundError("report", key, keys(source))
    how, suffix = _PAPERS[key]
    stamp = ReportStamp.of_evaluation(source.county, source.evaluation, source.made_on)
    return Made(key, stamp.file(key, suffix), title(key, source.lang), _MIME[suffix], how(source))


def write(folder: Path, source: ReportSource, *, only: Iterable[str] | None = None) -> list[Path]:
    """Write papers into a folder, each whole or not at all.

    Parameters
    ----------
    folder : Path
        Made when it is not there.
    source : ReportSource
    only : iterable of str, optional
        Which; all that can be made by default.

    Raises
    ------
    NotFoundError
        If a paper asked for cannot be made; then nothing is written.
    """
    papers = [make(key, source) for key in (keys(source) if only is None else only)]
    folder.mkdir(parents=True, exist_ok=True)
    return [_put(folder / paper.name, paper.content) for paper in papers]


def _put(file: Path, content: bytes) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        beside.chmod(0o644)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    return file
