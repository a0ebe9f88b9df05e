"""Two pictures decoded at a time, for as long as nothing is wrong.

FFmpeg gives the same pictures with two threads as with one while all is sound. Where something is wrong, what it makes of
that could depend on timing: at the first sign of it `Unsound` is raised, before any picture of that moment is given out, and whoever
reads begins again with one thread.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import av.logging

from bwc.media.facts import VideoFacts
from bwc.media.source import Decoded, FrameDecoder

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

THREADS = 2
_lock = threading.Lock()  # guards `_at_work`
_at_work = 0


def may_pair(video: VideoFacts | None) -> bool:
    """Whether each picture of a recording is stored and predicted in the order of showing, by a codec we know to be the same with threads."""
    return video is not None and video.codec == "h264" and not video.reorders and not video.interlaced


class Unsound(Exception):
    """Something is wrong with the pictures, or may be. Never leaves `bwc.media`."""


@contextmanager
def codec_threads(stream: "VideoStream") -> Iterator[None]:
    """While `stream` is decoded by threads of the codec: their log goes nowhere.

    A thread that logs waits for Python's lock, and whoever closes the codec with that in its hand waits for the thread (PyAV, "Logging").
    """
    global _at_work  # noqa: PLW0603  the log's level is the process's
    with _lock:
        _at_work += 1
        av.logging.set_level(None)
    try:
        yield
    finally:
        if stream.codec_context.is_open:
            stream.codec_context.flush_buffers()  # returns when its threads rest
        with _lock:
            _at_work -= 1
            if not _at_work:
                av.logging.set_level(av.logging.PANIC)


class PairedDecoder(FrameDecoder):
    """For pictures stored in the order of showing: each packet gives its own picture, two packets later at most."""

    def __init__(self, stream: "VideoStream", *, motion_vectors: bool = False) -> None:
        super().__init__(stream, threads=THREADS, motion_vectors=motion_vectors)

    def push(self, packet: "Packet[Any]") -> list[Decoded]:
        if packet.pts is None or packet.is_discard:
            raise Unsound
        given = super().push(packet)
        self._verify_sound()
        if len(self._waiting) > THREADS:
            raise Unsound
        return given

    def pause(self) -> list[Decoded]:
        given = super().pause()
        self._verify_sound()
        if self._waiting:
            raise Unsound
        return given

    def _missing_tail(self) -> None:
        self._verify_sound()  # a tail that was never there says nothing of what is
        super()._missing_tail()

    def _verify_sound(self) -> None:
        if self.lost or self.retimed or self.damaged or any(self._waiting.values()):
            raise Unsound
