"""Write results as HTML: verdict, cards, lamps, lists of what to do; pure functions, no widgets."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from balance_lib.data.county import County
from balance_lib.evaluation import OPEN, Evaluation, ItemResult
from balance_lib.evaluation.figures import figure
from balance_lib.evaluation.wording import needed
from balance_lib.locale import banners, has, listed, text, unit
from balance_lib.palette import LAMPS
from balance_lib.plain import as_csv
from balance_lib.show.widgets.markup import part, render
from balance_lib.show.widgets.names import school_names
from balance_lib.show.widgets.style import banner, lamp
from balance_lib.standards import Item, Standard

ORDER = ("not_met", "no_data", "evidence", "not_due", "met", "not_applicable")
# A syllable in brackets with a tone mark, as a web copy of a traditional-character page sets behind a character.
_PRONOUNCED = re.compile(r"\([a-zü]*[āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜ][a-zü]*\)")


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    numeric: Sequence[int] = (),
    empty: str = "",
    whole: bool = False,
) -> Markup:
    """Return a table as HTML; cells that are not Markup are escaped.

    Parameters
    ----------
    heads : sequence of str
        Heads of the columns.
    rows : Iterable[sequence of object]
        Rows, cell by cell.
    numeric : sequence of int
        Positions of columns with figures.
    empty : str
        Words where there is nothing.
    whole : bool
        Whether it stands at its full height: of a verdict a year, none may hide below an edge.
    """
    return part("table", "zh", heads, list(rows), list(numeric), empty, whole)


def panel(title: str, content: str, note: str = "") -> Markup:
    """Return a titled panel as HTML.

    Parameters
    ----------
    title : str
    content : str
    note : str
    """
    return part("panel", "zh", title, note, content)


def download(name: str, content: bytes, kind: str, label: str) -> Markup:
    """Return a link that saves bytes as a file; the file travels in the link, no request is made.

    Parameters
    ----------
    name : str
    content : bytes
    kind : str
    label : str
        Words beside or above the figure.
    """
    data = base64.b64encode(content).decode()
    return part("download", "zh", name, f"data:{kind};base64,{data}", label)


def _first_few(names: Sequence[str], most: int, lang: str) -> str:
    """Return the first names as a list within a sentence, and that there are more where there are."""
    some = listed(names[:most], lang)
    return text("page.access.and_more", lang, names=some) if len(names) > most else some


def _stamped(frame: pd.DataFrame, county: County, standard: Standard | None, lang: str) -> pd.DataFrame:
    """Return a table each row of which says what it rests on: rows are cut out and sent on."""
    from balance_lib.office.store import Stamp  # only who downloads pays for the room

    told = {text(f"workplan.csv.stamp_{name}", lang): value for name, value in vars(Stamp.of(county, standard)).items()}
    return frame.assign(**told)


def provenance(found: Evaluation, lang: str) -> Markup:
    """Return the line every page ends with: year, source, versions, and what is synthetic.

    Parameters
    ----------
    found : Evaluation
    lang : {"zh", "en"}
    """
    facts = text(
        "page.provenance",
        lang,
        year=found.year,
        on=found.on.isoformat(),
        standard=found.standard.id,
        document=found.standard.document or "–",
        hash=found.provenance["county_hash"],
        software=found.provenance["software"],
    )
    return part("muted", lang, facts)


def _synthetic(county: County, lang: str) -> Markup:
    """Return the banners that say what of the data is made up or estimated; empty where all is recorded."""
    return Markup().join(banner(words, "synthetic") for words in banners(county.marks, lang))


def _lamp_grid(found: Evaluation, query: Callable[..., str], lang: str) -> Markup:
    """Return every required item as a lamp with a word, folded as the standard groups them: what fails comes first.

    ``query``: :meth:`PageModel.query`: each item links to its own place on the page of gaps.
    """
    groups: dict[str, list[ItemResult]] = {}
    for result in (r for r in found.items if r.counts):
        groups.setdefault(result.item.category, []).append(result)
    parts: list[dict[str, Any]] = []
    for name, results in groups.items():
        status = [result.status for result in results]
        failing = status.count("not_met")
        waiting = sum(status.count(each) for each in OPEN)
        items = [
            {
                "status": result.status,
                "code": result.item.code,
                "label": result.item.label(lang),
                "reason": result.reason.render(lang),
                "remarks": _remarks(result, found, lang),
                "href": f"gaps.ipynb?{query(item=result.item.code)}",
            }
            for result in sorted(results, key=lambda r: ORDER.index(r.status))
        ]
        told = {"title": _category(name, lang), "met": status.count("met"), "failing": failing, "waiting": waiting}
        parts.append({**told, "rows": items})
    parts.sort(key=lambda part: (-part["failing"], -part["waiting"]))
    return render("lamp_grid", lang, parts=parts)


def _remarks(result: ItemResult, found: Evaluation, lang: str) -> list[str]:
    """Return what stands under a finding: remarks of the standard, and the source's own words."""
    item = result.item
    remarks = [note.get(lang, note["zh"]) for note in item.notes]
    if found.standard.due_before_adoption(item):
        remarks.append(text("page.due_before_adoption", lang, due=item.deadline, adopted=found.standard.adopted))
    if item.verified is not True:
        remarks.append(text(f"page.{'partly_verified' if item.verified else 'unverified'}", lang))
    if item.quote:
        remarks.append(text("page.quote", lang, quote=readable(item.quote)))
    return remarks


