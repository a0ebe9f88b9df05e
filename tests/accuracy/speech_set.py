"""Speech whose words, times and personal data are known: `python tests/accuracy/speech_set.py FOLDER [--samples DIR]`.

espeak-ng (Debian: `apt-get install espeak-ng`) speaks dialogues of a stop, a burglary call, a welfare check; its library says at
which sample each word begins. Each dialogue is written at four noise levels (clean, 20, 10, 5 dB: wind, traffic hum and hiss)
as NAME.mp4 (a small dark picture, AAC) with NAME.speech.json beside it:

    {"words": [{"text": "Maria", "start_ms": 1210, "end_ms": 1530, "kind": "name"}, …], "watch": [], "noise": "10 dB"}

`kind` is absent for words that are no personal data. Real recordings of `--samples` (`NAME.speech.json` in
`tests/accuracy/speech_labels/`) are written at the same four levels; their targets are words on a watch list.
"""

import argparse
import ctypes
import json
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

LIBRARY = "libespeak-ng.so.1"
LABELS = Path(__file__).with_name("speech_labels")
LEVELS: tuple[tuple[str, float | None], ...] = (("clean", None), ("20 dB", 20), ("10 dB", 10), ("5 dB", 5))
RATE = 48_000
VOICES = ("en-us", "en-us+f3", "en-us+m3", "en-gb", "en-us+f4", "en-us+m7")
SPEEDS = (150, 165, 140, 175)

# {kind: words} marks personal data. NAME, SURNAME, STREET, TOWN, DIGITS and LETTERS are filled in by chance
DIALOGUES = (
    "Good evening, do you know why I stopped you tonight? No sir, I do not. "
    "Okay. What is your name? {name:NAME SURNAME}. And your date of birth? {birth:MONTH ORDINAL, nineteen eighty DIGIT}. "
    "Thank you, please stay in the car for me.",
    "Dispatch, can you run the plate for me? {plate:LETTERS DIGITS4}. Copy that, stand by. "
    "The vehicle comes back valid. The driver is still inside and the engine is running.",
    "Can you tell me what happened here? Somebody broke the window in the back. "
    "My name is {name:NAME SURNAME}, I live at {address:HOUSE STREET Street}. "
    "The man ran down the alley behind the school. He was wearing a dark jacket.",
    "We need a phone number where we can reach you tomorrow. My phone number is {phone:DIGITS10}. "
    "All right, somebody will call you in the morning about the report.",
    "Her name is {name:NAME SURNAME} and she has been missing since yesterday. "
    "She was last seen near the bus station. Was she with anybody? She was with a friend from work.",
    "I will need your social for the form. It is {number:DIGITS9}. Thank you. "
    "Please sign here at the bottom of the page, and keep the copy for yourself.",
    "How do you spell that? {letters:SPELLED}. Okay, got it. "
    "Let me write that down. Now tell me again where the fire started, and who called it in.",
    "We are responding to {address:HOUSE STREET Avenue}, apartment {address:DIGIT}. "
    "Caller says there is shouting upstairs. Two units are already on the way.",
    "Sir, put the bag on the ground and step back. Keep your hands where I can see them. "
    "What do you have in your pockets? Nothing, just my wallet and the keys to the truck.",
    "Officer, I was just walking home when {name:NAME} came around the corner. "
    "We talked for a minute, then I heard the noise. I do not know anything else about it.",
    "His license number is {number:LETTER DIGITS7}. Copy, that comes back clear. "
    "He also has a warrant out of the county, so wait for the second unit.",
    "The reporting party is {name:NAME SURNAME}, call back number {phone:DIGITS10}. "
    "She says the neighbor's dog has been barking all night and nobody is home.",
)
NAMES = (
    "Robert",
    "Maria",
    "Jennifer",
    "Michael",
    "Angela",
    "Thomas",
    "Patricia",
    "Kevin",
    "Sandra",
    "Daniel",
    "Laura",
    "Steven",
    "Jessica",
    "Anthony",
)
SURNAMES = (
    "Hanson",
    "Rodriguez",
    "Miller",
    "Thompson",
    "Garcia",
    "Peterson",
    "Sullivan",
    "Ramirez",
    "Fletcher",
    "Morrison",
    "Alvarez",
    "Jenkins",
)
STREETS = ("Maple", "Franklin", "Madison", "Lincoln", "Harrison", "Jefferson", "Walnut", "Cherry", "Oakland", "Monroe")
MONTHS = ("January", "March", "April", "June", "July", "August", "October", "November")
ORDINALS = ("first", "third", "fifth", "ninth", "tenth", "twelfth", "fourteenth", "twentieth")
DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(slots=True)
class Spoken:
    """One utterance: samples of `rate`, and where each word lies."""

    rate: int
    samples: NDArray[np.float32]
    words: list[dict[str, Any]] = field(default_factory=list)
    watch: list[str] = field(default_factory=list)


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


