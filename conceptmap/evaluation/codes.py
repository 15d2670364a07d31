"""Scores of the codes of notes against a gold standard, flat and along the hierarchy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.evaluation.above import upwards
from conceptmap.evaluation.figures import Scores, precision_recall
from conceptmap.ontology.best_matches import best_matches, shared_part

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology

__all__ = ["score_codes"]

CATEGORY_LENGTH = 3
"""Characters of an ICD-10 category."""
CODE_RANKS = (5, 8)


def score_codes(
    gold: pl.DataFrame,
    predicted: pl.DataFrame,
    *,
    ontology: Ontology | None = None,
    notes: Sequence[str] | None = None,
) -> Scores:
    """Score the codes of notes. Only the notes of the gold standard count; codes are equal with or without their point.

    Args:
        gold: ``note_id, code``.
        predicted: ``note_id, code`` and, for ranked figures, ``score``; higher is surer.
        notes: the notes that count where some have no right code; by default those of the gold standard.
        ontology: adds the sections ``hierarchy``: codes and everything above them, retired ones as what replaced them;
            and ``similar``: each code as right as its best match in the note is similar to it (Lin, intrinsic), with
            the best-match average and the shared part of what is above, means over the notes.

    Returns:
        ``full code`` and ``category`` (micro precision, recall, F1; macro F1 over all codes in gold or predictions),
        ``ranked`` (mAP, P@5, P@8) when there is a score, and ``counts``.

    >>> gold = pl.DataFrame({"note_id": ["1", "1"], "code": ["I10", "E11.9"]})
    >>> predicted = pl.DataFrame({"note_id": ["1", "1"], "code": ["I10", "E11.22"], "score": [0.9, 0.8]})
    >>> scores = score_codes(gold, predicted)
    >>> scores["full code"]["f1"], scores["category"]["f1"], scores["ranked"]["map"]
    (0.5, 1.0, 0.5)
    """
    upper = pl.col("code").str.to_uppercase()
    gold, predicted = (f.drop_nulls(["note_id", "code"]).with_columns(upper) for f in (gold, predicted))
    code = pl.col("code").str.replace_all(r"[\s.]", "")
    right = gold.select("note_id", code).unique(maintain_order=True)
    counted = right["note_id"].unique() if notes is None else pl.Series(notes, dtype=pl.String).unique()
    n_notes = len(counted)
    predicted = predicted.filter(pl.col("note_id").is_in(counted.implode()))
    known = predicted.with_columns(code)
    score = pl.col("score").max() if "score" in known.columns else pl.lit(None, dtype=pl.Float64).alias("score")
    guessed = known.group_by("note_id", "code", maintain_order=True).agg(score)
    scores = {"full code": _by_code(right, guessed)}
    scores["category"] = _by_code(*(_at(frame, _category) for frame in (right, guessed)))
    if ontology is not None:
        scores["hierarchy"] = _by_code(*(_at(frame, upwards(ontology)) for frame in (gold, predicted)))
        scores["similar"] = _similar(gold, predicted, ontology, counted)
    if guessed["score"].is_not_null().any():
        scores["ranked"] = _ranked(right, guessed, n_notes)
    per_note = {"gold per note": right.height / max(n_notes, 1), "predicted per note": guessed.height / max(n_notes, 1)}
    scores["counts"] = {"notes": n_notes, **per_note}
    return scores


def _category(code: str) -> Iterable[str]:
    return (code[:CATEGORY_LENGTH],)


def _similar(gold: pl.DataFrame, predicted: pl.DataFrame, ontology: Ontology, notes: pl.Series) -> dict[str, float]:
    """Partial credit: how similar each code is to its best match of the other side in the note."""
    found = best_matches(gold, predicted, ontology, notes)
    above = [_at(frame, upwards(ontology)) for frame in (gold, predicted)]
    figures = precision_recall(found.guess_sum, found.n_guess, found.gold_sum, found.n_gold)
    return {**figures, "best-match average": found.average, "shared ancestors": shared_part(above[0], above[1], notes)}


def _at(frame: pl.DataFrame, level: Callable[[str], Iterable[str]]) -> pl.DataFrame:
    """``note_id, code`` with the codes of another level, each once a note."""
    codes = frame["code"].unique(maintain_order=True)
    rows = [(code, name) for code in codes for name in sorted(level(code))]
    levels = pl.DataFrame(rows, schema={"code": pl.String, "level": pl.String}, orient="row")
    found = frame.join(levels, on="code", how="inner", maintain_order="left_right")
    return found.select("note_id", code="level").unique(maintain_order=True)


def _by_code(gold: pl.DataFrame, guessed: pl.DataFrame) -> dict[str, float]:
    """Micro precision, recall and F1, and macro F1, of (note, code) pairs."""
    keys = ["note_id", "code"]
    pairs = gold.select(*keys, gold=True).join(guessed.select(*keys, guess=True), on=keys, how="full", coalesce=True)
    pairs = pairs.with_columns(pl.col("gold", "guess").fill_null(value=False))
    hit, either = pl.col("gold") & pl.col("guess"), pl.col("gold").cast(int) + pl.col("guess").cast(int)
    by_code = pairs.group_by("code").agg(f1=2 * hit.sum() / either.sum()).sort("code")
    right = int(pairs.select(hit.sum()).item())
    return {
        **precision_recall(right, guessed.height, right, gold.height),
        "macro_f1": float(by_code["f1"].sum()) / max(by_code.height, 1),
    }


def _ranked(gold: pl.DataFrame, guessed: pl.DataFrame, n_notes: int) -> dict[str, float]:
    """Mean average precision and precision at ranks, over all gold notes. Codes without a score come last."""
    score = pl.col("score").fill_null(float("-inf"))
    ordered = guessed.with_columns(score).sort(["note_id", "score", "code"], descending=[False, True, False])
    hits = ordered.join(gold.with_columns(hit=True), on=["note_id", "code"], how="left", maintain_order="left")
    hits = hits.with_columns(pl.col("hit").fill_null(value=False).cast(pl.Float64))
    hits = hits.with_columns(
        rank=pl.int_range(1, pl.len() + 1).over("note_id"), hits=pl.col("hit").cum_sum().over("note_id")
    )
    sizes = gold.group_by("note_id").agg(gold=pl.len())
    precision = hits.join(sizes, on="note_id").select(
        (pl.col("hit") * pl.col("hits") / pl.col("rank") / pl.col("gold")).sum()
    )
    at = {f"p@{k}": float(hits.filter(pl.col("rank") <= k)["hit"].sum()) / k / max(n_notes, 1) for k in CODE_RANKS}
    return {"map": float(precision.item()) / max(n_notes, 1), **at}
