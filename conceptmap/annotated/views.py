"""Frames as people read them: what was found first, one row a mention, a few lines in a terminal."""

from __future__ import annotations

import polars as pl

from conceptmap.export.mentions import context

__all__ = ["best", "code_lines", "readable"]

_FIRST = ("text", "code", "name", "confidence", "score", "rank", "system")
WIDTH = 80
MOST_LINES = 10


def readable(frame: pl.DataFrame) -> pl.DataFrame:
    """The same frame with text, code and name first and the note's id last: a wide frame is shown without its middle.

    >>> readable(pl.DataFrame({"note_id": ["1"], "code": ["I10"], "text": ["HTN"]})).columns
    ['text', 'code', 'note_id']
    """
    first = [name for name in _FIRST if name in frame.columns]
    last = [name for name in ("note_id",) if name in frame.columns]
    return frame.select(*first, pl.exclude(*first, *last), *last)


def best(mentions: pl.DataFrame) -> pl.DataFrame:
    """One row a mention, its best concept only; few enough columns that a terminal shows all of them.

    Args:
        mentions: rows of ``frames.ANNOTATIONS``.

    Returns:
        Columns ``text, code, name, confidence, context, start_char, mention_id``; ``system`` where there are several.
    """
    first = mentions.filter(pl.col("rank") == 1)
    several = ["system"] if first["system"].n_unique() > 1 else []
    return first.select("text", "code", "name", "confidence", context(), *several, "start_char", "mention_id")


def code_lines(codes: pl.DataFrame, *, width: int = WIDTH, most: int = MOST_LINES) -> list[str]:
    """The first codes with their names, a line each that fits a terminal; nothing of a note's text.

    >>> code_lines(pl.DataFrame({"code": ["I10", "R50.9"], "name": ["Essential hypertension", "Fever"]}), most=1)
    ['  I10  Essential hypertension', '  and 1 more']
    """
    pairs = list(zip(codes["code"].to_list(), codes["name"].to_list(), strict=True))
    wide = max((len(code) for code, _ in pairs[:most]), default=0)
    lines = [f"  {code:<{wide}}  {name or ''}" for code, name in pairs[:most]]
    lines = [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]
    return [*lines, f"  and {len(pairs) - most:,} more"] if len(pairs) > most else lines
