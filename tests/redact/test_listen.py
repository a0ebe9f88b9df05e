"""Listening: proposals for a person, what a person said stays, a record that changes nothing, captions, the check."""

import io
from dataclasses import replace
from itertools import pairwise
from math import floor

import pytest

from bwc.evidence import Choice
from bwc.media.decode import VideoReader
from bwc.redact import plan_edit, session, sound_wish
from bwc.redact.check import check
from bwc.redact.check_finders import Finders
from bwc.redact.check_report import Sight
from bwc.redact.check_sound import compare_sound
from bwc.redact.check_speech import is_unheard, listen_again, ranked
from bwc.redact.excerpt import Excerpt
from bwc.redact.importing import opened_by
from bwc.redact.plan import Origin, RedactionPlan, SoundKind
from bwc.redact.plan_format import from_bytes, to_bytes
from bwc.redact.plan_view import muted_spans, silent_and_bleeped, summary
from bwc.redact.render import render
from bwc.redact.speech.captions import captions_of, to_text, to_vtt
from bwc.redact.speech.heard import HeardTrack, Word, unsaid
from bwc.redact.speech.listen import Hearing, listen
from bwc.redact.speech.record import KEY, SpeechRecord, record_of, sounds_of_class, transcript_of
from tests.redact.clips import Memory, Pipe
from tests.redact.spoken import CLIP, NOON, TRUTH, bare_plan, hearing

DATA = CLIP.read_bytes()
TARGETS = [word for word in TRUTH["words"] if word.get("kind")]


@pytest.fixture(scope="module")
def bare() -> RedactionPlan:
    return bare_plan()


@pytest.fixture(scope="module")
def plan(bare: RedactionPlan) -> RedactionPlan:
    return listen(io.BytesIO(DATA), bare, hearing())


def copy_of(plan: RedactionPlan) -> bytes:
    out = Pipe()
    render(io.BytesIO(DATA), plan, out, Memory)
    return out.data


def is_hidden(plan: RedactionPlan, word: dict[str, int]) -> bool:
    spans = muted_spans(plan)
    return any(start <= word["start_ms"] * 1_000_000 and word["end_ms"] * 1_000_000 <= end for start, end in spans)


def test_every_word_of_personal_data_is_proposed_and_none_is_decided(plan: RedactionPlan) -> None:
    assert all(is_hidden(plan, word) for word in TARGETS)
    assert all(span.origin is Origin.DETECTOR for span in plan.audio_spans)
    assert {span.decision.choice for span in plan.audio_spans} == {Choice.UNDECIDED}
    assert [one.name for one in plan.detectors] == ["silero_vad", "reader"]
    speech = summary(plan).speech
    assert speech is not None
    assert speech.missing == ""
    assert {"name", "address"} <= set(speech.proposals)
    assert speech.voice_ms > 10_000


def test_the_plan_reads_back_with_its_record(plan: RedactionPlan) -> None:
    assert from_bytes(to_bytes(plan)) == plan
    record = record_of(plan)
    assert record is not None
    assert record.words == len(TRUTH["words"])
    assert "# Garcia" in transcript_of(record, plan)


def test_without_a_recogniser_voices_are_found_and_it_is_said(bare: RedactionPlan) -> None:
    plan = listen(io.BytesIO(DATA), bare, Hearing(None, "no speech model is here"))
    speech = summary(plan).speech
    assert speech is not None
    assert "NOTHING WAS WRITTEN DOWN: no speech model is here" in speech.text()
    assert plan.audio_spans == ()
    assert captions_of(plan) is None
    voices = sound_wish.voices_muted(plan, by="k", at=NOON, kind=SoundKind.MUTE)
    assert all(is_hidden(voices, word) for word in TRUTH["words"])
    assert voices.revision == plan.revision + 1


def test_voices_whose_words_the_check_did_not_look_for_are_unheard(bare: RedactionPlan, plan: RedactionPlan) -> None:
    limits = listen_again(io.BytesIO(DATA), plan, hearing=Hearing(None, "why")).not_checked
    assert is_unheard(plan, limits)
    assert is_unheard(listen(io.BytesIO(DATA), bare, Hearing(None, "none")), ("text: not looked for", *limits))
    assert not is_unheard(plan, ("text: not looked for",))
    assert not is_unheard(bare, limits), "no voice was found"


def test_what_a_person_said_stays_when_it_is_listened_to_again(plan: RedactionPlan) -> None:
    kept = plan_edit.decide(plan, ["a1"], Choice.KEEP, by="k", at=NOON, note="a public name")
    muted = plan_edit.add_mute(kept, 0, 1_000_000_000, by="k", at=NOON)
    again = listen(io.BytesIO(DATA), muted, hearing())
    assert {span.id: span.decision for span in again.audio_spans}["a1"].choice is Choice.KEEP
    assert [span for span in again.audio_spans if span.origin is Origin.PERSON] == list(muted.audio_spans[-1:])
    assert len(again.audio_spans) == len(muted.audio_spans), "the same find is not asked again"
    more = listen(io.BytesIO(DATA), muted, hearing(), watch=("Michael",))
    assert len(more.audio_spans) == len(muted.audio_spans) + 1, "something else in a kept span is"


