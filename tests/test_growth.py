"""Time grows with a note, its mentions and its columns, never with their square: counted, not timed."""

from __future__ import annotations

from random import Random
from typing import Any

import polars as pl
import pytest
from coded_release import coder
from operations import growth

from conceptmap.coding.instructions import Instructions
from conceptmap.coding.proposed_codes import ProposedCode
from conceptmap.export.fhir import bundle
from conceptmap.matching.spelling import Speller
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text import literals, statement
from conceptmap.text.overlaps import Claims, Overlaps

STRAIGHT = 4.8
"""What fourfold work may cost at most, sorting included; what grows with the square costs 16 times as much."""


def mention_rows(n: int) -> list[dict[str, Any]]:
    said = {"system": "icd10cm", "name": "Gout", "subject": "patient", "temporality": "recent", "negated": False}
    return [
        {"mention_id": f"m{i}", "start_char": 5 * i, "end_char": 5 * i + 4, "code": f"M{i}", **said} for i in range(n)
    ]


@pytest.mark.parametrize("mentions_of_a_code", [1, 50])
def test_a_bundle_looks_at_each_mention_of_a_code_once(mentions_of_a_code: int) -> None:
    def work(n: int) -> Any:
        rows = mention_rows(n)
        groups = [rows[at : at + mentions_of_a_code] for at in range(0, n, mentions_of_a_code)]
        codes = [{**group[0], "evidence": " ".join(row["mention_id"] for row in group)} for group in groups]
        return lambda: bundle({"note_id": "n", "person_id": "7"}, rows, codes)

    assert growth(work, 200) < STRAIGHT


SHAPES = {
    "a list on one line": "sepsis, hypertension, ",
    "a list in lines": "hypertension\nsepsis\n",
    "brackets": "(hypertension ",
    "headings in a line": "sepsis. Plan: hypertension; ",
    "headings": "PLAN:\n",
    "negations": "no sepsis ",
    "shared words": "left and right knee pain, ",
    "status": "s/p appendectomy, sepsis. ",
    "long ago": "history of cerebral infarction years ago and hypertension ",
    "a hyphenated chain": "sepsis-",
    "allergies": "ALLERGIES: penicillin (hives), latex, sulfa, ",
    "medications": "MEDICATIONS:\napixaban, insulin glargine\n",
    "a family": "mother with hypertension, ",
    "suspicions": "admitted with possible sepsis, ",
    "numbers": "12 weeks 5 ",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_grows_with_a_note(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "_FARTHEST", 20)  # a constant, too large for texts as short as these
    monkeypatch.setattr(literals, "_FIRST_ASKED", 0)  # patterns are read once, and not in the middle of a count

    def work(n: int) -> Any:
        note = pl.DataFrame({"note_id": ["n"], "text": [SHAPES[shape] * n]})
        return lambda: coder().annotate_many(note, candidates=20)

    work(81)()  # what is made once; what is kept of this very text is of no use to the others
    assert growth(work, 80) < STRAIGHT


def test_overlaps_are_those_of_comparing_each_with_each() -> None:
    random = Random(4)
    for _ in range(300):
        spans = [(start, start + random.randint(1, 9)) for start in random.choices(range(40), k=random.randint(0, 12))]
        start, end = (at := random.randint(0, 45)), at + random.randint(1, 9)
        found = Overlaps(spans)
        touching = [n for n, span in enumerate(spans) if span[0] < end and start < span[1]]
        assert sorted(found.touching(start, end)) == touching
        assert found.hold(start, end) == any(span[0] <= start and end <= span[1] for span in spans)
        claims, won = Claims(spans), list[tuple[int, int]]()
        for first, last in spans:
            lost_to = next((n for n, (a, b) in enumerate(won) if first < b and a < last), None)
            assert claims.claim(first, last) == lost_to
            won += [(first, last)] if lost_to is None else []


def test_a_word_longer_than_all_known_ones_is_no_slip(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    look_up = Speller._look_up

    def counted(speller: Speller, form: str) -> str | None:
        taken.append(form)
        return look_up(speller, form)

    monkeypatch.setattr(Speller, "_look_up", counted)
    speller = Speller(frozenset(["hypertension", "edema", "p" * 3000]))
    assert speller.correct("hyperttension") == "hypertension"
    assert speller.correct("acgt" * 20_000) is None
    assert speller.correct("hypertensionhypertension") is None
    assert max(map(len, taken)) == len("hyperttension")


def test_codes_that_exclude_one_another_are_told_pair_by_pair() -> None:
    """What is said grows with the pairs, 16-fold with fourfold codes, and so does the work."""

    def work(n: int) -> Any:
        codes = [f"{'ABCDE'[i // 100]}{i % 100:02d}" for i in range(n)]
        concepts = pl.DataFrame({"node": codes, "code": codes, "name": codes, "billable": True, "kind": "category"})
        edges = pl.DataFrame(schema={"parent": pl.String, "child": pl.String})
        remarks = pl.DataFrame({"node": codes, "kind": "excludes1", "text": "other codes (A00-E99)"})
        rules = Instructions(remarks, CodeBook("icd10cm", concepts, edges, pl.DataFrame()))
        proposals = [ProposedCode(i, [i], affirmed=True) for i in range(n)]

        def told() -> None:
            rules.remark(proposals)
            assert all(len(proposal.remarks) == n - 1 for proposal in proposals)

        return told

    assert growth(work, 24) < 20
