"""Ontology: concepts, terms and the parent→child hierarchy of one release, checked once and frozen.

Frames (Polars; readers fill them, ``ConceptIndex`` keeps them):

- ``concepts``: ``node, code, kind, name, active, billable`` and further columns by system. ``node`` is the key of the
  graph: the code itself, unless a chapter or block has the code of a category (``block:B20`` beside ``B20``).
- ``terms``: ``node, code, term, kind``. An active concept's name is one of its terms, of kind ``preferred``. Inactive
  concepts and 7th-character expansions (``expanded`` in ``concepts``) have no terms, so that no text finds them.
- ``edges``: ``parent, child``, nodes.
- ``maps``: ``code, target_system, target_code`` and whatever else the release says of a map.
- ``remarks``: ``node, code, kind, text``: definitions, exclusions, coding instructions.
- ``situations``: ``node, finding, context, general, defined``: see ``conceptmap/situations``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from conceptmap.errors import InputError, UnknownCodeError, said_codes, said_columns
from conceptmap.ontology.checks import FRAMES, check_acyclic, check_columns, check_nodes, none
from conceptmap.ontology.concepts import SYSTEMS, check_code
from conceptmap.ontology.dag import Dag
from conceptmap.ontology.number_index import NumberedRows, places_in
from conceptmap.ontology.search import Concept, check_query, found_by_words

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Ontology"]

_SEARCHED = {
    "code": pl.String,
    "name": pl.String,
    "term": pl.String,
    "confidence": pl.Float64,
    "kind": pl.String,
    "billable": pl.Boolean,
    "path": pl.String,
}


@dataclass(frozen=True, eq=False)
class Ontology:
    """One release of a system. Methods take a code or a node and answer with nodes.

    Attributes:
        system: prefix, such as ``icd10cm``.
        release: version of the release, carried by every exported row.
        concepts: a row per concept; see the module's first lines for the columns.
        terms: a row per naming string.
        edges: a row per is-a edge.
        maps: a row per map to another system, or None.
        remarks: a row per definition or instruction, or None.
        situations: a row per concept that the release defines as a finding in a context, or None.

    Raises:
        InputError: at construction, when frames lack columns, nodes repeat, edges or terms lead nowhere, or
            the hierarchy has a cycle.
    """

    system: str
    release: str
    concepts: pl.DataFrame
    terms: pl.DataFrame
    edges: pl.DataFrame
    maps: pl.DataFrame | None = None
    remarks: pl.DataFrame | None = None
    situations: pl.DataFrame | None = None

    def __post_init__(self) -> None:
        check_columns({name: getattr(self, name) for name in FRAMES})
        check_nodes(self.concepts, self.terms, self.edges, dag=lambda: self.dag, rows_of=self.rows_of)
        check_acyclic(self.dag, self.edges)

    def __repr__(self) -> str:
        sizes = f"{self.concepts.height:,} concepts, {self.terms.height:,} terms, {self.edges.height:,} edges"
        return f"Ontology({self.system!r}, release {self.release!r}, {sizes})"

    def __len__(self) -> int:
        return self.concepts.height

    def __iter__(self) -> Iterator[str]:
        return iter(self.nodes)

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and self.find(code) is not None

    def __getitem__(self, code: str) -> Concept:
        """The concept of a code, written as `node` understands it; an unknown one is an `UnknownCodeError`."""
        node = self.node(code)
        row = self.concepts.row(self.positions[node], named=True)
        own = self.terms.filter(pl.col("node") == node).sort(pl.col("kind") != "preferred", maintain_order=True)
        said = {name: row[name] for name in ("active", "billable")}
        terms, path = tuple(own["term"].to_list()), tuple(self.path(node))
        return Concept(row["code"], row["name"], row["kind"], node, **said, terms=terms, path=path)

    def search(self, query: str, *, k: int = 10) -> pl.DataFrame:
        """Concepts by words of their names and synonyms, best first: see `ontology/search.py`.

        Args:
            query: words in any order, or a code.
            k: most concepts.

        Returns:
            ``code, name, term`` (the words that were found), ``confidence`` (how alike they are, 0 to 1), ``kind``,
            ``billable`` and ``path`` (names from the top down to the concept's parent).
        """
        node = self.find(check_query(query))
        found = [(node, query.strip(), 1.0)] if node else found_by_words(self.terms, query).head(k).rows()
        rows = []
        for at, term, share in ((self.positions[node], term, share) for node, term, share in found):
            named = (self._column("code")[at], self._column("name")[at], term, share, self._column("kind")[at])
            way = " › ".join(f"{code} {name}" for code, name in self.path(self.nodes[at])[:-1])
            rows.append((*named, self._column("billable")[at], way))
        return pl.DataFrame(rows, schema=_SEARCHED, orient="row")

    # -- where a code is ------------------------------------------------------------------------------------------

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """All nodes in the order of ``concepts``."""
        return tuple(self.concepts["node"].to_list())

    @cached_property
    def positions(self) -> dict[str, int]:
        """Row of each node in ``concepts``."""
        return {node: position for position, node in enumerate(self.nodes)}

    @cached_property
    def dag(self) -> Dag:
        """The edges over rows of ``concepts``."""
        parents, children = (self.rows_of(self.edges[side]) for side in ("parent", "child"))
        for side, rows in (("parent", parents), ("child", children)):
            if rows.null_count():
                none(self.edges[side].filter(rows.is_null()), f"edges have a {side} that is no concept")
        return Dag(self.concepts.height, parents.to_numpy(), children.to_numpy())

    @cached_property
    def dag_with_history(self) -> Dag:
        """The edges, and over each inactive concept that has none those that replaced it, or that it was below.

        See :meth:`current`.
        """
        dag = self.dag
        heirs = [name for name in ("replaced_by", "was_below") if name in self.concepts.columns]
        if not heirs:
            return dag
        active = self.concepts["active"].to_numpy()
        bare = ~active & (np.diff(dag.up.starts) == 0) & (np.diff(dag.down.starts) == 0)
        told = [pl.when(pl.col(name).list.len() > 0).then(name) for name in heirs]
        found = self.concepts.select(heir=pl.coalesce(told), child=pl.int_range(pl.len())).filter(pl.Series(bare))
        found = found.drop_nulls().explode("heir").drop_nulls()
        found = found.with_columns(parent=self.rows_of(found["heir"])).drop_nulls()
        parents, children = found["parent"].to_numpy(), found["child"].to_numpy()
        parents, children = parents[active[parents]], children[active[parents]]
        return Dag(dag.n_nodes, np.concatenate((dag.parents, parents)), np.concatenate((dag.children, children)))

    @cached_property
    def _codes(self) -> dict[str, list[str]]:
        """Nodes by the codes that are not their node's name, or are other ids of the same concept."""
        shared = self.concepts.filter(pl.col("node") != pl.col("code")).select("code", "node")
        found: dict[str, list[str]] = {}
        for code, node in shared.iter_rows():
            found.setdefault(code, []).append(node)
        if "alt_ids" in self.concepts.columns:
            others = self.concepts.select("alt_ids", "node").explode("alt_ids").drop_nulls()
            for code, node in others.iter_rows():
                found.setdefault(code, []).append(node)
        return found

    def rows_of(self, nodes: pl.Series) -> pl.Series:
        """Returns the rows of nodes in ``concepts``, null where there is none.

        A few are looked up one by one, many at once: a million single look-ups wait for the memory half a second.
        """
        if 0 < len(nodes) * 20 < self.concepts.height:
            return pl.Series(map(self.positions.get, nodes.to_list()), dtype=pl.Int64)
        return places_in(self.concepts["node"], nodes, self._numbered)

    @cached_property
    def _numbered(self) -> NumberedRows | None:
        return NumberedRows.of(self.concepts["node"])

    def node(self, code: str, kind: str | None = None) -> str:
        """Returns the node of a code: of that kind, else the one whose node is the code itself.

        Another spelling of the code (``e119``) and another id of the concept (OBO's ``alt_id``) are understood.

        Raises:
            UnknownCodeError: no such concept; the message suggests close ones.
        """
        if (node := self._find(code, kind)) is not None:
            return node
        wanted = "concept" if kind is None else kind
        raise UnknownCodeError(
            f"no such {wanted} in {self.system} {self.release}", got=said_codes([code]), then=self._advice(code)
        )

    def nodes_of(self, codes: Iterable[str]) -> list[str]:
        """Returns the node of each code.

        Raises:
            UnknownCodeError: codes that this release does not hold; the message counts them.
        """
        codes = list(codes)
        found = {code: self._find(code) for code in dict.fromkeys(codes)}
        unknown = [code for code, node in found.items() if node is None]
        if len(unknown) > 1:
            got = said_codes(unknown, 5)
            raise UnknownCodeError(f"{len(unknown)} codes are not in {self.system} {self.release}", got=got)
        return [found[code] or self.node(code) for code in codes]

    def find(self, code: str) -> str | None:
        """Returns the node of a code as people write it, blanks and a missing point forgiven; None where there is none.

        A node comes as it is, so that codes which only look alike (``1.0``, ``10``) stay apart.
        """
        return self._find(code) or self._find("".join(code.split()))

    def _find(self, code: str, kind: str | None = None) -> str | None:
        for spelling in dict.fromkeys((code, self._normal(code))):
            found = [spelling] if spelling in self.positions else []
            found += self._codes.get(spelling, [])
            if kind is not None:
                found = [node for node in found if self._column("kind")[self.positions[node]] == kind]
            if found:
                return found[0]
        return None

    def _normal(self, code: str) -> str:
        if self.system not in SYSTEMS:
            return code
        try:
            return check_code(self.system, code)
        except InputError:
            return code

    def _advice(self, code: str) -> str | None:
        """Close nodes among the alphabetical neighbours: looking at all of SNOMED CT would take seconds."""
        ordered = self._sorted_nodes
        at = bisect_left(ordered, self._normal(code))
        close = get_close_matches(self._normal(code), ordered[max(0, at - 200) : at + 200], n=3)
        return f"did you mean {', '.join(close)}?" if close else None

    @cached_property
    def _sorted_nodes(self) -> list[str]:
        return sorted(self.nodes)

    def _column(self, name: str) -> list[Any]:
        """A column of ``concepts`` as a list, kept."""
        if name not in self._lists:
            self._lists[name] = self.concepts[name].to_list()
        return self._lists[name]

    @cached_property
    def _lists(self) -> dict[str, list[Any]]:
        return {}

    def _at(self, code: str) -> int:
        return self.positions[self.node(code)]

    def _named(self, positions: Iterable[int]) -> frozenset[str]:
        nodes = self.nodes
        return frozenset(nodes[position] for position in positions)

    def is_expanded(self, code: str) -> bool:
        """Says whether a concept is a 7th-character expansion, which has no terms of its own."""
        return "expanded" in self.concepts.columns and bool(self._column("expanded")[self._at(code)])

    def current(self, code: str) -> frozenset[str]:
        """Returns what a code means today: itself if active, else the active concepts that replaced it, if any.

        Concepts that an inactive one may only *possibly* be are in the column ``consider`` of ``concepts``.
        """
        here = self._at(code)
        if self._column("active")[here]:
            return frozenset((self.nodes[here],))
        heirs = self._column("replaced_by")[here] if "replaced_by" in self.concepts.columns else None
        found = (self.positions.get(heir) for heir in heirs or ())
        return frozenset(self.nodes[at] for at in found if at is not None and self._column("active")[at])

    # -- the hierarchy --------------------------------------------------------------------------------------------

    @cached_property
    def graph(self) -> nx.DiGraph:
        """The hierarchy as a frozen ``networkx.DiGraph``, edges parent→child, built on first use."""
        import networkx as nx  # takes a third of a second, and most runs need no graph

        graph = nx.DiGraph()
        graph.add_nodes_from(self.nodes)
        graph.add_edges_from(self.edges.select("parent", "child").iter_rows())
        return nx.freeze(graph)

    def name(self, code: str) -> str:
        """Returns the preferred name."""
        return str(self._column("name")[self._at(code)])

    def path(self, code: str) -> list[tuple[str, str]]:
        """Returns one way from a root down to the concept, itself last: (code, name) each."""
        at, way = self._at(code), []
        while True:
            way.append((self._column("code")[at], self._column("name")[at]))
            above = self.dag.up.of_many(np.array([at]))
            if not len(above):
                return way[::-1]
            at = int(above[0])

    def parents(self, code: str) -> frozenset[str]:
        """Returns the concepts one edge above."""
        return self._named(self.dag.up.of_many(np.array([self._at(code)])))

    def children(self, code: str) -> frozenset[str]:
        """Returns the concepts one edge below."""
        return self._named(self.dag.down.of_many(np.array([self._at(code)])))

    def ancestors(self, code: str) -> frozenset[str]:
        """Returns every concept above, itself left out."""
        return self._named(self.dag.up.reached(self._at(code)))

    def descendants(self, code: str) -> frozenset[str]:
        """Returns every concept below, itself left out."""
        return self._named(self.dag.down.reached(self._at(code)))

    def is_a(self, code: str, ancestor: str) -> bool:
        """Says whether a concept is the other one or lies below it."""
        here, above = self._at(code), self._at(ancestor)
        return here == above or above in self.dag.up.reached(here)

    def depth(self, code: str) -> int:
        """Returns the number of edges on the shortest path from a root; roots have depth 0."""
        return int(self.dag.depths[self._at(code)])

    def lowest_common_ancestors(self, *codes: str) -> frozenset[str]:
        """Returns the concepts that subsume all of these and subsume no other such concept.

        A concept subsumes itself: of a concept and its ancestor the answer is the ancestor.
        """
        if not codes:
            raise InputError("no codes to find common ancestors of", expected="one code or more")
        up = self.dag.up.reached
        common = reduce(frozenset.__and__, (up(at) | {at} for at in map(self._at, codes)))
        return self._named(common.difference(*(up(at) for at in common)))

    # -- another ontology out of this one -------------------------------------------------------------------------

    def with_terms(self, extra: pl.DataFrame) -> Ontology:
        """Returns the same release with more terms; those it has already are left out.

        Args:
            extra: ``code, term`` and, if not all are synonyms, ``kind``; further columns are kept. A code means the
                node of that code.

        Raises:
            InputError: columns are missing or a term is empty.
            UnknownCodeError: codes that this release does not hold; the message counts them.
        """
        if missing := {"code", "term"} - set(extra.columns):
            raise InputError(
                "extra terms lack columns", got=said_columns(extra.columns), expected=", ".join(sorted(missing))
            )
        kinds = extra["kind"] if "kind" in extra.columns else pl.Series(["synonym"] * extra.height, dtype=pl.String)
        others = extra.drop("code", "term", "kind", strict=False)
        added = extra.select(pl.col("code").cast(pl.String), pl.col("term").str.strip_chars(), kind=kinds)
        if added.select(pl.any_horizontal(pl.all().is_null().any()) | (pl.col("term") == "").any()).item():
            raise InputError("extra terms hold an empty code, term or kind", expected="all three on every row")
        added = added.with_columns(node=pl.Series(self.nodes_of(added["code"].to_list()), dtype=pl.String))
        added = added.with_columns(*others, code=self.concepts["code"].gather(self.rows_of(added["node"])))
        terms = pl.concat([self.terms, added], how="diagonal").unique(
            ["node", "term"], keep="first", maintain_order=True
        )
        return replace(self, terms=terms)