def readable(quote: str) -> str:
    """Return a source's words as they were printed: the pronunciations a web copy put behind characters are left out.

    Examples
    --------
    >>> readable("每個鄉(xiāng)鎮(zhèn)至少1所")
    '每個鄉鎮至少1所'
    """
    return _PRONOUNCED.sub("", quote)


def _category(name: str, lang: str) -> str:
    """Return the name of a group of items for people; a group named in the source's own words stands as it is."""
    return text(f"category.{name}", lang) if has(f"category.{name}") else name


def _school_ranking(found: Evaluation, county: County, query: Callable[..., str], lang: str, most: int = 12) -> Markup:
    """Return the schools with the most items short, worst first, and what they are short of."""
    towns = county.spoken(lang).tables["schools"].drop_duplicates("school_id").set_index("school_id")["township"]
    worst = sorted(_shortfalls(found, lang).items(), key=lambda pair: (-len(pair[1]), pair[0]))
    names = school_names(county, lang)
    schools = [
        {
            "name": names.get(school, school),
            "township": _plain(towns.get(school, "–")),
            "short": len(labels),
            "lacks": listed(labels[:3], lang) + ("…" if len(labels) > 3 else ""),
            "href": f"consolidation.ipynb?{query(school=school)}",
        }
        for school, labels in worst[:most]
    ]
    more = max(len(worst) - most, 0)
    return render("school_ranking", lang, schools=schools, more=more, empty=_nobody_short(found, lang))


def _nobody_short(found: Evaluation, lang: str) -> str:
    """Say that no school falls short, or that it is not known whether one does."""
    schools = found.school_status()
    if schools.empty:
        return text("page.no_school_line", lang)
    unknown = int((schools == "no_data").sum())
    return text("page.no_problem_known", lang, n=unknown) if unknown else text("page.no_problem", lang)


def _shortfalls(found: Evaluation, lang: str) -> dict[str, list[str]]:
    """Return what each school is short of, in words; the rule over all indicators only where nothing else is."""
    rules = {i.code for i in found.standard.items if i.measure and i.measure.source == "school_rule"}
    out: dict[str, list[str]] = {}
    for school, codes in found.problems().groupby("school_id")["code"]:
        kept = [code for code in dict.fromkeys(codes) if code not in rules] or list(dict.fromkeys(codes))
        out[str(school)] = [found.standard.item(code).label(lang) for code in kept]
    return out


def _plain(value: object) -> str:
    return "–" if value is None or (isinstance(value, float) and value != value) else str(value)


def _change(found: Evaluation, before: Evaluation | None, lang: str) -> Markup:
    """Return what changed against the year before: newly met, newly short."""
    if before is None:
        return part("muted", lang, text("page.card.no_before", lang))
    was = {r.item.code: r.status for r in before.items}
    rows = []
    for result in found.items:
        old = was.get(result.item.code)
        if result.counts and old is not None and old != result.status and "met" in (old, result.status):
            rows.append(
                [
                    part("coded", lang, result.item.code, result.item.label(lang)),
                    lamp(old, lang),
                    lamp(result.status, lang),
                ]
            )
    heads = [text("page.head.item", lang), str(before.year), str(found.year)]
    return table(heads, rows, empty=text("page.no_change", lang, year=before.year))


def _matrix(found: Evaluation, county: County, lang: str, stage: str, only_short: bool = True) -> Markup:
    """Return the schools against the items judged school by school: a mark, a word and the figure in each cell.

    ``only_short``: whether only what falls short is listed.
    """
    columns = [r for r in found.items if r.counts and r.by_school is not None and r.item.stage in (stage, "all")]
    taught = set(found.schools.loc[found.schools["stage"] == stage, "school_id"])
    names = school_names(county, lang)
    cells: dict[str, dict[str, tuple[object, str]]] = {}
    for result in columns:
        rows = result.rows
        if rows is None:
            continue
        if "stage" in rows:
            rows = rows[rows["stage"] == stage]
        lines = rows["threshold"] if "threshold" in rows else rows["value"]
        for school, met, value, line in zip(rows["school_id"], rows["met"], rows["value"], lines, strict=True):
            if "stage" in rows or not taught or school in taught or result.item.stage == stage:
                places = 0 if abs(value) >= 100 else 2
                shown_value = figure(float(value), places, float(line), result.item.operator)
                cells.setdefault(school, {})[result.item.code] = (met, shown_value)
    used = [r for r in columns if any(r.item.code in row for row in cells.values())]
    ranked = sorted(cells, key=lambda i: (-sum(m is False for m, _ in cells[i].values()), str(names.get(i, i))))
    shown = [i for i in ranked if not only_short or any(m is not True for m, _ in cells[i].values())]
    body = [[names.get(i, i), *(_cell(cells[i].get(r.item.code)) for r in used)] for i in shown]
    heads = [text("page.head.school", lang), *(f"{r.item.code} {r.item.label(lang)}" for r in used)]
    return table(heads, body, numeric=range(1, len(heads)), empty=_nobody_short(found, lang))


