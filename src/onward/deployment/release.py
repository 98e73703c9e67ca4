"""From a new bundle to a verdict: whom it is compared with, and on what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from onward.artifacts import read_json
from onward.deployment.bundle import Bundle
from onward.deployment.bundle_files import read_bundle
from onward.deployment.gate import Limits, Rows, Scored, Verdict, judge, refusal
from onward.deployment.list_gate import ListLimits, judge_bundle_lists, judge_served_lists
from onward.deployment.reasons import Reason
from onward.deployment.registry import MODEL, Registry, Version
from onward.errors import ArtifactError, DataError, RegistryError

_SAMPLES = 500
_TOLERANCE = 1e-6
_ATTEMPTS = 10


@dataclass(frozen=True)
class Settled:
    """What became of a bundle: its version, the verdict, whom it was judged against, and who is in use after it."""

    version: Version
    verdict: Verdict
    against: Version | None
    champion: Version | None

    def to_dict(self) -> dict[str, Any]:
        """The record of it, versions by their numbers."""
        numbers = {"version": self.version, "champion": self.champion, "compared_with": self.against}
        verdict = self.verdict
        outcome = {"promoted": verdict.promote, "reasons": verdict.reasons, "not_judged": verdict.not_judged}
        return {"model": MODEL, **outcome, **{name: version and version.number for name, version in numbers.items()}}


def settle(
    registry: Registry,
    folder: Path,
    bundle_sha256: str,
    tags: Mapping[str, str],
    judge_against: Callable[[Path | None], Verdict],
) -> Settled:
    """Judge a bundle, register it, and put it in use if it may be.

    In this order, so that a kill at any moment is mended by doing it again. A judgement takes seconds, in which another
    run may put its own bundle in use: then this one is judged again, against that one.

    Args:
        registry: where it goes.
        folder: of the bundle.
        bundle_sha256: its hash.
        tags: what its version shall say of it; `source` and `as_of` are among them.
        judge_against: gives the verdict against the bundle in a folder; None if nothing is in use.

    Raises:
        RegistryError: others change the champion without end.
    """
    for _ in range(_ATTEMPTS):
        champion = registry.champion()
        against = opponent(registry, champion, bundle_sha256)
        verdict = judge_against(registry.folder(against) if against else None)
        version = registry.register(folder, bundle_sha256, tags, flat_figures(verdict))
        if reason := objection(version, against):
            verdict = refusal(reason)
        if not verdict.promote:
            return Settled(version, verdict, against, champion)
        if registry.take_over(version, against, because(verdict)):
            return Settled(version, verdict, against, version)
    raise RegistryError(f"deploy: the champion changed {_ATTEMPTS} times while it was compared; run `dvc repro deploy`")


@dataclass(frozen=True)
class Compared:
    """What two bundles are compared on.

    Attributes:
        rows: customer, source_product_id, target_product_id, label and every feature, in the challenger's codes.
        answers: queries of the lists and what was bought; see `gate_queries`.
        chance: product_id and P(v) of each relation.
    """

    rows: pd.DataFrame
    answers: pd.DataFrame
    chance: pd.DataFrame


def compare(
    bundle: Bundle,
    on: Compared,
    champion: Path | None,
    limits: Limits,
    list_limits: ListLimits,
    seed: int,
    threads: int,
) -> tuple[Verdict, Scored]:
    """Judge a bundle against the champion's on the same rows.

    Args:
        bundle: the challenger.
        on: rows and queries.
        champion: folder of the champion's bundle; None if there is none.
        limits: see gate.py.
        list_limits: see list_gate.py.
        seed: of the intervals.
        threads: for scoring.

    Returns:
        The verdict, and the challenger's scores.
    """
    rows = on.rows
    challenger = _score(bundle, rows, bundle.categories, threads)
    try:
        in_use = None if champion is None else read_bundle(champion)
        old = None if in_use is None else _score(in_use, rows, bundle.categories, threads)
    except DataError as error:
        return refusal(f"the champion cannot be compared ({error}); promote by hand with `onward promote`"), challenger
    what = Rows(rows["customer"].to_numpy(np.int64), rows["label"].to_numpy(np.float64))
    verdict = judge(what, challenger, old, limits, _SAMPLES, seed)
    new_lists, old_lists = (
        None
        if candidate is None or not len(candidate.lists.table)
        else judge_bundle_lists(candidate, on.answers, on.chance)
        for candidate in (bundle, in_use)
    )
    if new_lists is None:
        return verdict.together_with(refusal("the bundle holds no lists; run `dvc repro`")), challenger
    of_lists = judge_served_lists(on.answers, new_lists, old_lists, list_limits, _SAMPLES, seed)
    return verdict.together_with(of_lists), challenger


def objection(challenger: Version, against: Version | None) -> str | None:
    """Why a registered bundle may not take over by itself, however well it scores; None if nothing speaks against it.

    A bundle that knows less than the one in use would be judged on rows that the other has learnt from, and a backfill
    of earlier weeks must not take a newer model out of use.

    Args:
        challenger: the bundle's version.
        against: the version it has to beat, see `opponent`.
    """
    number = challenger.number
    tags = challenger.tags
    if challenger.rolled_back:
        return f"version {number} was rolled back; only `onward promote {number} --reason=…` returns it"
    if against is not None and tags["source"] == against.tags["source"] and tags["as_of"] < against.tags["as_of"]:
        return (
            f"version {number} knows {tags['source']} until {tags['as_of']}, version {against.number} in use until "
            f"{against.tags['as_of']}; only `onward promote {number} --reason=…` puts an earlier one in use"
        )
    return None


def because(verdict: Verdict) -> Reason:
    """The gate's reason, as a person would have to give one."""
    return Reason("; ".join(verdict.reasons), "the gate")


