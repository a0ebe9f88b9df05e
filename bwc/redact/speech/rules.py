"""Which of the words are personal data: rules over words, no network. Every finding is a proposal for a person.

 1. cues ("my name is", "date of birth", "run the plate"): hidden from the cue to the end of the phrase; where nothing
    but filler follows, or it was a question, to the end of the next phrase too
 2. runs of digits: four or more; seven or more are certain
 3. letters spelled one by one or by an alphabet, and letters and digits mixed
 4. a number or a capital before a word for a street; a month beside a day or a year
 5. names: capitals within a sentence, after a title, of the list of common names; and again wherever they are repeated
 6. words the agency named
A phrase ends at a full stop or a pause.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from bwc.redact.speech import lexicon
from bwc.redact.speech.heard import Word

PAUSE_MS = 500  # between words: a phrase has ended
_REPLY_MS = 4_000  # so long after a question may its answer begin
_RUN_PAUSE_MS = 2_000  # digits with longer pauses are not one number
_LONGEST_PHRASE = 25  # words after a cue that are hidden at most where no phrase ends
CERTAIN_DIGITS, FEW_DIGITS = 7, 4
_COMMON = lexicon.CAPITALS | lexicon.FILLERS | lexicon.STARTERS  # capitals of these name nobody
_ALIKE = 0.8  # how alike a heard word and a name of the agency's list must be


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """Words `first` to `last` (both included) hold personal data. `core`: the data itself, without cue and filler."""

    kind: str
    first: int
    last: int
    core: tuple[int, ...]
    certain: bool = False


def mentions_in(words: Sequence[Word], *, watch: Sequence[str] = ()) -> list[Mention]:
    """Everything in `words` that the rules take for personal data, in order; findings may overlap."""
    said = _Said(words)
    found = [*_cues(said), *_runs(said), *_streets(said), *_dates(said), *_names(said), *_watched(said, watch)]
    names = {said.bare[place] for one in found if one.kind == "name" for place in one.core if _is_name(said, place)}
    known = {place for one in found for place in one.core}
    found += [
        Mention(kind="name", first=place, last=place, core=(place,))
        for place, bare in enumerate(said.bare)
        if bare in names and place not in known
    ]
    return sorted(found, key=lambda one: (one.first, one.last))


def plain_text(text: str) -> str:
    """A word as rules compare it: small letters, digits and apostrophes."""
    return re.sub(r"[^a-z0-9']", "", text.casefold().replace("’", "'"))


def bare_text(text: str) -> str:
    """The same word whoever owns something: "kowalczyk" of "Kowalczyk", "Kowalczyk's", "'Kowalczyk'"."""
    return plain_text(text).strip("'").removesuffix("'s")


class _Said:
    """The words, in the form that rules compare."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = words
        self.texts = [word.text for word in words]
        self.plain = [plain_text(word.text) for word in words]
        self.bare = [bare_text(word.text) for word in words]
        self.ends = [self._is_end(place) for place in range(len(words))]

    def _is_end(self, place: int) -> bool:
        """Whether a phrase ends with this word."""
        if place + 1 == len(self.words) or self.texts[place].rstrip("\"'").endswith(("?", "!")):
            return True
        pause = self.words[place + 1].start_ms - self.words[place].end_ms
        stopped = self.texts[place].endswith(".") and self.plain[place] not in lexicon.TITLES
        counting = bool(_symbols(self, place) and _symbols(self, place + 1))  # "-9. -8": one number
        return pause >= PAUSE_MS or (stopped and not counting)

    def phrase_end(self, place: int) -> int:
        """The last word of the phrase that holds `place`."""
        stop = min(len(self.words), place + _LONGEST_PHRASE)
        return next((at for at in range(place, stop) if self.ends[at]), stop - 1)

    def begins(self, place: int) -> bool:
        """Whether a sentence begins with this word."""
        return place == 0 or self.texts[place - 1].endswith((".", "?", "!")) or self._after_pause(place)

    def _after_pause(self, place: int) -> bool:
        return self.words[place].start_ms - self.words[place - 1].end_ms >= PAUSE_MS


def _cues(said: _Said) -> list[Mention]:
    found = []
    spread = " ".join(said.plain)
    starts = {0: 0}  # character at which a word begins -> its place
    at = 0
    for place, plain in enumerate(said.plain):
        starts[at] = place
        at += len(plain) + 1
    for cue, kind in lexicon.CUES:
        for match in re.finditer(rf"(?<![^ ]){re.escape(cue)}(?![^ ])", spread):
            first = starts[match.start()]
            after = first + cue.count(" ") + 1
            found.append(_after_cue(said, kind, first, after))
    return found


