"""A backup of a whole vault in a folder, and a vault made again from a backup or from a further store.

A backup is laid out as a vault without catalog, so `bwc verify` checks it as it is, and it holds no names in the clear.
What is there already is not copied again; what is copied is read back from the device. Restoring is an entry of the
log. A copy that is older than what is known of the log elsewhere is refused: going on from it would be a second history.
"""

import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bwc.anchors.seen import Seen
from bwc.audit.checkpoint import Checkpoint, parse_checkpoint
from bwc.audit.tiles import CHECKPOINT
from bwc.audit.verify import verify_log
from bwc.canonical import Json, canonical
from bwc.config import Places, StorePlace, marks_dir
from bwc.custody.house import House
from bwc.custody.log_copy import LOG, take_log
from bwc.custody.marks import Mark
from bwc.custody.reading import BACKUP_FORMAT as FORMAT
from bwc.custody.reading import BACKUP_NOTE as NOTE
from bwc.custody.rebuilding import replay
from bwc.errors import CheckpointRolledBack, IntegrityError, PolicyRefuses, UsageError
from bwc.evidence import EventKind, utc_text
from bwc.identities import Operator
from bwc.storage.copying import copy_body, copy_object
from bwc.storage.fsops import Disk
from bwc.storage.rows import DocumentRow, ItemFilter, ItemState
from bwc.storage.store import LocalStore, ObjectStore, Shelf
from bwc.storage.stores import reach
from bwc.verifier.cores import over_cores
from bwc.verifier.log_folder import LogFolder

Progress = Callable[[int, int | None], None]
_ROUNDS = 3  # a vault in use goes on while it is copied


@dataclass(slots=True, kw_only=True)
class Copied:
    """What a backup or a restore did. `damaged`: what could not be copied because it is not what the log says."""

    folder: Path
    entries: int = 0
    objects: int = 0
    copied: int = 0
    copied_bytes: int = 0
    bodies_closed: int = 0
    destroyed: int = 0  # items, by order; nothing of them is copied
    damaged: list[IntegrityError] = field(default_factory=list)

    def to_json(self) -> dict[str, Json]:
        return {
            "bodies_closed": self.bodies_closed,
            "bytes": self.copied_bytes,
            "copied": self.copied,
            "damaged": [one.message for one in self.damaged],
            "destroyed": self.destroyed,
            "entries": self.entries,
            "folder": str(self.folder),
            "objects": self.objects,
        }

    def raise_if_damaged(self) -> None:
        """Raise the first damage with all of them as details."""
        if self.damaged:
            details: list[dict[str, object]] = [{"error": one.name, "message": one.message} for one in self.damaged]
            raise type(self.damaged[0])(self.damaged[0].message, "bwc verify --repair-from STORE", details=details)


def back_up(house: House, folder: Path, *, progress: Progress | None = None) -> Copied:
    """Bring the backup in `folder` up to date and record it (`backup.made`). Sound objects are kept if some are not.

    1 what the catalog names and the backup lacks is copied; 2 the event, so that the backup holds it too; 3 the log;
    4 if others went on meanwhile, again from 1, three times at most, and then 1 once more; 5 what was replaced or destroyed is destroyed there; 6 a note of its age.
    """
    house._require(EventKind.BACKUP_MADE)
    disk = Disk(folder)
    if folder.is_relative_to(house.places.vault) or house.places.vault.is_relative_to(folder):
        raise UsageError(f"{folder} and the vault lie in each other", "name a folder on another disk")
    if folder.exists() and any(folder.iterdir()) and disk.read(NOTE) is None:
        raise UsageError(f"{folder} is neither empty nor a backup", "name a new folder")
    house.verify_continues(disk, str(folder))
    done = Copied(folder=folder)
    shelves = LocalStore(disk)
    copying = _Copying(house._vault.store, shelves, done, progress)
    disk.replace(NOTE, _note(house, None))  # whoever finds a backup that stopped knows what it is
    for _ in range(_ROUNDS):
        before, gone = house.entries(), house.names_to_clear()
        done.damaged = []
        copying.objects(house)  # 1
        copying.bodies(house._catalog.body_ids)
        facts: dict[str, Json] = {"damaged": len(done.damaged), "objects": done.objects}
        mine = house.act(EventKind.BACKUP_MADE, None, facts, {}).seq  # 2
        house.copy_log_to(disk, str(folder))  # 3
        size = _size_of(disk)
        if mine == before and size == before + 1:  # 4: all that this log names was there to be copied
            break
    else:  # they never rest: what came before the log was copied is there by now, what came after names nothing yet
        copying.objects(house)
        copying.bodies(house._catalog.body_ids)
    for shelf, names in gone.items():  # 5
        for name in names.intersection(shelves.names(shelf)):
            shelves.destroy(shelf, name)
    disk.replace(NOTE, _note(house, size))  # 6
    done.entries = size
    return done


