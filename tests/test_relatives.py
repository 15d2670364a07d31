"""Relatives as possible codes: beside, above and below those that mentions lead to, and told as that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from coded_mapper import lexical_mapper
from test_learning import LOGISTIC, adapter, made
from whole_release import mapper as release

from conceptmap.learned.associations import Associations, CodeRecord
from conceptmap.learned.features import FEATURES, possible_codes
from conceptmap.learned.models import LogisticModel
from conceptmap.learned.note_facts import EVERY_CONTEXT, FACTS, NoteFacts
from conceptmap.learned.relatives import MOST_RELATIVES, RELATIVES, related_codes, relations
from conceptmap.linking.linker import Linker
from conceptmap.mapper import ConceptMapper
from conceptmap.reading import coded, facts_of_reading

GENERIC = [*FACTS].index("generic")
HELD = ("Heart failure. Type 2 diabetes mellitus with diabetic chronic kidney disease.", "Pneumonia.")


def given(*codes: str) -> Associations:
    """What is known where coders gave each code once, whatever the words."""
    none, records = np.empty(0, dtype=np.int64), [CodeRecord(1)] * len(codes)
    return Associations(9, [], none, np.zeros(1, dtype=np.int64), none, none, sorted(codes), records)


def facts(text: str, mapper: ConceptMapper) -> tuple[NoteFacts, Linker]:
    (linker,) = mapper.linkers
    (reading,) = mapper.readings([("x", text)])
    (note,) = coded(reading, [linker], mapper.instructions, EVERY_CONTEXT, "inpatient")
    return facts_of_reading(reading, linker, note, 0), linker


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("Heart failure.", ["I50.2"], ["I50.2", "I50"]),
        ("Heart failure.", [], ["I50"]),
        ("Pneumonia.", ["I50.2"], ["J18"]),
        ("Hypertension.", ["I50.2"], []),
        ("Type 2 diabetes mellitus with diabetic chronic kidney disease.", ["E11.9"], ["E11.2", "E11"]),
    ],
)
def test_related_are_what_coders_gave_in_the_category_and_the_parent(
    text: str, known: list[str], expected: list[str]
) -> None:
    its, linker = facts(text, lexical_mapper())
    assert [code for code in related_codes(its.found, given(*known), linker.book) if code[0] != "A"] == expected


def test_the_codes_given_most_come_first_and_only_eight_of_a_category() -> None:
    its, linker = facts("Heart failure.", release())
    codes = sorted(code for code in linker.book.codes if code.startswith("I50.") and code != "I50.9")
    known = replace(given(*codes), records=[CodeRecord(n + 1) for n in range(len(codes))])
    named = {one.name for one in its.found}
    beside = [code for code in codes[::-1][:8] if code not in named]
    assert len(beside) > 5
    found = related_codes(its.found, known, linker.book)
    assert found[: len(beside)] == beside
    parents = {linker.book.codes[at] for at in linker.book.first_parent[[one.concept for one in its.found]].tolist()}
    assert {*found[len(beside) :]} <= parents


def test_there_are_no_more_than_a_bound() -> None:
    its, linker = facts("Heart failure. Fracture of femur. Pneumonia. Type 2 diabetes mellitus. Chest pain.", release())
    shelves = {one.name[:3] for one in its.found}
    codes = [code for code in linker.book.codes if code[:3] in shelves and "-" not in code]
    many = replace(its, found=[*its.found, *(replace(its.found[0], name="", concept=n) for n in range(0, 90000, 300))])
    assert len(related_codes(many.found, given(*codes), linker.book)) == MOST_RELATIVES


@pytest.mark.parametrize("which", ["small", "whole"])
def test_relations_equal_a_slow_twin(which: str) -> None:
    its, linker = facts(" ".join(HELD) + " Fracture of femur.", lexical_mapper() if which == "small" else release())
    book, found = linker.book, its.found
    concepts = [*(one.concept for one in found), *range(0, len(book.codes), 1 + len(book.codes) // 200)]
    concepts += [book.position_of_code[code] for code in related_codes(found, given(), book)]
    rows, nearest = relations(concepts, found, book)

    def first(concept: int) -> int | None:
        return next(iter(book.parents[concept]), None)

    def shelf(concept: int) -> object:
        return book.position_of_code.get(book.codes[concept][:3], first(concept))

    some = 0
    for concept, row, place in zip(concepts, rows.tolist(), nearest.tolist(), strict=True):
        best = dict.fromkeys(RELATIVES, -8.0)
        for one in found:
            sure = min(max(one.facts[GENERIC], -4.0), 8.0)
            up, its_up = first(concept), first(one.concept)
            kinds = {
                "sibling": one.concept != concept and up is not None and up == its_up,
                "parent": up == one.concept,
                "child": its_up == concept,
            }
            alike = one.concept != concept and shelf(concept) == shelf(one.concept)
            for kind, holds in {**kinds, "relative": alike or any(kinds.values())}.items():
                best[kind] = max(best[kind], sure) if holds else best[kind]
        assert dict(zip(RELATIVES, row, strict=True)) == pytest.approx(best)
        assert (place >= 0) == (best["relative"] > -8.0)
        some += place >= 0
        if place >= 0:
            assert min(max(found[place].facts[GENERIC], -4.0), 8.0) == pytest.approx(best["relative"])
    assert some > 5


def test_without_mentions_nothing_is_related() -> None:
    (linker,) = lexical_mapper().linkers
    rows, nearest = relations([1, 2], [], linker.book)
    assert (rows == -8.0).all()
    assert nearest.tolist() == [-1, -1]
    assert related_codes([], given("I50.2"), linker.book) == []


def test_rows_of_relatives_tell_the_share_of_their_category() -> None:
    its, linker = facts("Heart failure.", lexical_mapper())
    known = replace(given("I50.2", "I50.9"), records=[CodeRecord(3), CodeRecord(1)])
    possible = possible_codes(its, known, linker.book)
    row = dict(zip(FEATURES, possible.rows[possible.codes.index("I50.2")].tolist(), strict=True))
    assert row["share of category"] == pytest.approx(np.log(3.1 / 5.0))
    assert row["named"] == 0.0


def test_a_relative_is_told_as_one_where_its_mention_stands() -> None:
    """No model, so that every possible code has the same probability."""
    flat = LogisticModel(np.zeros(len(FEATURES) + 1), np.zeros(len(FEATURES)))
    told = replace(adapter(), model=flat, associations=given("I50.2"), least_seen=0.0)
    mapper = replace(lexical_mapper(), code_adapters=(told,))
    text = "No fever. Heart failure was found."
    rows = {row["code"]: row for row in mapper.code([("x", text)]).iter_rows(named=True)}
    row = rows["I50.2"]
    assert row["rests_on"] == "mentions of I50.9, a relative (given in 1 of 9 notes)"
    assert (row["evidence"], row["score"], row["text"]) == ("", None, "Heart failure")
    assert row["start_char"] == text.index("Heart")
    assert "no mention names it: one names a code beside, above or below it" in row["notes"]
    assert "I50.2" not in mapper.code([("x", "No fever. Pneumonia was found.")])["code"].to_list()


def test_a_sibling_that_coders_prefer_is_learned() -> None:
    """Half of the notes with heart failure are given the systolic one, by nothing that the words tell."""
    notes, codes = made(80)
    sibling = codes["code"].replace({"I50.9": "I50.2"})
    mapper = lexical_mapper().fit(notes, codes.with_columns(code=sibling), LOGISTIC)
    found = mapper.code([("x", "Heart failure. Pneumonia.")])["code"].to_list()
    assert "I50.2" in found
    assert "I50.9" not in found
