"""Figures of mentions, given spans and tokens against a gold standard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from conceptmap.evaluation.above import upwards
from conceptmap.evaluation.calibrated import calibration_of
from conceptmap.evaluation.characters import character_figures
from conceptmap.evaluation.figures import Scores
from conceptmap.evaluation.sampled import Areas, Figures, Measured, mean_of, per_note, places, precision_recall_of
from conceptmap.frames import overlapping
from conceptmap.notes.marked import MarkedNote, MarkedSpan

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology

__all__ = [
    "GoldMentions",
    "MentionPairs",
    "measure_mentions",
    "measure_spans",
    "measure_tokens",
    "pairs_of",
    "score_mentions",
    "score_spans",
    "score_tokens",
]

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

    @classmethod
    def of_table(cls, table: pl.DataFrame, systems: Iterable[str] = ()) -> GoldMentions:
        """The mentions of a table; several rows of one span are several right codes, one without a code is ignored.

        Args:
            table: ``note_id, start_char, end_char, code``.
            systems: as of `of`.
        """
        rows = table.drop_nulls(["note_id", "start_char", "end_char"])
        spans = rows.group_by("note_id", "start_char", "end_char", maintain_order=True).agg(pl.col("code").drop_nulls())
        notes: dict[str, list[MarkedSpan]] = {note: [] for note in table["note_id"].drop_nulls().unique().sort()}
        for note, start, end, codes in spans.iter_rows():
            notes[note].append(MarkedSpan(start, end, tuple(codes)))
        return cls.of([MarkedNote.of(note, "", marked) for note, marked in notes.items()], systems)


def _spellings(codes: Sequence[str], systems: frozenset[str]) -> list[str]:
    """The codes without the system in front, and as they are.

    >>> _spellings(["icd10cm:I10", "DOID:4"], frozenset(["icd10cm"]))
    ['I10', 'icd10cm:I10', 'DOID:4']
    """
    bare = [code.partition(":")[2] if code.partition(":")[0].lower() in systems else "" for code in codes]
    return [spelling for pair in zip(bare, codes, strict=True) for spelling in pair if spelling]


def score_mentions(gold: GoldMentions, predicted: pl.DataFrame, *, ontology: Ontology | None = None) -> Scores:
    """Score mentions end to end: the figures of `measure_mentions` over all notes."""
    return measure_mentions(gold, predicted, ontology=ontology).scores()


def score_spans(gold: GoldMentions, predicted: pl.DataFrame) -> Scores:
    """Score the ranking of concepts for the gold spans: the figures of `measure_spans` over all notes."""
    return measure_spans(gold, predicted).scores()


def score_tokens(gold: GoldMentions, predicted: pl.DataFrame) -> Scores:
    """Score token tags: the figures of `measure_tokens` over all notes."""
    return measure_tokens(gold, predicted).scores()


def measure_mentions(
    gold: GoldMentions,
    predicted: pl.DataFrame,
    *,
    ontology: Ontology | None = None,
    seen: Iterable[str] | None = None,
) -> Measured:
    """Measure mentions end to end.

    A rank-1 prediction is right when it overlaps a gold mention and its code is one of that mention's; a gold mention
    is found when some prediction is right for it. Predictions that overlap an ignored span and no gold mention do not
    count.

    Args:
        gold: what should be found.
        predicted: ``note_id, start_char, end_char, code`` and ``rank`` (1 where there is none), ``probability``.
        ontology: adds the section ``hierarchy``: of overlapping pairs, how much of what is above (and at) the two
            codes is shared, best pair each.
        seen: codes seen in training: adds ``seen`` and ``unseen``, by the code of the mention or of the prediction.

    Returns:
        ``mentions``, as above; ``strict``, where the spans are the same; ``detection``, whatever the code;
        ``characters``, see `character_figures`; the above; ``calibration`` where there are probabilities; ``counts``.
    """
    pairs = pairs_of(gold, predicted)
    ids, counted, touched = pairs.ids, pairs.guesses, pairs.touched
    same = (pl.col("start_char") == pl.col("start_char_right")) & (pl.col("end_char") == pl.col("end_char_right"))
    right = touched.filter("right")
    figures = pairs.figures("mentions", right) | pairs.figures("strict", right.filter(same))
    figures |= pairs.figures("detection", touched) | character_figures(gold.mentions, counted, ids)
    if ontology is not None:
        figures |= _shared(pairs, upwards(ontology))
    if seen is not None:
        figures |= _by_seen(pairs, right, frozenset(seen))
    known = pl.col("guess").is_in(right["guess"].unique().implode())
    chance = "probability" in counted.columns
    judged = counted.with_columns(right=known).drop_nulls("probability") if chance else counted.clear()
    chances, bins = calibration_of(judged, ids)
    counts = {"notes": len(ids), "mentions": gold.mentions.height, "predictions": counted.height}
    return Measured(gold.note_ids, figures | chances, counts, bins)


@dataclass(frozen=True, eq=False)
class MentionPairs:
    """Predictions and the gold mentions that they overlap.

    Attributes:
        ids: of the notes.
        guesses: ``guess`` (a number), ``note_id, start_char, end_char, code``: each that counts, once.
        gold: as `GoldMentions.mentions`.
        touched: a row for every ``guess`` and ``mention`` that overlap, with ``right``.
    """

    ids: pl.Series
    guesses: pl.DataFrame
    gold: pl.DataFrame
    touched: pl.DataFrame

    def figures(self, section: str, right: pl.DataFrame) -> Figures:
        """Precision, recall and F1 by the pairs ``guess, mention`` that are right."""
        sides = []
        for side, key in ((self.guesses, "guess"), (self.gold, "mention")):
            hit = pl.col(key).is_in(right[key].unique().implode()).cast(pl.Float64)
            sides.append(per_note(self.ids, side.with_columns(hit=hit, n=1.0), ["hit", "n"]))
        return precision_recall_of(section, np.concatenate(sides, axis=1))


def pairs_of(gold: GoldMentions, predicted: pl.DataFrame) -> MentionPairs:
    """Returns the rank-1 predictions that count, and what they overlap; see `measure_mentions`."""
    first = _first_ranks(gold, predicted)
    chance = [pl.col("probability").max()] if "probability" in first.columns else []
    guesses = first.group_by(_SPAN, maintain_order=True).agg(chance).with_row_index("guess")
    touched = overlapping(guesses, gold.mentions).with_columns(right=pl.col("codes").list.contains(pl.col("code")))
    off = guesses.join(touched, on="guess", how="anti")
    off = off.join(overlapping(off, gold.ignored), on="guess", how="anti")
    counted = pl.concat((guesses.join(touched, on="guess", how="semi"), off))
    return MentionPairs(pl.Series("note_id", gold.note_ids, dtype=pl.String), counted, gold.mentions, touched)


def _by_seen(pairs: MentionPairs, right: pl.DataFrame, seen: frozenset[str]) -> Figures:
    """Mentions whose concept was seen in training, and others; a prediction goes by its own code."""
    wanted = list(seen)
    figures: Figures = {}
    for section, there in (("seen", pl.lit(value=True)), ("unseen", pl.lit(value=False))):
        guesses = pairs.guesses.filter(pl.col("code").is_in(wanted).fill_null(value=False) == there)
        gold = pairs.gold.filter(pl.col("codes").list.eval(pl.element().is_in(wanted)).list.any() == there)
        figures |= MentionPairs(pairs.ids, guesses, gold, pairs.touched).figures(section, right)
    return figures


def measure_spans(gold: GoldMentions, predicted: pl.DataFrame, *, seen: Iterable[str] | None = None) -> Measured:
    """Measure the ranking of concepts for exactly the gold spans: the share with a right code among the best 1, 5, 20.

    Args:
        gold: what should be found.
        predicted: ``note_id, start_char, end_char, code, rank``.
        seen: codes seen in training: adds ``seen`` and ``unseen``.
    """
    wanted = _with_rank(predicted).filter(pl.col("rank") <= max(SPAN_RANKS))
    spans = gold.mentions.join(wanted, on=["note_id", "start_char", "end_char"], how="inner")
    best = spans.filter(pl.col("codes").list.contains(pl.col("code"))).group_by("mention").agg(pl.col("rank").min())
    ranked = gold.mentions.join(best, on="mention", how="left", maintain_order="left")
    sections = {"gold spans": ranked}
    if seen is not None:
        there = pl.col("codes").list.eval(pl.element().is_in(list(seen))).list.any()
        sections |= {"seen": ranked.filter(there), "unseen": ranked.filter(~there)}
    figures: Figures = {}
    for section, rows in sections.items():
        for k in SPAN_RANKS:
            hit = (pl.col("rank") <= k).fill_null(value=False).cast(pl.Float64)
            sums = per_note(gold.note_ids, rows.with_columns(hit=hit, n=1.0), ["hit", "n"])
            figures[section, f"acc@{k}"] = mean_of(sums[:, 0], sums[:, 1])
    return Measured(gold.note_ids, figures, {"mentions": gold.mentions.height})


def measure_tokens(gold: GoldMentions, predicted: pl.DataFrame) -> Measured:
    """Measure token tags: right codes of the tokens inside gold mentions, and how well the score finds these tokens.

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
    right = within.filter(pl.col("codes").list.contains(pl.col("code")))["guess"].unique()
    inside = tokens.filter(pl.col("guess").is_in(within["guess"].unique().implode()))
    inside = inside.with_columns(hit=pl.col("guess").is_in(right.implode()).cast(pl.Float64), n=1.0)
    judged = tokens.join(overlapping(tokens, gold.ignored), on="guess", how="anti")
    judged = judged.with_columns(inside=pl.col("guess").is_in(within["guess"].unique().implode()))
    ids = pl.Series("note_id", gold.note_ids, dtype=pl.String)
    sums = per_note(ids, inside, ["hit", "n"])
    scores = judged["score"].to_numpy().astype(np.float64)
    figures: Figures = {
        ("token tags", "acc@1"): mean_of(sums[:, 0], sums[:, 1]),
        ("token tags", "auc"): Areas(len(ids), places(judged, ids), scores, judged["inside"].to_numpy()),
    }
    return Measured(gold.note_ids, figures, {"tokens inside": inside.height, "tokens": judged.height})


