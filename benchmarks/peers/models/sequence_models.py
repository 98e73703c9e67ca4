"""SASRec and BERT4Rec of RecTools, with losses over sampled items (gBCE: Petrov and Macdonald 2023, arXiv 2308.07192).

RecTools draws negatives for every place anew, which takes 20 s an epoch of Beauty on one core. Here all places of a
batch share theirs, so that there can be four times as many for a third of the time.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, SASRecModel
from rectools.models.nn.transformers.lightning import TransformerLightningModule

from benchmarks.peers.models.exam_paper import Floats, Ints, Lesson, Queries, Scorer

_MODELS = {"sasrec": SASRecModel, "bert4rec": BERT4RecModel}


@dataclass(frozen=True)
class SequenceModel:
    """A transformer over the items of a list, in order of time.

    Attributes:
        kind: Kang and McAuley 2018 (arXiv 1808.09781), or Sun et al. 2019 (arXiv 1904.06690).
        loss: `gBCE` or `softmax`, each over the item itself and sampled ones.
        factors: width.
        blocks: transformer layers.
        length: last items of a list that are read.
        negatives: sampled items, for all places of a batch.
        calibration: t of gBCE.
        epochs_told: epochs between two looks at validation.
    """

    kind: Literal["sasrec", "bert4rec"]
    loss: Literal["gBCE", "softmax"]
    factors: int = 64
    blocks: int = 1
    heads: int = 2
    length: int = 10
    negatives: int = 512
    calibration: float = 0.75
    dropout: float = 0.3
    rate: float = 0.002
    batch: int = 256
    epochs_told: int = 4

    def fit(self, lesson: Lesson, seed: int) -> Iterator[Scorer]:
        """Train until nobody asks for more; a scorer is good until the training goes on."""
        warnings.simplefilter("ignore")
        seed_everything(seed, verbose=False)
        model: Any = _MODELS[self.kind](
            n_blocks=self.blocks, n_heads=self.heads, n_factors=self.factors, dropout_rate=self.dropout,
            session_max_len=self.length, loss=f"shared {self.loss}", gbce_t=self.calibration, lr=self.rate,
            batch_size=self.batch, get_trainer_func=_trainer, lightning_module_type=SharedNegatives,
            lightning_module_kwargs={"shared": self.negatives},
        )  # fmt: skip
        learnt = _dataset(lesson.lists)
        while True:
            model.fit_partial(learnt, min_epochs=self.epochs_told, max_epochs=self.epochs_told)
            yield partial(_scores, model, lesson.items)


class SharedNegatives(TransformerLightningModule):  # type: ignore[misc]  # RecTools is not in the environment of mypy
    """RecTools' training with sampled items that all places of a batch share.

    Args:
        shared: how many.
    """

    def __init__(self, *arguments: Any, shared: int, **others: Any) -> None:
        super().__init__(*arguments, **others)
        self.shared = shared

    def _calc_custom_loss(self, batch: dict[str, torch.Tensor], _number: int) -> torch.Tensor:
        items = self.torch_model.item_model.get_all_embeddings()
        asked = batch["y"] != 0
        place, wanted = self.torch_model.encode_sessions(batch, items)[asked], batch["y"][asked]
        first = len(self.item_extra_tokens)
        drawn = torch.randint(first, len(items), (self.shared,))
        own, others = (place * items[wanted]).sum(dim=1), place @ items[drawn].T
        others = others.masked_fill(wanted[:, None] == drawn, -torch.inf)
        if self.loss == "shared softmax":
            nothing = torch.zeros(len(own), dtype=torch.long)
            return torch.nn.functional.cross_entropy(torch.cat([own[:, None], others], dim=1), nothing)
        share = self.shared / (len(items) - first - 1)
        weight = share * (self.gbce_t * (1.0 - 1.0 / share) + 1.0 / share)
        right, wrong = torch.nn.functional.softplus(-own), torch.nn.functional.softplus(others).sum(dim=1)
        found: torch.Tensor = (weight * right + wrong).mean() / (self.shared + 1)
        return found


def _trainer() -> Trainer:
    return Trainer(
        accelerator="cpu", devices=1, enable_checkpointing=False, logger=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip


def _dataset(lists: tuple[Ints, ...]) -> Dataset:
    owner = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    place = np.concatenate([np.arange(len(each)) for each in lists])
    lines = pd.DataFrame({
        Columns.User: owner, Columns.Item: np.concatenate(lists), Columns.Weight: 1.0,
        Columns.Datetime: pd.Timestamp("2000-01-01") + pd.to_timedelta(place, unit="D"),
    })  # fmt: skip
    # A list may hold an item twice: RecTools keeps both places.
    return Dataset.construct(lines)


def _scores(model: Any, items: int, queries: Queries) -> Floats:
    """[Q, N] inner products of the last place and every item; what was never seen in training scores lowest."""
    out = np.full((len(queries.owners), items), -np.inf, np.float32)
    asked = _dataset(queries.histories)
    prepared = model.data_preparator
    known = prepared.transform_dataset_u2i(asked, np.arange(len(out)))
    if not len(known.interactions.df):
        return out
    batches = prepared.get_dataloader_recommend(known, 256)
    with torch.no_grad():
        # RecTools lists no scores of all items in its public interface; the version is pinned.
        askers, of_items = model.lightning_model._get_user_item_embeddings(batches, "cpu")  # noqa: SLF001
        found = (askers @ of_items.T).numpy()
    query = known.user_id_map.get_external_sorted_by_internal().astype(np.int64)
    column = np.asarray(prepared.get_known_item_ids(), dtype=np.int64)
    out[np.ix_(query, column)] = found[:, prepared.get_known_items_sorted_internal_ids()]
    model.lightning_model.train()
    return out
