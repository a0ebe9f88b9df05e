"""The redaction log of a release: what was hidden, when, under which exemption and why, for people and for tables.

One row for each stretch of picture or sound that was hidden, and for what the camera's file had lost. Notes that
people wrote while deciding are not in it: they may say what the cover hides.
"""

import csv
import html
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from bwc.evidence import Choice
from bwc.redact.plan import Decision, RedactionPlan, SoundKind, Span
from bwc.redact.plan_view import within
from bwc.redact.speech.record import record_of
from bwc.release.page import inline_style_policy
from bwc.verifier.package_report import time_text
from bwc.verifier.released import ExemptionCount

# 5 U.S.C. 552(b) in plain words. An agency's own codes come in by `explanations`.
EXPLANATIONS: Mapping[str, str] = {
    "privacy": "could identify a private person",
    "b6": "release would be a clearly unwarranted invasion of personal privacy (5 U.S.C. 552(b)(6))",
    "b7a": "release could interfere with enforcement proceedings (5 U.S.C. 552(b)(7)(A))",
    "b7c": "release of this law enforcement record could be an unwarranted invasion of personal privacy "
    "(5 U.S.C. 552(b)(7)(C))",
    "b7e": "release would disclose law enforcement techniques or procedures (5 U.S.C. 552(b)(7)(E))",
    "b7f": "release could endanger the life or physical safety of a person (5 U.S.C. 552(b)(7)(F))",
}
CLASSES: Mapping[str, str] = {
    "face": "face",
    "head": "head",
    "person": "person",
    "plate": "licence plate",
    "text": "readable text",
    "screen": "screen",
    "paper": "paper or card",
    "manual": "area marked by a person",
}


class Part(StrEnum):
    """What a row is about."""

    PICTURE = "picture"
    WHOLE = "whole picture"
    SOUND = "sound"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stretch: milliseconds of presentation time (None: unknown), frames by ordinal, first and last included."""

    file: str
    part: Part
    what: str
    start_ms: int | None
    end_ms: int | None
    first_frame: int | None
    last_frame: int | None
    where: str
    code: str
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """One copy as the log sees it. `lost`: (ordinal of the frame before, packets that could not be decoded)."""

    file: str
    plan: RedactionPlan
    frames_lost: int
    lost: Sequence[tuple[int, int]] = ()


def rows_of(
    copies: Iterable[Covered], *, default_code: str = "privacy", explanations: Mapping[str, str] | None = None
) -> tuple[Row, ...]:
    """Every row of the log, by copy and time. What nobody gave a code for is logged under `default_code`."""
    texts = {_plain(code): text for code, text in {**EXPLANATIONS, **(explanations or {})}.items()}
    found: list[Row] = []
    for copy in copies:
        rows = [*_pictures(copy), *_whole(copy), *_sounds(copy), *_lost(copy)]
        rows.sort(key=lambda row: (row.start_ms is None, row.start_ms or 0, row.part, row.what))
        found.extend(_explained(row, default_code, texts) for row in rows)
    return tuple(found)


def count_exemptions(rows: Iterable[Row]) -> tuple[ExemptionCount, ...]:
    """How many stretches of picture, sound and whole picture each code hides."""
    counts: dict[str, Counter[Part]] = {}
    for row in rows:
        if row.part is not Part.LOST:
            counts.setdefault(row.code, Counter())[row.part] += 1
    return tuple(
        ExemptionCount(
            code=code,
            pictures=parts[Part.PICTURE],
            sounds=parts[Part.SOUND],
            whole_frames=parts[Part.WHOLE],
        )
        for code, parts in sorted(counts.items())
    )


def to_csv(rows: Sequence[Row]) -> bytes:
    """The rows as RFC 4180 CSV with a byte order mark, which spreadsheets need to see that it is UTF-8."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        ["row", "file", "part", "what", "from", "to", "first_frame", "last_frame", "where", "exemption", "explanation"]
    )
    for number, row in enumerate(rows, 1):
        cells = (row.file, row.part.value, row.what, _time(row.start_ms), _time(row.end_ms))
        frames = ("" if frame is None else str(frame) for frame in (row.first_frame, row.last_frame))
        table.writerow([number, *map(_cell, (*cells, *frames, row.where, row.code, row.explanation))])
    return out.getvalue().encode("utf-8-sig")


def to_html(rows: Sequence[Row], *, title: str, lead: Sequence[str]) -> bytes:
    """The rows as one page that opens offline, runs no script and loads nothing."""
    body = "".join(_html_row(number, row) for number, row in enumerate(rows, 1))
    if not rows:
        body = '<tr><td colspan="7">Nothing was hidden and nothing was lost.</td></tr>'
    counts = "".join(f"<li><b>{html.escape(one.code)}</b>: {_counted(one)}</li>" for one in count_exemptions(rows))
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in lead)
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("No.", "File", "From", "To", "What", "Code", "Why"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{inline_style_policy(_STYLE)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{html.escape(title)}</h1>{paragraphs}<ul>{counts}</ul>"
        f'<div class="wide" tabindex="0" role="region" aria-labelledby="what"><table>'
        f'<caption id="what">What was hidden, and what the recording had lost</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div></main></body></html>\n"
    ).encode()


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:0}"
    "main{max-width:70rem;margin:0 auto;padding:1.5rem}"
    "h1{font-size:1.5rem}.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}"
    "caption{text-align:left;font-weight:600;padding:.5rem 0}"
    "th,td{border-bottom:1px solid #bbb;padding:.4rem .6rem;text-align:left;vertical-align:top}"
    "thead th{border-bottom:2px solid #444}.t{white-space:nowrap;font-variant-numeric:tabular-nums}"
)


