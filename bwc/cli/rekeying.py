"""bwc key rotate-log: the log's own key gives way to a fresh one."""

import click

from bwc.cli.entry import Entry, command
from bwc.cli.times import past_moment


@command(
    """
    bwc key rotate-log
    bwc key rotate-log --compromised-since 2026-11-20T18:00 --note "laptop stolen while unlocked"
    """,
    name="rotate-log",
)
@click.option("--note", default="", help="Why; kept in the private body of the event.")
@click.option(
    "--compromised-since",
    metavar="TIME",
    help="When the old key came into other hands, like 2026-11-20T18:00 (UTC unless it says otherwise).",
)
def rotate_log(entry: Entry, *, note: str, compromised_since: str | None) -> None:
    """Replace the key that signs the log by a fresh one. The old key signs that, and signs no more.

    Whoever has the old key follows to the new one by themselves: pins, slips and packages of before stay good. With
    --compromised-since tell everybody: whoever has not seen the handover yet cannot know.
    """
    from bwc.anchors.pins import fingerprint_text

    since = past_moment(compromised_since) if compromised_since else None
    with entry.house() as house:
        new = house.rekey_log(note=note, compromised_from=since)
        chain = house.key_chain()
    lines = [
        f"the log is signed by a new key from entry {chain.handovers[-1].seq} on: {new.text()}",
        f"published stays the first one, fingerprint {fingerprint_text(chain.first)}",
        "witnesses that are no bwc witness must be told the new key; then: bwc audit anchor",
    ]
    if since:
        lines.append("whoever has not seen the handover yet may still be shown what the old key signs: tell them")
    entry.terminal.result(
        {
            "compromised_from": chain.handovers[-1].compromised_from or None,
            "entry": chain.handovers[-1].seq,
            "first_vkey": chain.first.text(),
            "replaces": chain.handovers[-1].old.text(),
            "vkey": new.text(),
        },
        "\n".join(lines),
    )
