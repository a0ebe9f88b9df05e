"""A released package: whole, damaged, incomplete, mixed up, forged."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwc.anchors.pins import Pin
from bwc.audit.checkpoint import NoteKey
from bwc.errors import DigestMismatch, IntegrityError, NotFound, NotPinned, ProofInvalid
from bwc.verifier.package import examine_file, examine_package, verify_package, verify_released_file
from bwc.verifier.package_report import PackageReport, Result, Verdict
from bwc.verifier.released import LEAF_BYTES, PAPERS
from tests.audit.logs import STRANGER
from tests.release.making import AGENCY, ORIGIN, VKEY, Made, Maker, some_bytes

_BITS = (0x01, 0x20, 0x80)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Maker().make(tmp_path_factory.mktemp("agency") / "release")


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """All is right in it, but the log is signed with the forger's own key."""
    return Maker(log_key=STRANGER).make(tmp_path_factory.mktemp("forger") / "release")


@pytest.fixture
def folder(made: Made, tmp_path: Path) -> Path:
    return shutil.copytree(made.folder, tmp_path / "received")


def things(report: PackageReport) -> str:
    return " ".join(finding.thing for finding in report.findings)


def pin(key: NoteKey = VKEY, agency: str = AGENCY) -> Pin:
    return Pin(agency=agency, key=key, pinned_at=datetime(2026, 11, 22, tzinfo=UTC))


def test_untouched_package_is_ours_only_with_the_key(folder: Path) -> None:
    assert verify_package(folder, key=VKEY).verdict is Verdict.OURS
    assert verify_package(folder, pins=[pin()]).verdict is Verdict.OURS
    report = verify_package(folder)
    assert report.verdict is Verdict.NOT_TIED
    with pytest.raises(NotPinned, match="NOT tied") as told:
        report.raise_unless_ours()
    assert told.value.exit_code == 7
    assert [step.result for step in report.steps] == [Result.OK] * 7 + [Result.SKIPPED]


@pytest.mark.parametrize("name", PAPERS)
def test_any_flipped_byte_of_a_paper_is_found_and_named(folder: Path, name: str) -> None:
    flip_everywhere(folder, name, places=400)


def test_any_flipped_byte_of_any_file_is_found_and_named(folder: Path, made: Made) -> None:
    for name in made.files():
        flip_everywhere(folder, name, places=15)


@pytest.mark.slow
def test_every_byte_of_every_paper_and_proof_is_found_and_named(folder: Path, made: Made) -> None:
    for name in made.files():
        if name.endswith((".json", ".tlog-proof", ".mp4")):
            flip_everywhere(folder, name, places=1 << 20)


def flip_everywhere(folder: Path, name: str, *, places: int) -> None:
    """Change one byte at a time, at `places` places over the file, always at both ends."""
    path = folder / name
    whole = path.read_bytes()
    step = max(1, len(whole) // places)
    for count, at in enumerate([*range(0, len(whole), step), len(whole) - 1]):
        broken = bytearray(whole)
        broken[at] ^= _BITS[count % len(_BITS)]
        path.write_bytes(broken)
        report = examine_package(folder, key=VKEY)
        assert report.verdict is Verdict.BAD, (name, at)
        assert name in things(report), (name, at, things(report))
        with pytest.raises(IntegrityError) as told:
            report.raise_if_bad()
        assert told.value.exit_code == 5
    path.write_bytes(whole)


def test_any_missing_or_shortened_or_lengthened_file_is_found_and_named(folder: Path, made: Made) -> None:
    for name in made.files():
        path = folder / name
        whole = path.read_bytes()
        for changed in (None, b"", whole[:-1], whole + b"\n"):
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)
            report = examine_package(folder, key=VKEY)
            assert report.verdict is Verdict.BAD, (name, changed and len(changed))
            assert name in things(report)
        path.write_bytes(whole)
    assert verify_package(folder, key=VKEY)


def test_a_file_of_another_valid_package_is_found_and_named(
    folder: Path, made: Made, forged: Made, tmp_path: Path
) -> None:
    maker = Maker()
    maker.make(tmp_path / "first", some_bytes(seed=7))
    later = maker.make(tmp_path / "later", some_bytes(seed=8))
    for other in (later, forged):
        swapped = 0
        for name in made.files():
            path, from_other = folder / name, other.folder / name
            whole = path.read_bytes()
            if not from_other.exists() or from_other.read_bytes() == whole:
                continue
            path.write_bytes(from_other.read_bytes())
            report = examine_package(folder, key=VKEY)
            assert report.verdict is Verdict.BAD, name
            assert name in things(report)
            path.write_bytes(whole)
            swapped += 1
        assert swapped >= 6


def test_all_papers_of_another_release_do_not_fit_these_files(folder: Path, tmp_path: Path) -> None:
    later = Maker().make(tmp_path / "later", some_bytes(seed=8))
    for name in PAPERS:
        shutil.copy(later.folder / name, folder / name)
    report = examine_package(folder, key=VKEY)
    assert report.verdict is Verdict.BAD
    assert ".mp4" in things(report)


def test_forged_package_is_never_ours(forged: Made) -> None:
    assert verify_package(forged.folder).verdict is Verdict.NOT_TIED
    for how in ({"key": VKEY}, {"pins": [pin()]}, {"key": forged.key, "pins": [pin()]}):
        with pytest.raises(ProofInvalid, match="another key"):
            verify_package(forged.folder, **how)  # type: ignore[arg-type]


