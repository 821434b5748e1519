"""Write example scenarios beside each demonstration county: what its plan did to the layout, or might do next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.county import County
from balance_lib.plain import as_yaml

FOLDER = "scenarios"
MICRO = 10  # 徽县: micro-schools of fewer pupils are attached to a central school
LARGEST = 39  # classes of a junior school of just under 2,000 pupils, 13 in each grade
_GOODS = {"teachers": "with_pupils", "equipment": "with_pupils", "books": "with_pupils"}
_OPEN_STEPS = ("argued", "heard", "published", "approved", "built_first")
# What a new school of 36 classes starts with: as the national standard of 2017 asks for about 1,600 pupils.
_NEW_SCHOOL = {
    "staff": 100.0, "teachers": 95.0, "teachers_college": 5.0, "teachers_bachelor": 85.0, "teachers_master": 5.0,
    "teachers_backbone": 18.0, "teachers_certified": 95.0, "teachers_mid_rank": 45.0, "teachers_pe": 8.0,
    "teachers_music": 5.0, "teachers_fine_art": 5.0, "teaching_area_m2": 9000.0, "sports_field_m2": 13000.0,
    "equipment_yuan": 4000000.0, "multimedia_rooms": 40.0, "computers": 220.0, "books": 48000.0, "function_rooms": 6.0,
    "unsafe_area_m2": 0.0,
}  # fmt: skip
Row = dict[str, Any]


def texts(made: County) -> dict[str, str]:
    """Return the example scenarios of a demonstration county: file name -> YAML; past ones are what its tables say."""
    return {f"{name}.yaml": text for name, text in _EXAMPLES[made.county_id](made).items()}


def _jiaohe(made: County) -> dict[str, str]:
    """蛟河 2009–2011: 12 village primaries closed, 11 turned into points, 9 points and 2 juniors gone: 132 becomes 109.

    The smaller junior merges into the smallest of the town; the other one's pupils are zoned to the next two.
    """
    closed, points = _history(made, 2009, 2011)
    kind, pupils = _kinds(made, 2009), _pupils(made, 2009)
    juniors = sorted((s for s in closed if kind[s] == "junior"), key=lambda s: pupils[s])
    receivers = _town_juniors(made, 2009)
    rows = [_merge(made, juniors[0], receivers[0])]
    rows += [_close(made, school) for school in [*juniors[1:], *(s for s in closed if s not in juniors)]]
    rows += [_point(made, school) for school in points]
    rows += _room(made, 2009, receivers[:1], juniors[:1]) + _room(made, 2009, receivers[1:3], juniors[1:])
    head = _head(made, "蛟河市2009—2011年学校布局调整", 2009, target=2011, bus_minutes=40.0)
    head["note"] = (
        "蛟教字〔2009〕97号：撤并乡镇以上学校2所、村小12所，村小变点11所，撤教学点9个；村小由132所减至109所。学校为示例。"
    )
    return {"2009-2011": _yaml(head, rows, done=("argued", "published"))}


def _huixian(made: County) -> dict[str, str]:
    """徽县 2012–2024: 182 rural schools become 96; micro-schools are attached to their central schools."""
    closed, points = _history(made, 2012, 2024)
    kind, pupils = _kinds(made, 2012), _pupils(made, 2012)
    micro = [s for s in sorted(kind) if kind[s] in ("primary", "teaching_point") and pupils[s] < MICRO]
    rows = [_attach(made, school) for school in micro]
    rows += [_close(made, school) for school in closed if school not in micro]
    rows += [_point(made, school) for school in points if school not in micro]
    head = _head(made, "徽县2012—2024年农村学校布局调整", 2012, bus_minutes=40.0)
    head["note"] = "全县农村义务教育学校由2012年的182所调整到96所；10人以下微型学校就近挂靠中心校。学校为示例。"
    return {"2012-2024": _yaml(head, rows, done=("argued", "heard", "published"))}


def _wuxi(made: County) -> dict[str, str]:
    year = made.years[-1]
    kind, pupils = _kinds(made, year), _pupils(made, year)
    points = sorted((s for s in kind if kind[s] == "teaching_point"), key=lambda s: (pupils[s], s))
    host = _column(made, "host_school_id")
    closing = next(s for s in points if pupils[s] <= _places_free(made, host[s], year))
    attached = [s for s in points if pupils[s] < MICRO and s != closing]
    villages = _villages(made, closing, year)
    rows = [_merge(made, closing, host[closing]), {"bus": host[closing], "villages": villages, "minutes": 25.0}]
    rows += [_attach(made, school) for school in attached]
    rows += [
        {"keep": school, "note": f"{_name(made, school)}：最近的学校太远，应留必留"} for school in _remote(made, points)
    ]
    head = _head(made, "巫溪县微型教学点挂靠中心校", year)
    head["note"] = "一个教学点并入有空余学位的中心校并开通校车；其余不足10人的教学点挂靠中心校；偏远教学点一律保留。"
    parents = [{"school": closing, "asked": int(pupils[closing]), "opposed": 1}]
    return {"attach-micro-points": _yaml(head, rows, done=("argued", "heard"), parents=parents)}


def _akqi(made: County) -> dict[str, str]:
    year, village = made.years[-1], "AQ016"
    centre = _column(made, "host_school_id")[village]
    beds = _boarders(made, centre, year)
    rows = [_point(made, village, top_grade=3), {"boarding": centre, "places": beds + 40}]
    rows += [{"resize": centre, "note": "先建后撤", "classes": 18}]
    rows += [
        {"keep": s, "note": "应留必留"} for s, kind in sorted(_kinds(made, year).items()) if kind == "teaching_point"
    ]
    head = _head(made, "阿合奇县高年级到中心校寄宿、低年级就近走读", year)
    head["note"] = "村小保留1—3年级，4—6年级到乡中心校寄宿；教学点全部保留。"
    parents = [{"school": village, "asked": 40, "opposed": 6}]
    done = _OPEN_STEPS[:4]
    return {"board-from-grade-4": _yaml(head, rows, done=done, parents=parents)}


def _chuzhou(made: County) -> dict[str, str]:
    year = made.years[-1]
    merging = [{**_merge(made, "CZ024", "CZ023")}]
    head = _head(made, "楚州区施河镇两所初中合并", year)
    head["note"] = "家长多数反对：本情景用来说明不得强行撤并。"
    parents = [{"school": "CZ024", "asked": 130, "opposed": 88}]
    refused = _yaml(head, [*merging, {"resize": "CZ023", "stage": "junior", "classes": 33}], parents=parents)
    crowded = "CZ007"
    homes = _villages(made, crowded, year)
    ground = made.tables["villages"].set_index("village_id").loc[homes, ["lon", "lat"]].mean()
    new = {
        "open": "CZ900", "name_zh": "楚州区淮城新建小学", "name_en": "Huaicheng New Primary School", "kind": "primary",
        "township": "淮城街道", "location": "urban", "rank": "county_seat", "lon": round(float(ground["lon"]), 5),
        "lat": round(float(ground["lat"]), 5), "classes_primary": 36, "villages": homes[: len(homes) // 2],
        "gives": _NEW_SCHOOL,
    }  # fmt: skip
    head = _head(made, "楚州区新建小学分流大校额", year)
    head["note"] = f"{_name(made, crowded)}超过2000人：新建一所小学，划入部分村居。"
    return {"merge-two-juniors": refused, "relieve-a-crowded-school": _yaml(head, [new], done=("argued", "approved"))}


_EXAMPLES: dict[str, Callable[[County], dict[str, str]]] = {
    "jiaohe": _jiaohe,
    "huixian": _huixian,
    "wuxi": _wuxi,
    "akqi": _akqi,
    "chuzhou": _chuzhou,
}


def _history(made: County, first: int, last: int) -> tuple[list[str], list[str]]:
    """Return the schools that were closed and those that became points after one year, up to another."""
    schools = made.tables["schools"]
    there = set(made.table("school_years", first)["school_id"])
    closed = schools[(schools["closed_year"] > first) & (schools["closed_year"] <= last)]["school_id"]
    closed = [s for s in closed if s in there]
    was, years = _kinds(made, first), made.tables["school_years"]
    turned = years[(years["year"] > first) & (years["year"] <= last) & (years["kind"] == "teaching_point")]
    points = sorted({s for s in turned["school_id"] if was.get(s) == "primary" and s not in closed})
    return closed, points


def _town_juniors(made: County, year: int) -> list[str]:
    """Return the town's public schools with junior grades, those with fewest junior pupils first."""
    schools, rows = made.tables["schools"], made.table("school_years", year)
    junior = rows[rows["stage"] == "junior"].set_index("school_id")["pupils"]
    town = schools[schools["rank"].eq("county_seat") & schools["founder"].eq("county") & schools["kind"].ne("special")]
    return sorted((s for s in town["school_id"] if s in junior.index), key=lambda s: junior[s])


