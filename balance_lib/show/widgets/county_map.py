"""Draw a county as the schematic map: its places, and what changes with the school year."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import locale, palette
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.show.map import HIDDEN, Geometry, SchematicMap
from balance_lib.show.map.geometry import OTHER, SHAPES, Floats, PointBuffer, middle_of, project
from balance_lib.show.map.looks import WORDS
from balance_lib.show.widgets import looks

# No county is as wide: a point farther from the middle of the others is a slip of the pen.
WIDEST_KM = 1000.0


class CountyMap(SchematicMap):
    """Show a county's schools and villages in a school year.

    Parameters
    ----------
    county : County
    year : int, optional
        School year shown first; the last one by default.
    lang : {"zh", "en"}
    height : int
        Height in pixels.
    sites : DataFrame, optional
        Places where a school may be opened: ``school_id, name_zh, name_en, township, lon, lat``; not drawn before
        ``set_schools`` gives them a kind.
    marks : mapping, optional
        What the map says of the data, as ``County.marks``: a scenario's county holds estimates as if they were data.

    Examples
    --------
    >>> chart = CountyMap(county, 2023)  # doctest: +SKIP
    """

    def __init__(
        self,
        county: County,
        year: int | None = None,
        *,
        lang: str = "zh",
        height: int = 560,
        sites: pd.DataFrame | None = None,
        marks: Mapping[str, Any] | None = None,
    ) -> None:
        self.county, self.lang = county, lang
        self.year = year if year is not None else (county.years[-1] if county.years else 0)
        self.sited = _with_sites(county, sites)
        self.places: Geometry = _geometry(self.sited, lang)
        marks = marks or county.marks
        told = locale.banners(marks, lang)
        badge = locale.text(f"banner.badge_{'synthetic' if marks['synthetic'] else 'estimated'}", lang)
        self._open(
            self.places, lang, name=county.name(lang), synthetic=bool(told), height=height,
            words={"picture_note": " ".join(told), "synthetic": badge}, colours=palette.chrome(),
            statuses=looks.status_classes(lang), **_of_year(self.sited, self.year, lang),
        )  # fmt: skip

    @property
    def empty(self) -> bool:
        """Tell whether nothing of the county has a place: an empty frame would say less than words."""
        return not len(self.places.xy)

    def set_year(self, year: int) -> None:
        """Show the schools open in a year, with that year's kinds, pupils and villages."""
        self.year = year
        with self.hold_sync():
            for name, value in _of_year(self.sited, year, self.lang).items():
                self.set_trait(name, value)


@once_per_county
def _of_year(county: County, year: int, lang: str) -> dict[str, bytes]:
    """Return what changes with the year: kinds (255 = not open), pupils of schools, pupils of villages.

    A school whose roll nobody recorded is open all the same; its pupils are NaN.
    """
    places = _geometry(county, lang)
    rows = county.tables["school_years"]
    rows = rows[(rows["year"] == year) & (rows["stage"] != "shared")]
    pupils = rows.groupby("school_id")["pupils"].sum(min_count=1)
    general = county.tables["schools"].set_index("school_id")["kind"]
    kind = general.to_dict() | rows.dropna(subset=["kind"]).set_index("school_id")["kind"].to_dict()
    at = {entry["key"]: position for position, entry in enumerate(places.index["kinds"])}
    codes = [at.get(kind.get(i), HIDDEN) if i in pupils.index else HIDDEN for i in places.schools]
    return {
        "_kinds": np.array(codes, np.uint8).tobytes(),
        "_pupils": pupils.reindex(places.schools).to_numpy(np.float32).tobytes(),
        "_dots": _village_pupils(county, year).reindex(places.villages).to_numpy(np.float32).tobytes(),
    }


def _with_sites(county: County, sites: pd.DataFrame | None) -> County:
    """Return a county whose list of schools ends with the sites; the county itself when there are none."""
    if sites is None or not len(sites):
        return county
    schools = county.tables["schools"]
    if double := set(sites["school_id"]) & set(schools["school_id"]):
        raise ValueError(f"sites bear the ids of schools: {sorted(double)}")
    return county.with_tables(schools=pd.concat([schools, sites.reindex(columns=schools.columns)], ignore_index=True))


def _village_pupils(county: County, year: int) -> Any:
    """Return pupils by village: who goes where, else children of school age; NaN when neither is known."""
    going = county.tables["attendance"]
    going = going[going["year"] == year]
    if len(going):
        return going.groupby("village_id")["pupils"].sum(min_count=1)
    ages = county.tables["village_years"]
    ages = ages[ages["year"] == year].set_index("village_id")[["age_6_11", "age_12_14"]]
    return ages.sum(axis=1, min_count=2)


