"""The vectors of docs/formats/audit-log.md."""

import json
import runpy
from pathlib import Path

import pytest

from bwc.anchors.paths import verify_consistency
from bwc.anchors.proof import LogProof
from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import parse_entry
from bwc.audit.keychain import open_checkpoint
from bwc.audit.merkle import leaf_hash, root_of
from bwc.audit.tiles import parse_bundle
from bwc.audit.verify import verify_log
from bwc.errors import IntegrityError
from tests.audit.logs import MemoryFiles

FOLDER = Path(__file__).parents[2] / "fixtures" / "vectors"
GOOD = json.loads((FOLDER / "log.json").read_text())
BAD = json.loads((FOLDER / "log-bad.json").read_text())
RAWS = [entry.encode() for entry in GOOD["entries"]]
KEY = NoteKey.parse(GOOD["vkey"])


def test_the_script_still_makes_these_vectors() -> None:
    made = runpy.run_path(str(FOLDER / "make_log.py"))
    assert made["log"]() == GOOD
    assert made["bad"](GOOD) == BAD


def test_entries_hashes_and_proofs() -> None:
    leaves = [leaf_hash(raw) for raw in RAWS]
    roots = [bytes.fromhex(root) for root in GOOD["roots"]]
    assert [one.hex() for one in leaves] == GOOD["leaf_hashes"]
    assert [root_of(leaves[:size]) for size in range(6)] == roots
    assert open_checkpoint(GOOD["checkpoint"].encode(), KEY).root == roots[5]
    for index, proof in enumerate(GOOD["proofs"]):
        assert LogProof.parse(proof.encode()).verify(RAWS[index], KEY).size == 5
    for old, path in enumerate(GOOD["consistency"], 1):
        verify_consistency(old, roots[old], 5, roots[5], [bytes.fromhex(one) for one in path])
    assert parse_bundle(bytes.fromhex(GOOD["bundle"]), 5) == RAWS


def test_the_log_verifies() -> None:
    files = MemoryFiles(
        {
            "checkpoint": GOOD["checkpoint"].encode(),
            GOOD["paths"]["bundle"]: bytes.fromhex(GOOD["bundle"]),
            GOOD["paths"]["tile"]: bytes.fromhex("".join(GOOD["leaf_hashes"])),
        }
    )
    report = verify_log(files, KEY)
    report.findings.raise_if_bad()
    assert report.signatures == 6


@pytest.mark.parametrize("case", [pytest.param(one, id=one["why"]) for one in BAD])
def test_bad_entries_are_refused(case: dict[str, str]) -> None:
    assert case["entry"].encode() != RAWS[3]
    with pytest.raises(IntegrityError):
        parse_entry(case["entry"].encode())
