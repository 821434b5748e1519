"""Write the argument for a change of layout (撤并论证报告): who is concerned, what it costs, what it breaks.

The paper argues nothing away: losses stand first, a rule that is broken stands with what would mend it, and a procedure
that is not completed is named. It never recommends.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from balance_lib.evaluation import number
from balance_lib.locale import bracket, count_change, listed, text
from balance_lib.office.reports import brief, charts, findings, wording
from balance_lib.office.reports.letter import Letter
from balance_lib.office.reports.stamp import ReportStamp
from balance_lib.scenarios import tell

if TYPE_CHECKING:
    from balance_lib.data.county import County
    from balance_lib.evaluation import ItemResult
    from balance_lib.scenarios import Outcome

MOST_MOVES = 30
_MARKS = {"closed": "gone", "merged": "gone", "to_point": "changed", "converted": "changed", "attached": "changed",
          "opened": "opened"}  # fmt: skip
_WAN = 10_000


def _write(outcome: Outcome, *, lang: str = "zh", made_on: date | None = None) -> bytes:
    """Return the argument paper of a scenario as a Word document."""
    after = outcome.after
    stamp = ReportStamp.of_evaluation(outcome.baseline, after, made_on)
    # The baseline may hold estimated attendance; digest and marks are those of the county's own data.
    own = {**stamp.marks, "county_hash": stamp.county_hash, **outcome.provenance}
    marks = {name: own[name] for name in stamp.marks}
    stamp = replace(stamp, county_hash=str(own["county_hash"]), marks=marks)
    letter = Letter(stamp, text("report.argument.title", lang, county=stamp.county(lang)), lang)
    letter.line(text("report.argument.subtitle", lang, name=wording.name(_title(outcome, lang), lang)))
    for part in (_plan, _pupils, _schools, _standard, _costs, _rules, _procedure, _conclusion):
        part(letter, outcome, lang)
    _basis(letter, outcome, lang)
    letter.origin()
    letter.sign(text("report.self.unit", lang))
    return letter.content()


def _plan(letter: Letter, outcome: Outcome, lang: str) -> None:
    """Say what would be done, school by school, and what the layout is before and after."""
    book, names, chinese = outcome.bookkeeping, _names(outcome, lang), _names(outcome, "zh").values()
    letter.heading(text("report.argument.plan", lang))
    params = {"county": letter.stamp.county(lang), "year": letter.stamp.school_year(lang)}
    operations = outcome.scenario.effective
    if not operations:
        letter.paragraph(text("report.argument.nothing", lang, **params))
        return
    counts = {
        of: count_change(of, getattr(book, f"{of}_before"), getattr(book, f"{of}_after"), lang)
        for of in ("schools", "points")
    }
    letter.paragraph(text("report.argument.layout", lang, **params, n=len(operations), **counts))
    rows: list[list[object]] = [
        [
            place,
            names.get(operation.school_id, wording.name(getattr(operation, "name_zh", "") or operation.school_id)),
            tell.operation(operation, lang),
            listed([names.get(other, wording.name(other)) for other in operation.others()], lang) or "–",
            "–" if operation.note in {*names.values(), *chinese} else wording.name(operation.note, lang) or "–",
        ]
        for place, operation in enumerate(operations, 1)
    ]
    head = [text(f"report.argument.{key}", lang) for key in ("number", "school", "verb", "others", "note")]
    letter.table(text("report.argument.plan_table", lang), head, rows, (1.2, 5, 2, 5, 3), centred=(0, 2))
    _maps(letter, outcome, lang)


def _title(outcome: Outcome, lang: str) -> str:
    """Return the plan's own name; a scenario nobody named is called by its year, not by its id."""
    scenario = outcome.scenario
    if scenario.name != type(scenario).empty(scenario.county_id, scenario.year).name:
        return scenario.name
    return text("report.unnamed", lang, year=scenario.judged_year)


