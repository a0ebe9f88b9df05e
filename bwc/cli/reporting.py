"""bwc audit report, export, certificate and heartbeat: what auditors and courts are handed."""

import getpass
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import size_text, table
from bwc.config import find_vault, seen_dir, user_config_dir
from bwc.errors import NotFound, UsageError

if TYPE_CHECKING:
    from bwc.oversight.report import Report
    from bwc.oversight.report_sections import Section
    from bwc.verifier.inspected import Inspection

_SHOWN = 25  # rows of a section on the terminal; files hold them all
_FORMS = ("pdf", "html", "csv", "json")


@command(
    """
    bwc audit report --from 2026-11-01 --to 2026-12-01 -o november
    bwc audit report --from 7d
    """,
    name="report",
)
@click.option(
    "--from", "since", required=True, metavar="DAY", help="From this day on (2026-11-01), or so many days ago (7d)."
)
@click.option("--to", "until", metavar="DAY", help="Until before this day (default: now).")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="A new folder for report.pdf, .html, .csv and .json."
)
@click.option(
    "--form", "forms", multiple=True, type=click.Choice(_FORMS), help="Only these (default: all that can be made)."
)
@click.option("--key", "vkey", metavar="VKEY", help="The agency's published key; else the agencies pinned here.")
@click.option(
    "--silence",
    type=int,
    default=24,
    show_default=True,
    metavar="HOURS",
    help="List times without any entry longer than this.",
)
def report(
    entry: Entry,
    *,
    since: str,
    until: str | None,
    out: Path | None,
    forms: tuple[str, ...],
    vkey: str | None,
    silence: int,
) -> None:
    """What happened in a span of time: counts, exceptions, who opened what, gaps, unanchored spans, failed attempts, keys.

    The log is verified first, and the verdict is part of the report; every recording is looked for, none is read. With a
    key that reads private parts (auditor), names and reasons are in it. 5: the log is not what it says, or a recording is
    missing; the report is made all the same, and says so.
    """
    from dataclasses import replace

    from bwc.oversight.report import make_report
    from bwc.oversight.report_sections import Span
    from bwc.verifier.there import look_for_objects

    span = Span(since=_day(since), until=_day(until) if until else datetime.now(UTC) + timedelta(seconds=1))
    if span.until <= span.since:
        raise UsageError("the report ends before it begins", "--from 2026-11-01 --to 2026-12-01")
    if out and out.exists():
        raise UsageError(f"{out} exists", "choose a new folder")
    found = replace(_inspect(entry, vkey), data="log only; recordings were looked for, none was read")
    look_for_objects(found.log, find_vault(entry.vault).vault)
    with entry.reading_room() as house:
        if house.operator is None:
            entry.terminal.say("public parts only; bwc unlock shows names' reasons and requests")
        made = make_report(
            found,
            house.events(0, found.log.entries),
            span,
            names=house.names(),
            made_by=house.operator.name if house.operator else getpass.getuser(),
            silence=timedelta(hours=silence),
        )
    written = _write(made, out, forms or _possible(entry)) if out else []
    data = made.to_json() | {"files": written}
    entry.terminal.result(data, "\n".join(written) if written else _report_text(made))
    found.raise_if_bad()


