"""Hand items over to another agency, or to an outsider with an age key: originals, sidecars, and their whole custody.

1. what goes out is known by its recorded digests; 2. `item.exported` is recorded for each item and published: the export
stands in the trail before a byte leaves; 3. the papers are gathered under that checkpoint; 4. the bag is written, each file
compared with its digest; 5. its papers are checked as the receiver will; only then does it get its name.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import Entry, parse_entry
from bwc.canonical import Json, canonical, sha256_hex
from bwc.custody.house import House
from bwc.errors import BwcError, IntegrityError, KeyUnavailable, NotFound
from bwc.evidence import EventKind, ItemId, KeyId, ObjectRole, utc_text
from bwc.release.bag import Payload, Sink, age_recipients, age_sink, folder_sink, manifest_of, write_bag
from bwc.release.provenance import gather
from bwc.storage.rows import ItemState, SegmentRow
from bwc.verifier.exported import FORMAT, PAPER, entry_name, manifest_name, proof_name, verify_export
from bwc.version import TOOL

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was handed over."""

    target: Path
    items: tuple[ItemId, ...]
    files: int
    size_bytes: int
    bag_sha256: str
    entries: tuple[int, ...]
    sealed_to: tuple[str, ...]
    vkey: str

    def to_json(self) -> dict[str, Json]:
        return {
            "bag": str(self.target),
            "bag_sha256": self.bag_sha256,
            "bytes": self.size_bytes,
            "entries": list(self.entries),
            "files": self.files,
            "items": list(self.items),
            "sealed_to": list(self.sealed_to),
            "vkey": self.vkey,
        }


@dataclass(frozen=True, slots=True)
class _Going:
    """One file on its way out."""

    item: ItemId
    row: SegmentRow
    payload: Payload


def export(
    house: House,
    items: Sequence[ItemId],
    target: Path,
    *,
    reason: str,
    to: str,
    age: Sequence[str] = (),
    progress: Progress | None = None,
) -> Exported:
    """Write a bag with every recording and sidecar of `items` and their custody to `target`.

    With `age` recipients it is one sealed file. On any failure nothing has the target's name, and `act.failed` is recorded.
    """
    if age:
        age_recipients(age)
    going = [one for item in dict.fromkeys(items) for one in _files_of(house, item)]  # 1
    manifest_sha256 = sha256_hex(manifest_of([one.payload for one in going]))
    chosen = tuple(dict.fromkeys(one.item for one in going))
    for item in chosen:  # 2
        mine = [one for one in going if one.item == item]
        facts: dict[str, Json] = {
            "bytes": sum(one.payload.size_bytes for one in mine),
            "files": len(mine),
            "form": "age+tar+bagit-1.0" if age else "bagit-1.0",
            "manifest_sha256": manifest_sha256,
        }
        house.record_export(item, facts, {"age": list(age), "reason": reason, "to": to, "to_file": target.name})
    house.publish()
    try:
        papers, last = _papers(house, chosen, going)  # 3
        sink: AbstractContextManager[Sink] = (
            age_sink(target, age, target.name.split(".")[0]) if age else folder_sink(target)
        )
        with sink as out:
            info = [
                ("Source-Organization", house.agency),
                ("External-Identifier", ", ".join(chosen)),
                ("External-Description", f"recordings and chain of custody, handed to {to}"),
                ("Bag-Software-Agent", TOOL),
            ]
            bag_sha256 = write_bag(out, [one.payload for one in going], papers, info, progress)  # 4
            verify_export(_reader(papers), key=NoteKey.parse(house.vkey))  # 5
    except BaseException as error:
        if isinstance(error, BwcError):
            for item in chosen:
                house.record_failure(item, EventKind.ITEM_EXPORTED, error)
        raise
    return Exported(
        target=target,
        items=chosen,
        files=len(going),
        size_bytes=sum(one.payload.size_bytes for one in going),
        bag_sha256=bag_sha256,
        entries=last,
        sealed_to=tuple(age),
        vkey=house.vkey,
    )


