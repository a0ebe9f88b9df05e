"""bwc key recovery: a fresh recovery key, one split over printed cards, and cards put together again."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from bwc.cli.entry import Entry, command
from bwc.cli.keychange import SUITES, recovery_from
from bwc.cli.terminal import counted
from bwc.errors import BwcError, UsageError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def recovery() -> None:
    """The key on paper that opens everything: make a new one, split it over three cards, put two together.

    \b
    Examples:
      bwc key recovery new --cards /media/usb/cards
      bwc key recovery combine one.txt other.txt --out recovery.txt
    """


@command(
    """
    bwc key recovery new --out /media/usb/recovery.txt
    bwc key recovery new --cards /media/usb/cards --suite p384
    """,
    name="new",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the key here instead of printing it.")
@click.option("--cards", type=click.Path(path_type=Path), help="Write three cards into this folder, and no whole key.")
@click.option(
    "--suite", type=click.Choice(["hybrid", "p384"]), default="hybrid", show_default=True, help="Kind of key."
)
@click.option(
    "--recovery-file", type=click.Path(path_type=Path), help="The old recovery key, when you cannot open footage."
)
def recovery_new(entry: Entry, *, out: Path | None, cards: Path | None, suite: str, recovery_file: Path | None) -> None:
    """Replace the vault's recovery key. All that is held is given to the new one and taken from the old one."""
    from bwc.identities import RecoveryKey

    if out and cards:
        raise UsageError("--out and --cards at once", "with --cards no whole key is written")
    text = RecoveryKey.generate(SUITES[suite])
    # On paper before anything is sealed to it: a key that nobody has would be worse than the old one
    written = _write_cards(text, cards, _agency(entry)) if cards else [_write(out, text + "\n")] if out else []
    with entry.house() as house:
        count = house.replace_recovery(RecoveryKey.parse(text).recipient, recovery=recovery_from(recovery_file))
    data = {
        "envelopes_rewrapped": count,
        "files": [str(one) for one in written],
        "recovery_key": None if written else text,
    }
    where = "\n".join(map(str, written)) or text
    entry.terminal.result(
        data,
        f"{where}\nnew recovery key, {counted(count, 'envelope')} rewrapped; print it, lock it away, destroy old papers",
    )


@command(
    """
    bwc key recovery split recovery.txt --cards /media/usb/cards
    bwc key recovery split recovery.txt --cards cards --needed 3 --of 5
    """,
    name="split",
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--cards", required=True, type=click.Path(path_type=Path), help="The folder for the cards.")
@click.option("--needed", default=2, show_default=True, help="How many cards give the key back.")
@click.option("--of", "count", default=3, show_default=True, help="How many cards are made.")
def recovery_split(entry: Entry, file: Path, *, cards: Path, needed: int, count: int) -> None:
    """Split the recovery key in FILE over cards to print. The key stays the same; destroy FILE afterwards."""
    text = file.read_text(encoding="utf-8").strip()
    written = _write_cards(text, cards, _agency(entry), needed=needed, count=count)
    entry.terminal.result(
        {"files": [str(one) for one in written], "needed": needed},
        "\n".join(map(str, written)) + f"\nany {needed} of these give the key; print them, erase them, destroy {file}",
    )


@command(
    """
    bwc key recovery combine one.txt other.txt --out recovery.txt
    bwc key recovery combine card-1.txt card-3.txt --json
    """,
    name="combine",
)
@click.argument("cards", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), help="Write the key here instead of printing it.")
def recovery_combine(entry: Entry, cards: tuple[Path, ...], *, out: Path | None) -> None:
    """Put the CARDS together: the recovery key, for --recovery-file of the commands that take one."""
    from bwc import shares

    text = shares.combine([shares.words_of(one.read_text(encoding="utf-8")) for one in cards])
    if out:
        _write(out, text + "\n")
    entry.terminal.result(
        {"file": str(out) if out else None, "recovery_key": None if out else text}, str(out) if out else text
    )


def _agency(entry: Entry) -> str:
    """Whose card it is; a card can be made without the vault at hand."""
    with suppress(BwcError), entry.house(locked=True) as house:
        return f"{house.agency} ({house.log_origin})"
    return "of a vault of bwc"


def _write_cards(text: str, folder: Path, of: str, *, needed: int = 2, count: int = 3) -> list[Path]:
    from bwc import shares

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return [
        _write(
            folder / f"card-{number}.txt",
            shares.card_text(words, number=number, cards=count, needed=needed, of=of, made_on=today),
        )
        for number, words in enumerate(shares.split(text, needed=needed, cards=count), 1)
    ]


def _write(path: Path, text: str) -> Path:
    if path.exists():
        raise UsageError(f"{path} exists", "name another place: nothing secret is ever overwritten")
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


for _one in (recovery_new, recovery_split, recovery_combine):
    recovery.add_command(_one)
