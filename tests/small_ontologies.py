"""Small ontologies and random hierarchies that the tests of the hierarchy share."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from hypothesis import strategies as st

from conceptmap.ontology.ontology import Ontology

Edge = tuple[str, str]


def ontology_of(edges: Sequence[Edge], *, extra: Sequence[str] = (), inactive: Sequence[str] = ()) -> Ontology:
    """An ontology with these edges between concepts named like their nodes, in alphabetical order."""
    nodes = sorted({node for edge in edges for node in edge} | set(extra))
    concepts = pl.DataFrame({"node": nodes, "code": nodes, "name": nodes}, schema_overrides={"node": pl.String})
    concepts = concepts.with_columns(
        kind=pl.when(pl.col("node").str.starts_with("t")).then(pl.lit("target")).otherwise(pl.lit("concept")),
        active=~pl.col("node").is_in(list(inactive)),
        billable=pl.lit(None, dtype=pl.Boolean),
    )
    terms = concepts.filter("active").select("node", "code", term="name", kind=pl.lit("preferred"))
    rows = pl.DataFrame(list(edges), schema={"parent": pl.String, "child": pl.String}, orient="row")
    return Ontology("test", "2099", concepts, terms, rows)


@st.composite
def dags(draw: st.DrawFn, max_nodes: int = 9) -> list[Edge]:
    """Edges of a random hierarchy whose numbering does not give the order away."""
    size = draw(st.integers(1, max_nodes))
    names = draw(st.permutations([f"n{number}" for number in range(size)]))
    pairs = [(names[low], names[high]) for high in range(size) for low in range(high)]
    return draw(st.lists(st.sampled_from(pairs), unique=True, max_size=2 * size)) if pairs else []
