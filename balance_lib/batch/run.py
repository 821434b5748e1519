"""Run over all counties: on this machine's processes or a Dask cluster, results as they come, finished ones kept."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from balance_lib._errors import BalanceError
from balance_lib.batch import parts
from balance_lib.batch.folders import Folder, content, find
from balance_lib.batch.options import Options, _key
from balance_lib.locale import text

BUNCH = 4  # counties a task: enough that telling a worker costs nothing, few enough that results keep coming
LAST = 8  # the last bunches get smaller, down to one county: no worker waits long for another at the end
TRIES = 2  # deaths of a worker a task may see before its counties are tried one by one
RARELY = (50_000, 20, 50)  # a county makes many small objects and no rings: looking for rings took a sixth of the time
FAULTY = "-faulty"  # stands behind the key of a county whose files are at fault

Job = tuple[Folder, tuple[str, ...]]


class SchedulerError(BalanceError):
    """The scheduler cannot be reached, or went away; what was done stands and is not done again."""

    def __init__(self, address: str, cause: str) -> None:
        super().__init__(address, cause)
        self.address, self.cause = address, cause

    def message(self, lang: str = "zh") -> str:
        """Say what happened and what to do."""
        return text("batch.lost", lang, address=self.address, cause=self.cause)


@dataclass(frozen=True)
class Done:
    """Hold that a county is done.

    Parameters
    ----------
    county : str
    state : {"judged", "faulty", "broken"}
        ``faulty``: its own files are at fault; ``broken``: something else went wrong, and a new run tries it again.
    part : Path
        Its result.
    again : bool
        Whether it had been done before and only the file was found.
    verdicts : tuple of (standard, year, verdict)
        Of the last year; empty when it was done before.
    """

    county: str
    state: str
    part: Path
    again: bool
    verdicts: tuple[tuple[str, int, str], ...] = ()


def run(
    root: str | Path,
    out: Path,
    options: Options,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    storage: dict[str, Any] | None = None,
    progress: Callable[[int, int, Done], None] | None = None,
) -> list[Done]:
    """Do what the options say with every county under a root, and write the dataset.

    Parameters
    ----------
    root : str or Path
        See :func:`balance_lib.batch.find`.
    out : Path
        A folder, which will hold one Parquet file a table, or a file ``*.parquet`` with one row a county.
    options : Options
    scheduler : str, optional
        Address of a Dask scheduler whose workers have this package; processes of this machine by default.
    workers : int, optional
        Processes on this machine; as many as it has cores by default. 0: none but this one.
    storage : dict, optional
        What fsspec needs to open the root.
    progress : callable, optional
        Told (done, of, what) after every county.

    Returns
    -------
    list of Done
        By county. Stopped at any moment and run again it ends as if it had not been stopped.

    Raises
    ------
    NotFoundError
        If there is no county folder under the root, or a standard is unknown.
    SchedulerError
        If the scheduler cannot be reached or goes away; the same call goes on where it was.
    """
    from balance_lib.batch.dataset import write

    folders = find(root, storage)
    done: list[Done] = []
    for one in results(folders, parts.place(out), options, scheduler=scheduler, workers=workers):
        done.append(one)
        if progress is not None:
            progress(len(done), len(folders), one)
    done.sort(key=lambda one: one.county)
    write(out, [one.part for one in done], options)
    return done


def results(
    folders: Sequence[Folder],
    work: Path,
    options: Options,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
) -> Iterator[Done]:
    """Yield every county as it is done, with the part that holds its result.

    Parameters
    ----------
    folders : sequence of Folder
    work : Path
        Folder of the parts; those that stand for the same county, options and software are not done again.
    options, scheduler, workers
        As for :func:`run`.
    """
    options.load()
    digest, stand = options.digest(), parts.known(work)
    parts.tidy(work)
    jobs = [(folder, parts._keys(stand, folder.name)) for folder in folders]
    for name, found_key, data, told in _worked(jobs, options, digest, scheduler, workers):
        again = data is None
        path = work / parts._name_of(name, found_key) if again else parts._write(work, name, found_key, data)
        state, verdicts = told
        yield Done(name, state, path, again, tuple(verdicts))


def work(jobs: Sequence[Job], options: Options, digest: str) -> list[tuple[str, str, bytes | None, Any]]:
    """Do some counties: what a worker runs.

    Parameters
    ----------
    jobs : sequence of Job
        Counties with the parts that stand for them.
    options : Options
        What is asked of every county.
    digest : str
        Digest of the options and the software.

    Returns
    -------
    list of (county, key, part, told)
        ``part`` is None where the county's result stands already.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        return [_one(folder, stand, options, digest) for folder, stand in jobs]
    finally:
        gc.set_threshold(*usual)


