"""bwc.redact.heads: heads are evidence of faces, and faces that are not seen hide their heads."""

from dataclasses import replace

import numpy as np

from bwc.redact.heads import FACE, HEAD, Sighting, as_faces, head_around

FACE_BOX = np.asarray([100, 60, 130, 100], np.float32)


def head(score: float = 0.6) -> Sighting:
    return Sighting(head_around(FACE_BOX), score, HEAD)


def test_a_head_around_a_face_holds_it() -> None:
    box = head_around(FACE_BOX)
    assert (box[:2] < FACE_BOX[:2]).all()
    assert (box[2:] > FACE_BOX[2:]).all()


def test_a_narrow_face_reaches_further() -> None:
    narrow = np.asarray([110, 60, 125, 100], np.float32)
    assert head_around(narrow)[2] - head_around(narrow)[0] > head_around(FACE_BOX)[2] - head_around(FACE_BOX)[0]


def test_a_lone_head_becomes_its_face_and_is_hidden_whole() -> None:
    (seen,) = as_faces([head()])
    assert (seen.class_, seen.score) == (FACE, 0.6)
    assert seen.covers is not None
    np.testing.assert_allclose(seen.box, FACE_BOX, atol=6)


def test_a_head_whose_face_was_seen_says_nothing_new() -> None:
    face = Sighting(FACE_BOX, 0.9, FACE)
    assert as_faces([face, head()]) == [face]


def test_a_poor_face_in_a_head_seen_better_may_be_elsewhere_in_it() -> None:
    half = FACE_BOX - np.asarray([12, 0, 12, 0], np.float32)  # the rest is behind a hand
    (seen,) = as_faces([Sighting(half, 0.3, FACE), head()])
    assert seen.box is half
    assert seen.covers is None
    np.testing.assert_allclose(seen.boxes()[1], FACE_BOX, atol=6)
    for face, other in ((0.3, 0.25), (0.55, 0.6)):  # the head is seen less, or the face is no poor one
        (alone,) = as_faces([Sighting(half, face, FACE), head(other)])
        assert alone.boxes() == [half]


def test_a_face_that_only_a_plug_in_saw_does_not_uncover_the_head() -> None:
    theirs = Sighting(FACE_BOX, 0.9, FACE, ours=0.0)
    (seen,) = as_faces([theirs, head()])
    assert seen.covers is not None
    assert (seen.covers[:2] <= np.minimum(head().box, FACE_BOX)[:2]).all()
    assert (seen.covers[2:] >= np.maximum(head().box, FACE_BOX)[2:]).all()
    (alone,) = as_faces([theirs])
    assert (alone.covers, alone.ours) == (None, None)  # policy decides on it as on ours


def test_a_head_of_a_plug_in_stays_unmeasured() -> None:
    (seen,) = as_faces([replace(head(), ours=0.0)])
    assert (seen.class_, seen.score, seen.ours) == (FACE, 0.6, 0.0)