def _pictures(copy: Covered) -> Iterable[Row]:
    media = copy.plan.media
    if copy.plan.effect.inverse and media.frames:
        every = range(media.frames)
        yield _frames_row(copy, Part.PICTURE, "everything but what is kept visible", every, code="", where="")
    for track in copy.plan.tracks:
        if track.decision.is_covered:
            what, code = CLASSES.get(track.class_, track.class_), _code(track.decision)
            for span in track.spans:
                frames = range(span.first, span.stop)
                yield _frames_row(copy, Part.PICTURE, what, frames, code=code, where=_where(span, copy.plan))


def _whole(copy: Covered) -> Iterable[Row]:
    for span in copy.plan.whole_frame:
        if span.decision.is_covered:
            frames, code = range(span.first, span.stop), _code(span.decision)
            yield _frames_row(copy, Part.WHOLE, "whole picture", frames, code=code, where="everything")


def _sounds(copy: Covered) -> Iterable[Row]:
    record = record_of(copy.plan)
    for span in copy.plan.audio_spans:
        if span.decision.choice is not Choice.KEEP:
            start, end = within(copy.plan, span.start_ns, span.end_ns)
            label = record.labels.get(span.id) if record else None
            what = "sound bleeped" if span.kind is SoundKind.BLEEP else "sound silenced"
            yield Row(
                file=copy.file,
                part=Part.SOUND,
                what=what + (f": {', '.join(label.kinds)}" if label else ""),
                start_ms=start // 1_000_000,
                end_ms=-(-end // 1_000_000),
                first_frame=None,
                last_frame=None,
                where="",
                code=_code(span.decision),
                explanation="",
            )


def _lost(copy: Covered) -> Iterable[Row]:
    media = copy.plan.media
    named = 0
    for after, packets in copy.lost:
        named += packets
        inside = 0 <= after < media.frames
        yield _lost_row(copy, packets, media.pts.pts_of(after) * media.time_base if inside else None, max(after, 0))
    if copy.frames_lost > named:
        yield _lost_row(copy, copy.frames_lost - named, None, None)


def _lost_row(copy: Covered, count: int, at: Fraction | None, frame: int | None) -> Row:
    at_ms = None if at is None else int(at * 1000)
    return Row(
        file=copy.file,
        part=Part.LOST,
        what=f"{count} frame{'s' if count != 1 else ''} lost",
        start_ms=at_ms,
        end_ms=at_ms,
        first_frame=frame,
        last_frame=frame,
        where="",
        code="",
        explanation="the camera's file is damaged here and could not be decoded; nothing was withheld",
    )


def _frames_row(copy: Covered, part: Part, what: str, frames: range, *, code: str, where: str) -> Row:
    media = copy.plan.media
    end = media.pts.pts_of(frames.stop) if frames.stop < media.frames else media.pts.start + media.duration
    return Row(
        file=copy.file,
        part=part,
        what=what,
        start_ms=int(media.pts.pts_of(frames.start) * media.time_base * 1000),
        end_ms=-(-end * media.time_base.numerator * 1000 // media.time_base.denominator),
        first_frame=frames.start,
        last_frame=frames.stop - 1,
        where=where,
        code=code,
        explanation="",
    )


def _where(span: Span, plan: RedactionPlan) -> str:
    """The smallest box of the coded picture that holds the subject all along; the cover is drawn a little larger."""
    x0 = min(box[0] for box in span.boxes)
    y0 = min(box[1] for box in span.boxes)
    x1 = max(box[2] for box in span.boxes)
    y1 = max(box[3] for box in span.boxes)
    return f"within {x0},{y0} to {x1},{y1} of {plan.media.width}x{plan.media.height}"


def _explained(row: Row, default_code: str, texts: Mapping[str, str]) -> Row:
    if row.part is Part.LOST:
        return row
    code = row.code or default_code
    explanation = texts.get(_plain(code), f"withheld by the agency under {code}")
    return replace(row, code=code, explanation=explanation)


def _code(decision: Decision) -> str:
    return decision.exemption or ""


def _plain(code: str) -> str:
    return "".join(char for char in code.casefold() if char.isalnum())


def _time(ms: int | None) -> str:
    return "" if ms is None else time_text(ms)


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _counted(one: ExemptionCount) -> str:
    parts = ((one.pictures, "of picture"), (one.whole_frames, "of whole picture"), (one.sounds, "of sound"))
    return ", ".join(f"{count} stretch{'es' if count != 1 else ''} {name}" for count, name in parts if count)


def _html_row(number: int, row: Row) -> str:
    cells = (row.file, _time(row.start_ms), _time(row.end_ms), row.what, row.code, row.explanation)
    marks = ("", ' class="t"', ' class="t"', "", "", "")
    inner = "".join(f"<td{mark}>{html.escape(cell)}</td>" for cell, mark in zip(cells, marks, strict=True))
    return f'<tr><th scope="row">{number}</th>{inner}</tr>'
