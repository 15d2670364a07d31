"""Concepts of one or several ontologies with their names, who is related to whom, and which are held back."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.encoders.pooling import normalise
from conceptmap.index.index import ConceptIndex
from conceptmap.matching.lexicon import CLASSIFICATIONS
from conceptmap.ontology.dag import Dag

__all__ = ["ONE_IN", "NamedConcepts", "concepts_of", "hard_neighbours", "is_held", "name_key"]

ONE_IN = 10
"""Of so many concepts one is held back, and of so many notes."""
MOST_WORDS = 12
_REST = re.compile(r",? ?\b(?:unspecified|not elsewhere classified|not otherwise specified|NOS|NEC)\b", re.IGNORECASE)
_TAG = re.compile(r" \((?:disorder|finding|morphologic abnormality|procedure|disease|situation|body structure)\)$")
_MODIFIERS = re.compile(r" ?\([^()]*\)")
"""What a classification says in parentheses may be left out (ICD-10-CM guidelines, I.A.7: nonessential modifiers)."""
_OTHER = re.compile(r"\bother\b", re.IGNORECASE)
_ALNUM = re.compile(r"[^\W_]+")
_CAUSES = tuple("VWXY")
"""Letters of external causes in a classification: their titles are no names that a note says."""


@dataclass(frozen=True, eq=False)
class NamedConcepts:
    """Concepts by number, over all ontologies.

    Attributes:
        names: what each is taught by; none of those held back.
        own: all names of each.
        parents: their numbers.
        ancestors: of each, without itself.
        shares: concepts that have a name in common with each, itself among them.
        held: numbers of those held back.
        first: number of the first concept of each ontology.
        given: vectors that a table gives for concepts, zero where it gives none. *Shape:* (n_concepts, dim) float32;
            None where there is no table.
    """

    names: tuple[tuple[str, ...], ...]
    own: tuple[tuple[str, ...], ...]
    parents: tuple[frozenset[int], ...]
    ancestors: tuple[frozenset[int], ...]
    shares: tuple[frozenset[int], ...]
    held: frozenset[int]
    first: tuple[int, ...]
    given: NDArray[np.float32] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.own)

    def related(self, one: int, other: int) -> bool:
        """Whether two concepts are never told apart: one is above the other, or they share a name."""
        return other in self.ancestors[one] or one in self.ancestors[other] or other in self.shares[one]


def name_key(name: str) -> str:
    """What makes two names one: letters and digits, in any case.

    >>> name_key("Crohn's disease, NOS") == name_key("crohn s DISEASE nos")
    True
    """
    return " ".join(_ALNUM.findall(name.lower()))


def is_held(key: str) -> bool:
    """Whether what has this key is held back: the same everywhere and always."""
    return zlib.crc32(key.encode()) % ONE_IN == 0


def concepts_of(indexes: Sequence[ConceptIndex], *, dim: int) -> NamedConcepts:
    """The concepts of some indexes.

    Two concepts of two indexes that a release's maps join one to one are taught by the names of both.

    Args:
        indexes: with or without vectors; rows that were given as vectors of this width, and not made of terms, are
            what their concepts are taught to be near.
        dim: width of the encoder's token vectors.
    """
    first = np.cumsum([0, *(index.concepts.height for index in indexes)]).tolist()
    own = _joined([names for index in indexes for names in _names(index)], _same(indexes, first))
    above = _hierarchy(indexes, first).up
    keys = [f"{index.system}:{node}" for index in indexes for node in index.concepts["node"]]
    held = frozenset(i for i, key in enumerate(keys) if len(own[i]) > 1 and is_held(key))
    kept_back = {name_key(name) for i in held for name in own[i]}
    taught = [
        () if i in held else tuple(name for name in names if name_key(name) not in kept_back)
        for i, names in enumerate(own)
    ]
    given = _given(indexes, first, dim)
    parents = tuple(frozenset(above.of_many(np.array([i])).tolist()) for i in range(len(own)))
    return NamedConcepts(
        tuple(taught), tuple(own), parents, tuple(map(above.reached, range(len(own)))), _shares(own), held,
        tuple(first[:-1]), given,
    )  # fmt: skip


def _names(index: ConceptIndex) -> list[tuple[str, ...]]:
    """The different names of each concept, the preferred one first."""
    terms, system = index.terms, index.system
    found: dict[str, dict[str, str]] = defaultdict(dict)
    ordered = terms.filter(pl.col("kind") != "includes").sort(pl.col("kind") != "preferred", maintain_order=True)
    for node, code, term in ordered.select("node", "code", "term").iter_rows():
        name = _said(term, code, system)
        if name:
            found[node].setdefault(name_key(name), name)
    return [tuple(found[node].values()) if node in found else () for node in index.concepts["node"]]


def _same(indexes: Sequence[ConceptIndex], first: Sequence[int]) -> list[tuple[int, int]]:
    """Numbers of concepts that a map of one index joins to one of another, each to no third."""
    place = [_places(index, at) for index, at in zip(indexes, first, strict=False)]
    return [
        (place[i][source], place[j][target])
        for i, index in enumerate(indexes)
        for j, other in enumerate(indexes)
        if i != j and index.maps is not None
        for source, target in _one_to_one(index.maps, other.system)
        if source in place[i] and target in place[j]
    ]


def _places(index: ConceptIndex, first: int) -> dict[str, int]:
    """The number of each concept, by its code and by what maps write of "DOID:0001816"."""
    found = dict(zip(index.concepts["code"], range(first, first + index.concepts.height), strict=True))
    return {code.removeprefix(f"{index.system.upper()}:"): number for code, number in found.items()} | found


def _one_to_one(maps: pl.DataFrame, system: str) -> Iterable[tuple[str, str]]:
    pairs = maps.filter(pl.col("target_system") == system).select("code", "target_code").unique(maintain_order=True)
    alone = [pl.len().over(name) == 1 for name in pairs.columns]
    return pairs.filter(*alone).iter_rows()


def _joined(own: Sequence[tuple[str, ...]], same: Sequence[tuple[int, int]]) -> list[tuple[str, ...]]:
    """Each concept's names, and behind them those of the concept that it is joined with."""
    out = list(own)
    for pair in same:
        for one, other in (pair, pair[::-1]):
            mine = {name_key(name): name for name in out[one]}
            out[one] = tuple((mine | {k: n for n in own[other] if (k := name_key(n)) not in mine}).values())
    return out


