from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from bwc.anchors.proof import LogProof
from bwc.appending.clock import SystemClock
from bwc.appending.log import Log
from bwc.appending.writing import add_signatures, log_key, sign_checkpoint
from bwc.audit.checkpoint import Note, NoteSignature
from bwc.audit.findings import Grade
from bwc.audit.keychain import open_checkpoint
from bwc.audit.tiles import MAX_FILE, TILE, bundle_path, levels_of, parse_bundle, tile_path
from bwc.audit.verify import verify_log
from bwc.errors import BwcError, CheckpointRolledBack, IntegrityError, LogForked, NotFound, ProofInvalid, UsageError
from bwc.evidence import EventKind
from bwc.verifier.log_folder import LogFolder
from tests.audit.logs import (
    CLERK,
    ITEM,
    LOG_KEY,
    ORIGIN,
    OTHER,
    STRANGER,
    VKEY,
    House,
    MemoryFiles,
    grown_house,
    small_house,
)
from tests.audit.verifying import verified


def clean(house: House, files: MemoryFiles | None = None) -> None:
    report = verified(files or house.files, VKEY, house.rows)
    assert [one for one in report.findings if one.grade is not Grade.OK] == []
    assert report.entries == len(house.rows.held)


def test_the_chains_name_the_entries_before() -> None:
    house = small_house()
    entries = list(verify_log(house.files, VKEY).read())
    assert [entry.seq for entry in entries] == list(range(12))
    assert entries[0].prev == "0" * 64
    assert all(later.prev == earlier.leaf_hash.hex() for earlier, later in pairwise(entries))
    trail = [entry for entry in entries if entry.item == ITEM]
    assert [entry.item_seq for entry in trail] == list(range(6))
    assert trail[1].item_prev == trail[0].leaf_hash.hex()
    assert (entries[0].item_seq, entries[0].item_prev) == (None, None)
    clean(house)


def test_publishing_again_changes_nothing() -> None:
    house = small_house()
    before, writes = dict(house.files.held), house.files.writes
    house.publish()
    assert (house.files.held, house.files.writes) == (before, writes)


@pytest.mark.parametrize("steps", [[1], [255, 1, 1], [256], [257, 255], [300, 500], [3, 509, 1, 256, 1]])
def test_tiles_do_not_depend_on_when_they_were_published(steps: list[int]) -> None:
    rows = grown_house(max(sum(steps), 5)).rows
    house = House()
    for step in steps:
        house.rows.held += rows.held[len(house.rows.held) :][:step]
        house.publish()
    whole = House(rows=house.rows)
    whole.publish()
    for path, data in whole.files.held.items():
        assert house.files.held[path] == data, path
    for path in house.files.held:  # what is beyond: kept checkpoints and partial tiles of a tile that is not full yet
        assert (
            path in whole.files.held or path.startswith("checkpoints/") or path.split(".p/")[0] not in house.files.held
        )
    clean(house)


def test_partial_tiles_last_until_the_full_one_exists() -> None:
    house = House(rows=grown_house(300).rows)
    later = house.rows.held[200:]
    del house.rows.held[200:]
    house.publish()
    assert bundle_path(0, 200) in house.files.held
    house.rows.held += later
    house.publish()
    assert bundle_path(0, 200) not in house.files.held
    assert tile_path(0, 0, 200) not in house.files.held
    assert {bundle_path(0), tile_path(0, 0), tile_path(1, 0, 1), bundle_path(1, 44)} <= house.files.held.keys()
    clean(house)


def test_rows_read_to_publish_are_the_new_ones() -> None:
    house = House(rows=grown_house(1000).rows)
    later = house.rows.held[990:]
    del house.rows.held[990:]
    house.publish()
    house.rows.held += later
    asked = []
    rows = house.rows.rows
    house.rows.rows = lambda start, stop: asked.append((start, stop)) or rows(start, stop)  # type: ignore[method-assign]
    house.publish()
    assert asked == [(990, 1000)]


def test_a_published_bundle_that_was_changed_is_not_built_upon() -> None:
    house = House(rows=grown_house(300).rows)
    house.publish()
    whole = dict(house.files.held)
    for path in (bundle_path(1, 44), tile_path(0, 1, 44)):
        for data in (whole[path][:-1] + bytes([whole[path][-1] ^ 1]), b"", None):
            house.files.held = dict(whole)
            if data is None:
                del house.files.held[path]
            else:
                house.files.held[path] = data
            later = House(rows=grown_house(310).rows, files=house.files)
            try:
                later.publish()
            except IntegrityError:
                assert house.files.held["checkpoint"] == whole["checkpoint"]
            else:
                house.files.held[path] = whole[path]  # a verifier names the old one; what was published since is whole
                clean(later)


