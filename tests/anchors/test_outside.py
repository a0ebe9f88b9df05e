"""Step 10: cosignatures and time stamps count when they hold, as many as policy asks, and their age is said."""

import base64
import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bwc.anchors.outside import Anchor, AnchorKind, AnchorReport, StampUnchecked, ago_text, examine_anchors
from bwc.appending.writing import add_signatures
from bwc.audit.checkpoint import COSIGNATURE, NoteKey, NoteSignature, parse_checkpoint
from bwc.audit.findings import Findings, Grade
from bwc.errors import AnchorTooOld, ProofInvalid
from bwc.identities import SeedSigner
from bwc.outsiders import TimeAuthority, Witness
from bwc.roles import Policy
from tests.audit.logs import MemoryFiles, signer, small_house

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
W1, W2, W3 = (signer(name) for name in ("w1", "w2", "w3"))


def key_of(one: SeedSigner) -> NoteKey:
    return NoteKey(f"w.example/{one.key_id[:4]}", COSIGNATURE, one.public)


def named(*who: SeedSigner, **more: int) -> Policy:
    return Policy(witnesses=tuple(Witness(vkey=key_of(one).text(), url="http://w/") for one in who), **more)


def cosign(files: MemoryFiles, size: int, who: SeedSigner, at: datetime, *, flip: bool = False) -> None:
    """Add a cosignature to a kept checkpoint, and to the published one if it is the same."""
    kept = files.held[f"checkpoints/{size}"]
    checkpoint, note = parse_checkpoint(kept)
    moment = int(at.timestamp())
    signature = who.sign(f"cosignature/v1\ntime {moment}\n{note.text}".encode())
    if flip:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    key = key_of(who)
    line = NoteSignature(key.name, key.key_hint, moment.to_bytes(8, "big") + signature)
    for where in (f"checkpoints/{size}", "checkpoint"):
        if parse_checkpoint(files.held[where])[0] == checkpoint:
            files.held[where] = add_signatures(files.held[where], [line])


def no_stamps(token: bytes, message: bytes, roots: Sequence[bytes]) -> datetime:
    raise AssertionError("there are none")


def examined(files: MemoryFiles, policy: Policy, **more: object) -> tuple[AnchorReport, Findings]:
    findings = Findings()
    check = more.pop("check_stamp", no_stamps)
    report = examine_anchors(
        files,
        size=12,
        policy=policy,
        findings=findings,
        now=NOW,
        check_stamp=check,
        **more,  # type: ignore[arg-type]
    )
    return report, findings


def test_a_fresh_log_has_no_anchor_and_no_limit() -> None:
    report, findings = examined(small_house().files, Policy())
    assert report.line() == "last outside anchor: none yet, 12 entries rest on the agency's word"
    report.raise_if_too_old()
    assert not list(findings)


def test_the_newest_cosignature_is_the_last_anchor() -> None:
    files = small_house().files
    cosign(files, 9, W1, NOW - timedelta(minutes=4))
    report, findings = examined(files, named(W1))
    assert report.line() == f"last outside anchor: 4 min ago (witness {key_of(W1).name}), 3 entries since"
    assert not findings.count()
    cosign(files, 12, W1, NOW - timedelta(seconds=30))
    report, _ = examined(files, named(W1))
    assert report.line().endswith("0 entries since")
    assert report.to_json()["last"] == {
        "at": "2026-11-28T08:59:30.000000Z",
        "by": key_of(W1).name,
        "entries": 12,
        "kind": "witness",
    }


def test_only_witnesses_that_policy_names_count() -> None:
    files = small_house().files
    cosign(files, 12, W2, NOW)
    assert examined(files, named(W1))[0].last is None
    assert examined(files, Policy())[0].last is None


