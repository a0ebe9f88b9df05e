"""What copies in further stores change in the catalog; see `projection`."""

from collections.abc import Callable, Iterator

from bwc.evidence import EventKind
from bwc.storage.change import Act, Change


def _added(act: Act) -> Iterator[Change]:
    facts = act.facts
    yield Change(
        "INSERT OR REPLACE INTO stores VALUES (?, ?, ?, ?, ?)",
        (facts["store"], facts["kind"], facts["lock"], act.seq, act.at),
    )


def _copied(act: Act) -> Iterator[Change]:
    for object_id, envelope in act.facts["copied"].items():
        yield Change(
            "INSERT OR REPLACE INTO stored VALUES (?, ?, ?, ?)", (act.facts["store"], object_id, envelope, act.seq)
        )


def _damaged(act: Act) -> Iterator[Change]:
    """What was found damaged in a store is no copy any more; the vault's own folder is not a row here."""
    for part in act.facts["parts"]:
        name = part.rpartition("/")[2]
        yield Change(
            "DELETE FROM stored WHERE store = ?1 AND (object = ?2 OR envelope = ?2)", (act.facts["store"], name)
        )


def _cleared(act: Act) -> Iterator[Change]:
    for name in act.facts["objects"]:
        yield Change("DELETE FROM stored WHERE store = ? AND object = ?", (act.facts["store"], name))


EFFECTS: dict[str, Callable[[Act], Iterator[Change]]] = {
    EventKind.STORE_ADDED: _added,
    EventKind.ITEM_COPIED: _copied,
    EventKind.ITEM_DAMAGED: _damaged,
    EventKind.STORE_CLEARED: _cleared,
}
