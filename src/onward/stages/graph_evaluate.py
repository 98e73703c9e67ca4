"""Evaluation of a source that is a graph: the served order on held-out edges or items, beside every single method."""

import numpy as np

from onward.artifacts import Layout, write_json, write_text
from onward.evaluation import graph_backtest as judged
from onward.params import Params
from onward.ranking.link_blend import LinkBlend
from onward.ranking.sequence_blend import NextBlend, draw_customers, fit_all
from onward.ranking.sequence_moments import ASKED, Moment
from onward.stages.graph_files import read_fitted, read_held_out, read_known, read_sequences, read_users
from onward.stages.pass_through import write_empty_plots

PAIRS, LISTS = "pairs", "lists"
_LISTED = ("hr@10", "mrr@10", f"hr@10{judged.COMPETING}", f"mrr@10{judged.COMPETING}")
_NEXT = ("hr@10", "hr@50", "mrr@10")


def run(layout: Layout, params: Params) -> str:
    """Judge what was fitted; write results.json, metrics/evaluation.json and the plot of the lists."""
    if params.run.source == "edge_list":
        found = _links(layout, params)
        hits = next(iter(found[PAIRS][judged.BLEND]))
        quoted = {PAIRS: (hits, "auc"), LISTS: _LISTED}
    else:
        found = _next_items(layout, params)
        quoted = dict.fromkeys(ASKED, _NEXT)
    told = judged.headline(found, quoted)
    write_json(layout.evaluation / "results.json", judged.to_results(found))
    write_json(layout.evaluation / "headline.json", told)
    write_json(layout.metrics / "evaluation.json", told)
    write_text(layout.plots / "related.csv", judged.to_table(found).to_csv(index=False, lineterminator="\n"))
    write_empty_plots(layout, "evaluate")
    return judged.describe(told)


def _links(layout: Layout, params: Params) -> dict[str, judged.Figures]:
    known, _ = read_known(layout.serving)
    split = read_held_out(layout.backtest, known)
    fitted = LinkBlend.restore(known, *read_fitted(layout.model), params.run.threads)
    samples, seed = params.evaluation.bootstrap_samples, params.run.seed
    return {
        PAIRS: judged.judge_pairs(fitted, split, samples, seed), LISTS: judged.judge_lists(fitted, split, samples, seed)
    }  # fmt: skip


def _next_items(layout: Layout, params: Params) -> dict[str, judged.Figures]:
    known, wanted = read_sequences(layout.serving), read_users(layout.backtest)
    whole = [np.concatenate(each) for each in zip(known.users, wanted, strict=True)]
    asked = draw_customers(whole, 2, params.evaluation.queries, params.run.seed)
    moment = Moment.of(whole, known.items, asked, known.vectors, back=1)
    chains, (manifest, texts, _) = fit_all(moment), read_fitted(layout.model)
    samples, seed = params.evaluation.bootstrap_samples, params.run.seed
    return {
        query: judged.judge_next(
            NextBlend.restore(query, manifest[query], texts[f"{query}.txt"], params.run.threads), moment, chains,
            samples, seed,
        )
        for query in ASKED
    }  # fmt: skip
