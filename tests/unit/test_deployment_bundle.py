import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from builders.tiny_bundle import CATEGORIES, make_bundle, make_features
from onward.deployment.bundle import recode
from onward.deployment.bundle_files import bundle_hash, read_bundle, write_bundle
from onward.errors import ArtifactError, DataError
from onward.thresholds.policy import Policy
from onward.uncertainty.evidential import FittedBeta
from onward.uncertainty.group_repair import GroupRepair

SOURCES, TARGETS = ["p0", "p1", "p2", "p0"], ["p2", "p2", "p3", "p5"]


@pytest.fixture(scope="module")
def bundle():
    return make_bundle()


def test_a_bundle_scores_the_same_after_a_trip_through_files(bundle, tmp_path):
    write_bundle(tmp_path, bundle)
    features = make_features(4, 1)
    before, after = (each.score(features, SOURCES, TARGETS) for each in (bundle, read_bundle(tmp_path)))
    pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_a_bundle_from_before_repairs_and_spread_sources_is_read_as_it_was_meant(bundle, tmp_path):
    write_bundle(tmp_path, bundle)
    for name in ("repair.json", "spread.json"):
        (tmp_path / name).unlink()
    assert read_bundle(tmp_path).uncertainty == bundle.uncertainty


def test_a_repair_and_a_source_of_spread_are_part_of_a_bundle(bundle, tmp_path):
    repair, spread = GroupRepair({"department=home": -1.0}), FittedBeta(None, 2.0, 1.0, 3.0, 0.5)
    chosen = replace(bundle, uncertainty=replace(bundle.uncertainty, repair=repair, spread=spread))
    write_bundle(tmp_path / "chosen", chosen)
    features, targets = make_features(4, 1), ["p2", "p5", "p3", "p5"]
    plain, before, after = (
        each.score(features, SOURCES, targets) for each in (bundle, chosen, read_bundle(tmp_path / "chosen"))
    )
    pd.testing.assert_frame_equal(before, after, check_exact=True)
    assert (after["score"] < plain["score"]).tolist() == [False, True, False, True]  # p5 is of the department
    assert (after["uncertainty"] != plain["uncertainty"]).all()


def test_the_same_bundle_has_the_same_hash_and_any_other_file_another(bundle, tmp_path):
    hashes = []
    for name in ("one", "two"):
        write_bundle(tmp_path / name, bundle)
        hashes.append(bundle_hash(tmp_path / name))
    assert hashes[0] == hashes[1]
    (tmp_path / "two" / "heads" / "head_0.txt").rename(tmp_path / "two" / "heads" / "head_9.txt")
    assert bundle_hash(tmp_path / "two") != hashes[0]


def test_a_byte_that_moves_from_a_name_to_its_content_changes_the_hash(tmp_path):
    for folder, name, text in (("one", "ab", "c"), ("two", "a", "bc")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    assert bundle_hash(tmp_path / "one") != bundle_hash(tmp_path / "two")


def test_a_bundle_holds_only_plain_files(bundle, tmp_path):
    write_bundle(tmp_path, bundle)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".parquet", ".npz", ".txt", ".json"}


def test_a_missing_part_is_named(bundle, tmp_path):
    write_bundle(tmp_path, bundle)
    (tmp_path / "calibrator.json").unlink()
    with pytest.raises(ArtifactError, match=r"calibrator\.json"):
        read_bundle(tmp_path)


def test_scores_follow_calibrator_levels_and_policy(bundle):
    scored = bundle.score(make_features(4, 1), SOURCES, TARGETS)
    np.testing.assert_array_equal(scored["probability"], bundle.uncertainty.calibrator.apply(scored["score"]))
    np.testing.assert_array_equal(scored["level"], bundle.uncertainty.levels.assign(scored["uncertainty"]))
    np.testing.assert_array_equal(scored["shown"], bundle.policy.decide(scored["score"], scored["level"]))


def test_an_unknown_product_is_not_scored_and_does_not_stop_the_batch(bundle):
    features = make_features(2, 1)
    scored = bundle.score(features, ["p0", "p0"], ["new", "p2"])
    assert scored.loc[0, ["score", "uncertainty", "probability"]].isna().all()
    assert (scored.loc[0, "level"], scored.loc[0, "shown"]) == (-1, False)
    alone = bundle.score(features[1:], ["p0"], ["p2"])
    pd.testing.assert_frame_equal(scored[1:].reset_index(drop=True), alone)
    assert bundle.score(features[:1], ["new"], ["newer"])["score"].isna().all()


def test_scoring_needs_one_pair_a_row_and_every_feature(bundle):
    with pytest.raises(DataError, match="2 feature rows, 1 sources"):
        bundle.score(make_features(2, 1), ["p0"], ["p1"])
    with pytest.raises(DataError, match="target_sales_7d"):
        bundle.score(make_features(1, 1).drop(columns="target_sales_7d"), ["p0"], ["p1"])


def test_codes_of_another_bundle_are_translated_by_value(bundle):
    features = make_features(50, 3)
    swapped = {**CATEGORIES, "cat_target_category": ["home", "dairy", "bakery"]}
    coded = features.assign(cat_target_category=(features["cat_target_category"] + 1) % 3)
    sources, targets = ["p0"] * 50, ["p2"] * 50
    pd.testing.assert_frame_equal(
        bundle.score(coded, sources, targets, swapped), bundle.score(features, sources, targets)
    )


def test_a_category_that_the_other_bundle_lacks_is_other_or_missing():
    features = pd.DataFrame({"cat_a": np.array([0.0, 1.0, np.nan])})
    assert np.isnan(recode(features, {"cat_a": ["x", "y"]}, {"cat_a": ["x"]})["cat_a"].to_numpy()).tolist() == [0, 1, 1]
    assert recode(features, {"cat_a": ["x", "y"]}, {"cat_a": ["x", "(other)"]})["cat_a"].tolist()[:2] == [0, 1]


def test_scoring_needs_no_torch_and_no_registry():
    code = (
        "import sys, onward.deployment.bundle_files; print(sorted({'torch', 'mlflow', 'evidently'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_decision_is_the_policys_and_an_unknown_product_is_not_shown():
    features = make_features(60, 1).drop(columns="impression")
    source, target = [f"p{row % 3}" for row in range(59)] + ["new"], [f"p{2 + row % 2}" for row in range(60)]
    score = make_bundle().score(features, source, target)["score"]
    cut, lower = float(score.quantile(0.7)), float(score.quantile(0.4))
    bundle = replace(make_bundle(), policy=Policy("ew_dpmt", 0.3, (cut, cut), (lower, lower)))
    found = bundle.score(features, source, target)["decision"].tolist()
    assert found == ["show" if each >= cut else "abstain" if each >= lower else "don't show" for each in score]
    assert set(found) == {"show", "abstain", "don't show"}
    assert found[-1] == "don't show"
