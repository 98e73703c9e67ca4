"""The files that a report is made from, as text, and a report's content made of them."""

import json

from onward.reporting.neighbourhood import Neighbour, Neighbourhood
from onward.reporting.related_cards import Entry, RelatedCard
from onward.reporting.run_report import ReportContent


def interval(value, half=0.05):
    return {"value": value, "low": value - half, "high": value + half}


def method(name, hit, lift, **more):
    metrics = {
        "hr@10": interval(hit),
        "lift@10": interval(lift, 0.3),
        "ndcg@10": interval(0.1),
        "mrr@10": interval(0.2),
    }
    return {"method": name, "basket": metrics, "later": metrics, "coverage": 0.4, **more}


def related():
    baselines = [("popularity", 0.6, 0.7), ("popularity_among_new", 0.5, 0.6), ("cooccurrence", 0.63, 1.2)]
    rows = [method(*each, weight=None) for each in baselines]
    served = [method("served", 0.25 + 0.4 * w, 12.5 - 11 * w, weight=w) for w in (0.0, 0.25, 0.5, 1.0)]
    complements = [method("served", 0.27, 3.4), *(method(*each) for each in baselines)]
    return {
        "queries": 3200,
        "customers": 391,
        "candidates": 8121,
        "methods": [*served, *rows],
        "goes_with": complements,
    }


def question(name, *, yes):
    said = {
        "question": name,
        "yes": yes,
        "p_value": 1e-9 if yes else 0.4,
        "effect": -0.007,
        "low": -0.012,
        "high": 0.002,
    }
    return said | {"measure": "recall gained", "sentence": f"{name} <was> asked.", "consequence": f"`{name}` is set."}


def measures(n=2300, positives=50, pcoc=1.1):
    return {
        "n": n,
        "positives": positives,
        "customers": 190,
        "positivity": interval(positives / n, 0.004),
        "predicted": 0.023,
        "auc": interval(0.71),
        "nll": interval(0.104, 0.01),
        "pcoc": interval(pcoc, 0.3),
        "ece": 0.004,
    }


def decision(name, shown=400, gain=-0.001):
    return {
        "policy": name,
        "shown": shown,
        "hits": 40,
        "shown_share": interval(0.04, 0.01),
        "precision": interval(0.09, 0.03),
        "recall": interval(0.16),
        "score_only_recall": interval(0.16),
        "matched_volume_gain": interval(gain, 0.02),
    }


def group(name="visits=none", *, confirmed=True):
    found = {"group": name, "rows": 700, "observed": 12.0, "promised": 31.2, "p_search": 0.0002, "p_confirm": 0.001}
    return found | {"confirmed": confirmed}


