import hashlib
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from builders.registries import new_registry
from builders.tiny_bundle import make_bundle, make_features
from onward.artifacts import read_arrays, write_arrays
from onward.deployment.bundle_files import write_bundle
from onward.deployment.gate import Limits, Scored, Verdict
from onward.deployment.list_gate import ListLimits
from onward.deployment.provenance import provenance
from onward.deployment.registry import Version
from onward.deployment.release import (
    Compared,
    Settled,
    because,
    compare,
    flat_figures,
    objection,
    opponent,
    require_agreement,
    require_same_lists,
    settle,
)
from onward.deployment.served_lists import no_lists
from onward.errors import ArtifactError

# Registers and promotes in many orders.
pytestmark = pytest.mark.slow

LOOSE = Limits(max_nll_increase=1.0, max_recall_loss=1.0, pcoc_low=0.01, pcoc_high=100.0)
STRICT = ListLimits(max_hit_rate_loss=0.0, max_lift_loss=0.0)
OF_LISTS = {f"{name}_{metric}10" for name in ("goes_with", "after") for metric in ("hr", "lift")}
GAINS = {f"{name}_gain" for name in OF_LISTS}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(4)
    features = make_features(1500, 4).drop(columns="impression")
    label = rng.uniform(size=1500) < 0.1 + 0.05 * features["customer_visits_28d"]
    return features.assign(
        customer=rng.integers(0, 200, 1500), source_product_id="p0", target_product_id="p2", label=label.astype(float)
    )


def judged_on(rows):
    """Thirty customers who took p2 with p0, and new after it: both lists of the tiny bundle name it."""
    answers = pd.DataFrame({
        "query": np.tile(np.arange(30), 2), "customer": np.tile(np.arange(30), 2), "source_product_id": "p0",
        "relation": np.repeat(["basket", "later"], 30), "product_id": "p2",
    })  # fmt: skip
    ids = [f"p{number}" for number in range(6)]
    return Compared(rows, answers, pd.DataFrame({"product_id": ids, "basket": 1 / 6, "later": 1 / 6}))


def compared(bundle, rows, champion):
    return compare(bundle, judged_on(rows), champion, LOOSE, STRICT, seed=1, threads=1)


def test_a_bundle_is_compared_with_the_champion_on_the_same_rows(rows, tmp_path):
    write_bundle(tmp_path, make_bundle(seed=1))
    verdict, _ = compared(make_bundle(), rows, tmp_path)
    assert verdict.promote
    assert {"auc", "pcoc", "nll_increase", "recall_gain"} | OF_LISTS | GAINS == set(verdict.figures)
    assert all(verdict.figures[name] == {"value": 0.0, "low": 0.0, "high": 0.0} for name in GAINS)
    again, scored = compared(make_bundle(), rows, None)
    assert set(again.figures) == {"auc", "pcoc"} | OF_LISTS
    assert len(scored.probability) == len(rows)


def test_better_scores_do_not_make_up_for_worse_lists(rows, tmp_path):
    write_bundle(tmp_path, make_bundle(seed=1))
    bundle = make_bundle()
    table = bundle.lists.table
    worse = replace(bundle, lists=replace(bundle.lists, table=table[(table["other"] != 2).to_numpy()]))
    verdict, _ = compared(worse, rows, tmp_path)
    assert not verdict.promote
    assert verdict.reasons[0].startswith("refused: goes_with: lift at ten")
    assert any(reason.startswith("passed: AUC") for reason in verdict.reasons)
    alone, _ = compared(worse, rows, None)
    assert not alone.promote


def test_a_champion_without_lists_is_no_obstacle(rows, tmp_path):
    write_bundle(tmp_path, replace(make_bundle(seed=1), lists=no_lists(6)))
    for name in ("lists.json", "lists.parquet", "categories_shown.parquet", "stands_for.parquet"):
        (tmp_path / name).unlink()
    verdict, _ = compared(make_bundle(), rows, tmp_path)
    assert verdict.promote
    assert set(verdict.figures) == {"auc", "pcoc", "nll_increase", "recall_gain"} | OF_LISTS


def test_what_the_gate_could_not_judge_stands_in_the_record_and_in_the_reason(rows):
    on = judged_on(rows)
    on = replace(on, answers=on.answers[on.answers["relation"] != "later"])
    verdict, _ = compare(make_bundle(), on, None, LOOSE, STRICT, seed=1, threads=1)
    version = Version(1, "a", "run", {})
    record = Settled(version, verdict, None, version).to_dict()
    assert (record["promoted"], record["not_judged"]) == (True, ("after",))
    assert record["reasons"][0].startswith("not judged: after: lists could not be judged: no answers")
    assert "no answers" in because(verdict).text


