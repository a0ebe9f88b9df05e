"""Fork evidence: two checkpoints signed for one log that cannot both be honest, as one self-contained file.

Checked by `ForkEvidence.verify` from the file alone: no vault, no network (docs/formats/fork-evidence.md).

1. both checkpoints are of the same log, each signed by the key that stands beside it
2. what they contradict each other in is shown:
   - two-roots: the same size, other contents
   - other-past: the larger log is proven to begin with other entries than the smaller one
   - shorter: the log was shown shorter than it had been signed before. Both can be signatures of one honest history,
     so this alone shows that something was hidden or lost, not what
   - other-keys: one of them is signed by a key that, by the handovers the larger carries, was not the log's at its size
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bwc.anchors.paths import consistency_proof, verify_consistency
from bwc.audit.checkpoint import MAX_NOTE, Checkpoint, NoteKey, parse_checkpoint
from bwc.audit.keychain import KeyChain, open_checkpoint, read_checkpoint
from bwc.audit.merkle import HASH_BYTES, root_at
from bwc.audit.tiles import LogReader, TileTree
from bwc.canonical import Json, canonical, parse_canonical, sha256_hex
from bwc.errors import IntegrityError, ProofInvalid, UsageError
from bwc.evidence import parse_utc, utc_text
from bwc.keys import decode_binary, encode_binary

FORMAT = "bwc.fork/1"
_MAX_BYTES = 2 * MAX_NOTE + 100_000


class ForkKind(StrEnum):
    """In what two checkpoints contradict each other."""

    TWO_ROOTS = "two-roots"
    OTHER_PAST = "other-past"
    SHORTER = "shorter"
    OTHER_KEYS = "other-keys"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint as it was signed, and the key that signed it. Making one verifies the signature."""

    note: bytes
    key: NoteKey

    def __post_init__(self) -> None:
        open_checkpoint(self.note, self.key)

    @property
    def checkpoint(self) -> Checkpoint:
        return parse_checkpoint(self.note)[0]

    @property
    def chain(self) -> KeyChain:
        """The log's keys, as this checkpoint carries them."""
        return read_checkpoint(self.note, self.key)[1]

    def to_json(self) -> dict[str, Json]:
        return {"note": self.note.decode(), "vkey": self.key.text()}

    @classmethod
    def from_json(cls, value: object) -> "SignedCheckpoint":
        """Raises `IntegrityError` or `ProofInvalid` unless `value` is a checkpoint with its key."""
        if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in ("note", "vkey")):
            raise IntegrityError("a signed checkpoint holds note and vkey")
        return cls(value["note"].encode(), NoteKey.parse(value["vkey"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkEvidence:
    """Two signed checkpoints of one log and why not both can be honest. `first` was seen first."""

    kind: ForkKind
    first: SignedCheckpoint
    second: SignedCheckpoint
    root: bytes = b""  # other-past: the root that the larger log has at the size of the smaller one
    path: tuple[bytes, ...] = ()  # other-past: RFC 6962 consistency proof of that root and the larger log's
    found_at: datetime

    @property
    def origin(self) -> str:
        return self.first.checkpoint.origin

    def is_of(self, key: NoteKey) -> bool:
        """Whether both are the doing of whoever holds the log of `key`: a stranger's signature proves nothing against it."""
        return key in self.first.chain.keys and key in self.second.chain.keys

    @property
    def name(self) -> str:
        """A file name: the same two checkpoints found again have the same one."""
        both = sha256_hex(self.first.note + self.second.note)
        return f"{self.kind.value}-{self.first.checkpoint.size}-{self.second.checkpoint.size}-{both[:12]}.json"

    def verify(self) -> None:
        """Raise `ProofInvalid` unless the two checkpoints contradict each other as `kind` says.

        That each is signed by its key was checked when they were read; whose keys they are is for the reader to compare.
        """
        old, new = sorted((self.first.checkpoint, self.second.checkpoint), key=lambda one: one.size)
        if old.origin != new.origin:
            raise ProofInvalid("the two checkpoints are of different logs")
        if self.kind is ForkKind.TWO_ROOTS:
            if old.size != new.size or old.root == new.root:
                raise ProofInvalid("the two checkpoints do not contradict each other")
        elif self.kind is ForkKind.OTHER_PAST:
            if not 0 < old.size < new.size or self.root == old.root:
                raise ProofInvalid("the two checkpoints do not contradict each other")
            verify_consistency(old.size, self.root, new.size, new.root, self.path)
        elif self.kind is ForkKind.OTHER_KEYS:
            if has_one_chain(self.first, self.second):
                raise ProofInvalid("the two checkpoints are of one chain of keys")
        elif self.second.checkpoint.size >= self.first.checkpoint.size:
            raise ProofInvalid("the second checkpoint is not shorter than the first")

    def text(self) -> str:
        """What it shows, for people."""
        one, two = self.first.checkpoint, self.second.checkpoint
        said = {
            ForkKind.TWO_ROOTS: f"one key signed two different logs of {one.size} entries",
            ForkKind.OTHER_PAST: f"the log of {max(one.size, two.size)} entries does not begin with "
            f"the {min(one.size, two.size)} entries that were signed before",
            ForkKind.OTHER_KEYS: f"the log of {two.size} entries is signed by a key that is not the one in force by what "
            f"was seen with {one.size}",
            ForkKind.SHORTER: f"the log was signed with {one.size} entries, and later shown with {two.size}: "
            "this proves no fork; both may be honest",
        }
        return f"{self.origin}: {said[self.kind]}"

    @property
    def proves(self) -> str:
        """What it proves, in a word or two."""
        return "that a log was shown shorter, no fork" if self.kind is ForkKind.SHORTER else "a fork of a log"

    def to_bytes(self) -> bytes:
        proof: dict[str, Json] = {}
        if self.kind is ForkKind.OTHER_PAST:
            proof = {"path": [encode_binary(one) for one in self.path], "root": encode_binary(self.root)}
        body: dict[str, Json] = {
            "first": self.first.to_json(),
            "format": FORMAT,
            "found_at": utc_text(self.found_at),
            "kind": self.kind.value,
            "proof": proof,
            "second": self.second.to_json(),
        }
        return canonical(body)

    @classmethod
    def parse(cls, data: bytes) -> "ForkEvidence":
        """The evidence in `data`, verified. Raises `IntegrityError` or `ProofInvalid` unless it proves what it says."""
        if len(data) > _MAX_BYTES:
            raise IntegrityError("not fork evidence: too long")
        value = parse_canonical(data)
        if not isinstance(value, dict) or value.get("format") != FORMAT or not isinstance(value.get("proof"), dict):
            raise IntegrityError(f"not fork evidence ({FORMAT})")
        path, at = value["proof"].get("path", []), value.get("found_at")
        try:
            kind = ForkKind(str(value.get("kind")))
            found_at = parse_utc(at if isinstance(at, str) else "")
        except (ValueError, UsageError):
            raise IntegrityError("fork evidence of a kind or time we do not know") from None
        if not isinstance(path, list):
            raise IntegrityError("the proof of fork evidence is a list")
        found = cls(
            kind=kind,
            first=SignedCheckpoint.from_json(value.get("first")),
            second=SignedCheckpoint.from_json(value.get("second")),
            root=decode_binary(value["proof"].get("root", "")),
            path=tuple(decode_binary(one) for one in path),
            found_at=found_at,
        )
        if len(found.root) not in (0, HASH_BYTES):
            raise IntegrityError("a root is 32 bytes")
        found.verify()
        return found


def contradiction(
    before: SignedCheckpoint, now: SignedCheckpoint, files: LogReader | None, *, found_at: datetime
) -> ForkEvidence | None:
    """Evidence if `now` does not continue `before`; None if it does, by a consistency proof that was verified.

    `files` are the log of the larger of the two; without them only keys and logs of one size can be told apart, and other
    sizes count as consistent. Raises `IntegrityError` when tiles are missing or do not lead to the larger checkpoint.
    """
    old, new = sorted((before.checkpoint, now.checkpoint), key=lambda one: one.size)
    if old.origin != new.origin:
        raise ProofInvalid(f"{old.origin} and {new.origin} are different logs")
    if not has_one_chain(before, now):
        return ForkEvidence(kind=ForkKind.OTHER_KEYS, first=before, second=now, found_at=found_at)
    if old.size == new.size:
        if old.root == new.root:
            return None
        return ForkEvidence(kind=ForkKind.TWO_ROOTS, first=before, second=now, found_at=found_at)
    if files is None:
        return None
    if now.checkpoint.size < before.checkpoint.size:
        return ForkEvidence(kind=ForkKind.SHORTER, first=before, second=now, found_at=found_at)
    if old.size == 0:
        return None
    tree = TileTree(files, new.size)
    root, path = root_at(old.size, tree.node), tuple(consistency_proof(old.size, new.size, tree.node))
    verify_consistency(old.size, root, new.size, new.root, path)  # the tiles lead to what is signed now
    if root == old.root:
        return None
    return ForkEvidence(kind=ForkKind.OTHER_PAST, first=before, second=now, root=root, path=path, found_at=found_at)


def has_one_chain(one: SignedCheckpoint, other: SignedCheckpoint) -> bool:
    """Whether the keys of the smaller checkpoint are the beginning of those of the larger."""
    old, new = sorted((one, other), key=lambda signed: signed.checkpoint.size)
    try:
        new.chain.check_begins_with(old.chain, old.checkpoint.size)
    except ProofInvalid:
        return False
    return True
