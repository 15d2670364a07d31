"""What ``probe`` found as a page without scripts: wordings by contexts, figures, what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from conceptmap.export.figures.evaluation import dot, once
from conceptmap.export.html import page
from conceptmap.export.report.marks import SHARES

__all__ = ["probe_page"]

EXAMPLES = 60
"""Probes that failed and are shown."""


class _Cell(NamedTuple):
    """A share, and the class of how much is lacking."""

    share: str
    n: str
    shade: int


def probe_page(
    rows: pl.DataFrame,
    scores: Mapping[str, Mapping[str, float]],
    intervals: Mapping[tuple[str, str], tuple[float, float]],
    kinds: Sequence[tuple[str, str, int]],
    *,
    wordings: Sequence[str],
    contexts: Sequence[str],
    facts: Sequence[str],
) -> str:
    """Returns the page.

    Args:
        rows: a row per probe, schema ``probing.found.PROBES``.
        scores: the figures of them.
        intervals: of the figures.
        kinds: what went wrong, in which wording, how often.
        wordings: in their order.
        contexts: likewise.
        facts: shown below the title.
    """
    counts = scores["counts"]
    there = [name for name in wordings if rows["wording"].is_in([name]).any()]
    right = pl.col("same_concept") & pl.col("right_context").fill_null(value=False)
    flags = {"The same concept, in the right context": right, "The same concept": pl.col("same_concept")}
    if rows["nearest_same"].is_not_null().any():
        flags["The same concept nearest to the words' vectors"] = pl.col("nearest_same")
    dots = [
        dot(section, name, value, intervals.get((section, name)))
        for section, figures in scores.items()
        if section != "counts"
        for name, value in figures.items()
    ]
    failed = rows.filter(~right).sort("wording", "context", "code")
    step = max(1, failed.height // EXAMPLES)
    examples = failed.gather_every(step).head(EXAMPLES)
    shown = ["text", "name", "found", "found_name", "context", "found_context"]
    return "".join(
        page(
            "probe.html",
            title="Probes",
            facts=[*facts, f"{counts['concepts']:,} concepts", f"{counts['probes']:,} probes"],
            contexts=contexts,
            tables=[
                (title, [(name, _cells(rows, flag, name, contexts)) for name in there]) for title, flag in flags.items()
            ],
            figures=list(once(dots)),
            kinds=[(what, how, f"{n:,}") for what, how, n in kinds[:EXAMPLES]],
            heads=[name.replace("_", " ") for name in shown],
            examples=examples.select(pl.col(shown).fill_null("")).rows(),
            n_failed=f"{failed.height:,}",
        )
    )


def _cells(rows: pl.DataFrame, flag: pl.Expr, wording: str, contexts: Sequence[str]) -> list[_Cell]:
    cells = []
    for context in contexts:
        some = rows.filter((pl.col("wording") == wording) & (pl.col("context") == context)).select(flag.alias("x"))["x"]
        share = float(some.drop_nulls().mean() or 0.0)  # type: ignore[arg-type]
        cells.append(_Cell(f"{100 * share:.0f} %", f"{some.len():,}", round(SHARES * (1 - share))))
    return cells
