"""What makes the bytes of a copy besides recording and plan: this build of the codecs, this class of processor, this code."""

import hashlib
import platform
from functools import cache
from pathlib import Path

import av
import cv2

from bwc.canonical import Json
from bwc.version import TOOL

_PACKAGE = Path(__file__).resolve().parents[1]
_LIBRARIES = ("libx264", "libavcodec", "libavformat")
# Flags of /proc/cpuinfo behind the levels of the x86-64 psABI: codecs and OpenCV choose their code paths by them.
_LEVELS = (
    ("x86-64-v4", {"avx512f", "avx512bw", "avx512vl"}),
    ("x86-64-v3", {"avx2", "bmi2", "fma"}),
    ("x86-64-v2", {"sse4_2"}),
)


@cache
def build() -> dict[str, Json]:
    """Names and versions that have to be the same for the same bytes to come out."""
    return {
        "libraries": list(_bundled()),
        "opencv": cv2.__version__,
        "processor": _processor(),
        "pyav": av.__version__,
        "tool": TOOL,
    }


@cache
def work_of() -> dict[str, Json]:
    """What unfinished work is named by: only the same build and the same code, to the letter, go on with it."""
    return {**build(), "code_sha256": code_sha256(_PACKAGE)}


def code_sha256(package: Path) -> str:
    """SHA-256 over the modules below `package`: versions name releases, and what is installed may lie between two."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _bundled() -> tuple[str, ...]:
    """File names of the codec libraries; those in a wheel carry a digest of their content."""
    folder = Path(av.__file__).parent.parent / "av.libs"
    names = sorted(path.name for path in folder.glob("*.so*")) if folder.is_dir() else []
    found = tuple(name for name in names if name.startswith(_LIBRARIES))
    versions = ".".join(str(number) for number in av.library_versions["libavcodec"])
    return found or (f"libavcodec {versions} of this system",)


def _processor() -> str:
    machine = platform.machine()
    if machine not in ("x86_64", "AMD64"):
        return machine
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return machine
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    flags = set(line.partition(":")[2].split())
    return next((name for name, needed in _LEVELS if needed <= flags), machine)
