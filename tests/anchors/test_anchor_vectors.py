"""fixtures/vectors/anchors.json: what is written there is what the pages say, and the program reads it."""

import json
from pathlib import Path
from typing import Any

import pytest

from bwc.anchors.fork import ForkEvidence, ForkKind
from bwc.anchors.slip import read_slip
from bwc.audit.checkpoint import NoteKey, parse_checkpoint
from bwc.audit.keychain import open_checkpoint

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "fixtures/vectors/anchors.json").read_bytes())


def test_the_cosigned_checkpoint_holds() -> None:
    note = VECTORS["cosigned"].encode()
    assert open_checkpoint(note, NoteKey.parse(VECTORS["vkey"])).size == 5
    times = NoteKey.parse(VECTORS["witness_vkey"]).verify(parse_checkpoint(note)[1])
    assert times == (VECTORS["cosigned_at"],)


@pytest.mark.parametrize("kind", list(ForkKind))
def test_evidence_of_each_kind_holds(kind: ForkKind) -> None:
    data = VECTORS["evidence"][kind.value].encode()
    found = ForkEvidence.parse(data)
    assert found.kind is kind
    assert found.to_bytes() == data


def test_the_slip_is_of_that_checkpoint() -> None:
    note = read_slip(VECTORS["slip"].encode(), "vector")
    assert parse_checkpoint(note)[0] == parse_checkpoint(VECTORS["cosigned"].encode())[0]
    open_checkpoint(note, NoteKey.parse(VECTORS["vkey"]))
