"""Step 8 against a real vault: everything the log names, altered in every way, is named."""

import io
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwc.audit.findings import Grade
from bwc.audit.log_report import LogReport
from bwc.audit.verify import verify_log
from bwc.canonical import sha256_hex
from bwc.errors import StorageError, UsageError
from bwc.evidence import EventKind, ObjectRole, SealedObject
from bwc.identities import LocalOperator, Recipient
from bwc.recording import Gap
from bwc.storage.body import add_body_recipients, seal_body
from bwc.storage.vault import Vault
from bwc.verifier.verify_objects import VaultFolder, verify_objects
from tests.audit.logs import ADMIN, CLERK, ITEM, ORIGIN, TECH, VKEY, House, SeedSigner

READING = LocalOperator("reader", b"r" * 32, b"s" * 32)
OTHER_READING = LocalOperator("auditor", b"t" * 32, b"u" * 32)
READER = READING.recipient
GAP = Gap(offset=10, size_bytes=20, cause="EIO")
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, House]:
    """A vault with two sealed objects and a private body, and its log."""
    folder = tmp_path_factory.mktemp("vault")
    vault = Vault.at(folder, log=ORIGIN)
    house = House()
    _found(house)
    objects = (_seal(vault, b"a recording " * 100_000, 0), _seal(vault, b"its second chapter", 1))
    commit, data = seal_body({"officer": "B1234"}, [READER], ORIGIN)
    vault.put_body(data)
    body = {"commit": commit, "file": sha256_hex(data)}
    house.do(TECH, EventKind.ITEM_INGESTED, {"segments": 2}, item=ITEM, objects=objects, body=body)
    house.publish()
    return folder, house


def _found(house: House, *readers: Recipient) -> None:
    """The house and those to whom footage is sealed there."""
    house.found()
    for one in readers or (READER,):
        house.do(ADMIN, EventKind.RECIPIENT_ADDED, {"purpose": "recovery", "recipient": one.to_json()})


def _seal(vault: Vault, data: bytes, segment: int, signer: SeedSigner = TECH) -> SealedObject:
    held = vault.seal(
        io.BytesIO(data),
        item=ITEM,
        role=ObjectRole.SEGMENT,
        segment=segment,
        signer=signer,
        recipients=[READER],
        now=NOW,
    )
    held.forget()
    return held.sealed


@pytest.fixture
def vault(honest: tuple[Path, House], tmp_path: Path) -> tuple[Path, House]:
    folder, house = honest
    shutil.copytree(folder, tmp_path / "vault")
    return tmp_path / "vault", house


def verified(folder: Path, house: House, read_data: float = 1.0) -> LogReport:
    report = verify_log(house.files, VKEY)
    verify_objects(report, VaultFolder(folder), read_data=read_data)
    return report


def bad(report: LogReport) -> list[str]:
    return [f"{one.where} {one.what}" for one in report.findings if one.grade is Grade.BAD]


def notes(report: LogReport) -> list[str]:
    return [f"{one.where} {one.what}" for one in report.findings if (one.grade, one.step) == (Grade.NOTE, 8)]


def files(folder: Path) -> list[Path]:
    shelves = ("objects", "manifests", "envelopes", "bodies")
    return sorted(path for shelf in shelves for path in (folder / shelf).rglob("*") if path.is_file())


def test_an_honest_vault_is_clean(vault: tuple[Path, House]) -> None:
    folder, house = vault
    assert len(files(folder)) == 7
    done = []
    report = verify_log(house.files, VKEY)
    verify_objects(report, VaultFolder(folder), progress=lambda at, of: done.append((at, of)))
    assert [one.what for one in report.findings if one.step == 8] == ["2 objects (2 read in full), 1 private bodies"]
    assert done == [(0, 2), (1, 2), (2, 2)]


def _flipped(data: bytes, at: float) -> bytes:
    broken = bytearray(data)
    broken[int(at * (len(data) - 1))] ^= 1
    return bytes(broken)