def _after_cue(said: _Said, kind: str, first: int, after: int) -> Mention:
    last = question = said.phrase_end(after - 1)
    asked = said.texts[last].endswith("?") or not any(_is_answer(said, at) for at in range(after, last + 1))
    if asked and last + 1 < len(said.words) and said.words[last + 1].start_ms - said.words[last].end_ms < _REPLY_MS:
        last = said.phrase_end(last + 1)
        if not any(_is_answer(said, at) for at in range(after, last + 1)) and last + 1 < len(said.words):
            last = said.phrase_end(last + 1)  # "What is your name?" "My name?" "Maria."
    core = tuple(at for at in range(after, last + 1) if _is_answer(said, at))
    if said.texts[question].endswith("?") and core and core[-1] > question:
        # who asks does not answer: "run the plate or meet?", misheard for "for me", is no plate, and is said elsewhere too
        core = tuple(at for at in core if at > question or _is_telling(said, at))
    return Mention(kind=kind, first=first, last=last, core=core)


def _is_answer(said: _Said, place: int) -> bool:
    return bool(said.plain[place]) and (said.plain[place] not in lexicon.FILLERS or bool(_symbols(said, place)))


def _is_telling(said: _Said, place: int) -> bool:
    """Whether a word looks like personal data wherever it stands: digits, letters, a name, a part of a date."""
    bare = said.bare[place]
    listed = bare in lexicon.GIVEN or bare in lexicon.SURNAMES or bare in lexicon.MONTHS
    return listed or bool(_loose(said, place)) or _is_capital(said, place) or _ordinal(said.plain[place])


def _symbols(said: _Said, place: int) -> str:
    """The digits and spelled letters that a word stands for: "976", "WCT", "seven", "-R"; none for ordinary words."""
    plain, text = said.plain[place], said.texts[place]
    if plain in lexicon.DIGITS:
        return lexicon.DIGITS[plain] if plain not in lexicon.AFTER_DIGITS else ""
    if plain in lexicon.NUMBERS:
        return lexicon.NUMBERS[plain]
    if re.fullmatch(r"(\d+)(st|nd|rd|th|s)?", plain):
        return "".join(filter(str.isdigit, plain))
    bare = re.sub(r"[^A-Za-z0-9]", "", text)
    if any(map(str.isdigit, bare)):
        return bare
    if len(bare) == 1 and bare.isupper() and bare not in "AI":
        return bare
    if re.fullmatch(r"(?:[A-Za-z][-.]){2,}[A-Za-z]?[-.,?!]*", text) or re.fullmatch(r"-[A-Z][.,?!]*", text):
        return bare
    if 2 <= len(bare) <= 6 and bare.isupper() and plain not in lexicon.CAPITALS:
        return bare
    return ""


def _loose(said: _Said, place: int) -> str:
    """The same for a word beside digits or letters: there "oh", "A", "to" and spelling words count as well."""
    found = _symbols(said, place)
    plain = said.plain[place]
    if found:
        return found
    if plain in lexicon.AFTER_DIGITS:
        return lexicon.AFTER_DIGITS[plain]
    if plain in lexicon.SOUNDS_LIKE_DIGIT:
        return "0"
    if len(plain) == 1 and plain.isalpha():
        return plain.upper()
    if plain in lexicon.SPELLING:
        return plain[0].upper()
    return ""


def _runs(said: _Said) -> list[Mention]:
    found: list[Mention] = []
    place = 0
    while place < len(said.words):
        run = _run_from(said, place)
        if not run:
            place += 1
            continue
        signs = "".join(_loose(said, at) for at in run)
        digits = sum(map(str.isdigit, signs))
        letters = len(signs) - digits
        spelled = sum(said.plain[at] in lexicon.SPELLING for at in run)
        firm = sum(bool(_symbols(said, at)) for at in run)
        if digits >= FEW_DIGITS and digits >= letters and firm >= 1:
            found.append(_run(run, "number", certain=digits >= CERTAIN_DIGITS))
        elif (firm >= 2 and len(signs) >= FEW_DIGITS) or (letters >= 3 and len(run) >= 3 and firm >= 2) or spelled >= 2:
            found.append(_run(run, "letters", certain=False))
        place = run[-1] + 1
    return found


def _run(run: Sequence[int], kind: str, *, certain: bool) -> Mention:
    return Mention(kind=kind, first=run[0], last=run[-1], core=tuple(run), certain=certain)


