"""The codec's vectors on a grid: believed where a box's blocks agree, left to optical flow where they do not."""

import io

import numpy as np
import pytest

from bwc.media.decode import VideoReader
from bwc.redact.flow import Still, carry
from bwc.redact.motion import CELL, MotionField, carry_along, field_of
from tests.redact.test_track import H, W, walk

DTYPE = [
    ("source", "i4"), ("w", "u1"), ("h", "u1"), ("src_x", "i2"), ("src_y", "i2"), ("dst_x", "i2"), ("dst_y", "i2"),
    ("flags", "u8"), ("motion_x", "i4"), ("motion_y", "i4"), ("motion_scale", "u2"),
]  # fmt: skip  # as PyAV gives them: with the gaps that C leaves


def vectors(*rows: tuple[int, int, int, int, float, float]) -> np.ndarray:
    """(x, y, w, h of the block, how far it moved since the picture before, in pixels)."""
    made = np.zeros(len(rows), np.dtype(DTYPE, align=True))
    for one, (x, y, w, h, dx, dy) in zip(made, rows, strict=True):
        one["source"], one["w"], one["h"], one["motion_scale"] = -1, w, h, 4
        one["dst_x"], one["dst_y"] = x + w // 2, y + h // 2
        one["motion_x"], one["motion_y"] = round(-dx * 4), round(-dy * 4)
    return made


def whole(dx: float, dy: float, width: int = 160, height: int = 96) -> np.ndarray:
    return vectors(*[(x, y, 16, 16, dx, dy) for y in range(0, height, 16) for x in range(0, width, 16)])


def test_a_block_fills_its_cells() -> None:
    field = field_of(vectors((16, 32, 16, 8, 3, -2)), 160, 96, 1.0)
    assert field is not None
    known = np.argwhere(~np.isnan(field.moves[..., 0])).tolist()
    assert known == [[32 // CELL, 2], [32 // CELL, 3]]
    assert field.moves[4, 2].tolist() == [3, -2]


def test_blocks_over_the_edges_fill_what_is_inside() -> None:
    field = field_of(vectors((-8, -8, 16, 16, 1, 2), (152, 88, 16, 16, 3, 4), (400, 8, 8, 8, 9, 9)), 160, 96, 1.0)
    assert field is not None
    known = np.argwhere(~np.isnan(field.moves[..., 0])).tolist()
    assert known == [[0, 0], [96 // CELL - 1, 160 // CELL - 1]]
    assert field.moves[-1, -1].tolist() == [3, 4]


def test_rows_are_the_same_whoever_asks_first() -> None:
    rng = np.random.default_rng(5)
    rows = [(x, y, 16, 16, *rng.integers(-30, 30, 2)) for y in range(-8, 400, 16) for x in range(-8, 320, 16)]
    whole_field, field = (field_of(vectors(*rows[:-40:2]), 320, 400, 1.0) for _ in range(2))
    assert whole_field is not None
    assert field is not None
    for first, stop in ((20, 22), (30, 34), (3, 5), (40, 50)):
        np.testing.assert_array_equal(field.rows(first, stop), whole_field.moves[first:stop])
    np.testing.assert_array_equal(field.camera_move(), MotionField(whole_field.moves, 1.0).camera_move())


def test_a_keyframe_has_no_field() -> None:
    assert field_of(None, 160, 96, 1.0) is None
    assert field_of(vectors(), 160, 96, 1.0) is None


@pytest.mark.parametrize("backward", [False, True])
def test_a_box_moves_with_its_blocks_in_its_own_pixels(backward: bool) -> None:
    field = field_of(whole(6, -4), 160, 96, 2.0)
    assert field is not None
    moved, trusted = carry_along(field, np.asarray([[20, 10, 40, 30]], np.float32), backward=backward)
    assert trusted.all()
    sign = -1 if backward else 1
    np.testing.assert_allclose(moved[0], [20 + 3 * sign, 10 - 2 * sign, 40 + 3 * sign, 30 - 2 * sign], atol=0.01)


def test_blocks_that_disagree_or_are_missing_are_not_believed() -> None:
    rng = np.random.default_rng(3)
    wild = vectors(*[(x, y, 8, 8, *rng.uniform(-30, 30, 2)) for y in range(0, 96, 8) for x in range(0, 160, 8)])
    box = np.asarray([[40, 20, 100, 80]], np.float32)
    for found in (field_of(wild, 160, 96, 1.0), field_of(vectors((0, 0, 8, 8, 1, 1)), 160, 96, 1.0)):
        assert found is not None
        assert not carry_along(found, box, backward=False)[1].any()


def test_what_the_vectors_cannot_say_optical_flow_says() -> None:
    (before, box), (after, truth) = walk(4), walk(5)
    nobody_knows = MotionField(np.full((H // CELL, W // CELL, 2), np.nan, np.float32), 1.0)
    moved = carry(Still(before), Still(after, nobody_knows), box[None])
    assert moved.trusted[0]
    np.testing.assert_allclose(moved.boxes[0], truth, atol=2.0)


def test_real_vectors_follow_a_subject_both_ways() -> None:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options={"bf": "0", "refs": "1", "g": "60", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        for n in range(12):
            frame = av.VideoFrame.from_ndarray(walk(n)[0], format="gray8").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    pictures = list(VideoReader(io.BytesIO(out.getvalue()), motion_vectors=True).frames())
    fields = [field_of(one.motion, W, H, 1.0) for one in pictures]
    assert fields[0] is None
    box = walk(1)[1][None]
    for n in range(2, 12):
        field = fields[n]
        assert field is not None
        box, trusted = carry_along(field, box, backward=False)
        assert trusted.all(), n
    np.testing.assert_allclose(box[0], walk(11)[1], atol=4)
    for n in range(11, 1, -1):
        box, _ = carry_along(fields[n], box, backward=True)  # type: ignore[arg-type]
    np.testing.assert_allclose(box[0], walk(1)[1], atol=4)


def test_the_camera_moves_as_most_of_the_picture_does() -> None:
    blocks = [(x, y, 8, 8, 9 if x < 40 else 2, 1) for y in range(0, 96, 8) for x in range(0, 160, 8)]
    field = field_of(vectors(*blocks), 160, 96, 1.0)
    assert field is not None
    assert field.camera_move().tolist() == [2, 1]
    nowhere = field_of(vectors((8, 8, 8, 8, 5, 5)), 160, 96, 1.0)
    assert nowhere is not None
    assert nowhere.camera_move().tolist() == [0, 0]
