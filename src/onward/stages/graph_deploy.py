"""Deployment of a source that is a graph: the lists of every node are made, registered and put in use."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from onward.artifacts import read_json, replacing_directory, write_json
from onward.deployment.bundle_files import bundle_hash
from onward.deployment.gate import Verdict
from onward.deployment.graph_lists import GraphLists, write_graph_lists
from onward.deployment.provenance import provenance
from onward.deployment.registry import Registry
from onward.deployment.release import no_gate, settle
from onward.layout import Layout
from onward.params import Params
from onward.ranking.chains import Floats
from onward.ranking.link_blend import LinkBlend
from onward.ranking.link_ranks import rivals_of
from onward.ranking.ranked_pairs import RankedPairs, best_after, chance_after, lists_of
from onward.ranking.sequence_blend import NextBlend, fit_all
from onward.ranking.sequence_moments import PREVIOUS_ITEM, QueryMoment, counts
from onward.settings import read_settings
from onward.stages.graph_files import read_fitted, read_known, read_node_ids, read_sequences

_CANDIDATES = 50
"""Places of the ranker's order that `before` is drawn from."""
_LISTED = 20
"""Length of a served list."""


def run(layout: Layout, params: Params) -> str:
    """List, register, promote; see `settle` and `no_gate`."""
    clock = params.run
    ranked, strength = (_links if clock.source == "edge_list" else _next_items)(layout, clock.threads)
    lists = lists_of(ranked, strength, _LISTED)
    facts = {"source": clock.source, "as_of": clock.as_of.isoformat(), "attribution_days": clock.attribution_days}
    served = GraphLists(tuple(read_node_ids(layout.serving)), lists, facts)
    folder = layout.bundle
    registry = Registry.of(read_settings(project=layout.root))
    with replacing_directory(folder) as partial:
        write_graph_lists(partial, served)
    sha256 = bundle_hash(folder)
    figures = _figures(layout)

    def judge_against(in_use: Path | None) -> Verdict:
        return no_gate(clock.source, in_use, figures)

    tags = {**provenance(layout.root), **{name: str(value) for name, value in facts.items()}}
    done = settle(registry, folder, sha256, tags, judge_against)
    write_json(layout.deployment_record, {"bundle_sha256": sha256, **facts, **done.to_dict()})
    write_json(layout.metric("deployment"), {"promoted": done.verdict.promote, "gate": figures})
    listed = len(np.unique(lists["node"]))
    return (
        f"version {done.version.number} {'is champion' if done.verdict.promote else 'refused'}: lists of {listed:,} of "
        f"{len(served.nodes):,} nodes; {done.verdict.reasons[0]}"
    )


def _links(layout: Layout, threads: int) -> tuple[RankedPairs, Callable[[RankedPairs], Floats]]:
    known_split, _ = read_known(layout.serving)
    fitted = LinkBlend.restore(known_split, *read_fitted(layout.model), threads)
    ranked = best_after(fitted.lists.method, rivals_of(known_split.edges), _CANDIDATES)
    return ranked, lambda listed: fitted.pairs.score(listed.pairs)


def _next_items(layout: Layout, threads: int) -> tuple[RankedPairs, Callable[[RankedPairs], Floats]]:
    sequences = read_sequences(layout.serving)
    (manifest, texts, _) = read_fitted(layout.model)
    # The counts that were judged: they end before each customer's last known item.
    past = counts([user[:-1] for user in sequences.users], sequences.items, sequences.vectors)
    moment = QueryMoment(past, (), np.zeros((0, 2), dtype=np.int64)).after_each_item()
    fitted = NextBlend.restore(PREVIOUS_ITEM, manifest[PREVIOUS_ITEM], texts, threads)
    ranked = best_after(fitted.method(moment, fit_all(moment)), moment.seen, _CANDIDATES)
    events = np.asarray(past["near"].baskets.sum(axis=0), dtype=np.float64).ravel()
    return ranked, lambda listed: chance_after(listed, events)


def _figures(layout: Layout) -> dict[str, dict[str, float | None]]:
    """Evaluation's headline by metric, in names that MLflow takes."""
    return {
        f"{judged}_{metric}".replace("@", "_at_").replace(", ", "_").replace(" ", "_"): {
            part: value[part] for part in ("value", "low", "high")
        }
        for judged, metrics in read_json(layout.graph_headline).items()
        for metric, value in metrics.items()
    }
