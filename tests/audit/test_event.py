import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwc.appending.writing import EntryWriter
from bwc.audit.event import MAX_SIGNERS, Entry, EntrySignature, parse_entry
from bwc.canonical import canonical
from bwc.errors import IntegrityError, UsageError
from bwc.evidence import EventDraft, EventKind, ItemId, Outcome
from tests.audit.entries import build_event, encode_entry, sign_event
from tests.audit.logs import CLERK, ITEM, ORIGIN, SECOND, digest, sealed, signer

AT = datetime(2026, 11, 22, 8, 0, 1, 500, tzinfo=UTC)


def event(facts: Any = None, **changes: Any) -> dict[str, Any]:
    draft = EventDraft(kind=EventKind.ITEM_INGESTED, item=ITEM, facts=facts or {"segments": 1}, objects=(sealed("a"),))
    built: dict[str, Any] = build_event(
        draft,
        log=ORIGIN,
        seq=7,
        prev="1" * 64,
        item_seq=0,
        item_prev="0" * 64,
        at=AT,
        actor=CLERK.key_id,
        boot="ab" * 16,
        mono_us=1,
        body={"commit": digest("body"), "file": digest("file")},
    )
    return built | changes


GOOD = sign_event(event(), [CLERK])


def text_of(entry: Entry = GOOD) -> str:
    return entry.raw.decode()


def test_round_trip() -> None:
    assert parse_entry(GOOD.raw) == GOOD
    assert GOOD.event == event()
    assert encode_entry(GOOD.event, GOOD.signatures) == GOOD.raw
    assert GOOD.objects == (sealed("a"),)
    assert (GOOD.seq, GOOD.item_seq, GOOD.kind, GOOD.facts) == (7, 0, "item.ingested", {"segments": 1})


def test_what_is_signed_is_the_canonical_event() -> None:
    assert GOOD.message == b"bwc.event/1\n" + canonical(event())
    CLERK.verify_key.verify(GOOD.message, GOOD.signatures[0].signature)


def test_several_people_sign_one_event() -> None:
    both = sign_event(event(), [CLERK, SECOND])
    assert both.signers == (CLERK.key_id, SECOND.key_id)
    for key, signature in zip((CLERK, SECOND), both.signatures, strict=True):
        key.verify_key.verify(both.message, signature.signature)


def test_signatures_longer_than_ours_fit() -> None:
    ml_dsa = text_of().replace('"alg":"ed25519"', '"alg":"ml-dsa-44"')
    start = ml_dsa.index('"sig":"') + 7
    parsed = parse_entry((ml_dsa[:start] + "A" * 3224 + '00=="}]}').encode().replace(b"00==", b"AAA="))
    assert len(parsed.signatures[0].signature) == 2420
    assert parsed.message == GOOD.message


@pytest.mark.parametrize(
    "facts",
    [
        {"a": [], "b": [1, -2, "x", None, True]},
        {"a": {"b": {"c": 'quote " and \\ and \u0001'}}, "é": "ü", "\U0001f600": 1, "\uffff": 2},
        {"format": "bwc.event/1", "x": {"a": 1, "format": "bwc.event/1", "item": None}},
        {"a": '","format":"bwc.event/1","item":'},
        {"a": '},"format":"bwc.event/1","item":null', "b": "}"},
        {"a": '}","format":"bwc.event/1","item":null,"item_prev":null,"item_seq":null,"kind":"item.opened"'},
        {"a": "{", "b": "}{", "c": "}"},
        {"long": 2**53 - 1, "low": -(2**53 - 1)},
        {"a": 1, "a ": 2, "a!": 3, "aa": 4},
    ],
)
def test_free_facts_survive(facts: Any) -> None:
    entry = sign_event(event(facts), [CLERK])
    assert entry.facts == facts == parse_entry(entry.raw).event["facts"]
    assert entry.message == b"bwc.event/1\n" + canonical(event(facts))


@pytest.mark.parametrize(
    "facts",
    [
        '{"b":1,"a":2}',
        '{"a":1,"a":1}',
        '{"a":1,"a!":1,"a ":1}',
        '{"a": 1}',
        '{"a":1.0}',
        '{"a":1e3}',
        '{"a":-0}',
        '{"a":01}',
        '{"a":NaN}',
        '{"a":9007199254740993}',
        '{"a":"\\u0041"}',
        '{"a":"\\ud800"}',
        '{"a":"\\/"}',
        '{"a":{"c":1,"b":1}}',
        '{"a":[1,]}',
        '{"\U0001f600":1,"\uffff":2}'[::1].replace('"\U0001f600":1,"\uffff":2', '"\uffff":2,"\U0001f600":1'),
        "[]",
        "null",
        "1",
        '""',
        "{}{}",
        "",
        "[" * 30_000,
        '{"a":' * 9_000,
    ],
)
def test_facts_that_are_not_canonical_are_refused(facts: str) -> None:
    raw = text_of().replace('"facts":{"segments":1}', f'"facts":{facts}')
    with pytest.raises(IntegrityError):
        parse_entry(raw.encode("utf-8"))


