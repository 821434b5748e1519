"""Run the same functions over many counties: a province, or the country, on this machine or on a Dask cluster.

A county is read, judged, measured and carried forward by the rooms that do so for one county; nothing is judged here.
Importing this room is cheap: dask and duckdb come with the first run and the first look at a dataset.
"""

from __future__ import annotations

from balance_lib.extras import need

need("province")  # before anything of it is imported

# isort: split
from balance_lib.batch.dataset import ProvinceDataset, write
from balance_lib.batch.folders import Folder, StorageError, find
from balance_lib.batch.options import Options
from balance_lib.batch.run import Done, SchedulerError, results, run

__all__ = [
    "Done",
    "Folder",
    "Options",
    "ProvinceDataset",
    "SchedulerError",
    "StorageError",
    "find",
    "results",
    "run",
    "write",
]
