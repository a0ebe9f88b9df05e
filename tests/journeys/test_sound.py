"""The records officer and what is said: voices without a model, words with one, muted, checked, released with captions."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bwc.media.pcm import decode_sound
from bwc.media.probe import scan
from tests.journeys.conftest import FIXTURES, World

CLIP = FIXTURES / "speech" / "spoken.mp4"


def taken_in(world: World, card: Callable[..., Path]) -> str:
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--case", "26-1")
    return str(world.items()[0]["item"])


def sound_of(data: bytes) -> tuple[np.ndarray, int]:
    stream = scan(io.BytesIO(data), decode_frames=0).audio[0].stream
    parts = list(decode_sound(io.BytesIO(data), stream))
    return np.concatenate([samples for _, samples, _ in parts], axis=1), parts[0][2]


def test_without_a_model_every_voice_can_be_bleeped(world: World, card: Callable[..., Path], tmp_path: Path) -> None:
    """The model folder holds the detectors' weights but no speech model: the plan says so, and so does the check."""
    item = taken_in(world, card)
    plan = world.json("detect", item, "--no-listen", "--profile", "fast")["plans"][0]
    assert plan["summary"]["speech"] is None
    refused = world.run("mute", item, "--voices", code=4)
    assert "bwc listen" in refused.err
    heard = world.json("listen", item, "--no-words")["plans"][0]
    assert heard["summary"]["speech"]["voice_ms"] > 10_000
    assert heard["spoken"] == []
    assert "not looked for: Smith" in world.run("listen", item, "--no-words", "--word", "Smith", code=3).err
    assert "NOTHING WAS WRITTEN DOWN" in world.run("plan", item).out
    muted = world.json("mute", item, "--voices", "--bleep", "--exemption", "minor")
    assert muted["summary"]["muted_ms"] > 12_000
    assert {row["kind"] for row in world.json("plan", item)["plans"][0]["sounds"]} == {"bleep"}
    world.run("redact", item)
    report = world.json("check", item)["checks"][0]
    assert report["faults"] == []
    deaf = any(line.startswith("spoken words") for line in report["not_checked"])
    assert world.json("approve", item)["unheard"] == ([0] if deaf else [])
    assert ("did not look for spoken words" in world.run("approve", item).out) == deaf
    world.run("open", item, "--copy", "-o", tmp_path / "copy.mp4", "--reason", "review")
    samples, rate = sound_of((tmp_path / "copy.mp4").read_bytes())
    assert np.abs(samples[0, rate : 14 * rate]).max() < 0.12, "louder than the bleep"
    assert world.run("mute", item, "--from", "1", code=2).err.count("--no-audio") == 1


def test_words_are_proposed_muted_checked_and_captioned(
    world: World, card: Callable[..., Path], tmp_path: Path
) -> None:
    from bwc.errors import NotFound
    from bwc.redact.speech import model

    pytest.importorskip("faster_whisper", reason="in the folder of bwc: pip install '.[speech]'")
    try:
        model.load()
    except NotFound as error:
        pytest.skip(f"NO SPEECH MODEL, words are not tested: {error.hint}")
    item = taken_in(world, card)
    found = world.json("detect", item, "--profile", "fast")["plans"][0]["summary"]
    assert {"name", "address"} <= set(found["speech"]["proposals"])
    assert found["undecided"]
    spoken = world.json("plan", item, "--words")["plans"][0]["spoken"]
    assert any("Garcia" in row["words"] for row in spoken)
    world.run("plan", item, "--transcript", tmp_path / "words.txt")
    assert "# Garcia" in (tmp_path / "words.txt").read_text()
    assert world.run("log", item).out.count("frames.exported") == 2
    again = world.json("listen", item, "--no-words")["plans"][0]["spoken"]
    assert again == spoken, "without a recogniser what was proposed stays"
    assert world.run("log", item).out.count("frames.exported") == 3, "it showed words"
    world.run("redact", item)
    assert world.json("check", item)["checks"][0]["suspects"] == []
    world.run("approve", item, code=7)
    world.run("decide", item, "--class", "spoken", "redact", "--exemption", "privacy")
    world.run("redact", item)
    world.run("check", item)
    world.run("approve", item)
    world.run("release", item, "--request", "R-1", "-o", tmp_path / "R-1")
    captions = (tmp_path / "R-1" / f"{item}.vtt").read_text()
    assert "[redacted: name" in captions
    assert "jacket" in captions
    everything = b"".join(path.read_bytes() for path in (tmp_path / "R-1").rglob("*") if path.is_file())
    assert b"Garcia" not in everything
    assert b"Madison" not in everything
    world.run("verify", tmp_path / "R-1")
