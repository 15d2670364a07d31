"""How far each rule looks: the most blanks, words or items between two things that it still joins, and one more."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from whole_release import mapper

from conceptmap.coding.allergies import with_allergens
from conceptmap.coding.completion import complete
from conceptmap.coding.derived.drug_harm import Finding, adverse_effects
from conceptmap.coding.derived.drug_use import is_said_to_be_long, long_term_use
from conceptmap.coding.derived.drugs import drugs_in
from conceptmap.coding.derived.external_causes import external_causes
from conceptmap.coding.derived.injuries import injuries
from conceptmap.coding.derived.newborns import is_newborn
from conceptmap.coding.derived.obstetrics import is_maternal
from conceptmap.coding.derived.underdosing import poisoning, underdosing
from conceptmap.coding.exact.cause import caused
from conceptmap.coding.exact.elsewhere import _varied
from conceptmap.coding.exact.ended import ended
from conceptmap.coding.exact.siblings import siblings_of
from conceptmap.coding.histories import is_done_now
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.reporting.principal import _is_reason
from conceptmap.coding.reporting.setting import setting_of
from conceptmap.coding.results import with_results
from conceptmap.coding.sides import sides
from conceptmap.coding.stated_codes import with_stated_codes
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.context import Context, assess
from conceptmap.text.layout import layout_of
from conceptmap.text.sections import sections
from conceptmap.text.sentences import sentences

NOW = Context(negated=False, subject="patient", temporality="recent", certainty="certain")


def book() -> CodeBook:
    return mapper().linkers[0].book


def at(code: str) -> int:
    return book().position_of_code[code]


def span(text: str, word: str) -> tuple[int, int]:
    start = text.index(word)
    return start, start + len(word)


def around(text: str, *words: str) -> MentionPlaces:
    return MentionPlaces(text, [span(text, word) for word in words], sections(text), sentences(text))


def drugs(text: str) -> list[str]:
    return [found.code for found in long_term_use(text, sections(text), drugs_in(text, "icd10cm"))]


def effects(text: str, word: str) -> bool:
    finding = Finding(*span(text, word), "R21")
    return any(adverse_effects(text, [(0, len(text))], drugs_in(text, "icd10cm"), [finding], "icd10cm"))


def less(text: str) -> list[str]:
    return [found.code for found in underdosing(text, sentences(text), drugs_in(text, "icd10cm"))]


def completed(text: str, code: str, word: str) -> bool:
    return bool(complete(at(code), text, span(text, word), (), book(), trimester=""))


def tolerated(text: str) -> bool:
    return not with_allergens(text, sections(text), (), book())


def values(text: str) -> bool:
    return bool(with_results(text, sentences(text), (), book()))


def is_now(text: str) -> bool:
    return is_done_now(at("Z90.49"), text, span(text, "cholecystectomy"), NOW, None, book())


def over(text: str, word: str) -> bool:
    return ended(at("K40.90"), text, span(text, word), None, book()) is not None


def due(text: str, word: str) -> bool:
    return caused(at("D64.9"), text, span(text, word), book()) is not None


def chosen(text: str, word: str) -> bool:
    return siblings_of(book()).chosen(at("C43.9"), text, span(text, word), ()) is not None


def adrenal(text: str) -> bool:
    words = re.search("adenoma", text)
    assert words is not None
    return book().codes[_varied(at("D35.00"), words, [0], book(), around(text, "adenoma"))] == "D35.02"


def reacted(text: str) -> bool:
    return any(adverse_effects(text, sentences(text), drugs_in(text, "icd10cm"), (), "icd10cm"))


def stem(n: int) -> str:
    lines = "\n".join("rash" for _ in range(n - 1))
    return f"She denies:\n{lines}\n<cough>" if n > 1 else "She denies:\n<cough>"


def gap(n: int) -> str:
    return " " * n


def said(text: str) -> set[str]:
    """What is not affirmed, certain, recent and of the patient of the mention between < and >."""
    start, end = text.index("<"), text.index(">") - 1
    plain = text.replace("<", "").replace(">", "")
    (found,) = assess(plain, [(start, end)], sections(plain))
    told = {str(found.subject), str(found.temporality), str(found.certainty)} - {"patient", "recent", "certain"}
    return told | ({"negated"} if found.negated else set())


def outside(text: str) -> set[str]:
    return {found.code for found in external_causes(text, [])}


def hurt(text: str) -> set[str]:
    return {found.code for found in injuries(text, [], book())}


def poisoned(text: str) -> bool:
    return any(poisoning(text, [(0, len(text))], drugs_in(text, "icd10cm")))


NEWBORN = "NICU, DOL 1, Apgars 8 and 9, birth weight 3 kg, newborn baby."
REACH: dict[str, tuple[int, Callable[[int], bool]]] = {
    "a side behind": (56, lambda n: sides(f"Pain{gap(n)}left", (0, 4)) == ("left",)),
    "a side before": (56, lambda n: sides(f"left{gap(n)}pain", (4 + n, 8 + n)) == ("left",)),
    "words before a side": (2, lambda n: bool(sides(f"left {'very ' * n}pain", (5 + 5 * n, 9 + 5 * n)))),
    "both sides in letters before": (59, lambda n: bool(sides(f"R/L{gap(n)}pain", (3 + n, 7 + n)))),
    "the reason of a stay": (78, lambda n: _is_reason(0, around(f"Gout, admitted for{gap(n)}pneumonia", "pneumonia"))),
    "lines before a title": (111, lambda n: setting_of("\n" * n + "Discharge\nCough.", []) == "inpatient"),
    "what makes an allergen none": (110, lambda n: tolerated(f"ALLERGIES: Tolerates{gap(n)} penicillin")),
    "what makes it none behind it": (991, lambda n: tolerated(f"ALLERGIES: penicillin{gap(n)} tolerated")),
    "what says that a drug is taken for long": (85, lambda n: is_said_to_be_long(f"prednisone{gap(n)}daily", 0, 10)),
    "and before it": (265, lambda n: is_said_to_be_long(f"daily{gap(n)}prednisone", 5 + n, 15 + n)),
    "a chronic opioid behind its dose": (83, lambda n: bool(drugs(f"MEDICATIONS:\noxycodone{gap(n)}chronic"))),
    "codes behind what names them": (196, lambda n: bool(with_stated_codes(f"Dx: {gap(n)}I10", (), book()))),
    "a code beside a category": (195, lambda n: len(with_stated_codes(f"I10{gap(n)}M10.9", (), book())) > 1),
    "a treatment that is denied": (19, lambda n: not values(f"K 2.9, not {'x' * n} repleted.")),
    "words before the head of an item": (3, lambda n: around(f"1. {'old ' * n}Gout", "Gout").opens_item(0)),
    "letters before it": (39, lambda n: around(f"{'x' * n} Gout", "Gout").opens_item(0)),
    "a procedure of the past": (36, lambda n: not is_now(f"s/p {gap(n)}cholecystectomy")),
    "a stage behind": (23, lambda n: completed(f"Pressure sore{gap(n)}stage 3", "L89.159", "Pressure sore")),
    "a stage before": (23, lambda n: completed(f"stage 3{gap(n)}pressure sore", "L89.159", "pressure sore")),
    "a stage of an eye": (50, lambda n: completed(f"Glaucoma{gap(n)}mild stage", "H40.1190", "Glaucoma")),
    "an intent behind": (139, lambda n: completed(f"Poisoning{gap(n)}intentional", "T39.011A", "Poisoning")),
    "an intent before": (139, lambda n: completed(f"intentional{gap(n)}poisoning", "T39.011A", "poisoning")),
    "a seventh character behind": (52, lambda n: completed(f"Fracture{gap(n)}nonunion", "S72.90XA", "Fracture")),
    "a seventh character before": (52, lambda n: completed(f"nonunion{gap(n)}fracture", "S72.90XA", "fracture")),
    "an end behind": (69, lambda n: over(f"Hernia{gap(n)}repair 2014"[: 6 + n + 11], "Hernia")),
    "an end before": (48, lambda n: over(f"repair 2014 {gap(n)}hernia", "hernia")),
    "a cause behind": (76, lambda n: due(f"Anemia due to {'x' * n} chemo", "Anemia")),
    "a cause before": (33, lambda n: due(f"chemo {'x' * n} anemia", "anemia")),
    "words of a sibling behind": (66, lambda n: chosen(f"Melanoma{gap(n)}back", "Melanoma")),
    "words of a sibling before": (46, lambda n: chosen(f"back{gap(n)}melanoma", "melanoma")),
    "a side before what is said elsewhere": (25, lambda n: adrenal(f"left {gap(n)}adenoma")),
    "who was hurt behind a collision": (244, lambda n: "V49.40XA" in outside(f"MVC{gap(n)}driver")),
    "who was hurt before it": (244, lambda n: "V49.40XA" in outside(f"driver{gap(n)}MVC")),
    "the room of a fall": (53, lambda n: "Y92.000" in outside(f"He fell{gap(n)}kitchen")),
    "a denial before a cause": (26, lambda n: not outside(f"no {'x' * n} MVC")),
    "the year behind a cause": (8, lambda n: not outside(f"MVC{gap(n)} in 2010")),
    "a grade behind an organ": (13, lambda n: "S36.031A" in hurt(f"He fell. Splenic lac{gap(n)}grade 2")),
    "a grade before an organ": (8, lambda n: "S36.031A" in hurt(f"He fell. grade 2{gap(n)}splenic lac")),
    "both lungs": (6, lambda n: "S27.322A" in hurt(f"He fell. bilateral{gap(n)}lung contusions")),
    "minutes without consciousness": (34, lambda n: "S06.0X1A" in hurt(f"He fell. Concussion, LOC{gap(n)} 5 min")),
    "a brief loss of it behind": (20, lambda n: "S06.0X1A" in hurt(f"He fell. Concussion. LOC{gap(n)}brief")),
    "a brief loss of it before": (10, lambda n: "S06.0X1A" in hurt(f"He fell. Concussion. brief{gap(n)}LOC")),
    "a drug before a reaction to an infusion": (290, lambda n: reacted(f"Given rituximab.{gap(n)}Infusion reaction.")),
    "a drug behind what is laid to it": (29, lambda n: effects(f"Rash due to {'x' * n} amoxicillin", "Rash")),
    "a drug that ran out": (59, lambda n: "T50.1X6A" in less(f"He ran out of{gap(n)}torsemide")),
    "a drug before what ran out": (249, lambda n: "T50.1X6A" in less(f"torsemide {gap(n)}ran out")),
    "a denial before it": (23, lambda n: not less(f"He never {'x' * n} ran out of torsemide")),
    "a drug behind an overdose": (51, lambda n: poisoned(f"Overdose{gap(n)} diltiazem")),
    "a drug before an overdose": (51, lambda n: poisoned(f"diltiazem{gap(n)}overdose")),
    "a past overdose": (33, lambda n: not poisoned(f"prior {'x' * n} overdose of diltiazem")),
    "what is told of a newborn before an adult": (389, lambda n: not is_newborn(f"{gap(n)}25-year-old. {NEWBORN}")),
    "a boy before a pregnancy": (190, lambda n: not is_maternal(f"{gap(n)}7-year-old boy, IUP, prenatal, G1P0")),
    "items of a list that is denied": (6, lambda n: "negated" in said(f"Denies fever; {'dry ' * (n - 1)}<cough>.")),
    "lines below what opens their list": (23, lambda n: "negated" in said(stem(n))),
    "letters of a line that ends a sentence": (22, lambda n: len(sentences(f"{'X' * n}\nlower case")) > 1),
    "letters of what is asked": (120, lambda n: bool(layout_of(f"{'x' * n}: no").entries)),
}


def farthest(holds: Callable[[int], bool], most: int = 2500) -> int:
    """The greatest number for which something holds that holds up to it, -1 for none."""
    low, high = -1, most
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


@pytest.mark.parametrize("what", REACH)
def test_a_rule_looks_so_far_and_no_farther(what: str) -> None:
    reach, holds = REACH[what]
    assert farthest(holds) == reach
