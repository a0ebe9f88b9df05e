"""bwc approve and release: a person signs, the requester gets a package."""

from pathlib import Path

import click

from bwc.cli.entry import Entry, command


@command(
    """
    bwc approve 2026-1122-K4J7QX
    bwc approve 2026-1122-K4J7QX --as mchen --note "watched in full"
    """
)
@click.argument("item")
@click.option("--note", default="", help="Kept in the private body of the event.")
def approve(entry: Entry, item: str, *, note: str) -> None:
    """Sign the digests of ITEM's plan, redacted copy and check report with your key.

    Refused (7) while a track is undecided, the copy is older than the plan or was not checked;
    refused (6) while suspects of the check are open.
    """
    from bwc.redact import copies

    with entry.house() as house:
        done = copies.approve(house, house.find(item), note=note)
    entry.terminal.result(done.to_json(), done.text())


@command(
    """
    bwc release 2026-1122-K4J7QX --request R-311 -o R-311
    bwc release 2026-1122-K4J7QX --request R-311 -o R-311 --requester "Springfield Gazette"
    bwc release 2026-1122-K4J7QX --request R-311 -o R-311 --from 0:41 --to 2:10
    """
)
@click.argument("item")
@click.option("--request", required=True, metavar="ID", help="The request this answers.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The folder to make.")
@click.option("--requester", default="", help="To whom; kept in the private body of the event only.")
@click.option("--from", "start", metavar="TIME", help="The part begins here: 12.5, 1:02.5 …")
@click.option("--to", "end", metavar="TIME", help="The part ends here.")
@click.option("--no-captions", is_flag=True, help="Without the captions and the transcript that a machine wrote.")
def release(
    entry: Entry,
    item: str,
    *,
    request: str,
    out: Path,
    requester: str,
    start: str | None,
    end: str | None,
    no_captions: bool,
) -> None:
    """Put the approved copy of ITEM, those very bytes, into a package that anyone can verify offline.

    With --from and --to: only if the copy is of exactly that part (bwc redact ITEM --from … --to …).
    """
    from bwc.cli.times import span_of
    from bwc.release.publish import publish

    entry.glance()
    with entry.house() as house, entry.terminal.progress("release") as progress:
        done = publish(
            house,
            house.find(item),
            request=request,
            folder=out,
            requester=requester,
            span=span_of(start, end),
            captions=not no_captions,
            progress=progress,
        )
    entry.glance()
    entry.terminal.result(done.to_json(), done.text())
