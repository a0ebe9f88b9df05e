"""Reading ahead: everything in order, errors at their place, and no more pictures waiting than there is room for."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bwc.redact.ahead import Ahead, pictures_ahead, step_back


def test_items_come_in_order_and_an_error_at_its_place() -> None:
    def items() -> Iterator[int]:
        yield from range(20)
        raise ValueError("the last of them")

    taken: list[int] = []
    with Ahead(items(), depth=3) as numbers, pytest.raises(ValueError, match="the last"):
        taken.extend(numbers)
    assert taken == list(range(20))


def test_leaving_early_closes_what_is_read() -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    with Ahead(items(), depth=2) as numbers:
        assert next(numbers) == 0
    assert closed


def test_large_pictures_are_read_less_far_ahead() -> None:
    assert pictures_ahead(1920, 1080, 8) == 8
    assert pictures_ahead(2560, 1440, 8) == 6
    assert pictures_ahead(3840, 2160, 8) == 3
    assert pictures_ahead(0, 0, 8) == 8


@pytest.mark.skipif(sys.platform != "linux", reason="NO LINUX: threads have no niceness of their own")
def test_a_thread_steps_back_alone() -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with ThreadPoolExecutor(1, initializer=step_back) as pool:
        assert pool.submit(lambda: os.getpriority(os.PRIO_PROCESS, 0)).result() == min(19, own + 5)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own
