"""Beside looking at pictures: the same answers as one after the other, errors at their places, an end when it is left."""

import io
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bwc.errors import DigestMismatch, UnreadableMedia
from bwc.media.decode import VideoReader
from bwc.redact import loose, loose_meanwhile
from bwc.redact.detect import analyse
from bwc.redact.lookout import Lookout
from bwc.redact.loose import redact_file
from bwc.redact.loose_meanwhile import Meanwhile
from bwc.redact.loose_work import read_digests
from bwc.redact.plan import RedactionPlan
from bwc.redact.plan_format import to_bytes
from bwc.redact.render import render
from bwc.redact.speech.listen import Hearing, hear_all, listen
from bwc.roles import Policy
from tests.redact.clips import MagentaFinder, Memory, Pipe, make_clip
from tests.redact.spoken import CLIP, NOON, hearing

SPOKEN = CLIP.read_bytes()
DEAF = Hearing(None, "nobody")


def lookout() -> Lookout:
    return Lookout((MagentaFinder(),), (MagentaFinder(),))


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith(("bwc-meanwhile", "bwc-listen"))]


@pytest.fixture
def hears(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Hearing]], None]:
    """What stands for the recogniser that is installed here, or is not."""

    def put(found: Callable[[], Hearing]) -> None:
        monkeypatch.setattr(loose_meanwhile.importlib.metadata, "entry_points", lambda **_: [])
        monkeypatch.setattr(loose_meanwhile, "find_hearing", found)
        monkeypatch.setattr(loose, "find_hearing", found)

    return put


def test_digests_and_facts_are_what_they_are_one_after_the_other() -> None:
    with Meanwhile(io.BytesIO(SPOKEN)) as beside:
        assert beside.digests() == read_digests(io.BytesIO(SPOKEN))
        assert beside.facts() == VideoReader(io.BytesIO(SPOKEN)).facts
        assert beside.reader().read() == SPOKEN


def test_voices_are_what_would_be_heard_afterwards(hears: Callable[[Callable[[], Hearing]], None]) -> None:
    hears(lambda: DEAF)
    told = Hearing(None, "nobody")
    with Meanwhile(io.BytesIO(SPOKEN)) as beside:
        beside.tell(told, "a" * 64)
    assert told._heard == ("a" * 64, tuple(hear_all(io.BytesIO(SPOKEN), DEAF)))


def test_where_words_are_wanted_it_is_listened_to_afterwards(hears: Callable[[Callable[[], Hearing]], None]) -> None:
    opened: list[int] = []

    def reader() -> Hearing:
        return Hearing(lambda: opened.append(1))  # type: ignore[arg-type, return-value]

    hears(reader)
    told = Hearing(hearing().open)
    with Meanwhile(io.BytesIO(SPOKEN)) as beside:
        beside.tell(told, "a" * 64)
    assert told._heard is None
    assert not opened


def test_a_recogniser_is_spared_a_recording_without_a_voice(hears: Callable[[Callable[[], Hearing]], None]) -> None:
    quiet = make_clip()
    hears(hearing)
    told = Hearing(hearing().open)
    with Meanwhile(io.BytesIO(quiet)) as beside:
        beside.tell(told, "a" * 64)
    assert told._heard == ("a" * 64, tuple(hear_all(io.BytesIO(quiet), hearing())))
    assert told.describe() == ()


def test_what_was_heard_is_of_no_use_to_a_recogniser_that_came_meanwhile(
    hears: Callable[[Callable[[], Hearing]], None],
) -> None:
    hears(lambda: DEAF)
    with Meanwhile(io.BytesIO(SPOKEN)) as beside:
        beside._heard.result()
        told = Hearing(hearing().open)
        beside.tell(told, "a" * 64)
    assert told._heard is None


