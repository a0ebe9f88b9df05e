"""bwc stores and replicate: where further copies are kept, and bringing them up to date."""

from typing import TYPE_CHECKING

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import counted, size_text, table
from bwc.errors import BwcError, UsageError

if TYPE_CHECKING:
    from bwc.config import StorePlace
    from bwc.custody.house import House
    from bwc.custody.replica import Replica

_NONE = "no further store is named: see [stores] in docs/administrator.md"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def stores() -> None:
    """Further copies of everything sealed: folders and S3 buckets named in bwc.toml.

    \b
    Examples:
      bwc stores list
      bwc stores add cloud
    """


@command(
    """
    bwc stores list
    bwc stores list --json
    """,
    name="list",
)
def stores_list(entry: Entry) -> None:
    """The stores: whether each answers, what it holds by the log, what is still to be copied. Needs no key."""
    with entry.house(locked=True) as house:
        data = [_state(house, place) for place in house.places.stores]
        wanted = house.policy.copies
    shown = ("name", "place", "lock", "copied", "pending")
    rows = [(*("-" if one[key] is None else one[key] for key in shown), one["problem"] or "ok") for one in data]
    text = table(("store", "where", "lock", "objects", "to copy", "state"), rows) or _NONE
    entry.terminal.result(
        {"copies_wanted": wanted, "stores": data}, f"{text}\nthe policy asks for {counted(wanted, 'copy', 'copies')}"
    )


@command(
    """
    bwc stores add nas
    bwc stores add cloud
    """,
    name="add",
)
@click.argument("name")
def stores_add(entry: Entry, name: str) -> None:
    """Make the place named NAME in bwc.toml a store of this vault (administrator). A mark is written there.

    A bucket is checked first: it must be able to lock if that is asked, and must not lock everything by default.
    """
    with entry.house() as house:
        found = house.add_store(name)
    data = {"name": name, "place": found.place.text, "store": found.store_id}
    entry.terminal.result(data, f"{name}: {found.place.text} is store {found.store_id[:8]}; next: bwc replicate")


@command(
    """
    bwc replicate
    bwc replicate --store cloud --again
    bwc replicate --again --repair
    """
)
@click.argument("items", nargs=-1, metavar="[ITEM…]")
@click.option("--store", metavar="NAME", help="Only this store.")
@click.option("--again", is_flag=True, help="Prove also what was copied before.")
@click.option("--repair", is_flag=True, help="Move a damaged copy aside and make it anew from the vault.")
def replicate(entry: Entry, items: tuple[str, ...], *, store: str | None, again: bool, repair: bool) -> None:
    """Copy what the stores still lack, prove it there and record it; destroy there what was destroyed here.

    Where a store locks, locks are made as long as the schedule asks, and legal holds set and taken off.
    Run it every night, or after a store was away. Finished parts of an upload are not sent again.
    """
    from bwc.custody.replica import raise_unless_whole

    with entry.house() as house:
        if store is not None:
            house.place_of(store)
        if not house.places.stores:
            raise UsageError("bwc.toml names no further store", "see [stores] in docs/administrator.md")
        wanted = [house.find(text) for text in items] or None
        with entry.terminal.progress("replicate") as progress:
            done = house.replicate(wanted, only=store, again=again or repair, repair=repair, progress=progress)
    entry.terminal.result({"stores": [one.to_json() for one in done]}, "\n".join(map(_line, done)))
    raise_unless_whole(done)


def repair_vault(entry: Entry, source: str) -> None:
    """`bwc verify --repair-from`: compare every object of the vault with the log, put back what is not right."""
    from bwc.custody.mending import mend

    with entry.house() as house, entry.terminal.progress("repair") as progress:
        done = mend(house, source, progress=progress)
    lines = [f"put back: {one}" for one in done.repaired]
    lines += [f"still damaged: {one.message}" for one in done.open]
    lines += [
        f"{counted(done.checked, 'object')} compared with the log, {counted(len(done.repaired), 'file')} put back from {source}"
    ]
    entry.terminal.result(done.to_json(), "\n".join(lines))
    if done.open:
        details: list[dict[str, object]] = [{"error": one.name, "message": one.message} for one in done.open]
        raise type(done.open[0])(done.open[0].message, "another store or backup may have it", details=details)


def _line(one: "Replica") -> str:
    parts = [f"{counted(one.copied, 'object')} copied ({size_text(one.copied_bytes)})"]
    parts += [f"{one.proven} proven again"] if one.proven else []
    parts += [f"{one.cleared} destroyed there"] if one.cleared else []
    parts += [_kept_text(one)] if one.locked else []
    parts += [f"{counted(one.locks.extended, 'lock')} made longer"] if one.locks.extended else []
    parts += [f"legal hold set on {counted(one.locks.held, 'file')}"] if one.locks.held else []
    parts += [f"legal hold taken off {counted(one.locks.lifted, 'file')}"] if one.locks.lifted else []
    parts += (
        [f"{counted(one.locks.foreign, 'file')} under a hold that was set there by others"] if one.locks.foreign else []
    )
    parts += [one.said] if one.said else []
    return f"{one.store}: " + ", ".join(parts)


def _kept_text(one: "Replica") -> str:
    end = f" until {one.locked_until:%Y-%m-%d %H:%M} UTC" if one.locked_until else ""
    return f"{counted(one.locked, 'destroyed object')} kept by a lock{end}, unreadable"


def _state(house: "House", place: "StorePlace") -> dict[str, object]:
    problem: str | None = None
    found = None
    try:
        found = house.open_store(place)
    except BwcError as error:
        problem = error.message + (f"  →  {error.hint}" if error.hint else "")
    row = next((row for row in house.stores() if found and row.store_id == found.store_id), None)
    return {
        "copied": row.copied if row else None,
        "lock": place.lock,
        "name": place.name,
        "pending": row.pending if row else None,
        "place": place.text,
        "problem": problem,
        "store": row.store_id if row else None,
    }


stores.add_command(stores_list)
stores.add_command(stores_add)