def require_agreement(scored: Scored, predictions: pd.DataFrame) -> None:
    """Refuse a bundle that scores otherwise than the backtest did: then one of the two is not what was evaluated.

    Raises:
        ArtifactError: a probability or a decision differs.
    """
    if len(scored.probability) != len(predictions):
        raise ArtifactError(
            f"deploy: {len(scored.probability)} gate rows, {len(predictions)} predictions; run `dvc repro evaluate`"
        )
    apart = np.abs(scored.probability - predictions["probability"].to_numpy(np.float64))
    # What is no number is nowhere near anything, so it must not pass.
    apart[np.isnan(apart)] = np.inf
    wrong = (apart > _TOLERANCE) | (scored.shown != predictions["shown"].to_numpy(bool))
    if wrong.any():
        raise ArtifactError(
            f"deploy: the bundle disagrees with the backtest in {int(wrong.sum())} of {len(wrong)} rows, by up to "
            f"{float(apart.max()):.2g}; run `dvc repro --force evaluate`"
        )


def require_same_lists(bundle: Bundle, judged: pd.DataFrame) -> None:
    """Refuse a bundle that lists otherwise than the backtest judged.

    Args:
        bundle: about to be deployed.
        judged: the lists of the judged sources, columns of ranking/related_lists.py.

    Raises:
        ArtifactError: an entry differs.
    """
    mine = bundle.lists.table
    mine = mine[mine["product"].isin(judged["product"].unique()).to_numpy(bool)].reset_index(drop=True)
    columns = ["product", "list", "rank", "other"]
    if not mine[columns].equals(judged[columns].astype(mine[columns].dtypes.to_dict()).reset_index(drop=True)):
        raise ArtifactError(
            f"deploy: the bundle's lists of {judged['product'].nunique()} judged products are not those that evaluate "
            "judged; run `dvc repro --force evaluate`"
        )


def flat_figures(verdict: Verdict) -> dict[str, float]:
    """The verdict's figures as MLflow wants them: one number a name."""
    return {
        f"{name}_{part}": value
        for name, figure in verdict.figures.items()
        for part, value in figure.items()
        if value is not None
    }


def opponent(registry: Registry, champion: Version | None, bundle_sha256: str) -> Version | None:
    """The version that a bundle has to beat.

    That is the champion; for the champion's own bundle it is the version that it replaced, so that deploying the same
    bundle again, after a kill or a clone, comes to the same verdict as the first time.
    """
    if champion is None or champion.bundle_sha256 != bundle_sha256:
        return champion
    return registry.version(champion.replaced) if champion.replaced is not None else None


def _score(bundle: Bundle, rows: pd.DataFrame, categories: Mapping[str, list[str]], threads: int) -> Scored:
    source, target = rows["source_product_id"].tolist(), rows["target_product_id"].tolist()
    scored = bundle.score(rows, source, target, categories, threads)
    unknown = int(scored["score"].isna().sum())
    if unknown:
        raise DataError(f"{unknown} of {len(rows)} gate rows hold products that the bundle does not know")
    return Scored(scored["score"].to_numpy(), scored["probability"].to_numpy(), scored["shown"].to_numpy(bool))


def no_gate(source: str, in_use: Path | None, figures: Mapping[str, dict[str, float | None]]) -> Verdict:
    """Promote without a gate, unless what is in use comes from another source: that only a person may replace.

    Args:
        source: of the new lists.
        in_use: folder of the version in use; None if there is none.
        figures: what evaluation said, kept with the version.
    """
    if in_use is not None and (other := read_json(in_use / "facts.json")["source"]) != source:
        return refusal(
            f"in use is a model of {other}, and these are lists of {source}; only `onward promote` replaces it"
        )
    why = f"no gate applies: {source} has no impressions, so no labels; metrics/evaluation.json says how the lists do"
    return Verdict(promote=True, reasons=(why,), figures=figures)
