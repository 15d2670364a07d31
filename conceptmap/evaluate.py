"""Scores of codes and mentions against a gold standard, flat and along the hierarchy.

Every function returns sections of figures, ``{"full code": {"precision": …}}``. Precision, recall, F1 and accuracies
are shares in [0, 1]. A figure without any case is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.frames import overlapping
from conceptmap.notes.marked import MarkedNote
from conceptmap.ontology.best_matches import best_matches, shared_part

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology

__all__ = [
    "GoldMentions",
    "as_text",
    "auc",
    "precision_recall",
    "score_codes",
    "score_mentions",
    "score_spans",
    "score_tokens",
]

Scores = dict[str, dict[str, float]]

CATEGORY_LENGTH = 3
"""Characters of an ICD-10 category."""
SPAN_RANKS = (1, 5, 20)
CODE_RANKS = (5, 8)


# -- codes of notes ---------------------------------------------------------------------------------------------------


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
        scores["hierarchy"] = _by_code(*(_at(frame, _upwards(ontology)) for frame in (gold, predicted)))
        scores["similar"] = _similar(gold, predicted, ontology, counted)
    if guessed["score"].is_not_null().any():
        scores["ranked"] = _ranked(right, guessed, n_notes)
    per_note = {"gold per note": right.height / max(n_notes, 1), "predicted per note": guessed.height / max(n_notes, 1)}
    scores["counts"] = {"notes": n_notes, **per_note}
    return scores


def _category(code: str) -> Iterable[str]:
    return (code[:CATEGORY_LENGTH],)


def _upwards(ontology: Ontology) -> Callable[[str], Iterable[str]]:
    """A code's nodes today and all above them, save a root that is above everything; an unknown code alone.

    Source: Kiritchenko, Matwin, Nock and Famili (2006), "Learning and evaluation in the presence of class hierarchies".
    """
    roots = ontology.edges.join(ontology.edges, left_on="parent", right_on="child", how="anti")["parent"].unique()
    everything = frozenset(roots) if len(roots) == 1 else frozenset()

    @cache
    def above(code: str) -> frozenset[str]:
        node = ontology.find(code)
        if node is None:
            return frozenset((code,))
        nodes = ontology.current(node) or frozenset((node,))
        reached = ontology.dag_with_history.up.reached
        over = {ontology.nodes[at] for one in nodes for at in reached(ontology.positions[one])}
        return (nodes | over) - everything or nodes

    return above


def _similar(gold: pl.DataFrame, predicted: pl.DataFrame, ontology: Ontology, notes: pl.Series) -> dict[str, float]:
    """Partial credit: how similar each code is to its best match of the other side in the note."""
    found = best_matches(gold, predicted, ontology, notes)
    above = [_at(frame, _upwards(ontology)) for frame in (gold, predicted)]
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


def precision_recall(right: float, guessed: int, found: float, gold: int) -> dict[str, float]:
    """Precision, recall and their harmonic mean.

    Args:
        right: how many guesses are right, or the sum of how right each is.
        guessed: how many guesses there are.
        found: how many of what should be found was found, or the sum of how much of each was.
        gold: how much should be found.

    >>> precision_recall(1, 2, 1, 4)
    {'precision': 0.5, 'recall': 0.25, 'f1': 0.3333333333333333}
    """
    precision, recall = right / max(guessed, 1), found / max(gold, 1)
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / max(precision + recall, 1e-9)}


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


# -- mentions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GoldMentions:
    """Mentions as people marked them.

    Attributes:
        note_ids: all notes, those without a mention too.
        mentions: ``mention, note_id, start_char, end_char, codes`` (a list: any of them is right).
        ignored: ``note_id, start_char, end_char``: spans where a prediction is neither right nor wrong.
    """

    note_ids: tuple[str, ...]
    mentions: pl.DataFrame
    ignored: pl.DataFrame

    @classmethod
    def of(cls, notes: Iterable[MarkedNote], systems: Iterable[str] = ()) -> GoldMentions:
        """The mentions of notes as `conceptmap.notes.marked.read_marked` reads them.

        Args:
            notes: in which a mention without a code is an ignored span.
            systems: prefixes that a code may come with ("icd10cm:I10"), and is right without.
        """
        read, prefixes = list(notes), frozenset(systems)
        mentions = [
            (note.note_id, mention.start_char, mention.end_char, _spellings(mention.codes, prefixes))
            for note in read
            for mention in note.mentions
        ]
        ignored = [(note.note_id, *span) for note in read for span in note.ignored]
        spans = pl.Schema({"note_id": pl.String(), "start_char": pl.Int64(), "end_char": pl.Int64()})
        schema = pl.Schema({**spans, "codes": pl.List(pl.String())})
        return cls(
            tuple(note.note_id for note in read),
            pl.DataFrame(mentions, schema=schema, orient="row").with_row_index("mention"),
            pl.DataFrame(ignored, schema=spans, orient="row"),
        )


def _spellings(codes: Sequence[str], systems: frozenset[str]) -> list[str]:
    """The codes as they are, and without the system in front.

    >>> _spellings(["icd10cm:I10", "DOID:4"], frozenset(["icd10cm"]))
    ['icd10cm:I10', 'DOID:4', 'I10']
    """
    parts = (code.partition(":") for code in codes)
    return [*codes, *(bare for system, _, bare in parts if bare and system.lower() in systems)]


def score_mentions(gold: GoldMentions, predicted: pl.DataFrame, *, ontology: Ontology | None = None) -> Scores:
    """Score mentions end to end.

    A rank-1 prediction is right when it overlaps a gold mention and its code is one of that mention's; a gold mention
    is found when some prediction is right for it. Predictions that overlap an ignored span and no gold mention do not
    count.

    Args:
        gold: what should be found.
        predicted: ``note_id, start_char, end_char, code`` and ``rank`` (1 where there is none).
        ontology: adds the section ``hierarchy``: of overlapping pairs, how much of what is above (and at) the two
            codes is shared, best pair each.
    """
    first = _first_ranks(gold, predicted).select(_SPAN).unique(maintain_order=True).with_row_index("guess")
    touched = overlapping(first, gold.mentions).with_columns(right=pl.col("codes").list.contains(pl.col("code")))
    right = touched.filter("right")
    off = first.join(touched, on="guess", how="anti")
    off = off.join(overlapping(off, gold.ignored), on="guess", how="anti")
    counted = touched["guess"].n_unique() + off.height
    n_right, n_found = right["guess"].n_unique(), right["mention"].n_unique()
    scores = {"mentions": precision_recall(n_right, counted, n_found, gold.mentions.height)}
    if ontology is not None:
        scores["hierarchy"] = _shared(touched, counted, gold.mentions.height, _upwards(ontology))
    scores["counts"] = {"notes": len(gold.note_ids), "mentions": gold.mentions.height, "predictions": counted}
    return scores


def score_spans(gold: GoldMentions, predicted: pl.DataFrame) -> Scores:
    """Score the ranking of concepts for exactly the gold spans: the share with a right code among the best 1, 5, 20.

    Args:
        gold: what should be found.
        predicted: ``note_id, start_char, end_char, code, rank``.
    """
    wanted = _with_rank(predicted).filter(pl.col("rank") <= max(SPAN_RANKS))
    spans = gold.mentions.join(wanted, on=["note_id", "start_char", "end_char"], how="inner")
    best = spans.filter(pl.col("codes").list.contains(pl.col("code"))).group_by("mention").agg(pl.col("rank").min())
    total = max(gold.mentions.height, 1)
    found = {f"acc@{k}": best.filter(pl.col("rank") <= k).height / total for k in SPAN_RANKS}
    return {"gold spans": found, "counts": {"mentions": gold.mentions.height}}


def score_tokens(gold: GoldMentions, predicted: pl.DataFrame) -> Scores:
    """Score token tags: right codes of the tokens inside gold mentions, and how well the score finds these tokens.

    Args:
        gold: what should be found.
        predicted: ``note_id, start_char, end_char, code, rank, score``; a token without a code abstains.

    Returns:
        ``acc@1`` over the tokens inside a mention; ``auc`` of the score over all tokens that touch no ignored span.
    """
    tokens = _first_ranks(gold, predicted).with_row_index("guess")
    score = pl.col("score").fill_null(0.0) if "score" in tokens.columns else pl.lit(0.0).alias("score")
    tokens = tokens.with_columns(score)
    covers = (pl.col("start_char_right") <= pl.col("start_char")) & (pl.col("end_char") <= pl.col("end_char_right"))
    within = overlapping(tokens, gold.mentions).filter(covers)
    n_inside = within["guess"].n_unique()
    right = within.filter(pl.col("codes").list.contains(pl.col("code")))["guess"].n_unique()
    judged = tokens.join(overlapping(tokens, gold.ignored), on="guess", how="anti")
    judged = judged.with_columns(inside=pl.col("guess").is_in(within["guess"].unique().implode()))
    tags = {"acc@1": right / max(n_inside, 1), "auc": auc(judged["score"], judged["inside"])}
    return {"token tags": tags, "counts": {"tokens inside": n_inside, "tokens": judged.height}}


_SPAN = ("note_id", "start_char", "end_char", "code")


def _with_rank(predicted: pl.DataFrame) -> pl.DataFrame:
    rank = pl.col("rank").cast(pl.Int64).fill_null(1) if "rank" in predicted.columns else pl.lit(1).alias("rank")
    return predicted.with_columns(rank)


def _first_ranks(gold: GoldMentions, predicted: pl.DataFrame) -> pl.DataFrame:
    """Rank-1 rows of the gold notes."""
    known = pl.col("note_id").is_in(list(gold.note_ids))
    return _with_rank(predicted).filter(known & (pl.col("rank") == 1)).drop("guess", strict=False)


def _shared(touched: pl.DataFrame, guessed: int, gold: int, above: Callable[[str], Iterable[str]]) -> dict[str, float]:
    """Partial credit: the shared part of what is above the predicted code (precision) and the gold code (recall)."""
    best_guess: dict[int, float] = {}
    best_gold: dict[int, float] = {}
    for guess, mention, code, codes in touched.select("guess", "mention", "code", "codes").iter_rows():
        own = set(above(code)) if code is not None else set()
        for accepted in codes:
            other = set(above(accepted))
            both = len(own & other)
            best_guess[guess] = max(best_guess.get(guess, 0.0), both / max(len(own), 1))
            best_gold[mention] = max(best_gold.get(mention, 0.0), both / max(len(other), 1))
    return precision_recall(sum(best_guess.values()), guessed, sum(best_gold.values()), gold)


def auc(scores: pl.Series, right: pl.Series) -> float:
    """Area under the ROC curve of scores; ties count half (Mann and Whitney).

    Args:
        scores: higher for what is more probably right.
        right: of Booleans, as long.

    >>> auc(pl.Series([0.9, 0.5, 0.5, 0.1]), pl.Series([True, True, False, False]))
    0.875
    """
    positives = int(right.sum())
    rank_sum = float(scores.rank("average").filter(right).sum())
    return (rank_sum - positives * (positives + 1) / 2) / max(positives * (len(right) - positives), 1)


# -- showing ----------------------------------------------------------------------------------------------------------


def as_text(scores: Mapping[str, Mapping[str, float]]) -> str:
    """The figures as lines for people.

    >>> print(as_text({"mentions": {"precision": 0.5, "f1": 0.25}, "counts": {"notes": 12}}))
    mentions  precision 0.500  f1 0.250
    counts    notes 12
    """
    width = max(map(len, scores))
    return "\n".join(
        f"{section:<{width}}  " + "  ".join(f"{name} {_figure(value)}" for name, value in figures.items())
        for section, figures in scores.items()
    )


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
