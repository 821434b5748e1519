"""Make up the figures of a trial county: schools and who attends them, roads, staff, rooms, funds and findings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib import standards
from balance_lib.data.demo.classes import BANDS
from balance_lib.standards import STAGES

Floats = npt.NDArray[np.float64]
Random = np.random.Generator

STANDARDS = ("basic_2012", "quality_2017")
DOCUMENT = "示例材料（虚构）"
KM_PER_DEGREE = 111.32
GRADES = {"g1_3": 3, "g4_6": 3, "g7_9": 3}
SERVES = {  # which kinds of school teach a band
    "g1_3": ("primary", "nine_year", "teaching_point"),
    "g4_6": ("primary", "nine_year"),
    "g7_9": ("junior", "nine_year"),
}
SHARED = [  # what a nine-year school reports once for the whole school
    "teaching_area_m2", "indoor_sports_m2", "office_area_m2", "gym_m2", "sports_field_m2", "leased_sports_m2",
    "other_sports_m2", "equipment_yuan", "multimedia_rooms", "computers", "books", "function_rooms", "music_rooms",
    "music_rooms_96", "music_rooms_73", "music_rooms_61", "art_rooms", "art_rooms_90", "art_rooms_67", "art_rooms_61",
    "unsafe_area_m2", "funded_pupils", "public_budget_yuan", "public_final_yuan", "training_budget_yuan",
]  # fmt: skip
NOBODY = (
    "teachers_master", "teachers_doctor", "teachers_arts", "visiting_pe", "visiting_music", "visiting_fine_art",
    "visiting_arts", "transfers_in_3y", "transfers_out_3y", "deaths_3y",
)  # fmt: skip
MONITORED = ("chinese", "maths", "science", "pe", "arts", "moral")


@dataclass(frozen=True, eq=False)
class SettledCounty:
    """Hold a settled county: villages, schools, who goes where in the last year, and roads."""

    villages: pd.DataFrame
    schools: pd.DataFrame
    going: pd.DataFrame
    edges: pd.DataFrame


def settle(villages: pd.DataFrame, n_schools: int, random: Random) -> SettledCounty:
    """Put schools into villages, send every village's pupils to a school near them, and join the villages by roads.

    Parameters
    ----------
    villages : DataFrame
        Villages with their places and children.
    n_schools : int
        Schools to place.
    random : Random
        Source of chance; the same seed gives the same county.
    """
    n = len(villages)
    seat = ~villages.duplicated("town").to_numpy()
    size = np.exp(random.normal(2.0, 0.7, n)) * np.where(seat, 3.0, 1.0)  # children of one year of age
    size[villages["town"].to_numpy() == 0] *= 3.5  # the county seat
    schools = _schools(villages, seat, n_schools, random)
    going = _attendance(villages, schools, size, random)
    return SettledCounty(villages.assign(size=size), schools, going, _roads(villages, random))


def _schools(villages: pd.DataFrame, seat: Any, n_schools: int, random: Random) -> pd.DataFrame:
    n = len(villages)
    others = np.flatnonzero(~seat)
    at = np.concatenate([np.flatnonzero(seat), random.permutation(others)])[: min(n, n_schools)]
    n_seats = int(seat.sum())
    kind = np.full(len(at), "nine_year", dtype=object)
    rest = np.arange(n_seats, len(at))
    kind[rest] = random.choice(["primary", "teaching_point", "junior"], len(rest), p=[0.63, 0.22, 0.15])
    two = random.random(n_seats) < 0.6  # most seats have a primary school; the pupils of 7 to 9 go where one is near
    kind[:n_seats] = np.where(two, "primary", "nine_year")
    kind[0] = "primary"
    kind[n_seats : n_seats + max(3, n_seats // 2)] = "junior"
    town = villages["town"].to_numpy()[at]
    place = np.where(town == 0, "urban", np.where(seat[at], "town", "rural"))
    word = {"primary": "小学", "nine_year": "九年一贯制学校", "teaching_point": "教学点", "junior": "初级中学"}
    return pd.DataFrame(
        {
            "school_id": [f"S{i + 1:04d}" for i in range(len(at))],
            "name_zh": [f"{name}{word[k]}" for name, k in zip(villages["name_zh"].to_numpy()[at], kind, strict=True)],
            "kind": kind,
            "township": villages["township"].to_numpy()[at],
            "location": place,
            "rank": np.where(town == 0, "county_seat", np.where(seat[at] | (kind == "junior"), "central", "village")),
            "boarding": ((kind != "teaching_point") & (place != "urban") & (random.random(len(at)) < 0.3)).astype(int),
            "lon": villages["lon"].to_numpy()[at] + np.round(random.uniform(-0.002, 0.002, len(at)), 5),
            "lat": villages["lat"].to_numpy()[at] + np.round(random.uniform(-0.002, 0.002, len(at)), 5),
            "built": random.integers(1960, 2018, len(at)),
            "private": (place == "urban") & (random.random(len(at)) < 0.1),
            "village": at,
            "town": town,
        }
    )


def _attendance(villages: pd.DataFrame, schools: pd.DataFrame, size: Floats, random: Random) -> pd.DataFrame:
    """Send a village's pupils of a band to the nearest school that teaches it, some of them to the county seat."""
    km = _km(villages, schools)
    km[schools["village"].to_numpy(), np.arange(len(schools))] = 0.0  # a village goes to its own school: none is empty
    parts = []
    for band, grades in GRADES.items():
        serves = schools["kind"].isin(SERVES[band]).to_numpy()
        near = np.where(serves, km, np.inf).argmin(axis=1)
        urban = np.flatnonzero(serves & (schools["town"] == 0).to_numpy())
        pupils = np.maximum(1, np.round(size * grades)).astype(int)
        away = np.round(pupils * random.uniform(0.0, 0.3, len(pupils))).astype(int) if len(urban) else 0 * pupils
        away[schools["village"].to_numpy()[near] == np.arange(len(pupils))] = 0
        far = urban[random.integers(0, len(urban), len(pupils))] if len(urban) else near
        for to, count in ((near, pupils - away), (far, away)):
            ways = km[np.arange(len(pupils)), to]
            board = np.where((schools["boarding"].to_numpy()[to] == 1) & (ways > 4) & (band != "g1_3"), count, 0)
            parts.append(
                pd.DataFrame(
                    {
                        "village_id": villages["village_id"],
                        "school_id": schools["school_id"].to_numpy()[to],
                        "stage": "junior" if band == "g7_9" else "primary",
                        "band": band,
                        "pupils": count,
                        "boarders": board,
                    }
                )
            )
    going = pd.concat(parts, ignore_index=True)
    keys = ["village_id", "school_id", "stage", "band"]
    return going[going["pupils"] > 0].groupby(keys, as_index=False).sum()


