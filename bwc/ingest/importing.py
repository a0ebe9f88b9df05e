"""Take in what another agency handed over: a bag, its recordings, and the chain of custody they came with.

1. the whole bag is read and checked; 2. its papers of custody, if it has any, are verified as far as they can be;
3. each item is taken in like a card, its files compared with what the papers say; 4. the papers are sealed beside it and
`item.imported` says where it came from and how well that is proven. What is wrong in 1 or 2 stops it: nothing is taken.
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from bwc.anchors.pins import Pin
from bwc.audit.checkpoint import NoteKey
from bwc.canonical import Json
from bwc.errors import IntegrityError, NotFound, UsageError
from bwc.evidence import ItemId, SealedObject
from bwc.ingest.bag import Bag, read_bag
from bwc.ingest.card import CardFile
from bwc.ingest.facts import Describe, describe_media
from bwc.ingest.house import House
from bwc.ingest.intake import take_in
from bwc.ingest.receipt import Receipt
from bwc.ingest.recording import Recording, Sidecar
from bwc.ingest.tags import Rules, Tags
from bwc.verifier.exported import PAPER, Export, ExportedItem, verify_export
from bwc.verifier.tied import KnownChain, no_chain

Progress = Callable[[int, int | None], None]
PINNED, NOT_TIED, NONE = "pinned", "not-tied", "none"


class Sealed(Protocol):
    """What an event says of an object just sealed."""

    @property
    def sealed(self) -> SealedObject: ...
    @property
    def content_digest(self) -> str: ...
    @property
    def plain_bytes(self) -> int: ...


class Importing(House, Protocol):
    """What an import needs of custody beside an intake."""

    def seal_custody(self, source: BinaryIO, item: ItemId) -> Sealed: ...
    def record_import(
        self, item: ItemId, custody: Sealed, facts: Mapping[str, Json], private: Mapping[str, Json]
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What was taken in from a bag. `verdict` says how well its custody is proven."""

    bag: str
    verdict: str
    origin: str
    receipts: tuple[Receipt, ...]
    items: tuple[tuple[str, ItemId], ...]  # theirs, ours
    said: str = ""  # why it is tied to nobody, where there is more to say than that no key was at hand

    def to_json(self) -> dict[str, Json]:
        return {
            "bag": self.bag,
            "items": [{"item": ours, "origin_item": theirs or None} for theirs, ours in self.items],
            "origin": self.origin or None,
            "receipts": [one.to_json() for one in self.receipts],
            "verdict": self.verdict,
        }

    def text(self) -> str:
        words = {
            PINNED: f"custody    verified, and tied to {self.origin}",
            NOT_TIED: "custody    consistent with itself; NOT tied to "
            f"{self.origin}: {self.said or 'bwc pin its key, or --key'}",
            NONE: "custody    the bag brings none that can be verified; its papers are kept as they came",
        }
        lines = [f"{theirs or 'a bag without papers'} is held as {ours}" for theirs, ours in self.items]
        return "\n".join([*(one.text(what="bag") for one in self.receipts), "", *lines, words[self.verdict]])

    def raise_if_incomplete(self) -> None:
        for one in self.receipts:
            one.raise_if_incomplete()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the person who imports says; None where the papers may tell."""

    officer: str | None = None
    camera: str | None = None
    case_ids: tuple[str, ...] = ()
    category: str | None = None


def import_bag(
    house: Importing,
    folder: Path,
    said: Said,
    *,
    key: NoteKey | None = None,
    pins: Sequence[Pin] = (),
    known: KnownChain = no_chain,
    look: Callable[[Export], None] | None = None,
    progress: Progress | None = None,
    describe: Describe = describe_media,
) -> Imported:
    """Take in the bag in `folder`. Raises `IntegrityError` before anything is taken when bag or custody do not verify.

    `known` are the keys of a log as whoever imports saw them handed over; `look` compares a verified export with the rest
    that they saw of its log, and may refuse it.
    """
    bag = read_bag(folder, progress)  # 1
    work: list[tuple[ExportedItem | None, str, Tags]]
    if not bag.payload:
        raise NotFound(f"{folder} is a bag without a payload")
    if PAPER in bag.tags:
        export = verify_export(bag.tag, key=key, pins=pins, known=known)  # 2
        _compare(export, bag)
        if look is not None:
            look(export)
        verdict = PINNED if export.tied_to else NOT_TIED
        work = [(one, f"data/{one.item}", _tags_of(one, said)) for one in export.items]
    else:
        if key is not None:
            raise UsageError("the bag brings no custody that a key could tie", "import it without --key")
        export, verdict = None, NONE
        work = [(None, "data", _tags_of(None, said))]
    receipts: list[Receipt] = []
    items: list[tuple[str, ItemId]] = []
    archive = bag.tag_archive()
    for theirs, below, tags in work:
        rules = Rules(sources=[BagSource(theirs, below)]) if theirs else Rules()
        receipt = take_in(house, bag.root / below, tags, rules=rules, describe=describe)  # 3
        receipts.append(receipt)
        if not receipt.complete:
            continue  # its receipt says why; what is held stays, and the same command goes on
        _compare_taken(receipt, bag, below)
        for ours in dict.fromkeys(line.item for line in receipt.lines if line.item):  # 4
            custody = house.seal_custody(io.BytesIO(archive), ours)
            facts = _facts(export, theirs, bag, verdict)
            house.record_import(ours, custody, facts, _private(export, theirs, bag))
            items.append((theirs.item if theirs else "", ours))
    house.publish()
    return Imported(
        bag=str(folder),
        verdict=verdict,
        origin=export.agency if export else "",
        receipts=tuple(receipts),
        items=tuple(items),
        said=export.said if export and not export.tied_to else "",
    )


class BagSource:
    """Which files of a bag are recordings and which lay beside them, by the papers of its exporter."""

    name = "bag"

    def __init__(self, item: ExportedItem, below: str) -> None:
        self._files = {file.path.removeprefix(f"{below}/").encode(): file for file in item.files}

    def partners(self, stem: str) -> Sequence[str]:
        return ()

    def recordings(self, files: Sequence[CardFile]) -> Iterable[Recording]:
        known = sorted(
            ((self._files[file.path], file) for file in files if file.path in self._files),
            key=lambda pair: (pair[0].segment, pair[0].path),
        )
        segments = [(told, file) for told, file in known if told.role == "segment"]
        if not segments:
            return
        place = {told.segment: at for at, (told, _) in enumerate(segments)}
        yield Recording(
            vendor=self.name,
            segments=tuple(file for _, file in segments),
            sidecars=tuple(Sidecar(file, place.get(told.segment, 0)) for told, file in known if told.role != "segment"),
        )

    def says(self, recording: Recording) -> Sequence[tuple[str, str]]:
        return ()


def _compare(export: Export, bag: Bag) -> None:
    told = {file.path: file for item in export.items for file in item.files}
    if set(told) != set(bag.payload):
        odd = sorted(set(told) ^ set(bag.payload))[0]
        raise IntegrityError(f"{odd} is not both in the bag and in its papers")
    for path, file in told.items():
        if (file.sha256, file.size_bytes) != (bag.sha256[path], bag.payload[path].size_bytes):
            raise IntegrityError(f"{path} is not the file whose custody the papers tell")
    for item in export.items:
        if not all(file.path.startswith(f"data/{item.item}/") for file in item.files):
            raise IntegrityError(f"the files of {item.item} do not lie in a folder of their own")


def _compare_taken(receipt: Receipt, bag: Bag, below: str) -> None:
    """What was sealed is what was checked: the bag may have been changed between the two readings."""
    for line in receipt.lines:
        for file in line.files:
            if bag.sha256.get(f"{below}/{file.name}") != file.sha256:
                raise IntegrityError(f"{below}/{file.name} changed after the bag was checked")


def _tags_of(item: ExportedItem | None, said: Said) -> Tags:
    told = item.told if item else {}
    officer, camera = said.officer or told.get("officer"), said.camera or told.get("camera")
    if not officer or not camera:
        raise UsageError("the bag does not tell whose recording this is", "--officer ID --camera ID")
    cases = told.get("case_ids")
    offset = told.get("clock_offset_ms")
    return Tags(
        officer=str(officer),
        camera=str(camera),
        case_ids=said.case_ids or (tuple(map(str, cases)) if isinstance(cases, list) else ()),
        category=said.category or str(told.get("category") or "uncategorised"),
        clock_offset_ms=offset if type(offset) is int else None,
    )


def _facts(export: Export | None, theirs: ExportedItem | None, bag: Bag, verdict: str) -> dict[str, Json]:
    facts: dict[str, Json] = {"bag_sha256": bag.digest, "verdict": verdict}
    if export and theirs:
        facts |= {
            "origin_entries": len(theirs.entries),
            "origin_item": theirs.item,
            "origin_log": export.log,
            "origin_root": export.root,
            "origin_size": export.size,
            "origin_vkey": export.key.text(),
        }
    return facts


def _private(export: Export | None, theirs: ExportedItem | None, bag: Bag) -> dict[str, Json]:
    private: dict[str, Json] = {"bag": bag.root.name}
    if export and theirs:
        private |= {
            "agency": export.agency,
            "names": {file.path: file.name for file in theirs.files},
        }
    return private