def test_gaps_that_only_the_manifest_or_only_the_entry_tells_of_are_named(tmp_path: Path) -> None:
    for said, gaps, expected in ((0, (), 0), (1, (GAP,), 0), (0, (GAP,), 1), (1, (), 1)):
        folder = tmp_path / f"{said}{len(gaps)}"
        folder.mkdir()
        vault, house = Vault.at(folder, log=ORIGIN), House()
        _found(house)
        with vault.seal(
            io.BytesIO(bytes(100)),
            item=ITEM,
            role=ObjectRole.SEGMENT,
            segment=0,
            signer=TECH,
            recipients=[READER],
            now=NOW,
            gaps=lambda gaps=gaps: gaps,
        ) as held:
            house.do(TECH, EventKind.ITEM_INGESTED, {"gaps": said}, item=ITEM, objects=(held.sealed,))
        house.publish()
        found = bad(verified(folder, house))
        assert len(found) == expected
        assert all("another number of gaps" in one for one in found)


def test_every_altered_or_missing_file_is_named(vault: tuple[Path, House]) -> None:
    folder, house = vault
    for path in files(folder):
        data = path.read_bytes()
        for broken in (None, b"", b"{}", data[:-1], data + b"\n", *(_flipped(data, at) for at in (0, 0.3, 0.7, 1))):
            path.unlink(missing_ok=True)
            if broken is not None:
                path.write_bytes(broken)
            found = bad(verified(folder, house))
            assert len(found) == 1
            assert path.stem in found[0]
        path.unlink(missing_ok=True)
        path.write_bytes(data)
    assert not bad(verified(folder, house))


def test_one_swapped_for_another_valid_one_is_named(vault: tuple[Path, House]) -> None:
    folder, house = vault
    for shelf in ("objects", "manifests", "envelopes"):
        one, other = [path for path in files(folder) if path.parent.parent.name == shelf]
        first, second = one.read_bytes(), other.read_bytes()
        one.chmod(0o600), other.chmod(0o600)
        one.write_bytes(second)
        assert [one.stem in found for found in bad(verified(folder, house))] == [True]
        one.write_bytes(first)


def test_damage_is_placed_to_eight_mebibytes(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path, log=ORIGIN)
    house = House()
    _found(house)
    sealed = _seal(vault, bytes(20 << 20), 0)
    house.do(TECH, EventKind.ITEM_INGESTED, item=ITEM, objects=(sealed,))
    house.publish()
    path = tmp_path / "objects" / sealed.object_id[:2] / sealed.object_id
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(9 << 20)
        byte = file.read(1)[0]
        file.seek(9 << 20)
        file.write(bytes([byte ^ 1]))
    assert bad(verified(tmp_path, house))[0].endswith("damaged from byte 8388608 on")
    assert not bad(verified(tmp_path, house, read_data=0))  # only lengths and documents, as asked


def test_what_no_entry_names_is_noted_not_condemned(vault: tuple[Path, House]) -> None:
    folder, house = vault
    extra = _seal(Vault.at(folder, log=ORIGIN), b"the act did not happen", 0)
    report = verified(folder, house)
    assert not bad(report)
    names = (("envelopes", extra.envelope_sha256), ("manifests", extra.object_id), ("objects", extra.object_id))
    assert sorted(one.split()[0] for one in notes(report)) == [f"{shelf}/{name}" for shelf, name in names]


def test_a_manifest_signed_by_another_than_who_recorded_it_is_refused(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path, log=ORIGIN)
    house = House()
    _found(house)
    house.do(TECH, EventKind.ITEM_INGESTED, item=ITEM, objects=(_seal(vault, b"x", 0, signer=ADMIN),))
    house.publish()
    assert "signed by another" in bad(verified(tmp_path, house))[0]


def test_an_object_recorded_otherwise_later_is_refused_but_a_new_envelope_is_not(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path, log=ORIGIN)
    house = House()
    _found(house, READER, OTHER_READING.recipient)
    sealed = _seal(vault, b"x", 0)
    house.do(TECH, EventKind.ITEM_INGESTED, item=ITEM, objects=(sealed,))
    house.publish()
    new = vault.rewrap(sealed, [READER, OTHER_READING.recipient], READING)
    assert new is not None
    assert [note.split()[0] for note in notes(verified(tmp_path, house))] == [f"envelopes/{new.envelope_sha256}"]
    house.do(CLERK, EventKind.ITEM_REWRAPPED, item=ITEM, objects=(new,))
    house.publish()
    assert notes(verified(tmp_path, house)) == [
        f"envelopes/{sealed.envelope_sha256} replaced by a later entry, not erased yet"
    ]
    vault.erase_envelope(sealed.envelope_sha256)
    report = verified(tmp_path, house)
    assert (bad(report), notes(report)) == ([], [])
    vault.erase_envelope(new.envelope_sha256)
    (missing,) = bad(verified(tmp_path, house))
    assert f"its envelope {new.envelope_sha256} is missing" in missing
    assert sealed.object_id in missing
    house.do(CLERK, EventKind.ITEM_REWRAPPED, item=ITEM, objects=(sealed,))
    house.publish()
    assert f"its envelope {sealed.envelope_sha256} is missing" in bad(verified(tmp_path, house))[0]
    house.do(CLERK, EventKind.ITEM_REWRAPPED, item=ITEM, objects=(_replaced(sealed, content_commit="0" * 64),))
    house.publish()
    assert any("recorded otherwise later" in one for one in bad(verified(tmp_path, house)))