def changed(old: str, new: str) -> bytes:
    text = text_of()
    assert old in text
    return text.replace(old, new).encode()


SIGNATURE = json.dumps(json.loads(GOOD.raw)["signatures"][0], separators=(",", ":"))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"null",
        b"\xff" + GOOD.raw,
        GOOD.raw + b"\n",
        b" " + GOOD.raw,
        GOOD.raw.replace(b'"seq":7', b'"seq":7,"seq":7'),
        changed('"seq":7', '"seq":7,"sequel":8'),
        changed('"seq":7', '"seq":07'),
        changed('"seq":7', '"seq":-7'),
        changed('"seq":7', '"seq":7.0'),
        changed('"seq":7', f'"seq":{10**15}'),
        changed('"mono_us":1', '"mono_us":"1"'),
        changed('"format":"bwc.event/1"', '"format":"bwc.event/2"'),
        changed("2026-11-22T08", "2026-13-22T08"),
        changed("2026-11-22T08", "2026-02-30T08"),
        changed("2026-11-22T08", "2026-11-22 08"),
        changed("2026-11-22T08:00:01.000500", "2026-11-22T24:00:00.000000"),
        changed(".000500Z", "+00:00"),
        changed('"outcome":"ok"', '"outcome":"fine"'),
        changed('"item_seq":0', '"item_seq":null'),
        changed(f'"item":"{ITEM}"', '"item":null'),
        changed(f'"item":"{ITEM}"', '"item":"../../etc"'),
        changed(f'"item":"{ITEM}"', '"item":"2026-1122-K4J7QX\\n"'),
        changed(ORIGIN, "two words"),
        changed(ORIGIN, "a+b"),
        changed("1" * 64, "1" * 63 + "G"),
        changed("1" * 64, "1" * 63 + "A"),
        changed('"role":"segment"', '"role":"../x"'),
        changed('"kind":"item.ingested"', '"kind":"item ingested"'),
        changed(f'"signatures":[{SIGNATURE}]', '"signatures":[]'),
        changed(f"[{SIGNATURE}]", f"[{SIGNATURE},{SIGNATURE}]"),
        changed(f"[{SIGNATURE}]", f"[{SIGNATURE.replace(CLERK.key_id, SECOND.key_id)}]"),
        changed(f"[{SIGNATURE}]", "[" + ",".join([SIGNATURE] * 17) + "]"),
        changed('=="}', '="}'),
        changed('=="}', '"}'),
        changed('"alg":"ed25519"', '"alg":"ed25519\\n"'),
    ],
)
def test_malformed_entries_are_refused(raw: bytes) -> None:
    with pytest.raises(IntegrityError):
        parse_entry(raw)


@pytest.mark.parametrize("wrong", ["A", "g", "\n", '"', "\\", " ", "/", ":", "é"])
@pytest.mark.parametrize("member", ["actor", "at", "boot", "commit", "envelope", "file", "item_prev", "object", "prev"])
def test_what_has_a_fixed_width_holds_only_its_symbols(member: str, wrong: str) -> None:
    start = text_of().index(f'"{member}":"') + len(f'"{member}":"')
    stop = text_of().index('"', start)
    for at in (start, (start + stop) // 2, stop - 1):
        raw = (text_of()[:at] + wrong + text_of()[at + 1 :]).encode()
        if raw == GOOD.raw:
            continue
        with pytest.raises(IntegrityError):
            parse_entry(raw)
        with pytest.raises(IntegrityError):
            parse_entry(raw.replace("é".encode(), b"\xe9"))
        with pytest.raises(IntegrityError):
            parse_entry((text_of()[:at] + text_of()[at + 1 :]).encode())


def test_base64_with_stray_bits_is_refused() -> None:
    text = text_of()
    at = text.index('=="}]}') - 1
    for symbol in "BCDEFGHIJKLMNOP":
        if text[at] in "AQgw":
            with pytest.raises(IntegrityError):
                parse_entry((text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :]).encode())
        assert symbol