def _km(villages: pd.DataFrame, schools: pd.DataFrame) -> Floats:
    scale = math.cos(math.radians(float(villages["lat"].mean())))
    dx = (villages["lon"].to_numpy()[:, None] - schools["lon"].to_numpy()) * scale
    dy = villages["lat"].to_numpy()[:, None] - schools["lat"].to_numpy()
    return np.asarray(KM_PER_DEGREE * np.hypot(dx, dy))


def _roads(villages: pd.DataFrame, random: Random) -> pd.DataFrame:
    """Join neighbouring villages: a tree that reaches all of them, and the shorter of the other ways."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial import Delaunay

    points = villages[["lon", "lat"]].to_numpy()
    corners = Delaunay(points + random.normal(0, 1e-7, points.shape)).simplices
    pairs = np.unique(
        np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [0, 2]]]), axis=1), axis=0
    )
    scale = np.array([math.cos(math.radians(float(points[:, 1].mean()))), 1.0])
    metres = 1000 * KM_PER_DEGREE * np.hypot(*((points[pairs[:, 0]] - points[pairs[:, 1]]) * scale).T) + 1.0
    tree = minimum_spanning_tree(coo_matrix((metres, pairs.T), shape=(len(points),) * 2)).tocoo()
    kept = {tuple(sorted(pair)) for pair in zip(tree.row.tolist(), tree.col.tolist(), strict=True)}
    use = np.array([pair in kept for pair in map(tuple, pairs.tolist())]) | (metres < np.quantile(metres, 0.45))
    (a, b), length = pairs[use].T, metres[use] * random.uniform(1.05, 1.45, int(use.sum()))
    node = np.array([f"N{i + 1:04d}" for i in range(len(points))])
    return pd.DataFrame(
        {
            "from_node": node[a],
            "to_node": node[b],
            "from_lon": points[a, 0],
            "from_lat": points[a, 1],
            "to_lon": points[b, 0],
            "to_lat": points[b, 1],
            "length_m": np.round(length),
            "kind": "road",
        }
    )


def village_years(land: SettledCounty, year: int) -> pd.DataFrame:
    """Count the children of each village.

    Parameters
    ----------
    land : SettledCounty
    year : int
    """
    size = land.villages["size"].to_numpy()
    return pd.DataFrame(
        {
            "village_id": land.villages["village_id"],
            "year": year,
            "population": np.round(size * 95),
            "births": np.round(size * 0.8),
            "age_3_5": np.round(size * 2.7),
            "age_6_11": np.round(size * 6),
            "age_12_14": np.round(size * 3),
        }
    )


def school_years(land: SettledCounty, years: Sequence[int], strong: bool, random: Random) -> pd.DataFrame:
    """Make up every year of every school and stage, near the lines of the quality standard or far from them.

    A county has a level (how well it stands), a spread (how unequal its schools are) and a pace for both: most fall
    short somewhere, some get better quickly enough; a strong one has brought every school above the lines.

    Parameters
    ----------
    land : SettledCounty
    years : sequence of int
    strong : bool
        Whether the county stands well.
    random : Random
        Source of chance; the same seed gives the same county.
    """
    base = _rows(land, years, strong, random)
    level, spread, pace = random.normal(0.4, 0.3), 0.1 + 0.5 * random.beta(1.2, 2.5), random.normal(0.015, 0.02)
    ahead = base["year"].to_numpy() - years[-1]
    rows: dict[str, Any] = {}
    luck = pd.factorize(base["school_id"])[0]
    scale = spread * (1 - 0.04 * ahead)
    for name in _lines():
        own = random.normal(0, 1, luck.max() + 1)[luck] * scale + random.normal(level, 0.1)
        line = base["stage"].map(_lines()[name]).to_numpy(dtype=float)
        rows[name] = line * np.exp(np.clip(own + pace * ahead, 0.2 if strong else -1.2, 1.2))
    out = base.join(_staff(base, rows, strong, random)).join(_rooms(base, rows, strong, random))
    out = out.join(_funds(base, strong, random))
    if random.random() < 0.06:  # some county has not counted everything
        out.loc[random.integers(0, len(out), 3), "equipment_yuan"] = np.nan
    return _share(out)


@cache
def _lines() -> dict[str, dict[str, float]]:
    """Return the line of each indicator and stage, from the standard itself."""
    found: dict[str, dict[str, float]] = {}
    for item in standards.load("quality_2017").judged:
        if item.measure is not None and item.measure.source == "indicator":
            found.setdefault(item.measure.formula, {})[item.stage] = float(item.value)
    return found


def _rows(land: SettledCounty, years: Sequence[int], strong: bool, random: Random) -> pd.DataFrame:
    """Count pupils and classes: the last year from who goes where, the years before by the county's drift."""
    now = land.going.groupby(["school_id", "stage"], as_index=False)[["pupils", "boarders"]].sum()
    now = now.merge(land.schools[["school_id", "kind", "location", "boarding"]], on="school_id")
    grown = random.normal(-0.015, 0.02) + random.normal(0, 0.012, len(now))
    crowd, stray = random.uniform(36, 44 if strong else 49), 0.0 if strong else random.choice([0.0, 0.15])
    parts = []
    for year in years:
        factor = (1 + grown) ** (year - years[-1])
        pupils = np.maximum(1, np.round(now["pupils"] * factor)).astype(int)
        boarders = np.minimum(pupils, np.round(now["boarders"] * factor)).astype(int)
        parts.append(now.assign(year=year, pupils=pupils, boarders=boarders))
    out = pd.concat(parts, ignore_index=True)
    pupils = out["pupils"].to_numpy()
    grades = np.where((out["kind"] == "teaching_point") | (out["stage"] == "junior"), 3, 6)
    each = np.maximum(1, np.ceil(pupils / grades / crowd)).astype(int)
    classes = np.where(pupils / grades < 8, np.ceil(pupils / 22), grades * each).astype(int)
    zoned = (out["location"] != "rural") & (random.random(len(out)) < stray)
    out = out.assign(
        grades=grades, classes=classes, small_rural_50_99=0, largest_class_under_30=0, home_taught_pupils=0
    )
    out["pupils_in_zone"] = np.where(zoned, np.floor(pupils * 0.97), pupils)
    out["migrant_pupils"] = np.floor(pupils * 0.03)
    return out.join(_sizes(pupils, classes))


