"""Learning from coded notes: what coders give, what it rests on, and that nothing of one patient is kept."""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from coded_mapper import lexical_mapper
from whole_release import mapper as release

from conceptmap.batch import Settings, code_notes
from conceptmap.cli import main
from conceptmap.coding.coding import NoteCode
from conceptmap.errors import IndexMismatchError, InputError
from conceptmap.learned.associations import MENTIONED, Associations
from conceptmap.learned.code_adapter import CodeAdapter, _Telling
from conceptmap.learned.features import FEATURES, GROUPS, LEARNED, possible_codes
from conceptmap.learned.near_windows import WINDOWS
from conceptmap.learned.note_facts import FACTS, NoteFacts
from conceptmap.learned.relatives import RELATIVES
from conceptmap.learned.store import open_code_adapter, save_code_adapter
from conceptmap.learning.code_cards import code_card
from conceptmap.learning.count_associations import (
    LEAST_PATIENTS,
    TrainingNote,
    count_associations,
    known_words,
    slim,
)
from conceptmap.learning.learn_codes import CodeSettings, folds, training_notes
from conceptmap.mapper import ConceptMapper
from conceptmap.matching.content import content_words
from conceptmap.notes.notes import read_notes

LOGISTIC = CodeSettings(model="logistic", setting="inpatient")
SAID = {
    "E11.9": "Type 2 diabetes mellitus.",
    "I10": "Hypertension.",
    "I50.9": "Heart failure.",
    "J18.9": "Pneumonia.",
    "R07.9": "Chest pain.",
    "R50.9": "Fever.",
}
HABIT = "Kidney pressure was measured."
"""No mention: yet coders give E11.22 where it stands."""


