"""Products that the model in use has not seen: answered for by the best seller of their type until it has.

They are given its lists and its chances, as a product that sells too little for lists of its own is (`stands_for`).
"""

import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import orjson

from onward.data.contract import CATEGORY_SEPARATOR
from onward.errors import DataError, ServiceError
from onward.serving.append_log import AppendLog, read_lines
from onward.serving.loaded_version import LoadedVersion

_MOST = 100_000


@dataclass(frozen=True)
class AddedProduct:
    """A product by its attributes."""

    product_id: str
    name: str
    category: str


class NewProducts:
    """What was added, in memory and in a log, so that it is there after a restart; the last word on an id counts."""

    def __init__(self, folder: Path, seconds: float) -> None:
        """Keep the log below a folder, on disk within so many seconds."""
        self._log = AppendLog(folder, seconds)
        self._added: dict[str, AddedProduct] = {}
        # Two locks, so that readers on the event loop never wait for a writer who waits for the disk.
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self.revision = 0
        """Rises with all that is added, or said anew."""

    def start(self) -> None:
        """Read what was added before, and start the log's writer."""
        self._log.start()
        for line in read_lines(self._log.folder):
            product = AddedProduct(str(line["product_id"]), str(line["name"]), str(line["category"]))
            self._added[product.product_id] = product

    def close(self) -> None:
        """Write what is left."""
        self._log.close()

    @property
    def problem(self) -> str | None:
        """Why the log cannot be written."""
        return self._log.problem

    def get(self, product_id: str) -> AddedProduct | None:
        """What was said of an id."""
        return self._added.get(product_id)

    def all(self) -> list[AddedProduct]:
        """Everything that was added."""
        with self._lock:
            return list(self._added.values())

    def add(self, product: AddedProduct, patience: float) -> bool:
        """Add a product, or say something else of it; whether that was new. On disk when this returns.

        Raises:
            ServiceError: it cannot be written, or there are too many.
        """
        with self._writing:
            if self._added.get(product.product_id) == product:
                return False
            if len(self._added) >= _MOST and product.product_id not in self._added:
                raise ServiceError(f"{_MOST} products wait for a model that knows them; train one with them")
            if not self._log.append(orjson.dumps(asdict(product))) or not self._log.flush(patience):
                raise ServiceError(f"the product cannot be kept ({self._log.problem or 'the disk is slow'})")
            with self._lock:
                self._added[product.product_id] = product
                self.revision += 1
            return True


class Subject(NamedTuple):
    """A product that is asked about, and whose number answers for it.

    Attributes:
        product_id: as it was asked for.
        name: its own.
        category: its own.
        place: inside number of itself, or of the product that stands for it; None where none does.
        added: whether the model does not know it.
    """

    product_id: str
    name: str
    category: str
    place: int | None
    added: bool


def subject_of(loaded: LoadedVersion, added: NewProducts, product_id: str) -> Subject:
    """The product of an id.

    Raises:
        DataError: neither the model nor anybody else has said anything of it.
    """
    place = loaded.place(product_id)
    if place is not None:
        return Subject(product_id, loaded.catalogue[0][place], loaded.categories[place], place, added=False)
    product = added.get(product_id)
    if product is None:
        raise DataError(
            f"no product {product_id[:80]!r}; GET /v1/search finds ids by name, POST /v1/products adds a product"
        )
    return Subject(product_id, product.name, product.category, best_seller(loaded, product.category), added=True)


def best_seller(loaded: LoadedVersion, category: str) -> int | None:
    """Inside number of the product with lists of its own that most customers of a category buy.

    The whole path counts; where no product shares it, the path without its last step, and so on.
    """
    if not category:
        return None
    steps = category.split(CATEGORY_SEPARATOR)
    paths = (CATEGORY_SEPARATOR.join(steps[:length]) for length in range(len(steps), 0, -1))
    return next((loaded.best_sellers[path] for path in paths if path in loaded.best_sellers), None)
