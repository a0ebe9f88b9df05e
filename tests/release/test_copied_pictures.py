"""A release proves which pictures are the camera's own, also against whoever signed it."""

import io
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bwc.audit.merkle import root_of
from bwc.canonical import canonical, sha256_hex
from bwc.errors import IntegrityError
from bwc.evidence import EventKind
from bwc.media.group_index import index_groups
from bwc.oversight.one_file import one_file
from bwc.redact.render import render
from bwc.release.package import CopiedPaper, Copy, finish, prepare
from bwc.verifier.mp4_pictures import read_pictures
from bwc.verifier.package import examine_file, examine_package
from bwc.verifier.package_report import Verdict
from tests.audit.logs import CLERK, ITEM
from tests.redact.clips import Memory, Pipe
from tests.redact.test_render_groups import closed, plan
from tests.release.judging import Judge
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
        proof=maker.house.proof(indexed.seq),
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


def test_a_single_file_beside_its_proofs_is_judged_alike(tmp_path: Path) -> None:
    made = release(tmp_path / "p")
    report = examine_file(made.video, key=made.key)
    assert report.verdict is Verdict.OURS
    assert any("53 of 250 frames are the camera's own" in line for step in report.steps for line in step.said)
    renamed = made.folder / "handed-on.mp4"
    made.video.rename(renamed)
    report = examine_file(renamed, key=made.key)
    assert any("handed-on.mp4: 53 of 250" in line for step in report.steps for line in step.said)
    renamed.write_bytes(flipped(renamed.read_bytes(), 34))
    renamed.rename(made.video)
    report = examine_file(made.video, key=made.key)
    assert report.verdict is Verdict.BAD
    assert report.findings[0].times_ms == ((1000, 1333),)
    shutil.rmtree(made.folder / "proofs")
    report = examine_file(made.video, key=made.key)
    assert any("was not checked: no folder proofs" in line for step in report.steps for line in step.said)


def test_the_one_file_verifier_names_the_group_too(tmp_path: Path) -> None:
    made = release(tmp_path / "p")
    tool = tmp_path / "bwc-verify.py"
    tool.write_text(one_file())
    made.video.write_bytes(flipped(made.video.read_bytes(), 34))
    for what in (made.folder, made.video):
        words = [sys.executable, "-I", str(tool), str(what), "--key", made.key.text(), "--json"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 5, done.stderr
        assert "holds other pictures than the camera recorded, at 0:00:01.000–0:00:01.333" in done.stdout


def test_the_page_says_the_same_as_the_command_line(judge: Judge, tmp_path: Path) -> None:
    made = release(tmp_path / "p")
    said = judge(made.folder, made.key.text())
    assert said["verdict"] == "ours", said
    ours = examine_package(made.folder, key=made.key)
    assert said["said"][5][0] in ours.steps[5].said
    assert "53 of 250 frames are the camera's own" in said["said"][5][0]
    only = [made.video.name, "release.json", "entry.json", "release.tlog-proof"]
    alone = judge(made.folder, made.key.text(), whole=False, only=only)
    assert alone["verdict"] == "ours"
    assert "choose the whole folder" in alone["said"][5][0]
    whole = made.video.read_bytes()
    for picture in (0, 9, 10, 22, 34, 52):
        made.video.write_bytes(flipped(whole, picture))
        for given in (None, [*only, *(f"proofs/{path.name}" for path in (made.folder / "proofs").iterdir())]):
            said = judge(made.folder, made.key.text(), whole=given is None, only=given)
            (first, *_) = examine_package(made.folder, key=made.key).findings
            assert said["findings"][0]["times_ms"] == [list(pair) for pair in first.times_ms], (picture, said)
            assert said["findings"][0]["message"] == first.error.message
    made.video.write_bytes(flipped(whole, 25))  # an encoded picture: only the file's own digest speaks of it
    assert "camera" not in judge(made.folder, made.key.text())["findings"][0]["message"]


def test_the_page_accepts_no_other_root_paper_or_indexer(judge: Judge, tmp_path: Path) -> None:
    made = release(tmp_path / "p")
    proofs = made.folder / "proofs"
    entry = next(path for path in proofs.glob("*.entry.json") if b"item.indexed" in path.read_bytes())
    paper = next(proofs.glob("copied-*.json"))
    for path, old, new in (
        (entry, b'"count":6', b'"count":7'),
        (paper, b'"timescale":90000', b'"timescale":90001'),
        (paper, b'"copied":[[0,0,10,10', b'"copied":[[0,1,10,10'),
        (paper, b"bwc.copied-groups/1", b"bwc.copied-groups/9"),
    ):
        whole = path.read_bytes()
        assert old in whole
        path.write_bytes(whole.replace(old, new))
        said = judge(made.folder, made.key.text())
        assert said["verdict"] == "bad"
        assert any(path.name in finding["thing"] or made.video.name in finding["thing"] for finding in said["findings"])
        path.write_bytes(whole)
    assert judge(made.folder, made.key.text())["verdict"] == "ours"
