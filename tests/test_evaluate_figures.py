"""Every figure against scikit-learn or a slow twin, over all notes and over samples of them; intervals; comparisons."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, f1_score, jaccard_score, precision_score, recall_score, roc_auc_score
from small_mapper import ontology

from conceptmap.evaluation.codes import measure_codes
from conceptmap.evaluation.intervals import compared, intervals
from conceptmap.evaluation.mentions import GoldMentions, measure_mentions, measure_spans, measure_tokens
from conceptmap.evaluation.sampled import Areas, Measured, precision_recall_of
from conceptmap.notes.marked import MarkedNote, MarkedSpan

CODES = ["E11.9", "E11.22", "I10", "I50.9", "R50.9", "R51.9", "Z99.9"]
ROLES = ["principal", "secondary", "symptom"]


def some_codes(rng: random.Random, n_notes: int, *, coders: bool = False) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Gold and predicted codes of notes, each code at most once a note and coder."""
    gold, predicted = [], []
    for note in map(str, range(n_notes)):
        for coder in ("1", "2") if coders else ("1",):
            gold += [(note, code, coder, rng.choice(ROLES)) for code in rng.sample(CODES, rng.randint(1, 4))]
        found = rng.sample(CODES, rng.randint(0, 5))
        predicted += [(note, code, rng.choice([0.2, 0.5]), rng.random(), rng.choice(ROLES)) for code in found]
    frames = (
        pl.DataFrame(gold, schema=["note_id", "code", "coder", "role"], orient="row"),
        pl.DataFrame(predicted, schema=["note_id", "code", "score", "probability", "role"], orient="row"),
    )
    return frames if coders else (frames[0].drop("coder"), frames[1])


def cells(frame: pl.DataFrame, notes: list[str], codes: list[str]) -> NDArray[np.int64]:
    """Which note has which code. *Shape:* (n_notes, n_codes)."""
    there = set(frame.select("note_id", "code").rows())
    return np.array([[(note, code) in there for code in codes] for note in notes], dtype=np.int64)


@pytest.mark.parametrize("seed", range(4))
def test_codes_equal_scikit_learns(seed: int) -> None:
    gold, predicted = some_codes(random.Random(seed), 12)
    measured = measure_codes(gold, predicted, ontology=ontology(), seen=CODES[:3])
    scores, notes = measured.scores(), list(measured.notes)
    used = sorted({*gold["code"], *predicted["code"]})
    y, z = (cells(frame, notes, used) for frame in (gold, predicted))
    assert scores["full code"] == pytest.approx(
        {
            "precision": precision_score(y, z, average="micro"),
            "recall": recall_score(y, z, average="micro"),
            "f1": f1_score(y, z, average="micro"),
            "macro_f1": f1_score(y, z, average="macro", zero_division=0),
        }
    )
    for section, codes in (("seen", CODES[:3]), ("unseen", CODES[3:]), ("chapter 9 Diseases of the heart & vessels",
                           ["I10", "I50.9"])):  # fmt: skip
        y, z = (cells(frame, notes, codes) for frame in (gold, predicted))
        got = scores[section]
        assert got["precision"] == pytest.approx(precision_score(y, z, average="micro", zero_division=0))
        assert got["recall"] == pytest.approx(recall_score(y, z, average="micro"))
        assert got["f1"] == pytest.approx(f1_score(y, z, average="micro"))
    judged = predicted.with_columns(right=pl.struct("note_id", "code").is_in(gold.select(
        pl.struct("note_id", "code")).to_series().implode()))  # fmt: skip
    p, right = judged["probability"].to_numpy(), judged["right"].to_numpy()
    assert scores["calibration"]["brier"] == pytest.approx(brier_score_loss(right, p))
    assert scores["calibration"]["ece"] == pytest.approx(slow_error(p, right))
    assert sum(b.n for b in measured.reliability) == predicted.height


