"""Release one item: its approved copies, those very bytes, into a package; recorded, proven, checked, then named."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import parse_entry
from bwc.canonical import Json
from bwc.config import seen_dir
from bwc.custody.house import House
from bwc.errors import BwcError, NotAllowed, PlanStale, PolicyRefuses
from bwc.evidence import EventKind, ItemId, KeyId, ObjectRole
from bwc.oversight.anchor import anchor
from bwc.redact.branching import verify_not_behind
from bwc.redact.copies import Releasable, releasable
from bwc.redact.excerpt import from_zero
from bwc.redact.session import state_of, words_for
from bwc.redact.speech.captions import captions_of, to_text, to_vtt
from bwc.redact.versions import selected
from bwc.release.package import (
    Captions,
    CopiedPaper,
    Copy,
    ReleaseFacts,
    abandon,
    finish,
    new_release_id,
    prepare,
)
from bwc.release.provenance import gather
from bwc.release.requests import verify_request
from bwc.verifier.copied import CopiedGroups, check_root
from bwc.verifier.released import CheckFacts
from bwc.version import TOOL

CAPTIONS_NOTE = (
    "Written down by a machine and not corrected: words may be wrong or missing. The recording is what counts."
)

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A package that was handed out."""

    item: ItemId
    release: str
    request: str
    folder: Path
    release_sha256: str
    seq: int
    files: tuple[str, ...]
    fingerprint: str
    vkey: str
    version: str = ""  # the request whose version went out; empty: the common plan's copy

    def to_json(self) -> dict[str, Json]:
        return {
            "entry": self.seq,
            "files": list(self.files),
            "fingerprint": self.fingerprint,
            "folder": str(self.folder),
            "item": self.item,
            "release": self.release,
            "release_sha256": self.release_sha256,
            "request": self.request,
            "version": self.version or None,
            "vkey": self.vkey,
        }

    def text(self) -> str:
        of = f"the version for {self.version}" if self.version else "the common plan's copy"
        return f"{self.folder}: release {self.release}, {of}, {len(self.files)} files, entry {self.seq} of the log"


def publish(
    house: House,
    item: ItemId,
    *,
    request: str,
    folder: Path,
    requester: str = "",
    span: tuple[int | None, int | None] | None = None,
    captions: bool = True,
    reuse: str = "",
    progress: Progress | None = None,
) -> Published:
    """Release every redacted copy of `item` into `folder`; with `span`, if the copy is of exactly that part.

    With `captions`, where the recording was listened to, captions and transcript of what the copy lets be heard.

    Where there is a version for `request` its copies go out, else those of the common plan. A copy of the latter that was
    released, or approved, for another request goes out only with `reuse`, which says why it may.

    Raises what `releasable` raises when a person still has something to do, and records the refusal. The event
    is published and proven before the folder gets its name; on any failure no folder is left.
    """
    from bwc.anchors.pins import fingerprint_text

    try:
        copies = releasable(house, item, span, request)
        verify_request(house, item, copies, request, reuse=reuse)
    except NotAllowed:
        raise  # recorded where the role was asked for
    except PolicyRefuses as error:
        house.record_refusal(item, EventKind.RELEASE_PUBLISHED, error)
        raise
    house.publish()  # approvals of this very command's session are proven under a checkpoint that holds them
    key = NoteKey.parse(house.vkey)
    release = new_release_id()
    papers = {one.segment: _copied(house, item, one) for one in copies}
    indexers = [parse_entry(paper.entry).actor for paper in papers.values() if paper]
    provenance = gather(
        publishers=[house.person.key_id, *map(KeyId, indexers)],
        approvals=[parse_entry(house.entry(seq)) for one in copies for seq in one.approvals],
        enrolments=[parse_entry(house.entry(seq)) for seq in house.enrolments()],
        proof=house.proof,
    )
    facts = ReleaseFacts(
        agency=house.agency,
        log_key=key,
        first_key=house.key_chain().first,
        release=release,
        request=request,
        item=item,
        made_at=datetime.now(UTC),
        tool=TOOL,
        keys=provenance.keys,
        proven=provenance.proven,
        default_exemption=house.policy.default_exemption,
    )
    with ExitStack() as open_streams:
        prepared = prepare(
            folder,
            facts=facts,
            copies=[_copy(house, one, open_streams, papers[one.segment], captions=captions) for one in copies],
        )

    def unless() -> None:
        """While this was prepared somebody may have drawn a mask, or handed the copy to another request."""
        verify_request(house, item, copies, request, reuse=reuse)
        for one in copies:
            row = house.latest(item, one.segment, ObjectRole.PLAN, version=one.version)
            if row is None or row.facts.get("plan_sha256") != one.plan_sha256:
                words = words_for(item, one.request)
                raise PlanStale(f"the plan of {item} was changed while it was released", f"bwc redact {words}")
            if one.version:
                verify_not_behind(house, state_of(house, row, item, one.segment))
            elif selected(house, item, request):
                words = words_for(item, request)
                raise PlanStale(f"somebody made a version of {item} for {request} meanwhile", f"bwc plan {words}")

    told: dict[str, Json] = {"request": request, "requester": requester, "to_folder": folder.name}
    told |= {"reuse": reuse.strip()} if reuse.strip() else {}
    try:
        entry = house.record_release(
            item,
            {
                "approvals": sorted({seq for one in copies for seq in one.approvals}),
                "copies": [one.copy_sha256 for one in copies],
                "release": release,
                "release_sha256": prepared.release_sha256,
            },
            told,
            unless=unless,
        )
        house.publish()
        _ask_outsiders(house)
        final = finish(prepared, entry.raw, house.proof(entry.seq))
    except BaseException as error:
        abandon(prepared)
        if isinstance(error, BwcError):
            house.record_failure(item, EventKind.RELEASE_PUBLISHED, error)
        raise
    if progress:
        progress(1, 1)
    return Published(
        item=item,
        release=release,
        request=request,
        folder=final,
        release_sha256=prepared.release_sha256,
        seq=entry.seq,
        files=tuple(sorted(str(path.relative_to(final)) for path in final.rglob("*") if path.is_file())),
        fingerprint=fingerprint_text(key),
        vkey=house.vkey,
        version=copies[0].request,
    )


