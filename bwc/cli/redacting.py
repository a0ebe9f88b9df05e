"""bwc redact: the copy of an item from its plan, or of a loose file in one go."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.desk import raise_lost, write_told
from bwc.cli.entry import Entry, command
from bwc.cli.looking import looking
from bwc.cli.looks import change_of, look_options
from bwc.cli.terminal import counted, size_text
from bwc.cli.versions import say_behind, version_option
from bwc.errors import LeakFound, NotFound, UnreadableMedia, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bwc.jobs import Jobs
    from bwc.redact.making import Rendered
    from bwc.redact.plan import RedactionPlan
    from bwc.redact.sound_wish import SoundWish


@command(
    """
    bwc redact 2026-1122-K4J7QX
    bwc redact 2026-1122-K4J7QX --reproduce
    bwc redact 2026-1122-K4J7QX --request R-311 --inverse
    bwc redact clip.mp4 -o out.mp4 --effect mean --delivery faithful
    """
)
@click.argument("what", metavar="ITEM|FILE")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="For a loose file: where the redacted copy goes.")
@click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path), help="For a loose file: use this plan, detect nothing."
)
@click.option("--save-plan", type=click.Path(path_type=Path), help="For a loose file: also write the plan here.")
@click.option("--file", "is_file", is_flag=True, help="WHAT is a file even if it looks like an item.")
@looking
@click.option("--no-check", is_flag=True, help="For a loose file: skip the second opinion.")
@click.option(
    "--reproduce", is_flag=True, help="Of an item: render again, keep nothing, compare with the recorded copy."
)
@click.option("--from", "start", metavar="TIME", help="Of an item: render only from here: 12.5, 1:02.5 …")
@click.option("--to", "end", metavar="TIME", help="Of an item: render only up to here.")
@version_option
@look_options
@click.option("--mute-voices", is_flag=True, help="For a loose file: nobody's voice is left.")
@click.option("--no-audio", is_flag=True, help="For a loose file: no sound is left.")
@click.option("--bleep", is_flag=True, help="For a loose file: a bleep instead of silence.")
@click.option("--jobs", "-j", type=click.IntRange(1, 256), help="Processes that encode at once.  [default: processors]")
@click.option("--scheduler", default="", help="Encode on the Dask cluster whose scheduler is here: tcp://HOST:8786.")
def redact(
    entry: Entry,
    what: str,
    *,
    out: Path | None,
    plan_file: Path | None,
    save_plan: Path | None,
    is_file: bool,
    profile: str,
    also: tuple[str, ...],
    text: str | None,
    screens: str | None,
    no_check: bool,
    reproduce: bool,
    start: str | None,
    end: str | None,
    request: str,
    mute_voices: bool,
    no_audio: bool,
    bleep: bool,
    jobs: int | None,
    scheduler: str,
    **looks: Any,
) -> None:
    """Render the redacted copy of an item from its plan; or of a loose FILE in one go, without a vault.

    A loose file is detected, rendered and checked; nothing of it is recorded anywhere. With --from and --to the
    copy of the item is of that part only, and so are its check, approval and release. What is asked of effect and
    delivery becomes the next revision of the item's plan first. An interrupted run goes on: type the same command.
    """
    from bwc.cli.times import span_of
    from bwc.jobs import Jobs

    span = span_of(start, end)
    change = change_of(**looks)
    workers = Jobs(jobs, scheduler=scheduler)
    if is_file or (Path(what).exists() and not reproduce):
        if span:
            raise UsageError("a loose file is redacted whole", "leave out --from and --to")
        if request:
            raise UsageError("a loose file has no versions", "leave out --request")
        with workers:
            _redact_file(
                entry,
                Path(what),
                out,
                plan_file,
                save_plan,
                profile=profile,
                also=also,
                text=text,
                screens=screens,
                check_it=not no_check,
                jobs=workers,
                change=change,
                delivery=looks["delivery"],
                sound=_wish(mute_voices, no_audio, bleep),
            )
        return
    if mute_voices or no_audio or bleep:
        raise UsageError(f"{what} is not a file", f"bwc mute {what} --voices, --no-audio or --bleep, then bwc redact")
    if out and ("." in what or "/" in what):
        raise NotFound(f"{what} does not exist", "check the path")
    if span and reproduce:
        raise UsageError("--reproduce renders what was recorded", "leave out --from and --to")
    if change and reproduce:
        raise UsageError("--reproduce renders what was recorded", "leave out effect and delivery")
    if reproduce:
        _reproduce(entry, what, workers, request)
        return
    if out or plan_file or save_plan or no_check or also or text or screens:
        raise UsageError(
            f"{what} is not a file",
            "-o, --plan, --save-plan, --also, --text, --screens and --no-check are for loose files",
        )
    from bwc.redact import making
    from bwc.redact.amending import amend

    with workers, entry.house() as house, entry.terminal.progress("redact") as progress:
        found = house.find(what)
        for line in amend(house, found, change, request) if change else ():
            entry.terminal.say(line)
        for line in say_behind(house, found, request):
            entry.terminal.say(line)
        done = making.render(house, found, progress=progress, jobs=workers, span=span, request=request)
    entry.terminal.result({"copies": [one.to_json() for one in done]}, "\n".join(_copy_text(one) for one in done))
    raise_lost([(f"{one.item} segment {one.segment}", one.frames_lost) for one in done])


def _reproduce(entry: Entry, what: str, jobs: "Jobs", request: str) -> None:
    from bwc.redact import making

    with jobs, entry.house() as house, entry.terminal.progress("reproduce") as progress:
        done = making.reproduce(house, house.find(what), progress=progress, jobs=jobs, request=request)
    lines = [f"{one.item} segment {one.segment}: the same bytes, sha256 {one.copy_sha256}" for one in done]
    entry.terminal.result({"reproduced": [one.to_json() for one in done]}, "\n".join(lines))


def _redact_file(
    entry: Entry,
    source: Path,
    out: Path | None,
    plan_file: Path | None,
    save_plan: Path | None,
    *,
    profile: str,
    also: tuple[str, ...],
    text: str | None,
    screens: str | None,
    check_it: bool,
    jobs: "Jobs",
    change: "Callable[[RedactionPlan], RedactionPlan] | None",
    delivery: str | None,
    sound: "SoundWish",
) -> None:
    from bwc.media.delivery import Delivery
    from bwc.redact.loose import redact_file

    if out is None:
        raise UsageError(f"{source}: where does the redacted copy go", f"bwc redact {source} -o out.mp4")
    if not source.is_file():
        raise NotFound(f"{source} is not a file", "check the path")
    try:
        with entry.terminal.progress(f"redact {source.name}") as progress:
            done = redact_file(
                source,
                out,
                plan_file=plan_file,
                profile=profile,
                also=also,
                text=text,
                screens=screens,
                check_copy=check_it,
                progress=progress,
                jobs=jobs,
                amend=change,
                delivery=Delivery(delivery) if delivery else None,
                sound=sound,
            )
    except UnreadableMedia as error:
        hint = "what no player shows cannot be redacted: copy the file again from where it came"
        raise UnreadableMedia(f"{source}: {error.message}", error.hint or hint) from error
    if save_plan:
        write_told(entry, "plan", save_plan, done.plan_bytes)
    entry.terminal.result(done.to_json(), done.text())
    if done.frames_lost:
        raise_lost([(source.name, done.frames_lost)])
    if done.open_suspects:
        raise LeakFound(
            f"{out}: the check found {counted(done.open_suspects, 'place')} that may still show or say what should be hidden",
            f"look at them, then add masks and mutes to the plan: bwc redact {source} -o {out} --plan PLAN",
            details=done.suspects_json(),
        )


def _wish(mute_voices: bool, no_audio: bool, bleep: bool) -> "SoundWish":
    from bwc.cli.listening import kind_of
    from bwc.redact.sound_wish import SoundWish

    return SoundWish(voices=mute_voices, everything=no_audio, kind=kind_of(bleep))


def _copy_text(one: "Rendered") -> str:
    return f"{one.item} segment {one.segment}: {counted(one.frames, 'frame')}, {one.frames_lost} lost, {size_text(one.size_bytes)}, sha256 {one.copy_sha256}\n{one.way_text}"