_SPAN = ("note_id", "start_char", "end_char", "code")


def _with_rank(predicted: pl.DataFrame) -> pl.DataFrame:
    rank = pl.col("rank").cast(pl.Int64).fill_null(1) if "rank" in predicted.columns else pl.lit(1).alias("rank")
    return predicted.with_columns(rank)


def _first_ranks(gold: GoldMentions, predicted: pl.DataFrame) -> pl.DataFrame:
    """Rank-1 rows of the gold notes."""
    known = pl.col("note_id").is_in(list(gold.note_ids))
    return _with_rank(predicted).filter(known & (pl.col("rank") == 1)).drop("guess", strict=False)


def _shared(pairs: MentionPairs, above: Callable[[str], Iterable[str]]) -> Figures:
    """Partial credit: the shared part of what is above the predicted code (precision) and the gold code (recall)."""
    best_guess: dict[int, float] = {}
    best_gold: dict[int, float] = {}
    for guess, mention, code, codes in pairs.touched.select("guess", "mention", "code", "codes").iter_rows():
        own = set(above(code)) if code is not None else set()
        for accepted in codes:
            other = set(above(accepted))
            both = len(own & other)
            best_guess[guess] = max(best_guess.get(guess, 0.0), both / max(len(own), 1))
            best_gold[mention] = max(best_gold.get(mention, 0.0), both / max(len(other), 1))
    sides = []
    for side, key, best in ((pairs.guesses, "guess", best_guess), (pairs.gold, "mention", best_gold)):
        credit = pl.Series("credit", [best.get(at, 0.0) for at in side[key]], dtype=pl.Float64)
        sides.append(per_note(pairs.ids, side.with_columns(credit, n=1.0), ["credit", "n"]))
    return precision_recall_of("hierarchy", np.concatenate(sides, axis=1))
