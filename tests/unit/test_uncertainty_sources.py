"""Every spread source against worlds in which it is known where doubt belongs."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from onward.uncertainty.evidential import EvidentialBeta
from onward.uncertainty.sources import HeadEnsemble, Scored
from onward.uncertainty.spread import disagreement_of_heads
from onward.uncertainty.venn_abers import VennAbersWidth


def world(pairs=3000, shown=8, seed=1):
    """Pairs whose rate lies the farther off their score the less evidence there is behind them."""
    rng = np.random.default_rng(seed)
    evidence = rng.integers(0, 200, pairs).astype(np.float64)
    precision = 3.0 * (1.0 + evidence) ** 0.8
    score = rng.uniform(0.05, 0.4, pairs)
    rate = rng.beta(score * precision, (1.0 - score) * precision)
    code = np.repeat(np.arange(pairs), shown)
    n = len(code)
    # Known pairs lie close together, unknown ones far out.
    place = (rng.normal(size=(pairs, 6)) * (1.0 + 30.0 / (5.0 + evidence))[:, None]).astype(np.float32)
    rows = Scored(
        heads=np.clip(score[code, None] + rng.normal(0, 0.02, (n, 3)), 0.01, 0.99),
        score=score[code],
        pair=code,
        evidence=evidence[code],
        place=place[code],
        values=rng.normal(size=(n, 4)).astype(np.float32),
    )
    return rows, (rng.random(n) < rate[code]) * 1.0, precision[code]


def test_heads_are_summarised_as_the_pipeline_does():
    rows, label, _ = world(pairs=20)
    assert (HeadEnsemble().fit(rows, label).uncertainty(rows) == disagreement_of_heads(rows.heads)).all()


@pytest.mark.parametrize("evidence", ["counts", "density"])
def test_evidential_beta_finds_where_pairs_stray_from_their_score(evidence):
    rows, label, precision = world()
    fitted = EvidentialBeta(evidence, seed=3).fit(rows, label)
    assert fitted.slope > 0.1
    assert spearmanr(fitted.uncertainty(rows), 1.0 / precision).statistic > (0.99 if evidence == "counts" else 0.5)
    if evidence == "counts":
        assert np.median(np.abs(np.log(fitted.precision(rows) / precision))) < 0.8


def test_evidential_beta_sees_no_spread_where_there_is_none():
    rows, _, _ = world()
    label = (np.random.default_rng(5).random(len(rows.score)) < rows.score) * 1.0
    fitted = EvidentialBeta("counts").fit(rows, label)
    assert np.median(fitted.precision(rows)) > 200


def test_pairs_shown_once_teach_nothing_and_do_no_harm():
    rows, label, _ = world(pairs=50, shown=1)
    fitted = EvidentialBeta("counts").fit(rows, label)
    assert np.isfinite(fitted.uncertainty(rows)).all()
    assert (fitted.intercept, fitted.slope) == (0.0, 0.0)


def test_venn_abers_is_wide_where_examples_are_few():
    rng = np.random.default_rng(2)
    score = np.r_[rng.uniform(0.0, 0.5, 5000), rng.uniform(0.5, 1.0, 50)]
    label = (rng.random(5050) < score) * 1.0
    blank = world(pairs=1, shown=5050)[0]
    rows = Scored(blank.heads, score, blank.pair, np.ones(5050), blank.place, blank.values)
    fitted = VennAbersWidth(1).fit(rows, label)
    width = fitted.uncertainty(rows)
    assert (width >= 0.0).all()
    assert width[score > 0.6].mean() > 3 * width[(score > 0.1) & (score < 0.4)].mean()
    assert (fitted.uncertainty(rows.take(score > 0.9)) == width[score > 0.9]).all()


def test_venn_abers_encloses_the_isotonic_answer_to_either_label():
    rows, label, _ = world(pairs=60, shown=5)
    few = VennAbersWidth(1).fit(rows.take(slice(0, 60)), label[:60]).uncertainty(rows)
    many = VennAbersWidth(1).fit(rows, label).uncertainty(rows)
    assert few.mean() > many.mean() > 0.0


def test_a_class_of_evidence_with_fewer_examples_gets_its_own_width():
    rows, label, _ = world(pairs=400)
    grouped = VennAbersWidth(4).fit(rows, label)
    assert grouped.groups.count == 4
    flat = VennAbersWidth(1).fit(rows, label)
    order = np.argsort(rows.score)
    smooth = np.abs(np.diff(flat.uncertainty(rows)[order]))
    jumpy = np.abs(np.diff(grouped.uncertainty(rows)[order]))
    assert jumpy.mean() > smooth.mean()  # no longer a function of the score alone
