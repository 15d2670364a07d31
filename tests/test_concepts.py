from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmap.errors import InputError
from conceptmap.ontology.concepts import SYSTEMS, check_code, curie, is_sctid, parse_curie, system_of

CODES = {
    "snomedct": "22298006",
    "icd10cm": "S42.251A",
    "icd10": "E11.9",
    "umls": "C0011849",
    "doid": "DOID:4080",
    "hp": "HP:0001250",
    "mondo": "MONDO:0005148",
}


def test_every_system_says_what_a_user_must_know() -> None:
    for prefix, system in SYSTEMS.items():
        assert system.prefix == prefix
        assert system.fhir_uri.startswith("http://")
        assert system.url.startswith("https://")
        assert system.licence
    assert len({system.fhir_uri for system in SYSTEMS.values()}) == len(SYSTEMS)


@pytest.mark.parametrize(("system", "code"), CODES.items())
def test_a_code_survives_the_round_trip_through_its_curie(system: str, code: str) -> None:
    assert check_code(system, code) == code
    assert parse_curie(curie(system, code)) == (system, code)
    assert check_code(system, f"  {code.lower()} ") == code


@pytest.mark.parametrize(
    ("system", "given_code", "stored"),
    [
        ("icd10cm", "e119", "E11.9"),
        ("icd10cm", "S42251A", "S42.251A"),
        ("icd10cm", "T07XXXA", "T07.XXXA"),
        ("icd10cm", "i10", "I10"),
        ("icd10cm", "c7a", "C7A"),
        ("icd10cm", "a00-a09", "A00-A09"),
        ("icd10cm", "22", "22"),
        ("icd10", "iv", "IV"),
        ("doid", "4080", "DOID:4080"),
        ("hp", "0001250", "HP:0001250"),
    ],
)
def test_other_spellings_become_the_stored_one(system: str, given_code: str, stored: str) -> None:
    assert check_code(system, given_code) == stored


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("snomedct", "22298007"),
        ("snomedct", "12345"),
        ("snomedct", "022298006"),
        ("snomedct", "٢٢٢٩٨٠٠٦"),
        ("icd10cm", "1E1.9"),
        ("icd10cm", "E11."),
        ("icd10cm", "23"),
        ("icd10cm", ""),
        ("umls", "C001184"),
        ("umls", "C٠٠١١٨٤٩"),
        ("doid", "HP:0001250"),
        ("mondo", "5148"),
    ],
)
def test_impossible_codes_are_refused_with_an_example(system: str, code: str) -> None:
    with pytest.raises(InputError, match=r"got .*, expected .*such as"):
        check_code(system, code)


def test_unknown_systems_are_refused_with_the_list() -> None:
    with pytest.raises(InputError, match=r"got 'icd9', expected one of snomedct, icd10cm"):
        system_of("icd9")
    with pytest.raises(InputError, match="unknown system"):
        parse_curie("icd9:250.00")
    with pytest.raises(InputError, match="not a CURIE"):
        parse_curie("E11.9")


@given(st.integers(min_value=10_000, max_value=10**17 - 1))
def test_exactly_one_check_digit_fits(number: int) -> None:
    assert sum(is_sctid(f"{number}{digit}") for digit in range(10)) == 1


@given(st.integers(min_value=10_000, max_value=10**16), st.integers(0, 20), st.integers(1, 9))
def test_one_wrong_digit_or_a_swap_of_neighbours_is_noticed(number: int, place: int, change: int) -> None:
    right = next(f"{number}{digit}" for digit in range(10) if is_sctid(f"{number}{digit}"))
    place %= len(right) - 1
    wrong = right[:place] + str((int(right[place]) + change) % 10) + right[place + 1 :]
    assert not is_sctid(wrong)
    swapped = right[:place] + right[place + 1] + right[place] + right[place + 2 :]
    assert is_sctid(swapped) is (swapped == right)
