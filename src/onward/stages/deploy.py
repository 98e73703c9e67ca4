"""Stage deploy: pack the bundle, let the gate judge it, register it, and move the champion if it may take over."""

from pathlib import Path

from onward.artifacts import StoredFiles, read_json, read_table, replacing_directory, write_json
from onward.choices import GRAPH_SOURCES
from onward.deployment.bundle import Bundle
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.gate import Verdict
from onward.deployment.provenance import provenance
from onward.deployment.registry import Registry
from onward.deployment.release import compare, require_agreement, require_same_lists, settle
from onward.deployment.typical_features import describe_products, sample_contexts
from onward.layout import Layout
from onward.model.pair_model import PairModel
from onward.params import Params
from onward.settings import read_settings
from onward.stages.gate_inputs import limits_of, read_compared
from onward.stages.runner import main
from onward.stages.served_lists import served_lists
from onward.thresholds.policy import Policy
from onward.uncertainty.uncertainty_model import UncertaintyModel


def run(layout: Layout, params: Params) -> str:
    """Build, judge, register, promote; see `settle`."""
    if params.run.source in GRAPH_SOURCES:
        # Here, since it brings torch, whose import takes longer than most of this stage on a small shop.
        from onward.stages import graph_deploy

        return graph_deploy.run(layout, params)
    clock = params.run
    log = layout.serving_log
    model = PairModel.from_files(StoredFiles(layout.model))
    products = read_table(log.products)
    categories = read_json(log.categories)
    purchases = read_table(log.purchases)
    features = read_table(log.features)
    shown = read_table(log.impressions, ["split", "shown_at", "source", "target"])
    recent = ((shown["split"] == "calibrate") & (shown["shown_at"] >= clock.training_start)).to_numpy(bool)
    bundle = Bundle(
        products=products[["product", "product_id", "name", "category"]],
        model=model,
        uncertainty=UncertaintyModel.from_files(StoredFiles(layout.uncertainty)),
        policy=Policy.from_dict(read_json(layout.policy)),
        categories=categories,
        state=describe_products(products, purchases, clock.clock, categories),
        contexts=sample_contexts(features, recent, 64, clock.seed),
        facts={"source": clock.source, "as_of": clock.as_of.isoformat(), "attribution_days": clock.attribution_days},
        lists=served_lists(layout, params, model.embeddings, products, shown, purchases),
    ).with_listed_scores(clock.threads)
    folder = layout.bundle
    registry = Registry.of(read_settings(project=layout.root))
    with replacing_directory(folder) as partial:
        write_bundle(partial, bundle)
    sha256 = bundle_hash(folder)
    predictions = read_table(layout.predictions)
    lists = read_table(layout.judged_lists)
    on = read_compared(layout)
    limits = limits_of(params.gate)
    require_same_lists(bundle, lists)

    def judge_against(in_use: Path | None) -> Verdict:
        verdict, scored = compare(bundle, on, in_use, *limits, clock.seed, clock.threads)
        require_agreement(scored, predictions)
        return verdict

    tags = {**provenance(layout.root), **{name: str(value) for name, value in bundle.facts.items()}}
    done = settle(registry, folder, sha256, tags, judge_against)
    version = done.version
    verdict = done.verdict
    write_json(layout.deployment_record, {"bundle_sha256": sha256, **bundle.facts, **done.to_dict()})
    write_json(layout.metric("deployment"), {"promoted": verdict.promote, "gate": verdict.figures})
    return f"version {version.number} {'is champion' if verdict.promote else 'refused'}: {verdict.reasons[0]}"


if __name__ == "__main__":
    main("deploy", run)
