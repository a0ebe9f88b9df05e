"""One suite for every detector: ours keep the contract, and what breaks it is found and named."""

from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest
from skimage import data

from bwc.errors import BwcError, NotFound, UsageError
from bwc.redact.detectors import conformance, plugins
from bwc.redact.detectors.base import Detection, Detector, Picture8, info
from bwc.redact.detectors.conformance import check_detector
from bwc.redact.detectors.faces import CenterFace
from bwc.redact.detectors.faces_check import CheckFaces
from bwc.redact.detectors.finder import Finder
from bwc.redact.detectors.plates import PlateFinder
from bwc.redact.plan import DetectorInfo

Answer = Callable[[Picture8], Any]


class Theirs:
    """A third party's detector: what it finds is up to the test."""

    name = "theirs"
    classes = ("face",)

    def __init__(self, does: Answer = lambda _: [Detection((1.0, 1.0, 9.0, 9.0), 0.5, "face")]) -> None:
        self._does = does
        self.settings: dict[str, Any] = {"size": 64}

    def describe(self) -> DetectorInfo:
        return info(name=self.name, package="theirs 1", file_sha256="0" * 64, licence="MIT", settings=self.settings)

    def detect(self, bgr: Picture8) -> Any:
        return self._does(bgr)


def spoil(bgr: Picture8) -> list[Detection]:
    bgr[:] = 0
    return []


BREAKERS: dict[str, Answer] = {
    "raises": lambda _: 1 / 0,
    "writes into": spoil,
    "not a list": lambda _: ("box",),
    "not Detection": lambda _: [(1, 2, 3, 4)],
    "the box": lambda bgr: [Detection((0.0, 0.0, bgr.shape[1] + 1.0, 5.0), 0.5, "face")],
    "nan the box": lambda _: [Detection((float("nan"), 0.0, 5.0, 5.0), 0.5, "face")],
    "score": lambda _: [Detection((0.0, 0.0, 5.0, 5.0), 1.5, "face")],
    "says it finds": lambda _: [Detection((0.0, 0.0, 5.0, 5.0), 0.5, "plate")],
    "best score first": lambda _: [Detection((0.0, 0.0, 5.0, 5.0), s, "face") for s in (0.2, 0.4)],
    "things in one picture": lambda _: [Detection((0.0, 0.0, 5.0, 5.0), 0.5, "face")] * 5000,
}


def ours() -> list[Callable[[], Detector]]:
    return [
        lambda: CenterFace.open((640,)),
        lambda: CheckFaces.open((640,)),
        lambda: PlateFinder.open((640,)),
        lambda: Finder.open((640,)),
    ]


@pytest.mark.parametrize("make", ours(), ids=("centerface", "libfacedetection", "clp_det", "bwc_finder"))
def test_ours_keep_the_contract(make: Callable[[], Detector]) -> None:
    try:
        detector = make()
    except BwcError as error:
        pytest.skip(f"weights absent: {error.message}; run: {error.hint}")
    photograph = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    assert check_detector(detector, photographs=[photograph]) > 10


@pytest.mark.parametrize("words", BREAKERS)
def test_what_breaks_the_contract_is_named(words: str) -> None:
    with pytest.raises(UsageError, match=words.removeprefix("nan ").removesuffix("s")):
        check_detector(Theirs(BREAKERS[words]))


def test_what_answers_differently_each_time_or_describes_itself_badly_is_named() -> None:
    count = iter(range(10**6))
    with pytest.raises(UsageError, match="asked again"):
        check_detector(Theirs(lambda _: [Detection((0.0, 0.0, 5.0, 5.0), 1 / (2 + next(count)), "face")]))
    vague = Theirs()
    vague.settings = {"threshold": 0.5}
    with pytest.raises(UsageError, match="settings"):
        check_detector(vague)
    assert check_detector(Theirs()) > 10


def test_a_plug_in_that_fails_stops_the_analysis_instead_of_being_left_out() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    assert plugins.Guarded(Theirs()).detect(picture) == [Detection((1.0, 1.0, 9.0, 9.0), 0.5, "face", ours=0.0)]
    for does in (BREAKERS["raises"], BREAKERS["the box"]):
        with pytest.raises(UsageError, match="theirs"):
            plugins.Guarded(Theirs(does)).detect(picture)
    plugins.Guarded(Theirs(spoil)).detect(np.full((64, 64, 3), 7, np.uint8))  # it was given a picture of its own


def test_plug_ins_are_found_by_entry_point_and_only_by_their_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(group: str) -> list[EntryPoint]:
        place = "tests.suites.test_detectors:Theirs"
        return [EntryPoint(name, place, group) for name in ("theirs", "centerface")]

    monkeypatch.setattr(plugins, "entry_points", points)
    assert plugins.installed() == ("centerface", "theirs")
    assert [one.name for one in plugins.find(["theirs"])] == ["theirs"]
    with pytest.raises(UsageError, match="calls itself"):
        plugins.load("centerface")
    with pytest.raises(NotFound, match="nobody"):
        plugins.load("nobody")
    assert conformance.main(["theirs"]) == 0


def test_of_all_plug_ins_one_that_is_not_set_up_is_left_out_and_of_named_ones_it_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(name: str) -> Theirs:
        if name == "absent":
            raise NotFound("it needs a model file", "export IT=/path")
        return Theirs()

    monkeypatch.setattr(conformance, "load", load)
    monkeypatch.setattr(conformance, "installed", lambda: ("absent", "theirs"))
    assert conformance.main([]) == 0
    assert "absent: left out: it needs a model file; export IT=/path" in capsys.readouterr().out
    assert conformance.main(["absent"]) == 1
