"""Every row of the tables of coding rules does what it says, of codes that a note states, and nothing without them."""

from __future__ import annotations

from functools import cache

import pytest
from whole_release import code_rows, mapper

from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import parse_ranges, within

SETTINGS = ("inpatient", "visit", "report")
COMBINED_IN_STEPS = "disease of three valves is one code (I08.3)"
COMBINATIONS = [
    row
    for row in read_rows("combinations", "icd10cm")
    if not row["words"] and "U0" not in row["has"] + row["with"] and row["reason"] != COMBINED_IN_STEPS
]
SEQUENCES = read_rows("sequencing", "icd10cm")
RESIDUAL = read_rows("residual", "icd10cm")
NEARBY = [row for row in RESIDUAL if row["scope"] == "near"]
INTEGRAL = read_rows("integral", "icd10cm")


@cache
def billable() -> list[str]:
    """Codes that a note may state, which are looked for by other letters than U."""
    book = mapper().linkers[0].book
    return [code for code, at in book.position_of_code.items() if book.billable[at] and code[0] != "U"]


def one_of(ranges: str, *without: str) -> str:
    """The first code of some ranges that is in none of others."""
    wanted, others = parse_ranges(ranges), [parse_ranges(other) for other in without if other]
    return next(c for c in billable() if within(c, wanted) and not any(within(c, other) for other in others))


def default(code: str) -> str:
    book = mapper().linkers[0].book
    return book.codes[book.default(book.position_of_code[code])]


def stated(*codes: str) -> str:
    return "".join(f" Dx {code}." for code in codes)


def words(row: dict[str, str]) -> str:
    return row["reason"][:60]


@pytest.mark.parametrize("row", COMBINATIONS, ids=words)
def test_codes_that_stand_together_make_their_combination(row: dict[str, str]) -> None:
    first = one_of(row["has"], row["unless"])
    partners: list[str] = []
    for group in row["with"].split("+"):
        partners += [one_of(group, row["unless"], first, *partners)] if group.strip() else []
    made = first if row["gives"] == "=" else row["gives"].replace("=", first[:3]).replace("~", first[3:])
    together = code_rows(f"HOSPITAL COURSE: Dx {', '.join([first, *partners])}.\n", candidates=True)
    alone = code_rows(f"HOSPITAL COURSE: Dx {first}.\n", candidates=True)
    assert any(code.startswith(made) for code in together)
    if partners and row["gives"] != "=":
        assert made not in alone or made == first


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("row", [row for row in SEQUENCES if not row["says"] and "Z51" not in row["first"]], ids=words)
def test_a_rule_of_sequence_holds_in_its_settings(row: dict[str, str], setting: str) -> None:
    first, other = one_of(row["first"]), one_of(row["before"], row["first"])
    rows = code_rows(f"DISCHARGE DIAGNOSIS:{stated(other, first)}\n", setting=setting)
    wanted = first if setting in row["settings"].split() else other
    assert [code for code, found in rows.items() if found["role"] == "principal"] == [wanted]


@pytest.mark.parametrize("row", RESIDUAL, ids=words)
def test_a_residual_code_yields_to_one_that_says_more(row: dict[str, str]) -> None:
    code = default(row["code"])
    better = one_of(row["yields_to"], row["code"])
    setting = (row["settings"].split() or ["inpatient"])[0]
    beside = code_rows(f"DISCHARGE DIAGNOSIS:{stated(code, better)}\n", candidates=True, setting=setting)
    alone = code_rows(f"DISCHARGE DIAGNOSIS:{stated(code)}\n", candidates=True, setting=setting)
    assert beside.get(code, {"reason": "gone"})["reason"]
    assert row["reason"] not in alone[code]["reason"]


@pytest.mark.parametrize("row", NEARBY, ids=words)
def test_a_residual_code_that_yields_nearby_stands_far_away(row: dict[str, str]) -> None:
    setting = (row["settings"].split() or ["report"])[0]
    anywhere = [other for other in RESIDUAL if other["code"] == row["code"] and other["scope"] == "note"]
    others = [other["yields_to"] for other in anywhere if setting in (other["settings"] or setting).split()]
    code, better = default(row["code"]), one_of(row["yields_to"], row["code"], *others)
    text = f"DISCHARGE DIAGNOSIS: Dx {code}. He slept. He ate. He walked. He left. Dx {better}.\n"
    assert row["reason"] not in code_rows(text, candidates=True, setting=setting)[code]["reason"]


@pytest.mark.parametrize("row", INTEGRAL, ids=words)
def test_a_symptom_is_integral_to_the_diseases_of_its_row(row: dict[str, str]) -> None:
    symptom = one_of(row["symptoms"])
    disease = one_of(row["diseases"], row["unless"], row["symptoms"])
    for setting in row["settings"].split():
        beside = code_rows(f"HOSPITAL COURSE:{stated(disease, symptom)}\n", candidates=True, setting=setting)
        assert beside[symptom]["reason"].startswith("integral to")
        alone = code_rows(f"HOSPITAL COURSE:{stated(symptom)}\n", candidates=True, setting=setting)
        assert not (alone[symptom]["reason"] or "").startswith("integral to")
