"""A report as a page for a browser and as CSV. Nothing in it is run, nothing is loaded."""

import csv
import io
import json
from collections.abc import Mapping
from html import escape

from bwc.canonical import Json
from bwc.oversight.report import MOST_ROWS, Report
from bwc.oversight.report_sections import Section

HEAD = (
    ("agency", "Agency"),
    ("log", "Log"),
    ("vkey", "Key of the log"),
    ("from", "From"),
    ("to", "Until before"),
    ("events", "Events in this time"),
    ("size", "Entries in the log"),
    ("root", "Root of the checkpoint"),
    ("verified", "Verification"),
    ("made_at", "Made at"),
    ("made_by", "Made by"),
    ("tool", "With"),
)
_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#111;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:1.6rem 0 .3rem}
table{border-collapse:collapse;width:100%}th,td{border-bottom:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}
th{border-bottom:2px solid #555}td{overflow-wrap:anywhere}.n{color:#555}.v{font-weight:bold}
@media print{body{margin:0;max-width:none}h2{break-after:avoid}tr{break-inside:avoid}}
"""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def html(report: Report) -> str:
    """One page, self-contained."""
    title = f"Audit report, {report.head['agency']}, {str(report.head['from'])[:10]} to {str(report.head['to'])[:10]}"
    head = "".join(
        f"<tr><th>{escape(label)}</th><td class={'v' if name == 'verified' else 'h'}>{_cell(report.head.get(name))}</td></tr>"
        for name, label in HEAD
    )
    body = "".join(_section(one) for one in report.sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"<table>{head}</table>{body}</body></html>\n"
    )


def _section(one: Section) -> str:
    note = f"<p class=n>{escape(one.note)}</p>" if one.note else ""
    if not one.rows:
        return f"<h2>{escape(one.title)}</h2><p>{escape(one.empty)}</p>"
    left = len(one.rows) - MOST_ROWS
    more = f"<p class=n>… and {left} more, in the CSV</p>" if left > 0 else ""
    columns = "".join(f"<th>{escape(name)}</th>" for name in one.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in one.rows[:MOST_ROWS]
    )
    return f"<h2>{escape(one.title)}</h2>{note}<table><tr>{columns}</tr>{rows}</table>{more}"


def _cell(value: Json) -> str:
    return escape("" if value is None else str(value))


def events_csv(report: Report) -> str:
    """Every event of the span, a row each, for a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("entry", "at", "event", "outcome", "item", "who", "roles", "key", "facts", "private"))
    for one in report.events:
        private = "[erased]" if one.is_erased else "" if one.private is None else _compact(one.private)
        cells = (one.seq, one.at, one.kind, one.outcome, one.item or "", one.actor, " ".join(one.roles), one.key)
        writer.writerow([_harmless(str(cell)) for cell in (*cells, _compact(one.facts), private)])
    return out.getvalue()


def _compact(value: Mapping[str, Json]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, sort_keys=True)


def _harmless(text: str) -> str:
    """A spreadsheet runs what begins like a formula; names come from people."""
    return "'" + text if text.startswith(_FORMULA) else text