def test_a_cosignature_that_fails_is_a_finding() -> None:
    files = small_house().files
    cosign(files, 9, W1, NOW, flip=True)
    report, findings = examined(files, named(W1))
    assert findings.count(10) == 1
    assert [one.where for one in findings if one.grade is Grade.BAD] == ["checkpoints/9"]
    assert report.last is None


def test_one_bad_byte_of_a_cosignature_is_found() -> None:
    files = small_house().files
    cosign(files, 9, W1, NOW - timedelta(hours=1))
    line = files.held["checkpoints/9"].split(b"\n")[-2]
    blob = bytearray(base64.b64decode(line.split(b" ")[2]))
    for at in range(4, len(blob)):  # the first four are the key id: another id is another, unknown, key
        changed = bytearray(blob)
        changed[at] ^= 1
        copy = MemoryFiles(files.held)
        whole = files.held["checkpoints/9"].replace(line.split(b" ")[2], base64.b64encode(changed))
        copy.held["checkpoints/9"] = whole
        assert examined(copy, named(W1))[1].count(10) == 1, at


def test_a_quorum_is_of_different_witnesses() -> None:
    files = small_house().files
    cosign(files, 12, W1, NOW - timedelta(minutes=1))
    cosign(files, 12, W1, NOW - timedelta(minutes=2))
    cosign(files, 9, W2, NOW - timedelta(minutes=30))
    cosign(files, 5, W3, NOW - timedelta(hours=5))
    everybody = (W1, W2, W3)
    one, two, three = (examined(files, named(*everybody, witness_quorum=count))[0] for count in (1, 2, 3))
    assert one.last is not None
    assert two.last is not None
    assert three.last is not None
    assert (one.last.size, two.last.size, three.last.size) == (12, 9, 5)
    assert three.seconds == 5 * 3600
    assert examined(files, named(W1, witness_quorum=2))[0].last is None
    assert "none by 2 witnesses yet" in examined(files, named(W1, witness_quorum=2))[0].line()


def test_past_the_limit_it_is_too_old_and_within_it_is_not() -> None:
    files = small_house().files
    cosign(files, 12, W1, NOW - timedelta(minutes=61))
    examined(files, named(W1, anchor_minutes=62))[0].raise_if_too_old()
    with pytest.raises(AnchorTooOld) as caught:
        examined(files, named(W1, anchor_minutes=60))[0].raise_if_too_old()
    assert caught.value.exit_code == 7
    with pytest.raises(AnchorTooOld, match="no outside anchor"):
        examined(small_house().files, named(W1, anchor_minutes=60))[0].raise_if_too_old()


def test_a_time_to_come_is_noted_and_not_counted() -> None:
    files = small_house().files
    cosign(files, 9, W1, NOW + timedelta(days=1))
    report, findings = examined(files, named(W1))
    assert report.last is None
    assert findings.count(10, Grade.NOTE) == 1


def test_what_i_saw_counts_where_policy_asks_no_witness() -> None:
    seen = Anchor(kind=AnchorKind.SEEN, by="your last verification here", at=NOW - timedelta(hours=3), size=9)
    report, _ = examined(small_house().files, Policy(), seen=seen)
    assert report.line() == "last outside anchor: 3 h ago (your last verification here), 3 entries since"
    assert examined(small_house().files, named(W1, witness_quorum=1), seen=seen)[0].last is None


