"""The report's sections on who may do what: keys and roles, policy, schedule, cases, holds, and orders to destroy."""

from collections.abc import Mapping, Sequence
from typing import Any

from bwc.custody.reading import TrailEvent
from bwc.evidence import EventKind, Outcome
from bwc.oversight.report_sections import Cell, Section, Span, text, told
from bwc.verifier.inspected import Inspection


def keys(inspection: Inspection, events: Sequence[TrailEvent], span: Span, names: dict[str, str]) -> Section:
    """Changes in the span, then who stands at the end of the log."""
    rows: list[tuple[Cell, ...]] = []
    held: dict[str | None, str] = {}  # key → its roles before
    for one in events:
        operator = one.facts.get("operator")
        if not span.has(one.at):
            if isinstance(operator, dict):
                held[operator["key"]] = ", ".join(operator["roles"])
            continue
        if one.kind == EventKind.LOG_REKEYED:
            rows.append((one.at, one.seq, one.kind, "the log", "", text(one.facts.get("vkey")), one.actor, ""))
        elif one.kind.startswith("key.") or one.kind in (EventKind.VAULT_CREATED, EventKind.RECIPIENT_ADDED):
            about = operator["key"] if isinstance(operator, dict) else text(one.facts.get("key"))
            roles = ", ".join(operator["roles"]) if isinstance(operator, dict) else ""
            name, before = told(one, "name") or names.get(about or "", ""), held.get(about, "") if roles else ""
            held |= {about: roles} if roles else {}
            rows.append((one.at, one.seq, one.kind, name, roles, about, one.actor, before))
    chain = inspection.log.standing.chain
    for number, log_key in enumerate(chain.keys if chain else ()):
        given_up = [one.seq for one in chain.handovers[number : number + 1]] if chain else []
        state = f"given up by entry {given_up[0]}" if given_up else "signs the log"
        since = chain.handovers[number - 1].seq if chain and number else 0
        rows.append(("", since, state, "the log", "", log_key.text(), "", ""))
    for key, standing in inspection.log.standing.keys.items():
        state = "in force" if standing.revoked is None else f"revoked by entry {standing.revoked}"
        rows.append(("", standing.since, state, names.get(key, ""), ", ".join(sorted(standing.roles)), key, "", ""))
    columns = ("at", "entry", "what", "name", "roles", "key", "by", "roles before")
    return Section(
        name="keys", title="Keys: changes, then who stands now", columns=columns, rows=tuple(rows), empty="none"
    )


def rules(events: Sequence[TrailEvent], span: Span) -> Section:
    kinds = ("policy.", "retention.", "hold.", "case.")
    rows: list[tuple[Cell, ...]] = []
    before: dict[str, Any] = {}
    for one in events:
        if not one.kind.startswith(kinds) or one.outcome != Outcome.OK:
            continue
        policy = one.facts.get("policy")
        about, changed = text(one.facts.get("hold")) or told(one, "case"), None
        if isinstance(policy, dict):
            changed, before = _changed(before, policy), policy
        if span.has(one.at):
            reason = told(one, "reason", "note")
            rows.append((one.at, one.seq, one.kind, one.item, about, reason, one.actor, changed))
    columns = ("at", "entry", "what", "item", "hold or case", "reason", "who", "set")
    return Section(
        name="rules",
        title="Policy, schedule, cases, holds",
        columns=columns,
        rows=tuple(rows),
        empty="no rule was changed",
    )


def _changed(before: Mapping[str, Any], policy: Mapping[str, Any]) -> str:
    """What an entry `policy.set` set: each setting that is not as it was."""
    found = [f"{name}={_setting(value)}" for name, value in sorted(policy.items()) if before.get(name) != value]
    return "; ".join(found) or "nothing changed"


def _setting(value: Any) -> str:
    if isinstance(value, list):  # of outsiders: by their names
        return ", ".join(str(one.get("vkey", one.get("name", ""))).partition("+")[0] for one in value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def destruction(events: Sequence[TrailEvent], span: Span) -> Section:
    """Orders with anything in the span, and every one that is not finished."""
    orders: dict[tuple[str, str], dict[str, TrailEvent]] = {}
    for one in events:
        if one.kind.startswith("disposition.") and one.outcome == Outcome.OK:
            orders.setdefault((str(one.facts.get("order")), str(one.item)), {})[one.kind.partition(".")[2]] = one
    rows = []
    for (order, item), steps in orders.items():
        state = next(name for name in ("cancelled", "done", "confirmed", "ordered") if name in steps)
        if state in ("ordered", "confirmed") or any(span.has(one.at) for one in steps.values()):
            first, second = steps.get("ordered"), steps.get("confirmed")
            left = steps["done"].facts.get("left", 0) if "done" in steps else ""
            rows.append(
                (
                    order,
                    item,
                    text(first.facts.get("scope")) if first else "",
                    state,
                    f"{first.actor}, {first.at[:10]}" if first else "",
                    f"{second.actor}, {second.at[:10]}" if second else "",
                    left,
                    told(first, "reason") if first else "",
                )
            )
    columns = ("order", "item", "of", "state", "ordered by", "confirmed by", "left locked", "reason")
    return Section(
        name="destruction",
        title="Destruction",
        columns=columns,
        rows=tuple(rows),
        empty="nothing was ordered destroyed",
    )
