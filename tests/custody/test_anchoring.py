"""What outsiders signed is in no row: it is read back from the device before it counts as kept."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwc.audit.checkpoint import COSIGNATURE, NoteKey, NoteSignature, parse_checkpoint
from bwc.custody import anchoring
from bwc.custody.anchoring import Anchoring
from bwc.errors import DigestMismatch
from bwc.identities import SeedSigner
from bwc.storage.fsops import Disk
from bwc.storage.syscalls import OsCalls
from tests.custody.vaults import make_vault


class Forgetful(OsCalls):
    """A device that holds other bytes than the system's cache shows."""

    def __init__(self) -> None:
        self.device: set[int] = set()

    def set_direct(self, fd: int, *, direct: bool) -> None:
        super().set_direct(fd, direct=direct)
        self.device.add(fd)

    def drop_cache(self, fd: int) -> None:
        super().drop_cache(fd)
        self.device.add(fd)

    def close(self, fd: int) -> None:
        super().close(fd)
        self.device.discard(fd)

    def read_into(self, fd: int, buffer: memoryview, offset: int) -> int:
        count = super().read_into(fd, buffer, offset)
        if fd in self.device and count:
            buffer[0] ^= 1
        return count


def test_a_time_stamp_that_the_device_does_not_hold_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = make_vault(tmp_path / "vault", b"one")
    at = datetime(2026, 11, 28, 12, tzinfo=UTC)
    with monkeypatch.context() as patch:
        patch.setattr(anchoring, "Disk", lambda root: Disk(root, Forgetful()))
        with pytest.raises(DigestMismatch):
            Anchoring(places).add_stamp("tsa", at, b"token")
    assert Anchoring(places).last_stamp("tsa") is None
    assert list((places.vault / "staging").iterdir()) == []
    Anchoring(places).add_stamp("tsa", at, b"token")
    assert Anchoring(places).last_stamp("tsa") == at


def test_a_cosignature_that_the_device_does_not_hold_takes_no_checkpoints_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = make_vault(tmp_path / "vault", b"one")
    before = Anchoring(places).note
    who, text = SeedSigner(b"w" * 32), parse_checkpoint(before)[1].text
    key = NoteKey("clerk.example/bwc", COSIGNATURE, who.public)
    signed = (1_790_000_000).to_bytes(8, "big") + who.sign(f"cosignature/v1\ntime 1790000000\n{text}".encode())
    lines = [(key, NoteSignature(key.name, key.key_hint, signed))]
    with monkeypatch.context() as patch:
        patch.setattr(anchoring, "Disk", lambda root: Disk(root, Forgetful()))
        with pytest.raises(DigestMismatch):
            Anchoring(places).add_cosignatures(lines)
    assert Anchoring(places).note == before
    Anchoring(places).add_cosignatures(lines)
    assert Anchoring(places).last_cosigned(key) == parse_checkpoint(before)[0].size
