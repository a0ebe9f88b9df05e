"""bwc decide and mask: what a person says of the plan."""

from datetime import UTC, datetime

import click

from bwc.cli.entry import Entry, command
from bwc.cli.times import clock_option, parse_time
from bwc.cli.versions import edit_option
from bwc.errors import UsageError


@command(
    """
    bwc decide 2026-1122-K4J7QX t3 t5 keep --note "officers on duty"
    bwc decide 2026-1122-K4J7QX --undecided redact --exemption "RCW 42.56.240(14)"
    bwc decide 2026-1122-K4J7QX s342 keep --note "a poster, no person"
    bwc decide 2026-1122-K4J7QX t4 keep --request R-311 --note "the requester herself"
    """
)
@click.argument("item")
@click.argument("words", metavar="[TRACK…] keep|redact|undecided", nargs=-1, required=True)
@click.option("--undecided", "all_undecided", is_flag=True, help="Every track not yet decided.")
@click.option("--all", "all_tracks", is_flag=True, help="Every track.")
@click.option("--class", "class_", help="Every track of this class (face, plate, spoken, name, phone, …).")
@click.option("--exemption", default="", help="The exemption code that allows hiding it.")
@click.option("--note", default="", help="The reason in words; needed to keep.")
@click.option("--segment", type=int, help="Which file of the item, when it has several.")
@edit_option
def decide(
    entry: Entry,
    item: str,
    words: tuple[str, ...],
    *,
    all_undecided: bool,
    all_tracks: bool,
    class_: str | None,
    exemption: str,
    note: str,
    segment: int | None,
    request: str,
) -> None:
    """Say of tracks (t1, …), sounds (a1, …) or check suspects (s342, …) whether to keep them or redact them.

    To keep a --class of sounds leaves out those in which other personal data is said too, and names them.
    With --request it is said for that request only, in its own version of the plan.
    """
    from bwc.redact import editing

    *names, choice = words
    if choice not in ("keep", "redact", "undecided"):
        raise UsageError(f"the last word is {choice!r}", "it says what to do: keep, redact or undecided")
    if not names and not (all_undecided or all_tracks or class_):
        raise UsageError("which tracks", f"bwc plan {item}, then name them, or --undecided, --all, --class")
    with entry.house() as house:
        done = editing.decide(
            house,
            house.find(item),
            segment,
            names,
            choice=choice,
            all_undecided=all_undecided,
            all_tracks=all_tracks,
            class_=class_,
            exemption=exemption,
            note=note,
            at=datetime.now(UTC),
            request=request,
        )
    entry.terminal.result(done.to_json(), done.text())


@command(
    """
    bwc mask 2026-1122-K4J7QX --box 120,80,60,40 --from 3.0 --to 7.5 --note "house number"
    bwc mask 2026-1122-K4J7QX --whole-frame --from 0:41 --to 0:55 --exemption "medical"
    """
)
@click.argument("item")
@click.option("--box", metavar="X,Y,W,H", help="Pixels of the picture as it is shown, from the top left.")
@click.option("--whole-frame", is_flag=True, help="Cover the whole picture.")
@click.option("--from", "start", required=True, metavar="TIME", help="From this time of the recording.")
@click.option("--to", "end", required=True, metavar="TIME", help="To this time.")
@clock_option
@click.option("--exemption", default="", help="The exemption code that allows hiding it.")
@click.option("--note", default="", help="The reason in words.")
@click.option("--segment", type=int, help="Which file of the item, when it has several.")
@edit_option
def mask(
    entry: Entry,
    item: str,
    *,
    box: str | None,
    whole_frame: bool,
    start: str,
    end: str,
    clock: str,
    exemption: str,
    note: str,
    segment: int | None,
    request: str,
) -> None:
    """Cover an area by hand for a span of time, or the whole picture.

    Times count from the first picture, as in `bwc plan` and on the contact sheet; with --clock file as in a player. The
    box is of the picture as players and the contact sheet show it, turned upright.
    """
    from bwc.redact import editing
    from bwc.redact.shown import Clock, clock_text

    if whole_frame == bool(box):
        raise UsageError("what to cover", "--box X,Y,W,H or --whole-frame")
    with entry.house() as house:
        done = editing.mask(
            house,
            house.find(item),
            segment,
            box=_box(box) if box else None,
            start_ns=parse_time(start),
            end_ns=parse_time(end),
            clock=Clock(clock),
            exemption=exemption,
            note=note,
            at=datetime.now(UTC),
            request=request,
        )
    if said := clock_text(done.state.plan):
        entry.terminal.say(said)
    entry.terminal.result(done.to_json(), done.text())


def _box(text: str) -> tuple[int, int, int, int]:
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{text!r} is no box", "four whole numbers: X,Y,W,H") from error
    if width < 1 or height < 1 or x < 0 or y < 0:
        raise UsageError(f"{text!r} is no box", "four whole numbers: X,Y,W,H, not negative, not empty")
    return (x, y, x + width, y + height)
