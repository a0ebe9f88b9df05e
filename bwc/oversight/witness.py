"""A witness: cosigns checkpoints that continue the last one it cosigned, and nothing else (C2SP tlog-witness).

For a prosecutor, a clerk, an oversight board, on a computer that the agency does not run. It holds no footage and no
secret of the agency: one key of its own, and per log the last checkpoint. Format of its folder: docs/formats/witness.md.

1. the log is one it follows, else 404
2. the checkpoint is signed by a key it was given for that log, or by the one that key was handed over to (and never by
   one that was given up, as far as it saw), else 403
3. the old size is not larger than the new one, else 400; and is the size it cosigned last, else 409 with that size
4. the consistency proof leads from the one to the other, else 422; at the same size the root is the same, else 409
5. the new checkpoint is durable before its cosignature leaves. 3 to 5 are one step for whoever asks at the same time
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from bwc.anchors.beside import write_beside
from bwc.anchors.fork import ForkEvidence, ForkKind, SignedCheckpoint, has_one_chain
from bwc.anchors.paths import MAX_PROOF, verify_consistency
from bwc.appending.writing import add_signatures
from bwc.audit.checkpoint import (
    COSIGNATURE,
    MAX_NOTE,
    Checkpoint,
    Note,
    NoteKey,
    NoteSignature,
    check_origin,
    parse_checkpoint,
    parse_number,
)
from bwc.audit.keychain import read_checkpoint
from bwc.canonical import sha256_hex
from bwc.errors import ConfigError, IntegrityError, InUse, NotFound, ProofInvalid, UsageError
from bwc.identities import SEED_BYTES, SeedSigner, decode_binary, encode_binary

FORMAT = "bwc.witness/1"
MOST_BODY_BYTES = MAX_NOTE + 100 * MAX_PROOF
SIZE_TYPE = "text/x.tlog.size"
_MOST_REFUSED = 1000  # notes kept of what was refused for its proof: anybody who has a signed checkpoint can send such


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness answers."""

    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"


