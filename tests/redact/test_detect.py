"""Analysing small drawn recordings end to end with a stand-in detector; with the shipped ones; and real footage."""

import io
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from skimage import data

from bwc.errors import BwcError, NotFound, UnreadableMedia, UsageError
from bwc.evidence import Choice
from bwc.redact.detect import analyse
from bwc.redact.detectors import weights
from bwc.redact.detectors.base import Detection, DetectorInfo, FloatBox, Picture8
from bwc.redact.detectors.plugins import Guarded
from bwc.redact.detectors.view import View, unturned
from bwc.redact.lookout import Lookout
from bwc.redact.plan import DAMAGED, DECODING, Coverage, RedactionPlan
from bwc.redact.plan_format import from_bytes, to_bytes
from bwc.redact.sheet import contact_sheet, ordinals_to_show
from bwc.roles import Policy
from tests.redact.clips import make_clip

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FOOTAGE = Path(__file__).resolve().parents[2].parent / "shared" / "data"
W, H = 320, 240
MARK = (40, 200, 40)  # the stand-in subject's colour, blue green red


def background() -> Picture8:
    picture = np.asarray(data.astronaut()[200:, :, ::-1], np.uint8)  # below the face
    return np.asarray(cv2.resize(picture, (W + 80, H + 80)), np.uint8)


BACKGROUND = background()


def subject_at(ordinal: int) -> FloatBox:
    x, y = 60 + 2 * ordinal, 90 + ordinal
    return (float(x), float(y), float(x + 30), float(y + 36))


def walking(ordinal: int) -> Picture8:
    picture = BACKGROUND[40 : 40 + H, 40 : 40 + W].copy()
    x0, y0, x1, y1 = (int(side) for side in subject_at(ordinal))
    picture[y0:y1, x0:x1] = MARK
    picture[y0 + 8 : y0 + 14, x0 + 6 : x1 - 6] = (20, 120, 20)
    picture[y1 - 12 : y1 - 6, x0 + 10 : x1 - 10] = (90, 250, 90)
    return picture


