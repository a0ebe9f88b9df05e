"""bwc ingest: cards' recordings into custody, with a receipt for each."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bwc.cli.entry import Entry, command
from bwc.errors import UsageError

if TYPE_CHECKING:
    from bwc.ingest.docks import Done, Order
    from bwc.ingest.tags import Rules, Tags


@command(
    """
    bwc ingest /media/card --officer B1234 --camera X81234 --case 26-1182 --category traffic
    bwc ingest clip.mp4 --officer B1234 --camera X81234 --receipt receipt.txt
    bwc ingest --watch /srv/docks --layout "{camera}_{officer}" --receipt /srv/receipts/
    bwc ingest /media/a /media/b --officer B1234 --officer B1235 --camera X81234 --camera X81235 --receipt receipts/
    """
)
@click.argument("cards", metavar="[CARD]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--officer", "officers", multiple=True, metavar="ID", help="Badge or pseudonym of the wearer.")
@click.option("--camera", "cameras", multiple=True, metavar="ID", help="The camera's serial or asset number.")
@click.option("--case", "cases", multiple=True, metavar="NUMBER", help="Case number; may be given several times.")
@click.option("--category", default="uncategorised", show_default=True, help="Decides how long it is kept.")
@click.option("--clock-offset", metavar="TIME", help="How far the camera's clock is ahead: +90, -1.5s, +00:01:30.")
@click.option("--clock-shows", metavar="TIME", help="What the camera's clock shows at this moment, instead.")
@click.option("--map", "map_file", type=click.Path(path_type=Path), help="What sidecars call things (docs/sources.md).")
@click.option(
    "--source", "named", multiple=True, metavar="NAME", help="Whose names and folders these are; else all are tried."
)
@click.option(
    "--watch",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Take in every folder that appears in DIR, until stopped; --receipt is a folder then.",
)
@click.option(
    "--layout", metavar="PATTERN", help="With --watch: how a folder's name tells its tags: {camera}_{officer}."
)
@click.option(
    "--settle",
    type=click.FloatRange(0.1, 3600),
    default=10.0,
    show_default=True,
    help="With --watch: seconds without change.",
)
@click.option("--receipt", metavar="PATH", help="Also write it there: a file (.json for JSON), or a folder.")
def ingest(
    entry: Entry,
    cards: tuple[Path, ...],
    *,
    officers: tuple[str, ...],
    cameras: tuple[str, ...],
    cases: tuple[str, ...],
    category: str,
    clock_offset: str | None,
    clock_shows: str | None,
    map_file: Path | None,
    named: tuple[str, ...],
    watch: Path | None,
    layout: str | None,
    settle: float,
    receipt: str | None,
) -> None:
    """Take in every file on each CARD (a folder or one file): hash, seal, prove on the device, record.

    A card is only read. "Safe to wipe" is said when every file was read back from the vault's device and
    compared, the checkpoint that holds its event is published, and the policy's number of copies is proven.
    Of several cards each has its reader and its receipt; --officer and --camera are given once, or once for each card.
    """
    from bwc.ingest.clock import offset_now, parse_offset
    from bwc.ingest.docks import Order, raise_worst, take_in_all
    from bwc.ingest.sidecar_map import NOTHING, load_map
    from bwc.ingest.sources import find_sources
    from bwc.ingest.tags import Rules, Tags

    if clock_offset and clock_shows:
        raise UsageError("the clock's offset is given twice", "--clock-offset or --clock-shows")
    offset = parse_offset(clock_offset) if clock_offset else None
    if clock_shows:
        offset = offset_now(clock_shows, datetime.now(UTC))
    rules = Rules(sources=find_sources(named), known=load_map(map_file) if map_file else NOTHING)
    if watch:
        tags = Tags(officer="", camera="", case_ids=cases, category=category, clock_offset_ms=offset)
        _watch(
            entry,
            watch,
            cards=cards,
            officers=officers,
            cameras=cameras,
            layout=layout,
            settle=settle,
            receipt=receipt,
            tags=tags,
            rules=rules,
        )
        return
    if not cards:
        raise UsageError("no card is named", "bwc ingest /media/card --officer ID --camera ID")
    each_officer, each_camera = _each("officer", officers, cards), _each("camera", cameras, cards)
    orders = [
        Order(
            card=card,
            tags=Tags(officer=officer, camera=camera, case_ids=cases, category=category, clock_offset_ms=offset),
            rules=rules,
        )
        for card, officer, camera in zip(cards, each_officer, each_camera, strict=True)
    ]
    folder = _receipt_folder(receipt, orders)
    with entry.terminal.progress("ingest") as progress:
        done = take_in_all(orders, entry.door(), progress=progress)
    _tell(entry, done, receipt, folder)
    raise_worst(done)


def _watch(
    entry: Entry,
    folder: Path,
    *,
    cards: Sequence[Path],
    officers: Sequence[str],
    cameras: Sequence[str],
    layout: str | None,
    settle: float,
    receipt: str | None,
    tags: "Tags",
    rules: "Rules",
) -> None:
    from bwc.cli.watching import watch_folder
    from bwc.ingest.watch import tags_by_layout

    if cards or len(officers) > 1 or len(cameras) > 1:
        raise UsageError("--watch takes one folder, and one officer and camera at most", "bwc ingest --help")
    if not receipt:
        raise UsageError("a watch needs a folder for its receipts", "--receipt DIR")
    given = {name: values[0] for name, values in (("officer", officers), ("camera", cameras)) if values}
    watch_folder(
        entry, folder, Path(receipt), tags_for=tags_by_layout(layout, given, tags), rules=rules, settle_s=settle
    )


def _each(name: str, given: Sequence[str], cards: Sequence[Path]) -> Sequence[str]:
    """One value for each card: given once for all, or once for each."""
    if len(given) == 1:
        return tuple(given) * len(cards)
    if len(given) != len(cards):
        many = "is missing" if not given else f"is given {len(given)} times for {len(cards)} cards"
        raise UsageError(f"--{name} {many}", f"give --{name} once, or once for each card in their order")
    return given


def _receipt_folder(receipt: str | None, orders: "Sequence[Order]") -> Path | None:
    """The folder for receipts, when they are to go into one."""
    if receipt is None:
        return None
    path = Path(receipt)
    if path.is_dir() or receipt.endswith("/") or len(orders) > 1:
        if path.exists() and not path.is_dir():
            raise UsageError(f"{receipt} is a file", "several cards need a folder: --receipt receipts/")
        return path
    return None


def _tell(entry: Entry, done: "Sequence[Done]", receipt: str | None, folder: Path | None) -> None:
    """Write the receipts and print them."""
    from bwc.ingest.receipt_file import file_receipt, write_receipt

    receipts = [one.receipt for one in done if one.receipt]
    for one in receipts:
        if folder:
            entry.terminal.say(f"receipt: {file_receipt(folder, one)}")
        elif receipt:
            entry.terminal.say(f"receipt: {write_receipt(Path(receipt), one)}")
    text = "\n\n".join([one.text() for one in receipts])
    if len(done) == 1:
        if receipts:
            entry.terminal.result(receipts[0].to_json(), text)
        return
    lines = [f"{one.order.card}: {'SAFE TO WIPE' if one.is_safe else 'NOT SAFE: keep the card'}" for one in done]
    lines += [f"{one.order.card}: {one.error.message}" for one in done if one.error]
    entry.terminal.result(
        {
            "cards": [one.to_json() for one in receipts],
            "failed": [{"card": str(one.order.card), "error": one.error.name} for one in done if one.error],
            "safe_to_wipe": all(one.is_safe for one in done),
        },
        "\n".join([text, "", *lines]),
    )
