"""Asking outsiders to sign the published checkpoint: witnesses cosign it, authorities stamp its time.

Nobody waits for them: "safe to wipe" and every result are said before. Who does not answer is left alone for a while;
who says that it saw another log is never silent, and what it said is kept until it cosigns again.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from bwc.anchors.beside import write_beside
from bwc.anchors.contradicted import Contradictions
from bwc.anchors.outside import FUTURE_S, witness_keys
from bwc.audit.checkpoint import Note, NoteKey, NoteSignature, parse_number
from bwc.canonical import Json, sha256_hex
from bwc.config import Places
from bwc.custody.anchoring import Anchoring
from bwc.errors import BwcError, IntegrityError, ProofInvalid, Unreachable
from bwc.evidence import utc_text
from bwc.identities import encode_binary
from bwc.outsiders import TimeAuthority
from bwc.oversight.post import Answer, post
from bwc.oversight.witness import SIZE_TYPE

STAMP_EVERY = timedelta(minutes=15)
_MOST_ANSWER_BYTES = 65_536
_SHORT_S, _PATIENT_S = 3.0, 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 60, 3600
_RESTING = "did not answer a moment ago"


class State(StrEnum):
    """How an outsider answered."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"  # it answers, but does not sign: it does not follow this log, or knows another key
    CONTRADICTS = "contradicts"  # it saw a log that this one does not continue
    RESTING = "resting"  # was unreachable a moment ago, and is not asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One outsider, what it was asked for and how it answered."""

    name: str
    kind: str  # witness, timestamp
    state: State
    entries: int
    message: str = ""
    at: datetime | None = None

    def to_json(self) -> dict[str, Json]:
        return {
            "at": self.at.isoformat() if self.at else None,
            "entries": self.entries,
            "kind": self.kind,
            "message": self.message,
            "name": self.name,
            "state": self.state.value,
        }


def anchor(places: Places, *, memory: Path, patient: bool = False) -> list[Asked]:
    """Ask every outsider that policy names to sign the published checkpoint, and keep what they sign.

    Nothing is raised for one that does not. `memory` is what this person saw of logs: who did not answer rests there, and
    who contradicted this log is remembered.
    `patient`: somebody asked for this: wait longer, ask resting ones too, and stamp whatever was stamped a moment ago.
    """
    place = Anchoring(places)
    policy = place.policy()
    if not policy.has_outsiders:
        return []
    rest = _Rest(memory / sha256_hex(place.checkpoint.origin.encode())[:32] / "outsiders.json")
    wait, now = _PATIENT_S if patient else _SHORT_S, datetime.now(UTC)
    acts: list[Callable[[], tuple[Asked, object]]] = []
    done: list[Asked] = []
    for witness, key in zip(policy.witnesses, witness_keys(policy), strict=True):
        if rest.over(witness.name, now) or patient:
            acts.append(lambda url=witness.url, key=key: _witness(place, key, url, wait))  # type: ignore[misc]
        else:
            done.append(_asked(place, witness.name, "witness", State.RESTING, message=_RESTING))
    for authority in policy.time_authorities:
        last = place.last_stamp(authority.name)
        if not patient and last is not None and now - last < STAMP_EVERY:
            continue
        if rest.over(authority.name, now) or patient:
            acts.append(lambda one=authority: _stamp(place, one, wait))  # type: ignore[misc]
        else:
            done.append(_asked(place, authority.name, "timestamp", State.RESTING, message=_RESTING))
    with ThreadPoolExecutor(max_workers=max(1, len(acts))) as pool:
        answers = list(pool.map(lambda act: act(), acts))
    lines = [kept for _, kept in answers if isinstance(kept, tuple) and isinstance(kept[1], NoteSignature)]
    if lines:
        place.add_cosignatures(lines)
    for asked, kept in answers:
        if isinstance(kept, bytes) and asked.at is not None:
            place.add_stamp(asked.name, asked.at, kept)
    done = [*_went_on(places, place, [asked for asked, _ in answers]), *done]
    rest.take(done, now)
    witnesses = [one for one in done if one.kind == "witness"]
    Contradictions(memory, place.checkpoint.origin).take(
        {one.name: one.message for one in witnesses if one.state is State.CONTRADICTS},
        frozenset(one.name for one in witnesses if one.state is State.OK),
        place.checkpoint,
        at=utc_text(now),
    )
    return done


def _went_on(places: Places, asked: Anchoring, answers: Sequence[Asked]) -> Sequence[Asked]:
    """The answers; where the log went on while they were asked for, whoever saw more of it has only seen the rest."""
    if not any(one.state is State.CONTRADICTS for one in answers) or Anchoring(places).checkpoint == asked.checkpoint:
        return answers
    went_on = "the log went on while it was asked: the next act asks again"
    return [
        replace(one, state=State.REFUSED, message=went_on) if one.state is State.CONTRADICTS else one for one in answers
    ]


