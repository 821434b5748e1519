"""Read a longitude or latitude in the notations people write, one of them or both in a cell."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_AXIS = {"n": "lat", "s": "lat", "e": "lon", "w": "lon", "北": "lat", "南": "lat", "东": "lon", "西": "lon"}
_NEGATIVE = ("s", "w", "南", "西")
_LETTER = r"[nsew]|[北南](?:纬)?|[东西](?:经)?"
# What a keyboard gives for degrees, minutes and seconds; NFKC would tear some of them apart.
_SIGNS = str.maketrans(
    {sign: plain for plain, signs in (("°", "º˚°度"), ("'", "’‘´`′＇分"), ('"', "″”“＂秒")) for sign in signs}
)
_FIGURE = r"\d+(?:[.,]\d+)?"
_DECIMAL = re.compile(rf"([+-]?)\s*({_FIGURE}|\d{{1,3}}(?:[, ']\d{{3}})+(?:\.\d+)?)\s*°?")
_PARTS = re.compile(
    rf"([+-]?)\s*(\d{{1,3}})\s*(?:°|:|d|\s)\s*({_FIGURE})\s*(?:'|:|m|\s|$)\s*(?:({_FIGURE})\s*(?:\"|''|s)?)?"
)
# A point as well-known text or GeoJSON: longitude comes first.
_FIGURE = r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"
_SHAPE = re.compile(
    rf"""(?:point\s*z?\s*\(+|"coordinates"\s*:\s*\[+)\s*{_FIGURE}[\s,]+{_FIGURE}(?![\d.])""", re.IGNORECASE
)
_BETWEEN = (";", "|", "/", ", ", ",")


@dataclass(frozen=True)
class Coordinate:
    """Hold one coordinate, and which it is where a letter or word says so ("lon", "lat" or None)."""

    value: float
    axis: str | None = None


def coordinate(text: str) -> Coordinate | None:
    """Read one coordinate: degrees, degrees-minutes-seconds, a hemisphere, a decimal comma, or projected metres.

    Examples
    --------
    >>> coordinate("106:6:0.0 E"), coordinate("33,93")
    (Coordinate(value=106.1, axis='lon'), Coordinate(value=33.93, axis=None))
    >>> coordinate("35,601,712.5"), coordinate("33°61′")
    (Coordinate(value=35601712.5, axis=None), None)
    """
    folded = unicodedata.normalize("NFKC", text.translate(_SIGNS)).casefold().strip()
    folded = re.sub(r"(\dd\s*\d+m\s*[\d.,]+)s", r'\1"', folded)  # 33d54m0s is no south
    found = re.fullmatch(rf"({_LETTER})?\s*[:.]?\s*(.*?)\s*({_LETTER})?", folded, re.DOTALL)
    if not found or not found[2] or (found[1] and found[3]):
        return None
    letter = (found[1] or found[3] or "")[:1]
    value = _degrees(found[2])
    if value is None or (letter and value < 0):
        return None
    return Coordinate(-value if letter in _NEGATIVE else value, _AXIS.get(letter))


def _degrees(text: str) -> float | None:
    if plain := _DECIMAL.fullmatch(text):
        figure = re.sub(r"[ ']", "", plain[2])
        if "," in figure:
            decimal = re.fullmatch(r"\d+,\d+", figure) and (
                len(figure.partition(",")[2]) != 3 or float(figure.replace(",", ".")) <= 180
            )
            figure = figure.replace(",", "." if decimal else "")
        return float(f"{plain[1]}{figure}")
    parts = _PARTS.fullmatch(text)
    if not parts:
        return None
    minutes, seconds = (float((part or "0").replace(",", ".")) for part in (parts[3], parts[4]))
    if minutes >= 60 or seconds >= 60:
        return None
    value = int(parts[2]) + minutes / 60 + seconds / 3600
    return -value if parts[1] == "-" else value


def pair(text: str) -> tuple[Coordinate, Coordinate] | None:
    """Read two coordinates that stand in one cell, in their order there.

    Examples
    --------
    >>> [c.value for c in pair("(33.93, 106.15)")], [c.axis for c in pair("N33°54' E106°6'")]
    ([33.93, 106.15], ['lat', 'lon'])
    >>> [c.axis for c in pair("POINT (106.15 33.93)")], [c.value for c in pair('{"coordinates": [106.15, 33.93]}')]
    (['lon', 'lat'], [106.15, 33.93])
    """
    folded = unicodedata.normalize("NFKC", text.translate(_SIGNS)).strip()
    if shape := _SHAPE.search(folded):
        lon, lat = (float(figure) for figure in shape.groups())
        return Coordinate(lon, "lon"), Coordinate(lat, "lat")
    for halves in _halves(folded.strip("()[]{}<> ")):
        one, other = (coordinate(half) for half in halves)
        if one and other:
            return one, other
    return None


def _halves(text: str) -> list[list[str]]:
    """Return the ways to cut a cell in two, the plainest first."""
    ways = [text.split(mark) for mark in _BETWEEN if mark in text]
    ways += [re.split(rf"(?<=[{letters}])[\s,;]*(?=\S)", text, maxsplit=1) for letters in ("nsNS", "ewEW")]
    ways += [re.split(rf"[\s,;]*(?=[{letters}])", text, maxsplit=1) for letters in ("ewEW", "nsNS")]
    ways.append(text.split())
    return [way for way in ways if len(way) == 2]
