"""C2SP signed notes, checkpoints and the keys that sign them.

A checkpoint says "the log of this origin has this many entries and this root". The vault signs it under the
log's origin (note signature type 1, Ed25519); witnesses add cosignatures (type 4). Signatures by keys a reader
does not know are carried along and ignored, so later kinds of keys can be added beside the first.
"""

import hashlib
import re
from dataclasses import dataclass

from bwc.audit.merkle import HASH_BYTES
from bwc.errors import IntegrityError, ProofInvalid, UsageError
from bwc.keys import PublicKey, decode_binary, encode_binary

ED25519 = 0x01
COSIGNATURE = 0x04
MAX_SIGNATURES = 64  # signed-note: at least 16, then a cap
MAX_NOTE = 400_000
MAX_SIZE = 2**63 - 1

# An origin is a key name and a JSON string, so: printable ASCII without space, plus, quote, backslash
_ORIGIN = re.compile(r"[!#-*,-\[\]-~]{1,200}\Z")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,18})\Z")
_SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})\Z")


def check_origin(origin: str) -> str:
    """`origin` itself. Raises `UsageError` unless it can name a log."""
    if not _ORIGIN.match(origin):
        raise UsageError(f"{origin!r} cannot name a log", "use letters, digits, dots, dashes and slashes")
    return origin


def parse_number(text: str) -> int:
    """A size or an index: ASCII decimal without leading zeros, below 2^63."""
    if not _NUMBER.match(text) or int(text) > MAX_SIZE:
        raise IntegrityError(f"{text[:40]!r} is not a number of entries")
    return int(text)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: who says so (name and key id are hints until verified), and the signature."""

    name: str
    key_hint: bytes  # 4 bytes
    signature: bytes

    def line(self) -> str:
        return f"— {self.name} {encode_binary(self.key_hint + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures under it. Parsing verifies nothing."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        return (self.text + "\n" + "".join(one.line() for one in self.signatures)).encode()

    @classmethod
    def parse(cls, data: bytes) -> "Note":
        """The note in `data`. Raises `IntegrityError` unless it is exactly one signed note."""
        if len(data) > MAX_NOTE:
            raise IntegrityError(f"a signed note takes at most {MAX_NOTE} bytes")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError:
            raise IntegrityError("a signed note is UTF-8") from None
        if _CONTROL.search(whole):
            raise IntegrityError("a signed note holds no control characters")
        text, gap, lines = whole.rpartition("\n\n")
        if not gap or not text or not lines.endswith("\n"):
            raise IntegrityError("not a signed note")
        rows = lines[:-1].split("\n")
        if len(rows) > MAX_SIGNATURES:
            raise IntegrityError(f"a signed note has at most {MAX_SIGNATURES} signatures")
        return cls(text + "\n", tuple(_signature(row) for row in rows))


def _signature(row: str) -> NoteSignature:
    match = _SIGNATURE_LINE.match(row)
    if match is None:
        raise IntegrityError("a signature line is: dash, name, base64")
    blob = decode_binary(match[2])
    if len(blob) <= 4:
        raise IntegrityError("a signature line holds a key id and a signature")
    return NoteSignature(match[1], blob[:4], blob[4:])


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A key that signs notes under a name, written as a C2SP vkey: `name+hex(key id)+base64(type, key)`."""

    name: str
    kind: int  # ED25519 or COSIGNATURE
    public: bytes

    def __post_init__(self) -> None:
        if not _ORIGIN.match(self.name) or self.kind not in (ED25519, COSIGNATURE):
            raise ProofInvalid("not a verification key of a log or a witness")
        PublicKey("ed25519", self.public)  # refuses bytes that are no sound key

    @classmethod
    def parse(cls, text: str) -> "NoteKey":
        """The key in a vkey line. Raises `IntegrityError` for anything else."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise IntegrityError("a verification key is written name+id+key")
        blob = decode_binary(parts[2])
        found = cls(parts[0], blob[0] if blob else 0, blob[1:])
        if found.key_hint.hex() != parts[1]:
            raise ProofInvalid("the verification key does not match its id")
        return found

    @property
    def key_hint(self) -> bytes:
        whole = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(whole).digest()[:4]

    def text(self) -> str:
        return f"{self.name}+{self.key_hint.hex()}+{encode_binary(bytes([self.kind]) + self.public)}"

    def verify(self, note: Note) -> tuple[int, ...]:
        """Raise `ProofInvalid` unless this key signed `note`, and no signature under its name and id fails.

        Returns the times (seconds since 1970) of its cosignatures; empty for a log's signature.
        """
        mine = [one for one in note.signatures if (one.name, one.key_hint) == (self.name, self.key_hint)]
        if not mine:
            raise ProofInvalid(f"no signature by {self.name}+{self.key_hint.hex()}")
        key = PublicKey("ed25519", self.public)
        times = []
        for one in mine:
            message, signature = note.text.encode(), one.signature
            if self.kind == COSIGNATURE:
                # tlog-cosignature: 8 bytes of time, then the signature over a header and the note text
                moment, signature = int.from_bytes(signature[:8], "big"), signature[8:]
                message = f"cosignature/v1\ntime {moment}\n".encode() + message
                times.append(moment)
            key.verify(message, signature)
        return tuple(times)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The size and root of a log at one moment."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{encode_binary(self.root)}\n"

    @classmethod
    def parse_text(cls, text: str) -> "Checkpoint":
        """The checkpoint in a note's text. Extension lines are refused: our logs have none."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not _ORIGIN.match(lines[0]):
            raise IntegrityError("a checkpoint is three lines: origin, size, root")
        root = decode_binary(lines[2])
        if len(root) != HASH_BYTES:
            raise IntegrityError("a hash is 32 bytes")
        return cls(lines[0], parse_number(lines[1]), root)


def parse_checkpoint(data: bytes) -> tuple[Checkpoint, Note]:
    """The checkpoint in a signed note, not verified. Raises `IntegrityError`."""
    note = Note.parse(data)
    return Checkpoint.parse_text(note.text), note
