"""Put a page of the dashboards into a cell: the very class the pages use, on one county."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from balance_lib import locale
from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel

if TYPE_CHECKING:
    from balance_lib.show.widgets.apps import Access, Consolidation


class _OneCounty(Library):
    """A library of the one county at hand, whether or not it stands in a folder."""

    def __init__(self, county: County) -> None:
        super().__init__(() if county.path is None else (county.path.parent,))
        object.__setattr__(self, "county", county)

    county: County

    def folders(self) -> dict[str, Path]:
        """Return its folder, by its id."""
        return {self.county.county_id: self.county.path or Path()}

    def names(self, lang: str = "zh") -> dict[str, str]:
        """Return its name."""
        return {self.county.county_id: self.county.name(lang)}

    def open(self, name: str) -> County:
        """Return it."""
        if name != self.county.county_id:
            raise NotFoundError("county", name, [self.county.county_id])
        return self.county


def explore(county: County, lang: str | None = None) -> Access:
    """Return the walking page on a county.

    Parameters
    ----------
    county : County
    lang : str, optional
        Language of the words, ``zh`` or ``en``.

    Returns
    -------
    Access
    """
    from balance_lib.show.widgets.apps import Access

    return Access(_model(county, lang))


def trial(county: County, lang: str | None = None) -> Consolidation:
    """Return the layout page on a county.

    Parameters
    ----------
    county : County
    lang : str, optional
        Language of the words, ``zh`` or ``en``.
    """
    from balance_lib.show.widgets.apps import Consolidation

    return Consolidation(_model(county, lang))


def _model(county: County, lang: str | None) -> PageModel:
    return PageModel(_OneCounty(county), {"county": county.county_id, "lang": lang or locale.spoken()})
