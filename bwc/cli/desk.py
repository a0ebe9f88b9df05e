"""bwc detect, plan, redact and check: from an original to a checked redacted copy."""

import itertools
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.entry import Entry, command
from bwc.cli.looking import looking
from bwc.cli.plan_text import plan_text
from bwc.cli.versions import behind_text, say_behind, version_option, versions_text
from bwc.errors import BwcError, MediaError, NotFound, PartlyDone, PolicyRefuses, UsageError

if TYPE_CHECKING:
    from bwc.redact.checked import Checked
    from bwc.redact.session import PlanState


@command(
    """
    bwc detect 2026-1122-K4J7QX
    bwc detect 2026-1122-K4J7QX --profile max --sheet sheet.jpg
    """
)
@click.argument("items", metavar="ITEM…", nargs=-1)
@click.option("--case", help="Every item of this case.")
@click.option(
    "--sheet", type=click.Path(path_type=Path), help="Write the contact sheet (JPEG) here: faces in the clear!"
)
@click.option(
    "--again",
    is_flag=True,
    help="Even if a person worked on the plan: masks, mutes and decisions on sounds stay, decisions on tracks do not.",
)
@looking
@click.option("--no-listen", is_flag=True, help="Pictures only: what was heard before stays.")
@click.option("--asr-model", type=click.Path(path_type=Path), help="Folder of a speech model of your own.")
def detect(
    entry: Entry,
    items: tuple[str, ...],
    *,
    case: str | None,
    profile: str,
    sheet: Path | None,
    again: bool,
    also: tuple[str, ...],
    text: str | None,
    screens: str | None,
    no_listen: bool,
    asr_model: Path | None,
) -> None:
    """Find faces, plates and spoken personal data in ITEM; make its plan. All of it is hidden until a person says keep.

    Plates: small ones and those seen from far aside are often missed. Look at the sheet, add what is
    missing with `bwc mask`. Words need a speech model (`bwc models fetch --speech`); without one only voices are found.
    """
    from bwc.cli.listening import listener
    from bwc.redact import session

    terminal = entry.terminal
    ears = None if no_listen else listener(asr_model)
    _refuse_existing(sheet)
    states: list[PlanState] = []
    failed: list[tuple[str, BwcError]] = []
    with entry.house() as house:
        chosen = _chosen(house, items, case)
        for item in chosen:
            try:
                with terminal.progress(f"detect {item}") as progress:
                    states += session.detect(
                        house,
                        item,
                        profile=profile,
                        again=again,
                        progress=progress,
                        also=also,
                        text=text,
                        screens=screens,
                        listen=ears,
                    )
            except (MediaError, PolicyRefuses) as error:
                if len(chosen) == 1:
                    raise
                failed.append((item, error))
        if sheet and states:
            picture = session.sheet(house, states[0].item, states[0].segment)
            house.note_frames(states[0].item, states[0].segment, what="sheet", to=sheet.name)
            write_told(entry, "sheet", sheet, picture)
    terminal.result({"plans": [one.to_json() for one in states]}, "\n\n".join(plan_text(one) for one in states))
    if failed:
        details = [{"item": item, "why": error.message} for item, error in failed]
        raise PartlyDone(f"{len(failed)} of {len(chosen)} items got no plan", failed[0][1].hint, details=details)
    raise_lost([(f"{one.item} segment {one.segment}", one.plan.media.frames_lost) for one in states])


