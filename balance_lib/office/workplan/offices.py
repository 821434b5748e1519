"""Tell which spellings of a plan mean one office: 财政局 and 县财政局 owe what both names stand beside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

# A plan calls its own offices with or without the level they belong to, and "all schools" with or without "all".
_LEVEL = re.compile("^(?:全?[县市区旗]|各)(?=..)")


class Offices:
    """Find the office a spelling means.

    Two spellings are one office when the plan says so, or when one is the other with its level in front (县财政局,
    财政局); 县政府 and 市政府 stay two, for the plan names no 政府 without a level.

    Parameters
    ----------
    spellings : iterable of str
        All names of units in the plan, in its order.
    named : mapping of office to its other spellings, optional
        What the plan's data say (``plan: offices``).
    """

    def __init__(self, spellings: Iterable[str], named: Mapping[str, Sequence[str]] | None = None) -> None:
        known = list(dict.fromkeys(spellings))
        self._office = {other: office for office, others in (named or {}).items() for other in others}
        for name in known:
            stem = _LEVEL.sub("", name)
            if stem != name and stem in known:
                self._office.setdefault(name, self._office.get(stem, stem))
        self.names = list(dict.fromkeys(self.of(name) for name in known))

    def of(self, spelling: str) -> str:
        """Return the office a spelling of the plan means."""
        return self._office.get(spelling, spelling)

    def find(self, words: str) -> str:
        """Return the office somebody asks for: as the plan spells it, or with or without its level.

        Examples
        --------
        >>> plan = Offices(["县民政局", "财政局", "县财政局"])
        >>> plan.names, plan.find("县财政局"), plan.find("民政局")
        (['县民政局', '财政局'], '财政局', '县民政局')
        """
        office = self.of(words.strip())
        if office in self.names:
            return office
        alike = [name for name in self.names if _LEVEL.sub("", name) == _LEVEL.sub("", office)]
        return alike[0] if len(alike) == 1 else office
