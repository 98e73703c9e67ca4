"""What happens in the simulated shop: orders, recommendations, engagement and conversions, as arrays.

Times are whole seconds since the log's start; events at or after its end are dropped by the caller.
"""

from dataclasses import dataclass

import numpy as np

from onward.data.sources.simulator_world import FAVOURITE_WEIGHTS, FAVOURITES, World, random_walk
from onward.random_streams import SimulatorStream

DAY = 86_400
SLOTS = ("after_checkout", "home", "mail")
KINDS = ("view", "add_to_cart")

_BASE_RATE = 0.05
_STAGE_LOGITS = np.array([-5.2, -2.9, -0.6])  # conversion without engagement, after a view, after a cart
_SLOT_EFFECT = np.array([0.5, 0.0, -0.5])
_EVIDENCE_BIAS = 0.6
_RARE_SHARE = 0.5  # of mean sales: a product that sells this much is half-way to rare
_FASHION_SHARE = 0.4


@dataclass(frozen=True)
class Lines:
    """Order lines, in no particular order, [n] each."""

    customer: np.ndarray
    order: np.ndarray
    product: np.ndarray
    second: np.ndarray


@dataclass(frozen=True)
class Shown:
    """Impressions, sorted by second, [n] each."""

    customer: np.ndarray
    source: np.ndarray
    target: np.ndarray
    second: np.ndarray
    slot: np.ndarray  # index into SLOTS
    rank: np.ndarray  # place on the slate, from 1


@dataclass(frozen=True)
class Outcomes:
    """What becomes of each impression, whether or not the log lives to see it, [n] each."""

    probability: np.ndarray  # of conversion within the window, given all but luck
    stage: np.ndarray  # 0 nothing, 1 view, 2 view and cart
    stage_probability: np.ndarray  # of conversion, given the stage too
    quick_probability: np.ndarray  # of a conversion within hours, given that it converts
    converted: np.ndarray
    delay: np.ndarray  # seconds, meaningful where converted
    engaged_after: np.ndarray  # seconds to view and cart, [n, 2], meaningful up to the stage


