"""Who opens what the vault holds, how readers change, and what an erased key leaves."""

from dataclasses import replace
from pathlib import Path

import pytest

from bwc.canonical import sha256_hex
from bwc.errors import (
    DigestMismatch,
    IntegrityError,
    KeyUnavailable,
    SealBroken,
    UsageError,
)
from bwc.evidence import SealedObject
from bwc.identities import LocalOperator
from bwc.storage import body as bodies
from bwc.storage import envelope as envelopes
from bwc.storage.store import Shelf
from bwc.storage.vault import Vault
from tests.storage.test_vault import ITEM, LOG, OFFICER, SIGNER, everything, seal


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.at(tmp_path / "vault", log=LOG)


def put_forged(vault: Vault, sealed: SealedObject) -> SealedObject:
    """An envelope with another key, as if the log named it."""
    forged = envelopes.build(bytes(32), ITEM, sealed.object_id, sealed.manifest_sha256, [OFFICER.recipient], LOG)
    vault.store.put(Shelf.ENVELOPES, sha256_hex(forged), forged)
    return replace(sealed, envelope_sha256=sha256_hex(forged))


def test_an_envelope_with_another_key_does_not_open(vault: Vault) -> None:
    forged = put_forged(vault, seal(vault, b"footage").sealed)
    with pytest.raises(SealBroken, match="another key"):
        vault.open(forged, OFFICER)


def test_only_what_the_log_names_is_opened(vault: Vault) -> None:
    sealed, other = seal(vault, b"footage").sealed, seal(vault, b"other").sealed
    with pytest.raises(DigestMismatch, match="manifest"):
        vault.open(replace(sealed, manifest_sha256=other.manifest_sha256), OFFICER)
    with pytest.raises(SealBroken, match="something else"):
        vault.open(replace(sealed, envelope_sha256=other.envelope_sha256), OFFICER)
    path = vault._disk.root / f"envelopes/{sealed.envelope_sha256[:2]}/{sealed.envelope_sha256}.json"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(DigestMismatch, match=sealed.envelope_sha256):
        vault.open(sealed, OFFICER)


def test_rewrap_to_exact_readers_returns_what_the_log_must_name(vault: Vault) -> None:
    sealed = seal(vault, b"footage").sealed
    later = LocalOperator.generate("later")
    assert vault.rewrap(sealed, [OFFICER.recipient], OFFICER) is None
    both = vault.rewrap(sealed, [OFFICER.recipient, later.recipient], OFFICER)
    assert both is not None
    assert both == replace(sealed, envelope_sha256=both.envelope_sha256)
    for named in (sealed, both):  # the old one stays until it is erased
        vault.check(named)
    # dying before it was recorded: the log still names the first envelope, the second is an orphan
    again = vault.rewrap(sealed, [OFFICER.recipient, later.recipient], OFFICER)
    assert again not in {None, both}
    only = vault.rewrap(both, [later.recipient], OFFICER)
    assert only is not None
    vault.erase_envelope(sealed.envelope_sha256)
    with pytest.raises(IntegrityError, match="missing"):
        vault.check(sealed)
    vault.check(only)
    with vault.open(only, later) as opened:
        assert opened.read() == b"footage"
    with pytest.raises(KeyUnavailable):
        vault.open(only, OFFICER)


def test_rewrapping_there_and_back_never_gives_the_same_name_again(vault: Vault) -> None:
    one, two = [OFFICER.recipient], [OFFICER.recipient, LocalOperator.generate("later").recipient]
    sealed, seen = seal(vault, b"footage").sealed, set()
    for readers in (two, one, two, one):
        seen.add(sealed.envelope_sha256)
        new = vault.rewrap(sealed, readers, OFFICER)
        assert new is not None
        sealed = new
        assert sealed.envelope_sha256 not in seen


def test_rewrap_does_not_launder_a_forged_envelope(vault: Vault) -> None:
    forged = put_forged(vault, seal(vault, b"footage").sealed)
    with pytest.raises(SealBroken, match="another key"):
        vault.rewrap(forged, [SIGNER.recipient], OFFICER)


def test_another_vaults_manifest_is_refused(vault: Vault) -> None:
    held = seal(vault, b"footage")
    with pytest.raises(IntegrityError, match="something else"):
        Vault(vault.store, log="another", disk=vault._disk).open(held.sealed, OFFICER)


def test_bodies_are_kept_once_and_erased(vault: Vault) -> None:
    commit, data = bodies.seal_body({"officer": "B1234"}, [OFFICER.recipient], LOG)
    name = sha256_hex(data)
    assert vault.put_body(data) == name
    assert vault.put_body(data) == name
    assert everything(vault) == [f"bodies/{name[:2]}/{name}.json"]
    assert bodies.open_body(vault.body_bytes(name), OFFICER, commit=commit) == {"officer": "B1234"}
    vault.erase_body(name)
    with pytest.raises(IntegrityError, match="missing"):
        vault.body_bytes(name)


def test_erasing_an_envelope_shreds_the_object(vault: Vault) -> None:
    held = seal(vault, b"footage")
    assert vault.has_envelope(held.sealed.envelope_sha256)
    vault.erase_envelope(held.sealed.envelope_sha256)
    assert not vault.has_envelope(held.sealed.envelope_sha256)
    with pytest.raises(IntegrityError, match="envelope"):
        vault.open(held.sealed, OFFICER)
    with pytest.raises(UsageError):
        vault.store.erase(Shelf.OBJECTS, held.sealed.object_id)
