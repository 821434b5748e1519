"""Mutate files people hand in, import and check each, and count what ends in anything but words.

    python benchmarks/fuzz_intake.py 20000 --seed 1

Prints the files tried, exceptions with the seed that makes each again, the slowest file, and the peak of memory.
Times are seconds of processor, so that a busy machine slows the run and not its judgement.
"""

# ruff: noqa: E501 - sound files stand here as they are
from __future__ import annotations

import argparse
import io
import json
import random
import resource
import signal
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd

from balance_lib._errors import BalanceError
from balance_lib.data import check, tables
from balance_lib.data.county import County
from balance_lib.data.intake import workbook
from balance_lib.data.intake.bring import bring_in
from balance_lib.data.intake.layout import write_school_form
from balance_lib.data.intake.xlsx import SourceFile

MOST_S = 30
HEAD = "school_id,name_zh,kind,township,lon,lat,year,stage,pupils,classes\n"
ROWS = "".join(f"S{i},第{i}小学,primary,东乡,{106 + i / 50},{33 + i / 70},2023,primary,{90 + i},6\n" for i in range(12))
PLAIN = "学校代码,学校名称,学校类型,经度,纬度,在校生数,教学仪器设备值(万元)\n1,甲小学,小学,106°6′,33°54′,45,3.5\n2,乙中学,初中,E106.2,N33.9,50,\n"
MAPPING = (
    "crs: WGS84\nsources:\n- file: '*.csv'\n  known: true\n  rows: add\n  missing: ['99']\n  where: {学校类型: [小学, 初中]}\n"
    "  columns: {在校生数: {to: school_years.pupils, values: {'*': null}, scale: 1}}\n"
)
LAYER = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"township": "东乡", "name": "甲县", "school_id": f"S{i}", "pupils": 30 + i},
            "geometry": {"type": "Polygon", "coordinates": [[[106, 33], [107, 33], [107, 34], [106, 34], [106, 33]]]},
        }
        for i in range(3)
    ],
}
OSM = (
    '<osm version="0.6"><node id="1" lat="33.4" lon="106.1"><tag k="place" v="village"/><tag k="name" v="李村"/></node>'
    '<node id="2" lat="33.5" lon="106.2"/><way id="3"><nd ref="1"/><nd ref="2"/><tag k="highway" v="path"/></way></osm>'
)
ODD = [
    b"", b"\0", b"\xff\xfe", b'"', b",", b"\n", b"\r", b";", b"\t", b"-", b"-1", b"1e999", b"nan", b"inf", b"9" * 5000, b"=1+1", b"NA",
    "　".encode(), "１２".encode(), b"2024-02-30", b"[" * 300, b"{" * 300, b"&a", b"*a", b"<a>", b"null", b"true", b"0", b"99999999",
    b"106,5", b"180.1", b"x" * 140_000, "合计".encode(), "\u2028".encode(), b"!!python/object:os.system x", b": ", b"\xed\xa0\x80",
]  # fmt: skip


