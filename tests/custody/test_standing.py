"""Nothing that cannot be taken back is done on the word of the catalog's tables: whoever may write the folder can write them."""

import io
import json
import sqlite3
from collections.abc import Callable

import pytest

from bwc.config import Places, standing_dir
from bwc.custody.house import House
from bwc.custody.rebuilding import rebuild_catalog
from bwc.errors import HoldInForce, IntegrityError
from bwc.evidence import EventKind, ObjectRole
from bwc.identities import LocalOperator
from bwc.storage.envelope import parse_envelope
from tests.custody.disposals import CHIEF, DEPUTY, FOOTAGE, confirm, first_item, order, public, take_in

THIEF = LocalOperator.generate("thief")
A_READER = json.dumps(THIEF.recipient.to_json())
ROLES = "UPDATE {} SET roles = '[\"records\",\"technician\"]' WHERE key = '{}'"


def tamper(places: Places, *statements: str) -> None:
    """As somebody with sqlite3 would."""
    base = sqlite3.connect(places.catalog)
    with base:
        for one in statements:
            base.execute(one)
    base.close()


def on_hold(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        house.place_hold([first_item(places)], [], reason="a claim")


def seal(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        take_in(house, b"new footage")


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM holds", "table holds, hold of entry"),
        ("UPDATE holds SET item = 'another'", "table holds, hold of entry"),
        ("UPDATE holds SET lifted = 1, lifted_at = at", "lifted"),
        ("DELETE FROM objects", "table objects"),
        ("UPDATE items SET category = 'litter'", "category"),
        ("UPDATE bodies SET seq = seq + 1", "table bodies"),
    ],
)
def test_nothing_is_ordered_destroyed_on_the_word_of_a_table(places: Places, statement: str, named: str) -> None:
    on_hold(places)
    tamper(places, statement)
    with pytest.raises(IntegrityError, match=named) as caught:
        order(places, early=True)
    assert "catalog rebuild" in caught.value.hint


def test_a_hold_that_was_deleted_between_order_and_confirmation_still_holds(places: Places) -> None:
    name = order(places, early=True)
    on_hold(places)
    tamper(places, "DELETE FROM holds")
    with pytest.raises(IntegrityError, match="table holds"):
        confirm(places, name)
    with House.enter(places, CHIEF) as house, house.open_original(first_item(places), 0, purpose="test") as source:
        assert source.read() == FOOTAGE


def test_a_hold_deleted_while_the_command_runs_still_holds(places: Places) -> None:
    on_hold(places)
    with House.enter(places, CHIEF) as house:
        with pytest.raises(HoldInForce):
            house.order_destruction([first_item(places)], reason="x", early=True)
        tamper(places, "DELETE FROM holds")
        with pytest.raises(HoldInForce):
            house.order_destruction([first_item(places)], reason="x", early=True)


def test_an_order_that_nobody_signed_destroys_nothing(places: Places) -> None:
    item = first_item(places)
    tamper(
        places,
        "INSERT INTO orders (seq, disposition, item, scope, facts, at, actor, confirmed, confirmed_at, confirmed_by)"
        f" VALUES (3, 'D-AAAAAA', '{item}', 'item', '{{}}', 'now', '{CHIEF.key_id}', 4, 'now', '{DEPUTY.key_id}')",
        f"INSERT INTO destroyed SELECT object, item, role, segment, sealed_bytes, manifest, envelope, seq FROM objects WHERE item = '{item}'",
    )
    with House.enter(places, CHIEF) as house, pytest.raises(IntegrityError, match="no entry of the log says so"):
        house.finish_destruction()


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (
            [f"INSERT INTO recipients VALUES ('{THIEF.recipient.recipient_id}', '{A_READER}', 'recovery', 1)"],
            f"table recipients, recipient {THIEF.recipient.recipient_id}",
        ),
        ([ROLES.format("operators", DEPUTY.key_id), ROLES.format("enrolments", DEPUTY.key_id)], "table operators"),
        ([f"UPDATE operators SET recipient = '{A_READER}' WHERE key = '{DEPUTY.key_id}'"], "recipient"),
        (["INSERT INTO policies VALUES (99, '{\"worker\":true}')"], "table policies, policy of entry 99"),
        (["DELETE FROM recipients"], "table recipients"),
    ],
    ids=["a thief", "roles", "another recipient", "a policy", "none"],  # keys are new each time: no names for tests
)
def test_nothing_is_sealed_on_the_word_of_a_table(places: Places, statements: list[str], named: str) -> None:
    tamper(places, *statements)
    with pytest.raises(IntegrityError, match=named):
        seal(places)


