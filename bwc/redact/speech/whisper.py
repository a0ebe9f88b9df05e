"""Whisper as the recogniser, run by faster-whisper (extra `speech`); files are given from memory, nothing asks a network."""

import importlib.metadata
import os
from typing import Any

from bwc.errors import BwcError, NotFound
from bwc.media.mono import Floats
from bwc.redact.plan import DetectorInfo
from bwc.redact.speech.heard import Word
from bwc.redact.speech.model import ModelFiles

_MOST_TOKENS = 200  # of 30 seconds: whoever speaks says fewer; a network that loops says more
_THREADS = 2


class Whisper:
    """One loaded model. Beams: how many readings are weighed; no chance, so the same sound gives the same words."""

    def __init__(self, model: ModelFiles, *, beams: int = 5) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise NotFound(
                "speech recognition is not installed", "in the folder of bwc: pip install '.[speech]'"
            ) from error
        self._model, self._beams = model, beams
        try:
            # the place is a name only: all files come from memory
            self._network = WhisperModel(
                model.name, device="cpu", compute_type="int8", cpu_threads=_THREADS, files=dict(model.files)
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise BwcError(f"the speech model {model.name} cannot be loaded: {error}") from error

    def words(self, samples: Floats) -> list[Word]:
        segments, _ = self._network.transcribe(
            samples,
            language=None if self._network.model.is_multilingual else "en",
            beam_size=self._beams,
            temperature=0.0,
            word_timestamps=True,
            condition_on_previous_text=False,
            no_speech_threshold=None,  # what was hardly heard is a word all the same: doubt hides
            log_prob_threshold=None,
            compression_ratio_threshold=None,
            max_new_tokens=_MOST_TOKENS,
        )
        return [_word(one) for segment in segments for one in segment.words or ()]

    def describe(self) -> tuple[DetectorInfo, ...]:
        runner = f"faster-whisper {importlib.metadata.version('faster-whisper')}"
        return (
            DetectorInfo(
                name=self._model.name,
                package=self._model.package,
                file_sha256=self._model.sha256,
                licence=self._model.licence,
                precision="int8",
                settings={"beams": self._beams, "runner": runner},
            ),
        )


def _word(one: Any) -> Word:
    return Word(
        start_ms=round(one.start * 1000),
        end_ms=round(one.end * 1000),
        text=one.word.strip(),
        score_permille=round(one.probability * 1000),
    )
