"""``mentions.csv``: one row a mention with its best concept, for people. ``annotations.csv`` has all ranks."""

from __future__ import annotations

import polars as pl

from conceptmap.frames import MENTIONS
from conceptmap.text.snippets import snippet

__all__ = ["best_mentions", "context"]

_KEYS = ("note_id", "system", "mention_id")


def best_mentions(mentions: pl.DataFrame, codes: pl.DataFrame, notes: pl.DataFrame) -> pl.DataFrame:
    """The mentions that name a concept, in the order of the annotations: schema ``frames.MENTIONS``.

    Args:
        mentions: schema ``frames.ANNOTATIONS``.
        codes: schema ``frames.CODES``, of the same notes.
        notes: columns note_id, text.
    """
    best = mentions.filter(pl.col("rank") == 1)
    found = best.join(_supported(codes), on=_KEYS, how="left", maintain_order="left")
    texts = dict(notes.select("note_id", "text").iter_rows())
    spans = best.select("note_id", "start_char", "end_char").iter_rows()
    around = pl.Series("snippet", [_around(texts[note_id], start, end) for note_id, start, end in spans], pl.String)
    text = pl.col("text").str.replace_all(r"\s+", " ")
    return found.with_columns(around, text, context(), pl.col("supports").fill_null("")).select(MENTIONS.names())


def _supported(codes: pl.DataFrame) -> pl.DataFrame:
    """For each mention the codes that it supports, in their order."""
    ids = pl.col("evidence").str.split(" ")
    pairs = codes.select("note_id", "system", "code", mention_id=ids).explode("mention_id")
    return pairs.group_by(_KEYS, maintain_order=True).agg(supports=pl.col("code").str.join(";"))


def _around(text: str, start: int, end: int) -> str:
    """The words around a mention, no further than its lines."""
    last = text.find("\n", end)
    return snippet(text, start, end, within=(text.rfind("\n", 0, start) + 1, len(text) if last < 0 else last))


def context() -> pl.Expr:
    """What is said of a mention, in words: ``affirmed``, or ``negated``, ``family``, and so on.

    >>> said = {"negated": [False, True], "subject": ["patient", "family"], "temporality": ["recent"] * 2}
    >>> pl.DataFrame({**said, "certainty": ["certain"] * 2}).select(context())["context"].to_list()
    ['affirmed', 'negated, family']
    """
    parts = [pl.when(pl.col("negated")).then(pl.lit("negated"))]
    usual = {"subject": "patient", "temporality": "recent", "certainty": "certain"}
    parts += [pl.when(pl.col(name) != plain).then(pl.col(name)) for name, plain in usual.items()]
    said = pl.concat_str(parts, separator=", ", ignore_nulls=True)
    return pl.when(said == "").then(pl.lit("affirmed")).otherwise(said).alias("context")
