"""Show many counties as HTML: verdict in one sentence, figures, map, ranking, and who will be late; no widgets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from balance_lib import access, palette
from balance_lib.batch import ProvinceDataset
from balance_lib.locale import text
from balance_lib.plain import as_csv
from balance_lib.show.widgets import views
from balance_lib.show.widgets.markup import part, render
from balance_lib.show.widgets.style import card, lamp

MOST = 60
WEAKEST = 10  # items shown of those most counties lack
NAME_SIZE = 11  # of names on the map
WIDTH = 720.0
_ORDER = {"pass": 0, "undetermined": 1, "fail": 2}
_RANKING = """
SELECT c.county, c.name_zh, c.name_en, c.synthetic, c.schools, c.pupils, c.lon, c.lat, v.verdict, v.met, v.not_met,
       v.no_data + v.evidence + v.not_due AS open, o.status, o.year AS expected, o.due_year, o.in_time, a.share
FROM counties c JOIN verdicts v USING (county)
LEFT JOIN outlook o ON o.county = c.county AND o.standard = v.standard AND o.code = ''
LEFT JOIN (SELECT county, sum(within) / nullif(sum(within + outside), 0) AS share FROM access GROUP BY county) a
       ON a.county = c.county
WHERE v.standard = ? AND v.year = ?
"""


@dataclass(frozen=True)
class Standing:
    """Hold how the counties of a dataset stand by one standard in one year.

    Parameters
    ----------
    province : ProvinceDataset
    standard : str
    year : int
    rows : DataFrame
        One row a county, best first.
    broken : int
        Counties that could not be judged.
    """

    province: ProvinceDataset
    standard: str
    year: int
    rows: pd.DataFrame
    broken: int

    @classmethod
    def of(cls, province: ProvinceDataset, standard: str, year: int) -> Standing:
        """Ask the dataset.

        Parameters
        ----------
        province : ProvinceDataset
        standard : str
        year : int
        """
        rows = province.sql(_RANKING, standard, year)
        rows = rows.assign(order=rows["verdict"].map(_ORDER)).sort_values(["order", "not_met", "open", "county"])
        broken = int(province.sql("SELECT count(*) AS n FROM counties WHERE state <> 'judged'")["n"].iloc[0])
        return cls(province, standard, year, rows.drop(columns="order").reset_index(drop=True), broken)

    @property
    def late(self) -> pd.DataFrame:
        """Return the counties that will miss their date if things go on as they do, worst first."""
        told = self.rows["in_time"].astype("boolean")
        return self.rows[(~told).fillna(False).to_numpy(dtype=bool)]

    def title(self, lang: str) -> str:
        """Return the standard's title."""
        found = self.province.sql(
            f"SELECT title_{lang} AS t FROM standard_items WHERE standard = ? LIMIT 1", self.standard
        )
        return str(found["t"].iloc[0]) if len(found) else self.standard

    def name(self, row: Any, lang: str) -> str:
        """Return a county's name.

        Parameters
        ----------
        row : object
            Positions of villages.
        lang : {"zh", "en"}
        """
        other = row.name_en if lang == "en" else None
        return str(other if isinstance(other, str) and other else row.name_zh)


def _standards_of(province: ProvinceDataset, lang: str) -> list[tuple[str, str]]:
    """Return the standards of a dataset: title and id."""
    query = f"SELECT DISTINCT title_{lang} AS title, standard FROM standard_items ORDER BY standard DESC"
    return [(str(row.title), str(row.standard)) for row in province.sql(query).itertuples()]


def years_of(province: ProvinceDataset) -> list[int]:
    """Return the school years of a dataset."""
    return [int(year) for year in province.sql("SELECT DISTINCT year FROM verdicts ORDER BY year")["year"]]


def _sentence(found: Standing, lang: str) -> Markup:
    """Say in one sentence how the counties stand."""
    verdicts = found.rows["verdict"]
    told = text(
        "province.sentence",
        lang,
        year=text("page.school_year", lang, year=found.year, after=found.year + 1),
        standard=found.title(lang),
        n=len(verdicts),
        passed=int((verdicts == "pass").sum()),
        failed=int((verdicts == "fail").sum()),
        open=int((verdicts == "undetermined").sum()),
        late=len(found.late),
    )
    more = text("province.broken", lang, n=found.broken) if found.broken else ""
    return part("verdict", lang, told + more)


def _cards(found: Standing, lang: str) -> Markup:
    """Return the figures leaders ask for first."""
    rows, n = found.rows, len(found.rows)
    verdicts = rows["verdict"]

    def counties(count: int) -> str:
        return text("province.card.counties", lang, n=count, of=n)

    share = pd.to_numeric(rows["share"]).median()
    figures = [
        ("passed", counties(int((verdicts == "pass").sum())), "pass"),
        ("failed", counties(int((verdicts == "fail").sum())), "fail"),
        ("open", counties(int((verdicts == "undetermined").sum())), "undetermined"),
        ("late", counties(len(found.late)), None),
        ("median", text("province.card.items", lang, n=f"{rows['not_met'].median():g}") if n else "–", None),
        ("walk", access.percent(share), None),
    ]
    shown = [card(text(f"province.cards.{key}", lang), figure, "", verdict, lang) for key, figure, verdict in figures]
    return part("grid", lang, shown)


