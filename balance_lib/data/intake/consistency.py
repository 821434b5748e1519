"""Check what must agree within one official form, and point out figures that can hardly be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from balance_lib.data.intake.layout import STAGED, Form

# Smallest and largest class of each band the form asks for; the last band has no upper end.
_BANDS = {1: 25, 26: 30, 31: 35, 36: 40, 41: 45, 46: 50, 51: 55, 56: 60, 61: 65}
_LAST_BAND = 66


def check_together(form: Form, values: Mapping[str, Any], taught: Sequence[str]) -> None:
    """Check parts that make up a whole and parts that cannot exceed it, as ``forms.yaml`` lists them.

    Parameters
    ----------
    form : Form
        Takes the faults.
    values : mapping
        Canonical values by row; None is "no data" and keeps a check from being made.
    taught : sequence of str
        Stages of the school; rows of other stages are left out.
    """
    for check in form.layout.checks:
        parts, wholes = ([values.get(key) for key in _of(form, check[side], taught)] for side in ("parts", "whole"))
        given = [Decimal(repr(part)) for part in parts if part is not None]
        if not given or not wholes or None in wholes or check.get("without_stage") in taught:
            continue
        total, limit = sum(given, Decimal(0)), sum((Decimal(repr(whole)) for whole in wholes), Decimal(0))
        equals = check["rule"] == "form_equals"
        if total > limit or (equals and len(given) == len(parts) and total != limit):
            row = form.layout.by_key[_of(form, check["whole" if equals else "parts"], taught)[0]]
            texts = {
                "parts": _names(form, check["parts"], taught),
                "whole": _names(form, check["whole"], taught),
                "total": f"{total.normalize():f}",
                "limit": f"{limit.normalize():f}",
            }
            form.fault(check["rule"], row, form.values[row.key], check.get("severity", "error"), **texts)


def _of(form: Form, keys: Sequence[str], taught: Sequence[str]) -> list[str]:
    """Return the rows of these names that apply to a school of these stages."""
    stages = {key: form.layout.by_key[key].stage for key in keys}
    return [key for key, stage in stages.items() if stage is None or stage in taught]


def _names(form: Form, keys: Sequence[str], taught: Sequence[str]) -> str:
    labels = [form.layout.by_key[key].label for key in _of(form, keys, taught)]
    return f"{labels[0]} … {labels[-1]}" if len(labels) > 3 else " + ".join(labels)


def plausible(form: Form, values: Mapping[str, Any], taught: Sequence[str]) -> None:
    """Point out figures that can hardly be: retention over 100 %, pupils that do not fit the classes.

    Retention is (graduates - transfers in + transfers out) / (entrants three years ago - deaths).

    Parameters
    ----------
    form : Form
    values : mapping of str to object
    taught : sequence of str
        Stages the school teaches.
    """
    if "junior" in taught:
        _retention(form, values)
    pupils = [values.get(f"pupils_{stage}") for stage in STAGED if stage in taught]
    bands = [values.get(f"classes_{low}_{high}") for low, high in _BANDS.items()] + [values.get("classes_66_up")]
    if "senior" not in taught and pupils and None not in pupils and None not in bands:
        _class_sizes(form, values, sum(map(float, filter(None, pupils))), [float(n or 0) for n in bands], taught)


def _retention(form: Form, values: Mapping[str, Any]) -> None:
    names = ("graduates", "entrants_3y_ago", "transfers_in_3y", "transfers_out_3y", "deaths_3y")
    figures = [values.get(f"{name}_junior") for name in names]
    if None in figures:
        return
    done, entered, came, left, died = (float(figure or 0) for figure in figures)
    stayed, cohort = done - came + left, entered - died
    impossible = stayed < 0 or (cohort <= 0 < stayed)
    if impossible or stayed > cohort > 0:
        row = form.layout.by_key["graduates_junior"]
        rate = f"{100 * stayed / cohort:.1f}%" if cohort > 0 else "–"
        form.fault("form_retention", row, form.values[row.key], "error" if impossible else "warning", rate=rate)


def _class_sizes(
    form: Form, values: Mapping[str, Any], pupils: float, bands: Sequence[float], taught: Sequence[str]
) -> None:
    low = sum(n * least for n, least in zip(bands, [*_BANDS, _LAST_BAND], strict=True))
    high = sum(n * most for n, most in zip(bands, _BANDS.values(), strict=False))
    open_ended = bands[-1] > 0
    if pupils < low or (pupils > high and not open_ended):
        row = form.layout.by_key[f"pupils_{next(stage for stage in STAGED if stage in taught)}"]
        texts = {"low": f"{low:g}", "high": "…" if open_ended else f"{high:g}"}
        form.fault("form_class_sizes", row, f"{pupils:g}", "warning", **texts)
    for key, wrong in (
        ("small_rural_50_99", not 50 <= pupils <= 99),
        ("largest_class_under_30", sum(bands[2:]) > 0),
    ):
        if values.get(key) == 1 and wrong:
            form.fault(f"form_{key}", form.layout.by_key[key], form.values[key], "warning")
