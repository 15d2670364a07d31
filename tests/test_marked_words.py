"""Words that coders marked as the reason for a code: found again, told, measured, and never those of one patient."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from coded_mapper import lexical_mapper
from test_learning import (
    CANARY_NAME,
    CANARY_NUMBER,
    COMMON,
    HABIT,
    LOGISTIC,
    RARE,
    content_of,
    made,
    rows,
    said,
    saved,
    with_canaries,
)
from test_learning import learned as learned_without

from conceptmap.cli import main
from conceptmap.errors import IndexMismatchError, InputError
from conceptmap.learned.code_adapter import CodeAdapter
from conceptmap.learned.features import FEATURES, MARKED, MARKED_GROUP, possible_codes
from conceptmap.learned.marked_words import MarkedWords, marked_numbers
from conceptmap.learned.note_facts import NoteFacts
from conceptmap.learned.store import open_code_adapter, save_code_adapter
from conceptmap.learning.code_cards import code_card
from conceptmap.learning.code_curve import held_out_codes
from conceptmap.learning.count_associations import TrainingNote, count_associations
from conceptmap.learning.fit_codes import coded_notes, read_with
from conceptmap.learning.learn_codes import _possible
from conceptmap.learning.marked_phrases import NOTHING_MARKED, Marked, marked_counts
from conceptmap.mapper import ConceptMapper

Tables = tuple[pl.DataFrame, pl.DataFrame]


def marked(given: Tables, said_of: Mapping[str, str]) -> Tables:
    """The same notes, some codes with the words that a coder marked for them."""
    notes, codes = given
    evidence = pl.col("code").replace_strict(said_of, default=None, return_dtype=pl.String)
    return notes, codes.with_columns(evidence=evidence)


MARKS = {"E11.22": "Kidney pressure", "J18.9": "Pneumonia"}


@cache
def learned() -> ConceptMapper:
    return lexical_mapper().fit(*marked(made(), MARKS), LOGISTIC)


def adapter() -> CodeAdapter:
    return learned().code_adapters[0]


def read(given: Tables) -> list[TrainingNote]:
    mapper = lexical_mapper()
    return coded_notes(mapper.readings(given[0]), mapper.linkers[0], mapper.instructions[0], given[1])[0]


# -- what they propose, and how it is told -------------------------------------------------------------------------


def test_marked_words_propose_their_code_and_say_how_often_they_were_right() -> None:
    row = rows(f"Hypertension. {HABIT}", learned())["E11.22"]
    n = sum(HABIT in text for text in made()[0]["text"])
    assert row["rests_on"] == f"“Kidney” (marked for it in {n} notes, given in {n} of {n} notes with it)"
    assert str(row["notes"]) == "no mention names it: coders marked such words for it"
    assert row["start_char"] == len("Hypertension. ")
    told = str(rows("Pneumonia.", learned())["J18.9"]["rests_on"])
    assert told.startswith("mentions of it (right in ")
    assert "; “Pneumonia” (marked for it in " in told


def test_misspelt_words_are_taken_for_those_that_were_marked() -> None:
    text = "Hypertension. Kidnney."
    before, row = (rows(text, mapper, candidates=True)["E11.22"] for mapper in (learned_without(), learned()))
    assert "Kidnney" not in str(before["rests_on"])
    assert float(str(row["probability"])) > 2 * float(str(before["probability"]))
    assert str(row["rests_on"]).startswith("“Kidnney” as kidney (marked for it in ")
    assert (row["text"], row["start_char"]) == ("Kidnney", text.index("Kidnney"))


def test_other_words_are_told_where_few_of_them_were_marked() -> None:
    notes, codes = made()
    few = (pl.col("code") == "E11.22") & (pl.int_range(pl.len()).over("code") < 2)
    mapper = lexical_mapper().fit(
        notes, codes.with_columns(evidence=pl.when(few).then(pl.lit("Kidney pressure"))), LOGISTIC
    )
    assert " (given in " in str(rows(f"Fever. {HABIT}", mapper, candidates=True)["E11.22"]["rests_on"])


def test_marks_are_weighed_and_the_card_tells_of_them() -> None:
    names = adapter().features
    assert names[-len(MARKED) :] == [*MARKED]
    assert MARKED_GROUP in adapter().card["groups"]
    n = sum(HABIT in text for text in made()[0]["text"])
    counts = adapter().card["counts"]
    assert counts["phrases marked"] == counts["phrases found"] > n
    assert (counts["different phrases"], counts["phrases kept"], counts["marked words kept"]) == (2, 2, 4)
    assert f"Coders marked {counts['phrases marked']:,} phrases" in code_card(adapter())


def test_marks_find_more_and_code_better_on_notes_held_out() -> None:
    """Every fourth word of a wording that the index lacks is misspelt, and another code is often given beside it."""
    dice, notes, codes = random.Random(3), [], []
    wordings = {
        "E11.22": "kidney pressure",
        "I50.9": "lung encounter",
        "R07.9": "throat disease",
        "I10": "organism pain",
    }
    for number in range(90):
        told = dice.sample(sorted(wordings), dice.randint(1, 3))
        for code in told:
            words = [_slip(word) if dice.random() < 0.25 else word for word in wordings[code].split()]
            notes.append((f"n{number:03}", f"{' '.join(words).capitalize()} seen."))
            codes.append((f"n{number:03}", code, notes[-1][1].removesuffix(" seen.")))
    texts = pl.DataFrame(notes, schema=["note_id", "text"], orient="row").group_by("note_id", maintain_order=True)
    given = pl.DataFrame(codes, schema=["note_id", "code", "evidence"], orient="row")
    both = [read((texts.agg(pl.col("text").str.join(" ")), table)) for table in (given, given.drop("evidence"))]
    mapper = lexical_mapper()
    (linker,) = mapper.linkers
    gold = {(note_id, code) for note_id, code, _ in codes}
    f1, reached = [], []
    for some in both:
        accepted, ranked = held_out_codes(some, read_with(linker, None), linker.book, LOGISTIC)
        right = len(gold.intersection(accepted.rows()))
        f1.append(2 * right / (len(gold) + accepted.height))
        reached.append(len(gold.intersection(ranked.select("note_id", "code").rows())) / len(gold))
    assert f1[0] > f1[1] + 0.02
    assert reached[0] >= reached[1]


def _slip(word: str) -> str:
    """With its third letter twice."""
    return word[:3] + word[2:]


# -- counting ------------------------------------------------------------------------------------------------------


def test_marks_are_counted_as_by_hand() -> None:
    dice, notes = random.Random(4), []
    for number in range(80):
        grams = dict.fromkeys(dice.sample([f"w{at}" for at in range(20)], dice.randint(1, 5)), (0, 0))
        given = frozenset(dice.sample(["I10", "J18.9", "R07.9"], dice.randint(1, 2)))
        parts = {code: {*dice.sample(sorted(grams), dice.randint(0, len(grams)))} for code in sorted(given)}
        facts = NoteFacts(f"n{number}", grams, {}, [])
        notes.append(TrainingNote(facts, given, f"p{number}", frozenset(), Marked(parts, frozenset(), 1, 1)))
    known = count_associations(notes, is_marked=True)
    assert known.marked is not None
    least = 0
    for number, item in enumerate(known.items):
        for at in range(known.first[number], known.first[number + 1]):
            code = known.codes[known.number[at]]
            n = sum(item in note.marked.parts.get(code, ()) for note in notes)
            assert known.marked[at] == (n if n > 1 else 0)
            least += n == 1
    assert known.marked.max() > 2
    assert least, "marks of one note alone are among them"
    plain = count_associations([replace(note, marked=NOTHING_MARKED) for note in notes])
    assert plain.marked is None
    assert np.array_equal(plain.together, known.together)


def test_what_is_marked_in_a_note_held_out_says_nothing_of_it() -> None:
    notes, column = read(marked(made(), MARKS)), len(FEATURES) + [*MARKED].index("times marked")
    is_habit = ["kidney" in note.facts.grams for note in notes]
    fold = np.array([0 if habit else 1 + at % 4 for at, habit in enumerate(is_habit)])
    times: dict[tuple[str, bool], list[float]] = {}
    for part, habit in zip(_possible(notes, fold, lexical_mapper().linkers[0].book), is_habit, strict=True):
        for code, row in zip(part.codes, part.rows, strict=True):
            times.setdefault((code, habit), []).append(float(row[column]))
    assert not any(times.get(("E11.22", True), [])), "all notes in which it was marked are held out"
    assert any(times["J18.9", True])


def test_what_marked_words_say_equals_a_slow_twin() -> None:
    words, dice = ["kidney", "pressure", "throat", "femur", "sequela"], random.Random(7)
    items = sorted({" ".join(dice.sample(words, dice.randint(1, 3))) for _ in range(30)})
    item = np.repeat(np.arange(len(items)), 3)
    code = np.tile(np.arange(3), len(items))
    notes_with = np.array([dice.randint(20, 60) for _ in items])
    marks = np.array([dice.randint(0, 20) for _ in item])
    together = np.minimum(marks + 3, notes_with[item])
    known = MarkedWords.of(items, notes_with, item, code, together, marks)
    written = {word: word if dice.random() < 0.5 else _slip(word) for word in words}
    grams = [" ".join(written[word] for word in name.split()) for name in dice.sample(items, len(items) // 2)]
    grams += [word for gram in grams for word in gram.split()]
    found = known.found(dict.fromkeys(grams), frozenset())
    right = {its: word for word, its in written.items()}
    expected: dict[int, list[float]] = {}
    for gram in set(grams):
        name = " ".join(right[word] for word in gram.split())
        if name not in items:
            continue
        alike = min((_dice(word, right[word]) for word in gram.split()), default=1.0)
        for at in np.flatnonzero(item == items.index(name)):
            if marks[at] and marks[at] >= 0.05 * notes_with[item[at]]:
                expected.setdefault(int(code[at]), []).append(alike * marks[at] / (notes_with[item[at]] + 2))
    assert {number: hit.share for number, hit in found.items()} == pytest.approx(
        {number: max(shares) for number, shares in expected.items()}
    )
    for number, hit in found.items():
        assert hit.together == pytest.approx(1 - np.prod([1 - share for share in expected[number]]))
    shares = [hit.share for hit in found.values()]
    assert shares == sorted(shares, reverse=True)
    assert any(hit.alike < 1 for hit in found.values())
    numbers = marked_numbers([*found, -1], found)
    assert numbers[:-1, 3].tolist() == [hit.alike for hit in found.values()]
    assert numbers[:-1, 5].tolist() == pytest.approx(np.log1p(np.arange(len(found))).tolist())
    assert numbers[-1, [2, 3, 5]].tolist() == [0.0, 0.0, pytest.approx(np.log1p(500))]


def _dice(one: str, other: str) -> float:
    a, b = ({f" {word} "[at : at + 3] for at in range(len(word))} for word in (one, other))
    return 2 * len(a & b) / (len(a) + len(b))


@pytest.mark.parametrize(
    ("word", "is_taken"),
    [("kidnney", True), ("kidneys", True), ("midday", False), ("kid", False), ("fever", False), ("kidn3y", False)],
)
def test_only_words_that_nobody_knows_are_taken_for_others(word: str, is_taken: bool) -> None:
    pairs = MarkedWords.of(["kidney"], *(np.array([value]) for value in (9, 0, 0, 8, 8)))
    assert bool(pairs.found({word: (0, 1)}, frozenset(["fever"]))) == is_taken
    assert not pairs.found({word: (0, 1)}, frozenset([word])), "a word of the index stands for itself"


def test_a_word_of_english_stands_for_itself() -> None:
    pairs = MarkedWords.of(["hearth rate"], *(np.array([value]) for value in (9, 0, 0, 8, 8)))
    assert pairs.found(dict.fromkeys(["heartth", "rate", "heartth rate"]), frozenset())
    assert not pairs.found(dict.fromkeys(["heart", "rate", "heart rate"]), frozenset(["heart"]))
    pairs = MarkedWords.of(["stranger"], *(np.array([value]) for value in (9, 0, 0, 8, 8)))
    assert not pairs.found({"strange": (0, 1)}, frozenset())


def test_codes_that_only_marked_words_speak_for_are_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conceptmap.learned.features.MOST_SPOKEN", 0)
    mapper = lexical_mapper()
    notes, codes = made(1)
    (note,) = read((notes.with_columns(text=pl.lit(HABIT)), codes))
    book = mapper.linkers[0].book
    plain = replace(adapter().associations, marked=None)
    assert "E11.22" not in possible_codes(note.facts, plain, book).codes
    possible = possible_codes(note.facts, adapter().associations, book)
    assert "E11.22" in possible.codes
    assert possible.rows.shape[1] == len(adapter().features)


# -- the column evidence -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "parts"),
    [
        ("Kidney pressure", {"kidney", "pressure", "kidney pressure"}),
        ("kidney\n PRESSURE", {"kidney", "pressure", "kidney pressure"}),
        ("pressure; fever", {"pressure", "fever"}),
        ("fever + kidney | not there", {"fever", "kidney"}),
        ("Fever ... pressure", {"fever", "pressure"}),
        ("the kidney pressure", {"kidney", "pressure", "kidney pressure"}),
        ("idney", set()),
        ("of the", set()),
        ("m1 m22", None),
        ("", None),
        (None, None),
    ],
)
def test_phrases_are_read_as_coders_write_them(evidence: str | None, parts: set[str] | None) -> None:
    notes = pl.DataFrame({"note_id": ["1", "2"], "text": ["Fever. Kidney pressure seen.", "Fever."]})
    codes = pl.DataFrame(
        {"note_id": ["1", "1", "2"], "code": ["e1122", "X99", "R50.9"], "evidence": [evidence, "Kidney", "Fever"]}
    )
    found = read((notes, codes))[0].marked
    assert {*found.parts.get("E11.22", ())} == (parts or set())
    assert found.n_given == (parts is not None)
    assert found.n_found == bool(parts)
    assert "X99" not in found.parts, "the index does not hold it"


def test_an_abbreviation_is_marked_as_the_note_defines_it() -> None:
    notes = pl.DataFrame({"note_id": ["1"], "text": ["Lung infection (LI) in March. Fever with LI now."]})
    codes = pl.DataFrame({"note_id": ["1"], "code": ["J18.9"], "evidence": ["LI now"]})
    (note,) = read((notes, codes))
    assert "lung infection" in note.marked.parts["J18.9"]


def test_empty_cells_of_pandas_are_no_phrases() -> None:
    pandas = pytest.importorskip("pandas")
    notes, given = made(3)[0], {"note_id": ["n000", "n001", "n002"], "code": ["I10"] * 3}
    for evidence, n in ((["hypertension", float("nan"), None], 1), ([float("nan")] * 3, 0)):
        table = pandas.DataFrame({**given, "evidence": evidence})
        mapper = lexical_mapper()
        found, _ = coded_notes(mapper.readings(notes), mapper.linkers[0], mapper.instructions[0], table)
        assert sum(note.marked.n_given for note in found) == n


@pytest.mark.parametrize("evidence", [[["Kidney"]], [1.5], [3]])
def test_evidence_that_is_no_text_is_refused(evidence: list[object]) -> None:
    notes, codes = made()
    codes = codes.with_columns(evidence=pl.Series(evidence * codes.height))
    with pytest.raises(InputError, match=r"no text: got a column of .*expected words of the note.*leave"):
        lexical_mapper().fit(notes, codes, LOGISTIC)


def test_evidence_of_which_nothing_stands_in_the_notes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes, codes = marked(made(), {"E11.22": "Zanzibarova 4711", "J18.9": "Steenkolenmijn"})
    notes.write_csv(tmp_path / "notes.csv")
    codes.write_csv(tmp_path / "codes.csv")
    index = str(lexical_mapper().indexes[0].save(tmp_path / "index"))
    line = ["adapt", "--notes", str(tmp_path / "notes.csv"), "--codes", str(tmp_path / "codes.csv"), "--index", index]
    assert main([*line, "--model", "logistic", "-o", str(tmp_path / "a")]) == 2
    err = capsys.readouterr().err
    n = codes["evidence"].drop_nulls().len()
    assert f"got 0 of {n} phrases" in err
    assert "leave it out" in err
    assert "Zanzibarova" not in err
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("evidence", [None, "  ", "m3 m17"])
def test_without_a_phrase_nothing_changes(evidence: str | None, tmp_path: Path) -> None:
    notes, codes = made()
    empty = lexical_mapper().fit(notes, codes.with_columns(evidence=pl.lit(evidence, dtype=pl.String)), LOGISTIC)
    folders = [saved(mapper, tmp_path / name) for name, mapper in (("a", learned_without()), ("b", empty))]
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]
    assert "phrases" not in (folders[0] / "README.md").read_text("utf-8")


# -- what is kept --------------------------------------------------------------------------------------------------

PLANTED = f"{CANARY_NAME} came, number {CANARY_NUMBER}. {RARE} seen"


def with_marked_canaries(times: int) -> Tables:
    """Notes with a name, a number and rare words; coders marked them, and what six notes say."""
    notes, codes = with_canaries(times)
    first = codes.join(notes, on="note_id", maintain_order="left")
    evidence = [PLANTED if RARE in text else COMMON if COMMON in text else None for text in first["text"]]
    return notes, codes.with_columns(evidence=pl.Series(evidence, dtype=pl.String))


def test_nothing_that_coders_marked_in_four_patients_notes_is_kept(tmp_path: Path) -> None:
    notes, codes = with_marked_canaries(4)
    assert codes["evidence"].str.contains(CANARY_NAME).sum() > 4, "it is marked"
    kept = content_of(saved(lexical_mapper().fit(notes, codes, LOGISTIC), tmp_path / "a"))
    assert said(COMMON) in kept, "what six patients share is kept: the test can see it"
    for canary in (CANARY_NAME, CANARY_NUMBER, said(RARE), "throat", *notes["note_id"]):
        assert canary.lower() not in kept


def test_names_and_numbers_that_coders_marked_are_never_kept(tmp_path: Path) -> None:
    kept = content_of(saved(lexical_mapper().fit(*with_marked_canaries(8), LOGISTIC), tmp_path / "a"))
    assert said(RARE) in kept
    for canary in (CANARY_NAME, CANARY_NUMBER):
        assert canary.lower() not in kept


@pytest.mark.parametrize(("n_patients", "is_kept"), [(4, False), (5, True)])
def test_marked_words_have_to_stand_in_notes_of_five_patients(n_patients: int, is_kept: bool) -> None:
    notes, codes = with_marked_canaries(8)
    whose = {note_id: at % n_patients if at < 8 else at for at, note_id in enumerate(notes["note_id"])}
    coded = [replace(note, patient=f"p{whose[note.facts.note_id]}") for note in read((notes, codes))]
    known = count_associations(coded, is_marked=True)
    assert known.marked is not None
    kept = {known.items[at] for at in np.repeat(np.arange(len(known.items)), np.diff(known.first))[known.marked > 0]}
    assert (said(RARE) in kept) == is_kept
    assert marked_counts([note.marked for note in coded], known)["marked words kept"] == len(kept)


def test_words_put_aside_are_looked_through_and_never_counted() -> None:
    notes = read(with_marked_canaries(8))
    aside = {gram for note in notes for gram in note.facts.aside}
    assert any(CANARY_NAME.lower() in gram for gram in aside)
    assert not any(CANARY_NUMBER in gram for gram in aside)
    assert aside.isdisjoint(count_associations(notes, is_marked=True).items)
    assert not any(note.facts.aside for note in read(with_canaries(8)))


# -- files ---------------------------------------------------------------------------------------------------------


def test_two_trainings_on_marked_notes_give_the_same_bytes(tmp_path: Path) -> None:
    shuffled = marked(made(), MARKS)[1].sample(fraction=1.0, shuffle=True, seed=1)
    folders = [
        saved(lexical_mapper().fit(made()[0], codes, LOGISTIC), tmp_path / name)
        for name, codes in (("a", marked(made(), MARKS)[1]), ("b", shuffled))
    ]
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]


def test_a_saved_adapter_with_marks_codes_as_before(tmp_path: Path) -> None:
    again = open_code_adapter(saved(learned(), tmp_path / "a"))
    assert again.sha256 == adapter().sha256
    assert again.features == adapter().features
    mapper = ConceptMapper.load(*lexical_mapper().indexes, encoder=None, adapter=tmp_path / "a")
    for text in (f"Pneumonia. Fever. {HABIT}", "Kidnney seen."):
        assert rows(text, mapper, candidates=True) == rows(text, learned(), candidates=True)


def test_marks_bear_on_the_digest_and_are_checked(tmp_path: Path) -> None:
    known = adapter().associations
    assert known.marked is not None
    fewer = replace(adapter(), associations=replace(known, marked=np.zeros_like(known.marked)))
    assert fewer.sha256 != adapter().sha256
    for name, marks in (("more", known.together + 1), ("less", known.marked - 1)):
        bad = replace(adapter(), associations=replace(known, marked=marks))
        with pytest.raises(IndexMismatchError, match="damaged"):
            open_code_adapter(save_code_adapter(bad, tmp_path / name))


def test_an_adapter_without_marks_is_read_as_before(tmp_path: Path) -> None:
    folder = saved(learned_without(), tmp_path / "a")
    assert pl.read_parquet(folder / "pairs.parquet").columns == ["item", "code", "together"]
    assert open_code_adapter(folder).associations.marked is None
    assert "marked" not in json.loads((folder / "manifest.json").read_text())["features"]


# -- the command line ----------------------------------------------------------------------------------------------


def test_adapt_says_what_of_the_phrases_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes, codes = marked(made(), MARKS)
    notes.write_csv(tmp_path / "notes.csv")
    codes.write_csv(tmp_path / "codes.csv")
    index = str(lexical_mapper().indexes[0].save(tmp_path / "index"))
    line = ["adapt", "--notes", str(tmp_path / "notes.csv"), "--codes", str(tmp_path / "codes.csv"), "--index", index]
    line += ["--model", "logistic", "--setting", "inpatient"]
    assert main([*line, "-o", str(tmp_path / "a")]) == 0
    n = codes["evidence"].drop_nulls().len()
    assert f"of {n} phrases that coders marked {n} stand in their notes" in capsys.readouterr().err
    assert open_code_adapter(tmp_path / "a").sha256 == adapter().sha256
    curve = ["evaluate", str(tmp_path / "codes.csv"), "--learning-curve", str(tmp_path / "notes.csv")]
    assert main([*curve, "--index", index, "--model", "logistic", "--sizes", "48", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[1]["full code"]["f1"] > 0.9


def test_what_is_marked_does_not_reach_beyond_the_phrase() -> None:
    notes = pl.DataFrame({"note_id": ["1"], "text": ["Fever kidney pressure throat."]})
    codes = pl.DataFrame({"note_id": ["1"], "code": ["I10"], "evidence": ["kidney pressure"]})
    (note,) = read((notes, codes))
    assert {*note.marked.parts["I10"]} == {"kidney", "pressure", "kidney pressure"}
    assert note.marked.phrases == {"kidney pressure"}
