"""bwc open: an original, its redacted copy or a sidecar on its way out of the vault."""

import os
import shutil
from pathlib import Path

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import counted, size_text
from bwc.cli.versions import version_option
from bwc.errors import UsageError


@command(
    """
    bwc open 2026-1122-K4J7QX -o copy.mp4 --reason "discovery, case 26-1182"
    bwc open 2026-1122-K4J7QX --copy -o draft.mp4 --reason "watched before approval"
    """,
    name="open",
)
@click.argument("item")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--reason", required=True, help="Why; kept in the private body of the event.")
@click.option("--segment", type=int, default=0, show_default=True, help="Which file of the item.")
@click.option("--copy", "redacted", is_flag=True, help="The redacted copy, to watch before it is approved.")
@click.option("--sidecar", metavar="NAME", help="A sidecar file that lay beside the recording.")
@version_option
def open_item(
    entry: Entry,
    item: str,
    *,
    out: Path,
    reason: str,
    segment: int,
    redacted: bool,
    sidecar: str | None,
    request: str,
) -> None:
    """Write an original, its redacted copy or a sidecar out of the vault. Who, when and why is recorded first."""
    from bwc.redact import copies

    if redacted and sidecar:
        raise UsageError("one thing at a time", "--copy or --sidecar NAME")
    if request and not redacted:
        raise UsageError("only copies have versions", "--copy --request ID")
    if out.exists():
        raise UsageError(f"{out} exists", "choose a new file name")
    partial = out.with_name(out.name + ".partial")
    with entry.house() as house:
        try:
            found = house.find(item)
            version = ""
            if redacted:
                wanted, version = copies.copy_object(house, found, segment, request)
            elif sidecar:
                wanted = house.sidecar(found, sidecar).object_id
            else:
                wanted = house.segment(found, segment).object_id
            gaps = house.gaps(wanted)
            purpose = "copy" if redacted else "export"
            told = {"purpose": purpose, "reason": reason, "to": out.name, "version": version}
            with house.open_kept(found, segment, wanted, **told) as source:
                descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                    sink.flush()
                    os.fsync(sink.fileno())
            partial.rename(out)
        finally:
            partial.unlink(missing_ok=True)
    size = out.stat().st_size
    lost = sum(gap.size_bytes for gap in gaps)
    for gap in gaps[:10]:
        entry.terminal.say(f"zeros from byte {gap.offset:,} to {gap.end:,}: the card could not be read there")
    entry.terminal.result(
        {"item": item, "file": str(out), "bytes": size, "gaps": [gap.to_json() for gap in gaps]},
        f"{out}  {size_text(size)}" + (f"  {counted(len(gaps), 'gap')}, {lost:,} bytes are zeros" if gaps else ""),
    )
