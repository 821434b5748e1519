"""Say on every paper what it was made from: data, standard, software, school year, day, and whether it is real."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import balance_lib
from balance_lib.locale import banners, either, text
from balance_lib.office.reports.wording import file_name, name, sentence

if TYPE_CHECKING:
    from balance_lib.data.county import County
    from balance_lib.evaluation import Evaluation
    from balance_lib.standards import Standard


@dataclass(frozen=True)
class ReportStamp:
    """Hold where a paper comes from.

    ``year`` is the school year's first calendar year; ``on`` the day deadlines were judged on, ``made_on`` the day the
    paper bears.
    """

    county_id: str
    county_zh: str
    county_en: str
    marks: Mapping[str, Any]
    county_hash: str
    standard: Standard
    year: int
    on: date
    made_on: date
    switched: tuple[str, ...] = ()

    @classmethod
    def of_evaluation(cls, county: County, evaluation: Evaluation, made_on: date | None = None) -> ReportStamp:
        """Return the stamp of a paper about an evaluation; switches that differ from the standard's own are named.

        Parameters
        ----------
        county : County
        evaluation : Evaluation
        made_on : date, optional
            Day the paper bears.
        """
        standard, used = evaluation.standard, evaluation.provenance.get("definitions", {})
        stamp = cls.of(county, standard, evaluation.year, on=evaluation.on, made_on=made_on)
        return replace(stamp, switched=tuple(k for k, own in standard.switches().items() if used.get(k, own) != own))

    @classmethod
    def of(cls, county: County, standard: Standard, year: int, *, on: date, made_on: date | None = None) -> ReportStamp:
        """Return the stamp of a paper about a county.

        Parameters
        ----------
        county : County
        standard : Standard
        year : int
        on : date
        made_on : date, optional
            Day the paper bears.
        """
        return cls(
            county.county_id,
            county.name_zh,
            county.name_en,
            county.marks,
            county.hash,
            standard,
            year,
            on,
            made_on or date.today(),
        )

    def county(self, lang: str = "zh") -> str:
        """Return the county's name, fit to print."""
        return name(either(self.county_zh, self.county_en, lang), lang)

    def school_year(self, lang: str = "zh") -> str:
        """Return the school year in both calendar years.

        Examples
        --------
        >>> stamp.school_year()  # doctest: +SKIP
        '2022—2023学年'
        """
        return text("report.school_year", lang, year=self.year, next=self.year + 1)

    def day(self, lang: str = "zh") -> str:
        """Return the day the paper bears."""
        return _said_day(self.made_on, lang)

    def banner(self, lang: str = "zh") -> str:
        """Return the warning that figures are made up or estimated; "" where all are recorded."""
        return sentence(("" if lang == "zh" else " ").join(banners(self.marks, lang)), lang)

    @property
    def version(self) -> str:
        """Return which edition of the standard was used: its document and its date of issue."""
        return " ".join(part for part in (self.standard.document, self.standard.issued) if part)

    @property
    def digest(self) -> str:
        """Return a digest of everything the standard says, so that a changed threshold shows."""
        return self.standard.digest

    def lines(self, lang: str = "zh") -> list[tuple[str, str]]:
        """Return everything a reader needs to compute the same again, as label and value."""
        values = {
            "county": self.county(lang),
            "school_year": self.school_year(lang),
            "judged_on": _said_day(self.on, lang),
            "made_on": self.day(lang),
            "standard": f"{self.standard.title(lang)} ({self.standard.id})",
            "version": self.version or "–",
            "digest": self.digest,
            **({"switched": self._switches(lang)} if self.switched else {}),
            "county_hash": self.county_hash,
            "software": f"balance_lib {balance_lib.__version__}",
        }
        rows = [(text(f"report.stamp.{key}", lang), sentence(value, lang)) for key, value in values.items()]
        banner = self.banner(lang)
        return [*rows, (text("report.stamp.synthetic", lang), banner)] if banner else rows

    def _switches(self, lang: str) -> str:
        """Say which definitions differ from the standard's own."""
        own = self.standard.switches()
        joint, colon = ("；", "：") if lang == "zh" else ("; ", ": ")
        answers = {name: text(f"intake.flag.{'no' if own[name] else 'yes'}", lang) for name in self.switched}
        return joint.join(f"{self.standard.definitions[name][lang]}{colon}{a}" for name, a in answers.items())

    def short(self, lang: str = "zh") -> str:
        """Return the origin in one line, for the foot of a page."""
        return text(
            "report.stamp.short",
            lang,
            hash=self.county_hash,
            standard=self.standard.id,
            digest=self.digest,
            software=f"balance_lib {balance_lib.__version__}",
            made_on=self.made_on.isoformat(),
        )

    def file(self, key: str, suffix: str) -> str:
        """Return the file name of a paper.

        Parameters
        ----------
        key : str
        suffix : str
            Ending of the file name.
        """
        return f"{file_name(self.county_id, self.year, self.standard.id, key)}{suffix}"


def _said_day(when: date | str, lang: str = "zh") -> str:
    """Return a day, or a deadline as a plan writes it, as an official paper does; what is no date stays as it is.

    Examples
    --------
    >>> _said_day(date(2023, 8, 31)), _said_day("2022-03"), _said_day("2022"), _said_day("ongoing")
    ('2023年8月31日', '2022年3月', '2022年', 'ongoing')
    >>> _said_day(date(2023, 8, 31), "en"), _said_day("2022-03", "en")
    ('31 August 2023', 'March 2022')
    """
    if not (found := re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", str(when))):
        return str(when)
    year, month, day = (int(part) if part else 0 for part in found.groups())
    if lang == "zh":
        return f"{year}年" + (f"{month}月" if month else "") + (f"{day}日" if day else "")
    return " ".join(part for part in (f"{day or ''}", calendar.month_name[month], f"{year}") if part)
