"""Separation of duties by cryptography: a dock seals what it cannot open, a records officer opens it, an auditor verifies.

The technician's computer is searched as a thief would: every key file with its passphrase, the agent while it is
unlocked, every envelope and private body in the vault, each sealed stream. Nothing there opens footage.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from bwc.agent import connect, start_agent, stop_agent
from bwc.config import Places
from bwc.custody.house import House
from bwc.errors import BwcError, KeyUnavailable, SealBroken
from bwc.identities import Unwrapper, Wrapped
from bwc.keyfile import load_operator
from bwc.storage.envelope import Envelope, parse_envelope
from bwc.storage.stream import OpenedStream
from tests.journeys.conftest import FIXTURES, World

CLIP = FIXTURES / "card" / "DCIM" / "100BWCAM" / "BWC_0001.MP4"
SECRET = b"correct horse battery staple"


@pytest.fixture
def people(world: World, tmp_path: Path) -> dict[str, World]:
    """A technician, a records officer and an auditor, each at a computer of their own, and one vault."""
    found = {}
    for role in ("technician", "records", "auditor"):
        one = World(tmp_path / role, operator=role, extra={"BWC_VAULT": str(world.vault)})
        public = tmp_path / f"{role}.pub"
        one.run("key", "new", role, "--out", public)
        world.run("key", "enrol", public, "--role", role)
        found[role] = one
    return found


def envelopes(vault: Path) -> Iterator[Envelope]:
    for path in sorted(vault.glob("envelopes/*/*.json")):
        yield parse_envelope(path.read_bytes())


def try_everything(vault: Path, identity: Unwrapper) -> int:
    """Try every wrap of every envelope, also as if it were ours; how many opened."""
    opened = 0
    for envelope in envelopes(vault):
        for wrap in envelope.wraps:
            for claimed in (wrap, Wrapped(identity.recipient_id, wrap.suite, wrap.sealed)):
                for info in (envelope.info(wrap.recipient), envelope.info(identity.recipient_id)):
                    try:
                        identity.unwrap(claimed, info)
                    except (KeyUnavailable, SealBroken):
                        continue
                    opened += 1
    return opened


def test_a_dock_cannot_open_what_it_sealed_with_everything_on_its_disk(
    world: World, people: dict[str, World], card, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = people["technician"]
    before = set(dock.folder.rglob("*"))
    dock.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--category", "traffic")
    (item,) = dock.items()
    # by the commands: refused, and the attempt is in the log
    dock.run("open", item["item"], "-o", "stolen.mp4", "--reason", "curious", code=7)
    assert not (dock.folder / "stolen.mp4").exists()
    trail = people["records"].json("log", item["item"])["events"]
    assert [one["outcome"] for one in trail if one["kind"] == "act.refused"] == ["refused"]

    # the key file with its passphrase, and the agent that holds it
    (key_file,) = dock.home.glob("keys/*.key")
    operator = load_operator(key_file, SECRET)
    assert try_everything(world.vault, operator) == 0
    monkeypatch.setenv("BWC_HOME", str(dock.home))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    start_agent(operator)
    try:
        agent = connect()
        assert agent is not None
        assert try_everything(world.vault, agent) == 0
    finally:
        stop_agent()

    # any 32 bytes that lie about: what the dock's disk and the vault's own keys hold, tried as file keys
    with House.enter(Places(vault=world.vault), None) as house:
        objects = [(one, house._vault.manifest(one.object_id)) for one in house.objects(item["item"])]
    places = [path for path in {*dock.folder.rglob("*"), *world.vault.glob("keys/*")} if path.is_file()]
    assert set(dock.folder.rglob("*")) >= before
    tried = 0
    for path in places:
        data = path.read_bytes()
        for at in range(0, min(len(data), 4096) - 31, 1):
            for _, manifest in objects:
                with pytest.raises(BwcError):
                    manifest.check_key(bytearray(data[at : at + 32]))
                tried += 1
    assert tried > 1000
    # its own private bodies it may read (what it typed itself): no file key is in them
    with House.enter(Places(vault=world.vault), operator) as house:
        text = "".join(str(one.private) for one in house.trail(item["item"]))
    assert "B1" in text
    for sealed, manifest in objects:
        with pytest.raises(BwcError):
            manifest.check_key(bytearray(text.encode()[:32].ljust(32)))
        body = (world.vault / "objects" / sealed.object_id[:2] / sealed.object_id).read_bytes()
        with pytest.raises(BwcError):
            OpenedStream(io.BytesIO(body), operator.seeds()[:32], manifest.aad).read()


def test_an_officer_opens_until_revoked_and_an_auditor_verifies_without_opening(
    world: World, people: dict[str, World], card
) -> None:
    people["technician"].run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--category", "traffic")
    (item,) = people["records"].items()
    people["records"].run("open", item["item"], "-o", "out.mp4", "--reason", "R-1")
    assert (people["records"].folder / "out.mp4").read_bytes() == CLIP.read_bytes()
    auditor = people["auditor"]
    auditor.run("open", item["item"], "-o", "out.mp4", "--reason", "audit", code=7)
    (key_file,) = auditor.home.glob("keys/*.key")
    assert try_everything(world.vault, load_operator(key_file, SECRET)) == 0
    vkey = world.json("pin", "--list")["agencies"][0]["vkey"]
    assert auditor.json("verify", "--key", vkey)["verdict"] == "INTACT"

    # taken off every envelope; no footage is touched
    marks = {path: path.stat().st_ino for path in world.vault.glob("objects/*/*")}
    (key_file,) = people["records"].home.glob("keys/*.key")
    officer = load_operator(key_file, SECRET)
    assert all(officer.recipient_id in one.recipients for one in envelopes(world.vault))
    world.run("key", "revoke", "records")
    assert not any(officer.recipient_id in one.recipients for one in envelopes(world.vault))
    assert try_everything(world.vault, officer) == 0
    people["records"].run("open", item["item"], "-o", "again.mp4", "--reason", "R-1", code=7)
    assert {path: path.stat().st_ino for path in world.vault.glob("objects/*/*")} == marks
    assert world.json("verify")["verdict"] == "INTACT"