def texts(**changes):
    ingest = {
        "source": "complete_journey",
        "tables": {
            "purchases": {
                "rows_in": 1446467,
                "rows_kept": 1442478,
                "rows_quarantined": {"quantity is not above zero": 3989},
                "serving": 1274297,
                "backtest": 22281,
                "outside_window": 145900,
            },
            "conversions": {
                "rows_in": 20743,
                "rows_kept": 20743,
                "rows_quarantined": {},
                "serving": 16453,
                "backtest": 242,
                "outside_window": 4048,
            },
        },
        "notes": {
            "impressions_built": {
                "products": 3905,
                "conversion_rate": 0.0234,
                "delay_days_10_25_50_75_90": [3.0, 7.0, 14.0],
            },
        },
    }
    cells = [
        {
            "score_bin": b,
            "score_low": b / 50,
            "score_high": (b + 1) / 50,
            "level": level,
            "n": 0 if b == level == 0 else 230,
            "positives": b,
            "positivity": None if b == level == 0 else b / 230,
            "low": 0.0,
            "high": 0.1,
        }
        for b in range(10)
        for level in range(5)
    ]
    results = {
        "classification": measures(11509, 242),
        "deployed_policy": "ew_dpmt",
        "rows": {"shown": 11600, "matured": 11509},
        "by_level": [{"level": level} | measures(pcoc=0.9 + level / 8) for level in range(5)],
        "reliability": [
            {
                "bin": b,
                "n": 1150,
                "predicted": 0.004 * (b + 1),
                "observed": 0.0042 * (b + 1),
                "low": 0.002 * b,
                "high": 0.006 * (b + 1),
            }
            for b in range(10)
        ],
        "heat_map": cells,
        "related": related(),
        "slices": [{"slice": "history", "value": "never bought"} | measures()],
        "groups": [group(), group("degree=none", confirmed=False)],
        "groups_looked_at": 31,
        "repaired": {},
        "decisions": [decision("single"), decision("mist"), decision("ew_dpmt"), decision("ew_dpmt_random_levels")],
    }
    cuts = {
        "single": [0.08] * 5,
        "mist": [0.05, 0.07, 0.08, 0.1, None],
        "ew_dpmt": [0.04, 0.07, 0.09, None, 0.11],
        "ew_dpmt_random_levels": [0.08] * 5,
    }
    deployment = {
        "source": "complete_journey",
        "as_of": "2017-11-20",
        "attribution_days": 28,
        "bundle_sha256": "ab" * 32,
        "model": "onward",
        "version": 3,
        "champion": 3,
        "promoted": True,
        "compared_with": 2,
        "reasons": ["passed: AUC 0.712 (0.66 to 0.76) must be above 0.5 beyond doubt", "passed: recall <may> fall"],
    }
    verdict = {
        "verdict": "inconclusive",
        "reason": "level 2: a change by 50% cannot be ruled out yet",
        "levels": [
            {"level": level, "verdict": "ok", "reason": "positivity 2.10% against 2.20% predicted"}
            for level in range(5)
        ],
    }
    days = "".join(
        f"2017-{10 + i // 30}-{1 + i % 30:02d},300,{60 - i},60.5,{60 if i < 28 else ''}\n" for i in range(56)
    )
    points = "".join(
        f"{name},{100 * (i + 1)},{0.2 / (1 + i / 5)},{i / 19}\n"
        for name in ("single", "mist", "ew_dpmt")
        for i in range(20)
    )
    delay = {
        "estimator": "soft_label",
        "share_pending": 0.48,
        "naive_rate": 0.0161,
        "corrected_rate": 0.0229,
        "matured_rate": 0.0231,
        "estimator_reason": "named in params.yaml",
        "delay_tilt": {"fitted": 1.2, "log_error": 0.02, "exponent": 1.18},
        "recalibration": {
            "offset": 0.0,
            "slope": 1.0,
            "centre": 0.0,
            "offset_error": 0.0,
            "slope_error": 0.0,
            "spread": 0.0,
        },
        "training_rows": 275418,
        "weight_mean": 0.66,
        "weight_max": 1.0,
        "effective_sample_size": 181542.0,
        "clipped_share": 0.0,
    }
    documents = {
        "ingest": ingest,
        "delay": delay,
        "results": results,
        "deployment": deployment,
        "policy": {"precision_target": 0.08},
        "verdict": verdict,
        "direction_asked": question("direction", yes=False),
        "delay_asked": question("delay", yes=True),
        "doubt_asked": question("doubt", yes=False),
        "searches": {name: {"cuts": values} for name, values in cuts.items()},
    } | changes
    return {name: json.dumps(document) for name, document in documents.items()} | {
        "delay_curve": "days,conversions,share_converted_by\n" + "".join(f"{d},{d},{d / 28}\n" for d in range(29)),
        "positives_per_day": "date,impressions,naive,corrected,matured_truth_where_known\n" + days,
        "z_reliability": "bin,rows,predicted,observed\n" + "".join(f"{b},90,{b / 90},{b / 95}\n" for b in range(10)),
        "label_weights": "low,high,label_0,label_1\n"
        + "".join(f"{b / 20},{(b + 1) / 20},{1000 * b},{20 - b}\n" for b in range(20)),
        "operating_points": "search,shown,precision,recall\n" + points,
    }


AFTER_PAINT = (Neighbour("brush of a name that no line of a picture holds", 7, 1), Neighbour(r"$1 \off $", 6, 1))
WAYS = (
    Neighbourhood("phone & co", (Neighbour("sim card", 12, 3),), (Neighbour("<b>case</b>", 30, 2),)),
    Neighbourhood("paint", (Neighbour("primer", 8, 1),), AFTER_PAINT),
)


def entry(name, decision="show"):
    return Entry(name, 0.042, decision, "in 214 baskets together, 9.2 times chance")


TACOS = RelatedCard(
    "taco shells", "p7", 1650, (entry("taco <seasoning>"), entry("salsa", "abstain")), (entry("ground beef"),),
    (entry("coupon"),), (entry("tortillas", "don't show"),), directed=True,
)  # fmt: skip


def content(ways=WAYS, related=(TACOS,), **changes):
    made_by = {"commit": "c0ffee" * 6, "lock_hash": "deadbeef" * 4}
    return ReportContent.from_texts(texts(**changes), neighbourhoods=ways, related=related, **made_by)