def _files_of(house: House, item: ItemId) -> list[_Going]:
    if house.item(item).state is ItemState.DISPOSED:
        raise NotFound(f"{item} was destroyed by order; there is nothing to hand over", f"bwc log {item}")
    found: list[_Going] = []
    taken: set[str] = set()
    for place, row in enumerate([*house.segments(item), *house.files(item, ObjectRole.SIDECAR)]):
        if row.sha256 is None or row.size_bytes is None or row.name is None:
            hint = "bwc catalog rebuild, with a records officer's key"
            raise KeyUnavailable(f"the catalog does not know the digests of {item}", hint)
        folder = "recordings" if row.role is ObjectRole.SEGMENT else "sidecars"
        path = f"data/{item}/{folder}/{_plain(row.name)}"
        if path.casefold() in taken:
            path = f"data/{item}/{folder}/{place:03d}-{_plain(row.name)}"
        taken.add(path.casefold())
        payload = Payload(
            path=path,
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            open=lambda row=row: house.open_object(row.object_id),  # type: ignore[misc]
        )
        found.append(_Going(item, row, payload))
    return found


def _papers(house: House, items: Sequence[ItemId], going: Sequence[_Going]) -> tuple[dict[str, bytes], tuple[int, ...]]:
    """Every paper of the export by its path in the bag, and the entry of each item's export."""
    papers: dict[str, bytes] = {}
    told: list[Json] = []
    trails: list[Entry] = []
    last: list[int] = []
    for item in items:
        bodies: dict[str, Json] = {}
        trail: list[Entry] = []
        for raw, salted in house.papers(item):
            entry = parse_entry(raw)
            trail.append(entry)
            if entry.body_commit and salted is not None:
                bodies[entry.body_commit] = dict(salted)
        trails += trail
        last.append(trail[-1].seq)
        files: list[Json] = [_told(house, one) for one in going if one.item == item]
        told.append({"bodies": bodies, "files": files, "item": item, "trail": [entry.seq for entry in trail]})
    enrolments = [parse_entry(house.entry(seq)) for seq in house.enrolments()]
    signers = {KeyId(key) for entry in trails for key in entry.signers}
    provenance = gather(publishers=signers, approvals=[], enrolments=enrolments, proof=house.proof)
    needed = [*(parse_entry(one.entry) for one in provenance.proven), *trails]
    for entry in needed:
        papers[entry_name(entry.seq)] = entry.raw
        papers[proof_name(entry.seq)] = house.proof(entry.seq)
    for one in going:
        papers[manifest_name(one.row.object_id)] = house.manifest_file(one.row.object_id)
    papers[PAPER] = canonical(
        {
            "agency": house.agency,
            "enrolments": [parse_entry(one.entry).seq for one in provenance.proven],
            "format": FORMAT,
            "items": told,
            "keys": [key.to_json() for key in provenance.keys],
            "log": house.log_origin,
            "made_at": utc_text(datetime.now(UTC)),
            "tool": TOOL,
            "vkey": house.vkey,
        }
    )
    return papers, tuple(last)


def _told(house: House, one: _Going) -> dict[str, Json]:
    return {
        "bytes": one.payload.size_bytes,
        "name": one.row.name,
        "object": one.row.object_id,
        "path": one.payload.path,
        "role": one.row.role.value,
        "salt": house.content_salt(one.row.object_id),
        "segment": one.row.segment,
        "sha256": one.payload.sha256,
    }


def _reader(papers: Mapping[str, bytes]) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        if name not in papers:
            raise IntegrityError(f"{name} is missing")
        return papers[name]

    return read


def _plain(name: str) -> str:
    """The last part of a name with nothing in it that a file system, a shell or a bag could stumble over."""
    base = re.split(r"[/\\]", name)[-1]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", base).lstrip(".-") or "file"
    return plain[-100:]
