"""Compares the sound of a copy with the original's: when it begins, how long it lasts, that hidden spans hold nothing.

Sound is compared in windows of 20 ms by its loudness and by that of its differences from sample to sample (how high
it is): the same for copied packets, near for sound that was encoded again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bwc.media.facts import MediaFacts
from bwc.media.pcm import decode_sound
from bwc.redact.check_report import Fault, Finding

WINDOWS_PER_SECOND = 50
LENGTH_SAMPLES = 1024  # one AAC packet: what a copy may be longer or shorter by
LOUDNESS_PERMILLE = 200  # difference of loudness against the original's; another recording differs by 500 and more
_SILENT = 1e-4  # of full scale: a sample below this is silence in 16 bits, give or take 3 steps
_BLEEP_HERTZ, _BLEEP_LOUDEST = 1_000, 0.25  # two bleeps may meet where the recording has a gap
_BLEEP_NOISE = 0.015  # of full scale: what may be left when the bleep is taken off
_BLEEP_WINDOW = 0.01  # seconds over which its loudness may change evenly
_NEAR_MUTE = 4  # windows around a muted span where the fade of neighbouring packets is heard
_FLOOR = 1e-3  # loudness below which two sounds are both called quiet
_NS = 1_000_000_000
_AT_ONCE = 32  # packets: what is done to each block takes longer than to its samples


@dataclass(slots=True)
class Loudness:
    """One sound track as decoded, on the recording's clock."""

    start: Fraction | None = None
    end: Fraction = Fraction(0)
    rate: int = 0
    channels: int = 0
    loudest_muted: float = 0.0
    beside_bleep: float = 0.0  # the loudest sample of a bleeped span that is not the bleep
    energy: dict[int, tuple[float, float]] = field(default_factory=dict)  # by window of 1/WINDOWS_PER_SECOND
    counts: dict[int, int] = field(default_factory=dict)

    def window(self, place: int, kind: int) -> float:
        """Root mean square of samples (`kind` 0) or of their differences (1) in one window."""
        count = self.counts.get(place, 0)
        return float(np.sqrt(self.energy[place][kind] / count)) if count else 0.0


