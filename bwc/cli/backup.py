"""bwc backup and restore: a whole vault in a folder, and back."""

from pathlib import Path

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import counted, size_text
from bwc.config import seen_dir, store_at


@command(
    """
    bwc backup /mnt/backup/springfield
    bwc backup /media/usb/vault --json
    """
)
@click.argument("folder", type=click.Path(path_type=Path))
def backup(entry: Entry, folder: Path) -> None:
    """Bring the backup in FOLDER up to date: log, keys, everything sealed (administrator). Recorded.

    What is there already is not copied again; what is copied is read back and compared. The backup holds no names in
    the clear and can be verified as it is: bwc verify FOLDER. What was destroyed here is destroyed there.
    """
    from bwc.custody.backup import back_up

    with entry.house() as house, entry.terminal.progress("backup") as progress:
        done = back_up(house, folder.expanduser().resolve(), progress=progress)
    text = (
        f"{folder}: {counted(done.entries, 'entry', 'entries')}, {counted(done.objects, 'object')};"
        f" {done.copied} copied now ({size_text(done.copied_bytes)}); {len(done.damaged)} damaged"
    )
    entry.terminal.result(done.to_json(), text)
    done.raise_if_damaged()


def _live(entry: Entry) -> Path | None:
    from bwc.config import find_vault
    from bwc.errors import NoVault

    try:
        return find_vault(entry.vault).vault
    except NoVault:
        return None


@command(
    """
    bwc restore /mnt/backup/springfield /srv/evidence
    bwc restore s3://springfield-evidence/bwc /srv/evidence --region us-east-1
    bwc restore /mnt/nas/evidence /srv/evidence --lost "disk of 2026-11-28 died, last copy of the night before"
    """
)
@click.argument("source", metavar="FOLDER|s3://…")
@click.argument("folder", metavar="NEW_VAULT", type=click.Path(path_type=Path))
@click.option(
    "--lost", metavar="REASON", default="", help="Go on although newer entries are known; recorded with them."
)
@click.option("--takeover", is_flag=True, help="The vault that is in use here is gone; this one takes its place.")
@click.option("--endpoint", help="Of a bucket that is not at AWS.")
@click.option("--region", help="Of the bucket.")
@click.option("--profile", help="Of your AWS configuration.")
def restore(
    entry: Entry,
    source: str,
    folder: Path,
    *,
    lost: str,
    takeover: bool,
    endpoint: str | None,
    region: str | None,
    profile: str | None,
) -> None:
    """Make NEW_VAULT from a backup or a further store, prove every object, and record it (administrator).

    A copy that is older than what this computer signed or saw of its log is refused (5): going on from it would be a
    second history. The catalog is made from the log; names come back as far as your key opens them. Refused (7) while
    the vault in use (--vault, BWC_VAULT, bwc.toml) is of the same log: nothing could be recorded in that one any more.
    """
    from bwc.custody.backup import restore as make_again

    place = store_at(source, endpoint=endpoint, region=region, profile=profile)
    with entry.terminal.progress("restore") as progress:
        done = make_again(
            place,
            folder.expanduser().resolve(),
            entry.person(),
            seen=seen_dir(),
            lost=lost,
            live=None if takeover else _live(entry),
            progress=progress,
        )
    text = f"{folder}: {counted(done.entries, 'entry', 'entries')}, {counted(done.objects, 'object')}, {len(done.damaged)} damaged or missing"
    if done.destroyed:
        text += f"; {counted(done.destroyed, 'item')} destroyed by order before, of which only the entries are left"
    if done.bodies_closed:
        text += f"; {counted(done.bodies_closed, 'private body', 'private bodies')} closed to your key"
    entry.terminal.result(
        done.to_json(), f"{text}\nnext: bwc verify --vault {folder}; then name it in bwc.toml, with its [stores] again"
    )
    done.raise_if_damaged()