def test_a_crash_at_every_write_is_completed_by_the_next_publish() -> None:
    rows = grown_house(530).rows

    def history(files: MemoryFiles) -> None:
        for size in (5, 200, 256, 300, 530):
            House(rows=_first(rows, size), files=files).publish()

    honest = MemoryFiles()
    history(honest)
    for last in range(honest.writes):
        for after in (False, True):  # it failed and wrote nothing; it failed but wrote
            files = Dying(last, after=after)
            with pytest.raises(Power):
                history(files)
            house = House(rows=rows, files=MemoryFiles(files.held))
            if "checkpoint" in house.files.held:
                assert verify_log(house.files, VKEY, signatures=False).findings.count() == 0
            house.publish()
            assert verified(house.files, VKEY, rows, signatures=False).findings.count() == 0
            assert house.files.held["checkpoint"] == honest.held["checkpoint"]


class Power(Exception):
    """The machine went off."""


class Dying(MemoryFiles):
    def __init__(self, last: int, *, after: bool) -> None:
        super().__init__()
        self._last = last
        self._after = after

    def put(self, path: str, data: bytes) -> None:
        self._act(lambda: super(Dying, self).put(path, data))

    def remove(self, path: str) -> None:
        self._act(lambda: super(Dying, self).remove(path))

    def _act(self, act: Callable[[], None]) -> None:
        if self.writes == self._last and not self._after:
            raise Power
        act()
        if self.writes == self._last + 1:
            raise Power


def _first(rows: object, size: int) -> object:
    part = House().rows
    part.held = rows.held[:size]  # type: ignore[attr-defined]
    return part


def test_rows_that_were_signed_and_are_gone_are_never_signed_over() -> None:
    house = small_house()
    files = dict(house.files.held)
    del house.rows.held[-1]
    with pytest.raises(CheckpointRolledBack):
        house.publish()
    del house.rows.held[5:]
    house.ingest(OTHER)
    for _ in range(9):
        house.do(CLERK, EventKind.ITEM_OPENED, {"purpose": "check"}, item=OTHER)
    with pytest.raises(LogForked):
        house.publish()
    assert house.files.held == files


def test_a_deleted_checkpoint_does_not_unbind_the_log() -> None:
    house = small_house()
    del house.files.held["checkpoint"]
    del house.rows.held[9:]
    with pytest.raises(CheckpointRolledBack):
        house.publish()


def test_rows_that_do_not_continue_the_log_are_not_signed() -> None:
    house = small_house()
    row = house.rows.held[3]
    house.rows.held.append(type(row)(12, row.entry, None))
    with pytest.raises(IntegrityError):
        house.publish()


def test_tiles_that_were_altered_are_not_signed_over() -> None:
    house = grown_house(300)
    house.publish()
    house.do(CLERK, EventKind.ITEM_OPENED, item=ITEM)
    path = tile_path(0, 0)
    house.files.held[path] = bytes(32) + house.files.held[path][32:]
    before = dict(house.files.held)
    house.do(CLERK, EventKind.ITEM_OPENED, item=ITEM)
    house.files.held[tile_path(1, 0, 1)] = bytes(32)
    with pytest.raises(LogForked):
        house.publish()
    assert house.files.held["checkpoint"] == before["checkpoint"]


def test_another_key_does_not_continue_the_log() -> None:
    house = small_house()
    with pytest.raises(ProofInvalid):
        house.log.publish(STRANGER)


def test_cosignatures_survive_a_crash_between_the_two_checkpoint_files() -> None:
    house = small_house()
    line = NoteSignature("witness.example", b"abcd", b"x" * 72)
    house.files.held["checkpoints/13"] = b""
    house.do(CLERK, EventKind.ITEM_OPENED, item=ITEM)
    other = House(rows=house.rows)
    other.publish()
    note = add_signatures(other.files.held["checkpoint"], [line])
    house.files.held["checkpoints/13"] = note
    house.publish()
    assert Note.parse(house.files.held["checkpoint"]).signatures[-1] == line
    clean(house)


def test_nothing_is_published_of_an_empty_log() -> None:
    with pytest.raises(UsageError):
        House().publish()
    with pytest.raises(NotFound):
        House().log.checkpoint()


