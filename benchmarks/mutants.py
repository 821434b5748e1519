"""How many planted faults the tests find in the modules a leader reads: cosmic-ray's mutants, a seeded sample of them.

Run by hand on a commit, in an environment that has the project, cosmic-ray and coverage::

    python -m benchmarks.mutants cover                    # once a commit: which test runs which line
    python -m benchmarks.mutants try --sample 36 --seed 1 # per group; goes on where it stopped

A mutant meets the tests that run its line, the quickest first, in a fork of a process that holds the libraries already:
a killed one takes seconds. Nothing is written into the modules. Mutants of annotations change nothing that runs and
are left out. What survives is printed with its diff: read it, some mean the same as before.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib.machinery
import importlib.util
import json
import os
import random
import re
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE, WORK = Path("balance_lib"), Path(".mutants")
# Modules whose words, order or counts a leader reads.
GROUPS: dict[str, list[str]] = {
    "sentences": ["evaluation/figures.py", "scenarios/tell.py", "show/widgets/first_screen.py"],
    "papers": ["office/reports/self_report.py", "office/reports/lists.py", "office/reports/brief.py",
               "office/reports/findings.py"],
    "plan": ["office/workplan/register.py", "office/workplan/places.py", "office/workplan/problems.py",
             "office/workplan/achievements.py", "office/workplan/works.py"],
}  # fmt: skip
TESTS = (
    "first_screen", "golden", "scenarios_outcome", "papers_words", "workplan", "what_is_read", "reports_papers",
    "workplan_page", "trends_page", "scenarios_demo", "journals", "reports_forms", "demonstration_store", "mouths",
)  # fmt: skip
HELD = (
    "pandas", "geopandas", "numba", "plotly.graph_objects", "scipy.optimize", "docx", "openpyxl", "pytest", "syrupy",
    "hypothesis", "ipywidgets", "anywidget", "pydantic", "matplotlib", "sqlalchemy", "alembic",
)  # fmt: skip
CPU_S = 400  # of a mutant's tests; who needs more hangs, and is killed


def main() -> None:
    """Learn which test runs which line, or try mutants and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("cover", "try"))
    parser.add_argument("--sample", type=int, default=36, help="mutants per group")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    if given.step == "cover":
        for name in TESTS:
            _cover(name)
        return
    outcomes = WORK / f"outcomes-{given.seed}.jsonl"
    done = [json.loads(line) for line in outcomes.read_text().splitlines()] if outcomes.exists() else []
    tried = {(row["module"], row["diff"]) for row in done}
    runs, seconds = _tests_by_line()
    for name in HELD:
        importlib.import_module(name)
    for mutant in _sample(given.sample, given.seed):
        if (mutant["module"], mutant["diff"]) in tried:
            continue
        tests = sorted(_reaching(mutant, runs), key=lambda test: (seconds.get(test, 0.0), test))
        source, begun = mutant.pop("source"), time.monotonic()
        killed = bool(tests) and _killed(mutant["module"], source, tests)
        done.append(mutant | {"killed": killed, "tests": len(tests), "seconds": round(time.monotonic() - begun, 1)})
        with outcomes.open("a", encoding="utf-8") as out:
            out.write(json.dumps(done[-1], ensure_ascii=False) + "\n")
    _report(done)


def _cover(name: str) -> None:
    """Run a file of tests, and keep which of them ran which line and how long each took."""
    modules = [f"*/balance_lib/{module}" for group in GROUPS.values() for module in group]
    settings = WORK / "coveragerc"
    settings.write_text("[run]\ndynamic_context = test_function\n", encoding="utf-8")
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", f"--data-file={WORK / name}.coverage",
               f"--include={','.join(modules)}", "-m", "pytest", "-vvv", "-n", "0", "-p", "no:cacheprovider",
               "--durations=0", f"tests/test_{name}.py"]  # fmt: skip
    told = subprocess.run(command, capture_output=True, text=True)
    if told.returncode:
        raise SystemExit(f"the tests fail as they stand:\n{told.stdout[-2000:]}")
    (WORK / f"{name}.durations").write_text(told.stdout, encoding="utf-8")
    print(name, flush=True)


