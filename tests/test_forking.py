"""Kernels forked from one loaded process: they run, are apart from one another, and end when they should."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import psutil
import pytest
from jupyter_client.manager import AsyncKernelManager

from balance_lib.show.serve import forking, pool, process
from balance_lib.show.serve.kernels import NAME, SameInterpreter
from tests import towns
from tests.serving import Served, write_notebook

pytestmark = pytest.mark.skipif(not forking.known(), reason="forking needs Linux with process file descriptors")


@pytest.fixture(scope="module", autouse=True)
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[forking.Zygote]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BALANCE_ROOT", str(tmp_path_factory.mktemp("none")))  # no county: the pages are rehearsed quickly
        yield forking.ForkProvisioner.zygote
        forking.ForkProvisioner.zygote.close()


async def started() -> AsyncKernelManager:
    manager = AsyncKernelManager(kernel_name=NAME, kernel_spec_manager=SameInterpreter())
    await manager.start_kernel(env={**os.environ, "GIVEN": "山区"})
    return manager


async def said(manager: AsyncKernelManager, code: str, begun: Callable[[], object] = lambda: None) -> str:
    """Return what a cell prints; ``begun`` is called at its first words."""
    client = manager.client()
    client.start_channels()
    out: list[str] = []

    def hear(message: dict) -> None:
        if message["msg_type"] == "stream":
            _ = begun() if not out else None
            out.append(message["content"]["text"])

    try:
        await client.wait_for_ready(timeout=30)
        await client.execute_interactive(code, output_hook=hear, timeout=30)
    finally:
        client.stop_channels()
    return "".join(out).strip()


def test_forked_kernel_runs_here_with_its_own_environment(zygote) -> None:
    async def run() -> None:
        manager = await started()
        try:
            loaded = "'balance_lib.show.widgets.apps' in sys.modules"
            code = f"import os, sys; print(os.getppid(), os.environ['GIVEN'], {loaded})"
            parent, given, loaded = (await said(manager, code)).split()
            assert int(parent) == zygote._process.pid
            assert given == "山区"
            assert loaded == "True"
        finally:
            await manager.shutdown_kernel(now=True)

    asyncio.run(run())


def test_kernels_draw_different_random_numbers() -> None:
    async def run() -> None:
        managers = [await started(), await started()]
        code = "import random, numpy, uuid; print(random.random(), numpy.random.random(), uuid.uuid4())"
        try:
            first, second = [(await said(manager, code)).split() for manager in managers]
            assert all(a != b for a, b in zip(first, second, strict=True))
        finally:
            for manager in managers:
                await manager.shutdown_kernel(now=True)

    asyncio.run(run())


def test_death_of_a_kernel_is_noticed_and_spares_the_others(zygote) -> None:
    async def run() -> None:
        managers = [await started(), await started()]
        try:
            await said(managers[0], "1")
            os.kill(managers[0].provisioner.pid, signal.SIGKILL)
            deadline = time.monotonic() + 10
            while await managers[0].is_alive() and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            assert not await managers[0].is_alive()
            assert await managers[1].is_alive()
            assert await said(managers[1], "print(6 * 7)") == "42"
        finally:
            for manager in managers:
                await manager.shutdown_kernel(now=True)

    asyncio.run(run())


def test_interrupt_reaches_the_running_cell() -> None:
    async def run() -> None:
        manager = await started()
        try:
            await said(manager, "1")
            lines = ["import time", "try:", "    print('begun', flush=True)", "    time.sleep(20)"]
            code = "\n".join([*lines, "except KeyboardInterrupt:", "    print('stopped')"])
            stop = lambda: os.kill(manager.provisioner.pid, signal.SIGINT)  # noqa: E731
            assert await said(manager, code, stop) == "begun\nstopped"
        finally:
            await manager.shutdown_kernel(now=True)

    asyncio.run(run())


def test_dead_zygote_is_replaced(zygote) -> None:
    async def run() -> None:
        first = await started()
        await said(first, "1")
        zygote._process.kill()
        zygote._process.wait()
        second = await started()
        try:
            assert await said(second, "print(6 * 7)") == "42"
        finally:
            await first.shutdown_kernel(now=True)
            await second.shutdown_kernel(now=True)

    asyncio.run(run())


def test_zygote_that_cannot_start_leaves_kernels_to_start_by_themselves(zygote, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(forking.Zygote, "fork", broken)

    async def run() -> None:
        manager = await started()
        try:
            code = "import os, resource; print(os.getppid(), resource.getrlimit(resource.RLIMIT_DATA)[0] >> 20)"
            parent, most = (await said(manager, code)).split()
            assert int(parent) == os.getpid()
            assert int(most) == process.LIMIT_MB  # it holds its share of memory all the same
        finally:
            await manager.shutdown_kernel(now=True)

    asyncio.run(run())


def test_killed_server_leaves_no_process_behind(tmp_path: Path) -> None:
    write_notebook(tmp_path, "index", ["print(1)"])
    server = Served(tmp_path, pool=2)
    family: list[psutil.Process] = []
    deadline = time.monotonic() + 60
    while len(family) < 3 and time.monotonic() < deadline:  # the zygote and two kernels
        family = psutil.Process(server.process.pid).children(recursive=True)
        time.sleep(0.1)
    assert len(family) >= 3
    time.sleep(1.5)  # a kernel that is just starting looks for its parent a little later
    server.process.kill()
    server.process.wait()
    _, alive = psutil.wait_procs(family, timeout=15)
    for left in alive:
        left.kill()
    assert alive == []


def test_a_fork_starts_from_one_thread() -> None:
    from balance_lib.show.serve import zygote as module

    names = f"from {module.__name__} import _load, _threads, rehearsals"
    code = f"import sys; sys.argv = ['z', '0']; {names}; _load(); list(rehearsals()); print(_threads())"
    env = os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.split()[-1] == "1"


@pytest.mark.parametrize("counties", [0, 1])
def test_every_page_is_rehearsed_without_a_fault(monkeypatch, tmp_path, caplog, counties) -> None:
    from balance_lib.show.serve.zygote import REHEARSED, rehearsals

    monkeypatch.setenv("BALANCE_ROOT", str(tmp_path))
    monkeypatch.setenv(REHEARSED, "")
    if counties:
        towns.county([towns.school("A")], [towns.school_year("A")]).save(tmp_path / "toy")
    assert len(list(rehearsals())) >= 9
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_kernel_forked_before_every_page_was_rehearsed_is_replaced_if_it_still_waits(monkeypatch) -> None:
    monkeypatch.setattr(pool, "RENEW_S", 0.0)
    ended: list[str] = []

    class Manager:
        """Stand for Voila's: two early kernels and one that is not, of which the second early one is taken."""

        _pools: ClassVar[dict] = {}
        filled: ClassVar[list[str]] = []

        async def _initialize(self, name: str, kernel_id: str) -> dict:
            return {"kernel_id": kernel_id}

        def get_kernel(self, kernel_id: str) -> object:
            process = SimpleNamespace(rehearsed="early" not in kernel_id)
            return SimpleNamespace(provisioner=SimpleNamespace(process=process))

        async def get_rendered_notebook(self, notebook_name: str) -> dict:
            return await self._pools[notebook_name].pop(0)

        def fill_if_needed(self, delay: float, notebook_name: str) -> None:
            self.filled.append(notebook_name)

        async def shutdown_kernel(self, kernel_id: str, now: bool) -> None:
            ended.append(kernel_id)

    async def run() -> list[str]:
        manager = Manager()
        pool.Pool(manager)
        names = ["early and taken", "early", "late"]
        manager._pools["page"] = [asyncio.ensure_future(manager._initialize("page", name)) for name in names]
        taken = await manager.get_rendered_notebook("page")
        assert taken["kernel_id"] == "early and taken"
        await asyncio.sleep(0.05)
        return [task.result()["kernel_id"] for task in manager._pools["page"]]

    assert asyncio.run(run()) == ["late"]
    assert (ended, Manager.filled) == (["early"], ["page"])
