"""Results: what a batch of notes gave, in frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.annotated.note import as_pandas
from conceptmap.annotated.views import best, code_lines
from conceptmap.errors import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Results"]


@dataclass(frozen=True, repr=False)
class Results:
    """What a batch of notes gave.

    Attributes:
        mentions: schema ``frames.ANNOTATIONS``.
        codes: schema ``frames.CODES``.
        tags: schema ``frames.TAGS``; empty when not asked for.
        candidates: schema ``frames.CODES``; empty when not asked for.
    """

    mentions: pl.DataFrame
    codes: pl.DataFrame
    tags: pl.DataFrame
    candidates: pl.DataFrame

    def __repr__(self) -> str:
        lines = [f"Results({self._sizes()}); the codes of most notes:"]
        return "\n".join(
            [*lines, *code_lines(self._commonest())] if self.codes.height else [f"Results({self._sizes()})"]
        )

    def _repr_html_(self) -> str:
        from conceptmap.export.html import page

        rows = self._commonest().head(10).iter_rows()
        return "".join(
            page("results.html", sizes=self._sizes(), rows=rows, n_more=max(0, self._commonest().height - 10))
        )

    def _sizes(self) -> str:
        notes = self.mentions["note_id"].n_unique()
        parts = [
            f"{counted(notes, 'note')} with mentions",
            counted(self.best.height, "mention"),
            counted(self.codes.height, "code"),
        ]
        others = {"tags": self.tags, "candidates": self.candidates}
        return ", ".join(
            [*parts, *(f"{frame.height:,} rows of {name}" for name, frame in others.items() if frame.height)]
        )

    def _commonest(self) -> pl.DataFrame:
        """Codes by the notes that have them: code, name, notes."""
        counted = self.codes.group_by("code", "name", maintain_order=True).agg(notes=pl.col("note_id").n_unique())
        return counted.sort("notes", "code", descending=[True, False])

    @property
    def best(self) -> pl.DataFrame:
        """One row a mention of each note, its best concept only: see `AnnotatedNote.best`."""
        note_ids = self.mentions.filter(pl.col("rank") == 1).select("note_id")
        return pl.concat([note_ids, best(self.mentions)], how="horizontal")

    def to_pandas(self, table: str = "codes") -> pd.DataFrame:
        """One of ``codes``, ``mentions``, ``tags``, ``candidates`` and ``best`` as a pandas frame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        own = {name: getattr(self, name) for name in ("codes", "mentions", "tags", "candidates", "best")}
        return as_pandas(own, table)
