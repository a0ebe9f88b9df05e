"""What a person does about a log that is bad: what it means in a sentence, by its gravest cause, and what to type.

And how many findings are shown: of one cause the first few, for the rest tell nothing new.
"""

import re
from collections import Counter
from collections.abc import Iterator

from bwc.audit.findings import Finding, Findings, Grade
from bwc.errors import CheckpointRolledBack, LogForked

SHOWN = 3  # of one cause
_PARTICULAR = re.compile(r"[0-9a-f]{16,}|[0-9]+")
_NEW_COPY = "it may be the copy: ask the agency for a new one; at the agency: bwc verify --repair-from STORE|DIR"
_KEEP_BOTH = (
    "keep this copy and the one you saw before, unchanged; with bwc: bwc audit evidence -o FOLDER writes the proof out"
)
_FORGED = "keep this copy as it is and ask the agency for a new one; if that is bad too, it is no damage but forgery"

_CAUSES = {
    1: ("the log is not signed by the key you brought: damaged, of another agency, or forged", "compare the key with the agency's, "
        "from another way than this copy; then ask for a new copy"),
    2: ("the log does not continue what was seen of it: it was rewritten", _KEEP_BOTH),
    3: ("files of the log are damaged or missing", _NEW_COPY),
    4: ("entries were altered, or some are missing between them", _FORGED),
    5: ("entries about an item are missing or altered", _FORGED),
    6: ("an entry is not signed by whoever it names", _FORGED),
    7: ("an act was recorded that no rule permitted", _FORGED),
    8: ("sealed recordings or their papers are damaged or missing; the log itself is judged in steps 1 to 7", _NEW_COPY),
    9: ("what people or programs read beside the log does not say what the log says", "rely on log/ alone: the agency runs "
        "bwc catalog rebuild, or hands you a new export"),
    10: ("what outsiders signed of the log does not hold, or one of them saw another log", "ask the witness for its evidence, "
         "and check it: bwc audit evidence FILE --key VKEY"),
}  # fmt: skip
_ROLLED_BACK = (
    "the log is shorter than it was: an old copy was put back, or its end was taken off",
    "keep both; at the agency: restore the newest backup, bwc restore",
)
_GRAVE = (1, 2, 10, 7, 6, 5, 4, 3, 8, 9)  # damage (3) makes 4 and 5 fail too; with forged ones the advice is the same


def advice(findings: Findings) -> tuple[str, str]:
    """What the gravest of the bad findings means, and what to do; empty when there is none."""
    bad = [one for one in findings if one.grade is Grade.BAD]
    steps = {one.step for one in bad}
    if not steps:
        return "", ""
    if 3 in steps and not steps & {1, 2, 10}:
        return _CAUSES[3]
    if 10 in steps and any(one.step == 10 and one.error is LogForked for one in bad):
        return _CAUSES[10]
    step = next(one for one in _GRAVE if one in steps)
    if step == 2 and all(one.error is CheckpointRolledBack for one in bad if one.step == 2):
        return _ROLLED_BACK
    return _CAUSES[step]


def finding_lines(findings: Findings, *, verbose: bool = False) -> Iterator[str]:
    """The findings for people; of one cause the first few and how many more, unless `verbose`."""
    shown = [one for one in findings if one.grade is not Grade.OK and (one.where or one.what)]
    total = Counter(_cause(one) for one in shown)
    so_far: Counter[tuple[object, ...]] = Counter()
    for one in shown:
        cause = _cause(one)
        so_far[cause] += 1
        if verbose or so_far[cause] <= SHOWN or total[cause] == SHOWN + 1:
            yield f"{one.grade.value}: {one.where}: {one.what}" if one.where else f"{one.grade.value}: {one.what}"
        elif so_far[cause] == total[cause]:
            yield f"{one.grade.value}: and {total[cause] - SHOWN} more of the same cause; -v shows all"


def _cause(one: Finding) -> tuple[object, ...]:
    """Two findings of one cause differ in names and numbers only."""
    return one.step, one.grade, _PARTICULAR.sub("", one.what), bool(one.where)
