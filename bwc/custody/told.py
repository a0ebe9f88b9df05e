"""What the log tells, projected into a catalog of its own: by the code that wrote the tables, from signed entries alone."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bwc.storage.catalog import Catalog
from bwc.storage.rows import EventRow

BodyOf = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]


def tell(truth: Catalog, rows: Iterable[EventRow], body_of: BodyOf = lambda _: None) -> None:
    """Bring `truth` (a temporary catalog) from before `rows` to after them; they are the log's, in order.

    `body_of` gives an event's private body, or None where no key opens it.
    """
    with truth.transaction():
        for row in rows:
            event = json.loads(row.entry)["event"]
            if event["item"] is not None and event["body"] is not None:
                # All that the projection asks of earlier entries; the whole log would not fit in memory
                kind = json.dumps({"event": {"kind": event["kind"]}}).encode()
                truth.append_rows([(row.seq, b"", kind, event["item"], event["item_seq"])])
            truth.project(event, body_of(event))
