"""Say on what data, by which standard and with which software something was done: every record carries it."""

from __future__ import annotations

from dataclasses import dataclass

import balance_lib
from balance_lib.data.county import County
from balance_lib.standards import Standard


@dataclass(frozen=True)
class Stamp:
    """Hold the county's data hash, the standard with its version, and the software's version."""

    county_hash: str = ""
    standard_version: str = ""
    software: str = f"balance_lib {balance_lib.__version__}"

    @classmethod
    def of(cls, county: County | None = None, standard: Standard | None = None) -> Stamp:
        """Return the stamp of work on a county by a standard.

        Parameters
        ----------
        county : County, optional
        standard : Standard, optional
        """
        return cls(county.hash if county else "", standard.digest if standard else "")
