"""Evidential Beta: how much a pair's own rate may lie off its score, given the evidence behind the pair.

The rate of a pair is taken to be Beta(p · N, (1 − p) · N) around its score p. The precision N = exp(a + b · x) depends
on the evidence x, either counts or density in the space of embeddings, as in a posterior network (Charpentier, Zügner
and Günnemann, NeurIPS 2020). A single outcome says nothing about N, whatever the loss, so a and b are fitted on pairs
that were shown several times, by the likelihood of their beta-binomial counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import betaln, logsumexp
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from onward.random_streams import Stream
from onward.uncertainty.sources import Floats, Scored

_EDGE = 1e-6
_SAMPLE = 20_000  # places that a density is fitted on
_LARGEST = 12.0  # log N beyond which pairs of one score cannot be told apart


@dataclass(frozen=True)
class Density:
    """Log density of a pair's place: a mixture of Gaussians over the leading directions of the embeddings.

    Attributes:
        origin: mean place, [d].
        directions: [k, d].
        weights: of the c Gaussians.
        means: [c, k].
        whitening: [c, k, k] Cholesky factors of the inverse covariances.
    """

    origin: Floats
    directions: Floats
    weights: Floats
    means: Floats
    whitening: Floats

    @classmethod
    def fit(cls, place: npt.NDArray[np.float32], dimensions: int, components: int, seed: int) -> "Density":
        """Fit on the places [n, d] of seen pairs; a sample of them where they are many."""
        if len(place) > _SAMPLE:
            place = place[
                np.random.default_rng([seed, Stream.DENSITY_SAMPLE]).choice(len(place), _SAMPLE, replace=False)
            ]
        directions = PCA(min(dimensions, place.shape[1], len(place)), random_state=seed).fit(place)
        mixture = GaussianMixture(min(components, len(place)), reg_covar=1e-4, random_state=seed, max_iter=50)
        mixture.fit(directions.transform(place))
        parameters = (directions.mean_, directions.components_, mixture.weights_, mixture.means_)
        return cls(*(np.asarray(values, np.float64) for values in (*parameters, mixture.precisions_cholesky_)))

    def log_density(self, place: npt.NDArray[np.float32]) -> Floats:
        """Log density [n] of places [n, d]."""
        inside = (place - self.origin) @ self.directions.T
        parts = []
        for weight, mean, whitening in zip(self.weights, self.means, self.whitening, strict=True):
            squares = (((inside - mean) @ whitening) ** 2).sum(axis=1)
            volume = np.log(np.diag(whitening)).sum() - 0.5 * len(mean) * np.log(2.0 * np.pi)
            parts.append(np.log(weight) + volume - 0.5 * squares)
        return np.asarray(logsumexp(parts, axis=0), np.float64)


@dataclass(frozen=True)
class EvidentialBeta:
    """The source, before it has learnt.

    Attributes:
        evidence: what the precision depends on.
        seed: of the mixture.
        dimensions: of the space in which density is measured.
        components: Gaussians of the mixture.
    """

    evidence: Literal["counts", "density"]
    seed: int = 0
    dimensions: int = 8
    components: int = 8

    def fit(self, seen: Scored, expected_label: Floats) -> "FittedBeta":
        """Fit how precision grows with evidence, on the pairs of `seen`."""
        density = None
        if self.evidence == "density":
            density = Density.fit(seen.place, self.dimensions, self.components, self.seed)
        x = _described(seen, density)
        centre, scale = float(x.mean()), float(x.std()) or 1.0
        _, pair = np.unique(seen.pair, return_inverse=True)
        shown = np.bincount(pair).astype(np.float64)
        hits = np.bincount(pair, weights=expected_label).astype(np.float64)
        rate = np.clip(np.bincount(pair, weights=seen.score) / shown, _EDGE, 1.0 - _EDGE)
        # The score need not be calibrated; a gap that all pairs share must not look like spread.
        rate = np.clip(rate * hits.sum() / (rate * shown).sum(), _EDGE, 1.0 - _EDGE)
        standard = np.bincount(pair, weights=(x - centre) / scale) / shown
        several = shown > 1
        precision = _fit_precision(rate[several], shown[several], hits[several], standard[several])
        return FittedBeta(density, centre, scale, *precision)


@dataclass(frozen=True)
class FittedBeta:
    """log N = intercept + slope · standardised evidence."""

    density: Density | None
    centre: float
    scale: float
    intercept: float
    slope: float

    def precision(self, rows: Scored) -> Floats:
        """N [n]: how many observations the evidence behind a pair is worth."""
        x = (_described(rows, self.density) - self.centre) / self.scale
        return np.exp(np.clip(self.intercept + self.slope * x, -_LARGEST, _LARGEST))

    def uncertainty(self, rows: Scored) -> Floats:
        """1 / (N + 1) [n]: the share of p (1 − p) by which rates of pairs with this score and evidence vary."""
        return 1.0 / (self.precision(rows) + 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        numbers = {name: getattr(self, name) for name in ("centre", "scale", "intercept", "slope")}
        place = None if self.density is None else {name: value.tolist() for name, value in vars(self.density).items()}
        return {**numbers, "density": place}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave; further keys are left alone."""
        place = values["density"]
        density = None if place is None else Density(**{name: np.array(value) for name, value in place.items()})
        return cls(density, *(float(values[name]) for name in ("centre", "scale", "intercept", "slope")))


def _described(rows: Scored, density: Density | None) -> Floats:
    return np.log1p(rows.evidence) if density is None else density.log_density(rows.place)


def _fit_precision(rate: Floats, shown: Floats, hits: Floats, evidence: Floats) -> tuple[float, float]:
    if not len(rate):
        return 0.0, 0.0

    def loss(coefficients: Floats) -> float:
        precision = np.exp(np.clip(coefficients[0] + coefficients[1] * evidence, -_LARGEST, _LARGEST))
        alpha, beta = rate * precision, (1.0 - rate) * precision
        fit = betaln(alpha + hits, beta + shown - hits) - betaln(alpha, beta)
        # A weak pull towards 50 observations and no slope keeps a handful of pairs from deciding alone.
        return float(-fit.sum() + 0.05 * ((coefficients[0] - np.log(50.0)) ** 2 + coefficients[1] ** 2))

    best = minimize(loss, np.array([np.log(50.0), 0.0]), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-6})
    return float(best.x[0]), float(best.x[1])