@once_per_county
def _geometry(county: County, lang: str = "zh") -> Geometry:
    """Collect and project everything of a county that a map draws.

    Places without coordinates are left out and counted: ``index["unplaced"]`` schools.
    """
    buffer, english = PointBuffer(), county.townships_en if lang == "en" else {}
    county = county.spoken(lang)
    towns = county.tables["townships"]
    index: dict[str, Any] = {
        "outline": [buffer.add(ring) for shape in _shapes(county, "outline.geojson") for ring in _rings(shape)],
        "townships": _townships(county, english, buffer),
        "rivers": [buffer.add(line) for shape in _shapes(county, "rivers.geojson") for line in _rings(shape)],
        "roads": _roads(county.tables["edges"], buffer),
    }
    schools, villages = _placed(county.tables["schools"]), _placed(county.tables["villages"])
    index["schools"] = _points(schools, "school_id", buffer)
    index["villages"] = _points(villages, "village_id", buffer)
    index["unplaced"] = len(county.tables["schools"]) - len(schools)
    index["kinds"] = kinds(lang)
    lonlat = np.concatenate(buffer.parts) if buffer.parts else np.empty((0, 2))
    middle = middle_of(lonlat)
    index["middle"] = list(middle)
    _place_names(index["townships"], towns, middle)
    index["layers"] = [name for name in ("townships", "rivers", "roads", "villages") if _there(index, name)] + [
        "labels"
    ]
    return Geometry(
        xy=project(lonlat, middle).astype(np.float32),
        index=index,
        schools=list(schools["school_id"]),
        villages=list(villages["village_id"]),
    )


def kinds(lang: str = "zh") -> list[dict[str, str]]:
    """Return every kind of school with its shape, its name, and the name of the shape in a legend."""
    column = tables.table("schools").columns["kind"]
    out = []
    for key, zh in (column.choices or {}).items():
        shape = SHAPES.get(key, OTHER)
        label = zh if lang == "zh" else key.replace("_", " ")
        out.append({"key": key, "shape": shape, "label": label, "group": WORDS[lang][f"shape_{shape}"]})
    return out


def _there(index: Mapping[str, Any], name: str) -> bool:
    part = index[name]
    return bool(part["id"]) if name == "villages" else bool(part)


def _placed(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out rows without a place, and with one so far from the others that the map would show nothing else."""
    here = frame[frame["lon"].notna() & frame["lat"].notna()]
    lonlat = here[["lon", "lat"]].to_numpy(dtype=float)
    if len(here):
        near = np.hypot(*project(lonlat, (np.median(lonlat[:, 0]), np.median(lonlat[:, 1]))).T) <= WIDEST_KM
        here = here[near] if 2 * near.sum() > len(here) else here
    return here.reset_index(drop=True)


def _points(frame: pd.DataFrame, key: str, buffer: PointBuffer) -> dict[str, Any]:
    start, _ = buffer.add(frame[["lon", "lat"]].to_numpy(dtype=float))
    return {
        "start": start,
        "id": list(frame[key]),
        "name": list(frame["name_zh"].fillna("")),
        "town": list(frame["township"].fillna("")),
    }


def _shapes(county: County, layer: str) -> Iterable[Mapping[str, Any]]:
    for feature in (county.layers.get(layer) or {}).get("features", []):
        if feature.get("geometry"):
            yield feature["geometry"]


def _rings(shape: Mapping[str, Any]) -> list[Floats]:
    """Return every line of a GeoJSON shape, whatever its type; heights are dropped."""
    found: list[Floats] = []

    def descend(coordinates: Sequence[Any]) -> None:
        if coordinates and isinstance(coordinates[0], (list, tuple)) and isinstance(coordinates[0][0], (int, float)):
            found.append(np.array([point[:2] for point in coordinates], dtype=float))
        else:
            for inner in coordinates:
                if isinstance(inner, (list, tuple)):
                    descend(inner)

    for part in shape.get("geometries", [shape]):
        descend(part.get("coordinates", []))
    return found


def _townships(county: County, english: Mapping[str, str], buffer: PointBuffer) -> list[dict[str, Any]]:
    out = []
    for feature in (county.layers.get("townships.geojson") or {}).get("features", []):
        facts = feature.get("properties") or {}
        name = facts.get("township") or facts.get("name_zh") or facts.get("name") or ""
        rings = _rings(feature.get("geometry") or {})
        label = _inside(feature["geometry"]) if rings else None
        out.append({"name": english.get(name, name), "rings": [buffer.add(ring) for ring in rings], "lonlat": label})
    named = {town["name"] for town in out}
    table = county.tables["townships"]
    out += [{"name": name, "rings": [], "lonlat": None} for name in table["township"] if name not in named]
    return out


def _inside(shape: Mapping[str, Any]) -> list[float] | None:
    from shapely.geometry import shape as read

    drawn = read(shape)
    if drawn.is_empty:
        return None
    point = drawn.representative_point()
    return [point.x, point.y]


def _place_names(towns: list[dict[str, Any]], table: pd.DataFrame, middle: tuple[float, float]) -> None:
    """Set the label of each township: in its polygon, else at its seat; drop what neither places."""
    seats = {row.township: [row.lon, row.lat] for row in _placed(table).itertuples()}
    for town in towns:
        lonlat = town.pop("lonlat") or seats.get(town["name"])
        town["at"] = None if lonlat is None else [round(float(v), 3) for v in project([lonlat], middle)[0]]


def _roads(edges: pd.DataFrame, buffer: PointBuffer) -> dict[str, list[int]]:
    corners = ["from_lon", "from_lat", "to_lon", "to_lat"]
    placed = edges[edges[corners].notna().all(axis=1)]
    out = {}
    for kind, rows in placed.groupby(placed["kind"].fillna("road")):
        start, points = buffer.add(rows[corners].to_numpy(dtype=float))
        out[str(kind)] = [start, points // 2]
    return out
