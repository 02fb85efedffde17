"""Headings and tables on A4. The only one to import reportlab, which is optional."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

MARGIN_MM = 15
CELL_MAX = 60  # characters of one cell of a table
# With the letters of every language of Europe; a tree without browser files prints with what each PDF reader has.
_FONTS = Path(__file__).parent.parent / "screens" / "static" / "vendor" / "fonts"
_BUILT_IN = ("Helvetica", "Helvetica-Bold")
_LINES = TableStyle(
    [
        ("LINEBELOW", (0, 0), (-1, 0), 1, colors.black),
        ("LINEBELOW", (0, 1), (-1, -1), 0.25, colors.grey),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
)


class Paper:
    """Filled from top to bottom, then `bytes()`."""

    def __init__(self, title: str) -> None:
        plain, bold = _fonts()
        self._name = title
        self._title = ParagraphStyle("title", fontName=bold, fontSize=18, leading=24)
        self._heading = ParagraphStyle("heading", fontName=bold, fontSize=12, leading=16, spaceBefore=10)
        self._body = ParagraphStyle("body", fontName=plain, fontSize=8, leading=10)
        self._head = ParagraphStyle("head", fontName=bold, fontSize=8, leading=10)
        self._story: list[Any] = []

    def title(self, text: str) -> None:
        self._story.append(_paragraph(text, self._title))

    def heading(self, text: str) -> None:
        self._story.append(_paragraph(text, self._heading))

    def line(self, text: str) -> None:
        self._story.append(_paragraph(text, self._body))

    def table(self, head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> None:
        cells = [[_paragraph(str(value)[:CELL_MAX], self._body) for value in row] for row in rows]
        first = [_paragraph(str(value), self._head) for value in head]
        self._story += [Table([first, *cells], repeatRows=1, style=_LINES), Spacer(0, 2 * mm)]

    def bytes(self) -> bytes:
        into = io.BytesIO()
        margins = dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), MARGIN_MM * mm)
        SimpleDocTemplate(into, pagesize=A4, title=self._name, **margins).build(self._story)
        return into.getvalue()


def _fonts() -> tuple[str, str]:
    if not _FONTS.is_dir():
        return _BUILT_IN
    names = ("DejaVuSans", "DejaVuSans-Bold")
    for name in names:
        pdfmetrics.registerFont(TTFont(name, _FONTS / f"{name}.ttf"))
    return names


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    """The library reads a paragraph as markup."""
    return Paragraph(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), style)
