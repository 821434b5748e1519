"""Measure the access room and its page: ``python benchmarks/access.py [--browser] [--repeat N]``.

Prints milliseconds and, for comparators that are installed (geopandas always is; PySAL's ``access`` with
``pip install access``), the ratio from the same run. ``--browser`` also serves the page on a made-up county of 2,000
villages, 300 schools and 500 polygons and measures, in a real Chromium, from a key press on the radius slider to the
picture on the screen.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import access
from balance_lib.access import Reach
from balance_lib.access.distance import Places, nearest_straight, straight_table
from balance_lib.data import tables
from balance_lib.data.county import County

MIDDLE = (109.5, 31.4)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def made_up(villages: int, schools: int, *, towns: int = 14, seed: int = 1) -> County:
    """Return a county of random places: villages attend one of their three nearest schools of the stage."""
    rng = np.random.default_rng(seed)
    where = {n: np.array(MIDDLE) + rng.uniform(-0.5, 0.5, (n, 2)) for n in (villages, schools)}
    home, seat = where[villages], where[schools]
    town = [f"乡{x:02d}{y:02d}" for x, y in (np.floor((home - MIDDLE + 0.5) * towns).astype(int))]
    kinds = np.where(np.arange(schools) % 6 == 0, "junior", "primary")
    ids = [f"S{i:04d}" for i in range(schools)]
    places = pd.DataFrame({"school_id": ids, "name_zh": [f"第{i}学校" for i in range(schools)], "kind": kinds})
    places = places.assign(lon=seat[:, 0], lat=seat[:, 1], township="乡0000", founder="county", location="rural")
    frames = {"schools": places, "villages": _villages(home, town), "attendance": _attendance(home, seat, kinds, rng)}
    frames["school_years"] = _school_years(frames["attendance"], places)
    full = {name: tables.conform(frame, name) for name, frame in frames.items()}
    return County("bench", "测速县", "Bench", full, crs="WGS84", synthetic=True, layers=_layers(towns))


def _villages(home: Any, town: list[str]) -> pd.DataFrame:
    ids = [f"V{i:05d}" for i in range(len(home))]
    return pd.DataFrame({"village_id": ids, "name_zh": [f"{i}村" for i in range(len(home))], "township": town,
                         "lon": home[:, 0], "lat": home[:, 1]})  # fmt: skip


def _attendance(home: Any, seat: Any, kinds: Any, rng: Any) -> pd.DataFrame:
    rows = []
    for stage, bands in access.BANDS.items():
        mine = np.flatnonzero(kinds == stage)
        near, _ = nearest_straight(Places(range(len(home)), *home.T), Places(mine, *seat[mine].T), 3)
        for band in bands:
            chosen = mine[near[np.arange(len(home)), rng.integers(0, 3, len(home))]]
            ids = {"village_id": [f"V{i:05d}" for i in range(len(home))], "school_id": [f"S{i:04d}" for i in chosen]}
            amount = {"pupils": rng.integers(1, 40, len(home)), "boarders": 0}
            rows.append(pd.DataFrame({**ids, "stage": stage, "band": band, "year": 2023, **amount}))
    return pd.concat(rows, ignore_index=True)


def _school_years(attendance: pd.DataFrame, schools: pd.DataFrame) -> pd.DataFrame:
    sums = attendance.groupby(["school_id", "stage"], as_index=False)["pupils"].sum()
    return sums.assign(year=2023, teachers=(sums["pupils"] / 12).round() + 1, grades=6)


def _layers(towns: int) -> dict[str, Any]:
    def box(x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
        # Thirty points a side: as many vertices as real boundaries have.
        t = np.linspace(0, 1, 30)[:, None]
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]) + np.array(MIDDLE) - 0.5
        ring = np.concatenate([a + (b - a) * t for a, b in pairwise(corners)])
        return {"type": "Polygon", "coordinates": [ring.tolist()]}

    cells = [
        {"type": "Feature", "properties": {"township": f"乡{x:02d}{y:02d}"},
         "geometry": box(x / towns, y / towns, (x + 1) / towns, (y + 1) / towns)}
        for x in range(towns) for y in range(towns)
    ]  # fmt: skip
    outline = {"type": "Feature", "properties": {}, "geometry": box(0, 0, 1, 1)}
    return {
        "outline.geojson": {"type": "FeatureCollection", "features": [outline]},
        "townships.geojson": {"type": "FeatureCollection", "features": cells},
    }


def timed(act: Callable[[], Any], repeat: int) -> float:
    """Return the median milliseconds of an act, after one run that does not count."""
    act()
    found = []
    for _ in range(repeat):
        start = time.perf_counter()
        act()
        found.append(1000 * (time.perf_counter() - start))
    return statistics.median(found)


def report(name: str, ours: float, other: float | None = None, peer: str = "") -> None:
    """Print one line: milliseconds, and how many times as long the other takes."""
    ratio = "" if other is None else f"   {peer} {other:10.2f} ms = {other / ours:8.1f} x"
    print(f"{name:<62}{ours:10.3f} ms{ratio}", flush=True)


def nearest(repeat: int) -> None:
    """Measure the nearest school of 14,000 villages among 400."""
    rng = np.random.default_rng(0)
    villages, schools = (
        Places(range(n), *(rng.uniform(-0.5, 0.5, (2, n)) + np.array(MIDDLE)[:, None])) for n in (14_000, 400)
    )
    report(
        "nearest two of 400 schools, 14,000 villages, search tree",
        timed(lambda: nearest_straight(villages, schools, 2), repeat),
    )
    report(
        "all pairs 14,000 x 400, then the nearest",
        timed(lambda: straight_table(villages, schools).nearest(), min(repeat, 5)),
    )


def compute(repeat: int) -> None:
    """Measure what a page asks for on 2,000 villages and 300 schools."""
    county = made_up(2_000, 300)
    table = access.costs(county)
    reach = Reach.of(county, 2023, "primary", table)
    radii = iter(np.tile(np.linspace(500, 10_000, 97), 10_000))
    report(
        "who walks where: 2,000 villages x 300 schools", timed(lambda: Reach.of(county, 2023, "primary", table), repeat)
    )
    tick = timed(lambda: (access.covered(reach, next(radii)), access.by_township(reach, next(radii))), 20 * repeat)
    report(
        "radius tick: coverage of the county and its townships", tick, _geopandas(county, reach, repeat), "geopandas"
    )
    report(
        "radius tick: class of every village", timed(lambda: access.village_classes(reach, next(radii)), 20 * repeat)
    )
    report("radius tick: villages outside, worst first", timed(lambda: access.outside(reach, next(radii)), 5 * repeat))
    access.ground.cache_clear()
    report(
        "catchments, villages' cells included",
        timed(lambda: (access.ground.cache_clear(), access.catchments(county, reach)), 3),
    )
    report("catchments, cells kept", timed(lambda: access.catchments(county, reach), 3))
    two_step(reach, repeat)


def two_step(reach: Reach, repeat: int) -> None:
    """Measure 2SFCA within 5 km."""
    supply = np.where(reach.serves[0], reach.schools["teachers"].fillna(0).to_numpy(dtype=float), 0)
    demand = np.bincount(reach.rows["village"], reach.pupils, minlength=len(reach.villages))
    ours = timed(lambda: access.two_step(reach.table.metres, supply, demand, 5_000), repeat)
    report("2SFCA, 2,000 villages x 300 schools", ours, _pysal(reach, supply, demand, repeat), "PySAL access")


def _geopandas(county: County, reach: Reach, repeat: int) -> float:
    """Measure the same coverage the usual way: buffer, dissolve, join."""
    import geopandas as gpd

    points = [
        gpd.GeoSeries(gpd.points_from_xy(f["lon"], f["lat"]), crs=4326).to_crs(32649)
        for f in (reach.schools, reach.villages)
    ]
    schools = gpd.GeoDataFrame(geometry=points[0][reach.open])
    at = reach.rows["village"].to_numpy()
    people = gpd.GeoDataFrame(
        {"pupils": reach.pupils, "town": reach.town}, geometry=points[1].to_numpy()[at], crs=32649
    )

    def run() -> Any:
        zone = schools.assign(geometry=schools.buffer(3_000)).dissolve()
        return gpd.sjoin(people, zone, predicate="within").groupby("town")["pupils"].sum()

    return timed(run, min(repeat, 5))


def _pysal(reach: Reach, supply: Any, demand: Any, repeat: int) -> float | None:
    here = [sys.path.pop(0)]  # this file is called access too
    try:
        from access import fca
    except ImportError:
        return None
    finally:
        sys.path[:0] = here
    metres = reach.table.metres
    row, column = np.nonzero(metres <= 20_000)
    costs = pd.DataFrame({"origin": row, "dest": column, "cost": metres[row, column]})
    people = pd.DataFrame({"pupils": demand})
    schools = pd.DataFrame({"teachers": supply})
    people.index.name = schools.index.name = "geoid"

    def run() -> Any:
        return fca.two_stage_fca(
            people, schools, costs, 5_000, demand_index=True, demand_name="pupils", supply_name="teachers"
        )

    return timed(run, min(repeat, 5))


WATCH = """
() => {
  const map = document.querySelector('.bl-map'), app = document.querySelector('.bl-app');
  window.bench = { painted: [], whole: [] };
  let start = 0, map_at = 0, last = 0;
  const circle = () => map.querySelector('.bl-radius path')?.dataset.km;
  let before = circle();
  const press = () => { start = performance.now(); map_at = last = 0; before = circle(); };
  document.addEventListener('keydown', press, true);
  const after = (act) => requestAnimationFrame(() => {
    const c = new MessageChannel();
    c.port1.onmessage = act;
    c.port2.postMessage(0);
  });
  new MutationObserver(() => {
    if (!start) return;
    if (!map_at && circle() !== before) { map_at = 1; after(() => { map_at = performance.now() - start; }); }
    after(() => { last = performance.now() - start; });
  }).observe(app, { subtree: true, childList: true, attributes: true, characterData: true });
  window.take = () => { window.bench.painted.push(map_at); window.bench.whole.push(last); start = 0; };
}
"""


def browser(moves: int) -> None:
    """Measure the page in Chromium: key press on the radius slider to the picture on the screen."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        county = made_up(2_000, 300)
        county.save(Path(folder) / "bench")
        server = subprocess.Popen(
            [sys.executable, "-m", "balance_lib.cli", "dashboard", "--root", folder, "--port", "8871"],
            stdout=subprocess.PIPE, text=True, env=dict(os.environ), start_new_session=True,
        )  # fmt: skip
        try:
            assert server.stdout is not None
            address = next(word for line in server.stdout for word in line.split() if "http://" in word)
            address = address[address.index("http://") :].split("\u3000")[0].rstrip("/")
            chrome = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = chrome.new_page(viewport={"width": 1440, "height": 1000})
            received = {"bytes": 0}
            page.on(
                "websocket",
                lambda s: s.on("framereceived", lambda f: received.__setitem__("bytes", received["bytes"] + len(f))),
            )
            page.goto(f"{address}/voila/render/access.ipynb", timeout=120_000)
            page.wait_for_selector(".bl-radius path", timeout=120_000)
            page.wait_for_timeout(4_000)
            _measure(page, moves, received)
            chrome.close()
        finally:
            server.terminate()
            server.wait(20)


