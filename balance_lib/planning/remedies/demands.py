"""Hold what a plan has to meet: straight rows, schools' choices under the rule, and cones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from balance_lib.locale import Message
from balance_lib.planning.remedies.affine import Floats
from balance_lib.planning.remedies.levers import Lever


@dataclass(frozen=True)
class LinearCondition:
    """One condition ``base + at · x >= 0`` (``== 0`` where ``equal``); base and coefficients in shares of the line.

    ``size`` turns a shortage back into the item's own unit. A row without code only keeps figures possible.
    """

    code: str
    school_id: str
    stage: str
    base: float
    at: Mapping[int, float]
    size: float = 1.0
    equal: bool = False


@dataclass(frozen=True)
class StageDemand:
    """One school stage under the rule: each indicator at its line, but so many may stay at the floor."""

    codes: tuple[str, ...]
    school_id: str
    stage: str
    spare: int
    rows: tuple[
        tuple[str, LinearCondition, float], ...
    ]  # indicator, row at its full line, share of the line it may miss


@dataclass(frozen=True)
class Cone:
    """One difference coefficient: ``sqrt(Σ w (v − m)²) <= limit · m`` with ``v = base + moves @ x``, ``m = w · v``."""

    codes: tuple[str, ...]
    stage: str
    indicator: str
    standard_id: str
    limit: float
    weights: Floats
    base: Floats
    moves: sparse.csr_matrix
    school_ids: tuple[str, ...]

    def coefficient(self, x: Floats) -> float:
        """Return the coefficient after what ``x`` does, by its definition."""
        values = self.base + self.moves @ x
        mean = float(self.weights @ values)
        return math.sqrt(float(self.weights @ (values - mean) ** 2)) / mean if mean > 0 else math.inf


@dataclass(frozen=True)
class Composite:
    """One composite coefficient: the mean of several coefficients at or below its limit."""

    code: str
    stage: str
    limit: float
    cones: tuple[Cone, ...]

    def coefficient(self, x: Floats) -> float:
        """Return the composite after what ``x`` does."""
        return float(np.mean([cone.coefficient(x) for cone in self.cones]))


@dataclass
class Demands:
    """Hold everything a plan has to meet, and which failing items no plan can help."""

    levers: list[Lever]
    rows: list[LinearCondition] = field(default_factory=list)
    choices: list[StageDemand] = field(default_factory=list)
    cones: list[Cone] = field(default_factory=list)
    composites: list[Composite] = field(default_factory=list)
    helped: list[str] = field(default_factory=list)
    unhelped: dict[str, tuple[str, Message]] = field(default_factory=dict)
