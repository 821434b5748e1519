"""Run an optimisation beside a page or a notebook: ask it how far it is, take the best so far, cancel it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from balance_lib.optimise.control import Progress

T = TypeVar("T")


class Running(Generic[T]):
    """Hold one optimisation running in its own thread.

    The loops and HiGHS let go of the interpreter's lock, so that a page stays alive. Reports come from the worker's
    thread into :attr:`latest`; ``on_progress`` is called there too and should only pass them on.
    """

    def __init__(self, work: Callable[[], T], cancel: threading.Event) -> None:
        self._work, self._cancel = work, cancel
        self._result: T | None = None
        self._error: BaseException | None = None
        self.latest: Progress | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # told to whoever asks for the result
            self._error = error

    @property
    def done(self) -> bool:
        """Tell whether it has ended."""
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Stop at the next opportunity; the best plan so far stays the result."""
        self._cancel.set()

    def result(self, timeout_s: float | None = None) -> T:
        """Wait and return the result, or raise what the optimisation raised.

        Raises
        ------
        TimeoutError
            When it has not ended in time.
        """
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise TimeoutError("the optimisation has not ended")
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


def start(
    function: Callable[..., T],
    *args: Any,
    on_progress: Callable[[Progress], None] | None = None,
    on_done: Callable[[Running[T]], None] | None = None,
    **kwargs: Any,
) -> Running[T]:
    """Start one of this room's functions in a thread of its own and return at once.

    Parameters
    ----------
    function : callable
        Takes ``progress`` and ``cancel``.
    *args, **kwargs : object
        Handed on to the function.
    on_progress : callable, optional
        Called with :class:`Progress` from the thread that computes.
    on_done : callable, optional
        Called with the Running when it has ended.

    Returns
    -------
    Running
        Answers ``result()`` when done; ``cancel()`` stops it.

    Examples
    --------
    >>> from balance_lib import optimise
    >>> running = optimise.start(optimise.p_median, [[0, 4], [4, 0], [1, 3]], 1)
    >>> running.result().objective
    5.0
    """
    cancel = threading.Event()

    def heard(progress: Progress) -> None:
        running.latest = progress
        if on_progress is not None:
            on_progress(progress)

    running: Running[T] = Running(lambda: function(*args, progress=heard, cancel=cancel, **kwargs), cancel)
    run = running._run

    def work() -> None:
        run()
        if on_done is not None:
            on_done(running)

    running._thread = threading.Thread(target=work, daemon=True)
    running._thread.start()
    return running
