"""Give the first commands: build a demonstration, import, check, list standards, evaluate, and serve."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from balance_lib._errors import NotFoundError, fault_lines
from balance_lib.cli.shared import (
    AsJson,
    Folder,
    InLang,
    Lang,
    Switches,
    _switches_of,
    _write_faults,
    app,
    faults_told,
    print_result,
    shown_progress,
    standard_named,
    unread_standards,
)
from balance_lib.extras import MissingExtraError, need
from balance_lib.locale import text

if TYPE_CHECKING:
    from balance_lib.data.county import County

FaultsFile = Annotated[Path | None, typer.Option("--faults", help="Write every fault to this CSV.", metavar="FILE")]


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
    from balance_lib.data import demo as room

    if province is not None:
        from balance_lib.data.demo.province import build

        if counties:
            raise typer.BadParameter("COUNTY --province", param_hint="--province")
        with faults_told(as_json, lang):
            folders = build(province, out, seed=seed, workers=os.cpu_count() or 1, progress=shown_progress())
            print_result(as_json, {"built": [str(folder) for folder in folders]}, f"{out}: {len(folders)}")
        return

    unknown = [name for name in counties or [] if name not in room.NAMES]
    if unknown:
        raise typer.BadParameter(NotFoundError("demo", unknown[0], room.NAMES).message(lang), param_hint="COUNTY")
    with faults_told(as_json, lang):
        built = [str(room.build(name, out)) for name in counties or room.NAMES]
        print_result(as_json, {"built": built}, "\n".join(built))


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
    crs: Annotated[
        str | None,
        typer.Option(help="Coordinate system of the sources: WGS84, CGCS2000, GCJ02, BD09 or EPSG:code."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the county, for a new folder.")] = None,
    accept_valid: Annotated[
        bool, typer.Option("--accept-valid", help="Leave faulty rows out instead of stopping.")
    ] = False,
    by: Annotated[
        str | None, typer.Option("--by", help="Who brings it in, for the trail; by default the user.")
    ] = None,
    faults: FaultsFile = None,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Bring returns into a county folder; a failed import writes nothing."""
    from balance_lib.data import crs as systems
    from balance_lib.data.intake import bring

    if crs is not None and not systems.known(crs):
        raise typer.BadParameter(f"{crs}: WGS84, CGCS2000, GCJ02, BD09, EPSG:4523 …", param_hint="--crs")
    with faults_told(as_json, lang):
        done = bring.bring_in(
            sources,
            into,
            mapping=mapping,
            supplement=supplement,
            year=year,
            crs=crs,
            name=name,
            accept_valid=accept_valid,
            save=partial(_keep_import, into, [source.name for source in sources], by),
            progress=None if as_json else shown_progress(),
        )
        result = {
            "into": str(into),
            "written": done.written,
            "rows": dict(done.rows),
            "dropped_columns": list(done.dropped),
            "faults": [fault.as_dict(lang) for fault in done.faults],
        }
        lines = [
            *fault_lines(done.faults, lang),
            text("cli.imported" if done.written else "cli.not_imported", lang, into=into),
        ]
        if faults is not None:
            _write_faults(faults, done.faults, lang)
        lines += [f"  {table}: {count}" for table, count in done.rows.items()] if done.written else []
        print_result(as_json, result, "\n".join(lines))
        if not done.written:
            raise typer.Exit(1)


def _keep_import(into: Path, files: list[str], by: str | None, county: County, rows: Mapping[str, int]) -> None:
    """Write an imported county and who brought it in; without the part of the office there is no trail."""
    try:
        need("office")
    except MissingExtraError:
        county.save(into)
        return
    from balance_lib.office.store import Stamp, Store, folders

    who = by or getpass.getuser()
    folders.keep_import(Store.default(), county, into, rows=rows, files=files, who=who, stamp=Stamp.of(county))


@app.command()
def check(
    folder: Folder,
    faults_file: FaultsFile = None,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Find every fault of a county folder in one go."""
    from balance_lib.data import check as room

    with faults_told(as_json, lang):
        county, faults = room.check_folder(folder)
        errors = [fault for fault in faults if fault.severity == "error"]
        result = {
            "county": None if county is None else county.county_id,
            "ok": not errors,
            "errors": len(errors),
            "warnings": len(faults) - len(errors),
            "faults": [fault.as_dict(lang) for fault in faults],
        }
        if faults_file is not None:
            _write_faults(faults_file, faults, lang)
        summary = text("cli.checked", lang, errors=len(errors), warnings=len(faults) - len(errors))
        print_result(as_json, result, "\n".join([*fault_lines(faults, lang), summary]))
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

    with faults_told(as_json, lang):
        if name is None:
            found = [room.load(each).head(lang) for each in room.ids()]
            lines = [f"{s['id']:<14} {s['items']:>4}  {s['title']}" for s in found] + unread_standards(lang)
            print_result(as_json, {"standards": found, "unread": list(room.unread())}, "\n".join(lines))
            return
        standard = standard_named(name, lang)
        print_result(as_json, standard.as_dict(lang), render._standard(standard, lang))


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
    from balance_lib import evaluation
    from balance_lib.cli import render
    from balance_lib.data.county import County

    chosen = standard_named(standard, lang)
    definitions = _switches_of(switch or [], chosen, lang)
    with faults_told(as_json, lang):
        county = County.open(folder)
        result = evaluation.evaluate(
            county,
            chosen,
            year=year,
            definitions=definitions,
            on=None if on is None else on.date(),
        )
        print_result(as_json, result.as_dict(lang), render.evaluation(result, lang))
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
    from balance_lib.show import serve

    for name in ("BALANCE_TOKEN", "BALANCE_VIEWER_TOKEN"):  # no kernel inherits the tokens
        os.environ.pop(name, None)
    if viewer_token and (not token or token == viewer_token):
        raise typer.BadParameter(text("serve.viewer_alone", lang.value), param_hint="--viewer-token")
    if standards is not None:
        os.environ["BALANCE_STANDARDS"] = str(standards.resolve())  # the pages' processes read it
    for line in unread_standards(lang):
        typer.echo(line, err=True)
    with faults_told(False, lang):
        serve.launch(
            root, port=port, ip=ip, base_url=base_url, token=token, viewer_token=viewer_token, hosts=allow_host or (),
            lang=lang.value,
        )  # fmt: skip