def _tests_by_line() -> tuple[dict[tuple[str, int], set[str]], dict[str, float]]:
    """Return the tests that run each line of a module, and the seconds of each test."""
    from coverage.numbits import numbits_to_nums

    runs: dict[tuple[str, int], set[str]] = defaultdict(set)
    seconds: dict[str, float] = defaultdict(float)
    for name in TESTS:
        for took, test in re.findall(r"^([\d.]+)s \w+ +(\S+)", (WORK / f"{name}.durations").read_text(), re.MULTILINE):
            seconds[test.split("[")[0]] += float(took)
        with sqlite3.connect(WORK / f"{name}.coverage") as db:
            rows = db.execute("select path, context, numbits from line_bits join file on file.id = file_id "
                              "join context on context.id = context_id").fetchall()  # fmt: skip
        for path, context, bits in rows:
            test = f"tests/test_{name}.py::{context.rpartition('.')[2]}"
            if test in seconds:
                for line in numbits_to_nums(bits):
                    runs[str(PACKAGE / path.partition("/balance_lib/")[2]), line].add(test)
    return runs, seconds


def _reaching(mutant: dict[str, Any], runs: dict[tuple[str, int], set[str]]) -> set[str]:
    """Return the tests that run a mutant's line; of what runs at import, all that run the module."""
    for line in range(mutant["line"], mutant["line"] - 6, -1):  # a statement may have begun lines above
        if tests := runs.get((mutant["module"], line)):
            return tests
    return set().union(*(tests for (module, _), tests in runs.items() if module == mutant["module"]))


def _sample(most: int, seed: int) -> list[dict[str, Any]]:
    """Draw places of each group, each as likely as any other, and one mutant of each.

    cosmic-ray has eleven replacements for one ``+``; drawn one by one they would fill the sample.
    """
    from cosmic_ray.commands import init
    from cosmic_ray.work_db import WorkDB, use_db

    out: list[dict[str, Any]] = []
    for group, modules in GROUPS.items():
        places: dict[tuple[str, str, tuple[int, int]], list[Any]] = defaultdict(list)
        with tempfile.TemporaryDirectory() as folder, use_db(f"{folder}/mutants.sqlite", WorkDB.Mode.create) as db:
            init([PACKAGE / module for module in modules], db, {})
            for mutation in (each for item in db.work_items for each in item.mutations):
                family = mutation.operator_name.partition("_")[0]
                places[str(mutation.module_path), family, mutation.start_pos].append(mutation)
        draw, mutants = random.Random(seed), []
        for place in draw.sample(sorted(places), len(places)):
            mutation = draw.choice(sorted(places[place], key=lambda each: str(each.operator_name)))
            mutants += _mutant(group, mutation)
            if len(mutants) == most:
                break
        out += mutants
    random.Random(seed).shuffle(out)
    return out


def _mutant(group: str, mutation: Any) -> Iterator[dict[str, Any]]:
    """Yield a mutant, unless it changes nothing that runs, or is no Python (``**`` before names taken for a power)."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    before = Path(mutation.module_path).read_text(encoding="utf-8")
    operator = get_operator(mutation.operator_name)(**(mutation.operator_args or {}))
    after = mutate_code(before, operator, mutation.occurrence)
    if after and _what_runs(after) not in (_what_runs(before), ""):
        diff = "\n".join(list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))[2:])
        yield {"group": group, "module": str(mutation.module_path), "line": mutation.start_pos[0], "diff": diff,
               "source": after}  # fmt: skip


def _what_runs(source: str) -> str:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)


class _Planted(importlib.machinery.SourceFileLoader):
    """Load one module from a changed source."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self.source = source

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """Say where the module is; everything else is found as ever."""
        return (
            importlib.util.spec_from_file_location(self.name, self.path, loader=self) if fullname == self.name else None
        )

    def get_code(self, fullname: str) -> Any:
        """Compile the changed source."""
        return compile(self.source, self.path, "exec")


def _killed(module: str, source: str, tests: list[str]) -> bool:
    """Tell whether a test fails, in a fork."""
    child = os.fork()
    if child == 0:
        import pytest

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 5))
        out = os.open(WORK / "last.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        name = module.removesuffix(".py").replace("/", ".")
        sys.meta_path.insert(0, _Planted(name, str(Path(module).resolve()), source))  # type: ignore[arg-type]
        os._exit(int(pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests])))
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) > 1:
        raise SystemExit((WORK / "last.txt").read_text()[-2000:])
    return status != 0


def _report(done: list[dict[str, Any]]) -> None:
    print("| group | mutants | killed | share |\n|---|---:|---:|---:|")
    for group in GROUPS:
        own = [bool(row["killed"]) for row in done if row["group"] == group]
        print(f"| {group} | {len(own)} | {sum(own)} | {sum(own) / max(len(own), 1):.0%} |")
    for row in done:
        if not row["killed"]:
            print(f"\n{row['module']}\n{row['diff']}")


if __name__ == "__main__":
    main()
