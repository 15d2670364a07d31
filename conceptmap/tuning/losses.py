"""What is wrong with a network on a batch: names and mentions told apart, parents near, what was known kept."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from conceptmap.tuning.batches import Batch, compared
from conceptmap.tuning.concepts import NamedConcepts
from conceptmap.tuning.network import Learner
from conceptmap.tuning.settings import TuneSettings

__all__ = ["losses"]

APART = 0.5
"""Cosine below which a word that means no concept is far enough from a name."""
_NEVER = -1e4


def losses(learner: Learner, batch: Batch, concepts: NamedConcepts, settings: TuneSettings) -> dict[str, Tensor]:
    """Each part of the loss, weighed; their sum is what is learned from.

    InfoNCE over all names of the batch (van den Oord et al. 2018, arXiv 1807.03748): self-alignment of names (SapBERT,
    arXiv 2010.11784), parents (BioLORD, arXiv 2210.11892), tokens of mentions; and distillation from the frozen
    network.

    Args:
        learner: the network.
        batch: what is compared.
        concepts: say who is related.
        settings: weights and temperature.
    """
    out: dict[str, Tensor] = {}
    if batch.names:
        out |= _compared(learner, batch, concepts, settings)
    if batch.sentences:
        tokens, means = learner.moved([context.ids for context in batch.sentences])
        out["keeping"] = settings.keeping * (tokens + means)
    return out


def _compared(learner: Learner, batch: Batch, concepts: NamedConcepts, settings: TuneSettings) -> dict[str, Tensor]:
    vectors = learner.names(batch.names)
    given = _given(batch, concepts)
    side = vectors if given is None else torch.cat([vectors, torch.from_numpy(given).to(vectors)])
    positive, left_out = (
        torch.from_numpy(part).to(learner.device)
        for part in compared(batch, concepts, n_given=0 if given is None else len(given))
    )
    if given is not None:  # a table has no row for some
        left_out[:, len(vectors) :] |= (side[len(vectors) :].abs().sum(1) == 0)[None]
        left_out[:, : len(vectors)] = True  # names are not searched where a table is
        positive &= ~left_out
    n, pairs = len(batch.names), 2 * batch.n_pairs
    scores = vectors @ side.T / settings.temperature
    out = {}
    if settings.names and pairs:
        out["names"] = settings.names * _info_nce(scores[:pairs], positive[:pairs], left_out[:pairs])
    if settings.parents and pairs:
        above, rest = _parents(batch, concepts)
        places = [torch.from_numpy(part).to(learner.device) for part in (above, rest)]
        out["parents"] = settings.parents * _info_nce(scores[:pairs:2, :n], *places)
    if batch.mentions:
        read = [(context, rows) for context, rows, _ in batch.mentions] + batch.background
        tokens = learner.spans([context.ids for context, _ in read], [rows for _, rows in read])
        near = tokens @ side.T / settings.temperature
        n_mentions = len(batch.mentions)
        out["context"] = settings.context * _info_nce(near[:n_mentions], positive[n:], left_out[n:])
        if batch.background:
            over = near[n_mentions:].logsumexp(1) - APART / settings.temperature
            out["background"] = settings.background * functional.softplus(over).mean()
    return out


def _info_nce(scores: Tensor, positive: Tensor, left_out: Tensor) -> Tensor:
    """Minus the logarithm of the share that the right candidates have, over queries that have one."""
    some = positive.any(dim=1)
    if not bool(some.any()):
        return scores.sum() * 0
    scores, positive = scores[some].masked_fill(left_out[some], _NEVER), positive[some]
    return (scores.logsumexp(1) - scores.masked_fill(~positive, _NEVER).logsumexp(1)).mean()


def _parents(batch: Batch, concepts: NamedConcepts) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For the first name of each drawn concept the names of its parents, and those of itself and other relatives."""
    queries = batch.concept[: 2 * batch.n_pairs : 2].tolist()
    candidates = batch.concept.tolist()
    above = np.array([[b in concepts.parents[a] for b in candidates] for a in queries])
    related = np.array([[concepts.related(a, b) for b in candidates] for a in queries])
    return above, related & ~above


def _given(batch: Batch, concepts: NamedConcepts) -> NDArray[np.float32] | None:
    """Given vectors of the concepts of a batch, in order of their numbers. *Shape:* (n_concepts, dim) float32."""
    if concepts.given is None:
        return None
    numbers = np.array([number for *_, number in batch.mentions], dtype=np.int64)
    found: NDArray[np.float32] = concepts.given[np.unique(np.concatenate([batch.concept, numbers]))]
    return found