def recording(
    frame: Callable[[int], Picture8], count: int, *, pts: Callable[[int], int] = lambda i: i, rotation: int = 0
) -> io.BytesIO:
    """An MP4 in memory, 30 ticks a second."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "16", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        stream.codec_context.time_base = Fraction(1, 30)
        for i in range(count):
            picture = av.VideoFrame.from_ndarray(frame(i), format="bgr24")
            picture.pts, picture.time_base = pts(i), Fraction(1, 30)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return io.BytesIO(sink.getvalue())


class GreenFinder:
    """A stand-in: finds the green subject, counts how often it looked."""

    name = "green"
    classes = ("face",)

    def __init__(self, score: float = 0.9) -> None:
        self.score, self.looks = score, 0

    def describe(self) -> DetectorInfo:
        return DetectorInfo(name="green", package="tests", file_sha256="0" * 64, licence="Apache-2.0", precision="u8")

    def detect(self, bgr: Picture8) -> list[Detection]:
        self.looks += 1
        is_green = (bgr[..., 1].astype(int) - bgr[..., 2] > 70) & (bgr[..., 1].astype(int) - bgr[..., 0] > 70)
        y, x = np.nonzero(is_green)
        if len(y) < 200:
            return []
        box = (float(x.min()), float(y.min()), float(x.max() + 1), float(y.max() + 1))
        return [Detection(box, self.score, "face")]


def plan_of(file: io.BytesIO, finder: GreenFinder | None = None, **more: object) -> RedactionPlan:
    lookout = Lookout((finder,), (finder,)) if finder else None
    return analyse(
        file,
        content_sha256="a" * 64,
        item=None,
        segment=0,
        policy=Policy(),
        now=NOW,
        **{"lookout": lookout, **more},  # type: ignore[arg-type]
    )


def is_covered(plan: RedactionPlan, ordinal: int, box: FloatBox) -> bool:
    x0, y0, x1, y1 = box
    return any(b[0] <= x0 and b[1] <= y0 and b[2] >= x1 and b[3] >= y1 for b in Coverage(plan).at(ordinal).boxes)


def test_a_walking_subject_is_one_track_covered_in_every_frame() -> None:
    finder = GreenFinder()
    plan = plan_of(recording(walking, 41), finder)
    (track,) = plan.tracks
    assert (track.class_, track.decision.choice, track.decision.exemption) == ("face", Choice.REDACT, "privacy")
    assert track.decision.by == "policy"
    assert track.doubts == ()
    assert all(is_covered(plan, i, subject_at(i)) for i in range(41))
    assert finder.looks == 7  # every fifth in the first second, then every fifteenth of a still picture
    assert plan.media.frames == 41
    assert plan.media.duration * plan.media.time_base == Fraction(41, 30)


def test_who_interrupts_waits_for_no_look_that_has_not_begun() -> None:
    class Slow(GreenFinder):
        def detect(self, bgr: Picture8) -> list[Detection]:
            time.sleep(0.05)
            return super().detect(bgr)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    finders = tuple(Slow() for _ in range(60))
    with pytest.raises(KeyboardInterrupt):
        plan_of(recording(walking, 41), lookout=Lookout(finders, finders), progress=interrupt)
    begun = sum(finder.looks for finder in finders)
    assert begun % len(finders), "the looks of the last picture were made to the end"


def test_a_look_of_pieces_is_shared_out_and_put_together_again() -> None:
    class Halves(GreenFinder):
        """Looks at each half by itself; says nothing unless both were looked at."""

        def look(self, view: View) -> list[Detection]:
            raise AssertionError("the pieces were to be looked at")

        def pieces(self, view: View) -> list[Callable[[], list[Detection]]]:
            half = view.width // 2
            halves = (
                (slice(half, None), slice(None, half)) if self.looks % 4 else (slice(None, half), slice(half, None))
            )
            bgr = view.bgr()
            return [partial(self._half, bgr, part) for part in halves]

        def _half(self, bgr: Picture8, part: slice) -> list[Detection]:
            only = np.zeros_like(bgr)
            only[:, part] = bgr[:, part]
            return self.detect(only)

        def together(self, shape: tuple[int, int], done: Sequence[list[Detection]]) -> list[Detection]:
            assert shape == (H, W)
            assert len(done) == 2
            boxes = np.array([one.box for found in done for one in found])
            box = (*boxes[:, :2].min(0), *boxes[:, 2:].max(0)) if len(boxes) else None
            return [Detection(tuple(map(float, box)), self.score, "face")] if box else []  # type: ignore[arg-type]

    finder = Halves()
    whole = plan_of(recording(walking, 41), GreenFinder())
    assert plan_of(recording(walking, 41), finder).tracks[0].spans == whole.tracks[0].spans
    assert finder.looks == 2 * 7


def test_the_last_frame_is_looked_at() -> None:
    plan = plan_of(
        recording(lambda i: walking(i) if i == 12 else BACKGROUND[40 : 40 + H, 40 : 40 + W], 13), GreenFinder()
    )
    assert is_covered(plan, 12, subject_at(12))


def test_both_sides_of_a_cut_are_looked_at() -> None:
    other = np.asarray(BACKGROUND[::-1, ::-1][40 : 40 + H, 40 : 40 + W])

    def frame(i: int) -> Picture8:
        if i < 7:
            return BACKGROUND[40 : 40 + H, 40 : 40 + W]
        picture = walking(7 + (i - 7) // 5 * 0)
        mixed = other.copy()
        x0, y0, x1, y1 = (int(side) for side in subject_at(7))
        mixed[y0:y1, x0:x1] = picture[y0:y1, x0:x1]
        return mixed if i < 14 else BACKGROUND[40 : 40 + H, 40 : 40 + W]

    plan = plan_of(recording(frame, 21), GreenFinder())
    (track,) = plan.tracks
    (span,) = track.spans
    assert (span.first, span.stop) == (7, 14)
    assert all(is_covered(plan, i, subject_at(7)) for i in range(7, 14))


def test_a_single_sighting_is_hidden_and_left_to_a_person() -> None:
    empty = BACKGROUND[40 : 40 + H, 40 : 40 + W]
    plan = plan_of(recording(lambda i: walking(10) if i == 10 else empty, 31), GreenFinder(0.4))
    (track,) = plan.tracks
    assert track.decision.choice is Choice.UNDECIDED
    assert track.doubts[:1] == ("single_sighting",)
    assert "low_score" in track.doubts
    assert is_covered(plan, 10, subject_at(10))


class Another:
    """A plug-in: says a box, a little off the subject, of a class, more surely than ours."""

    name = "another"

    def __init__(self, class_: str, box: Callable[[FloatBox], FloatBox], score: float = 0.95) -> None:
        self.classes, self._box, self._score = (class_,), box, score

    def describe(self) -> DetectorInfo:
        return DetectorInfo(name="another", package="x", file_sha256="1" * 64, licence="MIT", precision="f32")

    def detect(self, bgr: Picture8) -> list[Detection]:
        return [Detection(self._box(one.box), self._score, self.classes[0]) for one in GreenFinder().detect(bgr)]


def plan_with(theirs: Another, *, ours: tuple[GreenFinder, ...]) -> RedactionPlan:
    both = (*ours, Guarded(theirs))
    return analyse(
        recording(walking, 41),
        content_sha256="a" * 64,
        item=None,
        segment=0,
        policy=Policy(),
        now=NOW,
        lookout=Lookout(both, both),
    )


def test_a_plug_in_that_is_surer_of_less_takes_nothing_away() -> None:
    narrow = Another("face", lambda box: (box[0], box[1], box[2], box[1] + 18))  # the upper half
    plan = plan_with(narrow, ours=(GreenFinder(0.6),))
    (track,) = plan.tracks
    assert track.score_permille == 950
    assert all(is_covered(plan, i, subject_at(i)) for i in range(41))


def test_what_a_plug_in_sees_beside_ours_is_covered_too() -> None:
    aside = Another("face", lambda box: (box[0] + 8, box[1], box[2] + 8, box[3]))
    plan = plan_with(aside, ours=(GreenFinder(),))
    assert len(plan.tracks) == 1
    for i in range(41):
        x0, y0, x1, y1 = subject_at(i)
        assert is_covered(plan, i, (x0, y0, min(W, x1 + 8), y1))


def test_heads_of_a_plug_in_are_hidden_and_left_to_a_person() -> None:
    plan = plan_with(Another("head", lambda box: box), ours=())
    (track,) = plan.tracks
    assert (track.class_, track.decision.choice, track.score_permille) == ("face", Choice.UNDECIDED, 950)
    assert "unmeasured" in track.doubts
    assert all(is_covered(plan, i, subject_at(i)) for i in range(41))
    beside_ours = plan_with(Another("head", lambda box: box), ours=(GreenFinder(),)).tracks
    assert [(one.decision.choice, one.doubts) for one in beside_ours] == [(Choice.REDACT, ())]


def test_cadence_follows_time_not_frame_numbers() -> None:
    finder = GreenFinder()
    plan = plan_of(recording(walking, 20, pts=lambda i: i * 3), finder)  # 10 frames a second
    assert finder.looks == 8  # every second frame in the first second, then every fourth, and the last
    assert [plan.media.pts.pts_of(i) * plan.media.time_base for i in (0, 1, 19)] == [
        0,
        Fraction(1, 10),
        Fraction(57, 30),
    ]
    assert all(is_covered(plan, i, subject_at(i)) for i in range(20))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_boxes_found_in_a_turned_picture_come_back(turns: int) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[10:20, 30:36] = 255
    y, x = np.nonzero(np.rot90(picture, turns)[..., 0])
    found = (float(x.min()), float(y.min()), float(x.max() + 1), float(y.max() + 1))
    assert unturned(found, turns, (48, 64)) == (30, 10, 36, 20)


def test_runs_are_repeatable_and_plans_survive_their_bytes() -> None:
    file = recording(walking, 31)
    one = plan_of(file, GreenFinder())
    file.seek(0)
    assert plan_of(file, GreenFinder()) == one
    assert from_bytes(to_bytes(one)) == one


def test_progress_ends_at_the_whole() -> None:
    told: list[tuple[int, int | None]] = []
    plan_of(recording(walking, 40), GreenFinder(), progress=lambda done, total: told.append((done, total)))
    assert told[0] == (30, 40)
    assert told[-1] == (40, 40)


def test_a_file_without_pictures_is_refused() -> None:
    with pytest.raises(UnreadableMedia):
        plan_of(io.BytesIO(b"not a recording at all"), GreenFinder())


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(UsageError):
        plan_of(recording(walking, 2), GreenFinder(), profile="best")


def test_without_weights_nothing_is_analysed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BWC_MODELS", str(tmp_path))
    with pytest.raises(NotFound):
        plan_of(recording(walking, 2), profile="max")


def test_the_contact_sheet_is_a_picture_of_pictures() -> None:
    file = recording(walking, 41)
    plan = plan_of(file, GreenFinder())
    sheet = cv2.imdecode(np.frombuffer(contact_sheet(file, plan, pictures=6, columns=3, width=160), np.uint8), 1)
    assert sheet is not None
    assert sheet.shape[1] == 3 * 160 + 8
    assert sheet.shape[0] > 2 * 120 + 4  # every track follows, enlarged
    plain = cv2.imdecode(np.frombuffer(contact_sheet(file, pictures=6, columns=3, width=160), np.uint8), 1)
    assert plain is not None
    # red frames are drawn only where there is a plan
    red = [int(((p[..., 2].astype(int) - p[..., 1] > 120) & (p[..., 0] < 130)).sum()) for p in (sheet, plain)]
    assert red[0] > red[1] + 100
    assert 20 in ordinals_to_show(plan, 41, 6)
    assert ordinals_to_show(None, 3, 6) == [0, 1, 2]


def shipped_weights_or_skip() -> None:
    for name in (weight.name for weight in weights.WEIGHTS.values() if not weight.is_optional):
        try:
            weights.load(name)
        except BwcError as error:
            pytest.skip(f"weights absent: {error.message}; run: {error.hint}")


@pytest.mark.parametrize("rotation", [0, 90, -90])
def test_a_real_face_is_found_whichever_way_the_camera_was_held(rotation: int) -> None:
    shipped_weights_or_skip()
    face = np.asarray(cv2.resize(data.astronaut()[:288, 64:448, ::-1], (W, H)), np.uint8)
    # stored turned, so that showing it turned by `rotation` (counter-clockwise) makes it upright
    turned = np.rot90(data.astronaut()[:384, 56:344, ::-1], -rotation // 90) if rotation else face
    stored = np.ascontiguousarray(cv2.resize(np.ascontiguousarray(turned), (W, H)))
    plan = plan_of(recording(lambda _: stored, 2, rotation=rotation))
    assert plan.media.rotation == rotation
    assert any(track.class_ == "face" and track.score_permille > 500 for track in plan.tracks)


@pytest.mark.footage
def test_no_face_of_a_real_body_camera_clip_is_left_visible() -> None:
    shipped_weights_or_skip()
    clip = FOOTAGE / "video_bodycam" / "spd_03.mp4"
    if not clip.exists():
        pytest.skip(f"footage absent: {clip}")
    import json

    truth = json.loads(clip.with_suffix(".truth.json").read_text())["frames"]
    with clip.open("rb") as file:
        plan = analyse(file, content_sha256="b" * 64, item=None, segment=0, policy=Policy(), now=NOW)
    assert plan.media.frames == len(truth)
    for ordinal, boxes in enumerate(truth):
        for one in boxes:
            if one["label"] == "face" and not one.get("ignore"):
                # 5 % of slack on every side: truth boxes were drawn by hand
                dx, dy = one["w"] * 0.05, one["h"] * 0.05
                inner = (one["x"] + dx, one["y"] + dy, one["x"] + one["w"] - dx, one["y"] + one["h"] - dy)
                assert is_covered(plan, ordinal, inner), f"frame {ordinal}"


def test_frames_that_decode_with_errors_are_a_doubt() -> None:
    source = bytearray(make_clip(audio=False))
    places = [(packet.pos, packet.size) for packet in av.open(io.BytesIO(bytes(source))).demux(video=0) if packet.size]
    position, size = places[20]
    source[position + size // 2 : position + size] = bytes(size - size // 2)
    plan = plan_of(io.BytesIO(bytes(source)), GreenFinder())
    runs = plan.extensions[DECODING]["damaged"]  # type: ignore[index, call-overload]
    assert runs
    assert [[one.first, one.stop] for one in plan.doubts if one.code == DAMAGED] == runs
