"""What must hold of an ontology's frames: columns, nodes that are there once, a hierarchy without cycles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice

import numpy as np
import polars as pl

from conceptmap.errors import InputError, said_columns
from conceptmap.ontology.dag import Dag

__all__ = ["FRAMES", "check_acyclic", "check_columns", "check_nodes", "none"]

FRAMES = {
    "concepts": ("node", "code", "kind", "name", "active", "billable"),
    "terms": ("node", "code", "term", "kind"),
    "edges": ("parent", "child"),
    "maps": ("code", "target_system", "target_code"),
    "remarks": ("node", "code", "kind", "text"),
    "situations": ("node", "finding", "context", "general", "defined"),
}
"""The columns that each frame of an ontology has."""


def check_columns(frames: Mapping[str, pl.DataFrame | None]) -> None:
    """Refuse frames that lack columns.

    Raises:
        InputError: names the frame and the columns.
    """
    for frame_name, columns in FRAMES.items():
        frame = frames[frame_name]
        if frame is not None and (missing := [column for column in columns if column not in frame.columns]):
            expected = f"columns {', '.join(columns)}"
            raise InputError(
                f"the {frame_name} frame lacks {', '.join(missing)}",
                got=said_columns(frame.columns),
                expected=expected,
            )


def check_nodes(
    concepts: pl.DataFrame,
    terms: pl.DataFrame,
    edges: pl.DataFrame,
    *,
    dag: Callable[[], Dag],
    rows_of: Callable[[pl.Series], pl.Series],
) -> None:
    """Refuse concepts without a name or that repeat, terms of no concept, edges that repeat.

    Args:
        concepts: as the ontology's.
        terms: likewise.
        edges: likewise.
        dag: gives the edges over rows of ``concepts``.
        rows_of: gives the rows of nodes, null where there is none.

    Raises:
        InputError: counts them and names the first.
    """
    if not concepts.height:
        raise InputError("the ontology has no concepts", then="was the right release file given?")
    keys = concepts.select("node", "code", "name")
    if keys.null_count().sum_horizontal().item():
        raise InputError("a concept lacks its node, code or name", expected="all three on every row of concepts")
    none(
        concepts.filter(pl.col("node").is_duplicated())["node"].unique(maintain_order=True),
        "nodes stand on several rows of concepts",
    )
    joined = dag()
    none(terms["node"].filter(rows_of(terms["node"]).is_null()), "terms belong to no concept")
    pairs = pl.Series(joined.parents * joined.n_nodes + joined.children)
    if pairs.n_unique() < len(pairs):
        none(edges["child"].filter(pairs.is_duplicated()), "edges stand on several rows")


def none(wrong: pl.Series, what: str) -> None:
    """Refuse nodes, if there are any.

    Raises:
        InputError: counts them and names the first.
    """
    if len(wrong):
        raise InputError(f"{len(wrong)} {what}", got=", ".join(map(str, wrong.head(5))), then="check the release files")


def check_acyclic(dag: Dag, edges: pl.DataFrame) -> None:
    """Refuse a hierarchy in which a concept is its own ancestor.

    Raises:
        InputError: shows the first cycles.
    """
    stuck = np.flatnonzero(dag.levels < 0)
    if not len(stuck):
        return
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_edges_from(edges.select("parent", "child").iter_rows())
    knots = [knot for knot in nx.strongly_connected_components(graph) if len(knot) > 1 or graph.has_edge(*[*knot] * 2)]
    rings = (
        nx.DiGraph(sorted(edge for edge in graph.edges(knot) if edge[1] in knot)) for knot in sorted(knots, key=min)
    )
    cycles = (nx.find_cycle(ring, min(ring)) for ring in rings)
    shown = "; ".join(" → ".join([*(edge[0] for edge in cycle), cycle[0][0]]) for cycle in islice(cycles, 5))
    raise InputError(
        "a concept may not be its own ancestor", got=f"{len(knots)} cycles, the first {min(5, len(knots))} are {shown}"
    )
