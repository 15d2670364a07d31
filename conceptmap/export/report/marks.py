"""The mentions of a note as marks in its text, the colours of chapters, and figures as they are written."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import polars as pl

from conceptmap.export.paths import PathOf

__all__ = [
    "HUES",
    "MENTION_IDS",
    "SHARES",
    "MentionView",
    "NoteView",
    "Row",
    "Score",
    "Steps",
    "Top",
    "clusters",
    "hue",
    "mentions_of",
    "top_of",
]

Row = Mapping[str, Any]
Steps = Sequence[tuple[str, str]]
MENTION_IDS = re.compile(r"[\s;,|]+")
"""What stands between the ids of mentions in the column ``evidence``."""
HUES = 72
"""Colours of chapters, 5° apart: the pages have a class for each, since no style may stand in an element."""
SHARES = 20
"""Lengths of the bar of a figure between 0 and 1."""


@dataclass(frozen=True)
class NoteView:
    """What the report shows of a note. The annotations of a mapper have the same attributes and do as well.

    Attributes:
        mentions: rows of ``frames.ANNOTATIONS`` for this note.
        codes: rows of ``frames.CODES`` for this note.
        tags: rows of ``frames.TAGS``; with them the words outside mentions are explained too.
        facts: short strings such as sex and age, shown under the note's id.
    """

    note_id: str
    text: str
    mentions: pl.DataFrame
    codes: pl.DataFrame
    tags: pl.DataFrame | None = None
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class MentionView:
    """A mention with its candidates, best first."""

    mention_id: str
    start: int
    end: int
    ranked: list[Row]
    codes: bool = field(default=False)

    @property
    def best(self) -> Row:
        """The candidate of rank 1."""
        return self.ranked[0]

    @property
    def place(self) -> str:
        """Where it stands, for the reviewed table: ``12-31``."""
        return f"{self.start}-{self.end}"


class Top(NamedTuple):
    """The chapter, or whatever is at the top of a hierarchy, that gives a mention its colour."""

    code: str
    name: str


class Score(NamedTuple):
    """A score as it is written, and the length of its bar in parts of ``SHARES``."""

    said: str
    bar: int

    @classmethod
    def of(cls, score: float) -> Score:
        """For a confidence, a probability or a cosine.

        >>> Score.of(0.825)
        Score(said='0.82', bar=16)
        """
        return cls(f"{score:.2f}", round(max(0.0, min(score, 1.0)) * SHARES))


def top_of(system: str, code: str, name: str, path: PathOf) -> Top:
    """The first step of a concept's path, or the concept itself at the top."""
    steps = path(system, code)
    return Top(*steps[0]) if steps else Top(code, name)


@lru_cache(maxsize=1 << 12)
def hue(top: Top) -> int:
    """A colour, 0 to 71: chapters with numbers are spread by the golden angle, others by a checksum of their code."""
    number = int(top.code) if top.code.isdecimal() and len(top.code) < 4 else zlib.crc32(top.code.encode()) % 97
    return round((number * 137.508 + 20) * HUES / 360) % HUES


def mentions_of(note: NoteView) -> list[MentionView]:
    """The note's mentions in reading order, the longer first where two start together; none that abstains."""
    evidence = note.codes["evidence"].to_list()
    supporting = {mention_id for ids in evidence if ids for mention_id in MENTION_IDS.split(ids)}
    grouped: dict[str, list[Row]] = {}
    standing = [row for row in note.mentions.iter_rows(named=True) if row["rank"] > 0]
    for row in sorted(standing, key=lambda row: row["rank"]):
        grouped.setdefault(row["mention_id"], []).append(row)
    found = [
        MentionView(mention_id, rows[0]["start_char"], rows[0]["end_char"], rows, mention_id in supporting)
        for mention_id, rows in grouped.items()
    ]
    return sorted(found, key=lambda mention: (mention.start, -mention.end, mention.mention_id))


def clusters(mentions: Iterable[MentionView]) -> list[list[MentionView]]:
    """Mentions that overlap or nest, together; in each cluster the one to show first comes first.

    That is the longest; of equal ones, one that supports a code, then the one of which the words are surest.
    """
    found: list[list[MentionView]] = []
    end = -1
    for mention in mentions:
        if mention.start >= end:
            found.append([])
        found[-1].append(mention)
        end = max(end, mention.end)
    return [sorted(cluster, key=_prominence) for cluster in found]


def _prominence(mention: MentionView) -> tuple[int, bool, float, int]:
    return mention.start - mention.end, not mention.codes, -(mention.best["confidence"] or 0.0), mention.start