class Speaker:
    """espeak-ng as a library: its program does not say when words begin."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL(LIBRARY)
        self.rate = self._lib.espeak_Initialize(2, 0, None, 0x8000)  # synchronous; never exit()
        if self.rate <= 0:
            raise OSError("espeak-ng does not start")
        self._parts: list[NDArray[np.int16]] = []
        self._begins: list[tuple[int, int]] = []  # sample, position in the text (characters from 1)
        self._ends: list[int] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self._callback = kind(self._take)
        self._lib.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, *, voice: str, speed: int) -> tuple[NDArray[np.float32], list[tuple[int, int, int]]]:
        """(samples, [(position in `text`, first sample, last sample + 1)…])."""
        self._parts, self._begins, self._ends = [], [], []
        self._lib.espeak_SetVoiceByName(voice.encode())
        self._lib.espeak_SetParameter(1, speed, 0)
        data = text.encode("ascii")
        self._lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, 1, None, None)
        samples = np.concatenate(self._parts).astype(np.float32) / 32768
        edges = sorted({*(at for at, _ in self._begins), *self._ends, len(samples)})
        found = []
        for at, position in self._begins:
            stop = next((edge for edge in edges if edge > at), len(samples))
            loud = np.flatnonzero(np.abs(samples[at:stop]) > 0.01)
            found.append((position - 1, at, at + int(loud[-1]) + 1 if loud.size else stop))
        return samples, found

    def _take(self, data: Any, count: int, events: Any) -> int:
        if data and count:
            self._parts.append(np.ctypeslib.as_array(data, (count,)).copy())
        place = 0
        while events[place].type:
            one = events[place]
            if one.type == 1:
                self._begins.append((one.sample, one.text_position))
            elif one.type == 5:
                self._ends.append(one.sample)
            place += 1
        return 0


def dialogue(text: str, chance: random.Random) -> tuple[str, list[tuple[int, int, str]]]:
    """The words to say, and (first character, last + 1, kind) of what is personal."""

    def fill(match: re.Match[str]) -> str:
        word = match[0]
        if word == "NAME":
            return chance.choice(NAMES)
        if word == "SURNAME":
            return chance.choice(SURNAMES)
        if word == "STREET":
            return chance.choice(STREETS)
        if word == "MONTH":
            return chance.choice(MONTHS)
        if word == "ORDINAL":
            return chance.choice(ORDINALS)
        if word == "HOUSE":
            return " ".join(chance.choice(DIGIT_WORDS[1:]) for _ in range(3))
        if word == "SPELLED":
            return ", ".join(chance.choice(SURNAMES)[:6].upper())
        if word.startswith("LETTER"):
            return " ".join(chance.choice("BCDFGHJKLMNPQRSTVWXYZ") for _ in range(3 if word == "LETTERS" else 1))
        count = int(word.removeprefix("DIGITS") or 1) if word != "DIGIT" else 1
        return " ".join(chance.choice(DIGIT_WORDS) for _ in range(count))

    filled = re.sub(r"\b(NAME|SURNAME|STREET|MONTH|ORDINAL|HOUSE|SPELLED|LETTERS?|DIGITS?\d*)\b", fill, text)
    plain, marks, rest = "", [], filled
    while match := re.search(r"\{(\w+):([^}]*)\}", rest):
        plain += rest[: match.start()]
        marks.append((len(plain), len(plain) + len(match[2]), match[1]))
        plain += match[2]
        rest = rest[match.end() :]
    return plain + rest, marks


def speak(speaker: Speaker, text: str, marks: list[tuple[int, int, str]], *, voice: str, speed: int) -> Spoken:
    samples, begins = speaker.say(text, voice=voice, speed=speed)
    done = Spoken(rate=speaker.rate, samples=samples)
    for position, first, stop in begins:
        word = re.match(r"[A-Za-z']+", text[position:])
        if not word or (position and text[position - 1].isalnum()):
            continue  # the library announces the end of some clauses once more
        row: dict[str, Any] = {
            "text": word[0],
            "start_ms": first * 1000 // speaker.rate,
            "end_ms": -(-stop * 1000 // speaker.rate),
        }
        kind = next((kind for begin, end, kind in marks if begin <= position < end), None)
        done.words.append(row | ({"kind": kind} if kind else {}))
    return done


def noise(length: int, rate: int, seed: int) -> NDArray[np.float32]:
    """Wind that swells, a hum of traffic, hiss: root mean square 1."""
    chance = np.random.default_rng(seed)
    wanted, length = length, 1 << (length - 1).bit_length()  # a length whose transform is quick
    white = chance.standard_normal(length)
    spectrum, bins = np.fft.rfft(white), np.fft.rfftfreq(length, 1 / rate)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(bins, 20)), length)
    wind = np.fft.irfft(np.fft.rfft(chance.standard_normal(length)) * (bins < 300) / np.maximum(bins, 30), length)
    swell = np.interp(np.arange(length), np.arange(0, length + rate, rate), chance.uniform(0.3, 1, length // rate + 2))
    seconds = np.arange(length) / rate
    hum = sum(np.sin(2 * np.pi * 83 * k * seconds + chance.uniform(0, 6)) / k for k in range(1, 9))
    parts = [pink / pink.std(), wind / wind.std() * swell, 0.4 * hum / np.std(hum), 0.3 * white / white.std()]
    mixed = np.sum(parts, axis=0)
    return np.asarray(mixed[:wanted] / mixed[:wanted].std(), np.float32)


def resampled(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    if rate == RATE:
        return samples
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
    frame.sample_rate = rate
    parts = [part.to_ndarray() for given in (frame, None) for part in resampler.resample(given)]
    return np.concatenate(parts, axis=1)[0].astype(np.float32)


def write_clip(path: Path, spoken: Spoken, level: tuple[str, float | None], seed: int) -> None:
    """NAME.mp4 and NAME.speech.json: half a second of noise before and after the words."""
    quiet = np.zeros(RATE // 2, np.float32)
    samples = np.concatenate([quiet, resampled(spoken.samples, spoken.rate), quiet])
    if level[1] is not None:
        loud = np.abs(samples) > 0.02
        power = float(np.sqrt(np.mean(np.square(samples[loud])))) * 10 ** (-level[1] / 20)
        samples = samples + power * noise(len(samples), RATE, seed)
    samples *= np.float32(min(1.0, 0.9 / float(np.abs(samples).max())))
    with av.open(str(path), "w") as out:
        picture = out.add_stream(
            "libx264", rate=5, width=64, height=48, pix_fmt="yuv420p", options={"preset": "ultrafast"}
        )
        sound = out.add_stream("aac", rate=RATE, layout="mono", bit_rate=96_000)
        for place in range(-(-len(samples) * 5 // RATE)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20, np.uint8), format="rgb24")
            frame.pts, frame.time_base = place, Fraction(1, 5)
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        for place in range(0, len(samples), 1024):
            block = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[None, place : place + 1024]), format="fltp", layout="mono"
            )
            block.sample_rate, block.pts, block.time_base = RATE, place, Fraction(1, RATE)
            out.mux(sound.encode(block))
        out.mux(sound.encode(None))
    words = [word | {"start_ms": word["start_ms"] + 500, "end_ms": word["end_ms"] + 500} for word in spoken.words]
    truth = {"noise": level[0], "watch": spoken.watch, "words": words}
    path.with_suffix(".speech.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")


def dialogues(speaker: Speaker, rounds: int) -> Iterator[tuple[str, Spoken]]:
    chance = random.Random(26)
    for turn in range(rounds):
        order = chance.sample(DIALOGUES, len(DIALOGUES))
        for number in range(0, len(order), 3):
            parts = []
            for text in order[number : number + 3]:
                plain, marks = dialogue(text, chance)
                voice, speed = chance.choice(VOICES), chance.choice(SPEEDS)
                parts.append(speak(speaker, plain, marks, voice=voice, speed=speed))
            yield f"said_{turn:02d}_{number:02d}", after_each_other(parts)


def after_each_other(parts: list[Spoken]) -> Spoken:
    """One utterance of several, a second apart."""
    whole = Spoken(rate=parts[0].rate, samples=np.zeros(0, np.float32))
    for part in parts:
        away = len(whole.samples) * 1000 // whole.rate
        whole.words += [
            word | {"start_ms": word["start_ms"] + away, "end_ms": word["end_ms"] + away} for word in part.words
        ]
        whole.samples = np.concatenate([whole.samples, part.samples, np.zeros(whole.rate, np.float32)])
    return whole


def real_samples(folder: Path) -> Iterator[tuple[str, Spoken]]:
    for label in sorted(LABELS.glob("*.json")):
        truth = json.loads(label.read_text(encoding="utf-8"))
        source = folder / truth["file"]
        if not source.is_file():
            print(f"{source} is not here: left out", file=sys.stderr)
            continue
        with av.open(str(source)) as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
            frames += resampler.resample(None)
        samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)[0].astype(np.float32)
        yield source.stem, Spoken(rate=RATE, samples=samples, words=truth["words"], watch=truth["watch"])


def make(folder: Path, *, rounds: int = 3, samples: Path | None = None, levels: Sequence[str] = ()) -> list[Path]:
    """Write the set, or only its clips at `levels` of noise. Raises `OSError` when espeak-ng is not here."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    sources = list(dialogues(Speaker(), rounds)) + (list(real_samples(samples)) if samples else [])
    for seed, (name, spoken) in enumerate(sources):
        for level in (one for one in LEVELS if not levels or one[0] in levels):
            path = folder / f"{name}_{level[0].replace(' ', '')}.mp4"
            write_clip(path, spoken, level, seed)
            made.append(path)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=Path)
    parser.add_argument("--level", action="append", default=[], choices=[name for name, _ in LEVELS], help="only these")
    parser.add_argument("--fixture", action="store_true", help="only the clip of fixtures/speech")
    args = parser.parse_args()
    if args.fixture:
        plain, marks = dialogue(DIALOGUES[2], random.Random(4))
        spoken = speak(Speaker(), plain, marks, voice="en-us", speed=150)
        args.folder.mkdir(parents=True, exist_ok=True)
        write_clip(args.folder / "spoken.mp4", spoken, LEVELS[0], 0)
        return
    print(f"{len(make(args.folder, rounds=args.rounds, samples=args.samples, levels=args.level))} clips")


if __name__ == "__main__":
    main()
