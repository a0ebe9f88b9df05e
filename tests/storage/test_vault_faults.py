"""Crashes, errors and lies at every call: nothing is ever half published, nothing acknowledged is ever lost."""

import errno
import io
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwc.canonical import sha256_hex
from bwc.errors import BwcError, IntegrityError, StorageError, StoreFull
from bwc.evidence import ItemId, ObjectRole, SealedObject
from bwc.identities import LocalOperator
from bwc.storage import body as bodies
from bwc.storage import envelope as envelopes
from bwc.storage.fsops import Disk
from bwc.storage.manifest import parse_manifest
from bwc.storage.store import Shelf
from bwc.storage.vault import Vault
from tests.storage.model_disk import ROOT, Crash, Fault, ModelCalls

LOG = "log.example/springfield"
ITEM = ItemId("2026-1122-K4J7QX")
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
TECHNICIAN, OFFICER, LATER = (LocalOperator.generate(name) for name in ("technician", "officer", "later"))
FOOTAGE = [b"first" * 700, b""]
BODY = bodies.seal_body({"officer": "B1234"}, [OFFICER.recipient], LOG)
BODY_FILE = sha256_hex(BODY[1])


class Story:
    """What a technician does, and what was acknowledged so far."""

    def __init__(self, calls: ModelCalls) -> None:
        self.calls = calls
        self.vault = Vault.at(Path(ROOT), log=LOG, disk=Disk(Path(ROOT), calls))
        self.sealed: dict[SealedObject, bytes] = {}  # what the log names
        self.has_body = False

    def run(self) -> None:
        for data in FOOTAGE:
            held = self.vault.seal(
                io.BytesIO(data),
                item=ITEM,
                role=ObjectRole.SEGMENT,
                segment=0,
                signer=TECHNICIAN,
                recipients=[OFFICER.recipient],
                now=NOW,
            )
            self.sealed[held.sealed] = data
        self.vault.put_body(BODY[1])
        self.has_body = True
        before = next(iter(self.sealed))
        after = self.vault.rewrap(before, [OFFICER.recipient, LATER.recipient], OFFICER)
        assert after is not None
        self.sealed[after] = self.sealed.pop(before)  # recorded: from here on the log names it
        self.vault.erase_envelope(before.envelope_sha256)

    def verify(self, calls: ModelCalls) -> None:
        """What must be true of the disk whatever happened."""
        vault = Vault.at(Path(ROOT), log=LOG, disk=Disk(Path(ROOT), calls))
        for sealed, data in self.sealed.items():
            vault.check(sealed, item=ITEM)
            with vault.open(sealed, OFFICER) as opened:
                assert opened.read() == data
        assert not self.has_body or vault.body_bytes(BODY_FILE) == BODY[1]
        files = [_named(vault, Shelf.ENVELOPES, name) for name in vault.store.names(Shelf.ENVELOPES)]
        wrapped = {envelopes.parse_envelope(data).object_id for data in files}
        for name in vault.store.names(Shelf.OBJECTS):
            assert sha256_hex(vault.store.get(Shelf.OBJECTS, name) or b"") == name
            assert vault.store.get(Shelf.MANIFESTS, name) is not None
            assert name in wrapped
        for name in vault.store.names(Shelf.MANIFESTS):
            assert parse_manifest(vault.store.get(Shelf.MANIFESTS, name) or b"").object_id == name
        for name in vault.store.names(Shelf.BODIES):
            assert bodies.parse_body(_named(vault, Shelf.BODIES, name)).commit == BODY[0]

    def again(self, calls: ModelCalls) -> None:
        """The same again on what is left: it succeeds, and partials can be collected."""
        story = Story(calls)
        story.run()
        story.verify(calls)
        story.vault._disk.collect_partials(older_than_s=0)
        assert story.vault._disk.names("staging") == []


