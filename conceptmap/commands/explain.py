"""``conceptmap code --explain NOTE``: one note's codes, with every step that made or dropped them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import polars as pl

from conceptmap.coding.coding import check_include
from conceptmap.errors import InputError
from conceptmap.mapper import ConceptMapper, Results
from conceptmap.reading import acceptance_for

__all__ = ["explained", "note_of"]

_ALL: int = 10_000


def note_of(notes: Iterable[pl.DataFrame], note_id: str) -> pl.DataFrame:
    """The note of an id: columns note_id, text.

    Raises:
        InputError: there is no such note.
    """
    for frame in notes:
        found = frame.filter(pl.col("note_id") == note_id)
        if found.height:
            return found.select("note_id", "text")
    raise InputError("no such note to explain", got=note_id, expected="the note_id of one of the notes")


def explained(
    note: pl.DataFrame, mapper: ConceptMapper, *, include: Iterable[str] = (), setting: str | None = None
) -> str:
    """The codes of a note, what the rules took away, and the mentions that do not count, as lines to read.

    Args:
        note: one row of note_id and text.
        mapper: that codes it.
        include: see ``coding.INCLUDES``.
        setting: as asked for; None where the note shows it.
    """
    asked = check_include(include)
    found = mapper.annotate_many(note, candidates=_ALL, include=asked, setting=setting)
    return "\n".join(_lines(found, _weighed(note, mapper, asked, setting)))


def _weighed(
    note: pl.DataFrame, mapper: ConceptMapper, include: frozenset[str], setting: str | None
) -> dict[tuple[str, str], str]:
    """What speaks for each accepted code and against it, strongest first, by system and code."""
    out = {}
    for reading in mapper.readings(note):
        notes = mapper.coded(reading, include, setting)
        for linker, its in zip(mapper.linkers, notes, strict=True):
            model = acceptance_for(linker)
            for code in its.accepted:
                if code.weighed:
                    out[linker.index.system, linker.book.codes[code.concept]] = code.weighed
                elif model and code.known:
                    moves = model.reasons(code.known)
                    said = (f"{says} ({logits:+.1f})" for says, logits in moves)
                    out[linker.index.system, linker.book.codes[code.concept]] = ", ".join(said)
    return out


def _lines(found: Results, weighed: Mapping[tuple[str, str], str]) -> Iterator[str]:
    mentions = {row["mention_id"]: row for row in found.mentions.filter(pl.col("rank") == 1).iter_rows(named=True)}
    codes = found.codes.to_dicts()
    yield f"setting: {codes[0]['setting'] if codes else 'no codes'}"
    told: set[str] = set()
    for row in codes:
        poa = f", present on admission {row['poa']}" if row["poa"] else ""
        sure = f"score {row['score']:.2f}" if row["probability"] is None else f"probability {row['probability']:.2f}"
        yield f"\n{row['code']}  {row['name']} ({row['role'] or 'code'}{poa}, {sure})"
        if reasons := weighed.get((row["system"], row["code"])):
            yield f"  weighed: {reasons}"
        if row["rests_on"]:
            yield f"  rests on: {row['rests_on']}"
        yield from (f"  {remark}" for remark in (row["notes"] or "").split("; ") if remark)
        yield from _evidence(row["evidence"], mentions, told)
    taken = [row for row in found.candidates.iter_rows(named=True) if row["reason"]]
    if taken:
        yield "\ntaken away:"
    for row in taken:
        yield f"\n{row['code']}  {row['name']}\n  {row['reason']}"
        yield from _evidence(row["evidence"], mentions, told)
    left = [row for mention_id, row in mentions.items() if mention_id not in told]
    if left:
        yield "\nmentions that give no code of their own:"
    yield from (f"  {_said(row)}  {row['code']}{_context(row)}" for row in left)


def _evidence(evidence: str, mentions: dict[str, dict[str, object]], told: set[str]) -> Iterator[str]:
    for mention_id in evidence.split():
        told.add(mention_id)
        if mention_id in mentions:
            yield f"  {_said(mentions[mention_id])}"


def _said(row: dict[str, object]) -> str:
    words = " ".join(str(row["text"]).split())
    return f'{row["mention_id"]} "{words}" at {row["start_char"]}, under {row["section"] or "no heading"}'


def _context(row: dict[str, object]) -> str:
    said = ["negated"] if row["negated"] else []
    said += [str(row[name]) for name in ("subject", "temporality", "certainty") if row[name] is not None]
    usual = {"patient", "recent", "certain"}
    return "".join(f", {word}" for word in said if word not in usual)
