"""bwc listen and mute: what is said in a recording, and what of it nobody shall hear."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import table
from bwc.cli.times import clock_option, parse_moment
from bwc.cli.versions import edit_option
from bwc.errors import NotFound, PartlyDone, UsageError

if TYPE_CHECKING:
    from bwc.custody.house import House
    from bwc.redact.session import Listen, PlanState


@command(
    """
    bwc listen 2026-1122-K4J7QX
    bwc listen 2026-1122-K4J7QX --word Kowalczyk --word "Maple Street" --bleep
    bwc listen 2026-1122-K4J7QX --asr-model /srv/models/whisper-small.en
    """
)
@click.argument("item")
@click.option("--segment", type=int, help="Which file of the item, when it has several.")
@click.option(
    "--asr-model", type=click.Path(path_type=Path), help="Folder of a Whisper model (CTranslate2) of your own."
)
@click.option(
    "--word", "watch", multiple=True, help="A name or phrase to look for besides, from now on; may be given often."
)
@click.option("--forget-words", is_flag=True, help="Look no longer for what an earlier --word named.")
@click.option("--bleep", is_flag=True, help="Propose a bleep instead of silence.")
@click.option("--no-words", is_flag=True, help="Only find voices; write nothing down. What was proposed before stays.")
def listen(
    entry: Entry,
    item: str,
    *,
    segment: int | None,
    asr_model: Path | None,
    watch: tuple[str, ...],
    forget_words: bool,
    bleep: bool,
    no_words: bool,
) -> None:
    """Listen to ITEM again: voices, words, and which of them may be personal data. `bwc detect` does it too.

    What it proposes is muted until a person says keep, and is shown: that is recorded. Words are missed and misheard: listen to the copy yourself.
    """
    from bwc.redact import sounds

    act = listener(asr_model, watch=watch, forget=forget_words, bleep=bleep, words=not no_words)
    with entry.house() as house, entry.terminal.progress(f"listen {item}") as progress:
        states = sounds.listen(house, house.find(item), segment, act, at=datetime.now(UTC), progress=progress)
        for one in states:
            note_words(house, one, to="terminal")
    data = {"plans": [one.to_json() | {"spoken": spoken_rows(one)} for one in states]}
    entry.terminal.result(data, "\n\n".join(spoken_text(one) for one in states))
    say_unlooked(states, watch)


@command(
    """
    bwc mute 2026-1122-K4J7QX --from 12.5 --to 14 --note "home address"
    bwc mute 2026-1122-K4J7QX --from 1:02 --to 1:05.5 --bleep --exemption "victim name"
    bwc mute 2026-1122-K4J7QX --from -1.5 --to 0.5 --note "before the first picture"
    bwc mute 2026-1122-K4J7QX --voices --note "interview of a minor"
    bwc mute 2026-1122-K4J7QX --no-audio
    """
)
@click.argument("item")
@click.option("--from", "start", metavar="TIME", help="From this time of the recording.")
@click.option("--to", "end", metavar="TIME", help="To this time.")
@clock_option
@click.option("--voices", is_flag=True, help="Every voice that was found; the sound between them stays.")
@click.option("--no-audio", is_flag=True, help="All sound there is.")
@click.option("--bleep", is_flag=True, help="A bleep (1 kHz) instead of silence.")
@click.option("--exemption", default="", help="The exemption code that allows hiding it.")
@click.option("--note", default="", help="The reason in words.")
@click.option("--segment", type=int, help="Which file of the item, when it has several.")
@edit_option
def mute(
    entry: Entry,
    item: str,
    *,
    start: str | None,
    end: str | None,
    clock: str,
    voices: bool,
    no_audio: bool,
    bleep: bool,
    exemption: str,
    note: str,
    segment: int | None,
    request: str,
) -> None:
    """Hide every sound track for a span of time, wherever somebody speaks, or altogether.

    Times count from the first picture; what is heard before it has times like -1.5. With --clock file they count as in a player.
    """
    from bwc.redact import sounds
    from bwc.redact.shown import Clock, clock_text

    is_span = start is not None or end is not None
    if is_span + voices + no_audio != 1 or (is_span and (start is None or end is None)):
        raise UsageError("what to mute", "--from TIME --to TIME, or --voices, or --no-audio")
    more: dict[str, Any] = {"kind": kind_of(bleep), "exemption": exemption, "note": note, "at": datetime.now(UTC)}
    more["request"] = request
    with entry.house() as house:
        found = house.find(item)
        if voices or no_audio:
            done = sounds.mute_wide(house, found, segment, voices=voices, **more)
        else:
            assert start is not None
            assert end is not None
            more |= {"start_ns": parse_moment(start), "end_ns": parse_moment(end), "clock": Clock(clock)}
            done = sounds.mute(house, found, segment, **more)
    if is_span and (said := clock_text(done.state.plan)):
        entry.terminal.say(said)
    entry.terminal.result(done.to_json(), done.text())


def listener(
    asr_model: Path | None,
    *,
    watch: tuple[str, ...] = (),
    forget: bool = False,
    bleep: bool = False,
    words: bool = True,
) -> "Listen":
    """What listens, for commands. Raises `NotFound` for a folder that holds no speech model."""
    from bwc.redact import sounds

    return sounds.listener(asr_model, watch=watch, forget=forget, kind=kind_of(bleep), words=words)


def kind_of(bleep: bool) -> Any:
    """How sound is hidden."""
    from bwc.redact.plan import SoundKind

    return SoundKind.BLEEP if bleep else SoundKind.MUTE


def say_unlooked(states: "Sequence[PlanState]", watch: Sequence[str]) -> None:
    """Raises `PartlyDone` when words were asked for, somebody speaks, and nothing was written down."""
    from bwc.redact.speech.record import record_of

    records = [record_of(state.plan) for state in states]
    deaf = [record for record in records if record is not None and record.missing and record.voice_ms]
    if watch and deaf:
        words = ", ".join(watch)
        raise PartlyDone(f"not looked for: {words} ({deaf[0].missing})", "listen yourself, or: bwc mute ITEM --voices")


def note_words(house: "House", state: "PlanState", *, to: str) -> None:
    """`frames.exported`, where words of the recording are about to be shown or written."""
    from bwc.redact.speech.record import record_of

    record = record_of(state.plan)
    if record is not None and record.words:
        house.note_frames(state.item, state.segment, what="words", to=to)


def write_transcript(house: "House", state: "PlanState", path: Path) -> None:
    """Everything that was heard, hidden words too, into a new file outside the vault."""
    from bwc.cli.desk import write_new
    from bwc.redact.speech.record import record_of, transcript_of

    record = record_of(state.plan)
    if record is None or not record.words:
        raise NotFound(f"nothing of {state.item} was written down", f"bwc listen {state.item}")
    note_words(house, state, to=path.name)
    write_new(path, transcript_of(record, state.plan).encode())


def spoken_rows(state: "PlanState") -> list[dict[str, Any]]:
    """Proposals with the words in them. Raises `NotFound` when nobody listened."""
    from bwc.redact.plan_rows import sound_row
    from bwc.redact.speech.record import record_of, words_of

    record = record_of(state.plan)
    if record is None:
        raise NotFound(f"nobody listened to {state.item} yet", f"bwc listen {state.item}")
    return [sound_row(state.plan, span) | {"words": words_of(record, span)} for span in state.plan.audio_spans]


def spoken_text(state: "PlanState") -> str:
    """The same for people."""
    speech = state.summary().speech
    rows = [
        (
            row["id"],
            row["class"],
            f"{row['start_ms'] / 1000:.2f}",
            f"{row['end_ms'] / 1000:.2f}",
            row["decision"],
            row["words"],
        )
        for row in spoken_rows(state)
    ]
    head = f"{state.item} segment {state.segment}: plan revision {state.plan.revision}"
    parts = [head, speech.text() if speech else ""]
    parts.append(table(("sound", "class", "from s", "to s", "decision", "words"), rows))
    if speech and speech.words:
        parts.append(f"all that was heard: bwc plan {state.item} --transcript FILE")
    open_ones = [row for row in rows if row[4] == "undecided"]
    if open_ones:
        parts.append(
            f"{len(open_ones)} undecided (muted until decided): bwc decide {state.item} {open_ones[0][0]} keep --note …"
        )
    return "\n".join(part for part in parts if part)
