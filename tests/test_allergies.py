"""The allergies section gives allergy statuses; the reactions in it are no findings of today."""

from __future__ import annotations

import polars as pl
import pytest

from conceptmap import ConceptMapper
from conceptmap.data.tables import read_rows


@pytest.fixture(scope="module")
def mapper() -> ConceptMapper:
    return ConceptMapper.load("icd10cm", encoder=None)


def codes(mapper: ConceptMapper, text: str) -> set[str]:
    return set(mapper.code(pl.DataFrame({"note_id": ["1"], "text": [text]}))["code"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ALLERGIES: Penicillin (rash), lisinopril -> cough.", {"Z88.0", "Z88.8"}),
        ("Allergies: iodinated contrast (hives); tolerates cephalosporins; TMP-SMX", {"Z91.041", "Z88.2"}),
        ("ALL: NKDA", set()),
        ("Allergies: No known drug allergies. Denies latex allergy.", set()),
        ("ALLERGIES: seasonal allergies, milk", {"J30.2", "Z91.0110"}),
        ("MEDICATIONS: penicillin. Cough.", {"R05.9"}),
    ],
)
def test_what_an_allergies_section_codes(mapper: ConceptMapper, text: str, expected: set[str]) -> None:
    assert codes(mapper, text) == expected


def test_an_allergen_is_a_mention_with_its_own_span(mapper: ConceptMapper) -> None:
    text = "ALLERGIES: Penicillin (rash), IV contrast"
    notes = pl.DataFrame({"note_id": ["1"], "text": [text]})
    first = mapper.annotate_many(notes).mentions.filter(pl.col("rank") == 1)
    spans = first.select("start_char", "end_char", "code").rows()
    assert ("Penicillin", "Z88.0") in [(text[start:end], code) for start, end, code in spans]
    assert ("IV contrast", "Z91.041") in [(text[start:end], code) for start, end, code in spans]
    assert [text[start:end] for start, end, _ in spans] == first["text"].to_list()


def test_every_allergen_has_a_billable_code(mapper: ConceptMapper) -> None:
    book = mapper.linkers[0].book
    rows = list(read_rows("allergens", "icd10cm"))
    assert len({row["name"] for row in rows}) == len(rows)
    assert {row["code"] for row in rows if not book.billable[book.position_of_code[row["code"]]]} == set()
