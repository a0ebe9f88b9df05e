"""One item's trail in a folder of its own: whole or refused, by `bwc verify` and by the one file alike."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bwc.audit.checkpoint import NoteKey
from bwc.canonical import canonical
from bwc.custody.house import House
from bwc.errors import UsageError
from bwc.evidence import ItemId
from bwc.oversight.trail import export_trail
from bwc.verifier.package_report import PackageReport
from bwc.verifier.trail import examine_trail
from tests.custody.vaults import CHIEF, make_vault, take


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ItemId, NoteKey]:
    """A trail of five events, with its private parts, among those of another item."""
    folder = tmp_path_factory.mktemp("agency")
    places = make_vault(folder / "vault")
    with House.enter(places, CHIEF) as house:
        item, other = take(house, b"one"), take(house, b"two")
        for number in range(3):
            house.record_opening(item, 0, purpose="review", reason=f"reason {number}")
            house.record_opening(other, 0, purpose="review", reason="another")
        first = house.key_chain().first if house.publish() else None
        house.rekey_log(note="")
        done = export_trail(house, item, folder / "trail", private=True)
        assert first is not None
    assert (done.entries, done.told) == (5, 5)
    return done.folder, item, first


@pytest.fixture
def trail(made: tuple[Path, ItemId, NoteKey], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "received"))


def bad_steps(report: PackageReport) -> set[int]:
    return {one.step for one in report.findings}


def paper(trail: Path) -> dict[str, object]:
    return dict(json.loads((trail / "trail.json").read_bytes()))


def test_a_trail_is_ours_with_the_key_and_tied_to_nobody_without(
    trail: Path, made: tuple[Path, ItemId, NoteKey]
) -> None:
    report, read = examine_trail(trail, key=made[2])
    assert (report.verdict, report.tied_to, report.key) == ("ours", made[2].name, made[2]), report.text()
    assert [one.kind for one in read.entries] == ["item.ingested", *["item.opened"] * 3, "log.exported"]
    assert [one["reason"] for one in read.told.values() if "reason" in one] == ["reason 0", "reason 1", "reason 2"]
    assert examine_trail(trail)[0].verdict == "not-tied"


@pytest.mark.parametrize("left_out", [0, 1, 2, 3, 4])
def test_an_entry_left_out_is_caught(trail: Path, made: tuple[Path, ItemId, NoteKey], left_out: int) -> None:
    """With all its files and numbers made good: the entries number and name each other, and the last is the handing out."""
    told = paper(trail)
    entries = list(told["entries"])  # type: ignore[call-overload]
    gone = entries.pop(left_out)
    for kind in ("json", "tlog-proof"):
        (trail / "entries" / f"{gone}.{kind}").unlink()
    (trail / "trail.json").write_bytes(canonical(told | {"bodies": {}, "entries": entries}))
    report, _ = examine_trail(trail, key=made[2])
    assert bad_steps(report) == {4}, report.text()


CHANGES: list[tuple[str, Callable[[Path], object], int]] = [
    ("no paper", lambda trail: (trail / "trail.json").write_bytes(b"{}"), 1),
    ("no checkpoint", lambda trail: (trail / "checkpoint").unlink(), 1),
    ("another key stated", lambda trail: _edit(trail, vkey="x+00000000+AA=="), 2),
    ("of another item", lambda trail: _edit(trail, item="2026-1122-K4J7QX"), 4),
    ("no enrolments", lambda trail: _edit(trail, enrolments=_first(trail)), 5),
    ("another agency", lambda trail: _edit(trail, agency="Shelbyville PD"), 5),
    ("a private part edited", lambda trail: _edit(trail, bodies=_bent(trail)), 6),
    ("a file more", lambda trail: (trail / "note.txt").write_text("x"), 7),
    ("a file more among the entries", lambda trail: (trail / "entries" / "99.json").write_text("x"), 7),
]


def _edit(trail: Path, **changes: object) -> None:
    (trail / "trail.json").write_bytes(canonical(paper(trail) | changes))  # type: ignore[arg-type]


def _first(trail: Path) -> list[int]:
    return list(paper(trail)["entries"])[:1]  # type: ignore[call-overload]


def _bent(trail: Path) -> object:
    text = json.dumps(paper(trail)["bodies"])
    assert "reason 1" in text
    return json.loads(text.replace("reason 1", "reason 9"))


@pytest.mark.parametrize(("change", "step"), [pytest.param(*row[1:], id=row[0]) for row in CHANGES])
def test_what_is_changed_is_caught_in_its_step(
    trail: Path, made: tuple[Path, ItemId, NoteKey], change: Callable[[Path], object], step: int
) -> None:
    change(trail)
    assert step in bad_steps(examine_trail(trail, key=made[2])[0])


def test_any_flipped_byte_is_caught(trail: Path, made: tuple[Path, ItemId, NoteKey]) -> None:
    for path in sorted(trail.rglob("*")):
        if path.is_file() and path.name != "README.txt":
            whole = path.read_bytes()
            for at in range(0, len(whole), max(1, len(whole) // 6)):
                path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
                assert examine_trail(trail, key=made[2])[0].verdict == "bad", (path, at)
            path.write_bytes(whole)


def test_nothing_is_written_over_and_nothing_is_left_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = make_vault(tmp_path / "vault", b"one")
    with House.enter(places, CHIEF) as house:
        (row,) = house.items()
        (tmp_path / "there").mkdir()
        with pytest.raises(UsageError):
            export_trail(house, row.item_id, tmp_path / "there", private=False)
        monkeypatch.setattr("bwc.oversight.trail.examine_trail", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export_trail(house, row.item_id, tmp_path / "out", private=False)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["there", "vault"]
