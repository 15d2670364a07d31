"""Codes of marked notes taken to those of the index: over a release's cross-references, if the index holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from conceptmap.errors import InputError, said_codes
from conceptmap.notes.marked import MarkedNote, MarkedSpan
from conceptmap.ontology.crosswalk import Crosswalk
from conceptmap.ontology.ontology import Ontology

__all__ = ["over_codes", "with_known_codes"]


def over_codes(notes: Sequence[MarkedNote], release: Ontology, system: str) -> list[MarkedNote]:
    """Notes whose codes, of one release, are taken to another system by its cross-references.

    A code becomes all the codes that it refers to, any of them right; one that refers to none stays as it is.

    Args:
        notes: as read.
        release: of the codes that they have.
        system: where to.

    Raises:
        InputError: no code of the notes has a cross-reference to that system.
    """
    codes = {code for note in notes for mention in note.mentions for code in mention.codes}
    joined = Crosswalk.of([release]).joined(codes, release.system, system)
    if not joined:
        raise InputError(
            f"{release.system} {release.release} has no cross-reference to {system} for any code of the mentions",
            got=said_codes(sorted(codes)),
        )

    def taken(span: MarkedSpan) -> MarkedSpan:
        ends = (end for code in span.codes for end in sorted(joined.get(code, (code,))))
        return replace(span, codes=tuple(dict.fromkeys(ends)))

    return [replace(note, mentions=tuple(taken(span) for span in note.mentions)) for note in notes]


def with_known_codes(notes: Sequence[MarkedNote], code_of: Callable[[str], str | None]) -> tuple[list[MarkedNote], int]:
    """Notes with the codes of an index; a mention that has none of them is left alone.

    Args:
        notes: as read.
        code_of: the index's spelling of a code, None where it does not hold it.

    Returns:
        The notes, and how many mentions were left alone for their codes.
    """
    out, lost = [], 0
    for note in notes:
        spans = [
            MarkedSpan(m.start_char, m.end_char, tuple(c for c in map(code_of, m.codes) if c is not None))
            for m in note.mentions
        ]
        lost += sum(not span.codes for span in spans)
        out.append(MarkedNote.of(note.note_id, note.text, spans, note.ignored))
    return out, lost
