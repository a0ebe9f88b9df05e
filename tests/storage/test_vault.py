"""The vault: seal, prove, open, check, scratch, orphans."""

import hashlib
import io
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwc.canonical import canonical, parse_canonical, sha256_hex
from bwc.errors import (
    DigestMismatch,
    IntegrityError,
    KeyUnavailable,
    ProofInvalid,
    SealBroken,
    StorageError,
    UsageError,
)
from bwc.evidence import ItemId, ObjectRole, SealedObject
from bwc.identities import LocalOperator
from bwc.storage import body as bodies
from bwc.storage.held import Held
from bwc.storage.manifest import LEAF_BYTES, aad_of, content_commit, parse_manifest, signer_of, verify_manifest
from bwc.storage.scratch import open_scratch
from bwc.storage.store import Shelf
from bwc.storage.stream import FIRST_PLAIN, NEXT_PLAIN, OpenedStream
from bwc.storage.vault import Vault

LOG = "log.example/springfield"
ITEM = ItemId("2026-1122-K4J7QX")
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SIGNER = LocalOperator.generate("technician")
OFFICER = LocalOperator.generate("officer")
SIZES = [0, 1, FIRST_PLAIN - 1, FIRST_PLAIN, FIRST_PLAIN + 1, FIRST_PLAIN + NEXT_PLAIN, 4 << 20, (9 << 20) + 17]


def noise(size: int, seed: int = 0) -> bytes:
    return hashlib.shake_128(b"noise%d" % seed).digest(size)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.at(tmp_path / "vault", log=LOG)


def seal(vault: Vault, data: bytes, role: ObjectRole = ObjectRole.SEGMENT, segment: int = 0) -> Held:
    return vault.seal(
        io.BytesIO(data), item=ITEM, role=role, segment=segment, signer=SIGNER, recipients=[OFFICER.recipient], now=NOW
    )


def everything(vault: Vault) -> list[str]:
    root = vault._disk.root
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_opens_again_and_is_named_by_its_bytes(vault: Vault, size: int) -> None:
    data = noise(size)
    held = seal(vault, data)
    name = held.sealed.object_id
    rests = (vault._disk.root / "objects" / name[:2] / name).read_bytes()
    assert hashlib.sha256(rests).hexdigest() == name
    assert (held.content_digest, held.plain_bytes) == (sha256_hex(data), size)
    assert held.sealed.sealed_bytes == len(rests)
    with vault.open(held.sealed, OFFICER) as opened, held.open() as again:
        assert opened.read() == data == again.read()
    envelope = held.sealed.envelope_sha256
    assert everything(vault) == [
        f"envelopes/{envelope[:2]}/{envelope}.json", f"manifests/{name[:2]}/{name}.json", f"objects/{name[:2]}/{name}"
    ]  # fmt: skip
    manifest = vault.check(held.sealed, deep=True, item=ITEM)
    assert manifest.leaves == tuple(sha256_hex(rests[at : at + LEAF_BYTES]) for at in range(0, len(rests), LEAF_BYTES))


def test_the_technician_who_sealed_it_cannot_open_it(vault: Vault) -> None:
    held = seal(vault, b"footage")
    with pytest.raises(KeyUnavailable):
        vault.open(held.sealed, SIGNER)


def test_no_plaintext_in_any_file(vault: Vault) -> None:
    data = b"PLAINTEXT-MARK. " * 200_000
    seal(vault, data)
    with vault.scratch() as scratch:
        scratch.write(data)
        scratch.reader().close()
    for path in vault._disk.root.rglob("*"):
        assert not path.is_file() or b"PLAINTEXT-MARK" not in path.read_bytes()


def test_manifest_is_signed_canonical_and_strict(vault: Vault) -> None:
    held = seal(vault, b"footage")
    data = vault.manifest_bytes(held.sealed.object_id)
    assert signer_of(data) == SIGNER.key_id
    manifest = verify_manifest(data, SIGNER.verify_key)
    assert manifest == vault.manifest(held.sealed.object_id) == parse_manifest(data)
    assert manifest.sign(SIGNER) == data
    assert manifest.at == NOW
    assert parse_canonical(data)["manifest"]["aad"] == f"bwc.sealed/1\n{LOG}\n{ITEM}\n"
    assert sha256_hex(data) == held.sealed.manifest_sha256
    assert content_commit(held._dek, sha256_hex(b"footage")) == held.sealed.content_commit
    with pytest.raises(ProofInvalid):
        verify_manifest(data, OFFICER.verify_key)


