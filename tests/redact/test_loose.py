"""A loose file: everything or nothing, sealed pieces, plans given and plans of other files."""

import io
import json
import os
from pathlib import Path
from shutil import rmtree

import pytest

from bwc.canonical import sha256_hex
from bwc.errors import InUse, LeakFound, PlanStale, UnreadableMedia, UsageError
from bwc.media.delivery import Delivery
from bwc.redact import loose, loose_work, render_groups
from bwc.redact.check_search import Finders
from bwc.redact.loose import LooseResult, SealedScratch, redact_file
from bwc.redact.loose_work import read_digests, working_folder
from bwc.redact.plan_format import to_bytes
from bwc.redact.render import render
from tests.media.test_delivery import odd
from tests.redact.clips import FRAMES, MagentaFinder, make_clip, plan_for


@pytest.fixture(autouse=True)
def _our_finders(monkeypatch: pytest.MonkeyPatch) -> None:
    finders = Finders(coarse=(MagentaFinder(),), fine=(), close=(MagentaFinder(),))
    monkeypatch.setattr(Finders, "open", classmethod(lambda cls, **_: finders))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    data = make_clip()
    (tmp_path / "clip.mp4").write_bytes(data)
    (tmp_path / "plan.json").write_bytes(to_bytes(plan_for(data)))
    (tmp_path / "gap.json").write_bytes(to_bytes(plan_for(data, spans=((0, 20), (30, FRAMES)))))
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_plan_is_rendered_and_checked(place: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    done = redact_file(
        place / "clip.mp4",
        place / "out.mp4",
        plan_file=place / "plan.json",
        progress=lambda count, total: seen.append((count, total)),
    )
    assert names(place) == ["clip.mp4", "gap.json", "out.mp4", "plan.json"]
    assert done.report is not None
    assert done.report.is_clean
    assert (done.frames_lost, done.open_suspects) == (0, 0)
    assert json.dumps(done.to_json())
    assert "45 frames" in done.text()
    assert seen == sorted(seen)
    assert all(total is None or count <= total for count, total in seen)


def test_suspects_are_told_and_the_copy_is_kept(place: Path) -> None:
    done = redact_file(place / "clip.mp4", place / "out.mp4", plan_file=place / "gap.json")
    assert done.open_suspects == 1
    assert done.suspects_json()[0]["class"] == "face"
    assert (place / "out.mp4").exists()


def test_a_pretty_printed_plan_is_taken_and_a_plan_of_another_file_is_not(place: Path) -> None:
    pretty = json.dumps(json.loads((place / "plan.json").read_bytes()), indent=1)
    (place / "pretty.json").write_text(pretty)
    redact_file(place / "clip.mp4", place / "out.mp4", plan_file=place / "pretty.json", check_copy=False)
    (place / "other.mp4").write_bytes(make_clip(seed=5))
    before = names(place)
    with pytest.raises(PlanStale):
        redact_file(place / "other.mp4", place / "out2.mp4", plan_file=place / "plan.json")
    assert names(place) == before


def test_what_is_there_is_never_overwritten(place: Path) -> None:
    (place / "out.mp4").write_bytes(b"mine")
    with pytest.raises(UsageError):
        redact_file(place / "clip.mp4", place / "out.mp4", plan_file=place / "plan.json")
    assert (place / "out.mp4").read_bytes() == b"mine"
    with pytest.raises(UsageError):
        redact_file(place / "clip.mp4", place / "nowhere" / "out.mp4", plan_file=place / "plan.json")


def test_what_appears_meanwhile_is_not_overwritten_either(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*args: object, **kwargs: object) -> object:
        (place / "out.mp4").write_bytes(b"mine")
        return render(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(loose, "render", slow)
    with pytest.raises(UsageError):
        redact_file(place / "clip.mp4", place / "out.mp4", plan_file=place / "plan.json", check_copy=False)
    assert (place / "out.mp4").read_bytes() == b"mine"
    assert names(place) == ["clip.mp4", "gap.json", "out.mp4", "plan.json"]


@pytest.mark.parametrize("step", ["render", "check"])
def test_nothing_is_left_when_a_step_fails(place: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise UnreadableMedia("the disk went away")

    before = names(place)
    monkeypatch.setattr(loose, step, broken)
    with pytest.raises(UnreadableMedia):
        redact_file(place / "clip.mp4", place / "out.mp4", plan_file=place / "plan.json")
    assert names(place) == before


def test_a_faulty_copy_is_not_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = plan_for((place / "clip.mp4").read_bytes(), spans=())
    monkeypatch.setattr(
        loose,
        "render",
        lambda original, plan, *rest, **named: render(original, bare, *rest, **named),  # forgets every cover
    )
    before = names(place)
    with pytest.raises(LeakFound, match="cover-weak"):
        redact_file(place / "clip.mp4", place / "out.mp4", plan_file=place / "plan.json")
    assert names(place) == before


def test_a_file_system_without_links_is_served(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    redact_file(place / "clip.mp4", place / "out.mp4", plan_file=place / "plan.json", check_copy=False)
    assert names(place) == ["clip.mp4", "gap.json", "out.mp4", "plan.json"]


def test_scratch_pieces_are_sealed_and_nameless(tmp_path: Path) -> None:
    piece = SealedScratch(tmp_path)
    clear = b"a face in clear bytes " * 100_000
    for start in range(0, len(clear), 1000):
        piece.write(clear[start : start + 1000])
    reader = piece.reader()
    assert reader.read() == clear
    reader.seek(1_500_000)
    assert reader.read(50) == clear[1_500_000:1_500_050]
    piece._file.seek(0)
    resting = piece._file.read()
    assert len(resting) > len(clear)
    assert b"a face" not in resting
    assert names(tmp_path) == []
    piece.close()


def test_plain_samples_never_reach_the_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While rendering, no file in the folder holds the copy's samples in clear before the copy itself is written."""
    seen: list[bytes] = []
    write = SealedScratch.write

    def spying(self: SealedScratch, data: bytes) -> None:
        seen.append(data)
        write(self, data)
        for path in place.rglob("*"):
            assert path.name != "copy" or path.stat().st_size == 0

    monkeypatch.setattr(SealedScratch, "write", spying)
    redact_file(place / "clip.mp4", place / "out.mp4", plan_file=place / "plan.json", check_copy=False)
    assert len(seen) > FRAMES
    assert io.BytesIO((place / "out.mp4").read_bytes()).read().count(seen[0]) == 1


def test_a_stopped_run_goes_on_to_the_same_bytes_and_leaves_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(out: str, progress: object = None) -> bytes:
        redact_file(place / "clip.mp4", place / out, plan_file=place / "plan.json", check_copy=False, progress=progress)  # type: ignore[arg-type]
        return (place / out).read_bytes()

    undisturbed = run("whole.mp4")
    before = names(place)

    def stop(done: int, _: int | None) -> None:
        if done >= FRAMES + 30:  # two of three groups of the second pass
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("out.mp4", stop)
    waiting = place / ".out.mp4.bwc-work"
    pieces = [path for path in (waiting / "pieces").rglob("*") if path.is_file()]
    assert len(pieces) == 2
    assert waiting.stat().st_mode & 0o077 == 0
    assert not any(b"avcc" in path.read_bytes() for path in pieces)  # the header line of a piece in clear
    assert loose.read_digests((place / "clip.mp4").open("rb"))[0] not in str(pieces)
    encoded = []
    real = render_groups.render_gop
    monkeypatch.setattr(render_groups, "render_gop", lambda task: (encoded.append(1), real(task))[1])
    assert run("out.mp4") == undisturbed
    assert len(encoded) == 1
    assert names(place) == sorted([*before, "out.mp4"])


@pytest.mark.parametrize("has_links", [True, False])
def test_a_run_killed_after_the_copy_has_its_name_goes_on_too_and_tells_what_it_found(
    place: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    def run() -> LooseResult:
        return redact_file(place / "clip.mp4", place / "out.mp4", plan_file=place / "gap.json")

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    before = names(place)
    with monkeypatch.context() as at_the_end:
        at_the_end.setattr(loose_work.shutil, "rmtree", killed)
        with pytest.raises(SystemExit):
            run()
    undisturbed = (place / "out.mp4").read_bytes()
    assert names(place) == sorted([".out.mp4.bwc-work", "out.mp4", *before])
    assert run().open_suspects
    assert (place / "out.mp4").read_bytes() == undisturbed
    assert names(place) == sorted([*before, "out.mp4"])


def test_the_copy_of_a_killed_run_is_replaced_by_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by that of another recording, nor by one of another plan; and what is another file now is left alone."""

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    def run(clip: str = "clip.mp4", plan: str = "plan.json") -> None:
        redact_file(place / clip, out, plan_file=place / plan, check_copy=False)

    out = place / "out.mp4"
    with monkeypatch.context() as at_the_end:
        at_the_end.setattr(loose_work.shutil, "rmtree", killed)
        with pytest.raises(SystemExit):
            run()
    made = out.read_bytes()
    (place / "other.mp4").write_bytes((place / "clip.mp4").read_bytes() + b"\0")
    with pytest.raises(UsageError, match="exists"):
        run(clip="other.mp4")
    assert out.read_bytes() == made
    with pytest.raises(UsageError, match="exists"):
        run(plan="gap.json")
    assert out.read_bytes() == made
    assert not (place / ".out.mp4.bwc-work").exists()
    with pytest.raises(UsageError, match="exists"):
        run()
    assert out.read_bytes() == made


def test_a_copy_or_a_folder_that_is_removed_meanwhile_costs_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    def run(progress: object = None) -> None:
        redact_file(place / "clip.mp4", out, plan_file=place / "plan.json", check_copy=False, progress=progress)  # type: ignore[arg-type]

    out, before = place / "out.mp4", names(place)
    with monkeypatch.context() as at_the_end:
        at_the_end.setattr(loose_work.shutil, "rmtree", killed)
        with pytest.raises(SystemExit):
            run()
    made = out.read_bytes()
    run(lambda *_: out.unlink(missing_ok=True))
    assert out.read_bytes() == made
    with working_folder(place / "gone.mp4") as work:
        rmtree(work.folder)
    assert names(place) == sorted([*before, "out.mp4"])


def test_two_runs_do_not_make_the_same_copy(place: Path) -> None:
    with working_folder(place / "out.mp4"), pytest.raises(InUse, match=r"another run works on .*out\.mp4"):
        redact_file(place / "clip.mp4", place / "out.mp4", plan_file=place / "plan.json", check_copy=False)
    assert not (place / ".out.mp4.bwc-work").exists()


def test_the_key_of_the_work_is_the_recordings_and_no_digest_that_is_written_anywhere(place: Path) -> None:
    data = (place / "clip.mp4").read_bytes()
    content, key = read_digests(io.BytesIO(data))
    assert content == sha256_hex(data)
    assert key.hex() != content
    assert read_digests(io.BytesIO(data + b"\0"))[1] != key


def test_what_cannot_be_delivered_is_refused_before_anything_is_detected(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loose, "analyse", lambda *_, **__: pytest.fail("it was detected first"))
    (place / "odd.avi").write_bytes(odd())
    before = names(place)
    with pytest.raises(UsageError, match="cannot be delivered faithfully"):
        redact_file(place / "odd.avi", place / "out.mp4", delivery=Delivery.FAITHFUL)
    assert names(place) == before
