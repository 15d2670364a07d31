"""Complications of care; each pair differs by its rule alone."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from conceptmap import ConceptMapper
from conceptmap.coding.derived.complications import complications
from conceptmap.data.tables import read_rows
from conceptmap.text.sections import sections


@cache
def mapper() -> ConceptMapper:
    return ConceptMapper.load("icd10cm", encoder=None)


def codes(text: str) -> set[str]:
    return set(mapper().code(pl.DataFrame({"note_id": ["n"], "text": [text]}))["code"])


def found(text: str) -> set[str]:
    return {one.code for one in complications(text, sections(text))}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hematoma at the access site.", "I97.630"),
        ("Perinephric hematoma after the biopsy.", "N99.840"),
        ("DVT, PICC associated.", "T82.868A"),
        ("CLABSI.", "T80.211A"),
        ("CAUTI.", "T83.511A"),
        ("Ileus, POD 5.", "K91.89"),
        ("Superficial wound infection.", "T81.41XA"),
        ("Incidental durotomy.", "G97.41"),
        ("Foley obstructed.", "T83.091A"),
        ("Nephrostomy tube dislodged.", "T83.022A"),
        ("PEG tube dislodged.", "K94.23"),
        ("PEG site infection.", "K94.22"),
        ("AV fistula stenosis.", "T82.858A"),
        ("AV fistula thrombosis.", "T82.868A"),
        ("VP shunt malfunction.", "T85.09XA"),
        ("Prosthetic joint infection of the left knee.", "T84.54XA"),
        ("Prosthetic joint infection of the right hip.", "T84.51XA"),
        ("Left hip periprosthetic fracture.", "M97.02XA"),
        ("Kidney transplant rejection.", "T86.11"),
        ("Rejection of the liver transplant.", "T86.41"),
        ("Lung allograft failure.", "T86.811"),
    ],
)
def test_a_finding_tied_to_care_is_its_complication(text: str, code: str) -> None:
    assert code in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hematoma of the scalp.",
        "Perinephric hematoma after the crash.",
        "DVT. PICC placed.",
        "Ileus.",
        "Foley placed for obstruction.",
        "No PEG site infection.",
        "PAST MEDICAL HISTORY: kidney transplant rejection",
        "Kidney transplant.",
    ],
)
def test_a_finding_beside_care_is_none(text: str) -> None:
    assert not found(text)


@pytest.mark.parametrize(
    ("text", "there", "not_there"),
    [
        ("Anastomotic leak with peritonitis. Septic shock.", {"T81.43XA", "T81.44XA", "T81.12XA"}, {"R65.21"}),
        ("Peritonitis. Septic shock.", {"R65.21"}, {"T81.12XA"}),
        ("Kidney transplant status. Acute kidney failure.", {"T86.19"}, {"Z94.0"}),
        ("MVC. L ribs 4-8 fx. Hemorrhagic shock.", {"T79.4XXA"}, {"R57.1"}),
    ],
)
def test_sepsis_shock_and_failure_after_care_or_injury(text: str, there: set[str], not_there: set[str]) -> None:
    given = codes(text)
    assert there <= given
    assert not not_there & given


def test_every_code_of_the_tables_exists() -> None:
    book = mapper().linkers[0].book
    given = [row["code"] for row in read_rows("complications", "icd10cm")]
    for row in read_rows("device_complications", "icd10cm"):
        given += [
            row[kind]
            for kind in ("infection", "thrombosis", "stenosis", "displaced", "malfunction", "bleeding")
            if row[kind]
        ]
    assert [code for code in given if not book.billable[book.position_of_code.get(code, 0)]] == []