def draw_orders(world: World, days: int, seed: int) -> Lines:
    """Orders at the customers' own pace: by taste, by fashion, and complements that follow earlier purchases."""
    rng = np.random.default_rng([seed, SimulatorStream.ORDERS])
    owner = np.repeat(np.arange(len(world.rate)), rng.poisson(world.rate * days))
    hour = np.clip(rng.normal(15.5, 4.0, len(owner)), 0.0, 23.99)
    moment = rng.integers(0, days, len(owner)) * DAY + (hour * 3600).astype(np.int64)
    order = np.repeat(np.arange(len(owner)), 1 + rng.poisson(1.0, len(owner)))
    customer, second = owner[order], moment[order]
    favourite = rng.choice(FAVOURITES, len(order), p=FAVOURITE_WEIGHTS)
    liked = world.by_category.pick(world.favourites[customer, favourite], rng.random(len(order)))
    by_fashion = rng.random(len(order)) < _FASHION_SHARE
    product = np.where(by_fashion, world.fashionable(second // DAY, rng), liked)
    # The contract adds up the lines of one product in one order.
    _, kept = np.unique(order * len(world.price) + product, return_index=True)
    base = Lines(customer[kept], order[kept], product[kept], second[kept])
    return _with_follow_ups(world, base, len(owner), days, rng)


def draw_impressions(world: World, lines: Lines, days: int, per_day: int, seed: int) -> Shown:
    """Recommendations after purchases: true complements, their sources (the wrong way round) and popular noise."""
    rng = np.random.default_rng([seed, SimulatorStream.IMPRESSIONS])
    by_day = np.argsort(lines.second // DAY, kind="stable")
    sold = np.bincount(lines.second // DAY, minlength=days)
    # Draw more than asked for: the same target on the same slate is dropped. A day without orders shows nothing.
    day = np.repeat(np.arange(days), np.where(sold > 0, int(np.ceil(per_day * 1.5)), 0))
    first = np.r_[0, np.cumsum(sold)][day]
    line = by_day[first + (rng.random(len(day)) * sold[day]).astype(np.int64)]
    source = lines.product[line]
    target = _recommend(world, source, day, rng)
    order = lines.order[line]
    _, kept = np.unique(order * len(world.price) + target, return_index=True)
    kept = kept[source[kept] != target[kept]]
    kept = _first_of_each(day, kept[rng.permutation(len(kept))], per_day)
    order, source, target, day = order[kept], source[kept], target[kept], day[kept]

    _, slate = np.unique(order, return_inverse=True)
    slates = int(slate.max(initial=-1)) + 1
    slate_slot = rng.choice(len(SLOTS), slates, p=[0.5, 0.3, 0.2])
    wait = np.array([60, 600, 4 * 3600]) + np.array([900, 6 * 3600, 26 * 3600]) * rng.random((slates, 1))
    slot = slate_slot[slate]
    second = lines.second[line[kept]] + wait.astype(np.int64)[slate, slot]
    score = 0.5 * np.log1p(world.edges.look_up(source, target) / 0.02) + rng.normal(size=len(source))
    by_time = np.lexsort((target, order, second))
    return Shown(
        customer=lines.customer[line[kept]][by_time],
        source=source[by_time],
        target=target[by_time],
        second=second[by_time],
        slot=slot[by_time],
        rank=_rank_within(slate, score)[by_time],
    )


def draw_outcomes(world: World, shown: Shown, sales: np.ndarray, days: int, window_days: int, seed: int) -> Outcomes:
    """Let luck decide what the known probabilities leave open.

    Evidence bias: `sales` says how often each product is bought in the log. A pair with little evidence (either
    product sells little for this shop) converts less than its complement strength suggests, by `_EVIDENCE_BIAS`,
    and rare targets have a wider spread of hidden appeal. So a score that trusts counts is too high, and less sure,
    where counts are small.
    """
    rng = np.random.default_rng([seed, SimulatorStream.CONVERSIONS])
    n = len(shown.second)
    day = np.minimum(shown.second // DAY, days - 1)
    rarity = 1.0 / (1.0 + sales / (_RARE_SHARE * sales.mean() + 1e-9))
    appeal = rng.normal(0.0, 0.15 + 0.6 * rarity)
    mood = rng.normal(0.0, 0.4, len(world.rate))
    drift = random_walk(days, 4, rng)[day]
    trust = 1.0 - _EVIDENCE_BIAS * np.maximum(rarity[shown.source], rarity[shown.target])
    pull = (
        drift[:, 0]
        + (0.8 + drift[:, 1]) * np.log1p(world.edges.look_up(shown.source, shown.target) / 0.02) * trust
        + (1.5 + drift[:, 2]) * world.affinity(shown.customer, shown.target)
        - 0.35 * np.log(shown.rank)
        + _SLOT_EFFECT[shown.slot]
        + appeal[shown.target]
        + mood[shown.customer]
    )
    pull += _intercept(pull)
    view, cart, by_stage = _chances(pull)
    probability = (1 - view) * by_stage[0] + view * ((1 - cart) * by_stage[1] + cart * by_stage[2])
    stage = (rng.random(n) < view).astype(np.int64)
    stage += stage * (rng.random(n) < cart)
    stage_probability = by_stage[stage, np.arange(n)]
    converted = rng.random(n) < stage_probability

    cost = np.log(world.price[shown.target] / np.median(world.price))
    quick = _sigmoid(-2.2 + 0.8 * (shown.slot == 0) - 0.6 * cost + 0.5 * (stage == 2) + drift[:, 3])
    delay = _delay(quick, cost, window_days, rng)
    engaged = np.cumsum(rng.lognormal(np.log([1.5 * 3600, 3600]), [1.0, 1.2], (n, 2)), axis=1)
    engaged = np.minimum(engaged, [0.4 * window_days * DAY, 0.8 * window_days * DAY])
    # Who converts has engaged before; a delay of a minute or more leaves room for both.
    engaged = np.where(converted[:, None], np.minimum(engaged, delay[:, None] * [0.3, 0.6]), engaged)
    return Outcomes(
        probability, stage, stage_probability, quick, converted, delay, np.maximum(engaged.astype(np.int64), 1)
    )


def _with_follow_ups(world: World, base: Lines, orders: int, days: int, rng: np.random.Generator) -> Lines:
    expected = world.followers.mass(base.product)
    line = np.repeat(np.arange(len(base.product)), rng.poisson(expected))
    edge = world.followers.pick(base.product[line], rng.random(len(line)))
    wait = (DAY * np.clip(0.5 + rng.gamma(2.0, 4.5, len(line)), 0.5, 29.5)).astype(np.int64)
    second = base.second[line] + wait
    kept = second < days * DAY
    line, edge = line[kept], edge[kept]
    return Lines(
        np.r_[base.customer, base.customer[line]],
        np.r_[base.order, orders + np.arange(len(line))],
        np.r_[base.product, world.edges.target[edge]],
        np.r_[base.second, second[kept]],
    )


def _recommend(world: World, source: np.ndarray, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    target = world.fashionable(day, rng)
    way = rng.random(len(source))
    forward = np.flatnonzero((way < 0.55) & (world.followers.mass(source) > 0))
    target[forward] = world.edges.target[world.followers.pick(source[forward], rng.random(len(forward)))]
    backward = np.flatnonzero((way >= 0.85) & (world.leaders.mass(source) > 0))
    target[backward] = world.edges.source[world.leaders.pick(source[backward], rng.random(len(backward)))]
    return target


def _first_of_each(group: np.ndarray, rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` rows of each group, the earlier ones, in ascending order of row."""
    order = rows[np.argsort(group[rows], kind="stable")]
    place = np.arange(len(order)) - np.searchsorted(group[order], group[order])
    return np.sort(order[place < most])


def _rank_within(group: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Place of each row in its group by descending score, from 1."""
    order = np.lexsort((-score, group))
    rank = np.empty(len(order), np.int64)
    rank[order] = 1 + np.arange(len(order)) - np.searchsorted(group[order], group[order])
    return rank


def _chances(pull: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chance of a view, of a cart after it, and of conversion at each stage [3, n]."""
    return (
        _sigmoid(-1.6 + 0.6 * pull),
        _sigmoid(-1.2 + 0.4 * pull),
        _sigmoid(_STAGE_LOGITS[:, None] + 0.6 * pull),
    )


def _intercept(pull: np.ndarray) -> float:
    """The shift that brings the mean probability to the base rate, by bisection on a sample."""
    sample = pull[:: max(len(pull) // 20_000, 1)]
    low, high = -10.0, 10.0
    for _ in range(40):
        middle = (low + high) / 2
        view, cart, by_stage = _chances(sample + middle)
        mean = np.mean((1 - view) * by_stage[0] + view * ((1 - cart) * by_stage[1] + cart * by_stage[2]))
        low, high = (middle, high) if mean < _BASE_RATE else (low, middle)
    return (low + high) / 2


def _delay(quick: np.ndarray, cost: np.ndarray, window_days: int, rng: np.random.Generator) -> np.ndarray:
    """Seconds to conversion: hours for the quick, a Weibull cut at the window for the slow, longer for the dear."""
    window = window_days * DAY
    hours = rng.lognormal(np.log(3 * 3600), 1.1, len(quick))
    scale = 0.45 * window * np.exp(0.3 * cost)
    within = 1.0 - np.exp(-((window / scale) ** 1.1))
    slow = scale * (-np.log1p(-rng.random(len(quick)) * within)) ** (1 / 1.1)
    delay = np.where(rng.random(len(quick)) < quick, hours, slow)
    return np.clip(delay, 60, window - 1).astype(np.int64)


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    share: np.ndarray = 1.0 / (1.0 + np.exp(-logit))
    return share
