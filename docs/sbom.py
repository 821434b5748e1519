"""List what a lock file installs as a CycloneDX bill of materials: ``python docs/sbom.py > dist/sbom.json``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def locked(file: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, version and SHA-256 digests of every package a lock file names."""
    for entry in re.split(r"\n(?=\S)", file.read_text("utf-8").strip()):
        found = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==([\w.+!-]+)", entry)
        assert found is not None, entry
        yield found[1], found[2], re.findall(r"sha256:([0-9a-f]{64})", entry)


def licence(name: str) -> str:
    """Return what a package's own metadata says of its licence, in one line; empty where it is not installed here.

    The expression goes before the classifiers, these before the free text, which may hold a whole licence.
    """
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    named = [c.rpartition(" :: ")[2] for c in said.get_all("Classifier") or [] if c.startswith("License ::")]
    whole = (said.get("License") or "").strip()
    return said.get("License-Expression") or "; ".join(named) or (whole.splitlines() or ["?"])[0][:80]


def bill(file: Path) -> dict[str, Any]:
    """Return the bill of materials of a lock file."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "balance-lib", "bom-ref": "balance-lib"}},
        "components": [
            {
                "type": "library",
                "bom-ref": f"pkg:pypi/{name}@{version}",
                "name": name,
                "version": version,
                "purl": f"pkg:pypi/{name}@{version}",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in digests],
                **({"licenses": [{"license": {"name": said}}]} if (said := licence(name)) else {}),
            }
            for name, version, digests in locked(file)
        ],
    }


if __name__ == "__main__":
    json.dump(bill(ROOT / "requirements.lock"), sys.stdout, ensure_ascii=False, indent=1)
