"""Where the mentions of a note stand: their sections, sentences and neighbours."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final

from conceptmap.coding.completion import trimester_of
from conceptmap.text.sections import Section, section_at, section_name

__all__ = ["MentionPlaces"]


_HEAD_CHARS: Final = 40
_HEAD_WORDS: Final = 3
_WORD: Final = re.compile(r"[^\W\d_]{2,}")


class MentionPlaces:
    """The text round the mentions of one note; mentions go by their number."""

    def __init__(
        self,
        text: str,
        spans: Sequence[tuple[int, int]],
        sections: Sequence[Section],
        sentences: Sequence[tuple[int, int]],
        setting: str = "report",
    ) -> None:
        self.text = text
        self.spans = spans
        self.sections = sections
        self.sentences = sentences
        self._found: dict[tuple[re.Pattern[str], int], bool] = {}
        self.setting = setting

    @cached_property
    def trimester(self) -> str:
        """Trimester of the pregnancy that the note is about, or ""."""
        return trimester_of(self.text)

    def section(self, number: int) -> str | None:
        """Name of the section that a mention stands in."""
        return self._section[number]

    @cached_property
    def _section(self) -> Sequence[str | None]:
        return [section_name(self.sections, start) for start, _ in self.spans]

    def heading(self, number: int) -> str:
        """The heading, as printed, that a mention stands under; empty without one."""
        section = section_at(self.sections, self.spans[number][0])
        return section.heading_text if section else ""

    def sentence(self, number: int) -> int:
        """Number of the sentence that a mention begins in."""
        return self._sentence[number]

    @cached_property
    def _sentence(self) -> Sequence[int]:
        starts = [start for start, _ in self.sentences]
        return [bisect_right(starts, start) - 1 for start, _ in self.spans]

    def line(self, number: int) -> str:
        """The text of that sentence."""
        at = self.sentence(number)
        return self.text[slice(*self.sentences[at])] if at >= 0 else ""

    def in_line(self, pattern: re.Pattern[str], number: int) -> bool:
        """Whether a pattern is found in that sentence, which is looked through once for all its mentions."""
        key = pattern, self.sentence(number)
        if key not in self._found:
            self._found[key] = pattern.search(self.line(number)) is not None
        return self._found[key]

    def opens_item(self, number: int) -> bool:
        """Whether a mention stands at the head of its line, list item or sentence, at most a few words in."""
        start = self.spans[number][0]
        line = max(self.text.rfind("\n", 0, start) + 1, self.text.rfind(";", 0, start) + 1, start - _HEAD_CHARS - 1)
        at = self.sentence(number)
        begin = max(line, self.sentences[at][0] if at >= 0 else 0)
        return start - begin <= _HEAD_CHARS and len(_WORD.findall(self.text[begin:start])) <= _HEAD_WORDS

    def together(self, some: Iterable[int], others: Iterable[int]) -> bool:
        """Whether a mention of each side stands in one sentence."""
        return bool(self.text) and not {self.sentence(n) for n in some}.isdisjoint(self.sentence(n) for n in others)

    def near(self, some: Iterable[int], others: Iterable[int]) -> bool:
        """Whether a mention of each side stand in one sentence or in neighbouring ones."""
        places = {self.sentence(n) + step for n in others for step in (-1, 0, 1)}
        return any(self.sentence(n) in places for n in some)

    def says(self, numbers: Iterable[int]) -> str:
        """What the mentions say, in lower case."""
        return " ".join(self.text[slice(*self.spans[number])].lower() for number in numbers)

    def beside(self, number: int) -> tuple[tuple[int, int], list[tuple[int, int]]]:
        """The span of a mention, and the spans of the mentions beside it."""
        near = [self.spans[n] for n in (number - 1, number + 1) if 0 <= n < len(self.spans)]
        return self.spans[number], near
