"""Surroundings: where the mentions of a note stand: their sections, sentences and neighbours."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from conceptmap.text.sections import Section, section_at

__all__ = ["Surroundings"]


class Surroundings:
    """The text round the mentions of one note; mentions go by their number."""

    def __init__(
        self,
        text: str,
        spans: Sequence[tuple[int, int]],
        sections: Sequence[Section],
        sentences: Sequence[tuple[int, int]],
    ) -> None:
        self.text = text
        self.spans = spans
        self.sections = sections
        self.sentences = sentences

    def section(self, number: int) -> str | None:
        """Name of the section that a mention stands in."""
        section = section_at(self.sections, self.spans[number][0])
        return section.name if section else None

    def sentence(self, number: int) -> int:
        """Number of the sentence that a mention begins in."""
        return bisect_right(self.sentences, self.spans[number][0], key=lambda bounds: bounds[0]) - 1

    def line(self, number: int) -> str:
        """The text of that sentence."""
        at = self.sentence(number)
        return self.text[slice(*self.sentences[at])] if at >= 0 else ""

    def together(self, some: Iterable[int], others: Iterable[int]) -> bool:
        """Whether a mention of each side stands in one sentence."""
        return bool(self.text) and not {self.sentence(n) for n in some}.isdisjoint(self.sentence(n) for n in others)

    def near(self, some: Iterable[int], others: Iterable[int]) -> bool:
        """Whether a mention of each side stand in one sentence or in neighbouring ones."""
        places = [self.sentence(n) for n in others]
        return any(abs(self.sentence(n) - place) <= 1 for n in some for place in places)

    def says(self, numbers: Iterable[int]) -> str:
        """What the mentions say, in lower case."""
        return " ".join(self.text[slice(*self.spans[number])].lower() for number in numbers)

    def beside(self, number: int) -> tuple[tuple[int, int], list[tuple[int, int]]]:
        """The span of a mention, and the spans of the mentions beside it."""
        near = [self.spans[n] for n in (number - 1, number + 1) if 0 <= n < len(self.spans)]
        return self.spans[number], near