def bases() -> dict[str, bytes]:
    """Return sound files of every kind."""
    school = {name: tables.empty(name) for name in ("schools", "school_years")}
    school["schools"] = pd.DataFrame({"school_id": ["S1"], "name_zh": ["甲小学"], "kind": ["primary"]})
    rows = {"school_id": ["S1"], "year": [2023.0], "stage": ["primary"], "pupils": [120.0], "classes": [6.0]}
    school["school_years"] = pd.DataFrame(rows)
    school = {name: tables.conform(frame, name) for name, frame in school.items()}
    book = openpyxl.Workbook()
    for line in (HEAD + ROWS).splitlines():
        book.active.append(line.split(","))
    book.active.merge_cells("D2:D9")
    out = io.BytesIO()
    book.save(out)
    return {
        "schools.csv": (HEAD + ROWS).encode(),
        "list.csv": PLAIN.encode("gb18030"),
        "list.xlsx": out.getvalue(),
        "list.xls": (Path(__file__).parents[1] / "tests" / "old.xls").read_bytes(),
        "form.xlsx": write_school_form(County("a", "甲县", "A", tables=school), "S1", 2023),
        "workbook.xlsx": workbook.blank_workbook("zh"),
        "outline.geojson": json.dumps(LAYER).encode(),
        "schools.geojson": json.dumps(LAYER).encode(),
        "place.osm": OSM.encode(),
        "mapping.yaml": MAPPING.encode(),
    }


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Return bytes with one to four things cut, doubled, flipped, swapped or put in."""
    if content.startswith(b"PK") and dice.random() < 0.85:
        return _mutated_book(content, dice)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(content) + 1)
        to = min(len(content), at + dice.choice((1, 1, 3, 20, 200)))
        cut = content[at:to]
        new = dice.choice(
            (b"", cut * 2, bytes(dice.randrange(256) for _ in cut[:3]), dice.choice(ODD), dice.choice(ODD) + cut)
        )
        content = content[:at] + new + content[to:]
    return content[: dice.randrange(len(content) + 1)] if dice.random() < 0.05 else content


def _mutated_book(content: bytes, dice: random.Random) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen = dice.choice([n for n in names if "sheet" in n or "Strings" in n] if dice.random() < 0.8 else names)
        for name in names:
            part = old.read(name)
            if name == chosen and dice.random() < 0.5:
                cells = part.split(b"<c ")
                where = dice.randrange(len(cells))
                cells[where] = mutated(cells[where], dice)
                part = b"<c ".join(cells)
            elif name == chosen:
                part = mutated(part, dice)
            new.writestr(name, part)
    return out.getvalue()


def imported(name: str, content: bytes, sound: dict[str, bytes], place: Path) -> None:
    """Import one mutated file beside sound ones, check what was written, and say everything in both languages."""
    mapping = place / "mapping.yaml"
    mapping.write_bytes(content if name == "mapping.yaml" else sound["mapping.yaml"])
    with_mapping = name == "mapping.yaml" or (name == "list.csv" and len(content) % 2 == 0)
    files = [
        SourceFile(
            "list.csv" if name == "mapping.yaml" else name, sound["list.csv"] if name == "mapping.yaml" else content
        )
    ]
    if name in ("outline.geojson", "place.osm"):
        files.append(SourceFile("schools.csv", sound["schools.csv"]))
    done = bring_in(files, place / "county", mapping=mapping if with_mapping else None, year=2023, crs="WGS84",
                    accept_valid=len(content) % 3 == 0)  # fmt: skip
    faults = list(done.faults)
    if done.written:
        faults += check.check_folder(place / "county")[1]
    for fault in faults:
        fault.sentence("zh"), fault.sentence("en")


def folder_checked(name: str, content: bytes, sound: dict[str, bytes], place: Path) -> None:
    """Check a county folder one of whose files was mutated."""
    folder = place / "county"
    bring_in(
        [SourceFile("schools.csv", sound["schools.csv"]), SourceFile("outline.geojson", sound["outline.geojson"])],
        folder,
        year=2023,
        crs="WGS84",
    )
    target = dice_of(content).choice(sorted(p.name for p in folder.iterdir()))
    (folder / target).write_bytes(mutated((folder / target).read_bytes(), dice_of(content + b"x")))
    for fault in check.check_folder(folder)[1]:
        fault.sentence("zh"), fault.sentence("en")
    try:
        County.open(folder).save(place / "again")
    except BalanceError as error:
        error.message("zh")


def dice_of(content: bytes) -> random.Random:
    """Return a random source that the content decides."""
    return random.Random(content[:2000])


class _SlowError(Exception):
    """A file took longer than anyone waits."""


def _stop(*_: object) -> None:
    raise _SlowError


def _peak() -> float:
    """Return the most memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run the mutations and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=int)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sound, began = bases(), time.process_time()
    names = [*sound, "a county folder"]
    wrong: Counter[str] = Counter()
    first: dict[str, str] = {}
    slowest, slow_at, tried = 0.0, "", 0
    signal.signal(signal.SIGPROF, _stop)
    for number in range(given.seed * 1_000_000, given.seed * 1_000_000 + given.files):
        dice = random.Random(number)
        name = names[number % len(names)]
        content = mutated(sound.get(name, sound["schools.csv"]), dice)
        act: Callable[[str, bytes, dict[str, bytes], Path], None] = folder_checked if name == names[-1] else imported
        start = time.process_time()
        with tempfile.TemporaryDirectory() as place:
            signal.setitimer(signal.ITIMER_PROF, MOST_S)
            try:
                act(name, content, sound, Path(place))
            except BalanceError as error:
                error.message("zh")
            except Exception as error:
                kind = f"{type(error).__name__} at {traceback.extract_tb(error.__traceback__)[-1].filename}:{traceback.extract_tb(error.__traceback__)[-1].lineno}"
                wrong[kind] += 1
                if kind not in first:
                    first[kind] = (
                        f"{name} {number}: {str(error)[:200]}\n{''.join(traceback.format_tb(error.__traceback__)[-4:])}"
                    )
                    print(f"{kind}\n  {first[kind]}", flush=True)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
        tried += 1
        if (took := time.process_time() - start) > slowest:
            slowest, slow_at = took, f"{name} {number}"
        if tried % 1000 == 0:
            print(f"{tried} tried, peak {_peak():.0f} MB", flush=True)
    print(
        f"{tried} files in {time.process_time() - began:.0f} s; slowest {slowest:.1f} s ({slow_at}); peak {_peak():.0f} MB"
    )
    for kind, times in wrong.most_common():
        print(f"{times} x {kind}\n  {first[kind]}")
    print("no traceback" if not wrong else f"{sum(wrong.values())} tracebacks of {len(wrong)} kinds")


if __name__ == "__main__":
    main()
