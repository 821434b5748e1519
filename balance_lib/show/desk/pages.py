"""Put a page of the dashboards into a cell: the very class the pages use, on one county."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from balance_lib import locale
from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel

PICTURE, VIEW, SECOND = "image/svg+xml", "application/vnd.jupyter.widget-view+json", "image/png"


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


def on_county(page: str, county: County, lang: str | None = None) -> Any:
    """Return a page of the dashboards on a county.

    Parameters
    ----------
    page : {"Access", "Consolidation"}
    county : County
    lang : {"zh", "en"}, optional
    """
    from balance_lib.show.widgets import apps

    facts = {"county": county.county_id, "lang": lang or locale.spoken()}
    return _leaving_a_picture(getattr(apps, page)(PageModel(_OneCounty(county), facts)))


def _leaving_a_picture(page: Any) -> Any:
    """Let a page in a cell leave its map as a picture for where widgets do not live; a dashboard need not draw one."""
    live = page._repr_mimebundle_

    def with_picture(**kwargs: Any) -> dict[str, Any]:
        return {**live(**kwargs), **({} if page.chart is None else {PICTURE: page.chart.picture()})}

    page._repr_mimebundle_ = with_picture
    return page


def keep_pictures(model: dict[str, Any], **_: Any) -> None:
    """Leave out of a notebook that is saved the live views that left a picture; without a kernel they cannot be shown.

    A ``pre_save_hook`` of the Jupyter server (``notebooks/.jupyter`` names it): a notebook opened again shows its maps
    as pictures in place of "model not found"; a cell that is run again shows the live map. The bitmap that JupyterLab's
    plotly adds goes too: the picture is there already.

    Parameters
    ----------
    model : dict
        What the server is about to save.
    **_ : object

    Examples
    --------
    >>> data = {PICTURE: "<svg/>", VIEW: {"model_id": "1"}}
    >>> keep_pictures({"type": "notebook", "content": {"cells": [{"outputs": [{"data": data}]}]}})
    >>> data
    {'image/svg+xml': '<svg/>'}
    """
    cells = (model.get("content") or {}).get("cells", ()) if model.get("type") == "notebook" else ()
    for data in (output.get("data", {}) for cell in cells for output in cell.get("outputs", ())):
        if PICTURE in data:
            for second in (VIEW, SECOND):
                data.pop(second, None)
