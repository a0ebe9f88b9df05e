"""Spread work over processes: pure jobs, answered in order, a few in flight; a lost worker costs its job only.

Any `concurrent.futures.Executor` does the work: none (in this process), a pool of processes here, a Dask cluster
elsewhere (the extra `cluster`). A job is a module-level function of one picklable argument whose answer depends on nothing else.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from typing import Any, Generic, TypeVar

from bwc.errors import BwcError, ConfigError
from bwc.memory import give_back

_ROOM = 32 << 20  # bytes of contexts that wait: half a minute of footage at 8 Mbit/s
_MOST = 64  # of them, however light: a minute
_TRIES = 3  # a job that takes its worker down three times does it by itself

Context = TypeVar("Context")
Task = TypeVar("Task")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Open(Generic[Context, Task, Answer]):
    context: Context
    task: Task | None
    future: "Future[Answer] | None"
    tries: int = 1


class Jobs:
    """Where jobs run. A context manager: leaving it stops the workers, also in the middle.

    `workers` 1 without an address runs everything in this process. Workers start with the first job.
    """

    def __init__(self, workers: int | None = None, *, scheduler: str = "") -> None:
        self.scheduler = scheduler
        self.workers = max(1, workers if workers is not None else processors())
        self._executor: Executor | None = None

    def __enter__(self) -> "Jobs":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    def warm(self, work: Callable[..., Any]) -> None:
        """Start the workers that will do `work`, and let them load its code, while this process does something else."""
        if self.workers > 1 and not self.scheduler:
            for _ in range(self.workers):
                self._submit(_load, work.__module__)

    def in_order(
        self,
        work: Callable[[Task], Answer],
        items: Iterable[tuple[Context, Task | None]],
        *,
        weigh: Callable[[Context], int] | None = None,
    ) -> Iterator[tuple[Context, Answer | None]]:
        """Each item's context with the answer to its task (None: there was none), in the order of `items`.

        At most a few items are in flight, so `items` may be longer than memory. Told what each context weighs in bytes,
        more are taken where few of them have a task: no worker is idle for those between. One without a task is given out as
        soon as it is the first. Errors of a job are raised at its place.
        """

        def has_room() -> bool:
            few = 2 * self.workers + 1
            if len(waiting) < few or weigh is None or len(waiting) >= _MOST:
                return len(waiting) < few
            return _tasks(waiting) < few and sum(weigh(one.context) for one in waiting) < _ROOM

        give_back()  # what went before this has left holes too
        waiting: deque[_Open[Context, Task, Answer]] = deque()
        source = iter(items)
        more = True
        while more or waiting:
            while more and has_room() and not (waiting and waiting[0].future is None):
                item = next(source, None)
                if item is None:
                    more = False
                    break
                context, task = item
                waiting.append(_Open(context, task, self._submit(work, task)))
            if waiting:
                first = waiting.popleft()
                yield first.context, self._answer(work, first, waiting)

    def _submit(self, work: Callable[[Task], Answer], task: Task | None) -> "Future[Answer] | None":
        if task is None:
            return None
        try:
            return self._running().submit(_do, work, task)
        except BrokenExecutor:
            return _broken()

    def _answer(
        self,
        work: Callable[[Task], Answer],
        first: _Open[Context, Task, Answer],
        waiting: "deque[_Open[Context, Task, Answer]]",
    ) -> Answer | None:
        while first.future is not None:
            try:
                return first.future.result()
            except (BrokenExecutor, CancelledError) as error:
                # The pool cannot say whose job took the worker down: all that are open are done again.
                if first.tries >= _TRIES:
                    raise BwcError("a worker process died three times over the same work", "--jobs 1") from error
                self._renew()
                for one in (first, *waiting):
                    if one.task is not None and (one.future is None or not _is_good(one.future)):
                        one.future = self._submit(work, one.task)
                first.tries += 1
        return None

    def _renew(self) -> None:
        if self._executor is not None and not self.scheduler:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    def _running(self) -> Executor:
        if self._executor is None:
            self._executor = self._start()
        return self._executor

    def _start(self) -> Executor:
        if self.scheduler:
            return _cluster(self.scheduler)
        if self.workers == 1:
            return _Here()
        # spawn: a forked child would share codec threads, sealed files and locks of this process
        return ProcessPoolExecutor(self.workers, mp_context=get_context("spawn"), initializer=_quiet)


class _Here(Executor):
    """No workers: a job is done when it is handed in."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load(module: str) -> None:
    import_module(module)


def _do(work: Callable[[Task], Answer], task: Task) -> Answer:
    try:
        return work(task)
    finally:
        give_back()


def _tasks(waiting: "Iterable[_Open[Any, Any, Any]]") -> int:
    return sum(one.future is not None for one in waiting)


def _is_good(future: "Future[Any]") -> bool:
    return future.done() and not future.cancelled() and not isinstance(future.exception(), BrokenExecutor)


def _broken() -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_exception(BrokenExecutor("the pool is broken"))
    return future


def _quiet() -> None:
    """Ctrl-C goes to the whole group; the parent decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _cluster(address: str) -> Executor:
    try:
        distributed: Any = import_module("distributed")  # an extra: not there for the type checker either
    except ImportError as error:
        raise ConfigError("no cluster software here", "in the folder of bwc: pip install '.[cluster]'") from error
    try:
        client = distributed.Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"no scheduler answers at {address}", "dask scheduler starts one") from error
    return _Dask(client)


class _Dask(Executor):
    """A Dask cluster as an executor: lost workers' jobs are done again by the scheduler."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor: Executor = client.get_executor(retries=_TRIES, pure=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        return self._executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._executor.shutdown(wait=False)  # which gives up what is still open
        self._client.close()