def _run_from(said: _Said, place: int) -> list[int]:
    """Places of the signs of a run that begins here; one other word may stand between two of them."""
    if not (_symbols(said, place) or said.plain[place] in lexicon.SPELLING):
        return []
    run, at = [place], place + 1
    while at < len(said.words):
        if said.words[at].start_ms - said.words[run[-1]].end_ms >= _RUN_PAUSE_MS:
            break
        if _loose(said, at):
            run.append(at)
        elif at - run[-1] >= 2 and said.plain[at] not in lexicon.JOINERS:
            break
        at += 1
    while run and not (_symbols(said, run[-1]) or said.plain[run[-1]] in lexicon.SPELLING):
        run.pop()  # "… five to" ends with the five
    return run


def _streets(said: _Said) -> list[Mention]:
    found = []
    for place, plain in enumerate(said.bare):
        if plain not in lexicon.STREETS:
            continue
        near = [at for at in range(max(0, place - 5), place) if not _broken(said, at, place)]
        numbered = [at for at in near if _symbols(said, at) or _ordinal(said.plain[at])]
        named = [at for at in near if at >= place - 2 and _is_capital(said, at)]
        start = min([*numbered, *named], default=None)
        if start is not None and (numbered or plain in lexicon.STREETS_ALONE):
            while start > 0 and _symbols(said, start - 1) and not _broken(said, start - 1, start):
                start -= 1
            last = place + 1 if place + 1 < len(said.words) and _symbols(said, place + 1) else place
            found.append(Mention(kind="address", first=start, last=last, core=tuple(range(start, last + 1))))
    return found


def _dates(said: _Said) -> list[Mention]:
    """A month beside a day or a year."""
    found = []
    for place, plain in enumerate(said.bare):
        if plain not in lexicon.MONTHS and plain != "may":
            continue
        stop = place
        while stop + 1 < len(said.plain) and (_symbols(said, stop + 1) or _ordinal(said.plain[stop + 1])):
            stop += 1
        start = place - 1 if place and _ordinal(said.plain[place - 1]) else place
        if stop > place or start < place:
            found.append(Mention(kind="birth", first=start, last=stop, core=tuple(range(start, stop + 1))))
    return found


def _broken(said: _Said, first: int, last: int) -> bool:
    return any(said.texts[at].endswith(("?", "!")) for at in range(first, last))


def _ordinal(plain: str) -> bool:
    return plain in lexicon.ORDINALS or bool(re.fullmatch(r"\d+(st|nd|rd|th)", plain))


def _is_capital(said: _Said, place: int) -> bool:
    text = said.texts[place].lstrip("\"'-")
    return text[:1].isupper() and said.plain[place] not in lexicon.CAPITALS and not _symbols(said, place)


def _is_name(said: _Said, place: int) -> bool:
    bare = said.bare[place]
    if bare in _COMMON or said.plain[place] in _COMMON:
        return False
    if len(bare) < 2 or _symbols(said, place):
        return False
    if bare in lexicon.GIVEN or bare in lexicon.SURNAMES:
        return True
    if place and said.plain[place - 1] in lexicon.TITLES and _is_capital(said, place):
        return True
    return _is_capital(said, place) and not said.begins(place)


def _names(said: _Said) -> list[Mention]:
    found: list[Mention] = []
    for place in range(len(said.words)):
        if not _is_name(said, place):
            continue
        if found and found[-1].last == place - 1 and not said.texts[place - 1].endswith((".", "?", "!")):
            before = found.pop()
            found.append(Mention(kind="name", first=before.first, last=place, core=(*before.core, place)))
        else:
            # a capital behind a name at the beginning of a sentence: "Robert Hanson"
            found.append(Mention(kind="name", first=place, last=place, core=(place,)))
    return [one for one in found if not _is_heading(said, one)]


def _is_heading(said: _Said, one: Mention) -> bool:
    """A recogniser that writes Every Word Large: capitals then say nothing."""
    around = range(max(0, one.first - 4), min(len(said.words), one.last + 5))
    large = sum(said.texts[at][:1].isupper() for at in around)
    listed = any(said.bare[at] in lexicon.GIVEN or said.bare[at] in lexicon.SURNAMES for at in one.core)
    return not listed and len(around) >= 6 and large > 0.8 * len(around)


def _watched(said: _Said, watch: Sequence[str]) -> list[Mention]:
    found = []
    for wanted in watch:
        parts = [part for part in map(bare_text, wanted.split()) if part]
        for place in range(len(said.bare) - len(parts) + 1):
            heard = said.bare[place : place + len(parts)]
            if parts and all(_alike(one, other) for one, other in zip(heard, parts, strict=True)):
                core = tuple(range(place, place + len(parts)))
                found.append(Mention(kind="word", first=core[0], last=core[-1], core=core, certain=True))
    return found


def _alike(heard: str, wanted: str) -> bool:
    if wanted in (heard, heard.removesuffix("s")):
        return True
    return len(wanted) >= 5 and SequenceMatcher(None, heard, wanted).ratio() >= _ALIKE
