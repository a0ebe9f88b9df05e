"""What the common plan hides since a version branched from it: what of that the version would show, and the version that hides it too.

What was decided for the request stays: it differs from what the common plan said when it was last taken in (`base`), and is about the
same place. Everything else that the common plan hides, newly or again, must not be seen in a version by oversight.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bwc.canonical import Json
from bwc.evidence import Choice
from bwc.redact.importing import INVERSE, MACHINES, opened_by
from bwc.redact.plan import TURNED, DetectorInfo, RedactionPlan, SoundSpan, Track, WholeFrame
from bwc.redact.plan_edit import fresh_id, parts_of
from bwc.redact.speech.record import KEY, listened

_Part = Track | SoundSpan | WholeFrame


def missed(base: RedactionPlan, common: RedactionPlan, version: RedactionPlan) -> list[str]:
    """What `common` hides, was changed in it since `base`, and can be seen or heard in `version`: by its name in `common`.

    Not what was decided for the version itself, knowing the place.
    """
    then, now, mine = (_Said(one) for one in (base, common, version))
    is_wider = common.effect.margin_permille > max(base.effect.margin_permille, version.effect.margin_permille)
    found = []
    for name in opened_by(common, version):
        if name == INVERSE:
            is_new = not base.effect.inverse
        elif name in now.parts:
            is_new = (is_wider or now.of(name) != then.of(name)) and not _is_own(name, then, now, mine)
        else:
            is_new = False  # of the version alone
        if is_new:
            found.append(name)
    return found


def unsought(common: RedactionPlan, version: RedactionPlan) -> list[str]:
    """What the check looks for in a copy of `common` by now and would not look for in one of `version`, in words."""
    words = [word for word in _watched(common) if word not in _watched(version)]
    turned = common.extensions.get(TURNED)
    is_new = turned is not None and turned != version.extensions.get(TURNED)
    return [*(f"the word {word!r}" for word in words), *(["people who stand turned"] if is_new else [])]


def joined(base: RedactionPlan, common: RedactionPlan, version: RedactionPlan) -> RedactionPlan:
    """The same revision of `version`, with what is `missed` hidden too, and with what machines saw and heard since.

    Nothing that `version` hides is opened, and nothing decided for it is changed.
    """
    now = _Said(common)
    plan = replace(
        version,
        media=common.media,
        doubts=common.doubts,
        detectors=_detectors(common, version),
        extensions=_extensions(common, version),
    )
    for name in missed(base, common, version):
        plan = _hidden(plan, now, name)
    margin = max(plan.effect.margin_permille, common.effect.margin_permille)
    return replace(plan, effect=replace(plan.effect, margin_permille=margin))


def _watched(plan: RedactionPlan) -> list[str]:
    speech: Any = plan.extensions.get(KEY) or {}
    return list(speech.get("watch", ()))


class _Said:
    """What a plan says of each of its parts: the part, and for a sound why it was proposed."""

    def __init__(self, plan: RedactionPlan) -> None:
        self.parts = parts_of(plan)
        speech: Any = plan.extensions.get(KEY) or {}
        self.labels: Mapping[str, Any] = speech.get("labels", {})

    def of(self, name: str) -> tuple[object, ...]:
        """All of it; which words those were, no more than what kinds."""
        return self.parts.get(name), self._kinds(name)

    def place(self, name: str) -> object:
        """Where it is, and what is said there; None where there is no such part."""
        part = self.parts.get(name)
        if isinstance(part, Track):
            return part.spans
        if isinstance(part, SoundSpan):
            return part.start_ns, part.end_ns, self._kinds(name)
        return part and (part.first, part.stop)

    def _kinds(self, name: str) -> object:
        return sorted(self.labels[name]["kinds"]) if name in self.labels else None


def _is_own(name: str, then: _Said, now: _Said, mine: _Said) -> bool:
    """Whether the version keeps this very thing by a decision that was made for it, not taken over."""
    part, before = mine.parts.get(name), then.parts.get(name)
    if part is None or part.decision.choice is not Choice.KEEP or mine.place(name) != now.place(name):
        return False
    return before is None or before.decision != part.decision


def _hidden(plan: RedactionPlan, common: _Said, name: str) -> RedactionPlan:
    """`plan` with a part of the common plan hidden as it is there: decided so where it is the same part, else added."""
    if name == INVERSE:
        return replace(plan, effect=replace(plan.effect, inverse=True))
    part, mine = common.parts[name], _Said(plan)
    if mine.place(name) == common.place(name):
        return _with(plan, replace(mine.parts[name], decision=part.decision), instead=True)
    free = name if name not in mine.parts else fresh_id(plan, name[0])
    if name in common.labels:
        plan = _labelled(plan, free, common.labels[name])
    return _with(plan, replace(part, id=free), instead=False)


def _with(plan: RedactionPlan, part: _Part, *, instead: bool) -> RedactionPlan:
    def put(parts: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(part if one.id == part.id else one for one in parts) if instead else (*parts, part)

    if isinstance(part, Track):
        return replace(plan, tracks=put(plan.tracks))
    if isinstance(part, SoundSpan):
        return replace(plan, audio_spans=put(plan.audio_spans))
    return replace(plan, whole_frame=put(plan.whole_frame))


def _labelled(plan: RedactionPlan, name: str, label: Json) -> RedactionPlan:
    """With why a sound of this name was proposed."""
    speech: Any = plan.extensions[KEY]
    return replace(plan, extensions={**plan.extensions, KEY: {**speech, "labels": {**speech["labels"], name: label}}})


def _extensions(common: RedactionPlan, version: RedactionPlan) -> dict[str, Json]:
    """What was chosen for the version; what machines saw and heard as the common plan has it."""
    chosen = {name: value for name, value in version.extensions.items() if name not in MACHINES}
    seen = {name: value for name, value in common.extensions.items() if name in MACHINES}
    heard: Any = seen.get(KEY)
    if isinstance(heard, dict):
        seen[KEY] = {**heard, "labels": _labels(heard, version)}
    return chosen | seen


def _labels(heard: Mapping[str, Any], version: RedactionPlan) -> dict[str, Json]:
    """Why each sound of the version was proposed; which words those were, only while they are the same words."""
    said: Any = version.extensions.get(KEY) or {}
    same = said.get("tracks") == heard["tracks"]
    labels: dict[str, Any] = said.get("labels", {})
    return {name: label if same else {**label, "core": []} for name, label in labels.items()}


def _detectors(common: RedactionPlan, version: RedactionPlan) -> tuple[DetectorInfo, ...]:
    """Those of the common plan, and what had found what the version hides."""
    heard = listened(version)
    return (*common.detectors, *(one for one in version.detectors if one not in common.detectors and one not in heard))
