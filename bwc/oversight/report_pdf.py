"""A report as PDF, by reportlab (extra `pdf`): the same sections, page numbers, and the checkpoint on every page."""

import io
from typing import Any

from bwc.errors import ConfigError
from bwc.oversight.report import MOST_ROWS, Report
from bwc.oversight.report_forms import HEAD
from bwc.oversight.report_sections import Section

_MOST_CELL = 600


def pdf(report: Report) -> bytes:
    """The report on A4 paper, landscape. Raises `ConfigError` without reportlab."""
    try:
        from reportlab.lib.pagesizes import A4, landscape
        from reportlab.lib.styles import getSampleStyleSheet
        from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer
    except ImportError as error:
        raise ConfigError(
            "a PDF needs reportlab", "in the folder of bwc: pip install '.[pdf]', or print the HTML from a browser"
        ) from error
    styles = getSampleStyleSheet()
    for name in ("Normal", "Heading2", "Title"):
        styles[name].fontName = _font(bold=name != "Normal")
    styles["Normal"].fontSize = 7.5
    styles["Normal"].leading = 9.5
    out = io.BytesIO()
    title = f"Audit report, {report.head['agency']}"
    page = SimpleDocTemplate(
        out, pagesize=landscape(A4), title=title, author=str(report.head["made_by"]), leftMargin=36, rightMargin=36,
        topMargin=36, bottomMargin=42, invariant=1,
    )  # fmt: skip
    head = [(label, report.head.get(name)) for name, label in HEAD]
    story: list[Any] = [Paragraph(_safe(title), styles["Title"]), _table(None, head, styles, page.width)]
    for one in report.sections:
        story += [Spacer(1, 8), Paragraph(_safe(one.title), styles["Heading2"]), *_section(one, styles, page.width)]
    foot = f"log {report.head['log']}  entries {report.head['size']}  root {report.head['root']}  {report.head['verified']}"

    def footer(canvas: Any, _: Any) -> None:
        canvas.setFont(_font(bold=False), 6.5)
        canvas.drawString(36, 24, foot)
        canvas.drawRightString(page.pagesize[0] - 36, 24, f"page {canvas.getPageNumber()}")

    page.build(story, onFirstPage=footer, onLaterPages=footer)
    return out.getvalue()


def _section(one: Section, styles: Any, width: float) -> list[Any]:
    from reportlab.platypus import Paragraph

    if not one.rows:
        return [Paragraph(_safe(one.empty), styles["Normal"])]
    note = [Paragraph(_safe(one.note), styles["Normal"])] if one.note else []
    more = len(one.rows) - MOST_ROWS
    last = [Paragraph(f"… and {more} more, in the CSV", styles["Normal"])] if more > 0 else []
    return [*note, _table(one.columns, one.rows[:MOST_ROWS], styles, width), *last]


def _table(columns: Any, rows: Any, styles: Any, width: float) -> Any:
    from reportlab.lib import colors
    from reportlab.platypus import LongTable, Paragraph, TableStyle

    cells = [[Paragraph(_safe(cell), styles["Normal"]) for cell in row] for row in rows]
    if columns:
        cells.insert(0, [Paragraph(f"<b>{_safe(name)}</b>", styles["Normal"]) for name in columns])
    made = LongTable(cells, colWidths=_widths(columns, rows, width), repeatRows=1 if columns else 0)
    made.setStyle(
        TableStyle(
            [("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.grey), ("VALIGN", (0, 0), (-1, -1), "TOP")]
            + ([("LINEBELOW", (0, 0), (-1, 0), 1, colors.black)] if columns else [])
        )
    )
    return made


def _widths(columns: Any, rows: Any, width: float) -> list[float]:
    """Of each column, by the longest text in it, within reason."""
    texts = [*([columns] if columns else []), *rows]
    longest = [max(len(str(row[at] or "")) for row in texts) for at in range(len(texts[0]))]
    shares = [min(max(one, 6), 40) for one in longest]
    return [width * share / sum(shares) for share in shares]


def _safe(value: object) -> str:
    """Text that reportlab takes for text: its paragraphs know tags."""
    text = "" if value is None else str(value)
    text = text if len(text) <= _MOST_CELL else text[:_MOST_CELL] + "…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _font(*, bold: bool) -> str:
    """A font with Latin, Greek and Cyrillic letters where this computer has one, else the PDF's own Latin one."""
    from pathlib import Path

    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    name = "DejaVuSans-Bold" if bold else "DejaVuSans"
    if name in pdfmetrics.getRegisteredFontNames():
        return name
    path = Path("/usr/share/fonts/truetype/dejavu") / f"{name}.ttf"
    try:
        pdfmetrics.registerFont(TTFont(name, str(path)))
    except (TTFError, OSError):
        return "Helvetica-Bold" if bold else "Helvetica"
    return name
