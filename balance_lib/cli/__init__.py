"""Give the ``balance`` command: build, import, check, evaluate, and serve.

Exit codes: 0 computed, whatever the verdict; 1 the data or files are at fault, and every fault is said; 2 usage;
3 only with ``--fail-on-not-met``, when the verdict is not "pass".
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from balance_lib import __version__
from balance_lib._errors import BalanceError, DataError, Fault, NotFoundError, PolicyError
from balance_lib.locale import text

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)


# Warnings of one kind in one file that are written out; a list of three hundred alike hides the others.
MOST_OF_A_KIND = 5


class Lang(StrEnum):
    """Languages of the output."""

    zh = "zh"
    en = "en"


class Crs(StrEnum):
    """Coordinate systems a source can be declared in."""

    WGS84 = "WGS84"
    CGCS2000 = "CGCS2000"
    GCJ02 = "GCJ02"
    BD09 = "BD09"


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


@app.command()
def demo(
    counties: Annotated[
        list[str] | None, typer.Argument(metavar="[COUNTY]...", help="wuxi huixian akqi chuzhou jiaohe")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder the county folders are written into.")] = ...,  # type: ignore[assignment]
    province: Annotated[
        int | None, typer.Option("--province", min=1, max=9999, help="Build so many made-up counties of a province.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the made-up province.")] = 2012,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Build demonstration counties: real outlines and names, synthetic figures; or a made-up province for trials."""
    from balance_lib import demo as room

    if province is not None:
        from balance_lib.demo.province import build

        if counties:
            raise typer.BadParameter("COUNTY --province", param_hint="--province")
        with _told(as_json, lang):
            folders = build(province, out, seed=seed, workers=os.cpu_count() or 1, progress=_progress())
            _print(as_json, {"built": [str(folder) for folder in folders]}, f"{out}: {len(folders)}")
        return

    unknown = [name for name in counties or [] if name not in room.NAMES]
    if unknown:
        raise typer.BadParameter(NotFoundError("demo", unknown[0], room.NAMES).message(lang), param_hint="COUNTY")
    with _told(as_json, lang):
        built = [str(room.build(name, out)) for name in counties or room.NAMES]
        _print(as_json, {"built": built}, "\n".join(built))


