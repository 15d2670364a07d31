"""Figures of the codes of notes against a gold standard: flat, along the hierarchy, ranked, by group, of coders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from conceptmap.evaluation.above import upwards
from conceptmap.evaluation.calibrated import calibration
from conceptmap.evaluation.coders import MAIN, agreement, coders_of, principal, with_role
from conceptmap.evaluation.figures import Scores
from conceptmap.evaluation.groups import group_figures, pair_figures, tops
from conceptmap.evaluation.sampled import Figures, Means, Measured, mean_of, per_note, precision_recall_of
from conceptmap.ontology.best_matches import best_matches, shared_part
from conceptmap.ontology.similarity import information_content

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology

__all__ = ["measure_codes", "score_codes"]

CATEGORY_LENGTH = 3
"""Characters of an ICD-10 category."""
CODE_RANKS = (5, 8, 15)
_PAIR = ["note_id", "code"]


def score_codes(
    gold: pl.DataFrame,
    predicted: pl.DataFrame,
    *,
    ontology: Ontology | None = None,
    notes: Sequence[str] | None = None,
) -> Scores:
    """Score the codes of notes: the figures of `measure_codes` over all notes.

    >>> gold = pl.DataFrame({"note_id": ["1", "1"], "code": ["I10", "E11.9"]})
    >>> predicted = pl.DataFrame({"note_id": ["1", "1"], "code": ["I10", "E11.22"], "score": [0.9, 0.8]})
    >>> scores = score_codes(gold, predicted)
    >>> scores["full code"]["f1"], scores["category"]["f1"], scores["ranked"]["map"]
    (0.5, 1.0, 0.5)
    """
    return measure_codes(gold, predicted, ontology=ontology, notes=notes).scores()


def measure_codes(
    gold: pl.DataFrame,
    predicted: pl.DataFrame,
    *,
    ontology: Ontology | None = None,
    notes: Sequence[str] | None = None,
    seen: Iterable[str] | None = None,
) -> Measured:
    """Measure the codes of notes. Only notes of the gold standard count; codes are equal with or without their point.

    Args:
        gold: ``note_id, code`` and, where known, ``role`` (or ``kind``) and ``coder``. Against several coders each
            figure is the mean of those against each.
        predicted: ``note_id, code`` and, for ranked figures, ``score``, higher is surer; ``role``; ``probability``.
        ontology: adds the sections ``hierarchy``: codes and everything above them, retired ones as what replaced them;
            ``information``: the same, each weighted by its information content; ``similar``: each code as right as its
            best match in the note is similar to it (Lin, intrinsic), with the best-match average and the shared part of
            what is above, means over the notes; and a section for each chapter, or what else is uppermost.
        notes: the notes that count where some have no right code; by default those of the gold standard.
        seen: codes seen in training: adds ``seen`` and ``unseen``.

    Returns:
        ``full code`` and ``category`` (micro precision, recall, F1; macro F1 over all codes in gold or predictions),
        ``ranked`` (mAP, P@5, P@8, P@15) when there is a score, the above, ``role`` and ``principal`` where there are
        roles, ``calibration`` where there are probabilities, ``coders`` where there are several, and ``counts``.
    """
    upper = pl.col("code").str.to_uppercase()
    gold, predicted = (f.drop_nulls(_PAIR).with_columns(upper) for f in (gold, predicted))
    ids = (gold["note_id"] if notes is None else pl.Series("note_id", notes, dtype=pl.String)).unique().sort()
    gold, predicted = (with_role(f.filter(pl.col("note_id").is_in(ids.implode()))) for f in (gold, predicted))
    known = frozenset(_bare(code) for code in seen) if seen is not None else None
    sides = coders_of(gold)
    each = [_against(side, predicted, ids, ontology, known) for side in sides]
    figures = each[0] if len(each) == 1 else _means(each)
    bare = [_at(side, lambda code: (_bare(code),)) for side in sides]
    guessed = _at(predicted, lambda code: (_bare(code),))
    figures |= principal(gold, predicted, ids)
    if len(sides) > 1:
        figures |= agreement(bare, guessed, ids, lambda code: code[:CATEGORY_LENGTH])
    found, bins = calibration(pl.concat(bare).unique(), _bare_codes(predicted), ids)
    n_notes = max(len(ids), 1)
    n_gold = sum(side.height for side in bare) / len(bare)
    counts = {"gold per note": n_gold / n_notes, "predicted per note": guessed.height / n_notes}
    return Measured(ids.to_list(), figures | found, {"notes": len(ids), **counts}, bins)


def _means(each: Sequence[Figures]) -> Figures:
    """The means of the figures that all coders have."""
    names = [name for name in each[0] if all(name in figures for figures in each)]
    return {name: Means([figures[name] for figures in each]) for name in names}


def _against(
    gold: pl.DataFrame, predicted: pl.DataFrame, ids: pl.Series, ontology: Ontology | None, seen: frozenset[str] | None
) -> Figures:
    """The figures against one set of gold codes."""
    right = _bare_codes(gold).select(_PAIR).unique(maintain_order=True)
    known = _bare_codes(predicted)
    score = pl.col("score").max() if "score" in known.columns else pl.lit(None, dtype=pl.Float64).alias("score")
    guessed = known.group_by(_PAIR, maintain_order=True).agg(score)
    figures = pair_figures("full code", right, guessed, ids)
    figures |= pair_figures("category", *_categories(right, guessed), ids)
    if ontology is not None:
        figures |= _hierarchy(gold, predicted, ids, ontology)
    if guessed["score"].is_not_null().any():
        figures |= _ranked(right, guessed, ids)
    if seen is not None:
        group = pl.when(pl.col("code").is_in(list(seen))).then(pl.lit("seen")).otherwise(pl.lit("unseen"))
        figures |= group_figures("", right.with_columns(group=group), guessed.with_columns(group=group), ids)
    if MAIN in predicted.columns:
        roles = [_bare_codes(f).select(*_PAIR, group=MAIN) if MAIN in f.columns else None for f in (gold, predicted)]
        figures |= group_figures("role ", roles[0], roles[1], ids, pairs=(right, guessed))
    if ontology is not None:
        label = tops(ontology)
        one, two = (
            _bare_codes(f.join(_labels(f, label), on="code", maintain_order="left_right")) for f in (gold, predicted)
        )
        figures |= group_figures("chapter ", one, two, ids)
    return figures


def _bare(code: str) -> str:
    return "".join(code.upper().split()).replace(".", "")


def _bare_codes(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("code").str.replace_all(r"[\s.]", ""))


def _categories(gold: pl.DataFrame, guessed: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    return _at(gold, lambda code: (code[:CATEGORY_LENGTH],)), _at(guessed, lambda code: (code[:CATEGORY_LENGTH],))


def _labels(frame: pl.DataFrame, label: Callable[[str], Iterable[str]]) -> pl.DataFrame:
    """``code, group``."""
    rows = [(code, name) for code in frame["code"].unique(maintain_order=True) for name in label(code)]
    return pl.DataFrame(rows, schema={"code": pl.String, "group": pl.String}, orient="row")


def _at(frame: pl.DataFrame, level: Callable[[str], Iterable[str]]) -> pl.DataFrame:
    """``note_id, code`` with the codes of another level, each once a note."""
    codes = frame["code"].unique(maintain_order=True)
    rows = [(code, name) for code in codes for name in sorted(level(code))]
    levels = pl.DataFrame(rows, schema={"code": pl.String, "level": pl.String}, orient="row")
    found = frame.join(levels, on="code", how="inner", maintain_order="left_right")
    return found.select("note_id", code="level").unique(maintain_order=True)


def _hierarchy(gold: pl.DataFrame, predicted: pl.DataFrame, ids: pl.Series, ontology: Ontology) -> Figures:
    """Credit for what is above, for how informative that is, and for the most similar code."""
    above = [_at(frame, upwards(ontology)) for frame in (gold, predicted)]
    matches = best_matches(gold, predicted, ontology, ids)
    columns = ["guess_sum", "n_guess", "gold_sum", "n_gold"]
    shared = shared_part(above[0], above[1], ids)
    return {
        **pair_figures("hierarchy", above[0], above[1], ids),
        **_information(above[0], above[1], ids, ontology),
        **precision_recall_of("similar", per_note(ids, matches, columns)),
        ("similar", "best-match average"): mean_of(matches["average"].to_numpy()),
        ("similar", "shared ancestors"): mean_of(shared.to_numpy()),
    }


def _information(gold: pl.DataFrame, guess: pl.DataFrame, ids: pl.Series, ontology: Ontology) -> Figures:
    """Nodes weighted by information content (intrinsic); what the ontology does not hold weighs as a leaf.

    Source: Clark and Radivojac (2013), "Information-theoretic evaluation of predicted ontological annotations".
    """
    content = information_content(ontology)
    nodes = pl.concat((gold, guess))["code"].unique()
    places = [ontology.positions.get(node) for node in nodes]
    most = float(content.max()) if len(content) else 1.0
    weights = [most if at is None else float(content[at]) for at in places]
    weighed = pl.DataFrame({"code": nodes, "weight": pl.Series(weights, dtype=pl.Float64)})
    both = gold.join(guess, on=_PAIR, how="semi")
    sums = [per_note(ids, f.join(weighed, on="code"), ["weight"])[:, 0] for f in (both, guess, both, gold)]
    return precision_recall_of("information", np.stack(sums, axis=1))


def _ranked(gold: pl.DataFrame, guessed: pl.DataFrame, ids: pl.Series) -> Figures:
    """Mean average precision and precision at ranks, over all gold notes. Codes without a score come last."""
    score = pl.col("score").fill_null(float("-inf"))
    ordered = guessed.with_columns(score).sort(["note_id", "score", "code"], descending=[False, True, False])
    hits = ordered.join(gold.select(_PAIR).with_columns(hit=True), on=_PAIR, how="left", maintain_order="left")
    hits = hits.with_columns(pl.col("hit").fill_null(value=False).cast(pl.Float64))
    hits = hits.with_columns(
        rank=pl.int_range(1, pl.len() + 1).over("note_id"), hits=pl.col("hit").cum_sum().over("note_id")
    )
    sizes = gold.group_by("note_id").agg(gold=pl.len())
    hits = hits.join(sizes, on="note_id", how="left").with_columns(
        map=(pl.col("hit") * pl.col("hits") / pl.col("rank") / pl.col("gold")).fill_null(0.0),
        **{f"p@{k}": pl.when(pl.col("rank") <= k).then(pl.col("hit")).otherwise(0.0) / k for k in CODE_RANKS},
    )
    names = ["map", *(f"p@{k}" for k in CODE_RANKS)]
    columns = per_note(ids, hits, names)
    return {("ranked", name): mean_of(columns[:, at]) for at, name in enumerate(names)}
