"""Keep what people do: scenarios, ledgers, task records, evidence, and who changed what when."""

from __future__ import annotations

from balance_lib.extras import need

need("office")  # before anything of it is imported

# isort: split
from balance_lib.office.store.demonstration import store_of
from balance_lib.office.store.refused import ConflictError, StoreError
from balance_lib.office.store.scenarios import SavedScenario
from balance_lib.office.store.stamp import Stamp
from balance_lib.office.store.store import Store

__all__ = ["ConflictError", "SavedScenario", "Stamp", "Store", "StoreError", "store_of"]
