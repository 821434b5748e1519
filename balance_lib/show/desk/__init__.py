"""The analyst's desk: open a county, ask it, see it. ``import balance_lib as bl`` gives these names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from balance_lib import locale, standards
from balance_lib._errors import NotFoundError
from balance_lib.data.county import META
from balance_lib.shipped import shipped
from balance_lib.show.desk.county import CountyDesk
from balance_lib.show.desk.draft import ScenarioDraft
from balance_lib.show.desk.results import Comparison, Coverage, Forecast, History, compare

if TYPE_CHECKING:
    from balance_lib.data.county import County
    from balance_lib.show.widgets.apps import Access

__all__ = ["Comparison", "CountyDesk", "Coverage", "Forecast", "History", "ScenarioDraft", "compare", "counties",
           "explore", "finding", "list_standards", "open", "table"]  # fmt: skip


def open(place: str | Path) -> CountyDesk:
    """Open a county.

    Parameters
    ----------
    place : str or Path
        Id or name of a county that ships (``jiaohe``, ``蛟河市``), a county folder, or the address of one
        (``https://…``, ``s3://…``; needs fsspec).

    Returns
    -------
    CountyDesk

    Raises
    ------
    NotFoundError
        If there is none; it names what is near.
    ValueError
        If it is a file, or a folder without ``county.yaml``; it says how to import one.
    DataError
        If its files cannot be read; every fault at once.

    Examples
    --------
    >>> import balance_lib as bl
    >>> bl.open("jiaohe").name("en")
    'Jiaohe City'
    """
    folder = Path(place)
    if "://" not in str(place) and (folder / META).is_file():
        return _opened(folder)
    if "://" in str(place):
        from balance_lib.batch.folders import Folder  # the one place that fetches county folders by address

        root, _, name = str(place).rstrip("/").rpartition("/")
        with Folder(name, root).here() as fetched:
            return _opened(fetched)
    known = _shipped()
    found = next((path for path, names in known.items() if str(place).lower() in names), None)
    if found is None and folder.exists():
        raise ValueError(locale.text("desk.not_a_county", locale.spoken(), place=place))
    if found is None:
        raise NotFoundError("county", str(place), [path.name for path in known])
    return _opened(found)


def _opened(folder: Path) -> CountyDesk:
    county = CountyDesk.open(folder)
    assert isinstance(county, CountyDesk)
    return county


def _shipped() -> dict[Path, set[str]]:
    """Return the folders of the counties that ship, with what each may be called."""
    import yaml

    out = {}
    for meta in sorted(shipped("demo").glob(f"*/{META}")):
        facts = yaml.safe_load(meta.read_text(encoding="utf-8-sig"))
        names = {meta.parent.name, str(facts.get("name_zh")), str(facts.get("name_en")).lower()}
        out[meta.parent] = names | {str(facts.get("name_zh"))[:-1]}
    return out


def counties(lang: str | None = None) -> pd.DataFrame:
    """List the counties that ship: id, name, first and last year, plan, synthetic."""
    import yaml

    rows = []
    for folder in _shipped():
        facts = yaml.safe_load((folder / META).read_text(encoding="utf-8-sig"))
        years = facts.get("years") or []
        rows.append((folder.name, facts[f"name_{lang or locale.spoken()}"], years[0] if years else None,
                     years[-1] if years else None, facts.get("plan"), bool(facts.get("synthetic"))))  # fmt: skip
    return pd.DataFrame(rows, columns=["id", "name", "first_year", "last_year", "plan", "synthetic"])


def list_standards(lang: str | None = None) -> pd.DataFrame:
    """List the standards: id, title, scope, document, issued, items, judged. ``bl.standards()`` is the same."""
    return pd.DataFrame([standards.load(name).head(lang or locale.spoken()) for name in standards.ids()])


def explore(county: County | str, *, lang: str | None = None) -> Access:
    """Show the walking page on a county: sliders for radius and year, stage and way of measuring, map and figures.

    Parameters
    ----------
    county : County or str
    lang : str, optional
        Language of the words, ``zh`` or ``en``.

    Returns
    -------
    Access
    """
    from balance_lib.show.desk import pages

    return pages.on_county("Access", open(county) if isinstance(county, str) else county, lang)


def table(frame: pd.DataFrame) -> Any:
    """Show a table in a cell as results show theirs: thousands apart, a dash for what is missing, 40 rows at most.

    Examples
    --------
    >>> import balance_lib as bl
    >>> "2,600" in bl.table(pd.DataFrame({"yuan": [2600.0, None]})).data
    True
    """
    from IPython.display import HTML

    from balance_lib.show.desk import cells

    return HTML(cells.html(frame))


def finding(zh: str, en: str, *, under: Any = None) -> Any:
    """Return a finding in two languages, Chinese first, for the end of a notebook.

    Parameters
    ----------
    zh : str
        In Chinese.
    en : str
        In English.
    under : map or figure, optional
        Shown first: what the finding is read from.

    Returns
    -------
    Markdown
    """
    from IPython.display import Markdown, display

    if under is not None:
        display(under)
    return Markdown(f"**发现** {zh}\n\n**Finding** {en}")
