"""Stage deploy: pack the bundle, let the gate judge it, register it, and move the champion if it may take over."""

import os
from pathlib import Path

from onward.artifacts import Layout, read_json, read_table, replacing_directory, write_json
from onward.deployment.bundle import Bundle
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.gate import Verdict
from onward.deployment.provenance import provenance
from onward.deployment.registry import Registry
from onward.deployment.release import compare, require_agreement, require_same_lists, settle
from onward.deployment.typical_features import describe_products, sample_contexts
from onward.params import GRAPH_SOURCES, Params
from onward.stages import graph_deploy
from onward.stages.door import main
from onward.stages.gate_inputs import limits_of, read_compared
from onward.stages.served_lists import served_lists
from onward.stages.trained_model import read_doubt, read_trained_model
from onward.thresholds.policy import Policy


def run(layout: Layout, params: Params) -> str:
    """Build, judge, register, promote; see `settle`."""
    if params.run.source in GRAPH_SOURCES:
        return graph_deploy.run(layout, params)
    clock, serving = params.run, layout.serving
    model, doubt = read_trained_model(layout.model), read_doubt(layout.uncertainty)
    policy = Policy.from_dict(read_json(layout.thresholds / "policy.json"))
    products, categories = read_table(serving / "products.parquet"), read_json(serving / "categories.json")
    purchases, features = read_table(serving / "purchases.parquet"), read_table(serving / "features.parquet")
    shown = read_table(serving / "impressions.parquet", ["split", "shown_at", "source", "target"])
    recent = ((shown["split"] == "calibrate") & (shown["shown_at"] >= clock.training_start)).to_numpy(bool)
    bundle = Bundle(
        products[["product", "product_id", "name", "category"]], model.graph, model.embeddings, model.scorer,
        doubt.calibrator, doubt.levels, policy, categories,
        describe_products(products, purchases, clock.clock, categories),
        sample_contexts(features, recent, 64, clock.seed),
        {"source": clock.source, "as_of": clock.as_of.isoformat(), "attribution_days": clock.attribution_days},
        served_lists(layout, params, model.embeddings, products, shown, purchases), doubt.repair, doubt.spread,
    )  # fmt: skip
    folder, registry = layout.deployment / "bundle", Registry.of(os.environ, layout.registry)
    with replacing_directory(folder) as partial:
        write_bundle(partial, bundle)
    sha256 = bundle_hash(folder)
    predictions, lists = (read_table(layout.evaluation / f"{name}.parquet") for name in ("predictions", "lists"))
    on, limits = read_compared(layout), limits_of(params.gate)
    require_same_lists(bundle, lists)

    def judge_against(in_use: Path | None) -> Verdict:
        verdict, scored = compare(bundle, on, in_use, *limits, clock.seed, clock.threads)
        require_agreement(scored, predictions)
        return verdict

    tags = {**provenance(layout.root), **{name: str(value) for name, value in bundle.facts.items()}}
    done = settle(registry, folder, sha256, tags, judge_against)
    version, verdict = done.version, done.verdict
    write_json(layout.deployment / "deployment.json", {"bundle_sha256": sha256, **bundle.facts, **done.to_dict()})
    write_json(layout.metrics / "deployment.json", {"promoted": verdict.promote, "gate": verdict.figures})
    return f"version {version.number} {'is champion' if verdict.promote else 'refused'}: {verdict.reasons[0]}"


if __name__ == "__main__":
    main("deploy", run)
