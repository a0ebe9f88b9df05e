"""The second opinion's own detectors: what they are when all weight files are here, and when one is not."""

import pytest

from bwc.errors import NotFound
from bwc.redact import check_finders
from bwc.redact.check_finders import Finders
from bwc.redact.lookout import lookout_for
from bwc.redact.profiles import profile_named
from tests.redact.test_detectors import drawn_plate, iou


def test_the_check_finds_a_plate_with_weights_that_no_usual_plan_is_made_with() -> None:
    finders = Finders.open()
    (seeker,) = [one for one in finders.fine if "plate" in one.classes]
    assert iou(seeker.detect(drawn_plate())[0].box, (270, 300, 400, 340)) > 0.5
    made_with = {one.file_sha256 for one in lookout_for(profile_named("balanced")).describe()}
    assert seeker.describe().file_sha256 not in made_with


def test_plates_are_looked_for_without_the_weight_file_of_others_and_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(*_: object, **__: object) -> None:
        raise NotFound("the model file is not here")

    monkeypatch.setattr(check_finders.PlateFinder, "open", absent)
    finders = Finders.open()
    assert [one for one in finders.fine if "plate" in one.classes]
    assert [one.name for one in finders.closer("plate")] == ["bwc_finder"]
    (said,) = finders.not_checked
    assert said.endswith("the weight file clp_det.onnx is not here")