def _one(folder: Folder, stand: tuple[str, ...], options: Options, digest: str) -> tuple[str, str, bytes | None, Any]:
    from balance_lib.batch.findings import _broken, _findings

    terrain = options.access == "terrain" or (options.optimise or {}).get("mode") == "terrain"
    try:
        with folder.here(terrain=terrain) as here:
            own = content(here)
            name = _key(own, digest)
            for state, its_name in (("judged", name), ("faulty", f"{name}{FAULTY}")):
                if its_name in stand:
                    return folder.name, its_name, None, (state, ())
            found = _findings(here, folder.name, options, own)
    except Exception as error:  # whatever one county brings about must not stop the others
        return _lost(folder.name, _broken(folder.name, error))
    told = _told(found)
    return folder.name, name + FAULTY * (told[0] == "faulty"), parts._pack(folder.name, found), told


def _lost(county: str, found: Any) -> tuple[str, str, bytes, Any]:
    return county, "broken", parts._pack(county, found), ("broken", ())


def _told(found: Any) -> Any:
    verdicts = found.get("verdicts") or {"standard": [], "year": [], "verdict": []}
    rows = list(zip(verdicts["standard"], verdicts["year"], verdicts["verdict"], strict=True))
    last = max((year for _, year, _ in rows), default=None)
    return found["counties"]["state"][0], tuple(row for row in rows if row[1] == last)


def _worked(
    jobs: Sequence[Job], options: Options, digest: str, scheduler: str | None, workers: int | None
) -> Iterator[Any]:
    if workers == 0 and scheduler is None:
        for job in jobs:
            yield from work([job], options, digest)
        return
    with _client(scheduler, workers, len(jobs)) as client:
        yield from _on(client, jobs, options, digest)


def _on(client: Any, jobs: Sequence[Job], options: Options, digest: str) -> Iterator[Any]:
    """Yield results of a cluster as they come; counties whose worker died with them are tried alone."""
    import distributed
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    engine: Any = distributed  # untyped

    def submit(some: Sequence[Job]) -> Any:
        # Not pure: two runs on one scheduler must not share a task whose folder changed between them.
        future = client.submit(work, some, options, digest, pure=False)
        mine[future.key] = some
        return future

    mine: dict[str, Sequence[Job]] = {}
    waiting = engine.as_completed([submit(some) for some in _bunches(jobs)])
    for future in waiting:
        some = mine.pop(future.key)
        try:
            yield from future.result()
        except KilledWorker as error:
            if len(some) > 1:
                for job in some:
                    waiting.add(submit([job]))
            else:
                from balance_lib.batch.findings import _broken

                yield _lost(some[0][0].name, _broken(some[0][0].name, f"KilledWorker: {error.last_worker}"))
        except FutureCancelledError as error:
            raise SchedulerError(client.scheduler.address, str(error.reason)) from None


def _bunches(jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
    at = 0
    while at < len(jobs):
        size = max(1, min(BUNCH, (len(jobs) - at) // LAST))
        yield jobs[at : at + size]
        at += size


@contextmanager
def _client(scheduler: str | None, workers: int | None, jobs: int) -> Iterator[Any]:
    """Connect to a scheduler, or start one with processes of this machine, each of one thread."""
    import dask
    import distributed

    engine: Any = distributed  # untyped

    settings = {
        "distributed.scheduler.allowed-failures": TRIES,
        "distributed.worker.multiprocessing-method": "spawn",  # numba and solvers hang in forked children
        "distributed.worker.profile.enabled": False,
        # Dask's own threshold gives every larger array back to the system at once: 5,000 page faults a county.
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 1 << 26,
        "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 1 << 25,
        "distributed.admin.tick.limit": "20s",
        "distributed.comm.timeouts.connect": "60s",
        "logging.distributed": "error",
    }
    with dask.config.set(settings), _quiet():
        if scheduler is not None:
            try:
                client = engine.Client(scheduler, timeout="20s")
            except OSError as error:
                raise SchedulerError(scheduler, str(error)) from None
            with client:
                yield client
            return
        count = min(workers or os.cpu_count() or 1, max(1, jobs))
        with (
            engine.LocalCluster(
                n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0,
                silence_logs=50,
            ) as cluster,
            engine.Client(cluster) as client,
        ):  # fmt: skip
            yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the engine from writing tracebacks of its own about what is told in words or put right here."""
    log = logging.getLogger("distributed.client")
    usual = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(usual)
