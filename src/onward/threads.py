"""Blocks of work on several threads, their results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Block = TypeVar("Block")
Result = TypeVar("Result")


def map_in_order(work: Callable[[Block], Result], blocks: Iterable[Block], threads: int) -> Iterator[Result]:
    """Yield what `work` makes of each block, in the order of the blocks.

    For work that numpy, numba and LightGBM do without the interpreter's lock. Results do not depend on `threads`. No
    more than one block a thread is worked at ahead of what has been taken, so memory stays bounded.

    >>> list(map_in_order(lambda number: number**2, range(4), 2))
    [0, 1, 4, 9]

    Args:
        work: of one block.
        blocks: in order.
        threads: how many; with one nothing is started.

    Raises:
        Exception: what `work` raised of the first block that it failed on.
    """
    if threads == 1:
        yield from map(work, blocks)
        return
    ahead = deque[Future[Result]]()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for block in blocks:
                ahead.append(pool.submit(work, block))
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            # Whoever takes no more results does not wait for what was not begun.
            for waiting in ahead:
                waiting.cancel()
