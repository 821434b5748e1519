"""Look into a workbook before it is unpacked: a few kilobytes may unfold to terabytes, and XML may bring entities."""

from __future__ import annotations

import io
import zipfile
from xml.parsers import expat

from balance_lib._errors import Fault

MOST_BYTES = 400 * 1024 * 1024  # a return of 200,000 rows unfolds to about 100 MB
MOST_PARTS = 5000
# Real sheets shrink to a tenth, blank formatted ones to a hundredth; a bomb to a thousandth.
MOST_RATIO, SMALL_BYTES = 250, 20 * 1024 * 1024
CHUNK = 64 * 1024
_TEXT = (".xml", ".rels", ".vml")


class _RefusedError(Exception):
    """End parsing: a document type was declared."""


class _BegunError(Exception):
    """End parsing: the root element has begun, after which nothing can be declared."""


def refuse(name: str, content: bytes) -> Fault | None:
    """Return why a workbook must not be unpacked; None if it may.

    The sizes an archive states of its parts hold: Python unpacks no more than is stated.

    Parameters
    ----------
    name : str
    content : bytes

    Raises
    ------
    zipfile.BadZipFile
        If it is no archive.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
        whole = sum(part.file_size for part in parts)
        packed = max(1, sum(part.compress_size for part in parts))
        steep = whole > SMALL_BYTES and whole / min(packed, len(content)) > MOST_RATIO
        if whole > MOST_BYTES or len(parts) > MOST_PARTS or steep:
            return Fault("xlsx_too_large", name, found=f"{whole / 1024**2:.0f} MB", params={"most": MOST_BYTES >> 20})
        if any(_declares(archive, part) for part in parts if part.filename.casefold().endswith(_TEXT)):
            return Fault("xlsx_entities", name)
    return None


def _declares(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Tell whether a part declares a document type, in whatever encoding; only its head is read."""

    def refused(*_: object) -> None:
        raise _RefusedError

    def begun(*_: object) -> None:
        raise _BegunError

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = refused, begun
    try:
        with archive.open(part) as stream:
            while piece := stream.read(CHUNK):
                parser.Parse(piece)
    except _RefusedError:
        return True
    except (_BegunError, expat.ExpatError):
        return False  # a part that is no XML is left to the reader, which says so
    return False
