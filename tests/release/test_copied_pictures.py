"""A release proves which pictures are the camera's own, also against whoever signed it."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from bwc.audit.merkle import root_of
from bwc.audit.mp4_pictures import read_pictures
from bwc.audit.package import examine_package
from bwc.audit.package_report import Verdict
from bwc.canonical import canonical, sha256_hex
from bwc.errors import IntegrityError
from bwc.evidence import EventKind
from bwc.media.group_index import index_groups
from bwc.redact.render import render
from bwc.release.package import CopiedPaper, Copy, finish, prepare
from tests.audit.logs import CLERK, ITEM
from tests.redact.clips import Memory, Pipe
from tests.redact.test_render_groups import closed, plan
from tests.release.making import Made, Maker

SOURCE = closed()
INDEX = index_groups(io.BytesIO(SOURCE))


def release(folder: Path, *, root: str = "", data: bytes | None = None) -> Made:
    """A package of a smart-rendered copy; `root` is what the log says instead, `data` is released instead."""
    out = Pipe()
    result = render(io.BytesIO(SOURCE), plan(SOURCE, [(23, 26)]), out, Memory, index=INDEX)
    maker = Maker()
    groups = {"count": len(INDEX.leaves), "root": root or root_of(INDEX.leaves).hex()}
    facts = {"segments": [{"segment": 0, "readable": True, "groups": groups}]}
    indexed = maker.house.do([CLERK], EventKind.ITEM_INDEXED, facts, item=ITEM)
    maker.house.log.publish(maker.log_key)
    paper = CopiedPaper(
        paper=canonical(dict(result.proof or {})),
        frames=sum(run.frames for run in result.copied),
        entry=indexed.raw,
        proof=maker.house.log.proof(indexed.seq),
    )
    copy: Copy = replace(maker.copy(data or out.data), groups=paper)
    approvals = maker.approve(copy)
    facts_of = maker.facts(approvals)
    prepared = prepare(folder, facts=facts_of, copies=[copy])
    return Made(finish(prepared, *maker.publish(prepared, approvals)), maker.key, facts_of, maker.house)


def flipped(data: bytes, picture: int) -> bytes:
    found = read_pictures(io.BytesIO(data))
    broken = bytearray(data)
    broken[found.offsets[picture] + found.sizes[picture] // 2] ^= 1
    return bytes(broken)


def test_the_report_says_how_many_frames_are_the_cameras_own(tmp_path: Path) -> None:
    made = release(tmp_path / "p")
    report = examine_package(made.folder, key=made.key)
    assert report.verdict is Verdict.OURS
    assert any("53 of 250 frames are the camera's own" in line for step in report.steps for line in step.said)


def test_a_flipped_bit_in_a_copied_picture_is_named_by_its_group(tmp_path: Path) -> None:
    made = release(tmp_path / "p")
    made.video.write_bytes(flipped(made.video.read_bytes(), 34))
    report = examine_package(made.folder, key=made.key)
    assert report.verdict is Verdict.BAD
    assert report.findings[0].times_ms == ((1000, 1333),)


def test_not_even_the_agency_can_release_another_picture_as_the_cameras_own(tmp_path: Path) -> None:
    whole = release(tmp_path / "honest").video.read_bytes()
    with pytest.raises(IntegrityError):
        release(tmp_path / "p", data=flipped(whole, 34))
    release(tmp_path / "q", data=flipped(whole, 25))  # an encoded picture proves nothing, and nothing is claimed of it


def test_a_root_that_is_not_the_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="not the ones this release speaks of"):
        release(tmp_path / "p", root=sha256_hex(b"another recording"))


def test_whoever_indexed_must_be_enrolled(tmp_path: Path) -> None:
    made = release(tmp_path / "p")
    entry = next(path for path in (made.folder / "proofs").glob("*.entry.json") if b"item.indexed" in path.read_bytes())
    entry.write_bytes(entry.read_bytes().replace(b'"count":6', b'"count":7'))
    assert examine_package(made.folder, key=made.key).verdict is Verdict.BAD
