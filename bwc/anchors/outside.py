"""Step 10: what outsiders signed of a log, and how long ago. Cosignatures, time stamps, and the verifier's own memory.

An anchor says: at this moment somebody outside the agency held a checkpoint of this many entries. What was changed below
it shows; what came after rests on the agency's word. Formats: docs/formats/anchors.md.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from bwc.audit.checkpoint import COSIGNATURE, Note, NoteKey, parse_checkpoint, parse_number
from bwc.audit.findings import Findings
from bwc.audit.tiles import CHECKPOINT, KEPT, LogReader
from bwc.canonical import Json
from bwc.errors import AnchorTooOld, IntegrityError, ProofInvalid
from bwc.evidence import utc_text
from bwc.outsiders import TimeAuthority
from bwc.roles import Policy

STAMPS = "timestamps"
_STAMP = re.compile(r"([a-z0-9-]{1,40})-([0-9]{1,12})\Z")  # <authority>-<seconds since 1970>
FUTURE_S = 300  # seconds: clocks of honest outsiders agree with ours to minutes
QUICK_STAMPS = 20  # of each authority, the newest: a year holds 35,000

CheckStamp = Callable[[bytes, bytes, Sequence[bytes]], datetime]
"""(token, what was stamped, DER of the trusted roots) → the stamp's time. Raises `ProofInvalid`, or `StampUnchecked`."""


class StampUnchecked(Exception):
    """There is no tool here that can check a time stamp."""


