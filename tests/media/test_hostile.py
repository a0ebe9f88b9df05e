"""Damaged bytes anywhere: our errors or a counted loss, never a stray exception, never an endless read."""

import io
import itertools
import random
from fractions import Fraction

import pytest

from bwc.errors import BwcError
from bwc.media.audio import write_sound
from bwc.media.clap import clean_aperture
from bwc.media.decode import VideoReader
from bwc.media.facts import MediaFacts
from bwc.media.mp4 import Mp4
from bwc.media.mp4_check import check_boxes
from bwc.media.probe import scan
from tests.media import clips

FRAMES = [n * 3000 for n in range(12)]


def mutants(data: bytes, count: int, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        broken = bytearray(data[: chance.randrange(1, len(data))] if chance.random() < 0.3 else data)
        for _ in range(chance.choice([1, 3, 20, 100])):
            at = min(chance.randrange(len(broken)), chance.choice([len(broken) - 1, 2000]))
            broken[min(at, len(broken) - 1)] = chance.choice([0, 255, chance.randrange(256)])
        made.append(bytes(broken))
    return made


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts", "avi"])
def test_damage_is_an_error_of_ours_or_a_counted_loss(container: str) -> None:
    whole = clips.clip(
        container=container, pts=FRAMES, audio="pcm_s16le" if container == "avi" else "aac", audio_samples=20_000
    )
    for broken in mutants(whole, 40, seed=5):
        try:
            facts = scan(io.BytesIO(broken), decode_frames=5)
            assert MediaFacts.from_json(facts.to_json()) == facts
            pictures = list(VideoReader(io.BytesIO(broken)).frames())
            assert [picture.ordinal for picture in pictures] == list(range(len(pictures)))
            assert all(a.pts < b.pts for a, b in itertools.pairwise(pictures))
            for track in facts.audio:
                sink = io.BytesIO()
                sound = write_sound(io.BytesIO(broken), track.stream, sink.write, mutes=[(0, 200_000_000)])
                if sound is not None:
                    assert b"".join(Mp4([sound.track(sink, origin=min(sound.start, Fraction(0)))]))
        except BwcError:
            continue


def test_the_checker_and_the_window_survive_any_damage() -> None:
    whole = clips.our_mp4(FRAMES, size=(65, 49))
    assert clean_aperture(io.BytesIO(whole)) == (0, 0, 65, 49)
    head = whole.index(b"mdat")
    for broken in mutants(whole, 300, seed=6):
        check_boxes(io.BytesIO(broken))
        clean_aperture(io.BytesIO(broken))
    for at in range(0, head, 7):  # one flipped byte in the boxes, at many places: told or harmless, never a crash
        flipped = bytearray(whole)
        flipped[at] ^= 0x55
        check_boxes(io.BytesIO(bytes(flipped)))
