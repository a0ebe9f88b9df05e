"""The log goes on under a new key; dying anywhere leaves a vault that goes on too, and nobody signs with the old key."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwc.audit.checkpoint import NoteKey
from bwc.audit.keychain import KeyChain
from bwc.audit.tiles import LogFolder
from bwc.audit.verify import verify_log
from bwc.config import Places
from bwc.custody.acting import NEXT_LOG_KEY
from bwc.custody.house import House
from bwc.custody.reading import LOG_KEY
from bwc.errors import NotAllowed
from bwc.evidence import EventKind
from bwc.keys import LocalOperator
from bwc.roles import Policy
from tests.custody.vaults import CHIEF, make_vault


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return make_vault(tmp_path / "vault")


def chain_of(places: Places) -> KeyChain:
    with House.enter(places, None) as house:
        return house.key_chain()


def act(places: Places, approvals: int = 2) -> None:
    with House.enter(places, CHIEF) as house:
        house.set_policy(Policy(approvals=approvals))


def intact(places: Places, key: NoteKey) -> bool:
    return not verify_log(LogFolder(places.log), key).findings.count()


def test_the_log_goes_on_under_the_new_key(places: Places) -> None:
    first = chain_of(places).last
    with House.enter(places, CHIEF) as house:
        new = house.rekey_log(note="yearly", compromised_from=datetime(2026, 11, 20, tzinfo=UTC))
        assert house.vkey == new.text()
    act(places)
    with House.enter(places, CHIEF) as house:
        third = house.rekey_log(note="again")
    act(places, 3)
    chain = chain_of(places)
    assert chain.keys == (first, new, third)
    assert chain.handovers[0].compromised_from == "2026-11-20T00:00:00.000000Z"
    assert json.loads((places.vault / LOG_KEY).read_bytes())["vkey"] == third.text()
    assert not (places.vault / NEXT_LOG_KEY).exists()
    assert all(intact(places, key) for key in chain.keys)


@pytest.mark.parametrize("step", ["before the entry", "after the entry", "between the files"])
def test_dying_on_the_way_leaves_a_vault_that_goes_on(
    places: Places, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = chain_of(places).last

    class Died(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Died

    house = House.enter(places, CHIEF)
    with monkeypatch.context() as patch:
        if step == "before the entry":
            patch.setattr(house, "_record", die)
        elif step == "after the entry":
            record = house._record

            def record_and_die(*args: object, **more: object) -> None:
                record(*args, **more)  # type: ignore[arg-type]
                patch.setattr(house, "publish", lambda: 0)
                patch.setattr(house, "_finish_rekeying", die)

            patch.setattr(house, "_record", record_and_die)
        else:
            patch.setattr(house._disk, "remove", die)
        with pytest.raises(Died):
            house.rekey_log(note="")
    house.close()
    assert (places.vault / NEXT_LOG_KEY).exists()
    act(places)  # whoever comes next
    happened = step != "before the entry"
    chain = chain_of(places)
    assert len(chain.keys) == 1 + happened
    assert json.loads((places.vault / LOG_KEY).read_bytes())["vkey"] == chain.last.text()
    assert intact(places, first)
    with House.enter(places, CHIEF) as again:
        again.rekey_log(note="")
    assert len(chain_of(places).keys) == 2 + happened
    assert not (places.vault / NEXT_LOG_KEY).exists()
    assert intact(places, first)


def test_a_process_that_was_open_meanwhile_signs_with_the_new_key(places: Places) -> None:
    first = chain_of(places).last
    with House.enter(places, CHIEF) as slow, House.enter(places, CHIEF) as quick:
        slow.set_policy(Policy(approvals=2))
        slow.publish()
        quick.rekey_log(note="")
        slow.set_policy(Policy(approvals=3))
        slow.publish()
    assert len(chain_of(places).keys) == 2
    assert intact(places, first)


def test_only_an_administrator_may_and_a_refusal_is_recorded(places: Places) -> None:
    from bwc.enrolment import OperatorPublic

    clerk = LocalOperator.generate("clerk")
    with House.enter(places, CHIEF) as house:
        house.enrol(OperatorPublic(name="clerk", key=clerk.verify_key, recipient=clerk.recipient), roles=["records"])
    with House.enter(places, clerk) as house, pytest.raises(NotAllowed):
        house.rekey_log(note="")
    with House.enter(places, None) as house:
        (last,) = list(house.events(house.entries() - 1))
        assert (last.kind, last.facts["act"]) == (EventKind.ACT_REFUSED, EventKind.LOG_REKEYED)