class AnchorKind(StrEnum):
    """Who holds it."""

    WITNESS = "witness"
    TIMESTAMP = "timestamp"
    SEEN = "seen"  # whoever verifies, from an earlier time


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A checkpoint of `size` entries was outside at `at`, in the hands of `by`."""

    kind: AnchorKind
    by: str
    at: datetime
    size: int

    def to_json(self) -> dict[str, Json]:
        return {"at": utc_text(self.at), "by": self.by, "entries": self.size, "kind": self.kind.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorReport:
    """The anchors of a log of `size` entries, as of `now`."""

    size: int
    now: datetime
    policy: Policy
    anchors: tuple[Anchor, ...]  # the newest of each outsider
    last: Anchor | None  # the one that counts: of as many witnesses as policy asks, else the newest of any

    @property
    def entries_since(self) -> int:
        return self.size - (self.last.size if self.last else 0)

    @property
    def seconds(self) -> int | None:
        """Age of the last anchor."""
        return None if self.last is None else max(0, int((self.now - self.last.at).total_seconds()))

    def line(self) -> str:
        """What every verification prints."""
        entries = f"{self.entries_since} entries since" if self.entries_since != 1 else "1 entry since"
        if self.last is None or self.seconds is None:
            quorum = self.policy.witness_quorum
            asked = "" if not quorum else " by a witness" if quorum == 1 else f" by {quorum} witnesses"
            return f"last outside anchor: none{asked} yet, {self.size} entries rest on the agency's word"
        who = self.last.by if self.last.kind is AnchorKind.SEEN else f"{self.last.kind.value} {self.last.by}"
        return f"last outside anchor: {ago_text(self.seconds)} ago ({who}), {entries}"

    @property
    def is_too_old(self) -> bool:
        """Whether policy has a limit and the last anchor is older, or there is none."""
        limit = self.policy.anchor_minutes
        return bool(limit) and (self.seconds is None or self.seconds > 60 * limit)

    def raise_if_too_old(self) -> None:
        """Raise `AnchorTooOld` when it is."""
        limit = self.policy.anchor_minutes
        if self.is_too_old:
            what = "no outside anchor yet" if self.seconds is None else self.line()
            allowed = f"policy allows {ago_text(60 * limit)}"
            hint = (
                "at the agency: bwc audit anchor asks the witnesses now; of a copy: ask for one that was anchored since"
            )
            raise AnchorTooOld(f"{what}; {allowed}", hint)

    def to_json(self) -> dict[str, Json]:
        return {
            "all": [one.to_json() for one in self.anchors],
            "entries_since": self.entries_since,
            "last": self.last.to_json() if self.last else None,
            "limit_minutes": self.policy.anchor_minutes,
            "quorum": self.policy.witness_quorum,
            "seconds": self.seconds,
        }


def ago_text(seconds: int) -> str:
    """A span for people: 12 s, 4 min, 3 h, 2 days."""
    for unit, width, enough in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < enough:
            return f"{seconds // width} {unit}"
    return f"{seconds // 86_400} days"


def witness_keys(policy: Policy) -> list[NoteKey]:
    """The keys of the witnesses that policy names. Raises `IntegrityError` when one is none."""
    found = [NoteKey.parse(one.vkey) for one in policy.witnesses]
    if any(one.kind != COSIGNATURE for one in found):
        raise ProofInvalid("a witness signs with a cosignature key")
    return found


@dataclass(slots=True)
class _Look:
    files: LogReader
    policy: Policy
    findings: Findings
    now: datetime
    found: set[Anchor] = field(default_factory=set)  # the published checkpoint is kept too
    stamps: int = 0
    unchecked: int = 0

    def cosignatures(self) -> None:
        """Every cosignature by a witness that policy names must hold; signatures by others are none of ours."""
        keys = witness_keys(self.policy)
        names = {(key.name, key.key_hint) for key in keys}
        for where in (CHECKPOINT, *(f"{KEPT}/{name}" for name in self.files.list(KEPT))) if keys else ():
            try:
                checkpoint, note = parse_checkpoint(self.files.read(where) or b"")
                others = [one for one in note.signatures if one.name != checkpoint.origin]
                if strange := [one.name for one in others if (one.name, one.key_hint) not in names]:
                    self.findings.note(10, f"signed by a key that policy does not name, ignored: {strange[0]}", where)
                for key, moment in _cosigned(note, keys):
                    self._take(AnchorKind.WITNESS, key.name, moment, checkpoint.size, where)
            except IntegrityError as error:
                self.findings.refused(10, error, where)

    def _take(self, kind: AnchorKind, by: str, moment: float, size: int, where: str) -> None:
        if moment > self.now.timestamp() + FUTURE_S:
            self.findings.note(10, f"{by} signed at a time that is to come: not counted", where)
        else:
            self.found.add(Anchor(kind=kind, by=by, at=datetime.fromtimestamp(moment, UTC), size=size))

    def time_stamps(self, check: CheckStamp, *, quick: bool) -> None:
        """Every time stamp by an authority that policy names must hold, under the roots that policy names for it."""
        named = {one.name: one for one in self.policy.time_authorities}
        looked = dict.fromkeys(named, 0)
        for where, size, name in _stamps(self.files) if named else ():
            match = _STAMP.match(name)
            authority = named.get(match[1]) if match else None
            if authority is None:
                continue  # an authority that policy names no longer, or a stranger's file
            looked[authority.name] += 1
            if not quick or looked[authority.name] <= QUICK_STAMPS:
                self._stamp(check, authority, where, size)
        if self.unchecked:
            self.findings.note(10, f"{self.unchecked} time stamps not checked: neither rfc3161-client nor openssl here")

    def _stamp(self, check: CheckStamp, authority: TimeAuthority, where: str, size: int) -> None:
        try:
            text = parse_checkpoint(self.files.read(f"{KEPT}/{size}") or b"")[1].text.encode()
            at = check(self.files.read(where) or b"", text, authority.roots_der())
        except StampUnchecked:
            self.unchecked += 1
        except IntegrityError as error:
            self.findings.refused(10, error, where)
        else:
            self.stamps += 1
            self._take(AnchorKind.TIMESTAMP, authority.name, at.timestamp(), size, where)


def examine_anchors(
    files: LogReader,
    *,
    size: int,
    policy: Policy,
    findings: Findings,
    check_stamp: CheckStamp,
    seen: Anchor | None = None,
    quick: bool = False,
    now: datetime | None = None,
) -> AnchorReport:
    """Check what outsiders signed of a log whose checkpoints were verified; findings go to step 10.

    `seen` is what whoever verifies saw before. `quick` checks the newest time stamps only.
    """
    look = _Look(files, policy, findings, now or datetime.now(UTC))
    try:
        look.cosignatures()
        look.time_stamps(check_stamp, quick=quick)
    except IntegrityError as error:
        findings.refused(10, error, "policy")
    mine = [one for one in look.found if one.size <= size]
    everything = [*mine, seen] if seen and seen.size <= size else mine
    newest = {(one.kind, one.by): one for one in sorted(everything, key=_order)}
    quorum = policy.witness_quorum
    last = _of_quorum(mine, quorum) if quorum else max(everything, key=_order, default=None)
    if policy.has_outsiders:
        cosigned = sum(one.kind is AnchorKind.WITNESS for one in mine)
        findings.ok(10, f"{cosigned} cosignatures, {look.stamps} time stamps")
    return AnchorReport(
        size=size, now=look.now, policy=policy, anchors=tuple(sorted(newest.values(), key=_order)), last=last
    )


def _order(one: Anchor) -> tuple[int, int, bool]:
    # outsiders state whole seconds; within one, their word is worth more than the verifier's own
    return one.size, int(one.at.timestamp()), one.kind is not AnchorKind.SEEN


def _cosigned(note: Note, keys: Iterable[NoteKey]) -> Iterator[tuple[NoteKey, int]]:
    """The times at which each of `keys` cosigned. Raises `ProofInvalid` if one of their signatures fails."""
    signed = {(one.name, one.key_hint) for one in note.signatures}
    for key in keys:
        if (key.name, key.key_hint) in signed:
            try:
                moments = key.verify(note)
            except IntegrityError as error:
                raise ProofInvalid(f"the cosignature of witness {key.name} does not hold") from error
            yield from ((key, moment) for moment in moments)


def _of_quorum(anchors: Sequence[Anchor], quorum: int) -> Anchor | None:
    """The largest size that `quorum` different witnesses cosigned; a larger size that one cosigned holds it too."""
    newest: dict[str, datetime] = {}
    for one in sorted(anchors, key=_order, reverse=True):
        if one.kind is AnchorKind.WITNESS:
            newest[one.by] = max(one.at, newest.get(one.by, one.at))
            if len(newest) >= quorum:
                by = ", ".join(sorted(newest))
                return Anchor(kind=AnchorKind.WITNESS, by=by, at=min(newest.values()), size=one.size)
    return None


def _stamps(files: LogReader) -> Iterator[tuple[str, int, str]]:
    """(path, size, name) of every stored time stamp, the newest size first."""
    sizes = []
    for name in files.list(STAMPS):
        try:
            sizes.append(parse_number(name))
        except IntegrityError:
            continue  # not a place of ours: nothing points to it
    for size in sorted(sizes, reverse=True):
        for name in sorted(files.list(f"{STAMPS}/{size}"), reverse=True):
            yield f"{STAMPS}/{size}/{name}", size, name