def _maps(letter: Letter, outcome: Outcome, lang: str) -> None:
    """Draw where the schools lie before and after, what goes, what changes and what is new."""
    table = outcome.schools.merge(_places(outcome.changed, outcome.baseline), on="school_id", how="left")
    if table[["lon", "lat"]].isna().all(axis=None):
        return
    plain = table["kind_before"].map(lambda kind: "point" if kind == "teaching_point" else "kept")
    then = table[table["state"] != "opened"].assign(mark=plain)
    later = table["kind_after"].map(lambda kind: "point" if kind == "teaching_point" else "kept")
    now = table.assign(mark=[_MARKS.get(state, mark) for state, mark in zip(table["state"], later, strict=True)])
    marks = ("kept", "point", "gone", "changed", "opened")
    panels = [(text("report.map.before", lang), then), (text("report.map.after", lang), now)]
    outline = outcome.baseline.layers.get("outline.geojson")
    caption = text("report.map.layout", lang)
    brief.figure(letter, charts.school_maps, panels, outline, marks, _ways(outcome), caption=caption)


def _ways(outcome: Outcome) -> pd.DataFrame:
    """Return who goes where on the map: from the village, or the school they leave, to the new school."""
    schools = _places(outcome.changed, outcome.baseline).set_index("school_id")[["lon", "lat"]]
    villages = outcome.baseline.tables["villages"].drop_duplicates("village_id").set_index("village_id")
    moves = outcome.moves.groupby(["village_id", "from_id", "to_id"], as_index=False)["pupils"].sum()
    home = villages[["lon", "lat"]].reindex(moves["village_id"]).reset_index(drop=True)
    left, to = (schools.reindex(moves[of]).reset_index(drop=True) for of in ("from_id", "to_id"))
    ends = to.add_prefix("to_")
    return pd.concat([home.fillna(left), ends, moves["pupils"]], axis=1).dropna()


def _pupils(letter: Letter, outcome: Outcome, lang: str) -> None:
    """Say who changes school and how far they go: losses before everything else."""
    letter.heading(text("report.argument.pupils", lang))
    moves = outcome.moves
    if moves.empty:
        letter.paragraph(text("report.argument.nobody", lang))
    else:
        some = outcome.unmeasured < outcome.moved  # otherwise nobody knows who has farther to go
        longer = moves.loc[moves["extra_m"] > 0, "pupils"].sum() if some else math.nan
        far = moves["far"].sum() if some else math.nan
        young = outcome.coverage.groupby("when")["young_over"].sum(min_count=1)
        params = {
            "moved": number(outcome.moved), "longer": number(longer),
            "far": number(far), "overflow": number(moves["overflow"].sum()),
            "riders": number(moves["riders"].sum()),
            "boarders": number((moves["boarders_after"] - moves["boarders_before"]).clip(lower=0.0).sum()),
            "minutes": number(outcome.scenario.settings.number("young_minutes")),
        }  # fmt: skip
        then, now = (number(young.get(when, math.nan)) for when in ("before", "after"))
        told = count_change("pupils", then, now, lang)
        homes = text("scenarios.sentence.homes", lang, n=outcome.villages) if outcome.villages else ""
        letter.paragraph(text("report.argument.moved", lang, **params, homes=homes, young=told))
        if outcome.unmeasured:
            letter.paragraph(text("scenarios.sentence.unmeasured", lang, n=number(outcome.unmeasured)))
        _who_goes_where(letter, outcome, lang)
        _distance_figure(letter, outcome, lang)
    _coverage(letter, outcome.coverage, lang)


