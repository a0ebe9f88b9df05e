"""bwc ingest: a card's recordings into custody, with a receipt."""

from pathlib import Path

import click

from bwc.cli.entry import Entry, command
from bwc.errors import NotFound


@command(
    """
    bwc ingest /media/card --officer B1234 --camera X81234 --case 26-1182 --category traffic
    bwc ingest clip.mp4 --officer B1234 --camera X81234 --receipt receipt.txt
    """
)
@click.argument("card", type=click.Path(path_type=Path))
@click.option("--officer", required=True, metavar="ID", help="Badge or pseudonym of the wearer.")
@click.option("--camera", required=True, metavar="ID", help="The camera's serial or asset number.")
@click.option("--case", "cases", multiple=True, metavar="NUMBER", help="Case number; may be given several times.")
@click.option("--category", default="uncategorised", show_default=True, help="Decides how long it is kept.")
@click.option(
    "--receipt", type=click.Path(path_type=Path), help="Also write the receipt to this file (.json for JSON)."
)
def ingest(
    entry: Entry, card: Path, *, officer: str, camera: str, cases: tuple[str, ...], category: str, receipt: Path | None
) -> None:
    """Take in every file on CARD (a folder or one file): hash, seal, prove on the device, record.

    The card is only read. "Safe to wipe" is said when every file was read back from the vault's device and
    compared, the checkpoint that holds its event is published, and the policy's number of copies is proven.
    """
    import json

    from bwc.ingest.intake import take_in

    if not card.exists():
        raise NotFound(f"{card} does not exist", "name the folder where the card is mounted")
    terminal = entry.terminal
    with entry.house() as house, terminal.progress("ingest") as progress:
        done = take_in(
            house, card, officer=officer, camera=camera, case_ids=cases, category=category, progress=progress
        )
    if receipt:
        text = json.dumps(done.to_json(), indent=2) if receipt.suffix == ".json" else done.text()
        receipt.write_text(text + "\n", encoding="utf-8")
    terminal.result(done.to_json(), done.text())
    done.raise_if_incomplete()
