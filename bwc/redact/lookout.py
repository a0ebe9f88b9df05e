"""Which detectors look at the pictures of one analysis: the shipped ones as a profile uses them, plug-ins, what is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from bwc.redact.again import Again
from bwc.redact.detectors.base import Detector
from bwc.redact.detectors.faces import FAR, CenterFace
from bwc.redact.detectors.faces import open_network as open_faces
from bwc.redact.detectors.finder import Finder
from bwc.redact.detectors.finder import open_network as open_finder
from bwc.redact.detectors.plates import SCENERY, PlateFinder
from bwc.redact.detectors.plates import open_network as open_plates
from bwc.redact.detectors.plugins import find as find_plugins
from bwc.redact.detectors.text import TextFinder
from bwc.redact.plan import DetectorInfo
from bwc.redact.profiles import Profile

_FAR_HEAD = 32  # pixels of height at the size that plates are looked for: the other sizes see larger ones


@dataclass(frozen=True, slots=True)
class Lookout:
    """Detectors for an ordinary and for a deep look; `rare` ones join a look about once a second, `far` ones every ten."""

    ordinary: tuple[Detector, ...]
    deep: tuple[Detector, ...]
    rare: tuple[Detector, ...] = ()
    far: tuple[Detector, ...] = ()
    again: Again | None = None
    aside: Detector | None = None  # looks now and then whether people stand another way; one of the ordinary ones

    def describe(self) -> tuple[DetectorInfo, ...]:
        """Each network once for each way it is used."""
        detectors = (*self.ordinary, *self.deep, *self.rare, *self.far, *(self.again.detectors() if self.again else ()))
        said = {repr(one): one for one in (detector.describe() for detector in detectors)}
        return tuple(said.values())


def lookout_for(profile: Profile, also: Sequence[str] = (), *, text: bool = False, screens: bool = False) -> Lookout:
    """The shipped detectors as `profile` uses them, plug-ins called `also` at every look; text, and screens and papers, when asked for.

    Raises `NotFound` when weight files or a plug-in are absent.
    """
    more = find_plugins(also)
    faces, own = open_faces(), open_finder()
    usual = CenterFace(faces, profile.faces, profile.face_threshold)
    small = CenterFace(faces, profile.faces_deep + profile.faces_far, profile.face_new, FAR)
    plates = open_plates() if profile.plates or profile.plates_deep else None
    wanted = {"plate": profile.own_plate_threshold, "head": profile.head_threshold}
    sheets = open_finder(sheets=True) if screens else None
    sheets_only = {"screen": profile.sheet_threshold, "paper": profile.sheet_threshold}
    plates_only = {"plate": profile.own_plate_threshold}
    far_heads = plates_only | {"head": profile.far_head_threshold}

    def others(sides: tuple[int, ...]) -> list[Detector]:
        return [PlateFinder(plates, sides, profile.plate_threshold, SCENERY)] if plates and sides else []

    def asked(sides: tuple[int, ...]) -> list[Detector]:
        return [Finder(sheets, sides, sheets_only)] if sheets else []

    return Lookout(
        (
            usual,
            *others(profile.plates),
            Finder(own, profile.own, wanted),
            *asked(profile.own),
            *more,
        ),
        (
            CenterFace(faces, profile.faces_deep, profile.face_threshold),
            *others(profile.plates_deep),
            Finder(own, profile.own_deep, wanted),
            *asked(profile.own_deep),
            *(Finder(own, (side,), far_heads, heads_below=_FAR_HEAD) for side in profile.own_plates_deep),
            *(Finder(own, (side,), plates_only, enlarge=False) for side in profile.own_plates_large),
            *more,
        ),
        (TextFinder.open(),) if text else (),
        (small, usual) if profile.faces_far else (),
        Again(faces, own),
        usual,
    )