def test_what_was_proposed_stays_muted_where_no_words_are_looked_for(bare: RedactionPlan, plan: RedactionPlan) -> None:
    decided = plan_edit.decide(plan, ["a1"], Choice.REDACT, by="k", at=NOON)
    analysed = session.continued(decided, bare)  # detect --again --no-listen
    assert analysed.audio_spans == decided.audio_spans
    assert record_of(analysed) == record_of(decided)
    assert analysed.detectors == decided.detectors
    for before in (decided, analysed):
        deaf = listen(io.BytesIO(DATA), before, Hearing(None, "no speech model is here"))
        assert deaf.audio_spans == decided.audio_spans
        assert record_of(deaf) == record_of(decided), "words, labels and why they were proposed"
        assert deaf.detectors == decided.detectors
    voices = listen(io.BytesIO(DATA), bare, Hearing(None, "no speech model is here"))
    imported = replace(voices, audio_spans=plan.audio_spans)
    assert listen(io.BytesIO(DATA), imported, Hearing(None, "still none")).audio_spans == plan.audio_spans


def test_what_was_decided_stays_when_nothing_is_heard_there_any_more(bare: RedactionPlan, plan: RedactionPlan) -> None:
    decided = plan_edit.decide(plan, ["a1"], Choice.REDACT, by="k", at=NOON)
    again = listen(io.BytesIO(DATA), session.continued(decided, bare), hearing(only=["broke", "window"]))
    assert again.audio_spans == decided.audio_spans[:1]
    assert [one.name for one in again.detectors] == ["silero_vad", "reader"]


def test_a_class_is_kept_only_where_nothing_else_is_said(plan: RedactionPlan) -> None:
    kinds = {"a1": ["name"], "a2": ["name", "address"], "a3": ["address"]}
    told = {name: {"certain": False, "core": [], "kinds": kind} for name, kind in kinds.items()}
    spans = tuple(replace(plan.audio_spans[0], id=name) for name in (*kinds, "a4"))
    record = plan.extensions["speech"]
    assert isinstance(record, dict)
    mixed = replace(plan, audio_spans=spans, extensions={"speech": record | {"labels": told}})
    assert sounds_of_class(mixed, "name", wholly=True) == (["a1"], ["a2"])
    assert sounds_of_class(mixed, "name", wholly=False) == (["a1", "a2"], [])
    assert sounds_of_class(mixed, "spoken name, address", wholly=True) == (["a2"], [])
    assert sounds_of_class(mixed, "spoken", wholly=True) == (["a1", "a2", "a3"], [])
    assert sounds_of_class(mixed, "sound", wholly=True) == (["a4"], [])
    assert sounds_of_class(mixed, "face", wholly=True) == ([], [])


def test_an_import_that_uncovers_sounds_is_told(plan: RedactionPlan) -> None:
    muted = plan_edit.add_mute(plan, 0, 1_000_000_000, by="k", at=NOON)
    bare = replace(muted, audio_spans=muted.audio_spans[1:-1])
    mine = muted.audio_spans[-1].id
    assert opened_by(muted, bare) == ["a1", mine]
    assert opened_by(muted, replace(bare, audio_spans=())) == [one.id for one in muted.audio_spans]
    assert opened_by(muted, plan) == [mine]
    shorter = replace(muted.audio_spans[0], end_ns=muted.audio_spans[0].end_ns - 1)
    assert opened_by(muted, replace(bare, audio_spans=(shorter,))) == ["a1", mine]
    kept = plan_edit.decide(muted, ["a1"], Choice.KEEP, by="k", at=NOON, note="consent")
    assert opened_by(kept, bare) == [mine], "nobody hid the other before"
    assert opened_by(muted, kept) == ["a1"]
    wider = plan_edit.add_mute(bare, 0, 1 << 40, by="k", at=NOON)
    assert opened_by(muted, wider) == [], "hidden all the same"