@pytest.mark.parametrize("who", ["deaf", "reads"])
@pytest.mark.parametrize("data", [SPOKEN, make_clip()], ids=["spoken", "quiet"])
def test_plan_and_copy_are_those_of_one_step_after_the_other(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hears: Callable[[Callable[[], Hearing]], None],
    data: bytes,
    who: str,
) -> None:
    ears = hearing if who == "reads" else lambda: Hearing(None, "nobody")
    hears(ears)
    monkeypatch.setattr(loose, "ready_to_look", lambda *_: lookout())
    (tmp_path / "clip.mp4").write_bytes(data)
    done = redact_file(tmp_path / "clip.mp4", tmp_path / "out.mp4", check_copy=False)
    bare = analyse(
        io.BytesIO(data),
        content_sha256=read_digests(io.BytesIO(data))[0],
        item=None,
        segment=0,
        policy=Policy(),
        now=NOON,
        lookout=lookout(),
    )
    expected = listen(io.BytesIO(data), bare, ears())
    assert to_bytes(timeless(done.plan)) == to_bytes(timeless(expected))
    out = Pipe()
    render(io.BytesIO(data), done.plan, out, Memory)
    assert (tmp_path / "out.mp4").read_bytes() == out.data


def timeless(plan: RedactionPlan) -> RedactionPlan:
    tracks = tuple(replace(one, decision=replace(one.decision, at=one.decision.at and NOON)) for one in plan.tracks)
    return replace(plan, plan_id="p", made_at=NOON, tracks=tracks)


def test_what_is_no_recording_says_so_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loose, "ready_to_look", lambda *_: lookout())
    (tmp_path / "clip.mp4").write_bytes(b"nothing of the kind")
    with pytest.raises(UnreadableMedia):
        redact_file(tmp_path / "clip.mp4", tmp_path / "out.mp4", check_copy=False)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert not threads()


def test_an_error_of_listening_comes_when_pictures_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        raise DigestMismatch("it is not the file we know")

    seen: list[int] = []
    monkeypatch.setattr(loose_meanwhile, "hear_all", broken)
    monkeypatch.setattr(loose, "ready_to_look", lambda *_: lookout())
    (tmp_path / "clip.mp4").write_bytes(make_clip())
    with pytest.raises(DigestMismatch):
        redact_file(
            tmp_path / "clip.mp4", tmp_path / "out.mp4", check_copy=False, progress=lambda done, _: seen.append(done)
        )
    assert max(seen) == 45
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_an_error_of_pictures_hides_one_of_listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        raise DigestMismatch("it is not the file we know")

    monkeypatch.setattr(loose_meanwhile, "hear_all", broken)
    monkeypatch.setattr(loose, "analyse", lambda *_, **__: (_ for _ in ()).throw(UnreadableMedia("no picture")))
    monkeypatch.setattr(loose, "ready_to_look", lambda *_: lookout())
    (tmp_path / "clip.mp4").write_bytes(make_clip())
    with pytest.raises(UnreadableMedia, match="no picture"):
        redact_file(tmp_path / "clip.mp4", tmp_path / "out.mp4", check_copy=False)


def test_an_interrupt_ends_all_of_it_and_keeps_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless(file: io.BufferedReader, *_: object, **__: object) -> object:
        begun.set()
        while file.raw.seek(0) == 0 and file.raw.read(4096):
            pass
        ended.set()
        return ()

    def stop(_: int, __: int | None) -> None:
        assert begun.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(loose_meanwhile, "hear_all", endless)
    monkeypatch.setattr(loose, "ready_to_look", lambda *_: lookout())
    (tmp_path / "clip.mp4").write_bytes(make_clip())
    with pytest.raises(KeyboardInterrupt):
        redact_file(tmp_path / "clip.mp4", tmp_path / "out.mp4", check_copy=False, progress=stop)
    assert ended.is_set()
    assert not threads()
    assert (tmp_path / ".out.mp4.bwc-work").is_dir()
    assert not (tmp_path / "out.mp4").exists()


def test_a_loose_file_needs_none_of_the_vaults_rooms() -> None:
    said = "import sys, bwc.redact.loose; print([one for one in sys.modules if one.startswith('bwc.custody')])"
    assert subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True).stdout == "[]\n"
