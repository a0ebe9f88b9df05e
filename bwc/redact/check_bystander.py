"""What the check sees of a recording while another pass decodes it, so that it need not decode it all again.

It stands by a reader and is told every packet and picture. Of each picture it keeps the planes an eighth as large (what
the copy will be compared with), and with the check's own finders it searches those whose turn it is, until it
sees somebody in a group of pictures: a group in which nobody is seen will likely be copied as it is. The pass it stands by learns
nothing from it and tells it nothing else: the second opinion stays one.

Nothing of it counts by itself. Each closed group of pictures is bound to the digest of its packets, and is known only if every
packet gave its picture, undamaged. The check reads the same packets again, from the original and from the copy.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from bwc.media.decode import Picture
from bwc.media.facts import VideoFacts
from bwc.media.twins import GroupDigest, Twin
from bwc.redact.check_cover import reduced
from bwc.redact.check_finders import Finders, detect, detect_aside
from bwc.redact.check_search import view_of
from bwc.redact.check_turns import Turn, Turns, rate_from, usual_stride

_MOST_BYTES = 3 << 29  # of small pictures: 18 minutes of 1080p30; what comes later is decoded again


class Scratch(Protocol):
    """Written once, then read; sealed wherever it rests."""

    def write(self, data: bytes, /) -> object: ...
    def reader(self) -> BinaryIO: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class _Group:
    """One run of packets from a keyframe to the next."""

    first: int
    frames: int = 0
    place: int = 0  # of its first small picture
    smalls: int = 0
    is_whole: bool = True
    is_seen: bool = False  # somebody, or something, was seen in it
    content: GroupDigest | None = field(default_factory=GroupDigest)  # None: all is there
    digest: bytes = b""  # empty until all is there
    waiting: deque[int] = field(default_factory=deque)  # times of packets whose pictures have not come

    def close(self) -> None:
        """No more comes. A group of which a picture is missing is never known."""
        if self.content is not None:
            self.digest = self.content.digest() if self.is_whole and not self.waiting else b""
        self.content, self.waiting = None, _NOTHING


_NOTHING: deque[int] = deque(maxlen=0)


class Bystander:
    """An `Onlooker` of one pass over one recording. A context manager: leaving it ends its thread and gives up what it kept.

    `scratch` is asked for a place for small pictures; with `looks` False nobody is looked for. `stride` as for the check.
    """

    def __init__(
        self,
        scratch: Callable[[], Scratch],
        *,
        stride: int | None = None,
        looks: bool = True,
        finders: Finders | None = None,
    ) -> None:
        self.finders = finders or Finders.open()
        self._scratch: Scratch | None = scratch()
        self._reader: BinaryIO | None = None
        self._stride, self._looks = stride, looks
        self._schedule: Turns | None = None
        self._turns = 0
        self._shape, self._small = (0, 0), 0
        self._groups: dict[int, _Group] = {}
        self._open: deque[_Group] = deque()  # those whose pictures have not all come
        self._empty = bytearray()  # by ordinal: how it was searched in vain (`_bits`)
        self._kept = 0  # small pictures
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="bwc-bystander")
        self._pending: Future[None] | None = None

    def __enter__(self) -> "Bystander":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._give_up()

    def begins(self, video: VideoFacts) -> None:
        """A pass over a recording begins. Only pictures stored in the order of showing are followed."""
        table = video.pts
        if video.codec != "h264" or video.reorders or video.interlaced or table is None:
            self._give_up()
            return
        ticks = table.last - table.start + (table.runs[-1][0] if table.runs else 1)
        rate = rate_from(video.frames, ticks, video.time_base)
        self._schedule = Turns(frames=video.frames, rate=rate, stride=self._stride or usual_stride(rate))
        self._turns = round(video.rotation / 90) % 4

    def coded(self, pts: int | None, data: bytes, *, is_key: bool) -> None:
        """The next packet."""
        if self._scratch is None:
            return
        if pts is None:
            self._give_up()
            return
        if is_key or not self._open:
            group = self._groups[pts] = _Group(pts)
            self._open.append(group)
        group = self._open[-1]
        group.is_whole = group.is_whole and (not group.waiting or pts > group.waiting[-1])
        group.waiting.append(pts)
        if group.content is not None:
            group.content.add(pts, data)
        group.frames += 1

    def shown(self, picture: Picture) -> None:
        """The next picture."""
        if self._scratch is None or self._schedule is None:
            return
        while len(self._open) > 1 and picture.pts >= self._open[1].first:
            self._open.popleft().close()
        turn = self._schedule.take(picture.ordinal)
        group = self._open[0] if self._open else None
        if group is None:
            return
        if not self._keep(picture, group):
            group.is_whole = False
        elif turn is not None and self._looks and not group.is_seen:
            self._wait()
            if not group.is_seen:
                self._pending = self._pool.submit(self._look, picture, turn, group)

    def ends(self) -> None:
        """The pass has ended; from now on the rest may be asked."""
        self._wait()
        self._pool.shutdown(wait=True)
        while self._open:
            self._open.popleft().close()
        if self._scratch is not None:
            self._reader = self._scratch.reader()

    def knows(self, twin: Twin, height: int, width: int) -> bool:
        """Whether every picture of a group, of that size, was seen, undamaged, of just these packets."""
        group = self._groups.get(twin.first)
        return (
            self._reader is not None
            and group is not None
            and (self._shape, group.frames, group.digest) == ((height, width), twin.frames, twin.digest)
        )

    def is_empty(self, twin: Twin) -> bool:
        """Whether nobody was seen in a group that is known."""
        return self._looks and not self._groups[twin.first].is_seen

    def searched(self, ordinal: int, turn: Turn) -> bool:
        """Whether frame `ordinal` was searched as `turn` asks, in vain."""
        found = self._empty[ordinal] if ordinal < len(self._empty) else 0
        return not _bits(turn) & ~found

    def has_small(self, twin: Twin) -> bool:
        """Whether all small pictures of a group that is known were kept."""
        return self._groups[twin.first].smalls == twin.frames

    def small(self, twin: Twin, number: int) -> NDArray[np.uint8]:
        """The picture `number` of a group that `has_small`, `reduced`."""
        assert self._reader is not None
        self._reader.seek((self._groups[twin.first].place + number) * self._small)
        return np.frombuffer(self._reader.read(self._small), np.uint8)

    def _keep(self, picture: Picture, group: _Group) -> bool:
        """Keep the next picture of `group`, small, if there is room. False for a picture that is not as it should be."""
        if picture.known or picture.damaged or not group.waiting or group.waiting.popleft() != picture.pts:
            return False
        # who finds the plan's flow of motion asks for the same halves
        quarter = None if picture.height % 4 or picture.width % 4 else picture.halved(2)
        small = reduced((picture.y, picture.u, picture.v), quarter)
        if not self._kept:
            self._shape, self._small = (picture.height, picture.width), small.size
        if self._shape != (picture.height, picture.width):
            return False
        if (self._kept + 1) * small.size <= _MOST_BYTES and self._scratch is not None:
            try:
                self._scratch.write(small.tobytes())
            except OSError:  # no space left: whoever writes the copy will tell
                self._give_up()
                return False
            group.place = group.place if group.smalls else self._kept
            group.smalls += 1
            self._kept += 1
        return True

    def _look(self, picture: Picture, turn: Turn, group: _Group) -> None:
        view, shape = view_of(picture, picture.height, picture.width, self._turns)
        for finder in self.finders.at(turn):
            if detect(finder, view, self._turns, shape):
                group.is_seen = True
                return
        if turn.aside and detect_aside(self.finders.coarse, view, turn.aside, self._turns, shape):
            group.is_seen = True
            return
        self._empty += bytes(max(0, picture.ordinal + 1 - len(self._empty)))
        self._empty[picture.ordinal] = _bits(turn)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _give_up(self) -> None:
        if self._scratch is not None:
            self._scratch.close()
        self._scratch = self._reader = None
        self._groups.clear()
        self._open.clear()


def _bits(turn: Turn) -> int:
    """How a picture is searched, in a byte: 0 is not at all."""
    return 1 | turn.fine << 1 | sum(1 << turn_by + 1 for turn_by in turn.aside)