def _room(made: County, year: int, receivers: list[str], closing: list[str]) -> list[Row]:
    """Give receivers the classes and beds they need (先建后撤), up to the size a school may have."""
    comes = sum(_pupils(made, year)[school] for school in closing)
    out: list[Row] = []
    for school in receivers:
        out.append({"resize": school, "stage": "junior", "classes": LARGEST})
        out.append({"boarding": school, "places": _boarders(made, school, year) + int(np.ceil(comes / len(receivers)))})
    return out


def _places_free(made: County, school: str, year: int) -> float:
    """Return the places a primary stage has left, 45 to a class and the same number of classes in every grade."""
    rows = made.table("school_years", year).set_index(["school_id", "stage"])
    row = rows.loc[(school, "primary")]
    return float(row["classes"] // 6 * 6 * 45 - row["pupils"])


def _remote(made: County, points: list[str]) -> list[str]:
    """Return the ten points farthest from any other school."""
    schools = made.tables["schools"].set_index("school_id")
    there = schools.loc[sorted(set(made.table("school_years", made.years[-1])["school_id"]))]
    x, y = there["lon"].to_numpy() * np.cos(np.radians(there["lat"].mean())), there["lat"].to_numpy()
    away = np.hypot(x[:, None] - x[None, :], y[:, None] - y[None, :])
    np.fill_diagonal(away, np.inf)
    nearest = pd.Series(np.round(away.min(axis=1), 6), index=there.index).loc[points]
    return sorted(nearest.sort_values(ascending=False, kind="stable").index[:10])


def _close(made: County, school: str) -> Row:
    return {"close": school, "note": _name(made, school), **_GOODS}


def _merge(made: County, school: str, into: str) -> Row:
    note = f"{_name(made, school)}并入{_name(made, into)}"
    return {"merge": school, "note": note, **_GOODS, "into": into}


def _point(made: County, school: str, **more: Any) -> Row:
    return {"to_point": school, "note": _name(made, school), **_GOODS, **more}


def _attach(made: County, school: str) -> Row:
    host = _column(made, "host_school_id")[school]
    return {"attach": school, "note": f"{_name(made, school)}挂靠{_name(made, host)}", "to": host}


def _column(made: County, column: str) -> dict[str, Any]:
    return made.tables["schools"].set_index("school_id")[column].to_dict()


def _name(made: County, school: str) -> str:
    return str(_column(made, "name_zh")[school])


def _kinds(made: County, year: int) -> dict[str, str]:
    rows = made.table("school_years", year).drop_duplicates("school_id").set_index("school_id")["kind"]
    return rows.fillna(pd.Series(_column(made, "kind"))).to_dict()


def _pupils(made: County, year: int) -> dict[str, float]:
    rows = made.table("school_years", year)
    return rows[rows["stage"] != "senior"].groupby("school_id")["pupils"].sum().to_dict()


def _boarders(made: County, school: str, year: int) -> int:
    rows = made.table("school_years", year)
    return int(rows[(rows["school_id"] == school) & (rows["stage"] != "senior")]["boarders"].sum())


def _villages(made: County, school: str, year: int) -> list[str]:
    going = made.table("attendance", year)
    return sorted(going[going["school_id"] == school]["village_id"].unique())


def _head(made: County, name: str, year: int, *, target: int | None = None, **settings: Any) -> Row:
    head: Row = {"scenario": name, "county": made.county_id, "year": int(year)}
    head |= {} if target is None else {"target_year": target}
    return {**head, "note": "", **({"settings": settings} if settings else {})}


def _yaml(head: Row, rows: list[Row], *, done: Iterable[str] = (), parents: list[Row] | None = None) -> str:
    """Write a scenario the way ``Scenario.to_yaml`` does: one operation a line."""
    lines = [as_yaml(head).rstrip(), "operations:"]
    lines += [f"- {_flow(row)}" for row in rows]
    lines.append("procedure:")
    lines += [f"  {step}: {_flow({'done': step in tuple(done)})}" for step in _OPEN_STEPS]
    lines += ["  parents:", *(f"  - {_flow(row)}" for row in parents)] if parents else []
    return "\n".join(lines) + "\n"


def _flow(row: Row) -> str:
    return as_yaml(row, flow=True).strip()