def _ask_outsiders(house: House) -> None:
    """Let witnesses cosign the checkpoint that goes out with the package; without them it goes out as it is."""
    with suppress(BwcError, OSError):
        anchor(house.places, memory=seen_dir())


def _copied(house: House, item: ItemId, one: Releasable) -> CopiedPaper | None:
    """What proves which pictures of a copy are the recording's own; None where nothing was copied or indexed."""
    found = house.latest(item, one.segment, ObjectRole.GROUPS, version=one.version)
    index = house.latest(item, one.segment, ObjectRole.FACTS)
    if found is None or index is None or found.facts.get("copy_sha256") != one.copy_sha256:
        return None
    data = house.read(found.sealed.object_id)
    paper = CopiedGroups.parse(data)
    entry = house.entry(index.seq)
    check_root(parse_entry(entry), paper, item=item, segment=one.segment)
    return CopiedPaper(paper=data, frames=paper.frames, entry=entry, proof=house.proof(index.seq))


def _captions(one: Releasable) -> Captions | None:
    """Cut from the spans of the plan that was approved, with its own words of who wrote them."""
    cues = captions_of(one.plan, one.excerpt)
    if cues is None:
        return None
    return Captions(vtt=to_vtt(cues, note=CAPTIONS_NOTE), text=to_text(cues, note=CAPTIONS_NOTE))


def _copy(house: House, one: Releasable, streams: ExitStack, groups: CopiedPaper | None, *, captions: bool) -> Copy:
    plan = from_zero(one.plan, one.excerpt) if one.excerpt else one.plan
    return Copy(
        stream=streams.enter_context(house.open_object(one.copy)),
        segment=one.segment,
        groups=groups,
        plan=plan,
        part=one.excerpt.text(one.plan) if one.excerpt else "",
        captions=_captions(one) if captions else None,
        plan_sha256=one.plan_sha256,
        copy_sha256=one.copy_sha256,
        report_sha256=one.report_sha256,
        frames=one.frames,
        frames_lost=one.frames_lost,
        lost=[(doubt.first, doubt.stop - doubt.first) for doubt in plan.doubts if doubt.code == "frames_lost"],
        duration_ms=one.duration_ms,
        check=CheckFacts(frames_checked=one.frames_checked, stride=one.stride, suspects=one.suspects, suspects_open=0),
    )
