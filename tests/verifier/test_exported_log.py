"""A log that was handed out: checked alone, its lists too, and no slip but one of its own says anything about it."""

from pathlib import Path

import pytest

from bwc.anchors.openssl_ts import check_stamp
from bwc.anchors.seen import Seen, kept_evidence
from bwc.anchors.slip import read_slip, slip_text
from bwc.audit.verify import verify_log
from bwc.config import Places
from bwc.custody.inspection import inspect
from bwc.errors import CheckpointRolledBack, CopyBehind, DigestMismatch, UsageError
from bwc.oversight.exchange import export_log
from bwc.verifier.exported_log import is_log_alone, place_of_log
from bwc.verifier.inspected import Inspection
from bwc.verifier.log_folder import LogFolder
from tests.anchors.test_fork import NOTES, forked
from tests.audit.logs import ORIGIN, VKEY, small_house
from tests.verifier.test_inspected import HONEST, copy_of


def written(files: dict[str, bytes], folder: Path) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def exported(tmp_path: Path, *, bag: bool = False) -> Path:
    """The small house's log, handed out."""
    log = written(small_house().files.held, tmp_path / "vault" / "log")
    out = tmp_path / "export"
    export_log(verify_log(LogFolder(log), VKEY), log, out, agency="Springfield PD", bag=bag)
    return out / "data" if bag else out


def judged(folder: Path, tmp_path: Path, **more: object) -> Inspection:
    settings = {"quick": False, "share": 1.0, "is_elsewhere": True, "check_stamp": check_stamp} | more
    return inspect(Places(vault=folder), vkey=VKEY.text(), pins=(), seen=tmp_path / "seen", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("bag", [False, True])
def test_an_honest_export_is_intact_by_its_name_alone_and_says_what_was_not_looked_at(
    tmp_path: Path, bag: bool
) -> None:
    folder = exported(tmp_path, bag=bag)
    found = judged(folder, tmp_path)
    found.raise_unless_ours()
    assert found.said == "INTACT (a log alone; no recording was looked at)"
    assert (found.text().splitlines()[-1]).startswith(f"verdict     {found.said}")
    assert "the last entry is of 20" in found.text()
    assert place_of_log(folder.parent if bag else folder) == folder
    assert place_of_log(folder / "log") == folder
    (folder / "objects").mkdir()
    assert not is_log_alone(folder)
    assert judged(folder, tmp_path).verdict == "BAD", "of a vault recordings are missing"


def test_the_vault_of_this_computer_is_never_taken_for_a_log_alone(tmp_path: Path) -> None:
    found = judged(exported(tmp_path), tmp_path, is_elsewhere=False)
    assert found.verdict == "BAD"
    assert "bwc verify FOLDER" in found.text()


@pytest.mark.parametrize("name", ["entries.jsonl", "case.jsonld"])
@pytest.mark.parametrize("quick", [False, True])
def test_a_changed_byte_of_what_people_read_is_found(tmp_path: Path, name: str, quick: bool) -> None:
    folder = exported(tmp_path)
    honest = (folder / name).read_bytes()
    for changed in (
        honest.replace(b"ingested", b"ingestet", 1),
        honest[:-1],
        honest + b"\n",
        honest[:400] + honest[401:],
    ):
        (folder / name).write_bytes(changed)
        found = judged(folder, tmp_path, quick=quick)
        with pytest.raises(DigestMismatch, match=name):
            found.raise_unless_ours()
        assert "does not say what the log says" in found.text()
    (folder / name).write_bytes(honest)
    judged(folder, tmp_path, quick=quick).raise_unless_ours()


def test_a_slip_that_this_log_did_not_sign_says_nothing_about_it(tmp_path: Path) -> None:
    folder = exported(tmp_path)
    right = slip_text(NOTES[12], VKEY)
    other = slip_text(NOTES[12], VKEY).replace(ORIGIN, "shelbyville-pd/00000000")
    for wrong in (right.replace("\n12\n", "\n11\n"), other):
        with pytest.raises(UsageError, match="says nothing about this log"):
            judged(folder, tmp_path, against=[("slip.txt", read_slip(wrong.encode(), "slip.txt"))])
    found = judged(folder, tmp_path, against=[("slip.txt", read_slip(right.encode(), "slip.txt"))])
    assert "continues the 12 entries of slip.txt" in found.text()
    against = [("other.txt", forked(12).files.held["checkpoint"])]
    assert judged(folder, tmp_path, against=against).verdict == "BAD", "signed by this log's key it contradicts it"


def test_an_older_export_is_behind_and_no_evidence_of_anything(tmp_path: Path) -> None:
    Seen(tmp_path / "seen", ORIGIN).look(NOTES[12], VKEY, HONEST.files)
    older = written(copy_of(HONEST, 9).held, tmp_path / "older" / "log").parent
    found = judged(older, tmp_path)
    assert (found.verdict, found.behind) == ("BEHIND", 3)
    with pytest.raises(CopyBehind):
        found.raise_unless_ours()
    assert kept_evidence(tmp_path / "seen") == []
    with pytest.raises(CheckpointRolledBack):
        judged(older, tmp_path, is_elsewhere=False, quick=True).raise_unless_ours()
    (evidence,) = kept_evidence(tmp_path / "seen")
    assert "proves no fork; both may be honest" in evidence.text()


def test_another_log_s_slip_without_a_key_brought_along(tmp_path: Path) -> None:
    folder = exported(tmp_path)
    against = [("slip", small_house().files.held["checkpoint"].replace(ORIGIN.encode(), b"other.example/log"))]
    with pytest.raises(UsageError):
        inspect(
            Places(vault=folder),
            vkey=None,
            pins=(),
            seen=tmp_path,
            quick=True,
            share=1,
            against=against,
            is_elsewhere=True,
        )
