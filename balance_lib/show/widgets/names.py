"""Call schools as people within their county do: without the county's name before every one of them."""

from __future__ import annotations

from balance_lib.data.county import County
from balance_lib.locale import named


def school_names(county: County, lang: str = "zh") -> dict[str, str]:
    """Return the schools' names by id in a language; what all begin with, the county's own name, is left out.

    Where one school does not bear it, all keep their full names: a name cut here and whole there reads as two kinds.
    A school without an English name keeps its own.

    Parameters
    ----------
    county : County
    lang : {"zh", "en"}
    """
    table = county.tables["schools"].drop_duplicates("school_id")
    names = {str(i): str(name) for i, name in zip(table["school_id"], named(table, lang), strict=True)}
    before = county.name_zh
    if before and all(name.startswith(before) and len(name) > len(before) for name in names.values()):
        return {school: name.removeprefix(before) for school, name in names.items()}
    return names
