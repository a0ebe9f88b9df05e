"""A second look at who was never seen well: cut out, at several sizes, mirrored. A face stays one; foliage falls apart.

In whole pictures a bush or a pane of glass happens to score like a face at one size. Who is known by such scores alone
is cut out as recorded, and the same networks say what they see there: how likely a face is, on average over sizes and mirror
images, and how likely a head is, at best. They are asked at the first sights and now and then after that. One answer that is no clear no
ends the asking, and all is as if nobody had asked. Where each of several answers was a clear no the track is let go: not
hidden, but listed in the plan. What is dark or small gives no clear answer.

Most of what is seen once and faintly never becomes a track. It is asked about at once, and becomes one where the answer says clearly that it
is somebody: who passes through the picture in a third of a second may be seen once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from bwc.media.decode import Picture
from bwc.redact.cut_out import AROUND, SIDE, Cut
from bwc.redact.detectors.base import Detection, Detector, Picture8, overlap
from bwc.redact.detectors.faces import CenterFace, FaceNetwork
from bwc.redact.detectors.finder import HEAD, Finder, FinderNetwork
from bwc.redact.flow import Floats
from bwc.redact.heads import FACE, head_around
from bwc.redact.path import WELL, Path
from bwc.redact.track import Tracker
from bwc.redact.verdict import whole_box

AGAIN = "again"  # the class of an answer among what detectors have answered to a look
# An answer below it is a clear no. Of faces in kept photographs, spoilt until they scored .2 to .65, 1 of 79 gave one
# (.16, a profile behind leaves); of what else scored so 17 of 24. The lowest of people in clips .3 (2026-11).
_NO = 0.2
_HEAD = 1.5  # what a head counts, in likelihoods of a face
_LEAST = 2  # answers
_MOST = 4  # of one look: in a crowd the others wait for the next
_WHEN = frozenset((1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128))  # sights at which they are asked
_LEAST_SIZE, _LEAST_LIGHT = 16, 45  # pixels of the recording, levels of grey: less says nothing clearly
# Of what is cut out, the box's longer side being a fifth: pixels, and where on the sheet. Each size of picture that a network
# is ready for holds some 20 MB and takes half a second to make, so all of them are one, that of an ordinary look.
_PLACES = {224: (0, 0), 160: (240, 0), 128: (416, 0), 96: (416, 144)}
_WIDE, _HIGH = 640, 256  # at least
_FAINT = 0.02  # less is nothing
_SAME = 0.3  # overlap of a find with the box in question
_ENOUGH = 0.45  # before it is mirrored: no more need be asked
# Of who was seen once, faintly, in five clips of the hard set, the real ones, a walk and a coast: 17 of 38 faces, none of 31 other things (.72 at most, 2026-11)
_SURELY = 0.8


@dataclass(frozen=True, slots=True)
class Again:
    """One analysis' second looks. The networks are those that the pictures are looked at with."""

    faces: FaceNetwork
    heads: FinderNetwork

    def detectors(self) -> tuple[Detector, ...]:
        """What is asked."""
        return CenterFace(self.faces, (_WIDE,), _FAINT, takes_as_is=True), Finder(self.heads, (_WIDE,), {HEAD: _FAINT})

    def ask(
        self, tracker: Tracker, picture: Picture, turns: int, scale: float, found: Sequence[Detection]
    ) -> list[Detection]:
        """Ask about those for whom it is time, at `picture`, which `tracker` has just taken in; `found` there, with the answers.

        Answers among `found` are of an earlier run, and stand. `scale` is pixels of the picture in one of a path's.
        """
        tracker.is_let_go = is_let_go
        seen = [one for one in found if one.class_ != AGAIN]
        given = [one for one in found if one.class_ == AGAIN]
        said: list[Detection] = []
        sides = (picture.height, picture.width)
        high = min(_WIDE, max(_HIGH, round(_WIDE * sides[turns % 2] / sides[1 - turns % 2])))
        for path in tracker.live():
            if _is_due(path) and (tracker.is_believed(path) or not (path.cuts or path.asked)):
                x0, y0, x1, y1 = (float(side) * scale for side in path.here)
                path.cuts.append(Cut.of(picture, (x0, y0, x1, y1), turns))
        for path in [one for one in tracker.live() if one.cuts and tracker.is_believed(one)][:_MOST]:
            for cut in path.cuts:
                answer = (
                    given[len(said)] if len(said) < len(given) else Detection(cut.box, self.likely(cut, high), AGAIN)
                )
                said.append(answer)
                path.asked += 1
                path.tried = path.likely
                path.shown = max(path.shown, answer.score)
            path.cuts.clear()
        for path in [one for one in tracker.live() if _is_lone(one) and not tracker.is_believed(one)][:_MOST]:
            cut = path.cuts[-1]
            answer = given[len(said)] if len(said) < len(given) else Detection(cut.box, self.surely(cut, high), AGAIN)
            said.append(answer)
            path.is_clear = answer.score >= _SURELY
        return [*seen, *said]

    def likely(self, cut: Cut, high: int = _HIGH) -> float:
        """How likely somebody is in the box around which `cut` was made; 1 where nothing can be said clearly.

        It is looked at in a picture `high` pixels high.
        """
        if not _tells(cut):
            return 1.0
        face, head, more = self._seen(cut, high)
        if max(float(np.mean(face)), head) > _ENOUGH:
            return 1.0
        return max(float(np.mean(face + more())), min(1.0, head * _HEAD))

    def surely(self, cut: Cut, high: int = _HIGH) -> float:
        """How surely somebody is in the box around which `cut` was made, who was seen there once: as a face and as a head together; 0 where nothing can be said clearly."""
        if not _tells(cut):
            return 0.0
        face, head, more = self._seen(cut, high)
        return min(1.0, float(np.mean(face + more())) + head)

    def _seen(self, cut: Cut, high: int) -> tuple[list[float], float, Callable[[], list[float]]]:
        """How likely a face is at each size, a head at best, and a face at each size in the mirror, if that is asked for."""
        sheet, places = _sheet(cut.square, high)
        share = np.asarray((cut.wide, cut.high), np.float32) / (2 * AROUND * max(cut.wide, cut.high))
        boxes = [np.concatenate([at + side / 2 - side * share, at + side / 2 + side * share]) for side, at in places]
        heads = Finder(self.heads, (_WIDE,), {HEAD: _FAINT}).detect(sheet)
        head = max(max(_best(heads, box), _best(heads, head_around(box))) for box in boxes)
        look = CenterFace(self.faces, (_WIDE,), _FAINT, takes_as_is=True)

        def faces(sheet: Picture8) -> list[float]:
            found = look.detect(sheet)
            return [_best(found, box) for box in boxes]

        return faces(sheet), head, lambda: faces(_sheet(np.ascontiguousarray(cut.square[:, ::-1]), high)[0])


