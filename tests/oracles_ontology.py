"""Slow and obvious answers to hierarchy questions, which the fast ones are held against."""

from __future__ import annotations

from collections.abc import Iterable

Edges = Iterable[tuple[str, str]]


def ancestors(node: str, edges: Edges) -> set[str]:
    """Every node above, by walking up until nothing new turns up."""
    found: set[str] = set()
    while True:
        more = {parent for parent, child in edges if child == node or child in found}
        if more <= found:
            return found
        found |= more


def nearest(node: str, edges: Edges, targets: set[str]) -> set[str]:
    """Targets at or above the node that are above no other such target."""
    reached = ({node} | ancestors(node, edges)) & targets
    return {target for target in reached if not any(target in ancestors(other, edges) for other in reached)}


def support(rows: Iterable[tuple[str, float, str]], node: str, edges: Edges, how: str) -> float | None:
    """Best score, or sum over distinct evidence, of the (code, score, evidence) rows at or below the node."""
    best: dict[str, float] = {}
    for code, score, evidence in rows:
        if code == node or node in ancestors(code, edges):
            best[evidence] = max(score, best.get(evidence, score))
    if not best:
        return None
    return max(best.values()) if how == "max" else sum(best.values())
