"""A real scheduler may be named, and die: what is done stays, the rest is redone, the result is the undisturbed one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from balance_lib import scenarios
from balance_lib.batch import Folder, Options, ProvinceDataset, SchedulerError, StorageError, find, parts, run
from balance_lib.batch.run import _bunches
from balance_lib.cli import app
from balance_lib.data.county import County
from tests import scenario_towns
from tests.test_batch import same, town

OPTIONS = Options(standards=("basic_2012",), by="2024-08")
CLUSTER = """
import time, distributed
cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None,
                                   protocol="tcp")
print(cluster.scheduler_address, flush=True)
time.sleep(600)
"""


@contextmanager
def scheduler() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a scheduler with a worker of its own outside this process."""
    with subprocess.Popen([sys.executable, "-c", CLUSTER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_scheduler_killed_in_the_middle_costs_nothing_but_time(tmp_path: Path) -> None:
    counties, out = tmp_path / "counties", tmp_path / "out"
    for number in range(20):
        town(f"town-{number}", books=900 + number).save(counties / f"town-{number:02}")
    run(counties, tmp_path / "whole", OPTIONS, workers=0)
    with scheduler() as (address, process):

        def kill(done: int, of: int, one: Any) -> None:
            if done == 3:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()

        with pytest.raises(SchedulerError, match=address) as told:
            run(counties, out, OPTIONS, scheduler=address, progress=kill)
    assert "重新运行" in told.value.message("zh") and "run the same command again" in told.value.message("en")
    stand = contents(parts.place(out))
    assert 3 <= len(stand) < 20 and not out.exists()
    with scheduler() as (address, _):
        done = run(counties, out, OPTIONS, scheduler=address)
    assert sum(one.again for one in done) == len(stand)
    assert contents(parts.place(out)) == contents(parts.place(tmp_path / "whole"))
    assert contents(out) == contents(tmp_path / "whole")
    same(tmp_path / "whole", out)


def test_bunches_hold_every_county_once_and_end_small() -> None:
    for n in (0, 1, 5, 300):
        jobs = [(Folder(str(at), "root"), ()) for at in range(n)]
        bunches = list(_bunches(jobs))
        assert [job for some in bunches for job in some] == jobs
        sizes = [len(some) for some in bunches]
        assert sizes == sorted(sizes, reverse=True) and all(size == 1 for size in sizes[-8:])


def test_proposals_are_sentences_and_scenarios_that_evaluate(tmp_path: Path) -> None:
    county = scenario_towns.county()
    County("toy", "某县", "Some County", county.tables, synthetic=True).save(tmp_path / "counties" / "toy")
    asked = ["batch", str(tmp_path / "counties"), "--standard", "basic_2012", "--out", str(tmp_path / "out")]
    asked += ["--workers", "0", "--optimise", "--may-close-all", "--max-distance-m", "5000", "--json"]
    found = CliRunner().invoke(app, asked)
    assert found.exit_code == 0 and json.loads(found.stdout)["states"] == {"judged": 1}
    layouts = ProvinceDataset.open(tmp_path / "out").table("layouts").set_index("stage")
    primary = layouts.loc["primary"]
    assert (primary["status"], primary["schools"], primary["kept"] + primary["closed"]) == ("optimal", 3, 3)
    assert primary["closed"] >= 1 and f"撤并{primary['closed']}所" in primary["sentence_zh"]
    assert f"closes {primary['closed']}" in primary["sentence_en"]
    here = County.open(tmp_path / "counties" / "toy")
    scenario = scenarios.Scenario.from_yaml(primary["scenario"])
    outcome = scenarios.evaluate(here, scenario)
    closed = outcome.bookkeeping.schools_closed + outcome.bookkeeping.points_closed
    assert closed == primary["closed"] and outcome.bookkeeping.pupils_unplaced == 0
    assert len(outcome.moves) and outcome.moves["metres_after"].max() <= 5000


def test_an_address_that_cannot_be_opened_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError) as wrong:
        find("nosuch://returns/2023")
    assert "nosuch://returns/2023" in wrong.value.message("zh") and "--storage" in wrong.value.message("en")

    def lacks(*_: Any, **__: Any) -> Any:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", lacks)
    with pytest.raises(StorageError) as lacking:
        find("s3://returns/2023")
    assert "pip install s3fs" in lacking.value.message("zh") and "s3fs" in lacking.value.message("en")
