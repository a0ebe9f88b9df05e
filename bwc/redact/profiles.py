"""How hard to look: sizes, cadence and thresholds of the three profiles, with what each costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from bwc.errors import UsageError
from bwc.redact.track import Habits

DEFAULT = "balanced"
_TEXT_APART = Fraction(
    3, 2
)  # seconds: it joins the first look a second after the last, and looks are half a second apart
_SHUTTER = Fraction(
    1, 20
)  # seconds it is open at most: recordings of few frames are not blurred for as long as those are apart
_SMALL = 24  # pixels of height below which a face is found in some looks and missed in others


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is run when. Sizes are pixels along the longer side; `every` is time between looks (bwc.redact.cadence).

    Every `deep_every`-th look, and the first and last of each scene, uses the deep sizes instead. What is less sure than
    `face_new`, or `own_plate_new`, only tells that somebody known, or a known plate, is still there.
    """

    name: str
    faces: tuple[int, ...]
    faces_deep: tuple[int, ...]
    faces_far: tuple[int, ...]  # at a scene's beginning and end and every ten seconds, for small faces alone
    plates: tuple[int, ...]
    plates_deep: tuple[int, ...]
    own: tuple[int, ...]
    own_deep: tuple[int, ...]
    own_plates_deep: tuple[int, ...]  # for plates, and for heads that are too small for the other sizes
    own_plates_large: tuple[int, ...]  # for plates alone, where the picture is at least as large
    every: Fraction
    every_busy: Fraction
    every_fast: Fraction
    every_still: Fraction
    deep_every: int
    face_threshold: float = 0.12
    face_new: float = 0.2
    plate_threshold: float = 0.15  # of clp_det
    # of our own network: on 74 kept pictures at 640 0.09 false alarms a picture from 0.25, 0.01 at the 0.5 that starts a track alone
    own_plate_new: float = 0.25
    own_plate_threshold: float = 0.15
    head_threshold: float = 0.12  # below `face_new`, as for faces
    # of small heads at `own_plates_deep`: found on 11 of 50 pictures of the composed street where no truth is, on none of 56 of a walk and a coast
    far_head_threshold: float = 0.3
    sheet_threshold: float = 0.3  # screens and papers: about 0.02 false alarms of each on a kept picture


# Cost of one pass, one thread, VNNI (Xeon, OpenVINO 2026.4, 2026-11), at 640, 960, 1280: faces (int8) 15, 35, 55 ms;
# our own network (int8) 5, 10, 20, and 35 at 1920; clp_det 12, 27, 46. With onnxruntime about half as much again.
PROFILES: Mapping[str, Profile] = {
    "fast": Profile(
        name="fast",
        faces=(640,),
        faces_deep=(960,),
        faces_far=(),
        plates=(),
        plates_deep=(),
        own=(640,),
        own_deep=(960,),
        own_plates_deep=(),
        own_plates_large=(),
        every=Fraction(1, 2),
        every_busy=Fraction(1, 2),
        every_fast=Fraction(1, 2),
        every_still=Fraction(1, 2),
        deep_every=3,
    ),
    "balanced": Profile(
        name="balanced",
        # the small size finds large and turned faces, the large one small faces: by turns, at half the cost of 960 alone
        # three times as often; with faces known from .12 on more of them are hidden (docs/accuracy.md)
        faces=(640,),
        faces_deep=(1280,),
        # who is far off is found there, and kept by the smaller looks
        faces_far=(1920,),
        plates=(),
        plates_deep=(),  # our own network finds all that clp_det does: it is left to the check
        own=(640,),
        own_deep=(960,),
        own_plates_deep=(1920,),  # of the four plates of a head-worn clip 1280 finds two, 1920 three
        own_plates_large=(2560,),  # finds the fourth; a second glance at 1920 still tells the near ones from clutter
        every=Fraction(1, 3),
        every_busy=Fraction(1, 6),
        every_fast=Fraction(1, 10),
        every_still=Fraction(1, 2),
        deep_every=2,
    ),
    "max": Profile(
        name="max",
        faces=(640, 1280),
        faces_deep=(640, 1280, 1920),
        faces_far=(),
        plates=(640, 1280, 1920),
        plates_deep=(640, 1280, 1920),
        own=(640, 1280),
        own_deep=(640, 1280),
        own_plates_deep=(1920,),
        own_plates_large=(2560,),
        every=Fraction(1, 10),
        every_busy=Fraction(1, 10),
        every_fast=Fraction(1, 10),
        every_still=Fraction(1, 10),
        deep_every=3,
        face_threshold=0.1,
        face_new=0.15,
        plate_threshold=0.2,
    ),
}


def profile_named(name: str) -> Profile:
    """The profile called `name`. Raises `UsageError` when there is none."""
    if name not in PROFILES:
        raise UsageError(f"no profile is called {name}", f"one of: {', '.join(PROFILES)}")
    return PROFILES[name]


class _ByClass(dict[str, float]):
    """A score for each class; what plug-ins bring has `other`: above 1, policy never decides on it alone."""

    def __init__(self, known: Mapping[str, float], *, other: float) -> None:
        super().__init__(known)
        self._other = other

    def __missing__(self, class_: str) -> float:
        return self._other


def habits_for(rate: Fraction, profile: Profile, scale: float) -> Habits:
    """Track lifetimes for a recording of `rate` frames per second: waited for 5 s, lingers 3 s, leads 2 s (5 s who is small).

    Only as long as somebody vouches for the box (bwc.redact.likeness), and half a second more. `scale` is small-picture
    pixels in a pixel of the recording.
    """

    def frames(seconds: Fraction) -> int:
        return max(2, min(240, round(seconds * rate)))

    return Habits(
        new={"face": profile.face_new, "plate": profile.own_plate_new},
        start=_ByClass({"face": 0.3, "plate": 0.5, "text": 0.6, "screen": 0.6, "paper": 0.6}, other=0.5),
        sure=_ByClass({"face": 0.5, "plate": 0.7, "text": 0.6, "screen": 0.7, "paper": 0.7}, other=2.0),
        hold=frames(Fraction(5)),
        linger=frames(Fraction(3)),
        lead=frames(Fraction(2)),
        brief=frames(Fraction(1, 2)),
        glance=frames(Fraction(1, 5)),
        small=_SMALL * scale,
        shutter=float(min(Fraction(1), rate * _SHUTTER)),
        seldom={"text": frames(_TEXT_APART)},
    )
