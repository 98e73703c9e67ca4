"""Training on a source that is a graph: the blend of counts, embeddings and attributes, fitted to what was known."""

from collections import ChainMap
from dataclasses import replace

from onward.artifacts import write_json
from onward.layout import Layout
from onward.params import Params
from onward.ranking.link_blend import LinkBlend
from onward.ranking.link_settings import LinkSettings
from onward.ranking.sequence_blend import RANKERS, TrainingMoment, draw_customers, fit_all, fit_next, pick
from onward.ranking.sequence_moments import METHOD_BY_QUERY, QueryMoment
from onward.stages.graph_files import read_known, read_sequences, write_fitted
from onward.stages.pass_through import write_empty_plots


def run(layout: Layout, params: Params) -> str:
    """Fit, pick by validation, and write the model and metrics/train.json."""
    return _links(layout, params) if params.run.source == "edge_list" else _next_items(layout, params)


def _links(layout: Layout, params: Params) -> str:
    split, of = read_known(layout.serving)
    fitted = LinkBlend.fit(split, LinkSettings().with_threads(params.run.threads), of)
    manifest = fitted.to_manifest()
    write_fitted(layout.model, manifest, fitted.texts(), fitted.arrays())
    write_json(layout.metric("train"), manifest)
    write_empty_plots(layout, "train_gnn")
    encoder = f", encoder alone {max(fitted.encoders):.2f}" if fitted.encoders else ", no encoder without attributes"
    return (
        f"blend of {len(fitted.fitted)} scores: validation Hits@100 {max(fitted.pairs.validation):.2f}{encoder}; "
        f"lists: validation HR@10 {max(fitted.lists.validation):.4f}"
    )


def _next_items(layout: Layout, params: Params) -> str:
    settings = params.sources.sequences
    sequences = read_sequences(layout.serving)
    # One item before the one that is held out; the same draw as the test's with a seed of its own.
    learners = draw_customers(sequences.users, 2, settings.learners, params.run.seed + 1)
    moment = QueryMoment.of(sequences.users, sequences.items, learners, sequences.vectors, back=1)
    training = TrainingMoment.of(moment, fit_all(moment))
    rankers = [replace(ranker, threads=params.run.threads) for ranker in RANKERS]
    fitted = {
        query: fit_next(query, training, pick(query, training), settings.per_proposer, rankers)
        for query in METHOD_BY_QUERY
    }
    manifest = {query: blend.to_manifest() for query, blend in fitted.items()}
    texts = [blend.ranker.bags.texts(query) for query, blend in fitted.items()]
    write_fitted(layout.model, manifest, dict(ChainMap(*texts)), {})
    write_json(layout.metric("train"), manifest)
    write_empty_plots(layout, "train_gnn")
    told = "; ".join(
        f"by {query}: {max(blend.validation):.4f} of the judges' items among ten" for query, blend in fitted.items()
    )
    return f"blend for next items, {moment.queries:,} customers, {told}"
