"""bwc dispose and expunge: destruction by order of one person, confirmed by another, proven."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import counted, size_text, table
from bwc.errors import NotAllowed, UsageError

if TYPE_CHECKING:
    from bwc.custody.disposing import Destroyed
    from bwc.custody.house import House
    from bwc.custody.replica import Replica
    from bwc.evidence import ItemId


@command(
    """
    bwc dispose --due
    bwc dispose --due --order --reason "schedule, third quarter"
    bwc dispose --confirm D-4K7QXA
    bwc dispose --proof D-4K7QXA -o proofs
    """
)
@click.argument("items", nargs=-1, metavar="[ITEM]...")
@click.option("--due", is_flag=True, help="Everything that is due today.")
@click.option("--order", "ordering", is_flag=True, help="Record the order; without it nothing is recorded.")
@click.option("--reason", default="", help="Why; kept in the private body of the order.")
@click.option("--early", is_flag=True, help="Although the schedule keeps it: a court's order, an error at intake.")
@click.option("--orders", "listing", is_flag=True, help="Show the orders and how far each is.")
@click.option("--confirm", metavar="ORDER", help="Confirm another person's order: destroys.")
@click.option("--cancel", metavar="ORDER", help="Cancel an order that is not confirmed yet.")
@click.option("--finish", is_flag=True, help="Complete what was interrupted; destroy again what a backup brought back.")
@click.option("--proof", metavar="ORDER", help="Write the proofs of destruction of an order.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The folder for the proofs (default: here).")
def dispose(
    entry: Entry,
    items: tuple[str, ...],
    *,
    due: bool,
    ordering: bool,
    reason: str,
    early: bool,
    listing: bool,
    confirm: str | None,
    cancel: str | None,
    finish: bool,
    proof: str | None,
    out: Path | None,
) -> None:
    """Destroy ITEMs or what is due: a dry run, until --order; nothing goes before another person's --confirm.

    Whoever orders cannot confirm. An open case or a hold forbids both. Confirmed, every key to the item is destroyed
    first, then its recordings, plans, copies, reports and the private parts of its entries; the entries stay.
    """
    asked = [bool(items or due), listing, bool(confirm), bool(cancel), finish, bool(proof)]
    if sum(asked) != 1:
        raise UsageError("one thing at a time", "bwc dispose --due, then --order, then another person: --confirm ORDER")
    if items or due:
        _plan(entry, items, due=due, ordering=ordering, reason=reason, early=early)
    elif listing:
        _list(entry)
    elif proof:
        with entry.house(locked=True) as house:
            written = _write_proofs(house, proof.upper(), out or Path())
        entry.terminal.result({"order": proof.upper(), "proofs": written}, "\n".join(written))
    elif cancel:
        with entry.house() as house:
            count = house.cancel_order(cancel.upper(), reason=reason)
        entry.terminal.result({"cancelled": count, "order": cancel.upper()}, f"{cancel.upper()} is cancelled")
    else:
        _destroy(entry, confirm.upper() if confirm else None, out)


@command(
    """
    bwc expunge 2026-1122-K4J7QX --entry 1207 --reason "court order 12/27"
    bwc expunge 2026-1122-K4J7QX --entry 1207 --order --reason "court order 12/27"
    """
)
@click.argument("item")
@click.option(
    "--entry", "entries", type=int, multiple=True, required=True, help="Whose private part; see bwc log ITEM."
)
@click.option("--order", "ordering", is_flag=True, help="Record the order; without it nothing is recorded.")
@click.option("--reason", required=True, help="Whose order it was; kept in the private body.")
def expunge(entry: Entry, item: str, *, entries: tuple[int, ...], ordering: bool, reason: str) -> None:
    """Erase what entries of ITEM say of people, and nothing else: every proof still holds. Another person confirms.

    A dry run, until --order; then another person: bwc dispose --confirm ORDER. The item itself is kept.
    """
    with entry.house(locked=not ordering) as house:
        found = house.find(item)
        trail = {one.seq: one for one in house.trail(found)}
        strange = [seq for seq in entries if seq not in trail]
        if strange:
            raise UsageError(f"entry {strange[0]} is not of {found}", f"bwc log {found}")
        order = house.order_erasure(entries, reason=reason) if ordering else None
    rows = [(seq, trail[seq].at[:19], trail[seq].kind) for seq in dict.fromkeys(entries)]
    text = table(("entry", "at", "what"), rows) + "\n\n" + _what_next(order, "the private parts of these entries")
    entry.terminal.result({"entries": list(entries), "item": found, "order": order}, text)


def _plan(entry: Entry, items: tuple[str, ...], *, due: bool, ordering: bool, reason: str, early: bool) -> None:
    if ordering and not reason:
        raise UsageError("an order needs a reason", '--reason "schedule, third quarter"')
    with entry.house(locked=not ordering) as house:
        named = [house.find(one) for one in items]
        found = named or [one.item for one in house.verdicts() if one.is_due]
        verdicts = {one.item: one for one in house.verdicts(found)} if found else {}
        rows = [_would_go(house, item) for item in found]
        order = None
        if ordering and found:
            order = house.order_destruction(found, reason=reason, early=early)
    cells = [
        (
            row["item"],
            row["objects"],
            size_text(int(row["bytes"])),
            verdicts[row["item"]].text if row["item"] in verdicts else "destroyed",
        )
        for row in rows
    ]
    for row in rows:
        one = verdicts.get(row["item"])
        row |= {"due": one is not None and one.is_due, "text": one.text if one else "destroyed"}
    total = sum(int(row["bytes"]) for row in rows)
    what = f"{len(rows)} item{'' if len(rows) == 1 else 's'}, {size_text(total)}"
    waiting = [row for row in rows if not row["due"]]
    if order is None and waiting:
        what = f"of {what}, {len(rows) - len(waiting)} are due and"
    text = table(("item", "objects", "sealed", "why"), cells) + "\n\n" + _what_next(order, what)
    entry.terminal.result({"items": rows, "order": order}, text if rows else "nothing is due")


def _would_go(house: "House", item: "ItemId") -> dict[str, Any]:
    objects = house.objects(item)
    return {"bytes": sum(one.sealed_bytes for one in objects), "item": item, "objects": len(objects)}


def _what_next(order: str | None, what: str) -> str:
    if order is None:
        return f"dry run: {what} would be destroyed; nothing was recorded. Next: the same with --order"
    return f"order {order}: {what}. Nothing is destroyed yet; another person: bwc dispose --confirm {order}"


def _list(entry: Entry) -> None:
    with entry.house(locked=True) as house:
        rows = house.orders()
        names = {row.key_id: row.name for row in house.operators()}
    cells = [
        (
            row.order,
            row.item,
            "private parts" if row.scope == "bodies" else "item",
            row.at[:10],
            names.get(row.actor) or row.actor[:12],
            row.state,
            (names.get(row.confirmed_by) or row.confirmed_by[:12]) if row.confirmed_by else "-",
            row.reason or "?",
        )
        for row in rows
    ]
    columns = ("order", "item", "what", "ordered", "by", "state", "confirmed by", "reason")
    entry.terminal.result({"orders": [row.to_json() for row in rows]}, table(columns, cells) or "no order was given")


def _destroy(entry: Entry, order: str | None, out: Path | None) -> None:
    with entry.house() as house:
        with entry.terminal.progress("destroy") as progress:
            if order is None:
                done = house.finish_destruction(again=True, progress=progress)
            else:
                done = house.confirm_order(order, progress=progress)
            stores = _in_further_stores(house) if done else []
        written = [path for name in dict.fromkeys(one.order for one in done) for path in _proofs(house, name, out)]
    lines = [_destroyed_text(one) for one in done] + stores
    lines += [*written] if out else [f"proof: bwc dispose --proof {one.order}" for one in done[:1]]
    entry.terminal.result(
        {"destroyed": [one.to_json() for one in done], "proofs": written},
        "\n".join(lines) or "nothing was left to finish",
    )


def _in_further_stores(house: "House") -> list[str]:
    """Destroy the copies too; a store that does not answer now is cleared by the next `bwc replicate`."""
    if not house.places.stores:
        return []
    try:
        done = house.replicate([], clear=True)
    except NotAllowed:
        return ["copies in further stores go with the next: bwc replicate"]
    return [
        f"store {one.store}: {counted(one.cleared, 'file')} destroyed there"
        + (f", {counted(one.locked, 'sealed object')} left there, unreadable, {_until(one)}" if one.locked else "")
        + (f"; {one.said}: bwc replicate, when it answers" if one.said else "")
        for one in done
    ]


def _until(one: "Replica") -> str:
    if one.locked_until is None:
        return "under a lock or a hold of the store"
    return f"under its lock until {one.locked_until:%Y-%m-%d %H:%M} UTC"


def _proofs(house: "House", order: str, out: Path | None) -> list[str]:
    return _write_proofs(house, order, out) if out else []


def _destroyed_text(one: "Destroyed") -> str:
    what = (
        f"{counted(one.objects, 'object')} and {counted(one.bodies, 'private part')}"
        if one.scope == "item"
        else counted(one.bodies, "private part")
    )
    left = f"; {counted(one.left, 'sealed object')} left under the store's lock, unreadable" if one.left else ""
    return f"{one.item}: {what} destroyed{left}"


def _write_proofs(house: "House", order: str, folder: Path) -> list[str]:
    from bwc.oversight.destruction import proof_of, proof_text

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for row in house.orders(order):
        if row.done_seq is None:
            raise UsageError(f"order {order} is {row.state} for {row.item}", "bwc dispose --finish")
        document = proof_of(house, row)
        path = folder / f"destruction-{order}-{row.item}"
        path.with_suffix(".json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        path.with_suffix(".txt").write_text(proof_text(document), encoding="utf-8")
        written += [str(path.with_suffix(".json")), str(path.with_suffix(".txt"))]
    return written
