"""What else a loose file is read for while networks are loaded and its pictures are looked at: digests, facts, voices.

One after the other these took two seconds of a minute's footage, with one processor idle. Each reads the file for itself,
its answer is used where it was before, and so is its error: nobody learns of it who would not have come so far.

Of the sound only voices are found. A recogniser holds 350 MB beside the networks that look, so at the first voice whose words
are wanted this listening ends, and the recording is listened to as a whole when its pictures are done.
"""

import importlib.metadata
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from bwc.media.again import Shared
from bwc.media.decode import VideoReader
from bwc.media.facts import MediaFacts
from bwc.memory import few_arenas
from bwc.redact.ahead import step_back
from bwc.redact.loose_work import read_digests
from bwc.redact.speech import voice
from bwc.redact.speech.heard import HeardTrack, Recogniser
from bwc.redact.speech.listen import PLUGINS, Hearing, find_hearing, hear_all


class Meanwhile:
    """Reads `file` for all this in threads of its own. A context manager: leaving it ends them, also in the middle.

    Until then nobody else reads `file` but by `reader`.
    """

    def __init__(self, file: BinaryIO) -> None:
        few_arenas()
        voice.load()  # it sets an environment variable for a moment: not beside other threads
        self._shared = Shared(file)
        self._reading = ThreadPoolExecutor(2, thread_name_prefix="bwc-meanwhile")
        self._listening = ThreadPoolExecutor(1, thread_name_prefix="bwc-listen", initializer=step_back)
        self._facts: Future[MediaFacts] = self._reading.submit(_facts_of, self.reader())
        self._digests: Future[tuple[str, bytes]] = self._reading.submit(read_digests, self.reader())
        self._heard: Future[tuple[HeardTrack, ...] | None] = self._listening.submit(self._voices)

    def __enter__(self) -> "Meanwhile":
        return self

    def __exit__(self, *_: object) -> None:
        with self._shared:  # left, its readers have come to an end
            pass
        for pool in (self._reading, self._listening):
            pool.shutdown(wait=True, cancel_futures=True)

    def reader(self) -> BinaryIO:
        """The file, for one more who reads it."""
        return self._shared.reader()

    def digests(self) -> tuple[str, bytes]:
        """What `read_digests` says."""
        return self._digests.result()

    def facts(self) -> MediaFacts:
        """What `VideoReader.facts` says."""
        return self._facts.result()

    def tell(self, hearing: Hearing, content_sha256: str) -> None:
        """Spare `hearing` the recording of that digest, if what was heard is all that it would hear."""
        heard = self._heard.result()
        if heard is not None and (hearing.open is not None) == _may_write():
            hearing.knows(content_sha256, heard)

    def _voices(self) -> tuple[HeardTrack, ...] | None:
        """What is heard; None if there are words to be written down."""
        try:
            return tuple(
                hear_all(self.reader(), Hearing(_no_words if _may_write() else None), facts=self._facts.result())
            )
        except _Spoken:
            return None


class _Spoken(Exception):
    """A voice whose words are wanted."""


def _no_words() -> Recogniser:
    raise _Spoken


def _may_write() -> bool:
    """Whether words are written down here. No plug-in is loaded for the answer: it may hold much."""
    return bool(importlib.metadata.entry_points(group=PLUGINS)) or find_hearing().open is not None


def _facts_of(file: BinaryIO) -> MediaFacts:
    return VideoReader(file).facts
