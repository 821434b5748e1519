"""Running Chinese bears Chinese punctuation: in texts, standards, tables, templates and documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

HAN = r"[\u3400-\u9fff]"
NARROW = re.compile(rf"{HAN} ?[,;:()!?]|[,;:()!?] ?{HAN}|{HAN}\.(?=\s|$)")
# What is no running Chinese: values filled in stand for words, mark-up and code (the line of a mapping) for nothing.
FIELD, MARKUP = (
    re.compile(r"\{[^{}]*\}"),
    re.compile(r"<[^<>]*>|`[^`]*`|https?://\S+|\]\([^)]*\)|\{ ?#[^}]*\}|\$[^$]*\$|sources: .*"),
)
# A quotation stands as its source prints it; units that lead together are told apart by ";".
VERBATIM = {"quote", "value", "match", "lead_unit"}
LIBRARY = "balance_lib/standards/library"
LABELLED = (
    "balance_lib/standards/inputs.yaml", "balance_lib/data/tables/tables.yaml", "balance_lib/access/limits.yaml",
    "balance_lib/planning/remedies/costs.yaml", "balance_lib/scenarios/defaults.yaml", "docs/examples/province.yaml",
    LIBRARY,
)  # fmt: skip


def narrow(text: str) -> str:
    """Return where Chinese stands beside the punctuation of another script; "" where it does not."""
    found = NARROW.search(MARKUP.sub("|", FIELD.sub("一", text) if "http" not in text else text))
    return "" if found is None else text[max(0, found.start() - 12) : found.end() + 12]


def texts(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield what a YAML file says to readers of Chinese, with its key; English fields and quotations are left out."""
    if isinstance(node, dict):
        for name, child in node.items():
            if name not in VERBATIM and not str(name).endswith("en"):
                yield from texts(child, f"{key}.{name}")
    elif isinstance(node, list):
        for child in node:
            yield from texts(child, key)
    elif isinstance(node, str):
        yield key, node


def test_a_half_width_mark_beside_chinese_is_found() -> None:
    wrong = ("未达标;请核对", "小学(1–6年级)", "现有:{known}", "{name},{n}人", "完成.", "通过 (全部)")
    assert all(narrow(text) for text in wrong)
    right = ("比例为 1:1.1:1.32", "2024-08-31", "`a,b`、<b style='x:y'>甲</b>", "GB 50099 (2011), at 8:30", "1,570.2元")
    assert not any(narrow(text) for text in right)


def test_every_text_of_the_catalogue(root: Path) -> None:
    catalogue = yaml.safe_load((root / "balance_lib/texts/zh.yaml").read_text("utf-8"))
    assert [(key, text) for key, text in texts({"": catalogue}) if narrow(text)] == []


@pytest.mark.parametrize("place", LABELLED)
def test_labels_and_notes_beside_the_code(root: Path, place: str) -> None:
    files = sorted((root / place).glob("*.yaml")) if (root / place).is_dir() else [root / place]
    assert files
    for file in files:
        read = yaml.safe_load(file.read_text("utf-8"))
        assert [(file.name, key, text) for key, text in texts(read) if narrow(text)] == []


def test_what_the_server_says_itself(root: Path) -> None:
    """Templates say each thing twice: words("中文", "English")."""
    folder = root / "balance_lib/show/serve/share/jupyter/voila/templates/balance"
    said = [
        m[1]
        for file in folder.iterdir()
        if file.is_file()
        for m in re.finditer(r'words\("([^"]*)"', file.read_text("utf-8"))
    ]
    assert len(said) > 5 and not [text for text in said if narrow(text)]


def prose(file: Path) -> Iterator[str]:
    """Yield a document's lines without its code; the Markdown cells of a notebook."""
    if file.suffix == ".ipynb":
        for cell in json.loads(file.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield from "".join(cell["source"]).splitlines()
        return
    code = False
    for line in file.read_text("utf-8").splitlines():
        code ^= line.lstrip().startswith("```")
        if not code:
            yield line


def test_documents_and_notebooks(root: Path) -> None:
    files = [root / "README.zh-CN.md", *root.glob("docs/**/*.zh.md"), *root.glob("notebooks/*.ipynb")]
    wrong = [(file.name, at) for file in files for line in prose(file) if (at := narrow(line.replace("*", "")))]
    assert wrong == []
