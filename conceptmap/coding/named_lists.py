"""What stands in the lists of a note's sections by name: the allergens of one, the drugs of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from conceptmap.text.sections import Section
from conceptmap.text.words import words

__all__ = ["Listed", "listed"]

_MOST_WORDS: Final = 3


class Listed(NamedTuple):
    """A name in a section's body: its half-open span in the note, its code, and where the section ends."""

    start_char: int
    end_char: int
    code: str
    section_end: int


def listed(text: str, sections: Sequence[Section], names: Mapping[tuple[str, ...], str]) -> Iterator[Listed]:
    """The names in the bodies of some sections, in reading order; the longest at each place, none overlapping another.

    Args:
        text: the note.
        sections: those of its sections that are looked through.
        names: normal forms of up to three words, and the code that they stand for.
    """
    for section in sections if names else ():
        body = words(text[section.heading_end : section.end_char])
        i = 0
        while i < len(body.form):
            forms = (tuple(body.form[i : i + size]) for size in range(_MOST_WORDS, 0, -1))
            name = next((form for form in forms if form in names), None)
            last = i if name is None else i + len(name) - 1
            if name is not None:
                start, end = body.start_char[i], body.end_char[last]
                yield Listed(section.heading_end + start, section.heading_end + end, names[name], section.end_char)
            i = last + 1
