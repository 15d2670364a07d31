"""Fit a code adapter: notes and codes in, an adapter with its card out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.errors import InputError
from conceptmap.learned.code_adapter import NO_ENCODER, CodeAdapter, LearnedFor, learned_for
from conceptmap.learning.code_figures import card_of
from conceptmap.learning.learn_codes import CodeSettings, learned_from, training_notes
from conceptmap.learning.marked_phrases import phrases_given
from conceptmap.notes.given import frame_given
from conceptmap.ontology.rollup_frames import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conceptmap.coding.instructions import Instructions
    from conceptmap.encoders import TokenEncoder
    from conceptmap.learning.count_associations import TrainingNote
    from conceptmap.linking.linker import Linker
    from conceptmap.ontology.ontology import Ontology
    from conceptmap.reading import Reading

__all__ = ["coded_notes", "codes_given", "fitted_codes", "patients_of", "read_with"]


def fitted_codes(
    readings: Iterable[Reading],
    linkers: Sequence[Linker],
    instructions: Sequence[Instructions | None],
    codes: object,
    settings: CodeSettings,
    *,
    encoder: TokenEncoder | None,
    patients: Mapping[str, str],
) -> CodeAdapter:
    """Learn from notes and their codes.

    Args:
        readings: of the notes.
        linkers: one.
        instructions: of its index.
        codes: a dataframe with note_id and code, a row per code that a coder gave, and perhaps evidence.
        settings: how to learn.
        encoder: that the notes are read with.
        patients: whose note each is, where that is known.

    Raises:
        InputError: several indexes, another adapter, too little to learn from, evidence that is none, or LightGBM is
            wanted and not there.
    """
    if len(linkers) != 1 or linkers[0].adapter is not None:
        got = f"{len(linkers)} indexes" if len(linkers) != 1 else "a mapper with an adapter of mentions"
        raise InputError("codes are learned for one index, without other adapters", got=got)
    (linker,) = linkers
    settings.check()
    notes, lost = coded_notes(readings, linker, instructions[0], codes, setting=settings.setting, patients=patients)
    made_for = read_with(linker, encoder)
    learned = learned_from(notes, made_for, linker.book, settings)
    card = card_of(learned, notes, made_for, linker.book, settings, lost=lost)
    return replace(learned.adapter, card=card)


def coded_notes(
    readings: Iterable[Reading],
    linker: Linker,
    instructions: Instructions | None,
    codes: object,
    *,
    setting: str | None = None,
    patients: Mapping[str, str] | None = None,
) -> tuple[list[TrainingNote], int]:
    """Notes as they are learned from, and how many of their codes the index does not hold.

    Args:
        readings: of the notes.
        linker: of the index.
        instructions: of the index.
        codes: a dataframe with note_id and code, a row per code that a coder gave; where it has a column evidence, the
            words of the note that the coder marked for the code.
        setting: of all notes.
        patients: whose note each is, where that is known.

    Raises:
        InputError: a column is missing, or evidence holds no words of the notes.
    """
    ontology = linker.index.ontology()
    given, lost = codes_given(codes, ontology)
    phrases = phrases_given(codes, ontology)
    notes = training_notes(readings, linker, instructions, given, setting=setting, patients=patients, phrases=phrases)
    return notes, lost


def read_with(linker: Linker, encoder: TokenEncoder | None) -> LearnedFor:
    """What notes are read with, by a linker and an encoder."""
    name, revision = (NO_ENCODER, "") if encoder is None else (encoder.name, encoder.revision)
    return learned_for(linker.index, encoder=name, revision=revision)


def codes_given(codes: object, ontology: Ontology) -> tuple[dict[str, set[str]], int]:
    """The codes of each note as the ontology spells them, and how many it does not hold.

    Args:
        codes: a dataframe with note_id and code.
        ontology: of the index.

    Raises:
        InputError: it lacks these columns.
    """
    columns: dict[str, pl.DataType] = {"note_id": pl.String(), "code": pl.String()}
    frame = frame_given(codes, columns, what="the codes").drop_nulls()
    known = spelled(frame, [ontology])[0].drop_nulls()
    out: dict[str, set[str]] = {}
    for note_id, code in known.iter_rows():
        out.setdefault(note_id, set()).add(code)
    return out, frame.height - known.height


def patients_of(notes: object) -> dict[str, str]:
    """The patient of each note, where the notes are a dataframe that says so."""
    if "person_id" not in getattr(notes, "columns", ()) or "note_id" not in getattr(notes, "columns", ()):
        return {}
    columns: dict[str, pl.DataType] = {"note_id": pl.String(), "person_id": pl.String()}
    frame = frame_given(notes, columns, what="the notes").drop_nulls()
    return dict(frame.iter_rows())