def _ranking(found: Standing, lang: str) -> Markup:
    """Return the counties in order, the best first."""
    keys = ("rank", "county", "verdict", "met", "short", "open", "share", "expected", "due")
    heads = [text(f"province.head.{key}", lang) for key in keys]
    body = []
    for at, row in enumerate(found.rows.head(MOST).itertuples(), 1):
        share = access.percent(math.nan if pd.isna(row.share) else float(row.share))
        body.append(
            [at, found.name(row, lang), lamp(row.verdict, lang), row.met, row.not_met, row.open, share,
             _expected(row, lang), _year(row.due_year)]
        )  # fmt: skip
    note = text("province.ranking.about", lang, most=MOST)
    return views.panel(
        text("province.ranking.title", lang), views.table(heads, body, numeric=(0, 3, 4, 5, 6, 7, 8)), note
    )


def _expected(row: Any, lang: str) -> str:
    """Say when a county comes to meet the standard."""
    if row.status == "met":
        return text("province.met_now", lang)
    if row.status == "crosses" and not pd.isna(row.expected):
        return str(int(row.expected))
    return text("province.never" if row.status == "not_before" else "province.unknown", lang)


def _year(value: Any) -> str:
    return "–" if pd.isna(value) else str(int(value))


def late(found: Standing, lang: str) -> Markup:
    """Return the counties that will miss their date, with the items that hold them back.

    Parameters
    ----------
    found : Standing
    lang : {"zh", "en"}
    """
    title, note = text("province.late.title", lang), text("province.late.about", lang)
    rows = found.late
    if rows.empty:
        return views.panel(title, part("line", lang, text("province.late.none", lang)))
    labels = _holding_back(found, lang)
    heads = [text(f"province.head.{key}", lang) for key in ("county", "due", "expected", "items")]
    body = [
        [found.name(row, lang), _year(row.due_year), _expected(row, lang),
         _listed(labels.get(row.county, []), lang)]
        for row in rows.head(MOST).itertuples()
    ]  # fmt: skip
    return views.panel(title, views.table(heads, body, numeric=(1, 2)), note)


def _listed(words: list[str], lang: str, most: int = 3) -> str:
    return ("、" if lang == "zh" else "; ").join(words[:most]) + ("…" if len(words) > most else "")


def _holding_back(found: Standing, lang: str) -> dict[str, list[str]]:
    """Return for each county the items whose figure comes too late, the ones that never come first."""
    query = f"""
    SELECT o.county, s.label_{lang} AS label FROM outlook o JOIN standard_items s USING (standard, code)
    JOIN items i ON i.county = o.county AND i.standard = o.standard AND i.code = o.code AND i.year = ?
    WHERE o.standard = ? AND o.in_time = false AND i.status IN ('not_met', 'not_due')
    ORDER BY o.county, o.year DESC NULLS FIRST, o.code
    """
    out: dict[str, list[str]] = {}
    for row in found.province.sql(query, found.year, found.standard).itertuples():
        out.setdefault(str(row.county), []).append(str(row.label))
    return out


def _weak(found: Standing, lang: str) -> Markup:
    """Return the items most counties do not meet: what the province itself may have to see to."""
    title, note = text("province.weak.title", lang), text("province.weak.about", lang)
    rows = found.province.sql(
        f"SELECT s.label_{lang} AS label, i.stage, count(*) FILTER (status = 'not_met') AS short, "
        "count(*) FILTER (status IN ('met', 'not_met', 'not_due')) AS judged, "
        "count(*) FILTER (status IN ('no_data', 'evidence')) AS open "
        "FROM items i JOIN standard_items s USING (standard, code) WHERE standard = ? AND year = ? AND required "
        "GROUP BY code, label, i.stage HAVING short > 0 ORDER BY short DESC, code LIMIT ?",
        found.standard, found.year, WEAKEST,
    )  # fmt: skip
    if rows.empty:
        return views.panel(title, part("line", lang, text("province.weak.none", lang)))
    heads = [text(f"province.weak.{key}", lang) for key in ("item", "short", "of", "open")]
    body = [[row.label, row.short, row.judged, row.open] for row in rows.itertuples()]
    return views.panel(title, views.table(heads, body, numeric=(1, 2, 3)), note)


