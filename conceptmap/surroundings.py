"""Surroundings: where the mentions of a note stand: their sections, sentences and neighbours, worked out when asked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property

from conceptmap.sections import Section
from conceptmap.sentences import sentences

__all__ = ["Surroundings"]


class Surroundings:
    """The text round the mentions of one note; mentions go by their number."""

    def __init__(self, text: str, spans: Sequence[tuple[int, int]], sections: Sequence[Section]) -> None:
        self.text = text
        self.spans = spans
        self.sections = sections

    @cached_property
    def _section_starts(self) -> list[int]:
        return [section.start_char for section in self.sections]

    @cached_property
    def _sentences(self) -> list[tuple[int, int]]:
        return sentences(self.text)

    @cached_property
    def _sentence_starts(self) -> list[int]:
        return [start for start, _ in self._sentences]

    def section(self, number: int) -> str | None:
        """Name of the section that a mention stands in."""
        at = bisect_right(self._section_starts, self.spans[number][0]) - 1
        return self.sections[at].name if at >= 0 else None

    def sentence(self, number: int) -> int:
        """Number of the sentence that a mention begins in."""
        return bisect_right(self._sentence_starts, self.spans[number][0]) - 1

    def line(self, number: int) -> str:
        """The text of that sentence."""
        at = self.sentence(number)
        return self.text[slice(*self._sentences[at])] if at >= 0 else ""

    def together(self, some: Iterable[int], others: Iterable[int]) -> bool:
        """Whether a mention of each side stands in one sentence."""
        return bool(self.text) and not {self.sentence(n) for n in some}.isdisjoint(self.sentence(n) for n in others)

    def says(self, numbers: Iterable[int]) -> str:
        """What the mentions say, in lower case."""
        return " ".join(self.text[slice(*self.spans[number])].lower() for number in numbers)

    def beside(self, number: int) -> tuple[tuple[int, int], list[tuple[int, int]]]:
        """The span of a mention, and the spans of the mentions beside it."""
        near = [self.spans[n] for n in (number - 1, number + 1) if 0 <= n < len(self.spans)]
        return self.spans[number], near