def test_a_rewrapped_body_counts_as_recorded_last(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path, log=ORIGIN)
    house = House()
    _found(house)
    commit, data = seal_body({"officer": "B1234"}, [READER], ORIGIN)
    first = vault.put_body(data)
    house.do(TECH, EventKind.ITEM_INGESTED, item=ITEM, body={"commit": commit, "file": first})
    house.publish()
    second = vault.put_body(add_body_recipients(data, READING, [OTHER_READING.recipient]))
    assert [one.split()[0] for one in notes(verified(tmp_path, house))] == [f"bodies/{second}"]
    house.do(CLERK, EventKind.ITEM_REWRAPPED, {"bodies": {commit: second}}, item=ITEM)
    house.publish()
    report = verified(tmp_path, house)
    assert (bad(report), [one.split()[0] for one in notes(report)]) == ([], [f"bodies/{first}"])
    vault.erase_body(first)
    assert not bad(verified(tmp_path, house))
    vault.erase_body(second)
    (missing,) = bad(verified(tmp_path, house))
    assert commit in missing
    assert f"its file {second} is missing" in missing


def test_a_body_recorded_otherwise_later_is_refused(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path, log=ORIGIN)
    house = House()
    _found(house)
    commit, data = seal_body({"officer": "B1234"}, [READER], ORIGIN)
    other = add_body_recipients(data, READING, [OTHER_READING.recipient])
    for file in (vault.put_body(data), vault.put_body(other)):
        house.do(TECH, EventKind.ITEM_TAGGED, item=ITEM, body={"commit": commit, "file": file})
    house.publish()
    assert "recorded otherwise later" in bad(verified(tmp_path, house))[0]


def _replaced(sealed: SealedObject, **changes: str) -> SealedObject:
    from dataclasses import replace

    return replace(sealed, **changes)  # type: ignore[arg-type]


def test_links_are_not_followed(vault: tuple[Path, House]) -> None:
    folder, house = vault
    for path in files(folder):
        aside = folder / "aside"
        path.rename(aside)
        path.symlink_to(aside)
        assert len(bad(verified(folder, house))) == 1
        path.unlink()
        aside.rename(path)


def test_what_cannot_be_read_is_a_finding(vault: tuple[Path, House]) -> None:
    folder, house = vault

    class Unreadable(VaultFolder):
        def manifest(self, object_id: str) -> bytes | None:
            raise StorageError("input/output error")

    report = verify_log(house.files, VKEY)
    verify_objects(report, Unreadable(folder))
    assert report.findings.count(8) == 2
    with pytest.raises(UsageError):
        verify_objects(report, VaultFolder(folder), read_data=1.5)


def test_an_envelope_that_names_no_reader_of_its_time_is_refused(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path, log=ORIGIN)
    house = House()
    _found(house, OTHER_READING.recipient)
    house.do(TECH, EventKind.ITEM_INGESTED, item=ITEM, objects=(_seal(vault, b"x", 0),))
    house.publish()
    (said,) = bad(verified(tmp_path, house))
    assert f"can be opened by {READER.recipient_id}, no reader when it was recorded" in said


def test_a_reader_who_lost_the_right_and_opens_some_still_is_noted(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path, log=ORIGIN)
    house = House()
    _found(house)
    house.do(TECH, EventKind.ITEM_INGESTED, item=ITEM, objects=(_seal(vault, b"x", 0),))
    house.do(ADMIN, EventKind.RECIPIENT_REMOVED, {"recipient": READER.recipient_id})
    house.publish()
    report = verified(tmp_path, house)
    assert not bad(report)
    (said,) = notes(report)
    assert said.startswith(f"recipient {READER.recipient_id} reads footage no more and opens 1")