def _said(term: str, code: str, system: str) -> str:
    """A term as a note may say it; empty where none does."""
    bare = _MODIFIERS.sub("", term) if system in CLASSIFICATIONS else _TAG.sub("", term)
    name = " ".join(_REST.sub("", bare).strip(" ,;").split())
    if system in CLASSIFICATIONS and (code.startswith(_CAUSES) or "-" in code or _OTHER.search(name)):
        return ""
    return name if len(name.split()) <= MOST_WORDS and name_key(name) else ""


def _hierarchy(indexes: Sequence[ConceptIndex], first: Sequence[int]) -> Dag:
    """The edges of all indexes, between numbers of concepts."""
    dags = [index.ontology().dag for index in indexes]
    parents = [dag.parents + at for dag, at in zip(dags, first, strict=False)]
    children = [dag.children + at for dag, at in zip(dags, first, strict=False)]
    return Dag(first[-1], np.concatenate(parents), np.concatenate(children))


def _shares(own: Sequence[tuple[str, ...]]) -> tuple[frozenset[int], ...]:
    with_name: dict[str, set[int]] = defaultdict(set)
    for i, names in enumerate(own):
        for name in names:
            with_name[name_key(name)].add(i)
    return tuple(frozenset({i}).union(*(with_name[name_key(name)] for name in names)) for i, names in enumerate(own))


def _given(indexes: Sequence[ConceptIndex], first: Sequence[int], dim: int) -> NDArray[np.float32] | None:
    """The mean of each concept's given rows, of length 1."""
    out: NDArray[np.float32] | None = None
    for index, at in zip(indexes, first, strict=False):
        if index.manifest.pooling != "given" or index.dim != dim:
            continue
        out = np.zeros((first[-1], dim), dtype=np.float32) if out is None else out
        np.add.at(out, index.row_concept + at, normalise(index.values(slice(None))))
    return None if out is None else normalise(out)


def hard_neighbours(
    concepts: NamedConcepts, vectors_of: Mapping[int, NDArray[np.float32]], *, n: int
) -> dict[int, tuple[int, ...]]:
    """For each concept those whose names an encoder puts nearest, without its relatives.

    Args:
        concepts: all.
        vectors_of: a vector of length 1 for each that is taught. *Shape:* (dim,) float32.
        n: most neighbours of one.
    """
    numbers = list(vectors_of)
    matrix = np.stack([vectors_of[i] for i in numbers]) if numbers else np.empty((0, 1), np.float32)
    near: dict[int, tuple[int, ...]] = {}
    for start in range(0, len(numbers), 1024):
        scores = matrix[start : start + 1024] @ matrix.T
        some = min(scores.shape[1], n + 20)
        top = np.argpartition(-scores, some - 1, axis=1)[:, :some]
        for i, row, score in zip(numbers[start : start + 1024], top, scores, strict=True):
            ordered = [numbers[j] for j in row[np.argsort(-score[row], kind="stable")]]
            near[i] = tuple([j for j in ordered if not concepts.related(i, j)][:n])
    return near
