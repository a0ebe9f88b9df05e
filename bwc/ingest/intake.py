"""Take in a card: seal each recording, record it, and say whether the card may be wiped.

The order, for each recording (numbers are repeated in the code):
1. seal its segments and sidecars: hashed as they are read, written, read back from the device and compared;
2. compare with what the camera's sidecars say;
3. record its custody event — from here it is held;
4. read media facts while the file keys are in memory; a failure here is a note, never an error.
Then, once for the card: 5. publish the checkpoint; 6. list the card again; 7. the receipt with its verdict.
A recording whose every segment is held already is proven again where it rests and recorded as a second arrival.
"""

import hashlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from bwc.canonical import Json, canonical
from bwc.errors import BwcError, IntegrityError, Interrupted
from bwc.evidence import EvidenceItem, ItemId, ObjectRole, Segment
from bwc.ingest.card import CardFile, SourceChanged, SourceReader, SourceUnreadable, name_text, open_source
from bwc.ingest.facts import Describe, describe_media
from bwc.ingest.house import Held, House
from bwc.ingest.manifest import MAX_BYTES, Arrived, Claim, Finding, compare, merged, read_claims
from bwc.ingest.receipt import FileLine, Line, Receipt, State
from bwc.ingest.sources import Card, Recording, changes_since, read_card

BLOCK = 4 * 2**20  # bytes read at once when only a digest is wanted
NotRead = (SourceChanged, SourceUnreadable)


