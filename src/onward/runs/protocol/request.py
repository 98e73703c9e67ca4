"""What a person or a schedule may ask of a run: checked here whoever asked, and only then written into params.yaml."""

import json
import re
import uuid
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from onward.errors import RequestError, place_and_reason
from onward.params import Day, DegreePower, Estimator, OpenShare, Search, Share, Source

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST_BYTES = 65_536
_DAY = re.compile(r"(19[7-9]|20[0-9]|21[0-9])[0-9]-[0-9]{2}-[0-9]{2}")


def _plain_day(value: object) -> object:
    # Python reads 20171120 and 2017-W47-1 as dates too.
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("is not a date such as '2017-11-20', of the years 1970 to 2199")
    return value


AsOf = Annotated[Day, BeforeValidator(_plain_day)]


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return value


class Asked(BaseModel):
    """One request for a run; None leaves the choice to params.yaml.

    Attributes:
        source: see params.yaml.
        as_of: the run's clock; None for the end of the data interval, and without one for that of params.yaml.
        precision_target: see params.yaml.
        estimator: see params.yaml, `delay.estimator`.
        search: see params.yaml, `thresholds.search`.
        popularity_weight: see params.yaml, `ranking.popularity_weight`.
        degree_power: see params.yaml, `encoder.degree_power`.
        threads: see params.yaml; sums of floating-point numbers may come in another order.
        run_from: the stage from which on everything runs, changed or not; None runs only what changed.
        dry_run: only say what would run.
        run_id: what started the run; the same one finds the same run again.
        interval_end: end of the schedule's data interval.
        trigger: how it was started, in a word.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    source: Source | None = None
    as_of: AsOf | None = None
    precision_target: OpenShare | None = None
    estimator: Estimator | None = None
    search: Search | None = None
    popularity_weight: Share | None = None
    degree_power: DegreePower | None = None
    threads: Annotated[int, Field(ge=1, le=64)] | None = None
    run_from: Annotated[str, Field(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,63}\z")] | None = None
    dry_run: bool = False
    run_id: Annotated[str, Field(min_length=1, max_length=250), AfterValidator(_printable)] | None = None
    interval_end: AsOf | None = None
    trigger: Annotated[str, Field(pattern=r"\A[a-z_]{1,40}\z")] | None = None

    @property
    def identity(self) -> str:
        """What the run's name is made from: a word nobody used before where nothing was given."""
        return self.run_id or f"by_hand__{uuid.uuid4()}"

    def clock(self, otherwise: date) -> date:
        """The run's as_of, where params.yaml has `otherwise`."""
        return self.as_of or self.interval_end or otherwise

    def settings(self, otherwise: date) -> dict[str, dict[str, Any]]:
        """The keys of params.yaml that the run sets, by section."""
        sections: dict[str, dict[str, Any]] = {
            "run": {"source": self.source, "as_of": self.clock(otherwise).isoformat(), "threads": self.threads},
            "delay": {"estimator": self.estimator},
            "thresholds": {"precision_target": self.precision_target, "search": self.search},
            "ranking": {"popularity_weight": self.popularity_weight},
            "encoder": {"degree_power": self.degree_power},
        }
        return {
            section: {key: value for key, value in values.items() if value is not None}
            for section, values in sections.items()
        }


def parse_asked(text: str) -> Asked:
    """Read a request, one JSON object.

    Raises:
        RequestError: it is too long, not JSON, or asks for what is not allowed; one line names each wrong key.
    """
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise RequestError(
            f"the request is longer than {MOST_BYTES} bytes; it needs a few short values, see `onward run`"
        )
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the request is not JSON ({_short(error)}); give one object, such as {{}}") from None
    if not isinstance(raw, dict):
        raise RequestError(f"the request is a {type(raw).__name__}; give one JSON object, such as {{}}")
    try:
        return Asked.model_validate(raw)
    except ValidationError as error:
        raise RequestError("; ".join(_explain(problem) for problem in error.errors())) from None


def _explain(problem: "ErrorDetails") -> str:
    place, reason = place_and_reason(problem["loc"], problem["msg"])
    key = _short(ascii(place)[1:-1])
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; known are {', '.join(Asked.model_fields)}"
    return f"{key} = {_short(ascii(problem['input']))}: {_short(reason, 200)}"


def _short(text: object, length: int = 60) -> str:
    # What was asked may hold anything: one short line of it is enough.
    line = " ".join(str(text).split())
    return line if len(line) <= length else line[:length] + "…"