@command(
    """
    bwc plan 2026-1122-K4J7QX
    bwc plan 2026-1122-K4J7QX --export plan.json
    bwc plan 2026-1122-K4J7QX --import plan.json
    bwc plan 2026-1122-K4J7QX --restore 3
    bwc plan 2026-1122-K4J7QX --request R-311 --take-over
    """
)
@click.argument("item")
@click.option("--segment", type=int, help="Which file of the item, when it has several.")
@click.option("--export", "export_to", type=click.Path(path_type=Path), help="Write the plan (JSON) to this file.")
@click.option(
    "--import", "import_from", type=click.Path(path_type=Path), help="Save the plan in this file as the next revision."
)
@click.option("--revision", type=click.IntRange(1), help="Show or export an earlier revision.")
@click.option(
    "--restore", type=click.IntRange(1), help="Save what was decided, drawn and muted at this revision as the next one."
)
@click.option(
    "--sheet",
    type=click.Path(path_type=Path),
    help="Write the contact sheet (JPEG) of the last detection here: faces in the clear!",
)
@version_option
@click.option(
    "--take-over",
    is_flag=True,
    help="With --request: hide in its version what the common plan hides since; all else stays.",
)
@click.option("--words", is_flag=True, help="Show what was heard in each sound that is hidden; recorded.")
@click.option("--transcript", type=click.Path(path_type=Path), help="Write all words that were heard here; recorded.")
def plan(
    entry: Entry,
    item: str,
    *,
    segment: int | None,
    export_to: Path | None,
    import_from: Path | None,
    revision: int | None,
    restore: int | None,
    sheet: Path | None,
    request: str,
    take_over: bool,
    words: bool,
    transcript: Path | None,
) -> None:
    """Show ITEM's redaction plan: tracks by class, seconds, doubts, decisions; and which versions of it there are.

    A version is made by the first decide, mask, mute or change of looks with --request, from the common plan as it is then.
    """
    from bwc.cli.listening import note_words, spoken_rows, spoken_text, write_transcript
    from bwc.redact import branching, editing, session
    from bwc.redact.side_by_side import side_by_side

    _refuse_existing(export_to, sheet, transcript)
    if sum(map(bool, (import_from, revision, restore, take_over))) > 1:
        raise UsageError("--import, --revision, --restore and --take-over are different things", "give one of them")
    if take_over and not request:
        raise UsageError("which version shall take over what is new in the common plan", "--request ID --take-over")
    if import_from and not import_from.is_file():
        raise NotFound(f"{import_from} is not a file", "bwc plan ITEM --export FILE writes one")
    opened: list[str] = []
    taken: list[branching.Taken] = []
    with entry.house() as house:
        found = house.find(item)
        now: dict[str, Any] = {"at": datetime.now(UTC), "request": request}
        if import_from:
            state, opened, made = editing.import_plan(house, found, segment, import_from.read_bytes(), **now)
            for line in made:
                entry.terminal.say(line)
            states = [state]
        elif restore:
            state, opened = editing.restore(house, found, segment, restore, **now)
            states = [state]
        elif revision:
            states = [session.revision(house, found, segment, revision, request)]
        elif take_over:
            taken = branching.take_over(house, found, segment, **now)
            states = [one.state for one in taken]
        else:
            states = session.plans(house, found, segment, request)
        if opened:
            entry.terminal.say(f"no longer hidden: {', '.join(opened)}")
        for done in taken:
            entry.terminal.say(done.text())
        for line in () if revision else behind_text(house, states):
            entry.terminal.say(line)
        rows = side_by_side(house, found, segment)
        if export_to:
            note_words(house, _only(states), to=export_to.name)  # the plan holds what was heard
            write_told(entry, "plan", export_to, _only(states).data)
        if sheet:
            one = _only(states)
            picture = session.sheet(house, found, one.segment)
            house.note_frames(found, one.segment, what="sheet", to=sheet.name)
            write_told(entry, "sheet", sheet, picture)
        if words:
            for one in states:
                note_words(house, one, to="terminal")
        if transcript:
            write_transcript(house, _only(states), transcript)
            entry.terminal.say(f"transcript: {transcript}")
    data: dict[str, Any] = {
        "plans": [one.to_json(tracks=True) | ({"spoken": spoken_rows(one)} if words else {}) for one in states]
    }
    data |= {"opened": opened} if import_from or restore else {}
    data |= {"taken_over": [name for one in taken for name in one.names]} if take_over else {}
    data["versions"] = [one.to_json() for one in rows]
    text = spoken_text if words else partial(plan_text, tracks=True)
    shown = [text(one) for one in states] + ([] if request or not rows else [versions_text(rows)])
    entry.terminal.result(data, "\n\n".join(shown))