@pytest.mark.parametrize(
    "change",
    [
        {"role": "copy"}, {"segment": 1}, {"plain_bytes": 8}, {"sealed_bytes": 64}, {"leaf_bytes": 1}, {"leaves": []},
        {"aad": "x"}, {"stream": "x"}, {"format": "bwc.manifest/2"}, {"at": "now"}, {"gaps": [1]}, {"object": "00"},
        {"item": ""}, {"log": 5}, {"segment": True}, {"segment": -1}, {"new": 1}, {"commit": "A" * 64},
    ],
)  # fmt: skip
def test_a_changed_manifest_is_refused(vault: Vault, change: dict[str, object]) -> None:
    data = vault.manifest_bytes(seal(vault, b"footage").sealed.object_id)
    value = parse_canonical(data)
    value["manifest"] |= change
    with pytest.raises(IntegrityError):
        verify_manifest(canonical(value), SIGNER.verify_key)


def test_every_byte_flipped_in_a_manifest_is_refused(vault: Vault) -> None:
    data = vault.manifest_bytes(seal(vault, b"footage").sealed.object_id)
    for at in range(len(data)):
        with pytest.raises(IntegrityError):
            verify_manifest(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], SIGNER.verify_key)


def test_sink_seals_what_is_written_piece_by_piece(vault: Vault) -> None:
    data = noise(3_000_001)
    with vault.sink(
        item=ITEM, role=ObjectRole.COPY, segment=2, signer=SIGNER, recipients=[OFFICER.recipient], now=NOW
    ) as out:
        for at in range(0, len(data), 70_001):
            out.write(memoryview(data)[at : at + 70_001])
        with pytest.raises(ValueError, match="not left cleanly"):
            _ = out.held
    held = out.held
    assert (held.content_digest, held.sealed.role, held.sealed.segment) == (sha256_hex(data), ObjectRole.COPY, 2)
    with vault.open(held.sealed, OFFICER) as opened:
        assert opened.read() == data
    with pytest.raises(ValueError, match="inside its `with`"):
        out.write(b"late")


def test_an_exception_in_a_sink_or_from_a_source_leaves_nothing(vault: Vault) -> None:
    class Card(io.RawIOBase):
        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            if self.tell_once:
                raise OSError(5, "Input/output error")
            self.tell_once = True
            return len(buffer)

        tell_once = False

    with pytest.raises(OSError, match="Input/output"):
        vault.seal(Card(), item=ITEM, role=ObjectRole.SEGMENT, segment=0, signer=SIGNER, recipients=[], now=NOW)  # type: ignore[arg-type]

    def render() -> None:
        with vault.sink(
            item=ITEM, role=ObjectRole.COPY, segment=0, signer=SIGNER, recipients=[OFFICER.recipient], now=NOW
        ) as out:
            out.write(noise(5 << 20))
            raise RuntimeError("encoder")

    with pytest.raises(RuntimeError, match="encoder"):
        render()
    assert everything(vault) == []


def test_nobody_to_seal_to_leaves_nothing(vault: Vault) -> None:
    with pytest.raises(UsageError):
        vault.seal(
            io.BytesIO(b"x"), item=ITEM, role=ObjectRole.SEGMENT, segment=0, signer=SIGNER, recipients=[], now=NOW
        )
    assert everything(vault) == []


def test_held_forgets_its_key(vault: Vault) -> None:
    held = seal(vault, b"footage")
    key = held._dek
    held.forget()
    assert key == bytes(32)
    with pytest.raises(ValueError, match="forgotten"):
        held.open()


