"""Fill pages with what the package itself knows, and cut Chinese into words for the search.

A line ``<!-- generate: NAME [ARGUMENT] -->`` in a page is replaced by what the function of that name in ``PARTS``
returns in the page's language: the pages cannot say other than the tables, the standards and the commands do.
"""

from __future__ import annotations

import json
import re
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from mkdocs.plugins import event_priority

from balance_lib import evaluation, standards
from balance_lib.data import tables
from balance_lib.data.county import County

MARK = re.compile(r"^<!-- generate: (\w+)(?: ([\w ]+))? -->$", re.MULTILINE)
HEADS = {
    "columns": {
        "zh": ["列", "名称", "类型", "单位", "取值", "必填"],
        "en": ["column", "name", "type", "unit", "values", "required"],
    },
    "results": {"zh": ["列", "含义", "单位"], "en": ["column", "meaning", "unit"]},
    "inputs": {"zh": ["项目代码", "名称", "单位"], "en": ["item", "name", "unit"]},
    "standards": {
        "zh": ["代号", "名称", "文号", "判定项"],
        "en": ["id", "title", "document", "items judged"],
    },
    "bases": {
        "zh": ["方案", "县", "判定项", "由数据计算", "县填报", "凭材料认定"],
        "en": ["plan", "county", "items judged", "computed", "reported", "by document"],
    },
    "items": {
        "zh": ["编号", "指标", "要求", "怎样取值", "出处"],
        "en": ["code", "item", "required", "how its value is found", "source"],
    },
    "indicators": {"zh": ["指标", "公式", "单位"], "en": ["indicator", "formula", "unit"]},
    "switches": {"zh": ["开关", "默认", "含义"], "en": ["switch", "default", "meaning"]},
    "options": {"zh": ["参数", "类型", "说明（英文）"], "en": ["parameter", "type", "what it does"]},
}
WORDS = {
    "zh": {
        "number": "数", "count": "非负整数", "flag": "1是 0否", "year": "年", "date": "日期", "text": "文字",
        "choice": "选项", "key": "主键", "split": "共用资源，可填全校数，按加权学生数拆分",
        "sensitive": "少于5人不显示", "refers": "对应", "required": "是",
        "primary": "小学", "junior": "初中", "on": "开", "off": "关",
        "file": "文件", "reported": "县填报", "evidence": "凭材料认定",
        "cv": "差异系数", "given": "由“可达性”算出", "items": "下列各项达标：",
    },
    "en": {
        "number": "number", "count": "whole number ≥ 0", "flag": "1 yes, 0 no", "year": "year", "date": "date",
        "text": "text", "choice": "choice", "key": "Key",
        "split": "shared: a whole-school figure is divided by weighted pupils",
        "sensitive": "not shown under 5", "refers": "refers to", "required": "yes", "primary": "primary",
        "junior": "junior", "on": "on", "off": "off", "file": "file", "reported": "reported by the county",
        "evidence": "by document",
        "cv": "difference coefficient", "given": "measured by access", "items": "these items are met:",
    },
}  # fmt: skip


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def data_dictionary(lang: str) -> str:
    """Return every canonical table with its columns."""
    return "\n\n".join(_one_table(spec, lang) for spec in tables.all_tables().values())


def _one_table(spec: tables.Table, lang: str) -> str:
    says = WORDS[lang]
    rows = [
        [f"`{c.name}`", c.label(lang), says[c.type], c.unit, _values(c, lang), says["required"] if c.required else ""]
        for c in spec.columns.values()
    ]
    key = " + ".join(f"`{name}`" for name in spec.key)
    head = f"## {spec.label(lang)} `{spec.name}` {{#{spec.name}}}"
    return f"{head}\n\n`{spec.file}` · {says['key']}: {key}\n\n{table(HEADS['columns'][lang], rows)}"


def _values(column: tables.Column, lang: str) -> str:
    said = []
    low, high = tables.limits(column)
    if column.choices:
        named = column.choices.items() if lang == "zh" else ((c, "") for c in column.choices)
        said.append(", ".join(f"`{code}` {word}".strip() for code, word in named))
    elif column.type in ("number", "count", "year") and (low is not None or high is not None):
        said.append(f"{'' if low is None else f'{low:g}'}–{'' if high is None else f'{high:g}'}")
    if column.refers:
        said.append(f"{WORDS[lang]['refers']} `{column.refers}`")
    said += [WORDS[lang][name] for name in ("split", "sensitive") if getattr(column, name)]
    return "; ".join(said)


def result_columns(lang: str) -> str:
    """Return the columns of the results' tables, from columns.yaml and the canonical tables."""
    told = yaml.safe_load((Path(__file__).parent / "columns.yaml").read_text("utf-8"))
    at = 0 if lang == "zh" else 1
    parts = []
    for name, spec in told["tables"].items():
        rows = [[f"`{column}`", *column_told(column, lang, told, name)] for column in spec["columns"]]
        parts.append(f"## {name} {{#{name.lower()}}}\n\n{spec['row'][at]}\n\n{table(HEADS['results'][lang], rows)}")
    return "\n\n".join(parts)