def test_words_of_the_case_are_looked_for_until_they_are_forgotten(bare: RedactionPlan) -> None:
    first = listen(io.BytesIO(DATA), bare, hearing(), watch=("jacket",))
    jacket = next(word for word in TRUTH["words"] if word["text"] == "jacket")
    assert is_hidden(first, jacket)
    second = listen(io.BytesIO(DATA), first, hearing(), watch=("window", "jacket"))
    for after in (second, listen(io.BytesIO(DATA), session.continued(second, bare), hearing())):
        record = record_of(after)
        assert record is not None
        assert record.watch == ("jacket", "window")
        assert is_hidden(after, jacket)
    deaf = listen(io.BytesIO(DATA), first, Hearing(None, "none"), watch=("window",))
    window = next(word for word in TRUTH["words"] if word["text"] == "window")
    assert is_hidden(deaf, window), "words that were written down are searched without a recogniser too"
    assert is_hidden(deaf, jacket)
    forgotten = listen(io.BytesIO(DATA), second, hearing(), forget=True)
    assert not is_hidden(forgotten, jacket)


@pytest.mark.parametrize("kind", list(SoundKind))
def test_the_copy_is_silent_or_bleeped_and_the_check_agrees(bare: RedactionPlan, kind: SoundKind) -> None:
    plan = listen(io.BytesIO(DATA), bare, hearing(), kind=kind)
    copy = copy_of(plan)
    silent, bleeped = silent_and_bleeped(plan)
    assert bool(silent) == (kind is SoundKind.MUTE)
    facts = VideoReader(io.BytesIO(DATA)).facts, VideoReader(io.BytesIO(copy)).facts
    spans = {"muted": silent, "bleeped": bleeped}
    found, _ = compare_sound(io.BytesIO(DATA), io.BytesIO(copy), facts, shift=0 * plan.media.time_base, **spans)
    assert found == []
    found, _ = compare_sound(io.BytesIO(DATA), io.BytesIO(DATA), facts, shift=0 * plan.media.time_base, **spans)
    assert {one.fault.value for one in found} == {"mute-heard"}


def test_no_audio_leaves_nothing_to_hear(bare: RedactionPlan) -> None:
    from bwc.media.pcm import decode_sound
    from bwc.media.probe import scan

    plan = sound_wish.all_muted(bare, by="k", at=NOON, kind=SoundKind.MUTE)
    copy = copy_of(plan)
    stream = scan(io.BytesIO(copy), decode_frames=0).audio[0].stream
    assert not any(samples.any() for _, samples, _ in decode_sound(io.BytesIO(copy), stream))
    assert summary(plan).muted_ms == summary(plan).milliseconds


def test_a_hidden_word_that_is_heard_in_the_copy_is_a_suspect(plan: RedactionPlan) -> None:
    leak = hearing(only=["Garcia"])
    good = listen_again(io.BytesIO(copy_of(plan)), plan, hearing=hearing(only=["broke", "window"]))
    assert good.suspects == ()
    assert good.measures()["speech_hidden_words"] == 0
    # the plan hides it, the copy (the original itself) says it: and where the plan is silent nobody can
    shifted = replace(plan, audio_spans=(replace(plan.audio_spans[0], start_ns=0, end_ns=1),))
    found = listen_again(io.BytesIO(DATA), shifted, hearing=leak)
    assert found.hidden_words == 1
    assert [one.class_ for one in found.suspects] == ["spoken again"]
    assert ranked(found.suspects)[0].sight is Sight.HEARD
    assert listen_again(io.BytesIO(DATA), plan, hearing=Hearing(None, "why")).not_checked == ("spoken words: why",)


@pytest.mark.parametrize("owned", ["Garcia's", "Garcia’s", "Garcias"])
def test_a_hidden_name_that_owns_something_is_hidden_and_found_as_well(bare: RedactionPlan, owned: str) -> None:
    plan = listen(io.BytesIO(DATA), bare, hearing(heard_as={"school": owned.lower()}))
    plan = replace(plan, audio_spans=plan.audio_spans[:1])  # as if nothing had found the second
    assert "garcia" not in to_text(captions_of(plan) or [], note="").decode().casefold()
    again = listen_again(io.BytesIO(DATA), plan, hearing=hearing(only=["school"], heard_as={"school": owned}))
    assert again.hidden_words == 1


def test_data_nobody_was_asked_about_is_a_suspect_and_what_was_kept_is_none(
    bare: RedactionPlan, plan: RedactionPlan
) -> None:
    found = listen_again(io.BytesIO(DATA), bare, hearing=hearing())
    assert {"spoken name", "spoken address"} & {one.class_ for one in found.suspects}
    every = [span.id for span in plan.audio_spans]
    kept = plan_edit.decide(plan, every, Choice.KEEP, by="k", at=NOON, note="consent")
    assert listen_again(io.BytesIO(DATA), kept, hearing=hearing()).suspects == ()


