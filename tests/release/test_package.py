"""Writing a package: those very bytes, all or nothing, proven before it gets its name."""

import errno
import io
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from bwc.errors import BwcError, DigestMismatch, IntegrityError, ProofInvalid, StoreFull, UsageError
from bwc.evidence import EventKind
from bwc.release import package
from bwc.release.package import Prepared, abandon, finish, prepare
from bwc.verifier.package import verify_package
from bwc.verifier.released import Release
from tests.audit.logs import ITEM, TECH, VKEY
from tests.release.making import Maker, some_bytes


@pytest.fixture
def maker() -> Maker:
    return Maker()


def begin(maker: Maker, target: Path, **more: Any) -> tuple[Prepared, list[int]]:
    copy = maker.copy(some_bytes(), **more)
    approvals = maker.approve(copy)
    return prepare(target, facts=maker.facts(approvals), copies=[copy]), approvals


def test_the_very_bytes_are_handed_out(maker: Maker, tmp_path: Path) -> None:
    made = maker.make(tmp_path / "out", some_bytes(100_000))
    assert made.video.read_bytes() == some_bytes(100_000)
    paper = (made.folder / "release.json").read_bytes()
    release = Release.parse(paper)
    assert release.to_bytes() == paper
    assert (release.agency, release.request, release.item) == ("Springfield PD", "R-311", ITEM)
    assert [count.to_json() for count in release.exemptions] == [
        {"code": "b7c", "pictures": 2, "sounds": 1, "whole_frames": 1},
        {"code": "privacy", "pictures": 1, "sounds": 0, "whole_frames": 0},
    ]
    assert sorted(tmp_path.iterdir()) == [made.folder]


def test_another_copy_than_the_approved_one_is_not_handed_out(maker: Maker, tmp_path: Path) -> None:
    for stream in (io.BytesIO(some_bytes(seed=2)), io.BytesIO(some_bytes()[:-1]), io.BytesIO(some_bytes() + b"\0")):
        with pytest.raises(DigestMismatch, match="not the copy that was approved"):
            begin(maker, tmp_path / "out", stream=stream)
        assert list(tmp_path.iterdir()) == []


def test_a_stream_that_breaks_off_leaves_nothing(maker: Maker, tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise IntegrityError("segment 3 does not open")

    with pytest.raises(IntegrityError, match="segment 3"):
        begin(maker, tmp_path / "out", stream=Broken())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StoreFull), (errno.EACCES, BwcError), (errno.EIO, BwcError)]
)
def test_a_disk_that_fails_at_any_sync_leaves_nothing(
    maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[BwcError]
) -> None:
    real, left = os.fsync, [0]

    def failing(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, os.strerror(number))
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        for after in range(17):
            left[0] = after
            with pytest.raises(kind):
                begin(maker, tmp_path / "out")
            assert list(tmp_path.iterdir()) == []
    prepared, approvals = begin(maker, tmp_path / "out")
    papers = maker.publish(prepared, approvals)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        left[0] = 1
        with pytest.raises(kind):
            finish(prepared, *papers)
    assert not (tmp_path / "out").exists()
    assert finish(prepared, *papers) == tmp_path / "out"


def test_a_target_that_holds_something_is_refused(maker: Maker, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="already holds something") as told:
        begin(maker, target)
    assert told.value.exit_code == 2
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.txt"]
    shutil.rmtree(target)
    target.write_text("a file")
    with pytest.raises(UsageError):
        begin(maker, target)
    target.unlink()
    target.mkdir()
    assert maker.make(target).folder == target


def test_a_target_filled_meanwhile_is_not_replaced(maker: Maker, tmp_path: Path) -> None:
    prepared, approvals = begin(maker, tmp_path / "out")
    papers = maker.publish(prepared, approvals)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("precious")
    with pytest.raises(UsageError):
        finish(prepared, *papers)
    assert (tmp_path / "out" / "mine.txt").read_text() == "precious"


def test_abandoned_package_leaves_nothing(maker: Maker, tmp_path: Path) -> None:
    prepared, _ = begin(maker, tmp_path / "out")
    assert len(list(tmp_path.iterdir())) == 1
    abandon(prepared)
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_does_not_verify_never_gets_its_name(maker: Maker, tmp_path: Path) -> None:
    prepared, approvals = begin(maker, tmp_path / "out")
    right = maker.publish(prepared, approvals)
    first = maker.house.rows.held[0].entry
    for wrong in ((first, right[1]), (right[0], maker.house.proof(0)), (first, maker.house.proof(0))):
        with pytest.raises(IntegrityError):
            finish(prepared, *wrong)
        assert not (tmp_path / "out").exists()
    assert verify_package(finish(prepared, *right), key=VKEY)


def test_release_by_somebody_not_enrolled_for_it_is_not_delivered(tmp_path: Path) -> None:
    with pytest.raises(ProofInvalid, match="not enrolled for release"):
        Maker(publisher=TECH).make(tmp_path / "out")
    with pytest.raises(ProofInvalid, match="not enrolled for copy"):
        Maker(approvers=(TECH,)).make(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_approval_of_another_copy_is_not_accepted(maker: Maker, tmp_path: Path) -> None:
    other = maker.copy(some_bytes(seed=9))
    copy = maker.copy(some_bytes())
    approvals = maker.approve(other)
    prepared = prepare(tmp_path / "out", facts=maker.facts(approvals), copies=[copy])
    with pytest.raises(ProofInvalid, match="another copy"):
        finish(prepared, *maker.publish(prepared, approvals))
    # named in the entry but not proven
    approvals = maker.approve(copy)
    prepared = prepare(tmp_path / "two", facts=maker.facts(approvals[:1]), copies=[copy_again(maker)])
    with pytest.raises(ProofInvalid, match="not the ones proven"):
        finish(prepared, *maker.publish(prepared, approvals))


def copy_again(maker: Maker) -> package.Copy:
    return maker.copy(some_bytes())


def test_chapters_get_their_own_names(maker: Maker, tmp_path: Path) -> None:
    copies = [maker.copy(some_bytes(seed=seed), segment=seed) for seed in (0, 1)]
    approvals = [seq for copy in copies for seq in maker.approve(copy)]
    prepared = prepare(tmp_path / "out", facts=maker.facts(approvals), copies=copies)
    made = finish(prepared, *maker.publish(prepared, approvals))
    assert {path.name for path in made.glob("*.mp4")} == {f"{ITEM}-1.mp4", f"{ITEM}-2.mp4"}
    assert verify_package(made, key=VKEY)


@pytest.mark.parametrize("name", ["../x.mp4", "release.json", "a b.mp4", ".x.mp4", "proofs/../../x"])
def test_a_copy_with_an_unfit_name_is_refused(maker: Maker, tmp_path: Path, name: str) -> None:
    with pytest.raises((UsageError, IntegrityError)):
        begin(maker, tmp_path / "out", name=name)
    assert list(tmp_path.iterdir()) == []


def test_signer_whom_nobody_enrolled_is_refused(maker: Maker) -> None:
    from bwc.audit.event import parse_entry
    from bwc.release.provenance import gather

    entries = [parse_entry(row.entry) for row in maker.house.rows.held]
    enrolments = [entry for entry in entries if entry.kind == EventKind.KEY_ENROLLED]
    with pytest.raises(IntegrityError, match="no entry enrols"):
        gather(publishers=["0" * 32], approvals=[], enrolments=enrolments, proof=maker.house.proof)  # type: ignore[list-item]