def test_a_bundle_without_lists_is_refused(rows, tmp_path):
    write_bundle(tmp_path, make_bundle(seed=1))
    for champion in (tmp_path, None):
        verdict, _ = compared(replace(make_bundle(), lists=no_lists(6)), rows, champion)
        assert not verdict.promote
        assert verdict.reasons[0] == "refused: the bundle holds no lists; run `dvc repro`"
        assert len(verdict.reasons) > 1


def swap(table):
    """The first two entries change places."""
    others = table["other"].tolist()
    return table.assign(other=[others[1], others[0], *others[2:]])


@pytest.mark.parametrize(
    "change",
    [
        swap,
        lambda table: table.assign(other=[1, *table["other"].tolist()[1:]]),
        lambda table: table[1:],
        lambda table: table[:-1],
        lambda table: pd.concat([table, table.tail(1).assign(rank=99)]),
        lambda table: pd.concat([table, table.head(1).assign(product=5)]),
    ],
    ids=["order", "entry", "first", "last", "more", "product"],
)
def test_a_bundle_that_lists_otherwise_than_was_judged_is_not_deployed(change):
    bundle = make_bundle()
    table = bundle.lists.table
    judged = table[table["product"].isin([0, 2])]
    require_same_lists(bundle, judged)
    # As files give it back: other types, rows numbered anew.
    require_same_lists(bundle, judged.astype({"product": "int64", "rank": "int64", "list": "str"}).reset_index())
    with pytest.raises(ArtifactError, match=r"judged products are not those .* run `dvc repro --force evaluate`"):
        require_same_lists(bundle, change(judged))


def test_a_champion_that_cannot_score_the_rows_keeps_its_place(rows, tmp_path):
    champion = make_bundle(seed=1)
    write_bundle(tmp_path, champion)
    text = (tmp_path / "scorer.json").read_text()
    (tmp_path / "scorer.json").write_text(text.replace("customer_visits_28d", "customer_mood"))
    verdict, _ = compared(make_bundle(), rows, tmp_path)
    assert not verdict.promote
    assert "customer_mood" in verdict.reasons[0]
    assert "onward promote" in verdict.reasons[0]


def test_a_champion_whose_embeddings_are_of_an_earlier_version_keeps_its_place(rows, tmp_path):
    write_bundle(tmp_path, make_bundle(seed=1))
    arrays = read_arrays(tmp_path / "embeddings.npz")
    old = {name: values for name, values in arrays.items() if name != "scale"}
    write_arrays(tmp_path / "embeddings.npz", {**old, "bias": np.zeros(6, np.float32)})
    verdict, _ = compared(make_bundle(), rows, tmp_path)
    assert not verdict.promote
    assert "earlier version" in verdict.reasons[0]
    assert "onward promote" in verdict.reasons[0]


def test_a_champion_that_lacks_a_product_keeps_its_place(rows, tmp_path):
    champion = make_bundle(seed=1)
    champion.products.loc[2, "product_id"] = "gone"
    write_bundle(tmp_path, champion)
    verdict, _ = compared(make_bundle(), rows, tmp_path)
    assert not verdict.promote
    assert "1500 of 1500" in verdict.reasons[0]


def test_a_bundle_that_disagrees_with_the_backtest_is_not_deployed(rows):
    _, scored = compared(make_bundle(), rows, None)
    predictions = rows.assign(probability=scored.probability, shown=scored.shown)
    require_agreement(scored, predictions)
    for column, value in (("probability", scored.probability[7] + 0.01), ("shown", not scored.shown[7])):
        wrong = predictions.copy()
        wrong.loc[7, column] = value
        with pytest.raises(ArtifactError, match="1 of 1500 rows"):
            require_agreement(scored, wrong)
    with pytest.raises(ArtifactError, match="1500 gate rows, 3 predictions"):
        require_agreement(scored, predictions[:3])
    broken = Scored(scored.score, np.full(1500, np.nan), scored.shown)
    with pytest.raises(ArtifactError, match="1500 of 1500"):
        require_agreement(broken, predictions.assign(probability=1.0))