def made(n: int = 60, seed: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Notes, and codes of coders who never give fever, and give E11.22 by two words."""
    dice, notes, codes = random.Random(seed), [], []
    for number in range(n):
        told = dice.sample(sorted(SAID), 3)
        by_habit = dice.random() < 0.4
        text = " ".join([*(SAID[code] for code in told), *([HABIT] if by_habit else [])])
        notes.append((f"n{number:03}", text))
        given = [code for code in told if code != "R50.9" and dice.random() < 0.95]
        codes += [(f"n{number:03}", code) for code in [*given, *(["E11.22"] if by_habit else [])]]
    return (
        pl.DataFrame(notes, schema=["note_id", "text"], orient="row"),
        pl.DataFrame(codes, schema=["note_id", "code"], orient="row"),
    )


@cache
def learned() -> ConceptMapper:
    return lexical_mapper().fit(*made(), LOGISTIC)


def adapter() -> CodeAdapter:
    return learned().code_adapters[0]


def training(given: tuple[pl.DataFrame, pl.DataFrame]) -> list[TrainingNote]:
    notes, codes = given
    theirs = {note_id: set(part["code"]) for (note_id,), part in codes.group_by("note_id")}
    mapper = lexical_mapper()
    return training_notes(mapper.readings(notes), mapper.linkers[0], mapper.instructions[0], theirs)


def rows(text: str, mapper: ConceptMapper, *, candidates: bool = False) -> dict[str, dict[str, object]]:
    found = mapper.annotate_many([("x", text)], candidates=50)
    return {row["code"]: row for row in (found.candidates if candidates else found.codes).iter_rows(named=True)}


# -- what coders give ---------------------------------------------------------------------------------------------


def test_codes_are_those_that_coders_give() -> None:
    text = "Pneumonia. Fever. Hypertension."
    assert set(rows(text, lexical_mapper())) == {"J18.9", "R50.9", "I10"}
    assert set(rows(text, learned())) == {"J18.9", "I10"}
    refused = rows(text, learned(), candidates=True)["R50.9"]
    assert str(refused["reason"]).startswith("coders of the training notes would hardly give it (0.")


def test_words_propose_a_code_that_no_mention_names() -> None:
    plain, said = "Pneumonia. Hypertension.", f"Pneumonia. Hypertension. {HABIT}"
    assert "E11.22" not in rows(plain, learned())
    row = rows(said, learned())["E11.22"]
    assert (row["evidence"], row["score"], row["start_char"]) == ("", None, said.index("Kidney"))
    assert "no mention names it" in str(row["notes"])
    with_it = sum(HABIT in text for text in made()[0]["text"])
    assert f"(given in {with_it} of {with_it} notes with it)" in str(row["rests_on"])
    assert "Kidney" in str(row["text"])


def test_probabilities_order_the_codes_of_a_role_and_are_explained() -> None:
    found = rows("Pneumonia. Hypertension. Chest pain.", learned(), candidates=True)
    sure = [float(str(row["probability"])) for row in found.values()]
    assert all(0.0 < one < 1.0 for one in sure)
    accepted = rows("Pneumonia. Hypertension. Chest pain.", learned())
    assert all(len(re.findall(r" \([+-]", str(row["weighed"]))) == 5 for row in accepted.values())
    assert "mentions of it (right in " in str(accepted["I10"]["rests_on"])


def test_without_an_adapter_the_new_columns_are_empty() -> None:
    row = rows("Pneumonia.", lexical_mapper())["J18.9"]
    assert row["rests_on"] is None
    assert row["weighed"] is None


def test_a_code_that_no_training_note_was_given_says_so() -> None:
    row = rows("Fever. Fracture of femur.", learned(), candidates=True)["S72.9XXA"]
    assert "no training note was given it" in str(row["notes"])
    assert not adapter().associations.is_seen("S72.9XXA")


def test_learning_beats_the_rules_on_notes_held_out_and_the_card_says_so() -> None:
    figures = adapter().card["figures"]
    assert figures["learned"]["f1"] > figures["rules"]["f1"]
    page = code_card(adapter())
    assert "It names no note." in page
    assert all(group in page for group in GROUPS)


def test_every_feature_has_a_name_of_its_own_and_a_group() -> None:
    notes = made(20)[0]
    given = {note_id: {"I10"} for note_id in notes["note_id"]}
    mapper = lexical_mapper()
    found = training_notes(mapper.readings(notes), mapper.linkers[0], mapper.instructions[0], given)
    assert {len(code.facts) for note in found for code in note.facts.found} == {len(FACTS)}
    assert len(FEATURES) == len(FACTS) + len(LEARNED) + len(RELATIVES) + len(WINDOWS)
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(FEATURES)


@pytest.mark.parametrize("include", ["negated", "family"])
def test_nothing_is_included_where_coders_decided(include: str) -> None:
    with pytest.raises(InputError, match="learned in which contexts coders code"):
        learned().annotate_many([("x", "Fever.")], include=[include])


def test_the_codes_of_a_note_have_one_principal_among_them() -> None:
    notes, codes = made()
    whole = release().fit(notes, codes, LOGISTIC)
    found = whole.annotate_many(notes).codes
    leads = found.group_by("note_id").agg((pl.col("role") == "principal").sum())
    assert leads["role"].to_list() == [1] * found["note_id"].n_unique()
    assert found.filter(pl.col("evidence") == "")["code"].unique().to_list() == ["E11.22"]
    assert found.filter((pl.col("role") == "principal") & (pl.col("evidence") == "")).is_empty()
    assert not found["notes"].str.contains("I50.9").any(), "nothing is said of a code beside one that is not given"


def test_every_format_takes_codes_that_no_mention_names(tmp_path: Path) -> None:
    notes = pl.DataFrame({"note_id": ["1"], "text": [f"Pneumonia. {HABIT}"], "person_id": ["7"]})
    notes.write_csv(tmp_path / "notes.csv")
    formats = ("csv", "jsonl", "omop", "fhir", "brat", "pubtator", "bioc", "cas", "html", "wide", "xlsx")
    code_notes(read_notes(tmp_path / "notes.csv"), learned(), tmp_path / "out", Settings(formats=formats))
    bundle = json.loads((tmp_path / "out" / "bundles.ndjson").read_text("utf-8"))
    coded = [entry["resource"]["code"]["coding"][0]["code"] for entry in bundle["entry"] if "code" in entry["resource"]]
    assert "E11.22" in coded
    assert "E11.22" in (tmp_path / "out" / "wide.csv").read_text("utf-8")


def test_trees_learn_the_same_habits() -> None:
    pytest.importorskip("lightgbm")
    mapper = lexical_mapper().fit(*made(120), CodeSettings(setting="inpatient"))
    text = f"Pneumonia. Fever. {HABIT}"
    assert set(rows(text, mapper)) == {"J18.9", "E11.22"}
    assert "(+" in str(rows(text, mapper)["J18.9"]["weighed"])


def test_without_lightgbm_the_command_to_type_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(InputError, match=r"pip install 'conceptmap\[learn\]'"):
        lexical_mapper().fit(*made(), CodeSettings())


def test_what_trees_learned_is_applied_without_lightgbm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightgbm")
    mapper = lexical_mapper().fit(*made(120), CodeSettings(setting="inpatient"))
    folder = saved(mapper, tmp_path / "a")
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    again = replace(lexical_mapper(), code_adapters=(open_code_adapter(folder),))
    text = f"Pneumonia. Fever. {HABIT}"
    assert rows(text, again) == rows(text, mapper)


def test_only_codes_that_are_shown_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def code(self: _Telling, at: int, sure: float, moved: str, *, accepted: bool) -> NoteCode:
        told.append(at)
        return of_note(self, at, sure, moved, accepted=accepted)

    of_note = _Telling.code
    monkeypatch.setattr(_Telling, "code", code)
    text = "Pneumonia. Fever. Hypertension. Chest pain."
    assert learned().annotate_many([("x", text)]).codes.height == len(told) == 3
    told.clear()
    found = learned().annotate_many([("x", text)], candidates=4)
    assert found.candidates.height == len(told) == 4


@pytest.mark.parametrize("n", [0, 19])
def test_too_few_notes_are_refused(n: int) -> None:
    notes, codes = made()
    with pytest.raises(InputError, match="too little to learn from"):
        lexical_mapper().fit(notes, codes.filter(pl.col("note_id") < f"n{n:03}"), LOGISTIC)


def test_codes_are_read_as_people_write_them() -> None:
    notes, codes = made()
    written = codes.with_columns(pl.col("code").str.replace(".", "", literal=True).str.to_lowercase())
    assert lexical_mapper().fit(notes, written, LOGISTIC).code_adapters[0].sha256 == adapter().sha256


# -- counting ------------------------------------------------------------------------------------------------------


def naive(known: Associations, present: Mapping[str, object]) -> dict[str, tuple[float, float, float]]:
    """Slow twin: best and second share and summed lift of each code."""
    shares: dict[str, list[float]] = {}
    for number, item in enumerate(known.items):
        for pair in range(known.first[number], known.first[number + 1]) if item in present else ():
            code = known.number[pair]
            all_notes = known.records[code].given / known.n_notes
            share = (known.together[pair] + 2 * all_notes) / (known.notes_with[number] + 2)
            shares.setdefault(known.codes[code], []).append(share)
    out = {}
    for name, found in shares.items():
        found.sort(reverse=True)
        base = known.record(name).given / known.n_notes
        lift = sum(max(0.0, float(np.log((share + 1e-3) / (base + 1e-3)))) for share in found[:5])
        out[name] = (found[0], found[1] if len(found) > 1 else 0.0, lift)
    return out


def test_what_items_say_equals_a_slow_twin() -> None:
    known = adapter().associations
    dice = random.Random(5)
    for _ in range(20):
        present = dict.fromkeys(dice.sample(known.items, dice.randint(0, len(known.items))))
        spoken = known.spoken(present)
        expected = naive(known, present)
        got = {
            known.codes[code]: (float(best), float(second), float(lift))
            for code, best, second, lift in zip(spoken.numbers, spoken.best, spoken.second, spoken.lift, strict=True)
        }
        assert got.keys() == expected.keys()
        assert all(got[code] == pytest.approx(expected[code]) for code in got)


def test_rows_of_possible_codes_equal_a_slow_twin() -> None:
    notes, codes = made(20)
    given = {note_id: set(part["code"]) for (note_id,), part in codes.group_by("note_id")}
    mapper = lexical_mapper()
    (linker,) = mapper.linkers
    known = adapter().associations

    def logit(share: float) -> float:
        share = min(max(share, 1e-3), 1 - 1e-3)
        return float(np.log(share / (1 - share)))

    spoken_for = 0
    for note in training_notes(mapper.readings(notes), linker, mapper.instructions[0], given):
        present = {**note.facts.grams, **{MENTIONED + source: None for source in note.facts.sources}}
        expected = naive(known, {name: None for name in present if known.item(name) is not None})
        possible = possible_codes(note.facts, known, linker.book)
        for code, row, found, seen in zip(possible.codes, possible.rows, possible.found, possible.seen, strict=True):
            got = dict(zip(FEATURES, row.tolist(), strict=True))
            best, second, lift = expected.get(code, (0.0, 0.0, 0.0))
            spoken_for += code in expected
            assert got["best words"] == pytest.approx(logit(best))
            assert got["further words"] == pytest.approx(logit(second))
            assert got["all words"] == pytest.approx(lift)
            assert got["given"] == pytest.approx(np.log1p(known.record(code).given))
            assert got["times found"] == pytest.approx(np.log1p(known.record(code).found))
            assert got["named"] == (found is not None)
            assert seen == known.is_seen(code)
            assert row[: len(FACTS)].tolist() == [*(found.facts if found else [0.0] * len(FACTS))]
    assert spoken_for > 20


def test_pairs_of_items_and_codes_are_counted_as_by_hand() -> None:
    dice, notes = random.Random(9), []
    for number in range(60):
        grams = dict.fromkeys(dice.sample([f"w{at}" for at in range(12)], dice.randint(0, 6)), (0, 0))
        grams |= {"of one patient": (0, 0)} if number % 17 == 0 else {"of four": (0, 0)} if number < 5 else {}
        sources = dict.fromkeys(dice.sample(["I10", "no I10"], dice.randint(0, 2)), (0, 0))
        given = frozenset(dice.sample(["I10", "J18.9", "R07.9", "E11.9"], dice.randint(1, 3)))
        notes.append(TrainingNote(NoteFacts(f"n{number}", grams, sources, []), given, f"p{number % 17}", frozenset()))
    theirs = [{*note.facts.grams, *(MENTIONED + source for source in note.facts.sources)} for note in notes]
    patients = {
        item: {n.patient for n, its in zip(notes, theirs, strict=True) if item in its} for item in set().union(*theirs)
    }
    pairs = Counter(
        (item, code)
        for note, its in zip(notes, theirs, strict=True)
        for item in its
        for code in note.given
        if len(patients[item]) >= LEAST_PATIENTS
    )
    known = count_associations(notes)
    got = {
        (item, known.codes[known.number[at]]): int(known.together[at])
        for number, item in enumerate(known.items)
        for at in range(known.first[number], known.first[number + 1])
    }
    assert got == {pair: n for pair, n in pairs.items() if n > 1}
    assert {item for item, its in patients.items() if len(its) < LEAST_PATIENTS} == {"of one patient", "of four"}
    assert known.notes_with.tolist() == [sum(item in its for its in theirs) for item in known.items]


def test_notes_to_learn_from_hold_nothing_that_people_are_told() -> None:
    found = [code for note in training(made(20)) for code in note.facts.found]
    assert {(code.code.notes, code.code.reason, code.code.known) for code in found} == {("", "", ())}
    assert all(code.code.evidence for code in found)


def test_notes_of_a_patient_are_in_one_fold() -> None:
    notes, codes = made(40)
    given = {note_id: set(part["code"]) for (note_id,), part in codes.group_by("note_id")}
    whose = {f"n{number:03}": f"p{number // 4}" for number in range(40)}
    mapper = lexical_mapper()
    found = training_notes(mapper.readings(notes), mapper.linkers[0], mapper.instructions[0], given, patients=whose)
    fold = folds(found, 0)
    for patient in set(whose.values()):
        assert len({int(at) for note, at in zip(found, fold, strict=True) if note.patient == patient}) == 1


# -- what is kept --------------------------------------------------------------------------------------------------

CANARY_NAME, CANARY_NUMBER, RARE, COMMON = "Zanzibarova", "4711815", "Throat organism", "Femur organism"


def said(words: str) -> str:
    """The words as an n-gram."""
    return " ".join(content_words(words).form)


def with_canaries(times: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    notes, codes = made()
    planted = f" {CANARY_NAME} came, number {CANARY_NUMBER}. {RARE} seen."
    text = pl.when(pl.int_range(pl.len()) < times).then(pl.col("text") + planted).otherwise("text")
    more = pl.when(pl.int_range(pl.len()) < 6).then(pl.lit(f" {COMMON} seen.")).otherwise(pl.lit(""))
    return notes.with_columns(text=text + more), codes


def content_of(folder: Path) -> str:
    """Everything in a folder, tables unpacked, in lower case."""
    parts = []
    for path in sorted(folder.iterdir()):
        parts.append(path.read_bytes().decode("latin-1"))
        if path.suffix == ".parquet":
            parts.append(repr(pl.read_parquet(path).rows()))
    return "\n".join(parts).lower()


def saved(mapper: ConceptMapper, folder: Path) -> Path:
    (adapter,) = mapper.code_adapters
    return save_code_adapter(adapter, folder, pages={"README.md": code_card(adapter)})


def test_nothing_that_stands_in_notes_of_four_patients_is_kept(tmp_path: Path) -> None:
    kept = content_of(saved(lexical_mapper().fit(*with_canaries(4), LOGISTIC), tmp_path / "a"))
    assert said(COMMON) in kept, "what six patients share is kept: the test can see it"
    for canary in (CANARY_NAME, CANARY_NUMBER, said(RARE), "throat", *made()[0]["note_id"]):
        assert canary.lower() not in kept


def test_unknown_words_and_digits_are_never_kept_and_known_ones_from_five_patients_on(tmp_path: Path) -> None:
    kept = content_of(saved(lexical_mapper().fit(*with_canaries(8), LOGISTIC), tmp_path / "a"))
    assert said(RARE) in kept
    for canary in (CANARY_NAME, CANARY_NUMBER):
        assert canary.lower() not in kept


def test_many_notes_of_one_patient_are_one_patient(tmp_path: Path) -> None:
    notes, codes = with_canaries(8)
    person = pl.when(pl.int_range(pl.len()) < 8).then(pl.lit("one")).otherwise("note_id")
    mapper = lexical_mapper().fit(notes.with_columns(person_id=person), codes, LOGISTIC)
    kept = content_of(saved(mapper, tmp_path / "a"))
    assert said(RARE) not in kept
    assert "kidney" in kept


def test_counting_keeps_only_words_of_the_index_or_of_the_list() -> None:
    notes, codes = with_canaries(8)
    given = {note_id: set(part["code"]) for (note_id,), part in codes.group_by("note_id")}
    mapper = lexical_mapper()
    allowed = known_words(mapper.linkers[0])
    assert "addition" in allowed, "a word of the list"
    found = training_notes(mapper.readings(notes), mapper.linkers[0], mapper.instructions[0], given)
    assert all(slim(note.facts, allowed).grams == note.facts.grams for note in found)
    assert all(word in allowed for item in count_associations(found).items if item[0] != "@" for word in item.split())


# -- files ---------------------------------------------------------------------------------------------------------


def test_two_trainings_give_the_same_bytes(tmp_path: Path) -> None:
    settings = [LOGISTIC]
    if find_spec("lightgbm"):
        settings.append(CodeSettings(setting="inpatient"))
    for number, one in enumerate(settings):
        folders = [saved(lexical_mapper().fit(*made(), one), tmp_path / f"{number}{twin}") for twin in "ab"]
        files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
        assert files[0] == files[1]


def test_a_saved_adapter_codes_as_before(tmp_path: Path) -> None:
    again = open_code_adapter(saved(learned(), tmp_path / "a"))
    assert again.sha256 == adapter().sha256
    mapper = ConceptMapper.load(*lexical_mapper().indexes, encoder=None, adapter=tmp_path / "a")
    text = f"Pneumonia. Fever. {HABIT}"
    assert rows(text, mapper) == rows(text, learned())


@pytest.mark.parametrize("name", ["manifest.json", "items.parquet", "pairs.parquet", "codes.parquet", "model.json"])
def test_a_damaged_file_is_refused(name: str, tmp_path: Path) -> None:
    path = saved(learned(), tmp_path / "a") / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IndexMismatchError):
        ConceptMapper.load(*lexical_mapper().indexes, encoder=None, adapter=tmp_path / "a")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("release", "2098", "another release"),
        ("system", "icd10cm", "another system"),
        ("terms", "0" * 64, "other terms.*comes with conceptmap, changed since: learn again"),
        ("encoder", "another", "another encoder"),
    ],
)
def test_an_adapter_of_another_index_or_encoder_is_refused(field: str, value: str, said: str) -> None:
    other = replace(adapter(), made_for=replace(adapter().made_for, **{field: value}))
    with pytest.raises(IndexMismatchError, match=said):
        ConceptMapper.load(*lexical_mapper().indexes, encoder=None, adapter=other)


def test_two_of_one_system_are_refused() -> None:
    with pytest.raises(IndexMismatchError, match="two code adapters"):
        ConceptMapper.load(*lexical_mapper().indexes, encoder=None, adapter=[adapter(), adapter()])


def test_another_format_is_refused(tmp_path: Path) -> None:
    manifest = saved(learned(), tmp_path / "a") / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": "code adapter 2"}) + "\n")
    with pytest.raises(IndexMismatchError, match="expected code adapter 1"):
        open_code_adapter(tmp_path / "a")


# -- the command line ----------------------------------------------------------------------------------------------


@pytest.fixture
def taught(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Notes, codes and an index as files."""
    notes, codes = made()
    notes.write_csv(tmp_path / "notes.csv")
    codes.write_csv(tmp_path / "gold.csv")
    return tmp_path / "notes.csv", tmp_path / "gold.csv", lexical_mapper().indexes[0].save(tmp_path / "index")


def test_adapt_learns_and_code_applies(
    taught: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes, codes, index = map(str, taught)
    out, run = tmp_path / "adapter", tmp_path / "run"
    asked = ["adapt", "--notes", notes, "--codes", codes, "--index", index, "-o", str(out), "--model", "logistic"]
    assert main([*asked, "--setting", "inpatient", "--data", "invented"]) == 0
    assert "F1 on notes held out" in capsys.readouterr().err
    assert "invented" in (out / "README.md").read_text("utf-8")
    assert "note ids" not in json.loads((out / "manifest.json").read_text())["card"]
    assert main(["code", notes, "-o", str(run), "--ontology", index, "--adapter", str(out), "--candidates", "9"]) == 0
    facts = json.loads((run / "run.json").read_text())
    assert facts["encoder"] is None
    assert facts["code_adapters"] == [{"system": "icd10", "sha256": open_code_adapter(out).sha256}]
    assert not pl.read_csv(run / "codes.csv")["probability"].has_nulls()


def test_ids_of_notes_are_kept_only_where_asked_for(taught: tuple[Path, Path, Path], tmp_path: Path) -> None:
    notes, codes, index = map(str, taught)
    asked = ["adapt", "--notes", notes, "--codes", codes, "--index", index, "--model", "logistic", "--keep-note-ids"]
    assert main([*asked, "-o", str(tmp_path / "a")]) == 0
    assert json.loads((tmp_path / "a" / "manifest.json").read_text())["card"]["note ids"][:1] == ["n000"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--codes", "gold.csv"], "give MENTIONS or --notes"),
        (["m.jsonl", "--codes", "gold.csv"], "--codes are those of --notes"),
        (["m.jsonl", "--model", "trees"], "about coded notes"),
        (["m.jsonl", "--vectors", "never"], "about coded notes"),
        (["--notes", "n.csv", "--codes", "gold.csv", "--vectors", "always"], "has no vectors to weigh"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["adapt", *options, "-o", str(tmp_path / "a")]) == 2
    assert said in capsys.readouterr().err


def test_explain_tells_what_a_code_rests_on(
    taught: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes, _, index = map(str, taught)
    folder = saved(learned(), tmp_path / "adapter")
    assert main(["code", notes, "--explain", "n001", "--ontology", index, "--adapter", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "  rests on: mentions of it (right in " in told
    assert "  weighed: " in told
