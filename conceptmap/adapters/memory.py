"""Memory: the wordings that training notes taught. What people annotated becomes terms; what they passed over, doubt.

Wordings are held as their normal forms, so "renal failures" remembers "Renal failure". They are pieces of the training
notes: an adapter made from private notes is private.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import polars as pl

from conceptmap.matching.content import Content
from conceptmap.matching.lexicon import ACRONYM, LEXICON, MAX_WORDS, bag_key, form_key, loose_form_key
from conceptmap.matching.wordings import EXACT, LOOSE

__all__ = ["NAMES", "SEEN", "Annotated", "Known", "Memory", "extend_lexicon", "forms_within", "remember"]

NAMES = pl.Schema(
    {"forms": pl.String, "written": pl.String, "code": pl.String, "annotated": pl.Float64, "share": pl.Float64}
)
"""A row per annotated wording and code: how often, and its share of the wording's annotations."""

SEEN = pl.Schema({"forms": pl.String, "seen": pl.Int64, "right": pl.Int64})
"""A row per wording found in the training notes: how often, and how often rightly."""

MOST_CODES = 5


class Annotated(NamedTuple):
    """An annotated mention: normal forms of its words, as it is written, and its codes (any of them is right)."""

    forms: tuple[str, ...]
    written: str
    codes: tuple[str, ...]


class Known(NamedTuple):
    """What training taught of a wording: how often it was annotated, with what agreement, seen, and seen rightly."""

    annotated: float = 0.0
    agreement: float = 0.0
    seen: int = 0
    right: int = 0


@dataclass(frozen=True, eq=False)
class Memory:
    """Wordings of the training notes.

    Attributes:
        names: schema ``NAMES``.
        seen: schema ``SEEN``.
    """

    names: pl.DataFrame
    seen: pl.DataFrame

    @cached_property
    def _known(self) -> Mapping[str, Known]:
        totals = self.names.group_by("forms").agg(pl.col("annotated").sum(), pl.col("share").max())
        found = totals.join(self.seen, on="forms", how="full", coalesce=True).fill_null(0)
        rows = found.select("forms", "annotated", "share", "seen", "right").iter_rows()
        return {forms: Known(*rest) for forms, *rest in rows}

    def known(self, forms: Sequence[str]) -> Known:
        """What is known of a wording, given by its normal forms."""
        return self._known.get(" ".join(forms), Known())


def forms_within(content: Content, start: int, end: int) -> tuple[str, ...]:
    """Normal forms of the content words inside a span of their text."""
    first, last = bisect_left(content.start, start), bisect_left(content.start, end)
    return tuple(content.form[i] for i in range(first, last) if content.end[i] <= end)


def remember(mentions: Iterable[Annotated], *, least: int = 1) -> pl.DataFrame:
    """Annotated wordings as a frame of schema ``NAMES``.

    Args:
        mentions: all annotated mentions.
        least: a wording annotated less often is not kept.
    """
    counts: dict[tuple[str, ...], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    spelling: dict[tuple[str, ...], Counter[str | None]] = defaultdict(Counter)
    for forms, written, codes in mentions:
        if not forms or len(forms) > MAX_WORDS or not any(c.isalpha() for form in forms for c in form):
            continue
        short = len(forms) == 1 and len(forms[0]) == len(written) and ACRONYM.fullmatch(written)
        spelling[forms][written if short else None] += 1
        for code in codes:
            counts[forms][code] += 1 / len(codes)
    rows = []
    for forms, by_code in counts.items():
        if sum(spelling[forms].values()) < least:
            continue
        total = sum(by_code.values())
        spelt = spelling[forms].most_common(1)[0][0]
        best = sorted(by_code.items(), key=lambda item: (-item[1], item[0]))[:MOST_CODES]
        rows += [(" ".join(forms), spelt, code, n, n / total) for code, n in best]
    return pl.DataFrame(rows, schema=NAMES, orient="row")


def extend_lexicon(lexicon: pl.DataFrame, names: pl.DataFrame, concept_of: Mapping[str, int]) -> pl.DataFrame:
    """The lexicon with the annotated wordings; a wording that was annotated means what it was annotated with.

    Args:
        lexicon: schema ``lexicon.LEXICON``.
        names: schema ``NAMES``.
        concept_of: position of a code's concept; names of other codes are left out.
    """
    rows = []
    for joined, written, code, _, share in names.iter_rows():
        if code in concept_of:
            forms = joined.split()
            key, loose = (bag_key(map(of, forms)) for of in (form_key, loose_form_key))
            quality = EXACT if share >= 0.5 else LOOSE
            rows.append((key, loose, concept_of[code], quality, len(forms), joined, written))
    learned = pl.DataFrame(rows, schema=LEXICON, orient="row")
    rest = lexicon.select(LEXICON.names()).join(learned, on="key", how="anti")
    ordered = pl.concat([rest, learned.unique(["key", "concept"], keep="first", maintain_order=True)])
    return ordered.sort(["key", "quality", "concept"], descending=[False, True, False])
