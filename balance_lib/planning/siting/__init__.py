"""Choose which schools of a county to keep: the goals, the model, plans proven as scenarios."""

from __future__ import annotations

from balance_lib.planning.goals import Goals
from balance_lib.planning.siting.curve import CountyFrontier, county_frontier
from balance_lib.planning.siting.plan import Proposal, propose
from balance_lib.planning.siting.sites import Site, read_sites
from balance_lib.planning.siting.survival import survives

__all__ = ["CountyFrontier", "Goals", "Proposal", "Site", "county_frontier", "propose", "read_sites", "survives"]