def _outline_map(found: Standing, lang: str) -> Markup:
    """Return a schematic map of the counties, coloured and marked by their verdict."""
    import shapely

    shapes = found.province.sql("SELECT county, geometry FROM counties WHERE geometry IS NOT NULL")
    title, note = text("province.map.title", lang), text("province.map.about", lang)
    if shapes.empty:
        return views.panel(title, part("line", lang, text("province.map.none", lang)))
    geometry = shapely.from_wkb([bytes(cell) for cell in shapes["geometry"]])
    west, south, east, north = shapely.total_bounds(geometry)
    squeeze = math.cos(math.radians((south + north) / 2))
    scale = WIDTH / max((east - west) * squeeze, (north - south) / 0.9, 1e-9)
    moved = shapely.transform(
        geometry,
        lambda xy: (xy - [west, north]) * [squeeze * scale, -scale],
    )
    moved = shapely.simplify(moved, 0.6)
    rows = found.rows.set_index("county")
    counties = [_shape(shape, rows.loc[county] if county in rows.index else None, found, lang)
                for county, shape in zip(shapes["county"], moved, strict=True)]  # fmt: skip
    size = [round(length * scale + 8) for length in ((east - west) * squeeze, north - south)]
    drawn = render("province_map", lang, title=title, size=size, counties=counties, verdicts=list(_ORDER),
                   ink=palette.INK, name_size=NAME_SIZE)  # fmt: skip
    return views.panel(title, drawn, note)


def _shape(shape: Any, row: Any, found: Standing, lang: str) -> dict[str, str]:
    """Return a county as the template of the map takes it: outline, colour, mark, and its name where it has room."""
    name = "" if row is None else found.name(row, lang)
    if sum(NAME_SIZE if ord(letter) > 255 else 0.55 * NAME_SIZE for letter in name) > shape.bounds[2] - shape.bounds[0]:
        name = ""  # a name that does not fit would lie over the neighbour's
    if row is None:
        fill, mark, told = palette.LAMPS["no_data"].fill, "?", text("batch.state.faulty", lang)
    else:
        look = palette.VERDICTS[row["verdict"]]
        verdict, short = text(f"verdict.{row['verdict']}", lang), text("province.head.short", lang)
        items = text("province.card.items", lang, n=row["not_met"])
        fill, mark, told = look.fill, look.mark, f"{found.name(row, lang)}: {verdict}, {short} {items}"
    rings = [part.exterior for part in getattr(shape, "geoms", [shape]) if not part.is_empty]
    path = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in ring.coords[:-1]) + "Z" for ring in rings)
    middle = shape.representative_point()
    return {
        "told": told, "path": path, "fill": fill, "mark": mark, "name": name, "x": f"{middle.x:.1f}",
        "y": f"{middle.y:.1f}", "name_y": f"{middle.y + 14:.1f}",
    }  # fmt: skip


def spread(found: Standing, stage: str, indicator: str) -> tuple[pd.DataFrame, float]:
    """Return how a coefficient lies over the counties in every year, and its limit.

    Parameters
    ----------
    found : Standing
    stage : {"primary", "junior"}
    indicator : str
    """
    rows = found.province.sql(
        "SELECT year, quantile_cont(cv, 0.1) AS low, median(cv) AS middle, quantile_cont(cv, 0.9) AS high, "
        "count(*) AS counties FROM coefficients WHERE standard = ? AND stage = ? AND indicator = ? AND cv IS NOT NULL "
        "AND year <= ? GROUP BY year ORDER BY year",
        found.standard, stage, indicator, found.year,
    )  # fmt: skip
    limits = found.province.sql(
        'SELECT max("limit") AS line FROM coefficients WHERE standard = ? AND stage = ? AND indicator = ?',
        found.standard, stage, indicator,
    )  # fmt: skip
    line = limits["line"].iloc[0]
    return rows, math.nan if pd.isna(line) else float(line)


def _dates(found: Standing, lang: str) -> tuple[dict[str, int], dict[str, int], list[str]]:
    """Count the counties by the year they come to meet the standard: in time, too late, and the bars in order."""
    counts: dict[str, int] = {}
    too_late: dict[str, int] = {}
    late_ones = set(found.late["county"])
    years = set()
    for row in found.rows.itertuples():
        word = _expected(row, lang)
        years |= {word} if word.isdigit() else set()
        into = too_late if row.county in late_ones else counts
        into[word] = into.get(word, 0) + 1
    words = [text("province.met_now", lang), *sorted(years)]
    return counts, too_late, [*words, text("province.never", lang), text("province.unknown", lang)]


def _ranking_csv(found: Standing, lang: str) -> bytes:
    """Return the whole ranking as a CSV that spreadsheet programs open."""
    rows = found.rows
    name = [found.name(row, lang) for row in rows.itertuples()]
    frame = rows.assign(name=name, expected=[_expected(row, lang) for row in rows.itertuples()], due=rows["due_year"])
    frame = frame.assign(verdict=[text(f"verdict.{each}", lang) for each in rows["verdict"]])
    keys = ["county", "name", "verdict", "met", "not_met", "open", "schools", "pupils", "share", "expected", "due",
            "in_time", "synthetic"]  # fmt: skip
    return as_csv(frame[keys].set_axis([text(f"province.csv.{key}", lang) for key in keys], axis=1))


def _foot(found: Standing, years: int, lang: str) -> Markup:
    """Say where the figures are from."""
    told = text("province.foot", lang, path=found.province.path.name, software=found.province.software,
                n=len(found.rows), years=years)  # fmt: skip
    return part("muted", lang, told)