def take_in(
    house: House,
    card: Path,
    *,
    officer: str,
    camera: str,
    case_ids: Sequence[str] = (),
    category: str = "",
    progress: Callable[[int, int | None], None] | None = None,
    describe: Describe = describe_media,
) -> Receipt:
    """Take in every file on `card`, a folder or one file. The card is only read.

    Returns a receipt whenever the card could be listed, even when the intake was stopped by a full disk, a broken
    vault or Ctrl-C: what was recorded until then is held and published, the receipt says the rest, and
    `Receipt.raise_if_incomplete` raises what stopped it. Raises `NotFound` or `StorageError` when the card cannot
    be listed.
    """
    began_at = datetime.now(UTC)
    found = read_card(card)
    tags = _Tags(officer=officer, camera=camera, case_ids=tuple(case_ids), category=category)
    total = sum(file.size_bytes for file in found.listing.files)
    intake = _Intake(house, found, tags, describe, _Meter(total, progress))
    stopped_by = intake.run()
    checkpoint: int | None = None
    try:
        if intake.has_recorded:
            checkpoint = house.publish()  # 5
    except BwcError as error:
        stopped_by = stopped_by or error
    items = sorted({line.item for line in intake.lines if line.item})
    return Receipt(  # 7
        card=name_text(os.fsencode(found.listing.root)),
        officer=officer,
        camera=camera,
        case_ids=tuple(case_ids),
        category=category,
        began_at=began_at,
        ended_at=datetime.now(UTC),
        lines=tuple(intake.lines),
        left=found.left,
        checkpoint=checkpoint,
        copies_proven=house.proven_copies(items) if items else 0,
        copies_wanted=house.policy.copies,
        changes=() if stopped_by else changes_since(card, found),  # 6
        stopped_by=stopped_by,
        broken=tuple(intake.broken),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tags:
    officer: str
    camera: str
    case_ids: tuple[str, ...]
    category: str


class _Intake:
    """One run over one card."""

    def __init__(self, house: House, card: Card, tags: "_Tags", describe: Describe, meter: "_Meter") -> None:
        self._house = house
        self._card = card
        self._source = name_text(os.fsencode(card.listing.root))
        self._tags = tags
        self._describe = describe
        self._meter = meter
        self.lines: list[Line] = []
        self.broken: list[IntegrityError] = []
        self.has_recorded = False

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
                self.lines.append(_not_taken(recording.vendor, rest, f"{rest[0].name}: not reached"))
        return stopped_by

    def _take(self, recording: Recording) -> None:
        if all(file.size_bytes and self._house.may_hold(file.size_bytes) for file in recording.segments):
            try:
                digests = [self._digest(file) for file in recording.segments]
            except NotRead:
                digests = []  # sealing meets the same fault and lists it
            existing = self._item_of(digests)
            if existing:
                self._again(recording, existing, digests)
                return
        self._new(recording)

    def _new(self, recording: Recording) -> None:
        item = self._house.new_item()
        segments: list[tuple[CardFile, Held]] = []
        sidecars: list[tuple[CardFile, Held]] = []
        partners: list[CardFile] = []
        problems: list[str] = []
        missed: list[CardFile] = []
        files = [(file, ObjectRole.SEGMENT, file) for file in recording.segments]
        files += [(side.file, ObjectRole.SIDECAR, recording.segments[side.segment]) for side in recording.sidecars]
        try:
            for file, role, partner in files:  # 1
                kept = segments if role is ObjectRole.SEGMENT else sidecars
                ordinal = len(segments) if role is ObjectRole.SEGMENT else _position(segments, partner)
                if not segments and role is ObjectRole.SIDECAR:
                    break
                try:
                    kept.append((file, self._seal(file, item, role, ordinal)))
                except NotRead as error:
                    missed.append(file)
                    problems.append(error.message)
                else:
                    partners += [partner] if role is ObjectRole.SIDECAR else []
            if missed:
                self.lines.append(_not_taken(recording.vendor, missed, *problems))
            if segments:
                self._record(recording, item, segments, sidecars, partners)
        finally:
            for _, held in (*segments, *sidecars):
                held.forget()
        if not segments:  # what lay beside an unreadable recording is evidence on its own
            for side in recording.sidecars:
                self._take(Recording(vendor=recording.vendor, segments=(side.file,)))

    def _record(
        self,
        recording: Recording,
        item: ItemId,
        segments: list[tuple[CardFile, Held]],
        sidecars: list[tuple[CardFile, Held]],
        partners: list[CardFile],
    ) -> None:
        digests = [held.content_digest for _, held in segments]
        # Somebody else may have taken in the same card while we read it; then our objects are orphans.
        existing = self._item_of(digests) if all(file.size_bytes for file, _ in segments) else None
        if existing:
            self._again(recording, existing, digests)
            return
        said, findings = _compare(segments, sidecars, partners)  # 2
        notes, problems = self._findings(said, findings)
        notes += recording.notes
        notes += tuple(f"{file.name} is empty" for file, _ in segments if not file.size_bytes)
        evidence = EvidenceItem(
            item_id=item,
            camera_id=self._tags.camera,
            officer_id=self._tags.officer,
            recorded_at=said.recorded_at if said else None,
            clock_offset_ms=None,
            category=self._tags.category,
            case_ids=self._tags.case_ids,
            segments=tuple(
                Segment(name=file.name, sha256=held.content_digest, size_bytes=held.plain_bytes, ordinal=ordinal)
                for ordinal, (file, held) in enumerate(segments)
            ),
        )
        self._house.record_ingest(  # 3
            evidence,
            held=[held for _, held in segments],
            sidecars=[(file.name, held) for file, held in sidecars],
            vendor=recording.vendor,
            source=self._source,
        )
        self.has_recorded = True
        files = [_file_line(file, held.content_digest, "segment") for file, held in segments]
        files += [_file_line(file, held.content_digest, "sidecar") for file, held in sidecars]
        self.lines.append(
            Line(
                state=State.NEW,
                vendor=recording.vendor,
                files=tuple(files),
                item=item,
                notes=notes,
                problems=problems,
            )
        )
        more = self._index(item, segments)  # 4
        self.lines[-1] = replace(self.lines[-1], notes=notes + more)

    def _again(self, recording: Recording, existing: ItemId, digests: Sequence[str]) -> None:
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
        files = [_file_line(file, digest, "segment") for file, digest in zip(recording.segments, digests, strict=True)]
        notes = (*recording.notes, *self._held_otherwise(existing))
        self.lines.append(
            Line(state=State.HELD, vendor=recording.vendor, files=tuple(files), item=existing, notes=notes)
        )
        for side in recording.sidecars:
            self._again_sidecar(recording.vendor, side.file, existing)

    def _held_otherwise(self, existing: ItemId) -> list[str]:
        """What was said at the first arrival and differs from what is said now; the first stays in force."""
        said = {"officer": self._tags.officer, "case": ", ".join(self._tags.case_ids), "category": self._tags.category}
        held = self._house.tags_of(existing)
        differ = [f"{name} {held[name] or '-'}" for name, now in said.items() if held[name] != now]
        return [f"held under {', '.join(differ)}; to correct: bwc tag {existing}"] if differ else []

    def _again_sidecar(self, vendor: str, file: CardFile, existing: ItemId) -> None:
        """A sidecar of a recording held already: held with it, or new and then an item of its own."""
        try:
            digest = self._digest(file)
        except NotRead as error:
            self.lines.append(_not_taken(vendor, [file], error.message))
            return
        holder = self._house.find_content(digest)
        if holder and (holder == existing or (file.size_bytes and self._is_proven(holder))):
            line = Line(state=State.HELD, vendor=vendor, files=(_file_line(file, digest, "sidecar"),), item=holder)
            self.lines.append(line)
            return
        note = f"lay beside {existing}, which is held without it"
        self._new(Recording(vendor=vendor, segments=(file,), notes=(note,)))

    def _item_of(self, digests: Sequence[str]) -> ItemId | None:
        """The one item that holds all of `digests`, proven once more; None when none does."""
        holders = {self._house.find_content(digest) for digest in digests}
        holder = holders.pop() if len(holders) == 1 else None
        return holder if holder and self._is_proven(holder) else None

    def _is_proven(self, item: ItemId) -> bool:
        try:
            self._house.prove(item)
        except IntegrityError as error:
            # What we held is broken and the card still has it: take it in anew, and say so loudly (exit 5).
            self.broken.append(error)
            return False
        return True

    def _seal(self, file: CardFile, item: ItemId, role: ObjectRole, segment: int) -> Held:
        with open_source(self._card.listing.root, file, self._meter.of(file)) as reader:
            try:
                return self._house.seal(cast(BinaryIO, reader), item=item, role=role, segment=segment)
            except Exception:
                if reader.failure:  # whatever the sealer made of it, the card is the cause
                    raise reader.failure from None
                raise

    def _digest(self, file: CardFile) -> str:
        with open_source(self._card.listing.root, file, self._meter.of(file)) as reader:
            return _sha256(reader)

    def _findings(self, said: Claim | None, findings: Sequence[Finding]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        notes = [finding.text for finding in findings if not finding.blocks_wipe]
        problems = [finding.text for finding in findings if finding.blocks_wipe]
        if said and said.camera and said.camera.casefold() != self._tags.camera.casefold():
            notes.append(f"{said.said_by} names camera {said.camera}, not {self._tags.camera}")
        if said and said.officer and said.officer.casefold() != self._tags.officer.casefold():
            notes.append(f"{said.said_by} names officer {said.officer}, not {self._tags.officer}")
        return tuple(notes), tuple(problems)

    def _index(self, item: ItemId, segments: Sequence[tuple[CardFile, Held]]) -> tuple[str, ...]:
        notes: list[str] = []
        documents: list[Held] = []
        public: list[Mapping[str, Json]] = []
        private: list[Mapping[str, Json]] = []
        try:
            for ordinal, (file, held) in enumerate(segments):
                with held.open() as content:
                    described = self._describe(content, file.base)
                notes += [f"{file.name}: {note}" for note in described.notes]
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
            notes.append(f"media facts are pending: {why}")
        finally:
            for document in documents:
                document.forget()
        return tuple(notes)


class _Meter:
    """Bytes of the card read so far; a file that is read twice counts once."""

    def __init__(self, total: int, progress: Callable[[int, int | None], None] | None) -> None:
        self._total = total
        self._progress = progress
        self._read: dict[CardFile, int] = {}
        self._done = 0

    def of(self, file: CardFile) -> Callable[[int], None]:
        here = 0

        def on_read(count: int) -> None:
            nonlocal here
            here += count
            more = here - self._read.get(file, 0)
            if more > 0:
                self._read[file] = here
                self._done += more
                if self._progress:
                    self._progress(self._done, self._total)

        return on_read


def _compare(
    segments: Sequence[tuple[CardFile, Held]], sidecars: Sequence[tuple[CardFile, Held]], partners: Sequence[CardFile]
) -> tuple[Claim | None, tuple[Finding, ...]]:
    arrived = {file: _arrived(file, held) for file, held in (*segments, *sidecars)}
    claims: list[Claim] = []
    findings: list[Finding] = []
    for (file, held), partner in zip(sidecars, partners, strict=True):
        if held.plain_bytes > MAX_BYTES:
            continue
        with held.open() as content:
            said = read_claims(content.read(MAX_BYTES + 1), said_by=file.base)
        findings += compare(said, list(arrived.values()), arrived.get(partner))
        claims += said
    return merged(claims), tuple(findings)


def _arrived(file: CardFile, held: Held) -> Arrived:
    return Arrived(name=file.name, size_bytes=held.plain_bytes, sha256=held.content_digest, open=held.open)


def _not_taken(vendor: str, files: Sequence[CardFile], *problems: str) -> Line:
    lines = tuple(FileLine(name=file.name, size_bytes=file.size_bytes) for file in files)
    return Line(state=State.NOT_TAKEN, vendor=vendor, files=lines, problems=problems)


def _file_line(file: CardFile, digest: str, role: str) -> FileLine:
    return FileLine(name=file.name, size_bytes=file.size_bytes, sha256=digest, role=role)


def _position(segments: Sequence[tuple[CardFile, Held]], partner: CardFile) -> int:
    """The ordinal of the segment a sidecar lay beside, else of the first."""
    return next((ordinal for ordinal, (file, _) in enumerate(segments) if file == partner), 0)


def _sha256(reader: SourceReader) -> str:
    state = hashlib.sha256()
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    while count := reader.readinto(buffer):
        state.update(view[:count])
    return state.hexdigest()
