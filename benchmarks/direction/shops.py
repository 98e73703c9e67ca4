"""Two real shops as ranking reads them: Complete Journey (groceries) and UCI Online Retail (gifts)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.direction.datasets import file_of
from onward.data.session import literal, session
from onward.data.sources.complete_journey import installed_files
from onward.ranking.directed_graph import attribute_vectors
from onward.ranking.purchase_log import PurchaseLog

UCI = "retail/online_retail.parquet"
FRESH_DAYS = 60
FOLLOW_DAYS = 30
_DIMENSION = 64

_JOURNEY = """
select household_id as customer, product_id as product,
       date_diff('day', date '1970-01-01',
                 timezone('America/New_York', timezone('UTC', transaction_timestamp))) as day,
       department || ' ' || product_category || ' ' || product_type || ' ' || brand as words
from read_parquet({transactions}) t join read_parquet({products}) p using (product_id)
where quantity > 0 and department not in ('FUEL', 'MISCELLANEOUS') and product_type is not null
"""
# Codes that begin with five digits are goods; the others are postage, fees and vouchers.
_GIFTS = """
select cast("CustomerID" as integer) as customer, "StockCode" as product,
       date_diff('day', date '1970-01-01', "InvoiceDate") as day,
       mode("Description") over (partition by "StockCode") as words
from read_parquet({file})
where "CustomerID" is not null and "Quantity" > 0 and regexp_matches("StockCode", '^[0-9]{{5}}')
"""


@dataclass(frozen=True)
class Shop:
    """A log of purchases, and when it is asked.

    Attributes:
        name: of the data set.
        log: products that enough customers bought before the learning queries begin.
        vectors: [N, F] by the words of each product's category or description.
        learn: first day of the queries that the blend learns from.
        test: first day of the test queries.
        end: day after the last query.
    """

    name: str
    log: PurchaseLog
    vectors: np.ndarray
    learn: int
    test: int
    end: int


def complete_journey() -> Shop:
    """Groceries of 2,469 households in 2017; the data is in a package."""
    files = {name: literal(str(path)) for name, path in installed_files(None).items()}
    return _shop("Complete Journey", _JOURNEY.format(**files), 60, ("2017-09-01", "2017-10-16", "2017-12-01"))


def online_retail(folder: Path) -> Shop:
    """Gifts that 4,339 mostly wholesale customers bought in 2011."""
    query = _GIFTS.format(file=literal(str(file_of(folder, UCI))))
    return _shop("UCI Online Retail", query, 10, ("2011-08-15", "2011-10-01", "2011-11-10"))


SHOPS: dict[str, Callable[[Path], Shop]] = {
    "complete_journey": lambda _: complete_journey(),
    "uci": online_retail,
}


def _shop(name: str, query: str, least_customers: int, days: tuple[str, str, str]) -> Shop:
    with session(1) as connection:
        lines = _distinct(connection, query)
    learn, test, end = ((date.fromisoformat(day) - date(1970, 1, 1)).days for day in days)
    early = lines[lines["day"] < learn].groupby("product")["customer"].nunique()
    kept = lines[lines["product"].isin(early.index[early >= least_customers])]
    products = pd.Index(sorted(kept["product"].unique()))
    customers = pd.Index(sorted(kept["customer"].unique()))
    number = products.get_indexer(kept["product"])
    log = PurchaseLog.of(
        customers.get_indexer(kept["customer"]), number, kept["day"].to_numpy(), len(products), FRESH_DAYS
    )
    words = kept["words"].groupby(number).first().fillna("")
    return Shop(name, log, _vectors(list(words)), learn, test, end)


def _distinct(connection: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    lines: pd.DataFrame = connection.sql(
        f"select distinct customer, product, day, words from ({query}) order by customer, product, day"  # noqa: S608
    ).df()
    return lines


def _vectors(texts: list[str]) -> np.ndarray:
    words = [text.lower().split() for text in texts]
    known = {word: column for column, word in enumerate(sorted({word for each in words for word in each}))}
    pairs = np.array([(row, known[word]) for row, each in enumerate(words) for word in set(each)])
    present = sp.csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])), (len(texts), len(known)))
    return attribute_vectors(present, _DIMENSION)
