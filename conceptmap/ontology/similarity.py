"""How alike two concepts are on the hierarchy, and two sets of concepts: millions of pairs at once.

Measures of a pair, each in [0, 1] but ``resnik``, which has the unit of information content:

- ``path``: 1 / (1 + n), n edges on the shortest way over a concept above both (Rada and others, 1989);
- ``wu_palmer``: 2 N / (n + 2 N), N concepts from a root down to the one above both, the best one (Wu and Palmer, 1994);
- ``resnik``: information content of the most informative concept above both (Resnik, 1995);
- ``lin``: twice that, over the information content of the two (Lin, 1998);
- ``ancestors``: shared part of what is at and above them (Batet, Sánchez and Valls, 2011).

A concept is above itself. Two concepts with none above both have similarity 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from conceptmap.errors import InputError
from conceptmap.ontology.dag import Dag
from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.rollup import closure

__all__ = ["MEASURES", "Measure", "Similarity", "information_content"]

Measure = Literal["path", "wu_palmer", "resnik", "lin", "ancestors"]
MEASURES: tuple[Measure, ...] = ("path", "wu_palmer", "resnik", "lin", "ancestors")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PAIRS = 1 << 17  # at a time: about 25 concepts above each side


@dataclass(frozen=True, eq=False)
class Similarity:
    """Compares concepts of one ontology. Make it once, as the information content looks at all of the hierarchy.

    Attributes:
        ontology: whose hierarchy is meant.
        ic: information content in nats. *Shape:* (n_concepts,) float64, in the order of ``ontology.concepts``.
    """

    ontology: Ontology
    ic: Floats

    @classmethod
    def of(cls, ontology: Ontology, ic: str | pl.DataFrame = "intrinsic") -> Similarity:
        """A comparer; ``ic`` as of :func:`information_content`."""
        return cls(ontology, information_content(ontology, ic))

    def pairs(self, codes: Sequence[str], others: Sequence[str], *, measure: Measure = "lin") -> Floats:
        """Returns the similarity of each code to the other in its place. *Shape:* (n_pairs,) float64.

        Raises:
            InputError: no such measure, or sequences of different lengths.
            UnknownCodeError: a code that the ontology does not hold.
        """
        if len(codes) != len(others):
            raise InputError("pairs want as many codes on either side", got=f"{len(codes)} and {len(others)}")
        one, two = (self._positions(side) for side in (codes, others))
        return self.of_positions(one, two, measure=measure)

    def sets(
        self, left: Sequence[Iterable[str]], right: Sequence[Iterable[str]], *, measure: Measure = "lin"
    ) -> Floats:
        """Returns the best-match average of two sets of codes in each place. *Shape:* (n_sets,) float64.

        Each code counts with the most similar one of the other set; the two sides' means are averaged (Pesquita and
        others, 2009). Two empty sets have similarity 1, an empty and another one 0.

        Args:
            left: sets of codes, such as those of notes. *Shape:* (n_sets,).
            right: likewise.
            measure: of the pairs.
        """
        rows = _crossed(left, right)
        found = self.pairs(rows["one"].to_list(), rows["two"].to_list(), measure=measure)
        rows = rows.with_columns(found=pl.Series(found, dtype=pl.Float64))
        means = [
            rows.group_by("set", side).agg(pl.col("found").max()).group_by("set").agg(pl.col("found").mean())
            for side in ("one", "two")
        ]
        both = means[0].join(means[1], on="set").select("set", mean=(pl.col("found") + pl.col("found_right")) / 2)
        return _in_place(both, left, right)

    def ancestor_sets(self, left: Sequence[Iterable[str]], right: Sequence[Iterable[str]]) -> Floats:
        """Returns the shared part of what is at and above either set of codes (Jaccard). *Shape:* (n_sets,) float64.

        Args:
            left: sets of codes. *Shape:* (n_sets,).
            right: likewise.
        """
        above = [self._union(sets) for sets in (left, right)]
        shared = np.asarray(above[0].multiply(above[1]).sum(axis=1)).ravel()
        sizes = sum(np.asarray(side.sum(axis=1)).ravel() for side in above)
        either = sizes - shared
        return np.where(either > 0, shared / np.maximum(either, 1), 1.0)

    def of_positions(self, one: Ints, two: Ints, *, measure: Measure = "lin") -> Floats:
        """Returns the similarity of concepts by their positions in ``concepts``. *Shape:* (n_pairs,) float64."""
        if measure not in MEASURES:
            raise InputError("no such measure", got=repr(measure), expected=", ".join(MEASURES))
        distinct, at = np.unique(np.concatenate((one, two)), return_inverse=True)
        above = _ways_up(self.ontology.dag, distinct)
        return _chunked(above, distinct, at[: len(one)], at[len(one) :], lambda *given: self._of(measure, *given))

    def _of(self, measure: str, a: Any, b: Any, one: Ints, two: Ints) -> Floats:  # noqa: ANN401 - sparse arrays
        """Pairs of a chunk; ``a`` and ``b`` hold 2 to the edges up to each concept above."""
        common = a.multiply(b).tocsr()  # 2 to the edges of the way over it
        if measure == "ancestors":
            shared = np.diff(common.indptr)
            jaccard: Floats = shared / (np.diff(a.indptr) + np.diff(b.indptr) - shared)
            return jaccard
        if measure == "path":
            shortest = _best(common, common.data, np.minimum)
            return np.where(np.isnan(shortest), 0.0, 1 / (1 + np.log2(np.nan_to_num(shortest, nan=1.0))))
        if measure == "wu_palmer":
            deep = 2.0 * (self.ontology.dag.depths[common.indices] + 1)
            return np.nan_to_num(_best(common, deep / (np.log2(common.data) + deep), np.maximum))
        shared_ic = _best(common, self.ic[common.indices], np.maximum)
        if measure == "resnik":
            return np.nan_to_num(shared_ic)
        own = self.ic[one] + self.ic[two]
        alike = np.where(own > 0, 2 * np.nan_to_num(shared_ic) / np.where(own > 0, own, 1.0), 1.0)
        return np.where(np.isnan(shared_ic), 0.0, alike)

    def _positions(self, codes: Sequence[str]) -> Ints:
        given = pl.Series(codes, dtype=pl.String)
        found = self.ontology.rows_of(given)
        if found.null_count():
            distinct = given.unique(maintain_order=True).to_list()
            spelled = dict(zip(distinct, self.ontology.nodes_of(distinct), strict=True))
            found = self.ontology.rows_of(given.replace_strict(spelled, return_dtype=pl.String))
        return found.to_numpy().astype(np.int64)

    def _union(self, sets: Sequence[Iterable[str]]) -> sparse.csr_array:
        """True at all that is at and above the codes of each set. *Shape:* (n_sets, n_concepts)."""
        listed = [list(codes) for codes in sets]
        positions = self._positions([code for codes in listed for code in codes])
        starts = np.concatenate(([0], np.cumsum([len(codes) for codes in listed])))
        distinct, at = np.unique(positions, return_inverse=True)
        members = sparse.csr_array((np.ones(len(at)), at, starts), shape=(len(listed), len(distinct)))
        union = (members @ _ways_up(self.ontology.dag, distinct)).tocsr()
        union.data = np.ones_like(union.data)
        return union


def information_content(ontology: Ontology, ic: str | pl.DataFrame = "intrinsic") -> Floats:
    """Returns the information content of every concept, in nats. *Shape:* (n_concepts,) float64.

    Args:
        ontology: the hierarchy.
        ic: ``intrinsic``: by the number of concepts below (Seco, Veale and Hayes, 2004, in Resnik's form), ``sanchez``:
            by leaves below and concepts above (Sánchez, Batet and Isern, 2011); or a corpus: ``code`` and, where rows
            stand for several, ``count``. A code of the corpus counts once for each concept above it; a concept that the
            corpus does not reach has the content of one seen once in as many and one.

    Raises:
        InputError: no such way, or a corpus without a known code.
    """
    below = closure(ontology)
    active = ontology.concepts["active"].fill_null(value=True).to_numpy()
    if isinstance(ic, pl.DataFrame):
        return _of_corpus(ontology, ic, below)
    n_below = np.bincount(below.indices, minlength=below.shape[1]) + 1
    if ic == "intrinsic":
        found: Floats = np.log(max(int(active.sum()), 1)) - np.log(n_below)
        return np.maximum(found, 0.0)
    if ic != "sanchez":
        raise InputError("no such information content", got=repr(ic), expected="'intrinsic', 'sanchez' or a corpus")
    leaf = (n_below == 1) & active
    leaves = np.asarray(below[leaf].sum(axis=0)).ravel() + leaf
    above = np.diff(below.indptr) + 1
    by_leaves: Floats = np.abs(np.log((leaves / above + 1) / (leaf.sum() + 1)))
    return by_leaves


def _of_corpus(ontology: Ontology, corpus: pl.DataFrame, below: sparse.csr_array) -> Floats:
    count = pl.col("count") if "count" in corpus.columns else pl.lit(1)
    counted = corpus.drop_nulls("code").group_by(pl.col("code").cast(pl.String)).agg(n=count.sum())
    rows = ontology.rows_of(pl.Series([ontology.find(code) for code in counted["code"]], dtype=pl.String))
    known = counted.with_columns(row=rows).drop_nulls("row")
    seen = np.zeros(below.shape[0])
    np.add.at(seen, known["row"].to_numpy(), known["n"].to_numpy().astype(np.float64))
    total = seen.sum()
    if total <= 0:
        raise InputError("the corpus has no code of the ontology", got=f"{corpus.height:,} rows", expected="codes")
    reached = seen + np.asarray(seen @ below.astype(np.float64)).ravel()
    content: Floats = np.abs(np.log(np.where(reached > 0, reached / total, 1 / (total + 1))))
    return content


# -- sets of concepts as sparse rows ----------------------------------------------------------------------------------


def _ways_up(dag: Dag, positions: Ints) -> sparse.csr_array:
    """2 to the edges of the shortest way up to each concept above, 1 at itself. *Shape:* (n_positions, n_concepts).

    Powers of two, because the product of two of them holds the sum of the edges, exactly, and none is 0.
    """
    n = dag.n_nodes
    up = sparse.csr_array((np.ones(len(dag.children)), (dag.children, dag.parents)), shape=(n, n))
    rows = np.arange(len(positions))
    front = sparse.csr_array((np.ones(len(rows)), (rows, positions)), shape=(len(rows), n))
    ways, edges = front.copy(), 0
    while front.nnz:
        edges += 1
        reached = (front @ up).tocsr()
        reached.data = np.ones_like(reached.data)
        front = (reached - reached.multiply(ways > 0)).tocsr()
        front.eliminate_zeros()
        ways = (ways + front * 2.0**edges).tocsr()
    ways.sort_indices()
    return ways


def _chunked(
    above: sparse.csr_array, distinct: Ints, one: Ints, two: Ints, of: Callable[[Any, Any, Ints, Ints], Floats]
) -> Floats:
    out = np.empty(len(one))
    for start in range(0, len(one), _PAIRS):
        a, b = one[start : start + _PAIRS], two[start : start + _PAIRS]
        out[start : start + _PAIRS] = of(above[a], above[b], distinct[a], distinct[b])
    return out


def _best(rows: sparse.csr_array, values: NDArray[Any], best: np.ufunc) -> Floats:
    """The least or greatest of the values in each row, NaN in an empty one. *Shape:* (n_rows,)."""
    out = np.full(rows.shape[0], np.nan)
    filled = np.diff(rows.indptr) > 0
    if filled.any():
        out[filled] = best.reduceat(values, rows.indptr[:-1][filled])
    return out


def _crossed(left: Sequence[Iterable[str]], right: Sequence[Iterable[str]]) -> pl.DataFrame:
    """``set, one, two``: every pair of codes of the sets in one place."""
    sides = []
    for name, sets in (("one", left), ("two", right)):
        listed = [list(dict.fromkeys(codes)) for codes in sets]
        frame = pl.DataFrame(
            {"set": range(len(listed)), name: listed}, schema={"set": pl.Int64, name: pl.List(pl.String)}
        )
        sides.append(frame.explode(name).drop_nulls())
    return sides[0].join(sides[1], on="set", maintain_order="left_right")


def _in_place(means: pl.DataFrame, left: Sequence[Iterable[str]], right: Sequence[Iterable[str]]) -> Floats:
    out = np.array([float(not list(one) and not list(two)) for one, two in zip(left, right, strict=True)])
    out[means["set"].to_numpy()] = means["mean"].to_numpy()
    return out
