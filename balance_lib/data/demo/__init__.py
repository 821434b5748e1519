"""Build the demonstration counties: real outlines and names, and everything else made up, seeded and marked so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from shapely.geometry import mapping

from balance_lib import standards
from balance_lib.data import intake, tables
from balance_lib.data.county import County
from balance_lib.data.demo import (
    aims,
    assets,
    county_figures,
    demography,
    enrolment,
    evidence,
    funds,
    layout,
    network,
    panel,
    scenarios,
    settlements,
    skeleton,
    staff,
    surroundings,
    terrain,
)
from balance_lib.data.demo.skeleton import NAMES, Skeleton, stream

__all__ = ["NAMES", "SEED", "build", "county"]

SEED = 2012
RELIEF = "dem.tif"
FORMS, WITH_FORMS = "forms", ("akqi",)
PEOPLE, WITH_PEOPLE = "people.tif", ("akqi",)  # for trying out an import without a list of villages


def build(name: str, out: Path, *, seed: int = SEED) -> Path:
    """Build one demonstration county as a county folder; the same seed gives the same bytes.

    Parameters
    ----------
    name : {"wuxi", "huixian", "akqi", "chuzhou", "jiaohe"}
    out : Path
        Folder that will hold the county's folder.
    seed : int

    Returns
    -------
    Path
        The county's folder, ``out / name``.

    Raises
    ------
    NotFoundError
        If there is no demonstration county of that name.
    """
    made, ground, homes = _make(name, seed)
    folder = made.save(Path(out) / name)
    terrain.write_geotiff(ground, folder / RELIEF)
    if name in WITH_PEOPLE:
        terrain.write_people(ground, homes, folder / PEOPLE, stream(seed, name, "people"))
    _write_scenarios(made, folder / scenarios.FOLDER)
    if name in WITH_FORMS:
        _write_forms(made, folder / FORMS)
    return folder


def county(name: str, *, seed: int = SEED) -> County:
    """Make one demonstration county without writing it.

    Parameters
    ----------
    name : str
        What it is called.
    seed : int
        Seed of chance.

    Raises
    ------
    NotFoundError
        If there is no demonstration county of that name.
    """
    return _make(name, seed)[0]


def _make(name: str, seed: int) -> tuple[County, terrain.DemoTerrain, pd.DataFrame]:
    base = skeleton.load(name)
    figures = skeleton.figures()[name]
    ground = terrain.build(base, stream(seed, name, "terrain"))
    places = settlements.build(base, ground, stream(seed, name, "settlements"))
    net = network.build(ground, places)
    people = demography.build(base, places, stream(seed, name, "demography"))
    schools = layout.build(base, places, people.share[:, demography.HISTORY], stream(seed, name, "layout"))
    flows = enrolment.build(base, places, people, schools)
    now = flows[flows["year"] >= base.years[0]]
    attendance = enrolment.attendance(now, schools, places, base.settings["schools"])
    rows = panel.build(base, schools, flows, attendance, stream(seed, name, "panel"))
    aim = aims.build(schools, base.settings["aims"], stream(seed, name, "aims"))
    rows = rows.join(staff.build(base, schools, rows, aim, stream(seed, name, "staff")))
    owned = assets.build(base, schools, rows, aim, stream(seed, name, "assets"))
    funded = funds.build(base, schools, rows, figures["given"], stream(seed, name, "funds"))
    living = people.table(places)
    made = {
        "schools": _schools(base, schools, ground),
        "school_years": _school_years(rows, owned.merge(funded, on=["school_id", "year"])),
        "townships": _townships(places),
        "villages": places.villages.drop(columns=["type", "x", "y", "remote"]),
        "village_years": living,
        "attendance": attendance,
        "county_years": county_figures.build(base, schools, rows, figures, _units(base)),
        "evidence": evidence.build(base, figures),
        "edges": net.edges,
    }
    layers = {
        "outline.geojson": _outline(base),
        "townships.geojson": settlements.layer(places),
        "rivers.geojson": net.rivers,
    }
    if name in surroundings.WHERE:
        layers[surroundings.LAYER] = surroundings.build(schools, ground, stream(seed, name, "surroundings"))
    now = living[living["year"] == living["year"].max()]
    return _county(base, made, layers), ground, places.villages.merge(now, on="village_id")


def _write_scenarios(made: County, folder: Path) -> None:
    """Write the example scenarios; others that stand there are somebody's work and stay."""
    folder.mkdir(exist_ok=True)
    for name, text in scenarios.texts(made).items():
        (folder / name).write_text(text, encoding="utf-8")


