"""Which key signs the log at which size: its first key, and each handing over from a key to the next.

A handover is a statement that the old key and the new one both sign. It is in the entry `log.rekeyed`, and every
checkpoint from there on carries all of them in one line of its note. So whoever has any key of the chain follows it to
the one that signs now, from the checkpoint alone, offline (docs/formats/audit-log.md#rekey).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import Struct
from typing import Any

from bwc.audit.checkpoint import ED25519, MAX_SIZE, Checkpoint, Note, NoteKey, NoteSignature, parse_checkpoint
from bwc.canonical import Json
from bwc.errors import IntegrityError, ProofInvalid
from bwc.evidence import utc_text
from bwc.keys import PublicKey, decode_binary, encode_binary

FORMAT = "bwc.rekey/1"
_TYPE = 0xFF  # signed-note: a type without a byte of its own; a longer name follows
_LAYOUT = Struct(">QQ32s32s64s64s")  # entry, compromised from, old key, new key, their signatures
_WIDTH = _LAYOUT.size
_LAST_SECOND = 253_402_300_799  # of the year 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """The old key gives way to the new one: from entry `seq` on the new one signs. Making one verifies both signatures."""

    seq: int
    old: NoteKey
    new: NoteKey
    compromised_s: int = 0  # seconds since 1970 from which somebody else may have held the old key; 0: none known
    old_signature: bytes
    new_signature: bytes

    def __post_init__(self) -> None:
        if not 0 < self.seq <= MAX_SIZE or not 0 <= self.compromised_s <= _LAST_SECOND:
            raise IntegrityError("a handover names an entry after the first, and a time")
        if self.old.name != self.new.name or self.old == self.new:
            raise ProofInvalid("a handover is from one key of a log to another one")
        message = handover_text(self.seq, self.old, self.new, self.compromised_s)
        for whose, key, signature in (("old", self.old, self.old_signature), ("new", self.new, self.new_signature)):
            try:
                PublicKey("ed25519", key.public).verify(message, signature)
            except IntegrityError as error:
                raise ProofInvalid(
                    f"the handover of the log's key in entry {self.seq} is not signed by the {whose} key"
                ) from error

    @property
    def compromised_from(self) -> str:
        """The time as entries write it; empty when none is known."""
        return utc_text(datetime.fromtimestamp(self.compromised_s, UTC)) if self.compromised_s else ""

    def to_bytes(self) -> bytes:
        keys, signatures = (self.old.public, self.new.public), (self.old_signature, self.new_signature)
        return _LAYOUT.pack(self.seq, self.compromised_s, *keys, *signatures)

    @classmethod
    def parse(cls, data: bytes, origin: str) -> "Handover":
        """Raises `IntegrityError` or `ProofInvalid` unless `data` is a handover of the log `origin` that both keys signed."""
        if len(data) != _WIDTH:
            raise IntegrityError(f"a handover takes {_WIDTH} bytes")
        seq, since, old, new, by_old, by_new = _LAYOUT.unpack(data)
        return cls(
            seq=seq,
            compromised_s=since,
            old=NoteKey(origin, ED25519, old),
            new=NoteKey(origin, ED25519, new),
            old_signature=by_old,
            new_signature=by_new,
        )

    def facts(self) -> dict[str, Json]:
        """The public facts of the entry `log.rekeyed`."""
        found: dict[str, Json] = {"handover": encode_binary(self.to_bytes()), "vkey": self.new.text()}
        return found | ({"compromised_from": self.compromised_from} if self.compromised_s else {})

    @classmethod
    def of_entry(cls, facts: Mapping[str, Any], *, log: str, seq: int) -> "Handover":
        """The handover that entry `seq` records. Raises `IntegrityError` or `ProofInvalid` unless it is one, of there."""
        told = facts.get("handover")
        found = cls.parse(decode_binary(told if isinstance(told, str) else ""), log)
        if found.seq != seq or dict(facts) != found.facts():
            raise ProofInvalid(f"entry {seq} does not say what its handover says")
        return found


def handover_text(seq: int, old: NoteKey, new: NoteKey, compromised_s: int) -> bytes:
    """What both keys sign of a handover."""
    lines = (FORMAT, f"log {old.name}", f"entry {seq}", f"old {old.text()}", f"new {new.text()}")
    return "\n".join((*lines, f"compromised {compromised_s}", "")).encode()


@dataclass(frozen=True, slots=True)
class KeyChain:
    """The keys of one log, as far as somebody knows them. Raises `ProofInvalid` unless each handover follows the last."""

    first: NoteKey
    handovers: tuple[Handover, ...] = ()

    def __post_init__(self) -> None:
        key, seq = self.first, 0
        for one in self.handovers:
            if one.old != key or one.seq <= seq:
                raise ProofInvalid(f"the handover of the log's key in entry {one.seq} does not follow the one before")
            key, seq = one.new, one.seq
        if len(set(self.keys)) != len(self.keys):
            raise ProofInvalid("a key of the log that was given up came back")

    @property
    def keys(self) -> tuple[NoteKey, ...]:
        return (self.first, *(one.new for one in self.handovers))

    @property
    def last(self) -> NoteKey:
        """The key that signs now."""
        return self.keys[-1]

    def at(self, size: int) -> NoteKey:
        """The key that signs a checkpoint of `size` entries: the new one as soon as the entry that names it is among them."""
        return self.keys[sum(one.seq < size for one in self.handovers)]

    def upto(self, size: int) -> "KeyChain":
        """As it was known to a checkpoint of `size` entries."""
        return KeyChain(self.first, tuple(one for one in self.handovers if one.seq < size))

    def extended(self, one: Handover) -> "KeyChain":
        return KeyChain(self.first, (*self.handovers, one))

    def check_begins_with(self, other: "KeyChain", size: int) -> None:
        """Raise `ProofInvalid` unless `other`, as known to a checkpoint of `size` entries, is the beginning of this one."""
        if self.upto(size).handovers != other.handovers or self.at(size) != other.last:
            raise ProofInvalid("the log's key was handed over otherwise than was seen before")

    def line(self) -> tuple[NoteSignature, ...]:
        """The line that carries the handovers in a checkpoint's note; none while there was none."""
        if not self.handovers:
            return ()
        whole = b"".join(one.to_bytes() for one in self.handovers)
        return (NoteSignature(self.first.name, _hint(self.first.name), whole),)

    @classmethod
    def carried(cls, note: Note, origin: str) -> "KeyChain | None":
        """The chain that a checkpoint carries, None if it carries none. Raises `IntegrityError` or `ProofInvalid`."""
        lines = [one for one in note.signatures if is_chain(one, origin)]
        if not lines:
            return None
        data = lines[0].signature
        if len(lines) > 1 or len(data) % _WIDTH:
            raise IntegrityError("a checkpoint carries one line of handovers")
        parts = [data[at : at + _WIDTH] for at in range(0, len(data), _WIDTH)]
        handovers = tuple(Handover.parse(one, origin) for one in parts)
        return cls(handovers[0].old, handovers)

    @classmethod
    def of_note(cls, note: Note, key: NoteKey) -> "KeyChain":
        """The chain that a checkpoint carries, if it leads from or to `key`; of `key` alone if it carries none.

        Raises `IntegrityError` or `ProofInvalid` otherwise. That the note is signed by its last key is not looked at.
        """
        found = cls.carried(note, key.name)
        if found is None:
            return cls(key)
        if key not in found.keys:
            raise ProofInvalid(f"signed by {found.last.text()}, to which the key {key.text()} was never handed over")
        return found


