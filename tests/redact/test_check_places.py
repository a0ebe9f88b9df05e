"""Where a plan gives itself away: gaps, ends, beginnings, jumps; and what shows there without any detector's help."""

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bwc.evidence import Choice
from bwc.media.decode import Picture
from bwc.redact import check_search, plan_edit
from bwc.redact.check import check
from bwc.redact.check_finders import Finders, detect_near, distinct
from bwc.redact.check_places import Kind, places_of
from bwc.redact.check_report import Sight
from bwc.redact.check_sight import Hit
from bwc.redact.check_trail import without
from bwc.redact.detectors.base import Detection, Picture8
from bwc.redact.plan import Box, Origin, RedactionPlan, Span, Track
from tests.redact.clips import FRAMES, NOON, MagentaFinder, make_clip, plan_for, walker
from tests.redact.test_check import rendered


class Blind(MagentaFinder):
    """A detector that sees nobody."""

    name = "blind"

    def detect(self, bgr: Picture8) -> list[Detection]:
        return []


BLIND = Finders(coarse=(Blind(),), fine=(), close=(Blind(),))


def plan(*spans: tuple[int, int], tracks: Sequence[Track] = ()) -> RedactionPlan:
    """Tracks that follow the walker, whose recording is only its number of frames here."""
    made = plan_for(b"", spans=spans)
    return replace(made, tracks=(*made.tracks, *tracks))


def piece(name: str, first: int, stop: int, shift: tuple[int, int] = (0, 0), class_: str = "face") -> Track:
    boxes = [
        (x0 + shift[0], y0 + shift[1], x1 + shift[0], y1 + shift[1])
        for x0, y0, x1, y1 in map(walker, range(first, stop))
    ]
    return Track(id=name, class_=class_, score_permille=900, spans=(Span(first=first, boxes=boxes),))


def told(made: RedactionPlan) -> list[tuple[str, int, int]]:
    return [(place.kind.value, min(place.boxes), max(place.boxes)) for place in places_of(made)]


def test_a_whole_track_gives_nothing_away() -> None:
    assert told(plan((0, FRAMES))) == []


def test_a_missing_piece_is_a_gap_whose_boxes_follow_the_subject() -> None:
    made = plan((0, 20), (30, FRAMES))
    (place,) = places_of(made)
    assert (place.kind, place.is_one_track) == (Kind.GAP, True)
    assert place.boxes == {ordinal: walker(ordinal) for ordinal in range(20, 30)}
    assert (place.before, place.after) == ((19, walker(19)), (30, walker(30)))


def test_a_beginning_and_an_end_away_from_the_picture_s_edge_are_followed_for_a_while() -> None:
    assert told(plan((15, 30))) == [("begin", 3, 14), ("end", 30, 41)]
    # the walker begins at the left edge and a moment later is away from it
    assert told(replace(plan((0, FRAMES)), tracks=(piece("t1", 0, FRAMES, (-10, 0)),))) == []


def test_pieces_of_two_tracks_are_joined_when_they_fit() -> None:
    first, second = piece("t1", 0, 20), piece("t2", 24, FRAMES)
    (place,) = places_of(plan(tracks=(first, second)))
    assert (place.kind, place.is_one_track, sorted(place.boxes)) == (Kind.GAP, False, [20, 21, 22, 23])
    far = piece("t2", 24, FRAMES, (0, 90))
    assert {kind for kind, *_ in told(plan(tracks=(first, far)))} == {"begin", "end"}
    plate = piece("t2", 24, FRAMES, class_="plate")
    assert {kind for kind, *_ in told(plan(tracks=(first, plate)))} == {"begin", "end"}


def test_what_another_cover_hides_or_a_person_drew_or_keeps_is_no_place() -> None:
    over = piece("t9", 15, 35)
    assert told(plan((0, 20), (30, FRAMES), tracks=(over,))) == []
    drawn = replace(piece("m1", 10, 20), origin=Origin.PERSON)
    assert told(plan(tracks=(drawn,))) == []
    kept = plan_edit.decide(plan((10, 20)), ["t1"], Choice.KEEP, by="k", at=NOON, note="asked for")
    assert told(kept) == []


