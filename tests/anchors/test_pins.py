"""Pinned agencies: kept apart, never silently replaced, never silently lost."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwc.anchors.pins import Pin, add_pin, fingerprint_text, load_pins, same_agency, save_pins, typed_key
from bwc.appending.writing import log_key
from bwc.canonical import sha256_hex
from bwc.errors import ConfigError, ProofInvalid, UsageError
from tests.audit.logs import ORIGIN, STRANGER, VKEY

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
PIN = Pin(agency="Springfield PD — Évidence", key=VKEY, pinned_at=AT)


def test_pins_read_back_as_written_and_are_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pins.json"
    assert load_pins(path) == ()
    assert add_pin(path, PIN) == (PIN,)
    assert load_pins(path) == (PIN,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert add_pin(path, PIN) == (PIN,)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["pins.json"]


def test_second_key_for_a_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pins.json"
    add_pin(path, PIN)
    with pytest.raises(ProofInvalid, match="another key since 2026-11-22"):
        add_pin(path, Pin(agency="Springfield PD", key=log_key(ORIGIN, STRANGER), pinned_at=AT))
    assert load_pins(path) == (PIN,)
    other = Pin(agency="Shelbyville PD", key=log_key("log.example/shelbyville", STRANGER), pinned_at=AT)
    assert add_pin(path, other) == (PIN, other)


@pytest.mark.parametrize(
    "damage", ["", "{}", "[]", '{"format":"bwc.pins/1","pins":[{}]}', '{"format":"bwc.pins/1","pins":[1]}']
)
def test_damaged_file_is_an_error_not_an_empty_one(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "pins.json"
    path.write_text(damage)
    with pytest.raises(ConfigError):
        load_pins(path)


def test_key_that_does_not_fit_its_log_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "pins.json"
    save_pins(path, [PIN])
    path.write_text(path.read_text().replace(f'"origin": "{ORIGIN}"', '"origin": "log.example/other"'))
    with pytest.raises(ConfigError, match="holds the key of"):
        load_pins(path)


def test_fingerprint_is_grouped_for_the_telephone() -> None:
    text = fingerprint_text(VKEY)
    assert text.replace(" ", "") == sha256_hex(VKEY.text().encode())
    assert [len(group) for group in text.split()] == [4] * 16


def test_names_that_read_alike_are_alike() -> None:
    assert same_agency("Springfield  P.D.", "springfield pd")
    assert not same_agency("Springfield PD", "Shelbyville PD")


@pytest.mark.parametrize("text", ["", "nonsense", VKEY.text()[:-4], VKEY.text().replace("+", "-"), "x+00000000+AAAA"])
def test_mistyped_key_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        typed_key(text)
    assert typed_key(VKEY.text() + "\n") == VKEY
