"""bwc retain, case and hold: how long things are kept, and what keeps them longer."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import counted, table
from bwc.errors import NotFound, PartlyDone, UsageError

if TYPE_CHECKING:
    from bwc.custody.house import House
    from bwc.custody.replica import Replica
    from bwc.evidence import ItemId
    from bwc.storage.retention import Schedule

_GROUP = {"help_option_names": ["-h", "--help"]}


@click.group(context_settings=_GROUP)
def retain() -> None:
    """How long things are kept, by category. The schedule is a signed entry of the log.

    \b
    Examples:
      bwc retain set schedule.toml
      bwc retain due
    """


@command(
    """
    bwc retain show
    bwc retain show --json
    """,
    name="show",
)
def retain_show(entry: Entry) -> None:
    """The schedule in force. Needs no key."""
    with entry.house(locked=True) as house:
        schedule = house.schedule()
    entry.terminal.result(
        {"schedule": None if schedule is None else schedule.to_json()},
        _schedule_text(schedule) if schedule else "no schedule is set: everything is kept (bwc retain set FILE)",
    )


@command(
    """
    bwc retain set docs/examples/retention.toml
    bwc retain set schedule.toml --dry-run
    """,
    name="set",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only read FILE and say what would become due.")
def retain_set(entry: Entry, file: Path, *, dry_run: bool) -> None:
    """Put the schedule in FILE into force (administrator). FILE is TOML: grace_days, and a table [keep]."""
    import tomllib

    from bwc.storage.retention import Schedule

    if not file.is_file():
        raise NotFound(f"{file} does not exist", "see docs/examples/retention.toml")
    try:
        schedule = Schedule.parse(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not TOML: {error}", "see docs/examples/retention.toml") from error
    with entry.house(locked=dry_run) as house:
        if not dry_run:
            house.set_schedule(schedule)
        due = [one.item for one in house.verdicts(schedule=schedule) if one.is_due]
    said = f"{len(due)} items are due under it" + ("; nothing was recorded" if dry_run else "")
    entry.terminal.result(
        {"due": list(due), "recorded": not dry_run, "schedule": schedule.to_json()},
        f"{_schedule_text(schedule)}\n\n{said}",
    )


@command(
    """
    bwc retain due
    bwc retain due --all --json
    """,
    name="due",
)
@click.option("--all", "everything", is_flag=True, help="Every item, with what keeps it and until when.")
def retain_due(entry: Entry, *, everything: bool) -> None:
    """What is due for destruction today; with --all also what is not, and why. Needs no key."""
    with entry.house(locked=True) as house:
        found = house.verdicts()
        rows = {row.item_id: row for row in house.items()}
    kept = len([one for one in found if not one.is_due])
    shown = [one for one in found if everything or one.is_due]
    cells = [
        (one.item, rows[one.item].category or "-", ",".join(rows[one.item].case_ids) or "-", one.why.value, one.text)
        for one in shown
    ]
    due = len(found) - kept
    text = table(("item", "category", "case", "", "why"), cells)
    said = f"{due} due, {kept} kept" + (": bwc dispose --due" if due else "")
    said += "" if everything or not kept else "; until when, and by what: bwc retain due --all"
    entry.terminal.result(
        {
            "due": due,
            "items": [
                {
                    "due": one.is_due,
                    "due_at": None if one.due_at is None else one.due_at.isoformat(),
                    "item": one.item,
                    "text": one.text,
                    "why": one.why.value,
                }
                for one in shown
            ],
            "kept": kept,
        },
        f"{text}\n\n{said}" if text else said,
    )


@click.group(context_settings=_GROUP)
def case() -> None:
    """Cases. A case counts as open from the first item that names it until somebody closes it.

    \b
    Examples:
      bwc case close 26-1182 --note "pleaded, sentence final"
      bwc case list
    """


@command(
    """
    bwc case open 26-1182
    bwc case open 26-1182 --note "appeal filed"
    """,
    name="open",
)
@click.argument("number")
@click.option("--note", default="", help="Why; kept in the private body of the event.")
def case_open(entry: Entry, number: str, *, note: str) -> None:
    """Open case NUMBER (again): what names it is kept."""
    with entry.house() as house:
        house.open_case(number, note=note)
        items = house.items_of_case(number)
    entry.terminal.result(
        {"case": number, "items": list(items), "open": True}, f"case {number} is open: {_many(items)}"
    )


@command(
    """
    bwc case close 26-1182 --note "pleaded, sentence final"
    bwc case close 26-1183 --json
    """,
    name="close",
)
@click.argument("number")
@click.option("--note", default="", help="How it ended; kept in the private body of the event.")
def case_close(entry: Entry, number: str, *, note: str) -> None:
    """Close case NUMBER: it no longer keeps what names it. Terms that count from disposition begin now."""
    with entry.house() as house:
        house.close_case(number, note=note)
        items = house.items_of_case(number)
    entry.terminal.result(
        {"case": number, "items": list(items), "open": False}, f"case {number} is closed: {_many(items)}"
    )


@command(
    """
    bwc case list
    bwc case list --json
    """,
    name="list",
)
def case_list(entry: Entry) -> None:
    """Every case that an item names or that was opened, and whether it is open. Needs no key."""
    with entry.house(locked=True) as house:
        named, said = house.cases_named(), house.cases()
    last = {(row.case or "?").casefold(): row for row in said}
    names = {name.casefold(): name for name in [*(row.case or "?" for row in said), *named]}
    counts = {name.casefold(): count for name, count in named.items()}
    data = [
        {
            "case": name,
            "items": counts.get(folded, 0),
            "open": folded not in last or last[folded].is_open,
            "since": last[folded].at if folded in last else None,
        }
        for folded, name in sorted(names.items())
    ]
    cells = [(one["case"], "open" if one["open"] else "closed", one["items"], one["since"] or "-") for one in data]
    entry.terminal.result({"cases": data}, table(("case", "state", "items", "since"), cells) or "no case is named")


@click.group(context_settings=_GROUP)
def hold() -> None:
    """Legal holds. A hold wins over every schedule and every order until it is lifted.

    \b
    Examples:
      bwc hold place 2026-1122-K4J7QX --reason "Doe v. City, preservation letter of 3 May"
      bwc hold list
    """


@command(
    """
    bwc hold place 2026-1122-K4J7QX --reason "Doe v. City, preservation letter"
    bwc hold place --case 26-1182 --reason "internal affairs 26-07"
    """,
    name="place",
)
@click.argument("items", nargs=-1, metavar="[ITEM]...")
@click.option("--case", "cases", multiple=True, help="Everything that names this case, now or later.")
@click.option("--reason", required=True, help="Why; kept in the private body of the event.")
def hold_place(entry: Entry, items: tuple[str, ...], *, cases: tuple[str, ...], reason: str) -> None:
    """Forbid the destruction of ITEMs or of whatever names a case; stores that lock are told at once.

    Exit 3: it is in force, but a store did not answer; the next bwc replicate tells it.
    """
    if not items and not cases:
        raise UsageError("a hold on what", "bwc hold place ITEM --reason …, or --case NUMBER")
    with entry.house() as house:
        found = [house.find(one) for one in items]
        name = house.place_hold(found, cases, reason=reason)
        covered = house.held_by(name)
        stores = _hold_in_stores(house, covered)
    said = f"{name} is in force on {_many(covered)}" + (f" and case {', '.join(cases)}" if cases else "")
    entry.terminal.result(
        {"cases": list(cases), "hold": name, "items": list(covered), "stores": [one.to_json() for one in stores]},
        "\n".join([said, *map(_store_line, stores)]),
    )
    _raise_of_stores(stores, f"{name} is in force; it is not yet set in every store")


@command(
    """
    bwc hold lift H-4K7QXA --reason "settled, letter of 9 June"
    bwc hold lift H-4K7QXA --reason settled --json
    """,
    name="lift",
)
@click.argument("name", metavar="HOLD")
@click.option("--reason", required=True, help="Why; kept in the private body of the event.")
def hold_lift(entry: Entry, name: str, *, reason: str) -> None:
    """Lift HOLD wherever it is in force (administrator). Grace begins anew.

    Stores that lock are told at once, unless another hold is on the item. Exit 3: one did not answer; bwc replicate.
    """
    with entry.house() as house:
        count = house.lift_hold(name.upper(), reason=reason)
        stores = _hold_in_stores(house, house.held_by(name.upper()))
    entry.terminal.result(
        {"hold": name.upper(), "lifted": count, "stores": [one.to_json() for one in stores]},
        "\n".join([f"{name.upper()} is lifted", *map(_store_line, stores)]),
    )
    _raise_of_stores(stores, f"{name.upper()} is lifted; it is not yet taken off in every store")


@command(
    """
    bwc hold list
    bwc hold list --all --json
    """,
    name="list",
)
@click.option("--all", "everything", is_flag=True, help="Lifted ones too.")
def hold_list(entry: Entry, *, everything: bool) -> None:
    """The holds in force: on what, since when, why. Needs no key."""
    with entry.house(locked=True) as house:
        rows = [row for row in house.holds() if everything or row.lifted_seq is None]
        names = {row.key_id: row.name for row in house.operators()}
    cells = [
        (
            row.hold,
            row.item or f"case {row.case or '?'}",
            row.at[:10],
            names.get(row.actor) or row.actor[:12],
            row.reason or "?",
            f"lifted {row.lifted_at[:10]}" if row.lifted_at else "in force",
        )
        for row in rows
    ]
    entry.terminal.result(
        {"holds": [row.to_json() for row in rows]},
        table(("hold", "on", "since", "by", "reason", "state"), cells) or "no hold is in force",
    )


def _hold_in_stores(house: "House", items: "Sequence[ItemId]") -> "Sequence[Replica]":
    """Tell every store that locks, what was recorded being published first: it stands whatever becomes of them."""
    house.publish()
    return house.bring_locks(items)


def _store_line(one: "Replica") -> str:
    if one.problem is not None:
        return f"store {one.store}: not done: {one.problem.message}"
    changed = [f"set on {counted(one.locks.held, 'file')}"] if one.locks.held else []
    changed += [f"taken off {counted(one.locks.lifted, 'file')}"] if one.locks.lifted else []
    return f"store {one.store}: legal hold {', '.join(changed) or 'needed no change'}"


def _raise_of_stores(stores: "Sequence[Replica]", what: str) -> None:
    details = [{"store": one.store, "problem": one.problem.message} for one in stores if one.problem is not None]
    if details:
        raise PartlyDone(what, "bwc replicate, when the store answers", details=details)


def _schedule_text(schedule: "Schedule") -> str:
    rows = [(name, term.text()) for name, term in schedule.terms.items()]
    return table(("category", "kept"), rows) + f"\n\nand {schedule.grace_days} days of grace"


def _many(items: "Sequence[object]") -> str:
    count = len(items)
    return f"{count} item{'' if count == 1 else 's'}"


retain.add_command(retain_show)
retain.add_command(retain_set)
retain.add_command(retain_due)
case.add_command(case_open)
case.add_command(case_close)
case.add_command(case_list)
hold.add_command(hold_place)
hold.add_command(hold_lift)
hold.add_command(hold_list)
