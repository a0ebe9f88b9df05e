"""The log goes on under a new key; dying anywhere leaves a vault that goes on too, and nobody signs with the old key."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

import bwc.custody.acting
import bwc.custody.keyring
from bwc.audit.checkpoint import NoteKey
from bwc.audit.keychain import KeyChain
from bwc.audit.verify import verify_log
from bwc.config import Places
from bwc.custody.house import House
from bwc.custody.log_copy import LOG_KEY, NEXT_LOG_KEY
from bwc.enrolment import OperatorPublic, open_log_key
from bwc.errors import KeyUnavailable, NotAllowed
from bwc.evidence import EventKind
from bwc.identities import LocalOperator
from bwc.roles import Policy
from bwc.verifier.log_folder import LogFolder
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


def enrol(places: Places, person: LocalOperator, role: str = "records") -> None:
    with House.enter(places, CHIEF) as house:
        house.enrol(public(person), roles=[role])


def public(person: LocalOperator) -> OperatorPublic:
    return OperatorPublic(name=person.name, key=person.verify_key, recipient=person.recipient)


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


STEPS = ["before the entry", "after the entry", "after the checkpoint", "between the files"]


class Died(BaseException):
    """The process is gone."""


def die(*_: object, **__: object) -> None:
    raise Died


def die_rekeying(places: Places, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with House.enter(places, CHIEF) as house:
        house.publish()
    house = House.enter(places, CHIEF)
    with monkeypatch.context() as patch:
        if step == "before the entry":
            patch.setattr(house._log, "append_all", die)
        elif step == "after the entry":
            record = house._record

            def record_and_die(*args: object, **more: object) -> None:
                record(*args, **more)  # type: ignore[arg-type]
                patch.setattr(house._log, "publish", die)

            patch.setattr(house, "_record", record_and_die)
        elif step == "after the checkpoint":
            patch.setattr(bwc.custody.acting, "place_key", lambda _, key: None if old_is(key) else die())
        else:
            patch.setattr(house._disk, "remove", lambda path, **_: die() if path == NEXT_LOG_KEY else None)
        old = house.log_key_file()

        def old_is(key: bytes) -> bool:
            return key == old

        with pytest.raises(Died):
            house.rekey_log(note="")
    house.close()


@pytest.mark.parametrize("step", STEPS)
def test_dying_on_the_way_leaves_a_vault_that_goes_on(
    places: Places, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = chain_of(places).last
    die_rekeying(places, step, monkeypatch)
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


@contextmanager
def another_rekeys_meanwhile(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another process changes the log's key as soon as ours has read it; it gets as far as our lock lets it."""
    others: list[Thread] = []
    deputy = LocalOperator.generate("deputy")
    enrol(places, deputy, "administrator")

    def rekey() -> None:
        with House.enter(places, deputy) as house:
            house.rekey_log(note="meanwhile")

    def read_and_wait(*args: object) -> bytes:
        seed = open_log_key(*args)  # type: ignore[arg-type]
        if not others:
            others.append(Thread(target=rekey))
            others[0].start()
            others[0].join(2)
        return seed

    with monkeypatch.context() as patch:
        patch.setattr(bwc.custody.keyring, "open_log_key", read_and_wait)
        yield
    others[0].join()


@pytest.mark.parametrize("change", ["enrol", "revoke", "rotate"])
def test_a_change_of_keys_never_puts_the_old_key_of_the_log_back(
    places: Places, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, chief, clerk = chain_of(places).last, CHIEF, LocalOperator.generate("clerk")
    if change == "revoke":
        enrol(places, clerk)
    with another_rekeys_meanwhile(places, monkeypatch), House.enter(places, CHIEF) as house:
        if change == "enrol":
            house.enrol(public(clerk), roles=["records"])
        elif change == "revoke":
            house.revoke("clerk", note="")
        else:
            chief = LocalOperator.generate("chief")
            house.rotate(chief)
    with House.enter(places, chief) as house:
        house.set_policy(Policy(approvals=2))
    chain = chain_of(places)
    assert len(chain.keys) == 2
    assert json.loads((places.vault / LOG_KEY).read_bytes())["vkey"] == chain.last.text()
    assert intact(places, first)


def test_a_process_that_was_open_meanwhile_enrols_for_the_new_key(places: Places) -> None:
    clerk = LocalOperator.generate("clerk")
    with House.enter(places, CHIEF) as slow:
        with House.enter(places, CHIEF) as quick:
            new = quick.rekey_log(note="")
        slow.enrol(public(clerk), roles=["records"])
        assert slow.vkey == new.text()
    assert json.loads((places.vault / LOG_KEY).read_bytes())["vkey"] == new.text() == chain_of(places).last.text()
    with House.enter(places, clerk) as house:
        assert house.publish() == house.entries()


@pytest.mark.parametrize("step", STEPS)
def test_who_comes_or_goes_after_a_death_does_so_for_the_next_key_too(
    places: Places, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, thief, clerk = chain_of(places).last, LocalOperator.generate("thief"), LocalOperator.generate("clerk")
    enrol(places, thief)
    die_rekeying(places, step, monkeypatch)
    with House.enter(places, CHIEF) as house:
        house.revoke("thief", note="")
    for path in (LOG_KEY, NEXT_LOG_KEY):
        if (places.vault / path).exists():
            with pytest.raises(KeyUnavailable):
                open_log_key((places.vault / path).read_bytes(), thief)
    enrol(places, clerk)
    with House.enter(places, clerk) as house:
        assert house.publish() == house.entries()
    chain = chain_of(places)
    assert len(chain.keys) == 1 + (step != "before the entry")
    assert json.loads((places.vault / LOG_KEY).read_bytes())["vkey"] == chain.last.text()
    assert intact(places, first)


@pytest.mark.parametrize("step", STEPS)
def test_who_comes_first_after_a_death_may_sign(places: Places, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, clerk = chain_of(places).last, LocalOperator.generate("clerk")
    die_rekeying(places, step, monkeypatch)
    enrol(places, clerk)
    with House.enter(places, clerk) as house:
        assert house.publish() == house.entries()
    assert intact(places, first)


def test_a_revocation_that_died_before_the_key_of_the_log_followed_is_finished_by_a_rewrap(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = LocalOperator.generate("thief")
    enrol(places, thief)
    with House.enter(places, CHIEF) as house, monkeypatch.context() as patch:
        patch.setattr(house, "_rewrap_log_key", die)
        with pytest.raises(Died):
            house.revoke("thief", note="")
    assert open_log_key((places.vault / LOG_KEY).read_bytes(), thief)
    with House.enter(places, CHIEF) as house:
        house.rewrap_now()
    with pytest.raises(KeyUnavailable):
        open_log_key((places.vault / LOG_KEY).read_bytes(), thief)


def test_only_an_administrator_may_and_a_refusal_is_recorded(places: Places) -> None:
    clerk = LocalOperator.generate("clerk")
    enrol(places, clerk)
    with House.enter(places, clerk) as house, pytest.raises(NotAllowed):
        house.rekey_log(note="")
    with House.enter(places, None) as house:
        (last,) = list(house.events(house.entries() - 1))
        assert (last.kind, last.facts["act"]) == (EventKind.ACT_REFUSED, EventKind.LOG_REKEYED)
