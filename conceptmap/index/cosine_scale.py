"""Cosine scale: how near is near for an encoder, measured with words that have nothing to do with an index.

Every encoder has cosines of its own: unrelated words may score .3 or .95. What separates is measured when an index is
built: how near plain words come to any concept, and how near names come to their own. `CosineScale` puts the one and
the other where they lie for the embedded encoder, for which the thresholds of ``linking`` were chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.data.tables import read_table
from conceptmap.encoders import TokenEncoder
from conceptmap.encoders.embeddings import covered, on_host
from conceptmap.encoders.word_vectors import smoothed_words
from conceptmap.index.index import ConceptIndex

__all__ = ["MEASURED", "SEPARATION_FACT", "CosineScale", "measured"]

UNRELATED, OWN = 0.16, 0.90
"""Below this lie 99 % of unrelated words with any one term, and a quarter of names with their own concept."""
LEAST_GAP, LEAST_RIGHT = 0.02, 0.5
"""Between both, and the share of names that must be nearest to their concept: less tells nothing."""
FAR = -1.0
"""On the scale of an encoder that does not separate."""

SEPARATION_FACT = "separation"
"""In the manifest: how well the encoder tells names from unrelated words, or why that is not known."""

_FACT = "cosine scale"
MEASURED = (SEPARATION_FACT, _FACT)
"""What is found out about an index after it was made."""
_NAMES, _MOST_WORDS, _ROWS = 200, 6, 300
_BEFORE, _AFTER = "The note mentions ", " today."


@dataclass(frozen=True, slots=True)
class CosineScale:
    """A cosine of an encoder, as it would be for the embedded one.

    Attributes:
        unrelated: what 99 % of unrelated words score less than with any one term.
        own: what three quarters of the names score more than with their own concept.
        separates: whether the encoder tells one from the other at all.

    >>> scale = CosineScale(0.9, 0.96)
    >>> scale(0.9) == UNRELATED, round(scale(0.96), 2) == OWN, CosineScale()(0.93), CosineScale(separates=False)(0.93)
    (True, True, 0.93, -1.0)
    """

    unrelated: float = UNRELATED
    own: float = OWN
    separates: bool = True

    def __call__(self, cosine: float) -> float:
        """The cosine on the scale."""
        if not self.separates:
            return FAR
        if (self.unrelated, self.own) == (UNRELATED, OWN):
            return cosine
        return UNRELATED + (cosine - self.unrelated) * (OWN - UNRELATED) / (self.own - self.unrelated)

    @classmethod
    def of(cls, index: ConceptIndex) -> CosineScale:
        """The scale that an index was measured to have; cosines as they are where it was not."""
        said = index.manifest.facts.get(_FACT)
        if said is None:
            return cls()
        try:
            unrelated, own, separates = said.split()
            return cls(float(unrelated), float(own), separates == "separates")
        except ValueError:  # written by another program
            return cls()


def measured(index: ConceptIndex, encoder: TokenEncoder, *, reference: bool = False) -> ConceptIndex:
    """The index with facts about its cosines: in words, and as a scale unless they are those of the reference.

    Args:
        index: with vectors, made by this encoder or for its tokens.
        encoder: of notes.
        reference: its cosines are the scale.
    """
    words, (own, right) = _plain_words(encoder), _of_own_names(index, encoder)
    if not len(words) or not len(own):
        return index
    nearest = float(np.quantile(index.search(words, 1).scores, 0.99))
    low, high = float(np.quantile(_with_any_row(index, words), 0.99)), float(np.quantile(own, 0.25))
    separates = high - nearest >= LEAST_GAP and right >= LEAST_RIGHT
    said = (
        f"99 % of unrelated words score below {nearest:.2f}, three quarters of {len(own)} names above {high:.2f}, and "
        f"{100 * right:.0f} % are nearest to their own concept"
        + ("" if separates else ": vectors make no mentions of their own")
    )
    facts = {**index.manifest.facts, SEPARATION_FACT: said}
    if not reference:
        facts[_FACT] = f"{low:.6f} {high:.6f} {'separates' if separates else 'mixes'}"
    return replace(index, manifest=replace(index.manifest, facts=facts))


def _plain_words(encoder: TokenEncoder) -> NDArray[np.float32]:
    """Vectors of the words of plain sentences. *Shape:* (n_words, dim) float32."""
    texts = [row["sentence"] for row in read_table("background")]
    words = [np.empty((0, encoder.dim), dtype=np.float32)]
    for text, tokens in zip(texts, encoder.tokens(texts), strict=True):
        word_of, vectors = smoothed_words(text, tokens)
        words.append(vectors[np.unique(word_of[word_of >= 0])])
    found = np.concatenate(words)
    return found[found.any(axis=1)]


def _with_any_row(index: ConceptIndex, words: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines of words with rows drawn from all, which do not grow with their number. *Shape:* (n_pairs,) float32."""
    rows = np.random.default_rng(0).permutation(index.n_rows)[:_ROWS]
    query = np.repeat(np.arange(len(words)), len(rows))
    return index.cosines(words, query, np.tile(rows, len(words)))


def _of_own_names(index: ConceptIndex, encoder: TokenEncoder) -> tuple[NDArray[np.float32], float]:
    """Cosines of some names, in a sentence, with their own concepts, and the share that is nearest to them."""
    with_rows = index.terms.filter(pl.col("row").is_not_null())
    short = with_rows.filter(pl.col("term").str.split(" ").list.len() <= _MOST_WORDS).sort("row")
    drawn = np.random.default_rng(0).permutation(short.height)[:_NAMES]
    named = short[np.sort(drawn)]
    texts = [f"{_BEFORE}{term}{_AFTER}" for term in named["term"]]
    spans = [[(len(_BEFORE), len(text) - len(_AFTER))] for text in texts]
    rows, vectors = [], []
    for row, span, tokens in zip(named["row"], spans, encoder.tokens(texts, spans=spans), strict=True):
        first, last = covered(tokens.start_char, tokens.end_char, span)
        if first[0] < last[0]:
            rows.append(row)
            vectors.append(on_host(tokens.vectors)[first[0] : last[0]].mean(axis=0))
    if not rows:
        return np.empty(0, dtype=np.float32), 0.0
    asked, nearest = np.stack(vectors), index.row_concept[rows]
    found = index.search(asked, 1)
    own = index.cosines(asked, np.arange(len(rows)), np.array(rows, dtype=np.int64))
    return own, float((index.row_concept[found.rows[:, 0]] == nearest).mean())
