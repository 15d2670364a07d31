"""Time grows with a note, its mentions and its columns, never with their square: counted, not timed."""

from __future__ import annotations

from typing import Any

import pytest
from operations import growth

from conceptmap.export.fhir import bundle
from conceptmap.matching import spelling
from conceptmap.matching.spelling import Speller

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


def test_a_word_longer_than_all_known_ones_is_no_slip(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    deletions = spelling._deletions

    def counted(word: str) -> set[str]:
        taken.append(word)
        return deletions(word)

    monkeypatch.setattr(spelling, "_deletions", counted)
    speller = Speller(frozenset(["hypertension", "edema", "p" * 3000]))
    assert speller.correct("hyperttension") == "hypertension"
    assert speller.correct("acgt" * 20_000) is None
    assert speller.correct("hypertensionhypertension") is None
    assert max(map(len, taken)) == len("hyperttension")
