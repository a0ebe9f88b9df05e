"""What a second detection keeps of the plan that is there, and when a track is over."""

from dataclasses import replace

from bwc.canonical import sha256_hex
from bwc.media.delivery import Delivery
from bwc.redact import plan_edit
from bwc.redact.plan import DECODING, OVERLAY
from bwc.redact.plan_format import to_bytes
from bwc.redact.plan_rows import track_row, whole_row
from bwc.redact.plan_view import delivery_of
from bwc.redact.session import continued
from bwc.redact.speech.record import KEY
from tests.redact.clips import FRAMES, NOON, plan_for


def test_a_second_detection_keeps_what_was_chosen_or_heard_and_forgets_what_the_first_one_saw() -> None:
    seen = {DECODING: {"damaged": [[1, 2]]}, OVERLAY: [[0, 0, 8, 8]], KEY: {"tracks": []}}
    first = plan_for(b"clip", extensions=seen | {"acme": {"case": 7}})
    chosen = plan_edit.delivered(first, Delivery.FAITHFUL)
    drawn = plan_edit.add_mask(chosen, {3: (8, 8, 40, 40)}, last=5, by="key", at=NOON)
    fresh = plan_for(b"clip", spans=(), extensions={DECODING: {"damaged": []}})
    plan = continued(drawn, fresh)
    assert delivery_of(plan) is Delivery.FAITHFUL
    assert dict(plan.extensions) == {
        DECODING: {"damaged": []}, "delivery": {"profile": "faithful"}, "acme": {"case": 7}, KEY: {"tracks": []}
    }  # fmt: skip
    assert [track.id for track in plan.tracks] == ["m1"]
    assert (plan.plan_id, plan.revision, plan.previous) == (
        drawn.plan_id, drawn.revision + 1, sha256_hex(to_bytes(drawn))
    )  # fmt: skip
    assert replace(plan, tracks=drawn.tracks).effect == drawn.effect


def test_a_track_is_over_when_its_last_frame_is() -> None:
    plan = plan_for(b"clip", spans=((0, 3), (30, FRAMES)))
    assert (track_row(plan, plan.tracks[0])["start_ms"], track_row(plan, plan.tracks[0])["end_ms"]) == (0, 1501)
    plan = plan_edit.add_whole_frame(plan, 3, 6, by="key", at=NOON)
    assert (whole_row(plan, plan.whole_frame[0])["start_ms"], whole_row(plan, plan.whole_frame[0])["end_ms"]) == (
        100,
        200,
    )