def test_a_reader_put_in_while_the_command_runs_gets_nothing(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        assert house.roles()
        tamper(places, f"INSERT INTO recipients VALUES ('{THIEF.recipient.recipient_id}', '{A_READER}', 'recovery', 1)")
        item = house.new_item()
        with house.seal(io.BytesIO(b"x"), item=item, role=ObjectRole.SEGMENT, segment=0) as held:
            envelope = parse_envelope(house._vault.envelope_bytes(held.sealed))
        assert THIEF.recipient.recipient_id not in envelope.recipients


@pytest.mark.parametrize("remembered", [True, False])
def test_entries_that_were_left_out_or_altered_are_missed(places: Places, *, remembered: bool) -> None:
    on_hold(places)
    if not remembered:
        for one in standing_dir().iterdir():
            one.unlink()
    drop = "DROP TRIGGER events_undeleted", "DROP TRIGGER events_unchanged"
    with House.enter(places, None) as house:
        last = house.entries() - 1
    take: list[Callable[[], object]] = [lambda: seal(places), lambda: order(places, early=True)]
    tamper(places, *drop, f"UPDATE events SET seq = seq + 100 WHERE seq = {last}", "DELETE FROM holds")
    for act in take:
        with pytest.raises(IntegrityError):
            act()


def test_a_forged_enrolment_is_no_enrolment(places: Places) -> None:
    with House.enter(places, None) as house:
        size = house.entries()
        forged = house.entry(1).replace(b'"seq":1}', f'"seq":{size}}}'.encode())
    base = sqlite3.connect(places.catalog)
    with base:
        base.execute("INSERT INTO events VALUES (?, ?, ?, NULL, NULL)", (size, b"x" * 32, forged))
    base.close()
    with pytest.raises(IntegrityError, match=f"entry {size}"):
        seal(places)


def test_what_others_add_is_taken_in(places: Places) -> None:
    newcomer = LocalOperator.generate("newcomer")
    with House.enter(places, CHIEF) as house, House.enter(places, DEPUTY) as other:
        assert len(house.operators()) == 2
        other.enrol(public(newcomer), roles=["technician"])
        assert {row.key_id for row in house.operators()} == {CHIEF.key_id, DEPUTY.key_id, newcomer.key_id}
        take_in(house, b"more")


def test_a_rebuild_puts_the_tables_right(places: Places) -> None:
    tamper(places, "DELETE FROM recipients")
    rebuild_catalog(places, CHIEF)
    seal(places)


def test_a_rebuild_takes_altered_entries_from_what_was_published_and_keeps_the_rest(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        size = house.entries()
        take_in(house, b"not published yet")
        house._unpublished = False
    tamper(
        places,
        "DROP TRIGGER events_unchanged",
        "UPDATE events SET entry = CAST(replace(entry, 'h', 'g') AS BLOB) WHERE seq = 3",
    )
    with House.enter(places, CHIEF) as house:
        assert (house.published(), house.entries()) == (size, size + 1)
    rebuild_catalog(places, CHIEF)
    seal(places)
    with House.enter(places, None) as house:
        assert house.entries() == size + 3


def test_who_loses_a_role_that_reads_is_taken_off_what_is_held(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        assert house.enrol(public(DEPUTY), roles=["technician", "records"]) == 0
        assert house.enrol(public(DEPUTY), roles=["technician"]) > 0
        assert house.former_readers(10) == {}
    with House.enter(places, None) as house:
        for one in house.objects(first_item(places)):
            assert DEPUTY.recipient.recipient_id not in parse_envelope(house._vault.envelope_bytes(one)).recipients


def test_readers_who_should_be_gone_are_told(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        facts = {"operator": public(DEPUTY).facts(["technician"])}
        house.act(EventKind.KEY_ENROLLED, None, facts, {"name": "deputy"})  # and dies before the rewrap
    with House.enter(places, None) as house:
        assert house.former_readers(10).keys() == {DEPUTY.recipient.recipient_id}
    with House.enter(places, CHIEF) as house:
        house.rewrap_now()
        assert house.former_readers(10) == {}


def test_a_rewrap_erases_no_key_that_a_table_calls_replaced(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        one, other = (house.objects(row.item_id)[0] for row in house.items())
    tamper(
        places,
        f"INSERT INTO replaced VALUES ('{one.envelope_sha256}')",
        f"UPDATE objects SET envelope = '{other.envelope_sha256}' WHERE object = '{one.object_id}'",
    )
    with House.enter(places, CHIEF) as house:
        with pytest.raises(IntegrityError):
            house.rewrap_now()
        with pytest.raises(IntegrityError, match=r"table (objects|replaced)"):
            house._erase_replaced()
        with pytest.raises(IntegrityError, match=r"table (objects|replaced)"):
            house.names_to_clear()
        assert house._vault.has_envelope(one.envelope_sha256)
