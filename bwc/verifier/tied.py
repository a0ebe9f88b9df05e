"""Whose a package is: the keys its checkpoint leads through, against those that whoever verifies already has.

A key that was given or pinned may be any of the log's: packages of before a handover stay the agency's, and so do those
after it. What was seen of the log tells which key was in force at which size.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bwc.anchors.pins import Pin, pin_of, same_agency
from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import Entry
from bwc.audit.keychain import KeyChain, read_checkpoint
from bwc.errors import ProofInvalid

KnownChain = Callable[[str], KeyChain | None]
"""Origin → the keys of that log as whoever verifies saw them handed over."""


class Tie(NamedTuple):
    """`to` is the log it is tied to, empty when to none; `said` is for people."""

    to: str = ""
    said: str = ""


def no_chain(_: str) -> KeyChain | None:
    """Of whoever has seen nothing."""
    return None


def signed_by(note: bytes, key: NoteKey) -> KeyChain:
    """The log's keys up to `key`, which signed the checkpoint itself. Raises `ProofInvalid` when another one did."""
    _, chain = read_checkpoint(note, key)
    if chain.last != key:
        raise ProofInvalid("states a key that the log had given up")
    return chain


def tie(
    agency: str,
    chain: KeyChain,
    *,
    size: int,
    published: Entry,
    given: NoteKey | None,
    pins: Sequence[Pin],
    known: KnownChain = no_chain,
) -> Tie:
    """Whose a package is that `chain` signed at `size` entries. Raises `ProofInvalid` for a forgery."""
    origin = chain.first.name
    pinned = pin_of(pins, origin)
    mine = [one for one in (given, pinned.key if pinned else None) if one and one.name == origin]
    if not mine:
        if same := [pin for pin in pins if same_agency(pin.agency, agency)]:
            raise ProofInvalid(f"says it is by {agency}, whose pinned log is {same[0].origin}, not {origin}")
        return Tie(said=f"by the log {origin}; the key given is of {given.name}" if given else "")
    seen = known(origin)
    if seen is not None:
        _check_one_chain(chain, seen, size)
    keys = {*chain.keys, *(seen.keys if seen else ())}
    if strange := [one for one in mine if one not in keys]:
        what = "given" if strange[0] == given else "pinned"
        raise ProofInvalid(f"signed with another key than the one {what} for {origin}")
    if seen and (since := _doubtful_since(chain.last, seen, published)):
        return Tie(
            said=f"signed with a key that somebody else may have held since {since}: ask the agency to sign anew"
        )
    return Tie(origin, f"tied to {pinned.agency if pinned else agency} ({origin})")


def tie_papers(
    agency: str,
    notes: Sequence[bytes],
    stated: NoteKey,
    *,
    published: Entry,
    given: NoteKey | None,
    pins: Sequence[Pin],
    known: KnownChain = no_chain,
) -> tuple[Tie, KeyChain]:
    """Whose papers are that are proven under `notes`, checkpoints which `stated` leads to: tied when under each they are.

    With the log's keys by the largest. Raises `ProofInvalid` for a forgery.
    """
    read = [read_checkpoint(note, stated) for note in notes]
    chains = sorted(((point.size, chain) for point, chain in read), key=lambda one: one[0])
    largest = chains[-1][1]
    found = Tie()
    for size, chain in chains:
        largest.check_begins_with(chain, size)
        found = tie(agency, chain, size=size, published=published, given=given, pins=pins, known=known)
        if not found.to:
            break
    return found, largest


def _check_one_chain(chain: KeyChain, seen: KeyChain, size: int) -> None:
    """Raise `ProofInvalid` when another key than the one in force at `size` signed, by what was seen of the log."""
    if len(seen.handovers) >= len(chain.handovers):
        seen.check_begins_with(chain, size)
    elif chain.handovers[: len(seen.handovers)] != seen.handovers or chain.first != seen.first:
        raise ProofInvalid("the log's key was handed over otherwise than was seen before")


def _doubtful_since(key: NoteKey, seen: KeyChain, published: Entry) -> str:
    for one in seen.handovers:
        if one.old == key and one.compromised_from and published.at >= one.compromised_from:
            return one.compromised_from
    return ""
