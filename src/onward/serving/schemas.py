"""What goes over the wire: questions, answers and errors, as the OpenAPI document tells them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MOST_LISTED = 100
MOST_PAIRS = 1000
MOST_RECENT = 50
MOST_EVENTS = 1000
MOST_EXCLUDED = 100

ListName = Literal["goes_with", "after", "before", "instead"]
Decision = Literal["show", "don't show", "abstain"]
Order = Literal["goes_with", "after", "before", "instead", "score", "rank"]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Identity = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(_Wire):
    """One thing that is wrong with a request."""

    where: str = Field(description="Place in the request, as body.pairs.0.source.")
    message: str


class Error(_Wire):
    """What every answer but a good one holds."""

    code: str = Field(description="Short and fixed, for programs.", examples=["unknown_product"])
    message: str = Field(description="What is wrong and the remedy, for people.")
    request_id: str
    problems: list[Problem] = Field(default=[], description="Of a request that breaks the schema, at most ten.")


class Chance(_Wire):
    """What the model says of a pair; null where it says nothing, as of a graph's nodes."""

    probability: Probability | None = Field(
        description="That who is shown the target after the source buys it new within the attribution window."
    )
    low: Probability | None = Field(
        description=(
            "Of the range beside the probability. Of groups of shown pairs with 25 conversions to be expected, nine in "
            "ten have a share that converts between their mean low and mean high. Of one pair, nothing is promised."
        )
    )
    high: Probability | None = Field(description="Of the same range.")
    uncertainty: float | None
    level: int | None = Field(description="Uncertainty level, 0 the surest.")
    doubt: str | None = Field(description="The level as a word.")
    decision: Decision | None = Field(description="The policy's.")
    threshold: float | None = Field(description="The level's cut, which the uncalibrated score has to reach; or never.")


class RelatedEntry(Chance):
    """One product of a list."""

    product_id: str
    name: str
    category: str
    rank: int = Field(description="Place in the list that is held, before filters, from 1.")
    score: float | None = Field(description="What orders the list; comparable within it.")
    why: str = Field(description="The reason for its place.")
    why_decision: str = Field(description="The reason for the decision.")


class Source(_Wire):
    """Which model says it."""

    version: int
    bundle_sha256: str
    source: str
    as_of: str = Field(description="First day that the model does not know.")
    attribution_days: int | None


class Related(Source):
    """Lists of a product, each best first."""

    request_id: str
    product_id: str
    name: str
    category: str
    weight: float | None = Field(
        description="0 for the most related, 1 for the most probable; null of a graph's lists."
    )
    directed: bool = Field(description="Whether after and before are ordered by direction, which no weight changes.")
    of_its_type: bool = Field(description="Whether it sells too little for lists of its own and is given its type's.")
    lists: dict[ListName, list[RelatedEntry]]


class ProductName(_Wire):
    """A product that was found."""

    product_id: str
    name: str
    category: str


class SearchAnswer(Source):
    """Products that are named like what was typed, the most popular first."""

    request_id: str
    query: str
    products: list[ProductName]


class Arrow(_Wire):
    """One edge between a product and another of its lists."""

    product_id: str
    name: str
    list: ListName
    way: Literal["out", "in", "both"] = Field(description="Bought after it, before it, or without an order.")
    count: int | None = Field(description="Baskets, or visits within the days that count, with both products.")
    type_count: int | None = Field(description="The same for their types.")
    times: float | None = Field(description="How many times chance.")
    days: int | None = Field(description="That count as after or before.")


class Neighbourhood(Source):
    """What a product leads to, comes from and goes with."""

    request_id: str
    product_id: str
    name: str
    category: str
    arrows: list[Arrow]


class PairQuestion(_Wire):
    """A pair, and what is known of the customer and the moment."""

    source: Identity = Field(description="The product that was bought.")
    target: Identity = Field(description="The product that would be shown.")
    context: dict[Annotated[str, StringConstraints(max_length=100)], Annotated[float, Field(ge=-1e30, le=1e30)]] = (
        # A default of {} would be copied for each pair.
        Field(
            default_factory=dict,
            max_length=200,
            description="Features of customer and moment; the rest is a typical one's.",
        )
    )


