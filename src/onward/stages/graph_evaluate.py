"""Evaluation of a source that is a graph: the served order on held-out edges or items, beside every single method."""

import numpy as np

from onward.artifacts import write_csv, write_json
from onward.evaluation import graph_backtest as judged
from onward.layout import Layout
from onward.params import Params
from onward.ranking.link_blend import LinkBlend
from onward.ranking.sequence_blend import NextBlend, draw_customers, fit_all
from onward.ranking.sequence_moments import METHOD_BY_QUERY, QueryMoment
from onward.stages.graph_files import read_fitted, read_held_out, read_known, read_sequences, read_users
from onward.stages.pass_through import write_empty_plots

PAIRS = "pairs"
LISTS = "lists"
_LISTED = ("hr@10", "mrr@10", f"hr@10{judged.COMPETING}", f"mrr@10{judged.COMPETING}")
_NEXT = ("hr@10", "hr@50", "mrr@10")


def run(layout: Layout, params: Params) -> str:
    """Judge what was fitted; write results.json, metrics/evaluation.json and the plot of the lists."""
    if params.run.source == "edge_list":
        figures = _links(layout, params)
        hits = next(iter(figures[PAIRS][judged.BLEND]))
        quoted = {PAIRS: (hits, "auc"), LISTS: _LISTED}
    else:
        figures = _next_items(layout, params)
        quoted = dict.fromkeys(METHOD_BY_QUERY, _NEXT)
    told = judged.headline(figures, quoted)
    write_json(layout.results, judged.to_results(figures))
    write_json(layout.graph_headline, told)
    write_json(layout.metric("evaluation"), told)
    write_csv(layout.plot("related"), judged.to_table(figures))
    write_empty_plots(layout, "evaluate")
    return judged.describe(told)


def _links(layout: Layout, params: Params) -> dict[str, judged.Figures]:
    known_split, _ = read_known(layout.serving)
    split = read_held_out(layout.backtest, known_split)
    fitted = LinkBlend.restore(known_split, *read_fitted(layout.model), params.run.threads)
    samples = params.evaluation.bootstrap_samples
    seed = params.run.seed
    return {
        PAIRS: judged.judge_pairs(fitted, split, samples, seed),
        LISTS: judged.judge_lists(fitted, split, samples, seed),
    }


def _next_items(layout: Layout, params: Params) -> dict[str, judged.Figures]:
    sequences = read_sequences(layout.serving)
    held_out = read_users(layout.backtest)
    whole = [np.concatenate(parts) for parts in zip(sequences.users, held_out, strict=True)]
    customers = draw_customers(whole, 2, params.evaluation.queries, params.run.seed)
    moment = QueryMoment.of(whole, sequences.items, customers, sequences.vectors, back=1)
    chains = fit_all(moment)
    (manifest, texts, _) = read_fitted(layout.model)
    samples = params.evaluation.bootstrap_samples
    seed = params.run.seed
    return {
        query: judged.judge_next(
            NextBlend.restore(query, manifest[query], texts, params.run.threads),
            moment,
            chains,
            samples,
            seed,
        )
        for query in METHOD_BY_QUERY
    }
