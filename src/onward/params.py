"""The only reader of params.yaml: it turns the file into frozen, typed sections or one clear line.

Stages unwrap it first (`params.delay`) and pass plain values inward; a test compares the sections
each stage touches with the `params:` list of dvc.yaml.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from onward.choices import AUTO, ESTIMATORS, GRAPH_SOURCES, SEARCHES, SOURCES
from onward.errors import ParamsError, place_and_reason
from onward.yaml_text import load_yaml

Share = Annotated[float, Field(ge=0.0, le=1.0)]
OpenShare = Annotated[float, Field(gt=0.0, lt=1.0)]
Days = Annotated[int, Field(ge=1, le=3650)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0.0)]
DegreePower = Annotated[float, Field(ge=0.0, le=4.0)]
# Windows are counted from a clock, and times may be held in nanoseconds, which end in 2262.
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)


def _one_of(names: Iterable[str]) -> AfterValidator:
    allowed = tuple(names)
    expected = ", ".join(map(repr, allowed[:-1])) + f" or {allowed[-1]!r}"

    def require(value: str) -> str:
        if value not in allowed:
            raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
        return value

    return AfterValidator(require)


Source = Annotated[str, _one_of(SOURCES)]
Search = Annotated[str, _one_of((AUTO, *SEARCHES))]
Estimator = Annotated[str, _one_of((AUTO, *ESTIMATORS))]


def _day(value: object) -> object:
    # DVC cannot hold YAML's own dates, so they are quoted: text in, date out.
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a quoted date such as '2017-11-20'")  # noqa: TRY004 - pydantic's own
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a date such as '2017-11-20'") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"{value!r} is no day of a shop's log, of the years 1970 to 2199")
    return day


Day = Annotated[date, BeforeValidator(_day)]


def _time_zone(name: str) -> str:
    try:
        return name if name == "UTC" else ZoneInfo(name).key
    # A folder of the database is a name too, and a name may not leave it.
    except (LookupError, OSError, ValueError):
        raise ValueError(f"{name[:60]!r} is no time zone of this machine; name one such as Europe/Berlin") from None


TimeZone = Annotated[str, AfterValidator(_time_zone)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Run(_Section):
    """What every stage agrees on: the source, the clock and the windows around it."""

    source: Source
    as_of: Day
    attribution_days: Days
    training_days: Days
    history_days: Days
    backtest_days: Days
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)]
    threads: Annotated[int, Field(ge=1, le=256)]

    @model_validator(mode="after")
    def _windows_nest(self) -> Self:
        if self.history_days < self.training_days + self.attribution_days:
            raise ValueError(
                "history_days must be at least training_days + attribution_days "
                f"({self.training_days} + {self.attribution_days}), or no impression has matured to learn delays from"
            )
        return self

    @property
    def clock(self) -> datetime:
        """as_of as the first moment that is not known, midnight of the shop's local time."""
        return datetime.combine(self.as_of, time.min)

    @property
    def window(self) -> timedelta:
        """The attribution window W."""
        return timedelta(days=self.attribution_days)

    @property
    def training_start(self) -> datetime:
        """First moment of the training window; the graph knows only purchases before it."""
        return self.clock - timedelta(days=self.training_days)

    @property
    def history_start(self) -> datetime:
        """First moment of the impressions that may teach the delay model."""
        return self.clock - timedelta(days=self.history_days)

    @property
    def backtest_end(self) -> datetime:
        """First moment after the test impressions."""
        return self.clock + timedelta(days=self.backtest_days)

    @property
    def horizon(self) -> datetime:
        """First moment by which every test impression has matured; no later event is read."""
        return self.backtest_end + self.window


class CompleteJourney(_Section):
    """How impressions are built from Complete Journey; see data/sources/complete_journey.py."""

    candidates_before: Day
    min_customers: Count
    min_support: Count
    candidates_per_product: Count
    fresh_days: Days
    follow_days: Days


class Simulator(_Section):
    """Size and seed of the simulated shop."""

    products: Annotated[int, Field(ge=20, le=10_000_000)]
    customers: Annotated[int, Field(ge=20, le=100_000_000)]
    days: Annotated[int, Field(ge=60, le=3650)]
    impressions_per_day: Count
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)]


class OnlineRetail(_Section):
    """Where UCI Online Retail lies, and how impressions are built from it; see data/sources/online_retail.py."""

    file: Path = Field(strict=False)
    candidates_before: Day
    min_customers: Count
    min_support: Count
    candidates_per_product: Count
    shown_per_visit: Count
    fresh_days: Days
    follow_days: Days


class EventLog(_Section):
    """Where a log of views, carts and purchases lies, and how it is read; see data/sources/event_log.py."""

    folder: Path = Field(strict=False)
    time_zone: TimeZone
    session_minutes: Annotated[int, Field(ge=1, le=1440)]
    name_property: Annotated[str, Field(min_length=1)] | None
    price_property: Annotated[str, Field(min_length=1)] | None


