"""Look-up of concepts by words: which names and synonyms hold the words of a query, whole, as beginnings, in any order.

For people who look for a code. What finds terms in notes is `matching`, which knows far more of how notes are written.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import polars as pl

from conceptmap.errors import InputError

__all__ = ["FOUND", "Concept", "check_query", "found_by_words"]


class Concept(NamedTuple):
    """One concept of an ontology.

    Attributes:
        code, name, kind: as in ``concepts``; ``node`` is the key that methods answer with.
        billable: None in systems that know no such thing.
        terms: its naming strings, the name first.
        path: one way down from a root, (code, name) each, itself last.
    """

    code: str
    name: str
    kind: str
    node: str
    active: bool
    billable: bool | None
    terms: tuple[str, ...]
    path: tuple[tuple[str, str], ...]


FOUND = pl.Schema({"node": pl.String, "term": pl.String, "share": pl.Float64})
"""What a query found: each node by the best of its terms, and how much of both is the same, from 0 to 1."""

_WORD = re.compile(r"[^\W_]+")
_IN_TERMS = r"[\pL\pN]+"
_PLURAL = r"^(.{3,}[^s])s$"
_IDLE = frozenset("a an and at by for in of on or the to with".split())
_OPEN = _IDLE | {"unspecified", "nos"}
"""Words that make a term no longer."""
_BEGINNING = 0.9
"""What the beginning of a word counts: "diab" finds diabetes."""
_SHORTEST = 3


def check_query(query: object) -> str:
    """What to look up.

    Raises:
        InputError: it is no text.
    """
    if not isinstance(query, str):
        raise InputError("this is nothing to look up", got=type(query).__name__, expected="words")
    return query


def found_by_words(terms: pl.DataFrame, query: str) -> pl.DataFrame:
    """The concepts with a term that holds a word of the query, best first.

    A term's share is that of the query's words that it holds (rare ones count more) times how much of the term they
    are, the latter at half its weight: "chest pain" is nearer to "Chest pain, unspecified" than to "Other chest pain".

    Args:
        terms: columns node, term; the earlier of equal ones comes first.
        query: words in any order.

    Returns:
        Schema ``FOUND``.

    >>> terms = pl.DataFrame({"node": ["R07.9", "R10.9"], "term": ["Chest pain, unspecified", "Abdominal pain"]})
    >>> found_by_words(terms, "pains in the chest").rows()
    [('R07.9', 'Chest pain, unspecified', 1.0), ('R10.9', 'Abdominal pain', 0.2...)]
    """
    asked = _words_of(query)
    if not asked:
        return pl.DataFrame(schema=FOUND)
    near = terms.select("node", "term").filter(pl.col("term").str.contains_any(asked, ascii_case_insensitive=True))
    held = pl.col("term").str.to_lowercase().str.extract_all(_IN_TERMS)
    near = near.with_columns(words=held.list.eval(pl.element().str.replace(_PLURAL, "$1")))
    near = near.with_columns(_holds(word).alias(f"word {at}") for at, word in enumerate(asked))
    columns = [f"word {at}" for at in range(len(asked))]
    weights = [_weight(near[name], terms.height) for name in columns]
    said = pl.sum_horizontal(pl.col(name) * weight for name, weight in zip(columns, weights, strict=True))
    n_held = pl.sum_horizontal(pl.col(name) > 0 for name in columns)
    n_words = pl.col("words").list.set_difference(sorted(_OPEN)).list.len().clip(1)
    share = said / sum(weights) * (1 + (n_held / n_words).clip(0, 1)) / 2
    found = near.select("node", "term", share=share.round(6)).filter(pl.col("share") > 0)
    shortest = pl.col("term").str.len_chars()
    found = found.sort([-pl.col("share"), shortest], maintain_order=True)
    return found.unique("node", keep="first", maintain_order=True).cast(FOUND)


def _words_of(query: str) -> list[str]:
    """The words of a query, in the singular, idle ones left out unless there are no others."""
    found = [re.sub(_PLURAL, r"\1", word) for word in _WORD.findall(query.lower())]
    return list(dict.fromkeys([word for word in found if word not in _IDLE] or found))


def _holds(word: str) -> pl.Expr:
    """1 where a term holds a word, less where it holds a word that begins so, 0 elsewhere."""
    whole = pl.col("words").list.contains(word)
    if len(word) < _SHORTEST:
        return whole.cast(pl.Float64)
    begins = pl.col("words").list.eval(pl.element().str.starts_with(word)).list.any()
    return pl.when(whole).then(1.0).when(begins).then(_BEGINNING).otherwise(0.0)


def _weight(held: pl.Series, n_terms: int) -> float:
    return math.log(1 + n_terms / max(1, (held > 0).sum()))
