"""Where the catalogue is large, a step moves only the free vectors that its batch holds; what is learnt stays."""

import warnings
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from builders.directed_groups import make_directed_groups

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch_geometric scripts a class at import
    import torch

    from onward.model import encoder as encoder_module
    from onward.model.encoder import DualEncoder
    from onward.model.one_cycle import OneCycle
    from onward.model.training import EncoderSettings, Lesson, train_on

SETTINGS = EncoderSettings(
    dimension=8, layers=1, fan_out=(4,), degree_power=0.0, epochs=4, steps=25, batch_pairs=64, learning_rate=0.03,
    temperature=0.2, held_out_pairs=0.1,
)  # fmt: skip
SEED = 1


@pytest.fixture(scope="module")
def lesson():
    return Lesson.of(*make_directed_groups(), SETTINGS.held_out_pairs, SEED)


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(encoder_module, "LAZY_ROWS", 0)


def moved_by_a_second_step(lesson, held):
    """Rows of the free vectors that a step moves whose batch holds only some; an earlier one held all."""
    encoder = DualEncoder(lesson.inputs, torch.from_numpy(lesson.heard.connected), dimension=8, layers=1)
    free = encoder.tower.free
    free.weight.data[1:] = 1.0
    cycle = OneCycle(encoder, 0.1, 10)
    cycle.step(free(torch.arange(1, len(free.weight))).square().sum())
    before = free.weight.detach().clone()
    cycle.step(free(torch.tensor(held)).square().sum())
    return np.flatnonzero((free.weight.detach() != before).any(dim=1).numpy()).tolist()


def test_a_step_moves_only_what_its_batch_holds(lesson, large):
    assert moved_by_a_second_step(lesson, [3, 5]) == [3, 5]


def test_in_a_small_catalogue_all_vectors_go_on_moving(lesson):
    everything = range(1, int(lesson.heard.connected.sum()) + 1)
    assert moved_by_a_second_step(lesson, [3, 5]) == list(everything)


def test_as_much_is_learnt_of_held_out_pairs(lesson, monkeypatch):
    small = train_on(lesson, SETTINGS, SEED, 1)
    monkeypatch.setattr(encoder_module, "LAZY_ROWS", 0)
    large = train_on(lesson, SETTINGS, SEED, 1)
    assert large.encoder.tower.free.sparse
    assert not small.encoder.tower.free.sparse
    assert large.epochs[-1].information == pytest.approx(small.epochs[-1].information, abs=0.15)
    assert min(large.epochs[-1].information) > 0.6 * np.log(5)


def test_a_loop_that_was_broken_off_goes_on_to_the_same_numbers(lesson, large):
    reached = []
    whole = train_on(lesson, SETTINGS, SEED, 1, keep=lambda progress: reached.append(deepcopy(progress)))
    again = train_on(lesson, SETTINGS, SEED, 1, resumed=reached[1])
    assert again.epochs == whole.epochs
    for name, values in again.embeddings.to_arrays().items():
        np.testing.assert_array_equal(values, whole.embeddings.to_arrays()[name])


def test_training_is_repeatable(lesson, large):
    first, second = (train_on(lesson, replace(SETTINGS, epochs=1), SEED, 2) for _ in range(2))
    assert first.epochs == second.epochs
    np.testing.assert_array_equal(first.embeddings.source, second.embeddings.source)
