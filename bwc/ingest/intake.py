"""Take in a card: seal each recording, record it, and say whether the card may be wiped.

The order, for each recording (numbers are repeated in the code):
1. seal its segments and sidecars: hashed as they are read, written, read back from the device and compared;
2. compare with what the camera's sidecars say;
3. record its custody event — from here it is held;
4. read media facts while the file keys are in memory; a failure here is a note, never an error.
Then, once for the card: 5. publish the checkpoint, make the further copies; 6. list the card again; 7. the receipt with its verdict.
A recording whose every segment is held already is proven again where it rests and recorded as a second arrival.
"""

import hashlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from bwc.canonical import Json, canonical
from bwc.errors import BwcError, IntegrityError, Interrupted
from bwc.evidence import ItemId, ObjectRole
from bwc.ingest.card import CardFile, name_text
from bwc.ingest.copies import Copies, publish_and_copy
from bwc.ingest.damage import is_better
from bwc.ingest.facts import Describe, describe_media
from bwc.ingest.house import Held, House
from bwc.ingest.manifest import Claim, Finding, claim_of_names, merged
from bwc.ingest.reader import SourceChanged, SourceReader, SourceUnreadable, open_source
from bwc.ingest.receipt import Line, Receipt, State
from bwc.ingest.recording import Recording
from bwc.ingest.sources import Card, changes_since, read_card
from bwc.ingest.tags import ANY_CARD, Rules, Tags
from bwc.ingest.taken import Meter, Taken, compare_sidecars, damage_problems, file_line, not_taken, position
from bwc.recording import EvidenceItem, Gap, Segment, holders_of_all

BLOCK = 4 * 2**20  # bytes read at once when only a digest is wanted
NotRead = (SourceChanged, SourceUnreadable)


def take_in(
    house: House,
    card: Path,
    tags: Tags,
    *,
    rules: Rules = ANY_CARD,
    progress: Callable[[int, int | None], None] | None = None,
    describe: Describe = describe_media,
    deep: bool = True,
) -> Receipt:
    """Take in every file on `card`, a folder or one file; without `deep` only what lies directly in it. It is only read.

    Returns a receipt whenever the card could be listed, even when the intake was stopped by a full disk, a broken
    vault or Ctrl-C: what was recorded until then is held and published, the receipt says the rest, and
    `Receipt.raise_if_incomplete` raises what stopped it. Raises `NotFound` or `StorageError` when the card cannot
    be listed.
    """
    began_at = datetime.now(UTC)
    found = read_card(card, deep=deep, sources=rules.sources)
    total = sum(file.size_bytes for file in found.listing.files)
    intake = _Intake(house, found, tags, rules=rules, describe=describe, meter=Meter(total, progress))
    stopped_by = intake.run()
    items = sorted({line.item for line in intake.lines if line.item})
    copies = Copies(stopped_by=stopped_by)
    if intake.has_recorded:
        copies = publish_and_copy(house, items, stopped_by=stopped_by, progress=progress)  # 5
    return Receipt(  # 7
        card=name_text(os.fsencode(found.listing.root)),
        officer=tags.officer,
        camera=tags.camera,
        case_ids=tags.case_ids,
        category=tags.category,
        clock_offset_ms=tags.clock_offset_ms,
        began_at=began_at,
        ended_at=datetime.now(UTC),
        lines=tuple(intake.lines),
        left=found.left,
        checkpoint=copies.checkpoint,
        copies_proven=copies.proven,
        copies_wanted=house.policy.copies,
        stores=copies.stores,
        contradicted=tuple(house.contradicted()),
        changes=() if copies.stopped_by else changes_since(card, found, deep=deep),  # 6
        stopped_by=copies.stopped_by,
        broken=(*intake.broken, *copies.broken),
        source_notes=found.notes,
    )


