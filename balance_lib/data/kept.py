"""Keep what was computed of a county with the county itself: it goes when the county goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from balance_lib.data.county import County

MOST_KEPT = 24
P = ParamSpec("P")
T = TypeVar("T")


def once_per_county(make: Callable[Concatenate[County, P], T]) -> Callable[Concatenate[County, P], T]:
    """Compute once what a function makes of a county and hashable arguments, as long as that county is held.

    A page that tries a hundred scenarios makes a hundred counties: a cache of its own would hold on to them.
    """

    @wraps(make)
    def once(county: County, /, *args: P.args, **kwargs: P.kwargs) -> T:
        kept = county.kept.setdefault(make, {})
        return keep(kept, (*args, *kwargs.items()), lambda: make(county, *args, **kwargs))

    return once


def keep(kept: dict[Any, T], key: Any, make: Callable[[], T], most: int = MOST_KEPT) -> T:
    """Return what a key stands for, made when it is first asked for; what was not asked for longest goes first.

    Parameters
    ----------
    kept : dict
        What was made; changed in place.
    key : object
    make : callable
    most : int
        So many are kept.
    """
    found = kept.pop(key) if key in kept else make()
    while len(kept) >= most:
        del kept[next(iter(kept))]
    kept[key] = found
    return found