def test_an_unsigned_event_is_not_recorded() -> None:
    with pytest.raises(UsageError):
        House().do([], EventKind.VAULT_CREATED)


def test_every_entry_has_a_proof_that_stands_alone() -> None:
    house = small_house()
    for row in house.rows.held:
        proof = house.proof(row.seq)
        assert LogProof.parse(proof).to_bytes() == proof
        assert LogProof.parse(proof).verify(row.entry, VKEY).size == 12
        with pytest.raises(ProofInvalid):
            LogProof.parse(proof).verify(house.rows.held[row.seq - 1].entry, VKEY)
    for seq in (-1, 12, 2**70):
        with pytest.raises(ProofInvalid):
            house.proof(seq)


def test_a_proof_is_not_made_from_tiles_that_do_not_lead_to_the_checkpoint() -> None:
    house = small_house()
    path = tile_path(0, 0, 12)
    house.files.held[path] = bytes(32) + house.files.held[path][32:]
    with pytest.raises(ProofInvalid):
        house.proof(5)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2"),
        ("index 7", "index 07"),
        ("index 7", "index -7"),
        ("index 7", "index 8"),
        ("index 7", "index 7\nindex 7"),
        ("index 7", "extra A\nindex 7"),
        ("index 7", ""),
        ("\n\n", "\n"),
        ("=\n", "\n"),
        ("=\n", "=\r\n"),
    ],
)
def test_malformed_proofs_are_refused(old: str, new: str) -> None:
    house = small_house()
    proof = house.proof(7).decode()
    assert old in proof
    with pytest.raises(IntegrityError):
        LogProof.parse(proof.replace(old, new, 1).encode()).verify(house.rows.held[7].entry, VKEY)


def test_a_proof_under_ten_million_entries_stays_small() -> None:
    key = log_key(ORIGIN, LOG_KEY)
    house = small_house()
    note = house.files.held["checkpoint"].replace(b"\n12\n", b"\n10000000\n")
    assert len(LogProof(9_999_999, (bytes(32),) * 24, note).to_bytes()) < 1500
    assert open_checkpoint(house.files.held["checkpoint"], key).size == 12


def test_paths_of_tiles_follow_the_specification() -> None:
    assert tile_path(0, 1_234_067) == "tile/0/x001/x234/067"
    assert tile_path(3, 999, 7) == "tile/3/999.p/7"
    assert bundle_path(1000, 1) == "tile/entries/x001/000.p/1"
    assert [levels_of(size) for size in (0, 1, 255, 256, 65_535, 65_536)] == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x05abc", b"\x00\x01ab", b"\xff\xff" + bytes(10)])
def test_malformed_bundles_are_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        parse_bundle(data, 1)


def test_a_folder_is_read_and_nothing_beside_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    house = small_house()
    for path, data in house.files.held.items():
        place = tmp_path / "log" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    (tmp_path / "secret").write_text("x")
    folder = LogFolder(tmp_path / "log")
    assert verify_log(folder, VKEY).findings.count() == 0
    assert folder.read("tile/0/001") is None
    assert folder.list("nothing") == ()
    (tmp_path / "log" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "log" / "linked").symlink_to(tmp_path)
    with (tmp_path / "log" / "huge").open("wb") as huge:
        huge.truncate(MAX_FILE + 1)
    for path in ("../secret", "/etc/passwd", "tile/../../secret", "", ".", "link", "linked/secret", "huge", "tile"):
        with pytest.raises(BwcError):
            folder.read(path)


def test_the_machine_names_its_run_and_its_time() -> None:
    clock = SystemClock()
    assert len(clock.boot) == 32
    assert clock.boot == SystemClock().boot
    assert clock.monotonic_us() <= clock.monotonic_us()
    assert clock.now().utcoffset() == timedelta(0)


def test_a_step_never_signs_more_than_it_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bwc.appending.log._STEP", 2 * TILE)
    house = House(rows=grown_house(1100).rows)
    house.publish()
    assert sorted(int(path.split("/")[1]) for path in house.files.held if path.startswith("checkpoints/")) == [
        512, 1024, 1100,
    ]  # fmt: skip
    clean(house)


def test_a_stranger_reads_the_log_without_us() -> None:
    house = small_house()
    log = Log(ORIGIN, house.files, house.rows)
    assert sign_checkpoint(open_checkpoint(log.checkpoint(), VKEY), LOG_KEY) == log.checkpoint()