class ScoreQuestion(_Wire):
    """Pairs to score."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"pairs": [{"source": "1029743", "target": "995242"}], "customer_id": "2375"},
                {"pairs": [{"source": "1029743", "target": "995242", "context": {"customer_visits_28d": 6}}]},
            ]
        }
    )
    pairs: list[PairQuestion] = Field(min_length=1, max_length=MOST_PAIRS)
    customer_id: Identity | None = Field(default=None, description="For the decision log alone.")


class ScoredPair(Chance):
    """What is said of a pair."""

    source: str
    target: str
    score: float | None = Field(description="Uncalibrated; what the threshold is held against.")
    reasons: list[str]
    unknown: list[str] = Field(description="Products of the pair that the model does not know: then it is not scored.")


class ScoreAnswer(Source):
    """One entry a pair, in the order of the question."""

    request_id: str
    pairs: list[ScoredPair]


class RankQuestion(_Wire):
    """What a customer bought or looked at last, and a page of products to put in order."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"recent": ["1029743"], "candidates": ["995242", "1082185"], "k": 2}]}
    )
    recent: list[Identity] = Field(min_length=1, max_length=MOST_RECENT)
    candidates: list[Identity] = Field(min_length=1, max_length=MOST_PAIRS)
    k: int = Field(default=20, ge=1, le=MOST_LISTED)
    weight: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] | None = None
    customer_id: Identity | None = Field(default=None, description="For the decision log alone.")


class RankedProduct(Chance):
    """One product of the page."""

    product_id: str
    name: str
    rank: int
    score: float | None = Field(description="What orders products of one evidence.")
    evidence: Literal["lists", "embeddings", "unknown"] = Field(
        description="What its place rests on; products with the former stand before those with the latter."
    )
    because_of: str | None = Field(description="The recent product that it is most related to.")


class RankAnswer(Source):
    """The page, best first."""

    request_id: str
    weight: float
    products: list[RankedProduct]


class NewProduct(_Wire):
    """A product that the model has not seen."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"product_id": "n1", "name": "OAT MILK 1L", "category": "GROCERY > FLUID MILK PRODUCTS"}]
        }
    )
    product_id: Identity
    name: Text
    category: Annotated[str, StringConstraints(max_length=500)] = ""


class NewProductAnswer(Source):
    """How the product is answered for until a model knows it."""

    request_id: str
    product_id: str
    stands_for: ProductName | None = Field(
        description="The best seller of its type, whose lists it is given; null where no product shares its category."
    )


class FeedbackEvent(_Wire):
    """What became of one decision."""

    kind: Literal["shown", "clicked", "bought"]
    request_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] = Field(
        description="Of the answer that the decision stood in."
    )
    source: Identity
    target: Identity
    customer_id: Identity | None = None
    at: datetime | None = Field(
        default=None, description="Naive local time of the shop, or with an offset; now if it is not given."
    )


class FeedbackQuestion(_Wire):
    """Events, in any order; the same one twice counts once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "events": [
                        {
                            "kind": "shown",
                            "request_id": "5f0c6c3f6d0b4f5f9d1c1c9a3d1f2b7e",
                            "source": "1029743",
                            "target": "995242",
                            "customer_id": "2375",
                        }
                    ]
                }
            ]
        }
    )
    events: list[FeedbackEvent] = Field(min_length=1, max_length=MOST_EVENTS)


class FeedbackAnswer(_Wire):
    """What was taken down."""

    request_id: str
    accepted: int
    on_disk_within_seconds: float


class Live(_Wire):
    """The process lives."""

    status: Literal["alive"]


class Ready(_Wire):
    """Whether there is a model to answer from, and what is not as it should be."""

    status: Literal["ready", "degraded", "not ready"]
    version: int | None
    as_of: str | None
    loaded_seconds: float | None = Field(description="Since the model in use was read.")
    problems: list[str] = Field(description="Of registry and store, decision log, keys; the old model answers on.")


class ChampionAnswer(Source):
    """The model in use."""

    request_id: str
    promoted_at: str | None
    loaded_at: datetime
    loaded_seconds: float
    age_days: int = Field(description="From as_of until today.")
    products: int
    listed_products: int
    levels: int | None
    precision_target: float | None
    weight: float | None
    directed: bool | None
    follow_days: int | None
    list_length: int
    context_features: list[str] = Field(description="Names that /v1/score takes as context.")
    tags: dict[str, Any] = Field(description="Of the registered version: commit, lock, source.")


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "The body cannot be read."},
    401: {"model": Error, "description": "No key, or one that is not known."},
    403: {"model": Error, "description": "Without keys, only this machine by its own name is answered."},
    413: {"model": Error, "description": "The body is too large."},
    422: {"model": Error, "description": "The request breaks the schema, or asks for what this model cannot say."},
    429: {"model": Error, "description": "Too many requests at once; Retry-After says when to ask again."},
    500: {"model": Error, "description": "A mistake of ours."},
    503: {"model": Error, "description": "No model yet, or out of time; Retry-After says when to ask again."},
}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Error, "description": "No such product."}}
