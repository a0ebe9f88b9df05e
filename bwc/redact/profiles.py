"""How hard to look: sizes, cadence and thresholds of the three profiles, with what each costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from bwc.errors import UsageError
from bwc.redact.track import Habits

DEFAULT = "balanced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is run when. Sizes are pixels along the longer side; `every` is time between looks at the picture.

    Every `deep_every`-th look, and the first and last of each scene, uses the deep sizes as well.
    """

    name: str
    faces: tuple[int, ...]
    faces_deep: tuple[int, ...]
    plates: tuple[int, ...]
    plates_deep: tuple[int, ...]
    own_plates: tuple[int, ...]
    own_plates_deep: tuple[int, ...]
    every: Fraction
    deep_every: int
    face_threshold: float = 0.2
    plate_threshold: float = 0.15  # of clp_det
    own_plate_threshold: float = 0.65  # of our own network: the lowest without a false alarm in 74 kept pictures at 640


# Cost of one pass, one thread, VNNI (Xeon, OpenVINO 2026.4, 2026-11), at 640, 960, 1280: faces (int8) 18, 40, 70 ms;
# our own plate network 9, 19, 35; clp_det 12, 27, 46. With onnxruntime about half as much again.
PROFILES: Mapping[str, Profile] = {
    "fast": Profile(
        name="fast",
        faces=(640,),
        faces_deep=(960,),
        plates=(),
        plates_deep=(640,),
        own_plates=(640,),
        own_plates_deep=(960,),
        every=Fraction(1, 2),
        deep_every=3,
    ),
    "balanced": Profile(
        name="balanced",
        faces=(960,),
        faces_deep=(640, 1280),
        plates=(),
        plates_deep=(640, 1280),
        own_plates=(960,),
        own_plates_deep=(640, 1280),
        # at 1/3 s and every 4th deep, faces of 12 to 20 px fell from 1450 of 1588 hidden to 1085 (docs/accuracy.md)
        every=Fraction(1, 6),
        deep_every=3,
    ),
    "max": Profile(
        name="max",
        faces=(640, 1280),
        faces_deep=(640, 1280, 1920),
        plates=(640, 1280, 1920),
        plates_deep=(640, 1280, 1920),
        own_plates=(640, 1280, 1920),
        own_plates_deep=(640, 1280, 1920),
        every=Fraction(1, 10),
        deep_every=3,
        face_threshold=0.15,
        plate_threshold=0.1,
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


def habits_for(rate: Fraction) -> Habits:
    """Track lifetimes for a recording of `rate` frames per second: waited for 3 s, lingers 1 s, leads 2 s."""

    def frames(seconds: Fraction) -> int:
        return max(2, min(240, round(seconds * rate)))

    return Habits(
        start=_ByClass({"face": 0.3, "plate": 0.5}, other=0.5),
        sure=_ByClass({"face": 0.5, "plate": 0.7}, other=2.0),
        hold=frames(Fraction(3)),
        linger=frames(Fraction(1)),
        lead=frames(Fraction(2)),
        brief=frames(Fraction(1, 2)),
    )
