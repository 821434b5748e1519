"""Random small counties and plans against the plain brute force; ``benchmarks/scenario_counties.py`` runs thousands."""

from __future__ import annotations

import numpy as np
import pytest

from tests import scenario_brute


@pytest.mark.parametrize("seed", range(24))
def test_what_an_outcome_says_is_what_the_documentation_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    county = scenario_brute.county(rng)
    scenario_brute.examine(county, scenario_brute.plan(rng, county))
