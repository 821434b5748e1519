"""Set a paper as Chinese offices do: A4, titles and headings in their own founts, page numbers, tables, figures.

Measures follow GB/T 9704-2012 (格式 of official documents): 37 mm above, 28 mm left, a text of 156 by 225 mm.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from balance_lib.data.intake import xlsx
from balance_lib.locale import text
from balance_lib.office.reports.stamp import ReportStamp
from balance_lib.office.reports.wording import plain

if TYPE_CHECKING:
    from docx.document import Document
    from docx.text.paragraph import Paragraph

LATIN = "Times New Roman"
# What the layout asks for, and what stands in where a machine does not have it (w:altName in the fount table).
FONTS: Mapping[str, tuple[str, str]] = {
    "title": ("方正小标宋简体", "华文中宋"),
    "heading": ("黑体", "SimHei"),
    "subheading": ("楷体", "KaiTi"),
    "body": ("仿宋", "FangSong"),
    "table": ("宋体", "SimSun"),
}
TEXT_CM = 15.6
_LINE_PT = 28.5
_NUMERALS = "一二三四五六七八九十"
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_WHOLE = 9  # a table of so few rows is not broken over two pages
_MOST = 8_000  # characters of one paragraph; a longer one is no prose


class Letter:
    """Write a paper from its title down; headings, tables and figures are numbered as they come.

    Parameters
    ----------
    stamp : ReportStamp
        Where the figures come from; printed at the end, the warning of made-up figures on every page.
    title : str
    lang : {"zh", "en"}
    """

    def __init__(self, stamp: ReportStamp, title: str, lang: str = "zh") -> None:
        import docx

        self.document: Document = docx.Document()
        self.stamp, self.lang = stamp, lang
        self._headings, self._tables, self._figures = [0, 0], 0, 0
        _set_styles(self.document)
        # Looked up once: python-docx goes through every style for each paragraph it is told a name for.
        self._style_ids = {str(style.name): style.style_id for style in self.document.styles}
        _set_page(self.document, stamp, lang)
        properties = self.document.core_properties
        properties.title, properties.author, properties.comments = plain(title, 200), "", ""
        properties.language = "zh-CN" if lang == "zh" else "en-GB"
        self._add(title, "Title")

    def line(self, words: str) -> None:
        """Add a line in the middle, below the title: the county, the school year, the day."""
        self._add(words, "Subtitle")

    def heading(self, words: str, level: int = 1) -> None:
        """Add a numbered heading: 一、 and （一）, or 1 and 1.1.

        Parameters
        ----------
        words : str
        level : int
            Level of the heading, 1 the highest.
        """
        self._headings[level - 1] += 1
        if level == 1:
            self._headings[1] = 0
        first, second = self._headings
        if self.lang == "zh":
            number = f"{numeral(first)}、" if level == 1 else f"（{numeral(second)}）"
        else:
            number = f"{first}. " if level == 1 else f"{first}.{second} "
        self._add(number + words, f"Heading {level}")

    def paragraph(self, words: str) -> None:
        """Add a paragraph of running text."""
        self._add(words, "Normal")

    def points(self, sentences: Sequence[str]) -> None:
        """Add numbered paragraphs: 1. 2. 3."""
        for place, words in enumerate(sentences, 1):
            self._add(f"{place}．{words}" if self.lang == "zh" else f"{place}. {words}", "Normal")

    def small(self, words: str) -> None:
        """Add a note below a table or a figure."""
        self._add(words, "Note")

    def table(
        self,
        caption: str,
        head: Sequence[str],
        rows: Sequence[Sequence[object]],
        widths: Sequence[float],
        *,
        centred: Sequence[int] = (),
    ) -> None:
        """Add a framed table with a caption above; its head comes again on every page.

        Parameters
        ----------
        caption : str
        head : sequence of str
        rows : sequence of sequences
            Texts as they are to be printed; None is blank.
        widths : sequence of float
            Shares of the width of the text.
        centred : sequence of int
            Columns set in the middle; the others stand left.
        """
        from docx.enum.table import WD_TABLE_ALIGNMENT
        from docx.shared import Cm

        self._tables += 1
        self._add(text("report.table_no", self.lang, n=self._tables, caption=caption), "Caption")
        table = self.document.add_table(rows=0, cols=len(head), style="Table Grid")
        table.alignment, table.autofit = WD_TABLE_ALIGNMENT.CENTER, False
        wide = [Cm(TEXT_CM * share / sum(widths)) for share in widths]
        for place, values in enumerate([head, *rows]):
            row = table.add_row()
            _mark(row._tr.get_or_add_trPr(), "cantSplit", *(["tblHeader"] if place == 0 else []))
            for column, (cell, value) in enumerate(zip(row.cells, values, strict=True)):
                cell.width = wide[column]
                paragraph = cell.paragraphs[0]
                style = "Table head" if place == 0 else "Table centre" if column in centred else "Table text"
                paragraph._p.style = self._style_ids[style]
                paragraph.add_run(plain(value, 1_000, self.lang))
                # A short table stands whole; of a long one the head never stands alone at the foot of a page.
                paragraph.paragraph_format.keep_with_next = place < (len(rows) if len(rows) <= _WHOLE else 3)
        for column, width in zip(table.columns, wide, strict=True):
            column.width = width
        self._add("", "Note")

    def figure(self, png: bytes, caption: str) -> None:
        """Add a figure with its caption below.

        Parameters
        ----------
        png : bytes
            Picture as PNG.
        caption : str
            Words under or over it.
        """
        from docx.enum.text import WD_ALIGN_PARAGRAPH
        from docx.shared import Cm

        self._figures += 1
        words = text("report.figure_no", self.lang, n=self._figures, caption=caption)
        holder = self._add("", "Note")
        holder.alignment, holder.paragraph_format.keep_with_next = WD_ALIGN_PARAGRAPH.CENTER, True
        picture = holder.add_run().add_picture(io.BytesIO(png), width=Cm(TEXT_CM))
        picture._inline.docPr.set("descr", plain(words, 500))
        self._add(words, "Caption")

    def sign(self, unit: str) -> None:
        """Add who signs and the day, on the right."""
        self._add(unit, "Signature").paragraph_format.keep_with_next = True
        self._add(self.stamp.day(self.lang), "Signature")

    def origin(self) -> None:
        """Add where the figures come from: data, standard, software."""
        self.heading(text("report.origin", self.lang))
        head = [text("report.origin_head.item", self.lang), text("report.origin_head.value", self.lang)]
        self.table(text("report.origin", self.lang), head, self.stamp.lines(self.lang), (3, 10))

    def origin_lines(self) -> None:
        """Add where the figures come from in small print, for a short paper."""
        joint = "；" if self.lang == "zh" else "; "
        colon = "：" if self.lang == "zh" else ": "
        told = joint.join(f"{label}{colon}{value}" for label, value in self.stamp.lines(self.lang))
        stop = text("report.stop", self.lang)
        self.small(f"{text('report.origin', self.lang)}{colon}{told.rstrip(stop)}{stop}")

    def content(self) -> bytes:
        """Return the document; the same bytes for the same words."""
        document: Any = self.document
        return xlsx.to_bytes(document)

    def _add(self, words: str, style: str) -> Paragraph:
        parts = plain(words, _MOST, self.lang).split("\n")
        paragraph = self.document.add_paragraph(parts[0])
        paragraph._p.style = self._style_ids[style]
        for part in parts[1:]:
            paragraph.add_run().add_break()
            paragraph.add_run(part)
        return paragraph


def numeral(number: int) -> str:
    """Return a Chinese numeral up to 99.

    Examples
    --------
    >>> numeral(3), numeral(10), numeral(12), numeral(20), numeral(21)
    ('三', '十', '十二', '二十', '二十一')
    """
    tens, ones = divmod(number, 10)
    if tens == 0:
        return _NUMERALS[ones - 1]
    return (_NUMERALS[tens - 1] if tens > 1 else "") + "十" + (_NUMERALS[ones - 1] if ones else "")


def _set_styles(document: Document) -> None:
    """Set every style: fount for Chinese and for Latin, size, spacing."""
    from docx.enum.style import WD_STYLE_TYPE
    from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
    from docx.shared import Pt, RGBColor

    left, middle, right, both = (
        WD_ALIGN_PARAGRAPH.LEFT, WD_ALIGN_PARAGRAPH.CENTER, WD_ALIGN_PARAGRAPH.RIGHT, WD_ALIGN_PARAGRAPH.JUSTIFY
    )  # fmt: skip
    # name: fount, points, bold, alignment, characters of indent, line in points (None: single), before, after
    styles: dict[str, tuple[str, float, bool, Any, int, float | None, float, float]] = {
        "Normal": ("body", 16, False, both, 2, _LINE_PT, 0, 0),
        "Title": ("title", 22, False, middle, 0, 34, 0, 10),
        "Subtitle": ("subheading", 16, False, middle, 0, _LINE_PT, 0, 8),
        "Heading 1": ("heading", 16, False, left, 2, _LINE_PT, 0, 0),
        "Heading 2": ("subheading", 16, False, left, 2, _LINE_PT, 0, 0),
        "Caption": ("heading", 12, False, middle, 0, None, 8, 4),
        "Note": ("body", 11, False, left, 0, None, 2, 4),
        "Signature": ("body", 16, False, right, 0, _LINE_PT, 0, 0),
        "Table head": ("heading", 10.5, False, middle, 0, None, 2, 2),
        "Table text": ("table", 10.5, False, left, 0, None, 2, 2),
        "Table centre": ("table", 10.5, False, middle, 0, None, 2, 2),
    }
    for name, (fount, size, bold, align, indent, line, before, after) in styles.items():
        known = name in [style.name for style in document.styles]
        style: Any = document.styles[name] if known else document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        if name != "Normal":
            style.base_style = None
        for border in style.element.xpath("w:pPr/w:pBdr"):  # the template draws a blue line below titles
            border.getparent().remove(border)
        style.font.size, style.font.bold, style.font.italic = Pt(size), bold, False
        style.font.color.rgb = RGBColor(0, 0, 0)
        _set_font(style.element.get_or_add_rPr(), FONTS[fount][0])
        form = style.paragraph_format
        form.alignment, form.space_before, form.space_after = align, Pt(before), Pt(after)
        form.keep_with_next = name.startswith("Heading") or name == "Caption"
        form.line_spacing_rule = WD_LINE_SPACING.SINGLE
        if line is not None:
            form.line_spacing_rule, form.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(line)
        _set_indent(style.element.get_or_add_pPr(), indent, size)
    _set_language(document)
    _set_font_table(document)


def _set_font(properties: Any, fount: str) -> None:
    """Name the fount for Chinese characters beside the one for Latin letters; a theme's would win over both."""
    from docx.oxml.ns import qn

    fonts = properties.get_or_add_rFonts()
    for name in list(fonts.attrib):
        del fonts.attrib[name]
    for part in ("ascii", "hAnsi", "cs"):
        fonts.set(qn(f"w:{part}"), LATIN)
    fonts.set(qn("w:eastAsia"), fount)
    fonts.set(qn("w:hint"), "eastAsia")
    for language in properties.xpath("w:lang"):
        properties.remove(language)


