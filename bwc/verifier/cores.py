"""The spans of a log, checked by as many processes as there are cores, handed back in order."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from itertools import islice

from bwc.audit.spans import Ground, Job, Span, Spread, check_span
from bwc.errors import BwcError

_WORTH_IT = 50_000  # entries: below, starting processes takes longer than they save


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_cores(processes: int | None = None) -> Spread:
    """A way to check spans in so many processes, at most a few ahead of what was taken; None: as many as they are worth.

    It raises `BwcError` when a process died.
    """
    return partial(_check_spans, processes)


def _check_spans(processes: int | None, ground: Ground, jobs: Iterator[Job], entries: int) -> Iterator[Span]:
    processes = processes or (cores() if entries >= _WORTH_IT else 1)
    here = replace(ground, threads=cores())
    if processes == 1:
        yield from (check_span(here, job) for job in jobs)
        return
    # spawn: whoever calls may have threads and open databases, of which a fork would copy half
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(ground,)) as pool:
        waiting: deque[Future[Span]] = deque()
        try:
            pool.submit(cores)  # starts the processes, while the first span is checked here
            yield from (check_span(here, job) for job in islice(jobs, 1))
            for job in jobs:
                waiting.append(pool.submit(_check, job))
                if len(waiting) > processes:  # what waits to be joined is in memory
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise BwcError("a process that verified the log died", "free -m: is there enough memory?") from error
        finally:
            pool.shutdown(cancel_futures=True)


_grounds: list[Ground] = []  # of this process, when it is one that checks spans for another


def _begin(ground: Ground) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked is interrupted, and ends this process
    _grounds[:] = [ground]


def _check(job: Job) -> Span:
    return check_span(_grounds[0], job)