def slow_error(p: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    error = 0.0
    for low in np.arange(10) / 10:
        inside = [(a, b) for a, b in zip(p, right, strict=True) if low <= a < low + 0.1]
        if inside:
            error += len(inside) / len(p) * abs(np.mean([a for a, _ in inside]) - np.mean([b for _, b in inside]))
    return error


def test_roles_by_hand() -> None:
    gold = pl.DataFrame({"note_id": ["a", "a", "b"], "code": ["I10", "E11.9", "I10"],
                         "kind": ["principal", "secondary", "principal"]})  # fmt: skip
    predicted = pl.DataFrame({"note_id": ["a", "a", "b"], "code": ["I10", "R50.9", "E11.9"],
                              "role": ["secondary", "principal", "principal"]})  # fmt: skip
    scores = measure_codes(gold, predicted).scores()
    assert scores["role principal"] == pytest.approx({"precision": 0, "recall": 1 / 2, "f1": 0})
    assert scores["role secondary"] == pytest.approx({"precision": 1, "recall": 0, "f1": 0})
    assert scores["principal"]["right"] == 0
    right = predicted.with_columns(code=pl.Series(["E11.9", "I10", "I10"]))
    assert measure_codes(gold, right).scores()["principal"]["right"] == 1
    twice = pl.concat((right, right.with_columns(code=pl.lit("R50.9"))))
    assert measure_codes(gold, twice).scores()["principal"]["right"] == 0, "two principals are none"


def test_several_coders_are_each_the_truth() -> None:
    gold, predicted = some_codes(random.Random(7), 15, coders=True)
    scores = measure_codes(gold, predicted, ontology=ontology()).scores()
    notes, used = [str(at) for at in range(15)], sorted({*gold["code"], *predicted["code"]})
    one, two = (cells(gold.filter(pl.col("coder") == coder), notes, used) for coder in "12")
    z = cells(predicted, notes, used)
    assert scores["full code"]["f1"] == pytest.approx(np.mean([f1_score(y, z, average="micro") for y in (one, two)]))
    assert scores["coders"] == pytest.approx(
        {
            "agreement": f1_score(one, two, average="micro"),
            "category agreement": scores["coders"]["category agreement"],
            "precision of any": precision_score(one | two, z, average="micro"),
            "recall of all": recall_score(one & two, z, average="micro"),
        }
    )
    assert "coders" not in measure_codes(gold.filter(pl.col("coder") == "1"), predicted).scores()
    assert scores["information"]["f1"] != pytest.approx(scores["hierarchy"]["f1"])


def some_mentions(rng: random.Random, n_notes: int) -> tuple[GoldMentions, pl.DataFrame]:
    notes, rows = [], []
    for note in map(str, range(n_notes)):
        spans = []
        for start in range(0, 90, 15):
            first = start + rng.randint(0, 4)
            codes = tuple(rng.sample(CODES, rng.choice([1, 1, 2])))
            if rng.random() < 0.7:
                spans.append(MarkedSpan(first, first + rng.randint(3, 8), codes if rng.random() < 0.9 else ()))
            if rng.random() < 0.7:
                moved = first + rng.choice([0, 0, 2])
                guess = codes[0] if rng.random() < 0.5 else rng.choice(CODES)
                rows.append((note, moved, moved + rng.randint(3, 8), guess, 1, rng.choice([0.3, 0.6]), rng.random()))
        if spans and rng.random() < 0.8:
            span = rng.choice(spans)
            rows.append((note, span.start_char, span.end_char, (*span.codes, "I10")[0], 1, 0.3, 0.5))
        notes.append(MarkedNote.of(note, "x" * 100, spans))
    columns = ["note_id", "start_char", "end_char", "code", "rank", "score", "probability"]
    return GoldMentions.of(notes), pl.DataFrame(rows, schema=columns, orient="row")


Pair = tuple[tuple[int, int, str], tuple[int, int, list[str]]]


def slow_mentions(gold: GoldMentions, predicted: pl.DataFrame, right: Callable[..., bool]) -> tuple[float, float]:
    n_right = n_guess = n_found = 0
    for note in gold.note_ids:
        marked = [row[2:] for row in gold.mentions.rows() if row[1] == note]
        skipped = [row[1:] for row in gold.ignored.rows() if row[0] == note]
        guesses = {row[1:4] for row in predicted.rows() if row[0] == note}
        for guess in guesses:
            touched = [m for m in marked if m[0] < guess[1] and guess[0] < m[1]]
            if touched or not any(s[0] < guess[1] and guess[0] < s[1] for s in skipped):
                n_guess += 1
                n_right += any(right(guess, m) for m in touched)
        n_found += sum(any(right(g, m) for g in guesses if m[0] < g[1] and g[0] < m[1]) for m in marked)
    return n_right / n_guess, n_found / gold.mentions.height


@pytest.mark.parametrize("seed", range(3))
def test_mentions_equal_slow_twins(seed: int) -> None:
    gold, predicted = some_mentions(random.Random(seed), 8)
    scores = measure_mentions(gold, predicted, seen=CODES[:3]).scores()
    rules: dict[str, Callable[..., bool]] = {
        "mentions": lambda guess, m: guess[2] in m[2],
        "strict": lambda guess, m: guess[2] in m[2] and guess[:2] == m[:2],
        "detection": lambda guess, m: True,
    }
    for section, rule in rules.items():
        precision, recall = slow_mentions(gold, predicted, rule)
        assert (scores[section]["precision"], scores[section]["recall"]) == pytest.approx((precision, recall))
    assert scores["characters"]["macro_iou"] == pytest.approx(slow_overlap(gold, predicted))
    known = replace(
        gold, mentions=gold.mentions.filter(pl.col("codes").list.eval(pl.element().is_in(CODES[:3])).list.any())
    )
    recall = slow_mentions(known, predicted, rules["mentions"])[1]
    assert scores["seen"]["recall"] == pytest.approx(recall)


def slow_overlap(gold: GoldMentions, predicted: pl.DataFrame) -> float:
    """By scikit-learn: characters are samples, concepts labels. Predictions that do not count are left out first."""
    truth = np.zeros((len(gold.note_ids) * 100, len(CODES)), dtype=np.int64)
    guess = np.zeros_like(truth)
    for _, note, start, end, codes in gold.mentions.rows():
        truth[int(note) * 100 + start : int(note) * 100 + end, CODES.index(codes[0])] = 1
    for note, start, end, code in predicted.select("note_id", "start_char", "end_char", "code").rows():
        touched = [m[4] for m in gold.mentions.rows() if m[1] == note and m[2] < end and start < m[3]]
        skipped = any(s[0] == note and s[1] < end and start < s[2] for s in gold.ignored.rows())
        if touched or not skipped:
            canonical = next((codes[0] for codes in touched if len(codes) > 1 and code in codes), code)
            guess[int(note) * 100 + start : int(note) * 100 + end, CODES.index(canonical)] = 1
    used = np.flatnonzero(truth.any(axis=0) | guess.any(axis=0))
    return float(jaccard_score(truth[:, used], guess[:, used], average="macro"))


def test_the_area_equals_scikit_learns_also_of_a_sample() -> None:
    rng = np.random.default_rng(0)
    note, score = rng.integers(0, 20, 300), rng.integers(0, 9, 300) / 8
    right = rng.random(300) < score
    area = Areas(20, note, score, right)
    weights = rng.multinomial(20, np.full(20, 1 / 20), size=3).astype(np.float64)
    rows = np.concatenate((np.ones((1, 20)), weights))
    want = [roc_auc_score(right, score, sample_weight=weight[note]) for weight in rows]
    np.testing.assert_allclose(area.at(rows), want)


# -- samples ----------------------------------------------------------------------------------------------------------


def drawn(frame: pl.DataFrame, ids: list[str]) -> pl.DataFrame:
    """The rows of these notes, each draw a note of its own."""
    return pl.concat([frame.filter(pl.col("note_id") == note).with_columns(note_id=pl.lit(f"{at:03}")) for at, note in
                      enumerate(ids)])  # fmt: skip


def weights_of(measured: Measured, ids: list[str]) -> NDArray[np.float64]:
    return np.array([[float(ids.count(note)) for note in measured.notes]])


@pytest.mark.parametrize("coders", [False, True])
def test_a_sample_of_notes_has_the_figures_of_its_notes(coders: bool) -> None:
    """Whatever is weighted is what would be measured on the notes that were drawn."""
    rng = random.Random(3)
    gold, predicted = some_codes(rng, 9, coders=coders)
    measured = measure_codes(gold, predicted, ontology=ontology(), seen=CODES[:3])
    for _ in range(3):
        ids = rng.choices([str(at) for at in range(9)], k=9)
        numbers = [f"{at:03}" for at in range(9)]
        sample = measure_codes(
            drawn(gold, ids), drawn(predicted, ids), ontology=ontology(), seen=CODES[:3], notes=numbers
        )
        again = sample.scores()
        for (section, name), figure in measured.figures.items():
            got = float(figure.at(weights_of(measured, ids))[0])
            assert got == pytest.approx(again.get(section, {}).get(name, 0.0)), (section, name)


def test_a_sample_of_marked_notes_has_the_figures_of_its_notes() -> None:
    rng = random.Random(4)
    gold, predicted = some_mentions(rng, 7)
    ids = rng.choices(list(gold.note_ids), k=7)
    sample = GoldMentions(
        tuple(f"{at:03}" for at in range(7)),
        drawn(gold.mentions, ids).drop("mention").with_row_index("mention"),
        drawn(gold.ignored, ids),
    )
    for measure in (measure_mentions, measure_spans, measure_tokens):
        measured, again = measure(gold, predicted), measure(sample, drawn(predicted, ids)).scores()
        for (section, name), figure in measured.figures.items():
            got = float(figure.at(weights_of(measured, ids))[0])
            assert got == pytest.approx(again[section][name]), (section, name)


def found_by(rng: np.random.Generator, truth: NDArray[np.bool_], kept: float) -> NDArray[np.bool_]:
    """By a system that finds so much of the truth, and adds some of its own."""
    return np.where(truth, rng.random(truth.shape) < kept, rng.random(truth.shape) < 0.05)


def noisy(rng: np.random.Generator, truth: NDArray[np.bool_], kept: float) -> pl.DataFrame:
    return frame_of(found_by(rng, truth, kept))


def frame_of(found: NDArray[np.bool_]) -> pl.DataFrame:
    notes, codes = found.nonzero()
    return pl.DataFrame({"note_id": [f"{at:03}" for at in notes], "code": [f"C{at:02}" for at in codes]})


def test_the_interval_of_two_equal_systems_covers_no_difference() -> None:
    """In at least 93 of 100 studies, that is; and the test is as seldom wrong."""
    n_studies, n_notes, kept = 300, 100, ("", "f1")
    covered = sure = 0
    for seed in range(n_studies):
        rng = np.random.default_rng(seed)
        truth = rng.random((n_notes, 12)) < 0.3
        systems = []
        for _ in range(2):
            found = found_by(rng, truth, 0.7)
            hit = (found & truth).sum(axis=1)
            counts = np.stack((hit, found.sum(axis=1), hit, truth.sum(axis=1)), axis=1).astype(np.float64)
            systems.append(Measured([*map(str, range(n_notes))], {kept: precision_recall_of("", counts)[kept]}))
        difference = compared(systems[0], systems[1])[kept]
        covered += difference.low <= 0 <= difference.high
        sure += difference.p <= 0.05
    assert covered >= 0.93 * n_studies
    assert 0.02 * n_studies <= sure <= 0.08 * n_studies


def test_a_better_system_is_told_from_a_worse_one_and_the_same_from_none() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random((80, 12)) < 0.3
    gold, good, bad = frame_of(truth), noisy(rng, truth, 0.9), noisy(rng, truth, 0.6)
    one, two = (measure_codes(gold, frame, ontology=None) for frame in (good, bad))
    found = compared(one, two)
    for name in (("full code", "f1"), ("full code", "macro_f1"), ("category", "recall")):
        assert 0 < found[name].low < found[name].difference < found[name].high
        assert found[name].p < 0.01
    back = compared(two, one)["full code", "f1"]
    assert (back.low, back.high) == pytest.approx((-found["full code", "f1"].high, -found["full code", "f1"].low))
    same = compared(one, one)["full code", "macro_f1"]
    assert (same.low, same.difference, same.high, same.p) == (0, 0, 0, 1)


def test_intervals_hold_their_figure_and_shrink_with_notes() -> None:
    rng = np.random.default_rng(2)
    widths = []
    for n_notes in (30, 300):
        truth = rng.random((n_notes, 12)) < 0.3
        measured = measure_codes(frame_of(truth), noisy(rng, truth, 0.7))
        low, high = intervals(measured)["full code", "f1"]
        assert low < measured.scores()["full code"]["f1"] < high
        assert intervals(measured)["full code", "f1"] == (low, high), "the same seed, the same draws"
        assert intervals(measured, seed=1)["full code", "f1"] != (low, high)
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_nothing_at_all_has_figures() -> None:
    empty = pl.DataFrame(schema={"note_id": pl.String, "code": pl.String})
    measured = measure_codes(empty, empty, ontology=ontology())
    assert measured.scores()["full code"]["f1"] == 0
    assert intervals(measured, draws=5)["full code", "f1"] == (0, 0)
