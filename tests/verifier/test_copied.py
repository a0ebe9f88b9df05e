"""Copied pictures are shown to be the recorded ones; one flipped bit is found, and its second named."""

import io
from dataclasses import replace

import pytest

from bwc.audit.merkle import root_of
from bwc.canonical import canonical
from bwc.errors import DigestMismatch, IntegrityError, ProofInvalid
from bwc.media.gops import Uncopyable
from bwc.media.group_index import GroupIndex, index_groups
from bwc.redact.render import render
from bwc.redact.rendering import RenderResult
from bwc.verifier.copied import CopiedGroups, check_copied, check_root
from bwc.verifier.mp4_pictures import read_pictures
from tests.media import clips
from tests.redact.clips import Memory, Pipe
from tests.redact.test_render_groups import closed, plan

SOURCE = closed()
INDEX = index_groups(io.BytesIO(SOURCE))
SPANS = [(23, 26), (40, 41)]


def made(source: bytes = SOURCE, index: GroupIndex | None = INDEX) -> tuple[bytes, RenderResult]:
    out = Pipe()
    result = render(io.BytesIO(source), plan(source, SPANS), out, Memory, index=index)
    return out.data, result


COPY, RESULT = made()
PAPER = CopiedGroups.parse(canonical(dict(RESULT.proof or {})))


def test_the_paper_opens_exactly_what_was_copied() -> None:
    assert check_copied(io.BytesIO(COPY), PAPER) == []
    assert PAPER.frames == 43
    assert len(PAPER.leaves) == 6
    assert [(one.group, one.frames, one.of) for one in PAPER.copied] == [
        (0, 10, 10), (1, 10, 10), (2, 3, 10), (3, 10, 10), (5, 10, 10),
    ]  # fmt: skip


def test_a_flipped_bit_in_any_copied_picture_is_found_and_its_second_named() -> None:
    pictures = read_pictures(io.BytesIO(COPY))
    copied = {at: one for one in PAPER.copied for at in range(one.first, one.first + one.frames)}
    for at, (offset, size) in enumerate(zip(pictures.offsets, pictures.sizes, strict=True)):
        broken = bytearray(COPY)
        broken[offset + size // 2] ^= 1
        found = check_copied(io.BytesIO(bytes(broken)), PAPER)
        if at in copied:
            assert [one.group for one in found] == [copied[at].group]
            first, last = found[0].times_ms
            assert first <= at * 1000 // 30 < last + 34
        else:
            assert found == []


def test_other_parameter_sets_other_times_and_other_pictures_are_found() -> None:
    place = COPY.find(b"avcC")
    other_sps = bytearray(COPY)
    other_sps[place + 4 + 8 + 8] ^= 1
    with pytest.raises(IntegrityError):
        check_copied(io.BytesIO(bytes(other_sps)), PAPER)
    late = bytearray(COPY)
    stts = COPY.find(b"stts")
    late[stts + 12 + 3 + 4] ^= 1  # the first delta: every later picture is shown a tick off
    with pytest.raises(DigestMismatch):
        check_copied(io.BytesIO(bytes(late)), PAPER)
    swapped = replace(PAPER, copied=(replace(PAPER.copied[0], first=10), *PAPER.copied[1:]))
    with pytest.raises(DigestMismatch):
        check_copied(io.BytesIO(COPY), swapped)


def test_more_pictures_than_were_copied_cannot_be_claimed() -> None:
    claimed = tuple(replace(one, frames=one.frames + 1) if one.group == 2 else one for one in PAPER.copied)
    assert [one.group for one in check_copied(io.BytesIO(COPY), replace(PAPER, copied=claimed))] == [2]


def test_without_the_seed_the_leaves_say_nothing() -> None:
    again = index_groups(io.BytesIO(SOURCE))
    assert again.leaves != INDEX.leaves
    assert GroupIndex.from_json(INDEX.to_json()) == INDEX
    assert INDEX.seed.hex() not in str(RESULT.proof)


def test_a_recording_that_is_not_the_indexed_one_is_refused() -> None:
    other = closed(range(0, 60 * 3000, 3000), crf=30)
    with pytest.raises(DigestMismatch, match="group 0"):
        made(other)


def test_the_digests_take_no_longer_than_they_may() -> None:
    with pytest.raises(Uncopyable, match="too long"):
        index_groups(io.BytesIO(closed(range(0, 200 * 3000, 3000))), seconds=-1.0)


def test_the_same_pictures_have_the_same_digests_in_any_container() -> None:
    """Cleaned samples: length prefixes, delimiters and in-band parameter sets of a container make no difference."""
    seed = GroupIndex(seed=bytes(32), leaves=())
    assert seed.to_json()["seed"] == "00" * 32
    out = Pipe()
    render(io.BytesIO(SOURCE), plan(SOURCE, []), out, Memory)
    before, after = read_pictures(io.BytesIO(SOURCE)), read_pictures(io.BytesIO(out.data))
    assert (before.sizes, before.times, before.sps) == (after.sizes, after.times, after.sps[:1])


class Indexed:
    """An entry as far as the root is concerned."""

    kind, outcome, item, seq = "item.indexed", "ok", "2026-1122-K4J7QX", 7

    def __init__(self, root: str, count: int = 6) -> None:
        self.facts = {"segments": [{"segment": 0, "groups": {"count": count, "root": root}}]}


def test_the_root_is_the_one_in_the_log() -> None:
    root = root_of(INDEX.leaves).hex()
    check_root(Indexed(root), PAPER, item=Indexed.item, segment=0)  # type: ignore[arg-type]
    for entry, segment in ((Indexed(root[::-1]), 0), (Indexed(root, 7), 0), (Indexed(root), 1)):
        with pytest.raises(ProofInvalid):
            check_root(entry, PAPER, item=Indexed.item, segment=segment)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [
    {"format": "bwc.copied-groups/2"}, {"timescale": 0}, {"timescale": -1}, {"sets_sha256": "00"}, {"leaves": []},
    {"copied": [[0, 0, 11, 10, 0, "00" * 32]]}, {"copied": [[0, 0, 10, 10, 0, "0"]]}, {"copied": [[0, 0, 10]]},
    {"copied": [[9, 0, 10, 10, 0, "00" * 32]]}, {"copied": [[1, 0, 1, 1, 0, "00" * 32], [0, 0, 1, 1, 0, "00" * 32]]},
])  # fmt: skip
def test_a_paper_in_another_form_is_refused(change: dict[str, object]) -> None:
    data = canonical(dict(RESULT.proof or {}) | change)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError):
        CopiedGroups.parse(data)


@pytest.mark.parametrize("size", [0, 8, 40, 200, 900])
def test_a_file_cut_short_or_of_another_kind_is_refused(size: int) -> None:
    for data in (COPY[:size], bytes(size), clips.clip(container="matroska")[:size]):
        with pytest.raises(IntegrityError):
            check_copied(io.BytesIO(data), PAPER)
