"""Read what a county has counted: births, young children, who goes where, rolls and leavers, as aligned arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from balance_lib._errors import DataError, Fault, NotFoundError
from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.locale import Message
from balance_lib.standards import STAGES

BANDS = ("g1_3", "g4_6", "g7_9")
BAND_STAGE = {"g1_3": "primary", "g4_6": "primary", "g7_9": "junior"}
UNKNOWN = ""  # the home of pupils of whom no attendance row tells
FIRST_AGE = 6  # of grade 1, in full years at the start of the school year
AGES = 15  # 0 to 14: from birth to grade 9


@dataclass(frozen=True, eq=False)
class Counts:
    """Hold a county's counts up to a base year; NaN is "not counted".

    Parameters
    ----------
    first, base : int
        First year with any count, and the base year; arrays run over all years between.
    villages : tuple of str
        Village ids; the last is ``""``, pupils whose home is not known.
    schools : tuple of str
    flows : DataFrame
        Who goes where in every year: year, village, school (positions), band (0–2), pupils. Each school's rows add up
        to its recorded roll.
    grades : DataFrame
        Number of grades each school's primary stage taught: year, school (position), grades; NaN where not told.
    pupils : array (villages, bands, years)
    births, young : array (villages, years)
        Births, and children of 3 to 5 years.
    stages, leavers : array (stages, years)
        The county's recorded rolls, and its pupils in grades 6 and 9.
    notes : tuple of Message
        What was not counted, and what was done about it.
    """

    county_id: str
    first: int
    base: int
    villages: tuple[str, ...]
    townships: tuple[str, ...]
    schools: tuple[str, ...]
    flows: pd.DataFrame
    grades: pd.DataFrame
    pupils: Any
    births: Any
    young: Any
    stages: Any
    leavers: Any
    notes: tuple[Message, ...] = ()

    @property
    def years(self) -> list[int]:
        """Return all years from the first to the base year."""
        return list(range(self.first, self.base + 1))

    def until(self, base: int) -> Counts:
        """Return what was counted up to an earlier year: what a forecaster of that year had before him."""
        keep = base - self.first + 1
        return replace(
            self,
            base=base,
            flows=self.flows[self.flows["year"] <= base],
            grades=self.grades[self.grades["year"] <= base],
            **{name: getattr(self, name)[..., :keep] for name in ("pupils", "births", "young", "stages", "leavers")},
        )

    def rolls(self, year: int) -> Any:
        """Return the rolls of one year as an array (schools, stages); zero where nobody goes."""
        rows = self.flows[self.flows["year"] == year]
        out = np.zeros((len(self.schools), len(STAGES)))
        np.add.at(out, (rows["school"].to_numpy(), (rows["band"] == 2).to_numpy().astype(int)), rows["pupils"])
        return out


@once_per_county
def read(county: County, base: int | None = None) -> Counts:
    """Read a county's counts.

    Attendance is brought to each school's recorded roll; a roll without attendance keeps its pupils, with their home
    unknown. A school without a recorded roll is told in the notes and left out: nobody knows how many it has.

    Parameters
    ----------
    county : County
    base : int, optional
        Last counted school year.

    Raises
    ------
    NotFoundError
        If the county has no school data of the base year.
    DataError
        If no school tells any roll.
    """
    base = county.years[-1] if base is None and county.years else base
    if base is None or base not in county.years:
        raise NotFoundError(f"{county.county_id}.years", base, county.years)
    rolls, untold = _rolls(county)
    if rolls["pupils"].isna().all():
        raise DataError([Fault("scenario_no_rolls", "school_years.csv", None, "pupils", params={"year": base})])
    where, notes = _who_goes_where(county, rolls)
    if untold.get(base):
        notes.append(Message("trends.note.no_roll", {"n": untold[base], "year": base}))
    table = county.tables["village_years"].dropna(subset=["village_id", "year"]).drop_duplicates(["village_id", "year"])
    years = [*rolls["year"], *table["year"]]
    first = int(min(years))
    known = county.tables["villages"].drop_duplicates("village_id")
    villages = (*sorted({*known["village_id"], *table["village_id"], *where["village_id"]} - {UNKNOWN}), UNKNOWN)
    place = dict(zip(known["village_id"], known["township"].fillna(""), strict=True))
    schools = tuple(sorted(rolls["school_id"].unique()))
    at_village, at_school = ({name: at for at, name in enumerate(names)} for names in (villages, schools))
    flows = pd.DataFrame(
        {
            "year": where["year"].astype(int),
            "village": where["village_id"].map(at_village),
            "school": where["school_id"].map(at_school),
            "band": where["band"].map({name: at for at, name in enumerate(BANDS)}),
            "pupils": where["pupils"].astype(float),
        }
    )
    span = int(max(years)) - first + 1
    counts = Counts(
        county_id=county.county_id,
        first=first,
        base=first + span - 1,
        villages=villages,
        townships=tuple(place.get(village, "") for village in villages),
        schools=schools,
        flows=flows,
        grades=rolls[rolls["stage"] == "primary"].assign(school=lambda t: t["school_id"].map(at_school))[
            ["year", "school", "grades"]
        ],
        pupils=_by_band(flows, len(villages), first, span),
        births=_by_village(table, "births", at_village, first, span),
        young=_by_village(table, "age_3_5", at_village, first, span),
        stages=_by_stage(rolls, "pupils", first, span, untold),
        leavers=_by_stage(rolls, "graduates", first, span, untold),
        notes=tuple(notes),
    )
    return counts.until(base)


def _rolls(county: County) -> tuple[pd.DataFrame, dict[int, int]]:
    """Return the recorded rolls, and how many schools of each year have none."""
    table = county.tables["school_years"].drop_duplicates(["school_id", "year", "stage"])
    table = table[table["stage"].isin(STAGES)].dropna(subset=["school_id", "year"])
    table = table[["school_id", "year", "stage", "pupils", "graduates", "grades"]].astype({"year": int})
    table["pupils"] = table["pupils"].where(table["pupils"] >= 0)
    untold = table[table["pupils"].isna()].groupby("year")["school_id"].nunique()
    return table, {int(year): int(n) for year, n in untold.items()}


def _who_goes_where(county: County, rolls: pd.DataFrame) -> tuple[pd.DataFrame, list[Message]]:
    """Return attendance scaled to the rolls, with the pupils of unknown home added."""
    key, notes = ["school_id", "stage", "year"], []
    told = county.tables["attendance"].dropna(subset=["village_id", *key, "band", "pupils"])
    told = told.drop_duplicates(["village_id", *key, "band"]).astype({"year": int})
    told = told[["village_id", *key, "band", "pupils"]][told["pupils"] > 0]
    known = rolls.dropna(subset=["pupils"]).set_index(key)["pupils"]
    sums = told.groupby(key)["pupils"].sum()
    scale = (known / sums.reindex(known.index)).dropna()
    index = pd.MultiIndex.from_frame(told[key])
    told = told.assign(pupils=told["pupils"].astype(float) * scale.reindex(index).to_numpy()).dropna()
    homeless = known[~known.index.isin(sums.index) & (known > 0)].reset_index()
    if len(homeless):
        last = homeless[homeless["year"] == rolls["year"].max()]
        notes.append(Message("trends.note.no_home", {"n": round(float(last["pupils"].sum()))}))
    primary = told[told["stage"] == "primary"].groupby(["year", "band"])["pupils"].sum().unstack()
    lower = (primary["g1_3"] / primary.sum(axis=1)) if "g1_3" in primary else pd.Series(dtype=float)
    parts = [told]
    for band, stage in BAND_STAGE.items():
        mine = homeless[homeless["stage"] == stage]
        share = mine["year"].map(lower).fillna(0.5) if stage == "primary" else pd.Series(1.0, index=mine.index)
        share = 1.0 - share if band == "g4_6" else share
        parts.append(mine[key].assign(village_id=UNKNOWN, band=band, pupils=mine["pupils"] * share))
    return pd.concat(parts, ignore_index=True), notes


def _by_band(flows: pd.DataFrame, villages: int, first: int, span: int) -> Any:
    """Add up flows by home and band; a year in which no home is told is not counted at all."""
    out = np.zeros((villages, len(BANDS), span))
    at = flows["year"].to_numpy() - first
    np.add.at(out, (flows["village"].to_numpy(), flows["band"].to_numpy(), at), flows["pupils"].to_numpy())
    told = set(flows.loc[flows["village"] < villages - 1, "year"])
    out[:, :, [year not in told for year in range(first, first + span)]] = np.nan
    return out


def _by_village(table: pd.DataFrame, column: str, at: dict[str, int], first: int, span: int) -> Any:
    """Lay a column of the villages' years out; a village not counted in a year the others are has NaN."""
    out = np.full((len(at), span), np.nan)
    values = table[column].where(table[column] >= 0).to_numpy(dtype=float)
    out[table["village_id"].map(at).to_numpy(dtype=int), table["year"].to_numpy(dtype=int) - first] = values
    return out


def _by_stage(rolls: pd.DataFrame, column: str, first: int, span: int, untold: dict[int, int]) -> Any:
    """Add up a column by stage; a year in which one school does not tell has no total."""
    out = np.full((len(STAGES), span), np.nan)
    for (stage, year), rows in rolls.groupby(["stage", "year"]):
        if year not in untold and rows[column].notna().all():
            out[STAGES.index(stage), int(year) - first] = float(rows[column].sum())
    return out
