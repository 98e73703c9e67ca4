"""The method that wins on plain graphs, as one value: scores, encoder, the blend of pairs and the blend of lists.

Both blends learn from the same rounds of held-out edges, so that every encoder is trained once a round.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from onward.boosting import Bags
from onward.ranking.blend import Blend, PairRows, fit_scores
from onward.ranking.catalogue_ranker import Examples, Ranker
from onward.ranking.chains import Chain
from onward.ranking.link_scores import LinkScore
from onward.ranking.link_settings import LinkSettings, every_score, scores_for
from onward.ranking.link_split import FittingSplit
from onward.ranking.list_blend import ListBlend, fit_list_blend, fold_examples, pick_proposers, question_of
from onward.ranking.method import Method
from onward.ranking.pair_blend import PairBlend, encoder_quality, fit_pair_blend

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class LinkBlend:
    """What is fitted to a graph.

    Attributes:
        pairs: says of any pair how likely it is an edge.
        lists: ranks all nodes after a node.
        encoder: its chain, where the graph has attributes.
        encoders: Hits@100 of each encoder setting on the validation edges.
    """

    pairs: PairBlend
    lists: ListBlend
    encoder: Chain | None
    encoders: tuple[float, ...]

    @classmethod
    def fit(cls, split: FittingSplit, settings: LinkSettings, of: int) -> "LinkBlend":
        """Pick the encoder, learn from rounds of held-out edges, and pick everything else by validation edges.

        Args:
            split: what may be seen.
            settings: what there is to pick from.
            of: non-edges among which Hits@100 will be asked.
        """
        encoders = settings.encoders_for(split.graph)
        chains = [encoder_setting.fit(split.graph) for encoder_setting in encoders]
        encoder_hits = tuple(encoder_quality(chain, split, settings.judged_absent, of) for chain in chains)
        best = int(np.argmax(encoder_hits)) if encoder_hits else None
        encoder = None if best is None else _FittedEncoder(encoders[best], split, chains[best])
        scores = scores_for(split.graph, encoder)
        single = every_score(scores)
        fitted = fit_scores(single, split.graph)
        picks = pick_proposers(split, scores, fitted)
        rows = []
        examples = []
        for fold in settings.folds(split.graph, settings.absent):
            fold_scores = fit_scores(single, fold.graph)
            rows.append(PairRows.of(fold_scores, fold.graph, fold.held_out, fold.absent))
            examples.append(fold_examples(fold, fold_scores, list(picks.values()), settings))
        pairs = fit_pair_blend(split, scores, fitted, PairRows.joined(rows), settings, of)
        del rows
        lists = fit_list_blend(split, fitted, picks, Examples.joined(examples), settings)
        return cls(pairs, lists, None if best is None else chains[best], encoder_hits)

    @property
    def fitted(self) -> Mapping[str, Method]:
        """Every score, by the name of its setting."""
        return self.pairs.fitted

    def to_manifest(self) -> dict[str, Any]:
        """What was picked and how it did on the validation edges; the rest is in `texts` and `arrays`."""
        return {
            "pairs": {"picks": dict(self.pairs.picks), "validation_hits_at_100": list(self.pairs.validation)},
            "lists": {
                "picks": dict(self.lists.picks),
                "validation_hr_at_10": list(self.lists.validation),
                "per_proposer": self.lists.question.per_proposer,
            },
            "encoders": {"validation_hits_at_100": list(self.encoders)},
            "trees": len(self.pairs.blend.trees.trees),
            "both_ways": self.pairs.blend.both_ways,
        }

    def texts(self) -> dict[str, str]:
        """All trees, by a name of a file."""
        return self.pairs.blend.trees.texts("pairs") | self.lists.ranker.bags.texts("lists")

    def arrays(self) -> Arrays:
        """Embeddings and the linear part."""
        encoder = dict(zip(_EMBEDDINGS, self.encoder.matrices, strict=True)) if self.encoder else {}
        return {**encoder, **self.pairs.blend.linear_arrays()}

    @classmethod
    def restore(
        cls, split: FittingSplit, manifest: Mapping[str, Any], texts: Mapping[str, str], arrays: Arrays, threads: int
    ) -> "LinkBlend":
        """Read back what was fitted; untrained scores are computed anew from the same graph."""
        encoder = Chain(tuple(arrays[name] for name in _EMBEDDINGS)) if _EMBEDDINGS[0] in arrays else None
        scores = scores_for(split.graph, None if encoder is None else _FrozenEncoder(encoder))
        fitted = fit_scores(every_score(scores), split.graph)
        blend = Blend.restore(Bags.restore(texts, "pairs"), arrays, both_ways=manifest["both_ways"], threads=threads)
        of_pairs = manifest["pairs"]
        of_lists = manifest["lists"]
        pairs = PairBlend(split.graph, fitted, blend, of_pairs["picks"], tuple(of_pairs["validation_hits_at_100"]))
        question = question_of(split.graph, fitted, list(of_lists["picks"].values()), of_lists["per_proposer"])
        ranker = Ranker(Bags.restore(texts, "lists"), threads)
        lists = ListBlend(question, ranker, of_lists["picks"], tuple(of_lists["validation_hr_at_10"]))
        return cls(pairs, lists, encoder, tuple(manifest["encoders"]["validation_hits_at_100"]))


_EMBEDDINGS = ("encoder_source", "encoder_target")


@dataclass(frozen=True)
class _FrozenEncoder:
    """An encoder that was trained before, as a score of the one graph it was trained on."""

    chain: Chain

    def fit(self, graph: object) -> Chain:  # noqa: ARG002 - the contract of a score
        return self.chain


@dataclass(frozen=True)
class _FittedEncoder:
    """An encoder whose fit to the split's own graph is there already."""

    encoder: LinkScore
    split: FittingSplit
    chain: Chain

    def fit(self, graph: object) -> Chain:
        return self.chain if graph is self.split.graph else self.encoder.fit(graph)  # type: ignore[arg-type]
