"""bwc list, show, log and tag: what we hold and what is known of it."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import counted, size_text, table
from bwc.errors import UsageError
from bwc.evidence import ItemId, utc_text

if TYPE_CHECKING:
    from bwc.custody.house import House
    from bwc.storage.rows import ItemRow, ItemState, SegmentRow
    from bwc.storage.store_tables import StoreRow


@command(
    """
    bwc list
    bwc list --case 26-1182 --state indexed --json
    """,
    name="list",
)
@click.option("--case", help="Only this case.")
@click.option("--officer", help="Only this officer.")
@click.option("--camera", help="Only this camera.")
@click.option("--category", help="Only this category.")
@click.option(
    "--state",
    help="Only items in this state: ingested, indexed, detected, redacted, checked, approved, released, disposed.",
)
@click.option("--text", help="Anywhere in id, officer, camera, category, cases or file names.")
@click.option("--since", help="Taken in on or after this day (2026-11-22) or within so many days (30d).")
@click.option("--limit", type=int, help="At most so many, newest first.")
def list_items(
    entry: Entry,
    *,
    case: str | None,
    officer: str | None,
    camera: str | None,
    category: str | None,
    state: str | None,
    text: str | None,
    since: str | None,
    limit: int | None,
) -> None:
    """What we hold, newest first; what was destroyed only with --state disposed. Needs no key.

    The state is that of the common plan and its copy; `bwc plan ITEM` tells that of each version for one request.
    """
    from bwc.storage.rows import ItemFilter, ItemState

    wanted = ItemFilter(
        case=case,
        officer=officer,
        camera=camera,
        category=category,
        state=_state(state),
        since=_since(since),
        text=text,
        limit=limit,
    )
    with entry.house(locked=True) as house:
        rows = house.items(wanted)
        held = len(rows) if rows else len(house.items())
        gone = 0 if state else len(house.items(ItemFilter(state=ItemState.DISPOSED)))
        half = _half_approved(house, rows)
        versions = {row.item_id: count for row in rows if (count := house.versions_of(row.item_id, row.state))}
    shown = [
        (
            row.item_id,
            row.recorded_at[:16].replace("T", " ") + "Z" if row.recorded_at else "-",
            row.officer or "-",
            row.camera or "-",
            ",".join(row.case_ids) or "-",
            row.category or "-",
            size_text(row.size_bytes),
            half.get(row.item_id, row.state.value) + _versions_text(versions.get(row.item_id, 0)),
        )
        for row in rows
    ]
    found = table(("item", "recorded", "officer", "camera", "case", "category", "size", "state"), shown)
    entry.terminal.result(
        {
            "destroyed": gone,
            "half_approved": dict(half),
            "items": [row.to_json() for row in rows],
            "versions": dict(versions),
        },
        found or (f"no item matches ({held} held)" if held else "nothing held"),
    )
    if gone:
        entry.terminal.say(f"{gone} more destroyed by order: bwc list --state disposed")


@command(
    """
    bwc show 2026-1122-K4J7QX
    bwc show 2026-1122-K4J7QX --json
    """
)
@click.argument("item")
def show(entry: Entry, item: str) -> None:
    """Everything known of ITEM: where it came from, what was made of it, where it rests. Needs no key."""
    from bwc.evidence import ObjectRole

    with entry.house(locked=True) as house:
        row = house.item(house.find(item))
        objects = house.objects(row.item_id)
        segments = house.segments(row.item_id)
        verdicts = house.verdicts([row.item_id])
        gone = house.tombstone(row.item_id)
        destroyed = house.destroyed(row.item_id)[0]
        half = _half_approved(house, [row]).get(row.item_id)
        sidecars = house.files(row.item_id, ObjectRole.SIDECAR)
        copies = house.stores(row.item_id)
        by = house.names().get(row.ingested_by)
        versions = house.versions_of(row.item_id, row.state)
    data = row.to_json() | {
        "half_approved": half,
        "ingested_by_name": by,
        "copies": [one.to_json() for one in copies],
        "destroyed": None if gone is None else gone.to_json(),
        "kept": verdicts[0].text if verdicts else None,
        "objects": [one.to_json() for one in objects],
        "recordings": [one.to_json() for one in segments],
        "versions": versions,
        "sidecars": [{"name": one.name, "object": one.object_id, "segment": one.segment} for one in sidecars],
    }
    told = row.to_json() | {"ingested_by": f"{by or '?'} ({row.ingested_by})"}
    lines = [f"{key:<17}{value}" for key, value in _flat(told).items() if value not in ("", None)]
    lines += [f"{'approval':<17}{half}; another person: bwc approve {row.item_id}"] if half else []
    lines += [f"{'versions':<17}{versions} of the plan, a request each: bwc plan {row.item_id}"] if versions else []
    lines += [f"{'kept':<17}{one.text}" for one in verdicts]
    lines += [f"{'copy':<17}{_copy_text(one, len(objects))}" for one in copies if objects]
    if gone:
        said = "destroyed" if gone.done_seq is not None else "being destroyed (bwc dispose --finish)"
        lines += [
            f"{said} on {(gone.confirmed_at or '')[:10]} by order {gone.order}; its entries: bwc log {row.item_id}"
        ]
    if segments:
        lines += ["", table(("segment", "name", "state", "media"), [_segment_cells(one) for one in segments])]
    names = {one.object_id: one.name or "?" for one in (*segments, *sidecars)}
    cells = [
        (one.segment, str(one.role), size_text(one.sealed_bytes), one.object_id, names.get(one.object_id, ""))
        for one in objects
    ]
    cells += [(one.segment, one.role, "destroyed", one.object_id, "") for one in destroyed]
    lines += ["", table(("segment", "what", "sealed", "object", "name"), cells)]
    entry.terminal.result(data, "\n".join(lines))


@command(
    """
    bwc log 2026-1122-K4J7QX
    bwc log 2026-1122-K4J7QX --json > custody.json
    bwc log 2026-1122-K4J7QX --export custody-K4J7QX
    """
)
@click.argument("item")
@click.option(
    "--export",
    "out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the trail with its proofs as a folder that anybody can check; recorded. Needs a key.",
)
@click.option("--private", is_flag=True, help="With --export: names and reasons too, as far as your key opens them.")
def log(entry: Entry, item: str, *, out: Path | None, private: bool) -> None:
    """ITEM's chain of custody: who acted, under which name and in which role then.

    With a key (agent or BWC_PASSPHRASE_FILE) the private parts are shown too. [erased]: destroyed by order.
    """
    if private and out is None:
        raise UsageError("--private is for --export", "bwc log ITEM --export DIR --private")
    if out is not None:
        _export_trail(entry, item, out, private=private)
        return
    with entry.reading_room() as house:
        trail = house.trail(house.find(item))
        locked = house.operator is None
    if locked:
        entry.terminal.say("public part only; bwc unlock shows names and reasons")
    shown = [
        (
            one.seq,
            one.at,
            one.actor,
            ",".join(one.roles),
            one.kind,
            one.outcome,
            ("[erased] " if one.is_erased else "") + _facts_text(one.facts, one.private),
        )
        for one in trail
    ]
    entry.terminal.result(
        {"item": item, "events": [one.to_json() for one in trail]},
        table(("entry", "at", "by", "as", "what", "outcome", "facts"), shown),
    )


def _export_trail(entry: Entry, item: str, out: Path, *, private: bool) -> None:
    from bwc.anchors.pins import fingerprint_text
    from bwc.oversight.trail import export_trail

    entry.glance()
    with entry.house() as house:
        done = export_trail(house, house.find(item), out, private=private)
        key = house.key_chain().first
    data = {
        "entries": done.entries,
        "folder": str(done.folder),
        "item": done.item,
        "log_entries": done.size,
        "told": done.told,
        "vkey": key.text(),
    }
    lines = [
        f"{done.folder}  {done.entries} events of {done.item}, proven in a log of {done.size} entries"
        + (f"; {done.told} private parts are told" if done.told else "; no private parts"),
        f"fingerprint  {fingerprint_text(key)}",
        f"to check     bwc verify {done.folder} --key '{key.text()}'",
    ]
    entry.terminal.result(data, "\n".join(lines))


@command(
    """
    bwc tag 2026-1122-K4J7QX --case 26-1182
    bwc tag 2026-1122-K4J7QX --officer B1235 --note "wrong badge at the dock"
    """
)
@click.argument("item")
@click.option("--officer", help="The right officer.")
@click.option("--category", help="The right category.")
@click.option("--case", "cases", multiple=True, help="The right case number(s); replaces those recorded.")
@click.option("--note", default="", help="Why; kept in the private body of the event.")
def tag(
    entry: Entry, item: str, *, officer: str | None, category: str | None, cases: tuple[str, ...], note: str
) -> None:
    """Correct what was said of ITEM at the dock. Old and new are both recorded."""
    new: dict[str, Any] = {}
    if officer:
        new["officer"] = officer
    if category:
        new["category"] = category
    if cases:
        new["case_ids"] = list(cases)
    if not new:
        raise UsageError("nothing to correct", f"bwc tag {item} --case NUMBER")
    with entry.house() as house:
        found = house.find(item)
        house.tag(found, new, note=note)
        row = house.item(found)
    entry.terminal.result(
        row.to_json(), f"{found}: " + ", ".join(f"{key} is now {value}" for key, value in new.items())
    )


def _copy_text(one: "StoreRow", objects: int) -> str:
    """What one further store has of an item."""
    whole = "whole" if one.copied == objects else f"{one.copied} of {objects} objects; bwc replicate"
    return f"store {one.store_id[:8]} ({one.kind}{'' if one.lock == 'none' else ', locked: ' + one.lock}): {whole}"


def _since(text: str | None) -> str | None:
    if text is None:
        return None
    if text.endswith("d") and text[:-1].isdigit():
        return utc_text(datetime.now(UTC) - timedelta(days=int(text[:-1])))
    try:
        return utc_text(datetime.fromisoformat(text).replace(tzinfo=UTC))
    except ValueError as error:
        raise UsageError(f"{text!r} is no day", "like 2026-11-22, or 30d for the last 30 days") from error


def _flat(row: dict[str, Any]) -> dict[str, object]:
    return {key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in row.items()}


def _segment_cells(row: "SegmentRow") -> tuple[object, ...]:
    facts = row.media
    if row.is_readable is None:
        text = "not read yet"
    elif not row.is_readable:
        text = "held, but not readable as video"
    else:
        text = f"{facts.get('codec')}, {facts.get('width')}x{facts.get('height')}, {facts.get('frames')} frames"
        text += f", {int(facts.get('duration_ms') or 0) / 1000:.1f} s"  # type: ignore[arg-type]
    damage = facts.get("damage")
    if isinstance(damage, dict) and isinstance(damage["gaps"], list):
        text += f", {counted(len(damage['gaps']), 'gap')} where the card could not be read"
        text += f", read better as {damage['reread_by']}" if "reread_by" in damage else ""
    if facts.get("frames_lost"):
        text += f", {counted(int(facts['frames_lost']), 'frame')} lost"  # type: ignore[arg-type]
    return row.segment, row.name or "?", row.state, text


def _versions_text(count: int) -> str:
    """Besides the common plan's state, how many versions it has, for requests of their own."""
    return f" + {counted(count, 'version')}" if count else ""


