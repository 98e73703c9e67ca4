"""What the report shows of the lists of a product: the entries of `onward recommend` as plain values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A product of a list.

    Attributes:
        name: of the product.
        probability: chance that a typical customer who is shown it buys it new within the attribution window.
        decision: show, don't show or abstain.
        why: the reason for its place.
    """

    name: str
    probability: float
    decision: str
    why: str


@dataclass(frozen=True)
class RelatedCard:
    """The lists of a product, each best first.

    Attributes:
        name: of the product.
        product_id: outside id.
        customers: who bought it.
        goes_with: complements.
        after: what is bought after it; empty where the log has no order.
        before: what is bought before it; likewise.
        instead: substitutes.
        directed: whether the log has an order beyond frequency and season.
    """

    name: str
    product_id: str
    customers: int
    goes_with: tuple[Entry, ...]
    after: tuple[Entry, ...]
    before: tuple[Entry, ...]
    instead: tuple[Entry, ...]
    directed: bool