def _cell(found: tuple[object, str] | None) -> Markup | str:
    if found is None:
        return ""
    met, value = found
    status, mark = {True: ("met", "✓"), False: ("not_met", "✗")}.get(met, ("no_data", "?"))  # type: ignore[call-overload]
    return part("judged", "zh", status, mark, value)


def _met_lamp(met: object, lang: str) -> Markup | str:
    """Return the lamp of a judgement that is True, False or unknown; empty when nothing was judged."""
    if met is None or met != met:
        return ""
    return lamp("met" if met else "not_met", lang)


def mark(status: str) -> str:
    """Return the mark that stands for a status where no HTML can."""
    return LAMPS[status].mark


def _unit_word(item: Item, lang: str) -> str:
    """Return the unit an item is judged in, as people write it."""
    return unit(item.judged_unit)[lang].strip()


def needs(found: Evaluation, lang: str) -> Markup:
    """Return what is missing in units to build, buy or hire: by indicator and stage, over how many schools.

    Parameters
    ----------
    found : Evaluation
    lang : {"zh", "en"}
    """
    rows = []
    for (name, stage), rows_of in found.schools.groupby(["indicator", "stage"], sort=False):
        short = rows_of[rows_of["needed"] > 0]
        unknown = int(rows_of["value"].isna().sum())
        known = len(rows_of) - unknown
        spec = found.standard.indicators[name]
        if rows_of["threshold"].isna().all() or (short.empty and not unknown):
            continue
        amount = needed(float(short["needed"].sum()), spec)[lang]
        rows.append(
            [
                spec.label(lang),
                text(f"stage.{stage}", lang),
                f"{len(short)} / {known}" if known else "–",
                amount if known else "–",
                unknown or "",
            ]
        )
    heads = [text(f"page.head.{name}", lang) for name in ("indicator", "stage", "schools_short", "needed", "no_data")]
    lined = found.schools["threshold"].notna().any()
    return table(
        heads, rows, numeric=[2, 4], empty=text("page.nothing_needed" if lined else "page.no_school_line", lang)
    )


def _items_csv(found: Evaluation, lang: str) -> bytes:
    """Return every item with its finding as CSV a spreadsheet opens, with what it rests on."""
    rows = found.as_dict(lang)["items"]
    frame = pd.DataFrame(rows)
    frame["notes"] = [" ".join(row["notes"]) for row in rows]
    frame["cooperating_units"] = [" ".join(row["cooperating_units"]) for row in rows]
    frame["stage"] = [text(f"stage.{stage}", lang) for stage in frame["stage"]]
    frame["status"] = [text(f"status.{status}", lang) for status in frame["status"]]
    head = {"county": found.county_id, "year": found.year, "standard": found.standard.id, "synthetic": found.synthetic}
    known = {"county_hash": found.provenance["county_hash"], "software": found.provenance["software"]}
    frame = frame.assign(**head, **known, standard_version=found.standard.digest)
    return as_csv(frame[list(_ITEM_HEADS)].set_axis([text(f"page.items_csv.{n}", lang) for n in _ITEM_HEADS], axis=1))


_ITEM_HEADS = (
    "code", "label", "category", "stage", "value", "threshold", "unit", "gap", "status", "reason", "before", "change",
    "figure_source", "deadline", "lead_unit", "cooperating_units", "notes", "county", "year", "standard", "synthetic",
    "county_hash", "standard_version", "software",
)  # fmt: skip


def _problems_csv(found: Evaluation, county: County, lang: str) -> bytes:
    """Return the school problem list (学校问题清单) as CSV a spreadsheet opens."""
    names = county.spoken(lang).tables["schools"].drop_duplicates("school_id").set_index("school_id")
    rows = found.problems()
    labels = {i.code: i.label(lang) for i in found.standard.items}
    units = {i.code: _unit_word(i, lang) for i in found.standard.items}
    heads = (
        "school_id",
        "school",
        "township",
        "code",
        "item",
        "stage",
        "value",
        "threshold",
        "gap",
        "unit",
        "needed",
        "synthetic",
    )
    frame = pd.DataFrame(
        {
            "school_id": rows["school_id"],
            "school": rows["school_id"].map(names["name_zh"]),
            "township": rows["school_id"].map(names["township"]),
            "code": rows["code"],
            "item": rows["code"].map(labels),
            "stage": [text(f"stage.{s}", lang) for s in rows["stage"]],
            "value": rows["value"],
            "threshold": rows["threshold"],
            "gap": rows["gap"],
            "unit": rows["code"].map(units),
            "needed": rows["needed"],
            "synthetic": found.synthetic,
        }
    ).rename(columns={name: text(f"page.csv.{name}", lang) for name in heads})
    return as_csv(_stamped(frame, county, found.standard, lang))
