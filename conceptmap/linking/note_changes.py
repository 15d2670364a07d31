"""What a new release changes in one's own notes: mentions and codes that come out otherwise, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from conceptmap.frames import overlapping
from conceptmap.ontology.ontology import Ontology

__all__ = ["NOTE_CHANGES", "note_changes"]

NOTE_CHANGES = pl.Schema(
    {
        "change": pl.String,
        "note_id": pl.String,
        "start_char": pl.Int64,
        "end_char": pl.Int64,
        "text": pl.String,
        "old_code": pl.String,
        "old_name": pl.String,
        "new_code": pl.String,
        "new_name": pl.String,
        "reason": pl.String,
    }
)
"""``change``: a mention or code that is ``gained`` or ``lost``, or a mention that has ``another code``."""

_SPAN = ("note_id", "start_char", "end_char")


def note_changes(
    before: tuple[pl.DataFrame, pl.DataFrame],
    after: tuple[pl.DataFrame, pl.DataFrame],
    changed: pl.DataFrame,
    old: Ontology,
    new: Ontology,
) -> pl.DataFrame:
    """Returns the differences between what two releases make of the same notes: ``NOTE_CHANGES``.

    Args:
        before: mentions and codes with the old release, schemas ``frames.ANNOTATIONS`` and ``frames.CODES``.
        after: likewise with the new one.
        changed: what `conceptmap.ontology.changes.changes` gave.
        old: the old release.
        new: the new one.
    """
    why = _Why(changed, old, new)
    mentions, codes = _mentions(before[0], after[0]), _codes(before[1], after[1])
    rows = pl.concat([mentions, codes])
    said = [
        why.of(text, old_code, new_code)
        for text, old_code, new_code in rows.select("text", "old_code", "new_code").iter_rows()
    ]
    return rows.with_columns(reason=pl.Series("reason", said, dtype=pl.String)).select(*NOTE_CHANGES)


def _mentions(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Spans with another code; a lost and a gained mention that overlap are one, of the new span."""
    one, two = (frame.filter(pl.col("rank") == 1).select(*_SPAN, "text", "code", "name") for frame in (before, after))
    same = one.join(two, on=_SPAN, how="inner", suffix="_new", maintain_order="left")
    lost = one.join(two, on=_SPAN, how="anti", maintain_order="left").with_row_index("one")
    gained = two.join(one, on=_SPAN, how="anti", maintain_order="left").with_row_index("two")
    pairs = overlapping(lost, gained.rename({"code": "code_new", "name": "name_new"}))
    pairs = pairs.unique("one", keep="first", maintain_order=True).unique("two", keep="first", maintain_order=True)
    lost, gained = lost.join(pairs, on="one", how="anti"), gained.join(pairs, on="two", how="anti")
    other = pairs.with_columns(pl.col(f"{name}_right").alias(name) for name in ("start_char", "end_char", "text"))
    kept = [*_SPAN, "text", "code", "name", "code_new", "name_new"]
    changed = pl.concat([same.select(kept), other.select(kept)]).filter(pl.col("code").ne_missing(pl.col("code_new")))
    was = {"old_code": "code", "old_name": "name"}
    rows = [
        _ordered(
            changed.select(*_SPAN, "text", change=_lit("another code"), **was, new_code="code_new", new_name="name_new")
        ),
        _ordered(
            lost.select(*_SPAN, "text", change=_lit("mention lost"), **was, new_code=_lit(None), new_name=_lit(None))
        ),
        _ordered(
            gained.select(
                *_SPAN,
                "text",
                change=_lit("mention gained"),
                old_code=_lit(None),
                old_name=_lit(None),
                new_code="code",
                new_name="name",
            )
        ),
    ]
    return pl.concat(rows).sort("note_id", "start_char", maintain_order=True)


def _lit(text: str | None) -> pl.Expr:
    return pl.lit(text, dtype=pl.String)


def _codes(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    key = ["note_id", "code"]
    none = [pl.lit(None, dtype=kind).alias(name) for name, kind in NOTE_CHANGES.items() if name != "note_id"]
    parts = []
    for one, other, what, side in ((before, after, "code lost", "old"), (after, before, "code gained", "new")):
        rows = one.select(*key, "name").join(other.select(key), on=key, how="anti", maintain_order="left")
        given = {f"{side}_code": pl.col("code"), f"{side}_name": pl.col("name"), "change": pl.lit(what)}
        parts.append(_ordered(rows.with_columns(none).with_columns(**given)))
    return pl.concat(parts)


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    kept = [name for name in NOTE_CHANGES if name != "reason"]
    return rows.select(pl.col(name).cast(NOTE_CHANGES[name]) for name in kept)


@dataclass(frozen=True)
class _Why:
    """Reasons for a difference, out of what the release changed."""

    changed: pl.DataFrame
    old: Ontology
    new: Ontology

    def of(self, text: str | None, old_code: str | None, new_code: str | None) -> str | None:
        """The first reason that holds; None where the release itself changed nothing about these codes."""
        reasons = [
            self._retired.get(old_code or ""),
            self._term(text, old_code, "term lost"),
            self._fresh(old_code, new_code),
            self._term(text, new_code, "term gained"),
            self._touched.get(old_code or "") or self._touched.get(new_code or ""),
        ]
        return next((reason for reason in reasons if reason), None)

    def _term(self, text: str | None, code: str | None, change: str) -> str | None:
        words = _key(text or "")
        for term in self._terms.get((change, code or ""), ()):
            if words and words == _key(term):
                return f"{change}: {term}"
        return None

    def _fresh(self, old_code: str | None, new_code: str | None) -> str | None:
        if new_code not in self._added:
            return None
        finer = old_code is not None and self.new.find(old_code) is not None and self.new.is_a(new_code, old_code)
        return f"new specific code below {old_code}" if finer else "new concept"

    @cached_property
    def _retired(self) -> Mapping[str, str]:
        rows = self.changed.filter(pl.col("change") == "retired").select("code", "reason", "new")
        return {
            code: f"concept retired, {reason or 'without a reason'}{f': {heirs}' if heirs else ''}"
            for code, reason, heirs in rows.iter_rows()
        }

    @cached_property
    def _added(self) -> frozenset[str]:
        return frozenset(self.changed.filter(pl.col("change").is_in(["added", "reinstated"]))["code"])

    @cached_property
    def _terms(self) -> Mapping[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        rows = self.changed.filter(pl.col("change").is_in(["term lost", "term gained"]))
        for change, code, lost, gained in rows.select("change", "code", "old", "new").iter_rows():
            found.setdefault((change, code), []).append(lost if change == "term lost" else gained)
        return found

    @cached_property
    def _touched(self) -> Mapping[str, str]:
        rows = self.changed.filter(~pl.col("change").is_in(["added", "retired", "reinstated"]))
        told = rows.group_by("code", maintain_order=True).agg(
            pl.col("change").unique(maintain_order=True).str.join(", ")
        )
        return {code: f"the release changed it: {what}" for code, what in told.iter_rows()}


def _key(text: str) -> str:
    return " ".join(text.casefold().split())
