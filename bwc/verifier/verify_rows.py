"""Step 9 of the auditor's check: the catalog holds the same entries as the log."""

from collections.abc import Iterable
from typing import Protocol

from bwc.audit.log_report import LogReport
from bwc.audit.tiles import TILE, TileTree
from bwc.errors import IntegrityError


class CatalogRow(Protocol):
    """One entry as the catalog holds it."""

    @property
    def seq(self) -> int: ...
    @property
    def entry(self) -> bytes: ...


class CatalogRows(Protocol):
    """The catalog's copy of the log."""

    def last_row(self) -> CatalogRow | None:
        """The row with the highest `seq`."""

    def rows(self, start: int, stop: int) -> Iterable[CatalogRow]:
        """The rows with start <= seq < stop, in order."""


def verify_rows(report: LogReport, rows: CatalogRows) -> None:
    """After `verify_log`: compare the entries that it read with the catalog's rows. Everything wrong is among its findings."""
    findings, files, checkpoint = report.findings, report.files, report.checkpoint
    if files is None or checkpoint is None or not checkpoint.size:
        return
    tree = TileTree(files, checkpoint.size)
    for number in range(report.since // TILE, -(-checkpoint.size // TILE)):
        try:
            raws = tree.entries(number)
        except IntegrityError:
            break  # step 3 says so
        start = number * TILE
        held = {row.seq: row.entry for row in rows.rows(start, start + len(raws))}
        for seq, raw in enumerate(raws, start):
            if held.get(seq) != raw:
                what = "is not in the catalog" if seq not in held else "differs between catalog and log"
                findings.bad(9, what, f"entry {seq}")
    last = rows.last_row()
    waiting = 0 if last is None else last.seq + 1 - checkpoint.size
    if waiting > 0:
        findings.note(9, f"{waiting} events are recorded but not published yet")
    findings.ok(9, f"{report.entries} rows")
