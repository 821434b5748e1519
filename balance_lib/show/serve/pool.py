"""Hand warm kernels out: each to one visitor, who alone may speak to it, and none that has died while it waited."""

from __future__ import annotations

import secrets
from asyncio import wait_for
from contextlib import suppress
from typing import Any

from jupyter_core.utils import ensure_async
from tornado.ioloop import IOLoop
from voila.request_info_handler import RequestInfoSocketHandler

COOKIE = "balance-visitor"
# So many kernels' visitors are remembered; far more than can run at once.
MOST = 4096
# A kernel that was forked too early and still waits then is replaced.
RENEW_S = 30.0


class Visitors:
    """Know which visitor's page each kernel serves: whoever learns another page's kernel does not join it.

    A visitor is a browser, told by a signed cookie that is set when it opens its first page.
    """

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def name(self, handler: Any) -> str:
        """Return the visitor of a request that opens a page; a new one gets a name."""
        known = self._known(handler)
        if known is None:
            known = secrets.token_urlsafe(16)
            safe = {"secure": True} if handler.request.protocol == "https" else {}
            handler.set_signed_cookie(COOKIE, known, httponly=True, samesite="Lax", path=handler.base_url, **safe)
        return known

    def give(self, kernel_id: str, visitor: str) -> None:
        """Give a kernel to a visitor.

        Parameters
        ----------
        kernel_id : str
        visitor : str
            Key of the visitor's cookie.
        """
        self._of[kernel_id] = visitor
        while len(self._of) > MOST:
            del self._of[next(iter(self._of))]

    def owns(self, kernel_id: str, handler: Any) -> bool:
        """Tell whether a request comes from the visitor a kernel serves.

        Parameters
        ----------
        kernel_id : str
        handler : RequestHandler
            Of the request.
        """
        visitor = self._known(handler)
        return visitor is not None and self._of.get(kernel_id) == visitor

    def _known(self, handler: Any) -> str | None:
        found = handler.get_signed_cookie(COOKIE)
        return None if found is None else found.decode("ascii", "replace")


class Pool:
    """Stand before Voila's pool of warm kernels.

    Voila hands a warm kernel out without looking whether it still runs: one that was killed while it waited keeps its
    visitor waiting until something gives up. The first ones, started before the zygote had rehearsed the pages, share
    less memory: those nobody took are replaced.
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._initialize, self._rendered = manager._initialize, manager.get_rendered_notebook
        manager._initialize, manager.get_rendered_notebook = self._start, self._take

    async def _start(self, notebook_name: str, *args: Any, **kwargs: Any) -> Any:
        """Start a warm kernel; one that was forked early is looked at again."""
        found = await self._initialize(notebook_name, *args, **kwargs)
        process = self._manager.get_kernel(found["kernel_id"]).provisioner.process
        if not getattr(process, "rehearsed", True):
            IOLoop.current().call_later(RENEW_S, self._renew, notebook_name, found["kernel_id"])
        return found

    async def _renew(self, notebook_name: str, kernel_id: str) -> None:
        """Replace a kernel if it still waits; it makes its page for nobody, since one that is cut off fills the log."""
        pool = self._manager._pools.get(notebook_name, [])
        found = next((task for task in pool if _result(task).get("kernel_id") == kernel_id), None)
        if found is None:
            return
        pool.remove(found)  # nobody can take it from here on
        self._manager.fill_if_needed(delay=0, notebook_name=notebook_name)
        RequestInfoSocketHandler.send_updates({"kernel_id": kernel_id, "payload": {}})
        with suppress(Exception):
            await wait_for(found.result()["task"], RENEW_S)
        await ensure_async(self._manager.shutdown_kernel(kernel_id, now=True))

    async def _take(self, notebook_name: str, **kwargs: Any) -> Any:
        """Return the oldest warm kernel that is alive; where none is, a new one is started now."""
        pool = self._manager._pools.get(notebook_name, [])
        while pool and (first := pool[0]).done() and not await self._runs(first):
            with suppress(Exception):  # it is being replaced already, or never had a number
                pool.remove(first)
                await ensure_async(self._manager.shutdown_kernel(first.result()["kernel_id"], now=True))
        if not pool:
            self._manager.fill_if_needed(delay=0, notebook_name=notebook_name)
        return await self._rendered(notebook_name=notebook_name, **kwargs)

    async def _runs(self, task: Any) -> bool:
        kernel_id = _result(task).get("kernel_id")
        if kernel_id not in self._manager:  # whatever kept it from starting
            return False
        return bool(await ensure_async(self._manager.get_kernel(kernel_id).is_alive()))


def _result(task: Any) -> dict[str, Any]:
    """Return what a started kernel noted; nothing while it starts, or where it failed to."""
    usable = task.done() and not task.cancelled() and task.exception() is None
    return dict(task.result()) if usable else {}
