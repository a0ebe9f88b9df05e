"""A camera's own words are compared with what arrived, whatever shape they come in."""

import hashlib
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwc.ingest.manifest import Arrived, compare, merged, read_claims
from bwc.ingest.tables import READABLE

CONTENT = b"evidence"
SHA = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


def arrived(name: str = "DCIM/A.MP4") -> Arrived:
    return Arrived(name=name, size_bytes=len(CONTENT), sha256=SHA, open=lambda: io.BytesIO(CONTENT))


@pytest.mark.parametrize(
    ("said_by", "text"),
    [
        ("A.json", json.dumps({"files": [{"fileName": "A.MP4", "SHA-256": SHA.upper(), "sizeBytes": 8}]})),
        ("A.json", json.dumps({"checksum": SHA, "size": 8})),
        ("A.xml", f'<r><f name="A.MP4"><Hash>{SHA}</Hash><FileSize>8</FileSize></f></r>'),
        ("A.xml", f'<x:r xmlns:x="u:v"><x:FileName>a.mp4</x:FileName><x:md5>{MD5}</x:md5></x:r>'),
        ("A.csv", f"File Name,Bytes,Checksum\nA.MP4,8,{SHA}\n"),
        ("A.tsv", f"name\tmd5\n\\\\dock\\A.MP4\t{MD5}\n"),
        ("A.sha256", f"{SHA}  A.MP4\n"),
        ("A.txt", f"{MD5} *A.MP4\n"),
    ],
)
def test_agreeing_digests_are_found_in_every_shape(said_by: str, text: str) -> None:
    findings = compare(read_claims(text.encode(), said_by=said_by), [arrived()], arrived())
    assert any("agrees" in finding.text for finding in findings)
    assert not any(finding.blocks_wipe for finding in findings)


@pytest.mark.parametrize("key", ["sha256", "md5", "checksum"])
def test_another_digest_blocks_wiping(key: str) -> None:
    wrong = ("0" * 32) if key == "md5" else "0" * 64
    claims = read_claims(json.dumps({"file": "A.MP4", key: wrong}).encode(), said_by="A.json")
    (finding,) = compare(claims, [arrived()], arrived())
    assert finding.blocks_wipe
    assert wrong in finding.text


def test_a_size_blocks_only_when_its_unit_is_named() -> None:
    for key, blocks in (("size", False), ("sizeBytes", True)):
        claims = read_claims(json.dumps({"name": "A.MP4", key: 9}).encode(), said_by="A.json")
        (finding,) = compare(claims, [arrived()], None)
        assert finding.blocks_wipe is blocks


def test_a_named_file_that_did_not_arrive_is_noted() -> None:
    claims = read_claims(f"{SHA}  B.MP4\n".encode(), said_by="A.txt")
    (finding,) = compare(claims, [arrived()], arrived())
    assert "not on the card" in finding.text


def test_who_and_when_are_read() -> None:
    text = json.dumps({"deviceSerial": "X81234", "badge": "B1234", "media": {"startTime": "2026-11-21T23:30:00+01:00"}})
    said = merged(read_claims(text.encode(), said_by="A.json"))
    assert said is not None
    assert (said.camera, said.officer) == ("X81234", "B1234")
    assert said.recorded_at == datetime(2026, 11, 21, 22, 30, tzinfo=UTC)


def test_a_time_without_a_zone_says_nothing() -> None:
    said = merged(read_claims(b'{"startTime": "2026-11-21T23:30:00", "badge": "1"}', said_by="A.json"))
    assert said is not None
    assert said.recorded_at is None


def test_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><r name="A.MP4" sha256="&b;"/>'
    assert read_claims(bomb.encode(), said_by="A.xml") == ()


@given(data=st.binary(max_size=200) | st.just(b"[" * 100_000), kind=st.sampled_from(sorted(READABLE)))
def test_no_sidecar_breaks_the_reader(data: bytes, kind: str) -> None:
    compare(read_claims(data, said_by=f"A.{kind}"), [arrived()], arrived())


def test_lone_surrogates_and_controls_are_escaped() -> None:
    claims = read_claims(b'{"name": "\\ud800\\u001b[2J.MP4", "sha256": "%s"}' % SHA.encode(), said_by="A.json")
    (finding,) = compare(claims, [arrived()], None)
    finding.text.encode("utf-8")
    assert "\x1b" not in finding.text


def test_a_document_nested_without_end_says_nothing() -> None:
    for said_by, data in (("a.json", b"[" * 100_000), ("a.xml", b"<a>" * 100_000), ("a.json", b'{"a":' * 50_000)):
        assert read_claims(data, said_by=said_by) == ()
