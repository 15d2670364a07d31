"""Scores: small cases worked out by hand, and random ones against slow twins."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from small_mapper import ontology

from conceptmap.evaluation.codes import score_codes
from conceptmap.evaluation.mentions import GoldMentions, score_mentions, score_spans, score_tokens
from conceptmap.notes.marked import read_marked


def codes_of(rows: Sequence[tuple[str, str] | tuple[str, str, float | None]]) -> pl.DataFrame:
    columns = ["note_id", "code", "score"][: len(rows[0])]
    return pl.DataFrame(rows, schema=columns, orient="row")


GOLD = codes_of([("1", "E11.9"), ("1", "I10"), ("2", "I50.9"), ("3", "R50.9")])
PREDICTED = codes_of(
    [
        ("1", "i10", 0.9),
        ("1", "R51.9", 0.8),
        ("1", "E11.22", 0.7),
        ("2", "I50.9", 0.5),
        ("2", "I50.9", 0.6),
        ("9", "I10", 1.0),
    ]
)


def test_codes_by_hand() -> None:
    scores = score_codes(GOLD, PREDICTED)
    full, category, ranked = scores["full code"], scores["category"], scores["ranked"]
    assert full == pytest.approx({"precision": 2 / 4, "recall": 2 / 4, "f1": 0.5, "macro_f1": 2 / 6})
    assert category["precision"] == pytest.approx(3 / 4)
    assert category["macro_f1"] == pytest.approx(3 / 5)
    assert ranked == pytest.approx({"map": (0.5 + 1 + 0) / 3, **{f"p@{k}": 2 / k / 3 for k in (5, 8, 15)}})
    assert scores["counts"] == pytest.approx({"notes": 3, "gold per note": 4 / 3, "predicted per note": 4 / 3})


def test_a_near_miss_gets_credit_for_what_is_above_both() -> None:
    gold, near, far = (codes_of([("1", code)]) for code in ("E11.9", "E11.22", "I10"))
    hierarchy = score_codes(gold, near, ontology=ontology())["hierarchy"]
    assert (hierarchy["precision"], hierarchy["recall"]) == pytest.approx((2 / 3, 2 / 3))
    assert score_codes(gold, far, ontology=ontology())["hierarchy"]["f1"] == 0
    assert score_codes(gold, gold, ontology=ontology())["hierarchy"]["f1"] == pytest.approx(1)
    assert score_codes(codes_of([("1", "Z99")]), codes_of([("1", "Z99")]), ontology=ontology())["hierarchy"]["f1"] == 1


def test_without_scores_nothing_is_ranked_and_no_prediction_is_zero() -> None:
    assert "ranked" not in score_codes(GOLD, PREDICTED.drop("score"))
    nothing = score_codes(GOLD, PREDICTED.clear())
    assert nothing["full code"] == {"precision": 0, "recall": 0, "f1": 0, "macro_f1": 0}


def naive_codes(gold: pl.DataFrame, predicted: pl.DataFrame) -> tuple[float, float, float, float]:
    right = {note: {c for n, c in gold.iter_rows() if n == note} for note in gold["note_id"]}
    best: dict[tuple[str, str], float] = {}
    for note, code, score in predicted.iter_rows():
        if note in right:
            best[note, code] = max(best.get((note, code), -1.0), -1.0 if score is None else score)
    hits = sum(code in right[note] for note, code in best)
    average, at_five = 0.0, 0.0
    for note, codes in right.items():
        ranked = sorted((c for n, c in best if n == note), key=lambda c: (-best[note, c], c))
        found = [rank for rank, code in enumerate(ranked, 1) if code in codes]
        average += sum(at / rank for at, rank in enumerate(found, 1)) / len(codes)
        at_five += sum(rank <= 5 for rank in found) / 5
    total = sum(map(len, right.values()))
    return hits / max(len(best), 1), hits / total, average / len(right), at_five / len(right)


@pytest.mark.parametrize("seed", range(8))
def test_codes_equal_the_slow_twin(seed: int) -> None:
    rng = random.Random(seed)
    codes = [letter + number for letter in "ABCDEFGH" for number in ("10", "11.0", "11.1")]
    gold = codes_of([(rng.choice("123"), rng.choice(codes)) for _ in range(12)])
    rows = [(rng.choice("1234"), rng.choice(codes), rng.choice([None, 0.2, 0.2, 0.5, rng.random()])) for _ in range(40)]
    scores = score_codes(gold, pl.DataFrame(rows, schema=["note_id", "code", "score"], orient="row"))
    got = (
        scores["full code"]["precision"],
        scores["full code"]["recall"],
        scores["ranked"]["map"],
        scores["ranked"]["p@5"],
    )
    assert got == pytest.approx(naive_codes(gold, codes_of(rows)))


# -- mentions ---------------------------------------------------------------------------------------------------------

NOTES = [
    {"note_id": "a", "text": "x" * 60, "mentions": [{"start": 0, "end": 10, "codes": ["E11.9", "E11"]},
     {"start": 20, "end": 30, "codes": ["I10"]}], "ignored": [[40, 50]]},
    {"note_id": "b", "text": "x" * 60, "mentions": [{"start": 5, "end": 9, "codes": ["R50.9"]}], "ignored": []},
]  # fmt: skip


@pytest.fixture
def gold(tmp_path: Path) -> GoldMentions:
    path = tmp_path / "gold.jsonl"
    path.write_text("\n".join(json.dumps(note) for note in NOTES))
    return GoldMentions.of(read_marked(path))


def spans_of(*rows: tuple[str, int, int, str | None, int, float]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["note_id", "start_char", "end_char", "code", "rank", "score"], orient="row")


def test_mentions_by_hand(gold: GoldMentions) -> None:
    predicted = spans_of(
        ("a", 8, 12, "E11", 1, 1.0),  # touches and is right
        ("a", 0, 5, "E11.9", 1, 1.0),  # right again, the same mention
        ("a", 0, 5, "I10", 2, 1.0),  # rank 2 does not count
        ("a", 29, 41, "I50.9", 1, 1.0),  # wrong, though it also touches an ignored span
        ("a", 45, 60, "I10", 1, 1.0),  # ignored
        ("a", 10, 20, "I10", 1, 1.0),  # beside both: wrong
        ("b", 5, 9, "R51.9", 1, 1.0),  # wrong code
        ("z", 5, 9, "R51.9", 1, 1.0),  # no such note
    )
    scores = score_mentions(gold, predicted, ontology=ontology())
    assert scores["mentions"] == pytest.approx({"precision": 2 / 5, "recall": 1 / 3, "f1": 2 * 0.4 / 3 / (0.4 + 1 / 3)})
    assert scores["hierarchy"]["precision"] == pytest.approx((1 + 1 + 1 / 3 + 0 + 1 / 2) / 5)
    assert scores["hierarchy"]["recall"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    without_rank = predicted.filter(pl.col("rank") == 1).drop("rank")
    assert score_mentions(gold, without_rank)["mentions"] == scores["mentions"]


def test_gold_spans_by_hand(gold: GoldMentions) -> None:
    predicted = spans_of(
        ("a", 0, 10, "R50.9", 1, 0.9),
        ("a", 0, 10, "E11", 3, 0.8),
        ("a", 0, 10, "E11.9", 4, 0.7),
        ("a", 20, 30, "I10", 1, 0.9),
        ("b", 5, 8, "R50.9", 1, 0.9),  # another span
    )
    assert score_spans(gold, predicted)["gold spans"] == pytest.approx(
        {"acc@1": 1 / 3, "acc@5": 2 / 3, "acc@20": 2 / 3}
    )


def test_tokens_by_hand(gold: GoldMentions) -> None:
    predicted = spans_of(
        ("a", 0, 4, "E11.9", 1, 0.9),
        ("a", 4, 10, None, 1, 0.2),
        ("a", 8, 12, "E11.9", 1, 0.2),  # sticks out: outside, and tied with the one before
        ("a", 20, 30, "I10", 2, 0.9),  # rank 2
        ("a", 44, 46, "I10", 1, 0.9),  # ignored
        ("b", 5, 9, "I10", 1, 0.1),
    )
    scores = score_tokens(gold, predicted)
    assert scores["token tags"]["acc@1"] == pytest.approx(1 / 3)
    assert scores["token tags"]["auc"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert scores["counts"] == {"tokens inside": 3, "tokens": 4}


def test_gold_is_any_note_with_marked_mentions(gold: GoldMentions, tmp_path: Path) -> None:
    assert gold.note_ids == ("a", "b")
    assert gold.mentions["mention"].to_list() == [0, 1, 2]
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "a.ann").write_text(ANNOTATIONS)
    (tmp_path / "gold.pubtator").write_text(PUBTATOR)
    for source in (tmp_path, tmp_path / "gold.pubtator"):
        read = GoldMentions.of(read_marked(source), ["icd10cm"])
        assert read.mentions.drop("mention", "codes").rows() == [("a", 0, 5)]
        assert score_mentions(read, spans_of(("a", 0, 5, "R50.9", 1, 1.0)))["mentions"]["f1"] == 1.0
        assert read.ignored.rows() == [("a", 7, 12)], "a mention without a code is neither right nor wrong"


TEXT = "Fever, chest pain."
ANNOTATIONS = "T1\tFinding 0 5\tFever\nN1\tReference T1 icd10cm:R50.9\tFever\nT2\tFinding 7 12\tchest\n"
PUBTATOR = f"a|t|{TEXT}\na\t0\t5\tFever\tFinding\tR50.9\na\t7\t12\tchest\tFinding\t-\n"