def _measure(page: Any, moves: int, received: dict[str, int]) -> None:
    page.locator(".noUi-handle").first.focus()
    page.evaluate(WATCH)
    before = received["bytes"]
    for at in range(moves):
        page.keyboard.press("ArrowRight" if at % 40 < 20 else "ArrowLeft")
        page.wait_for_timeout(450)  # shorter than what waits for the hand to rest: exports are made in between
        page.evaluate("take()")
    found = page.evaluate("bench")
    polygons = page.evaluate(
        "document.querySelectorAll('.bl-map-sheet .bl-areas path, .bl-map-sheet .bl-townships path').length"
    )
    for name, key in (
        ("map (circles and villages) painted", "painted"),
        ("everything painted, words included", "whole"),
    ):
        values = [v for v in found[key] if v > 1]
        q = np.percentile(values, [50, 95])
        print(f"slider to {name:<38} median {q[0]:6.1f} ms   95th percentile {q[1]:6.1f} ms   of {len(values)} moves")
    print(f"{polygons} polygons, {(received['bytes'] - before) / moves / 1000:.1f} kB received a move")


def main() -> None:
    """Run the benchmark."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--browser", action="store_true", help="measure the page in Chromium too")
    asked.add_argument("--only-browser", action="store_true")
    asked.add_argument("--repeat", type=int, default=20)
    asked.add_argument("--moves", type=int, default=80)
    given = asked.parse_args()
    if not given.only_browser:
        nearest(given.repeat)
        compute(given.repeat)
    if given.browser or given.only_browser:
        browser(given.moves)


if __name__ == "__main__":
    main()