def _set_indent(properties: Any, characters: int, size: float) -> None:
    from docx.oxml.ns import qn

    indent = properties.get_or_add_ind()
    for name in list(indent.attrib):
        del indent.attrib[name]
    indent.set(qn("w:firstLineChars"), str(100 * characters))
    indent.set(qn("w:firstLine"), str(round(20 * size * characters)))


def _set_language(document: Document) -> None:
    """Say that Chinese characters are simplified Chinese: glyphs and punctuation differ from other scripts."""
    from docx.oxml.ns import qn

    for language in document.styles.element.iter(qn("w:lang")):
        language.set(qn("w:eastAsia"), "zh-CN")


def _set_font_table(document: Document) -> None:
    """Say what stands in for a fount a machine does not have."""
    from xml.sax.saxutils import quoteattr

    entries = "".join(
        f'<w:font w:name={quoteattr(name)}><w:altName w:val={quoteattr(other)}/><w:charset w:val="86"/>'
        f'<w:family w:val="auto"/><w:pitch w:val="default"/></w:font>'
        for name, other in FONTS.values()
    )
    xml = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:fonts xmlns:w="{_W}">{entries}</w:fonts>'
    for part in document.part.package.iter_parts():
        if str(part.partname) == "/word/fontTable.xml":
            part._blob = xml.encode("utf-8")