def _sizes(pupils: Any, classes: Any) -> pd.DataFrame:
    """Count classes by size: as even as whole pupils allow."""
    small, more = np.divmod(pupils, classes)
    edges = [0, *BANDS.values()]
    columns = {}
    for low, name in zip(edges, BANDS, strict=False):
        high = BANDS[name]
        count = np.where((small > low) & (small <= high), classes - more, 0)
        columns[name] = count + np.where((small + 1 > low) & (small + 1 <= high), more, 0)
    return pd.DataFrame(columns)


def _staff(base: pd.DataFrame, rows: dict[str, Any], strong: bool, random: Random) -> pd.DataFrame:
    pupils = base["pupils"].to_numpy()
    degree = np.ceil(rows["higher_degree_teachers"] * pupils / 100).astype(int)
    special = np.ceil(rows["pe_arts_teachers"] * pupils / 100).astype(int)
    teachers = np.maximum.reduce([np.ceil(pupils / random.uniform(12, 16)).astype(int) + 1, degree + 1, special])
    junior = (base["stage"] == "junior").to_numpy()
    new = np.minimum(teachers, random.binomial(teachers, 0.04))
    trained = np.maximum(0, teachers - new - (random.random(len(base)) < (0.0 if strong else 0.01)))
    pe, music = special - 2 * (special // 3), special // 3
    return pd.DataFrame(
        {
            "staff": teachers + 1 + teachers // 12,
            "teachers": teachers,
            "teachers_college": np.where(junior, teachers - degree, degree // 2),
            "teachers_bachelor": np.where(junior, degree, degree - degree // 2),
            "teachers_backbone": np.ceil(rows["backbone_teachers"] * pupils / 100),
            "teachers_certified": teachers,
            "teachers_trained_360h": trained,
            "teachers_first_year": new,
            "teachers_mid_rank": teachers // 2,
            "teachers_on_subject": teachers,
            "teachers_pe": pe,
            "teachers_music": music,
            "teachers_fine_art": music,
            **dict.fromkeys(("graduates", "entrants_3y_ago"), pupils // base["grades"]),
            **dict.fromkeys(NOBODY, 0),
        }
    )


def _rooms(base: pd.DataFrame, rows: dict[str, Any], strong: bool, random: Random) -> pd.DataFrame:
    pupils, need = base["pupils"].to_numpy(), np.ceil(base["classes"] / 12)
    lacks = (random.random(len(base)) < (0.0 if strong else random.choice([0.0, 0.0, 0.03]))).astype(int)
    field = np.round(rows["sports_area"] * pupils)
    return pd.DataFrame(
        {
            "teaching_area_m2": np.round(rows["teaching_area"] * pupils),
            "office_area_m2": np.round(0.6 * pupils),
            "gym_m2": np.where(pupils > 900, np.minimum(field, 600), 0),
            "sports_field_m2": np.where(pupils > 900, field - np.minimum(field, 600), field),
            "equipment_yuan": np.round(rows["equipment"] * pupils),
            "multimedia_rooms": np.ceil(rows["multimedia_rooms"] * pupils / 100),
            "computers": np.ceil(pupils * 0.15),
            "books": np.round(pupils * random.uniform(18, 35)),
            "function_rooms": np.minimum(np.where(base["kind"] == "nine_year", 3, 6), need + 2),
            **{f"{room}_rooms": need for room in ("music", "art")},
            "music_rooms_96": need - lacks,
            "art_rooms_90": need - lacks,
            **dict.fromkeys(("music_rooms_73", "music_rooms_61", "art_rooms_67", "art_rooms_61", "unsafe_area_m2"), 0),
            **dict.fromkeys(("indoor_sports_m2", "leased_sports_m2", "other_sports_m2"), 0),
        }
    )


def _funds(base: pd.DataFrame, strong: bool, random: Random) -> pd.DataFrame:
    each = np.where(base["stage"] == "junior", 940, 720)
    funded = np.maximum(base["pupils"], np.where(base["stage"] == "primary", 100, 0))
    budget = funded * each
    return pd.DataFrame(
        {
            "funded_pupils": funded,
            "public_budget_yuan": budget,
            "public_final_yuan": budget,
            "training_budget_yuan": np.ceil(budget * (0.051 if strong else random.choice([0.05, 0.045]))),
        }
    )


def _share(rows: pd.DataFrame) -> pd.DataFrame:
    """Move what a nine-year school has for both stages to one row of stage ``shared``."""
    keys = ["school_id", "year"]
    whole = rows[rows["kind"] == "nine_year"].groupby(keys, as_index=False)[SHARED].sum(min_count=1)
    out = rows.copy()
    out[SHARED] = out[SHARED].astype(float)
    out.loc[out["kind"] == "nine_year", SHARED] = np.nan
    out = pd.concat([out, whole.assign(stage="shared", kind="nine_year")], ignore_index=True)
    order = out["stage"].map({"primary": 0, "junior": 1, "shared": 2})
    out = out.assign(order=order).sort_values(["year", "school_id", "order"], kind="stable")
    return out.drop(columns=["order", "location", "boarding"]).reset_index(drop=True)


def county_years(rows: pd.DataFrame, years: Sequence[int], strong: bool, random: Random) -> pd.DataFrame:
    """Make up the figures a county reports for itself: most counties meet most of these lines.

    Parameters
    ----------
    rows : DataFrame
    years : sequence of int
    strong : bool
        Whether the county stands well.
    random : Random
        Source of chance; the same seed gives the same county.
    """
    taught = rows[rows["stage"].isin(STAGES)]
    pupils = taught.groupby("year")["pupils"].sum()
    teachers = taught.groupby("year")["teachers"].sum()
    orderly = strong or random.random() < 0.3  # a county that sees to its own affairs meets all of them
    care, pay = random.uniform(0.9, 1.1), random.uniform(1.0 if orderly else 0.97, 1.12)
    least, grades = (0.2, [3, 3, 4]) if orderly else (0.18, [3, 3, 3, 4, 2])
    out: list[tuple[int, str, float]] = []
    for year in years:
        n, staff = float(pupils[year]), float(teachers[year])
        disabled, migrants = round(n * 0.006), round(n * 0.03)
        eligible = round(staff * 0.4)
        rotated = round(eligible * random.uniform(least / 2, 0.16))
        special = max(12, round(n * 0.002))
        figures = {
            "special_pupils": special,
            "special_fund_yuan": special * random.choice([6000, 7200, 8000]),
            "teacher_salary_yuan": round(78000 * pay),
            "civil_servant_salary_yuan": 78000,
            "rotation_eligible": eligible,
            "rotated": rotated,
            "rotated_backbone": math.ceil(rotated * random.uniform(least, 0.3)),
            "senior_quality_places": 1000,
            "senior_quality_quota": round(1000 * random.uniform(0.5 if orderly else 0.48, 0.65)),
            "migrant_eligible": migrants,
            "migrant_public": round(migrants * min(1.0, care)),
            "migrant_purchased": 0,
            "disabled_children": disabled,
            "disabled_enrolled": math.floor(disabled * random.uniform(0.97 if orderly else 0.94, 1.0)),
            "satisfaction_pct": round(random.normal(88, 2.5), 1),
            "basic_recognised_year": 2014,
            **{f"quality_level_{subject}": int(random.choice(grades)) for subject in MONITORED},
            **{
                f"quality_difference_{subject}": round(random.uniform(0.06, 0.145 if orderly else 0.16), 3)
                for subject in MONITORED
            },
        }
        out += [(year, item, float(value)) for item, value in figures.items()]
    return pd.DataFrame(out, columns=["year", "item", "value"])


@cache
def _findings() -> list[tuple[str, str]]:
    return [
        (name, item.code)
        for name in STANDARDS
        for item in standards.load(name).judged
        if item.measure is not None and item.measure.stated_by == "evidence"
    ]


def evidence(years: Sequence[int], strong: bool, random: Random) -> pd.DataFrame:
    """Make up what inspectors found for the items only a document can show; later years find more of them met.

    Parameters
    ----------
    years : sequence of int
    strong : bool
        Whether the county stands well.
    random : Random
        Source of chance; the same seed gives the same county.
    """
    rows = []
    good = 1.0 if strong or random.random() < 0.3 else random.beta(20, 1.2)
    kept = 1.0 if good == 1.0 else 0.99
    for year in years:
        for standard, code in _findings():
            if random.random() < kept:
                finding = "met" if random.random() < min(1.0, good + 0.04 * (year - years[0])) else "not_met"
                rows.append((standard, code, year, finding, DOCUMENT, f"{year + 1}-06-30"))
    return pd.DataFrame(rows, columns=["standard", "item_id", "year", "finding", "document", "recorded_on"])
