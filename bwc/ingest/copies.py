"""Step 5 of an intake: the checkpoint first, then the further copies that the policy may ask for, then it once more.

What is held is published however long a store takes; a store that does not answer costs the verdict, never custody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bwc.errors import BwcError, IntegrityError, Interrupted
from bwc.evidence import ItemId
from bwc.ingest.house import House


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """How far it came. `stores`: each further store by name, and what is wrong with it."""

    checkpoint: int | None = None
    proven: int = 0
    stores: tuple[tuple[str, str], ...] = ()
    broken: tuple[IntegrityError, ...] = ()
    stopped_by: BwcError | None = None


def publish_and_copy(
    house: House,
    items: Sequence[ItemId],
    *,
    stopped_by: BwcError | None,
    progress: Callable[[int, int | None], None] | None,
) -> Copies:
    """Publish what was recorded; unless the intake was stopped, copy `items` to the further stores and prove them."""
    checkpoint: int | None = None
    stores: tuple[tuple[str, str], ...] = ()
    broken: tuple[IntegrityError, ...] = ()
    try:
        checkpoint = house.publish()
        if items and stopped_by is None:
            done = house.replicate(items, again=True, progress=progress)
            stores = tuple((one.store, one.said) for one in done)
            broken = tuple(error for one in done for error in one.damaged)
            checkpoint = house.publish() if done else checkpoint
    except BwcError as error:
        stopped_by = stopped_by or error
    except KeyboardInterrupt:
        stopped_by = Interrupted("stopped while copies were made", "run the same command again, or bwc replicate")
    return Copies(
        checkpoint=checkpoint,
        proven=house.proven_copies(items) if items else 0,
        stores=stores,
        broken=broken,
        stopped_by=stopped_by,
    )
