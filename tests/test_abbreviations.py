"""Short forms of several meanings: each reading with a sentence where it is meant and one where it is not."""

from __future__ import annotations

import csv
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from conceptmap.data.tables import read_table
from conceptmap.mapper import ConceptMapper
from conceptmap.matching.vocabulary import ANY_CONTEXT, NOTHING, abbreviations
from conceptmap.text.abbreviations import Abbreviation, ShortForms
from conceptmap.text.words import words

ENTRIES = read_table("abbreviations")
with (Path(__file__).parent / "data" / "abbreviation_pairs.csv").open(encoding="utf-8", newline="") as file:
    PAIRS = list(csv.DictReader(file))
UNSPECIFIC = frozenset(
    """bone vein renal weight head kidney skin ear eye eyes heart cardiac lung respiratory blood bleeding valve liver
    abdomen abdominal pulmonary cervical spine spinal knee hip breast chest neck foot wound bowel oxygen headache edema
    pressure catheter tube artery aorta muscular gland lens bile back cord temporal iron imaging urinary thyroid
    prostate bladder pelvis trauma surgery injury pain patient disease""".split()
)
"""Words of so many notes that alone they say nothing of a reading."""
ALONE = {"iron": {"IDA", "def"}, "thyroid": {"MNG"}, "pulmonary": set(), "edema": {"APE", "CPE", "CCF"}}
ALONE |= {"prostate": {"PSA"}, "chest": {"CP"}}
"""Those that do in one reading: what the long form itself is about."""


@cache
def reviewed() -> ShortForms:
    return ShortForms.of(Abbreviation(*entry) for entry in abbreviations())


@cache
def mapper() -> ConceptMapper:
    return ConceptMapper.load("icd10cm", encoder=None)


def codes(text: str) -> set[str]:
    """The codes of a note."""
    return set(mapper().annotate_many([("n", text)]).codes["code"])


def readings(text: str, short: str) -> list[str | None]:
    """What a short form is read as, wherever it stands in a text."""
    found = words(text)
    long = reviewed().long_forms(text, found)
    return [long.get(i) for i, word in enumerate(found.written) if word == short]


def test_every_reading_beside_another_has_its_pair() -> None:
    several = {short for short, count in Counter(row["short"] for row in ENTRIES).items() if count > 1}
    asked = [
        (row["short"], row["long"])
        for row in ENTRIES
        if row["short"] in several or row["context"] != ANY_CONTEXT or row["unless"] != NOTHING
    ]
    assert Counter((row["short"], row["long"]) for row in PAIRS) == Counter(asked)


@pytest.mark.parametrize("row", PAIRS, ids=lambda row: f"{row['short']}: {row['long']}")
def test_a_reading_holds_where_it_is_meant_and_nowhere_else(row: dict[str, str]) -> None:
    assert row["long"] in readings(row["meant"], row["short"])
    other = readings(row["other"], row["short"])
    assert other
    assert row["long"] not in other


def test_a_context_word_is_specific() -> None:
    alone = [
        (row["short"], word)
        for row in ENTRIES
        for word in row["context"].split(";")
        if word in UNSPECIFIC and row["short"] not in ALONE.get(word, set())
    ]
    assert not alone


def test_context_is_written_in_words_that_a_text_can_have() -> None:
    cells = [word for row in ENTRIES for name in ("context", "unless") for word in row[name].split(";")]
    parts = [part for word in cells for part in word.partition(":")[2 if ":" in word else 0].split("+")]
    assert not [part for part in parts if len(words(part).form) != 1]


@pytest.mark.parametrize(
    ("drugs", "problem", "code"),
    [
        ("Medications:\n- NPH 20 units at night\n", "Ventriculomegaly and gait trouble: NPH, shunt planned.", "G91.2"),
        ("Medications: CBD, TOF\n", "TOF with repair as an infant.", "Q21.3"),
        ("Feeds by mouth, no gastrostomy. PEG 17 g bid\n", "Tube feeds by PEG.", "Z93.1"),
        ("Immunizations: HBV, MMR\n", "Chronic HBV on entecavir.", "B18.1"),
        ("Medications:\n- DM 10 ml at night\n- HTN 5 mg\n", "HTN.", "I10"),
    ],
)
def test_a_list_of_drugs_or_vaccines_expands_no_disease(drugs: str, problem: str, code: str) -> None:
    assert code not in codes(drugs)
    assert code in codes(problem)


def test_a_drug_list_may_say_what_a_drug_is_for() -> None:
    assert "I48.91" in codes("Medications:\n- apixaban 5 mg for AF\n")


@pytest.mark.parametrize(
    ("wrong", "right", "code"),
    [
        ("HCM mammogram done in May.", "HCM with LVOT obstruction.", "I42.2"),
        ("RTA as a pedestrian.", "Distal RTA, bicarbonate 14.", "N25.89"),
        ("Hernia repair. TOF 4/4, extubated.", "TOF, repair as an infant.", "Q21.3"),
        ("On telemetry. PVC tubing changed.", "Frequent PVC on telemetry.", "I49.3"),
        ("LOA for adhesions, weight 60 kg.", "LOA, anorexia for a month.", "R63.0"),
        ("Contraception: IUD none", "Contraception: IUD", "Z97.5"),
        ("Tried for her eyes: both eyes, injections, drops.", "Both eyes with conjunctival injection.", "H11.43"),
    ],
)
def test_sentences_that_differ_by_what_a_word_means(wrong: str, right: str, code: str) -> None:
    assert not [one for one in codes(wrong) if one.startswith(code)]
    assert [one for one in codes(right) if one.startswith(code)]
