"""Torch with fixed seed, threads and algorithms, for a while; free of torch_geometric, which is slow to import."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.utils.deterministic


@contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Fixed seed, threads and algorithms inside; what was before, afterwards."""
    before = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(mode=True)
        # Filling fresh memory guards against reading it unset; it costs a tenth of a step.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set on the module
        try:
            yield
        finally:
            torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]  # set on the module
            torch.set_num_threads(before)
            torch.use_deterministic_algorithms(mode=deterministic)