def _who_goes_where(letter: Letter, outcome: Outcome, lang: str) -> None:
    """Name the pupils of each village who change school, from where to where, the longest new way first."""
    columns = {"pupils": "sum", "metres_before": "max", "metres_after": "max", "riders": "sum", "boarders_after": "sum",
               "far": "sum"}  # fmt: skip
    names = ["village_id", "township", "village", "from_id", "from_name", "to_id", "to_name"]
    moves = outcome.spoken(outcome.moves, lang).groupby(names, dropna=False, as_index=False, sort=False).agg(columns)
    moves = moves.sort_values(["metres_after", "pupils"], ascending=False, kind="stable", na_position="first")
    rows: list[list[object]] = [
        [
            wording.name(_joined(row["township"], row["village"], lang), lang) or text("scenarios.unknown_home", lang),
            *(wording.name(_said(row[end]), lang) or "–" for end in ("from_name", "to_name")),
            number(row["pupils"]),
            *(_km(row[way]) for way in ("metres_before", "metres_after")),
            *(number(row[way]) for way in ("riders", "boarders_after", "far")),
        ]
        for row in moves.head(MOST_MOVES).to_dict("records")
    ]
    keys = ("village", "from", "to", "moved", "km_before", "km_after", "riders", "boarders", "far")
    head = [text(f"report.argument.move.{key}", lang) for key in keys]
    widths = (3, 3.6, 3.6, 1.4, 1.5, 1.5, 1.4, 1.4, 1.5)
    letter.table(text("report.argument.move_table", lang), head, rows, widths, centred=range(3, 9))
    if len(moves) > MOST_MOVES:
        rest = number(moves["pupils"].iloc[MOST_MOVES:].sum())
        letter.small(text("report.argument.more_moves", lang, shown=MOST_MOVES, n=len(moves), rest=rest))


def _said(value: object) -> str:
    return value if isinstance(value, str) else ""


def _joined(township: object, village: object, lang: str) -> str:
    """Say where a village lies: 尖山镇百乐村, or Baile, Jianshan Town."""
    town, home = _said(township), _said(village)
    return town + home if lang == "zh" else ", ".join(filter(None, (home, town)))


def _distance_figure(letter: Letter, outcome: Outcome, lang: str) -> None:
    known = outcome.moves.dropna(subset=["metres_before", "metres_after"])
    stages = set(outcome.moves["stage"])
    limits = {float(v) for k, v in outcome.provenance.get("radius_m", {}).items() if k in stages and v is not None}
    limit = limits.pop() if len(limits) == 1 else None
    if len(known):
        brief.figure(letter, charts._distances, known, limit, caption=text("report.argument.distance_figure", lang))


def _coverage(letter: Letter, coverage: pd.DataFrame, lang: str) -> None:
    rows: list[list[object]] = []
    for row in coverage.sort_values(["stage", "when"], ascending=[False, False], kind="stable").to_dict("records"):
        share = wording.figure(100 * row["within_share"], 1)
        rows.append([
            text(f"stage.{row['stage']}", lang), text(f"plot.{row['when']}", lang), number(row["pupils"]), share,
            _km(row["mean_m"]), _km(row["max_m"]), number(row["ride"]), number(row["board"]), number(row["far"]),
        ])  # fmt: skip
    keys = ("stage", "when", "pupils", "within", "mean", "max", "ride", "board", "far")
    head = [text(f"report.argument.coverage.{key}", lang) for key in keys]
    widths = (1.8, 1.7, 1.7, 2, 2, 2, 1.5, 1.5, 1.9)
    letter.table(text("report.argument.coverage_table", lang), head, rows, widths, centred=range(9))


def _schools(letter: Letter, outcome: Outcome, lang: str) -> None:
    """Say what becomes of the schools concerned: pupils, classes, places, teachers."""
    table = outcome.spoken(outcome.schools, lang)
    changed = table[(table["state"] != "kept") | (table["pupils_before"].fillna(0) != table["pupils_after"].fillna(0))]
    if changed.empty:
        return
    letter.heading(text("report.argument.schools", lang))
    letter.paragraph(text("report.argument.schools_intro", lang, n=len(changed)))
    rows: list[list[object]] = []
    for row in changed.to_dict("records"):
        teachers = f"{_count(row['teachers_after'])}/{_count(row['teachers_needed_after'])}".replace("–/–", "–")
        rows.append([
            wording.name(row["school"], lang), text(f"scenarios.state.{row['state']}", lang),
            _count(row["pupils_before"]), _count(row["pupils_after"]), _count(row["places_after"]),
            _count(row["classes_before"]), _count(row["classes_after"]), teachers,
        ])  # fmt: skip
    keys = ("school", "state", "pupils_before", "pupils_after", "places", "classes_before", "classes_after", "teachers")
    head = [text(f"report.argument.receiver.{key}", lang) for key in keys]
    widths = (4.4, 2, 1.6, 1.6, 1.6, 1.5, 1.5, 2)
    letter.table(text("report.argument.school_table", lang), head, rows, widths, centred=range(1, 8))


