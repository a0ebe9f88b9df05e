"""bwc export, bwc import: recordings with their custody, from agency to agency."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bwc.cli.entry import Entry, command
from bwc.config import seen_dir, user_config_dir

if TYPE_CHECKING:
    from bwc.verifier.exported import Export


@command(
    """
    bwc export 2026-1122-K4J7QX --bag bag --to "Shelbyville PD" --reason "joint case 26-1182"
    bwc export 2026-1122-K4J7QX --bag copy.tar.age --age age1… --to "defence counsel" --reason "discovery"
    """
)
@click.argument("items", metavar="ITEM...", nargs=-1, required=True)
@click.option(
    "--bag", type=click.Path(path_type=Path), required=True, help="The folder to write; with --age, the file."
)
@click.option("--to", required=True, metavar="NAME", help="Who receives it; kept in the private body of the event.")
@click.option("--reason", required=True, help="Why; kept in the private body of the event.")
@click.option(
    "--age", multiple=True, metavar="RECIPIENT", help="Seal it to this age key instead; may be given several times."
)
def export(entry: Entry, items: tuple[str, ...], *, bag: Path, to: str, reason: str, age: tuple[str, ...]) -> None:
    """Hand ITEMs over: originals, sidecars and their whole chain of custody, as a BagIt bag.

    Originals leave in the clear, unless --age is given. The export is an event of each item before a byte leaves.
    """
    from bwc.release.export import export as hand_over

    with entry.house() as house, entry.terminal.progress("export") as progress:
        found = [house.find(item) for item in items]
        done = hand_over(house, found, bag, reason=reason, to=to, age=age, progress=progress)
    how = f"sealed to {len(done.sealed_to)} age key(s)" if done.sealed_to else "in the clear"
    lines = [f"{done.target}: {done.files} files, {done.size_bytes:,} bytes, {how}", f"bag        {done.bag_sha256}"]
    lines += [f"tell the receiver, by another way, our key: {done.vkey}"]
    entry.terminal.result(done.to_json(), "\n".join(lines))


@command(
    """
    bwc import bag --key 'springfield-pd/f2114e1c+ac2373e0+Aa7X…'
    bwc import bag --case 26-77 --category assault
    """,
    name="import",
)
@click.argument("bag", type=click.Path(path_type=Path))
@click.option(
    "--key", metavar="VKEY", help="The other agency's key, had by another way; else a pinned one is looked for."
)
@click.option("--officer", metavar="ID", help="Instead of the officer that the bag tells.")
@click.option("--camera", metavar="ID", help="Instead of the camera that the bag tells.")
@click.option("--case", "cases", multiple=True, metavar="NUMBER", help="Our case number; may be given several times.")
@click.option("--category", help="Our category.")
def import_(
    entry: Entry,
    bag: Path,
    *,
    key: str | None,
    officer: str | None,
    camera: str | None,
    cases: tuple[str, ...],
    category: str | None,
) -> None:
    """Take in the BAG another agency handed over; its chain of custody is verified and kept with the recordings.

    A bag that is damaged, or whose custody does not verify, is refused (5) and nothing of it is taken. Bags without
    custody of ours are taken in too, with --officer and --camera.
    """
    from bwc.anchors.pins import FILE_NAME, load_pins, typed_key
    from bwc.anchors.seen import Seen
    from bwc.ingest.importing import Said, import_bag

    said = Said(officer=officer, camera=camera, case_ids=cases, category=category)
    given = typed_key(key) if key else None
    pins = load_pins(user_config_dir() / FILE_NAME)
    with entry.house() as house, entry.terminal.progress("import") as progress:
        done = import_bag(
            house,
            bag,
            said,
            key=given,
            pins=pins,
            known=lambda origin: Seen(seen_dir(), origin).chain(),
            look=_compare_with_seen,
            progress=progress,
        )
    entry.terminal.result(done.to_json(), done.text())
    done.raise_if_incomplete()


def _compare_with_seen(export: "Export") -> None:
    """What the other agency signs must go with what we saw of its log before; from now on this is seen too."""
    from bwc.anchors.seen import as_error, look_at_notes

    if export.tied_to:
        for evidence in look_at_notes(export.checkpoints, export.key, seen_dir(), save=True):
            raise as_error(evidence)