@app.command(name="import")
def import_(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="Return forms, workbooks, tables, places; or folders of them."),
    ],
    into: Annotated[Path, typer.Option("--into", help="County folder to write or to add to.")],
    mapping: Annotated[Path | None, typer.Option(help="Mapping of a free table's columns (YAML).")] = None,
    supplement: Annotated[
        Path | None, typer.Option(help="Table with what the forms do not hold: places, stages.")
    ] = None,
    year: Annotated[
        int | None, typer.Option(help="School year (first calendar year) of sources that name none.")
    ] = None,
    crs: Annotated[Crs | None, typer.Option(help="Coordinate system the sources are in.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the county, for a new folder.")] = None,
    accept_valid: Annotated[
        bool, typer.Option("--accept-valid", help="Leave faulty rows out instead of stopping.")
    ] = False,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Bring returns into a county folder; a failed import writes nothing."""
    from balance_lib.intake import bring

    with _told(as_json, lang):
        done = bring.bring_in(
            sources,
            into,
            mapping=mapping,
            supplement=supplement,
            year=year,
            crs=None if crs is None else crs.value,
            name=name,
            accept_valid=accept_valid,
            progress=None if as_json else _progress(),
        )
        result = {
            "into": str(into),
            "written": done.written,
            "rows": dict(done.rows),
            "dropped_columns": list(done.dropped),
            "faults": [fault.as_dict(lang) for fault in done.faults],
        }
        lines = [
            *_fault_lines(done.faults, lang),
            text("cli.imported" if done.written else "cli.not_imported", lang, into=into),
        ]
        lines += [f"  {table}: {count}" for table, count in done.rows.items()] if done.written else []
        _print(as_json, result, "\n".join(lines))
        if not done.written:
            raise typer.Exit(1)


@app.command()
def check(folder: Folder, as_json: AsJson = False, lang: InLang = Lang.zh) -> None:
    """Find every fault of a county folder in one go."""
    from balance_lib import check as room

    with _told(as_json, lang):
        county, faults = room.check_folder(folder)
        errors = [fault for fault in faults if fault.severity == "error"]
        result = {
            "county": None if county is None else county.county_id,
            "ok": not errors,
            "errors": len(errors),
            "warnings": len(faults) - len(errors),
            "faults": [fault.as_dict(lang) for fault in faults],
        }
        summary = text("cli.checked", lang, errors=len(errors), warnings=len(faults) - len(errors))
        _print(as_json, result, "\n".join([*_fault_lines(faults, lang), summary]))
        if errors:
            raise typer.Exit(1)


@app.command()
def standards(
    name: Annotated[str | None, typer.Argument(metavar="[ID]", help="A standard's id or YAML file.")] = None,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """List the standards library, or every item of one standard."""
    from balance_lib import standards as room
    from balance_lib.cli import render

    with _told(as_json, lang):
        if name is None:
            found = [room.load(each).head(lang) for each in room.ids()]
            lines = [f"{s['id']:<14} {s['items']:>4}  {s['title']}" for s in found] + _unread_standards(lang)
            _print(as_json, {"standards": found, "unread": list(room.unread())}, "\n".join(lines))
            return
        standard = _standard(name, lang)
        _print(as_json, standard.as_dict(lang), render.standard(standard, lang))


@app.command()
def evaluate(
    folder: Folder,
    standard: Annotated[str, typer.Option("--standard", help="A standard's id or YAML file.")],
    year: Annotated[int, typer.Option("--year", help="School year, by its first calendar year.")],
    on: Annotated[
        datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Day on which deadlines are judged.")
    ] = None,
    switch: Switches = None,
    fail_on_not_met: Annotated[
        bool, typer.Option("--fail-on-not-met", help="Exit 3 unless the verdict is pass.")
    ] = False,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Judge a county by a standard: gaps, rules, difference coefficients, verdict."""
    from balance_lib import access, evaluation
    from balance_lib.cli import render
    from balance_lib.county import County

    chosen = _standard(standard, lang)
    definitions = _switches(switch or [], chosen, lang)
    with _told(as_json, lang):
        county = County.open(folder)
        result = evaluation.evaluate(
            county,
            chosen,
            year=year,
            measures=access.measures(county, year),
            definitions=definitions,
            on=None if on is None else on.date(),
        )
        _print(as_json, result.as_dict(lang), render.evaluation(result, lang))
        if fail_on_not_met and result.verdict != "pass":
            raise typer.Exit(3)


@app.command()
def dashboard(
    root: Annotated[
        Path | None, typer.Option("--root", help="Folder of county folders; the demonstration counties by default.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port; the next free one if it is taken.")] = 8866,
    ip: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    base_url: Annotated[str, typer.Option(help="Path prefix behind a reverse proxy.")] = "/",
    token: Annotated[
        str | None, typer.Option(envvar="BALANCE_TOKEN", show_envvar=True, help="Ask every visitor for this token.")
    ] = None,
    viewer_token: Annotated[
        str | None,
        typer.Option(
            envvar="BALANCE_VIEWER_TOKEN", show_envvar=True, help="A second token, for looking without saving."
        ),
    ] = None,
    standards: Annotated[
        Path | None,
        typer.Option(exists=True, help="Folder (or file) of your own standards; BALANCE_STANDARDS by default."),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Further name the pages are reached by, such as a proxy's; repeatable.")
    ] = None,
    lang: InLang = Lang.zh,
) -> None:
    """Serve the dashboards."""
    from balance_lib import serve

    for name in ("BALANCE_TOKEN", "BALANCE_VIEWER_TOKEN"):  # no kernel inherits the tokens
        os.environ.pop(name, None)
    if viewer_token and (not token or token == viewer_token):
        raise typer.BadParameter(text("serve.viewer_alone", lang.value), param_hint="--viewer-token")
    if standards is not None:
        os.environ["BALANCE_STANDARDS"] = str(standards.resolve())  # the pages' processes read it
    for line in _unread_standards(lang):
        typer.echo(line, err=True)
    with _told(False, lang):
        serve.launch(
            root, port=port, ip=ip, base_url=base_url, token=token, viewer_token=viewer_token, hosts=allow_host or (),
            lang=lang.value,
        )  # fmt: skip


