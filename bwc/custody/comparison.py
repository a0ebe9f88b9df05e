"""Step 9, its second half: every derived table of the catalog against what the log says, projected again from its entries.

The projection is a file of its own that is gone at the end; tables are compared a few rows at a time, so memory stays
flat for long logs. The catalog is read as it stands at one moment, others may go on writing.
"""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from bwc.audit.event import parse_entries
from bwc.audit.log_report import LogReport
from bwc.audit.tiles import TILE, TileTree
from bwc.custody.chained import chained
from bwc.custody.told import BodyOf, tell
from bwc.errors import IntegrityError
from bwc.storage.catalog import Catalog
from bwc.storage.catalog_schema import PROJECTION_TABLES
from bwc.storage.comparing import NEVER, PRIVATE
from bwc.storage.rows import EventRow


def compare_tables(report: LogReport, held: Catalog, body_of: BodyOf | None) -> str:
    """After steps 1 to 7: every table of `held` against the log; what differs is among the findings of `report`.

    With `body_of` what private bodies tell is compared too. What was compared, in words.
    """
    findings, size = report.findings, report.checkpoint.size if report.checkpoint else 0
    if report.files is None or not size or findings.count():
        return "not compared: the log is not whole"
    # What names people stays in memory; without a key there is nothing of that kind
    with closing(Catalog.temporary(in_memory=body_of is not None)) as truth, held.tables.snapshot():
        last = ""
        tree = TileTree(report.files, size)
        for number in range(-(-size // TILE)):
            entries = parse_entries(tree.entries(number))
            tell(truth, [EventRow(one.seq, one.leaf_hash, one.raw) for one in entries], body_of or _unread)
            last = entries[-1].leaf_hash.hex()
        try:
            for batch in chained(held, size, last):
                tell(truth, batch.rows, body_of or _unread)
        except IntegrityError as error:
            findings.refused(9, error, held.path.name)
            return "not compared: what is not published yet is not whole"
        for one in held.tables.differences(truth.tables):
            findings.bad(9, one.what, one.where)
    left = [*NEVER.items(), *(() if body_of else PRIVATE.items())]
    named = sorted(f"{table}.{column}" for table, columns in left for column in columns)
    why = "which no key settles" if body_of else "which private parts fill (bwc verify --with-key; listed by --json)"
    return f"{len(PROJECTION_TABLES)} tables compared, but for {len(named)} columns {why}: {', '.join(named)}"


def _unread(_: Mapping[str, Any]) -> None:
    return None