def _half_approved(house: "House", rows: "Iterable[ItemRow]") -> "dict[ItemId, str]":
    """Items that some but not all of the people needed have approved: "1 of 2 approvals"."""
    from bwc.storage.rows import ItemState

    counts = {row.item_id: house.approvals_of(row.item_id) for row in rows if row.state is ItemState.APPROVED}
    return {item: f"{have} of {need} approvals" for item, (have, need) in counts.items() if have < need}


def _state(text: str | None) -> "ItemState | None":
    from bwc.storage.rows import ItemState

    if text is None:
        return None
    try:
        return ItemState(text)
    except ValueError as error:
        raise UsageError(f"no state {text!r}", "one of " + ", ".join(ItemState)) from error


def _facts_text(facts: Mapping[str, Any], private: Mapping[str, Any] | None) -> str:
    said = dict(private or {})
    old, new = said.get("old"), said.get("new")
    words = []
    if isinstance(old, dict) and isinstance(new, dict):
        words = [f"{key} {_short(old.get(key))} → {_short(new[key])}" for key in new]
    words += [f"{key}={_short(value)}" for key, value in {**said, **facts}.items() if _is_plain(value)]
    return " ".join(words)


def _is_plain(value: object) -> bool:
    """Whether it fits into a line; the rest is for --json."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, str) and len(one) < 64 for one in value)
    return value not in ("", None) and not isinstance(value, dict)


def _short(value: object) -> str:
    if isinstance(value, list):
        return ",".join(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:12] + "…" if len(text) == 64 else text
