"""Those that look seldom join the first looks of a scene, its last, and one after the time between."""

from fractions import Fraction

import numpy as np

from bwc.media.decode import Picture
from bwc.redact.seldom import Seldom
from tests.redact.clips import MagentaFinder

NOTHING = np.zeros((4, 4), np.uint8)


def at(frame: int) -> Picture:
    """A picture of 30 a second."""
    return Picture(
        ordinal=frame, pts=frame, time_base=Fraction(1, 30), keyframe=frame == 0, y=NOTHING, u=NOTHING, v=NOTHING
    )


def test_the_beginning_the_end_and_every_so_often() -> None:
    seldom = Seldom((MagentaFinder(),), Fraction(2))
    joined = [frame for frame in range(0, 200, 10) if seldom.due(at(frame), ends_scene=frame == 190)]
    assert joined == [0, 10, 20, 80, 140, 190]


def test_another_scene_has_a_beginning_of_its_own() -> None:
    seldom = Seldom((MagentaFinder(),), Fraction(100))
    for frame in (0, 10, 20):
        assert seldom.due(at(frame), ends_scene=False)
    assert not seldom.due(at(30), ends_scene=False)
    seldom.cut()
    assert [bool(seldom.due(at(frame), ends_scene=False)) for frame in (40, 50, 60, 70)] == [True, True, True, False]


def test_where_nobody_looks_seldom_nothing_is_due() -> None:
    assert Seldom((), Fraction(1)).due(at(0), ends_scene=True) == ()