def test_a_jump_is_an_end_and_a_beginning_unless_the_track_is_always_so_quick() -> None:
    def jumping(ordinal: int) -> Box:
        x0, y0, x1, y1 = walker(ordinal)
        return (x0, y0 + 90, x1, y1 + 90) if ordinal >= 20 else (x0, y0, x1, y1)

    slipped = plan_for(b"", path=jumping)
    assert told(slipped) == [("begin", 8, 19), ("end", 20, 31)]

    def quick(ordinal: int) -> Box:
        x = 20 + 70 * (ordinal % 3)
        return x, 100, x + 20, 120

    assert told(plan_for(b"", path=quick)) == []


@pytest.mark.parametrize("gap", [(20, 26), (22, 24)])
def test_a_missing_piece_is_a_suspect_though_no_detector_sees_anybody(gap: tuple[int, int]) -> None:
    source = make_clip()
    holed = plan_for(source, spans=((0, gap[0]), (gap[1], FRAMES)))
    copy = rendered(source, holed)
    (suspect,) = check(io.BytesIO(source), io.BytesIO(copy), holed, finders=BLIND).suspects
    assert (suspect.sight, suspect.first, suspect.last) == (Sight.GAP, gap[0], gap[1] - 1)
    assert suspect.best_permille > 700  # the same pixels
    good = plan_for(source)
    assert check(io.BytesIO(source), io.BytesIO(rendered(source, good)), good, finders=BLIND).suspects == ()


def test_an_end_that_no_detector_vouches_for_is_no_suspect() -> None:
    source = make_clip()
    short = plan_for(source, spans=((0, 20),))
    copy = rendered(source, short)
    assert check(io.BytesIO(source), io.BytesIO(copy), short, finders=BLIND).suspects == ()


def test_an_end_that_a_detector_knows_under_the_cover_is_followed_on_weak_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    def near(finders: object, picture: Picture, *where: object) -> list[Detection]:
        """Sure of the subject under the cover, in the last frame that hides it, and never in the copy."""
        score = 0.75 if picture.ordinal == 19 else 0.52
        return [replace(one, score=score) for one in detect_near(finders, picture, *where)]  # type: ignore[arg-type]

    monkeypatch.setattr(check_search, "detect_near", near)
    source = make_clip()
    short = plan_for(source, spans=((0, 20),))
    copy = rendered(source, short)
    finders = Finders(coarse=(Blind(),), fine=(), close=(MagentaFinder(),))
    (suspect,) = check(io.BytesIO(source), io.BytesIO(copy), short, finders=finders).suspects
    assert (suspect.sight, suspect.first) == (Sight.GAP, 20)
    assert suspect.sightings >= 4


def test_the_same_track_later_comes_before_another_that_begins_at_once() -> None:
    made = plan((0, 15), (25, FRAMES), tracks=(piece("t9", 15, 18),))
    gaps = [place for place in places_of(made) if place.is_one_track]
    assert [(min(place.boxes), max(place.boxes)) for place in gaps] == [(18, 24)]  # t9 hides the first three


def test_a_short_gap_at_the_edge_within_one_track_is_a_place_and_a_long_one_is_not() -> None:
    def at_edge(ordinal: int) -> Box:
        return 0, 20 + ordinal % 2, 20, 50

    assert told(plan_for(b"", spans=((0, 10), (14, FRAMES)), path=at_edge)) == [("gap", 10, 13)]
    assert told(plan_for(b"", spans=((0, 10), (30, FRAMES)), path=at_edge)) == []


def hit(ordinal: int, left: int) -> Hit:
    return Hit(ordinal=ordinal, box=(left, 0, left + 20, 20), score_permille=700, class_="face", visible_permille=1000)


def test_a_neighbour_s_hit_does_not_speak_for_a_trail() -> None:
    trail = [hit(ordinal, 100) for ordinal in range(6)]
    assert without([trail], [[hit(0, 100)]]) == [trail]
    assert without([trail], [[hit(ordinal, 100) for ordinal in range(3)]]) == []


def test_a_large_hit_does_not_stand_for_a_small_one_within_it() -> None:
    wall, face = Detection((0, 0, 200, 200), 0.9, "face"), Detection((90, 90, 120, 125), 0.7, "face")
    again = Detection((88, 88, 122, 126), 0.6, "face")
    assert distinct([wall, face, again]) == [wall, face]
    line, word = Detection((0, 0, 200, 20), 0.9, "text"), Detection((90, 2, 120, 18), 0.7, "text")
    assert distinct([line, word]) == [line]