class ParquetFolder(_Section):
    """Where a shop's own log lies, in the contract's form."""

    folder: Path = Field(strict=False)


class EdgeListFile(_Section):
    """Where a plain directed graph lies, and what of it is held out; see data/sources/edge_list.py."""

    edges: Path = Field(strict=False)
    attributes: Path | None = Field(strict=False)
    split: Path | None = Field(strict=False)
    validation: OpenShare
    test: OpenShare

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.validation + self.test > 0.5:
            raise ValueError(
                f"validation + test = {self.validation + self.test:g} must be at most 0.5, or little is left to learn"
            )
        return self


class SequenceFile(_Section):
    """Where sequences lie, and how many customers teach the blend; see data/sources/sequence_list.py."""

    file: Path = Field(strict=False)
    attributes: Path | None = Field(strict=False)
    learners: Annotated[int, Field(ge=3)]
    per_proposer: Count


class Sources(_Section):
    """Settings of every source; only the one that `run.source` names is used."""

    complete_journey: CompleteJourney
    simulator: Simulator
    online_retail: OnlineRetail
    event_log: EventLog
    parquet: ParquetFolder
    edge_list: EdgeListFile
    sequences: SequenceFile


LIES_IN: Mapping[str, str] = MappingProxyType({"online_retail": "file", "event_log": "folder", "parquet": "folder"})
"""The setting of each source of a shop's own files that says where they lie."""


class Validation(_Section):
    """How many bad rows a table may have before the run stops."""

    max_quarantined_share: Share


class Splits(_Section):
    """Shares of customers in the five disjoint splits."""

    train: OpenShare
    selection: OpenShare
    calibrate: OpenShare
    threshold: OpenShare
    test: OpenShare
    salt: str = Field(min_length=1)

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Self:
        total = self.train + self.selection + self.calibrate + self.threshold + self.test
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"the five shares must sum to 1, they sum to {total:g}")
        return self


class Delay(_Section):
    """The model of what an unfinished label is worth."""

    estimator: Estimator
    counterfactual_clocks: Annotated[int, Field(ge=1, le=100)]
    iterations: Annotated[int, Field(ge=1, le=10_000)]
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)]
    leaves: Annotated[int, Field(ge=2, le=4096)]
    min_rows_in_leaf: Count
    l2: Annotated[float, Field(ge=0.0)]
    max_weight: Annotated[float, Field(ge=1.0)]


class Graph(_Section):
    """The directed product graph."""

    min_customers: Count
    min_support: Count
    fresh_days: Days
    follow_days: Days
    shrinkage: Positive
    neighbours_per_product: Count


class Counting(_Section):
    """What counts the graph's pairs."""

    backend: Literal["duckdb", "spark"]
    spark_master: Annotated[str, Field(min_length=1)]


class Encoder(_Section):
    """The dual-embedding graph neural network and its training."""

    dimension: Annotated[int, Field(ge=2, le=4096)]
    layers: Annotated[int, Field(ge=1, le=8)]
    fan_out: tuple[Count, ...] = Field(strict=False)
    degree_power: DegreePower
    epochs: Annotated[int, Field(ge=1, le=1000)]
    steps: Count
    batch_pairs: Annotated[int, Field(ge=2)]
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)]
    temperature: Annotated[float, Field(gt=0.0, le=100.0)]
    held_out_pairs: OpenShare
    processes: Annotated[int, Field(ge=1, le=64)]

    @model_validator(mode="after")
    def _batches_are_shared_evenly(self) -> Self:
        if self.batch_pairs % self.processes:
            raise ValueError(f"batch_pairs: {self.batch_pairs} cannot be shared evenly by {self.processes} processes")
        return self

    @model_validator(mode="after")
    def _one_fan_out_a_layer(self) -> Self:
        if len(self.fan_out) != self.layers:
            raise ValueError(f"fan_out needs one number a layer: {self.layers} layers, {len(self.fan_out)} numbers")
        return self


class Scorer(_Section):
    """The pair scorer: boosted heads, each on its own bootstrap of customers."""

    heads: Annotated[int, Field(ge=2, le=100)]
    iterations: Annotated[int, Field(ge=1, le=10_000)]
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)]
    leaves: Annotated[int, Field(ge=2, le=4096)]
    min_rows_in_leaf: Count
    l2: Annotated[float, Field(ge=0.0)]
    feature_share: Annotated[float, Field(gt=0.0, le=1.0)]


class Uncertainty(_Section):
    """How scores become probabilities, and how many uncertainty levels decisions may differ by."""

    calibrator: Literal["isotonic", "platt", "beta", "histogram"]
    out_of_bag: bool
    spread: Literal["heads", "evidential_counts", "evidential_density", "venn_abers"]
    levels: Annotated[int, Field(ge=1, le=100)]
    repaired_groups: tuple[Annotated[str, Field(pattern=r"^[^=]+=.*$")], ...] = Field(strict=False)


