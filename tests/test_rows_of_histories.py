"""Every row of the table of histories has an example, told apart from it."""

from __future__ import annotations

import re

import pytest
from whole_release import mapper

from conceptmap.coding.histories import family_history, history_of
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.context import Context


def book() -> CodeBook:
    return mapper().linkers[0].book


def at(code: str) -> int:
    return book().position_of_code[code]


def pairs(text: str) -> list[tuple[str, str]]:
    """Codes, each with what becomes of it."""
    return [(code, gives) for code, gives in (pair.split() for pair in re.split("[|\n]", text.strip()))]


HISTORIES = """
C01 Z85.810 | C02.9 Z85.810 | C00.9 Z85.818 | C10.9 Z85.818 | C15.9 Z85.01 | C16.9 Z85.028 | C17.9 Z85.068
C18.9 Z85.038 | C20 Z85.048 | C22.0 Z85.05 | C25.9 Z85.07 | C23 Z85.09 | C26.0 Z85.09 | C30.0 Z85.22
C32.9 Z85.21 | C33 Z85.12 | C34.90 Z85.118 | C37 Z85.238 | C41.9 Z85.830 | C43.9 Z85.820 | C44.91 Z85.828
C49.9 Z85.831 | C50.919 Z85.3 | C53.9 Z85.41 | C54.1 Z85.42 | C55 Z85.42 | C56.9 Z85.43 | C51.9 Z85.44
C57.9 Z85.44 | C61 Z85.46 | C62.90 Z85.47 | C60.9 Z85.49 | C63.9 Z85.49 | C64.9 Z85.528 | C65.9 Z85.53
C66.9 Z85.54 | C67.9 Z85.51 | C68.0 Z85.59 | C69.90 Z85.840 | C71.9 Z85.841 | C73 Z85.850 | C81.90 Z85.71
C82.90 Z85.72 | C85.90 Z85.72 | C92.90 Z85.6 | D05.10 Z86.000 | D06.9 Z86.001 | D03.9 Z86.006 | K63.5 Z86.0100
D12.6 Z86.0100 | I63.9 Z86.73 | G45.9 Z86.73 | I61.9 Z86.79 | I21.9 I25.2 | I22.9 I25.2 | I82.409 Z86.718
I82.90 Z86.718 | I26.99 Z86.711 | I80.9 Z86.72 | I46.9 Z86.74 | I33.0 Z86.79 | I30.9 Z86.79 | A15.0 Z86.11
U07.1 Z86.16 | A41.9 Z86.19 | B17.10 Z86.19 | A04.72 Z86.19 | B02.9 Z86.19 | G03.9 Z86.61 | J18.9 Z87.01
K27.9 Z87.11 | K92.2 Z87.19 | K35.80 Z87.19 | K85.90 Z87.19 | K65.9 Z87.19 | N39.0 Z87.440 | N10 Z87.440
N20.0 Z87.442 | N23 Z87.442 | N17.9 Z87.448 | O24.419 Z86.32 | O14.90 Z87.59 | O80 Z87.59 | S06.9X0A Z87.820
S72.90XA Z87.81 | S02.5XXA - | T78.2XXA Z87.892 | J44.9 - | E11.9 - | I10 -
"""
FAMILIES = """
C18.9 Z80.0 | C34.90 Z80.1 | C32.9 Z80.2 | C37 Z80.2 | C50.919 Z80.3 | C56.9 Z80.41 | C61 Z80.42 | C62.90 Z80.43
C53.9 Z80.49 | C57.9 Z80.49 | C60.9 Z80.49 | C64.9 Z80.51 | C67.9 Z80.52 | C68.9 Z80.59 | C92.90 Z80.6
C85.90 Z80.7 | C96.9 Z80.7 | C80.1 Z80.9 | C71.9 Z80.8 | C7A.00 Z80.8 | F79 Z81.0 | F10.20 Z81.1 | F17.200 Z81.2
F11.20 Z81.3 | F19.20 Z81.3 | F32.A Z81.8 | F90.9 Z81.8 | H54.7 Z82.1 | H91.90 Z82.2 | G40.909 Z82.0
I63.9 Z82.3 | I46.9 Z82.41 | I21.9 Z82.49 | I73.9 Z82.49 | J45.909 Z82.5 | M06.9 Z82.61 | M81.0 Z82.62
M54.9 Z82.69 | Q61.3 Z82.71 | Q21.3 Z82.79 | B20 Z83.0 | Z21 Z83.0 | A15.0 Z83.1 | D57.1 Z83.2 | E11.9 Z83.3
E78.01 Z83.42 | E78.5 Z83.438 | E05.90 Z83.49 | H40.9 Z83.511 | H35.30 Z83.518 | H66.90 Z83.52 | J18.9 Z83.6
K63.5 Z83.719 | D12.6 Z83.719 | K50.90 Z83.79 | L40.9 Z84.0 | N18.9 Z84.19 | N80.9 Z84.2 | R05.9 -
"""
KIN = Context(negated=False, subject="family", temporality="recent", certainty="certain")


def test_each_past_illness_has_its_history() -> None:
    shown = set()
    for code, gives in pairs(HISTORIES):
        found = history_of(at(code), book())
        assert (book().codes[found[0]] if found else "-") == gives, code
        shown.add((gives, found[1] if found else ""))
    rows = [row for row in read_rows("histories", "icd10cm") if row["of"] == "history"]
    assert {(row["gives"], row["reason"]) for row in rows} == {pair for pair in shown if pair[1]}
    codes = [code for code, _ in pairs(HISTORIES)]
    assert all(any(within(code, parse_ranges(row["codes"])) for code in codes) for row in rows)


def test_each_illness_of_the_family_has_its_history() -> None:
    shown = set()
    for code, gives in pairs(FAMILIES):
        found = family_history(at(code), KIN, book())
        assert (book().codes[found[0]] if found else "-") == gives, code
        shown.add(gives)
    rows = [row for row in read_rows("histories", "icd10cm") if row["of"] == "family"]
    assert {book().codes[book().default(at(row["gives"]))] for row in rows} == shown - {"-"}
    assert {row["of"] for row in read_rows("histories", "icd10cm")} == {"history", "family"}


@pytest.mark.parametrize(
    ("context", "gives"),
    [
        (KIN, "Z80.0"),
        (Context(negated=True, subject="family", temporality="recent", certainty="certain"), ""),
        (Context(negated=False, subject="patient", temporality="recent", certainty="certain"), ""),
        (Context(negated=False, subject="other", temporality="recent", certainty="certain"), ""),
        (Context(negated=False, subject="family", temporality="recent", certainty="possible"), ""),
        (Context(negated=False, subject="family", temporality="historical", certainty="probable"), "Z80.0"),
        (Context(), ""),
    ],
)
def test_a_family_history_is_affirmed_of_the_family(context: Context, gives: str) -> None:
    found = family_history(at("C18.9"), context, book())
    assert (book().codes[found[0]] if found else "") == gives
    own = family_history(at("Z80.3"), context, book())
    assert own == ((at("Z80.3"), "") if gives else None)
