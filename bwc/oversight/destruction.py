"""The proof of destruction: what was destroyed, by whose order, confirmed by whom; checkable offline (docs/formats/destruction.md).

The list is digested in the entry `disposition.done`; that entry, the order, the confirmation and the enrolments of both
keys travel along with their inclusion proofs. What may still exist elsewhere is said in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bwc.anchors.pins import Pin
from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import Entry, parse_entry
from bwc.canonical import Json, canonical, sha256_hex
from bwc.custody.disposing import Left
from bwc.custody.house import House
from bwc.errors import IntegrityError, ProofInvalid, UsageError
from bwc.evidence import EventKind
from bwc.identities import PublicKey
from bwc.storage.retention_tables import OrderRow
from bwc.verifier.people import ENROLS
from bwc.verifier.signers import Checkpoints, read_proof
from bwc.verifier.tied import KnownChain, Tie, no_chain, tie_papers

FORMAT = "bwc.destruction/1"
_STEPS = ("ordered", "confirmed", "done")


def proof_of(house: House, row: OrderRow) -> dict[str, Json]:
    """The proof of one item's destruction; everything is read from the log, so making it again gives the same list."""
    if row.confirmed_seq is None or row.done_seq is None:
        raise UsageError(f"order {row.order} is {row.state}", "bwc dispose --finish")
    steps = dict(zip(_STEPS, (row.seq, row.confirmed_seq, row.done_seq), strict=True))
    entries = {name: parse_entry(house.entry(seq)) for name, seq in steps.items()}
    keys = {entry.actor for entry in entries.values()}
    enrolled = sorted(seq for key in keys for seq in house.enrolments_of(key))
    everything = sorted({*steps.values(), *enrolled})
    listed = house.destroyed_list(row)
    return {
        "agency": house.agency,
        "entries": [
            {"entry": house.entry(seq).decode(), "proof": house.proof(seq).decode(), "seq": seq} for seq in everything
        ],
        "format": FORMAT,
        "item": row.item,
        "left": entries["done"].facts.get("left", 0),
        "list": listed,
        "log": house.log_origin,
        "order": row.order,
        "remains": list(_remains(house, row, entries["done"])),
        "scope": row.scope,
        "steps": {name: {"at": one.at, "entry": one.seq, "key": one.actor} for name, one in entries.items()},
        "vkey": house.vkey,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A proof of destruction that was verified: whose it is, the first key of its log, the checkpoints it is proven under."""

    tie: Tie
    key: NoteKey
    checkpoints: tuple[bytes, ...]


def verify_destruction(
    document: Any, given: NoteKey | None, pins: Sequence[Pin] = (), known: KnownChain = no_chain
) -> Proven:
    """Raise `IntegrityError` unless `document` proves what it says; whose it is tells the key given or pinned.

    1 its entries are in the log that its key signs; 2 they are one order, its confirmation and its end; 3 two keys of
    two enrolments signed order and confirmation; 4 the list is the one that the last entry digests; 5 the log is that of
    an agency we know, signed with a key that was the log's at that size, by what we saw of it (`known`).
    """
    try:
        stated, seen = NoteKey.parse(document["vkey"]), Checkpoints()
        found = {}
        for one in document["entries"]:
            entry, _ = read_proof(one["entry"].encode(), one["proof"].encode(), key=stated, seen=seen)  # 1
            found[entry.seq] = entry
        steps = {name: found[document["steps"][name]["entry"]] for name in _STEPS}
        _verify_steps(document, steps)  # 2
        _verify_people(steps, list(found.values()))  # 3
        if steps["done"].facts["list_sha256"] != sha256_hex(canonical(document["list"])):  # 4
            raise IntegrityError("the list is not the one that was recorded")
        if given is not None and given.name != stated.name:
            raise ProofInvalid(f"the proof is of the log {stated.name}, the key you gave is of {given.name}")
        agency = str(document["agency"])
        tied, chain = tie_papers(
            agency, seen.notes, stated, published=steps["done"], given=given, pins=pins, known=known
        )  # 5
        return Proven(tie=tied, key=chain.first, checkpoints=tuple(seen.notes))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise IntegrityError(f"not a proof of destruction: {error}") from error


def _verify_steps(document: Mapping[str, Any], steps: Mapping[str, Entry]) -> None:
    for name, entry in steps.items():
        said = (entry.kind, entry.item, entry.facts.get("order"), entry.facts.get("scope"), entry.outcome)
        if said != (f"disposition.{name}", document["item"], document["order"], document["scope"], "ok"):
            raise IntegrityError(f"entry {entry.seq} is not the one that {name} it")
    if not steps["ordered"].seq < steps["confirmed"].seq < steps["done"].seq:
        raise IntegrityError("the entries are not in order")


def _verify_people(steps: Mapping[str, Entry], entries: list[Entry]) -> None:
    keys: dict[str, PublicKey] = {}
    replaces: dict[str, str] = {}
    for entry in entries:
        if entry.kind in ENROLS:
            operator = entry.facts["operator"]
            made = PublicKey.from_json(operator)
            keys[made.key_id] = made
            if operator.get("replaces"):
                replaces[made.key_id] = operator["replaces"]
    people = []
    for name in ("ordered", "confirmed"):
        entry = steps[name]
        for signature in entry.signatures:
            if signature.key not in keys:
                raise ProofInvalid(f"the key of entry {entry.seq} is not shown to be enrolled")
            keys[signature.key].verify(entry.message, signature.signature)
        person = entry.actor
        while person in replaces:
            person = replaces[person]
        people.append(person)
    if people[0] == people[1]:
        raise ProofInvalid("ordered and confirmed by one person")


def proof_text(document: Mapping[str, Any]) -> str:
    """The proof for people: one page to print and sign."""
    steps = document["steps"]
    lines = [
        "PROOF OF DESTRUCTION",
        f"agency     {document['agency']}",
        f"log        {document['vkey']}",
        f"item       {document['item']}",
        f"order      {document['order']}",
        *(f"{name:<11}{one['at'][:19]}Z  entry {one['entry']}  key {one['key']}" for name, one in steps.items()),
        "",
        "DESTROYED: the keys of these sealed objects, and the objects with their manifests",
    ]
    lines += [
        f"  {one['role']:<8} {one['sealed_bytes']:>14,} bytes  sha256 {one['object']}"
        for one in document["list"]["objects"]
    ]
    lines += ["DESTROYED: these private parts of entries (the commitments stay in the log)"]
    lines += [f"  {one['commit']}" for one in document["list"]["bodies"]]
    lines += ["", "WHAT MAY STILL EXIST", *(f"  - {text}" for text in document["remains"])]
    lines += ["", "To check: bwc verify FILE.json --key VKEY", ""]
    return "\n".join(lines)


def _remains(house: House, row: OrderRow, done: Entry) -> list[str]:
    said = []
    left = done.facts.get("left", 0)
    if left:
        said.append(
            f"{left} sealed objects that a lock of the store keeps until it ends; their keys are destroyed, so nobody can read them"
        )
    said += [_left_text(store, one) for store, one in house.left_in_stores(row).items()]
    trail = house.trail(row.item)
    if row.scope == "item":
        exports = [
            one for one in trail if one.kind == EventKind.ITEM_OPENED and one.facts.get("purpose") in ("export", "copy")
        ]
        releases = [one for one in trail if one.kind == EventKind.RELEASE_PUBLISHED]
        if exports:
            said.append(
                f"{len(exports)} copies written out of the vault (entries {_numbers(exports)}): ask who opened them"
            )
        if releases:
            said.append(
                f"{len(releases)} redacted releases (entries {_numbers(releases)}): they are with their requesters"
            )
        said.append(
            "the entries of the item: that it was held, when, how large, who acted; no names, no digest of the recordings"
        )
    said += [
        f"backups of this vault made before {done.at[:10]}: they hold keys and private parts; with them and an operator's or "
        "the recovery key the item can be opened until the backups are destroyed or expire",
        "traces on the storage device: what was deleted may be read with laboratory means until it is overwritten "
        "(flash remaps blocks; snapshots of a file system keep old ones)",
    ]
    return said


def _left_text(store: str, one: Left) -> str:
    what = f"up to {one.objects} sealed object{'' if one.objects == 1 else 's'} in the further store {store}"
    if not one.is_locked:
        return f"{what}, which has not yet said that it destroyed them (bwc replicate)"
    until = f"its lock, which ends at {one.until[:19]}Z at the latest" if one.until else "a lock or a legal hold"
    return f"{what}, kept by {until}; their keys are destroyed there too, so nobody can read them (then: bwc replicate)"


def _numbers(events: list[Any]) -> str:
    return ", ".join(str(one.seq) for one in events)


def read_document(data: bytes) -> dict[str, Any] | None:
    """The document, if `data` is a proof of destruction at all."""
    import json

    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None
