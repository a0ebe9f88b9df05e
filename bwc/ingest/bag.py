"""Reading a bag (BagIt, RFC 8493) that somebody handed us: every byte of it is checked before any is believed."""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from bwc.canonical import sha256_hex
from bwc.errors import DigestMismatch, IntegrityError, NotFound, UsageError
from bwc.ingest.card import CardFile, Listing, list_card
from bwc.ingest.reader import open_source

MAX_TAG_BYTES = 64 * 2**20  # all files but the payload, together
ALGORITHMS = ("sha512", "sha256")  # weaker ones prove nothing against somebody who means it
_LINE = re.compile(r"([0-9a-fA-F]+)[ \t]+\*?(\S.*)\Z")
_VERSIONS = ("0.97", "1.0")

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bag:
    """A bag whose every listed byte was read and is what its manifests say."""

    root: Path
    payload: Mapping[str, CardFile]  # by path in the bag
    sha256: Mapping[str, str]  # of the payload, as read
    tags: Mapping[str, bytes]  # every other file

    @property
    def digest(self) -> str:
        """Of the tag manifest if it has one, which covers all; else of its payload manifest."""
        for name in ("tagmanifest-sha256.txt", "tagmanifest-sha512.txt", "manifest-sha256.txt", "manifest-sha512.txt"):
            if name in self.tags:
                return sha256_hex(self.tags[name])
        raise IntegrityError("the bag has no manifest")

    def tag(self, name: str) -> bytes:
        """One tag file. Raises `IntegrityError` when it is missing."""
        if name not in self.tags:
            raise IntegrityError(f"{name} is missing from the bag")
        return self.tags[name]

    def tag_archive(self) -> bytes:
        """All tag files as one tar, the same bytes each time."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in sorted(self.tags):
                member = tarfile.TarInfo(name)
                member.size = len(self.tags[name])
                tar.addfile(member, io.BytesIO(self.tags[name]))
        return out.getvalue()


def read_bag(root: Path, progress: Progress | None = None) -> Bag:
    """Read and check a whole bag. Raises `NotFound`, `UsageError` (no bag, or a kind we do not take), `IntegrityError`."""
    if not (root / "bagit.txt").is_file():
        raise NotFound(f"{root} is not a bag: it has no bagit.txt", "name the folder that holds bagit.txt")
    listing = list_card(root)
    stray = [one for one in listing.left if one.blocks_wipe]
    if stray:
        raise IntegrityError(f"{stray[0].name} does not belong into a bag: {stray[0].reason}")
    files = {file.path.decode("utf-8", "surrogateescape"): file for file in listing.files}
    tags = _tags(listing, files)
    _check_declaration(tags["bagit.txt"])
    if "fetch.txt" in tags:
        raise UsageError(
            "the bag leaves files to be fetched from elsewhere", "ask for a bag that holds all of its files"
        )
    payload = {path: file for path, file in files.items() if path.startswith("data/")}
    manifests = {one: _manifest(tags, f"manifest-{one}.txt") for one in ALGORITHMS if f"manifest-{one}.txt" in tags}
    if not manifests:
        raise UsageError(
            f"the bag has no manifest in {' or '.join(ALGORITHMS)}", "ask for one; md5 and sha1 prove too little"
        )
    for algorithm in ALGORITHMS:
        name = f"tagmanifest-{algorithm}.txt"
        for path, digest in (_manifest(tags, name) if name in tags else {}).items():
            if path not in tags:
                raise IntegrityError(f"{path} is missing from the bag")
            if hashlib.new(algorithm, tags[path]).hexdigest() != digest:
                raise DigestMismatch(f"{path} is not what {name} says")
    for algorithm, listed in manifests.items():
        missing, more = sorted(listed.keys() - payload.keys()), sorted(payload.keys() - listed.keys())
        if missing or more:
            name = (missing or more)[0]
            what = "is listed and not there" if missing else "is there and not listed"
            raise IntegrityError(f"{name} {what} (manifest-{algorithm}.txt)")
    return Bag(
        root=listing.root, payload=payload, sha256=_read_payload(listing, payload, manifests, progress), tags=tags
    )


def _tags(listing: Listing, files: Mapping[str, CardFile]) -> dict[str, bytes]:
    tags: dict[str, bytes] = {}
    room = MAX_TAG_BYTES
    for path, file in files.items():
        if path.startswith("data/"):
            continue
        room -= file.size_bytes
        if room < 0:
            raise UsageError("the bag's papers are larger than 64 MiB", "ask for a bag with its recordings below data/")
        with open_source(listing, file) as reader:
            tags[path] = reader.read() or b""
            if reader.gaps:
                raise IntegrityError(f"{path} cannot be read whole")
    return tags


def _read_payload(
    listing: Listing,
    payload: Mapping[str, CardFile],
    manifests: Mapping[str, Mapping[str, str]],
    progress: Progress | None,
) -> dict[str, str]:
    found: dict[str, str] = {}
    done, total = 0, sum(file.size_bytes for file in payload.values())
    buffer = bytearray(2**20)
    for path, file in payload.items():
        states = {name: hashlib.new(name) for name in {*manifests, "sha256"}}
        with open_source(listing, file) as reader:
            while count := reader.readinto(buffer):
                for state in states.values():
                    state.update(memoryview(buffer)[:count])
                done += count
                if progress:
                    progress(done, total)
            if reader.gaps:
                raise IntegrityError(f"{path} cannot be read whole", "copy the bag again from where it came")
        for algorithm, listed in manifests.items():
            if states[algorithm].hexdigest() != listed[path]:
                raise DigestMismatch(f"{path} is not what manifest-{algorithm}.txt says")
        found[path] = states["sha256"].hexdigest()
    return found


def _check_declaration(data: bytes) -> None:
    lines = dict(line.split(": ", 1) for line in data.decode("utf-8", "replace").splitlines() if ": " in line)
    version, encoding = lines.get("BagIt-Version", "").strip(), lines.get("Tag-File-Character-Encoding", "").strip()
    if version not in _VERSIONS:
        raise UsageError(
            f"the bag is of version {version or 'none'}", "versions " + " and ".join(_VERSIONS) + " are read"
        )
    if encoding.upper() != "UTF-8":
        raise UsageError(f"the bag's papers are in {encoding or 'no stated encoding'}", "UTF-8 is read")


def _manifest(tags: Mapping[str, bytes], name: str) -> dict[str, str]:
    """Path to digest. Raises `IntegrityError` for a line that is none, or a path that leaves the bag."""
    try:
        text = tags[name].decode("utf-8")
    except UnicodeDecodeError as error:
        raise IntegrityError(f"{name} is not UTF-8") from error
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line:
            continue
        match = _LINE.match(line)
        path = unquote(match[2]) if match and re.search("%(?:0[AaDd]|25)", match[2]) else match[2] if match else ""
        path = path.removeprefix("./")
        parts = path.split("/")
        if not match or path.startswith("/") or "" in parts or ".." in parts or "." in parts:
            raise IntegrityError(f"{name} has a line that names no file of the bag: {line[:80]!r}")
        if path in found:
            raise IntegrityError(f"{name} lists {path} twice")
        if name.startswith("manifest-") and parts[0] != "data":
            raise IntegrityError(f"{name} lists {path}, which is not below data/")
        found[path] = match[1].lower()
    return found
