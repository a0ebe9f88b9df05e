"""From one custody event to the catalog's rows: a pure function, so that a replay of the log gives the same catalog.

`changes(event, body)` reads a parsed entry's event and, where somebody could open it, its private body. It is total:
whatever custody recorded is projected or, if it concerns no table, leaves them alone. Facts of another shape than
this version writes raise `IntegrityError`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bwc.errors import IntegrityError
from bwc.evidence import EventDraft, EventKind, ObjectRole, Outcome
from bwc.storage import projection_retention as retention
from bwc.storage import projection_stores as stores
from bwc.storage.change import Act, Change, json_text
from bwc.storage.rows import STATES, ItemState


def changes(event: Mapping[str, Any], body: Mapping[str, Any] | None) -> list[Change]:
    """The statements that bring the catalog from before `event` to after it, in order."""
    try:
        act = Act(event, event["facts"], body, event["seq"], event["at"], event["actor"], event["item"])
        found = list(_always(act))
        change = _EFFECTS.get(event["kind"])
        if change is not None and event["outcome"] == Outcome.OK:
            found += change(act)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise IntegrityError(f"entry {event.get('seq')} has facts that do not fit {event.get('kind')}") from error
    return found


def has_effect(draft: EventDraft) -> bool:
    """Whether the event of `draft` changes any row."""
    return bool(draft.private or draft.objects or (draft.kind in _EFFECTS and draft.outcome == Outcome.OK))


def _always(act: Act) -> Iterator[Change]:
    if act.event["body"] is not None:
        body = act.event["body"]
        yield Change("INSERT OR IGNORE INTO bodies VALUES (?, ?, ?)", (body["commit"], body["file"], act.seq))
    digests = {
        ObjectRole.PLAN: act.facts.get("plan_sha256"),
        ObjectRole.COPY: act.facts.get("copy_sha256"),
        ObjectRole.REPORT: act.facts.get("report_sha256"),
        ObjectRole.GROUPS: act.facts.get("groups_sha256"),
    }
    for place, one in enumerate(act.event["objects"]):
        # an object that is named again has a new envelope (rewrapped); what brought it stays
        yield Change(
            "INSERT OR IGNORE INTO replaced SELECT envelope FROM objects WHERE object = ? AND envelope <> ?",
            (one["object"], one["envelope"]),
        )
        yield Change(
            "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (object) DO UPDATE SET envelope = excluded.envelope",
            (
                one["object"],
                act.item,
                one["role"],
                one["segment"],
                one["sealed_bytes"],
                one["commit"],
                one["manifest"],
                one["envelope"],
                digests.get(one["role"]),
                act.seq,
                place,
                act.at,
                act.actor,
                json_text(act.facts),
            ),
        )


# --- items -----------------------------------------------------------------------------------------------


def _ingested(act: Act) -> Iterator[Change]:
    cases, names = act.told("case_ids"), act.told("names")
    yield Change(
        "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            act.item,
            act.told("officer"),
            act.told("camera"),
            act.told("category"),
            None if cases is None else json_text(cases),
            act.told("recorded_at"),
            act.told("clock_offset_ms"),
            act.told("vendor"),
            act.told("source"),
            None if names is None else json_text(names),
            act.at,
            act.actor,
            act.facts["segments"],
            act.facts["bytes"],
            act.facts["gaps"],
            _place(ItemState.INGESTED),
            act.seq,
        ),
    )
    yield from _cases(act, act.listed("case_ids"))
    objects = act.event["objects"]
    segments = sorted(
        (one for one in objects if one["role"] == ObjectRole.SEGMENT), key=lambda one: int(one["segment"])
    )
    yield from _pieces(
        act,
        segments,
        [
            {"name": name, "sha256": sha256, "size": size}
            for name, sha256, size in zip(act.listed("names"), act.listed("sha256"), act.listed("sizes"), strict=True)
        ],
    )
    yield from _pieces(act, [one for one in objects if one["role"] == ObjectRole.SIDECAR], act.listed("sidecars"))
    for damage in act.listed("damage"):
        if damage["role"] == ObjectRole.SEGMENT:
            yield Change(
                "UPDATE segments SET media = ? WHERE item = ? AND segment = ? AND role = 'segment'",
                (json_text({"damage": {"gaps": damage["gaps"], "good": damage["good"]}}), act.item, damage["segment"]),
            )


def _pieces(act: Act, objects: Sequence[Any], told: Sequence[Any]) -> Iterator[Change]:
    if told and len(told) != len(objects):
        raise ValueError("the body tells of another number of files than the event has objects")
    for place, one in enumerate(objects):
        piece = told[place] if told else {"name": None, "sha256": None, "size": None}
        yield Change(
            "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, '{}')",
            (
                act.item,
                one["role"],
                one["segment"],
                one["object"],
                piece["name"],
                piece["sha256"],
                piece["size"],
                _place(ItemState.INGESTED),
            ),
        )


def _cases(act: Act, cases: Sequence[str]) -> Iterator[Change]:
    for case in cases:
        yield Change("INSERT OR IGNORE INTO cases VALUES (?, ?)", (case, act.item))


def _indexed(act: Act) -> Iterator[Change]:
    private = {one["segment"]: one for one in act.listed("segments")}
    for public in act.facts["segments"]:
        number = public["segment"]
        yield Change(
            # what was damaged stays known
            "UPDATE segments SET readable = ?, media = json_patch(?, media), state = max(state, ?)"
            " WHERE item = ? AND segment = ? AND role = 'segment'",
            (
                int(bool(public["readable"])),
                json_text({**private.get(number, {}), **public}),
                _place(ItemState.INDEXED),
                act.item,
                number,
            ),
        )
        recorded = private.get(number, {}).get("recorded_at")
        if recorded is not None:
            # what the technician or a sidecar said at the dock goes before what the file says
            yield Change(
                "UPDATE items SET recorded_at = coalesce(recorded_at, ?) WHERE item = ?",
                (recorded, act.item),
            )
    yield _item_state(act)


def _reread(act: Act) -> Iterator[Change]:
    yield Change(
        "UPDATE segments SET media = json_set(media, '$.damage.reread_by', ?)"
        " WHERE item = ? AND role = 'segment' AND json_extract(media, '$.damage') IS NOT NULL",
        (act.facts["by"], act.item),
    )


def _tagged(act: Act) -> Iterator[Change]:
    new = act.told("new") or {}
    for column in ("officer", "camera", "category", "recorded_at", "clock_offset_ms"):
        if column in new:
            yield Change(f"UPDATE items SET {column} = ? WHERE item = ?", (new[column], act.item))  # noqa: S608
    yield from retention.claim(act)
    if "case_ids" in new:
        yield Change("UPDATE items SET case_ids = ? WHERE item = ?", (json_text(new["case_ids"]), act.item))
        yield Change("DELETE FROM cases WHERE item = ?", (act.item,))
        yield from _cases(act, new["case_ids"])


def _rewrapped(act: Act) -> Iterator[Change]:
    # the envelopes are in the entry's objects, as always
    for commit, file in act.facts.get("bodies", {}).items():
        yield Change(
            "INSERT OR IGNORE INTO replaced SELECT file FROM bodies WHERE body = ? AND file <> ?", (commit, file)
        )
        yield Change("UPDATE bodies SET file = ? WHERE body = ?", (file, commit))


def _reaches(state: ItemState) -> Callable[[Act], Iterator[Change]]:
    """The segment named in the facts stands at `state` now, the item where its least advanced segment stands.

    What is done to a version for one request moves nothing: this is where the common plan stands.
    """

    def effect(act: Act) -> Iterator[Change]:
        if "version" in act.facts:
            return
        yield Change(
            "UPDATE segments SET state = ? WHERE item = ? AND segment = ? AND role = 'segment'",
            (_place(state), act.item, act.facts["segment"]),
        )
        yield _item_state(act)

    return effect


def _item_state(act: Act) -> Change:
    # segments that cannot be read as video hold nothing up, unless there are no others
    return Change(
        "UPDATE items SET state = coalesce("
        "(SELECT min(state) FROM segments WHERE item = ?1 AND role = 'segment' AND readable IS NOT 0),"
        "(SELECT min(state) FROM segments WHERE item = ?1 AND role = 'segment'), state) WHERE item = ?1",
        (act.item,),
    )


# --- people's decisions ----------------------------------------------------------------------------------


def _approved(act: Act) -> Iterator[Change]:
    facts = act.facts
    yield Change(
        "INSERT INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            act.seq,
            act.item,
            facts["segment"],
            facts["plan_sha256"],
            facts["copy_sha256"],
            facts["report_sha256"],
            act.actor,
            act.at,
            act.told("note"),
        ),
    )
    yield from _reaches(ItemState.APPROVED)(act)


def _suspect_decided(act: Act) -> Iterator[Change]:
    facts = act.facts
    yield Change(
        "INSERT OR REPLACE INTO suspects VALUES (?, ?, ?, ?, ?, ?, ?)",
        (facts["report_sha256"], str(facts["suspect"]), facts["choice"], act.told("note"), act.actor, act.at, act.seq),
    )


def _released(act: Act) -> Iterator[Change]:
    facts = act.facts
    yield Change(
        "INSERT INTO releases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            facts["release"],
            act.item,
            facts["release_sha256"],
            json_text(facts["copies"]),
            json_text(facts["approvals"]),
            act.told("request"),
            act.told("requester"),
            act.told("to_folder"),
            act.seq,
            act.at,
            act.actor,
        ),
    )
    for copy in facts["copies"]:
        yield Change(
            "UPDATE segments SET state = ?1 WHERE role = 'segment' AND (item, segment) IN"
            " (SELECT item, segment FROM objects WHERE sha256 = ?2 AND role = 'copy')",
            (_place(ItemState.RELEASED), copy),
        )
    yield _item_state(act)


# --- the house -------------------------------------------------------------------------------------------


def _created(act: Act) -> Iterator[Change]:
    facts = act.facts
    yield Change(
        "INSERT INTO vault VALUES (?, ?, ?, ?, ?)", (act.seq, facts["agency"], facts["log"], facts["vkey"], act.at)
    )
    yield from _enrolled(act)


def _enrolled(act: Act) -> Iterator[Change]:
    operator = act.facts["operator"]
    # enrolled again: other roles from now on
    yield Change(
        "INSERT INTO operators VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL) ON CONFLICT (key) DO UPDATE SET"
        " recipient = excluded.recipient, roles = excluded.roles, name = coalesce(excluded.name, name)",
        (
            operator["key"],
            operator["alg"],
            operator["public"],
            json_text(operator["recipient"]),
            json_text(sorted(operator["roles"])),
            operator.get("replaces"),
            act.told("name"),
            act.seq,
            act.at,
        ),
    )
    yield Change(
        "INSERT INTO enrolments VALUES (?, ?, ?, ?)",
        (act.seq, operator["key"], json_text(sorted(operator["roles"])), act.told("name")),
    )


def _rotated(act: Act) -> Iterator[Change]:
    yield from _enrolled(act)
    yield Change("UPDATE operators SET revoked = ? WHERE key = ?", (act.seq, act.actor))


def _revoked(act: Act) -> Iterator[Change]:
    yield Change("UPDATE operators SET revoked = ? WHERE key = ?", (act.seq, act.facts["key"]))


def _recipient(act: Act) -> Iterator[Change]:
    recipient = act.facts["recipient"]
    yield Change(
        "INSERT OR REPLACE INTO recipients VALUES (?, ?, ?, ?)",
        (recipient["recipient"], json_text(recipient), act.facts["purpose"], act.seq),
    )


def _recipient_removed(act: Act) -> Iterator[Change]:
    yield Change("DELETE FROM recipients WHERE recipient = ?", (act.facts["recipient"],))


def _policy(act: Act) -> Iterator[Change]:
    yield Change("INSERT INTO policies VALUES (?, ?)", (act.seq, json_text(act.facts["policy"])))


_EFFECTS: dict[str, Callable[[Act], Iterator[Change]]] = {
    EventKind.VAULT_CREATED: _created,
    EventKind.KEY_ENROLLED: _enrolled,
    EventKind.KEY_ROTATED: _rotated,
    EventKind.KEY_REVOKED: _revoked,
    EventKind.RECIPIENT_ADDED: _recipient,
    EventKind.RECIPIENT_REMOVED: _recipient_removed,
    EventKind.POLICY_SET: _policy,
    EventKind.ITEM_INGESTED: _ingested,
    EventKind.ITEM_DUPLICATE: retention.claim,
    EventKind.ITEM_REREAD: _reread,
    EventKind.ITEM_INDEXED: _indexed,
    EventKind.ITEM_TAGGED: _tagged,
    EventKind.ITEM_REWRAPPED: _rewrapped,
    EventKind.PLAN_SAVED: _reaches(ItemState.DETECTED),
    EventKind.COPY_RENDERED: _reaches(ItemState.REDACTED),
    EventKind.COPY_CHECKED: _reaches(ItemState.CHECKED),
    EventKind.SUSPECT_DECIDED: _suspect_decided,
    EventKind.COPY_APPROVED: _approved,
    EventKind.RELEASE_PUBLISHED: _released,
    **retention.EFFECTS,
    **stores.EFFECTS,
}


def _place(state: ItemState) -> int:
    return STATES.index(state)