@command(
    """
    bwc audit export -o log-2026-11
    bwc audit export -o log-2026-11 --bag
    """,
    name="export",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--bag", is_flag=True, help="As a BagIt 1.0 bag: a digest of every file.")
@click.option("--key", "vkey", metavar="VKEY", help="The agency's published key; else the agencies pinned here.")
def export(entry: Entry, *, out: Path, bag: bool, vkey: str | None) -> None:
    """Hand out the whole log, machine readable, without footage and private parts; it verifies anywhere.

    As it lies on disk (log/), as lines of JSON, and as CASE/UCO JSON-LD. With a key of the vault the export is recorded.
    """
    from bwc.errors import KeyUnavailable
    from bwc.oversight.exchange import export_log

    try:
        entry.person(ask=False)
    except KeyUnavailable:
        entry.terminal.say("note: without a key of the vault this export is not recorded")
    else:
        with entry.house() as house:  # recorded before it is handed out, so that the export holds its own entry
            house.note_export(entries=house.entries(), to=out.name)
    found = _inspect(entry, vkey)
    done = export_log(found.log, find_vault(entry.vault).log, out, agency=found.agency, bag=bag)
    entry.terminal.result(
        {
            "bytes": done.size_bytes,
            "entries": done.entries,
            "files": done.files,
            "folder": str(out),
            "verdict": found.verdict,
        },
        f"{out}: {done.entries} entries, {done.files} files, {size_text(done.size_bytes)}; {found.said}",
    )


@command(
    """
    bwc audit certificate 2026-1122-K4J7QX -o certification.txt
    bwc audit certificate 2026-1122-K4J7QX --json
    """,
    name="certificate",
)
@click.argument("item")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write the draft here.")
@click.option("--key", "vkey", metavar="VKEY", help="The agency's published key; else the agencies pinned here.")
def certificate(entry: Entry, item: str, *, out: Path | None, vkey: str | None) -> None:
    """Draft a certification of ITEM under FRE 902(11), (13) and (14), with blanks for what only a person can swear to."""
    from bwc.oversight.certificate import certificate as draft
    from bwc.oversight.certificate import certificate_text

    if out and out.exists():
        raise UsageError(f"{out} exists", "choose a new file")
    found = _inspect(entry, vkey, quick=False)
    with entry.reading_room() as house:
        data = draft(house, found, house.find(item))
    text = certificate_text(data)
    if out:
        out.write_text(text, encoding="utf-8")
    entry.terminal.result(data | {"file": str(out) if out else None}, str(out) if out else text)
    found.raise_unless_ours()


@command(
    """
    bwc audit heartbeat
    bwc audit heartbeat -q
    """,
    name="heartbeat",
)
def heartbeat(entry: Entry) -> None:
    """Record that the log is on. Once a day from cron, it tells a quiet day from a log that was switched off."""
    with entry.house() as house:
        house.note_heartbeat()
        count = house.entries()
    entry.terminal.result({"entries": count}, f"recorded as entry {count - 1}")


def _inspect(entry: Entry, vkey: str | None, *, quick: bool = True) -> "Inspection":
    from bwc.anchors.pins import FILE_NAME, load_pins
    from bwc.custody.inspection import inspect
    from bwc.oversight.timestamp import check_stamp

    places = find_vault(entry.vault)
    if not places.catalog.exists():
        raise NotFound(f"{places.vault} has no catalog", "bwc catalog rebuild; a log alone: bwc verify --quick")
    pins = load_pins(user_config_dir() / FILE_NAME)
    with entry.terminal.progress("verify") as progress:
        return inspect(
            places,
            vkey=vkey,
            pins=pins,
            seen=seen_dir(),
            quick=quick,
            share=1.0,
            check_stamp=check_stamp,
            progress=progress,
        )


def _possible(entry: Entry) -> tuple[str, ...]:
    from importlib.util import find_spec

    if find_spec("reportlab") is None:
        entry.terminal.say(
            "note: no PDF without reportlab (in the folder of bwc: pip install '.[pdf]'), or print the HTML from a browser"
        )
        return _FORMS[1:]
    return _FORMS


def _write(made: "Report", out: Path, forms: tuple[str, ...]) -> list[str]:
    from bwc.oversight.report_forms import events_csv, html
    from bwc.oversight.report_pdf import pdf

    contents: dict[str, bytes] = {}
    for form in forms:
        if form == "pdf":
            contents[form] = pdf(made)
        else:
            texts = {"csv": events_csv, "html": html, "json": _json}
            contents[form] = texts[form](made).encode("utf-8")
    out.mkdir(parents=True, mode=0o700)
    for form, data in contents.items():
        (out / f"report.{form}").write_bytes(data)
    return [str(out / f"report.{form}") for form in contents]


def _json(made: "Report") -> str:
    return json.dumps(made.to_json(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _report_text(made: "Report") -> str:
    head: dict[str, Any] = made.head
    lines = [
        f"{head['agency']}  {head['from'][:16]}Z to {head['to'][:16]}Z: {head['events']} events of {head['size']} entries",
        f"verdict {head['verified']}",
    ]
    return "\n".join(lines + [line for one in made.sections for line in _section_text(one)])


def _section_text(one: "Section") -> list[str]:
    if not one.rows:
        return ["", f"{one.title}: {one.empty}"]
    cells = [["" if cell is None else str(cell)[:60] for cell in row] for row in one.rows[:_SHOWN]]
    more = [f"… and {len(one.rows) - _SHOWN} more: -o FOLDER"] if len(one.rows) > _SHOWN else []
    return ["", one.title, table(one.columns, cells), *([one.note] if one.note else []), *more]


def _day(text: str) -> datetime:
    if text.endswith("d") and text[:-1].isdigit():
        return datetime.now(UTC) - timedelta(days=int(text[:-1]))
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(f"{text!r} is no day", "like 2026-11-22, or 30d for the last 30 days") from error
