"""The first acts of a vault: its log, the first operator, the recovery key, the policy; all there or nothing."""

import os
import re
import secrets
import shutil

from bwc.appending.writing import log_key
from bwc.canonical import Json
from bwc.config import Places
from bwc.custody.house import House
from bwc.custody.log_copy import LOG_KEY
from bwc.enrolment import OperatorPublic, log_signer, wrap_log_key
from bwc.errors import UsageError
from bwc.evidence import EventKind
from bwc.identities import LocalOperator, Recipient
from bwc.roles import Policy, Role
from bwc.storage.fsops import Disk
from bwc.tokenkey import TokenOperator


def found(
    places: Places,
    *,
    agency: str,
    operator: LocalOperator | TokenOperator,
    recovery: Recipient,
    policy: Policy | None = None,
) -> House:
    """Make a vault whose first operator holds every role, and enter it.

    Everything is made in a folder beside it that is renamed at the end: a vault is there whole or not at all.
    """
    if not agency.strip() or len(agency) > 100 or any(ord(letter) < 32 for letter in agency):
        raise UsageError(f"{agency!r} is no agency name", "one line, at most 100 characters")
    final = places.vault
    final.parent.mkdir(parents=True, exist_ok=True)
    made = Places(vault=final.with_name(f".{final.name}.{secrets.token_hex(4)}.partial"))
    try:
        made.vault.mkdir(mode=0o700)
        _fill(made, agency=agency, operator=operator, recovery=recovery, policy=policy or Policy())
        if final.exists():
            final.rmdir()  # an empty folder the person made; anything in it raises
        made.vault.rename(final)
    except BaseException:
        shutil.rmtree(made.vault, ignore_errors=True)
        raise
    return House.enter(places, operator)


def log_origin(agency: str) -> str:
    """A fresh origin for the log of `agency`: its name in letters a signed note allows, and 32 random bits."""
    slug = re.sub(r"[^a-z0-9]+", "-", agency.lower()).strip("-") or "agency"
    return f"{slug[:60]}/{secrets.token_hex(4)}"


def _fill(
    places: Places, *, agency: str, operator: LocalOperator | TokenOperator, recovery: Recipient, policy: Policy
) -> None:
    seed = os.urandom(32)
    origin = log_origin(agency)
    signer = log_signer(seed)
    vkey = log_key(origin, signer).text()
    wrapped = wrap_log_key(seed, log=origin, vkey=vkey, recipients=[operator.recipient])
    Disk(places.vault).write_new(LOG_KEY, wrapped)
    person = OperatorPublic(name=operator.name, key=operator.verify_key, recipient=operator.recipient)
    facts: dict[str, Json] = {
        "agency": agency,
        "log": origin,
        "operator": person.facts([role.value for role in Role if role is not Role.WORKER]),
        "vkey": vkey,
    }
    with House.enter(places, operator) as house:
        house.record_genesis(facts, {"name": operator.name}, [operator.recipient, recovery])
        house.act(
            EventKind.RECIPIENT_ADDED,
            None,
            {"purpose": "recovery", "recipient": recovery.to_json()},
            {},
        )
        house.act(EventKind.POLICY_SET, None, {"policy": policy.to_json()}, {})
