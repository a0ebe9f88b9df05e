"""A loose file, no vault: detect, render and check in one go. The output appears under its name when all is done.

Nothing of it is recorded anywhere. Samples wait in a file without a name, sealed with a key that exists in memory only;
finished parts of the work in a folder beside the output (`loose_work`), so that a stopped run goes on.
"""

import errno
import os
import secrets
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from bwc.canonical import Json, sha256_hex
from bwc.errors import LeakFound, PlanStale, StoreFull, UsageError
from bwc.jobs import Jobs
from bwc.media.decode import VideoReader
from bwc.media.delivery import Delivery, layout_of
from bwc.memory import give_back
from bwc.redact.check import check
from bwc.redact.check_bystander import Bystander
from bwc.redact.check_report import CheckReport
from bwc.redact.detect import analyse, ready_to_look
from bwc.redact.loose_meanwhile import Meanwhile
from bwc.redact.loose_work import LooseWork, digest_of, read_digests, was_named, working_folder
from bwc.redact.plan import RedactionPlan
from bwc.redact.plan_format import from_edited, to_bytes
from bwc.redact.plan_view import PlanSummary, counted, summary
from bwc.redact.profiles import DEFAULT
from bwc.redact.render import RenderResult, render
from bwc.redact.rendering import way_json, way_text
from bwc.redact.sound_wish import SoundWish
from bwc.redact.speech.listen import find_hearing, listen
from bwc.roles import OFF, Policy, looking_for
from bwc.storage.stream import OpenedStream, SealingWriter

_AAD = b"bwc.scratch/1"

Progress = Callable[[int, int | None], None]


