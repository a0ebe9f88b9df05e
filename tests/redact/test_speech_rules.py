"""Rules over words: what is taken for personal data, how far it reaches, and what is not."""

import pytest

from bwc.redact.speech import lexicon
from bwc.redact.speech.captions import is_telling
from bwc.redact.speech.heard import HeardTrack, Word, settled
from bwc.redact.speech.proposals import joined, proposals_for, voices_in
from bwc.redact.speech.rules import mentions_in


def said(text: str, *, pause_after: tuple[str, ...] = ()) -> list[Word]:
    """Words of 300 ms, 50 ms apart; a second of silence after those of `pause_after`."""
    words, at = [], 0
    for one in text.split():
        words.append(Word(start_ms=at, end_ms=at + 300, text=one))
        at += 1_350 if one in pause_after else 350
    return words


def found(text: str, **more: object) -> list[tuple[str, str]]:
    words = said(text)
    return [
        (one.kind, " ".join(word.text for word in words[one.first : one.last + 1]))
        for one in mentions_in(words, **more)
    ]


@pytest.mark.parametrize(
    ("text", "kind", "hidden"),
    [
        ("Well, my name is Xiomara Quispe. He ran away.", "name", "my name is Xiomara Quispe."),
        ("What is your name? Wanda Brzezinski. Thank you.", "name", "your name? Wanda Brzezinski."),
        ("And your date of birth? June fifth eighty nine. Okay.", "birth", "date of birth? June fifth eighty nine."),
        ("Can you run the plate for me? WCT 7 0 9 8. Copy.", "plate", "run the plate for me? WCT 7 0 9 8."),
        ("My phone number is 555 -0142. Bye.", "phone", "phone number is 555 -0142."),
        ("I live at the blue house. Sure.", "address", "I live at the blue house."),
        ("They went to 1420 North Maple Street yesterday.", "address", "1420 North Maple Street"),
        ("She drove down Maple Street again.", "address", "Maple Street"),
        ("He said March fifth again.", "birth", "March fifth"),
        ("It was nine one four two or so.", "number", "nine one four two"),
        ("It was five oh one four.", "number", "five oh one four."),
        ("Write adam boy seven down.", "letters", "adam boy seven"),
        ("It is R -A -M -I -R there.", "letters", "R -A -M -I -R"),
        ("Then officer Brzezinski came in.", "name", "Brzezinski"),
        ("I saw that Jennifer was there.", "name", "Jennifer"),
        ("jennifer was there.", "name", "jennifer"),
    ],
)
def test_personal_data_is_found(text: str, kind: str, hidden: str) -> None:
    assert (kind, hidden) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "Put the bag on the ground and step back.",
        "I saw two men and three cars on Monday in May.",
        "Okay. He went home. So I called dispatch.",
        "Copy that, we are here. Stop right there, sir!",
        "I waited for an hour, then I left.",
        "And then Let's go over there, That's what He's here for.",
    ],
)
def test_everyday_talk_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_seven_digits_are_certain_and_four_are_not() -> None:
    few, many = (mentions_in(said(text))[0] for text in ("it is 4 4 7 1 okay", "it is 555 0142 okay"))
    assert (few.certain, many.certain) == (False, True)


def test_a_name_once_found_is_found_wherever_it_is_said_again() -> None:
    hits = found("I saw that Brzezinski ran. Brzezinski fell.")
    assert [hidden for kind, hidden in hits if kind == "name"] == ["Brzezinski", "Brzezinski"]


def test_an_owner_is_the_same_name() -> None:
    hits = found("I saw that Brzezinski's car left. Brzezinski fell. ’Brzezinski’s gone.")
    assert [hidden for kind, hidden in hits if kind == "name"] == ["Brzezinski's", "Brzezinski", "’Brzezinski’s"]
    assert ("word", "kowalczyk") in found("then kowalczyk left", watch=("Kowalczyk’s",))
    assert ("word", "kowalczyk's") in found("then kowalczyk's left", watch=("Kowalczyk",))
    assert ("address", "Maple Street's") in found("It is Maple Street's end.")