def column_told(name: str, lang: str, told: dict[str, Any], of: str = "") -> tuple[str, str]:
    """Return the meaning and the unit of a column: its own, that of NAME before NAME_before, or a canonical table's."""
    at, stem, when = 0 if lang == "zh" else 1, *name.rpartition("_")[::2]
    canonical = tables.all_tables()
    first = [canonical[table] for table in (of.rpartition(".")[2],) if table in canonical]
    spec = next((each.columns[name] for each in (*first, *canonical.values()) if name in each.columns), None)
    if name in told["columns"] and not (first and name in first[0].columns):
        meaning, unit = told["columns"][name][at], told["columns"][name][2]
    elif spec is None and when in ("before", "after"):
        meaning, unit = column_told(stem, lang, told, of)
        word = {"before": ("调整前", " before"), "after": ("调整后", " after")}[when][at]
        return (word + meaning if lang == "zh" else meaning + word), unit
    else:
        assert spec is not None, name
        meaning, unit = spec.label(lang), spec.unit
    return meaning, told["units"].get(unit, unit) if lang == "zh" else unit


def county_figures(lang: str) -> str:
    """Return the county figures any standard may ask for."""
    rows = [[f"`{name}`", spec[lang], spec["unit"]] for name, spec in standards.common_inputs().items()]
    return table(HEADS["inputs"][lang], rows)


def library(lang: str) -> str:
    """Return the standards that come with the package."""
    rows = []
    for name in standards.ids():
        standard = standards.load(name)
        judged = sum(item.kind in standards.JUDGED for item in standard.items)
        title = standard.title_zh if lang == "zh" else standard.title_en
        rows.append([f"`{name}`", title, standard.document or "", judged])
    return table(HEADS["standards"][lang], rows)


def bases(lang: str) -> str:
    """Return, for each demonstration county under its own plan, what decides the items in its last year."""
    rows, total = [], Counter()
    for folder in sorted((Path(__file__).parents[1] / "data" / "demo").iterdir()):
        if (folder / "county.yaml").is_file():
            county = County.open(folder)
            counted = evaluation.evaluate(county, str(county.plan)).bases
            total.update(counted)
            rows.append([f"`{county.plan}`", county.name(lang), sum(counted.values()), *counted.values()])
    rows.append(["", {"zh": "合计", "en": "together"}[lang], sum(total.values()), *total.values()])
    return table(HEADS["bases"][lang], rows)


def indicators(lang: str, name: str) -> str:
    """Return the indicators of a standard with their formulas."""
    rows = []
    for one in standards.load(name).indicators.values():
        formulas = one.formula if isinstance(one.formula, dict) else {"": one.formula}
        same = len(set(formulas.values())) == 1
        told = [
            f"{'' if same or not stage else WORDS[lang][stage] + ' '}`{formula}`" for stage, formula in formulas.items()
        ]
        rows.append([one.zh if lang == "zh" else one.en, "<br>".join(dict.fromkeys(told)), one.unit])
    return table(HEADS["indicators"][lang], rows)


def switches(lang: str, name: str) -> str:
    """Return the definition switches of a standard."""
    rows = [
        [f"`{key}`", WORDS[lang]["on" if spec["value"] else "off"], spec[lang]]
        for key, spec in standards.load(name).definitions.items()
    ]
    return table(HEADS["switches"][lang], rows)


def clauses(lang: str, name: str) -> str:
    """Return every item of a standard that is judged: requirement, measure, source."""
    judged = [item for item in standards.load(name).items if item.kind in standards.JUDGED]
    rows = [
        [
            f'<span id="{name}-{item.code.lower()}">{item.code}</span>',
            item.label_zh if lang == "zh" else item.label_en,
            _required(item),
            _measured(item, lang),
            item.source or "",
        ]
        for item in judged
    ]
    return table(HEADS["items"][lang], rows)


def _required(item: standards.Item) -> str:
    line = item.threshold if item.threshold is not None else item.value
    sign = {">=": "≥", "<=": "≤", "==": "=", ">": ">", "<": "<"}.get(str(item.operator), "")
    return f"{sign} {line} {item.judged_unit or item.unit or ''}".strip() if line is not None else ""


def _measured(item: standards.Item, lang: str) -> str:
    says, measure = WORDS[lang], item.measure
    if measure is None:
        return ""
    if measure.source in ("reported", "evidence"):
        return says[measure.source]
    if measure.source == "cv":
        return f"{says['cv']} `{measure.formula}`"
    if measure.source == "items":
        return f"{says['items']} {'; '.join(' + '.join(group) for group in measure.items)}"
    if measure.source == "given":
        return f"{says['given']} `{measure.formula}`"
    return f"`{measure.formula}`" if measure.formula else str(measure.source)