def corrupt(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def test_check_names_what_is_wrong(vault: Vault) -> None:
    held = seal(vault, noise((9 << 20) + 5))
    other = seal(vault, noise((9 << 20) + 5, seed=1))
    name, root = held.sealed.object_id, vault._disk.root
    wrapped = held.sealed.envelope_sha256
    sealed, manifest = root / f"objects/{name[:2]}/{name}", root / f"manifests/{name[:2]}/{name}.json"
    envelope = root / f"envelopes/{wrapped[:2]}/{wrapped}.json"

    def check(expected: SealedObject = held.sealed, *, deep: bool = True) -> None:
        vault.check(expected, deep=deep, item=ITEM)

    def told(break_it: Callable[[], object], match: str, *, deep: bool = True) -> None:
        kept = {path: path.read_bytes() for path in (sealed, manifest, envelope)}
        break_it()
        with pytest.raises(IntegrityError, match=match):
            check(deep=deep)
        for path, data in kept.items():
            path.write_bytes(data)
        check()

    told(lambda: corrupt(sealed, 100), f"object {name} holds other bytes .8 MiB leaf 0")
    told(lambda: corrupt(sealed, LEAF_BYTES + 7), "leaf 1")
    told(lambda: sealed.write_bytes(sealed.read_bytes()[:-1]), "the log says 9437389", deep=False)
    told(lambda: sealed.write_bytes(sealed.read_bytes() + b"x"), "the log says 9437389", deep=False)
    told(sealed.unlink, f"object {name} is missing", deep=False)
    told(manifest.unlink, f"manifest of object {name} is missing", deep=False)
    told(envelope.unlink, f"envelope of object {name} is missing .*{wrapped}", deep=False)
    told(lambda: corrupt(manifest, 30), f"manifest of object {name} is not the one", deep=False)
    told(lambda: corrupt(envelope, 30), f"envelope of object {name} holds other bytes .*{wrapped}", deep=False)
    told(
        lambda: envelope.write_bytes(vault.envelope_bytes(other.sealed)), f"envelope of object {name} holds", deep=False
    )
    told(lambda: manifest.write_bytes(vault.manifest_bytes(other.sealed.object_id)), "manifest of object", deep=False)
    told(
        lambda: sealed.write_bytes(
            (root / f"objects/{other.sealed.object_id[:2]}/{other.sealed.object_id}").read_bytes()
        ),
        "holds other bytes",
    )
    with pytest.raises(IntegrityError, match="gives item"):
        vault.check(held.sealed, deep=False, item="2026-1122-OTHERS")


def test_check_lists_all_it_found(vault: Vault) -> None:
    held = seal(vault, b"footage")
    for shelf in (Shelf.OBJECTS, Shelf.MANIFESTS):
        vault.store.discard_unnamed(shelf, held.sealed.object_id)
    with pytest.raises(IntegrityError) as caught:
        vault.check(held.sealed, deep=False)
    assert [str(one["message"]).split()[-1] for one in caught.value.details] == ["missing", "missing"]


def test_orphans_are_listed_and_only_old_ones_collected(vault: Vault) -> None:
    kept, orphan = seal(vault, b"kept"), seal(vault, b"orphan").sealed
    _, body = bodies.seal_body({}, [OFFICER.recipient], LOG)
    known = {
        "objects": {kept.sealed.object_id},
        "envelopes": {kept.sealed.envelope_sha256},
        "bodies": {sha256_hex(body)},
    }
    vault.put_body(body)
    found = vault.orphans(**known)
    assert {name for _, name in found} == {orphan.object_id, orphan.envelope_sha256}
    assert len(found) == 3
    assert vault.collect(found, older_than_s=3600) == []
    assert len(vault.collect(found, older_than_s=0)) == 3
    vault.check(kept.sealed)
    assert vault.orphans(**known) == []
    assert vault.orphans(**known | {"bodies": ()}) == [(Shelf.BODIES, sha256_hex(body))]


def test_scratch_is_sealed_unnamed_and_seekable(vault: Vault, tmp_path: Path) -> None:
    data = noise(2_500_000)
    with open_scratch(tmp_path / "loose") as loose, vault.scratch() as scratch:
        for one in (loose, scratch):
            one.write(data[:1_000_000])
            one.write(data[1_000_000:])
            first, second = one.reader(), one.reader()
            first.seek(2_000_000)
            assert second.read() == data
            assert first.read() == data[2_000_000:]
            first.close()
            second.seek(-7, os.SEEK_END)
            assert second.read() == data[-7:]
            second.close()
            with pytest.raises(ValueError, match="before it is read"):
                one.write(b"x")
    assert [path for path in (tmp_path / "loose").rglob("*") if path.is_file()] == []
    assert everything(vault) == []


def test_the_sealed_file_is_an_ordinary_tink_stream(vault: Vault) -> None:
    held = seal(vault, noise(FIRST_PLAIN + 10))
    with OpenedStream(vault.open_sealed(held.sealed.object_id), held._dek, aad_of(LOG, ITEM)) as stream:
        assert stream.read() == noise(FIRST_PLAIN + 10)


def test_a_name_that_is_no_digest_never_reaches_the_disk(vault: Vault) -> None:
    for name in ("../../etc/passwd", "", "A" * 64, "0" * 63):
        with pytest.raises(IntegrityError):
            vault.store.get(Shelf.MANIFESTS, name)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        seal(Vault.at(tmp_path / "file", log=LOG), b"x")


def test_digest_mismatch_is_the_error_for_wrong_bytes(vault: Vault) -> None:
    held = seal(vault, b"footage")
    name = held.sealed.object_id
    corrupt(vault._disk.root / "objects" / name[:2] / name, 60)
    with pytest.raises(DigestMismatch):
        vault.check(held.sealed)
    with pytest.raises(SealBroken):
        vault.open(held.sealed, OFFICER)
