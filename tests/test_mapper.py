"""The main path on a small classification: mentions, tags, codes and given spans."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from coded_mapper import embedded, full_mapper, lexical_mapper, small_ontology
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptmap.errors import IndexMismatchError, InputError
from conceptmap.frames import ANNOTATIONS, CODES, TAGS
from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper
from conceptmap.matching.mentions import Mention
from conceptmap.reading import outside_headings
from conceptmap.text.sections import sections

NOTE = """DISCHARGE SUMMARY

History of present illness: 71-year-old man with type 2 diabetes mellitus and high blood pressure, admitted with fever.
No chest pain. Chest film consistent with pneumonia.

Family history: mother with heart failure.

Discharge instructions: return if chest pain develops.
"""


def frame(*texts: str) -> pl.DataFrame:
    return pl.DataFrame({"note_id": [f"n{i}" for i in range(len(texts))], "text": list(texts)})


def codes_of(text: str, **settings: object) -> list[str]:
    found = lexical_mapper().annotate_many(frame(text), **settings)  # type: ignore[arg-type]
    return sorted(found.codes["code"].to_list())


def test_what_is_affirmed_of_the_patient_codes() -> None:
    assert codes_of(NOTE) == ["E11.9", "I10", "J18.9", "R50.9"]


@pytest.mark.parametrize(
    ("include", "more"),
    [("negated", {"R07.9"}), ("family", {"I50.9"}), ("hypothetical", {"R07.9"}), ("possible", set())],
)
def test_include_adds_what_it_names(include: str, more: set[str]) -> None:
    assert set(codes_of(NOTE, include=[include])) - set(codes_of(NOTE)) == more


def test_include_refuses_other_names() -> None:
    with pytest.raises(InputError, match="got negation, expected negated"):
        codes_of(NOTE, include=["negation"])


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Heart failure.", ["I50.9"]),
        ("Systolic heart failure.", ["I50.2"]),
        ("Fracture of the femur.", ["S72.9XXA"]),
        ("Type 2 diabetes.", []),
        ("Diabetic chronic kidney disease with type 2 diabetes mellitus.", ["E11.22"]),
        ("Pneumonia. Denies fever.", ["J18.9"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_the_code_that_a_coder_writes(text: str, codes: list[str]) -> None:
    assert codes_of(text) == codes


def test_of_overlapping_names_one_within_a_clause_goes_before_one_across_a_bracket() -> None:
    names = {"code": ["I50.9", "R50.9"], "term": ["variceal hemorrhage", "hemorrhage esophageal"]}
    mapper = ConceptMapper.load(build_index(small_ontology(), None, synonyms=pl.DataFrame(names)), encoder=None)
    assert mapper.code(frame("Variceal hemorrhage (esophageal)."))["code"].to_list() == ["I50.9"]
    assert mapper.code(frame("Hemorrhage (esophageal)."))["code"].to_list() == ["R50.9"]


def test_annotations_say_where_what_and_in_which_context() -> None:
    found = lexical_mapper().annotate_many(frame(NOTE)).mentions
    assert found.schema == ANNOTATIONS
    by_text = {row["text"]: row for row in found.filter(pl.col("rank") == 1).iter_rows(named=True)}
    assert by_text["chest pain"]["negated"] in (True, False)
    assert by_text["heart failure"]["subject"] == "family"
    assert by_text["heart failure"]["section"] == "family history"
    assert by_text["pneumonia"]["certainty"] == "probable"
    assert by_text["fever"]["evidence"] == "lexical"
    assert {row["release"] for row in by_text.values()} == {"2099"}
    for row in found.iter_rows(named=True):
        assert NOTE[row["start_char"] : row["end_char"]] == row["text"]


def test_a_heading_is_no_mention() -> None:
    text = "ALLERGIES: allergies to pollen"
    said = [Mention(0, 9, ()), Mention(11, 20, ())]
    assert outside_headings(said, sections(text)) == said[1:]


def test_codes_name_their_evidence() -> None:
    found = lexical_mapper().annotate_many(frame("Fever yesterday. Fever today. Hypertension."))
    assert found.codes.schema == CODES
    rows = {row["code"]: row for row in found.codes.iter_rows(named=True)}
    assert rows["R50.9"]["evidence"] == "m1 m2"
    assert rows["I10"]["evidence"] == "m3"
    once = lexical_mapper().code(frame("Fever."))
    assert rows["R50.9"]["score"] > once["score"].item()
    assert found.codes["rank"].to_list() == [1, 2]
    assert found.codes["score"].is_sorted(descending=True)
    assert all(rows[code]["billable"] for code in rows)


def test_candidates_hold_the_accepted_codes_first() -> None:
    found = full_mapper().annotate_many(frame("Systolic heart failure."), candidates=5)
    accepted, ranked = found.codes["code"].to_list(), found.candidates["code"].to_list()
    assert ranked[: len(accepted)] == accepted
    assert len(ranked) > len(accepted)
    assert found.candidates["score"].is_sorted(descending=True)


def test_vectors_verify_mentions_and_propose_more_concepts() -> None:
    found = full_mapper().annotate_many(frame("Admitted for heart failure.")).mentions
    assert found["evidence"].to_list()[0] == "both"
    assert found["code"].to_list()[0] == "I50.9"
    assert found.height > 1
    assert found["score"].is_between(-1, 1).all()
    assert set(found["evidence"]) == {"both", "vector"}


def test_tags_cover_every_token_and_abstain_on_punctuation() -> None:
    text = "Fever, heart failure; the"
    tags = full_mapper().tag(text, k=3)
    assert dict(tags.schema) == dict(TAGS)
    first = tags.filter(pl.col("rank") == 1)
    assert first["token_index"].to_list() == list(range(first.height))
    by_text = dict(zip(first["text"], first["code"], strict=True))
    assert by_text["Fever"] == "R50.9"
    assert by_text["heart"] == by_text["failure"] == "I50.9"
    assert by_text[","] is None
    assert by_text["the"] is None
    for row in tags.iter_rows(named=True):
        assert text[row["start_char"] : row["end_char"]] == row["text"]


def test_tags_of_a_word_agree() -> None:
    tags = full_mapper().tag("hypertension and pneumonia", k=1)
    for code, text in (("I10", "hypertension"), ("J18.9", "pneumonia")):
        inside = tags.filter(pl.col("start_char") >= "hypertension and pneumonia".index(text)).head(1)
        assert inside["code"].to_list() == [code]


def test_tags_without_an_encoder_are_those_of_the_dictionary() -> None:
    text = "No fever, but \u00a0hypertension  and pneumonia."
    tags = lexical_mapper().tag(text, k=2)
    best = tags.filter(pl.col("rank") == 1)
    assert dict(best.select("text", "code").iter_rows()) == {
        "No": None, "fever": "R50.9", "but": None, "hypertension": "I10", "and": None, "pneumonia": "J18.9",
    }  # fmt: skip
    assert [text[start:end] for start, end in best.select("start_char", "end_char").iter_rows()] == list(best["text"])
    with pytest.raises(InputError, match="tags need token vectors"):
        lexical_mapper().annotate_many(pl.DataFrame({"note_id": ["n"], "text": [text]}), tags=True)


def test_given_spans_are_ranked_names_first() -> None:
    text = "Seen for HTN (hypertension) and cardiac insufficiency."
    spans = pl.DataFrame({"note_id": ["n0", "n0"], "start_char": [14, 32], "end_char": [26, 53]})
    found = full_mapper().spans(frame(text), spans, k=3)
    best = found.filter(pl.col("rank") == 1)
    assert best["code"].to_list() == ["I10", "I50.9"]
    assert found.group_by("start_char").len()["len"].to_list() == [3, 3]


@pytest.mark.parametrize(("note_id", "start", "end"), [("n0", 3, 3), ("n0", 0, 99), ("n0", -1, 2), ("n9", 0, 1)])
def test_spans_that_are_not_there_are_refused(note_id: str, start: int, end: int) -> None:
    spans = pl.DataFrame({"note_id": [note_id], "start_char": [start], "end_char": [end]})
    with pytest.raises(InputError):
        full_mapper().spans(frame("Fever."), spans)


def test_an_index_of_another_width_is_refused() -> None:
    index = build_index(small_ontology(), embedded())
    narrow = type(index).from_vectors(["I10"], index.vectors[:1, :8], small_ontology())  # type: ignore[index]
    with pytest.raises(IndexMismatchError, match="expected vectors of width 8, got 384"):
        ConceptMapper.load(narrow, encoder=embedded())


def test_an_index_of_another_encoder_is_refused() -> None:
    index = build_index(small_ontology(), embedded())
    other = replace(index, manifest=replace(index.manifest, encoder="other", revision="1"))
    with pytest.raises(IndexMismatchError, match=r"built with another encoder: got .* expected other 1"):
        ConceptMapper.load(other, encoder=embedded())


def test_notes_without_their_columns_are_refused() -> None:
    with pytest.raises(InputError, match="expected note_id"):
        lexical_mapper().code(pl.DataFrame({"id": ["1"], "text": ["fever"]}))


def test_the_order_and_company_of_notes_change_nothing() -> None:
    texts = ["Fever and hypertension.", "Pneumonia.", NOTE]
    together = full_mapper().annotate_many(frame(*texts)).codes
    for i, text in enumerate(texts):
        alone = full_mapper().code(frame(text))
        assert together.filter(pl.col("note_id") == f"n{i}")["code"].to_list() == alone["code"].to_list()


def test_path_leads_from_the_root_to_the_code() -> None:
    path = lexical_mapper().path("icd10", "E11.22")
    assert [code for code, _ in path] == ["A", "E11", "E11.2", "E11.22"]
    with pytest.raises(InputError):
        lexical_mapper().path("icd10", "Z99")


PIECES = st.sampled_from(
    [
        "fever",
        "heart failure",
        "No",
        "denies",
        "pneumonia",
        "\r\n",
        "\n\n",
        "\u00a0",
        "🤒",
        "e\u0301",
        "שלום",
        "عربى",
        ",",
        ".",
    ]
)


@settings(max_examples=250)
@given(st.lists(PIECES | st.text(max_size=3), max_size=12).map(" ".join))
def test_offsets_are_exact_on_any_text(text: str) -> None:
    found = lexical_mapper().annotate_many(frame(text))
    for row in found.mentions.iter_rows(named=True):
        span = text[row["start_char"] : row["end_char"]]
        assert span == row["text"]
        assert span
        assert span == span.strip()


@settings(max_examples=30)
@given(st.lists(PIECES | st.text(max_size=3), min_size=1, max_size=12).map(" ".join))
def test_offsets_of_tags_are_exact_on_any_text(text: str) -> None:
    for row in full_mapper().tag(text, k=1).iter_rows(named=True):
        span = text[row["start_char"] : row["end_char"]]
        assert span == row["text"]
        assert span
        assert span == span.strip()
