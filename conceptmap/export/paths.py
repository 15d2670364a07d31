"""The way from a concept up to its chapter, for reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from conceptmap.errors import UnknownCodeError

if TYPE_CHECKING:
    from conceptmap.ontology import Ontology

__all__ = ["PathOf", "paths_of"]

PathOf = Callable[[str, str], Sequence[tuple[str, str]]]
"""``path(system, code)``: codes and names from the top of the hierarchy down to the concept's parent."""


def paths_of(ontologies: Iterable[Ontology]) -> PathOf:
    """One path to the top for every concept of these ontologies; empty for a code that none of them holds.

    Of several parents the one nearest to a root is taken, then the first in code order. A root that is above
    everything says nothing and is left out.
    """
    by_system = {ontology.system: ontology for ontology in ontologies}
    sole_roots = {system: _sole_root(ontology) for system, ontology in by_system.items()}

    @lru_cache(maxsize=1 << 16)
    def path(system: str, code: str) -> tuple[tuple[str, str], ...]:
        ontology = by_system.get(system)
        if ontology is None:
            return ()
        try:
            node = ontology.node(code)
        except UnknownCodeError:
            return ()
        steps: list[tuple[str, str]] = []
        while parents := ontology.parents(node):
            node = min(parents, key=lambda parent: (ontology.depth(parent), parent))
            steps.append((node.rpartition("block:")[2], ontology.name(node)))
        if steps and steps[-1][0] == sole_roots[system]:
            steps.pop()
        return tuple(reversed(steps))

    return path


def _sole_root(ontology: Ontology) -> str | None:
    children = set(ontology.edges["child"].to_list())
    roots = [node for node in ontology.edges["parent"].unique(maintain_order=True).to_list() if node not in children]
    return roots[0] if len(roots) == 1 else None