class _Refused(Exception):
    def __init__(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        super().__init__(text)
        self.answer = Answer(status, text.encode() + b"\n", kind)


@dataclass(slots=True)
class Followed:
    """One log that is followed: the keys it may sign with, and the checkpoint cosigned last."""

    origin: str
    keys: list[NoteKey]
    note: bytes = b""  # signed by the log, cosigned by us; empty before the first

    @property
    def size(self) -> int:
        return parse_checkpoint(self.note)[0].size if self.note else 0

    def to_bytes(self) -> bytes:
        value = {"note": self.note.decode(), "origin": self.origin, "vkeys": [key.text() for key in self.keys]}
        return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


@dataclass(slots=True)
class Witness:
    """The witness in `folder`. Made by `create`, opened by `open_witness`; one process at a time serves it."""

    folder: Path
    name: str
    _signer: SeedSigner
    clock: Callable[[], float] = time.time
    _one_at_a_time: Lock = field(default_factory=Lock)

    @property
    def key(self) -> NoteKey:
        """The key others verify its cosignatures with."""
        return NoteKey(self.name, COSIGNATURE, self._signer.public)

    # --- the logs it follows -----------------------------------------------------------------------------

    def follow(self, key: NoteKey) -> Followed:
        """Follow the log that `key` signs, from its next checkpoint on; another key of a log that is followed is added."""
        with self._one_at_a_time:
            found = self._read(key.name) or Followed(key.name, [])
            if key not in found.keys:
                found.keys.append(key)
                write_beside(self._path(key.name), found.to_bytes())
            return found

    def followed(self) -> list[Followed]:
        """Every log it follows."""
        return [self._parse(path) for path in sorted((self.folder / "logs").glob("*.json"))]

    def latest(self, origin_sha256: str) -> bytes:
        """The checkpoint cosigned last of the log whose origin has this digest. Raises `NotFound`."""
        found = next((one for one in self.followed() if sha256_hex(one.origin.encode()) == origin_sha256), None)
        if found is None or not found.note:
            raise NotFound("no such log, or none of its checkpoints was cosigned yet")
        return found.note

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While this lasts no other process serves this witness. Raises `InUse`."""
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InUse(f"another process serves {self.folder}", "stop it first") from None
            yield
        finally:
            os.close(handle)

    # --- add-checkpoint ----------------------------------------------------------------------------------

    def add_checkpoint(self, body: bytes) -> Answer:
        """Judge one request, in the steps above. Everything in it is untrusted."""
        try:
            old, proof, data = _parse_request(body)
            checkpoint, note = _checkpoint(data)
            with self._one_at_a_time:
                log = self._read(checkpoint.origin)
                if log is None:  # 1
                    raise _Refused(404, "this log is not followed here")
                signed = _signed(note, log.keys)  # 2
                self._compare(log, signed, checkpoint, old, proof)  # 3, 4
                line = self._cosign(note.text)
                log.note = add_signatures(signed.note, [line])
                write_beside(self._path(log.origin), log.to_bytes())  # 5
            return Answer(200, line.line().encode())
        except _Refused as refused:
            return refused.answer

    def _compare(
        self, log: Followed, signed: SignedCheckpoint, new: Checkpoint, old: int, proof: tuple[bytes, ...]
    ) -> None:
        if old > new.size:
            raise _Refused(400, "the old size is larger than the checkpoint's")
        last = parse_checkpoint(log.note)[0] if log.note else None
        size = last.size if last else 0
        if last is not None and last.size == new.size and last.root != new.root:
            self._keep_fork(log, signed, ForkKind.TWO_ROOTS)  # whatever the request says: the key signed two histories
        if last is not None and not has_one_chain(self._last(log), signed):
            self._keep_fork(log, signed, ForkKind.OTHER_KEYS)
            raise _Refused(403, "signed by a key that the log gave up, or that was handed over otherwise before")
        if old != size:
            raise _Refused(409, str(size), SIZE_TYPE)
        if last is None or size == 0:
            if proof:
                raise _Refused(422, "the proof from nothing is empty")
            return
        if size == new.size and last.root != new.root:
            raise _Refused(409, str(size), SIZE_TYPE)
        try:
            verify_consistency(last.size, last.root, new.size, new.root, proof)
        except ProofInvalid as error:
            self._keep_refused(signed)
            raise _Refused(422, error.message) from error

    def _cosign(self, text: str) -> NoteSignature:
        # tlog-cosignature v1: 8 bytes of time, then the signature over a header and the note text
        moment = int(self.clock())
        message = f"cosignature/v1\ntime {moment}\n{text}".encode()
        return NoteSignature(self.name, self.key.key_hint, moment.to_bytes(8, "big") + self._signer.sign(message))

    # --- what is kept ------------------------------------------------------------------------------------

    def evidence(self) -> list[ForkEvidence]:
        """Proofs that a followed log was signed in two histories."""
        return [ForkEvidence.parse(path.read_bytes()) for path in sorted((self.folder / "evidence").glob("*.json"))]

    def _last(self, log: Followed) -> SignedCheckpoint:
        return _signed(parse_checkpoint(log.note)[1], log.keys)

    def _keep_fork(self, log: Followed, signed: SignedCheckpoint, kind: ForkKind) -> None:
        found = ForkEvidence(
            kind=kind,
            first=self._last(log),
            second=signed,
            found_at=datetime.fromtimestamp(int(self.clock()), UTC),
        )
        path = self.folder / "evidence" / found.name
        if not path.exists():
            write_beside(path, found.to_bytes())

    def _keep_refused(self, signed: SignedCheckpoint) -> None:
        """A signed checkpoint whose proof failed. It may be a fork or only a bad request; kept for whoever compares."""
        path = self.folder / "refused" / f"{signed.checkpoint.size}-{sha256_hex(signed.note)[:12]}"
        if not path.exists() and (not path.parent.is_dir() or sum(1 for _ in path.parent.iterdir()) < _MOST_REFUSED):
            write_beside(path, signed.note)

    def _path(self, origin: str) -> Path:
        return self.folder / "logs" / f"{sha256_hex(origin.encode())[:32]}.json"

    def _read(self, origin: str) -> Followed | None:
        path = self._path(origin)
        return self._parse(path) if path.exists() else None

    def _parse(self, path: Path) -> Followed:
        """Raises `ConfigError`: a damaged memory must not count as an empty one."""
        try:
            value = json.loads(path.read_bytes())
            found = Followed(value["origin"], [NoteKey.parse(one) for one in value["vkeys"]], value["note"].encode())
            if found.note:
                _, note = parse_checkpoint(found.note)
                self.key.verify(note)
            return found
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IntegrityError) as error:
            hint = "restore it from a backup: a witness that forgot may cosign a fork"
            raise ConfigError(f"{path}: {error}", hint) from error


def create(folder: Path, name: str) -> Witness:
    """Make a witness with a fresh key in `folder`. Raises `UsageError` if there is one."""
    check_origin(name)
    if (folder / "witness.json").exists():
        raise UsageError(f"{folder} holds a witness already", "bwc witness serve")
    seed = os.urandom(SEED_BYTES)
    value = {"format": FORMAT, "name": name, "seed": encode_binary(seed)}
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_beside(folder / "witness.json", json.dumps(value, indent=1).encode() + b"\n")
    return open_witness(folder)


def open_witness(folder: Path) -> Witness:
    """The witness in `folder`. Raises `NotFound`, or `ConfigError` when its file is damaged."""
    path = folder / "witness.json"
    try:
        value: Any = json.loads(path.read_bytes())
        if value["format"] != FORMAT:
            raise ValueError(f"not {FORMAT}")
        return Witness(folder, check_origin(value["name"]), SeedSigner(decode_binary(value["seed"])))
    except FileNotFoundError:
        raise NotFound(f"no witness in {folder}", "bwc witness new NAME") from None
    except (OSError, ValueError, KeyError, TypeError, UsageError, IntegrityError) as error:
        raise ConfigError(f"{path}: {error}", "restore it from a backup") from error


def _parse_request(body: bytes) -> tuple[int, tuple[bytes, ...], bytes]:
    head, gap, data = body.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
        if not gap or len(body) > MOST_BODY_BYTES or not lines[0].startswith("old ") or len(lines) > 1 + MAX_PROOF:
            raise _Refused(400, "not a request to add a checkpoint")
        return parse_number(lines[0][4:]), tuple(decode_binary(line) for line in lines[1:]), data
    except (UnicodeDecodeError, IntegrityError):
        raise _Refused(400, "not a request to add a checkpoint") from None


def _checkpoint(data: bytes) -> tuple[Checkpoint, Note]:
    try:
        return parse_checkpoint(data)
    except IntegrityError as error:
        raise _Refused(400, error.message) from error


def _signed(note: Note, keys: list[NoteKey]) -> SignedCheckpoint:
    """The checkpoint with the log's own signature and handovers alone: lines by others are ignored and not passed on."""
    for key in keys:
        try:
            _, chain = read_checkpoint(note.to_bytes(), key)
        except IntegrityError:
            continue
        mine = {(key.name, chain.last.key_hint), *((one.name, one.key_hint) for one in chain.line())}
        lines = tuple(one for one in note.signatures if (one.name, one.key_hint) in mine)
        return SignedCheckpoint(Note(note.text, lines).to_bytes(), key)
    raise _Refused(403, "not signed by a key this log was given with, nor by one that it was handed over to")