def is_chain(line: NoteSignature, origin: str) -> bool:
    """Whether a line of a note carries handovers."""
    return (line.name, line.key_hint) == (origin, _hint(origin))


def _hint(origin: str) -> bytes:
    return hashlib.sha256(origin.encode() + b"\n" + bytes([_TYPE]) + FORMAT.encode()).digest()[:4]


def read_checkpoint(data: bytes, key: NoteKey) -> tuple[Checkpoint, KeyChain]:
    """The checkpoint in a note, signed by the key in force at its size, which the chain it carries ties to `key`.

    Raises `IntegrityError` or `ProofInvalid`.
    """
    checkpoint, note = parse_checkpoint(data)
    if checkpoint.origin != key.name:
        raise ProofInvalid(f"the key is of another log, {key.name}: this is a checkpoint of {checkpoint.origin}")
    chain = KeyChain.of_note(note, key)
    if chain.handovers and chain.handovers[-1].seq >= checkpoint.size:
        raise ProofInvalid("the checkpoint carries a handover of an entry that it does not hold")
    chain.last.verify(note)
    return checkpoint, chain


def open_checkpoint(data: bytes, key: NoteKey) -> Checkpoint:
    """`read_checkpoint` for whoever needs no chain."""
    return read_checkpoint(data, key)[0]
