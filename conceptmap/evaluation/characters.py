"""Character overlap by concept: the measure of the SNOMED CT entity linking challenge."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl

from conceptmap.evaluation.sampled import Figures, Groups, Sums, per_note, places

__all__ = ["character_figures"]

Spans = dict[tuple[str, str], list[tuple[int, int]]]


def character_figures(gold: pl.DataFrame, guesses: pl.DataFrame, ids: pl.Series) -> Figures:
    """Returns the section ``characters``: intersection over union of the characters of each concept.

    ``macro_iou`` is the mean over the concepts of gold or predictions (the challenge's measure: Hardman and others,
    2023); ``micro_iou`` is over all characters. A character counts once for each concept that it belongs to. A
    prediction whose code is another of those that are right for a gold mention it overlaps counts as that mention's
    first.

    Args:
        gold: ``note_id, start_char, end_char, codes``.
        guesses: ``note_id, start_char, end_char, code``.
        ids: of the notes that count.
    """
    wanted: Spans = defaultdict(list)
    others: dict[str, list[tuple[int, int, list[str]]]] = defaultdict(list)
    for note, start, end, codes in gold.select("note_id", "start_char", "end_char", "codes").iter_rows():
        wanted[note, codes[0]].append((start, end))
        if len(codes) > 1:
            others[note].append((start, end, codes))
    found: Spans = defaultdict(list)
    for note, start, end, code in guesses.select("note_id", "start_char", "end_char", "code").iter_rows():
        if code is not None:
            touched = [codes for first, last, codes in others.get(note, ()) if start < last and first < end]
            found[note, next((codes[0] for codes in touched if code in codes), code)].append((start, end))
    rows = [(*key, *_overlap(wanted.get(key, []), found.get(key, []))) for key in sorted({*wanted, *found})]
    columns = {"note_id": pl.String, "concept": pl.String, "both": pl.Float64, "either": pl.Float64}
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    names, both, either = (frame[name].to_numpy() for name in ("concept", "both", "either"))
    return {
        ("characters", "macro_iou"): Groups(len(ids), places(frame, ids), names.astype(np.str_), both, either),
        ("characters", "micro_iou"): Sums(
            per_note(ids, frame, ["both", "either"]), lambda sums: sums[:, 0] / np.maximum(sums[:, 1], 1)
        ),
    }


def _overlap(one: list[tuple[int, int]], two: list[tuple[int, int]]) -> tuple[int, int]:
    """How many characters two lists of spans share, and have.

    >>> _overlap([(0, 4), (2, 6)], [(5, 9)])
    (1, 9)
    """
    sides = [{at for start, end in spans for at in range(start, end)} for spans in (one, two)]
    return len(sides[0] & sides[1]), len(sides[0] | sides[1])
