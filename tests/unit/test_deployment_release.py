import hashlib
import subprocess

import numpy as np
import pytest
from tiny_bundle import make_bundle, make_features

from onward.deployment.bundle_files import write_bundle
from onward.deployment.gate import Limits, Scored, Verdict
from onward.deployment.provenance import provenance
from onward.deployment.registry import Registry, Version
from onward.deployment.release import compare, flat_figures, objection, opponent, require_agreement, settle
from onward.errors import ArtifactError

LOOSE = Limits(max_nll_increase=1.0, max_recall_loss=1.0, pcoc_low=0.01, pcoc_high=100.0)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(4)
    features = make_features(1500, 4).drop(columns="impression")
    label = rng.uniform(size=1500) < 0.1 + 0.05 * features["customer_visits_28d"]
    return features.assign(
        customer=rng.integers(0, 200, 1500), source_product_id="p0", target_product_id="p2", label=label.astype(float)
    )


def test_a_bundle_is_compared_with_the_champion_on_the_same_rows(rows, tmp_path):
    write_bundle(tmp_path, make_bundle(seed=1))
    verdict, _ = compare(make_bundle(), rows, tmp_path, LOOSE, seed=1, threads=1)
    assert verdict.promote
    assert {"auc", "pcoc", "nll_increase", "recall_gain"} == set(verdict.figures)
    again, scored = compare(make_bundle(), rows, None, LOOSE, seed=1, threads=1)
    assert set(again.figures) == {"auc", "pcoc"}
    assert len(scored.probability) == len(rows)


def test_a_champion_that_cannot_score_the_rows_keeps_its_place(rows, tmp_path):
    champion = make_bundle(seed=1)
    write_bundle(tmp_path, champion)
    text = (tmp_path / "scorer.json").read_text()
    (tmp_path / "scorer.json").write_text(text.replace("customer_visits_28d", "customer_mood"))
    verdict, _ = compare(make_bundle(), rows, tmp_path, LOOSE, seed=1, threads=1)
    assert not verdict.promote
    assert "customer_mood" in verdict.reasons[0]
    assert "onward promote" in verdict.reasons[0]


def test_a_champion_that_lacks_a_product_keeps_its_place(rows, tmp_path):
    champion = make_bundle(seed=1)
    champion.products.loc[2, "product_id"] = "gone"
    write_bundle(tmp_path, champion)
    verdict, _ = compare(make_bundle(), rows, tmp_path, LOOSE, seed=1, threads=1)
    assert not verdict.promote
    assert "1500 of 1500" in verdict.reasons[0]


def test_a_bundle_that_disagrees_with_the_backtest_is_not_deployed(rows):
    _, scored = compare(make_bundle(), rows, None, LOOSE, seed=1, threads=1)
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
    registry = Registry(tmp_path / "mlruns")
    assert opponent(registry, "a") is None
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(name)
        number = registry.register(tmp_path / name, name, {}, {}).number
        registry.promote(number)
        # As if the stage had been killed after the promotion and were run again.
        assert getattr(opponent(registry, name), "bundle_sha256", None) == (None if name == "a" else "a")
    assert opponent(registry, "c").bundle_sha256 == "b"


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
    registry, passed, seen = Registry(tmp_path / "mlruns"), Verdict(True, ("passed: all",), {}), []

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
    registry, verdict = Registry(tmp_path / "mlruns"), Verdict(True, ("passed: all",), {})
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