def test_stamps_are_checked_against_the_text_they_lie_beside() -> None:
    files = small_house().files
    files.held["timestamps/9/county-1795856400"] = b"token"
    files.held["timestamps/9/stranger-1795856400"] = b"not ours"
    files.held["timestamps/x/county-1"] = b"no place of ours"
    text = files.held["checkpoints/9"].split(b"\n\n")[0] + b"\n"
    root = base64.b64encode(b"root").decode()
    policy = Policy(time_authorities=(TimeAuthority(name="county", url="http://t/", roots=(root,)),))

    def check(token: bytes, message: bytes, roots: Sequence[bytes]) -> datetime:
        assert (token, message, list(roots)) == (b"token", text, [b"root"])
        return NOW - timedelta(hours=1)

    report, findings = examined(files, policy, check_stamp=check)
    assert report.line() == "last outside anchor: 60 min ago (timestamp county), 3 entries since"
    assert not findings.count()

    def refuse(*_: object) -> datetime:
        raise ProofInvalid("no")

    assert examined(files, policy, check_stamp=refuse)[1].count(10) == 1

    def cannot(*_: object) -> datetime:
        raise StampUnchecked

    report, findings = examined(files, policy, check_stamp=cannot)
    assert report.last is None
    assert findings.count(10, Grade.NOTE) == 1


def test_a_policy_whose_witness_key_is_none_is_a_finding() -> None:
    policy = dataclasses.replace(Policy(), witnesses=(Witness(vkey=f"w.example+00000000+{'A' * 44}", url="http://w/"),))
    assert examined(small_house().files, policy)[1].count(10) == 1


def test_ages_are_for_people() -> None:
    assert [ago_text(one) for one in (0, 119, 240, 7199, 7200, 172_800)] == [
        "0 s",
        "119 s",
        "4 min",
        "119 min",
        "2 h",
        "2 days",
    ]


def test_the_largest_time_there_is_breaks_nothing() -> None:
    files = small_house().files
    checkpoint, note = parse_checkpoint(files.held["checkpoints/9"])
    moment = 2**64 - 1
    signature = W1.sign(f"cosignature/v1\ntime {moment}\n{note.text}".encode())
    line = NoteSignature(key_of(W1).name, key_of(W1).key_hint, moment.to_bytes(8, "big") + signature)
    files.held["checkpoints/9"] = add_signatures(files.held["checkpoints/9"], [line])
    assert examined(files, named(W1))[0].last is None
    assert checkpoint.size == 9


def test_what_came_after_the_last_anchor_is_said_to_be_unanchored_and_its_loss_shows_in_the_age_only() -> None:
    """The last row of the attack table: truncated exactly to the anchor, nothing contradicts; the anchor just grows old."""
    files = small_house().files
    cosign(files, 9, W1, NOW - timedelta(minutes=50))
    whole, _ = examined(files, named(W1, anchor_minutes=30))
    assert (whole.entries_since, whole.seconds) == (3, 3000)
    findings = Findings()
    cut = examine_anchors(
        files, size=9, policy=named(W1, anchor_minutes=30), findings=findings, now=NOW, check_stamp=no_stamps
    )
    assert (cut.entries_since, cut.seconds) == (0, 3000)
    with pytest.raises(AnchorTooOld):
        cut.raise_if_too_old()


def test_cosignatures_taken_off_make_the_anchor_older_and_none_can_be_put_elsewhere() -> None:
    files = small_house().files
    cosign(files, 9, W1, NOW - timedelta(minutes=9))
    cosign(files, 12, W1, NOW)
    line = files.held["checkpoints/12"].splitlines(keepends=True)[-1]
    for where in ("checkpoint", "checkpoints/12"):
        files.held[where] = files.held[where].replace(line, b"")
    report, findings = examined(files, named(W1))
    assert (report.seconds, findings.count()) == (540, 0)
    files.held["checkpoints/9"] += line  # a true cosignature, of another checkpoint
    assert examined(files, named(W1))[1].count(10) == 1


def test_a_line_by_a_key_that_policy_does_not_name_is_noted() -> None:
    """So that a flipped bit in a witness's name or key id, which makes it a stranger's, does not go by unseen."""
    files = small_house().files
    cosign(files, 9, W1, NOW)
    files.held["checkpoints/9"] = files.held["checkpoints/9"].replace(b"w.example", b"v.example")
    report, findings = examined(files, named(W1))
    assert report.last is None
    assert [one.where for one in findings if one.grade is Grade.NOTE] == ["checkpoints/9"]
