"""Marked phrases: the words of a note that its coders marked as the reason for a code, in the column ``evidence``.

What is kept of a phrase are those of its words, pairs and triples that may be kept of any note
(``count_associations``): a phrase teaches by what is common in it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from conceptmap.errors import InputError
from conceptmap.learned.note_facts import grams_of
from conceptmap.matching.content import content_words
from conceptmap.notes.given import frame_given
from conceptmap.ontology.rollup_frames import spelled
from conceptmap.text.view import view_of

if TYPE_CHECKING:
    from conceptmap.learned.associations import Associations
    from conceptmap.ontology.ontology import Ontology
    from conceptmap.reading import Reading

__all__ = ["NOTHING_MARKED", "Marked", "check_marked", "marked_counts", "marked_in", "phrases_given"]

Phrases = Mapping[str, Mapping[str, Collection[str]]]
"""Of each note the phrases marked for each of its codes."""
_MENTIONS: Final = re.compile(r"m\d+(?: m\d+)*")
"""Ids of mentions, as the tables that conceptmap writes have them in that column: no words."""
_PARTED: Final = re.compile(r"\s*[;|\n]\s*|\s*(?:…|\.\.\.)\s*|\s\+\s")


@dataclass(frozen=True, slots=True)
class Marked:
    """What coders marked in a note.

    Attributes:
        parts: of each code the n-grams of the note that stand in phrases marked for it.
        phrases: all phrases that stand in the note, as normal forms.
        n_given: how many were marked.
        n_found: how many of them stand in the note.
    """

    parts: Mapping[str, Collection[str]]
    phrases: frozenset[str]
    n_given: int
    n_found: int


NOTHING_MARKED: Final = Marked({}, frozenset(), 0, 0)


def phrases_given(codes: object, ontology: Ontology) -> Phrases:
    """The phrases of each note and code, the code as the ontology spells it; none without a column ``evidence``.

    Args:
        codes: a dataframe with note_id, code and perhaps evidence.
        ontology: of the index.

    Raises:
        InputError: evidence is no text.
    """
    table = frame_given(codes, {}, what="the codes")
    if "evidence" not in table.columns:
        return {}
    column = table["evidence"]
    is_empty = column.dtype.is_float() and column.is_nan().all()  # as pandas has it
    if not isinstance(column.dtype, pl.String | pl.Null | pl.Categorical | pl.Enum) and not is_empty:
        raise InputError(
            "the evidence of the codes is no text",
            got=f"a column of {column.dtype}",
            expected="words of the note, several phrases parted by semicolons",
            then="write it so, or leave the column out",
        )
    columns: dict[str, pl.DataType] = dict.fromkeys(("note_id", "code", "evidence"), pl.String())
    known = spelled(frame_given(codes, columns, what="the codes").drop_nulls(), [ontology])[0].drop_nulls()
    found: dict[str, dict[str, set[str]]] = {}
    for note_id, code, evidence in known.iter_rows():
        if (phrase := evidence.strip()) and not _MENTIONS.fullmatch(phrase):
            found.setdefault(note_id, {}).setdefault(code, set()).add(phrase)
    return found


def marked_in(reading: Reading, phrases: Mapping[str, Collection[str]], kept: Collection[str]) -> Marked:
    """What coders marked in a note.

    Args:
        reading: of the note.
        phrases: that they marked for each of its codes.
        kept: its n-grams that may be kept if enough patients' notes have them.
    """
    wholes: set[str] = set()
    parts: dict[str, set[str]] = {}
    n_found = 0
    for code in sorted(phrases):
        for phrase in sorted(phrases[code]):
            found = [*_places(reading, phrase)]
            n_found += bool(found)
            for within in found:
                wholes.add(" ".join(reading.content.form[within.start : within.stop]))
                parts.setdefault(code, set()).update(gram for gram in grams_of(reading.content, within) if gram in kept)
    return Marked(parts, frozenset(wholes), sum(map(len, phrases.values())), n_found)


def _places(reading: Reading, phrase: str) -> Iterable[range]:
    """The content words of a phrase in the note, where it stands there as it is written, else those of its parts."""
    whole = _place(reading, phrase)
    return [whole] if whole else filter(None, (_place(reading, part) for part in _PARTED.split(phrase)))


def _place(reading: Reading, phrase: str) -> range | None:
    """The content words of the note that are those of a phrase, wherever it first stands; None where it does not."""
    content = reading.content
    words = view_of(phrase).text.split()
    if not words:
        return None
    written = r"\s+".join(map(re.escape, words))
    found = re.search(rf"(?<!\w){written}(?!\w)", reading.page.text, re.IGNORECASE)
    if found is not None:
        first, last = (bisect_left(content.start, at) for at in found.span())
        return range(first, last) if first < last else None
    form = content_words(phrase).form
    at = next((at for at in range(len(content.form)) if content.form[at : at + len(form)] == form), -1)
    return range(at, at + len(form)) if form and at >= 0 else None


def check_marked(notes: Sequence[Marked]) -> None:
    """Refuse phrases of which none stands in its note.

    Raises:
        InputError: so it is.
    """
    n_given = sum(its.n_given for its in notes)
    if n_given and not any(its.n_found for its in notes):
        raise InputError(
            "the evidence of the codes does not stand in their notes",
            got=f"0 of {n_given:,} phrases",
            expected="words as the notes have them, several phrases parted by semicolons",
            then="correct the column evidence, or leave it out",
        )


def marked_counts(notes: Sequence[Marked], known: Associations) -> dict[str, int]:
    """How many phrases were marked and what is kept of them, for the card; nothing where none was.

    Args:
        notes: what was marked in each.
        known: counted over them.
    """
    if known.marked is None:
        return {}
    of_pair = np.repeat(np.arange(len(known.items)), np.diff(known.first))
    kept = {known.items[at] for at in of_pair[known.marked > 0].tolist()}
    phrases = frozenset().union(*(its.phrases for its in notes))
    return {
        "phrases marked": sum(its.n_given for its in notes),
        "phrases found": sum(its.n_found for its in notes),
        "different phrases": len(phrases),
        "phrases kept": len(phrases & kept),
        "marked words kept": len(kept),
    }
