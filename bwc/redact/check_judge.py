"""Whether each picture of a copy hides what it should and is the original's elsewhere: step 4 of `bwc.redact.check`.

A thread of its own judges one picture after the other, while others decode and search the next ones.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bwc.media.decode import Picture
from bwc.redact.check_cover import Difference, difference_of_small, flaws_of_covers, reduced
from bwc.redact.check_known import Smalls
from bwc.redact.check_report import Fault, Finding
from bwc.redact.plan import Box, Coverage, FrameCover, PlanMedia
from bwc.redact.plan_effect import Effect

_MAX_FINDINGS_OF_A_KIND = 50
_WAITING = 2  # pictures that wait to be judged


@dataclass(slots=True)
class _Streak:
    """The same fault in consecutive frames: one finding."""

    fault: Fault
    words: str
    first: int
    last: int
    frames: int
    worst: float
    box: Box | None

    def finding(self) -> Finding:
        return Finding(
            fault=self.fault, detail=self.words, first=self.first, last=self.last, frames=self.frames, box=self.box
        )


class Judge:
    """One copy's. A context manager: left, it has judged all that it took, also after an error; `findings`, `worst` and `covers_checked` are then complete."""

    def __init__(self, media: PlanMedia, effect: Effect, covers: Coverage) -> None:
        self.findings: list[Finding] = []
        self.covers_checked = 0
        self.worst = Difference()
        self.smalls: Smalls | None = None  # of the original's pictures that come without their pixels
        self._media, self._effect, self._covers = media, effect, covers
        self._streaks: dict[Fault, _Streak] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bwc-judge")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self._thread.shutdown(wait=True)
        while self._waiting and error is None:
            self._waiting.popleft().result()

    def take(
        self, source: Picture | None, result: Picture, ordinal: int | None, cover: FrameCover, *, is_same: bool
    ) -> None:
        """Judge frame `ordinal` of the plan; `is_same`: it is the original's own bytes. Pictures come in order.

        What judging one of them raised is raised here, or at the end.
        """
        while len(self._waiting) > _WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._judge, source, result, ordinal, cover, is_same))

    def last(self) -> list[Finding]:
        """What was still going on at the end."""
        before = len(self.findings)
        for fault in list(self._streaks):
            self._close(fault)
        return self.findings[before:]

    def _judge(
        self, source: Picture | None, result: Picture, ordinal: int | None, cover: FrameCover, is_same: bool
    ) -> None:
        media, place = self._media, ordinal if ordinal is not None else result.ordinal
        y = result.y[: media.height, : media.width]
        half = (media.height + 1) // 2, (media.width + 1) // 2
        u, v = result.u[: half[0], : half[1]], result.v[: half[0], : half[1]]
        self.covers_checked += 1 if cover.whole else len(cover.boxes)
        for flaw in flaws_of_covers(y, u, v, cover, self._effect):
            self._fault(Fault.COVER_WEAK, flaw.words, place, flaw.measure, flaw.box)
        small = None if source is None or is_same else self._small(source, y.shape)
        if source is None or small is None:
            return
        if source.damaged and ordinal is not None:
            # the renderer may cover a damaged frame by its neighbours' covers too, or altogether
            near = range(max(0, ordinal - 5), min(media.frames, ordinal + 6))
            around = [self._covers.at(one) for one in near]
            cover = FrameCover(
                whole=any(one.whole for one in around), boxes=tuple(box for one in around for box in one.boxes)
            )
        apart = difference_of_small(small, reduced((y, u, v)), y.shape, cover)
        self.worst = self.worst.or_worse(apart)
        if differs := apart.flaw():
            self._fault(Fault.PICTURE_DIFFERS, differs.words, place, differs.measure, differs.box)

    def _small(self, source: Picture, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
        """What a picture of `shape` is compared with; None when the original's has another size."""
        if source.known:
            return self.smalls.at(source.pts) if self.smalls else None
        return reduced((source.y, source.u, source.v)) if source.y.shape == shape else None

    def _fault(self, fault: Fault, words: str, place: int, measure: float, box: Box | None) -> None:
        streak = self._streaks.get(fault)
        if streak is not None and place - streak.last <= 1:
            streak.frames += place != streak.last
            streak.last = place
            if measure > streak.worst:
                streak.worst, streak.words, streak.box = measure, words, box
            return
        self._close(fault)
        self._streaks[fault] = _Streak(fault, words, place, place, 1, measure, box)

    def _close(self, fault: Fault) -> None:
        streak = self._streaks.pop(fault, None)
        if streak is not None and sum(one.fault is fault for one in self.findings) < _MAX_FINDINGS_OF_A_KIND:
            self.findings.append(streak.finding())
