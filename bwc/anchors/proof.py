"""C2SP tlog-proof: a file that proves, offline and forever, that one entry is in the log.

Line 1 names the format, an optional `extra` line is not authenticated, then the index, the audit path from leaf to
root, an empty line and the signed checkpoint. About 1.3 kB for one entry of ten million.
"""

from dataclasses import dataclass

from bwc.anchors.paths import MAX_PROOF, inclusion_proof, verify_inclusion
from bwc.audit.checkpoint import MAX_NOTE, Checkpoint, NoteKey, parse_checkpoint, parse_number
from bwc.audit.keychain import open_checkpoint
from bwc.audit.merkle import HASH_BYTES, leaf_hash
from bwc.audit.tiles import LogReader, TileTree
from bwc.errors import IntegrityError
from bwc.keys import decode_binary, encode_binary

HEADER = "c2sp.org/tlog-proof@v1"
_MAX_EXTRA = 100_000


@dataclass(frozen=True, slots=True)
class LogProof:
    """That the entry number `index` is under the checkpoint. `extra` is not authenticated."""

    index: int
    path: tuple[bytes, ...]
    checkpoint_note: bytes
    extra: bytes | None = None

    def to_bytes(self) -> bytes:
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {encode_binary(self.extra)}")
        lines.append(f"index {self.index}")
        lines.extend(encode_binary(one) for one in self.path)
        return "\n".join([*lines, "", ""]).encode() + self.checkpoint_note

    @classmethod
    def parse(cls, data: bytes) -> "LogProof":
        """The proof in `data`, not verified. Raises `IntegrityError` unless it is exactly one."""
        head, gap, note = data.partition(b"\n\n")
        if not gap or len(head) > _MAX_EXTRA + 64 * MAX_PROOF or len(note) > MAX_NOTE:
            raise IntegrityError("not a log proof")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise IntegrityError("not a log proof") from None
        if lines.pop(0) != HEADER:
            raise IntegrityError(f"a log proof begins with {HEADER}")
        extra = decode_binary(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
        if not lines or not lines[0].startswith("index "):
            raise IntegrityError("a log proof names the index of its entry")
        index = parse_number(lines.pop(0)[6:])
        path = tuple(decode_binary(line) for line in lines)
        if len(path) > MAX_PROOF or any(len(one) != HASH_BYTES for one in path):
            raise IntegrityError("a log proof holds at most 63 hashes of 32 bytes")
        parse_checkpoint(note)
        return cls(index, path, note, extra)

    def verify(self, entry: bytes, key: NoteKey) -> Checkpoint:
        """Raise `ProofInvalid` unless `entry` is number `index` of the log that `key` signs.

        Returns the checkpoint it is under.
        """
        checkpoint = open_checkpoint(self.checkpoint_note, key)
        verify_inclusion(leaf_hash(entry), self.index, checkpoint.size, checkpoint.root, self.path)
        return checkpoint


def make_proof(files: LogReader, checkpoint_note: bytes, index: int) -> LogProof:
    """The proof of entry `index` under a published checkpoint: reads one bundle and a few tiles.

    It is verified before it is handed out: raises `IntegrityError` when the tiles do not lead to the checkpoint.
    """
    checkpoint, _ = parse_checkpoint(checkpoint_note)
    tree = TileTree(files, checkpoint.size)
    path = inclusion_proof(index, checkpoint.size, tree.node)
    entry = tree.entries(index // 256)[index % 256]
    verify_inclusion(leaf_hash(entry), index, checkpoint.size, checkpoint.root, path)
    return LogProof(index, tuple(path), checkpoint_note)
