"""From mentions to the codes of a note: what counts, which code is written down, and on what evidence.

Only what is affirmed of the patient codes, unless the caller includes more. A header is replaced by its default code, a
code that another code of the note says more exactly is dropped, and every code names the mentions that speak for it.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from conceptmap.codebook import CodeBook
from conceptmap.context import Context
from conceptmap.errors import InputError
from conceptmap.mentions import Mention

__all__ = ["INCLUDES", "NoteCode", "check_include", "counts", "note_candidates", "note_codes"]

INCLUDES = ("negated", "family", "hypothetical", "possible")
"""What ``include`` may name: mentions that do not code by default. Probable ones do (ICD-10-CM guideline II.H)."""

MORE_MENTIONS = 0.02
"""Added to a code's score for each doubling of its mentions."""


RUNNER_UP = 0.5
"""Share of a concept's strength that counts when another concept of the mention was preferred."""


@dataclass(frozen=True, slots=True)
class NoteCode:
    """A code of a note.

    Attributes:
        concept: position of the code in the index.
        score: in [0, 1]; higher is surer.
        evidence: numbers of the mentions that support it, in reading order.
        notes: what a coder should know of it.
    """

    concept: int
    score: float
    evidence: tuple[int, ...]
    notes: str


def check_include(include: Iterable[str]) -> frozenset[str]:
    """The names as a set.

    Raises:
        InputError: a name that is none of ``INCLUDES``.
    """
    names = frozenset(include)
    if unknown := sorted(names - set(INCLUDES)):
        raise InputError("include names what cannot be included", got=", ".join(unknown), expected=", ".join(INCLUDES))
    return names


def counts(context: Context, include: frozenset[str]) -> bool:
    """Whether a mention in this context codes."""
    return not (
        (context.negated and "negated" not in include)
        or (context.subject not in (None, "patient") and "family" not in include)
        or (context.temporality == "hypothetical" and "hypothetical" not in include)
        or (context.certainty == "possible" and "possible" not in include)
    )


def note_codes(
    mentions: Sequence[Mention],
    contexts: Sequence[Context],
    book: CodeBook,
    *,
    include: frozenset[str] = frozenset(),
    threshold: float = 0.0,
) -> list[NoteCode]:
    """The codes of one note, best first.

    Args:
        mentions: of one index.
        contexts: of the mentions.
        book: of the index.
        include: see ``counts``.
        threshold: codes with a lower score are left out.
    """
    support: dict[int, list[int]] = defaultdict(list)
    strength: dict[int, float] = defaultdict(float)
    named: dict[int, set[int]] = defaultdict(set)
    for number, (mention, context) in enumerate(zip(mentions, contexts, strict=True)):
        if not counts(context, include):
            continue
        best = mention.candidates[0]
        code = book.default(best.concept)
        support[code].append(number)
        named[code].add(best.concept)
        strength[code] = max(strength[code], best.strength)
    dropped = _said_more_exactly(support, book)
    codes = [
        NoteCode(code, _score(strength[code], len(numbers)), tuple(numbers), _notes(code, named[code], book))
        for code, numbers in support.items()
        if code not in dropped
    ]
    return sorted((c for c in codes if c.score >= threshold), key=lambda c: (-c.score, c.evidence[0], c.concept))


def note_candidates(
    mentions: Sequence[Mention], contexts: Sequence[Context], book: CodeBook, *, include: frozenset[str] = frozenset()
) -> list[NoteCode]:
    """Every code that some mention speaks for at any rank, best first; accepted codes keep their score."""
    accepted = note_codes(mentions, contexts, book, include=include)
    known = {code.concept for code in accepted}
    strength: dict[int, float] = defaultdict(float)
    support: dict[int, list[int]] = defaultdict(list)
    for number, (mention, context) in enumerate(zip(mentions, contexts, strict=True)):
        if not counts(context, include):
            continue
        for place, candidate in enumerate(mention.candidates):
            code = book.default(candidate.concept)
            if code not in known and number not in support[code]:
                support[code].append(number)
                strength[code] = max(strength[code], RUNNER_UP * candidate.strength / (1 + 0.1 * place))
    rest = [NoteCode(code, _score(strength[code], len(n)), tuple(n), "") for code, n in support.items()]
    return accepted + sorted(rest, key=lambda c: (-c.score, c.evidence[0], c.concept))


def _score(strength: float, n_mentions: int) -> float:
    return min(1.0, strength * 0.9 + MORE_MENTIONS * n_mentions.bit_length())


def _said_more_exactly(codes: Collection[int], book: CodeBook) -> set[int]:
    """Codes that add nothing beside another code of the note (``data/residual_icd10cm.csv``)."""
    residual = residual_codes(book.system)
    out = set()
    for code in codes:
        ranges = residual.get(_base(book.codes[code]), ())
        if any(_within(book.codes[other], ranges) for other in codes if other != code):
            out.add(code)
    return out


def _base(code: str) -> str:
    """The code without its 7th character and placeholders."""
    return code[:-1].rstrip("X") if len(code) == 8 else code


def _within(code: str, ranges: Sequence[tuple[str, str]]) -> bool:
    return any(first <= code[: len(first)] and code[: len(last)] <= last for first, last in ranges)


@cache
def residual_codes(system: str) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Residual codes of a system and the ranges of codes that they yield to."""
    file = resources.files("conceptmap").joinpath(f"data/residual_{system}.csv")
    if not file.is_file():
        return {}
    out = {}
    for row in csv.DictReader(file.read_text("utf-8").splitlines()):
        parts = [part.partition("-") for part in row["yields_to"].split()]
        out[row["code"]] = tuple((first, last or first) for first, _, last in parts)
    return out


def _notes(code: int, concepts: set[int], book: CodeBook) -> str:
    said = []
    if book.billable[code] is False:
        said.append("not billable: say more")
    headers = sorted({book.codes[c] for c in concepts if c != code})
    if headers and book.billable[code]:
        said.append(f"default of {', '.join(headers)}")
    return "; ".join(said)