def test_forger_with_another_log_name_is_not_the_agency(tmp_path: Path) -> None:
    forged = Maker(log_key=STRANGER, origin="log.example/springfield-pd").make(tmp_path / "forged")
    assert verify_package(forged.folder, key=VKEY).verdict is Verdict.NOT_TIED
    with pytest.raises(ProofInvalid, match="whose pinned log is"):
        verify_package(forged.folder, pins=[pin(agency="springfield  pd.")])
    assert verify_package(forged.folder, pins=[pin(agency="Shelbyville PD")]).verdict is Verdict.NOT_TIED


def test_what_is_not_listed_is_named(folder: Path) -> None:
    (folder / "extra.mp4").write_bytes(b"not approved")
    (folder / "proofs" / "99.entry.json").write_bytes(b"{}")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "x").write_bytes(b"")
    report = examine_package(folder, key=VKEY)
    assert {finding.thing for finding in report.findings} == {"extra.mp4", "proofs/99.entry.json", "deep/er/x"}
    assert {finding.step for finding in report.findings} == {7}


def test_what_a_desktop_leaves_is_noted_not_blamed(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "._entry.json").write_bytes(bytes.fromhex("0005160700020000") + b"Mac OS X")
    report = verify_package(folder, key=VKEY)
    assert report.verdict is Verdict.OURS
    assert "._entry.json" in report.steps[6].said[1]
    assert ".DS_Store" in report.steps[6].said[0]
    (folder / "._entry.json").write_bytes(b"a video under the name of a Mac's dropping")
    assert things(examine_package(folder, key=VKEY)) == "._entry.json"


def test_links_are_not_followed(folder: Path, made: Made) -> None:
    video = folder / made.video.name
    video.unlink()
    video.symlink_to(made.video)
    assert made.video.name in things(examine_package(folder, key=VKEY))


def test_released_file_needs_its_papers_beside_it(folder: Path, made: Made, tmp_path: Path) -> None:
    alone = tmp_path / "alone.mp4"
    shutil.copy(made.video, alone)
    with pytest.raises(NotFound, match=r"release\.json") as told:
        examine_file(alone, key=VKEY)
    assert told.value.exit_code == 4
    assert told.value.hint
    for name in PAPERS:
        shutil.copy(made.folder / name, tmp_path / name)
    report = verify_released_file(alone, key=VKEY)
    assert report.verdict is Verdict.OURS
    assert "under another name" in " ".join(report.steps[5].said)
    assert "not checked" in report.steps[4].said[0]
    assert report.steps[4].result is Result.SKIPPED
    alone.write_bytes(b"something else")
    with pytest.raises(DigestMismatch, match=r"alone\.mp4: is not one of the files"):
        verify_released_file(alone, key=VKEY)


def test_released_file_in_its_folder_is_checked_alone(folder: Path, made: Made) -> None:
    (folder / "README.txt").unlink()
    assert verify_released_file(folder / made.video.name, key=VKEY).verdict is Verdict.OURS
    video = folder / made.video.name
    video.write_bytes(video.read_bytes()[:-1] + b"\0")
    with pytest.raises(DigestMismatch, match=made.video.name):
        verify_released_file(video, key=VKEY)


def test_folder_without_papers_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "movie.mp4").write_bytes(b"")
    with pytest.raises(NotFound):
        examine_package(tmp_path)


def test_unauthenticated_extra_in_a_proof_is_refused(folder: Path) -> None:
    proof = folder / "release.tlog-proof"
    head, rest = proof.read_bytes().split(b"\n", 1)
    proof.write_bytes(head + b"\nextra AAAA\n" + rest)
    with pytest.raises(IntegrityError, match="extra"):
        verify_package(folder, key=VKEY)


@pytest.mark.parametrize(
    "name", ["../x.mp4", "/etc/passwd", "a/b.mp4", ".hidden", "x\\y", "proofs/../x", "nul\0", "a b"]
)
def test_names_that_leave_the_folder_are_refused(folder: Path, made: Made, name: str) -> None:
    from bwc.canonical import canonical, parse_canonical
    from bwc.verifier.released import Release

    value = parse_canonical((folder / "release.json").read_bytes())
    value["files"][0]["name"] = value["copies"][0]["file"] = name
    with pytest.raises(IntegrityError, match=r"release\.json"):
        Release.parse(canonical(value))


def test_damage_is_named_by_its_leaves(tmp_path: Path) -> None:
    made = Maker().make(tmp_path / "big", some_bytes(2 * LEAF_BYTES + 5))
    whole = bytearray(made.video.read_bytes())
    whole[LEAF_BYTES + 9] ^= 1
    made.video.write_bytes(whole)
    with pytest.raises(DigestMismatch, match=f"damaged from byte {LEAF_BYTES:,}, 1 of 3 pieces"):
        verify_package(made.folder, key=VKEY)


def test_report_says_the_same_to_machines(folder: Path) -> None:
    (folder / "README.txt").write_text("hello")
    said = examine_package(folder, key=VKEY).to_json()
    assert said["verdict"] == "bad"
    assert said["findings"][0]["thing"] == "README.txt"  # type: ignore[index,call-overload]
    assert said["tied_to"] == ORIGIN