def _set_page(document: Document, stamp: ReportStamp, lang: str) -> None:
    """Set A4 with the margins of an official paper, page numbers outside, and the warning on every page."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Mm, Pt, RGBColor

    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.top_margin, section.bottom_margin = Mm(37), Mm(35)
    section.left_margin, section.right_margin = Mm(28), Mm(26)
    section.header_distance, section.footer_distance = Mm(15), Mm(25)
    document.settings.odd_and_even_pages_header_footer = True
    sides = ((section.footer, WD_ALIGN_PARAGRAPH.RIGHT), (section.even_page_footer, WD_ALIGN_PARAGRAPH.LEFT))
    for footer, side in sides:
        paragraph = footer.paragraphs[0]
        paragraph.style, paragraph.alignment = "Table text", side
        for piece in ("— ", None, " —"):
            run = paragraph.add_run(piece or "")
            run.font.size = Pt(14)
            if piece is None:
                _field(run, "PAGE")
    for header in (section.header, section.even_page_header):
        paragraph = header.paragraphs[0]
        paragraph.style = "Table centre"
        if banner := stamp.banner(lang):
            run = paragraph.add_run(banner)
            run.font.size, run.font.color.rgb = Pt(9), RGBColor(0xB0, 0x00, 0x20)


def _field(run: Any, code: str) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    for kind in ("begin", None, "end"):
        part = OxmlElement("w:instrText" if kind is None else "w:fldChar")
        if kind is None:
            part.text = code
        else:
            part.set(qn("w:fldCharType"), kind)
        run._r.append(part)


def _mark(properties: Any, *names: str) -> None:
    from docx.oxml import OxmlElement

    for name in names:
        properties.append(OxmlElement(f"w:{name}"))
