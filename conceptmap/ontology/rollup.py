"""Roll-up: from codes to the nearest of a set of targets above them, on a hierarchy where a concept has many parents.

A target is *nearest* when no other target of the same concept lies below it, so a concept with two parents may reach
two targets, and a concept with no target above it reaches none. Whole columns of codes are rolled up at once: sets of
positions go down the hierarchy level by level as sparse matrix products.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.errors import InputError
from conceptmap.ontology.dag import Dag
from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.row_sets import row_sets

if TYPE_CHECKING:
    from scipy import sparse  # slow to load, and notes are coded without it

__all__ = ["best_cut", "closure", "roll_up", "roll_up_frame", "roll_up_scores"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def roll_up(codes: Sequence[str], ontology: Ontology, *, to: str | Iterable[str]) -> list[frozenset[str]]:
    """Returns, for each code, the nearest targets: the code itself if it is one, an empty set if none is above it.

    This is how codes of every depth become comparable: count notes by chapter, group diagnoses by block, or bring
    SNOMED CT findings to a list of concepts of your own. Mind that a code may reach several targets; counting them
    all counts it more than once. An inactive code stands for the concepts that replaced it, where the release names
    them; :meth:`Ontology.current <conceptmap.ontology.ontology.Ontology.current>` says which.

    Args:
        codes: codes or nodes. *Shape:* (n_codes,).
        ontology: the release that the codes are from.
        to: a kind (``chapter``, ``block``, ``category``), a semantic tag (``disorder``), ``depth:N`` (N edges below
            a root), or the target codes themselves. Only active concepts are targets, save those given by code that
            nothing replaced.

    Returns:
        Nodes, one set per code, in the order of the codes.

    Raises:
        InputError: ``to`` names no target; the message says which kinds and tags there are.
        UnknownCodeError: a code that the ontology does not hold.
    """
    if isinstance(codes, str):
        raise InputError("codes must be a sequence", got=repr(codes), expected=f"[{codes!r}]")
    rows, which = _nearest(_positions(codes, ontology), ontology, to)
    found: list[frozenset[str]] = row_sets(rows, ontology.nodes)[which].tolist()
    return found


def roll_up_frame(
    frame: pl.DataFrame, ontology: Ontology, *, to: str | Iterable[str], explode: bool = False
) -> pl.DataFrame:
    """Returns the frame with ``rollup_code`` and ``rollup_name``, both null where there is no target.

    Args:
        frame: has a column ``code``; null codes stay.
        ontology: the release that the codes are from.
        to: as in :func:`roll_up`.
        explode: gives each target of a code a row of its own. Otherwise several are joined with ``|`` in one row.
    """
    coded = frame["code"].is_not_null()
    rows, which = _nearest(_positions(frame["code"].drop_nulls(), ontology), ontology, to)
    rows.sort_indices()
    columns = {"rollup_code": "code", "rollup_name": "name"}
    listed = pl.DataFrame({"set": _row_of_each(rows)}).with_columns(
        *(ontology.concepts[old].gather(rows.indices).alias(new) for new, old in columns.items())
    )
    together = pl.all() if explode else pl.all().str.join("|")
    sets = listed.group_by("set", maintain_order=True).agg(together)
    place = np.full(rows.shape[0] + 1, -1, dtype=np.int64)  # of a set in ``sets``, -1 for the empty one and no code
    place[sets["set"].to_numpy()] = np.arange(sets.height)
    at = np.full(frame.height, -1, dtype=np.int64)
    at[coded.to_numpy()] = place[which]
    found = pl.Series(at)
    rolled = sets.select(pl.col(columns).gather(found.set(found < 0, None)))
    kept = frame.drop("rollup_code", "rollup_name", strict=False).with_columns(rolled.get_columns())
    return kept.explode(*columns) if explode else kept


def roll_up_scores(
    frame: pl.DataFrame,
    ontology: Ontology,
    *,
    to: str | Iterable[str] | None,
    how: Literal["max", "sum"] = "max",
    by: Sequence[str] = (),
) -> pl.DataFrame:
    """Returns the score of every target that the codes reach.

    Nothing is counted twice: a code reaches a target once, however many paths lead there, and with ``how="sum"`` each
    distinct piece of evidence (a mention, say) counts once for a target, with its best score among the codes below.

    Args:
        frame: ``code, score`` and, if rows share evidence, ``evidence``; without it every row is its own evidence.
        ontology: the release that the codes are from.
        to: as in :func:`roll_up`; None means every concept above a code, and the code itself.
        how: the best score or the sum over distinct evidence.
        by: columns that keep apart what belongs to different notes, such as ``["note_id"]``.

    Returns:
        The columns of ``by`` and ``node, code, name, score, n_evidence``, best score first.
    """
    if how not in ("max", "sum"):
        raise InputError("how is unknown", got=repr(how), expected="'max' or 'sum'")
    keys = [*by, "node"]
    evidence = pl.col("evidence") if "evidence" in frame.columns else pl.int_range(pl.len())
    rows = frame.select(*by, "code", "score", evidence=evidence).drop_nulls("code")
    pairs = _pairs(rows["code"].unique(maintain_order=True), ontology, to)
    reached = rows.join(pairs, on="code", how="inner")
    best = reached.group_by(*keys, "evidence", maintain_order=True).agg(pl.col("score").max())
    combined = pl.col("score").max() if how == "max" else pl.col("score").sum()
    scores = (
        best.group_by(keys, maintain_order=True)
        .agg(combined, n_evidence=pl.len())
        .with_columns(_code_and_name(ontology))
    )
    scores = scores.rename({"rollup_code": "code", "rollup_name": "name"})
    ordered = scores.sort([*by, "score", "node"], descending=[*([False] * len(by)), True, False])
    return ordered.select(*by, "node", "code", "name", "score", "n_evidence")


def best_cut(
    frame: pl.DataFrame,
    ontology: Ontology,
    *,
    threshold: float,
    how: Literal["max", "sum"] = "sum",
    by: Sequence[str] = (),
) -> pl.DataFrame:
    """Returns the most specific concepts whose support passes a threshold: none of them subsumes another.

    The one root of a hierarchy ("SNOMED CT Concept", "All") is never the answer: it says nothing.

    Scattered weak evidence for E11.21, E11.22 and E11.29 may not do for any of them, but do for E11.2.

    Args:
        frame: as in :func:`roll_up_scores`.
        ontology: the release that the codes are from.
        threshold: least support, in the unit of ``score``.
        how: support of a concept is the best score at or below it, or the sum over distinct evidence.
        by: as in :func:`roll_up_scores`.

    Returns:
        The columns of :func:`roll_up_scores`, for the chosen concepts.
    """
    passing = roll_up_scores(frame, ontology, to=None, how=how, by=by).filter(pl.col("score") >= threshold)
    if (root := ontology.dag.root) is not None:
        passing = passing.filter(pl.col("node") != ontology.nodes[root])
    above = _pairs(passing["node"].unique(maintain_order=True), ontology, None)
    above = above.filter(pl.col("code") != pl.col("node"))  # every passing node with each concept over it
    covered = passing.select(*by, code="node").join(above, on="code", how="inner").select(*by, "node")
    return passing.join(covered, on=[*by, "node"], how="anti", maintain_order="left")


def closure(ontology: Ontology) -> sparse.csr_array:
    """Returns the transitive closure: true where the column's concept is an ancestor of the row's.

    *Shape:* (n_concepts, n_concepts), bool, rows and columns in the order of ``ontology.concepts``.
    """
    everything = np.arange(ontology.dag.n_nodes)
    marked = np.ones(ontology.dag.n_nodes, dtype=np.bool_)
    return _without_self(_marks_above(ontology.dag, everything, marked), everything)


# -- codes and targets as positions -----------------------------------------------------------------------------------


def _positions(codes: Sequence[str] | pl.Series, ontology: Ontology) -> Ints:
    try:
        given = pl.Series(codes, dtype=pl.String)
    except TypeError:
        raise InputError("codes are texts, never numbers", got=type(codes[0]).__name__, expected="str") from None
    if given.null_count():
        raise InputError("a code is missing", got="None", expected="a code on every row")
    found = ontology.rows_of(given)
    if found.null_count():  # other spellings
        found = ontology.rows_of(pl.Series(ontology.nodes_of(given), dtype=pl.String))
    return found.to_numpy()


def _distinct(positions: Ints, n_nodes: int) -> tuple[Ints, Ints]:
    """The distinct positions, ascending, and the row of each position among them."""
    seen = np.zeros(n_nodes, dtype=np.bool_)
    seen[positions] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[positions]


def _targets(ontology: Ontology, to: str | Iterable[str]) -> Flags:
    concepts = ontology.concepts
    active = concepts["active"].to_numpy()
    if not isinstance(to, str):
        marked = np.zeros(concepts.height, dtype=np.bool_)
        given = _positions(list(to), ontology)
        marked[given] = True
        if not active[given].all():
            old = given[_replaced(ontology)[given]]
            marked[old] = False
            marked[ontology.dag_with_history.up.of_many(old)] = True
    elif to.startswith("depth:") and to[6:].isdigit():
        marked = (ontology.dag.depths == int(to[6:])) & active
    else:
        named = pl.col("kind") == to
        if "semantic_tag" in concepts.columns:
            tag = pl.col("semantic_tag")
            named |= (tag == to) | tag.str.contains(f"(^|; ){re.escape(to)}(; |$)")  # the UMLS gives several
        marked = concepts.select(named.fill_null(value=False)).to_series().to_numpy() & active
    if not marked.any():
        raise InputError("no concept to roll up to", got=repr(to), expected=_choices(ontology))
    return marked


def _choices(ontology: Ontology) -> str:
    columns = [name for name in ("kind", "semantic_tag") if name in ontology.concepts.columns]
    names = [pl.Series(name, ontology.concepts[name].drop_nulls().str.split("; ").explode()) for name in columns]
    common = [name for column in names for name in column.value_counts(sort=True)[column.name].head(8)]
    return f"codes, depth:N, or one of {', '.join(common)}"


def _pairs(codes: pl.Series, ontology: Ontology, to: str | Iterable[str] | None) -> pl.DataFrame:
    """``code, node``: the codes with each of their targets, or with everything above and themselves."""
    positions = _positions(codes, ontology)
    if to is None:
        dag = _dag_of(positions, ontology)
        marked = np.ones(dag.n_nodes, dtype=np.bool_) if dag is ontology.dag else ~_replaced(ontology)
        rows = _marks_above(dag, positions, marked)
    else:
        distinct, which = _nearest(positions, ontology, to)
        rows = distinct[which]
    rows.sort_indices()
    repeated = _row_of_each(rows)
    nodes = ontology.concepts["node"].gather(rows.indices)
    return pl.DataFrame({"code": codes.gather(repeated), "node": nodes})


def _code_and_name(ontology: Ontology) -> list[pl.Expr]:
    columns = (("rollup_code", "code"), ("rollup_name", "name"))
    keys = ontology.concepts["node"]
    return [
        pl.col("node").replace_strict(keys, ontology.concepts[column], return_dtype=pl.String).alias(name)
        for name, column in columns
    ]


# -- sets going down the hierarchy ------------------------------------------------------------------------------------


def _dag_of(positions: Ints, ontology: Ontology) -> Dag:
    """The hierarchy, with what replaced inactive concepts if any is asked for."""
    return ontology.dag if ontology.concepts["active"].to_numpy()[positions].all() else ontology.dag_with_history


def _replaced(ontology: Ontology) -> Flags:
    """Which concepts have given way to others. *Shape:* (n_nodes,)."""
    before, after = (np.diff(dag.up.starts) for dag in (ontology.dag, ontology.dag_with_history))
    return np.asarray(before != after)


def _nearest(positions: Ints, ontology: Ontology, to: str | Iterable[str]) -> tuple[sparse.csr_array, Ints]:
    """Sets of nearest targets, and which of them is each position's. *Shapes:* (n_sets, n_nodes), (n_positions,).

    Most concepts share their set with the only parent that they have, and most others with yet others, so that far
    fewer sets have to be worked out than there are concepts.
    """
    dag, targets = _dag_of(positions, ontology), _targets(ontology, to)
    heads = _heads(dag, targets)
    wanted, back = _distinct(heads[positions], dag.n_nodes)
    first, which = _different(_marks_above(dag, wanted, targets, heads=heads))
    return _lowest(dag, first), which[back]


def _heads(dag: Dag, ends: Flags) -> Ints:
    """For each node the highest that it has the same ends above as, going up while there is one parent and no end."""
    single = (np.diff(dag.up.starts) == 1) & ~ends
    heads = np.arange(dag.n_nodes)
    heads[single] = dag.up.flat[dag.up.starts[:-1][single]]
    while not np.array_equal(further := heads[heads], heads):
        heads = further
    return heads


def _different(rows: sparse.csr_array) -> tuple[sparse.csr_array, Ints]:
    """The different rows, and which of them each row is.

    Rows are compared by the sum, in 64 bits, of random numbers that stand for their columns: among a million different
    rows two agree by chance in one of thirty million cases.
    """
    numbers = np.random.default_rng(0).integers(0, 2**64 - 1, rows.shape[1], dtype=np.uint64, endpoint=True)
    sums = np.zeros(len(rows.indices) + 1, dtype=np.uint64)
    np.cumsum(numbers[rows.indices], out=sums[1:])
    _, first, which = np.unique(sums[rows.indptr[1:]] - sums[rows.indptr[:-1]], return_index=True, return_inverse=True)
    return rows[first], which


def _lowest(dag: Dag, first: sparse.csr_array) -> sparse.csr_array:
    """The same sets without those that lie above others of their set, first met on different paths."""
    several = np.flatnonzero(np.diff(first.indptr) > 1)
    if not len(several):
        return first
    rows = first[several]
    met = np.unique(rows.indices)
    among = np.zeros(dag.n_nodes, dtype=np.bool_)
    among[met] = True
    above = _without_self(_marks_above(dag, met, among), met)
    local, above = (_flags(m.indptr, np.searchsorted(met, m.indices), len(met)) for m in (rows, above))
    lowest = (local > local @ above).tocsr()
    from scipy import sparse

    alone = np.setdiff1d(np.arange(first.shape[0]), several, assume_unique=True)
    order = np.argsort(np.concatenate((alone, several)), kind="stable")
    lowest = _flags(lowest.indptr, met[lowest.indices], dag.n_nodes)
    return sparse.vstack((first[alone], lowest), format="csr")[order]


def _marks_above(dag: Dag, wanted: Ints, marked: Flags, *, heads: Ints | None = None) -> sparse.csr_array:
    """The marked positions at and above each wanted one; with ``heads``, none above a marked one on the same path.

    The set of a node is the union of its parents' sets, and itself if marked: one sparse product for each level.
    With ``heads`` only these take part, and each stands for the nodes that it heads.
    """
    ends = np.zeros(dag.n_nodes, dtype=np.bool_) if heads is None else marked
    heads = np.arange(dag.n_nodes) if heads is None else heads
    order = dag.by_level[_at_and_above(dag, wanted, ends, heads)[dag.by_level]]
    place = np.full(dag.n_nodes, -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    indptr, indices = np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32)
    for nodes in np.split(order, np.flatnonzero(np.diff(dag.levels[order])) + 1):
        links = dag.up.starts[nodes + 1] - dag.up.starts[nodes]
        links[ends[nodes]] = 0
        parents = place[heads[dag.up.of_many(nodes[links > 0])]]
        sets = _flags(_starts(links), parents, len(indptr) - 1) @ _flags(indptr, indices, dag.n_nodes)
        own = marked[nodes]
        indices = np.concatenate((indices, np.insert(sets.indices, sets.indptr[1:][own], nodes[own])))
        indptr = np.concatenate((indptr, indptr[-1] + sets.indptr[1:] + np.cumsum(own)))
    return _flags(indptr, indices, dag.n_nodes)[place[wanted]]


def _at_and_above(dag: Dag, wanted: Ints, ends: Flags, heads: Ints) -> Flags:
    """The wanted positions and all heads above them, walking on from none of the ends. *Shape:* (n_nodes,)."""
    seen = np.zeros(dag.n_nodes, dtype=np.bool_)
    front = wanted
    while len(front):
        seen[front] = True
        reached = np.zeros(dag.n_nodes, dtype=np.bool_)
        reached[heads[dag.up.of_many(front[~ends[front]])]] = True
        front = np.flatnonzero(reached & ~seen)
    return seen


# -- sets of positions as sparse rows ---------------------------------------------------------------------------------


def _flags(indptr: NDArray[Any], indices: NDArray[Any], n_columns: int) -> sparse.csr_array:
    """True at the given columns of each row; in 32-bit numbers where they do, as scipy looks through 64-bit ones."""
    from scipy import sparse

    small = np.int32 if max(len(indices), n_columns) < 2**31 else np.int64
    columns, starts = indices.astype(small, copy=False), indptr.astype(small, copy=False)
    return sparse.csr_array(
        (np.ones(len(columns), dtype=np.bool_), columns, starts), shape=(len(starts) - 1, n_columns)
    )


def _starts(counts: Ints | Flags) -> Ints:
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))


def _row_of_each(rows: sparse.csr_array) -> Ints:
    return np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))


def _filtered(rows: sparse.csr_array, keep: Flags) -> sparse.csr_array:
    return _flags(_starts(keep)[rows.indptr], rows.indices[keep], rows.shape[1])


def _without_self(rows: sparse.csr_array, owners: Ints) -> sparse.csr_array:
    return _filtered(rows, rows.indices != owners[_row_of_each(rows)])