def test_words_the_agency_named_are_found_even_misheard() -> None:
    assert ("word", "Kowalzyk") in found("then kowal met Kowalzyk there", watch=("Kowalczyk",))
    assert found("nothing of the kind", watch=("Kowalczyk",)) == []


def test_a_cue_reaches_to_the_pause_where_no_full_stop_is() -> None:
    words = said("my name is anna bell and he was there", pause_after=("bell",))
    first = mentions_in(words)[0]
    assert words[first.last].text == "bell"


def track(words: list[Word], voice: tuple[tuple[int, int], ...] = ()) -> HeardTrack:
    return HeardTrack(stream=1, voice=voice, words=tuple(words), length_ms=60_000)


def test_proposals_are_padded_and_near_ones_are_one() -> None:
    words = said("we saw that Jennifer and she met Robert at noon or so today okay then 555 0142 was it")
    spans = proposals_for(track(words), mentions_in(words))
    assert len(spans) == 2
    for one in ("Jennifer", "Robert"):
        word = next(word for word in words if word.text == one)
        assert spans[0].start_ms <= word.start_ms - 300
        assert spans[0].end_ms >= word.end_ms + 300
    assert spans[0].kinds == ("name",)
    assert spans[1].certain


def test_a_stretch_reaches_to_where_the_voice_begins_and_ends() -> None:
    words = [Word(start_ms=5_000, end_ms=5_400, text="Jennifer")]
    span = proposals_for(track(words, voice=((4_100, 6_300),)), mentions_in([*words]))
    # a lone first word begins a sentence, but Jennifer is a listed name
    assert (span[0].start_ms, span[0].end_ms) == (4_100, 6_300)


def test_voices_are_hidden_with_their_pads() -> None:
    spans = voices_in(track([], voice=((1_000, 2_000), (2_900, 3_500), (9_000, 9_500))))
    assert [(one.start_ms, one.end_ms) for one in spans] == [(700, 3_800), (8_700, 9_800)]
    assert joined([]) == []


def test_words_without_length_may_lie_anywhere_up_to_their_neighbours() -> None:
    words = [
        Word(start_ms=0, end_ms=300, text="is"),
        Word(start_ms=900, end_ms=900, text="Anna"),
        Word(start_ms=900, end_ms=900, text="Bell"),
        Word(start_ms=1_200, end_ms=1_500, text="and"),
    ]
    done = settled(words, 5_000)
    assert [(one.start_ms, one.end_ms) for one in done] == [(0, 300), (300, 1_200), (300, 1_200), (1_200, 1_500)]


def test_a_recogniser_that_repeats_itself_is_noticed() -> None:
    from bwc.redact.speech.ears import _without_loops

    once, phrase = said("it was " + "N " * 20), said("so that is " + "how it is about " * 12)
    assert len(_without_loops(once)) < 9
    assert len(_without_loops(phrase)) < 30
    plain = said("one one two two one one two two one one")
    assert _without_loops(plain) == plain


def cores(text: str) -> list[str]:
    words = said(text)
    return [" ".join(words[place].text for place in one.core) for one in mentions_in(words) if one.kind != "letters"]


def test_who_asks_does_not_answer() -> None:
    assert cores("Can you run the plate or meet? C .R .J 41. Copy.") == ["C .R .J 41."]  # "for me" misheard
    assert cores("Can you run the plate or meet?") == ["or meet?"]  # nothing follows: anything may be it
    assert cores("Is your name Robert? No it is Kevin.")[0] == "Robert? No Kevin."
    assert cores("Is your name Xiomara Quispe? Yes sir.")[0] == "Xiomara Quispe?"


def test_words_that_hold_sentences_together_tell_nothing_of_anybody() -> None:
    assert not [word for word in ("not", "can't", "while", "seven", "the", "street") if is_telling(word)]
    assert [word for word in ("hanson", "xiomara", "976", "maple") if not is_telling(word)] == []
    assert not lexicon.FUNCTION_WORDS & (lexicon.GIVEN | lexicon.SURNAMES | lexicon.MONTHS | lexicon.SPELLING)
