"""Semantic types: what kind of thing a concept is, by the semantic tags of SNOMED CT and the types of the UMLS.

``data/semantic_types_<system>.csv`` lists them in the order in which they are preferred where one name has several
meanings, with what each is for: to be coded, to be named in annotations, or neither, where a word of everyday English
is no mention of it. Sources: SNOMED CT Editorial Guide, "Semantic tag"; UMLS Semantic Network (SRDEF) and its semantic
groups (SemGroups.txt); ``data/CHANGELOG.md`` says what they were compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import polars as pl

from conceptmap.data.tables import read_rows

__all__ = ["CODED", "NAMED", "QUIET", "SEPARATOR", "SemanticType", "ranks", "semantic_types", "uses"]

CODED, NAMED, QUIET = "coded", "named", "quiet"
"""What the concepts of a type are for: codes of notes; annotations and tags alone; those, but by no everyday word."""

SEPARATOR = "; "
"""Between the types of a concept that has several."""

_COLUMNS = ("name", "tui", "abbreviation", "group", "group_name", "use")
_TABLE_OF = {"rxnorm": "umls"}


@dataclass(frozen=True, slots=True)
class SemanticType:
    """A type of concepts.

    Attributes:
        name: as in the column ``semantic_tag`` of concepts.
        tui: its identifier in the UMLS; empty elsewhere.
        abbreviation: the UMLS's, such as ``dsyn``; empty elsewhere.
        group: abbreviation of its semantic group, such as ``DISO``; empty elsewhere.
        group_name: the group's name, such as ``Disorders``; empty elsewhere.
        use: ``CODED``, ``NAMED`` or ``QUIET``.
        rank: 0 for the one that is preferred to all others.
    """

    name: str
    tui: str
    abbreviation: str
    group: str
    group_name: str
    use: str
    rank: int


@cache
def semantic_types(system: str) -> tuple[SemanticType, ...]:
    """The types of a system, the preferred one first; none for a system without.

    >>> [one.name for one in semantic_types("snomedct")[:2]], semantic_types("icd10cm")
    (['disorder', 'finding'], ())
    """
    rows = read_rows("semantic_types", _TABLE_OF.get(system, system)) if system.isalnum() else []
    cells = ({name: "" if row[name] == "-" else row[name] for name in _COLUMNS} for row in rows)
    if system in _TABLE_OF:  # whoever codes drugs wants drugs
        cells = ({**cell, "use": CODED} for cell in cells)
    return tuple(SemanticType(**cell, rank=rank) for rank, cell in enumerate(cells))


def uses(system: str, concepts: pl.DataFrame) -> pl.Series:
    """What each concept is for, null where its type is not known; of several types the one of most use counts.

    >>> concepts = pl.DataFrame({"semantic_tag": ["disorder", "qualifier value", None]})
    >>> uses("snomedct", concepts).to_list()
    ['coded', 'quiet', None]
    """
    order = [CODED, NAMED, QUIET]
    best = _best(concepts, {one.name: order.index(one.use) for one in semantic_types(system)})
    return best.replace_strict(dict(enumerate(order)), default=None, return_dtype=pl.String)


def ranks(system: str, concepts: pl.DataFrame) -> pl.Series:
    """The rank of each concept's type, the best of several; null where it is not known."""
    return _best(concepts, {one.name: one.rank for one in semantic_types(system)})


def _best(concepts: pl.DataFrame, number_of: dict[str, int]) -> pl.Series:
    """The lowest number of each concept's types."""
    if not number_of or "semantic_tag" not in concepts.columns:
        return pl.Series([None] * concepts.height, dtype=pl.Int64)
    tags = concepts["semantic_tag"].unique()
    lowest = {
        tag: min(found)
        for tag in tags.drop_nulls()
        if (found := [number_of[name] for name in tag.split(SEPARATOR) if name in number_of])
    }
    return concepts["semantic_tag"].replace_strict(lowest, default=None, return_dtype=pl.Int64)