def _asked(
    place: Anchoring, name: str, kind: str, state: State, *, message: str = "", at: datetime | None = None
) -> Asked:
    return Asked(name=name, kind=kind, state=state, entries=place.checkpoint.size, message=message, at=at)


# --- witnesses -------------------------------------------------------------------------------------------


def _witness(place: Anchoring, key: NoteKey, url: str, wait: float) -> tuple[Asked, object]:
    """One witness: asked with the size it cosigned last; if it remembers another, once more with that."""
    try:
        old = place.last_cosigned(key)
        answer = _add_checkpoint(place, url, old, wait)
        if answer.status == 409 and answer.kind.partition(";")[0].strip() == SIZE_TYPE:
            has = parse_number(answer.body.decode("ascii", "replace").strip())
            if has > place.checkpoint.size or has == old:
                return _asked(place, key.name, "witness", State.CONTRADICTS, message=_saw(place, has)), None
            answer = _add_checkpoint(place, url, has, wait)
        if answer.status != 200:
            state, message = _REFUSALS.get(answer.status, (State.UNREACHABLE, f"answered {answer.status}"))
            return _asked(place, key.name, "witness", state, message=message), None
        line = _line(answer.body, key)
        (moment,) = key.verify(Note(place.checkpoint.text(), (line,)))
        if abs(moment - datetime.now(UTC).timestamp()) > FUTURE_S:
            raise ProofInvalid("its clock and ours differ by more than five minutes")
    except Unreachable as error:
        return _asked(place, key.name, "witness", State.UNREACHABLE, message=error.message), None
    except IntegrityError as error:
        return _asked(
            place, key.name, "witness", State.REFUSED, message=f"its answer does not hold: {error.message}"
        ), None
    return _asked(place, key.name, "witness", State.OK, at=datetime.fromtimestamp(moment, UTC)), (key, line)


_REFUSALS = {
    400: (State.CONTRADICTS, "it saw more entries of this log than there are now"),
    403: (State.REFUSED, "it follows this log with another key: give it the vkey, bwc witness follow VKEY there"),
    404: (State.REFUSED, "it does not follow this log: bwc witness follow VKEY there"),
    409: (State.CONTRADICTS, "it cosigned another log of this size"),
    422: (State.CONTRADICTS, "this log does not continue the one it cosigned"),
}


def _saw(place: Anchoring, has: int) -> str:
    if has == place.checkpoint.size:
        return f"it cosigned another log of {has} entries"
    return f"it saw {has} entries of this log, which has {place.checkpoint.size} now"


def _add_checkpoint(place: Anchoring, url: str, old: int, wait: float) -> Answer:
    proof = "".join(f"{encode_binary(one)}\n" for one in place.proof(old))
    body = f"old {old}\n{proof}\n".encode() + place.note
    return post(
        f"{url.rstrip('/')}/add-checkpoint", body, "text/plain; charset=utf-8", timeout=wait, most=_MOST_ANSWER_BYTES
    )


def _line(body: bytes, key: NoteKey) -> NoteSignature:
    """The signature line by `key` in a witness's answer; lines by others are ignored."""
    note = Note.parse(b"answer\n\n" + body)
    found = [one for one in note.signatures if (one.name, one.key_hint) == (key.name, key.key_hint)]
    if len(found) != 1:
        raise ProofInvalid(f"no cosignature by {key.name}")
    return found[0]


# --- authorities -----------------------------------------------------------------------------------------


def _stamp(place: Anchoring, authority: TimeAuthority, wait: float) -> tuple[Asked, object]:
    from bwc.oversight import timestamp

    try:
        token, at = timestamp.ask(authority, place.checkpoint.text().encode(), timeout=wait)
    except Unreachable as error:
        return _asked(place, authority.name, "timestamp", State.UNREACHABLE, message=error.message), None
    except BwcError as error:
        return _asked(place, authority.name, "timestamp", State.REFUSED, message=error.message), None
    return _asked(place, authority.name, "timestamp", State.OK, at=at), token


# --- who did not answer ----------------------------------------------------------------------------------


class _Rest:
    """Who did not answer is not asked for a minute, then two, at most an hour: a dead witness must not slow the work."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._held: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError):
            self._held = {}  # forgetting it costs one short wait

    def over(self, name: str, now: datetime) -> bool:
        held = self._held.get(name)
        if not isinstance(held, dict) or not isinstance(held.get("until"), int):
            return True
        # a clock that was set back must not make anybody rest for a year
        return not 0 < held["until"] - now.timestamp() <= _LONGEST_PAUSE_S

    def take(self, asked: Sequence[Asked], now: datetime) -> None:
        before = dict(self._held)
        for one in asked:
            if one.state is State.UNREACHABLE:
                times = before[one.name].get("times", 0) + 1 if isinstance(before.get(one.name), dict) else 1
                pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(times - 1, 10))
                self._held[one.name] = {"times": times, "until": int(now.timestamp()) + pause}
            elif one.state is not State.RESTING:
                self._held.pop(one.name, None)
        if self._held != before:
            write_beside(self._path, json.dumps(self._held, sort_keys=True).encode())
