"""What a streaming learner was fed, against a replay hour by hour."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.delay.stream import PUBLISHED, agreement, rows_of
from benchmarks.delay.streaming_methods import read_stream
from onward.delay.outcomes import observe_outcomes

AS_OF, START = datetime(2024, 3, 1), datetime(2024, 2, 26)
W, HOUR = timedelta(hours=48), timedelta(hours=1)


@given(
    st.lists(st.tuples(st.integers(1, 150), st.one_of(st.none(), st.integers(1, 60))), min_size=1, max_size=20),
    st.integers(0, 12),
)
def test_feedings_agree_with_a_replay(examples: list[tuple[int, int | None]], wait: int) -> None:
    shown = [AS_OF - age * HOUR for age, _ in examples]
    converted = [(i, shown[i] + delay * HOUR) for i, (_, delay) in enumerate(examples) if delay is not None]
    outcomes = observe_outcomes(
        pd.DataFrame({"impression": np.arange(len(shown)), "shown_at": pd.to_datetime(shown)}),
        pd.DataFrame(
            {
                "impression": np.array([i for i, _ in converted], np.int64),
                "converted_at": pd.to_datetime([at for _, at in converted]),
            }
        ),
        AS_OF,
        W,
    )
    stream = read_stream(outcomes, wait * HOUR, START)
    for i, (_, delay) in enumerate(examples):
        counts = delay is not None and delay <= 48 and shown[i] + delay * HOUR < AS_OF
        prompt = counts and delay <= wait
        late = counts and not prompt
        assert stream.prompt[i] == prompt
        assert stream.first[i] == (START <= shown[i] + wait * HOUR < AS_OF)
        assert stream.late[i] == (late and shown[i] + delay * HOUR >= START)
        assert stream.closed[i] == (not late and START <= shown[i] + W < AS_OF)


def test_published_methods_are_ranked_by_log_loss_and_compared_with_their_papers() -> None:
    def trial(order: tuple[str, ...]) -> dict[str, dict[str, float]]:
        losses = {"oracle": 0.1, "pretrained": 0.9} | {name: 0.2 + 0.1 * place for place, name in enumerate(order)}
        return {name: {"NLL": loss} for name, loss in losses.items()}

    rows = {row["method"]: row for row in rows_of("made", [trial(PUBLISHED), trial(PUBLISHED)])}
    assert [rows[name]["rank"] for name in PUBLISHED] == [1, 2, 3, 4, 5]
    assert rows["oracle"]["rank"] is rows["oracle"]["published rank"] is None
    turned = rows_of("made", [trial(PUBLISHED), trial(PUBLISHED[::-1]), trial(PUBLISHED[::-1])])
    by_name = {row["method"]: row for row in turned}
    assert [by_name[name]["rank"] for name in PUBLISHED] == [5, 4, 3, 2, 1]
    assert [by_name[name]["published rank"] for name in PUBLISHED] == [1, 2, 3, 4, 5]
    assert (by_name["FNC"]["best rank of a seed"], by_name["FNC"]["worst rank of a seed"]) == (1, 5)
    assert agreement(turned) == 0.0
