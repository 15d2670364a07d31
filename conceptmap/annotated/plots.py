"""Plots in one call (extra ``plots``): the codes of many notes by frequency and by chapter, tokens against concepts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import polars as pl

from conceptmap.annotated.extras import needed
from conceptmap.annotated.results import Results
from conceptmap.errors import InputError
from conceptmap.notes.given import frame_given
from conceptmap.ontology.ontology import Ontology

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["chapters_of", "plot_chapters", "plot_codes", "plot_tokens"]

CodesLike: TypeAlias = "Results | str | Path | Any"
"""Results, a frame of codes of any library, or the folder that ``conceptmap code`` wrote."""

_NEEDED = {"note_id": pl.String(), "system": pl.String(), "code": pl.String(), "name": pl.String()}
_LONGEST = 48
"""Characters of a name beside a bar."""


class HasPath(Protocol):
    """What knows where codes stand: a mapper."""

    def path(self, system: str, code: str) -> list[tuple[str, str]]:
        """The way from the root down to a code."""


def plot_codes(codes: CodesLike, *, most: int = 20, ax: Axes | None = None) -> Axes:
    """Bars of the commonest codes: in how many notes each is.

    Args:
        codes: of a run.
        most: bars.
        ax: where to draw; a new figure by default.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: these are no codes.
    """
    counted = _codes(codes).group_by("code", "name").agg(notes=pl.col("note_id").n_unique())
    rows = counted.sort("notes", "code", descending=[True, False]).head(most).iter_rows()
    return _bars([(f"{code}  {_short(name)}", notes) for code, name, notes in rows], "notes", ax)


def plot_chapters(codes: CodesLike, hierarchy: Ontology | HasPath, *, ax: Axes | None = None) -> Axes:
    """Bars of the chapters, or whatever is at the top: how many codes of notes stand below each.

    Args:
        codes: of a run.
        hierarchy: the ontology of the codes, or a mapper that has it.
        ax: where to draw; a new figure by default.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: these are no codes, or one of them is unknown.
    """
    counted = chapters_of(_codes(codes), hierarchy)
    return _bars([(f"{code}  {_short(name)}", n) for code, name, n in counted.iter_rows()], "codes of notes", ax)


def chapters_of(codes: pl.DataFrame, hierarchy: Ontology | HasPath) -> pl.DataFrame:
    """How many codes of notes stand below each top of the hierarchy: ``code, name, n``, most first."""
    pairs = codes.group_by("system", "code", maintain_order=True).len()
    tops: dict[tuple[str, str], int] = {}
    for system, code, n in pairs.iter_rows():
        way = hierarchy.path(code) if isinstance(hierarchy, Ontology) else hierarchy.path(system, code)
        tops[way[0]] = tops.get(way[0], 0) + n
    rows = sorted(((*top, n) for top, n in tops.items()), key=lambda row: (-row[2], row[0]))
    return pl.DataFrame(rows, schema={"code": pl.String, "name": pl.String, "n": pl.Int64}, orient="row")


def plot_tokens(tokens: Any, *, most: int = 15, ax: Axes | None = None) -> Axes:  # noqa: ANN401 - any library's frame
    """A heat map of tokens, in reading order, against the concepts that are nearest to any of them.

    Args:
        tokens: what ``mapper.nearest`` or ``mapper.tag`` gave.
        most: concepts, those with the highest score first.
        ax: where to draw; a new figure by default.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: these are no tokens.
    """
    types = {"token_index": pl.Int64(), "text": pl.String(), "code": pl.String(), "name": pl.String()}
    rows = frame_given(tokens, {**types, "score": pl.Float64()}, what="tokens").drop_nulls("code")
    best = rows.group_by("code", "name").agg(pl.col("score").max()).sort(-pl.col("score"), "code").head(most)
    shown = rows.join(best.select("code"), on="code", maintain_order="left")
    named = rows.unique("token_index", maintain_order=True).sort("token_index").select("token_index", "text")
    columns = {code: at for at, code in enumerate(best["code"].to_list())}
    places = {token: at for at, token in enumerate(named["token_index"].to_list())}
    grid = np.full((len(places), len(columns)), np.nan)
    for token, code, score in shown.select("token_index", "code", "score").iter_rows():
        grid[places[token], columns[code]] = score
    ax = _axes(ax, width=2 + 0.45 * len(columns), height=2.5 + 0.3 * len(places))
    image = ax.imshow(grid, aspect="auto", cmap="viridis")
    texts = [text or str(token) for token, text in named.iter_rows()]
    ax.set_yticks(range(len(places)), texts)
    labels = [f"{code}  {_short(name, 28)}" for code, name in best.select("code", "name").iter_rows()]
    ax.set_xticks(range(len(columns)), labels, rotation=45, ha="right", rotation_mode="anchor")
    ax.figure.colorbar(image, ax=ax, label="score (cosine)")
    return ax


def _codes(given: CodesLike) -> pl.DataFrame:
    """The codes of a run as a frame."""
    if isinstance(given, Results):
        return given.codes
    if not isinstance(given, str | Path):
        return frame_given(given, _NEEDED, what="codes")
    for name, read in (("codes.parquet", pl.read_parquet), ("codes.csv", _read_csv)):
        if (file := Path(given) / name).is_file():
            return frame_given(read(file), _NEEDED, what="codes")
    raise InputError(f"{given} holds no codes", expected="the folder that conceptmap code wrote, with codes.csv in it")


def _read_csv(file: Path) -> pl.DataFrame:
    return pl.read_csv(file, infer_schema=False)


def _bars(rows: Sequence[tuple[str, int]], unit: str, ax: Axes | None) -> Axes:
    """Horizontal bars, the first at the top."""
    ax = _axes(ax, width=8, height=1 + 0.3 * max(1, len(rows)))
    ax.barh(range(len(rows)), [n for _, n in rows])
    ax.set_yticks(range(len(rows)), [label for label, _ in rows])
    ax.invert_yaxis()
    ax.xaxis.set_major_locator(needed("matplotlib.ticker", extra="plots", purpose="a plot").MaxNLocator(integer=True))
    ax.set_xlabel(unit)
    return ax


def _axes(ax: Axes | None, *, width: float, height: float) -> Any:  # noqa: ANN401 - matplotlib's
    if ax is not None:
        return ax
    pyplot = needed("matplotlib.pyplot", extra="plots", purpose="a plot")
    return pyplot.subplots(figsize=(width, height), layout="constrained")[1]


def _short(name: str | None, most: int = _LONGEST) -> str:
    return (name or "") if len(name or "") <= most else f"{(name or '')[: most - 1]}…"
