"""Scores of mentions, given spans and tokens against a gold standard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.evaluation.above import upwards
from conceptmap.evaluation.figures import Scores, auc, precision_recall
from conceptmap.frames import overlapping
from conceptmap.notes.marked import MarkedNote

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology

__all__ = ["GoldMentions", "score_mentions", "score_spans", "score_tokens"]

SPAN_RANKS = (1, 5, 20)


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
        scores["hierarchy"] = _shared(touched, counted, gold.mentions.height, upwards(ontology))
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
