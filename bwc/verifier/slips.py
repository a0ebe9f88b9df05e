"""Step 2 with what somebody else kept of the log: a slip of paper, a checkpoint file, a proof.

A slip that the log's key did not sign says nothing about the log: it is mistyped, or of another one. If that made a log
bad, anybody with a pen could frame an agency.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from bwc.anchors.fork import SignedCheckpoint, contradiction, has_one_chain
from bwc.anchors.seen import as_error, entries_text
from bwc.audit.checkpoint import NoteKey
from bwc.audit.keychain import read_checkpoint
from bwc.audit.log_report import LogReport
from bwc.audit.tiles import CHECKPOINT, LogReader
from bwc.errors import IntegrityError, UsageError


@dataclass(frozen=True, slots=True)
class Slip:
    """A checkpoint that a key of the log signed, and where it is from."""

    where: str
    signed: SignedCheckpoint


def signed_slips(files: LogReader, key: NoteKey | None, against: Iterable[tuple[str, bytes]]) -> list[Slip]:
    """Those that are signed by the log's key, given as `key`, or by one that it was handed over to or from.

    Raises `UsageError` for one that is not. Without any `key` that is left to `signed_by_log`.
    """
    if key is None:
        return []
    keys = [key]
    with suppress(IntegrityError):  # step 1 names it
        keys += read_checkpoint(files.read(CHECKPOINT) or b"", key)[1].keys
    return [_signed(where, note, keys) for where, note in against]


def _signed(where: str, note: bytes, keys: Sequence[NoteKey]) -> Slip:
    for key in keys:
        try:
            return Slip(where, SignedCheckpoint(note, key))
        except IntegrityError:
            continue
    raise UsageError(
        f"{where}: this slip is not signed by this log's key: mistyped, or of another log. It says nothing about this log",
        "compare it letter by letter with the paper, above all the root and the signature",
    )


def compare_slips(
    report: LogReport, slips: Sequence[Slip], against: Sequence[tuple[str, bytes]], *, is_copy: bool
) -> tuple[int, tuple[str, ...]]:
    """How many entries a copy lacks of them, and which of them the log continues, in words. The rest are findings of step 2."""
    if report.key is None or report.files is None or report.checkpoint is None or report.findings.count(1):
        return 0, ()
    if not slips and against:  # no key was brought along: those of the log's own key
        slips = signed_slips(report.files, report.key, against)
    behind, continued = 0, []
    for slip in slips:
        lacks = _compare(report, report.key, report.files, slip, is_copy=is_copy)
        behind = max(behind, lacks or 0)
        if lacks == 0:
            continued.append(f"continues the {entries_text(slip.signed.checkpoint.size)} of {slip.where}")
    return behind, tuple(continued)


def _compare(report: LogReport, key: NoteKey, files: LogReader, slip: Slip, *, is_copy: bool) -> int | None:
    """How many entries a copy lacks of it: 0 when the log continues it, None when it contradicts it."""
    before, where = slip.signed, slip.where
    try:
        now = SignedCheckpoint(files.read(CHECKPOINT) or b"", key)
        lacks = before.checkpoint.size - now.checkpoint.size
        if is_copy and lacks > 0 and has_one_chain(before, now):
            report.findings.note(2, f"a copy that is {entries_text(lacks)} behind {where}", CHECKPOINT)
            return lacks
        found = contradiction(before, now, files, found_at=datetime.now(UTC))
        if found is None:
            report.findings.ok(2, f"continues the {entries_text(before.checkpoint.size)} of {where}")
            return 0
        report.findings.bad(2, found.text(), where, type(as_error(found)))
    except IntegrityError as error:
        report.findings.refused(2, error, where)
    return None