class SealedScratch:
    """A working piece: sealed with a key nobody keeps, in a file without a name that the system frees at close."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by `close`
        self._key = secrets.token_bytes(32)
        self._writer = SealingWriter(self._file, self._key, _AAD)

    def write(self, data: bytes, /) -> None:
        self._writer.write(data)

    def reader(self) -> BinaryIO:
        self._writer.close()
        return cast("BinaryIO", OpenedStream(cast("BinaryIO", self._file), self._key, _AAD))

    def close(self) -> None:
        self._file.close()
        self._key = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseResult:
    """What was made of one loose file."""

    out: Path
    plan: RedactionPlan
    plan_bytes: bytes
    summary: PlanSummary
    rendered: RenderResult
    report: CheckReport | None  # None: the check was left out

    @property
    def frames_lost(self) -> int:
        return self.rendered.frames_lost

    @property
    def open_suspects(self) -> int:
        return len(self.report.suspects) if self.report else 0

    def suspects_json(self) -> list[dict[str, Json]]:
        return [
            {
                "class": one.class_,
                "first_ms": one.first_ms,
                "id": one.id,
                "last_ms": one.last_ms,
                "risk": one.risk,
                "sight": one.sight.value,
                "sightings": one.sightings,
            }
            for one in (self.report.suspects if self.report else ())
        ]

    def to_json(self) -> dict[str, Json]:
        report = self.report
        return {
            "bytes": self.rendered.copy_bytes,
            "checked": report is not None,
            "copy_sha256": self.rendered.copy_sha256,
            "frames": self.rendered.frames,
            "frames_checked": report.frames_checked if report else 0,
            "frames_lost": self.frames_lost,
            "not_checked": list(report.not_checked) if report else ["everything: --no-check"],
            "out": str(self.out),
            **way_json(self.rendered),
            "plan": self.summary.to_json(),
            "plan_sha256": sha256_hex(self.plan_bytes),
            "suspects": self.suspects_json(),
        }

    def text(self) -> str:
        made, found = self.rendered, self.summary
        tracks = ", ".join(f"{row.tracks} {row.class_}" for row in found.classes) or "nothing found"
        lines = [
            f"{self.out}: {counted(made.frames, 'frame')}, {made.covered_frames} of them with something hidden ({tracks})",
            f"sha256 {made.copy_sha256}",
            way_text(made, self.plan.effect),
        ]
        if made.frames_lost:
            lines.append(f"{counted(made.frames_lost, 'frame')} of the original could not be decoded")
        if made.covered_whole:
            many = counted(len(made.covered_whole), "frame")
            lines.append(f"hidden altogether, because the plan does not know them: {many}")
        if found.speech:
            lines.append(found.speech.text())
        if self.report is None:
            lines.append("not checked")
        else:
            lines.append(
                f"checked: {self.report.frames_checked} of {counted(self.report.frames, 'frame')} searched, "
                f"{counted(self.open_suspects, 'suspect')}"
            )
            lines += [
                f"  {one.id} {one.class_} {one.sight.value} {one.first_ms / 1000:.2f}-{one.last_ms / 1000:.2f} s"
                for one in self.report.suspects
            ]
            lines += [f"  not checked: {what}" for what in self.report.not_checked]
        return "\n".join(lines)


def redact_file(
    source: Path,
    out: Path,
    *,
    plan_file: Path | None = None,
    profile: str = DEFAULT,
    check_copy: bool = True,
    stride: int | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
    amend: Callable[[RedactionPlan], RedactionPlan] | None = None,
    jobs: Jobs | None = None,
    also: Sequence[str] = (),
    delivery: Delivery | None = None,
    text: str | None = None,
    screens: str | None = None,
    sound: SoundWish | None = None,
) -> LooseResult:
    """Write the redacted copy of `source` to `out`, which must not exist.

    With `plan_file` nothing is detected. `amend` changes the plan before it is rendered; `delivery`, if it asks for one, is
    looked at first of all. Raises `PlanStale` for a plan of another file, `LeakFound` when the copy itself is faulty, `InUse`
    while another run makes `out`, and what reading, detecting and rendering raise; nothing is then left at or beside `out`.
    A run that was stopped or killed leaves its folder, and the next one with the same file and `out` goes on from there, also
    when `out` had its name already.
    Suspects do not raise: they are in the result, and the copy is kept for a person to look at.
    """
    is_named = out.exists() or out.is_symlink()
    if is_named and not was_named(out, source):
        raise UsageError(f"{out} exists", "choose a new file name")
    if not out.parent.is_dir():
        raise UsageError(f"the folder {out.parent} is not there", f"mkdir {out.parent}")
    policy = looking_for(policy or Policy(), text=text, screens=screens)
    phases = _Phases(progress, 3 if check_copy else 2)
    try:
        with source.open("rb") as original, working_folder(out) as work, ExitStack() as held:
            if delivery is not None:
                _verify_delivery(original, delivery)
            bystander, facts, wish = None, None, sound or SoundWish()
            if plan_file is not None:
                content, key = read_digests(original)
                phases.next()
                plan = _given(plan_file, content, wish)
            else:
                with Meanwhile(original) as beside:
                    if check_copy:  # the check sees what detection decodes, and need not decode it again
                        looks = policy.text == OFF
                        scratch = partial(SealedScratch, work.folder)
                        bystander = held.enter_context(Bystander(scratch, stride=stride, looks=looks))
                    plan = _found(
                        beside,
                        work,
                        profile=profile,
                        policy=policy,
                        also=also,
                        progress=phases.next(),
                        wish=wish,
                        onlooker=bystander,
                    )
                    (_, key), facts = beside.digests(), beside.facts()
            pieces = work.pieces(key)
            if bystander is not None:
                bystander.ends()
            plan = amend(plan) if amend else plan
            work.partial.unlink(
                missing_ok=True
            )  # of a run that was stopped: it may be `out`, too, which nothing replaces
            with work.partial.open("wb") as sink:
                made = render(
                    original,
                    plan,
                    sink,
                    lambda: SealedScratch(work.folder),
                    phases.next(),
                    jobs=jobs,
                    pieces=pieces,
                    facts=facts,
                )
                sink.flush()
                os.fsync(sink.fileno())
            report = None
            if check_copy:
                again = phases.next()
                report = _checked(original, work.partial, plan, stride=stride, progress=again, bystander=bystander)
            if not (is_named and out.exists() and _is_copy(out, made.copy_sha256)):
                work.will_name(made.copy_sha256, key)
                _name(work.partial, out)
    except FileExistsError as error:
        raise UsageError(f"{out} exists", "choose a new file name") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreFull(f"no space left for {out}", "free some, or choose another folder") from error
        raise
    return LooseResult(
        out=out, plan=plan, plan_bytes=to_bytes(plan), summary=summary(plan), rendered=made, report=report
    )


def _is_copy(out: Path, copy_sha256: str) -> bool:
    with out.open("rb") as file:
        return digest_of(file) == copy_sha256


def _name(partial: Path, out: Path) -> None:
    """Give the finished file its name. Raises `FileExistsError` when something has appeared there."""
    try:
        os.link(partial, out)  # unlike a rename it never replaces
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # a memory card's file system knows no links
        if out.exists():
            raise FileExistsError(out) from error
        partial.rename(out)


def _verify_delivery(original: BinaryIO, delivery: Delivery) -> None:
    """Before hours of detection, not after them."""
    video = VideoReader(original).facts.video
    if video is not None:
        layout_of(delivery, video)


def _found(
    beside: Meanwhile,
    work: LooseWork,
    *,
    profile: str,
    policy: Policy,
    also: Sequence[str],
    progress: Progress | None,
    wish: SoundWish,
    onlooker: Bystander | None,
) -> RedactionPlan:
    look = ready_to_look(profile, policy, also)  # while the digests are taken
    content, key = beside.digests()
    plan = analyse(
        beside.reader(),
        content_sha256=content,
        item=None,
        segment=0,
        profile=profile,
        progress=progress,
        policy=policy,
        now=datetime.now(UTC),
        lookout=look,
        also=also,
        pieces=work.pieces(key),
        onlooker=onlooker,
        facts=beside.facts(),
    )
    del look
    give_back()  # the networks that looked are gone
    hearing = find_hearing()
    beside.tell(hearing, content)
    plan = wish.apply(listen(beside.reader(), plan, hearing, kind=wish.kind))
    give_back()
    return plan


def _given(plan_file: Path, content: str, wish: SoundWish) -> RedactionPlan:
    plan = from_edited(plan_file.read_bytes())
    if plan.content_sha256 != content:
        raise PlanStale(f"{plan_file} is the plan of another file", "leave out --plan to make one")
    return wish.apply(plan)


def _checked(
    original: BinaryIO,
    made: Path,
    plan: RedactionPlan,
    *,
    stride: int | None,
    progress: Progress | None,
    bystander: Bystander | None,
) -> CheckReport:
    with made.open("rb") as copy:
        report = check(original, copy, plan, stride=stride, progress=progress, bystander=bystander)
    if report.faults:
        first = report.faults[0]
        raise LeakFound(
            f"the copy is faulty ({first.fault.value}: {first.detail}) and was not kept",
            details=[{"fault": one.fault.value, "detail": one.detail} for one in report.faults],
        )
    if not report.is_searched:
        raise LeakFound("no picture of the copy was searched, and it was not kept")
    return report


class _Phases:
    """One progress for several passes over the same frames."""

    def __init__(self, progress: Progress | None, passes: int) -> None:
        self._progress, self._passes, self._begun = progress, passes, 0

    def next(self) -> Progress | None:
        """The progress of the next pass."""
        if self._progress is None:
            return None
        before, report = self._begun, self._progress
        self._begun += 1

        def step(done: int, total: int | None) -> None:
            report(done + before * (total or 0), None if total is None else total * self._passes)

        return step
