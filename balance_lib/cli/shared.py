"""Give the ``balance`` command: build, import, check, evaluate, and serve.

Exit codes: 0 computed, whatever the verdict; 1 the data or files are at fault, and every fault is said; 2 usage;
3 only with ``--fail-on-not-met``, when the verdict is not "pass".
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from balance_lib import __version__
from balance_lib._errors import BalanceError, DataError, Fault, NotFoundError, PolicyError, grouped, reason
from balance_lib.locale import text

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)


class Lang(StrEnum):
    """Languages of the output."""

    zh = "zh"
    en = "en"


AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
InLang = Annotated[Lang, typer.Option("--lang", help="Language of texts.")]
Switches = Annotated[
    list[str] | None, typer.Option("--set", help="Definition switch, such as offices_in_teaching_area=true.")
]
Folder = Annotated[Path, typer.Argument(help="County folder.", metavar="DIR")]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def unread_standards(lang: str) -> list[str]:
    """Return what is wrong with one's own standards that could not be read, for people."""
    from balance_lib import standards as room

    return [text("cli.standard_unread", lang, why=why) for why in room.unread()]


def shown_progress() -> Callable[[int, int, str], None] | None:
    """Return what shows progress on a terminal; nothing where nobody watches."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, of: int, name: str) -> None:
        typer.echo(f"\r{done}/{of} {name[:60]:<60}", err=True, nl=done == of)

    return show


def standard_named(name: str, lang: str) -> Any:
    """Return the standard of an id or a YAML file; one that is not there or at fault is a usage error."""
    from balance_lib import standards as room

    try:
        return room.load(name)
    except NotFoundError as error:
        raise typer.BadParameter(error.message(lang), param_hint="--standard") from error
    except PolicyError as error:
        raise typer.BadParameter(str(error), param_hint="--standard") from error


def _switches_of(pairs: Sequence[str], standard: Any, lang: str) -> dict[str, bool]:
    """Return definition switches written as NAME=true or NAME=false; an unknown one is a usage error."""
    found = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if value.lower() not in ("true", "false"):
            raise typer.BadParameter(f"{pair}: NAME=true|false", param_hint="--set")
        found[name] = value.lower() == "true"
    try:
        standard.switches(found)
    except NotFoundError as error:
        raise typer.BadParameter(error.message(lang), param_hint="--set") from error
    return found


def options_of(kind: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for every field of a dataclass that has metadata; it gets them as ``wishes``.

    The type, the default and the bounds are the field's, the help is what the class's docstring says of it: what is
    asked for is spelled once.
    """
    told = dict(re.findall(r"^(\w+) : .*\n((?:    .*\n?)+)", inspect.getdoc(kind) or "", re.MULTILINE))
    named = vars(sys.modules[kind.__module__])
    options = []
    for spec in (one for one in fields(kind) if one.metadata):
        name = spec.metadata.get("option", f"--{spec.name.replace('_', '-')}")
        help_ = " ".join(told[spec.name].split()).replace("``", "")
        of: Any = eval(str(spec.type), named)  # the annotation as it stands in the class
        kept = Annotated[of, typer.Option(name, help=help_, min=spec.metadata.get("min"))]
        options.append(
            inspect.Parameter(spec.name, inspect.Parameter.KEYWORD_ONLY, default=spec.default, annotation=kept)
        )

    def spelled(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        asked: list[inspect.Parameter] = []
        for name, one in signature.parameters.items():
            asked += options if name == "wishes" else [one.replace(kind=inspect.Parameter.KEYWORD_ONLY)]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            command(wishes={one.name: given.pop(one.name) for one in options}, **given)

        run.__signature__ = inspect.Signature(asked)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in asked}
        return run

    return spelled


@contextmanager
def faults_told(as_json: bool, lang: str) -> Iterator[None]:
    """Tell what is at fault with the data or the files in one clear text, and exit 1.

    Parameters
    ----------
    as_json : bool
    lang : {"zh", "en"}
    """
    try:
        yield
    except DataError as error:
        print_result(
            as_json, {"error": "data", "faults": [f.as_dict(lang) for f in error.faults]}, error.report(lang), err=True
        )
        raise typer.Exit(1) from error
    except (BalanceError, OSError) as error:
        # Who types a command may know the path; whoever looks at a page may not.
        place = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        said = error.message(lang) if isinstance(error, BalanceError) else f"{place}{reason(error, lang)}"
        print_result(as_json, {"error": said, "faults": []}, said, err=True)
        raise typer.Exit(1) from error


def _write_faults(file: Path, faults: Sequence[Fault], lang: str) -> None:
    """Write every fault to a CSV that spreadsheet programs open."""
    import pandas as pd

    from balance_lib.plain import as_csv

    heads = ("file", "row", "column", "found", "expected", "hint", "severity", "rule")
    rows = [fault.as_dict(lang) for group in grouped(faults) for fault in group]
    file.write_bytes(as_csv(pd.DataFrame(rows, columns=list(heads), dtype=object)))


def print_result(as_json: bool, result: dict[str, Any], plain: str, *, err: bool = False) -> None:
    """Print a result: as JSON for programs, where it comes from first, or in words.

    Parameters
    ----------
    as_json : bool
    result : dict of str to object
    plain : str
        The result in words.
    err : bool
        Words go to standard error; JSON never does.
    """
    first = {"provenance": result["provenance"]} if "provenance" in result else {}
    result = first | {name: value for name, value in result.items() if name != "provenance"}
    # JSON always goes to standard output: a program reads it whatever the exit code.
    typer.echo(
        json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False) if as_json else plain, err=err and not as_json
    )
