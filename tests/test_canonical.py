"""Canonical JSON: equal to RFC 8785 where both are defined, strict on the way in."""

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from bwc.canonical import MAX_INTEGER, canonical, parse_canonical
from bwc.errors import IntegrityError

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_same_bytes_as_rfc8785(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(values)
def test_round_trip(value: object) -> None:
    assert parse_canonical(canonical(value)) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b"1.0",
        b"1e3",
        b"NaN",
        b"-0",
        b'"\xff"',
        b"",
        b"[1,]",
        b'"\\u0041"',
        b"9007199254740992",
        b"[" * 100_000,
    ],
)
def test_other_forms_are_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        parse_canonical(data)


@pytest.mark.parametrize("value", [1.5, float("nan"), b"x", {1: 2}, MAX_INTEGER + 1, "\ud800", {"a": [{1, 2}]}])
def test_values_without_a_canonical_form_are_refused(value: object) -> None:
    with pytest.raises((ValueError, UnicodeEncodeError)):
        canonical(value)  # type: ignore[arg-type]