def _standard(letter: Letter, outcome: Outcome, lang: str) -> None:
    """Say what the standard says before and after; every item whose finding changes is listed."""
    before, after = outcome.before, outcome.after
    title = wording.sentence(after.standard.title(lang), lang)
    letter.heading(text("report.argument.standard", lang))
    params = {
        "standard": title,
        "before": text(f"verdict.{before.verdict}", lang), "after": text(f"verdict.{after.verdict}", lang),
        **{
            of: count_change(of, len(before.with_status(of)), len(after.with_status(of)), lang)
            for of in ("met", "not_met")
        },
    }  # fmt: skip
    letter.paragraph(text("report.argument.standard_counts", lang, **params))
    then = {result.item.code: result for result in before.items}
    changed = [r for r in after.items if r.counts and r.item.code in then and then[r.item.code].status != r.status]
    if not changed:
        letter.paragraph(text("report.argument.standard_same", lang))
        return
    rows: list[list[object]] = [
        [findings._label(r, lang), findings._requirement(r, lang), _finding(then[r.item.code], lang), _finding(r, lang)]
        for r in changed
    ]
    head = [text(f"report.items.{key}", lang) for key in ("item", "required")]
    head += [text("plot.before", lang), text("plot.after", lang)]
    letter.table(text("report.argument.standard_table", lang), head, rows, (5, 3, 4, 4))


def _finding(result: ItemResult, lang: str) -> str:
    """Say where an item stands and what that is called, once where both are the same words."""
    present, status = findings._present(result, lang), text(f"status.{result.status}", lang)
    return present if present == status else present + bracket(status, lang)


def _costs(letter: Letter, outcome: Outcome, lang: str) -> None:
    table = outcome.costs
    letter.heading(text("report.argument.costs", lang))
    change = outcome.cost_changes
    running, once = change["running"], tell.once(change["investment"], lang)
    word = text("report.argument.less" if running < 0 else "report.argument.added", lang)
    letter.paragraph(text("report.argument.cost_sentence", lang, word=word, running=_wan(abs(running)), once=once))
    rows: list[list[object]] = [
        [
            text(f"scenarios.cost.{row['item']}", lang),
            text(f"scenarios.cost_kind.{row['kind']}", lang),
            *(_wan(row[name]) for name in ("yuan_before", "yuan_after", "change_yuan")),
        ]
        for row in table.to_dict("records")
    ]
    for kind, part in table.groupby("kind", sort=False):
        sums = [_wan(float(part[name].sum(skipna=False))) for name in ("yuan_before", "yuan_after", "change_yuan")]
        rows.append([text("report.overview.sum", lang), text(f"scenarios.cost_kind.{kind}", lang), *sums])
    head = [text(f"report.argument.cost.{key}", lang) for key in ("item", "kind", "before", "after", "change")]
    letter.table(text("report.argument.cost_table", lang), head, rows, (5, 2.6, 2.6, 2.6, 2.6), centred=(1, 2, 3, 4))
    letter.small(text("report.argument.cost_note", lang))


def _rules(letter: Letter, outcome: Outcome, lang: str) -> None:
    """List every rule the scenario breaks, with what would mend it; those broken before stand apart."""
    letter.heading(text("report.argument.rules", lang))
    new, old = outcome.broken(), [found for found in outcome.breaks if not found.new]
    if not new:
        letter.paragraph(text("report.argument.no_breaks", lang))
    for found_all, key in ((new, "breaks_table"), (old, "old_table")):
        if found_all:
            rows: list[list[object]] = [
                [
                    text(f"scenarios.severity.{found.severity}", lang),
                    wording.sentence(found.what(lang), lang),
                    wording.sentence(found.mend(lang), lang),
                ]
                for found in found_all
            ]
            head = [text(f"report.argument.rule.{part}", lang) for part in ("severity", "what", "mend")]
            letter.table(text(f"report.argument.{key}", lang), head, rows, (1.8, 7, 6), centred=(0,))