class _Intake:
    """One run over one card."""

    def __init__(self, house: House, card: Card, tags: Tags, *, rules: Rules, describe: Describe, meter: Meter) -> None:
        self._house = house
        self._card = card
        self._source = name_text(os.fsencode(card.listing.root))
        self._tags = tags
        self._rules = rules
        self._describe = describe
        self._meter = meter
        self.lines: list[Line] = []
        self.broken: list[IntegrityError] = []
        self.has_recorded = False
        self._unfit: set[ItemId] = set()  # items whose bytes were found broken

    def run(self) -> BwcError | None:
        """Take in all recordings; what stopped it, if anything did. Recordings not reached get a line too."""
        waiting = list(self._card.recordings)
        stopped_by: BwcError | None = None
        try:
            while waiting:
                self._take(waiting[0])
                waiting.pop(0)
        except BwcError as error:
            stopped_by = error
        except KeyboardInterrupt:
            stopped_by = Interrupted("stopped before the whole card was taken in", "run the same command again")
        reached = {file.name for line in self.lines for file in line.files}
        for recording in waiting:
            rest = [file for file in recording.files if file.name not in reached]
            if rest:
                self.lines.append(not_taken(recording.vendor, rest, f"{rest[0].name}: not reached"))
        return stopped_by

    def _take(self, recording: Recording) -> None:
        if all(file.size_bytes and self._house.may_hold(file.size_bytes) for file in recording.segments):
            try:
                read = [self._digest(file) for file in recording.segments]
            except NotRead:
                read = []  # sealing meets the same fault and lists it
            digests = [digest for digest, _ in read]
            existing = self._item_of(digests)
            if existing:
                self._again(recording, existing, digests, [gaps for _, gaps in read])
                return
        self._new(recording)

    def _new(self, recording: Recording) -> None:
        item = self._house.new_item()
        segments: list[Taken] = []
        sidecars: list[Taken] = []
        problems: list[str] = []
        missed: list[CardFile] = []
        files = [(file, ObjectRole.SEGMENT, file) for file in recording.segments]
        files += [(side.file, ObjectRole.SIDECAR, recording.segments[side.segment]) for side in recording.sidecars]
        try:
            for file, role, partner in files:  # 1
                kept = segments if role is ObjectRole.SEGMENT else sidecars
                ordinal = len(segments) if role is ObjectRole.SEGMENT else position(segments, partner)
                if not segments and role is ObjectRole.SIDECAR:
                    break
                try:
                    kept.append(self._seal(file, item, role, ordinal, partner))
                except NotRead as error:
                    missed.append(file)
                    problems.append(error.message)
            if missed:
                self.lines.append(not_taken(recording.vendor, missed, *problems))
            if segments:
                self._record(recording, item, segments, sidecars)
        finally:
            for one in (*segments, *sidecars):
                one.held.forget()
        if not segments:  # what lay beside an unreadable recording is evidence on its own
            for side in recording.sidecars:
                self._take(Recording(vendor=recording.vendor, segments=(side.file,)))

    def _record(self, recording: Recording, item: ItemId, segments: list[Taken], sidecars: list[Taken]) -> None:
        digests = [one.held.content_digest for one in segments]
        has_content = all(one.file.size_bytes for one in segments)
        # Somebody else may have taken in the same card while we read it; then our objects are orphans.
        existing = self._item_of(digests) if has_content else None
        if existing is None:
            claims, findings = compare_sidecars(segments, sidecars, self._rules.known)  # 2
            claims = (*claims, *self._said_by_names(recording))
            said = merged(claims)
            damaged = self._damaged_here(digests) if has_content else None
            rereads = damaged or self._read_better(segments)
            existing = self._house.record_ingest(  # 3
                self._evidence(item, segments, said),
                held=[one.held for one in segments],
                sidecars=[(one.file.name, one.held) for one in sidecars],
                vendor=recording.vendor,
                source=self._source,
                damage=[one.damage(ObjectRole.SEGMENT) for one in segments if one.gaps]
                + [one.damage(ObjectRole.SIDECAR) for one in sidecars if one.gaps],
                rereads=rereads,
                said=[told for claim in claims if (told := claim.said())],
                map_sha256=self._rules.known.sha256,
                apart_from=self._unfit,
            )
        if existing is not None:
            self._again(recording, existing, digests, [one.gaps for one in segments])
            return
        self.has_recorded = True
        notes, problems = self._findings(said, findings)
        notes += recording.notes
        notes += tuple(f"{one.file.name} is empty" for one in segments if not one.file.size_bytes)
        if damaged:
            notes += (f"held again, because {damaged}, which holds it too, is damaged here: bwc verify",)
        elif rereads:
            notes += (f"reads better what is held with gaps as {rereads}",)
        files = (*(one.line("segment") for one in segments), *(one.line("sidecar") for one in sidecars))
        self.lines.append(
            Line(
                state=State.NEW,
                vendor=recording.vendor,
                files=files,
                item=item,
                notes=notes,
                problems=problems + damage_problems(files),
            )
        )
        more = self._index(item, segments)  # 4
        self.lines[-1] = replace(self.lines[-1], notes=notes + more)

    def _evidence(self, item: ItemId, segments: Sequence[Taken], said: Claim | None) -> EvidenceItem:
        return EvidenceItem(
            item_id=item,
            camera_id=self._tags.camera,
            officer_id=self._tags.officer,
            recorded_at=said.recorded_at if said else None,
            clock_offset_ms=self._tags.clock_offset(said),
            category=self._tags.category,
            case_ids=self._tags.case_ids,
            segments=tuple(
                Segment(
                    name=one.file.name, sha256=one.held.content_digest, size_bytes=one.held.plain_bytes, ordinal=ordinal
                )
                for ordinal, one in enumerate(segments)
            ),
        )

    def _damaged_here(self, digests: Sequence[str]) -> ItemId | None:
        """The item that holds the same recordings, but whose bytes were found broken in this run."""
        holders = holders_of_all([self._house.find_content(digest) for digest in digests])
        return next((holder for holder in holders if holder in self._unfit), None)

    def _read_better(self, segments: Sequence[Taken]) -> ItemId | None:
        """The item that holds one of `segments` with more gaps than it was read with now."""
        for one in segments:
            for candidate in self._house.damaged(one.held.plain_bytes) if one.file.size_bytes else ():
                with one.held.open() as content:
                    if is_better(content, one.gaps, candidate.media.get("damage")):
                        return candidate.item_id
        return None

    def _again(
        self, recording: Recording, existing: ItemId, digests: Sequence[str], gaps: Sequence[tuple[Gap, ...]]
    ) -> None:
        """The recording's segments are all held by `existing`: prove that, and record the second arrival."""
        names = [file.name for file in recording.segments]
        self._house.record_duplicate(
            existing,
            officer=self._tags.officer,
            camera=self._tags.camera,
            case_ids=self._tags.case_ids,
            category=self._tags.category,
            source=self._source,
            names=names,
            sha256=digests,
        )
        self.has_recorded = True
        files = tuple(
            file_line(file, digest, "segment", lacking)
            for file, digest, lacking in zip(recording.segments, digests, gaps, strict=True)
        )
        self.lines.append(
            Line(
                state=State.HELD,
                vendor=recording.vendor,
                files=files,
                item=existing,
                notes=(*recording.notes, *self._held_otherwise(existing)),
                problems=damage_problems(files),
            )
        )
        for side in recording.sidecars:
            self._again_sidecar(recording.vendor, side.file, existing)

    def _held_otherwise(self, existing: ItemId) -> list[str]:
        differ = self._tags.differ_from_held(self._house.tags_of(existing))
        return [f"held under {', '.join(differ)}; to correct: bwc tag {existing}"] if differ else []

    def _said_by_names(self, recording: Recording) -> list[Claim]:
        """What the names of the files say, as the source that knows them reads it."""
        for source in self._rules.sources:
            if source.name == recording.vendor:
                with suppress(Exception):  # somebody else's code; what a name says is never needed
                    return [claim_of_names(recording.segments[0].base, source.says(recording))]
        return []

    def _again_sidecar(self, vendor: str, file: CardFile, existing: ItemId) -> None:
        """A sidecar of a recording held already: held with it, or new and then an item of its own."""
        try:
            digest, gaps = self._digest(file)
        except NotRead as error:
            self.lines.append(not_taken(vendor, [file], error.message))
            return
        holders = self._house.find_content(digest)
        holder = existing if existing in holders else self._item_of([digest]) if file.size_bytes else None
        if holder:
            files = (file_line(file, digest, "sidecar", gaps),)
            problems = damage_problems(files)
            self.lines.append(Line(state=State.HELD, vendor=vendor, files=files, item=holder, problems=problems))
            return
        note = f"lay beside {existing}, which is held without it"
        self._new(Recording(vendor=vendor, segments=(file,), notes=(note,)))

    def _item_of(self, digests: Sequence[str]) -> ItemId | None:
        """The oldest item that holds all of `digests` and is proven once more; None when none is."""
        holders = holders_of_all([self._house.find_content(digest) for digest in digests])
        return next((holder for holder in holders if self._is_proven(holder)), None)

    def _is_proven(self, item: ItemId) -> bool:
        if item in self._unfit:
            return False
        try:
            self._house.prove(item)
        except IntegrityError as error:
            # What we held is broken and the card still has it: take it in anew, and say so loudly (exit 5).
            self.broken.append(error)
            self._unfit.add(item)
            return False
        return True

    def _seal(self, file: CardFile, item: ItemId, role: ObjectRole, segment: int, partner: CardFile) -> Taken:
        with open_source(self._card.listing, file, self._meter.of(file)) as reader:
            source = cast(BinaryIO, reader)
            try:
                held = self._house.seal(source, item=item, role=role, segment=segment, gaps=lambda: reader.gaps)
            except Exception:
                if reader.failure:  # whatever the sealer made of it, the card is the cause
                    raise reader.failure from None
                raise
            return Taken(file, held, reader.gaps, partner)

    def _digest(self, file: CardFile) -> tuple[str, tuple[Gap, ...]]:
        with open_source(self._card.listing, file, self._meter.of(file)) as reader:
            return _sha256(reader), reader.gaps

    def _findings(self, said: Claim | None, findings: Sequence[Finding]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        notes = [finding.text for finding in findings if not finding.blocks_wipe]
        problems = [finding.text for finding in findings if finding.blocks_wipe]
        notes += self._tags.differ_from(said)
        return tuple(notes), tuple(problems)

    def _index(self, item: ItemId, segments: Sequence[Taken]) -> tuple[str, ...]:
        notes: list[str] = []
        documents: list[Held] = []
        public: list[Mapping[str, Json]] = []
        private: list[Mapping[str, Json]] = []
        try:
            for ordinal, one in enumerate(segments):
                with one.held.open() as content:
                    described = self._describe(content, one.file.base)
                notes += [f"{one.file.name}: {note}" for note in described.notes]
                public.append({"segment": ordinal, **described.public})
                private.append({"segment": ordinal, **described.private})
                if described.document is not None:
                    source = io.BytesIO(canonical(described.document))
                    documents.append(self._house.seal(source, item=item, role=ObjectRole.FACTS, segment=ordinal))
            self._house.record_index(item, documents=documents, segments=public, private={"segments": private})
        except IntegrityError:
            raise
        except Exception as error:  # the recording is held; its facts can be read later by whoever has a key
            why = error.message if isinstance(error, BwcError) else type(error).__name__
            notes.append(f"media facts are pending: {why}; bwc catalog index reads them later")
        finally:
            for document in documents:
                document.forget()
        return tuple(notes)


def _sha256(reader: SourceReader) -> str:
    state = hashlib.sha256()
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    while count := reader.readinto(buffer):
        state.update(view[:count])
    return state.hexdigest()
