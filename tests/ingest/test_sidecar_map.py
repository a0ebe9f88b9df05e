"""The agency's map of sidecars: it names keys, times and zones; what is unknown in it is refused."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwc.errors import ConfigError
from bwc.ingest.manifest import read_claims
from bwc.ingest.sidecar_map import load_map
from bwc.ingest.tags import Tags

MAP = """
[[sidecar]]
match = "*.xml"
time_zone = "UTC"
time_format = "%m/%d/%Y %H:%M:%S"
clock_offset_unit = "ms"
[sidecar.fields]
officer = ["Wearer/ID", "Officer"]
camera = "Unit/ID"
case = "IncidentNumber"
category = "EventTag"
recorded_at = "Started"
clock_offset = "Drift"
size_bytes = "Length"
sha256 = "Fingerprint"

[[sidecar]]
match = "*.csv"
time_zone = "America/Denver"
[sidecar.fields]
recorded_at = "When"
case = "Case #"
"""

XML = b"""<Event><Started>11/22/2026 08:00:03</Started><Drift>-1500</Drift><IncidentNumber>26-1182</IncidentNumber>
<EventTag>Traffic</EventTag><Wearer><ID>B1234</ID></Wearer><Unit ID="X81234"/><Length>77</Length>
<Fingerprint>0000000000000000000000000000000000000000000000000000000000000000</Fingerprint></Event>"""


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    path = tmp_path / "sidecar.toml"
    path.write_text(MAP)
    return path


def test_paths_tell_equal_keys_apart(mapped: Path) -> None:
    claims = read_claims(XML, said_by="event.XML", known=load_map(mapped))
    found = {name: value for claim in claims for name, value in claim.said().items() if name != "by"}
    assert found == {
        "camera": "X81234",
        "case": "26-1182",
        "category": "Traffic",
        "clock_offset_ms": -1500,
        "officer": "B1234",
        "recorded_at": "2026-11-22T08:00:03.000000Z",
    }
    assert (claims[0].size_bytes, claims[0].size_is_bytes, claims[0].digests[0][0]) == (77, True, "sha256")


def test_a_zone_makes_a_local_time_a_moment(mapped: Path) -> None:
    known = load_map(mapped)
    (claim,) = read_claims(b"When,Case #\n2026-11-22 08:00:00,26-7\n", said_by="a.csv", known=known)
    assert claim.recorded_at == datetime(2026, 11, 22, 15, tzinfo=UTC)
    assert claim.case == "26-7"
    assert read_claims(b"When\nyesterday\n", said_by="a.csv", known=known) == ()


def test_what_no_pattern_fits_is_read_as_without_a_map(mapped: Path) -> None:
    assert read_claims(b'{"Started": "x", "badge": "B1"}', said_by="a.json", known=load_map(mapped))[0].officer == "B1"


@pytest.mark.parametrize(
    "wrong",
    [
        "", "[[sidecar]]", "sidecar = 1", "colour = 1\n" + MAP,
        "[[sidecar]]\n[sidecar.fields]\nbadge = 'x'", "[[sidecar]]\n[sidecar.fields]\nofficer = '//'",
        "[[sidecar]]\ntime_zone = 'Mars/North'\n[sidecar.fields]", "[[sidecar]]\nclock_offset_unit = 'h'\n[sidecar.fields]",
        "[[sidecar]]\nmatches = 'x'\n[sidecar.fields]", "[[sidecar]]\nmatch = 1\n[sidecar.fields]", "[[",
    ],
)  # fmt: skip
def test_anything_unknown_in_a_map_is_refused(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(wrong)
    with pytest.raises(ConfigError):
        load_map(tmp_path / "map.toml")


def test_a_map_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_map(tmp_path / "none.toml")


def test_what_a_sidecar_says_is_compared_and_never_obeyed(mapped: Path) -> None:
    from bwc.ingest.manifest import merged

    said = merged(read_claims(XML, said_by="event.xml", known=load_map(mapped)))
    mine = Tags(officer="b1234", camera="X9", case_ids=("26-1", "26-1182"), category="dui", clock_offset_ms=0)
    assert mine.differ_from(said) == [
        "event.xml names camera X81234, not X9",
        "event.xml names category Traffic, not dui",
        "event.xml gives the clock offset -1500 ms, not 0",
    ]
    assert mine.clock_offset(said) == 0
    assert Tags(officer="B1", camera="X1").clock_offset(said) == -1500
    assert Tags(officer="B1", camera="X1").differ_from(None) == []
