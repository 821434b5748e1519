"""Bring in official forms, one file or a folder of hundreds, with every fault of all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from balance_lib._errors import Fault
from balance_lib.data.intake import supplement as beside
from balance_lib.data.intake import xlsx
from balance_lib.data.intake.forms import Return, gather, is_form, read_forms
from balance_lib.data.intake.layout import OWN_SHEETS, kinds, layout
from balance_lib.data.intake.result import Imported
from balance_lib.data.intake.xlsx import OLD_SUFFIXES, SUFFIXES, SourceFile

_NAMED = 5  # so many files are named in the provenance; more are counted
Files = Path | str | SourceFile | Sequence[Path | str | SourceFile] | Mapping[str, bytes]
Progress = Callable[[int, int, str], None]


def import_forms(
    files: Files,
    *,
    year: int,
    supplement: Path | str | SourceFile | None = None,
    crs: str | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Read official school and county forms into canonical tables.

    Parameters
    ----------
    files : Path, str, sequence of them, or mapping of file name to bytes
        Files, or folders that are searched through (uploads come as a mapping). Which form a workbook holds is told by
        its labels. Hidden files and the lock files of spreadsheet programs are passed over.
    year : int
        School year of the figures (its first calendar year): the school form does not say it.
    supplement : Path, str or SourceFile, optional
        Table in canonical columns that completes the forms; see :func:`balance_lib.data.intake.supplement.complete`.
    crs : str, optional
        Coordinate system of the supplement's longitudes and latitudes.
    progress : callable, optional
        Called after each file with the number done, the number of all, and the file's name.

    Returns
    -------
    Imported
        ``schools``, ``school_years`` and ``county_years`` as far as the forms go, and every fault. Nothing is saved;
        it may be saved only if ``ok``.
    """
    faults: list[Fault] = []
    sources = list(_sources(files, faults, skip=supplement))
    parts: list[Return] = []
    for done, source in enumerate(sources, 1):
        parts += read_forms(source, year=year)
        if progress:
            progress(done, len(sources), source.name)
    if not any(part.about for part in parts):
        faults.append(Fault("no_forms", _shown(files)))
    parts = list(_once(parts))
    out = gather([Return(faults=faults), *parts])
    if supplement is not None:
        out = beside.complete(out, supplement, year=year)
    out.faults += _without_senior(out, parts)
    out.columns = _asked()
    out.meta |= {"form": "official", "year": year, "files": len(sources)}
    if len(sources) <= _NAMED:
        out.meta["sources"] = [source.name for source in sources]
    if crs:
        out.meta["crs"] = crs
    return out


def recognise(source: Path | str | bytes | SourceFile) -> str | None:
    """Tell what a workbook is: ``school_form``, ``county_form``, ``workbook`` (our own), or None.

    A workbook that cannot be read is None too; reading it tells why.
    """
    sheets, _ = xlsx.read(SourceFile.of(source))
    if any(sheet.title in OWN_SHEETS for sheet in sheets):
        return "workbook"
    for name in ("school", "county"):
        if any(is_form(sheet, layout(name)) for sheet in sheets):
            return f"{name}_form"
    return None


def _sources(files: Files, faults: list[Fault], skip: object) -> Iterable[SourceFile]:
    """Yield every file to read, in the order of its name; what is no workbook is told."""
    for source in _all(files):
        name = Path(source.name)
        if any(part.startswith((".", "~$")) for part in name.parts if part not in (".", "..")):
            continue
        if isinstance(skip, (str, Path)) and isinstance(source.content, Path) and _same(source.content, Path(skip)):
            continue
        if name.suffix.casefold() in (*SUFFIXES, *OLD_SUFFIXES):
            yield source
        else:
            faults.append(Fault("not_a_form", source.name, severity="warning"))


def _all(files: Files) -> Iterable[SourceFile]:
    if isinstance(files, Mapping):
        yield from (SourceFile(name, content) for name, content in sorted(files.items()))
    elif isinstance(files, SourceFile):
        yield files
    elif isinstance(files, (str, Path)):
        path = Path(files)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file())
            yield from (SourceFile(p.relative_to(path).as_posix(), p) for p in inside)
        else:
            yield SourceFile(path.name, path)
    else:
        for one in files:
            yield from _all(one)


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _shown(files: Files) -> str:
    return Path(files).name if isinstance(files, (str, Path)) else "–"


def _once(parts: Iterable[Return]) -> Iterable[Return]:
    """Pass each school and the county once; a second form of the same is a fault that names both files."""
    seen: dict[tuple[str, str], Return] = {}
    for part in parts:
        about, school = part.about, part.about.get("form") == "school"
        key = ("school", str(about.get("school_id"))) if school else ("county", "")
        name = ("name", str(about.get("name_zh")))
        if not part.records:
            yield part
            continue
        if key in seen:
            label = layout(about["form"]).by_key["school_id" if school else "name_zh"].label
            rule, texts = "form_again" if school else "county_form_again", {"first": seen[key].about["file"]}
            part.faults.append(Fault(rule, about["file"], about["row"], label, key[1] or None, params=texts))
            part.records = {}
        elif school and name in seen:
            label, texts = layout("school").by_key["name_zh"].label, {"first": seen[name].about["file"]}
            part.faults.append(Fault("same_name", about["file"], None, label, name[1], "warning", texts))
        seen.setdefault(key, part)
        if school:
            seen.setdefault(name, part)
        yield part


def _without_senior(out: Imported, parts: Iterable[Return]) -> Iterable[Fault]:
    """Point out schools whose shared assets cannot be divided: the form does not ask for senior pupils."""
    schools, years = out.tables.get("schools"), out.tables.get("school_years")
    if schools is None or years is None:
        return
    with_senior = set(years.loc[(years["stage"] == "senior") & years["pupils"].notna(), "school_id"])
    through = [code for code, kind in kinds().items() if len(kind.stages) > 1 and "senior" in kind.stages]
    for part in parts:
        kind = part.about.get("kind")
        if part.records and kind in through and part.about["school_id"] not in with_senior:
            label = layout("school").by_key["kind"].label
            yield Fault("senior_pupils", part.about["file"], None, label, kinds()[kind].written, "warning")


def _asked() -> dict[str, set[str]]:
    """Return the columns the forms ask for: a later import leaves the other columns as they are."""
    asked: dict[str, set[str]] = {"schools": set(), "school_years": {"year", "stage", "school_id"}}
    for row in layout("school").rows:
        asked[row.table].add(str(row.column))
    return asked
