"""Readers change while what is held is given its new readers: nobody who left comes back, and no destruction is undone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bwc.audit.findings import Grade
from bwc.config import Places
from bwc.custody import acting
from bwc.custody.house import House
from bwc.custody.inspection import inspect
from bwc.enrolment import OperatorPublic
from bwc.errors import IntegrityError, PolicyRefuses
from bwc.evidence import EventKind
from bwc.identities import LocalOperator
from bwc.storage.body import parse_body
from bwc.storage.envelope import parse_envelope
from bwc.storage.renewing import Renewer
from bwc.storage.store import Shelf, path_of
from tests.custody.vaults import CHIEF, make_vault, take

THIEF, CLERK, DEPUTY = (LocalOperator.generate(name) for name in ("thief", "clerk", "deputy"))
FOOTAGE = (b"one", b"two", b"three")


def enrol(places: Places, who: LocalOperator, *roles: str) -> None:
    with House.enter(places, CHIEF) as house:
        public = OperatorPublic(name=who.name, key=who.verify_key, recipient=who.recipient)
        house.enrol(public, roles=roles or ("records",))


def revoke(places: Places, who: LocalOperator) -> None:
    with House.enter(places, CHIEF) as house:
        house.revoke(who.name, note="")


def destroy(places: Places, at: int) -> None:
    with House.enter(places, CHIEF) as house:
        item = house.items()[at].item_id
        house.close_case("26-1", note="")
        order = house.order_destruction([item], reason="by order of the court", early=True)
    with House.enter(places, DEPUTY) as house:
        house.confirm_order(order)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = make_vault(tmp_path / "vault", *FOOTAGE)
    enrol(made, THIEF)
    return made


def once_after(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, act: Callable[[], None]) -> None:
    """Another process acts right after the first time that something was done here."""
    real = getattr(where, name)
    done: list[str] = []

    def late(*args: Any, **more: Any) -> Any:
        found = real(*args, **more)
        if not done:
            done.append(name)
            act()
        return found

    monkeypatch.setattr(where, name, late)


def readers_on_disk(places: Places) -> set[str]:
    """Everybody who has a wrap of anything that lies in the vault."""
    envelopes, bodies = ((places.vault / shelf).rglob("*.json") for shelf in ("envelopes", "bodies"))
    found = {who for one in envelopes for who in parse_envelope(one.read_bytes()).recipients}
    return found | {who for one in bodies for who in parse_body(one.read_bytes()).recipients}


def named(places: Places) -> list[set[str]]:
    with House.enter(places, None) as house:
        envelopes = [one.envelope_sha256 for row in house.items() for one in house.objects(row.item_id)]
        found = [places.vault / path_of(Shelf.ENVELOPES, one) for one in envelopes]
        return [set(parse_envelope(one.read_bytes()).recipients) for one in found]


def bad(places: Places, tmp_path: Path) -> list[str]:
    found = inspect(places, vkey=None, pins=(), seen=tmp_path / "nothing", quick=False, share=1)
    return [f"{one.where}: {one.what}" for one in found.log.findings if one.grade is Grade.BAD]


@pytest.mark.parametrize("moment", ["envelopes", "bodies"])
def test_a_revocation_meanwhile_is_not_undone(
    places: Places, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        once_after(patch, Renewer, moment, lambda: revoke(places, THIEF))
        enrol(places, CLERK)
    assert THIEF.recipient.recipient_id not in readers_on_disk(places)
    assert all(CLERK.recipient.recipient_id in one for one in named(places))
    assert not bad(places, tmp_path)


@pytest.mark.parametrize("moment", ["envelopes", "bodies"])
def test_an_enrolment_meanwhile_is_not_undone(
    places: Places, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        once_after(patch, Renewer, moment, lambda: enrol(places, CLERK))
        revoke(places, THIEF)
    assert THIEF.recipient.recipient_id not in readers_on_disk(places)
    assert all(CLERK.recipient.recipient_id in one for one in named(places))
    assert not bad(places, tmp_path)


def test_what_two_rewrap_at_once_is_recorded_once(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another() -> None:
        with House.enter(places, CHIEF) as house:
            assert house.rewrap_now() == len(FOOTAGE)

    with House.enter(places, CHIEF) as house, monkeypatch.context() as patch:
        patch.setattr(House, "rewrap", lambda *_: 0)
        public = OperatorPublic(name=CLERK.name, key=CLERK.verify_key, recipient=CLERK.recipient)
        house.enrol(public, roles=["records"])
    with House.enter(places, CHIEF) as house, monkeypatch.context() as patch:
        once_after(patch, Renewer, "envelopes", another)
        assert house.rewrap() == 0
        events = [one for one in house.events() if one.kind == EventKind.ITEM_REWRAPPED and one.item]
    assert len(events) == 2 * len(FOOTAGE)  # for the thief, for the clerk
    assert not bad(places, tmp_path)
    assert len(list((places.vault / "envelopes").rglob("*.json"))) == len(FOOTAGE), "what came too late is erased"


@pytest.mark.parametrize("moment", ["before it was opened", "after"])
def test_an_item_destroyed_meanwhile_is_left_alone_and_said(
    places: Places, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(places, DEPUTY, "records", "administrator")
    with House.enter(places, CHIEF) as house, monkeypatch.context() as patch:
        item = house.items()[1].item_id
        where, name = (Renewer, "envelopes") if moment == "after" else (House, "_objects_to_rewrap")
        once_after(patch, where, name, lambda: destroy(places, 1))
        public = OperatorPublic(name=CLERK.name, key=CLERK.verify_key, recipient=CLERK.recipient)
        assert house.enrol(public, roles=["records"]) == len(FOOTAGE) - 1
        assert house.destroyed_meanwhile == {item}
    assert all(CLERK.recipient.recipient_id in one for one in named(places))
    assert not bad(places, tmp_path)
    assert len(list((places.vault / "envelopes").rglob("*.json"))) == len(FOOTAGE) - 1


def test_one_damaged_envelope_keeps_nobody_who_left(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        (sealed,) = house.objects(house.items()[1].item_id)
        (places.vault / path_of(Shelf.ENVELOPES, sealed.envelope_sha256)).write_bytes(b"{}")
        with pytest.raises(IntegrityError):
            house.revoke(THIEF.name, note="")
        left = [one for row in house.items() for one in house.objects(row.item_id) if one != sealed]
    for one in left:
        envelope = parse_envelope((places.vault / path_of(Shelf.ENVELOPES, one.envelope_sha256)).read_bytes())
        assert THIEF.recipient.recipient_id not in envelope.recipients


def test_what_was_sealed_to_somebody_revoked_meanwhile_is_sealed_again(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with House.enter(places, CHIEF) as house:
        with monkeypatch.context() as patch:
            once_after(patch, House, "seal", lambda: revoke(places, THIEF))
            with pytest.raises(PolicyRefuses, match="revoked"):
                take(house, b"four")
        assert len(house.items()) == len(FOOTAGE)
        take(house, b"four")
    assert THIEF.recipient.recipient_id not in readers_on_disk(places)
    assert not bad(places, tmp_path)


def test_a_body_sealed_while_somebody_is_revoked_is_not_for_them(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with House.enter(places, CHIEF) as house, monkeypatch.context() as patch:
        once_after(patch, acting, "seal_body", lambda: revoke(places, THIEF))
        house.tag(house.items()[0].item_id, {"officer": "B2"}, note="not for the thief")
        told = house.trail(house.items()[0].item_id)[-1]
    assert dict(told.private or {})["note"] == "not for the thief"
    assert THIEF.recipient.recipient_id not in readers_on_disk(places)
    assert not bad(places, tmp_path)