class Thresholds(_Section):
    """The search for one score threshold per uncertainty level.

    `target` says which of the three targets counts; the other two are left alone.
    """

    search: Search
    target: Literal["precision", "recall", "cost_ratio"]
    precision_target: OpenShare
    recall_target: OpenShare
    cost_ratio: Positive
    abstain_precision: OpenShare | None
    certificate_alpha: OpenShare | None
    bins_per_level: Annotated[int, Field(ge=2, le=10_000)]

    @property
    def asked(self) -> tuple[Literal["precision", "recall", "cost_ratio"], float]:
        """The target that counts, and its value."""
        values = {"precision": self.precision_target, "recall": self.recall_target, "cost_ratio": self.cost_ratio}
        return self.target, values[self.target]


class Ranking(_Section):
    """What goes with what, and in which order: counting, learned lift, lists. See ranking/."""

    popularity_weight: Share
    encoder_scores: bool
    list_length: Annotated[int, Field(ge=1, le=100)]
    short_list: Count
    min_support: Count
    follow_visits: Count
    recent_days: Days
    popularity_prior: Positive
    pairs: Count
    rivals: Annotated[int, Field(ge=1, le=100)]
    iterations: Annotated[int, Field(ge=1, le=10_000)]
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)]
    leaves: Annotated[int, Field(ge=2, le=4096)]
    min_rows_in_leaf: Count
    l2: Annotated[float, Field(ge=0.0)]
    feature_share: Annotated[float, Field(gt=0.0, le=1.0)]


class Evaluation(_Section):
    """The backtest: what is ranked, and how intervals are made."""

    top_k: tuple[Count, ...] = Field(strict=False, min_length=1)
    bootstrap_samples: Annotated[int, Field(ge=10, le=100_000)]
    queries: Count


class Gate(_Section):
    """When a challenger may take the champion's place."""

    max_nll_increase: Annotated[float, Field(ge=0.0)]
    max_recall_loss: Share
    max_hit_rate_loss: Share
    max_lift_loss: Share
    pcoc_low: Annotated[float, Field(gt=0.0, le=1.0)]
    pcoc_high: Annotated[float, Field(ge=1.0)]


class Monitoring(_Section):
    """Positivity per uncertainty level: confidence, length of the current period, and the change that matters."""

    confidence: OpenShare
    current_days: Days
    tolerance: Positive


class Shop(_Section):
    """The shop itself: no stage reads it, since the times of a log are the shop's own."""

    time_zone: TimeZone = "UTC"


class Params(_Section):
    """All of params.yaml."""

    run: Run
    shop: Shop = Shop()
    sources: Sources
    validation: Validation
    splits: Splits
    delay: Delay
    graph: Graph
    counting: Counting
    encoder: Encoder
    scorer: Scorer
    ranking: Ranking
    uncertainty: Uncertainty
    thresholds: Thresholds
    evaluation: Evaluation
    gate: Gate
    monitoring: Monitoring

    @model_validator(mode="after")
    def _a_graph_takes_one_process(self) -> Self:
        if self.encoder.processes > 1 and self.run.source in GRAPH_SOURCES:
            raise ValueError(f"encoder.processes: {self.run.source} is trained in one process; write 1")
        return self


def parse_params(text: str, name: str = "params.yaml") -> Params:
    """Turn the text of a params file into typed sections.

    Raises:
        ParamsError: one line that names the key, its value and what is allowed.
    """
    try:
        raw = load_yaml(text)
    except yaml.YAMLError as error:
        raise ParamsError(f"{name}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise ParamsError(f"{name}: expected sections such as `run:`, found {type(raw).__name__}")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise ParamsError(f"{name}: " + "; ".join(_explain(problem) for problem in error.errors())) from None


def read_params(path: Path) -> Params:
    """Read a params file; see `parse_params`.

    Raises:
        ParamsError: the file is missing or holds something that is not allowed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ParamsError(
            f"{path}: cannot be read ({error.strerror}); restore it with `git checkout {path.name}`"
        ) from error
    return parse_params(decode_params(content, path.name), path.name)


def decode_params(content: bytes, name: str = "params.yaml") -> str:
    """Turn the bytes of a params file into text.

    Raises:
        ParamsError: they are not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ParamsError(
            f"{name}: not UTF-8 (byte {content[error.start]:#04x} in line {line}); save it as UTF-8"
        ) from None


def _explain(problem: ErrorDetails) -> str:
    key, allowed = place_and_reason(problem["loc"], problem["msg"])
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{key}: unknown key; see params.yaml in the repository for the keys that exist"
    if kind == "missing":
        return f"{key}: missing; add it (see params.yaml in the repository)"
    return f"{key} = {problem['input']!r}: {allowed}" if kind != "value_error" else f"{key}: {allowed}"
