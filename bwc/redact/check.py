"""The second opinion on a redacted copy: judges the final bytes, with code and, for faces, a detector that did not make them.

 1. the plan belongs to the original (digest, frame times)
 2. the container holds our boxes only: no tags, no other streams, no user data in the picture stream
 3. every frame of the copy is there, once, at exactly the original's time
 4. inside covers nothing is left; outside the picture is the original's
 5. faces, plates and (where the plan hides it) text that still show, or show again inside a cover, become suspects (whole pictures every `stride`
    frames, cut-outs where the plan stops hiding something in every frame)
 6. sound begins and lasts as the original's; muted spans are silent, bleeped ones a bleep
 7. what is still said: the copy is listened to again

It never raises for what it finds: everything goes into the report, and the caller refuses the release.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import BinaryIO

from bwc.canonical import sha256_hex
from bwc.errors import MediaError
from bwc.media.again import Fetcher, Shared
from bwc.media.decode import Picture, VideoReader
from bwc.media.paired import may_pair
from bwc.media.twins import twins
from bwc.memory import few_arenas, give_back
from bwc.redact.ahead import Ahead, pictures_ahead
from bwc.redact.check_beside import digest_of, hear_copy
from bwc.redact.check_bystander import Bystander
from bwc.redact.check_finders import Finders
from bwc.redact.check_judge import Judge
from bwc.redact.check_known import Cursor, Known, Smalls, known_pictures
from bwc.redact.check_limits import limits
from bwc.redact.check_lines import hides_text
from bwc.redact.check_report import CheckReport, Fault, Finding, KeptTrack
from bwc.redact.check_search import Search, stride_for
from bwc.redact.check_sight import named
from bwc.redact.check_speech import HeardAgain, ranked
from bwc.redact.check_streams import delivered, faults_of_boxes, faults_of_streams, shift_of
from bwc.redact.excerpt import Excerpt, ExcerptReader, plan_of
from bwc.redact.plan import Coverage, FrameCover, RedactionPlan
from bwc.redact.plan_format import to_bytes
from bwc.redact.plan_view import counted
from bwc.redact.speech.listen import Hearing
from bwc.version import TOOL

_DEPTH = 6  # pictures of each file decoded ahead at most

Progress = Callable[[int, int | None], None]


def check(
    original: BinaryIO,
    copy: BinaryIO,
    plan: RedactionPlan,
    *,
    stride: int | None = None,
    progress: Progress | None = None,
    finders: Finders | None = None,
    excerpt: Excerpt | None = None,
    hearing: Hearing | None = None,
    bystander: Bystander | None = None,
) -> CheckReport:
    """What is wrong with `copy`, which should be `original` redacted by `plan`. Both files are seekable.

    Whole pictures are searched for faces and plates in every `stride`-th frame (None: six a second), places of doubt
    and everything else is checked in every frame. With
    `excerpt` the copy is to hold that part only; the report's ordinals are the recording's all the same, its
    times are the copy's. What `bystander` saw while another pass decoded `original` is not decoded again; the report is
    the same to the last byte.
    Raises `UnreadableMedia` when the original does not decode, and what the detectors' files raise.
    """
    few_arenas()
    give_back()  # what made the copy has left holes
    part = plan_of(plan, excerpt) if excerpt else plan
    witness = None if excerpt else bystander
    look = finders or _finders(witness, text=hides_text(part))
    witness = witness if witness is not None and look is witness.finders else None
    stride = stride or stride_for(part)
    # What needs no pictures goes on beside them; leaving ends the files first, so that nobody waits for all of the sound
    with (
        ThreadPoolExecutor(1, thread_name_prefix="bwc-check-beside") as beside,
        Shared(original) as originals,
        Shared(copy) as copies,
        ExitStack() as last,
    ):
        searched = threading.Event()
        last.callback(searched.set)  # also when something is raised: else who waits for it would wait for ever

        def rest() -> None:
            searched.wait()
            look.rest()
            give_back()

        again, beneath = (Fetcher(partial(_reader, file)) for file in (copies, originals))
        in_vain = witness.searched if witness else None
        search = Search(part, look, stride, searched_before=in_vain, fetch=again.fetch, fetch_original=beneath.fetch)
        run = _Run(part, search, excerpt=excerpt)
        digests = [beside.submit(digest_of, file.reader()) for file in (originals, copies)]
        boxes = faults_of_boxes(copies.reader())
        measures: dict[str, int] = {}
        whole = _reader(originals)
        before = ExcerptReader(whole, excerpt) if excerpt else whole
        try:
            after = _reader(copies)
            facts = before.facts, after.facts
            whole.paired, after.paired = (may_pair(one.video) for one in facts)
            run.shift = excerpt.start if excerpt else shift_of(facts[0])
            if excerpt is None:
                groups = twins(originals.reader(), copies.reader(), shift=run.shift)
                run.known = known_pictures(groups, part.media, run.covers, search.places, witness)
                run.judge.smalls = Smalls(groups, part.media, witness)
                whole.known, after.known = run.known.original, run.known.copy
            # not before: reading packets, as the sound is, held `twins` up, for which everything waits
            sound = beside.submit(
                hear_copy,
                originals.reader(),
                copies.reader(),
                facts,
                plan,
                part=part,
                shift=run.shift,
                excerpt=excerpt,
                hearing=hearing,
                searched=rest,
            )
            run.compare_pictures(before, after, progress)
            searched.set()
            run.findings += faults_of_streams(facts[1])
            findings, measures, run.heard = sound.result()
            run.findings += findings
            measures |= run.heard.measures()
            measures |= delivered(facts[1])
        except MediaError as error:
            if before.frames_lost == 0 and before.facts.video is None:
                raise
            run.find(Fault.UNREADABLE, error.message)
        (content, _), (digest, size) = (one.result() for one in digests)
    run.findings[:0] = boxes
    if content != plan.content_sha256:
        run.findings.insert(0, Finding(fault=Fault.PLAN_STALE, detail="the plan is of another recording"))
    return run.report(plan, before, look, stride=stride, digest=digest, size=size, measures=measures)


def _reader(file: Shared) -> VideoReader:
    return VideoReader(file.reader(), borrow=True)


def _finders(bystander: Bystander | None, *, text: bool) -> Finders:
    return Finders.open(text=text) if bystander is None or text else bystander.finders


@dataclass(slots=True)
class _Run:
    plan: RedactionPlan
    search: Search
    excerpt: Excerpt | None = None
    findings: list[Finding] = field(default_factory=list)
    covers: Coverage = field(init=False)
    heard: HeardAgain = field(default_factory=HeardAgain)
    known: Known = field(default_factory=Known)
    judge: Judge = field(init=False)
    shift: Fraction = Fraction(0)  # what is added to times of the copy: MP4 cannot begin before zero
    frames: int = 0
    same: int = 0  # frames that are the original's own bytes
    _missing: int = 0
    _added: int = 0

    def __post_init__(self) -> None:
        self.covers = Coverage(self.plan)
        self.judge = Judge(self.plan.media, self.plan.effect, self.covers)

    def find(self, fault: Fault, words: str) -> None:
        self.findings.append(Finding(fault=fault, detail=words))

    def compare_pictures(
        self, before: VideoReader | ExcerptReader, after: VideoReader, progress: Progress | None
    ) -> None:
        """Steps 1 (frame times), 3, 4 and 5: both files in order of time, each frame once."""
        media = self.plan.media
        padded = media.width + media.width % 2, media.height + media.height % 2
        if (after.width, after.height) not in ((media.width, media.height), padded):
            words = f"the copy has {after.width}x{after.height}, the original {media.width}x{media.height}"
            self.find(Fault.PICTURE_SIZE, words)
            return
        covers, depth = self.covers, pictures_ahead(media.width, media.height, _DEPTH)
        same = Cursor(self.known.same)
        strange = 0
        try:
            with (
                Ahead(before.frames(), depth=depth) as originals,
                Ahead(after.frames(), depth=depth) as copies,
                self.search as search,
                self.judge as judge,
            ):
                for source, result in self._paired(originals, copies):
                    shown = source or result
                    assert shown is not None
                    is_same = source is not None and result is not None and same.holds(source.pts)
                    self.same += is_same
                    ordinal = media.pts.ordinal_of(source.pts) if source else None
                    strange += bool(source) and ordinal is None
                    cover = covers.at(ordinal) if ordinal is not None else FrameCover(whole=True)
                    if result is not None:
                        self.frames += 1
                        if not (is_same and cover.is_clear):
                            judge.take(source, result, ordinal, cover, is_same=is_same)
                        place = ordinal if ordinal is not None else min(result.ordinal, max(0, media.frames - 1))
                        kept = covers.kept_tracks(ordinal) if ordinal is not None else ()
                        search.look(result, place, cover, kept, result if is_same else source)
                    if progress and shown.ordinal % 10 == 9:
                        progress(shown.ordinal + 1, media.frames or None)
                search.finish()
        finally:
            self.findings += self.judge.findings
        if strange:
            self.find(
                Fault.PLAN_STALE, f"{counted(strange, 'frame')} of the original shown at times the plan does not know"
            )
        if self._missing:
            self.find(Fault.TIMING, f"{counted(self._missing, 'frame')} of the original not in the copy at their time")
        if self._added:
            self.find(Fault.TIMING, f"{counted(self._added, 'frame')} of the copy at times the original has no frame")
        if after.lost or after.retimed:
            self.find(
                Fault.UNREADABLE,
                f"{counted(len(after.lost) + len(after.retimed), 'place')} of the copy that cannot be decoded cleanly",
            )

    def _paired(
        self, originals: Iterator[Picture], copies: Iterator[Picture]
    ) -> Iterator[tuple[Picture | None, Picture | None]]:
        """Frames of both at the same time, as rationals; None where one of them has no frame."""
        source, result = next(originals, None), next(copies, None)
        while source is not None or result is not None:
            if source is None or (result is not None and result.seconds + self.shift < source.seconds):
                self._added += 1
                yield None, result
                result = next(copies, None)
            elif result is None or result.seconds + self.shift > source.seconds:
                self._missing += 1
                yield source, None
                source = next(originals, None)
            else:
                yield source, result
                source, result = next(originals, None), next(copies, None)

    def report(
        self,
        plan: RedactionPlan,
        before: VideoReader | ExcerptReader,
        look: Finders,
        *,
        stride: int,
        digest: str,
        size: int,
        measures: dict[str, int],
    ) -> CheckReport:
        """`plan` is that of the whole recording, whose ordinals the report speaks."""
        self.findings += self.judge.last()
        if before.frames_lost:
            self.find(
                Fault.FRAMES_LOST, f"{counted(before.frames_lost, 'frame')} of the original that cannot be decoded"
            )
        times = _Times(self.plan)
        away = self.excerpt.first if self.excerpt else 0
        if self.excerpt:
            measures |= {"excerpt_first": self.excerpt.first, "excerpt_stop": self.excerpt.stop}
        return CheckReport(
            plan_id=self.plan.plan_id,
            plan_revision=self.plan.revision,
            plan_sha256=sha256_hex(to_bytes(plan)),
            content_sha256=self.plan.content_sha256,
            copy_sha256=digest,
            copy_bytes=size,
            tool=TOOL,
            stride=stride,
            frames=self.frames,
            frames_checked=self.search.searched,
            frames_lost=before.frames_lost,
            covers_checked=self.judge.covers_checked,
            detectors=(*look.describe(), *self.heard.detectors),
            not_checked=(*limits(self.plan, look, self.search, stride), *self.heard.not_checked),
            suspects=named(
                ranked(
                    one.moved(away)
                    for one in (*self.search.chains.suspects(times.end_ms, times.start_ms), *self.heard.suspects)
                )
            ),
            findings=tuple(one.moved(away) for one in self.findings),
            kept=tuple(KeptTrack(id=name, sightings=count) for name, count in sorted(self.search.kept.items())),
            measures={
                **measures,
                "cutouts": self.search.cutouts,
                "cutouts_left_out": self.search.left_out,
                "frames_same_bytes": self.same,
                "difference_colour_local_centilevels": round(100 * self.judge.worst.colour_local),
                "difference_colour_mean_centilevels": round(100 * self.judge.worst.colour_mean),
                "difference_local_centilevels": round(100 * self.judge.worst.local),
                "difference_mean_centilevels": round(100 * self.judge.worst.mean),
            },
        )


class _Times:
    """When frames are shown, in ms after the first."""

    def __init__(self, plan: RedactionPlan) -> None:
        self._pts, self._media = plan.media.pts, plan.media

    def start_ms(self, ordinal: int) -> int:
        return self._ms(self._pts.pts_of(ordinal))

    def end_ms(self, ordinal: int) -> int:
        if ordinal + 1 < self._pts.count:
            return self._ms(self._pts.pts_of(ordinal + 1))
        return self._ms(self._pts.start + self._media.duration)

    def _ms(self, ticks: int) -> int:
        return int((ticks - self._pts.start) * self._media.time_base * 1000)
