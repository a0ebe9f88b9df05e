"""Copies in players that others wrote: ffmpeg at its strictest, Chromium, libVLC. Every frame, once, at its time.

Pictures carry their number as black and white squares (tests/redact/test_timing.py); Chromium reads it back from its own screen.
"""

import base64
import ctypes
import ctypes.util
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from bwc.media.delivery import Delivery
from tests.browser.chromium import Chromium
from tests.media.test_delivery import delivered_as
from tests.redact.test_timing import FRAMES, SMART, VARIANTS, made

pytestmark = pytest.mark.independent

NAMES = ["constant", "ntsc", "variable", "half_a_second_late", "all_intra", "one_group", "b_frames", "hevc"]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Fraction]]]:
    """A copy of each kind of recording, and the times of its frames as seconds."""
    folder, found = tmp_path_factory.mktemp("copies"), {}
    for name in NAMES:
        copy, result, plan = delivered_as(made(VARIANTS[name]), Delivery.COMPATIBLE)
        assert result.way.value == ("smart" if name in SMART else "full")
        (folder / f"{name}.mp4").write_bytes(copy)
        found[name] = folder / f"{name}.mp4", [tick * plan.media.time_base for tick in plan.media.pts]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_ffmpeg_at_its_strictest_has_nothing_to_say(copies: dict[str, tuple[Path, list[Fraction]]], name: str) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg absent: copies were NOT tried in it (apt-get install ffmpeg)")
    path, times = copies[name]
    words = ["ffmpeg", "-v", "warning", "-xerror", "-err_detect", "explode", "-i", str(path), "-map", "0:v"]
    done = subprocess.run(
        [*words, "-fps_mode", "passthrough", "-copyts", "-enc_time_base", "-1", "-f", "framemd5", "-"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(",") for line in done.stdout.splitlines() if not line.startswith("#")]
    base = Fraction(next(line.split()[-1] for line in done.stdout.splitlines() if line.startswith("#tb 0")))
    assert [int(row[2]) * base for row in rows] == times


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    found = Chromium(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


PAGE = """<!doctype html><video id="v" muted playsinline></video><script>
const bytes = Uint8Array.from(atob("DATA"), (c) => c.charCodeAt(0));
const v = document.getElementById("v");
v.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
const canvas = document.createElement("canvas");
[canvas.width, canvas.height] = [160, 96];
const pen = canvas.getContext("2d", { willReadFrequently: true });
function number() {
  pen.drawImage(v, 0, 0);
  let found = 0;
  for (let bit = 0; bit < 16; bit += 1) {
    const data = pen.getImageData((bit % 8) * 16 + 4, Math.floor(bit / 8) * 16 + 4, 8, 8).data;
    let sum = 0;
    for (let at = 0; at < data.length; at += 4) sum += data[at + 1];
    if (sum / 64 > 125) found |= 1 << bit;
  }
  return found;
}
async function seek(when) {
  const done = new Promise((ok) => v.addEventListener("seeked", ok, { once: true }));
  v.currentTime = when;
  await done;
  await new Promise((ok) => v.requestVideoFrameCallback ? requestAnimationFrame(() => requestAnimationFrame(ok)) : ok());
  return number();
}
[window.seen, window.bwcVerify] = [null, true]; // the second: the page has loaded
async function play() {
  const shown = [];
  const note = (_, told) => { shown.push([told.mediaTime, number()]); v.requestVideoFrameCallback(note); };
  v.requestVideoFrameCallback(note);
  v.playbackRate = 0.5;
  const end = new Promise((ok) => v.addEventListener("ended", ok, { once: true }));
  await v.play();
  await end;
  const quality = v.getVideoPlaybackQuality();
  window.seen = { shown, total: quality.totalVideoFrames, dropped: quality.droppedVideoFrames, corrupted: quality.corruptedVideoFrames };
}
</script>"""


@pytest.mark.parametrize("name", ["constant", "variable", "half_a_second_late", "b_frames"])
def test_chromium_plays_and_seeks_every_frame(
    browser: Chromium, copies: dict[str, tuple[Path, list[Fraction]]], name: str, tmp_path: Path
) -> None:
    path, times = copies[name]
    (tmp_path / "play.html").write_text(PAGE.replace("DATA", base64.b64encode(path.read_bytes()).decode()))
    browser.open(tmp_path / "play.html")
    browser.wait_for("v.readyState >= 2 || v.error")
    assert browser.value("v.error && v.error.message") is None
    last = max(float(times[-1]), 2.0)  # sound of two seconds
    assert abs(browser.value("v.duration") - last) < 1.6
    for ordinal in (
        0,
        14,
        15,
        19,
        20,
        22,
        29,
        30,
        31,
        44,
        58,
        59,
        7,
    ):  # joins of copied and encoded pictures among them
        when = float(times[ordinal]) + 0.004
        assert browser.value(f"seek({when})") == ordinal, (name, ordinal)
    browser.value("seek(0)")
    browser.value("void play()")
    browser.wait_for("window.seen !== null", 60)
    told = json.loads(browser.value("JSON.stringify(window.seen)"))
    assert told["corrupted"] == 0
    numbers = [number for _, number in told["shown"]]
    assert numbers == sorted(numbers)  # a busy machine may drop frames, never disorder them
    assert len(set(numbers)) > FRAMES // 3
    for when, number in told["shown"]:
        near = min(range(FRAMES), key=lambda at: abs(float(times[at]) - when))
        assert abs(near - number) <= 1  # the canvas may be a frame ahead of the callback


class _Stats(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_float if "bitrate" in name else ctypes.c_int)
        for name in (
            "read_bytes", "input_bitrate", "demux_read_bytes", "demux_bitrate", "demux_corrupted", "demux_discontinuity",
            "decoded_video", "decoded_audio", "displayed_pictures", "lost_pictures", "played_abuffers", "lost_abuffers",
            "sent_packets", "sent_bytes", "send_bitrate",
        )
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["constant", "variable", "b_frames"])
def test_libvlc_decodes_every_frame(copies: dict[str, tuple[Path, list[Fraction]]], name: str) -> None:
    library = ctypes.util.find_library("vlc")
    if library is None:
        pytest.skip("libVLC absent: copies were NOT tried in it (apt-get install libvlc5 vlc-plugin-base)")
    vlc = ctypes.CDLL(library)
    for function in ("libvlc_new", "libvlc_media_new_path", "libvlc_media_player_new_from_media"):
        getattr(vlc, function).restype = ctypes.c_void_p
    words = [b"--vout=dummy", b"--aout=dummy", b"--no-drop-late-frames", b"--no-skip-frames", b"--quiet"]
    instance = ctypes.c_void_p(vlc.libvlc_new(len(words), (ctypes.c_char_p * len(words))(*words)))
    assert instance.value
    path, times = copies[name]
    media = ctypes.c_void_p(vlc.libvlc_media_new_path(instance, str(path).encode()))
    player = ctypes.c_void_p(vlc.libvlc_media_player_new_from_media(media))
    assert vlc.libvlc_media_player_play(player) == 0
    stats, ended, deadline = _Stats(), 6, time.monotonic() + 30
    while vlc.libvlc_media_player_get_state(player) not in (ended, 7) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert vlc.libvlc_media_player_get_state(player) == ended
    assert vlc.libvlc_media_get_stats(media, ctypes.byref(stats))
    vlc.libvlc_media_player_release(player)
    vlc.libvlc_media_release(media)
    vlc.libvlc_release(instance)
    assert stats.demux_corrupted == 0
    assert stats.decoded_video >= len(times)
