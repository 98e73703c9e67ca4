"""Sampled softmax over candidate targets, corrected for how the candidates were drawn."""

import torch
from torch import Tensor


def sampled_softmax(
    positive: Tensor, candidates: Tensor, accidental: Tensor, reversed_pair: Tensor, matched: Tensor | None = None
) -> Tensor:
    """Mean over rows of -log softmax of the positive against sampled candidates.

    Args:
        positive: [n] logit of u -> v.
        candidates: [n, c] logits of u -> each candidate, less `log_expected_counts` (logQ correction).
        accidental: [n, c] where the candidate is the row's own v; it is in the sum already.
        reversed_pair: [n] logit of v -> u where that edge does not exist, -inf where it does: the one negative that
            says which way the pair points.
        matched: [n] logit of u -> a product as popular as v (see `degree_matched`), which says that popularity is not
            enough; None leaves it out.
    """
    others = torch.logsumexp(candidates.masked_fill(accidental, -torch.inf), dim=1)
    hard = [reversed_pair] if matched is None else [reversed_pair, matched]
    everything = torch.stack([positive, others, *hard], dim=1)
    loss: Tensor = (torch.logsumexp(everything, dim=1) - positive).mean()
    return loss


def log_expected_counts(in_batch_share: Tensor, uniform_share: Tensor, in_batch: int, uniform: int) -> Tensor:
    """Log of how often each candidate is expected in the sample, [c].

    Taken off the logits, it makes the sum over candidates estimate the sum over the whole catalogue without bias
    (logQ; Bengio and Senecal 2008), so that popular targets, which come into every batch, are not pushed down.

    Args:
        in_batch_share: [c] chance that a random edge leads to the candidate.
        uniform_share: [c] chance that a drawn negative is the candidate.
        in_batch: number of candidates that are targets of other edges.
        uniform: number of candidates that were drawn.
    """
    return torch.log(in_batch * in_batch_share + uniform * uniform_share)


def degree_matched(wanted: Tensor, candidates: Tensor) -> Tensor:
    """For each wanted degree the position of a candidate of nearly that degree, [n].

    Candidates are ranked by degree, and the one just beyond the wanted degree's place is taken; rows of equal degree
    take turns, so that not all meet the same candidate.

    Args:
        wanted: [n] degrees.
        candidates: [c] degrees, c at least 1.

    >>> degree_matched(torch.tensor([5, 5, 1]), torch.tensor([9, 5, 1, 5])).tolist()
    [1, 3, 2]
    """
    order = torch.argsort(candidates, stable=True)
    ranked = candidates[order].contiguous()
    first = torch.searchsorted(ranked, wanted.contiguous(), right=False)
    last = torch.searchsorted(ranked, wanted.contiguous(), right=True)
    turn = torch.arange(len(wanted)) % torch.clamp(last - first, min=1)
    return order[torch.clamp(first + turn, max=len(ranked) - 1)]
