"""The reviewed vocabulary of the package: clinical synonyms, abbreviations and stop terms, each entry with its reason.

Classification titles are not what clinicians write ("Essential (primary) hypertension"), so these tables carry much of
the recall of the lexical evidence. They are data files in ``conceptmap/data``, written chapter by chapter from coding
knowledge and read on first use.
"""

from __future__ import annotations

import re
from functools import cache

import polars as pl

from conceptmap.data.tables import has_table, reviewed_rows
from conceptmap.errors import InputError
from conceptmap.matching.patterns import products, synonym_rows
from conceptmap.text.words import normal_form

__all__ = ["abbreviations", "clinical_synonyms", "everyday_words", "has_synonyms", "loose_names", "stop_terms"]

ANY_CONTEXT = "any"
"""In the context column: the reading holds in every clinical text."""

NOTHING = "nothing"
"""In the unless column: nothing beside a short form tells of something else."""

ABBREVIATIONS = ("short", "long", "context", "unless", "reason")
"""Columns of ``abbreviations.csv``."""

_WORD = re.compile(r"[^:+]+(?!:)\b")
_SYSTEM = re.compile(r"[a-z0-9]+")
_STOP_TERMS_OF = {"icd10": "icd10cm"}


def has_synonyms(system: str) -> bool:
    """Whether there are reviewed terms for a system.

    >>> has_synonyms("icd10cm"), has_synonyms("doid")
    (True, False)
    """
    return bool(_SYSTEM.fullmatch(system)) and has_table(f"synonyms_{system}")


@cache
def clinical_synonyms(system: str) -> pl.DataFrame | None:
    """Reviewed terms for the concepts of ``system``, or None where there are none.

    Args:
        system: prefix of a code system, such as ``icd10cm``.

    Returns:
        Columns code, term and kind, a row per term. The kind is always "clinical"; what sort of wording each is
        (default of the bare word, lay word, adjective, eponym, ...) stays in the data file, for its reviewers.

    Raises:
        InputError: a data file is damaged: other columns, an empty cell, or one term twice for one code.

    >>> clinical_synonyms("icd10cm").filter(pl.col("term") == "febrile").rows()
    [('R50.9', 'febrile', 'clinical')]
    >>> clinical_synonyms("doid") is None
    True
    """
    if not has_synonyms(system):
        return None
    rows = list(synonym_rows(system))
    rows += products(system, {term for _, term in rows})
    if len(set(rows)) < len(rows):
        raise InputError(f"the synonyms of {system} hold a term twice for one code", then="reinstall conceptmap")
    kind = pl.lit("clinical").alias("kind")
    return pl.DataFrame(sorted(rows), schema=["code", "term"], orient="row").with_columns(kind)


@cache
def abbreviations() -> tuple[tuple[str, str, frozenset[str], frozenset[str]], ...]:
    """Short forms that are safe to expand where the note does not define them itself.

    Returns:
        (short form as written, case and all; long form; normal forms of words of which one must be in the note, empty
        where the reading holds in any clinical text; what beside it tells of something else): see
        `text.abbreviations.Abbreviation`. Several readings of one short form are in order of preference.

    >>> [(long, sorted(near)) for short, long, near, _ in abbreviations() if short == "COPD"]
    [('chronic obstructive pulmonary disease', [])]
    """
    rows = reviewed_rows("abbreviations", ABBREVIATIONS)
    return tuple((short, long, _words(context), _words(unless)) for short, long, context, unless, _ in rows)


@cache
def stop_terms(system: str) -> frozenset[str]:
    """Terms of a system that must never stand for a concept when they are all that was matched.

    A list belongs to a system, whose concepts decide what a bare word may mean: "liver" is no code of ICD-10-CM, and a
    concept of SNOMED CT. Systems without a list of their own share one, of words that name nothing anywhere.

    >>> "history" in stop_terms("icd10cm"), "fever" in stop_terms("icd10cm"), "liver" in stop_terms("icd10cm")
    (True, False, True)
    >>> "history" in stop_terms("snomedct"), "liver" in stop_terms("snomedct")
    (True, False)
    """
    if table := _own_stop_terms(system):
        return frozenset(term for term, _ in reviewed_rows(table, ("term", "reason")))
    return _shared(system, "never")


@cache
def everyday_words(system: str) -> frozenset[str]:
    """Further words that stand for no concept whose type is no clinical one: "water", "Red (qualifier value)".

    None for a system with stop terms of its own.

    >>> "water" in everyday_words("snomedct"), "water" in everyday_words("icd10cm")
    (True, False)
    """
    return _shared(system, "by type")


@cache
def loose_names(system: str) -> frozenset[str]:
    """Words that name a concept only where it is called so: "tumor" is a neoplasm, and no loose word for its shelf.

    None for a system with stop terms of its own.

    >>> "tumor" in loose_names("doid"), "tumor" in loose_names("icd10cm")
    (True, False)
    """
    return _shared(system, "by name")


def _shared(system: str, how: str) -> frozenset[str]:
    """The terms of the list for systems without one of their own that are heard so."""
    shared = () if _own_stop_terms(system) else _shared_stop_terms()
    return frozenset(term for term, heard in shared if heard == how)


def _own_stop_terms(system: str) -> str:
    """Name of a system's own table; WHO's ICD-10 has the headings of ICD-10-CM."""
    table = f"stop_terms_{_STOP_TERMS_OF.get(system, system)}"
    return table if _SYSTEM.fullmatch(system) and has_table(table) else ""


@cache
def _shared_stop_terms() -> tuple[tuple[str, str], ...]:
    return tuple((term, heard) for term, _, heard in reviewed_rows("stop_terms", ("term", "reason", "heard")))


def _words(cell: str) -> frozenset[str]:
    """Normal forms of the words of a cell."""
    if cell in (ANY_CONTEXT, NOTHING):
        return frozenset()
    return frozenset(_WORD.sub(lambda word: normal_form(word[0]), asked) for asked in cell.split(";"))
