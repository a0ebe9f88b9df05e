"""One suite for every source of names: ours keep the contract, and what breaks it is found and left out."""

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from bwc.errors import UsageError
from bwc.ingest import sources
from bwc.ingest.card import CardFile
from bwc.ingest.conformance import check_source, main
from bwc.ingest.layouts.axon import Axon
from bwc.ingest.layouts.folders import Folders
from bwc.ingest.recording import Recording, Sidecar
from bwc.ingest.sources import LAST, NAMED, find_sources, group, read_card


def file(path: str) -> CardFile:
    return CardFile(path=path.encode(), size_bytes=1, mtime_ns=0, inode=abs(hash(path)), device=1)


class Theirs:
    """A third party's source: what it does is up to the test."""

    name = "theirs"

    def __init__(self, does: Callable[[Sequence[CardFile]], Iterable[Recording]]) -> None:
        self._does = does

    def partners(self, stem: str) -> Sequence[str]:
        return ()

    def recordings(self, files: Sequence[CardFile]) -> Iterable[Recording]:
        return self._does(files)

    def says(self, recording: Recording) -> Sequence[tuple[str, str]]:
        return ()


def one(*files: CardFile, vendor: str = "theirs") -> Recording:
    return Recording(vendor=vendor, segments=files)


STRANGER = file("not/on/the.card")
BREAKERS: dict[str, Callable[[Sequence[CardFile]], Iterable[Any]]] = {
    "raises": lambda files: 1 / 0,  # type: ignore[arg-type, return-value]
    "a file twice": lambda files: [one(files[0]), one(files[0])] if files else [],
    "a file it was not given": lambda files: [one(STRANGER)],
    "another's name": lambda files: [one(files[0], vendor="gopro")] if files else [],
    "no segments": lambda files: [one()],
    "a sidecar of nothing": lambda files: (
        [Recording(vendor="theirs", segments=files[:1], sidecars=(Sidecar(files[1], 5),))] if len(files) > 1 else []
    ),
    "no recordings at all": lambda files: [None] if files else [],
}


@pytest.mark.parametrize("source", [*NAMED, LAST], ids=lambda source: source.name)
def test_every_source_of_ours_keeps_the_contract(source: Any) -> None:
    check_source(source)


@pytest.mark.parametrize("what", BREAKERS)
def test_what_breaks_the_contract_is_found(what: str) -> None:
    with pytest.raises(UsageError):
        check_source(Theirs(BREAKERS[what]))


@pytest.mark.parametrize("what", BREAKERS)
def test_what_breaks_the_contract_loses_no_file_and_is_named(what: str, tmp_path: Path) -> None:
    for name in ("A.MP4", "B.MP4", "GX010001.MP4"):
        (tmp_path / name).write_bytes(b"x")
    card = read_card(tmp_path, sources=[Theirs(BREAKERS[what]), *sources.BUILT_IN])
    assert sorted(each.name for found in card.recordings for each in found.files) == ["A.MP4", "B.MP4", "GX010001.MP4"]
    assert card.notes[0].startswith("source theirs was left out")


def test_an_installed_source_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("theirs", f"{__name__}:made", sources.ENTRY_POINTS)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    monkeypatch.setattr(EntryPoint, "load", lambda self: lambda: Theirs(lambda files: [one(*files)]))
    assert [each.name for each in find_sources()] == ["theirs", "gopro", "axon-export"]
    assert [each.name for each in find_sources(["folders", "theirs"])] == ["folders", "theirs"]
    found = group([file("GX010001.MP4"), file("X.MP4")], find_sources())
    assert [each.vendor for each in found] == ["theirs"]
    with pytest.raises(UsageError):
        find_sources(["nobody"])


def test_a_source_that_cannot_be_loaded_stops_the_intake(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("broken", "no_such_module:Source", sources.ENTRY_POINTS)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    with pytest.raises(UsageError, match="broken"):
        find_sources()


def test_the_contract_can_be_run_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gopro", "folders"]) == 0
    assert "gopro: keeps the contract" in capsys.readouterr().out


def test_axon_titles_are_known_and_their_serial_is_read() -> None:
    titled = file("Axon_Body_3_Video_2023-10-24_2046_X60A1234B.mp4")
    others = [file("Axon notes.mp4"), file("Axon Body 3 Video 2023-10-24-2047.pdf")]
    found = group([titled, *others, file("Axon Body 3 Video 2023-10-24 1743.mp4")])
    assert [each.vendor for each in found] == ["axon-export", "generic", "generic", "axon-export"]
    assert list(Axon().says(found[0])) == [("camera", "X60A1234B")]


def test_a_folder_is_a_recording_only_when_a_person_says_so() -> None:
    files = [
        file(name) for name in ("E1/a.mp4", "E1/b.mp4", "E1/event.xml", "E1/report.pdf", "E2/notes.txt", "top.mp4")
    ]
    assert {each.vendor for each in group(files)} == {"generic"}
    found = group(files, [Folders()])
    assert [[each.name for each in one.segments] for one in found] == [
        ["E1/a.mp4", "E1/b.mp4"], ["E2/notes.txt"], ["top.mp4"]
    ]  # fmt: skip
    assert [side.file.name for side in found[0].sidecars] == ["E1/event.xml", "E1/report.pdf"]