def test_a_bundle_has_to_beat_the_champion_or_what_it_replaced_itself(tmp_path):
    registry = new_registry(tmp_path / "mlruns")
    assert opponent(registry, registry.champion(), "a") is None
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(name)
        number = registry.register(tmp_path / name, name, {}, {}).number
        registry.promote(number)
        # As if the stage had been killed after the promotion and were run again.
        against = opponent(registry, registry.champion(), name)
        assert getattr(against, "bundle_sha256", None) == (None if name == "a" else "a")
    assert opponent(registry, registry.champion(), "c").bundle_sha256 == "b"


@pytest.mark.parametrize(
    ("source", "as_of", "rolled_back", "word"),
    [
        ("simulator", "2017-11-19", "false", "knows simulator until 2017-11-19, version 1 in use until 2017-11-20"),
        ("simulator", "2017-11-20", "false", None),
        ("simulator", "2017-11-27", "false", None),
        ("complete_journey", "2017-05-01", "false", None),
        ("simulator", "2017-11-27", "true", "was rolled back"),
    ],
)
def test_a_bundle_that_knows_less_than_the_one_in_use_never_takes_over_by_itself(source, as_of, rolled_back, word):
    in_use = Version(1, "a", "run", {"source": "simulator", "as_of": "2017-11-20"})
    tags = {"source": source, "as_of": as_of, "rolled_back": rolled_back}
    found = objection(Version(2, "b", "run", tags), in_use)
    assert (found is None) if word is None else (word in found and "onward promote 2" in found)
    assert objection(Version(2, "b", "run", {"rolled_back": "false"}), None) is None


def add_bundle(tmp_path, name):
    (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / name / "x.txt").write_text(name)
    return tmp_path / name


def test_two_runs_at_once_end_as_if_one_had_come_after_the_other(tmp_path):
    registry, passed, seen = new_registry(tmp_path / "mlruns"), Verdict(True, ("passed: all",), {}), []

    def settled(name, as_of, judge):
        folder = add_bundle(tmp_path, name)
        return settle(registry, folder, name, {"source": "simulator", "as_of": as_of}, judge)

    assert settled("old", "2017-11-06", lambda _: passed).champion.number == 1

    def overtaken(in_use):
        seen.append((in_use / "x.txt").read_text())
        if len(seen) == 1:
            # While this one is being compared, another run of a later week comes to its end.
            assert settled("late", "2017-11-20", lambda _: passed).verdict.promote
        return passed

    early = settled("early", "2017-11-13", overtaken)
    assert seen == ["old", "late"]
    assert not early.verdict.promote
    assert "knows simulator until 2017-11-13" in early.verdict.reasons[0]
    assert (early.against.bundle_sha256, early.champion.bundle_sha256) == ("late", "late")
    assert registry.champion().bundle_sha256 == "late"

    seen.clear()
    # The other way round: the later week is overtaken by a better one of the same day, and judged again.
    last = settled("last", "2017-11-27", overtaken_by(settled, seen, passed))
    assert seen == ["late", "between"]
    assert last.verdict.promote
    assert registry.champion().bundle_sha256 == "last"
    assert registry.champion().replaced == registry.find("between").number


def overtaken_by(settled, seen, passed):
    def judge(in_use):
        seen.append((in_use / "x.txt").read_text())
        if len(seen) == 1:
            settled("between", "2017-11-24", lambda _: passed)
        return passed

    return judge


def test_done_again_after_a_kill_it_comes_to_the_same(tmp_path):
    registry, verdict = new_registry(tmp_path / "mlruns"), Verdict(True, ("passed: all",), {})
    tags = {"source": "simulator", "as_of": "2017-11-20"}
    for name in ("a", "b"):
        folder, seen = add_bundle(tmp_path, name), []
        outcomes = [
            settle(registry, folder, name, tags, lambda in_use, seen=seen: seen.append(in_use) or verdict)
            for _ in range(3)
        ]
        assert len({(each.version.number, each.against and each.against.number) for each in outcomes}) == 1
        assert len(set(seen)) == 1
    assert len(registry.versions()) == 2


def test_versions_lead_back_to_commit_and_lock(tmp_path):
    assert provenance(tmp_path) == {"git_commit": "unknown", "dvc_lock_sha256": "unknown"}
    (tmp_path / "dvc.lock").write_text("stages: {}")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    found = provenance(tmp_path)
    assert len(found["git_commit"]) == 40
    assert found["dvc_lock_sha256"] == hashlib.sha256(b"stages: {}").hexdigest()


def test_figures_are_flat_and_leave_out_what_does_not_exist():
    verdict = Verdict(True, (), {"auc": {"value": 0.7, "low": None, "high": 0.8}})
    assert flat_figures(verdict) == {"auc_value": 0.7, "auc_high": 0.8}