def _write_forms(made: County, folder: Path) -> None:
    """Write the official returns of the last year: one workbook a school, and the county's."""
    year = made.years[-1]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for school_id in sorted(made.table("school_years", year)["school_id"].unique()):
        (folder / f"{school_id}.xlsx").write_bytes(intake.write_school_form(made, school_id, year))
    (folder / "county.xlsx").write_bytes(intake.write_county_form(made, year))


def _county(base: Skeleton, made: Mapping[str, pd.DataFrame], layers: Mapping[str, Any]) -> County:
    conformed = {name: tables.conform(frame, name) for name, frame in made.items()}
    meta = {
        "code": base.code,
        "plan": base.settings["plan"],
        "province": base.settings["province"],
        "default_year": base.settings["default_year"],
        "years": base.years,
        **skeleton.provenance(base),
    }
    # Layers come back from JSON as lists, not tuples: the same objects whether made or opened.
    plain = {name: json.loads(json.dumps(layer)) for name, layer in layers.items()}
    return County(
        county_id=base.name,
        name_zh=base.name_zh,
        name_en=base.settings["name_en"],
        tables=conformed,
        crs="WGS84",
        synthetic=True,
        meta=meta,
        layers=plain,
    )


def _schools(base: Skeleton, schools: list[layout.School], ground: terrain.DemoTerrain) -> pd.DataFrame:
    lon, lat = ground.degrees([s.x for s in schools], [s.y for s in schools])
    built = [max(s.founded, s.opened) for s in schools]
    as_made = ("school_id", "name_zh", "name_en", "kind", "township", "founder", "location", "rank")
    return pd.DataFrame(
        {name: [getattr(s, name) for s in schools] for name in as_made}
        | {
            "boarding": [int(s.boarding) for s in schools],
            "lon": lon,
            "lat": lat,
            "founded_year": built,
            "built_by_2010": [int(year <= 2010) for year in built],
            "built_by_2016": [int(year <= 2016) for year in built],
            "dense_centre": 0,
            "opened_year": [s.opened or s.founded for s in schools],
            "closed_year": [s.closed for s in schools],
            "host_school_id": [s.host for s in schools],
            "note": [s.note or "示例学校，数据均为虚构" for s in schools],
        }
    )


def _school_years(rows: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """Put whole-school columns on the only stage row, or on a row of stage ``shared`` of a through-school."""
    shared = panel.shared_rows(rows)
    single = rows.merge(shared[["school_id", "year"]].assign(through=True), how="left")["through"].isna()
    joined = rows.merge(whole, on=["school_id", "year"], how="left")
    whole_columns = [c for c in whole.columns if c not in panel.KEY]
    joined.loc[~single.to_numpy(), whole_columns] = float("nan")
    kinds = rows.drop_duplicates(["school_id", "year"])[["school_id", "year", "kind"]]
    out = pd.concat([joined, shared.merge(whole, how="left").merge(kinds, how="left")], ignore_index=True)
    order = out["stage"].map({"primary": 0, "junior": 1, "senior": 2, "shared": 3})
    out = out.assign(order=order).sort_values(["year", "school_id", "order"], kind="stable")
    return out.reset_index(drop=True)


def _townships(places: settlements.Settlements) -> pd.DataFrame:
    return places.townships[["township", "code", "type", "lon", "lat"]].assign(
        pilot=places.townships["pilot"].astype(int)
    )


def _outline(base: Skeleton) -> dict[str, Any]:
    properties = {"name_zh": base.name_zh, "name_en": base.settings["name_en"], "schematic": True}
    feature = {"type": "Feature", "properties": properties, "geometry": mapping(base.outline)}
    return {"type": "FeatureCollection", "features": [feature]}


def _units(base: Skeleton) -> dict[str, str]:
    inputs = {**standards.common_inputs(), **standards.load(str(base.settings["plan"])).inputs}
    return {item: str(spec["unit"]) for item, spec in inputs.items()}
