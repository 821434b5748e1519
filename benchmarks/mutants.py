"""How many planted faults the tests find in the modules a leader reads: cosmic-ray's mutants, a seeded sample of them.

Run by hand, in a copy of the project, because each mutant is written into the module for the length of its tests::

    python -m venv .cosmic && .cosmic/bin/pip install cosmic-ray==8.7.0
    .cosmic/bin/python -m benchmarks.mutants --sample 40 --seed 1 --out mutants.json

Prints one row per group of modules: mutants tried, killed, share killed; then the diff of each survivor. Mutants of
type annotations change nothing that runs and are left out.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome

# Modules whose words, order or counts a leader reads, and the tests that should notice.
GROUPS: dict[str, tuple[list[str], list[str]]] = {
    "sentences": (
        ["evaluation/figures.py", "scenarios/tell.py", "show/widgets/first_screen.py"],
        ["tests/test_first_screen.py", "tests/test_golden.py", "tests/test_what_is_read.py",
         "tests/test_scenarios_outcome.py"],
    ),
    "papers": (
        ["office/reports/self_report.py", "office/reports/lists.py", "office/reports/brief.py",
         "office/reports/findings.py"],
        ["tests/test_papers_words.py", "tests/test_what_is_read.py", "tests/test_reports_papers.py"],
    ),
    "plan": (
        ["office/workplan/register.py", "office/workplan/places.py", "office/workplan/problems.py",
         "office/workplan/achievements.py", "office/workplan/works.py"],
        ["tests/test_workplan.py", "tests/test_golden.py", "tests/test_what_is_read.py"],
    ),
}  # fmt: skip
# An annotation `a | None` reads like an operator, and `from __future__ import annotations` never runs it.
IDLE = "ReplaceBinaryOperator_BitOr"
TIMEOUT_S = 240.0


def main() -> None:
    """Try a sample of each group and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=40, help="mutants per group")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--group", choices=GROUPS, action="append")
    parser.add_argument("--python", default=".venv/bin/python", help="runs the tests; cosmic-ray may live elsewhere")
    parser.add_argument("--out", type=Path, help="JSON with every mutant's outcome")
    given = parser.parse_args()
    results: list[dict[str, object]] = []
    for name in given.group or GROUPS:
        modules, tests = GROUPS[name]
        command = [given.python, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
        _passes(command)
        for mutant in _sample([Path("balance_lib") / module for module in modules], given.sample, given.seed):
            results.append({"group": name, **_try(mutant, command)})
            if given.out:
                given.out.write_text(json.dumps(results, ensure_ascii=False, indent=1), encoding="utf-8")
            print(".", end="", flush=True)
        print()
    print("| group | mutants | killed | share |\n|---|---:|---:|---:|")
    for name in dict.fromkeys(str(row["group"]) for row in results):
        own = [row for row in results if row["group"] == name]
        killed = sum(bool(row["killed"]) for row in own)
        print(f"| {name} | {len(own)} | {killed} | {killed / len(own):.0%} |")
    for row in results:
        if not row["killed"]:
            print(f"\n{row['group']} {row['operator']}\n{row['diff']}")


def _sample(modules: list[Path], most: int, seed: int) -> list[MutationSpec]:
    """Draw places of the modules, each as likely as any other, and one mutant of each.

    cosmic-ray has eleven replacements for one ``+``; drawn one by one they would fill the sample.
    """
    places: dict[tuple[str, str, tuple[int, int]], list[MutationSpec]] = {}
    with tempfile.TemporaryDirectory() as folder, use_db(f"{folder}/mutants.sqlite", WorkDB.Mode.create) as db:
        init(modules, db, {})
        for mutant in (mutation for item in db.work_items for mutation in item.mutations):
            if IDLE not in mutant.operator_name:
                family = mutant.operator_name.partition("_")[0]
                places.setdefault((str(mutant.module_path), family, mutant.start_pos), []).append(mutant)
    draw = random.Random(seed)
    chosen = draw.sample(sorted(places), min(most, len(places)))
    return [draw.choice(sorted(places[place], key=lambda mutant: mutant.operator_name)) for place in chosen]


def _try(mutant: MutationSpec, command: list[str]) -> dict[str, object]:
    """Plant one mutant, run the tests, restore the module."""
    begun = time.monotonic()
    outcome = mutate_and_test([mutant], " ".join(command), TIMEOUT_S)
    return {
        "module": str(mutant.module_path), "line": mutant.start_pos[0], "operator": mutant.operator_name,
        "killed": outcome.test_outcome is not TestOutcome.SURVIVED, "seconds": round(time.monotonic() - begun, 1),
        "diff": outcome.diff,
    }  # fmt: skip


def _passes(command: list[str]) -> None:
    """Stop when the tests fail without any mutant: they would kill everything."""
    if subprocess.run(command, capture_output=True).returncode:
        raise SystemExit(f"the tests fail as they stand: {' '.join(command)}")


if __name__ == "__main__":
    main()
