"""Term encoders: one vector for each short string, pooled as the model's own folder says.

Most folders say mean, or first token, perhaps normalised: those run on the token model, without a second copy of the
weights. Anything else goes through sentence-transformers itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import Vectors, on_host
from conceptmap.encoders.encoder import EncodeTerms, Progress, TokenModel, once, run_model
from conceptmap.encoders.pooling import normalise, pool

__all__ = ["Sentence", "library_terms", "pooled_terms"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """How a model makes one vector out of a text's tokens.

    Attributes:
        modes: pooling modes, their vectors side by side.
        normalised: whether vectors are scaled to length 1.
        special: whether special tokens take part.
        length: most tokens read, special tokens included; what follows is left out.
        prompt: text put before every string.
    """

    modes: tuple[str, ...] = ("mean",)
    normalised: bool = False
    special: bool = True
    length: int = 512
    prompt: str = ""


def pooled_terms(model: TokenModel, sentence: Sentence) -> EncodeTerms:
    """Encode terms with the token model and pool."""
    head, tail = len(model.tokeniser.prefix), len(model.tokeniser.suffix)

    def vectors(rows: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        if not sentence.special:
            rows, lengths = _inner(rows, lengths, head, tail)
        pooled = np.concatenate([pool(rows, lengths, mode) for mode in sentence.modes], axis=1)
        return normalise(pooled) if sentence.normalised else pooled

    def encode(terms: Sequence[str], progress: Progress | None) -> NDArray[np.float32]:
        texts = [sentence.prompt + term for term in terms]
        unique, places = once(range(len(texts)), model.tokeniser.inputs(texts, sentence.length))
        out = np.empty((len(texts), model.dim * len(sentence.modes)), dtype=np.float32)

        def store(batch: NDArray[np.int64], rows: Vectors) -> None:
            found = vectors(on_host(rows), np.array([len(unique[i]) for i in batch]))
            for i, vector in zip(batch, found, strict=True):
                out[places[i]] = vector

        with model.lane():
            run_model(model, unique, store, progress)
        return out

    return encode


def library_terms(folder: Path, *, device: str, dtype: str) -> tuple[EncodeTerms, int]:
    """Encode terms with sentence-transformers, for folders with modules of their own; also the width of a vector."""
    import torch
    from sentence_transformers import SentenceTransformer

    library = SentenceTransformer(
        str(folder),
        device=device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"dtype": getattr(torch, dtype), "use_safetensors": True},
    )

    width = len(library.encode("a", show_progress_bar=False))

    def encode(terms: Sequence[str], progress: Progress | None) -> NDArray[np.float32]:
        order = sorted(range(len(terms)), key=lambda i: -len(terms[i]))
        edges = [*range(0, len(terms), 2048), len(terms)]
        out = np.empty((len(terms), width), dtype=np.float32)
        for start, stop in pairwise(edges):
            part = [terms[i] for i in order[start:stop]]
            found = library.encode(part, show_progress_bar=False, convert_to_tensor=True)
            out[order[start:stop]] = found.float().cpu().numpy()
            if progress is not None:
                progress(stop, len(terms))
        return out

    return encode, width


def _inner(
    rows: NDArray[np.float32], lengths: NDArray[np.int64], head: int, tail: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Leave special tokens out, except of a text that has nothing else."""
    stops = np.cumsum(lengths)
    bare = lengths <= head + tail
    place = np.arange(len(rows)) - np.repeat(stops - lengths, lengths)
    kept = (place >= head) & (place < np.repeat(lengths, lengths) - tail) | np.repeat(bare, lengths)
    return rows[kept], np.where(bare, lengths, lengths - head - tail)
