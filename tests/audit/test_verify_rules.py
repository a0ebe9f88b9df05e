"""Keys, roles, policy and approvals as they were in force at each entry: steps 6 and 7."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bwc.audit.event import parse_entry
from bwc.audit.findings import Grade
from bwc.audit.merkle import leaf_hash
from bwc.audit.verify import verify_log
from bwc.errors import BwcError
from bwc.evidence import EventKind, utc_text
from bwc.identities import SeedSigner
from tests.audit.entries import sign_event
from tests.audit.logs import (
    ADMIN,
    APPROVAL,
    CLERK,
    ITEM,
    LOG_KEY,
    SECOND,
    STRANGER,
    TECH,
    VKEY,
    House,
    digest,
    operator,
    signer,
    small_house,
)
from tests.audit.verifying import RAWS, bad_steps, house_with, log_of


def test_a_release_needs_as_many_different_people_as_policy_says() -> None:
    def release(*who: Any) -> Callable[[House], object]:
        return lambda house: house.release(*[house.approve(one) for one in who])

    assert not bad_steps(house_with(release(CLERK, SECOND)))
    assert not bad_steps(house_with(release([SECOND, CLERK])))  # one act, two signatures
    assert bad_steps(house_with(release(CLERK))) == {7}
    assert bad_steps(house_with(release(CLERK, CLERK))) == {7}
    assert bad_steps(house_with(release([SECOND, TECH]))) == {7}  # a technician's signature approves nothing
    assert bad_steps(house_with(lambda house: house.release(99))) == {7}
    assert bad_steps(house_with(lambda house: house.release(5, 6))) == {7}


def test_the_renderer_alone_does_not_approve_where_policy_separates() -> None:
    def separate(house: House) -> None:
        house.do(ADMIN, EventKind.POLICY_SET, {"policy": {"approvals": 1, "separate_approver": True}})

    assert bad_steps(house_with(separate, lambda house: house.release(house.approve(CLERK)))) == {7}
    assert not bad_steps(house_with(separate, lambda house: house.release(house.approve(SECOND))))


def test_policy_counts_as_it_was_at_the_release() -> None:
    def one(house: House) -> None:
        house.do(ADMIN, EventKind.POLICY_SET, {"policy": {"approvals": 1}})

    def two(house: House) -> None:
        house.do(ADMIN, EventKind.POLICY_SET, {"policy": {"approvals": 2}})

    assert not bad_steps(house_with(one, lambda house: house.release(house.approve()), two))
    assert bad_steps(house_with(one, lambda house: house.approve(), two, lambda house: house.release(9))) == {7}


def test_an_approval_is_of_these_very_bytes() -> None:
    def other(house: House) -> None:
        house.do(CLERK, EventKind.COPY_APPROVED, APPROVAL | {"copy_sha256": digest("x")}, item=ITEM)
        house.release(house.approve(), 8)

    assert bad_steps(house_with(other)) == {7}


def test_one_person_with_two_keys_is_one_person() -> None:
    new = signer("clerk's new key")

    def rotate(house: House) -> None:
        facts = {"operator": operator(new, "records", replaces=CLERK.key_id)}
        house.do(ADMIN, EventKind.KEY_ENROLLED, facts)

    def release(*who: SeedSigner) -> Callable[[House], object]:
        return lambda house: house.release(*[house.approve(one) for one in who])

    assert bad_steps(house_with(rotate, release(CLERK, new))) == {7}
    assert not bad_steps(house_with(rotate, release(SECOND, new)))


def test_a_revoked_key_signs_no_more_and_what_it_signed_before_stands() -> None:
    def revoke(house: House, **more: Any) -> None:
        house.do(ADMIN, EventKind.KEY_REVOKED, {"key": CLERK.key_id, "reason": "lost"} | more)

    assert not bad_steps(house_with(revoke))
    assert bad_steps(house_with(revoke, lambda house: house.approve(CLERK))) == {6}
    assert bad_steps(house_with(revoke, lambda house: house.approve([SECOND, CLERK]))) == {6}
    assert bad_steps(
        house_with(revoke, lambda house: house.do(ADMIN, EventKind.KEY_ENROLLED, {"operator": operator(CLERK)}))
    ) == {7}


def test_what_a_key_signed_after_it_was_compromised_is_flagged() -> None:
    def revoke(house: House) -> None:
        since = utc_text(house.clock.now() - timedelta(seconds=3))
        house.do(ADMIN, EventKind.KEY_REVOKED, {"compromised_from": since, "key": CLERK.key_id, "reason": "stolen"})

    report = house_with(revoke)
    notes = [one for one in report.findings if one.grade is Grade.NOTE]
    assert len(notes) == 1
    assert "2 between entry 6 and 7" in notes[0].what
    assert not bad_steps(report)


def test_a_p256_operator_signs_too() -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from bwc.curves import P256_HALF_ORDER
    from bwc.identities import key_id_of

    class Piv:
        alg = "p256"

        def __init__(self) -> None:
            self._private = ec.derive_private_key(7, ec.SECP256R1())
            self.public = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            self.key_id = key_id_of(self.alg, self.public)

        def sign(self, message: bytes) -> bytes:
            r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(hashes.SHA256())))
            s = min(s, 2 * P256_HALF_ORDER + 1 - s)  # of its two spellings the lower one counts
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    card: Any = Piv()

    def enrol(house: House) -> None:
        house.do(ADMIN, EventKind.KEY_ENROLLED, {"operator": operator(card, "records")})

    assert not bad_steps(house_with(enrol, lambda house: house.release(house.approve([card]), house.approve())))


def test_kinds_of_newer_versions_are_noted_not_condemned() -> None:
    house = small_house()
    event = parse_entry(RAWS[11]).event | {"item": None, "item_prev": None, "item_seq": None, "objects": []}
    event |= {"kind": "kind.of.tomorrow", "seq": 12, "prev": leaf_hash(RAWS[11]).hex()}
    report = verify_log(log_of([*RAWS, sign_event(event, [CLERK]).raw]), VKEY)
    assert not bad_steps(report)
    assert [one.where for one in report.findings if one.grade is Grade.NOTE] == ["entry 12"]
    assert house.rows.held


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"operator": []},
        {"operator": {"roles": 5}},
        {"operator": operator(STRANGER, "records") | {"roles": [{}]}},
        {"operator": operator(STRANGER, "records") | {"alg": "rsa"}},
        {"operator": operator(STRANGER, "records") | {"alg": []}},
        {"operator": operator(STRANGER, "records") | {"public": "AAAA"}},
        {"operator": operator(STRANGER, "records") | {"key": None}},
        {"operator": operator(STRANGER, "records", replaces=[])},
        {"operator": operator(STRANGER, "records", replaces="x")},
        {"key": CLERK.key_id, "compromised_from": "yesterday"},
        {"key": [], "policy": [], "approvals": {}, "copies": "x"},
        {"policy": {"approvals": True}},
        {"policy": {"effect": None}},
        {"approvals": [[]], "copies": [{}]},
        {"approvals": [], "copies": [{}, None]},
        {"copy_sha256": 1, "report_sha256": {}, "plan_sha256": []},
    ],
)
def test_only_findings_come_out_of_strange_facts(facts: Any) -> None:
    for kind, key in (
        (EventKind.KEY_ENROLLED, ADMIN),
        (EventKind.KEY_REVOKED, ADMIN),
        (EventKind.POLICY_SET, ADMIN),
        (EventKind.LOG_REKEYED, ADMIN),
        (EventKind.COPY_APPROVED, CLERK),
        (EventKind.COPY_RENDERED, CLERK),
        (EventKind.COPY_CHECKED, CLERK),
        (EventKind.RELEASE_PUBLISHED, CLERK),
    ):
        house = House()
        house.found()
        house.do(key, kind, facts)
        house.publish_as_forger(LOG_KEY)  # ours does not sign a handover that is none
        try:
            report = verify_log(house.files, VKEY)
        except BwcError as error:
            raise AssertionError(kind) from error
        assert bad_steps(report) <= {7}