def hear(
    file: BinaryIO,
    stream: int,
    muted: Sequence[tuple[int, int]],
    shift: Fraction = Fraction(0),
    *,
    window: tuple[Fraction, Fraction] | None = None,
    bleeped: Sequence[tuple[int, int]] = (),
) -> Loudness:
    """Decode sound track `stream` of `file`; `muted` spans in ns of the recording's clock, which is `shift` later.

    With `window`, seconds of that clock, only what lies in it counts.
    """
    heard = Loudness()
    for start, samples, rate in decode_sound(file, stream, at_once=_AT_ONCE):
        begin = start + shift
        if window is not None:
            low, high = (max(0, ceil((edge - begin) * rate)) for edge in window)
            samples, begin = samples[:, low:high], begin + Fraction(low, rate)
            if not samples.shape[1]:
                continue
        if heard.start is None:
            heard.start = begin
        heard.rate, heard.channels = rate, samples.shape[0]
        heard.end = max(heard.end, begin + Fraction(samples.shape[1], rate))
        first = round(begin * rate)
        _add(heard, samples, first, rate)
        for from_ns, to_ns in muted:
            inside = samples[:, max(0, -(-from_ns * rate // _NS) - first) : max(0, to_ns * rate // _NS - first)]
            if inside.size:
                heard.loudest_muted = max(heard.loudest_muted, float(np.abs(inside).max()))
        for from_ns, to_ns in bleeped:
            inside = samples[:, max(0, -(-from_ns * rate // _NS) - first) : max(0, to_ns * rate // _NS - first)]
            if inside.size:
                heard.beside_bleep = max(heard.beside_bleep, _beside_bleep(inside, rate))
    return heard


def _beside_bleep(samples: NDArray[np.float32], rate: int) -> float:
    """The loudest of `samples` when a tone of 1 kHz that grows or falls evenly is taken off; all of it if too loud."""
    count = samples.shape[1]
    loudest = float(np.abs(samples).max())
    if loudest > _BLEEP_LOUDEST:
        return loudest
    step = max(1, min(count, round(_BLEEP_WINDOW * rate)))
    worst = 0.0
    for place in [*range(0, max(1, count - step), step), max(0, count - step)]:
        part = samples[:, place : place + step].astype(np.float64)
        angle = 2 * np.pi * _BLEEP_HERTZ * np.arange(part.shape[1]) / rate
        waves = np.stack([np.sin(angle), np.cos(angle)])
        basis = np.concatenate([waves, waves * np.linspace(-1, 1, part.shape[1])]).T
        fitted, *_ = np.linalg.lstsq(basis, part.T, rcond=None)
        worst = max(worst, float(np.abs(part.T - basis @ fitted).max()))
    return worst


def compare_sound(
    original: BinaryIO,
    copy: BinaryIO,
    facts: tuple[MediaFacts, MediaFacts],
    *,
    muted: Sequence[tuple[int, int]],
    bleeped: Sequence[tuple[int, int]] = (),
    shift: Fraction,
    window: tuple[Fraction, Fraction] | None = None,
) -> tuple[list[Finding], dict[str, int]]:
    """What is wrong with the sound of `copy`, and what was measured. `facts` are of the original and of the copy.

    Every sample of `muted` spans is silent, of `bleeped` ones silent or the bleep.

    With `window` the copy is to hold only those seconds; the packets at its ends are silent.
    """
    edges = [] if window is None else [(int(edge * _NS), int(edge * _NS)) for edge in window]
    sources = [track for track in facts[0].audio if track.start is not None]
    results = [track for track in facts[1].audio if track.start is not None]
    findings, measures = [], {"audio_tracks": len(results)}
    if len(sources) != len(results):
        words = f"the original has {len(sources)} sound tracks that decode, the copy {len(results)}"
        fault = Fault.AUDIO_MISSING if len(results) < len(sources) else Fault.EXTRA_STREAM
        findings.append(Finding(fault=fault, detail=words))
    for number, (source, result) in enumerate(zip(sources, results, strict=False), 1):
        before = hear(original, source.stream, (), window=window)
        after = hear(copy, result.stream, muted, shift, bleeped=bleeped)
        found, apart = _differences(number, before, after, [*muted, *bleeped], edges)
        findings += found
        measures[f"audio_{number}_difference_permille"] = apart
        measures[f"audio_{number}_start_us"] = int((after.start or Fraction(0)) * 1_000_000)
        measures[f"audio_{number}_length_us"] = int((after.end - (after.start or Fraction(0))) * 1_000_000)
    return findings, measures


def _differences(
    number: int,
    before: Loudness,
    after: Loudness,
    muted: Sequence[tuple[int, int]],
    edges: Sequence[tuple[int, int]],
) -> tuple[list[Finding], int]:
    found = []
    name = f"sound track {number}"
    if before.start is None or after.start is None:
        return (
            [Finding(fault=Fault.AUDIO_MISSING, detail=f"{name} does not decode")] if before.start is not None else []
        ), 0
    tick = Fraction(1, min(before.rate, after.rate))
    if abs(before.start - after.start) > tick:
        words = f"{name} begins at {float(after.start):.6f} s, the original's at {float(before.start):.6f} s"
        found.append(Finding(fault=Fault.AUDIO_DIFFERS, detail=words))
    longer = (after.end - after.start) - (before.end - before.start)
    if abs(longer) > LENGTH_SAMPLES * tick:
        words = f"{name} lasts {float(after.end - after.start):.6f} s, {float(longer):+.6f} s against the original"
        found.append(Finding(fault=Fault.AUDIO_DIFFERS, detail=words))
    if before.channels != after.channels and after.channels < min(before.channels, 8):
        words = f"{name} has {after.channels} channels, the original {before.channels}"
        found.append(Finding(fault=Fault.AUDIO_DIFFERS, detail=words))
    apart = _apart(before, after, [*muted, *edges])
    if apart > LOUDNESS_PERMILLE:
        words = f"{name} is not the original's: loudness differs by {apart} per mille outside muted spans"
        found.append(Finding(fault=Fault.AUDIO_DIFFERS, detail=words))
    if after.beside_bleep > _BLEEP_NOISE:
        words = f"{name} has something beside the bleep in a bleeped span: {round(after.beside_bleep * 32768)} of 32768"
        found.append(Finding(fault=Fault.MUTE_HEARD, detail=words))
    if after.loudest_muted > _SILENT:
        words = f"{name} is heard in a muted span: {round(after.loudest_muted * 32768)} of 32768"
        found.append(Finding(fault=Fault.MUTE_HEARD, detail=words))
    return found, apart


def _apart(before: Loudness, after: Loudness, muted: Sequence[tuple[int, int]]) -> int:
    hidden: set[int] = set()
    for from_ns, to_ns in muted:
        first, last = (edge * WINDOWS_PER_SECOND // _NS for edge in (from_ns, to_ns))
        first = max(first, min(before.counts, default=0))
        last = min(last, max(before.counts, default=0))
        hidden |= set(range(first - _NEAR_MUTE, last + _NEAR_MUTE + 1))
    places = sorted((before.counts.keys() | after.counts.keys()) - hidden)
    if not places:
        return 0
    worst = 0.0
    for kind, floor in enumerate((_FLOOR, _FLOOR / 4)):
        total = sum(before.window(place, kind) for place in places) + floor * len(places)
        apart = sum(abs(before.window(place, kind) - after.window(place, kind)) for place in places)
        worst = max(worst, apart / total)
    return int(1000 * worst)


def _add(heard: Loudness, samples: NDArray[np.float32], first: int, rate: int) -> None:
    if not samples.shape[1]:
        return
    exact = samples.astype(np.float64)
    places = (first + np.arange(samples.shape[1])) * WINDOWS_PER_SECOND // rate
    base = int(places[0])
    places -= base
    steps = np.diff(exact, axis=1, prepend=exact[:, :1])
    rows = zip(
        np.bincount(places, np.square(exact).mean(axis=0)),
        np.bincount(places, np.square(steps).mean(axis=0)),
        np.bincount(places),
        strict=True,
    )
    for place, (loud, high, count) in enumerate(rows, base):
        before = heard.energy.get(place, (0.0, 0.0))
        heard.energy[place] = (before[0] + float(loud), before[1] + float(high))
        heard.counts[place] = heard.counts.get(place, 0) + int(count)
