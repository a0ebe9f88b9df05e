"""What of the check needs no pictures, done beside them: both files' digests, the sound compared and listened to again.

The recogniser holds 350 MB and is opened when the first voice is heard; what searches pictures holds a hundred. So it is opened
only when all pictures are searched, and what searched them rests.
"""

import hashlib
from collections.abc import Callable
from fractions import Fraction
from typing import BinaryIO

from bwc.media.facts import MediaFacts
from bwc.memory import give_back
from bwc.redact.check_report import Finding
from bwc.redact.check_sound import compare_sound
from bwc.redact.check_speech import HeardAgain, listen_again
from bwc.redact.excerpt import Excerpt
from bwc.redact.plan import RedactionPlan
from bwc.redact.plan_view import silent_and_bleeped
from bwc.redact.speech.listen import Hearing, find_hearing

_READ = 1 << 20


def hear_copy(
    original: BinaryIO,
    copy: BinaryIO,
    facts: tuple[MediaFacts, MediaFacts],
    plan: RedactionPlan,
    *,
    part: RedactionPlan,
    shift: Fraction,
    excerpt: Excerpt | None,
    hearing: Hearing | None,
    searched: Callable[[], object],
) -> tuple[list[Finding], dict[str, int], HeardAgain]:
    """Steps 6 and 7 of the check. `searched` returns when there is room for a recogniser, and is asked only if one is needed."""
    silent, bleeped = silent_and_bleeped(part)
    window = excerpt.window if excerpt else None
    findings, measures = compare_sound(original, copy, facts, muted=silent, bleeped=bleeped, shift=shift, window=window)
    later = (hearing or find_hearing()).after(searched)
    heard = listen_again(copy, plan, part=part, shift=shift, hearing=later, facts=facts[1])
    give_back()
    return findings, measures, heard


def digest_of(file: BinaryIO) -> tuple[str, int]:
    """The SHA-256 of all of `file`, and its size."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while piece := file.read(_READ):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size
