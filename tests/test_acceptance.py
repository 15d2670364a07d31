"""How probably a coder would report a code: what is known of it, what numbers do, where they hold, how to fit them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from coded_mapper import small_ontology
from hypothesis import given
from hypothesis import strategies as st
from whole_release import code_rows, mapper

from conceptmap.cli import main
from conceptmap.coding.acceptance.acceptance import Acceptance, acceptance_of
from conceptmap.coding.acceptance.known import FEATURES
from conceptmap.coding.coding import CodedNote, note_candidates
from conceptmap.errors import InputError
from conceptmap.reading import Reading, acceptance_for, coded
from conceptmap.training.acceptance import Example, coded_with, examples, fit_acceptance, references

CARD = Path(__file__).parents[1] / "docs" / "acceptance.md"
TWO = "HOSPITAL COURSE: encephalitis. Meningitis. Gout.\n"
NAMES = [*FEATURES]


def model(*, intercept: float = 0.0, threshold: float = 0.0, **weights: float) -> Acceptance:
    named = {name.replace("_", " "): weight for name, weight in weights.items()}
    return Acceptance(tuple(named.get(name.replace("-", " "), 0.0) for name in FEATURES), intercept, threshold)


@cache
def reading(text: str) -> Reading:
    (found,) = mapper().readings([("n", text)])
    return found


def judged(text: str, by: Acceptance, **settings: Any) -> CodedNote:
    (note,) = coded(
        reading(text), mapper().linkers, mapper().instructions, frozenset(), accepting=lambda _: by, **settings
    )
    return note


def names(note: CodedNote) -> list[str]:
    return [mapper().linkers[0].book.codes[code.concept] for code in note.accepted]


def known(text: str) -> dict[str, dict[str, float]]:
    """What is known of each candidate of a note, by code and name."""
    (linker,), note, found = mapper().linkers, judged(text, model(), setting="inpatient"), reading(text)
    contexts = [found.contexts[m.start_char, m.end_char] for m in found.coding[0]]
    every = note_candidates(found.coding[0], contexts, linker.book, note)
    return {linker.book.codes[code.concept]: dict(zip(FEATURES, code.known, strict=True)) for code in every}


@pytest.mark.parametrize(
    ("name", "code", "usual", "other"),
    [
        ("unspecified", "J18.9", "HOSPITAL COURSE: J18.1.\n", "HOSPITAL COURSE: J18.9.\n"),
        ("other", "I49.8", "HOSPITAL COURSE: I49.9.\n", "HOSPITAL COURSE: I49.8.\n"),
        ("symptom", "R13.10", "HOSPITAL COURSE: gout.\n", "HOSPITAL COURSE: dysphagia.\n"),
        ("status", "Z59.00", "HOSPITAL COURSE: gout.\n", "HOSPITAL COURSE: homeless.\n"),
        ("history", "Z85.038", "HOSPITAL COURSE: colon cancer.\n", "PMH: colon cancer 2001, resected.\n"),
        ("long-term drug", "Z79.84", "MEDICATIONS: none.\n", "MEDICATIONS: metformin 500 mg bid.\n"),
        ("background", "I10", "HOSPITAL COURSE: lobar pneumonia.\n", "HOSPITAL COURSE: hypertension.\n"),
        ("default", "S09.90XA", "HOSPITAL COURSE: gout.\n", "HOSPITAL COURSE: head injury.\n"),
        ("derived", "W01.0XXA", "HOSPITAL COURSE: head injury.\n", "HOSPITAL COURSE: tripped. Head injury.\n"),
        ("excluded", "G03.9", "HOSPITAL COURSE: meningitis. Gout.\n", TWO),
        ("partner", "N39.0", "HOSPITAL COURSE: gout.\n", "HOSPITAL COURSE: urinary tract infection.\n"),
        ("past", "I10", "HOSPITAL COURSE: hypertension.\n", "PMH: hypertension.\n"),
        ("findings", "L90.5", "HOSPITAL COURSE: scar.\n", "HOSPITAL COURSE: gout.\n\nPHYSICAL EXAM: scar.\n"),
        ("social", "Z59.00", "HOSPITAL COURSE: homeless.\n", "HOSPITAL COURSE: gout.\n\nSOCIAL HISTORY: homeless.\n"),
        ("mentions", "M10.9", "HOSPITAL COURSE: gout.\n", "HOSPITAL COURSE: gout. More gout.\n"),
        ("one word", "J18.1", "HOSPITAL COURSE: lobar pneumonia.\n", "HOSPITAL COURSE: J18.1.\n"),
        (
            "rivals",
            "G43.909",
            "HOSPITAL COURSE: migraine.\n",
            "HOSPITAL COURSE: migraine. Status migrainosus G43.901.\n",
        ),
        ("principal", "M10.9", "HOSPITAL COURSE: sepsis. Gout.\n", "HOSPITAL COURSE: gout.\n"),
        ("taken", "R05.9", "HOSPITAL COURSE: cough.\n", "HOSPITAL COURSE: cough. Lobar pneumonia.\n"),
    ],
)
def test_what_is_known_of_a_code(name: str, code: str, usual: str, other: str) -> None:
    """Two notes that differ only by it."""
    assert known(usual).get(code, {}).get(name, 0.0) == 0.0
    assert known(other)[code][name] > 0.0


def test_a_mention_that_fills_its_line_says_more() -> None:
    long = "HOSPITAL COURSE: he was also treated by the team for what they took for gout on the second day here.\n"
    assert known("HOSPITAL COURSE:\ngout\n")["M10.9"]["share"] > 4 * known(long)["M10.9"]["share"]


def test_of_what_was_not_preferred_it_is_known() -> None:
    found = known("HOSPITAL COURSE: acute systolic heart failure. Gout.\n")
    others = [code for code, its in found.items() if its["alternative"]]
    assert others
    assert not {"M10.9", "I50.21"} & set(others)


def test_improbable_codes_are_left_out_and_kept_among_the_candidates_with_the_reason() -> None:
    note = judged(TWO, model(threshold=0.3, excluded=-2.0, background=2.0))
    assert sorted(names(note)) == ["G04.90", "M10.9"], "the principal one stands"
    (gone,) = note.taken
    assert gone.reason == "a coder would hardly report it (0.12): another code of the note excludes it"


def test_what_was_said_beside_a_code_that_went_is_unsaid() -> None:
    both = judged(TWO, model())
    assert [code.notes for code in both.accepted if "Excludes1" in code.notes] != []
    one = judged(TWO, model(threshold=0.3, excluded=-2.0))
    assert [code.notes for code in one.accepted if "Excludes1" in code.notes] == []
    assert [code.links.excludes for code in one.accepted if code.links.excludes] == []
    assert [
        name for name, value in zip(NAMES, one.accepted[0].known, strict=True) if value and name == "excluded"
    ] == []


def test_of_two_that_exclude_each_other_only_the_less_probable_goes() -> None:
    text = "HOSPITAL COURSE: gout. Encephalitis. Meningitis.\n"
    assert {"G04.90", "G03.9"} <= set(names(judged(text, model())))
    left = names(judged(text, model(threshold=0.3, excluded=-2.0, share=0.1)))
    assert len({"G04.90", "G03.9"} & set(left)) == 1


def test_the_principal_diagnosis_stands_however_improbable() -> None:
    note = judged("HOSPITAL COURSE: gout. Lobar pneumonia. Migraine.\n", model(threshold=1.0))
    assert [code.role for code in note.accepted] == ["principal"]


def test_the_only_injury_beside_its_cause_stands() -> None:
    fell, told = "HOSPITAL COURSE: lobar pneumonia. Tripped. Head injury.\n", model(threshold=0.3, default=-2.0)
    assert {"S09.90XA", "W01.0XXA"} <= set(names(judged(fell, told)))
    assert "S09.90XA" not in names(judged("HOSPITAL COURSE: lobar pneumonia. Head injury.\n", told))


def test_what_the_note_lists_among_its_diagnoses_stands() -> None:
    listed = "HOSPITAL COURSE: gout.\n\nDISCHARGE DIAGNOSIS:\n1. Lobar pneumonia\n2. Migraine\n"
    assert sorted(names(judged(listed, model(threshold=1.0)))) == ["G43.909", "J18.1"]
    told = "HOSPITAL COURSE: gout.\n\nDISCHARGE DIAGNOSIS:\n1. Lobar pneumonia in a lady who also has migraine\n"
    assert names(judged(told, model(threshold=1.0))) == ["J18.1"]


def test_codes_of_a_role_are_in_order_of_probability() -> None:
    text = "HOSPITAL COURSE: lobar pneumonia. Gout. Migraine. Hypertension.\n\nPMH: psoriasis.\n"
    for by in (model(past=2.0), model(past=-2.0)):
        found = [code.probability or 0.0 for code in judged(text, by).accepted if code.role == "secondary"]
        assert len(set(found)) > 1
        assert found == sorted(found, reverse=True)


def test_it_holds_for_stays_and_visits_and_not_for_reports() -> None:
    for setting in ("inpatient", "visit"):
        assert all(row["probability"] is not None for row in code_rows("Gout. Head injury.", setting=setting).values())
    rows = code_rows("Gout. Head injury.", candidates=True, setting="report")
    assert {row["probability"] for row in rows.values()} == {None}
    sure = model(threshold=1.0)
    assert len(names(judged("Gout. Head injury.", sure, setting="report"))) == 2


def test_it_holds_for_the_codes_of_its_own_system_found_by_no_adapter() -> None:
    (linker,) = mapper().linkers
    assert acceptance_for(linker) is not None
    assert acceptance_of(small_ontology().system) is None

    class Adapted:
        adapter, index = object(), linker.index

    assert acceptance_for(Adapted()) is None  # type: ignore[arg-type]


def test_what_is_only_included_is_not_judged() -> None:
    rows = code_rows("HOSPITAL COURSE: gout. No asthma.\n", include=["negated"])
    assert rows["J45.909"]["probability"] is None
    assert rows["M10.9"]["probability"] is not None


def test_candidates_that_a_rule_took_away_are_improbable() -> None:
    rows = code_rows("HOSPITAL COURSE: cough. Lobar pneumonia.\n", candidates=True)
    assert rows["R05.9"]["probability"] < 0.2 < rows["J18.1"]["probability"]


def test_the_shipped_numbers_are_few_and_say_what_is_clinically_so() -> None:
    shipped = acceptance_of("icd10cm")
    assert shipped is not None
    numbers = shipped.numbers()
    assert len(numbers) <= 40
    assert max(numbers[name] for name in ("unspecified", "default", "excluded", "taken", "alternative")) < 0
    assert min(numbers[name] for name in ("background", "long-term drug", "principal")) > 0
    assert 0 < shipped.threshold < 0.5


def test_the_card_tells_the_shipped_numbers() -> None:
    shipped = acceptance_of("icd10cm")
    assert shipped is not None
    rows = re.findall(r"^\| (\S[^|]*?) \| ([^|]*?) ?\| ([+-]\d+\.\d{3}) \|$", CARD.read_text("utf-8"), re.MULTILINE)
    told = {name: float(weight) for name, _, weight in rows}
    assert told == {name: number for name, number in shipped.numbers().items() if name != "threshold"}
    assert {name: says for name, says, _ in rows if says} == FEATURES


def test_numbers_that_are_missing_or_unknown_are_named() -> None:
    numbers = model().numbers()
    assert Acceptance.of(numbers) == model()
    numbers["place"] = numbers.pop("share")
    with pytest.raises(InputError, match="other numbers: got place, share"):
        Acceptance.of(numbers)


def example(note_id: str, *, right: bool, **of_it: float) -> Example:
    return Example(note_id, True, tuple(of_it.get(name, 0.0) for name in FEATURES), right)


@given(st.integers(0, 3), st.permutations(range(40)))
def test_two_fits_give_the_same_numbers_and_learn_what_is_there(flipped: int, order: list[int]) -> None:
    some = [example(f"n{i}", right=(i % 4 > 0) != (i < flipped), past=float(i % 4 > 0)) for i in range(40)]
    once, again = fit_acceptance(some), fit_acceptance(some)
    assert once.numbers() == again.numbers()
    assert once.numbers()["past"] > 0
    assert fit_acceptance([some[i] for i in order]).numbers() == pytest.approx(once.numbers(), abs=0.01)


def test_probabilities_are_those_of_unread_notes() -> None:
    """Rules are right in 9 of 10 codes of the notes that they were written with, and in half of the others."""
    read = [example("r", right=i % 10 > 0) for i in range(2000)]
    unread = [example("u", right=i % 2 > 0) for i in range(2000)]
    told, untold = (fit_acceptance([*read, *unread], familiar=some) for some in (["r"], []))
    (nothing,) = {one.known for one in read}
    assert told.probability(nothing) == pytest.approx(0.5, abs=0.05)
    assert untold.probability(nothing) == pytest.approx(0.7, abs=0.05)


def test_nothing_is_learned_from_codes_that_are_all_right() -> None:
    with pytest.raises(InputError, match="nothing to learn acceptance from: got 2 of 2 codes right"):
        fit_acceptance([example("n", right=True)] * 2)


def test_examples_are_what_notes_and_reference_codes_say() -> None:
    gold = pl.DataFrame({"note_id": ["n", "n"], "coder": ["1", "2"], "code": ["M10.9", "J18.1"]})
    found = examples(
        mapper(), [reading("HOSPITAL COURSE: gout. Cough. Lobar pneumonia. Migraine.\n")], references(gold)
    )
    accepted = [one.right for one in found if one.accepted]
    assert sorted(accepted) == [False, True, True]
    others = [one.right for one in found if not one.accepted]
    assert others
    assert not any(others)
    assert examples(mapper(), [reading("Gout.")], references(gold)) == [], "a report is not judged"


def test_notes_are_coded_with_a_model() -> None:
    ((note_id, codes),) = coded_with(mapper(), [reading(TWO)], model(threshold=0.3, excluded=-2.0))
    assert note_id == "n"
    assert sorted((code.code, code.principal) for code in codes) == [("G04.90", True), ("M10.9", False)]


def test_explain_tells_the_probability_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "n1.txt").write_text("HOSPITAL COURSE: gout.\n\nPMH: hypertension.\n")
    assert main(["code", str(tmp_path), "--explain", "n1", "--encoder", "none"]) == 0
    told = capsys.readouterr().out.split("I10  ")[1]
    assert re.match(r"Essential \(primary\) hypertension \(secondary, .*probability 0\.\d\d\)\n  weighed: ", told)
    assert "it is a condition that often accompanies others (+" in told


def test_the_page_of_a_note_shows_probabilities_where_there_are_any() -> None:
    for setting, measure in (("inpatient", "how likely a coder would report it"), ("report", "how well the words fit")):
        (note,) = mapper().pipe([("n", "HOSPITAL COURSE: gout.\n")], setting=setting)
        assert f"Figures: {measure}" in note.to_html()


def test_the_organism_of_an_infection_stands() -> None:
    grew, strict = "HOSPITAL COURSE: acute cystitis. Urine culture grew E. coli. Gout.\n", model(threshold=1.0)
    assert sorted(names(judged(grew, strict))) == ["B96.20", "N30.00"]
    assert sorted(names(judged(grew.replace("grew E. coli", "negative"), strict))) == ["N30.00"]
