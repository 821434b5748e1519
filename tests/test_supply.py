"""What is installed is what was locked, byte by byte, and its licences let a public office use and change it."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

LOCKS = ["requirements.lock", "requirements-test.lock"]


@pytest.fixture(scope="module")
def sbom(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", root / "docs" / "sbom.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_digests_and_they_are_asked_for(root: Path, sbom: ModuleType, name: str) -> None:
    found = list(sbom.locked(root / name))
    assert len(found) > 100 and all(digests for _, _, digests in found)
    assert f"--require-hashes -r {name}" in (root / "Makefile").read_text("utf-8")


def test_what_is_tested_is_what_is_served(root: Path, sbom: ModuleType) -> None:
    served, tested = ({name: version for name, version, _ in sbom.locked(root / file)} for file in LOCKS)
    assert {name: tested.get(name) for name in served} == served


@pytest.mark.parametrize("name", LOCKS)
def test_no_licence_asks_for_more_than_a_notice(root: Path, sbom: ModuleType, name: str) -> None:
    said = {package: sbom.licence(package) for package, _, _ in sbom.locked(root / name)}
    known = {package: licence for package, licence in said.items() if licence}
    assert len(known) > 0.9 * len(said)  # a few are for other systems and not installed here
    assert not {p: s for p, s in known.items() if re.search(r"(?<!L)A?GPL|Affero|(?<!Lesser )General Public", s)}
    assert "?" not in known.values()


def test_the_bill_of_materials_names_every_served_package(root: Path, sbom: ModuleType) -> None:
    told = json.loads(json.dumps(sbom.bill(root / "requirements.lock")))
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.5")
    packages = {part["purl"]: part for part in told["components"]}
    assert len(packages) == len(list(sbom.locked(root / "requirements.lock")))
    (pandas,) = [part for purl, part in packages.items() if purl.startswith("pkg:pypi/pandas@")]
    assert pandas["licenses"] and all(len(h["content"]) == 64 for h in pandas["hashes"])
