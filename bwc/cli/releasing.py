"""bwc approve and release: a person signs, the requester gets a package."""

from pathlib import Path

import click

from bwc.cli.entry import Entry, command
from bwc.cli.versions import named


@command(
    """
    bwc approve 2026-1122-K4J7QX
    bwc approve 2026-1122-K4J7QX --as mchen --note "watched in full" --request R-311
    """
)
@click.argument("item")
@click.option("--note", default="", help="Kept in the private body of the event.")
@click.option(
    "--request",
    metavar="ID",
    callback=named,
    help="For this request only: the copy of its version, if the plan has one. A release for another one is refused.",
)
@click.option("--unseen", is_flag=True, help="Sign although you have not opened the copy; recorded.")
def approve(entry: Entry, item: str, *, note: str, request: str, unseen: bool) -> None:
    """Sign the digests of ITEM's plan, redacted copy and check report with your key.

    Says who signed without having opened the copy (`bwc open ITEM --copy`); where policy asks for more than
    one person, that is refused (7) without --unseen.

    Refused (7) while a track is undecided, the copy is older than the plan or was not checked, or a version would show
    what the common plan hides by now; refused (6) while suspects of the check are open.
    """
    from bwc.redact.approving import approve as sign

    with entry.house() as house:
        done = sign(house, house.find(item), note=note, request=request, unseen=unseen)
    entry.terminal.result(done.to_json(), done.text())


@command(
    """
    bwc release 2026-1122-K4J7QX --request R-311 -o R-311
    bwc release 2026-1122-K4J7QX --request R-311 -o R-311 --requester "Springfield Gazette"
    bwc release 2026-1122-K4J7QX --request R-311 -o R-311 --from 0:41 --to 2:10
    """
)
@click.argument("item")
@click.option(
    "--request",
    required=True,
    metavar="ID",
    callback=named,
    help="The request this answers; if the plan has a version for it, the copy of that goes out.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The folder to make.")
@click.option("--requester", default="", help="To whom; kept in the private body of the event only.")
@click.option("--from", "start", metavar="TIME", help="The part begins here: 12.5, 1:02.5 …")
@click.option("--to", "end", metavar="TIME", help="The part ends here.")
@click.option(
    "--reuse",
    default="",
    metavar="WHY",
    help="Hand out a copy that another request got, or was approved for; why it fits this one too is recorded.",
)
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
    reuse: str,
    no_captions: bool,
) -> None:
    """Put the approved copy of ITEM, those very bytes, into a package that anyone can verify offline.

    With --from and --to: only if the copy is of exactly that part (bwc redact ITEM --from … --to …).
    A copy that was released or approved for another request is refused (7) without --reuse; that of another request's version
    is not released at all. A version that would show what the common plan hides by now is refused (7): bwc plan --take-over.
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
            reuse=reuse,
            captions=not no_captions,
            progress=progress,
        )
    entry.glance()
    entry.terminal.result(done.to_json(), done.text())
