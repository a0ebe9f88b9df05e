"""New readers for what is held, many things at once: opened, wrapped, and a whole batch made durable together.

Nothing is recorded or erased here. The work is spread over copies of this process: one wrap to the default suite takes
0.1 ms of one processor, and its library keeps the interpreter to itself meanwhile.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeAlias, TypeVar

from bwc.agent import AgentOperator
from bwc.canonical import sha256_hex
from bwc.errors import BwcError, IntegrityError, KeyUnavailable
from bwc.evidence import SealedObject
from bwc.identities import Identity, LocalOperator, Recipient, Unwrapper
from bwc.jobs import processors
from bwc.storage.body import reseal_body
from bwc.storage.store import Shelf
from bwc.storage.vault import Vault

_BATCH = 250  # things renewed at once by one process
_FEW = 2 * _BATCH  # so few are done here: copies of this process cost more

Batch = TypeVar("Batch")
Found = TypeVar("Found")
BodyTask: TypeAlias = tuple[str, Sequence[Recipient]]  # the digest of its file, and who shall read it
Renewed: TypeAlias = SealedObject | IntegrityError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewer:
    """Makes envelopes and bodies again for other readers, with one opener's key."""

    vault: Vault
    opener: Unwrapper

    def envelopes(self, batch: Sequence[SealedObject], readers: Sequence[Recipient]) -> list[Renewed]:
        """Each object as the log is to name it, its new envelope being durable.

        None: it has exactly these readers, or `opener` does not open it. An error: it may be that another process was
        faster; whoever knows what the log says now looks again.
        """
        found: list[Renewed] = []
        documents: dict[str, bytes] = {}
        for sealed in batch:
            made = self._envelope(sealed, readers)
            if isinstance(made, tuple):
                documents[made[0].envelope_sha256] = made[1]
            found.append(made[0] if isinstance(made, tuple) else made)
        self.vault.store.put_together(Shelf.ENVELOPES, documents)
        return found

    def bodies(self, batch: Sequence[BodyTask]) -> list[str | IntegrityError | None]:
        """The digest of each body's new file, which is durable; None: its readers are right, it is erased, or not ours to open.

        An error: it is damaged.
        """
        found: list[str | IntegrityError | None] = []
        documents: dict[str, bytes] = {}
        for file, readers in batch:
            try:
                held = self.vault.store.get(Shelf.BODIES, file)
                data = None if held is None else reseal_body(held, self.opener, readers)
            except IntegrityError as error:
                found.append(error)
                continue
            found.append(None if data is None else sha256_hex(data))
            if data is not None:
                documents[sha256_hex(data)] = data
        self.vault.store.put_together(Shelf.BODIES, documents)
        return found

    def _envelope(
        self, sealed: SealedObject, readers: Sequence[Recipient]
    ) -> tuple[SealedObject, bytes] | IntegrityError | None:
        try:
            return self.vault.rewrapped(sealed, readers, self.opener)
        except KeyUnavailable:
            return None
        except IntegrityError as error:
            return error


class Spread:
    """Batches handed to a renewer, answered in their order; in other processes when they are many."""

    def __init__(self, pool: ProcessPoolExecutor | None, renewer: Renewer) -> None:
        self._pool, self._renewer = pool, renewer

    def over(
        self, work: Callable[[Renewer, Sequence[Batch]], list[Found]], things: Sequence[Batch]
    ) -> Iterator[list[tuple[Batch, Found]]]:
        """`work` done with `things`, a batch at a time."""
        batches = [things[start : start + _BATCH] for start in range(0, len(things), _BATCH)]
        if self._pool is None:
            answers: Iterator[list[Found]] = (work(self._renewer, batch) for batch in batches)
        else:
            answers = self._pool.map(_by_helper, [work] * len(batches), batches)
        try:
            for batch, found in zip(batches, answers, strict=True):
                yield list(zip(batch, found, strict=True))
        except BrokenExecutor as error:
            raise BwcError("a helper process died over new readers", "bwc key rewrap does what is left") from error


@contextmanager
def spread(renewer: Renewer, count: int) -> Iterator[Spread]:
    """Helpers for `count` things. What a key on a token opens stays in this process: its library cannot be copied."""
    global _of_helpers  # noqa: PLW0603 - what a forked process starts with
    if count < _FEW or not isinstance(renewer.opener, (Identity, LocalOperator, AgentOperator)):
        yield Spread(None, renewer)
        return
    _of_helpers = renewer
    # fork: the opener's key is in the copy's memory as it is in ours, and passes through no pipe
    pool = ProcessPoolExecutor(processors(), mp_context=get_context("fork"), initializer=_quiet)
    try:
        yield Spread(pool, renewer)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        _of_helpers = None


def _quiet() -> None:
    """Ctrl-C goes to the whole group; the process that was forked decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


_of_helpers: Renewer | None = None


def _by_helper(work: Callable[[Renewer, Sequence[Batch]], list[Found]], batch: Sequence[Batch]) -> list[Found]:
    assert _of_helpers is not None
    return work(_of_helpers, batch)