@pytest.mark.parametrize("wrong", ["=", "-", "_", " ", "\n", '"', "\\", ",", "é", ""])
@pytest.mark.parametrize("entry", [GOOD, sign_event(event(), [CLERK, SECOND])], ids=["alone", "with another"])
def test_signature_holds_only_the_symbols_of_base64(entry: Entry, wrong: str) -> None:
    text = text_of(entry)
    start = text.index('"sig":"') + len('"sig":"')
    for at in (start, start + 1, start + 43, start + 84, start + 85, start + 86, start + 87):
        raw = (text[:at] + wrong + text[at + 1 :]).encode()
        if raw == entry.raw:
            continue
        for one in (raw, raw.replace("é".encode(), b"\xe9")):
            with pytest.raises(IntegrityError):
                parse_entry(one)


def test_an_entry_of_65535_bytes_is_the_longest() -> None:
    spare = 65_535 - len(sign_event(event({"a": ""}), [CLERK]).raw)
    assert len(sign_event(event({"a": "x" * spare}), [CLERK]).raw) == 65_535
    with pytest.raises(UsageError):
        sign_event(event({"a": "x" * (spare + 1)}), [CLERK])
    with pytest.raises(IntegrityError):
        parse_entry(changed('{"segments":1}', '{"a":"' + "x" * (spare + 1) + '"}'))


def test_what_could_not_be_read_again_is_not_written() -> None:
    many = [signer(f"signer {number}") for number in range(MAX_SIGNERS + 1)]
    for facts, keys in (
        ({"a": 1.5}, [CLERK]),
        ({"a": 2**60}, [CLERK]),
        ({"a": b"x"}, [CLERK]),
        ({"a": "\ud800"}, [CLERK]),
        ({"a": 1}, [CLERK, CLERK]),
        ({"a": 1}, [SECOND]),
        ({"a": 1}, [CLERK, *many]),
    ):
        with pytest.raises(UsageError):
            sign_event(event(facts), keys)


SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20)
FACTS = st.dictionaries(
    st.text(max_size=6),
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner)),
    max_size=6,
)


@given(FACTS)
@settings(max_examples=60, deadline=None)
def test_any_facts_that_have_a_canonical_form_survive(facts: dict[str, Any]) -> None:
    entry = sign_event(event(facts or {"a": 1}), [CLERK])
    assert entry.facts == (facts or {"a": 1})


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_edited_entries_are_refused_or_exactly_canonical(data: st.DataObject) -> None:
    raw = bytearray(GOOD.raw)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        stop = data.draw(st.integers(at, min(len(raw), at + 8)))
        raw[at:stop] = data.draw(st.sampled_from([b"", b'"', b"{", b"}", b",", b"0", b"\\n", b"\xc3\xa9", b"null"]))
    try:
        entry = parse_entry(bytes(raw))
    except IntegrityError:
        return
    assert canonical(json.loads(entry.raw)) == entry.raw
    assert encode_entry(entry.event, entry.signatures) == entry.raw
    assert entry.message == b"bwc.event/1\n" + canonical(entry.event)


@given(
    FACTS,
    st.sampled_from([None, ITEM, 'odd "item"']),
    st.booleans(),
    st.sampled_from([(), (sealed("a"),), (sealed("a"), sealed("b"))]),
    st.lists(st.sampled_from([CLERK, SECOND]), min_size=1, max_size=2, unique=True),
)
@settings(max_examples=100, deadline=None)
def test_the_fast_way_writes_what_the_general_one_does(
    facts: dict[str, Any], item: ItemId | None, has_body: bool, objects: Any, signers: list[Any]
) -> None:
    draft = EventDraft(kind=EventKind.ITEM_OPENED, item=item, facts=facts, objects=objects, outcome=Outcome.FAILED)
    body = {"commit": digest("body"), "file": digest("file")} if has_body else None
    trail = None if item is None else (3, "2" * 64)
    raw = EntryWriter(ORIGIN, signers, "ab" * 16).entry(
        draft, body, seq=7, prev="1" * 64, trail=trail, at=AT, mono_us=12
    )
    built = build_event(
        draft,
        log=ORIGIN,
        seq=7,
        prev="1" * 64,
        item_seq=trail and trail[0],
        item_prev=trail and trail[1],
        at=AT,
        actor=signers[0].key_id,
        boot="ab" * 16,
        mono_us=12,
        body=body,
    )
    message = b"bwc.event/1\n" + canonical(built)
    assert raw == encode_entry(built, [EntrySignature(one.alg, one.key_id, one.sign(message)) for one in signers])
