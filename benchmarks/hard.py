"""Put the harder questions to the optimiser and write the table of the docs: ``python benchmarks/hard.py [NAME ...]``.

Every question runs in a process of its own, so that its peak of memory is its own; compiling is not counted. Questions
of a county are made up, or of the county demonstrated; published instances are read from ``--instances FOLDER``
(``pmedcap01.txt`` ... of the OR-Library, ``fl1400.tsp`` of the TSPLIB, ``geo_gy.txt`` of github.com/yfkong/PMPequality;
none is shipped) and left out where they are not there. ``--write`` puts the table between the marks in
``docs/optimise.*.md``; the rows of questions not asked stay as they are.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from balance_lib import optimise

ROOT = Path(__file__).parents[1]
HEADS = {
    "en": "| question | plan | bound | gap | proven | seconds | memory, MB | jobs |\n|---|---|---|---|---|---|---|---|",
    "zh": "| 问题 | 方案 | 下界 | 差距 | 证明最优 | 秒 | 内存（MB） | 任务数 |\n|---|---|---|---|---|---|---|---|",
}
WORDS = {
    "en": {
        "yes": "yes",
        "no": "no",
        "date": "Last measured on {date}, {cores} cores, at most {limit:.0f} s a question; jobs: running or waiting meanwhile.",
    },
    "zh": {
        "yes": "是",
        "no": "否",
        "date": "最近测于 {date}，{cores} 核，每题至多 {limit:.0f} 秒；任务数指当时机器上在运行或等待的任务。",
    },
}


@dataclass(frozen=True)
class Question:
    """Hold one question: what it is called in both languages, and how it is asked within a time limit."""

    en: str
    zh: str
    ask: Callable[[float, Path], optimise.Solution]
    file: str = ""


def _rules(
    county: str = "made up", bus_minutes: float = 45, **goals: Any
) -> Callable[[float, Path], optimise.Solution]:
    """Return the question of a county under its own rules."""

    def ask(time_limit_s: float, _: Path) -> optimise.Solution:
        from balance_lib.data.county import County
        from balance_lib.planning import siting
        from balance_lib.scenarios import Scenario
        from benchmarks.optimise import townships_county
        from benchmarks.ticks import YEAR

        if county == "made up":
            asked = townships_county()
            year = YEAR
        else:
            asked = County.open(ROOT / "data" / "demo" / county)
            year = asked.years[-1]
        walk = {"walk_primary_m": 4000} if county == "made up" else {}
        scenario = Scenario.empty(asked, year).with_settings(bus_minutes=bus_minutes, young_minutes=60, **walk)
        wanted = siting.Goals(may_close="all", **goals)
        return siting.propose(
            asked, "primary", wanted, scenario=scenario, judge=False, time_limit_s=time_limit_s
        ).solution

    return ask


def _places(n: int, m: int, p: int, tight: float, seed: int) -> Callable[[float, Path], optimise.Solution]:
    """Return a capacitated p-median of made-up villages that go whole: places are so tight a share above demand."""

    def ask(time_limit_s: float, _: Path) -> optimise.Solution:
        from benchmarks.optimise import county

        metres, pupils = county(n, m, seed=seed)
        places = np.ceil(tight * pupils.sum() / p)
        return optimise.p_median(metres, p, weights=pupils, demand=pupils, capacity=places, time_limit_s=time_limit_s)

    return ask


def _gongyi(time_limit_s: float, folder: Path) -> optimise.Solution:
    """Ask for 24 of 135 sites for 1,276 units of a real county, each unit whole."""
    table = np.loadtxt(folder / "geo_gy.txt", skiprows=1)
    sites = table[:, 6] > 0
    apart = table[:, None, 2:4] - table[None, sites, 2:4]
    return optimise.p_median(
        np.hypot(apart[..., 0], apart[..., 1]) / 1000, 24, weights=table[:, 1], demand=table[:, 1],
        capacity=table[sites, 6], time_limit_s=time_limit_s,
    )  # fmt: skip


def _pmedcap(number: int) -> Callable[[float, Path], optimise.Solution]:
    def ask(time_limit_s: float, folder: Path) -> optimise.Solution:
        one = optimise.read_pmedcap(folder / f"pmedcap{number:02d}.txt")
        return optimise.p_median(one.cost, one.p, capacity=one.capacity, demand=one.demand, time_limit_s=time_limit_s)

    return ask


def _drill(p: int) -> Callable[[float, Path], optimise.Solution]:
    def ask(time_limit_s: float, folder: Path) -> optimise.Solution:
        lines = (folder / "fl1400.tsp").read_text(encoding="ascii").split("NODE_COORD_SECTION")[1].split("EOF")[0]
        at = np.array(lines.split(), dtype=float).reshape(-1, 3)[:, 1:]
        apart = at[:, None] - at[None]
        return optimise.p_median(np.floor(np.hypot(apart[..., 0], apart[..., 1])), p, time_limit_s=time_limit_s)

    return ask


def _wide(n: int, p: int) -> Callable[[float, Path], optimise.Solution]:
    """Return a p-median of n villages that are all sites."""

    def ask(time_limit_s: float, _: Path) -> optimise.Solution:
        from benchmarks.optimise import county

        metres, pupils = county(n, n)
        return optimise.p_median(metres, p, weights=pupils, time_limit_s=time_limit_s)

    return ask


ALL = {"radius": True, "young": True, "township_minimum": True}
FREE = {"radius": False, "young": False, "township_minimum": False}
QUESTIONS = {
    "size": Question(
        "120 of 208 schools, least size 150, places", "208 校留 120，不少于 150 人，按学位",
        _rules(schools=120, min_size=150, **FREE)),
    "size_rules": Question(
        "120 of 208 schools, least size 150, all rules", "208 校留 120，不少于 150 人，全部规则",
        _rules(schools=120, min_size=150, **ALL)),
    "budget": Question(
        "150 of 208 schools, least size 100, all rules, running budget",
        "208 校留 150，不少于 100 人，全部规则，运行经费上限",
        _rules(schools=150, min_size=100, running_budget_yuan=26.1e6, **ALL)),
    "bus": Question(
        "fewest of 208 schools, bus up to 25 km, all rules", "208 校最少留几校，校车 25 公里，全部规则",
        _rules(aim="fewest", max_distance_m=25_000.0, bus_minutes=60, **ALL)),
    "jiaohe": Question(
        "Jiaohe (demonstration), 151 to 90 schools, all rules", "蛟河（演示），151 校留 90，全部规则",
        _rules("jiaohe", schools=90)),
    "whole": Question(
        "1,276 villages whole to 24 of 135 sites, places 1.17 times", "1276 村整村到 135 处选 24，学位 1.17 倍",
        _places(1276, 135, 24, 1.17, 3)),
    "gongyi": Question(
        "1,276 units of Gongyi whole to 24 of 135 sites", "巩义 1276 单元整体到 135 处选 24", _gongyi, "geo_gy.txt"),
    **{f"pmedcap{k:02d}": Question(f"pmedcap{k:02d}", f"pmedcap{k:02d}", _pmedcap(k), f"pmedcap{k:02d}.txt")
       for k in range(1, 21)},
    "fl1400_300": Question("fl1400, p = 300, whole distances", "fl1400，p = 300，整数距离", _drill(300), "fl1400.tsp"),
    "fl1400_500": Question("fl1400, p = 500, whole distances", "fl1400，p = 500，整数距离", _drill(500), "fl1400.tsp"),
    "wide": Question("3,000 villages, all of them sites, p = 300", "3000 村皆可设校，p = 300", _wide(3000, 300)),
}  # fmt: skip


def answer(name: str, time_limit_s: float, folder: Path) -> dict[str, Any]:
    """Ask one question in this process and return its figures."""
    optimise.warm_up()
    found = QUESTIONS[name].ask(time_limit_s, folder)
    if name == "bus" and found.found:  # schools are what is asked for
        schools, proven = float(found.open.sum()), found.status == "optimal"
        least = schools if proven else float(found.facts.get("least_schools", 0))
        found = replace(found, objective=schools, bound=least)
    return {
        "objective": found.objective, "bound": found.bound, "gap": found.gap, "status": found.status,
        "seconds": found.seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "open": int(found.open.sum()), "jobs": os.getloadavg()[0],
    }  # fmt: skip


def row(name: str, found: dict[str, Any], lang: str) -> str:
    """Return one row of the table; its name stands in it unseen, so that it can be found again."""
    question, words = QUESTIONS[name], WORDS[lang]
    proven = words["yes" if found["status"] == "optimal" else "no"]
    gap = f"{100 * found['gap']:.2f} %" if np.isfinite(found["gap"]) else "–"
    values = " | ".join(f"{found[of]:,.0f}" if np.isfinite(found[of]) else "–" for of in ("objective", "bound"))
    figures = f"{values} | {gap} | {proven} | {found['seconds']:.1f} | {found['memory']:.0f} | {found['jobs']:.0f} |"
    return f"| {getattr(question, lang)} | {figures}"


def write(found: dict[str, dict[str, Any]], limit: float) -> None:
    """Put rows into both pages; those of other questions stay."""
    for lang in ("en", "zh"):
        page = ROOT / "docs" / f"optimise.{lang}.md"
        whole = page.read_text(encoding="utf-8")
        before, table, after = re.split(r"(?<=<!-- hard: begin -->\n)(.*?)(?=<!-- hard: end -->)", whole, flags=re.S)
        rows = {line.split(" | ")[0]: line for line in table.splitlines() if line.startswith("| ")}
        new = {f"| {getattr(QUESTIONS[name], lang)}": row(name, one, lang) for name, one in found.items()}
        order = [f"| {getattr(question, lang)}" for question in QUESTIONS.values()]
        lines = [(rows | new)[key] for key in order if key in rows | new]
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        said = WORDS[lang]["date"].format(date=date, cores=os.cpu_count(), limit=limit)
        text = f"{said}\n\n{HEADS[lang]}\n" + "\n".join(lines) + "\n"
        page.write_text(before + text + after, encoding="utf-8")


def main() -> None:
    """Ask, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(QUESTIONS))
    parser.add_argument("--instances", type=Path, default=Path("instances"))
    parser.add_argument("--time-limit-s", type=float, default=60.0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(answer(asked.names[0], asked.time_limit_s, asked.instances)))
        return
    found = {}
    print(HEADS["en"], flush=True)
    for name in asked.names or QUESTIONS:
        file = QUESTIONS[name].file
        if file and not (asked.instances / file).exists():
            continue
        command = [sys.executable, __file__, "--one", name, "--instances", str(asked.instances),
                   "--time-limit-s", str(asked.time_limit_s)]  # fmt: skip
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
        print(row(name, found[name], "en"), flush=True)
    if asked.write:
        write(found, asked.time_limit_s)


if __name__ == "__main__":
    main()
