"""What a coder reads: a code's words, place and snippet, the codes that it speaks of, and one number for every list."""

from __future__ import annotations

import itertools

import polars as pl
import pytest
from coded_mapper import full_mapper, lexical_mapper
from hypothesis import assume, given
from hypothesis import strategies as st

from conceptmap.coding.reporting.roles import ROLES
from conceptmap.mapper import ConceptMapper
from conceptmap.text.snippets import SNIPPET, snippet


@pytest.fixture(scope="module")
def icd10cm() -> ConceptMapper:
    return ConceptMapper.load("icd10cm", encoder=None)


def codes_of(mapper: ConceptMapper, text: str) -> dict[str, dict[str, object]]:
    notes = pl.DataFrame({"note_id": ["n"], "text": [text]})
    return {row["code"]: row for row in mapper.code(notes, setting="inpatient").iter_rows(named=True)}


# -- codes ------------------------------------------------------------------------------------------------------------


def test_a_code_says_its_words_its_section_and_where_it_is_said_best() -> None:
    text = (
        "Past medical history:\nHypertension.\n\nHospital course:\nHigh blood pressure was treated; the "
        "hypertension was followed from the first day to the last.\n\nDischarge diagnosis:\n1. HYPERTENSION\n"
    )
    row = codes_of(lexical_mapper(), text)["I10"]
    assert row["text"] == "Hypertension ×3; High blood pressure"
    assert row["section"] == "discharge diagnosis"
    assert row["start_char"] == text.index("HYPERTENSION")
    assert row["snippet"] == "1. HYPERTENSION"
    assert row["evidence"] == "m1 m2 m3 m4"
    without = codes_of(lexical_mapper(), text.replace("Discharge diagnosis:\n1. HYPERTENSION\n", ""))["I10"]
    assert without["section"] == "hospital course"
    assert without["start_char"] == text.index("High blood")
    assert without["snippet"] == "High blood pressure was treated; the hypertension was…"


def test_codes_stand_by_role_then_probability_then_place(icd10cm: ConceptMapper) -> None:
    text = (
        "History of present illness: fever.\n\nPast medical history: CAD, HTN, gout, BPH. Former smoker.\n\n"
        "Allergies: penicillin.\n\nDischarge diagnosis: pneumonia, hypokalemia.\n"
    )
    rows = list(codes_of(icd10cm, text).values())
    order = [(ROLES.index(str(row["role"])), -float(str(row["probability"])), row["start_char"]) for row in rows]
    assert order == sorted(order)
    assert len({row["role"] for row in rows}) > 3
    assert len({key[:2] for key in order}) < len(order), "some are equally probable"
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))


def test_a_bracket_that_the_words_open_is_closed(icd10cm: ConceptMapper) -> None:
    row = codes_of(icd10cm, "Discharge diagnosis: asthma (mild intermittent), gout.")["J45.20"]
    assert row["text"] == "asthma (mild intermittent)"


def test_equal_codes_stand_in_the_order_of_their_best_mentions() -> None:
    told = "History of present illness: lung infection, hypertension.\n\n"
    for listed, order in (
        ("hypertension, lung infection", ["I10", "J18.9"]),
        ("lung infection, hypertension", ["J18.9", "I10"]),
    ):
        found = codes_of(lexical_mapper(), f"{told}Discharge diagnosis: {listed}.\n")
        assert found["I10"]["score"] == found["J18.9"]["score"]
        assert list(found) == order


def test_other_codes_that_a_code_speaks_of_have_columns_of_their_own(icd10cm: ConceptMapper) -> None:
    found = codes_of(icd10cm, "Discharge diagnosis: congestive heart failure and hypertension.")
    assert found["I11.0"]["combined_from"] == "I10;I50.9"
    alone = codes_of(icd10cm, "Discharge diagnosis: congestive heart failure.")
    assert alone["I50.9"]["combined_from"] == ""

    found = codes_of(icd10cm, "Discharge diagnosis: iron deficiency and hypomagnesemia.")
    assert (found["E61.1"]["excludes"], found["E83.42"]["excludes"]) == ("E83.42", "E61.1")
    assert codes_of(icd10cm, "Discharge diagnosis: iron deficiency.")["E61.1"]["excludes"] == ""

    found = codes_of(icd10cm, "Discharge diagnosis: acute prostatitis.")
    assert found["N41.0"]["use_additional"] == "B95-B97"
    assert "use additional code, not found" in str(found["N41.0"]["notes"])
    beside = codes_of(icd10cm, "Discharge diagnosis: acute prostatitis due to E. coli infection B96.20.")
    assert beside["N41.0"]["use_additional"] == ""