def is_let_go(path: Path) -> bool:
    """Whether all that was said of it was a clear no, often enough."""
    return _is_doubtful(path) and path.asked >= _LEAST


def _is_doubtful(path: Path) -> bool:
    """Whether faint scores as a face, of detectors whose figures are known here, are all that speaks for it so far."""
    faint = path.class_ == FACE and path.likely < WELL and not path.is_head and not path.guesses
    return faint and path.shown < _NO


def _is_lone(path: Path) -> bool:
    """Whether it was seen for the first time just now, faintly but firmly."""
    return path.hits == 1 and path.firm == 1 and path.last_seen == path.last and bool(path.cuts)


def _tells(cut: Cut) -> bool:
    """Whether it is large and light enough for a clear answer."""
    return max(cut.wide, cut.high) >= _LEAST_SIZE and _light(cut.square) >= _LEAST_LIGHT


def _is_due(path: Path) -> bool:
    if not _is_doubtful(path):
        return False
    if path.last_seen == path.last:
        return path.hits in _WHEN or path.likely > path.tried
    return path.hits == 1 and path.asked < 1 + _LEAST  # seen once: is it there where it should be


def listed(paths: Sequence[Path], small: tuple[int, int], size: tuple[int, int]) -> list[tuple[int, ...]]:
    """What was let go, in pixels of pictures of `size`: from and to when it would have been hidden, and where it was first seen."""
    scale = (size[0] / small[0], size[1] / small[1])
    found: list[tuple[int, ...]] = []
    for path in sorted(paths, key=lambda one: one.first):
        box = whole_box(path.at(path.first_seen), scale, size)
        if box is not None:
            found.append((path.first, path.last + 1, *box))
    return found


def _light(square: Picture8) -> float:
    """Levels of grey in the middle, where the box is."""
    edge = round(SIDE * (0.5 - 0.5 / AROUND))
    return float(square[edge:-edge, edge:-edge].mean())


def _sheet(square: Picture8, high: int) -> tuple[Picture8, list[tuple[int, Floats]]]:
    """`square` at all sizes on one sheet, apart from each other, and each size with where it is: one look, and one size for networks to be ready for."""
    sheet = np.zeros((high, _WIDE, 3), np.uint8)
    for side, (x, y) in _PLACES.items():
        how = cv2.INTER_AREA if side < SIDE else cv2.INTER_LINEAR
        sheet[y : y + side, x : x + side] = cv2.resize(square, (side, side), interpolation=how)
    return sheet, [(side, np.asarray(at, np.float32)) for side, at in _PLACES.items()]


def _best(found: Sequence[Detection], box: Floats) -> float:
    return max(
        (one.score for one in found if float(overlap(box, np.asarray([one.box], np.float32))[0][0]) > _SAME),
        default=0.0,
    )
