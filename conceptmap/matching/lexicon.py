"""Lexicon: the wordings of an index's terms, each with the key by which the matcher finds it in texts.

A term is a bag of normal forms. Every form has a random 64-bit key, and the key of a bag is the sum of its forms'. Word
order inside a clause is therefore free ("pain in the abdomen", "abdominal pain"); across a comma, a slash, a line end,
"and" or "or" it is not ("abdominal pain, chest tightness" holds no chest pain).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

import polars as pl

from conceptmap.matching.content import loose_class, term_forms
from conceptmap.matching.vocabulary import stop_terms
from conceptmap.matching.wordings import EXACT, LOOSE, REVIEWED, variants
from conceptmap.memory import no_collection

__all__ = [
    "ACRONYM",
    "CLASSIFICATIONS",
    "LENT",
    "LEXICON",
    "MAX_WORDS",
    "bag_key",
    "build_lexicon",
    "form_key",
    "lexicon_of",
    "loose_form_key",
]

CLASSIFICATIONS = ("icd10cm", "icd10")
"""Systems whose titles are no names ("Other and unspecified …") and get shortened wordings."""

LENT = "lent"
"""Kind of a term that another ontology lends. Where it and the release's own wordings say the same, those count."""

_GROUPS = ("chapter", "block")  # names of shelves, not of diseases

LEXICON = pl.Schema(
    {
        "key": pl.UInt64,  # bag of forms, organ adjectives and the like already folded
        "loose_key": pl.UInt64,  # the same with looser word classes folded
        "concept": pl.Int32,  # position in the index's concepts frame
        "quality": pl.Int8,
        "n_words": pl.Int8,
        "forms": pl.String,
        "written": pl.String,  # an acronym, which only matches in its own capitals; null for all else
    }
)
"""A row per wording of a term of a concept."""

MAX_WORDS = 12
_KEY_MASK = 0xFFFFFFFFFFFFFFFF
ACRONYM = re.compile(r"(?=(?:[^A-Z]*[A-Z]){2})[A-Za-z0-9][A-Za-z0-9/-]{1,6}")
"""Two capitals at least: what is only itself as it is written."""


@lru_cache(maxsize=500_000)
def form_key(form: str) -> int:
    """The key of a form: a random number, the same everywhere and always."""
    return int.from_bytes(blake2b(form.encode(), digest_size=8).digest(), "little")


@lru_cache(maxsize=500_000)
def loose_form_key(form: str) -> int:
    """The key of a form's looser class."""
    return form_key(loose_class(form))


def bag_key(keys: Iterable[int]) -> int:
    """The key of a bag of forms, given theirs."""
    return sum(keys) & _KEY_MASK


def lexicon_of(system: str, concepts: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """The wordings of an index's terms; those of lent terms where no other wording has the same key.

    Args:
        system: of the index.
        concepts: columns node, kind; a row's position is the concept's.
        terms: columns node, term, kind.

    Returns:
        A frame of schema ``LEXICON``, a row per wording and concept, sorted by key and then best first.
    """
    concept_of = {node: i for i, node in enumerate(concepts["node"].to_list())}
    groups = concepts.filter(pl.col("kind").is_in(_GROUPS))
    named = terms.join(groups, on="node", how="anti")
    lent = pl.col("kind") == LENT
    own = build_lexicon(named.filter(~lent), concept_of, stop=stop_terms(), expand_titles=system in CLASSIFICATIONS)
    more = build_lexicon(named.filter(lent), concept_of, stop=stop_terms(), expand_titles=False)
    both = pl.concat([own, more.join(own, on="key", how="anti")])
    return both.sort("key", -pl.col("quality"), "concept")


@no_collection()
def build_lexicon(
    terms: pl.DataFrame, concept_of: Mapping[str, int], *, stop: frozenset[str], expand_titles: bool
) -> pl.DataFrame:
    """Turn the terms of an ontology into the lexicon that a TermMatcher searches.

    Args:
        terms: columns node, term, kind.
        concept_of: position in the concepts frame by node.
        stop: normalised terms that must never match on their own.
        expand_titles: add the shortened wordings of ``variants`` (for classifications such as ICD-10-CM).

    Returns:
        A frame of schema ``LEXICON``, a row per wording and concept, sorted by key and then best first.
    """
    stop_keys = {bag_key(map(form_key, term_forms(text))) for text in stop}
    rows: dict[tuple[int, int], tuple[int, int, int, int, int, str, str | None]] = {}
    for node, term, kind in terms.select("node", "term", "kind").iter_rows():
        concept = concept_of[node]
        curated = kind in ("clinical", "index") or not expand_titles
        for wording, printed in variants(term, curated=curated).items():
            quality = REVIEWED if kind == "clinical" and printed == EXACT else printed
            forms = term_forms(wording)
            if not forms or len(forms) > MAX_WORDS or not _tells(forms, wording):
                continue
            key = bag_key(map(form_key, forms))
            if key in stop_keys or (quality <= LOOSE and len(forms) < 2):
                continue
            known = rows.get((key, concept))
            if known is None or known[3] < quality:
                loose = bag_key(map(loose_form_key, forms))
                written = wording if ACRONYM.fullmatch(wording) else None
                rows[key, concept] = (key, loose, concept, quality, len(forms), " ".join(forms), written)
    return pl.DataFrame(list(rows.values()), schema=LEXICON, orient="row").sort(
        ["key", "quality", "concept"], descending=[False, True, False]
    )


def _tells(forms: Sequence[str], wording: str) -> bool:
    """Whether a bag can stand for a concept: numbers and words of one or two letters cannot, acronyms can."""
    return any(map(_tells_alone, forms)) or bool(ACRONYM.fullmatch(wording))


@lru_cache(maxsize=500_000)
def _tells_alone(form: str) -> bool:
    return len(form) > 2 and not form.isdigit()