def _unread_standards(lang: str) -> list[str]:
    """Return what is wrong with one's own standards that could not be read, for people."""
    from balance_lib import standards as room

    return [text("cli.standard_unread", lang, why=why) for why in room.unread()]


def _progress() -> Callable[[int, int, str], None] | None:
    """Return what shows progress on a terminal; nothing where nobody watches."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, of: int, name: str) -> None:
        typer.echo(f"\r{done}/{of} {name[:60]:<60}", err=True, nl=done == of)

    return show


def _standard(name: str, lang: str) -> Any:
    from balance_lib import standards as room

    try:
        return room.load(name)
    except NotFoundError as error:
        raise typer.BadParameter(error.message(lang), param_hint="--standard") from error
    except PolicyError as error:
        raise typer.BadParameter(str(error), param_hint="--standard") from error


def _switches(pairs: Sequence[str], standard: Any, lang: str) -> dict[str, bool]:
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


@contextmanager
def _told(as_json: bool, lang: str) -> Iterator[None]:
    """Tell what is at fault with the data or the files in one clear text, and exit 1."""
    try:
        yield
    except DataError as error:
        _print(
            as_json, {"error": "data", "faults": [f.as_dict(lang) for f in error.faults]}, error.report(lang), err=True
        )
        raise typer.Exit(1) from error
    except (BalanceError, OSError) as error:
        said = error.message(lang) if isinstance(error, BalanceError) else str(error)
        _print(as_json, {"error": said, "faults": []}, said, err=True)
        raise typer.Exit(1) from error


def _fault_lines(faults: Sequence[Fault], lang: str) -> list[str]:
    """Write faults for a terminal: every error, and of warnings of one kind in one file the first few."""
    kinds = Counter((fault.file, fault.rule) for fault in faults if fault.severity == "warning")
    told: Counter[tuple[str, str]] = Counter()
    lines = []
    for fault in faults:
        kind = (fault.file, fault.rule)
        told[kind] += fault.severity == "warning"
        if fault.severity == "error" or told[kind] <= MOST_OF_A_KIND:
            lines.append(f"[{text(f'cli.{fault.severity}', lang)}] {fault.sentence(lang)}")
        if told[kind] == MOST_OF_A_KIND and kinds[kind] > MOST_OF_A_KIND and fault.severity == "warning":
            lines.append(text("cli.more_of_a_kind", lang, n=kinds[kind] - MOST_OF_A_KIND, file=fault.file))
    return lines


def _print(as_json: bool, result: dict[str, Any], plain: str, *, err: bool = False) -> None:
    # JSON always goes to standard output: a program reads it whatever the exit code.
    typer.echo(
        json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False) if as_json else plain, err=err and not as_json
    )


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Callable[..., None] | None = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(encoding="utf-8")  # Chinese output must not fail under LANG=C
    app()


# A command of its own module registers itself; it needs what stands above.
from balance_lib.cli import access as _access  # noqa: E402, F401
from balance_lib.cli import batch as _batch  # noqa: E402, F401
from balance_lib.cli import optimise as _optimise  # noqa: E402, F401
from balance_lib.cli import plan as _plan  # noqa: E402, F401
from balance_lib.cli import project as _project  # noqa: E402, F401
from balance_lib.cli import remedy as _remedy  # noqa: E402, F401
from balance_lib.cli import report as _report  # noqa: E402, F401
from balance_lib.cli import scenario as _scenario  # noqa: E402, F401
from balance_lib.cli import store as _store  # noqa: E402, F401
