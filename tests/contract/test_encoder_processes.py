"""The encoder trained by several processes learns what one learns, and a killed process costs an epoch at most."""

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from builders.directed_groups import make_directed_groups
from onward.errors import TrainingError
from onward.graph.pair_support import PairSupport, graph_of_pairs
from onward.graph.product_graph import ProductGraph
from onward.model.product_inputs import ProductInputs
from tools.testbeds.killed_encoder import killing_one_after_an_epoch

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch_geometric scripts a class at import
    from onward.model.encoder import LAZY_ROWS, DualEncoder
    from onward.model.training import EncoderSettings, Lesson, train_on
    from onward.stages.encoder_processes import Work, train_by_processes

# Starts processes, again and again.
pytestmark = pytest.mark.slow

SETTINGS = EncoderSettings(
    dimension=8, layers=1, fan_out=(4,), degree_power=0.0, epochs=4, steps=25, batch_pairs=64, learning_rate=0.03,
    temperature=0.2, held_out_pairs=0.1,
)  # fmt: skip
SEED = 1


@pytest.fixture(scope="module")
def lesson():
    return Lesson.of(*make_directed_groups(), SETTINGS.held_out_pairs, SEED)


@pytest.fixture(scope="module")
def by_two(lesson):
    return train_by_processes(Work(lesson, SETTINGS, SEED, 1), 2)


def test_two_processes_learn_what_one_learns_from_the_same_batches(lesson):
    """Without noise (no product hides its free vector, no product hears another) they differ by rounding only."""
    none = np.empty(0, np.int64)
    silent = ProductGraph.from_edges(lesson.messages.products, none, none, np.empty(0))
    plain = replace(lesson, heard=silent, messages=silent)
    alone = train_on(plain, SETTINGS, SEED, 1, architecture=partial(DualEncoder, id_dropout=0.0))
    # Nothing is connected, so no product has a free vector to hide either.
    together = train_by_processes(Work(plain, SETTINGS, SEED, 1), 2)
    for one, two in zip(alone.epochs, together.epochs, strict=True):
        assert two.loss == pytest.approx(one.loss, rel=1e-4)
        assert two.information == pytest.approx(one.information, abs=1e-3)
    np.testing.assert_allclose(together.embeddings.target, alone.embeddings.target, atol=1e-3)


def test_with_noise_the_loss_stays_near_that_of_one_process(lesson, by_two):
    alone = train_on(lesson, SETTINGS, SEED, 1)
    assert by_two.epochs[-1].loss == pytest.approx(alone.epochs[-1].loss, rel=0.03)
    for one, two in zip(alone.epochs[-1].information, by_two.epochs[-1].information, strict=True):
        assert two == pytest.approx(one, abs=0.15)


def test_training_by_two_is_repeatable(lesson, by_two):
    again = train_by_processes(Work(lesson, SETTINGS, SEED, 1), 2)
    assert again.epochs == by_two.epochs
    for name, values in by_two.embeddings.to_arrays().items():
        assert np.array_equal(values, again.embeddings.to_arrays()[name]), name


def test_after_a_kill_the_group_goes_on_and_nothing_is_different(lesson):
    longer = Work(lesson, replace(SETTINGS, epochs=12, steps=60), SEED, 1)
    whole = train_by_processes(longer, 2)
    with killing_one_after_an_epoch() as killed:
        broken = train_by_processes(longer, 2)
    assert killed, "no process was killed: the training was over too soon"
    assert broken.epochs == whole.epochs
    for name, values in whole.embeddings.to_arrays().items():
        assert np.array_equal(values, broken.embeddings.to_arrays()[name]), name


def test_processes_that_fail_every_time_are_one_clear_line(lesson):
    impossible = Work(lesson, replace(SETTINGS, learning_rate=-1.0), SEED, 1)
    with pytest.raises(TrainingError, match=r"its 2 processes failed 4 times \(\w+Error: .*processes: 1") as told:
        train_by_processes(impossible, 2)
    assert "\n" not in str(told.value)


def test_two_processes_move_the_free_vectors_of_a_large_catalogue_together():
    """Gradients of the rows that a batch holds find their way between processes too."""
    products = LAZY_ROWS + 1000
    generator = np.random.default_rng(SEED)
    source = np.arange(products)
    relations = tuple(
        PairSupport(source, (source + generator.integers(1, 9, products)) % products, np.ones(products))
        for _ in range(2)
    )
    inputs = ProductInputs(np.ones((products, 1), np.int64), (2,), np.ones((products, 1), np.float32))
    large = Lesson.of(relations, graph_of_pairs(products, *relations), inputs, 0.01, SEED)
    settings = replace(SETTINGS, epochs=1, steps=10)
    alone = train_on(large, settings, SEED, 1)
    together = train_by_processes(Work(large, settings, SEED, 1), 2)
    assert together.encoder.tower.free.sparse
    assert together.encoder.tower.free.weight.any(dim=1).sum() > settings.batch_pairs
    assert together.epochs[-1].loss == pytest.approx(alone.epochs[-1].loss, rel=0.03)