def _procedure(letter: Letter, outcome: Outcome, lang: str) -> None:
    """Say which steps of the procedure are done, by which document, and what parents said."""
    procedure, names = outcome.scenario.procedure, _names(outcome, lang)
    letter.heading(text("report.argument.procedure", lang))
    lacking = [step for step in procedure.steps if not step.done]
    steps = listed([wording.sentence(text(f"scenarios.step_long.{step.step}", lang), lang) for step in lacking], lang)
    letter.paragraph(text("report.argument.lacking" if lacking else "report.argument.complete", lang, steps=steps))
    rows: list[list[object]] = [
        [
            wording.sentence(text(f"scenarios.step_long.{step.step}", lang), lang),
            text(f"report.argument.{'done' if step.done else 'not_done'}", lang),
            str(step.on or "–"),
            wording.name(step.document, lang) or "–",
        ]
        for step in procedure.steps
    ]
    head = [text(f"report.argument.step.{key}", lang) for key in ("step", "done", "day", "document")]
    letter.table(text("report.argument.step_table", lang), head, rows, (5, 2, 2.6, 6), centred=(1, 2))
    if procedure.parents:
        asked: list[list[object]] = [
            [
                names.get(p.school_id, wording.name(p.school_id)),
                number(p.asked),
                number(p.opposed),
                wording.figure(100 * p.opposed / p.asked, 1, 50.0, "<=") if p.asked else "–",
            ]
            for p in procedure.parents
        ]
        head = [text(f"report.argument.parents.{key}", lang) for key in ("school", "asked", "opposed", "share")]
        letter.table(text("report.argument.parents_table", lang), head, asked, (6, 3, 3, 3), centred=(1, 2, 3))


def _conclusion(letter: Letter, outcome: Outcome, lang: str) -> None:
    letter.heading(text("report.argument.conclusion", lang))
    lacking = any(not step.done for step in outcome.scenario.procedure.steps)
    counts = {severity: len(outcome.broken(severity)) for severity in ("forbids", "breaks", "warns")}
    letter.paragraph(text(f"report.argument.verdict.{outcome.status}", lang, unknown=outcome.unknown(lang), **counts))
    if lacking and outcome.scenario.effective:
        letter.paragraph(text("report.argument.before_doing", lang))


def _basis(letter: Letter, outcome: Outcome, lang: str) -> None:
    """Say how the pupils' ways were measured and where attendance comes from."""
    scenario, provenance = outcome.scenario, outcome.provenance
    params: dict[str, Any] = {
        "digest": provenance.get("scenario_digest", scenario.digest),
        "attendance": outcome.warning(lang) or wording.sentence(text("scenarios.attendance.recorded", lang), lang),
        "mode": text(f"report.argument.mode.{provenance.get('mode', scenario.settings.mode)}", lang),
        "assignment": wording.sentence(text(f"scenarios.assignment.{scenario.settings.assignment}", lang), lang),
        "year": scenario.year,
        "judged": scenario.judged_year,
    }
    letter.small(text("report.argument.basis", lang, **params))


def _places(*counties: County) -> pd.DataFrame:
    """Return where the schools of counties lie: school_id, lon, lat; the first county that knows a school counts."""
    rows = pd.concat([county.tables["schools"][["school_id", "lon", "lat"]] for county in counties])
    return rows.drop_duplicates("school_id")


def _names(outcome: Outcome, lang: str) -> dict[str, str]:
    table = outcome.spoken(outcome.schools, lang)
    return {i: wording.name(n, lang) for i, n in zip(table["school_id"], table["school"], strict=True)}


def _km(metres: float) -> str:
    return wording.figure(metres / 1000, 1)


def _wan(yuan: float) -> str:
    return wording.figure(yuan / _WAN, 1)


def _count(value: float) -> str:
    return wording.figure(value, 0)