def _named(vault: Vault, shelf: Shelf, name: str) -> bytes:
    """A document, whose name must be the digest of its bytes."""
    data = vault.store.get(shelf, name) or b""
    assert sha256_hex(data) == name
    return data


def _calls_of_the_story() -> list[str]:
    story = Story(ModelCalls())
    story.run()
    calls = list(story.calls.log)
    story.verify(story.calls)
    return calls


CALLS = _calls_of_the_story()


def _survives(how: str) -> Callable[[], bool]:
    coin = random.Random(7)
    return {
        "nothing unsynced": lambda: False,
        "everything": lambda: True,
        "a random part": lambda: coin.random() < 0.5,
    }[how]


@pytest.mark.parametrize("survives", ["nothing unsynced", "everything", "a random part"])
def test_a_crash_at_every_call(survives: str) -> None:
    # a call that was not made leaves what the call before it left, so dying after each call is enough
    for at in range(len(CALLS)):
        story = Story(ModelCalls(Fault(frozenset(), at, took_effect=True)))
        try:
            story.run()
        except Crash:
            pass
        else:
            assert not story.calls.was_hit  # two random names shared a folder: one call less than last time
        left = story.calls.after_crash(_survives(survives))
        story.verify(left)
        if at % 5 == 0:
            story.again(left)


@pytest.mark.parametrize("call", sorted(set(CALLS)))
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_an_error_at_every_nth_call(call: str, error: int) -> None:
    for at in range(CALLS.count(call)):
        for took_effect in (False, True):
            story = Story(ModelCalls(Fault(frozenset({call}), at, error, took_effect)))
            failure = _failure_of(story)
            if failure is None:
                # an unlink of a random name: it stays as a partial, and the act stands. Or there was no such call:
                # two random names begin alike now and then, and share a folder
                assert call == "unlink" or not story.calls.was_hit
            else:
                assert isinstance(failure, StoreFull if error == errno.ENOSPC else StorageError)
                assert failure.hint
                named = set(story.vault.store.names(Shelf.OBJECTS))
                assert named == {sealed.object_id for sealed in story.sealed}
            story.calls.fault = None
            story.verify(story.calls)
            story.verify(story.calls.after_crash(lambda: False))
            if at % 7 == 0 and took_effect:
                story.again(story.calls)


def _failure_of(story: Story) -> BwcError | None:
    try:
        story.run()
    except BwcError as error:
        return error
    return None


