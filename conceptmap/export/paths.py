"""The way from a concept up to its chapter, for reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from conceptmap.errors import InputError

if TYPE_CHECKING:
    from conceptmap.index.index import ConceptIndex

__all__ = ["PathOf", "paths_of"]

PathOf = Callable[[str, str], Sequence[tuple[str, str]]]
"""``path(system, code)``: codes and names from the top of the hierarchy down to the concept's parent."""


def paths_of(path: Callable[[str, str], Sequence[tuple[str, str]]], indexes: Iterable[ConceptIndex] = ()) -> PathOf:
    """The steps above a concept; none for a code that no index holds. A code that its name repeats is said once.

    Args:
        path: ``ConceptMapper.path``, which ends with the concept itself.
        indexes: a root that is above everything in one of these says nothing and is left out.
    """
    sole_roots = {index.system: root for index in indexes if (root := _sole_root(index))}

    @lru_cache(maxsize=1 << 16)
    def above(system: str, code: str) -> tuple[tuple[str, str], ...]:
        try:
            steps = tuple(path(system, code))[:-1]
        except InputError:
            return ()
        steps = steps[1:] if steps and steps[0][0] == sole_roots.get(system) else steps
        return tuple((code, name.removesuffix(f" ({code})")) for code, name in steps)

    return above


def _sole_root(index: ConceptIndex) -> str | None:
    roots = index.edges.join(index.edges, left_on="parent", right_on="child", how="anti")["parent"].unique()
    return str(roots[0]) if len(roots) == 1 else None