def commands(lang: str) -> str:
    """Return the reference of the command line, from its own definitions."""
    import typer

    from balance_lib.cli import app

    return "\n\n".join(_command(one, path, lang) for path, one in _walk(typer.main.get_command(app), ["balance"]))


def _walk(command: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
    inside = getattr(command, "commands", {})
    if not inside:
        yield path, command
    for name in sorted(inside):
        yield from _walk(inside[name], [*path, name])


def _command(command: Any, path: Sequence[str], lang: str) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join([*path, *(_shown(p) for p in arguments), *(_shown(p) for p in options if p.required)])
    rows = [[f"`{_shown(p)}`", _kind(p), _about(p)] for p in [*arguments, *options]]
    told = " ".join((command.help or "").split())
    head = f"## {' '.join(path)} {{#{'-'.join(path)}}}"
    return f"{head}\n\n{told}\n\n```\n{usage}\n```\n\n{table(HEADS['options'][lang], rows)}"


def _shown(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or str(parameter.name).upper())
    return str(max(parameter.opts, key=len))


def _kind(parameter: Any) -> str:
    """Return the type of a parameter; Typer tells it by the annotation, or, before it left Click, by ``type``."""
    told = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if told is None:
        return str(parameter.type.name)
    plain = next((t for t in (*typing.get_args(told), told) if isinstance(t, type) and t is not type(None)), told)
    if issubclass(plain, Enum):
        return " / ".join(str(member.value) for member in plain)
    return {"str": "text", "int": "number", "float": "number", "bool": "switch"}.get(
        plain.__name__, plain.__name__.lower()
    )


def _about(parameter: Any) -> str:
    default = parameter.default
    shown = default if isinstance(default, str | int | float) and not isinstance(default, bool) else None
    told = " ".join((getattr(parameter, "help", None) or "").split())
    told = f"{told} [{getattr(shown, 'value', shown)}]" if shown not in (None, "") else told
    return re.sub(r"([<>*_])", r"\\\1", told)


def reference(lang: str, rooms: str) -> str:
    """Return what mkdocstrings makes the reference of these rooms from."""
    return "\n\n".join(f"::: balance_lib.{room}" for room in rooms.split())


PARTS: dict[str, Callable[..., str]] = {
    part.__name__: part
    for part in (
        data_dictionary,
        result_columns,
        county_figures,
        library,
        bases,
        indicators,
        switches,
        clauses,
        commands,
        reference,
    )
}


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Replace every line that asks for something generated."""
    lang = "en" if page.file.src_uri.endswith(".en.md") else "zh"
    return MARK.sub(lambda m: PARTS[m[1]](lang, *([m[2]] if m[2] else [])), markdown)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Lead the other language's link of the pages that are English only to the Chinese page about them."""
    return output.replace('href="/index.html"', 'href="../../api/index.html"') if "/api/" in f"/{page.url}" else output


# Search ------------------------------------------------------------------------------------------------------------

HAN = re.compile(r"[\u4e00-\u9fff]+")
# Words that join others; between them stand the words people search for.
JOINING = re.compile(r"[的了在是和与或按从到把被就不也都有为以及其这每一各又再由于向对给让使可能会要请即若则但并且而]")


@event_priority(-200)  # after every language is built and the index lies inline for pages opened from a folder
def on_post_build(config: Any) -> None:
    """Cut the Chinese of the search index into words, by the words the pages themselves are made of."""
    folder = Path(config["site_dir"]) / "search"
    path = folder / "search_index.json"
    if not path.is_file():
        return
    index = json.loads(path.read_text("utf-8"))
    known = words((doc["text"] + " " + doc["title"]).replace("\u200b", "") for doc in index["docs"])
    for doc in index["docs"]:
        for part in ("title", "text"):
            doc[part] = HAN.sub(lambda m: "\u200b".join(["", *cut(m[0], known), ""]), doc[part].replace("\u200b", ""))
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text, "utf-8")
    (folder / "search_index.js").write_text(f"var __index = {text}", "utf-8")


def words(texts: Iterable[str]) -> set[str]:
    """Return the Chinese words of two to four characters that stand by themselves somewhere, and their halves."""
    runs = Counter(piece for text in texts for run in HAN.findall(text) for piece in JOINING.split(run) if piece)
    alone = {run for run, times in runs.items() if 2 <= len(run) <= 3 and (times > 1 or len(run) == 2)}
    halves = {half for run in runs if len(run) == 4 for half in (run[:2], run[2:])}
    return alone | halves


def cut(run: str, known: set[str]) -> list[str]:
    """Return a run of Chinese cut into known words, longest first, and single characters between them.

    >>> cut("小学差异系数", {"小学", "差异", "系数"})
    ['小学', '差异', '系数']
    """
    out = []
    while run:
        size = next((n for n in (3, 2) if run[:n] in known and len(run) >= n), 1)
        out.append(run[:size])
        run = run[size:]
    return out