@command(
    """
    bwc check 2026-1122-K4J7QX
    bwc check 2026-1122-K4J7QX --stride 1 --report report.json
    """
)
@click.argument("item")
@click.option(
    "--stride", type=click.IntRange(1), help="Search every n-th whole picture (default: six a second); recorded."
)
@click.option("--report", type=click.Path(path_type=Path), help="Write the report (JSON) to this file.")
@click.option(
    "--sheet", type=click.Path(path_type=Path), help="Write a JPEG here: each suspect enlarged, or the copy in short."
)
@version_option
def check(
    entry: Entry, item: str, *, stride: int | None, report: Path | None, sheet: Path | None, request: str
) -> None:
    """Second opinion on the final bytes of ITEM's redacted copy: faces, plates, covers, timing, sound; says what it did not look for.

    Exits 6 while suspects are open: look at each, then `bwc decide ITEM s342 keep --note …` or `… s342 redact`.
    What was kept in an earlier check holds while the same thing shows at the same time and place.
    """
    from bwc.redact import copies

    _refuse_existing(report, sheet)
    with entry.house() as house, entry.terminal.progress("check") as progress:
        found = house.find(item)
        done = copies.check(house, found, stride=stride, progress=progress, request=request)
        for line in say_behind(house, found, request):
            entry.terminal.say(line)
        if report:
            write_told(entry, "report", report, _only(done).data)
        if sheet:
            one = _only(done)
            picture = copies.copy_sheet(house, found, one.segment, one.report.suspects, request)
            house.note_frames(found, one.segment, what="suspects", to=sheet.name)
            write_told(entry, "sheet", sheet, picture)
    entry.terminal.result({"checks": [one.to_json() for one in done]}, "\n".join(_check_text(one) for one in done))
    for one in done:
        one.raise_if_open()


def _chosen(house: Any, items: tuple[str, ...], case: str | None) -> list[Any]:
    if case:
        from bwc.storage.rows import ItemFilter

        rows = house.items(ItemFilter(case=case))
        if not rows:
            raise NotFound(f"no item of case {case}", "bwc list")
        return [row.item_id for row in rows]
    if not items:
        raise UsageError("which item", "bwc list")
    return [house.find(item) for item in items]


def _only(states: list[Any]) -> Any:
    if len(states) != 1:
        raise UsageError("the item has several recordings", "say which one: --segment N")
    return states[0]


def _refuse_existing(*paths: Path | None) -> None:
    """Before the work, not after it."""
    for path in paths:
        if path and path.exists():
            raise UsageError(f"{path} exists", f"choose a new file name, such as {_free(path)}")


def _free(path: Path) -> Path:
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(name for name in names if not name.exists())


def write_new(path: Path, data: bytes) -> None:
    """Write `path`, which must not be there yet, for its owner alone: it may show what the copy hides.

    Raises `UsageError` if it is there, and leaves it alone.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    except FileExistsError:
        raise UsageError(f"{path} exists", f"choose a new file name, such as {_free(path)}") from None


def write_told(entry: Entry, what: str, path: Path, data: bytes) -> None:
    """`write_new`, and say where it is."""
    write_new(path, data)
    entry.terminal.say(f"{what}: {path}")


def raise_lost(losses: list[tuple[str, int]]) -> None:
    lost = [(name, count) for name, count in losses if count]
    if lost:
        raise PartlyDone(
            "frames of the original could not be decoded; the rest is done and kept",
            "the loss is written in plan, report and release",
            details=[{"recording": name, "frames_lost": count} for name, count in lost],
        )


def _check_text(one: "Checked") -> str:
    return f"{one.item} segment {one.segment}: {one.text()}"
