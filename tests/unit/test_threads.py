"""Blocks come back in order, an error ends them, and no more is begun than is needed."""

import threading

import pytest

from onward.threads import map_in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_blocks(threads):
    gate = threading.Barrier(min(threads, 2))

    def work(number):
        if threads > 1 and number < 2:
            gate.wait(10)  # the first two are worked at together
        return number * 2

    assert list(map_in_order(work, range(9), threads)) == [number * 2 for number in range(9)]


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_block_raises_is_raised_in_its_place(threads):
    def work(number):
        if number == 3:
            raise ValueError("block 3")
        return number

    results = map_in_order(work, range(9), threads)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="block 3"):
        next(results)


def test_only_a_few_blocks_are_worked_at_ahead_of_what_is_taken():
    begun = []
    results = map_in_order(begun.append, range(100), 2)
    next(results)
    results.close()
    assert len(begun) <= 4
