"""What outsiders sign of a published checkpoint is kept beside it, in the log's folder. No event and no key is needed.

An anchor is about the log and not in it: an entry for each would never be anchored itself. A cosignature becomes a line
of the checkpoint it is of, a time stamp a file (docs/formats/anchors.md).
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from bwc.anchors.outside import STAMPS, witness_keys
from bwc.anchors.paths import consistency_proof, verify_consistency
from bwc.audit.checkpoint import Note, NoteKey, NoteSignature, parse_checkpoint, parse_number
from bwc.audit.merkle import root_at
from bwc.audit.tiles import CHECKPOINT, KEPT, TileTree
from bwc.config import Places
from bwc.custody.shelf import LogShelf
from bwc.errors import IntegrityError, NotFound
from bwc.roles import Policy
from bwc.storage.catalog import Catalog
from bwc.storage.fsops import Disk

_LOOK_BACK = 100  # checkpoints: a witness that cosigned none of the last hundred says itself where it is


class Anchoring:
    """The published checkpoint of one vault, to be signed by outsiders."""

    def __init__(self, places: Places) -> None:
        """Raises `NotFound` when nothing is published yet."""
        self._places = places
        self._disk = Disk(places.vault)
        self._files = LogShelf(self._disk, derived=False)
        note = self._files.read(CHECKPOINT)
        if note is None:
            raise NotFound("nothing is published yet", "any recording command publishes the log")
        self.note = note
        self.checkpoint, _ = parse_checkpoint(note)

    def policy(self) -> Policy:
        """The policy in force."""
        with Catalog(self._places.catalog, read_only=True) as catalog:
            return catalog.policy()

    def proof(self, old: int) -> list[bytes]:
        """That the published log begins with its first `old` entries. Raises `IntegrityError` when tiles do not lead there."""
        new = self.checkpoint
        if not 0 < old < new.size:
            return []
        tree = TileTree(self._files, new.size)
        path = consistency_proof(old, new.size, tree.node)
        verify_consistency(old, root_at(old, tree.node), new.size, new.root, path)
        return path

    def last_cosigned(self, key: NoteKey) -> int:
        """The size that this witness cosigned last, as far as our recent checkpoints show; 0 if they do not."""
        for size in sorted((parse_number(name) for name in self._files.list(KEPT)), reverse=True)[:_LOOK_BACK]:
            note = self._files.read(f"{KEPT}/{size}")
            if note and any(_is_by(one, key) for one in parse_checkpoint(note)[1].signatures):
                return size
        return 0

    def last_stamp(self, authority: str) -> datetime | None:
        """When this authority stamped a checkpoint last, by the names of its files."""
        for size in sorted((parse_number(name) for name in self._files.list(STAMPS)), reverse=True)[:_LOOK_BACK]:
            for name in sorted(self._files.list(f"{STAMPS}/{size}"), reverse=True):
                who, _, seconds = name.rpartition("-")
                if who == authority and seconds.isdigit():
                    return datetime.fromtimestamp(int(seconds), UTC)
        return None

    def last_signed(self) -> dict[str, tuple[datetime, int]]:
        """When each outsider that policy names signed last, and how many entries, by what it stated; nothing is verified."""
        policy, found = self.policy(), dict[str, tuple[datetime, int]]()
        keys = {(key.name, key.key_hint) for key in witness_keys(policy)}
        for size in sorted((parse_number(name) for name in self._files.list(KEPT)), reverse=True):
            note = self._files.read(f"{KEPT}/{size}")
            for one in parse_checkpoint(note)[1].signatures if note else ():
                if (one.name, one.key_hint) in keys and one.name not in found:
                    moment = int.from_bytes(one.signature[:8], "big")  # tlog-cosignature: the time comes first
                    found[one.name] = (datetime.fromtimestamp(moment, UTC), size)
            if len(found) == len(policy.witnesses):
                break
        for authority in policy.time_authorities:
            for size in sorted((parse_number(name) for name in self._files.list(STAMPS)), reverse=True):
                names = [
                    name for name in self._files.list(f"{STAMPS}/{size}") if name.rpartition("-")[0] == authority.name
                ]
                if names:
                    at = max(int(name.rpartition("-")[2]) for name in names)
                    found[authority.name] = (datetime.fromtimestamp(at, UTC), size)
                    break
        return found

    def add_cosignatures(self, found: Iterable[tuple[NoteKey, NoteSignature]]) -> None:
        """Keep cosignatures of the checkpoint, verified here once more. Raises `ProofInvalid` for one that does not hold."""
        lines = list(found)
        for key, line in lines:
            key.verify(Note(self.checkpoint.text(), (line,)))
        with self._disk.lock("lock"):
            for where in (f"{KEPT}/{self.checkpoint.size}", CHECKPOINT):
                data = self._files.read(where)
                if data is None:
                    continue
                held, note = parse_checkpoint(data)
                if held == self.checkpoint:
                    self._files.replace(where, _merged(note, lines).to_bytes())
                elif held.size == self.checkpoint.size:
                    raise IntegrityError(f"{where} is not the checkpoint that was cosigned")

    def add_stamp(self, authority: str, at: datetime, token: bytes) -> None:
        """Keep a time stamp of the checkpoint's text, which the caller verified."""
        path = f"{STAMPS}/{self.checkpoint.size}/{authority}-{int(at.timestamp())}"
        with self._disk.lock("lock"):
            if self._files.read(path) is None:
                self._files.write_new({path: token})


def _is_by(one: NoteSignature, key: NoteKey) -> bool:
    return (one.name, one.key_hint) == (key.name, key.key_hint)


def _merged(note: Note, lines: Iterable[tuple[NoteKey, NoteSignature]]) -> Note:
    """The note with these cosignatures: of each witness the first and the last are kept."""
    signatures = list(note.signatures)
    for key, line in lines:
        others = [one for one in signatures if not _is_by(one, key)]
        # the first 8 bytes are the time, big-endian
        mine = sorted({*(one for one in signatures if _is_by(one, key)), line}, key=lambda one: one.signature[:8])
        signatures = [*others, *dict.fromkeys((mine[0], mine[-1]))]
    return Note(note.text, tuple(signatures))