LIES: dict[str, Callable[[bytes], bytes]] = {
    "skips the write": lambda data: bytes(len(data)),
    "writes nothing": lambda data: b"",
    "flips a bit": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 4]) + data[len(data) // 2 + 1 :],
    "stops short": lambda data: data[:-1],
    "writes too much": lambda data: data + b"\0",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_disk_is_always_caught_by_the_read_back(lie: str) -> None:
    for at in range(CALLS.count("write")):
        story = Story(ModelCalls(Fault(frozenset({"write"}), at, lie=LIES[lie])))
        with pytest.raises(IntegrityError, match="gave back other bytes") as caught:
            story.run()
        assert caught.value.hint
        assert set(story.vault.store.names(Shelf.OBJECTS)) == {sealed.object_id for sealed in story.sealed}
        story.verify(story.calls)


def test_a_taken_name_is_never_overwritten() -> None:
    story = Story(ModelCalls())
    story.run()
    disk = story.vault._disk
    before = disk.read(f"bodies/{BODY_FILE[:2]}/{BODY_FILE}.json")
    with pytest.raises(IntegrityError, match="other bytes"):
        story.vault.store.put(Shelf.BODIES, BODY_FILE, b"other")
    assert disk.read(f"bodies/{BODY_FILE[:2]}/{BODY_FILE}.json") == before == BODY[1]
    assert disk.names("staging") == []


def test_a_kept_name_never_outlives_the_name_it_was_kept_from() -> None:
    crashed, at = True, 0
    while crashed:
        for seed in range(8):
            coin = random.Random(seed)
            calls = ModelCalls()
            disk = Disk(Path(ROOT), calls)
            disk.replace("log/checkpoint", b"old")
            calls.arm(Fault(frozenset(), at, took_effect=True))
            try:
                disk.replace("log/checkpoint", b"new", keep="log/checkpoints/7")
            except Crash:
                left = Disk(Path(ROOT), calls.after_crash(lambda coin=coin: coin.random() < 0.5))
                kept, now = left.read("log/checkpoints/7"), left.read("log/checkpoint")
                assert now in (b"old", b"new")
                assert kept is None or (kept, now) == (b"new", b"new")
            else:
                crashed = False
        at += 1
    assert at > 10


@pytest.mark.parametrize("error", [None, errno.ENOSPC])
def test_what_is_derived_comes_whole_and_in_its_order(error: int | None) -> None:
    """Publish again and again with a fault at any call; whatever a power cut then leaves fits together."""
    wide = [{f"log/tile/{n}/{at}": bytes([at + 1]) * n * 40 for n in (1, 2)} for at in range(3)]
    for at in range(200):
        for seed in range(8):
            calls, told, coin = ModelCalls(), -1, random.Random(seed)
            disk = Disk(Path(ROOT), calls)
            calls.arm(Fault(frozenset(), at, error=error, took_effect=seed % 2 == 0))
            try:
                for number, files in enumerate(wide):
                    disk.publish_derived(files, "log/checkpoint", b"%d" % number, keep=f"log/kept/{number}")
                    told = number
            except (Crash, BwcError):
                pass
            left = Disk(Path(ROOT), calls.after_crash(lambda coin=coin: coin.random() < 0.5))
            last = int(left.read("log/checkpoint") or b"-1")
            assert last >= told
            for number, files in enumerate(wide):
                for path, data in files.items():
                    found = left.read(path)
                    assert found == data or (found is None and number > last), (at, path)
                kept = left.read(f"log/kept/{number}")
                assert kept == b"%d" % number or (kept is None and number >= last), (at, number)
        if not calls.was_hit:
            return
    pytest.fail("there is no end of calls")


def test_names_that_a_dead_process_gave_are_durable_before_what_rests_on_them() -> None:
    files = {f"log/tile/{n}/0": bytes([n]) * 40 for n in (1, 2)}
    for at in range(200):
        calls = ModelCalls()
        Disk(Path(ROOT), calls).publish_derived({}, "log/checkpoint", b"0", keep="log/kept/0")
        calls.arm(Fault(frozenset(), at))
        with suppress(Crash):
            Disk(Path(ROOT), calls).publish_derived(files, "log/checkpoint", b"1", keep="log/kept/1")
        was_hit = calls.was_hit
        calls.revive()
        disk = Disk(Path(ROOT), calls)
        if disk.read("log/checkpoint") == b"0":
            there = [path for path in files if disk.read(path) is not None]
            missing = {path: data for path, data in files.items() if path not in there}
            disk.publish_derived(missing, "log/checkpoint", b"1", keep="log/kept/1", there=there)
            left = Disk(Path(ROOT), calls.after_crash(lambda: False))
            assert left.read("log/checkpoint") == b"1"
            assert {path: left.read(path) for path in files} == files, at
        if not was_hit:
            return
    pytest.fail("there is no end of calls")


def test_a_document_that_a_dead_process_left_is_durable_when_it_is_put_again() -> None:
    for at in range(60):
        calls = ModelCalls()
        calls.arm(Fault(frozenset(), at))
        with suppress(Crash):
            Story(calls).vault.put_body(BODY[1])
        was_hit = calls.was_hit
        calls.revive()
        story = Story(calls)
        story.vault.put_bodies([BODY[1]])
        assert (
            Disk(Path(ROOT), calls.after_crash(lambda: False)).read(f"bodies/{BODY_FILE[:2]}/{BODY_FILE}.json")
            == BODY[1]
        )
        if not was_hit:
            return
    pytest.fail("there is no end of calls")
