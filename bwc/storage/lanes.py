"""Work on one block after another by several lanes side by side, while the next block is read.

hashlib and OpenSSL let go of the GIL, so that two lanes digest at twice the speed of one. Every lane has one thread
and its own pace: one that is slow for a moment is waited for only when it is `AHEAD` blocks behind.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

AHEAD = 3  # blocks with the lanes: 12 MiB for each stream

Block = TypeVar("Block")


def run_lanes(blocks: Iterable[Block], *lanes: Callable[[Block], object]) -> None:
    """Hand each block to every lane, in order. All lanes have ended when this returns. The first error comes out.

    A block must be valid until `AHEAD` more were asked for.
    """
    source = iter(blocks)
    first = next(source, None)
    second = None if first is None else next(source, None)
    if first is None:
        return
    if second is None:  # most files of a vault are small: no threads for those
        for lane in lanes:
            lane(first)
        return
    with ExitStack() as stack:
        threads = [stack.enter_context(ThreadPoolExecutor(max_workers=1)) for _ in lanes]
        running: deque[list[Future[object]]] = deque()

        def hand_over(block: Block) -> None:
            running.append([thread.submit(lane, block) for thread, lane in zip(threads, lanes, strict=True)])

        try:
            hand_over(first)
            hand_over(second)
            while True:
                while len(running) >= AHEAD:
                    for task in running.popleft():
                        task.result()
                block = next(source, None)
                if block is None:
                    break
                hand_over(block)
            for tasks in running:
                for task in tasks:
                    task.result()
        except BaseException:
            for tasks in running:
                for task in tasks:
                    task.cancel()
            raise
