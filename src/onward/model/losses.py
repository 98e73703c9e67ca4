"""Sampled softmax over candidate targets, corrected for how the candidates were drawn."""

import torch
from torch import Tensor


def sampled_softmax(positive: Tensor, candidates: Tensor, accidental: Tensor, reversed_pair: Tensor) -> Tensor:
    """Mean over rows of -log softmax of the positive against sampled candidates.

    Args:
        positive: [n] logit of u -> v.
        candidates: [n, c] logits of u -> each candidate, less `log_expected_counts` (logQ correction).
        accidental: [n, c] where the candidate is the row's own v; it is in the sum already.
        reversed_pair: [n] logit of v -> u where that edge does not exist, -inf where it does: the one negative that
            says which way the pair points.
    """
    others = torch.logsumexp(candidates.masked_fill(accidental, -torch.inf), dim=1)
    everything = torch.stack([positive, others, reversed_pair], dim=1)
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
