"""Hold what an optimisation found: which sites, who goes where, how good it is proven to be, and why not better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from balance_lib.locale import Message, text

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

Status = Literal["optimal", "feasible", "infeasible", "stopped"]

# A gap up to this counts as proven: the rounding of sums over thousands of floats, far below a metre in a county.
PROVEN_GAP = 1e-6


def optimality_gap(objective: float, bound: float) -> float:
    """Return how far an objective can be from the optimum, as a share of the objective.

    gap = |objective - bound| / |objective|; 0 where both are equal, infinite where nothing is proven, NaN where there
    is no objective.

    Parameters
    ----------
    objective : float
        Value of the plan.
    bound : float
        What no plan is better than.

    Returns
    -------
    float
        A share, not a percentage.

    Examples
    --------
    >>> optimality_gap(200.0, 199.0)
    0.005
    """
    if np.isnan(objective):
        return float("nan")
    if np.isnan(bound) or np.isinf(bound):
        return float("inf")
    apart = abs(objective - bound)
    if apart == 0:
        return 0.0
    return float("inf") if objective == 0 else float(apart / abs(objective))


@dataclass(frozen=True)
class Reason:
    """Say one reason why there is no plan, and how much would have to give.

    Parameters
    ----------
    rule : str
        Constraint that cannot be kept; its text stands in the locale under ``optimise.reason.<rule>``.
    points, sites : tuples of int
        Demand points and sites concerned, as indexes into the inputs.
    given, needed : float
        The limit as given, and the least (or most) with which this constraint could be kept; NaN where none is known.
    """

    rule: str
    points: tuple[int, ...] = ()
    sites: tuple[int, ...] = ()
    given: float = float("nan")
    needed: float = float("nan")

    def message(self) -> Message:
        """Return the reason as a message in either language."""
        facts = {"given": f"{self.given:,.6g}", "needed": f"{self.needed:,.6g}"}
        return Message(f"optimise.reason.{self.rule}", {**facts, "points": len(self.points), "sites": len(self.sites)})

    def sentence(self, lang: str = "zh") -> str:
        """Tell the reason in one line."""
        return self.message().render(lang)


@dataclass(frozen=True, eq=False)
class Solution:
    """Hold the outcome of one optimisation.

    Parameters
    ----------
    open : array of bool, shape (sites,)
        Which sites are open; nothing is open where there is no plan.
    assignment : array of int, shape (points,)
        Site that serves each demand point; -1 where none does.
    objective : float
        Value of this plan, recomputed from the inputs; NaN where there is no plan.
    bound : float
        Proven: no plan is better than this. NaN where infeasible.
    status : {"optimal", "feasible", "infeasible", "stopped"}
        ``optimal``: gap at most ``PROVEN_GAP``. ``feasible``: a plan, ended by itself at the gap asked for, or a
        heuristic's. ``infeasible``: proven that no plan exists, see ``reasons``. ``stopped``: by time or by the user,
        with the best plan so far or none.
    reasons : tuple of Reason
        Why there is no plan.
    seconds : float
        Wall time.
    method : str
        What found and proved it, in a word or two.
    sense : {"min", "max"}
        Whether a smaller or a larger objective is better.
    facts : mapping
        Further plain figures: nodes, rounds.
    """

    open: Flags
    assignment: Ints
    objective: float
    bound: float
    status: Status
    reasons: tuple[Reason, ...] = ()
    seconds: float = 0.0
    method: str = ""
    sense: Literal["min", "max"] = "min"
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """Return how far the plan can be from the optimum, as a share (:func:`optimality_gap`)."""
        return optimality_gap(self.objective, self.bound)

    @property
    def found(self) -> bool:
        """Tell whether there is a plan."""
        return bool(np.isfinite(self.objective))

    @property
    def proven(self) -> bool:
        """Tell whether the answer is final: a plan proven best, or proof that there is none."""
        return self.status in ("optimal", "infeasible")

    def sentence(self, lang: str = "zh") -> str:
        """Tell how good the plan is, for people who decide."""
        if not self.found:
            whole = [text(f"optimise.status.{self.status}_without", lang)]
            return "".join(whole + [reason.sentence(lang) for reason in self.reasons])
        known = np.isfinite(self.gap)
        facts = {"gap": f"{100 * self.gap:.2f}" if known else "–", "seconds": f"{self.seconds:.1f}"}
        return text(f"optimise.status.{self.status if known else 'unproven'}", lang, **facts)


def nothing(n_points: int, n_sites: int, status: Status, reasons: tuple[Reason, ...] = (), **more: Any) -> Solution:
    """Return the outcome without a plan.

    Parameters
    ----------
    n_points : int
    n_sites : int
    status : {"infeasible", "stopped"}
    reasons : tuple of Reason
        Why there is no plan.
    **more : object
        Further fields of Solution.
    """
    closed, nobody = np.zeros(n_sites, np.bool_), np.full(n_points, -1, np.int64)
    return Solution(closed, nobody, float("nan"), more.pop("bound", float("nan")), status, reasons, **more)


def status_of(objective: float, bound: float, gap: float, *, ended: bool) -> Status:
    """Return the status of a plan from its own figures; what a solver says of itself is not asked.

    Parameters
    ----------
    objective : float
    bound : float
    gap : float
        Gap asked for.
    ended : bool
        Whether the search came to its end; False when time or the user stopped it.
    """
    reached = optimality_gap(objective, bound)
    if reached <= PROVEN_GAP:
        return "optimal"
    return "feasible" if ended or reached <= gap else "stopped"