def test_prose_comes_last_and_no_column_is_gone(icd10cm: ConceptMapper) -> None:
    columns = icd10cm.code(pl.DataFrame({"note_id": ["n"], "text": ["fever"]})).columns
    known = "note_id system code name score billable rank evidence role setting poa".split()
    assert columns[: len(known)] == known
    assert columns[-2:] == ["reason", "notes"]


@given(st.text("ab \n(", max_size=200), st.data())
def test_a_snippet_is_short_and_holds_its_words(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = start + len(text[start : data.draw(st.integers(start, len(text)))].rstrip())
    start = end - len(text[start:end].lstrip())
    assume(start < end)
    shown = snippet(text, start, end, within=(0, len(text)))
    flat = " ".join(text[start:end].split())
    assert len(shown) <= SNIPPET
    assert "\n" not in shown
    assert flat in shown or (len(flat) > SNIPPET and shown.endswith("…") and flat.startswith(shown[:-1]))
    assert shown.strip("…") in " ".join(f".{text}.".split())[1:-1]
    whole = snippet(text, start, end, within=(0, len(text)), most=1000)
    assert whole == " ".join(text.split()), "with room enough nothing is left out"


# -- one number orders a list -----------------------------------------------------------------------------------------


def falls(numbers: list[float]) -> bool:
    return all(a >= b for a, b in itertools.pairwise(numbers))


NOTE = (
    "Type 2 diabetes mellitus with diabetic chronic kidney disease. High blood pressure, lung infection. "
    "The chest hurts. Systolic failure of the heart and fracture of the femur."
)


def test_confidence_falls_from_rank_to_rank_and_the_words_go_first() -> None:
    notes = pl.DataFrame({"note_id": ["n"], "text": [NOTE]})
    found = full_mapper().annotate_many(notes, tags=5)
    lists = [part for frame, by in ((found.mentions, "mention_id"), (found.tags, "token_index"))
             for part in frame.drop_nulls("code").partition_by(by)]  # fmt: skip
    assert sum(part.height > 1 for part in lists) > 10
    assert all(part["rank"].to_list() == list(range(1, part.height + 1)) for part in lists)
    assert all(falls(part["confidence"].to_list()) for part in lists)
    assert not all(falls(part["score"].to_list()) for part in lists), "which the cosine does not"
    assert found.tags.filter(pl.col("code").is_null())["confidence"].is_null().all()


def test_confidence_orders_the_concepts_of_given_spans() -> None:
    start = NOTE.index("High")
    spans = pl.DataFrame({"note_id": ["n"], "start_char": [start], "end_char": [start + len("High blood pressure")]})
    ranked = full_mapper().spans(pl.DataFrame({"note_id": ["n"], "text": [NOTE]}), spans)
    assert ranked["code"][0] == "I10"
    assert falls(ranked["confidence"].to_list())


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [
        ("Heart failure, unspecified", "I50.9", "title found in the text"),
        ("Hypertension", "I10", "synonym found in the text"),
        ("Chest pain", "R07.9", "synonym found in the text"),
        ("Pneumonia", "J18.9", "shortened name found in the text"),
    ],
)
def test_why_a_code_stands_there_is_said_in_words(text: str, code: str, why: str) -> None:
    found = lexical_mapper().annotate(text).mentions.row(0, named=True)
    assert (found["code"], found["why"], found["confidence"]) == (code, why, found["confidence"])


def test_what_the_vectors_say_is_said_too() -> None:
    found = full_mapper().annotate("Heart failure.").mentions
    said = dict(found.select("code", "why").iter_rows())
    assert said["I50.9"] == "title found in the text, near in meaning"
    assert said["I50.2"] == "near in meaning"
    followed = ConceptMapper.load("icd10cm", encoder=None).annotate("Allergies: penicillin").mentions
    assert followed["why"].to_list() == ["follows from the text"]
