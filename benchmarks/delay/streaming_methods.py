"""Methods of streaming learners, in batch form: one row for each time an example was fed to the learner.

An example is fed first at shown_at + wait with the label of that moment, and again when its label changes. All of
them count on a steady stream, in which as many late conversions flow in as are missing from the latest examples. So a
jump of the rate or of the delay reaches them only after a wait, and an example may be older than the window that its
rows fall into.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from benchmarks.delay.unserved_estimators import gather_rows
from onward.delay.contract import LabelledRows
from onward.delay.outcomes import Flags, Outcomes

Floats = npt.NDArray[np.float64]

_SURE = 1.0 - 1e-3  # FNC divides by 1 − score


@dataclass(frozen=True)
class Stream:
    """What a learner was fed of n examples in one window of time.

    Attributes:
        first: fed for the first time in the window, [n].
        prompt: converted before it was first fed, so that its first label is 1, [n].
        late: fed again in the window, as a conversion that came after the first time, [n].
        closed: W passed in the window without such a conversion, so that the label `prompt` is final, [n].
    """

    first: Flags
    prompt: Flags
    late: Flags
    closed: Flags


def read_stream(outcomes: Outcomes, wait: timedelta, start: datetime) -> Stream:
    """Replay what a learner that waits `wait` before the first look was fed in [start, clock).

    Pass the outcomes of older examples too, back to start − W: their late conversions belong to the window.
    """
    first_at = outcomes.shown_at + np.timedelta64(wait)
    closes_at = outcomes.shown_at + outcomes.window
    begin = np.datetime64(start)
    prompt = outcomes.converted & (outcomes.converted_at <= first_at)
    late = outcomes.converted & ~prompt
    return Stream(
        first=(first_at >= begin) & (first_at < outcomes.clock),
        prompt=prompt,
        late=late & (outcomes.converted_at >= begin),
        closed=~late & (closes_at >= begin) & (closes_at < outcomes.clock),
    )


def fnc(stream: Stream) -> LabelledRows:
    """Fake negative calibration: rows as fed, weight 1; read the stream with wait 0 and undo the bias in the score.

    Ktena et al., "Addressing delayed feedback for continuous training with neural networks in CTR prediction"
    (RecSys 2019), https://arxiv.org/abs/1907.06558. See `undo_fake_negatives`.
    """
    one = np.ones(len(stream.first))
    return _first_and_late(stream, one, one, one)


def undo_fake_negatives(score: Floats) -> Floats:
    """Turn the score b of a model fitted on `fnc` rows into P(converts) = b / (1 − b), [n].

    Every example was fed once as a negative, and the converting ones once more as positives, so b = p / (1 + p).
    """
    return np.minimum(score / (1.0 - np.minimum(score, 0.5)), _SURE)


def fnw(stream: Stream, score: Floats) -> LabelledRows:
    """Fake negative weighting: positives weigh 1 + p, negatives (1 − p)(1 + p); read the stream with wait 0.

    Ktena et al. (RecSys 2019), https://arxiv.org/abs/1907.06558.

    Args:
        stream: what was fed.
        score: the model's own current P(converts | x), [n].
    """
    positive = 1.0 + score
    return _first_and_late(stream, positive, positive * (1.0 - score), positive)


def es_dfm(stream: Stream, delayed: Floats, real_negative: Floats) -> LabelledRows:
    """Elapsed-time sampling: wait, then weigh positives 1 + p_dp and negatives (1 + p_dp) · p_rn.

    Yang et al., "Capturing delayed feedback in conversion rate prediction via elapsed-time sampling" (AAAI 2021),
    https://arxiv.org/abs/2012.03245.

    Args:
        stream: what was fed.
        delayed: p_dp = P(converts after the wait | x), [n].
        real_negative: p_rn = P(never converts | x, not converted in the wait), [n].
    """
    positive = 1.0 + delayed
    return _first_and_late(stream, positive, positive * real_negative, positive)


def defuse(stream: Stream, delayed: Floats, real_negative: Floats) -> LabelledRows:
    """Label correction: an example without conversion so far is split into a fake and a real negative.

    Chen et al., "Asymptotically unbiased estimation for delayed feedback modeling via label correction" (WWW 2022),
    https://arxiv.org/abs/2202.06472. Arguments as for `es_dfm`.
    """
    fake = stream.first & ~stream.prompt
    every = 1.0 + delayed
    return gather_rows(
        [
            (stream.first & stream.prompt, 1, every),
            (fake, 1, (1.0 - real_negative) * delayed),
            (fake, 0, real_negative * every),
            (stream.late, 1, np.ones(len(every))),
        ]
    )


def defer(stream: Stream, score: Floats, delayed: Floats) -> LabelledRows:
    """Real negatives: every example is fed twice, the second time with its final label.

    Gu et al., "Real negatives matter: continuous training with real negatives for delayed feedback modeling"
    (KDD 2021), https://arxiv.org/abs/2104.14121.

    Args:
        stream: what was fed.
        score: the model's own current P(converts | x), [n].
        delayed: p_dp = P(converts after the wait | x), [n]; held at most at the score.
    """
    missing = 0.5 * np.minimum(delayed, score)
    positive = score / np.maximum(score - missing, 1e-12)
    negative = (1.0 - score) / (1.0 - score + missing)
    return gather_rows(
        [
            (stream.first & stream.prompt, 1, positive),
            (stream.first & ~stream.prompt, 0, negative),
            (stream.late | (stream.closed & stream.prompt), 1, positive),
            (stream.closed & ~stream.prompt, 0, negative),
        ]
    )


def _first_and_late(stream: Stream, prompt: Floats, negative: Floats, late: Floats) -> LabelledRows:
    return gather_rows(
        [
            (stream.first & stream.prompt, 1, prompt),
            (stream.first & ~stream.prompt, 0, negative),
            (stream.late, 1, late),
        ]
    )
