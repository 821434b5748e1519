"""Put the pages together: each is one widget that opens in JupyterLab and is served by Voila."""

from __future__ import annotations

from balance_lib.show.widgets.apps.access import Access
from balance_lib.show.widgets.apps.balance import Balance
from balance_lib.show.widgets.apps.consolidation import Consolidation
from balance_lib.show.widgets.apps.data import Data
from balance_lib.show.widgets.apps.gaps import Gaps
from balance_lib.show.widgets.apps.index import Index
from balance_lib.show.widgets.apps.overview import Overview
from balance_lib.show.widgets.apps.page import Page, model, warm
from balance_lib.show.widgets.apps.province import Province
from balance_lib.show.widgets.apps.workplan import Workplan

__all__ = [
    "Access",
    "Balance",
    "Consolidation",
    "Data",
    "Gaps",
    "Index",
    "Overview",
    "Page",
    "Province",
    "Workplan",
    "model",
    "warm",
]