def test_captions_say_what_can_be_heard_and_nothing_else(plan: RedactionPlan) -> None:
    cues = captions_of(plan)
    assert cues is not None
    text = to_vtt(cues, note="by a machine").decode()
    assert text.startswith("WEBVTT\n\nNOTE\nby a machine\n\n1\n00:00:00")
    for word in ("Michael", "Garcia", "Madison"):
        assert word not in text
        assert word not in to_text(cues, note="").decode()
    assert "[redacted: name" in text
    assert "jacket" in text
    for cue in cues:
        assert all(len(line) <= 42 for line in cue.text.splitlines())
        assert len(cue.text.splitlines()) <= 2
        assert cue.start_ms < cue.end_ms
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(cues))


def test_captions_of_an_excerpt_hold_no_word_that_may_lie_outside(bare: RedactionPlan) -> None:
    plan = listen(io.BytesIO(DATA), bare, hearing(late_ms=580))
    jacket = next(word for word in TRUTH["words"] if word["text"] == "jacket")
    cut = Excerpt.between(plan, jacket["end_ms"] * 1_000_000, None)
    assert "jacket" not in to_text(captions_of(plan, cut) or [], note="").decode(), "it was said just before"
    assert "jacket" in to_text(captions_of(plan) or [], note="").decode()
    early = listen(io.BytesIO(DATA), bare, hearing(late_ms=-580))
    cut = Excerpt.between(early, None, jacket["start_ms"] * 1_000_000)
    assert "jacket" not in to_text(captions_of(early, cut) or [], note="").decode(), "it is said just after"
    ends = Excerpt.between(plan, 200_000_000, None)
    assert [one.text for one in captions_of(plan, ends) or []] == [one.text for one in captions_of(plan) or []]


def test_captions_are_on_the_clock_of_the_copy_where_sound_comes_before_the_first_picture(plan: RedactionPlan) -> None:
    record = record_of(plan)
    assert record is not None
    assert [track.start_ms for track in record.tracks] == [
        floor(track.start * track.time_base * 1000) for track in VideoReader(io.BytesIO(DATA)).facts.audio
    ]
    early = replace(record, tracks=tuple(replace(track, start_ms=-2_500) for track in record.tracks))
    before, after = captions_of(plan), captions_of(replace(plan, extensions={"speech": early.to_json()}))
    assert before is not None
    assert after is not None
    assert [one.start_ms for one in after] == [one.start_ms + 2_500 for one in before]


def test_what_is_hidden_anywhere_is_looked_for_in_an_excerpt(plan: RedactionPlan) -> None:
    excerpt = Excerpt.between(plan, 9_900_000_000, None)  # after all that is hidden
    out = Pipe()
    render(io.BytesIO(DATA), plan, out, Memory, excerpt=excerpt)
    nobody = Finders(coarse=(), fine=(), close=())
    ears = hearing(only=["you"], heard_as={"you": "Garcia"})
    report = check(io.BytesIO(DATA), io.BytesIO(out.data), plan, finders=nobody, excerpt=excerpt, hearing=ears)
    assert report.measures["speech_hidden_words"] == 1
    said = next(one for one in report.suspects if one.class_ == "spoken again")
    assert said.first >= excerpt.first, "frames are the recording's"
    assert said.first_ms < 1_500, "times are the copy's"


def test_captions_keep_away_from_what_a_person_muted_by_ear(plan: RedactionPlan) -> None:
    muted = plan_edit.add_mute(plan, 13_800_000_000, 14_700_000_000, by="k", at=NOON)  # "dark jacket"
    kept = plan_edit.decide(muted, ["a1"], Choice.KEEP, by="k", at=NOON, note="consent")
    text = to_text(captions_of(kept) or [], note="").decode()
    assert "jacket" not in text
    assert "wearing" not in text, "600 ms before: a recogniser may have placed it wrongly"
    assert "Garcia" in text
    assert "[redacted: sound]" in text


def test_words_faster_than_anybody_speaks_are_written_as_unclear(bare: RedactionPlan) -> None:
    """What a network wrote down for 0.7 s of voice in a restaurant."""
    times = (192, 352, 492, 692, 712, 992, 992, 992, 992, 992, 992, 992, 1252)
    text = ["I'll", "talk", "to", "you", "next", "time,", "I'll", "talk", "to", "you", "next", "time."]
    invented = [Word(start_ms=a, end_ms=b, text=one) for a, b, one in zip(times, times[1:], text, strict=False)]
    said = [Word(start_ms=3000 + 180 * n, end_ms=3180 + 180 * n, text=f"word{n}") for n in range(12)]
    assert unsaid([*invented, *said]) == set(range(12))
    track = HeardTrack(stream=1, voice=((192, 1252), (3000, 5200)), words=(*invented, *said), length_ms=6000)
    record = SpeechRecord(tracks=(track,), missing="", watch=(), labels={})
    cues = captions_of(replace(bare, extensions={**bare.extensions, KEY: record.to_json()}))
    assert cues is not None
    told = " ".join(cue.text for cue in cues).split()
    assert told == ["[unclear]", *(f"word{n}" for n in range(12))]
