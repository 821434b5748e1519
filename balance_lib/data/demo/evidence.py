"""Record made-up findings for the items that only documents can show: most are met, some not, some not recorded yet."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any

import pandas as pd

from balance_lib import standards
from balance_lib.data.demo.skeleton import Skeleton
from balance_lib.standards import Item

DOCUMENTS = ("自查报告", "专项检查记录", "工作台账", "督导评估意见", "会议纪要", "年度工作总结")
NATIONAL = ("basic_2012", "quality_2017")
# Share of the years after which the county passed it.
NATIONAL_MET_FROM = {"A1": 0.85, "B1-7": 0.6, "B1-10.3": 0.85, "B1-16": 0.4, "P2": 0.7}


def build(skeleton: Skeleton, figures: Mapping[str, Any]) -> pd.DataFrame:
    """Return the canonical table ``evidence`` for the county's own plan and the two national standards.

    Parameters
    ----------
    skeleton : Skeleton
    figures : mapping
        The county's block of ``figures.yaml``: first year recorded, items not met, items left unrecorded.
    """
    plan = str(skeleton.settings["plan"])
    rows = []
    for standard in (*NATIONAL, plan):
        for item in standards.load(standard).items:
            if item.judged and not item.same_as and item.measure and item.measure.stated_by == "evidence":
                rows += [
                    _row(skeleton, standard, item, year, figures) for year in _years(skeleton, standard, item, figures)
                ]
    out = pd.DataFrame(rows)
    return out.sort_values(["standard", "item_id", "year"], kind="stable").reset_index(drop=True)


def _years(skeleton: Skeleton, standard: str, item: Item, figures: Mapping[str, Any]) -> list[int]:
    first = figures["evidence_first"] if standard == skeleton.settings["plan"] else skeleton.years[0]
    stop = figures["evidence_unrecorded"].get(item.code, 9999)
    if standard == "quality_2017" and skeleton.settings["aims"]["push"][max(skeleton.settings["aims"]["push"])] == 0:
        # Counties that do not work for this standard yet have gathered little for it.
        return [year for year in skeleton.years if _digest(item.code) % 3 and year >= skeleton.years[-1] - 1]
    if standard == "quality_2017" and _digest(item.code) % 9 == 0:
        stop = min(stop, skeleton.years[-1])
    return [year for year in skeleton.years if first <= year < stop]


def _row(skeleton: Skeleton, standard: str, item: Item, year: int, figures: Mapping[str, Any]) -> dict[str, Any]:
    if standard == skeleton.settings["plan"]:
        met = year > figures["evidence_not_met"].get(item.code, 0)
    else:
        share = (year - skeleton.years[0]) / (skeleton.years[-1] - skeleton.years[0])
        met = share >= NATIONAL_MET_FROM.get(item.code, 0.0)
    digest = _digest(f"{standard}/{item.code}/{year}")
    county = skeleton.name_zh
    label = re.split("[(（]", item.label_zh)[0].split(":")[-1][:24]
    # The finding is of the school year's end.
    return {
        "standard": standard,
        "item_id": item.code,
        "year": year,
        "finding": "met" if met else "not_met",
        "document": f"{county}{year}学年“{label}”{DOCUMENTS[digest % len(DOCUMENTS)]}（示例）",
        "unit": (item.lead_unit or f"{county}人民政府教育督导室") + "（示例）",
        "recorded_on": f"{year + 1}-{4 + digest % 4:02d}-{1 + digest % 28:02d}",
        "note": "示例数据，非真实材料" if met else "示例数据，非真实材料；限期整改",
    }


def _digest(text: str) -> int:
    return zlib.crc32(text.encode())
