"""Verify a whole vault: the log, then what it points to. Needs no operator's key and writes nothing into the vault."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bwc.anchors import openssl_ts
from bwc.anchors.outside import CheckStamp
from bwc.anchors.pins import Pin, pin_of, typed_key
from bwc.anchors.remembered import Remembered
from bwc.anchors.seen import Seen, as_error
from bwc.audit.checkpoint import NoteKey, parse_checkpoint
from bwc.audit.log_report import LogReport
from bwc.audit.tiles import CHECKPOINT
from bwc.canonical import parse_canonical, sha256_hex
from bwc.config import Places
from bwc.custody.comparison import compare_tables
from bwc.custody.reading import BACKUP_FORMAT, BACKUP_NOTE
from bwc.custody.scrubbing import Readings
from bwc.errors import IntegrityError, JournalUnread
from bwc.identities import Operator
from bwc.storage.catalog import Catalog
from bwc.storage.stores import FORMAT as STORE_FORMAT
from bwc.storage.stores import MARK
from bwc.verifier.exported_log import is_log_alone
from bwc.verifier.inspected import Inspection, Progress, judge
from bwc.verifier.log_folder import LogFolder
from bwc.verifier.verify_objects import VaultFolder


def inspect(
    places: Places,
    *,
    vkey: str | None,
    pins: Sequence[Pin],
    seen: Path,
    quick: bool,
    share: float,
    check_stamp: CheckStamp = openssl_ts.check_stamp,
    against: Sequence[tuple[str, bytes]] = (),
    progress: Progress | None = None,
    only_new: bool = False,
    is_elsewhere: bool = False,
    newer: Path | None = None,
    operator: Operator | None = None,
) -> Inspection:
    """Verify the vault at `places`: steps 1 to 10 of docs/auditor.md.

    The log's key is `vkey`, else the pin of the same log. What this auditor saw is in `seen`; a good verification saves
    what it saw there, and fork evidence is kept there. `quick` leaves out step 8; `share` of the sealed bytes is read.
    A folder that `is_elsewhere`, named and not the vault of this computer, may be behind where its mark says that it is a
    backup or a further store of this log, or where it is a log alone, as exported; `newer` is then the folder of the vault
    it is a copy of.
    With an `operator` what private bodies tell is compared with the catalog too, as far as their key opens them.
    `only_new` (with `quick`) reads what came after the last good verification by whoever `seen` belongs to.
    """
    files = LogFolder(places.log)
    key = typed_key(vkey) if vkey else _pinned(files, pins)
    has_log_only = is_log_alone(places.vault)
    is_alone = is_elsewhere and has_log_only  # of the vault of this computer, all that was there is gone then
    with ExitStack() as closing:
        rows, unread = None, None
        try:
            # a copy of the vault without its catalog is verified too: then there is no step 9
            if places.catalog.exists():
                rows = closing.enter_context(Catalog(places.catalog, read_only=True))
        except JournalUnread as error:
            unread = error
        found = judge(
            files,
            key=key,
            agency=_agency(key, pins),
            memory=Seen(seen, key.name) if key else None,
            rows=rows,
            tables=None if rows is None or quick else partial(_compare_tables, places, rows, operator),
            objects=None if quick or is_alone else VaultFolder(places.vault),
            share=share,
            check_stamp=check_stamp,
            against=against,
            progress=progress,
            remembered=Remembered(seen / f"{sha256_hex(key.text().encode())[:32]}.sqlite", key) if key else None,
            only_new=only_new,
            is_copy=is_elsewhere and key is not None and (is_alone or _is_marked(places.vault, key.name)),
            newer=LogFolder(newer / "log") if newer else None,
            readings=Readings(seen / f"{sha256_hex(key.text().encode())[:32]}.read.sqlite") if key else None,
            folder=places.vault,
            is_alone=is_alone,
        )
        if has_log_only and not (quick or is_alone):
            what = "there is nothing here but a log; one that was exported is named: bwc verify FOLDER"
            found.log.findings.note(8, what)
        if unread:
            found.log.findings.note(9, f"not compared: {unread.message}", places.catalog.name)
        return found


def _compare_tables(places: Places, catalog: Catalog, operator: Operator | None, report: LogReport) -> str:
    if operator is None:
        return compare_tables(report, catalog, None)
    from bwc.custody.rebuilding import bodies_of  # knows the door: loaded where a key is given

    return compare_tables(report, catalog, bodies_of(places, catalog, operator, report))


def glance(places: Places, *, pins: Sequence[Pin], seen: Path) -> None:
    """Demand that the published checkpoint continues what this person saw of the log, and save it: milliseconds.

    Nothing is looked at when the log's key is not pinned here. Raises `LogForked` or `CheckpointRolledBack`, with the
    evidence kept, or what a damaged log raises.
    """
    files = LogFolder(places.log)
    key, note = _pinned(files, pins), files.read(CHECKPOINT)
    if key is not None and note is not None:
        for evidence in Seen(seen, key.name).look(note, key, files):
            raise as_error(evidence)


def _is_marked(folder: Path, log: str) -> bool:
    """Whether the mark in `folder` says that it is a backup or a further store of this log."""
    return any(_reads(folder / name, form, log) for name, form in ((BACKUP_NOTE, BACKUP_FORMAT), (MARK, STORE_FORMAT)))


def _reads(mark: Path, form: str, log: str) -> bool:
    try:
        value = parse_canonical(mark.read_bytes())
    except (OSError, IntegrityError):
        return False
    return isinstance(value, dict) and (value.get("format"), value.get("log")) == (form, log)


def _pinned(files: LogFolder, pins: Sequence[Pin]) -> NoteKey | None:
    note = files.read(CHECKPOINT)
    if note is None:
        return None
    try:
        found = pin_of(pins, parse_checkpoint(note)[0].origin)
    except IntegrityError:
        return None  # step 1 names it
    return found.key if found else None


def _agency(key: NoteKey | None, pins: Sequence[Pin]) -> str:
    found = pin_of(pins, key.name) if key else None
    return found.agency if found and found.key == key else (key.name if key else "")
