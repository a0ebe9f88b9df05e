"""What a witness said who saw another log: kept, held against that log only, forgotten when it cosigns."""

from pathlib import Path

import pytest

from bwc.anchors.contradicted import Contradictions
from bwc.audit.checkpoint import parse_checkpoint
from bwc.audit.findings import Grade
from bwc.audit.verify import verify_log
from bwc.errors import ConfigError, LogForked
from tests.anchors.test_fork import NOTES, forked
from tests.audit.logs import ORIGIN, VKEY, small_house

AT = "2026-11-28T09:00:00.000000Z"
CHECKPOINT = parse_checkpoint(NOTES[9])[0]


def kept(folder: Path) -> Contradictions:
    made = Contradictions(folder, ORIGIN)
    made.take({"w.example/1": "it cosigned another log of this size"}, frozenset(), CHECKPOINT, at=AT)
    return Contradictions(folder, ORIGIN)


def test_it_is_kept_until_that_witness_cosigns(tmp_path: Path) -> None:
    held = kept(tmp_path)
    assert [one.witness for one in held.held.values()] == ["w.example/1"]
    held.take({"w.example/1": "again"}, frozenset({"w.example/2"}), parse_checkpoint(NOTES[12])[0], at=AT)
    (one,) = Contradictions(tmp_path, ORIGIN).held.values()
    assert (one.size, one.message) == (9, "it cosigned another log of this size"), "what it said first stays"
    held.take({}, frozenset({"w.example/1"}), CHECKPOINT, at=AT)
    assert not Contradictions(tmp_path, ORIGIN).held


def test_it_is_held_against_the_log_it_was_said_of_and_no_other(tmp_path: Path) -> None:
    held = kept(tmp_path)
    for house, count in ((small_house(), 1), (forked(7), 0)):
        report = verify_log(house.files, VKEY)
        held.judge(report, report.findings)
        said = [one for one in report.findings if one.step == 10]
        assert [one.grade for one in said] == [Grade.NOTE] * count, "a note: the policy of this log names no witness"


def test_of_a_witness_that_policy_names_it_is_bad(tmp_path: Path) -> None:
    from dataclasses import replace

    from tests.anchors.test_outside import W1, key_of, named

    held = Contradictions(tmp_path, ORIGIN)
    held.take({key_of(W1).name: "it cosigned another log"}, frozenset(), CHECKPOINT, at=AT)
    report = verify_log(small_house().files, VKEY)
    report.standing.policy = replace(report.standing.policy, witnesses=named(W1).witnesses)
    held.judge(report, report.findings)
    with pytest.raises(LogForked, match="contradicts this log since 2026-11-28T09:00Z"):
        report.findings.raise_if_bad()


def test_a_damaged_file_silences_no_witness(tmp_path: Path) -> None:
    kept(tmp_path)
    (path,) = tmp_path.rglob("contradicted.json")
    path.write_text("[{}]")
    with pytest.raises(ConfigError):
        Contradictions(tmp_path, ORIGIN)