def restore(
    source: StorePlace,
    folder: Path,
    operator: Operator,
    *,
    seen: Path,
    lost: str = "",
    live: Path | None = None,
    progress: Progress | None = None,
) -> Copied:
    """Make the vault in `folder` from a backup or a further store, and record it (`vault.restored`).

    `live` is a vault that is in use: if it is of the same log, it would be shut out, so that is refused (`PolicyRefuses`).
    `seen` is what this person saw of logs. A copy that is older than that, or than what this computer signed, is
    refused unless somebody says why the newer entries are `lost`; that is recorded, and whoever saw them will still call this log broken. In this order: 1 the log and its key; 2 it is verified and must
    not be older than what is known of it; 3 private bodies, and the catalog from the log; 4 all
    sealed objects, each proven; 5 the event; 6 the folder's name. Raises `CheckpointRolledBack`, and nothing is left.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", "name a new folder for the vault")
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    disk = Disk(made)
    done = Copied(folder=folder)
    try:
        made.mkdir(mode=0o700)
        shelves, files = reach(source, disk)
        take_log(files, disk, source.text)  # 1
        restored_from = parse_checkpoint(disk.read(f"{LOG}/{CHECKPOINT}") or b"")[0]
        _verify_not_live(live, restored_from.origin, source.text)
        newer = _verify_newest(made, restored_from, seen, accept=bool(lost))  # 2
        target = LocalStore(disk)
        copying = _Copying(shelves, target, done, progress)
        copying.bodies(lambda: shelves.names(Shelf.BODIES))  # 3
        places = Places(vault=made)
        done.bodies_closed = replay(places, operator).closed
        facts: dict[str, Json] = {"checkpoint": {"root": restored_from.root.hex(), "size": restored_from.size}}
        if newer is not None:
            facts["lost"] = {"root": newer.root.hex(), "size": newer.size}
        with House.enter(places, operator) as house:
            house._require(EventKind.VAULT_RESTORED)
            copying.objects(house)  # 4
            done.entries = (
                house.act(EventKind.VAULT_RESTORED, None, facts, {"reason": lost} if lost else {}).seq + 1
            )  # 5
        if folder.exists():
            folder.rmdir()
        made.rename(folder)  # 6
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return done


def _verify_not_live(live: Path | None, origin: str, source: str) -> None:
    """Two vaults of one log: this computer signs for one of them only, the other can record nothing any more."""
    if live is None:
        return
    try:
        with (live / "log" / "checkpoint").open(encoding="utf-8") as file:
            first = file.readline().rstrip("\n")
    except OSError:
        return
    if first == origin:
        raise PolicyRefuses(
            f"{live} is in use and of the same log: after this nothing could be recorded in it any more",
            f"to try a copy out: bwc verify {source}; if that vault is gone for good: --takeover",
        )


class _Copying:
    """From one place to another, all that an event names; a broken thing does not keep the others from being copied."""

    def __init__(self, source: ObjectStore, target: ObjectStore, done: Copied, progress: Progress | None) -> None:
        self._source, self._target, self._done = source, target, done
        self._progress = progress
        self._before = self._total = 0

    def objects(self, house: House) -> None:
        self._done.destroyed = len(house.items(ItemFilter(state=ItemState.DISPOSED)))
        wanted = list(_documents(house))
        there, envelopes = set(self._target.names(Shelf.OBJECTS)), set(self._target.names(Shelf.ENVELOPES))
        lacking = [one for one in wanted if one.object_id not in there or one.sealed.envelope_sha256 not in envelopes]
        self._before, self._total = 0, sum(one.sealed.sealed_bytes for one in lacking)
        for one in lacking:
            try:
                copy_object(self._source, self._target, one.sealed, progress=self._told)
                self._done.copied += 1
                self._done.copied_bytes += one.sealed.sealed_bytes
            except IntegrityError as error:
                if house._catalog.copies.is_current(one.sealed):  # else it was destroyed or rewrapped meanwhile
                    self._done.damaged.append(error)
        self._done.objects = len(wanted)

    def bodies(self, names: Callable[[], Iterable[str]]) -> None:
        for name in sorted(set(names()).difference(self._target.names(Shelf.BODIES))):
            try:
                copy_body(self._source, self._target, name)
            except IntegrityError as error:
                if name in names():  # else it was destroyed meanwhile
                    self._done.damaged.append(error)

    def _told(self, count: int) -> None:
        self._before += count
        if self._progress:
            self._progress(self._before, self._total)


def _documents(house: House) -> Iterator[DocumentRow]:
    for row in house.items():
        yield from house._catalog.documents(row.item_id)


def _verify_newest(made: Path, found: Checkpoint, seen: Path, *, accept: bool) -> Checkpoint | None:
    """Verify the log; the newer checkpoint that is known of it, if there is one and that is accepted."""
    mark = Mark(marks_dir(), found.origin)
    last = Seen(seen, found.origin).last
    known = (last.signed.checkpoint if last else None, mark.read())
    newest = max((one for one in known if one is not None), key=lambda one: one.size, default=None)
    behind = newest if newest is not None and newest.size > found.size else None
    if behind is not None and not accept:
        what = f"this copy is older than what is known of its log: {found.size} entries, then {behind.size}"
        raise CheckpointRolledBack(what, "a newer backup or store; else docs/administrator.md, 'After a restore'")
    verify_log(LogFolder(made / LOG), None, None if behind else newest, spread=over_cores()).findings.raise_if_bad()
    if behind is not None and mark.path.exists():
        mark.path.replace(mark.path.with_name(f"{mark.path.name}.{behind.size}.lost"))
    return behind


def _size_of(disk: Disk) -> int:
    return parse_checkpoint(disk.read(f"{LOG}/{CHECKPOINT}") or b"")[0].size


def _note(house: House, size: int | None) -> bytes:
    """`backup.json`: of which log, when, and up to where; `entries` is null while it is being made."""
    return canonical({"at": utc_text(datetime.now(UTC)), "entries": size, "format": FORMAT, "log": house.log_origin})
